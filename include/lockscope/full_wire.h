/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) OR Apache-2.0 */
/*
 * What the programs of the full level (bpf/full_*.bpf.c) and src/source/lock_tracer share. Included by both; the
 * layouts are those of this build on one machine, never of a file. Times are CLOCK_BOOTTIME in nanoseconds, numbers of
 * processes and threads those of the reader's PID namespace.
 */
#ifndef LOCKSCOPE_FULL_WIRE_H
#define LOCKSCOPE_FULL_WIRE_H

#include <linux/types.h>

enum {
	LS_FULL_HELD = 128,      /* locks that a thread is known to hold at a time */
	LS_FULL_CHAIN = 16,      /* of these, in a record of a chain */
	LS_FULL_FILES = 64,      /* C libraries and static programs at a time */
	LS_FULL_BODIES = 32,     /* functions of such a file whose own calls are not the program's */
	LS_FULL_BUCKETS = 40,    /* log2 of nanoseconds */
	LS_FULL_IMAGES = 16384,
	LS_FULL_CHAINS = 65536,  /* distinct chains of locks */
	LS_FULL_USES = 131072,   /* distinct pairs of a lock and a place that takes it */
	LS_FULL_RING = 8 << 20,
	LS_FULL_COMM = 16,
	LS_FULL_FAILED = 4,      /* failed calls that a thread is known to have made, the latest */
	LS_FULL_RELEASED = 8,    /* locks that it let go of, the latest */
	LS_FULL_PENDING = 4,     /* calls in progress whose return is wanted */
};

/* What a probed function does. The order of families matters: ls_full_family(). */
enum ls_full_call {
	LS_MUTEX_LOCK = 1, LS_MUTEX_TRYLOCK, LS_MUTEX_TIMEDLOCK, LS_MUTEX_UNLOCK, LS_MUTEX_INIT, LS_MUTEX_DESTROY,
	LS_MUTEX_CONSISTENT,
	LS_RWLOCK_RDLOCK = 16, LS_RWLOCK_TRYRDLOCK, LS_RWLOCK_TIMEDRDLOCK, LS_RWLOCK_WRLOCK, LS_RWLOCK_TRYWRLOCK,
	LS_RWLOCK_TIMEDWRLOCK, LS_RWLOCK_UNLOCK, LS_RWLOCK_INIT, LS_RWLOCK_DESTROY,
	LS_SPIN_LOCK = 32, LS_SPIN_TRYLOCK, LS_SPIN_UNLOCK, LS_SPIN_INIT, LS_SPIN_DESTROY,
	LS_SEM_WAIT = 48, LS_SEM_TRYWAIT, LS_SEM_TIMEDWAIT, LS_SEM_POST, LS_SEM_INIT, LS_SEM_DESTROY,
	LS_BARRIER_WAIT = 64,
	LS_COND_WAIT = 80,        /* argument 2 is the mutex */
	LS_WORD_LOCK = 96, LS_WORD_TRYLOCK, LS_WORD_UNLOCK, LS_WORD_INIT, LS_WORD_CLEAR, /* GMutex: 0 is free */
	LS_THREAD_JOIN = 112,     /* argument 1 is the thread, as its C library knows it */
};

enum ls_full_layout { LS_LAYOUT_GLIBC, LS_LAYOUT_MUSL };

/* Cookie of a probe: call, 8 bits; file, 6; layout, 1; may be hit again within one call, 1; offset in the file, 48. */
enum { LS_COOKIE_FILE = 8, LS_COOKIE_LAYOUT = 14, LS_COOKIE_AGAIN = 15, LS_COOKIE_OFFSET = 16 };

/* A function of the file that calls probed ones, by offsets in the file. */
struct ls_full_body {
	__u64 start, end;
	/* Bytes between the stack pointer at a call in there and its own return address; LS_BODY_INNER: not to be
	 * counted, for the outer function is probed itself. */
	__u64 frame;
};
#define LS_BODY_INNER (~0ull)

struct ls_full_file {
	__u64 text_start, text_end;
	__u32 bodies, pad;
	struct ls_full_body body[LS_FULL_BODIES];
};

