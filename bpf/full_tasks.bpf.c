// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * The threads of traced processes between their calls: when one sleeps for a lock that it was believed to have taken and
 * when it goes on, what it holds when it ends, and the processes that it makes. And, on request, what all hold now.
 */
#include "full_held.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

enum { SIGNAL_GROUP_EXIT_ = 4, TASK_RUNNING_ = 0 };

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct signal_struct___ending { unsigned int flags; struct task_struct *group_exec_task; };
struct signal_struct___named { struct task_struct *group_exit_task; }; /* before 5.17 */
#pragma clang attribute pop

/* Whether this thread goes to sleep on the word of the lock that it asked for last. */
static __always_inline bool sleeps_for(struct task_struct *task, const struct ls_full_held *held)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);
	__u64 distance = BPF_CORE_READ(regs, di) - held->lock;

	if (BPF_CORE_READ(regs, orig_ax) != SYS_FUTEX)
		return false;
	return distance <= (held->kind == LS_KIND_RWLOCK ? 12 : 4);
}

SEC("tp_btf/sched_switch")
int switched(__u64 *ctx)
{
	struct task_struct *prev = (void *)ctx[1], *next = (void *)ctx[2];
	struct ls_full_thread *t = bpf_task_storage_get(&full_threads, prev, NULL, 0);
	struct ls_full_held *held;
	__u32 at;

	if (t && prev->__state != TASK_RUNNING_) {
		at = t->held_count - 1;
		if (at < LS_FULL_HELD) {
			held = held_at(t, at);
			if (held->by == LS_BY_WAITING && sleeps_for(prev, held))
				held->flags |= LS_HELD_BLOCKED | LS_HELD_CONTENDED;
		}
	}
	t = bpf_task_storage_get(&full_threads, next, NULL, 0);
	if (!t)
		return 0;
	at = t->held_count - 1;
	if (at < LS_FULL_HELD && (held_at(t, at)->flags & LS_HELD_BLOCKED)) {
		held_at(t, at)->flags &= ~LS_HELD_BLOCKED;
		held_at(t, at)->since_ns = bpf_ktime_get_boot_ns();
	} else if (t->condition.mutex) {
		t->switched_in_ns = bpf_ktime_get_boot_ns();
	}
	return 0;
}

/* Of a whole process that ends, or of one that another thread replaces by an exec, nothing is left to be held. */
static __always_inline bool ends_alone(struct task_struct *task)
{
	struct signal_struct___ending *signal = (void *)task->signal;
	struct signal_struct___named *named = (void *)signal;

	if (BPF_CORE_READ(signal, flags) & SIGNAL_GROUP_EXIT_)
		return false;
	if (bpf_core_field_exists(signal->group_exec_task))
		return !BPF_CORE_READ(signal, group_exec_task);
	return !BPF_CORE_READ(named, group_exit_task);
}

struct ending {
	struct ls_full_thread *t;
	struct ls_full_state *s;
	__u64 now;
	bool alone;
};

static long end_hold(__u32 i, struct ending *ending)
{
	struct ls_full_thread *t = ending->t;
	struct ls_full_held *held = held_at(t, i);
	struct misuse m = {};

	if (i >= t->held_count)
		return 1;
	if (held->flags & LS_HELD_BLOCKED)
		return 0;
	count_use(t, held, ending->now, ending->s);
	if (!ending->alone || (held->flags & LS_HELD_ROBUST))
		return 0;
	m.lock = held->lock;
	m.what = LS_EXIT_HOLDING;
	m.earlier_site = held->site;
	m.earlier_ns = held->since_ns;
	m.kind = held->kind;
	m.flags = held->flags;
	tell_misuse(t, &m);
	return 0;
}

/*
 * Cancelled in a condition wait, and nothing was called since: it has the mutex again (POSIX: as if the wait had
 * returned), and no cleanup handler let go of it.
 */
static __always_inline void end_in_wait(struct ls_full_thread *t)
{
	struct misuse m = {
		.lock = t->condition.mutex, .what = LS_EXIT_HOLDING, .earlier_site = t->condition.site,
		.earlier_ns = t->condition.since_ns, .kind = t->condition.kind, .flags = t->condition.flags,
	};

	if (!(m.flags & LS_HELD_ROBUST))
		tell_misuse(t, &m);
}

