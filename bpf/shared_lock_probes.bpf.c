// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Calls on semaphores and mutexes in memory that two domains of trust share: probes on libc's functions, in the
 * processes that src/source/shared_lock_probes.cpp names and in no other. Tells what neither the scheduler nor a look
 * can: tries that fail without waiting, and who took a semaphore, in whose memory no owner is written.
 *
 * Each call is noted where it begins and counted where it returns. Where the kernel has sessions (6.13) one program
 * does both and a call on a private lock is let go at its entry; before (6.6) two do, and each call pays its return
 * as well.
 */
#include "kernel_types.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

enum { EOWNERDEAD = 130, BPF_NOEXIST_ = 1, CALLS = 4 };

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct xol_area { unsigned long vaddr; };
struct uprobes_state { struct xol_area *xol_area; };
struct mm_struct___probed { struct uprobes_state uprobes_state; };
#pragma clang attribute pop

/* A call in progress, known by its frame: the stack pointer at the entry. Of one frame there is one call. */
struct call {
	__u64 frame, address, began_ns, switches;
	__u32 target, what;
};
struct calls { struct call call[CALLS]; __u32 next; };

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct calls);
} calls SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LS_SHARED_TARGETS);
	__type(key, __u32);
	__type(value, struct ls_shared_target);
} targets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LS_SHARED_TARGETS);
	__type(key, __u32);
	__type(value, struct ls_shared_load);
} loads SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, LS_SHARED_TARGETS * LS_SHARED_USES);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct ls_shared_key);
	__type(value, struct ls_shared_use);
} uses SEC(".maps");

volatile __u64 window;     /* the reader counts it up */
__u64 lost_uses;           /* too many locks in one process, or no memory */
__u64 lost_calls;          /* too many calls inside each other, or no memory */

static __always_inline bool holds(const struct ls_span *span, __u32 count, __u32 limit, __u64 address)
{
	for (__u32 i = 0; i < limit; i++) {
		if (i >= count)
			return false;
		if (address >= span[i].start && address < span[i].end)
			return true;
	}
	return false;
}

/*
 * Whether the return address on the stack is the kernel's already, put there at an earlier hit of this call: a retry
 * inside the function (the cheapest instruction may lie in its loop), or a tail call.
 */
static __always_inline bool is_return_probed(struct task_struct *task, __u64 caller)
{
	struct mm_struct___probed *mm = (void *)task->mm;

	return caller && caller == BPF_CORE_READ(mm, uprobes_state.xol_area, vaddr);
}

/* Whether this call is one to be counted: then its return is wanted. */
static __always_inline bool enter(__u64 cookie, __u64 address, __u64 frame)
{
	__u32 target = cookie & ((1 << LS_SHARED_COOKIE_CALL) - 1), oldest;
	struct ls_shared_target *t = bpf_map_lookup_elem(&targets, &target);
	struct task_struct *task = bpf_get_current_task_btf();
	__u64 caller = 0;
	struct ls_shared_load *load;
	struct calls *own;
	struct call *c = NULL;

	if (!t)
		return false;
	if (!holds(t->range, t->ranges, LS_SHARED_RANGES, address)) {
		load = bpf_map_lookup_elem(&loads, &target);
		if (load)
			__sync_fetch_and_add(&load->private_calls, 1);
		return false;
	}
	/* musl's timed functions call the trying ones: one call of the program, counted once. */
	bpf_probe_read_user(&caller, sizeof(caller), (void *)frame);
	if (holds(t->body, t->bodies, LS_SHARED_BODIES, caller))
		return false;
	own = bpf_task_storage_get(&calls, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!own) {
		__sync_fetch_and_add(&lost_calls, 1);
		return false;
	}
	/* The same frame again: a tail call, a retry inside the function, or a call that was jumped out of. */
	for (int i = 0; i < CALLS; i++) {
		if (own->call[i].frame == frame || (!c && !own->call[i].frame))
			c = &own->call[i];
	}
	if (c && c->frame == frame && is_return_probed(task, caller)) {
		c->what = cookie >> LS_SHARED_COOKIE_CALL;
		return false; /* one return is enough */
	}
	if (!c) { /* a signal handler inside a signal handler, or frames that were jumped out of */
		oldest = own->next++ & (CALLS - 1);
		c = &own->call[oldest];
		__sync_fetch_and_add(&lost_calls, 1);
	}
	c->frame = frame;
	c->address = address;
	c->target = target;
	c->what = cookie >> LS_SHARED_COOKIE_CALL;
	c->switches = task->nvcsw;
	c->began_ns = bpf_ktime_get_boot_ns();
	return true;
}

