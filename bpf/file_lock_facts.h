/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * A lock in one of the lists of a struct file_lock_context, whatever the kernel's layout (moved in Linux 6.9). All
 * reads are checked: whoever walks the lists does it without their lock.
 */
#ifndef LOCKSCOPE_FILE_LOCK_FACTS_H
#define LOCKSCOPE_FILE_LOCK_FACTS_H

#include "kernel_types.h"

enum { FL_OFDLCK = 1024, FMODE_WRITE = 2, WRITE_LOCK = 1 /* F_WRLCK */, UNLOCK = 2 /* F_UNLCK */ };

struct facts { void *owner; struct file *file; __u32 flags, type, pid; long long start, end; struct list_head *next; };

static __always_inline void read_lock(struct facts *f, struct list_head *member)
{
	if (bpf_core_field_exists(struct file_lock, c)) {
		struct file_lock *l = (void *)member - bpf_core_field_offset(struct file_lock_core, flc_list);

		f->owner = BPF_CORE_READ(l, c.flc_owner);
		f->file = BPF_CORE_READ(l, c.flc_file);
		f->flags = BPF_CORE_READ(l, c.flc_flags);
		f->type = BPF_CORE_READ(l, c.flc_type);
		f->pid = BPF_CORE_READ(l, c.flc_pid);
		f->start = BPF_CORE_READ(l, fl_start);
		f->end = BPF_CORE_READ(l, fl_end);
		f->next = BPF_CORE_READ(l, c.flc_list.next);
	} else {
		struct file_lock___flat *l = (void *)member - bpf_core_field_offset(struct file_lock___flat, fl_list);

		f->owner = BPF_CORE_READ(l, fl_owner);
		f->file = BPF_CORE_READ(l, fl_file);
		f->flags = BPF_CORE_READ(l, fl_flags);
		f->type = BPF_CORE_READ(l, fl_type);
		f->pid = BPF_CORE_READ(l, fl_pid);
		f->start = BPF_CORE_READ(l, fl_start);
		f->end = BPF_CORE_READ(l, fl_end);
		f->next = BPF_CORE_READ(l, fl_list.next);
	}
}

#endif
