// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * One look at every user thread: what it waits in, its registers, and the memory around the lock word. A sleepable task
 * iterator: the watched threads are not stopped and nothing is attached to them. Read by src/source/bpf_source.cpp.
 *
 * Needs bpf_copy_from_user_task() (5.18). The memory of an exiting process reads as absent. Only helpers that hold the
 * address space while they read it are used: bpf_find_vma() on another task does not, so mappings are looked up in
 * user space.
 */
#include "kernel_types.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

enum {
	TASK_INTERRUPTIBLE = 1,
	TASK_UNINTERRUPTIBLE = 2,
	TASK_STOPPED_OR_TRACED = 4 | 8,
	PF_EXITING = 0x4,
	PF_IO_WORKER = 0x10,
	PF_KTHREAD = 0x00200000,
	TS_COMPAT = 2,
	USER32_CS = 0x23,
	X32_SYSCALL = 0x40000000,
	SCHED_NORMAL = 0, SCHED_BATCH = 3, SCHED_IDLE = 5,
	PAGE = 4096,
	GLIBC_TID = 720, /* struct pthread.tid: glibc 2.31 to 2.43, nptl/descr.h, x86_64 */
	MUSL_TID = 48,   /* struct pthread.tid: musl 1.2, src/internal/pthread_impl.h, x86_64 */
};

/* x86_64 system calls that can be a wait for a lock, and futex commands (linux/futex.h) */
enum {
	NR_wait4 = 61, NR_semop = 65, NR_fcntl = 72, NR_flock = 73, NR_futex = 202, NR_restart = 219,
	NR_semtimedop = 220, NR_waitid = 247, NR_futex_waitv = 449, NR_futex_wait = 455,
	CMD_WAIT = 0, CMD_LOCK_PI = 6, CMD_WAIT_BITSET = 9, CMD_WAIT_REQUEUE_PI = 11, CMD_LOCK_PI2 = 13,
	CMD_MASK = 127,
	F_SETLKW_ = 7, F_OFD_SETLKW_ = 38,
};

struct record {
	struct ls_thread thread;
	struct ls_wait wait;
	__u8 stack[LS_STACK_LEN];
	/* Not written: the address space that was last asked for its C library, and the answer. */
	__u64 libc_space;
	__u32 libc;
};

/* Too large for the BPF stack. One iterator runs at a time for each open file; two files never share an element. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct record);
} scratch SEC(".maps");

static __always_inline bool is_futex_wait(__u64 op)
{
	__u64 command = op & CMD_MASK;

	return command == CMD_WAIT || command == CMD_WAIT_BITSET || command == CMD_LOCK_PI ||
	       command == CMD_LOCK_PI2 || command == CMD_WAIT_REQUEUE_PI;
}

/* Copies [word - 64, word + 64) in page-sized pieces: the neighbour page may be unmapped. */
static __always_inline void copy_window(struct ls_wait *w, struct task_struct *task, __u64 word)
{
	__u64 start = word - LS_WINDOW_BEFORE, split = (start + PAGE) & ~(__u64)(PAGE - 1);
	__u32 first = split - start;

	w->window_low = w->window_high = 0;
	if (first >= LS_WINDOW_LEN) {
		if (!bpf_copy_from_user_task(w->window, LS_WINDOW_LEN, (void *)start, task, 0)) {
			w->window_low = -LS_WINDOW_BEFORE;
			w->window_high = LS_WINDOW_AFTER;
			w->flags |= LS_WAIT_WINDOW;
		}
		return;
	}
	/* The verifier wants constant bounds: copy whole 8-byte steps of either side of the page boundary. */
	first &= LS_WINDOW_LEN - 1;
	__u32 rest = LS_WINDOW_LEN - first;
	bool low = false, high = false;

	if (first && first < LS_WINDOW_LEN)
		low = !bpf_copy_from_user_task(w->window, first, (void *)start, task, 0);
	if (rest <= LS_WINDOW_LEN && first < LS_WINDOW_LEN) {
		/* A bounded destination for every split: the record is followed by the stack buffer, written later. */
		high = !bpf_copy_from_user_task(w->window + first, rest & (2 * LS_WINDOW_LEN - 1), (void *)split,
						task, 0);
	}
	if (first > LS_WINDOW_BEFORE) { /* the word lies below the boundary */
		if (!low)
			return;
		w->window_low = -LS_WINDOW_BEFORE;
		w->window_high = high ? LS_WINDOW_AFTER : (__s32)first - LS_WINDOW_BEFORE;
	} else {
		if (!high)
			return;
		w->window_low = low ? -LS_WINDOW_BEFORE : (__s32)first - LS_WINDOW_BEFORE;
		w->window_high = LS_WINDOW_AFTER;
	}
	w->flags |= LS_WAIT_WINDOW;
}