enum ls_full_kind { /* of a lock, as its memory says */
	LS_KIND_MUTEX, LS_KIND_RECURSIVE, LS_KIND_ERRORCHECK, LS_KIND_ADAPTIVE, LS_KIND_PI, LS_KIND_PP, LS_KIND_ROBUST,
	LS_KIND_RWLOCK, LS_KIND_SPIN, LS_KIND_SEM, LS_KIND_WORD, LS_KIND_BARRIER,
};
enum ls_full_by { LS_BY_WAITING, LS_BY_TRYING, LS_BY_TIMED, LS_BY_CONDITION };
enum ls_held_flags {
	LS_HELD_SHARED = 1,
	LS_HELD_CONTENDED = 2,
	LS_HELD_BLOCKED = 4,       /* sleeps for it now: not held yet */
	LS_HELD_ROBUST = 8,
	LS_HELD_INCONSISTENT = 16, /* its owner had died; not repaired yet */
};

struct ls_full_held {
	__u64 lock, site;
	__u64 asked_ns, since_ns;
	__u64 frame;
	__u8 kind, by, flags, pad;
	__u32 depth;
};

struct ls_image {
	__u32 image;
	__u32 parent;      /* image that it was forked from; 0: none */
	__u32 forker;      /* namespace number of the thread that forked; it may own locks that were copied */
	__u32 greeted;     /* its first call was told */
	__u32 from_start;
	__u32 stop;        /* raise SIGSTOP at its first call: the reader waits for it */
};

struct ls_full_use_key {
	__u64 lock, site;
	__u32 image;
	__u8 kind, shared, pad[2];
};
struct ls_full_use {
	__u64 acquired, contended, failed;
	__u64 wait_ns, wait_longest_ns, hold_ns, hold_longest_ns, held;
	__u32 wait[LS_FULL_BUCKETS], hold[LS_FULL_BUCKETS];
};

struct ls_chain_use { __u64 last_ns, count; };

enum ls_full_record {
	LS_RECORD_CHAIN = 1,
	LS_RECORD_MISUSE,
	LS_RECORD_RELOCK_ENDED,
	LS_RECORD_LONG_HOLD,
	LS_RECORD_LIFE,
	LS_RECORD_BARRIER,
	LS_RECORD_THREAD_END,
	LS_RECORD_HELLO,   /* the first call of an image */
	LS_RECORD_FORK,
	LS_RECORD_EXEC,
	LS_RECORD_THREAD_START, /* head: who made it */
	LS_RECORD_JOIN,
};

enum ls_full_misuse {
	LS_UNLOCK_NOT_LOCKED, LS_DOUBLE_UNLOCK, LS_UNLOCK_NOT_OWNER, LS_RELOCK, LS_DESTROYED_LOCKED, LS_EXIT_HOLDING,
	LS_IGNORED_FAILURE,
};

struct ls_record_head {
	__u32 type;
	__u32 image;
	__u32 tgid, tid;
	__u64 start_ns;  /* of the thread */
	__u64 time_ns;
	char comm[LS_FULL_COMM];
};

struct ls_chain_entry {
	__u64 lock, site, since_ns;
	__u8 kind, by, flags, pad[5];
};

struct ls_chain_record {
	struct ls_record_head head;
	__u64 key;
	__u32 count;       /* of held locks in entry[1..]; entry[0] is what is asked for */
	__u32 truncated;
	struct ls_chain_entry entry[LS_FULL_CHAIN + 1];
};

struct ls_misuse_record {
	struct ls_record_head head;
	__u64 lock, site;
	__u64 earlier_site, earlier_ns;
	__u32 what;        /* enum ls_full_misuse */
	__s32 error;
	__u32 owner;       /* namespace number of the process' own; 0: unknown */
	__u8 kind, flags, waiting, pad;
};

struct ls_long_hold_record {
	struct ls_record_head head;
	__u64 lock, site, since_ns, held_ns;
	__u8 kind, flags, waiters, pad[5];
};

struct ls_life_record { struct ls_record_head head; __u64 lock, site; __u32 begins, pad; };
struct ls_barrier_record { struct ls_record_head head; __u64 lock, arrived_ns; };
struct ls_thread_end_record {
	struct ls_record_head head;
	__u64 waits, waited_ns;
};
struct ls_thread_start_record { struct ls_record_head head; __u64 start_ns, handle; __u32 tid, pad; };
struct ls_join_record { struct ls_record_head head; __u64 handle, called_ns; };
struct ls_fork_record { struct ls_record_head head; __u32 child, child_image; };

/* A thread of a traced image, as the iterator writes it: followed by `held` times struct ls_full_held. */
struct ls_full_thread_dump {
	struct ls_record_head head;
	__u64 waits, waited_ns;
	__u32 held, pad;
};

#endif
