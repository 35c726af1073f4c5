// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Every operation on a file lock, counted by process, file and kind where the kernel decides it, in the context of the
 * process that asked: one hash look-up for an operation that need not wait. Times of what need not wait are those of the
 * last timer tick. Read by src/source/contention_source.cpp.
 *
 * A request that must wait is answered FILE_LOCK_DEFERRED, and once more each time that it is woken, until it is granted;
 * given up, it gets no answer (fs/locks.c): contention_waits.bpf.c sees that when the thread is switched in.
 */
#include "contention.h"
#include "file_lock_facts.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

enum {
	EAGAIN_ = 11, EACCES_ = 13, EDEADLK_ = 35, DEFERRED = 1,
	FL_ACCESS = 8, FL_CLOSE = 64, FL_SLEEP = 128,
};

const volatile bool scheduler_seen = true; /* contention_waits is loaded too */

struct use_table {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(struct ls_use_key)); /* clang leaves the types of an inner map out of BTF */
	__uint(value_size, sizeof(struct ls_use_counts));
};
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, LS_BUFFERS * LS_ACCOUNTS);
	__type(key, __u32);
	__array(values, struct use_table);
} use_tables SEC(".maps");

/* The time of the last timer tick: a clock that costs nothing. */
static __always_inline __u64 tick_ns(const struct ls_control *c)
{
	return bpf_jiffies64() * c->tick_ns + c->tick_origin;
}

struct request {
	__u32 flags, type;
	struct file *file;
	void *owner;
};

static __always_inline void read_request(struct request *r, struct file_lock *fl)
{
	if (bpf_core_field_exists(struct file_lock, c)) {
		r->flags = fl->c.flc_flags;
		r->type = fl->c.flc_type;
		r->file = fl->c.flc_file;
		r->owner = fl->c.flc_owner;
	} else {
		struct file_lock___flat *flat = (void *)fl;

		r->flags = flat->fl_flags;
		r->type = flat->fl_type;
		r->file = flat->fl_file;
		r->owner = flat->fl_owner;
	}
}

static __always_inline struct ls_use_counts *use_entry(struct ls_control *c, struct ls_use_key *key,
							struct task_struct *task, bool make)
{
	struct ls_use_counts fresh, *v;
	__u32 slot = slot_of(c, key->uid);
	void *table = bpf_map_lookup_elem(&use_tables, &slot);

	if (!table)
		return NULL;
	v = bpf_map_lookup_elem(table, key);
	if (v || !make)
		return v;
	__builtin_memset(&fresh, 0, sizeof(fresh));
	fill_actor(&fresh.actor, task);
	bpf_map_update_elem(table, key, &fresh, BPF_NOEXIST);
	v = bpf_map_lookup_elem(table, key);
	if (!v)
		lose(c, LS_LOST_FILE_LOCKS + accounts_of(key->uid));
	return v;
}

/* Whether this is the first word on the matter, and no repeated answer to a request that waits. */
static __always_inline bool file_wait_begins(struct task_struct *task, const struct ls_use_key *key, struct file_lock *fl)
{
	__u32 kind = key->kind - LS_FLOCK + LS_WAITS_FLOCK;
	struct waiting *w;
	__u64 now;

	if (task->flags & PF_KTHREAD) /* lockd is called back */
		return true;
	w = bpf_task_storage_get(&waiting_threads, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!w) {
		struct ls_control *c = get_control();

		if (c)
			lose(c, LS_LOST_NO_STORAGE);
		return true;
	}
	now = bpf_ktime_get_ns();
	if (w->file_ns && w->slept == ASLEEP && scheduler_seen) {
		struct ls_control *c = get_control();

		if (c)
			lose(c, LS_LOST_END);
	} else if (w->file_ns) {
		if (w->ino == key->ino && w->dev == key->dev && w->file_kind == kind) {
			w->seen_ns = now;
			w->request = (__u64)fl;
			w->slept = scheduler_seen ? 0 : AWAKE;
			return false;
		}
		file_wait_ended(task, w, now, false);
	}
	w->ino = key->ino;
	w->dev = key->dev;
	w->file_kind = kind;
	w->request = (__u64)fl;
	w->slept = scheduler_seen ? 0 : AWAKE;
	w->run_queue_ns = 0;
	w->seen_ns = now;
	w->file_ns = now;
	return true;
}