/*
 * Which C library made the thread, by its control block. glibc: the first and the third word point to itself, and the
 * thread's number stands at +720. musl: the first word points to itself, the number stands at +48. Layouts: see the
 * constants above. All threads of a process have the same, so one answer serves the run of threads that follows.
 */
static __always_inline void read_libc(struct record *r, struct task_struct *task)
{
	__u64 base = task->thread.fsbase, *tcb = (__u64 *)r->stack;
	__u32 tid = r->thread.ns_tid;

	r->wait.libc = r->libc;
	if (r->libc_space == r->thread.address_space && r->libc != LS_LIBC_UNKNOWN)
		return;
	r->wait.libc = LS_LIBC_UNKNOWN;
	if (base && !bpf_copy_from_user_task(tcb, GLIBC_TID + 8, (void *)base, task, 0)) {
		if (tcb[0] == base && tcb[2] == base && (__u32)tcb[GLIBC_TID / 8] == tid)
			r->wait.libc = LS_LIBC_GLIBC;
		else if (tcb[0] == base && (__u32)tcb[MUSL_TID / 8] == tid)
			r->wait.libc = LS_LIBC_MUSL;
	} else if (base && !bpf_copy_from_user_task(tcb, MUSL_TID + 8, (void *)base, task, 0)) {
		if (tcb[0] == base && (__u32)tcb[MUSL_TID / 8] == tid)
			r->wait.libc = LS_LIBC_MUSL;
	}
	r->libc = r->wait.libc;
	r->libc_space = r->thread.address_space;
}

static __always_inline void copy_timeout(struct ls_wait *w, struct task_struct *task, __u64 pointer)
{
	__u64 timespec[2];

	if (pointer && !bpf_copy_from_user_task(timespec, sizeof(timespec), (void *)pointer, task, 0)) {
		w->timeout_sec = timespec[0];
		w->timeout_nsec = timespec[1];
		w->flags |= LS_WAIT_TIMEOUT;
	}
}

static __always_inline void read_file(struct ls_wait *w, struct task_struct *task)
{
	struct fdtable *table = BPF_CORE_READ(task, files, fdt);
	unsigned int fd = w->args[0];
	struct file **slots, *file = NULL;
	struct inode *inode;

	if (!table || fd >= BPF_CORE_READ(table, max_fds))
		return;
	slots = BPF_CORE_READ(table, fd);
	bpf_probe_read_kernel(&file, sizeof(file), slots + fd);
	inode = BPF_CORE_READ(file, f_inode);
	if (!file || !inode)
		return;
	w->file = (__u64)file;
	w->file_dev = BPF_CORE_READ(inode, i_sb, s_dev);
	w->file_ino = BPF_CORE_READ(inode, i_ino);
	w->file_size = BPF_CORE_READ(inode, i_size);
	w->file_position = BPF_CORE_READ(file, f_pos);
	w->flags |= LS_WAIT_FILE;
}

static __always_inline void read_pi_owner(struct ls_wait *w, struct task_struct *task)
{
	struct rt_mutex_waiter *waiter = task->pi_blocked_on;
	struct task_struct *owner;

	if (!waiter || !bpf_core_type_exists(struct rt_mutex_base))
		return;
	owner = BPF_CORE_READ(waiter, lock, owner);
	owner = (void *)((__u64)owner & ~1ul); /* bit 0: there are waiters (kernel/locking/rtmutex.c) */
	if (!owner)
		return;
	w->pi_owner_tgid = ls_number_for_reader(BPF_CORE_READ(owner, group_leader, thread_pid));
	w->pi_owner_tid = ls_number_for_reader(BPF_CORE_READ(owner, thread_pid));
}

