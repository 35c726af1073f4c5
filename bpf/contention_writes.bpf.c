// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Writes to a file on which somebody else holds a lock, where they make its inode or one of its pages dirty: a write to
 * a page that is dirty already, within one tick of the last, is not seen. Loaded only where asked for. Files that were
 * never locked cost a comparison. Read by src/source/contention_source.cpp, which cannot tell either whether the writer
 * shares the open file of an flock: the next look can.
 */
#include "contention.h"
#include "file_lock_facts.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

enum {
	MAX_LOCKS = 64, /* of one kind on one file */
	NR_write = 1, NR_pwrite64 = 18, NR_writev = 20, NR_sendfile = 40, NR_truncate = 76, NR_ftruncate = 77,
	NR_splice = 275, NR_fallocate = 285, NR_pwritev = 296, NR_copy_file_range = 326, NR_pwritev2 = 328,
};
#define WHOLE_END 0x7fffffffffffffffll

struct write_table {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(struct ls_write_key)); /* clang leaves the types of an inner map out of BTF */
	__uint(value_size, sizeof(struct ls_write_counts));
};
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, LS_BUFFERS * LS_ACCOUNTS);
	__type(key, __u32);
	__array(values, struct write_table);
} write_tables SEC(".maps");

static __always_inline bool writes(__u64 call)
{
	return call == NR_write || call == NR_pwrite64 || call == NR_writev || call == NR_pwritev ||
	       call == NR_pwritev2 || call == NR_ftruncate || call == NR_truncate || call == NR_fallocate ||
	       call == NR_sendfile || call == NR_copy_file_range || call == NR_splice;
}

struct search {
	struct list_head *head, *at;
	void *files;     /* of the writer */
	__u32 tgid;
	__u32 others;    /* locks of somebody else */
	__u32 locker;    /* of the one that covers the whole file and excludes all others; 0: none */
	__u32 posix;
};

static long look_at_lock(__u32 index, struct search *s)
{
	struct facts f = {};
	bool own;

	(void)index;
	if (!s->at || s->at == s->head)
		return 1;
	read_lock(&f, s->at);
	s->at = f.next;
	own = s->posix && !(f.flags & FL_OFDLCK) ? f.owner == s->files : f.pid == s->tgid;
	if (own)
		return 0;
	s->others++;
	if (f.type == WRITE_LOCK && (!s->posix || (f.start == 0 && f.end == WHOLE_END)))
		s->locker = f.pid;
	return 0;
}

static __always_inline void search_list(struct search *s, struct list_head *head)
{
	s->head = head;
	s->at = NULL;
	s->locker = 0;
	bpf_core_read(&s->at, sizeof(s->at), &head->next);
	if (s->at && s->at != head)
		bpf_loop(MAX_LOCKS, look_at_lock, s, 0);
}

static __always_inline struct ls_write_counts *write_entry(struct ls_control *c, struct ls_write_key *key,
							    struct task_struct *task, __u64 now)
{
	struct ls_write_counts fresh, *v;
	__u32 slot = slot_of(c, key->uid);
	void *table = bpf_map_lookup_elem(&write_tables, &slot);

	if (!table)
		return NULL;
	v = bpf_map_lookup_elem(table, key);
	if (v)
		return v;
	__builtin_memset(&fresh, 0, sizeof(fresh));
	fill_actor(&fresh.actor, task);
	fresh.first_ns = now;
	bpf_map_update_elem(table, key, &fresh, BPF_NOEXIST);
	v = bpf_map_lookup_elem(table, key);
	if (!v)
		lose(c, LS_LOST_WRITES + accounts_of(key->uid));
	return v;
}

SEC("tp_btf/writeback_mark_inode_dirty")
int BPF_PROG(contention_write, struct inode *inode)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct file_lock_context *locks;
	struct ls_write_key key = {};
	struct ls_write_counts *v;
	struct search s = {};
	struct ls_control *c;
	__u32 flock, posix;
	__u64 now;

	(void)ctx;
	if (!inode)
		return 0;
	locks = inode->i_flctx;
	if (!locks || task->flags & PF_KTHREAD)
		return 0;
	if (!writes(((struct pt_regs *)bpf_task_pt_regs(task))->orig_ax))
		return 0;
	s.files = task->files;
	s.tgid = task->tgid;
	search_list(&s, &locks->flc_flock);
	flock = s.locker;
	s.posix = 1;
	search_list(&s, &locks->flc_posix);
	posix = s.locker;
	c = get_control();
	if (!s.others || !c)
		return 0;
	key.ino = inode->i_ino;
	key.dev = inode->i_sb->s_dev;
	key.uid = task->cred->euid.val;
	key.tgid = tgid_of(task);
	if (!key.tgid) {
		lose(c, LS_LOST_OUTSIDE);
		return 0;
	}
	now = bpf_ktime_get_ns();
	v = write_entry(c, &key, task, now);
	if (!v)
		return 0;
	__sync_fetch_and_add(&v->writes, 1);
	if (flock)
		__sync_fetch_and_add(&v->against_flock, 1);
	if (posix)
		__sync_fetch_and_add(&v->against_posix, 1);
	/* The lock's own number is one of the initial namespace. */
	if ((flock || posix) && reader_pid_ns == INITIAL_PID_NS)
		v->locker = flock ? flock : posix;
	v->last_ns = now;
	return 0;
}
