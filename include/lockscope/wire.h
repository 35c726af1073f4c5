/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only OR BSD-2-Clause */
/*
 * The records that the BPF programs write and src/source/ reads. Shared by BPF C and C++: fixed-width fields, explicit
 * padding, no pointers. Both sides are built from the same tree, so there is no version to negotiate.
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

/*
 * The contention level (bpf/contention_*.bpf.c, src/source/contention_*.cpp). Counts are kept in hash tables, two of
 * each: the programs fill the one that ls_control.active names while user space empties the other. Each pair is there
 * twice, for the host's own accounts and for ordinary users, so that no user can fill the table that a service needs.
 * Times are CLOCK_MONOTONIC.
 */
enum { LS_ACCOUNTS_SYSTEM = 0, LS_ACCOUNTS_ORDINARY = 1, LS_ACCOUNTS = 2, LS_BUFFERS = 2 };

/* What a wait is for: the first three tell ls_wait_key.where, the last three (dev, where) = (device, inode) */
enum {
	LS_WAITS_PRIVATE_WORD = 1, /* address; the call said that the word is private to the process */
	LS_WAITS_WORD = 2,         /* address; it may lie in shared memory */
	LS_WAITS_SYSV = 3,         /* id of the semaphore set */
	LS_WAITS_FLOCK = 4, LS_WAITS_POSIX = 5, LS_WAITS_OFD = 6,
};

/* What was not counted, by cause; each twice where accounts are told apart. Names: src/source/contention_records.cpp */
enum {
	LS_LOST_WAITS = 0,         /* + accounts: table of waits full */
	LS_LOST_FILE_LOCKS = 2,    /* + accounts: table of file-lock operations full */
	LS_LOST_EVENTS = 4,        /* + accounts: buffer of single waits full */
	LS_LOST_FIRST_WAITS = 6,   /* + accounts: buffer of first waits full */
	LS_LOST_WRITES = 8,        /* + accounts: table of writes full */
	LS_LOST_CREATES = 10,      /* + accounts: table of failed creates full */
	LS_LOST_OUTSIDE = 12,      /* the actor has no number in the reader's PID namespace */
	LS_LOST_NOT_UNDERSTOOD = 13, /* wait of a 32-bit thread */
	LS_LOST_NO_STORAGE = 14,   /* the kernel gave no memory for a wait */
	LS_LOST_END = 15,          /* the scheduler did not tell of a wake-up or a switch */
	LS_LOST_CAUSES = 16,
};

enum {
	LS_HISTOGRAM = 26,       /* WaitHistogram::kBuckets */
	LS_KNOWN_WORDS = 1024,   /* of 64 bits */
	LS_CREATE_PATH = 128,    /* bytes of a path that are kept */
};

struct ls_control {
	__u32 active;               /* the buffer that is being filled; set by user space */
	__u32 pad0;
	__u64 tick_ns, tick_origin; /* the clock of what need not wait: jiffies * tick_ns + tick_origin; by user space */
	__u64 pad[13];              /* the rest changes: other cache lines */
	__u64 jiffies, jiffies_ns;  /* read together by contention_clock */
	__u64 lost[LS_LOST_CAUSES]; /* only ever grow */
	/* A bit for each word whose first wait was recorded, by hash; user space clears them in turn. */
	__u64 known[LS_KNOWN_WORDS];
};

struct ls_actor {
	__u64 start_ns;    /* boot time of the group leader */
	__u64 cgroup;
	char comm[LS_COMM_LEN];
};

struct ls_wait_key {
	__u64 where;
	__u32 dev;
	__u32 tgid;
	__u32 uid;         /* effective: a process that changes its user is another actor */
	__u32 kind;        /* LS_WAITS_* */
};

struct ls_wait_counts {
	struct ls_actor actor;
	__u64 total_ns, longest_ns;
	__u64 first_abandoned_ns, last_abandoned_ns;
	__u32 longest_tid;
	__u32 abandoned;
	__u32 histogram[LS_HISTOGRAM]; /* of all: their sum less the abandoned ones were acquired */
};

struct ls_use_key {
	__u64 ino;
	__u32 dev;
	__u32 tgid;
	__u32 uid;
	__u32 kind;        /* LS_FLOCK, LS_POSIX, LS_OFD */
};

struct ls_use_counts {
	struct ls_actor actor;
	__u64 last_granted_ns, last_released_ns, first_failed_ns, last_failed_ns;
	__u32 granted_exclusive, granted_shared;
	__u32 contended, failed, deadlocks, errors;
	__u32 released, closed;
	__u32 readonly;
	__u32 pad;
};

/* A wait of at least the threshold that has ended. */
struct ls_wait_event {
	struct ls_wait_key key;
	__u64 time_ns, wait_ns, run_queue_ns;
	__u64 start_ns;    /* of the group leader */
	__u32 tid;
	__u32 waker_tgid, waker_tid; /* 0: nobody let go */
	__u32 acquired;
};

/* The first wait that was seen on a word; sent without the stack where a condition cannot be meant. */
struct ls_first_wait {
	__u64 leader_start_ns;
	struct ls_thread thread;
	struct ls_wait wait;
	__u8 stack[LS_STACK_LEN];
};

struct ls_write_key {
	__u64 ino;
	__u32 dev;
	__u32 tgid;
	__u32 uid;
	__u32 pad;
};

struct ls_write_counts {
	struct ls_actor actor;
	__u64 first_ns, last_ns;
	__u32 writes, against_flock, against_posix;
	__u32 locker;
};

struct ls_create_key {
	__u32 tgid;
	__u32 uid;
	char path[LS_CREATE_PATH];
};

struct ls_create_counts {
	struct ls_actor actor;
	__u64 first_ns, last_ns;
	__u32 tries;
	__u32 pad;
};

/*
 * Calls on locks in memory that two domains of trust share (bpf/shared_lock_probes.bpf.c): a table of counts, read by
 * src/source/shared_lock_probes.cpp.
 */
enum {
	LS_SHARED_TARGETS = 64,     /* processes probed at a time */
	LS_SHARED_RANGES = 16,      /* shared mappings of each */
	LS_SHARED_BODIES = 8,       /* libc functions that call others which are probed */
	LS_SHARED_USES = 128,       /* locks and users of each process: one cannot crowd out the others */
	LS_SHARED_COOKIE_CALL = 8,  /* cookie of a probe: target | call << this */
};

enum ls_shared_call {
	LS_CALL_SEM_WAIT = 1,
	LS_CALL_SEM_TRY = 2,
	LS_CALL_SEM_TIMED = 3,
	LS_CALL_SEM_POST = 4,
	LS_CALL_MUTEX_TRY = 5,
	LS_CALL_MUTEX_TIMED = 6,
};

struct ls_span { __u64 start, end; };

struct ls_shared_target {
	__u32 ranges;
	__u32 bodies;
	struct ls_span range[LS_SHARED_RANGES];
	struct ls_span body[LS_SHARED_BODIES];
};

struct ls_shared_key {
	__u64 address;
	__u32 uid;        /* effective, in the initial user namespace */
	__u16 target;
	__u16 semaphore;
};

struct ls_shared_load {
	__u64 private_calls; /* on locks outside of the shared ranges: seen in vain */
	__u32 entries;       /* in the table of counts */
	__u32 pad;
};

struct ls_shared_use {  /* counts only ever grow; the reader takes differences */
	__u64 acquired, released, failed;
	__u64 last_acquired_ns, last_released_ns;
	__u64 first_failed_ns; /* in the reader's window `window` */
	__u64 last_failed_ns;
	__u64 cgroup;
	__u64 window;
};

#endif