/* False: this system call is no wait for a lock. */
static __always_inline bool read_wait(struct record *r, struct task_struct *task, const struct pt_regs *regs)
{
	struct ls_wait *w = &r->wait;
	__s64 call = r->thread.syscall;
	bool want_stack = false;
	__u64 op = regs->si;

	w->flags = w->stack_len = 0;
	w->pi_owner_tgid = w->pi_owner_tid = 0;
	w->window_low = w->window_high = 0;
	w->args[0] = regs->di; w->args[1] = regs->si; w->args[2] = regs->dx;
	w->args[3] = regs->r10; w->args[4] = regs->r8; w->args[5] = regs->r9;
	w->ip = regs->ip; w->sp = regs->sp; w->bp = regs->bp; w->bx = regs->bx;
	w->r12 = regs->r12; w->r13 = regs->r13; w->r14 = regs->r14; w->r15 = regs->r15;
	w->libc = LS_LIBC_UNKNOWN;

	if (call == NR_restart) {
		/* A futex wait that was interrupted by a stop goes on as restart_syscall(2), its registers untouched. */
		if ((__u64)BPF_CORE_READ(task, restart_block.futex.uaddr) != w->args[0] || !w->args[0])
			return false;
		w->flags |= LS_WAIT_RESTARTED;
		call = NR_futex;
	}
	if (call == NR_futex) {
		if (!is_futex_wait(op))
			return false;
		copy_window(w, task, w->args[0]);
		read_libc(r, task);
		copy_timeout(w, task, w->args[3]);
		read_pi_owner(w, task);
		want_stack = (op & CMD_MASK) == CMD_WAIT || (op & CMD_MASK) == CMD_WAIT_BITSET;
	} else if (call == NR_futex_wait) {
		copy_window(w, task, w->args[0]);
		read_libc(r, task);
		copy_timeout(w, task, w->args[4]);
	} else if (call == NR_futex_waitv) {
		if (!bpf_copy_from_user_task(w->window, 120, (void *)w->args[0], task, 0))
			w->flags |= LS_WAIT_ARGUMENT;
		copy_timeout(w, task, w->args[3]);
	} else if (call == NR_flock) {
		read_file(w, task);
	} else if (call == NR_fcntl) {
		if (w->args[1] != F_SETLKW_ && w->args[1] != F_OFD_SETLKW_)
			return false;
		read_file(w, task);
		if (!bpf_copy_from_user_task(w->window, 32, (void *)w->args[2], task, 0))
			w->flags |= LS_WAIT_ARGUMENT;
	} else if (call == NR_semop || call == NR_semtimedop) {
		if (call == NR_semtimedop)
			copy_timeout(w, task, w->args[3]);
	} else if (call != NR_wait4 && call != NR_waitid) {
		return false;
	}
	/* glibc keeps a record of a condition wait on the stack; only waits that may be one need it. Mutexes wait for 2. */
	if (want_stack && w->args[2] != 2 &&
	    !bpf_copy_from_user_task(r->stack, LS_STACK_LEN, (void *)w->sp, task, 0))
		w->stack_len = LS_STACK_LEN;
	return true;
}

/* The task's number in its own PID namespace, and which one that is. */
static __always_inline __u32 own_number(struct task_struct *task, __u32 *namespace)
{
	struct pid *pid = task->thread_pid;
	unsigned int level = pid->level;
	struct upid number = {};

	if (level == 0) {
		__u32 tid = task->pid;

		barrier_var(tid); /* or clang merges this load with the one below, and the verifier refuses that */
		*namespace = pid->numbers[0].ns->ns.inum;
		return tid;
	}
	if (level >= 32)
		return 0;
	bpf_core_read(&number, sizeof(number), &pid->numbers[level]);
	*namespace = BPF_CORE_READ(number.ns, ns.inum);
	return number.nr;
}

static __always_inline void read_identity(struct ls_thread *t, struct task_struct *task)
{
	t->tgid = ls_tgid_for_reader(task);
	t->tid = ls_tid_for_reader(task);
	t->parent_tgid = ls_tgid_for_reader(task->real_parent);
	t->uid = task->cred->euid.val;
	t->start_ns = task->start_boottime;
	t->address_space = (__u64)task->mm;
	t->files = (__u64)task->files;
	t->cgroup = task->cgroups->dfl_cgrp->kn->id;
	t->priority = task->prio;
	t->ns_tid = own_number(task, &t->pid_ns);
	t->ns_tgid = own_number(task->group_leader, &t->pid_ns);
	bpf_probe_read_kernel(t->comm, sizeof(t->comm), task->comm);
}

