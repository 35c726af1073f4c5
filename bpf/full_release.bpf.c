// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Calls that let go of a lock (pthread_mutex_unlock and its kind, and a condition wait, which lets go of its mutex),
 * and those that begin or end a lock's life. Judged where they begin, with the lock still as the caller left it.
 */
#include "full_held.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct release {
	__u64 lock, cookie, ip, sp, now;
	__u32 second; /* argument, as an int */
	__u8 call, family;
	__u32 layout;
};

/* A lock that this thread is not known to hold is let go of: a misuse, unless its memory says that all is well. */
LS_VERB int judge_release(struct ls_full_thread *t, const struct release *r)
{
	struct ls_full_state *s = state_of_level();
	struct lock_word w = {};
	struct ls_image *image;
	struct misuse m = {};
	struct caller c = {};
	__u32 tgid;

	if (!t || !r || !s)
		return 0;
	if (t->over) { /* one of those that were too many */
		t->over--;
		return 0;
	}
	read_lock_word(r->lock, r->family, r->layout, &w);
	if (!w.known) {
		count(&s->unreadable);
		return 0;
	}
	if (w.robust)
		return 0; /* it tells its owner itself */
	/*
	 * pthread_spin_init() and pthread_spin_unlock() are one function on x86-64 (glibc): the former's second argument
	 * is 0 or 1, and the memory may hold anything.
	 */
	if (r->family == LS_KIND_SPIN && r->layout == LS_LAYOUT_GLIBC && r->second <= 1) {
		count(&s->steals);
		return 0;
	}
	if (!w.free && w.owner == t->number)
		return 0; /* taken before it was traced */
	tgid = t->tgid;
	image = bpf_map_lookup_elem(&full_images, &tgid);
	if (!image)
		return 0;
	if (!w.free && image->parent && (!w.owner || w.owner == image->forker))
		return 0; /* held by the thread that forked, and copied so */
	if (!w.free && !w.owner && !image->from_start)
		return 0;
	find_caller(&c, r->cookie, r->ip, r->sp);
	m.lock = r->lock;
	m.site = c.site;
	m.kind = shown_kind(&w);
	m.what = w.free ? LS_UNLOCK_NOT_LOCKED : LS_UNLOCK_NOT_OWNER;
	m.owner = w.free ? 0 : w.owner;
	for (int i = 0; i < LS_FULL_RELEASED; i++) {
		if (w.free && t->released[i].lock == r->lock && t->released[i].time_ns > m.earlier_ns) {
			m.what = LS_DOUBLE_UNLOCK;
			m.earlier_ns = t->released[i].time_ns;
		}
	}
	for (int i = 0; i < LS_FULL_FAILED; i++) {
		if (t->failed[i].lock != r->lock)
			continue;
		m.what = LS_IGNORED_FAILURE;
		m.error = t->failed[i].error;
		m.earlier_site = t->failed[i].site;
		m.earlier_ns = t->failed[i].time_ns;
		t->failed[i].lock = 0;
		break;
	}
	if (!w.free)
		count(&s->steals);
	tell_misuse(t, &m);
	return 0;
}

LS_VERB int tell_long_hold(struct ls_full_thread *t, const struct ls_full_held *held, const struct release *r)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct ls_full_state *s = state_of_level();
	struct ls_long_hold_record *record;
	struct lock_word w = {};

	if (!t || !held || !r || !s)
		return 0;
	read_lock_word(r->lock, r->family, r->layout, &w);
	record = bpf_ringbuf_reserve(&full_records, sizeof(*record), 0);
	if (!record) {
		count(&s->lost_records);
		return 0;
	}
	fill_head(&record->head, LS_RECORD_LONG_HOLD, t, task, r->now);
	record->lock = held->lock;
	record->site = held->site;
	record->since_ns = held->since_ns;
	record->held_ns = r->now - held->since_ns;
	record->kind = held->kind;
	record->flags = held->flags;
	record->waiters = w.known && w.waiters;
	bpf_ringbuf_submit(record, 0);
	return 0;
}

LS_VERB int tell_unrepaired(struct ls_full_thread *t, const struct ls_full_held *held,
				      const struct release *r)
{
	struct misuse m = {};
	struct caller c = {};

	if (!t || !held || !r)
		return 0;
	find_caller(&c, r->cookie, r->ip, r->sp);
	m.lock = held->lock;
	m.site = c.site;
	m.what = LS_IGNORED_FAILURE;
	m.error = EOWNERDEAD_;
	m.earlier_site = held->site;
	m.earlier_ns = held->since_ns;
	m.kind = held->kind;
	m.flags = held->flags;
	return tell_misuse(t, &m);
}

/* False: this thread is not known to hold it. */
static __always_inline bool let_go(struct ls_full_thread *t, struct release *r, struct ls_full_state *s)
{
	__u32 at = find_held(t, r->lock), slot;
	struct ls_full_use *use;
	struct ls_full_held *held;

	if (at >= LS_FULL_HELD)
		return false;
	held = held_at(t, at);
	if (held->depth > 1 && r->call != LS_COND_WAIT) {
		held->depth--;
		use = use_of(t, held->lock, held->site, held->kind, held->flags & LS_HELD_SHARED, s);
		if (use)
			__sync_fetch_and_add(&use->acquired, 1);
		else
			count(&s->lost_acquired);
		return true;
	}
	r->now = bpf_ktime_get_boot_ns();
	if (held->flags & LS_HELD_INCONSISTENT)
		tell_unrepaired(t, held, r);
	count_use(t, held, r->now, s);
	if (s->long_hold_ns && r->now - held->since_ns >= s->long_hold_ns)
		tell_long_hold(t, held, r);
	if (r->call == LS_COND_WAIT) {
		t->condition.kind = held->kind;
		t->condition.flags = held->flags & LS_HELD_ROBUST;
	}
	slot = t->released_at++ & (LS_FULL_RELEASED - 1);
	t->released[slot].lock = r->lock;
	t->released[slot].time_ns = r->now;
	drop_held(t, at);
	return true;
}