SEC("tp_btf/sched_process_exit")
int ended(__u64 *ctx)
{
	struct task_struct *task = (void *)ctx[0];
	struct ending ending = {.t = bpf_task_storage_get(&full_threads, task, NULL, 0), .s = state_of_level()};
	struct ls_thread_end_record *record;

	if (!ending.t || !ending.s || !ending.t->image)
		return 0;
	ending.now = bpf_ktime_get_boot_ns();
	ending.alone = ends_alone(task) && ending.t->steals == ending.s->steals;
	bpf_loop(LS_FULL_HELD, end_hold, &ending, 0);
	ending.t->held_count = 0;
	if (ending.alone && ending.t->condition.mutex)
		end_in_wait(ending.t);
	record = bpf_ringbuf_reserve(&full_records, sizeof(*record), 0);
	if (!record) {
		count(&ending.s->lost_records);
		return 0;
	}
	fill_head(&record->head, LS_RECORD_THREAD_END, ending.t, task, ending.now);
	record->waits = ending.t->waits;
	record->waited_ns = ending.t->waited_ns;
	bpf_ringbuf_submit(record, 0);
	return 0;
}

static __always_inline void tell_thread(struct task_struct *parent, struct task_struct *child, __u32 tgid,
					struct ls_full_state *s)
{
	struct ls_image *image = bpf_map_lookup_elem(&full_images, &tgid);
	struct ls_thread_start_record *record;

	if (!image)
		return;
	record = bpf_ringbuf_reserve(&full_records, sizeof(*record), 0);
	if (!record) {
		count(&s->lost_records);
		return;
	}
	record->head.type = LS_RECORD_THREAD_START;
	record->head.image = image->image;
	record->head.tgid = tgid;
	record->head.tid = number_at(parent, s->reader_level);
	record->head.start_ns = parent->start_boottime;
	record->head.time_ns = bpf_ktime_get_boot_ns();
	bpf_probe_read_kernel(record->head.comm, sizeof(record->head.comm), parent->comm);
	record->start_ns = child->start_boottime;
	record->handle = child->thread.fsbase; /* what pthread_create() gives: glibc and musl on x86-64 */
	record->tid = number_at(child, s->reader_level);
	record->pad = 0;
	bpf_ringbuf_submit(record, 0);
}

/* A new process begins with what the thread that forked held. */
SEC("tp_btf/sched_process_fork")
int forked(__u64 *ctx)
{
	struct task_struct *parent = (void *)ctx[0], *child = (void *)ctx[1];
	struct ls_full_thread *t, *copy;
	struct ls_full_state *s = state_of_level();
	struct ls_image *image, fresh = {};
	struct ls_fork_record *record;
	__u32 tgid, child_tgid;

	if (!s)
		return 0;
	tgid = number_at(parent->group_leader, s->reader_level);
	if (child->tgid == parent->tgid) {
		tell_thread(parent, child, tgid, s);
		return 0;
	}
	child_tgid = number_at(child->group_leader, s->reader_level);
	image = bpf_map_lookup_elem(&full_images, &tgid);
	if (!image)
		return 0;
	fresh.image = __sync_fetch_and_add(&s->last_image, 1) + 1;
	fresh.parent = image->image;
	fresh.forker = number_at(parent, parent->thread_pid->level);
	fresh.stop = image->stop;
	bpf_map_update_elem(&full_images, &child_tgid, &fresh, BPF_ANY);
	t = bpf_task_storage_get(&full_threads, parent, NULL, 0);
	copy = t && t->held_count ? bpf_task_storage_get(&full_threads, child, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE) : NULL;
	if (copy) {
		bpf_probe_read_kernel(copy, sizeof(*copy), t);
		copy->tid = child_tgid;
		copy->tgid = child_tgid;
		copy->number = number_at(child, child->thread_pid->level);
		copy->image = fresh.image;
		copy->waits = 0;
		copy->waited_ns = 0;
	}
	record = bpf_ringbuf_reserve(&full_records, sizeof(*record), 0);
	if (!record) {
		count(&s->lost_records);
		return 0;
	}
	__builtin_memset(record, 0, sizeof(*record));
	record->head.type = LS_RECORD_FORK;
	record->head.image = image->image;
	record->head.tgid = tgid;
	record->head.tid = number_at(parent, s->reader_level);
	record->head.start_ns = child->start_boottime;
	record->head.time_ns = bpf_ktime_get_boot_ns();
	record->child = child_tgid;
	record->child_image = fresh.image;
	bpf_ringbuf_submit(record, BPF_RB_FORCE_WAKEUP);
	return 0;
}

