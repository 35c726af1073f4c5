/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only OR BSD-2-Clause */
/*
 * The records that the BPF iterators write and src/source/bpf_source.cpp reads. Shared by BPF C and C++: fixed-width
 * fields, explicit padding, no pointers. Both sides are built from the same tree, so there is no version to negotiate.
 *
 * The task iterator writes one ls_thread for every user thread of the host; if LS_THREAD_WAITS is set, an ls_wait
 * follows it, and wait.stack_len bytes of the user stack follow that.
 * The file iterator writes one ls_file_lock for every lock and descriptor that owns it.
 */
#ifndef LOCKSCOPE_WIRE_H
#define LOCKSCOPE_WIRE_H

#ifndef __bpf__
#include <linux/types.h>
#endif

enum {
	LS_COMM_LEN = 16,
	LS_WINDOW_BEFORE = 64,  /* bytes of memory copied before and after the futex word */
	LS_WINDOW_AFTER = 64,
	LS_WINDOW_LEN = LS_WINDOW_BEFORE + LS_WINDOW_AFTER,
	LS_STACK_LEN = 768,     /* bytes from the stack pointer up: holds glibc's condition-wait record */
};

/* ls_thread.flags */
enum {
	LS_THREAD_WAITS = 1u << 0,       /* an ls_wait follows */
	LS_THREAD_COMPAT = 1u << 1,      /* in a 32-bit or x32 system call: registers not understood */
	LS_THREAD_TIMER_ARMED = 1u << 2, /* an interval or POSIX timer of the process may interrupt a wait */
	LS_THREAD_EXITING = 1u << 3,
	LS_THREAD_AGE_KNOWN = 1u << 4,   /* blocked_ns holds */
	LS_THREAD_MOVED = 1u << 5,       /* ran while it was being read: the wait is not to be believed */
	LS_THREAD_READER = 1u << 6,      /* the thread that runs the iterator */
};

struct ls_thread {
	__u32 size;          /* bytes of this record with all that follows it */
	__u32 flags;
	__u32 tgid;
	__u32 tid;
	__u32 parent_tgid;   /* 0: none that the reader can see */
	__u32 ns_tid;        /* number in the thread's own PID namespace */
	__u32 ns_tgid;
	__u32 pid_ns;        /* inode number of that namespace */
	__u32 uid;           /* effective, in the initial user namespace */
	__u32 state;         /* task_struct.__state */
	__u64 start_ns;      /* boot time */
	__u64 blocked_ns;    /* lower bound of the time since it last ran */
	__u64 voluntary_switches;
	__u64 involuntary_switches;
	__u64 address_space; /* identity only: equal for threads that share memory */
	__u64 files;         /* identity of the descriptor table */
	__u64 cgroup;        /* id of the cgroup in the unified hierarchy */
	__s64 syscall;       /* -1: not in a system call */
	__s32 priority;      /* task_struct.prio */
	__u32 pad;
	char comm[LS_COMM_LEN];
};

/* ls_wait.flags */
enum {
	LS_WAIT_FILE = 1u << 0,      /* file_* hold: the descriptor in args[0] */
	LS_WAIT_WINDOW = 1u << 1,    /* the window holds memory around a futex word */
	LS_WAIT_ARGUMENT = 1u << 2,  /* the window holds a struct flock or a futex_waitv array, from its start */
	LS_WAIT_RESTARTED = 1u << 3, /* restart_syscall(2) of a futex wait: the registers still say which */
	LS_WAIT_TIMEOUT = 1u << 4,   /* timeout_* hold */
};

/* ls_wait.libc */
enum { LS_LIBC_UNKNOWN = 0, LS_LIBC_GLIBC = 1, LS_LIBC_MUSL = 2 };

struct ls_wait {
	__u32 flags;
	__u32 stack_len;
	__u64 args[6];
	__u64 ip, sp, bp, bx, r12, r13, r14, r15;
	__u32 libc;            /* by the thread control block of this or another thread of the process */
	__u32 pad;
	__u64 file, file_dev, file_ino, file_position, file_size;
	__u64 timeout_sec, timeout_nsec;
	__u32 pi_owner_tgid;   /* owner by the kernel's rt_mutex; 0: none */
	__u32 pi_owner_tid;
	__s32 window_low;      /* valid bytes of the window, relative to the word: [low, high) */
	__s32 window_high;
	__u8 window[LS_WINDOW_LEN];
};

/* ls_file_lock.kind */
enum { LS_FLOCK = 1, LS_POSIX = 2, LS_OFD = 3 };

struct ls_file_lock {
	__u32 tgid;
	__u32 tid;             /* the thread whose descriptor table was walked */
	__u32 fd;
	__u8 kind;
	__u8 exclusive;
	__u8 readonly;         /* the descriptor is not open for writing */
	__u8 pad0;
	__u32 locker_tgid;     /* who took it; may have exited since */
	__u32 pad;
	__u64 file;            /* identity of the open file description */
	__u64 files;           /* identity of the descriptor table */
	__u64 owner;           /* identity of the lock's owner: equal for all records of one owner */
	__u64 file_refs;       /* references to the open file description, descriptors in flight and mappings included */
	__u64 dev, ino;
	__u64 start, end;      /* bytes, end inclusive; all ones: to the end of the file */
};

#endif
