// SPDX-License-Identifier: Apache-2.0
#include "source/lock_trace_builder.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>

namespace lockscope {
namespace {

template <class Record>
std::optional<Record> as(std::span<const std::uint8_t> bytes) {
  Record record;
  if (bytes.size() < sizeof record) return std::nullopt;
  std::memcpy(&record, bytes.data(), sizeof record);
  return record;
}

LockKind kind_of(std::uint8_t kind) {
  switch (kind) {
    case LS_KIND_RECURSIVE: return LockKind::recursive_mutex;
    case LS_KIND_ERRORCHECK: return LockKind::errorcheck_mutex;
    case LS_KIND_ADAPTIVE: return LockKind::adaptive_mutex;
    case LS_KIND_PI: return LockKind::pi_mutex;
    case LS_KIND_PP: return LockKind::priority_protect_mutex;
    case LS_KIND_ROBUST: return LockKind::robust_mutex;
    case LS_KIND_RWLOCK: return LockKind::rwlock;
    case LS_KIND_SPIN: return LockKind::spin;
    case LS_KIND_SEM: return LockKind::sem;
    case LS_KIND_WORD: return LockKind::futex;
    case LS_KIND_BARRIER: return LockKind::barrier;
    default: return LockKind::mutex;
  }
}

Mode mode_of(std::uint8_t flags) { return (flags & LS_HELD_SHARED) != 0 ? Mode::shared : Mode::exclusive; }

TakenBy by_of(std::uint8_t by) {
  switch (by) {
    case LS_BY_TRYING: return TakenBy::trying;
    case LS_BY_TIMED: return TakenBy::timed;
    case LS_BY_CONDITION: return TakenBy::after_condition_wait;
    default: return TakenBy::waiting;
  }
}

std::optional<MisuseKind> misuse_of(std::uint32_t what) {
  switch (what) {
    case LS_UNLOCK_NOT_LOCKED: return MisuseKind::unlock_not_locked;
    case LS_DOUBLE_UNLOCK: return MisuseKind::double_unlock;
    case LS_UNLOCK_NOT_OWNER: return MisuseKind::unlock_not_owner;
    case LS_RELOCK: return MisuseKind::relock;
    case LS_DESTROYED_LOCKED: return MisuseKind::destroyed_while_locked;
    case LS_EXIT_HOLDING: return MisuseKind::exit_while_holding;
    case LS_IGNORED_FAILURE: return MisuseKind::ignored_lock_failure;
    default: return std::nullopt;
  }
}

// Of the record whole; of a type that is not known: its head.
std::size_t size_of(std::uint32_t type) {
  switch (type) {
    case LS_RECORD_CHAIN: return sizeof(ls_chain_record);
    case LS_RECORD_MISUSE:
    case LS_RECORD_RELOCK_ENDED: return sizeof(ls_misuse_record);
    case LS_RECORD_LONG_HOLD: return sizeof(ls_long_hold_record);
    case LS_RECORD_LIFE: return sizeof(ls_life_record);
    case LS_RECORD_BARRIER: return sizeof(ls_barrier_record);
    case LS_RECORD_THREAD_END: return sizeof(ls_thread_end_record);
    case LS_RECORD_FORK: return sizeof(ls_fork_record);
    case LS_RECORD_THREAD_START: return sizeof(ls_thread_start_record);
    case LS_RECORD_JOIN: return sizeof(ls_join_record);
    default: return sizeof(ls_record_head);
  }
}

std::string text_of(const char (&comm)[LS_FULL_COMM]) { return {comm, ::strnlen(comm, sizeof comm)}; }

void add(Durations& to, std::uint64_t count, std::uint64_t total, std::uint64_t longest,
         const std::uint32_t (&histogram)[LS_FULL_BUCKETS]) {
  static_assert(kTraceBuckets == LS_FULL_BUCKETS);
  to.count += count;
  to.total_ns += total;
  to.longest_ns = std::max(to.longest_ns, longest);
  for (std::size_t i = 0; i < kTraceBuckets; ++i) to.histogram[i] += histogram[i];
}

}  // namespace

void LockTraceBuilder::lose(const std::string& cause, std::uint64_t count) {
  if (count > 0) trace_.lost[cause] += count;
}

TracedImage& LockTraceBuilder::image(ImageId id, pid_t pid) {
  const auto [known, fresh] = images_.try_emplace(id, trace_.images.size());
  if (fresh) trace_.images.push_back({.id = id, .pid = pid});
  return trace_.images[known->second];
}

std::size_t LockTraceBuilder::thread_of(const ls_record_head& head) {
  const std::pair key{static_cast<pid_t>(head.tid), head.start_ns};
  const auto known = threads_.find(key);
  if (known != threads_.end()) {
    trace_.threads[known->second].comm = text_of(head.comm);
    return known->second;
  }
  threads_.emplace(key, trace_.threads.size());
  trace_.threads.push_back(
      {.pid = static_cast<pid_t>(head.tgid), .tid = key.first, .start_ns = head.start_ns, .comm = text_of(head.comm)});
  return trace_.threads.size() - 1;
}

LockTraceBuilder::Event LockTraceBuilder::absorb(std::span<const std::uint8_t> bytes) {
  const auto head = as<ls_record_head>(bytes);
  if (!head || bytes.size() < size_of(head->type)) {
    lose("records cut off", 1);
    return {};
  }
  if (trace_.threads.size() >= kMaxThreads) {
    lose("threads beyond what is kept", 1);
    return {};
  }
  Event event{.image = head->image, .pid = static_cast<pid_t>(head->tgid)};
  const bool known = images_.contains(head->image);
  TracedImage& seen = image(head->image, event.pid);
  if (!known) seen.began_ns = head->time_ns;
  switch (head->type) {
    case LS_RECORD_CHAIN:
      if (const auto record = as<ls_chain_record>(bytes)) add_chain(*record);
      break;
    case LS_RECORD_MISUSE:
      if (const auto record = as<ls_misuse_record>(bytes)) add_misuse(*record);
      break;
    case LS_RECORD_RELOCK_ENDED:
      if (const auto record = as<ls_misuse_record>(bytes)) end_relock(*record);
      break;
    case LS_RECORD_LONG_HOLD:
      if (const auto record = as<ls_long_hold_record>(bytes)) {
        if (trace_.long_holds.size() >= kMaxLongHolds) {
          lose("long holds beyond what is kept", 1);
          break;
        }
        trace_.long_holds.push_back({.thread = thread_of(*head),
                                     .lock = {head->image, record->lock},
                                     .kind = kind_of(record->kind),
                                     .mode = mode_of(record->flags),
                                     .taken_site = record->site,
                                     .since_ns = record->since_ns,
                                     .held_ns = record->held_ns,
                                     .waiters = record->waiters != 0});
      }
      break;
    case LS_RECORD_LIFE:
      if (const auto record = as<ls_life_record>(bytes)) {
        if (trace_.lives.size() >= kMaxLives) {
          lose("begins and ends of locks beyond what is kept", 1);
          break;
        }
        trace_.lives.push_back({{head->image, record->lock}, head->time_ns, record->begins != 0, record->site});
      }
      break;
    case LS_RECORD_BARRIER:
      if (const auto record = as<ls_barrier_record>(bytes)) {
        if (trace_.barriers.size() >= kMaxBarriers) {
          lose("barriers beyond what is kept", 1);
          break;
        }
        trace_.barriers.push_back(
            {{head->image, record->lock}, thread_of(*head), record->arrived_ns, head->time_ns});
      }
      break;
    case LS_RECORD_THREAD_END:
      if (const auto record = as<ls_thread_end_record>(bytes)) {
        TracedThread& thread = trace_.threads[thread_of(*head)];
        thread.ended_ns = head->time_ns;
        thread.waits += record->waits;
        thread.waited_ns += record->waited_ns;
      }
      break;
    case LS_RECORD_THREAD_START:
      if (const auto record = as<ls_thread_start_record>(bytes)) add_thread(*record);
      break;
    case LS_RECORD_JOIN:
      if (const auto record = as<ls_join_record>(bytes)) add_join(*record);
      break;
    case LS_RECORD_HELLO:
      thread_of(*head);
      event.kind = Event::Kind::first_call;
      break;
    case LS_RECORD_FORK:
      if (const auto record = as<ls_fork_record>(bytes)) {
        event.kind = Event::Kind::fork;
        event.child = static_cast<pid_t>(record->child);
        event.child_image = record->child_image;
        TracedImage& child = image(record->child_image, event.child);
        child.forked_from = head->image;
        child.began_ns = head->time_ns;
      }
      break;
    case LS_RECORD_EXEC:
      image(head->image, event.pid).from_start = true;
      event.kind = Event::Kind::exec;
      break;
    default: lose("records not understood", 1); break;
  }
  return event;
}

void LockTraceBuilder::add_thread(const ls_thread_start_record& record) {
  const std::size_t creator = thread_of(record.head);
  ls_record_head head = record.head;
  head.tid = record.tid;
  head.start_ns = record.start_ns;
  const std::size_t thread = thread_of(head);
  trace_.threads[thread].creator = creator;
  handles_[{record.head.image, record.handle}].push_back(thread);
}

// A handle is used again once its thread was joined: meant is the latest that had begun when the call was made.
void LockTraceBuilder::add_join(const ls_join_record& record) {
  const auto known = handles_.find({record.head.image, record.handle});
  if (known == handles_.end()) return;
  const auto joined = std::ranges::find_if(known->second.rbegin(), known->second.rend(), [&](std::size_t thread) {
    return trace_.threads[thread].start_ns <= record.called_ns;
  });
  if (joined == known->second.rend()) return;
  if (trace_.joins.size() >= kMaxJoins) return lose("joins beyond what is kept", 1);
  trace_.joins.push_back({thread_of(record.head), *joined, record.head.time_ns});
}

void LockTraceBuilder::add_chain(const ls_chain_record& record) {
  const auto entry = [&](const ls_chain_entry& e) {
    return Acquisition{.lock = {record.head.image, e.lock},
                       .kind = kind_of(e.kind),
                       .mode = mode_of(e.flags),
                       .by = by_of(e.by),
                       .site = e.site,
                       .since_ns = e.since_ns};
  };
  LockChain chain{.image = record.head.image,
                  .thread = thread_of(record.head),
                  .held = {},
                  .wanted = entry(record.entry[0]),
                  .truncated = record.truncated != 0,
                  .first_ns = record.head.time_ns,
                  .last_ns = record.head.time_ns};
  const std::size_t count = std::min<std::size_t>(record.count, LS_FULL_CHAIN);
  for (std::size_t i = count; i > 0; --i) chain.held.push_back(entry(record.entry[i]));
  if (chain.held.empty()) return;
  chains_.emplace(record.key, trace_.chains.size());
  trace_.chains.push_back(std::move(chain));
}

void LockTraceBuilder::add_misuse(const ls_misuse_record& record) {
  const auto kind = misuse_of(record.what);
  if (!kind) return lose("records not understood", 1);
  const std::tuple key{*kind, record.head.image, record.lock, record.site};
  const auto known = misuses_.find(key);
  if (known != misuses_.end()) {
    LockMisuse& misuse = trace_.misuses[known->second];
    ++misuse.count;
    if (record.waiting != 0) {
      misuse.still_waiting = true;
      relocks_.emplace_back(thread_of(record.head), known->second);
    }
    return;
  }
  if (trace_.misuses.size() >= kMaxMisuses) return lose("misuses beyond what is kept", 1);
  LockMisuse misuse{.kind = *kind,
                    .thread = thread_of(record.head),
                    .lock = {record.head.image, record.lock},
                    .lock_kind = kind_of(record.kind),
                    .robust = (record.flags & LS_HELD_ROBUST) != 0,
                    .mode = mode_of(record.flags),
                    .site = record.site,
                    .time_ns = record.head.time_ns};
  if (record.error != 0) misuse.error = record.error;
  if (record.earlier_site != 0) misuse.earlier_site = record.earlier_site;
  if (record.earlier_ns != 0) misuse.earlier_ns = record.earlier_ns;
  misuse.still_waiting = record.waiting != 0;
  if (record.owner != 0 && owner_name_) {
    const auto number = static_cast<pid_t>(record.owner);
    misuse.owner_comm = owner_name_(static_cast<pid_t>(record.head.tgid), number);
    if (!misuse.owner_comm.empty()) misuse.owner = number;
  }
  if (misuse.still_waiting) relocks_.emplace_back(misuse.thread, trace_.misuses.size());
  misuses_.emplace(key, trace_.misuses.size());
  trace_.misuses.push_back(std::move(misuse));
}

void LockTraceBuilder::end_relock(const ls_misuse_record& record) {
  const std::size_t thread = thread_of(record.head);
  const auto ended = std::ranges::find_if(relocks_, [&](const auto& relock) {
    const LockMisuse& m = trace_.misuses[relock.second];
    return relock.first == thread && m.lock.address == record.lock && m.site == record.site;
  });
  if (ended == relocks_.end()) return;
  const std::size_t index = ended->second;
  relocks_.erase(ended);
  LockMisuse& misuse = trace_.misuses[index];
  misuse.still_waiting = std::ranges::any_of(relocks_, [&](const auto& relock) { return relock.second == index; });
  if (record.error != 0) misuse.error = record.error;
}

bool LockTraceBuilder::has_waiting_relock() const { return !relocks_.empty(); }

void LockTraceBuilder::absorb_dump(std::span<const std::uint8_t> dump) {
  while (const auto thread = as<ls_full_thread_dump>(dump)) {
    dump = dump.subspan(sizeof *thread);
    if (thread->held > LS_FULL_HELD || trace_.threads.size() >= kMaxThreads) return lose("records cut off", 1);
    TracedThread& known = trace_.threads[thread_of(thread->head)];
    known.waits += thread->waits;
    known.waited_ns += thread->waited_ns;
    for (std::uint32_t i = 0; i < thread->held; ++i) {
      const auto held = as<ls_full_held>(dump);
      if (!held) return lose("records cut off", 1);
      dump = dump.subspan(sizeof *held);
      add_held(*thread, *held);
    }
  }
  if (!dump.empty()) lose("records cut off", 1);
}

// Still held: taken, but not yet counted by the kernel, which does so when it is let go of.
void LockTraceBuilder::add_held(const ls_full_thread_dump& thread, const ls_full_held& held) {
  if ((held.flags & LS_HELD_BLOCKED) != 0) return;
  ls_full_use use{};
  use.acquired = std::max<std::uint32_t>(held.depth, 1);
  if ((held.flags & LS_HELD_CONTENDED) != 0) {
    use.contended = 1;
    use.wait_ns = use.wait_longest_ns = held.since_ns - std::min(held.asked_ns, held.since_ns);
    const auto log = std::bit_width(std::max<std::uint64_t>(use.wait_ns, 1)) - 1;
    use.wait[std::min<std::size_t>(log, LS_FULL_BUCKETS - 1)] = 1;
  }
  add_use({.lock = held.lock,
           .site = held.site,
           .image = thread.head.image,
           .kind = held.kind,
           .shared = static_cast<__u8>(held.flags & LS_HELD_SHARED),
           .pad = {}},
          use);
}

void LockTraceBuilder::add_use(const ls_full_use_key& key, const ls_full_use& use) {
  const auto [known, fresh] =
      uses_.try_emplace({key.image, key.lock, key.site, key.kind, key.shared}, trace_.uses.size());
  if (fresh) {
    trace_.uses.push_back({.lock = {key.image, key.lock},
                           .site = key.site,
                           .kind = kind_of(key.kind),
                           .mode = key.shared != 0 ? Mode::shared : Mode::exclusive});
  }
  SiteUse& to = trace_.uses[known->second];
  to.acquired += use.acquired;
  to.contended += use.contended;
  to.failed += use.failed;
  add(to.wait, use.contended, use.wait_ns, use.wait_longest_ns, use.wait);
  std::uint64_t holds = 0;
  for (const std::uint32_t bucket : use.hold) holds += bucket;
  add(to.hold, holds, use.hold_ns, use.hold_longest_ns, use.hold);
}

void LockTraceBuilder::absorb_uses(std::span<const std::pair<ls_full_use_key, ls_full_use>> uses) {
  for (const auto& [key, use] : uses) add_use(key, use);
}

void LockTraceBuilder::absorb_chains(std::span<const std::pair<std::uint64_t, ls_chain_use>> chains) {
  for (const auto& [key, use] : chains) {
    const auto known = chains_.find(key);
    if (known == chains_.end()) continue;
    LockChain& chain = trace_.chains[known->second];
    chain.last_ns = std::max(chain.first_ns, static_cast<std::uint64_t>(use.last_ns));
    chain.count = use.count;
  }
}

LockTrace LockTraceBuilder::build(std::uint64_t began_ns, std::uint64_t ended_ns) {
  LockTrace trace = trace_;
  trace.began_ns = began_ns;
  trace.ended_ns = ended_ns;
  std::ranges::sort(trace.images, {}, &TracedImage::id);
  std::ranges::sort(trace.uses, {}, [](const SiteUse& use) { return std::tuple(use.lock, use.site, use.mode); });
  std::ranges::stable_sort(trace.lives, {}, &LockLife::time_ns);
  std::ranges::stable_sort(trace.joins, {}, &ThreadJoin::time_ns);
  std::ranges::stable_sort(trace.barriers, {}, &BarrierPass::left_ns);
  return trace;
}

}  // namespace lockscope