static __always_inline bool timer_armed(struct task_struct *task)
{
	struct signal_struct *signal = task->signal;

	if (bpf_core_field_exists(signal->real_timer.state)) {
		if (signal->real_timer.state)
			return true;
	} else if (BPF_CORE_READ((struct signal_struct___queued *)signal, real_timer.is_queued)) {
		return true;
	}
	if (bpf_core_field_size(signal->posix_timers) == sizeof(struct hlist_head))
		return signal->posix_timers.first != NULL;

	struct signal_struct___listed *listed = (void *)signal;
	struct list_head *head = (void *)signal + bpf_core_field_offset(listed->posix_timers);

	return BPF_CORE_READ(listed, posix_timers.next) != head;
}

/*
 * A lower bound of the time since the thread last ran: since it was put on a CPU (sched_info_arrive() in
 * kernel/sched/stats.h), less twice what it ran then (set_next_entity() in kernel/sched/fair.c). Twice, because run time
 * leaves out what interrupts and the hypervisor took, and that is no waiting either. The reader slept just before it
 * opened the iterator: its own arrival is the scheduler's clock of now. Unknown for real-time threads, whose run time
 * is not kept by slice.
 */
static __always_inline void read_age(struct ls_thread *t, struct task_struct *task)
{
	struct task_struct *reader = bpf_get_current_task_btf();
	__u64 now = reader->sched_info.last_arrival, since = task->sched_info.last_arrival;
	__u64 ran = 2 * (task->se.sum_exec_runtime - task->se.prev_sum_exec_runtime);

	t->blocked_ns = 0;
	if (task->policy != SCHED_NORMAL && task->policy != SCHED_BATCH && task->policy != SCHED_IDLE)
		return;
	if (!since)
		return;
	if (now > since && now - since > ran)
		t->blocked_ns = now - since - ran;
	t->flags |= LS_THREAD_AGE_KNOWN;
}

SEC("iter.s/task")
int sample_tasks(struct bpf_iter__task *ctx)
{
	struct seq_file *seq = ctx->meta->seq;
	struct task_struct *task = ctx->task;
	struct pt_regs *regs;
	struct record *r;
	struct ls_thread *t;
	__u32 zero = 0, size = sizeof(struct ls_thread);

	if (!task || task->flags & (PF_KTHREAD | PF_IO_WORKER))
		return 0;
	r = bpf_map_lookup_elem(&scratch, &zero);
	if (!r)
		return 0;
	if (ctx->meta->seq_num == 0)
		r->libc_space = 0; /* of an earlier run: the address may be another's by now */
	t = &r->thread;
	t->flags = 0;
	t->syscall = -1;
	t->state = task->__state;
	t->voluntary_switches = task->nvcsw;
	t->involuntary_switches = task->nivcsw;
	read_identity(t, task);
	read_age(t, task);
	if (task->flags & PF_EXITING || task->exit_state)
		t->flags |= LS_THREAD_EXITING;
	if (timer_armed(task))
		t->flags |= LS_THREAD_TIMER_ARMED;
	if (task == bpf_get_current_task_btf())
		t->flags |= LS_THREAD_READER;

	regs = (struct pt_regs *)bpf_task_pt_regs(task);
	if (t->state & (TASK_INTERRUPTIBLE | TASK_UNINTERRUPTIBLE) && !(t->state & TASK_STOPPED_OR_TRACED) &&
	    !(t->flags & LS_THREAD_EXITING) && !task->on_cpu && regs) {
		__s64 call = regs->orig_ax;

		if (regs->cs == USER32_CS || task->thread_info.status & TS_COMPAT || (call > 0 && call & X32_SYSCALL)) {
			t->flags |= LS_THREAD_COMPAT;
			call = call & ~X32_SYSCALL;
			t->syscall = call;
		} else {
			t->syscall = call;
			if (read_wait(r, task, regs)) {
				t->flags |= LS_THREAD_WAITS;
				size += sizeof(struct ls_wait);
				if (r->wait.stack_len)
					size += LS_STACK_LEN;
			}
		}
		if (task->nvcsw != t->voluntary_switches || task->nivcsw != t->involuntary_switches ||
		    task->__state != t->state)
			t->flags |= LS_THREAD_MOVED;
	}
	t->size = size;
	if (size > __builtin_offsetof(struct record, libc_space))
		return 0;
	bpf_seq_write(seq, r, size);
	return 0;
}