static __always_inline struct ls_shared_use *use_of(const struct ls_shared_key *key)
{
	struct ls_shared_use *use = bpf_map_lookup_elem(&uses, key), fresh = {};
	struct ls_shared_load *load;
	__u32 target = key->target;

	if (use)
		return use;
	load = bpf_map_lookup_elem(&loads, &target);
	if (!load)
		return NULL;
	if (__sync_fetch_and_add(&load->entries, 1) < LS_SHARED_USES &&
	    !bpf_map_update_elem(&uses, key, &fresh, BPF_NOEXIST_))
		return bpf_map_lookup_elem(&uses, key);
	__sync_fetch_and_add(&load->entries, -1);
	return bpf_map_lookup_elem(&uses, key); /* another thread may have been first */
}

static __always_inline void leave(__u64 frame, __s32 answer)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct calls *own = bpf_task_storage_get(&calls, task, NULL, 0);
	struct ls_shared_key key = {};
	struct ls_shared_use *use;
	struct call *c = NULL;
	bool acquired, failed, slept;
	__u64 now, began;
	__u32 what;

	for (int i = 0; own && i < CALLS; i++) {
		if (own->call[i].frame == frame)
			c = &own->call[i];
	}
	if (!c)
		return;
	what = c->what;
	began = c->began_ns;
	slept = task->nvcsw != c->switches;
	key.address = c->address;
	key.target = c->target;
	key.uid = task->cred->euid.val;
	key.semaphore = what <= LS_CALL_SEM_POST;
	c->frame = 0;

	/*
	 * A timed wait that slept and gave up was abandoned, which the scheduler has seen; one that did not sleep is
	 * a try. Of a mutex only tries count: it names its owner.
	 */
	acquired = what != LS_CALL_SEM_POST && what != LS_CALL_MUTEX_TIMED &&
		   (answer == 0 || (what == LS_CALL_MUTEX_TRY && answer == EOWNERDEAD));
	failed = answer != 0 && answer != EOWNERDEAD &&
		 (what == LS_CALL_SEM_TRY || what == LS_CALL_MUTEX_TRY ||
		  (!slept && (what == LS_CALL_SEM_TIMED || what == LS_CALL_MUTEX_TIMED)));
	if (!acquired && !failed && (what != LS_CALL_SEM_POST || answer))
		return;
	use = use_of(&key);
	if (!use) {
		__sync_fetch_and_add(&lost_uses, 1);
		return;
	}
	use->cgroup = bpf_get_current_cgroup_id();
	now = bpf_ktime_get_boot_ns();
	if (acquired) {
		__sync_fetch_and_add(&use->acquired, 1);
		use->last_acquired_ns = now;
	} else if (failed) {
		if (use->window != window || !use->first_failed_ns) {
			use->window = window;
			use->first_failed_ns = now;
		}
		__sync_fetch_and_add(&use->failed, 1);
		use->last_failed_ns = now;
	} else { /* when it was posted: its return may come after the next one took it */
		__sync_fetch_and_add(&use->released, 1);
		use->last_released_ns = began;
	}
}

/* After the return the stack pointer stands behind the return address that it pointed to at the entry. */
SEC("kprobe")
int session(struct pt_regs *ctx)
{
	__u64 ip = ctx->ip, address = ctx->di, sp = ctx->sp, answer = ctx->ax;

	if (ip != bpf_get_func_ip(ctx)) {
		leave(sp - sizeof(__u64), answer);
		return 0;
	}
	if (enter(bpf_get_attach_cookie(ctx), address, sp))
		return 0;
	return 1; /* the return is not wanted */
}

SEC("kprobe")
int on_entry(struct pt_regs *ctx)
{
	__u64 address = ctx->di, sp = ctx->sp;

	enter(bpf_get_attach_cookie(ctx), address, sp);
	return 0;
}

SEC("kprobe")
int on_return(struct pt_regs *ctx)
{
	__u64 sp = ctx->sp, answer = ctx->ax;

	leave(sp - sizeof(__u64), answer);
	return 0;
}