/*
 * Holds a new process back until it is probed as well, where that was asked for; the reader lets it go. For kernels that
 * can send a signal to another (6.13).
 */
enum pid_type { PIDTYPE_PID, PIDTYPE_TGID };
extern int bpf_send_signal_task(struct task_struct *task, int sig, enum pid_type type, __u64 value) __ksym __weak;

SEC("tp_btf/sched_process_fork")
int stop_child(__u64 *ctx)
{
	struct task_struct *parent = (void *)ctx[0], *child = (void *)ctx[1];
	struct ls_full_state *s = state_of_level();
	struct ls_image *image;
	__u32 tgid;

	if (!s || child->tgid == parent->tgid)
		return 0;
	tgid = number_at(parent->group_leader, s->reader_level);
	image = bpf_map_lookup_elem(&full_images, &tgid);
	if (image && image->stop)
		bpf_send_signal_task(child, SIGSTOP_, PIDTYPE_TGID, 0);
	return 0;
}

SEC("tp_btf/sched_process_exec")
int replaced(__u64 *ctx)
{
	struct task_struct *task = (void *)ctx[0];
	struct ls_full_state *s = state_of_level();
	struct ls_image *image, fresh = {};
	struct ls_record_head *record;
	__u32 tgid;

	if (!s)
		return 0;
	tgid = number_at(task->group_leader, s->reader_level);
	image = bpf_map_lookup_elem(&full_images, &tgid);
	if (!image)
		return 0;
	fresh.image = __sync_fetch_and_add(&s->last_image, 1) + 1;
	fresh.from_start = 1;
	fresh.stop = image->stop;
	bpf_map_update_elem(&full_images, &tgid, &fresh, BPF_ANY);
	bpf_task_storage_delete(&full_threads, task);
	record = bpf_ringbuf_reserve(&full_records, sizeof(*record), 0);
	if (!record) {
		count(&s->lost_records);
		return 0;
	}
	__builtin_memset(record, 0, sizeof(*record));
	record->type = LS_RECORD_EXEC;
	record->image = fresh.image;
	record->tgid = tgid;
	record->tid = tgid;
	record->start_ns = task->start_boottime;
	record->time_ns = bpf_ktime_get_boot_ns();
	bpf_probe_read_kernel(record->comm, sizeof(record->comm), task->comm);
	bpf_ringbuf_submit(record, BPF_RB_FORCE_WAKEUP);
	return 0;
}

SEC("iter/task")
int dump(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct ls_full_thread_dump head = {};
	struct ls_full_thread *t;
	__u32 held;

	if (!task)
		return 0;
	t = bpf_task_storage_get(&full_threads, task, NULL, 0);
	if (!t || !t->image)
		return 0;
	held = t->held_count;
	if (held > LS_FULL_HELD)
		return 0;
	fill_head(&head.head, 0, t, task, bpf_ktime_get_boot_ns());
	head.waits = t->waits;
	head.waited_ns = t->waited_ns;
	head.held = held;
	bpf_seq_write(ctx->meta->seq, &head, sizeof(head));
	/* One piece each: what changes meanwhile is of one entry only. */
	for (__u32 i = 0; i < LS_FULL_HELD; i++) {
		if (i >= held)
			break;
		bpf_seq_write(ctx->meta->seq, held_at(t, i), sizeof(t->held[i]));
	}
	return 0;
}
