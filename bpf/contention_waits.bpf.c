// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Every wait that blocks in a futex or semop call, from the scheduler's own tracepoints: the registers with which a
 * thread entered the kernel say what it waits for, whoever wakes it says whether that was a release. No system call is
 * made dearer, and a lock that nobody waits for is never seen. Read by src/source/contention_source.cpp.
 *
 *   switched out, asleep in such a call -> a wait begins
 *   woken                               -> by whom, and by letting go of this or not
 *   switched in                         -> the wait has ended: acquired, or else abandoned (timeout, signal)
 *
 * Hosts were met on which the scheduler is silent about a switch in a thousand. A thread that goes to sleep in a wait
 * that never ended, or wakes up without having been woken, tells of that: such waits are counted as lost.
 *
 * File locks: contention_file_locks.bpf.c knows their begin and end; only what happens asleep is noted here.
 */
#include "first_wait.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

enum {
	TASK_INTERRUPTIBLE = 1,
	TS_COMPAT = 2,
	USER32_CS = 0x23,
	/* x86_64 system calls, and futex commands (linux/futex.h) */
	NR_semop = 65, NR_semctl = 66, NR_fcntl = 72, NR_flock = 73, NR_futex = 202, NR_restart = 219,
	NR_semtimedop = 220, NR_futex_waitv = 449, NR_futex_wake = 454, NR_futex_wait = 455, NR_futex_requeue = 456,
	NR_futex_i386 = 240,
	CMD_WAIT = 0, CMD_WAKE = 1, CMD_REQUEUE = 3, CMD_CMP_REQUEUE = 4, CMD_WAKE_OP = 5, CMD_LOCK_PI = 6,
	CMD_UNLOCK_PI = 7, CMD_WAIT_BITSET = 9, CMD_WAKE_BITSET = 10, CMD_WAIT_REQUEUE_PI = 11,
	CMD_CMP_REQUEUE_PI = 12, CMD_LOCK_PI2 = 13,
	CMD_MASK = 127, PRIVATE = 128,
	PAGE = 4096,
};
#define BIT(n) (1u << (n))
#define WAIT_CMDS (BIT(CMD_WAIT) | BIT(CMD_LOCK_PI) | BIT(CMD_WAIT_BITSET) | BIT(CMD_WAIT_REQUEUE_PI) | BIT(CMD_LOCK_PI2))
#define WAKE_CMDS (BIT(CMD_WAKE) | BIT(CMD_REQUEUE) | BIT(CMD_CMP_REQUEUE) | BIT(CMD_WAKE_OP) | BIT(CMD_UNLOCK_PI) | \
		   BIT(CMD_WAKE_BITSET) | BIT(CMD_CMP_REQUEUE_PI))

enum family { NONE, WORD, SYSV, FILE_LOCK };

static __always_inline bool is_command(__u32 set, __u64 op)
{
	return (op & CMD_MASK) < 32 && set >> (op & CMD_MASK) & 1;
}

/* What a thread in this system call may wait for. All that the other threads of the host pay is to be asked this. */
static __always_inline enum family family_of(__u64 call)
{
	if (call == NR_futex)
		return WORD;
	if (call == NR_semop || call == NR_semtimedop)
		return SYSV;
	if (call == NR_flock || call == NR_fcntl)
		return FILE_LOCK;
	if (call == NR_futex_wait || call == NR_futex_waitv || call == NR_restart)
		return WORD;
	return NONE;
}

static __always_inline bool is_compat(struct task_struct *task, struct pt_regs *regs)
{
	return regs->cs == USER32_CS || task->thread_info.status & TS_COMPAT;
}

static __always_inline bool is_private(__u64 call, struct pt_regs *regs)
{
	if (call == NR_futex_wait)
		return regs->r10 & PRIVATE;
	return call != NR_futex_waitv && regs->si & PRIVATE;
}

/* One reading of the clock serves a whole switch: it costs more than all the questions. */
static __always_inline __u64 time_of(__u64 *now)
{
	if (!*now)
		*now = bpf_ktime_get_ns();
	return *now;
}

