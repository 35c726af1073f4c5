// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * open(O_CREAT | O_EXCL) that found the name taken: how a lock file says that somebody else has it. Loaded only where
 * asked for, because it makes the end of every system call of the host dearer, whatever the call.
 * Read by src/source/contention_source.cpp.
 */
#include "contention.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

enum {
	EEXIST_ = 17, TS_COMPAT = 2,
	NR_open = 2, NR_openat = 257, NR_openat2 = 437,
	CREATE_NEW = 0100 | 0200, /* O_CREAT | O_EXCL */
};

struct create_table {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(struct ls_create_key)); /* clang leaves the types of an inner map out of BTF */
	__uint(value_size, sizeof(struct ls_create_counts));
};
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, LS_BUFFERS * LS_ACCOUNTS);
	__type(key, __u32);
	__array(values, struct create_table);
} create_tables SEC(".maps");

static __always_inline void count(struct task_struct *task, __u64 path)
{
	struct ls_control *c = get_control();
	struct ls_create_key key = {};
	struct ls_create_counts fresh, *v;
	__u64 now = bpf_ktime_get_ns();
	void *table;
	__u32 slot;

	if (!c)
		return;
	key.uid = task->cred->euid.val;
	key.tgid = tgid_of(task);
	if (!key.tgid) {
		lose(c, LS_LOST_OUTSIDE);
		return;
	}
	if (bpf_probe_read_user_str(key.path, sizeof(key.path), (void *)path) < 0)
		return;
	slot = slot_of(c, key.uid);
	table = bpf_map_lookup_elem(&create_tables, &slot);
	if (!table)
		return;
	v = bpf_map_lookup_elem(table, &key);
	if (!v) {
		__builtin_memset(&fresh, 0, sizeof(fresh));
		fill_actor(&fresh.actor, task);
		fresh.first_ns = now;
		bpf_map_update_elem(table, &key, &fresh, BPF_NOEXIST);
		v = bpf_map_lookup_elem(table, &key);
	}
	if (!v) {
		lose(c, LS_LOST_CREATES + accounts_of(key.uid));
		return;
	}
	__sync_fetch_and_add(&v->tries, 1);
	v->last_ns = now;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(contention_create, struct pt_regs *regs, long result)
{
	struct task_struct *task;
	__u64 call, path, flags = 0;

	(void)ctx;
	if (result != -EEXIST_)
		return 0;
	task = bpf_get_current_task_btf();
	if (task->thread_info.status & TS_COMPAT)
		return 0;
	call = regs->orig_ax;
	if (call == NR_open) {
		path = regs->di;
		flags = regs->si;
	} else if (call == NR_openat) {
		path = regs->si;
		flags = regs->dx;
	} else if (call == NR_openat2) {
		path = regs->si;
		if (bpf_probe_read_user(&flags, sizeof(flags), (void *)regs->dx)) /* struct open_how begins with them */
			return 0;
	} else {
		return 0;
	}
	if ((flags & CREATE_NEW) == CREATE_NEW)
		count(task, path);
	return 0;
}
