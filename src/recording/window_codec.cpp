// SPDX-License-Identifier: Apache-2.0
#include "recording/window_codec.h"

#include "recording/field_codecs.h"
#include "recording/look_codec.h"

namespace lockscope {
namespace {

// Every structure is taken apart by name: a field that is added is an error here until it is recorded.
void code(auto& c, Is<Actor> auto& actor, const Actor& base) {
  [[maybe_unused]] auto& [pid, start_ns, uid, cgroup, comm] = actor;
  code_pid(c, actor.pid, base.pid);
  c.near(actor.start_ns, base.start_ns);
  c.near(actor.uid, base.uid);
  c.near(actor.cgroup, base.cgroup);
  c.text(actor.comm);
}

template <class T>
void code_lock_as(Is<ContendedLock> auto& lock, auto code_fields) {
  if constexpr (!std::is_const_v<std::remove_reference_t<decltype(lock)>>) lock.template emplace<T>();
  code_fields(std::get<T>(lock));
}

void code(auto& c, Is<ContendedLock> auto& lock) {
  std::size_t index = lock.index();
  c.natural(index);
  switch (index) {
    case 0:
      return code_lock_as<WordOfProcess>(lock, [&](auto& word) {
        code_pid(c, word.pid, 0);
        c.natural(word.address);
      });
    case 1: return code_lock_as<SharedPlace>(lock, [&](auto& place) { lockscope::code(c, place, SharedPlace{}); });
    case 2:
      return code_lock_as<LockOfFile>(lock, [&](auto& file) {
        lockscope::code(c, file.file, FileId{});
        c.flags(file.flock);
      });
    case 3: return code_lock_as<std::uint64_t>(lock, [&](auto& set) { c.natural(set); });
    default: return c.require(false);
  }
}

void code(auto& c, Is<WaitHistogram> auto& histogram) {
  std::uint32_t filled = 0;
  for (std::size_t i = 0; i < histogram.counts.size(); ++i) filled |= (histogram.counts[i] != 0 ? 1u : 0u) << i;
  c.natural(filled);
  c.require(filled < 1u << WaitHistogram::kBuckets);
  for (std::size_t i = 0; i < histogram.counts.size(); ++i) {
    if (filled >> i & 1) c.natural(histogram.counts[i]);
  }
}

// Times of a window lie near each other: near its beginning.
void code_time(auto& c, auto& ns, std::uint64_t begin) {
  bool there = ns != 0;
  c.flags(there);
  if (there) c.near(ns, begin);
}

void code(auto& c, Is<WaitCounts> auto& waits, std::uint64_t begin) {
  [[maybe_unused]] auto& [acquired, abandoned, total_ns, longest_ns, longest_tid, first, last, histogram] = waits;
  c.natural(waits.acquired);
  c.natural(waits.abandoned);
  c.natural(waits.total_ns);
  c.natural(waits.longest_ns);
  code_pid(c, waits.longest_tid, 0);
  code_time(c, waits.first_abandoned_ns, begin);
  code_time(c, waits.last_abandoned_ns, begin);
  code(c, waits.histogram);
}

void code_file_locks(auto& c, auto& uses, std::uint64_t begin) {
  c.list(uses, [&](auto& use, const FileLockUse& above) {
    [[maybe_unused]] auto& [actor, file, kind, exclusive, shared, contended, failed, deadlocks, errors, released,
                            closed, waits, last_granted, last_released, first_failed, last_failed, readonly] = use;
    code(c, use.actor, above.actor);
    lockscope::code(c, use.file, above.file);
    c.choice(use.kind, FileLockKind::ofd);
    c.natural(use.granted_exclusive);
    c.natural(use.granted_shared);
    c.natural(use.contended);
    c.natural(use.failed);
    c.natural(use.deadlocks);
    c.natural(use.errors);
    c.natural(use.released);
    c.natural(use.closed);
    code(c, use.waits, begin);
    code_time(c, use.last_granted_ns, begin);
    code_time(c, use.last_released_ns, begin);
    code_time(c, use.first_failed_ns, begin);
    code_time(c, use.last_failed_ns, begin);
    c.flags(use.readonly);
  });
}

void code_rarer(auto& c, auto& window) {
  const std::uint64_t begin = window.begin_ns;
  c.list(window.writes, [&](auto& use, const FileWrites& above) {
    [[maybe_unused]] auto& [actor, file, writes, flock, posix, locker, first, last] = use;
    code(c, use.actor, above.actor);
    lockscope::code(c, use.file, above.file);
    c.natural(use.writes);
    c.natural(use.against_flock);
    c.natural(use.against_posix);
    code_pid(c, use.locker, 0);
    code_time(c, use.first_ns, begin);
    code_time(c, use.last_ns, begin);
  });
  c.list(window.failed_creates, [&](auto& create, const FailedCreate& above) {
    [[maybe_unused]] auto& [actor, path, tries, first, last] = create;
    code(c, create.actor, above.actor);
    c.text(create.path);
    c.natural(create.tries);
    code_time(c, create.first_ns, begin);
    code_time(c, create.last_ns, begin);
  });
  c.list(window.shared_locks, [&](auto& use, const SharedLockUse& above) {
    [[maybe_unused]] auto& [actor, place, semaphore, acquired, released, failed, last_acquired, last_released,
                            first_failed, last_failed, owner] = use;
    code(c, use.actor, above.actor);
    lockscope::code(c, use.place, above.place);
    c.flags(use.semaphore);
    c.natural(use.acquired);
    c.natural(use.released);
    c.natural(use.failed);
    code_time(c, use.last_acquired_ns, begin);
    code_time(c, use.last_released_ns, begin);
    code_time(c, use.first_failed_ns, begin);
    code_time(c, use.last_failed_ns, begin);
    code_pid(c, use.owner, 0);
  });
  c.map(window.lost, [&](auto& cause, auto& count, const auto&) {
    c.text(cause);
    c.natural(count);
  });
  c.map(window.hooks, [&](auto& program, auto& cost, const auto&) {
    c.text(program);
    c.natural(cost.runs);
    c.natural(cost.run_ns);
  });
}

// One field of all events, then the next: equal things stand together.
void code_columns(auto& c, auto& events, std::uint64_t begin) {
  for (auto& event : events) c.choice(event.verb, LockEvent::Verb::abandoned);
  std::uint64_t time = begin;
  for (auto& [verb, time_ns, wait_ns, run_queue_ns, pid, tid, waker_pid, waker_tid, lock] : events) {
    c.near(time_ns, time);
    time = time_ns;
  }
  for (auto& event : events) c.natural(event.wait_ns);
  for (auto& event : events) c.natural(event.run_queue_ns);
  for (auto& event : events) code_pid(c, event.pid, 0);
  for (auto& event : events) code_pid(c, event.tid, event.pid);
  for (auto& event : events) code_pid(c, event.waker_pid, 0);
  for (auto& event : events) code_pid(c, event.waker_tid, event.waker_pid);
}

void code_counts(auto& c, auto& window) {
  [[maybe_unused]] auto& [begin, end, words, first_waits, file_locks, writes, failed_creates, shared_locks, events,
                          lost, hooks] = window;
  c.natural(window.begin_ns);
  c.near(window.end_ns, window.begin_ns);
  c.list(window.words, [&](auto& word, const WordWaits& above) {
    [[maybe_unused]] auto& [actor, lock, waits] = word;
    code(c, word.actor, above.actor);
    code(c, word.lock);
    code(c, word.waits, window.begin_ns);
  });
  code_file_locks(c, window.file_locks, window.begin_ns);
  code_rarer(c, window);
}

}  // namespace

void encode_window(ByteEncoder& c, const ContentionWindow& window) {
  code_counts(c, window);
  c.list(window.first_waits,
         [&](const FirstWait& first, const FirstWait&) { encode_first_wait(c, first.thread, first.wait); });
  c.natural(window.events.size());
  c.charge(window.events.size() * sizeof(LockEvent));
  code_columns(c, window.events, window.begin_ns);
  std::map<ContendedLock, std::size_t> numbers;
  std::vector<ContendedLock> locks;
  std::vector<std::size_t> column;
  column.reserve(window.events.size());
  for (const LockEvent& event : window.events) {
    const auto [entry, fresh] = numbers.try_emplace(event.lock, locks.size());
    if (fresh) locks.push_back(event.lock);
    column.push_back(entry->second);
  }
  c.list(locks, [&](const ContendedLock& lock, const ContendedLock&) { code(c, lock); });
  for (const std::size_t number : column) c.natural(number);
}

void decode_window(ByteDecoder& c, ContentionWindow& window) {
  code_counts(c, window);
  c.list(window.first_waits,
         [&](FirstWait& first, const FirstWait&) { decode_first_wait(c, first.thread, first.wait); });
  std::size_t count = 0;
  c.count(count, sizeof(LockEvent));
  window.events.resize(count);
  code_columns(c, window.events, window.begin_ns);
  std::vector<ContendedLock> locks;
  c.list(locks, [&](ContendedLock& lock, const ContendedLock&) { code(c, lock); });
  for (LockEvent& event : window.events) {
    std::size_t number = 0;
    c.natural(number);
    c.require(number < locks.size());
    if (!c.ok()) return;
    event.lock = locks[number];
  }
}

}  // namespace lockscope