static __always_inline void word_wait_begins(struct task_struct *task, struct pt_regs *regs, struct waiting *w,
					     __u64 *now)
{
	__u64 call = regs->orig_ax, op = regs->si, word = regs->di, timeout = 0;
	__u32 flags = 0;
	bool stack = false;

	if (call == NR_restart) {
		if ((__u64)BPF_CORE_READ(task, restart_block.futex.uaddr) != word || !word)
			return;
		flags = LS_WAIT_RESTARTED;
	}
	if (call == NR_futex_waitv) {
		if (bpf_probe_read_user(&word, sizeof(word), (void *)(word + 8)))
			return;
	} else if (call == NR_futex_wait) {
		timeout = regs->r8;
	} else {
		if (!is_command(WAIT_CMDS, op))
			return;
		timeout = regs->r10;
		stack = (op & CMD_MASK) == CMD_WAIT || (op & CMD_MASK) == CMD_WAIT_BITSET;
		stack = stack && regs->dx != NO_COND_VALUE;
	}
	w->where = word;
	w->kind = is_private(call, regs) ? LS_WAITS_PRIVATE_WORD : LS_WAITS_WORD;
	w->word_ns = time_of(now);
	if (call != NR_futex_waitv)
		note_first_wait(task, regs, word, timeout, flags, stack);
}

static __always_inline void switched_out(struct task_struct *task, __u64 *now)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);
	enum family family = family_of(regs->orig_ax);
	struct ls_control *c;
	struct waiting *w;

	if (family == NONE)
		return;
	if (family == FILE_LOCK) {
		w = bpf_task_storage_get(&waiting_threads, task, NULL, 0);
		if (w)
			w->slept = ASLEEP;
		return;
	}
	if (is_compat(task, regs)) {
		c = get_control();
		if (c)
			lose(c, LS_LOST_NOT_UNDERSTOOD);
		return;
	}
	w = get_or_make_waiting(task);
	if (!w) {
		c = get_control();
		if (c)
			lose(c, LS_LOST_NO_STORAGE);
		return;
	}
	if (w->word_ns) {
		c = get_control();
		if (c)
			lose(c, LS_LOST_END);
		w->word_ns = 0;
	}
	if (family == SYSV) {
		w->where = (__u32)regs->di;
		w->kind = LS_WAITS_SYSV;
		w->word_ns = time_of(now);
	} else {
		word_wait_begins(task, regs, w, now);
	}
}

static __always_inline void switched_in(struct task_struct *task, __u64 *clock)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);
	enum family family = family_of(regs->orig_ax);
	struct waiting *w;
	__u64 now;

	if (family == NONE)
		return;
	w = bpf_task_storage_get(&waiting_threads, task, NULL, 0);
	if (!w || !(family == FILE_LOCK ? w->file_ns : w->word_ns))
		return;
	now = time_of(clock);
	w->run_queue_ns = now - w->woken_ns;
	if (family == FILE_LOCK) {
		w->seen_ns = now;
		if (w->slept)
			w->slept = AWAKE;
		/* Released: the thread asks again, and the answer is counted. Still queued: a signal, it goes home. */
		if (w->slept && still_blocked(w->request))
			file_wait_ended(task, w, now, false);
	} else if (w->woken_ns + EARLY_NS < w->word_ns) { /* woken, but by whom? */
		struct ls_control *c = get_control();

		if (c)
			lose(c, LS_LOST_END);
		w->word_ns = 0;
	} else {
		struct ls_wait_key key = { .where = w->where, .kind = w->kind };

		wait_ended(&key, task, w, now, now - w->word_ns, w->released);
		w->word_ns = 0;
	}
}

SEC("tp_btf/sched_switch")
int BPF_PROG(contention_switch, bool preempt, struct task_struct *prev, struct task_struct *next,
	     unsigned int prev_state)
{
	__u64 now = 0;

	(void)ctx;
	if (!preempt && prev_state & TASK_INTERRUPTIBLE && !(prev->flags & PF_KTHREAD))
		switched_out(prev, &now);
	if (!(next->flags & PF_KTHREAD))
		switched_in(next, &now);
	return 0;
}

