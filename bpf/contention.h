/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What the programs of the contention level share: the tables, who acts, and how an ended wait is counted. The objects
 * are loaded one by one, so that one which a kernel refuses does not take the others with it; src/source/ gives the
 * later ones the maps of the first.
 *
 * Nothing here allocates but bpf_task_storage_get(): the tables have their full size from the start. What a kernel may
 * not allocate within the scheduler, contention_threads.bpf.c allocates ahead.
 */
#ifndef LOCKSCOPE_CONTENTION_H
#define LOCKSCOPE_CONTENTION_H

#include "kernel_types.h"
#include <bpf/bpf_tracing.h>

enum {
	PF_EXITING = 0x4, PF_KTHREAD = 0x00200000,
	FIRST_ORDINARY_UID = 1000,
	FIRST_DYNAMIC_UID = 61184, LAST_DYNAMIC_UID = 65519, /* of services: systemd.exec(5), DynamicUser= */
	PID_NS_LEVELS = 33,
};
#define INITIAL_PID_NS 0xEFFFFFFCu /* include/linux/proc_ns.h */

const volatile __u32 reader_pid_ns = INITIAL_PID_NS; /* inode number */
const volatile __u64 min_wait_ns = 1000000;
const volatile bool threads_prepared = false; /* contention_threads.bpf.c: storage is not to be made in the scheduler */

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ls_control);
} control SEC(".maps");

/* The tables themselves are made by user space, of the size that it wants. Slot: buffer + LS_BUFFERS * accounts. */
struct wait_table {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(struct ls_wait_key)); /* clang leaves the types of an inner map out of BTF */
	__uint(value_size, sizeof(struct ls_wait_counts));
};
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, LS_BUFFERS * LS_ACCOUNTS);
	__type(key, __u32);
	__array(values, struct wait_table);
} wait_tables SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} events SEC(".maps");

/* Of a thread that waits, or has waited. */
struct waiting {
	__u64 word_ns;     /* when its wait for a word or a semaphore began; 0: none */
	__u64 where;
	__u32 kind;
	__u32 file_kind;
	__u64 file_ns;     /* when its wait for a file lock began; 0: none */
	__u64 seen_ns;     /* when that one was last known to go on */
	__u64 request;     /* its struct file_lock, to compare and to ask the kernel for */
	__u64 ino;
	__u32 dev;
	__u32 slept;       /* ASLEEP, AWAKE: since the kernel last said that the file lock is not to be had */
	__u64 run_queue_ns;
	/* The last time that it was woken, by whom, and whether that one let go of what it waits for. */
	__u64 woken_ns;
	__u32 waker_tgid, waker_tid;
	__u32 released;
	__u32 pad;
};
enum { ASLEEP = 1, AWAKE = 2 };
enum { EARLY_NS = 1000000 }; /* a wake-up comes that much before its sleep at most */
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct waiting);
} waiting_threads SEC(".maps");

/* Within the scheduler. */
static __always_inline struct waiting *get_or_make_waiting(struct task_struct *task)
{
	return bpf_task_storage_get(&waiting_threads, task, NULL,
				    threads_prepared ? 0 : BPF_LOCAL_STORAGE_GET_F_CREATE);
}

static __always_inline struct ls_control *get_control(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&control, &zero);
}

static __always_inline void lose(struct ls_control *c, __u32 cause)
{
	__sync_fetch_and_add(&c->lost[cause], 1);
}

static __always_inline __u32 number_in(struct pid *pid)
{
	unsigned int level;

	if (!pid)
		return 0;
	level = BPF_CORE_READ(pid, level);
	for (unsigned int i = 0; i < PID_NS_LEVELS; i++) {
		struct upid number = {};

		if (i > level)
			break;
		bpf_core_read(&number, sizeof(number), &pid->numbers[i]);
		if (BPF_CORE_READ(number.ns, ns.inum) == reader_pid_ns)
			return number.nr;
	}
	return 0;
}

/* The numbers that the reader knows; 0: none. */
static __always_inline __u32 tid_of(struct task_struct *task)
{
	return reader_pid_ns == INITIAL_PID_NS ? (__u32)task->pid : number_in(task->thread_pid);
}

static __always_inline __u32 tgid_of(struct task_struct *task)
{
	return reader_pid_ns == INITIAL_PID_NS ? (__u32)task->tgid : number_in(task->group_leader->thread_pid);
}

static __always_inline __u32 accounts_of(__u32 uid)
{
	return uid < FIRST_ORDINARY_UID || (uid >= FIRST_DYNAMIC_UID && uid <= LAST_DYNAMIC_UID) ?
		LS_ACCOUNTS_SYSTEM : LS_ACCOUNTS_ORDINARY;
}

static __always_inline __u32 slot_of(const struct ls_control *c, __u32 uid)
{
	return (*(volatile __u32 *)&c->active & 1) + LS_BUFFERS * accounts_of(uid);
}

static __always_inline void fill_actor(struct ls_actor *a, struct task_struct *task)
{
	struct task_struct *leader = task->group_leader;

	a->start_ns = leader->start_boottime;
	a->cgroup = task->cgroups->dfl_cgrp->kn->id;
	bpf_probe_read_kernel(a->comm, sizeof(a->comm), leader->comm);
}

