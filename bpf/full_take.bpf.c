// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Calls that take a lock: pthread_mutex_lock and all of its kind. A session: what is wanted of the return is decided at
 * the entry. Where the kernel has no sessions, two programs, and every return is paid for.
 */
#include "full_held.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

static __always_inline __u8 way_of(__u8 call)
{
	switch (call) {
	case LS_MUTEX_TRYLOCK: case LS_RWLOCK_TRYRDLOCK: case LS_RWLOCK_TRYWRLOCK: case LS_SPIN_TRYLOCK:
	case LS_SEM_TRYWAIT: case LS_WORD_TRYLOCK:
		return LS_BY_TRYING;
	case LS_MUTEX_TIMEDLOCK: case LS_RWLOCK_TIMEDRDLOCK: case LS_RWLOCK_TIMEDWRLOCK: case LS_SEM_TIMEDWAIT:
		return LS_BY_TIMED;
	default:
		return LS_BY_WAITING;
	}
}

static __always_inline struct ls_full_call_pending *pending_at(struct ls_full_thread *t, __u64 frame)
{
	for (int i = 0; i < LS_FULL_PENDING; i++) {
		if (t->pending[i].frame == frame)
			return &t->pending[i];
	}
	return NULL;
}

/*
 * Whether this is a part of a call already seen. Functions of musl go on in others by a jump: pthread_mutex_lock() in
 * pthread_mutex_timedlock(), mtx_lock() in mtx_timedlock(), sem_wait() in sem_timedwait(). One place in a program does
 * not call both.
 */
static __always_inline bool same_call(struct ls_full_thread *t, __u64 lock, __u8 call, __u64 site, __u64 frame)
{
	struct ls_full_call_pending *p = pending_at(t, frame);
	bool same;

	if (p && p->lock == lock && frame)
		return true;
	same = way_of(call) == LS_BY_TIMED && t->asked.lock == lock && t->asked.site == site;
	t->asked.lock = way_of(call) == LS_BY_WAITING ? lock : 0;
	t->asked.site = site;
	return same;
}

static __always_inline bool expect_return(struct ls_full_thread *t, const struct ls_full_held *asked, __u8 call,
					  bool relock, struct ls_full_state *s)
{
	struct ls_full_call_pending *p = pending_at(t, asked->frame);

	if (!p)
		p = pending_at(t, 0);
	if (!p) { /* calls that were jumped out of */
		count(&s->lost_calls);
		p = &t->pending[0];
	}
	p->frame = asked->frame;
	p->lock = asked->lock;
	p->site = asked->site;
	p->asked_ns = asked->asked_ns;
	p->call = call;
	p->kind = asked->kind;
	p->flags = asked->flags;
	p->relock = relock;
	return true;
}

/* Asking for a lock that this thread has. True: there is nothing more to be done for this call. */
static __always_inline bool ask_again(struct ls_full_thread *t, struct ls_full_held *asked, __u32 at,
				      const struct lock_word *w, bool *relock)
{
	struct misuse m = {};
	bool shared = asked->flags & LS_HELD_SHARED, error = false;

	if (asked->kind == LS_KIND_RWLOCK && shared && at < LS_FULL_HELD && (held_at(t, at)->flags & LS_HELD_SHARED)) {
		if (asked->by != LS_BY_WAITING)
			return false; /* its return tells */
		held_at(t, at)->depth++;
		return true;
	}
	if (w->kind == LS_KIND_RECURSIVE) {
		if (at < LS_FULL_HELD)
			held_at(t, at)->depth++;
		return true;
	}
	if (asked->by == LS_BY_TRYING)
		return false; /* a try that fails asks whether it is so */
	error = w->kind == LS_KIND_ERRORCHECK || (w->kind == LS_KIND_RWLOCK && w->owner == t->number);
	m.lock = asked->lock;
	m.site = asked->site;
	m.what = LS_RELOCK;
	m.kind = asked->kind;
	m.flags = asked->flags;
	m.error = error ? EDEADLK_ : 0;
	m.waiting = !error;
	if (at < LS_FULL_HELD) {
		m.earlier_site = held_at(t, at)->site;
		m.earlier_ns = held_at(t, at)->since_ns;
	}
	tell_misuse(t, &m);
	*relock = !error;
	return false;
}