/* Whether a thread that ends may hold robust mutexes, which the kernel then releases one by one. */
static __always_inline bool has_robust_locks(struct task_struct *task)
{
	struct task_struct___grouped *grouped = (void *)task;
	__u64 head, first = 0;

	if (bpf_core_field_exists(task->robust_list))
		head = (__u64)task->robust_list;
	else
		head = (__u64)BPF_CORE_READ(grouped, futex.robust_list);
	return head && !bpf_probe_read_user(&first, sizeof(first), (void *)head) && first != head;
}

/*
 * Whether the waker is in the act of releasing what the waiter waits for. Else it is a signal, or a timer, which goes off
 * in the context of whoever is running: so a private word is released only by one who shares the memory, and a wait that
 * a timer may end only by one who acts on that very word.
 */
static __always_inline bool lets_go(struct task_struct *waker, struct task_struct *waiter, struct pt_regs *waits,
				    enum family family)
{
	__u64 wait_call = waits->orig_ax, word = waits->di, call, differs;
	bool private = is_private(wait_call, waits), timed;
	struct pt_regs *regs;

	if (waker->flags & PF_KTHREAD)
		return false;
	timed = wait_call == NR_futex_wait ? waits->r8 != 0 : wait_call != NR_semop && waits->r10 != 0;
	/* A thread that ends lets go of its robust mutexes and wakes who joins it while it still has its memory, undoes
	 * its semaphores before it is a zombie, and signals its parent after that (kernel/exit.c). */
	if (waker->flags & PF_EXITING) {
		if (family == SYSV)
			return !waker->exit_state;
		return waker->mm && (!timed || (__u64)waker->clear_child_tid == word || has_robust_locks(waker));
	}
	regs = (struct pt_regs *)bpf_task_pt_regs(waker);
	call = regs->orig_ax;
	differs = regs->di ^ word;
	if (family == SYSV)
		return (call == NR_semop || call == NR_semtimedop || call == NR_semctl) && !(__u32)differs;
	if (private && waker->mm != waiter->mm)
		return false;
	if (call == NR_futex) {
		if (!is_command(WAKE_CMDS, regs->si))
			return false;
		if ((regs->si & CMD_MASK) == CMD_WAKE_OP && regs->r8 == word)
			return true;
	} else if (call == NR_futex_i386) {
		return is_compat(waker, regs);
	} else if (call != NR_futex_wake && call != NR_futex_requeue) {
		return false;
	}
	/* Another mapping of shared memory differs in whole pages; and who was requeued is woken at another word. */
	return !timed || !(private ? differs : differs & (PAGE - 1)) || wait_call == NR_futex_waitv;
}

SEC("tp_btf/sched_waking")
int BPF_PROG(contention_waking, struct task_struct *task)
{
	struct pt_regs *regs;
	enum family family;
	struct waiting *w;
	struct task_struct *waker;

	(void)ctx;
	if (task->flags & PF_KTHREAD)
		return 0;
	regs = (struct pt_regs *)bpf_task_pt_regs(task);
	family = family_of(regs->orig_ax);
	if (family == NONE)
		return 0;
	/* It may be woken on another CPU before it is off its own: so this may come before its wait begins. */
	w = family == FILE_LOCK ? bpf_task_storage_get(&waiting_threads, task, NULL, 0) : get_or_make_waiting(task);
	if (!w)
		return 0;
	waker = bpf_get_current_task_btf();
	w->woken_ns = bpf_ktime_get_ns();
	w->released = family == FILE_LOCK ? w->file_ns && !still_blocked(w->request) : lets_go(waker, task, regs, family);
	w->waker_tgid = w->released ? tgid_of(waker) : 0;
	w->waker_tid = w->released ? tid_of(waker) : 0;
	return 0;
}
