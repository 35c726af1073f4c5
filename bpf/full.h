/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The full level: what each traced thread holds, and what its locks cost. Maps and verbs that the programs on the lock
 * functions (full_take.bpf.c, full_release.bpf.c) and on the scheduler (full_tasks.bpf.c) share.
 *
 * A thread's held locks stand in task storage, the latest last. An uncontended lock is believed to be taken where it is
 * asked for, and a contended one when the scheduler lets its thread go on: no probe on the return is needed. Only calls
 * that may fail are watched to their end.
 */
#ifndef LOCKSCOPE_FULL_H
#define LOCKSCOPE_FULL_H

#include "kernel_types.h"
#include "full_wire.h"

/* A verb too long to be in each of its callers. Global, so that the verifier walks through it once, not for each call. */
#define LS_VERB __weak __noinline

enum { EPERM_ = 1, EBUSY_ = 16, EDEADLK_ = 35, EOWNERDEAD_ = 130, SIGSTOP_ = 19, SYS_FUTEX = 202 };

struct ls_full_call_pending {
	__u64 frame, lock, site, asked_ns;
	__u8 call, kind, flags, relock; /* relock: a misuse record says that it waits */
};

struct ls_full_thread {
	__u32 tgid, tid, number, image; /* number: in its own namespace */
	__u32 held_count, over;
	__u32 released_at, failed_at;
	__u32 stopping;                 /* by us: time that its first lock was not held for its own sake */
	__u32 pad;
	__u64 steals;
	__u64 switched_in_ns;
	__u64 waits, waited_ns;
	struct { __u64 mutex, site, since_ns; __u8 kind, flags; } condition;
	struct { __u64 handle, called_ns; } join;
	struct { __u64 lock, site; } asked; /* the latest waiting call: of musl only */
	struct { __u64 lock, time_ns; } released[LS_FULL_RELEASED];
	struct { __u64 lock, site, time_ns; __s64 error; } failed[LS_FULL_FAILED];
	struct ls_full_call_pending pending[LS_FULL_PENDING];
	struct ls_full_held held[LS_FULL_HELD];
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct ls_full_thread);
} full_threads SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, LS_FULL_IMAGES);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32); /* tgid */
	__type(value, struct ls_image);
} full_images SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LS_FULL_FILES);
	__type(key, __u32);
	__type(value, struct ls_full_file);
} full_files SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, LS_FULL_USES);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct ls_full_use_key);
	__type(value, struct ls_full_use);
} full_uses SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ls_full_use);
} full_blank_use SEC(".maps") __weak; /* never written */

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, LS_FULL_CHAINS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);
	__type(value, struct ls_chain_use);
} full_chains SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, LS_FULL_RING);
} full_records SEC(".maps") __weak;

/* What user space sets, and counts of what went wrong. One entry. */
struct ls_full_state {
	__u64 long_hold_ns;  /* 0: none is long */
	__u64 steals;        /* locks let go of by others than their holders */
	__u32 last_image;
	__u32 reader_level;  /* of PID namespaces */
	__u64 lost_records, lost_uses, lost_acquired, lost_chains, lost_calls, lost_threads, unreadable, deep_holds;
};
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ls_full_state);
} full_state SEC(".maps") __weak;

static __always_inline struct ls_full_state *state_of_level(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&full_state, &zero);
}

static __always_inline void count(__u64 *counter)
{
	__sync_fetch_and_add(counter, 1);
}

/* Floor of the binary logarithm, at most the last bucket. */
static __always_inline __u32 bucket_of(__u64 ns)
{
	__u32 log = 0;

	if (ns >> 32) { log += 32; ns >>= 32; }
	if (ns >> 16) { log += 16; ns >>= 16; }
	if (ns >> 8) { log += 8; ns >>= 8; }
	if (ns >> 4) { log += 4; ns >>= 4; }
	if (ns >> 2) { log += 2; ns >>= 2; }
	if (ns >> 1) log += 1;
	return log < LS_FULL_BUCKETS ? log : LS_FULL_BUCKETS - 1;
}

static __always_inline __u32 number_at(struct task_struct *task, unsigned int level)
{
	struct upid number = {};
	struct pid *pid = task->thread_pid;

	if (level >= 32 || !pid || BPF_CORE_READ(pid, level) < level)
		return 0;
	bpf_core_read(&number, sizeof(number), &pid->numbers[level]);
	return number.nr;
}

static __always_inline void fill_head(struct ls_record_head *head, __u32 type, const struct ls_full_thread *t,
				      struct task_struct *task, __u64 now)
{
	head->type = type;
	head->image = t->image;
	head->tgid = t->tgid;
	head->tid = t->tid;
	head->start_ns = task->start_boottime;
	head->time_ns = now;
	bpf_probe_read_kernel(head->comm, sizeof(head->comm), task->comm);
}

LS_VERB int greet(struct ls_full_thread *t, struct ls_image *image)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct ls_record_head *hello;

	if (!t || !image || __sync_val_compare_and_swap(&image->greeted, 0, 1))
		return 0;
	hello = bpf_ringbuf_reserve(&full_records, sizeof(*hello), 0);
	if (hello) {
		fill_head(hello, LS_RECORD_HELLO, t, task, bpf_ktime_get_boot_ns());
		bpf_ringbuf_submit(hello, BPF_RB_FORCE_WAKEUP);
	}
	if (image->stop && !bpf_send_signal(SIGSTOP_))
		t->stopping = 1;
	return 0;
}

/* The state of the thread that runs; made when it calls for the first time. */
static __always_inline struct ls_full_thread *begin_thread(struct task_struct *task, struct ls_full_state *s)
{
	struct ls_full_thread *t = bpf_task_storage_get(&full_threads, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	struct ls_image *image, fresh = {};
	__u32 tgid;

	if (!t) {
		count(&s->lost_threads);
		return NULL;
	}
	if (t->image)
		return t;
	t->tid = number_at(task, s->reader_level);
	tgid = number_at(task->group_leader, s->reader_level);
	t->tgid = tgid;
	t->number = number_at(task, task->thread_pid->level);
	t->steals = s->steals;
	image = bpf_map_lookup_elem(&full_images, &tgid);
	if (!image) { /* probed before it was told */
		fresh.image = __sync_fetch_and_add(&s->last_image, 1) + 1;
		bpf_map_update_elem(&full_images, &tgid, &fresh, BPF_NOEXIST);
		image = bpf_map_lookup_elem(&full_images, &tgid);
		if (!image) {
			count(&s->lost_threads);
			return NULL;
		}
	}
	t->image = image->image;
	greet(t, image);
	return t;
}

#endif
