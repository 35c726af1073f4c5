// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Every lock on every open file of the host, once for each descriptor that owns it: flock and OFD locks for every
 * process that shares the open file description, POSIX locks for the process that took them. A task_file iterator, run
 * only when a thread waits for a file lock; a file without locks costs two loads. Locks taken long before are seen too.
 * Read by src/source/bpf_source.cpp.
 *
 * The lists are walked without their lock: the walk is bounded, all reads are checked by the kernel, and a finding
 * needs two looks that agree.
 */
#include "file_lock_facts.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

enum {
	MAX_LOCKS = 512, /* of one kind on one file; a file with more is reported as such by the caller's count */
};

struct walk {
	struct list_head *head, *at;
	struct file *file;
	void *files;
	struct seq_file *seq;
	struct ls_file_lock lock;
	bool posix;
};

__u64 truncated; /* files with more locks than MAX_LOCKS; read by user space */

static long write_lock(__u32 index, struct walk *w)
{
	(void)index;
	struct ls_file_lock *l = &w->lock;
	struct facts f = {};

	if (!w->at || w->at == w->head)
		return 1;
	read_lock(&f, w->at);
	l->kind = !w->posix ? LS_FLOCK : f.flags & FL_OFDLCK ? LS_OFD : LS_POSIX;
	l->exclusive = f.type == WRITE_LOCK;
	l->owner = (__u64)(w->posix ? f.owner : (void *)f.file);
	l->locker_tgid = f.pid;
	l->start = f.start;
	l->end = f.end == 0x7fffffffffffffffll ? ~0ull : (__u64)f.end;
	w->at = f.next;
	if (l->owner == (__u64)(l->kind == LS_POSIX ? w->files : (void *)w->file))
		bpf_seq_write(w->seq, l, sizeof(*l));
	return 0;
}

static __always_inline void walk_list(struct walk *w, struct list_head *head)
{
	w->head = head;
	w->at = NULL;
	bpf_core_read(&w->at, sizeof(w->at), &head->next);
	if (w->at == head)
		return;
	bpf_loop(MAX_LOCKS, write_lock, w, 0);
	if (w->at != head)
		__sync_fetch_and_add(&truncated, 1);
}

/* Without the one that the iterator takes while it shows us the file (kernel/bpf/task_iter.c). */
static __always_inline __u64 references(struct file *file)
{
	if (bpf_core_field_exists(file->f_ref))
		return (__u64)BPF_CORE_READ(file, f_ref.refcnt.counter);
	return (__u64)BPF_CORE_READ((struct file___counted *)file, f_count.counter) - 1;
}

SEC("iter/task_file")
int sample_file_locks(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct file_lock_context *locks;
	struct walk w = {};
	struct inode *inode;

	if (!task || !file)
		return 0;
	inode = file->f_inode;
	locks = inode->i_flctx;
	if (!locks)
		return 0;
	w.file = file;
	w.files = task->files;
	w.seq = ctx->meta->seq;
	w.lock.tgid = ls_tgid_for_reader(task);
	w.lock.tid = ls_tid_for_reader(task);
	w.lock.fd = ctx->fd;
	w.lock.readonly = !(file->f_mode & FMODE_WRITE);
	w.lock.file = (__u64)file;
	w.lock.files = (__u64)w.files;
	w.lock.file_refs = references(file);
	w.lock.dev = BPF_CORE_READ(inode, i_sb, s_dev);
	w.lock.ino = inode->i_ino;
	walk_list(&w, &locks->flc_flock);
	w.posix = true;
	walk_list(&w, &locks->flc_posix);
	return 0;
}
