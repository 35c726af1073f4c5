// SPDX-License-Identifier: Apache-2.0
#include "recording/look_codec.h"

#include <limits>

#include "recording/field_codecs.h"
#include "source/trace_text.h"

namespace lockscope {
namespace {

constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();

// What of a thread's row differs from its base.
enum ThreadPart : unsigned {
  kFresh = 1u << 0,    // not in the look before: the base is the row above, and all parts follow
  kSkipped = 1u << 1,  // rows of the look before that have no counterpart; their number follows
  kBlocked = 1u << 2,
  kSwitches = 1u << 3,
  kActivity = 1u << 4,
  kPriority = 1u << 5,
  kComm = 1u << 6,
  kPerson = 1u << 7,
  kWholeThread = kBlocked | kSwitches | kActivity | kPriority | kComm | kPerson,
};

enum WaitPart : unsigned {
  kCall = 1u << 0,
  kRegisters = 1u << 1,
  kCode = 1u << 2,
  kShared = 1u << 3,
  kWindow = 1u << 4,
  kStack = 1u << 5,
  kFile = 1u << 6,
  kRest = 1u << 7,
  kWholeWait = (1u << 8) - 1,
};

auto order_of(const Thread& t) { return std::tuple(t.pid, t.id.tid, t.id.start_ns); }

// A thread that slept on has slept longer by the time between the looks.
std::optional<std::uint64_t> slept_on(const Thread& base, std::uint64_t between) {
  return base.blocked_ns ? std::optional(*base.blocked_ns + between) : std::nullopt;
}

// Structures are taken apart by name where they are compared: a field that is added is an error here until it is
// recorded.
unsigned difference(const Thread& t, const Thread& base, std::uint64_t between) {
  [[maybe_unused]] const auto& [id, pid, parent_pid, ns_tid, ns_pid, pid_ns, uid, state, syscall, compat, moved,
                                readable, voluntary, involuntary, blocked_ns, address_space, files, priority,
                                timer_armed, comm] = t;
  unsigned parts = 0;
  if (t.blocked_ns != slept_on(base, between)) parts |= kBlocked;
  if (t.voluntary_switches != base.voluntary_switches || t.involuntary_switches != base.involuntary_switches) {
    parts |= kSwitches;
  }
  if (t.state != base.state || t.syscall != base.syscall || t.compat != base.compat || t.moved != base.moved ||
      t.readable != base.readable || t.timer_armed != base.timer_armed) {
    parts |= kActivity;
  }
  if (t.priority != base.priority) parts |= kPriority;
  if (t.comm != base.comm) parts |= kComm;
  if (t.parent_pid != base.parent_pid || t.ns_tid != base.ns_tid || t.ns_pid != base.ns_pid ||
      t.pid_ns != base.pid_ns || t.uid != base.uid || t.address_space != base.address_space || t.files != base.files) {
    parts |= kPerson;
  }
  return parts;
}

void code_parts(auto& c, Is<Thread> auto& t, const Thread& base, std::uint64_t between, unsigned parts) {
  if (parts & kBlocked) {
    const std::uint64_t expected = slept_on(base, between).value_or(0);
    c.maybe(t.blocked_ns, [&](auto& ns) { c.near(ns, expected); });
  }
  if (parts & kSwitches) {
    c.near(t.voluntary_switches, base.voluntary_switches);
    c.near(t.involuntary_switches, base.involuntary_switches);
  }
  if (parts & kActivity) {
    c.choice(t.state, ThreadState::exiting);
    c.maybe(t.syscall, [&](auto& number) { c.integer(number); });
    c.flags(t.compat, t.moved, t.readable, t.timer_armed);
  }
  if (parts & kPriority) c.maybe(t.priority, [&](auto& priority) { c.integer(priority); });
  if (parts & kComm) c.text(t.comm);
  if (parts & kPerson) {
    code_pid(c, t.parent_pid, base.parent_pid);
    code_pid(c, t.ns_tid, base.ns_tid);
    code_pid(c, t.ns_pid, base.ns_pid);
    c.near(t.pid_ns, base.pid_ns);
    c.maybe(t.uid, [&](auto& uid) { c.natural(uid); });
    c.near(t.address_space, base.address_space);
    c.near(t.files, base.files);
  }
}

// All of a thread that is in no look before.
void code_fresh(auto& c, Is<Thread> auto& t, const Thread& base) {
  code_pid(c, t.pid, base.pid);
  code_pid(c, t.id.tid, base.id.tid);
  c.near(t.id.start_ns, base.id.start_ns);
  code_parts(c, t, base, 0, kWholeThread);
}

unsigned difference(const RawWait& w, const RawWait& base) {
  [[maybe_unused]] const auto& [thread, syscall, args, ip, sp, callee_saved, code, libc, restarted, word_in_loader,
                                shared, window, stack, file, timeout_ns, argument, pi_owner] = w;
  unsigned parts = 0;
  if (w.syscall != base.syscall || w.args != base.args) parts |= kCall;
  if (w.ip != base.ip || w.sp != base.sp || w.callee_saved != base.callee_saved) parts |= kRegisters;
  if (w.code != base.code || w.libc != base.libc || w.restarted != base.restarted ||
      w.word_in_loader != base.word_in_loader) {
    parts |= kCode;
  }
  if (w.shared != base.shared) parts |= kShared;
  if (!(w.window == base.window)) parts |= kWindow;
  if (w.stack != base.stack) parts |= kStack;
  if (w.file != base.file) parts |= kFile;
  if (w.timeout_ns != base.timeout_ns || w.argument != base.argument || w.pi_owner != base.pi_owner) parts |= kRest;
  return parts;
}

void code_words(auto& c, auto& words, const auto& base) {
  for (std::size_t i = 0; i < words.size(); ++i) c.near(words[i], base[i]);
}

void code_parts(auto& c, Is<RawWait> auto& w, const RawWait& base, unsigned parts) {
  if (parts & kCall) {
    c.integer(w.syscall);
    code_words(c, w.args, base.args);
  }
  if (parts & kRegisters) {
    c.near(w.ip, base.ip);
    c.near(w.sp, base.sp);
    code_words(c, w.callee_saved, base.callee_saved);
  }
  if (parts & kCode) {
    c.choice(w.code, CodePlace::other);
    c.choice(w.libc, LibcKind::musl);
    c.flags(w.restarted, w.word_in_loader);
  }
  if (parts & kShared) c.maybe(w.shared, [&](auto& place) { code(c, place, SharedPlace{}); });
  if (parts & kWindow) {
    c.integer(w.window.low);
    c.integer(w.window.high);
    c.require(-kWindowBefore <= w.window.low && w.window.low <= w.window.high && w.window.high <= kWindowAfter);
    c.block(w.window.bytes);
  }
  if (parts & kStack) c.blob(w.stack, kMaxTraceRead);
  if (parts & kFile) {
    c.maybe(w.file, [&](auto& file) {
      c.natural(file.identity);
      code(c, file.file, FileId{});
      c.natural(file.position);
      c.natural(file.size);
    });
  }
  if (parts & kRest) {
    c.maybe(w.timeout_ns, [&](auto& ns) { c.natural(ns); });
    c.blob(w.argument, kMaxTraceRead);
    code_pid(c, w.pi_owner.tid, 0);
    c.natural(w.pi_owner.start_ns);
  }
}

// By thread of a look: its wait.
std::vector<std::size_t> waits_by_thread(const RawSample& look) {
  std::vector<std::size_t> waits(look.threads.size(), kNone);
  for (std::size_t w = 0; w < look.waits.size(); ++w) waits[look.waits[w].thread] = w;
  return waits;
}

std::size_t memory_of(const Thread& t) { return t.comm.size(); }
std::size_t memory_of(const RawWait& w) { return w.stack.size() + w.argument.size(); }

void code_frame(auto& c, Is<RawSample> auto& look, const RawSample& before) {
  [[maybe_unused]] auto& [source, taken_ns, duration_ns, realtime_offset_ns, monotonic_offset_ns, sees_all_pids,
                          threads, waits, file_locks, file_locks_complete, coverage] = look;
  c.text(look.source);
  c.near(look.taken_ns, before.taken_ns);
  c.natural(look.duration_ns);
  c.near(look.realtime_offset_ns, before.realtime_offset_ns);
  c.near(look.monotonic_offset_ns, before.monotonic_offset_ns);
  c.flags(look.sees_all_pids, look.file_locks_complete);
  c.natural(look.coverage.threads_seen);
  c.natural(look.coverage.threads_waiting);
  c.natural(look.coverage.unreadable);
  c.natural(look.coverage.not_understood);
  c.map(look.coverage.lost_events, [&](auto& cause, auto& count, const auto&) {
    c.text(cause);
    c.natural(count);
  });
}

void code_file_locks(auto& c, Is<RawSample> auto& look) {
  c.list(look.file_locks, [&](auto& lock, const FileLock& above) {
    [[maybe_unused]] auto& [kind, exclusive, file, start, end, owner, locker, sharers, other_references] = lock;
    c.choice(lock.kind, FileLockKind::ofd);
    c.flags(lock.exclusive, lock.other_references);
    code(c, lock.file, above.file);
    c.natural(lock.start);
    c.near(lock.end, ~std::uint64_t{0});
    c.near(lock.owner, above.owner);
    code_pid(c, lock.locker, above.locker);
    c.list(lock.sharers, [&](auto& sharer, const FileLock::Sharer& last) {
      code_pid(c, sharer.pid, last.pid);
      c.integer(sharer.fd);
      c.flags(sharer.readonly);
      c.require(sharer.fd >= -1 && std::pair(last.pid, last.fd) <= std::pair(sharer.pid, sharer.fd));
    });
  });
}

}  // namespace

void encode_look(ByteEncoder& c, const RawSample& look, const RawSample& before) {
  code_frame(c, look, before);
  const std::uint64_t between = look.taken_ns - before.taken_ns;
  c.natural(look.threads.size());
  c.charge(look.threads.size() * sizeof(Thread));
  std::vector<std::size_t> counterpart(look.threads.size(), kNone);
  const Thread none;
  const Thread* above = &none;
  std::size_t at = 0, next = 0;  // in the look before: where the search stands, the row after the last counterpart
  for (std::size_t i = 0; i < look.threads.size(); ++i) {
    const Thread& t = look.threads[i];
    c.require(i == 0 || order_of(*above) < order_of(t));
    while (at < before.threads.size() && order_of(before.threads[at]) < order_of(t)) ++at;
    if (at < before.threads.size() && order_of(before.threads[at]) == order_of(t)) {
      const Thread& base = before.threads[at];
      const unsigned parts = difference(t, base, between) | (at > next ? kSkipped : 0u);
      c.natural(parts);
      if (at > next) c.natural(at - next);
      code_parts(c, t, base, between, parts);
      counterpart[i] = at;
      next = ++at;
    } else {
      c.natural(unsigned{kFresh});
      code_fresh(c, t, *above);
    }
    c.charge(memory_of(t));
    above = &t;
  }

  const std::vector<std::size_t> waits_before = waits_by_thread(before);
  c.natural(look.waits.size());
  c.charge(look.waits.size() * sizeof(RawWait));
  const RawWait nothing;
  const RawWait* last = &nothing;
  for (std::size_t i = 0; i < look.waits.size(); ++i) {
    const RawWait& w = look.waits[i];
    c.require(w.thread < look.threads.size() && (i == 0 || last->thread < w.thread));
    if (!c.ok()) return;
    c.natural(w.thread - (i == 0 ? 0 : last->thread + 1));
    const std::size_t old = counterpart[w.thread] == kNone ? kNone : waits_before[counterpart[w.thread]];
    const RawWait& base = old == kNone ? *last : before.waits[old];
    c.charge(memory_of(base));
    const unsigned parts = difference(w, base);
    c.natural(parts);
    code_parts(c, w, base, parts);
    last = &w;
  }
  code_file_locks(c, look);
}

void decode_look(ByteDecoder& c, RawSample& look, const RawSample& before) {
  code_frame(c, look, before);
  const std::uint64_t between = look.taken_ns - before.taken_ns;
  std::size_t count = 0;
  c.count(count, sizeof(Thread));
  look.threads.clear();
  look.threads.reserve(count);
  std::vector<std::size_t> counterpart(count, kNone);
  const Thread none;
  std::size_t next = 0;
  for (std::size_t i = 0; i < count && c.ok(); ++i) {
    const Thread& above = i == 0 ? none : look.threads.back();  // nothing moves: there is room for all
    unsigned parts = 0;
    c.natural(parts);
    Thread& t = look.threads.emplace_back();
    if (parts == kFresh) {
      code_fresh(c, t, above);
    } else {
      std::size_t skipped = 0;
      if (parts & kSkipped) c.natural(skipped);
      c.require((parts & ~(kSkipped | kWholeThread)) == 0 && skipped < before.threads.size() - next);
      if (!c.ok()) return;
      next += skipped;
      const Thread& base = before.threads[next];
      t = base;
      t.blocked_ns = slept_on(base, between);
      code_parts(c, t, base, between, parts);
      counterpart[i] = next++;
    }
    c.require(i == 0 || order_of(above) < order_of(t));
    c.charge(memory_of(t));
  }

  if (!c.ok()) return;
  const std::vector<std::size_t> waits_before = waits_by_thread(before);
  c.count(count, sizeof(RawWait));
  look.waits.clear();
  look.waits.reserve(count);
  const RawWait nothing;
  std::size_t first_free = 0;
  for (std::size_t i = 0; i < count && c.ok(); ++i) {
    std::size_t ahead = 0;
    c.natural(ahead);
    c.require(ahead < look.threads.size() - first_free);
    if (!c.ok()) return;
    const std::size_t thread = first_free + ahead;
    first_free = thread + 1;
    const std::size_t old = counterpart[thread] == kNone ? kNone : waits_before[counterpart[thread]];
    const RawWait& base = old != kNone ? before.waits[old] : i == 0 ? nothing : look.waits.back();
    c.charge(memory_of(base));
    unsigned parts = 0;
    c.natural(parts);
    c.require(parts <= kWholeWait);
    if (!c.ok()) return;
    RawWait w = base;
    w.thread = thread;
    code_parts(c, w, base, parts);
    look.waits.push_back(std::move(w));
  }
  code_file_locks(c, look);
}

void encode_first_wait(ByteEncoder& c, const Thread& thread, const RawWait& wait) {
  code_fresh(c, thread, {});
  c.natural(wait.thread);
  code_parts(c, wait, {}, kWholeWait);
}

void decode_first_wait(ByteDecoder& c, Thread& thread, RawWait& wait) {
  code_fresh(c, thread, {});
  c.natural(wait.thread);
  c.require(wait.thread == 0);
  code_parts(c, wait, {}, kWholeWait);
}

}  // namespace lockscope