static __always_inline void file_wait_answered(struct task_struct *task, const struct ls_use_key *key, bool granted)
{
	struct waiting *w = bpf_task_storage_get(&waiting_threads, task, NULL, 0);
	bool same;

	if (!w || !w->file_ns)
		return;
	same = w->ino == key->ino && w->dev == key->dev && w->file_kind == key->kind - LS_FLOCK + LS_WAITS_FLOCK;
	file_wait_ended(task, w, bpf_ktime_get_ns(), same && granted);
}

static __always_inline void count_refusal(struct ls_use_counts *v, int answer, __u64 now)
{
	if (answer == -EDEADLK_) {
		__sync_fetch_and_add(&v->deadlocks, 1);
	} else if (answer == -EAGAIN_ || answer == -EACCES_) {
		__sync_fetch_and_add(&v->failed, 1);
		if (!v->first_failed_ns)
			v->first_failed_ns = now;
		v->last_failed_ns = now;
	} else {
		__sync_fetch_and_add(&v->errors, 1);
	}
}

static __always_inline int count(struct inode *inode, struct file_lock *fl, int answer, bool flock)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct ls_control *c = get_control();
	struct ls_use_key key = {};
	struct ls_use_counts *v;
	struct request r;
	bool by_close;

	if (!inode || !fl || !c)
		return 0;
	read_request(&r, fl);
	if (r.flags & FL_ACCESS) /* only asks */
		return 0;
	key.ino = inode->i_ino;
	key.dev = inode->i_sb->s_dev;
	key.uid = task->cred->euid.val;
	/* The close of a descriptor drops OFD locks in the name of its open file. */
	key.kind = flock ? LS_FLOCK : r.flags & FL_OFDLCK || r.owner == r.file ? LS_OFD : LS_POSIX;
	key.tgid = tgid_of(task);
	by_close = r.type == UNLOCK && r.flags & FL_CLOSE;
	if (!key.tgid) {
		if (!by_close)
			lose(c, LS_LOST_OUTSIDE);
		return 0;
	}
	if (answer == DEFERRED && !file_wait_begins(task, &key, fl))
		return 0;
	if (answer != DEFERRED && r.type != UNLOCK && r.flags & FL_SLEEP)
		file_wait_answered(task, &key, answer == 0);
	v = use_entry(c, &key, task, !by_close);
	if (!v)
		return 0;
	if (by_close) {
		__sync_fetch_and_add(&v->closed, 1);
	} else if (answer == DEFERRED) {
		__sync_fetch_and_add(&v->contended, 1);
	} else if (answer) {
		count_refusal(v, answer, tick_ns(c));
	} else if (r.type == UNLOCK) {
		__sync_fetch_and_add(&v->released, 1);
		v->last_released_ns = tick_ns(c);
	} else {
		__sync_fetch_and_add(r.type == WRITE_LOCK ? &v->granted_exclusive : &v->granted_shared, 1);
		v->last_granted_ns = tick_ns(c);
	}
	if (!v->readonly && r.file && !(r.file->f_mode & FMODE_WRITE))
		v->readonly = 1;
	return 0;
}

SEC("tp_btf/flock_lock_inode")
int BPF_PROG(contention_flock, struct inode *inode, struct file_lock *fl, int answer)
{
	(void)ctx;
	return count(inode, fl, answer, true);
}

SEC("tp_btf/posix_lock_inode")
int BPF_PROG(contention_posix, struct inode *inode, struct file_lock *fl, int answer)
{
	(void)ctx;
	return count(inode, fl, answer, false);
}

/* Run by user space to set that clock. */
SEC("syscall")
int contention_clock(void *ctx)
{
	struct ls_control *c = get_control();

	(void)ctx;
	if (!c)
		return 1;
	c->jiffies = bpf_jiffies64();
	c->jiffies_ns = bpf_ktime_get_ns();
	return 0;
}
