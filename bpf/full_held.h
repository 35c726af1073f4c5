/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The set of locks that a thread holds, and what is told when it changes: chains (a lock asked for while others are
 * held), statistics by lock and place, misuse. For the programs of full_take.bpf.c and full_release.bpf.c.
 */
#ifndef LOCKSCOPE_FULL_HELD_H
#define LOCKSCOPE_FULL_HELD_H

#include "full_words.h"

static __always_inline __u64 mix(__u64 hash, __u64 value)
{
	hash ^= value;
	hash *= 0x9e3779b97f4a7c15ull;
	return hash ^ (hash >> 29);
}

/* An entry by its index, below LS_FULL_HELD. The verifier is told so by a mask that compilers cannot take away. */
static __always_inline struct ls_full_held *held_at(struct ls_full_thread *t, __u64 at)
{
	_Static_assert(LS_FULL_HELD == 128, "the mask");
	asm volatile("%0 &= 127" : "+r"(at));
	return &t->held[at];
}

/* Index of the entry for this lock, the latest first; LS_FULL_HELD: none. */
LS_VERB int search_held(struct ls_full_thread *t, __u64 lock)
{
	__u32 n;

	if (!t)
		return LS_FULL_HELD;
	n = t->held_count;

	for (__u32 i = 1; i <= LS_FULL_HELD; i++) {
		if (i > n)
			break;
		if (held_at(t, n - i)->lock == lock)
			return n - i;
	}
	return LS_FULL_HELD;
}

static __always_inline __u32 find_held(struct ls_full_thread *t, __u64 lock)
{
	__u32 n = t->held_count;

	if (!n)
		return LS_FULL_HELD;
	if (held_at(t, n - 1)->lock == lock) /* mostly */
		return n - 1;
	return search_held(t, lock);
}

LS_VERB int close_gap(struct ls_full_thread *t, __u32 at)
{
	if (!t)
		return 0;
	for (__u32 i = 0; i < LS_FULL_HELD - 1; i++, at++) {
		if (at >= t->held_count)
			break;
		*held_at(t, at) = *held_at(t, at + 1);
	}
	return 0;
}

static __always_inline void drop_held(struct ls_full_thread *t, __u32 at)
{
	__u32 n = t->held_count;

	if (n == 0 || n > LS_FULL_HELD)
		return;
	t->held_count = n - 1;
	if (at + 1 < n)
		close_gap(t, at);
}

struct check {
	struct ls_full_thread *t;
	__u32 layout;
};

static long check_one(__u32 i, struct check *check)
{
	struct ls_full_thread *t = check->t;
	struct ls_full_held *held;
	struct lock_word w = {};
	__u8 family;

	i = LS_FULL_HELD - 1 - i; /* the last first, for those above move down */
	if (i >= t->held_count)
		return 0;
	held = held_at(t, i);
	family = held->kind < LS_KIND_RWLOCK ? LS_KIND_MUTEX : held->kind;
	read_lock_word(held->lock, family, check->layout, &w);
	if (w.known && (w.free || (w.owner && w.owner != t->number)))
		drop_held(t, i);
	return 0;
}

/* Somebody let go of a lock that another holds: what this thread is believed to hold is asked of the locks' memory. */
LS_VERB int check_held(struct ls_full_thread *t, __u32 layout, __u64 steals)
{
	struct check check = {.t = t, .layout = layout};

	if (!t)
		return 0;
	t->steals = steals;
	bpf_loop(LS_FULL_HELD, check_one, &check, 0);
	return 0;
}

/* It was taken after all. */
LS_VERB int forgive(struct ls_full_thread *t, __u64 lock)
{
	for (int i = 0; t && i < LS_FULL_FAILED; i++) {
		if (t->failed[i].lock == lock)
			t->failed[i].lock = 0;
	}
	return 0;
}

static __always_inline struct ls_full_held *push_held(struct ls_full_thread *t, __u64 lock, struct ls_full_state *s)
{
	__u32 at = find_held(t, lock);

	if (at < LS_FULL_HELD) /* taken away meanwhile, or a second share */
		drop_held(t, at);
	if (t->failed_at)
		forgive(t, lock);
	at = t->held_count;
	if (at >= LS_FULL_HELD) {
		t->over++;
		count(&s->deep_holds);
		return NULL;
	}
	t->held_count = at + 1;
	held_at(t, at)->lock = lock;
	return held_at(t, at);
}

static __always_inline struct ls_full_use *use_of(const struct ls_full_thread *t, __u64 lock, __u64 site, __u8 kind,
						  bool shared, struct ls_full_state *s)
{
	struct ls_full_use_key key = {.lock = lock, .site = site, .image = t->image, .kind = kind, .shared = shared};
	struct ls_full_use *use = bpf_map_lookup_elem(&full_uses, &key);
	__u32 zero = 0;

	if (use)
		return use;
	use = bpf_map_lookup_elem(&full_blank_use, &zero);
	if (!use)
		return NULL;
	bpf_map_update_elem(&full_uses, &key, use, BPF_NOEXIST);
	use = bpf_map_lookup_elem(&full_uses, &key);
	if (!use)
		count(&s->lost_uses);
	return use;
}