/* Returns whether the call's return is wanted. */
static __always_inline bool begin_call(__u64 cookie, __u64 lock, __u64 ip, __u64 sp)
{
	__u8 call = cookie, family = family_of(call);
	__u32 layout = (cookie >> LS_COOKIE_LAYOUT) & 1, at;
	struct task_struct *task = bpf_get_current_task_btf();
	struct ls_full_state *s = state_of_level();
	struct ls_full_held asked = {}, *held;
	struct ls_full_thread *t;
	struct lock_word w = {};
	bool relock = false;
	struct caller c;

	if (!s)
		return false;
	find_caller(&c, cookie, ip, sp);
	if (c.inner)
		return false;
	t = begin_thread(task, s);
	if (!t)
		return false;
	if (layout == LS_LAYOUT_MUSL && same_call(t, lock, call, c.site, sp))
		return false;
	settle(t, layout);
	asked.lock = lock;
	asked.site = c.site;
	asked.frame = sp;
	asked.by = way_of(call);
	asked.depth = 1;
	asked.asked_ns = bpf_ktime_get_boot_ns();
	asked.since_ns = asked.asked_ns;
	if (family == LS_KIND_BARRIER) {
		asked.kind = family;
		return expect_return(t, &asked, call, false, s);
	}
	read_lock_word(lock, family, layout, &w);
	/* Nothing was ever read or written there, or its end cannot be told from its memory: its return tells. */
	if (!w.known)
		w.free = true;
	if (call == LS_SPIN_LOCK && layout == LS_LAYOUT_GLIBC) /* 0: taken at this moment, for the site lies behind that */
		w.free = w.free || !w.raw;
	asked.kind = shown_kind(&w);
	if (call == LS_RWLOCK_RDLOCK || call == LS_RWLOCK_TRYRDLOCK || call == LS_RWLOCK_TIMEDRDLOCK)
		asked.flags |= LS_HELD_SHARED;
	if (w.robust)
		asked.flags |= LS_HELD_ROBUST;
	if (!w.free && !((asked.flags & LS_HELD_SHARED) && w.shared))
		asked.flags |= LS_HELD_CONTENDED;
	if (family == LS_KIND_SEM)
		return expect_return(t, &asked, call, false, s);
	if (t->held_count) {
		if (t->steals != s->steals)
			check_held(t, layout, s->steals);
		at = find_held(t, lock);
		if ((cookie >> LS_COOKIE_AGAIN) & 1 && at < LS_FULL_HELD && at + 1 == t->held_count &&
		    held_at(t, at)->frame == sp && held_at(t, at)->site == c.site && asked.by == LS_BY_WAITING)
			return false; /* the same call, once round its loop */
	} else {
		at = LS_FULL_HELD;
	}
	if (w.owner ? w.owner == t->number : at < LS_FULL_HELD && !w.free) {
		if (ask_again(t, &asked, at, &w, &relock))
			return false;
	}
	if (asked.by == LS_BY_WAITING && t->held_count && !relock)
		note_chain(t, &asked);
	if (!w.known || asked.by != LS_BY_WAITING || relock || w.robust || w.inherited || w.protected ||
	    w.kind == LS_KIND_ERRORCHECK || (family == LS_KIND_RWLOCK && w.owner == t->number))
		return expect_return(t, &asked, call, relock, s);
	if (t->stopping) { /* held from when the scheduler lets it go on */
		t->stopping = 0;
		asked.flags |= LS_HELD_BLOCKED;
	}
	held = push_held(t, lock, s);
	if (held)
		*held = asked;
	return false;
}

