// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Gives every thread the storage for its waits ahead of time, where no scheduler lock is held. For kernels whose task
 * storage comes from kmalloc() (before 6.4): short of memory, that wakes kswapd, which from within the scheduler is a
 * deadlock. Loaded only there.
 */
#include "contention.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

static __always_inline void prepare(struct task_struct *task)
{
	if (!(task->flags & PF_KTHREAD))
		bpf_task_storage_get(&waiting_threads, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
}

/* Run once, after the other is attached. */
SEC("iter/task")
int contention_old_threads(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;

	if (task)
		prepare(task);
	return 0;
}

SEC("tp_btf/task_newtask")
int BPF_PROG(contention_new_thread, struct task_struct *task)
{
	(void)ctx;
	prepare(task);
	return 0;
}