static __always_inline void add_wait(struct ls_full_thread *t, struct ls_full_use *use, __u64 wait)
{
	__u32 bucket = bucket_of(wait);

	t->waits++;
	t->waited_ns += wait;
	__sync_fetch_and_add(&use->contended, 1);
	__sync_fetch_and_add(&use->wait_ns, wait);
	if (wait > use->wait_longest_ns)
		use->wait_longest_ns = wait;
	if (bucket < LS_FULL_BUCKETS)
		__sync_fetch_and_add(&use->wait[bucket], 1);
}

/* Counts one acquisition that ends now. Of an exclusive lock only its holder counts, so nothing is torn. */
static __always_inline void count_use(struct ls_full_thread *t, const struct ls_full_held *held, __u64 now,
				      struct ls_full_state *s)
{
	bool shared = held->flags & LS_HELD_SHARED;
	struct ls_full_use *use = use_of(t, held->lock, held->site, held->kind, shared, s);
	__u64 hold = now > held->since_ns ? now - held->since_ns : 0;
	__u32 bucket = bucket_of(hold);

	if (!use) {
		count(&s->lost_acquired);
		return;
	}
	__sync_fetch_and_add(&use->acquired, 1);
	__sync_fetch_and_add(&use->hold_ns, hold);
	if (bucket < LS_FULL_BUCKETS)
		__sync_fetch_and_add(&use->hold[bucket], 1);
	if (hold > use->hold_longest_ns)
		use->hold_longest_ns = hold;
	if (held->flags & LS_HELD_CONTENDED)
		add_wait(t, use, held->since_ns > held->asked_ns ? held->since_ns - held->asked_ns : 0);
}

static __always_inline void count_failed(struct ls_full_thread *t, __u64 lock, __u64 site, __u8 kind, bool shared,
					 __s64 error, __u64 now, struct ls_full_state *s)
{
	struct ls_full_use *use = use_of(t, lock, site, kind, shared, s);
	__u32 at = t->failed_at++ & (LS_FULL_FAILED - 1);

	if (use)
		__sync_fetch_and_add(&use->failed, 1);
	for (__u32 i = 0; i < LS_FULL_FAILED; i++) {
		if (t->failed[i].lock == lock)
			at = i;
	}
	if (at >= LS_FULL_FAILED)
		return;
	t->failed[at].lock = lock;
	t->failed[at].site = site;
	t->failed[at].time_ns = now;
	t->failed[at].error = error;
}

static __always_inline void fill_entry(struct ls_chain_entry *entry, const struct ls_full_held *held)
{
	entry->lock = held->lock;
	entry->site = held->site;
	entry->since_ns = held->since_ns;
	entry->kind = held->kind;
	entry->by = held->by;
	entry->flags = held->flags;
}

/* What is asked for, with what is held: told once, counted ever after. */
LS_VERB int note_chain(struct ls_full_thread *t, const struct ls_full_held *wanted)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct ls_full_state *s = state_of_level();
	struct ls_chain_use *known, fresh = {};
	struct ls_chain_record *record;
	struct ls_full_held *held;
	__u64 key;
	__u32 n;

	if (!t || !wanted || !s)
		return 0;
	n = t->held_count;
	key = mix(mix(task->start_boottime, t->tid | (__u64)t->image << 32), wanted->lock);
	key = mix(mix(key, wanted->site), wanted->flags & LS_HELD_SHARED);
	for (__u32 i = 1; i <= LS_FULL_CHAIN; i++) {
		if (i > n)
			break;
		held = held_at(t, n - i);
		key = mix(mix(key, held->lock), held->site ^ (held->flags & LS_HELD_SHARED));
	}
	known = bpf_map_lookup_elem(&full_chains, &key);
	if (known) {
		known->last_ns = wanted->asked_ns;
		known->count++;
		return 0;
	}
	fresh.last_ns = wanted->asked_ns;
	fresh.count = 1;
	record = bpf_ringbuf_reserve(&full_records, sizeof(*record), 0);
	if (!record) { /* it may come again */
		count(&s->lost_records);
		return 0;
	}
	if (bpf_map_update_elem(&full_chains, &key, &fresh, BPF_NOEXIST)) {
		count(&s->lost_chains);
		bpf_ringbuf_discard(record, 0);
		return 0;
	}
	fill_head(&record->head, LS_RECORD_CHAIN, t, task, wanted->asked_ns);
	record->key = key;
	record->truncated = n > LS_FULL_CHAIN || t->over;
	record->count = 0;
	fill_entry(&record->entry[0], wanted);
	for (__u32 i = 1; i <= LS_FULL_CHAIN; i++) {
		if (i > n)
			break;
		fill_entry(&record->entry[i], held_at(t, n - i));
		record->count = i;
	}
	bpf_ringbuf_submit(record, 0);
	return 0;
}