static __always_inline void end_barrier(struct ls_full_thread *t, struct ls_full_call_pending *p, __u64 now,
					struct ls_full_state *s)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct ls_barrier_record *record = bpf_ringbuf_reserve(&full_records, sizeof(*record), 0);

	if (!record) {
		count(&s->lost_records);
		return;
	}
	fill_head(&record->head, LS_RECORD_BARRIER, t, task, now);
	record->lock = p->lock;
	record->arrived_ns = p->asked_ns;
	bpf_ringbuf_submit(record, 0);
}

static __always_inline void end_relock(struct ls_full_thread *t, struct ls_full_call_pending *p, __u64 now,
				       struct ls_full_state *s, __s64 error)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct ls_misuse_record *record = bpf_ringbuf_reserve(&full_records, sizeof(*record), 0);

	if (!record) {
		count(&s->lost_records);
		return;
	}
	__builtin_memset(record, 0, sizeof(*record));
	fill_head(&record->head, LS_RECORD_RELOCK_ENDED, t, task, now);
	record->lock = p->lock;
	record->site = p->site;
	record->error = error;
	bpf_ringbuf_submit(record, 0);
}

static __always_inline void end_call(__u64 frame, __s32 answer)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct ls_full_thread *t = bpf_task_storage_get(&full_threads, task, NULL, 0);
	struct ls_full_state *s = state_of_level();
	struct ls_full_call_pending *p;
	struct ls_full_held *held;
	bool shared, acquired;
	struct ls_full_use *use;
	__u64 now;
	__u32 at;

	if (!t || !s)
		return;
	p = pending_at(t, frame);
	if (!p || !frame)
		return;
	p->frame = 0;
	now = bpf_ktime_get_boot_ns();
	shared = p->flags & LS_HELD_SHARED;
	if (p->kind == LS_KIND_BARRIER) {
		end_barrier(t, p, now, s);
		return;
	}
	acquired = p->call == LS_WORD_TRYLOCK ? answer != 0 : answer == 0 || answer == EOWNERDEAD_;
	if (p->relock)
		end_relock(t, p, now, s, answer);
	if (!acquired) {
		count_failed(t, p->lock, p->site, p->kind, shared, p->kind >= LS_KIND_SEM ? EBUSY_ : answer, now, s);
		return;
	}
	if (p->kind == LS_KIND_SEM) {
		use = use_of(t, p->lock, p->site, p->kind, false, s);
		if (!use) {
			count(&s->lost_acquired);
			return;
		}
		__sync_fetch_and_add(&use->acquired, 1);
		if (p->flags & LS_HELD_CONTENDED)
			add_wait(t, use, now - p->asked_ns);
		return;
	}
	at = find_held(t, p->lock);
	if (at < LS_FULL_HELD && shared && (held_at(t, at)->flags & LS_HELD_SHARED)) {
		held_at(t, at)->depth++;
		return;
	}
	held = push_held(t, p->lock, s);
	if (!held)
		return;
	held->site = p->site;
	held->asked_ns = p->asked_ns;
	held->since_ns = now;
	held->frame = frame;
	held->kind = p->kind;
	held->by = way_of(p->call);
	held->flags = p->flags | (answer == EOWNERDEAD_ ? LS_HELD_INCONSISTENT : 0);
	held->depth = 1;
}

/* After the return the stack pointer stands behind the return address that it pointed to at the entry. */
SEC("kprobe")
int take(struct pt_regs *ctx)
{
	__u64 ip = ctx->ip, lock = ctx->di, sp = ctx->sp, answer = ctx->ax;

	if (ip != bpf_get_func_ip(ctx)) {
		end_call(sp - sizeof(__u64), answer);
		return 0;
	}
	return begin_call(bpf_get_attach_cookie(ctx), lock, ip, sp) ? 0 : 1;
}

SEC("kprobe")
int take_entry(struct pt_regs *ctx)
{
	__u64 ip = ctx->ip, lock = ctx->di, sp = ctx->sp;

	begin_call(bpf_get_attach_cookie(ctx), lock, ip, sp);
	return 0;
}

SEC("kprobe")
int take_return(struct pt_regs *ctx)
{
	__u64 sp = ctx->sp, answer = ctx->ax;

	end_call(sp - sizeof(__u64), answer);
	return 0;
}
