/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The kernel's structures, as far as lockscope reads them. libbpf relocates each access to the running kernel (CO-RE),
 * so only names and types must be right here, not offsets; what a kernel lacks is asked for with
 * bpf_core_field_exists(). A generated vmlinux.h would make the build need BTF and the object thirty times as large.
 *
 * Names with three underscores are flavours: libbpf ignores what follows them when it looks for the type.
 */
#ifndef LOCKSCOPE_KERNEL_TYPES_H
#define LOCKSCOPE_KERNEL_TYPES_H

#include <linux/types.h>
#include <stdbool.h>
#include <linux/bpf.h>
#include "wire.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct list_head { struct list_head *next, *prev; };
struct hlist_node { struct hlist_node *next; };
struct hlist_head { struct hlist_node *first; };

struct pt_regs {
	unsigned long r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di, orig_ax, ip;
	union { __u16 cs; };
	unsigned long flags, sp;
};
struct pt_regs___cs_word { unsigned long cs; }; /* before 6.9 */

struct ns_common { unsigned int inum; };
struct pid_namespace { struct ns_common ns; };
struct upid { int nr; struct pid_namespace *ns; };
struct pid { unsigned int level; struct upid numbers[1]; };

typedef struct { __u32 val; } kuid_t;
struct cred { kuid_t euid; };

struct kernfs_node { __u64 id; };
struct cgroup { struct kernfs_node *kn; };
struct css_set { struct cgroup *dfl_cgrp; };

struct super_block { __u32 s_dev; };
struct file_lock_context { struct list_head flc_flock, flc_posix; };
struct inode {
	unsigned long i_ino;
	long long i_size;
	struct super_block *i_sb;
	struct file_lock_context *i_flctx;
};
typedef struct { long counter; } atomic_long_t;
typedef struct { atomic_long_t refcnt; } file_ref_t;
struct file {
	unsigned int f_mode;
	struct inode *f_inode;
	long long f_pos;
	file_ref_t f_ref; /* since 6.13; one less than the number of references */
};
struct file___counted { atomic_long_t f_count; };

struct file_lock_core {
	struct list_head flc_list;
	struct list_head flc_blocked_member;
	void *flc_owner;
	unsigned int flc_flags;
	unsigned char flc_type;
	int flc_pid;
	struct file *flc_file;
};
struct file_lock { struct file_lock_core c; long long fl_start, fl_end; };
struct file_lock___flat { /* before 6.9 */
	struct list_head fl_list;
	struct list_head fl_blocked_member;
	void *fl_owner;
	unsigned int fl_flags;
	unsigned char fl_type;
	unsigned int fl_pid;
	struct file *fl_file;
	long long fl_start, fl_end;
};

struct fdtable { unsigned int max_fds; struct file **fd; };
struct files_struct { struct fdtable *fdt; };

struct hrtimer { __u8 state; };
struct hrtimer___queued { _Bool is_queued; }; /* since 7.2 */
struct signal_struct {
	struct hrtimer real_timer;
	struct hlist_head posix_timers;
};
struct signal_struct___queued { struct hrtimer___queued real_timer; };
struct signal_struct___listed { struct list_head posix_timers; }; /* before 6.13 */

struct sched_info { unsigned long long last_arrival; };
struct sched_entity { __u64 sum_exec_runtime, prev_sum_exec_runtime; };
struct restart_block { struct { __u32 *uaddr; } futex; };
struct thread_struct { unsigned long fsbase; };
struct thread_info { __u32 status; };
struct rt_mutex_base { struct task_struct *owner; };
struct rt_mutex_waiter { struct rt_mutex_base *lock; };

struct task_struct {
	struct thread_info thread_info;
	unsigned int __state;
	unsigned int flags;
	unsigned int on_cpu; /* a byte since 7.2: only unsigned fields may change their size */
	int prio;
	unsigned int policy;
	struct sched_entity se;
	struct sched_info sched_info;
	void *mm;
	int exit_state;
	struct restart_block restart_block;
	int pid, tgid;
	struct task_struct *real_parent, *group_leader;
	struct pid *thread_pid;
	unsigned long nvcsw, nivcsw;
	__u64 start_boottime;
	const struct cred *cred;
	char comm[LS_COMM_LEN];
	struct files_struct *files;
	struct signal_struct *signal;
	struct css_set *cgroups;
	struct rt_mutex_waiter *pi_blocked_on;
	void *robust_list;
	int *clear_child_tid;
	struct thread_struct thread;
};

struct task_struct___grouped { struct { void *robust_list; } futex; }; /* since 7.2 or before */

struct seq_file;
struct bpf_iter_meta { struct seq_file *seq; __u64 session_id, seq_num; };
struct bpf_iter__task { struct bpf_iter_meta *meta; struct task_struct *task; };
struct bpf_iter__task_file {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	__u32 fd;
	struct file *file;
};

#pragma clang attribute pop

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

/*
 * The number of a task in the PID namespace of whoever runs the iterator, as /proc shows it there; 0: none. The first
 * reads through any pointer, the second needs one that the verifier lets be walked and costs less.
 */
static __always_inline __u32 ls_number_for_reader(struct pid *pid)
{
	struct task_struct *reader = bpf_get_current_task_btf();
	struct pid *own = reader->thread_pid;
	struct upid number = {}, reference = {};
	unsigned int level = own->level;

	if (level >= 32 || BPF_CORE_READ(pid, level) < level)
		return 0;
	bpf_core_read(&number, sizeof(number), &pid->numbers[level]);
	bpf_core_read(&reference, sizeof(reference), &own->numbers[level]);
	return number.ns == reference.ns ? number.nr : 0;
}

static __always_inline __u32 ls_tid_for_reader(struct task_struct *task)
{
	struct task_struct *reader = bpf_get_current_task_btf();

	return reader->thread_pid->level == 0 ? (__u32)task->pid : ls_number_for_reader(task->thread_pid);
}

static __always_inline __u32 ls_tgid_for_reader(struct task_struct *task)
{
	return ls_tid_for_reader(task->group_leader);
}

#endif