/* Ordinary users may fill half of a ring buffer: the rest is for the host's own. */
static __always_inline bool has_room(void *ring, __u32 accounts)
{
	return accounts == LS_ACCOUNTS_SYSTEM ||
	       bpf_ringbuf_query(ring, BPF_RB_AVAIL_DATA) * 2 < bpf_ringbuf_query(ring, BPF_RB_RING_SIZE);
}

/* WaitHistogram::bucket_of() of contention.h */
static __always_inline __u32 bucket_of(__u64 ns)
{
	__u64 us = ns / 1000;
	__u32 log2 = 0;

	if (us >> LS_HISTOGRAM)
		return LS_HISTOGRAM - 1;
	if (us >> 16) { log2 += 16; us >>= 16; }
	if (us >> 8) { log2 += 8; us >>= 8; }
	if (us >> 4) { log2 += 4; us >>= 4; }
	if (us >> 2) { log2 += 2; us >>= 2; }
	if (us >> 1) log2 += 1;
	return log2;
}

static __always_inline void note_longest(struct ls_wait_counts *v, __u64 ns, __u32 tid)
{
	__u64 longest = v->longest_ns;

	for (int i = 0; i < 4 && ns > longest; i++) {
		__u64 found = __sync_val_compare_and_swap(&v->longest_ns, longest, ns);

		if (found == longest) {
			v->longest_tid = tid;
			return;
		}
		longest = found;
	}
}

static __always_inline struct ls_wait_counts *wait_entry(struct ls_control *c, const struct ls_wait_key *key,
							  struct task_struct *task)
{
	struct ls_wait_counts fresh, *v;
	__u32 slot = slot_of(c, key->uid);
	void *table = bpf_map_lookup_elem(&wait_tables, &slot);

	if (!table)
		return NULL;
	v = bpf_map_lookup_elem(table, key);
	if (v)
		return v;
	__builtin_memset(&fresh, 0, sizeof(fresh));
	fill_actor(&fresh.actor, task);
	bpf_map_update_elem(table, key, &fresh, BPF_NOEXIST);
	v = bpf_map_lookup_elem(table, key);
	if (!v)
		lose(c, LS_LOST_WAITS + accounts_of(key->uid));
	return v;
}

static __always_inline void send_event(struct ls_control *c, const struct ls_wait_key *key, struct task_struct *task,
				       const struct waiting *w, __u64 now, __u64 ns, bool acquired)
{
	__u32 accounts = accounts_of(key->uid);
	struct ls_wait_event *e = NULL;

	if (has_room(&events, accounts))
		e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	if (!e) {
		lose(c, LS_LOST_EVENTS + accounts);
		return;
	}
	e->key = *key;
	e->time_ns = now;
	e->wait_ns = ns;
	e->run_queue_ns = w->run_queue_ns < ns ? w->run_queue_ns : ns;
	e->start_ns = task->group_leader->start_boottime;
	e->tid = tid_of(task);
	e->waker_tgid = acquired ? w->waker_tgid : 0;
	e->waker_tid = acquired ? w->waker_tid : 0;
	e->acquired = acquired;
	bpf_ringbuf_submit(e, BPF_RB_NO_WAKEUP);
}

/* `key` with tgid and uid still to be filled in. */
static __always_inline void wait_ended(struct ls_wait_key *key, struct task_struct *task, const struct waiting *w,
				       __u64 now, __u64 ns, bool acquired)
{
	struct ls_control *c = get_control();
	struct ls_wait_counts *v;
	__u32 bucket;

	if (!c)
		return;
	key->tgid = tgid_of(task);
	key->uid = task->cred->euid.val;
	if (!key->tgid) {
		lose(c, LS_LOST_OUTSIDE);
		return;
	}
	v = wait_entry(c, key, task);
	if (v) {
		bucket = bucket_of(ns);
		if (bucket < LS_HISTOGRAM)
			__sync_fetch_and_add(&v->histogram[bucket], 1);
		__sync_fetch_and_add(&v->total_ns, ns);
		note_longest(v, ns, tid_of(task));
		if (!acquired) {
			__sync_fetch_and_add(&v->abandoned, 1);
			if (!v->first_abandoned_ns)
				v->first_abandoned_ns = now;
			v->last_abandoned_ns = now;
		}
	}
	if (ns >= min_wait_ns)
		send_event(c, key, task, w, now, ns, acquired);
}

/* Whether the kernel still has the request of a waiting thread in a queue behind a lock. */
static __always_inline bool still_blocked(__u64 request)
{
	struct list_head *next;
	__u64 member;

	if (bpf_core_field_exists(struct file_lock, c)) {
		struct file_lock *l = (void *)request;

		next = BPF_CORE_READ(l, c.flc_blocked_member.next);
		member = request + bpf_core_field_offset(struct file_lock_core, flc_blocked_member);
	} else {
		struct file_lock___flat *l = (void *)request;

		next = BPF_CORE_READ(l, fl_blocked_member.next);
		member = request + bpf_core_field_offset(struct file_lock___flat, fl_blocked_member);
	}
	return (__u64)next != member;
}

static __always_inline void file_wait_ended(struct task_struct *task, struct waiting *w, __u64 now, bool acquired)
{
	struct ls_wait_key key = { .where = w->ino, .dev = w->dev, .kind = w->file_kind };
	/* One that never slept may have been given up long ago: it lasted as long as it was seen to last. */
	__u64 end = w->slept ? now : w->seen_ns;

	wait_ended(&key, task, w, now, end - w->file_ns, acquired);
	w->file_ns = 0;
}

#endif