struct misuse {
	__u64 lock, site, earlier_site, earlier_ns;
	__u32 what, owner;
	__s32 error;
	__u8 kind, flags, waiting;
};

LS_VERB int tell_misuse(struct ls_full_thread *t, const struct misuse *m)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct ls_full_state *s = state_of_level();
	struct ls_misuse_record *record;

	if (!t || !m || !s)
		return 0;
	record = bpf_ringbuf_reserve(&full_records, sizeof(*record), 0);
	if (!record) {
		count(&s->lost_records);
		return 0;
	}
	fill_head(&record->head, LS_RECORD_MISUSE, t, task, bpf_ktime_get_boot_ns());
	record->lock = m->lock;
	record->site = m->site;
	record->earlier_site = m->earlier_site;
	record->earlier_ns = m->earlier_ns;
	record->what = m->what;
	record->error = m->error;
	record->owner = m->owner;
	record->kind = m->kind;
	record->flags = m->flags;
	record->waiting = m->waiting;
	bpf_ringbuf_submit(record, 0);
	return 0;
}

/* The thread is back from a condition wait, by whatever way: it has its mutex again if the mutex says so. */
LS_VERB int end_condition(struct ls_full_thread *t, __u32 layout)
{
	struct ls_full_state *s = state_of_level();
	struct lock_word w = {};
	struct ls_full_held *held;
	__u64 mutex;

	if (!t || !s)
		return 0;
	mutex = t->condition.mutex;
	t->condition.mutex = 0;
	read_lock_word(mutex, LS_KIND_MUTEX, layout, &w);
	if (!w.known || w.free || (w.owner && w.owner != t->number))
		return 0;
	held = push_held(t, mutex, s);
	if (!held)
		return 0;
	held->site = t->condition.site;
	held->asked_ns = t->condition.since_ns;
	held->since_ns = t->switched_in_ns > t->condition.since_ns ? t->switched_in_ns : t->condition.since_ns;
	held->frame = 0;
	held->kind = t->condition.kind;
	held->flags = t->condition.flags;
	held->by = LS_BY_CONDITION;
	held->depth = 1;
	return 0;
}

/* What the thread waited for when it was last seen is over. */
LS_VERB int end_join(struct ls_full_thread *t)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct ls_full_state *s = state_of_level();
	struct ls_join_record *record;

	if (!t || !s)
		return 0;
	record = bpf_ringbuf_reserve(&full_records, sizeof(*record), 0);
	if (!record) {
		count(&s->lost_records);
	} else {
		fill_head(&record->head, LS_RECORD_JOIN, t, task, bpf_ktime_get_boot_ns());
		record->handle = t->join.handle;
		record->called_ns = t->join.called_ns;
		bpf_ringbuf_submit(record, 0);
	}
	t->join.handle = 0;
	return 0;
}

static __always_inline void settle(struct ls_full_thread *t, __u32 layout)
{
	if (t->condition.mutex)
		end_condition(t, layout);
	if (t->join.handle)
		end_join(t);
}

/* The place in the program that called, and whether the call is a part of another one that is probed itself. */
struct caller {
	__u64 site;
	bool inner;
};

static __always_inline void find_caller(struct caller *c, __u64 cookie, __u64 ip, __u64 sp)
{
	__u32 number = (cookie >> LS_COOKIE_FILE) & (LS_FULL_FILES - 1);
	struct ls_full_file *file = bpf_map_lookup_elem(&full_files, &number);
	__u64 place;

	c->inner = false;
	bpf_probe_read_user(&c->site, sizeof(c->site), (void *)sp);
	if (!file)
		return;
	place = c->site - ip + (cookie >> LS_COOKIE_OFFSET); /* in the file, if it is the same */
	if (place < file->text_start || place >= file->text_end)
		return;
	for (__u32 i = 0; i < LS_FULL_BODIES; i++) {
		if (i >= file->bodies)
			break;
		if (place < file->body[i].start || place >= file->body[i].end)
			continue;
		if (file->body[i].frame == LS_BODY_INNER)
			c->inner = true;
		else
			bpf_probe_read_user(&c->site, sizeof(c->site), (void *)(sp + 8 + file->body[i].frame));
		return;
	}
}

static __always_inline __u8 family_of(__u8 call)
{
	switch (call >> 4) {
	case 0: return LS_KIND_MUTEX;
	case 5: return LS_KIND_MUTEX; /* a condition wait is about its mutex */
	case 1: return LS_KIND_RWLOCK;
	case 2: return LS_KIND_SPIN;
	case 3: return LS_KIND_SEM;
	case 4: return LS_KIND_BARRIER;
	default: return LS_KIND_WORD;
	}
}

static __always_inline __u8 shown_kind(const struct lock_word *w)
{
	return w->inherited ? LS_KIND_PI : w->protected ? LS_KIND_PP : w->robust ? LS_KIND_ROBUST : w->kind;
}

#endif
