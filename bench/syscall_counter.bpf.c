// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * What lockscope is compared with: lock waits measured at the system-call tracepoints, in the way of most tools. Counts
 * and times each futex, flock and fcntl call by thread; enabling these tracepoints also slows every other system call
 * of the host. Used by bench/syscall_counter.cpp only.
 */
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, __u32);
	__type(value, __u64);
} began SEC(".maps");

struct total { __u64 calls, ns; };
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, __u32);
	__type(value, struct total);
} totals SEC(".maps");

static __always_inline int enter(void)
{
	__u32 tid = (__u32)bpf_get_current_pid_tgid();
	__u64 now = bpf_ktime_get_ns();

	bpf_map_update_elem(&began, &tid, &now, BPF_ANY);
	return 0;
}

static __always_inline int leave(void)
{
	__u64 both = bpf_get_current_pid_tgid(), now, *start;
	__u32 tid = (__u32)both, tgid = both >> 32;
	struct total fresh = {}, *t;

	start = bpf_map_lookup_elem(&began, &tid);
	if (!start)
		return 0;
	now = bpf_ktime_get_ns();
	t = bpf_map_lookup_elem(&totals, &tgid);
	if (!t) {
		bpf_map_update_elem(&totals, &tgid, &fresh, BPF_NOEXIST);
		t = bpf_map_lookup_elem(&totals, &tgid);
	}
	if (t) {
		__sync_fetch_and_add(&t->calls, 1);
		__sync_fetch_and_add(&t->ns, now - *start);
	}
	bpf_map_delete_elem(&began, &tid);
	return 0;
}

SEC("tracepoint/syscalls/sys_enter_futex") int enter_futex(void *ctx) { (void)ctx; return enter(); }
SEC("tracepoint/syscalls/sys_exit_futex") int exit_futex(void *ctx) { (void)ctx; return leave(); }
SEC("tracepoint/syscalls/sys_enter_flock") int enter_flock(void *ctx) { (void)ctx; return enter(); }
SEC("tracepoint/syscalls/sys_exit_flock") int exit_flock(void *ctx) { (void)ctx; return leave(); }
SEC("tracepoint/syscalls/sys_enter_fcntl") int enter_fcntl(void *ctx) { (void)ctx; return enter(); }
SEC("tracepoint/syscalls/sys_exit_fcntl") int exit_fcntl(void *ctx) { (void)ctx; return leave(); }