static __always_inline void wait_for_condition(struct ls_full_thread *t, const struct release *r)
{
	struct ls_full_held wanted = {};
	struct caller c;

	find_caller(&c, r->cookie, r->ip, r->sp);
	t->condition.mutex = r->lock;
	t->condition.site = c.site;
	t->condition.since_ns = bpf_ktime_get_boot_ns();
	if (!t->held_count)
		return;
	wanted.lock = r->lock; /* which it takes again while it holds the others */
	wanted.site = c.site;
	wanted.asked_ns = t->condition.since_ns;
	wanted.kind = t->condition.kind;
	wanted.by = LS_BY_CONDITION;
	note_chain(t, &wanted);
}

SEC("kprobe")
int release(struct pt_regs *ctx)
{
	__u64 first = ctx->di, second = ctx->si, ip = ctx->ip, sp = ctx->sp, cookie = bpf_get_attach_cookie(ctx);
	struct release r = {.cookie = cookie, .ip = ip, .sp = sp, .call = cookie, .second = second};
	struct task_struct *task = bpf_get_current_task_btf();
	struct ls_full_state *s = state_of_level();
	struct ls_full_thread *t;
	struct caller c;

	if (!s)
		return 0;
	r.layout = (cookie >> LS_COOKIE_LAYOUT) & 1;
	r.family = family_of(r.call);
	r.lock = r.call == LS_COND_WAIT ? second : first;
	if (r.layout == LS_LAYOUT_MUSL) { /* there a condition wait calls these */
		find_caller(&c, cookie, ip, sp);
		if (c.inner)
			return 0;
	}
	t = begin_thread(task, s);
	if (!t)
		return 0;
	settle(t, r.layout);
	if (r.family == LS_KIND_SEM)
		return 0; /* anybody may */
	if (!let_go(t, &r, s)) {
		t->condition.kind = LS_KIND_MUTEX;
		t->condition.flags = 0;
		judge_release(t, &r);
	}
	if (r.call == LS_COND_WAIT)
		wait_for_condition(t, &r);
	return 0;
}

/* Begins and ends of locks, the repair of a robust one, and joins. */
SEC("kprobe")
int life(struct pt_regs *ctx)
{
	__u64 lock = ctx->di, ip = ctx->ip, sp = ctx->sp, cookie = bpf_get_attach_cookie(ctx);
	__u32 layout = (cookie >> LS_COOKIE_LAYOUT) & 1, at;
	struct task_struct *task = bpf_get_current_task_btf();
	struct ls_full_state *s = state_of_level();
	struct ls_life_record *record;
	__u8 call = cookie, family = family_of(call);
	struct ls_full_thread *t;
	struct lock_word w = {};
	struct misuse m = {};
	struct caller c;
	bool begins;

	if (!s)
		return 0;
	find_caller(&c, cookie, ip, sp);
	t = begin_thread(task, s);
	if (!t || c.inner)
		return 0;
	settle(t, layout);
	if (call == LS_THREAD_JOIN) { /* its return is not needed: the next call says that it is over */
		t->join.handle = lock;
		t->join.called_ns = bpf_ktime_get_boot_ns();
		return 0;
	}
	at = find_held(t, lock);
	if (call == LS_MUTEX_CONSISTENT) {
		if (at < LS_FULL_HELD)
			held_at(t, at)->flags &= ~LS_HELD_INCONSISTENT;
		return 0;
	}
	begins = call == LS_MUTEX_INIT || call == LS_RWLOCK_INIT || call == LS_SPIN_INIT || call == LS_SEM_INIT ||
		 call == LS_WORD_INIT;
	if (!begins && family != LS_KIND_SEM) {
		read_lock_word(lock, family, layout, &w);
		if (w.known && !w.free) {
			m.lock = lock;
			m.site = c.site;
			m.what = LS_DESTROYED_LOCKED;
			m.kind = shown_kind(&w);
			m.owner = w.owner;
			if (at < LS_FULL_HELD) {
				m.earlier_site = held_at(t, at)->site;
				m.earlier_ns = held_at(t, at)->since_ns;
			}
			tell_misuse(t, &m);
			count(&s->steals);
		}
	}
	if (at < LS_FULL_HELD)
		drop_held(t, at);
	for (int i = 0; i < LS_FULL_RELEASED; i++) {
		if (t->released[i].lock == lock)
			t->released[i].lock = 0;
	}
	record = bpf_ringbuf_reserve(&full_records, sizeof(*record), 0);
	if (!record) {
		count(&s->lost_records);
		return 0;
	}
	fill_head(&record->head, LS_RECORD_LIFE, t, task, bpf_ktime_get_boot_ns());
	record->lock = lock;
	record->site = c.site;
	record->begins = begins;
	bpf_ringbuf_submit(record, 0);
	return 0;
}
