/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What a lock's own memory says: free or not, whose, of which kind. Layouts: glibc 2.25 to 2.43
 * (sysdeps/nptl/bits/struct_mutex.h, struct_rwlock.h, nptl/pthreadP.h, nptl/pthread_spin_lock), musl 1.1 to 1.2
 * (src/internal/pthread_impl.h), GLib's GMutex on Linux (glib/gthread-posix.c). x86-64.
 */
#ifndef LOCKSCOPE_FULL_WORDS_H
#define LOCKSCOPE_FULL_WORDS_H

#include "full.h"

struct lock_word {
	bool known;      /* it could be read */
	bool free;
	bool shared;     /* a rwlock that readers have */
	bool robust;
	bool inherited;  /* with priority inheritance */
	bool protected;  /* with a priority ceiling */
	bool waiters;    /* somebody waits, as far as is written there */
	__u32 raw;       /* the first word */
	__u32 owner;     /* in the namespace of the process; 0: not written there */
	__u8 kind;
};

enum { MUSL_WRITER = 0x7fffffff, TID_BITS = 0x3fffffff, GLIBC_WRITER = 2, GLIBC_READERS = 3 };

static __always_inline void read_glibc_mutex(const __u32 *m, struct lock_word *w)
{
	__u32 kind = m[4] & 0x7f;

	w->kind = (kind & 3) == 1 ? LS_KIND_RECURSIVE : (kind & 3) == 2 ? LS_KIND_ERRORCHECK :
		  (kind & 3) == 3 ? LS_KIND_ADAPTIVE : LS_KIND_MUTEX;
	w->robust = kind & 16;
	w->inherited = kind & 32;
	w->protected = kind & 64;
	w->owner = m[2];
	w->free = !m[0];
	w->waiters = m[0] == 2;
	if (kind & 64) {
		w->free = !(m[0] & 0x7ffff);
		w->waiters = (m[0] & 0x7ffff) == 2;
	} else if (kind & 48) {
		w->owner = m[0] & TID_BITS;
		w->free = !w->owner;
		w->waiters = m[0] >> 31;
	}
	/* An elided lock is taken without being written to. */
	if (m[4] & 0x100)
		w->known = false;
}

static __always_inline void read_musl_mutex(const __u32 *m, struct lock_word *w)
{
	__u32 kind = m[0];

	w->kind = (kind & 3) == 1 ? LS_KIND_RECURSIVE : (kind & 3) == 2 ? LS_KIND_ERRORCHECK : LS_KIND_MUTEX;
	w->robust = kind & 4;
	w->inherited = kind & 8;
	w->free = !(m[1] & 0x7fffffff);
	w->waiters = m[1] >> 31;
	w->owner = (kind & 15) ? m[1] & TID_BITS : 0; /* a normal one says only that it is held */
	if ((kind & 15) && w->owner == TID_BITS)
		w->owner = 0; /* not recoverable */
}

/* kind: of the family, as the call tells it; a mutex' own kind is read. */
static __always_inline void read_lock_word(__u64 lock, __u8 kind, __u32 layout, struct lock_word *w)
{
	__u32 m[7] = {};

	w->kind = kind;
	w->known = !bpf_probe_read_user(m, kind == LS_KIND_MUTEX ? 20 : kind == LS_KIND_RWLOCK ? 28 : 4, (void *)lock);
	if (!w->known)
		return;
	w->raw = m[0];
	switch (kind) {
	case LS_KIND_MUTEX:
		if (layout == LS_LAYOUT_MUSL)
			read_musl_mutex(m, w);
		else
			read_glibc_mutex(m, w);
		break;
	case LS_KIND_RWLOCK:
		if (layout == LS_LAYOUT_MUSL) {
			w->free = !m[0];
			w->shared = m[0] && (m[0] & 0x7fffffff) != MUSL_WRITER;
		} else {
			w->free = !(m[0] & GLIBC_WRITER) && !(m[0] >> GLIBC_READERS);
			w->shared = !w->free && !(m[0] & GLIBC_WRITER);
			w->owner = m[0] & GLIBC_WRITER ? m[6] : 0;
			w->waiters = m[1] || (m[0] & 4);
		}
		break;
	case LS_KIND_SPIN:
		w->free = layout == LS_LAYOUT_MUSL ? !m[0] : m[0] == 1;
		break;
	case LS_KIND_SEM:
		w->free = (layout == LS_LAYOUT_MUSL ? m[0] & 0x7fffffff : m[0]) != 0;
		break;
	default:
		w->free = !m[0];
		break;
	}
}

#endif
