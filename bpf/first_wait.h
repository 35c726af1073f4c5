/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The record of the first wait on a word: what sample_tasks.bpf.c tells of a blocked thread, taken while the thread goes
 * to sleep, so that its own memory can be read without sleeping. Memory that is not present reads as absent.
 * Used by contention_waits.bpf.c. Cost: about 1 us, once for each word in about a minute.
 */
#ifndef LOCKSCOPE_FIRST_WAIT_H
#define LOCKSCOPE_FIRST_WAIT_H

#include "contention.h"

enum {
	STEP = 4, /* a word is aligned to it, and so is the end of a page */
	GLIBC_TID = 720, MUSL_TID = 48, /* see sample_tasks.bpf.c */
	NO_COND_VALUE = 2, /* what mutexes wait for */
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} first_waits SEC(".maps");

/* The window around the word, as far as it is there. */
static __always_inline void read_window(struct ls_wait *w, __u64 word)
{
	__u64 start = word - LS_WINDOW_BEFORE;

	if (!bpf_probe_read_user(w->window, LS_WINDOW_LEN, (void *)start)) {
		w->window_low = -LS_WINDOW_BEFORE;
		w->window_high = LS_WINDOW_AFTER;
		w->flags |= LS_WAIT_WINDOW;
		return;
	}
	for (__u32 at = LS_WINDOW_BEFORE; at < LS_WINDOW_LEN; at += STEP) {
		if (bpf_probe_read_user(w->window + at, STEP, (void *)(start + at)))
			break;
		w->window_high = (__s32)at + STEP - LS_WINDOW_BEFORE;
	}
	if (!w->window_high)
		return;
	w->flags |= LS_WAIT_WINDOW;
	for (__u32 back = STEP; back <= LS_WINDOW_BEFORE; back += STEP) {
		if (bpf_probe_read_user(w->window + LS_WINDOW_BEFORE - back, STEP, (void *)(word - back)))
			break;
		w->window_low = -(__s32)back;
	}
}

static __always_inline __u32 libc_of(struct task_struct *task, __u32 ns_tid)
{
	__u64 base = task->thread.fsbase, tcb[3] = {};
	__u32 tid = 0;

	if (!base || bpf_probe_read_user(tcb, sizeof(tcb), (void *)base) || tcb[0] != base)
		return LS_LIBC_UNKNOWN;
	if (tcb[2] == base && !bpf_probe_read_user(&tid, sizeof(tid), (void *)(base + GLIBC_TID)) && tid == ns_tid)
		return LS_LIBC_GLIBC;
	if (!bpf_probe_read_user(&tid, sizeof(tid), (void *)(base + MUSL_TID)) && tid == ns_tid)
		return LS_LIBC_MUSL;
	return LS_LIBC_UNKNOWN;
}

static __always_inline __u32 own_number(struct pid *pid, __u32 *namespace)
{
	struct upid number = {};
	unsigned int level;

	if (!pid)
		return 0;
	level = BPF_CORE_READ(pid, level);
	if (level >= PID_NS_LEVELS)
		return 0;
	bpf_core_read(&number, sizeof(number), &pid->numbers[level]);
	*namespace = BPF_CORE_READ(number.ns, ns.inum);
	return number.nr;
}

static __always_inline void read_thread(struct ls_thread *t, struct task_struct *task, __s64 call)
{
	t->flags = LS_THREAD_WAITS | LS_THREAD_TIMER_ARMED; /* not looked up: then a timer must be reckoned with */
	t->tgid = tgid_of(task);
	t->tid = tid_of(task);
	t->parent_tgid = tgid_of(task->real_parent);
	t->ns_tgid = own_number(task->group_leader->thread_pid, &t->pid_ns);
	t->ns_tid = own_number(task->thread_pid, &t->pid_ns);
	t->uid = task->cred->euid.val;
	t->state = 1; /* TASK_INTERRUPTIBLE */
	t->start_ns = task->start_boottime;
	t->voluntary_switches = task->nvcsw;
	t->involuntary_switches = task->nivcsw;
	t->address_space = (__u64)task->mm;
	t->files = (__u64)task->files;
	t->cgroup = task->cgroups->dfl_cgrp->kn->id;
	t->syscall = call;
	t->priority = task->prio;
	bpf_probe_read_kernel(t->comm, sizeof(t->comm), task->comm);
}

static __always_inline void read_first_wait(struct ls_first_wait *r, struct task_struct *task, struct pt_regs *regs,
					    __u64 word, __u64 timeout)
{
	struct ls_wait *w = &r->wait;
	__u64 timespec[2];

	r->leader_start_ns = task->group_leader->start_boottime;
	read_thread(&r->thread, task, regs->orig_ax);
	w->args[0] = regs->di; w->args[1] = regs->si; w->args[2] = regs->dx;
	w->args[3] = regs->r10; w->args[4] = regs->r8; w->args[5] = regs->r9;
	w->ip = regs->ip; w->sp = regs->sp; w->bp = regs->bp; w->bx = regs->bx;
	w->r12 = regs->r12; w->r13 = regs->r13; w->r14 = regs->r14; w->r15 = regs->r15;
	w->libc = libc_of(task, r->thread.ns_tid);
	read_window(w, word);
	if (timeout && !bpf_probe_read_user(timespec, sizeof(timespec), (void *)timeout)) {
		w->timeout_sec = timespec[0];
		w->timeout_nsec = timespec[1];
		w->flags |= LS_WAIT_TIMEOUT;
	}
}

static __always_inline __u64 hash_of(__u64 word, __u32 tgid)
{
	__u64 h = (word >> 2) * 0x9e3779b97f4a7c15ull + tgid * 0xc2b2ae3d27d4eb4full;

	h ^= h >> 29;
	return h * 0xbf58476d1ce4e5b9ull >> 32;
}

/* Sends it unless it was sent lately. `stack`: a condition may wait there. */
static __always_inline void note_first_wait(struct task_struct *task, struct pt_regs *regs, __u64 word, __u64 timeout,
					    __u32 flags, bool stack)
{
	struct ls_control *c = get_control();
	__u64 h = hash_of(word, task->tgid), bit = 1ull << (h & 63);
	__u32 at = h >> 6 & (LS_KNOWN_WORDS - 1), accounts, size;
	struct ls_first_wait *r = NULL;

	if (!c || c->known[at] & bit)
		return;
	accounts = accounts_of(task->cred->euid.val);
	if (has_room(&first_waits, accounts))
		r = bpf_ringbuf_reserve(&first_waits, sizeof(*r), 0);
	if (!r) {
		lose(c, LS_LOST_FIRST_WAITS + accounts); /* tried again when this word is next waited for */
		return;
	}
	__sync_fetch_and_or(&c->known[at], bit);
	__builtin_memset(&r->thread, 0, sizeof(r->thread));
	__builtin_memset(&r->wait, 0, sizeof(r->wait));
	read_first_wait(r, task, regs, word, timeout);
	r->wait.flags |= flags;
	size = sizeof(r->thread) + sizeof(r->wait);
	if (stack && !bpf_probe_read_user(r->stack, LS_STACK_LEN, (void *)r->wait.sp)) {
		r->wait.stack_len = LS_STACK_LEN;
		size += LS_STACK_LEN;
	}
	r->thread.size = size;
	bpf_ringbuf_submit(r, BPF_RB_NO_WAKEUP);
}

#endif
