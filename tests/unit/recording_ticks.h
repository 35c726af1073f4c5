// SPDX-License-Identifier: Apache-2.0
// Random ticks with every field of theirs in use, and series of ticks as a host shows them. Pure; the same seed gives
// the same ticks.
#pragma once

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "recording/recording.h"

namespace lockscope::test {

class TickMaker {
 public:
  explicit TickMaker(std::uint64_t seed) : random_(seed) {}

  [[nodiscard]] std::size_t below(std::size_t limit) { return limit == 0 ? 0 : random_() % limit; }
  [[nodiscard]] bool chance(std::size_t percent) { return below(100) < percent; }

  // Small, large and extreme ones.
  [[nodiscard]] std::uint64_t number() {
    switch (below(5)) {
      case 0: return 0;
      case 1: return below(200);
      case 2: return below(1'000'000);
      case 3: return random_();
      default: return ~std::uint64_t{0} - below(2);
    }
  }
  [[nodiscard]] pid_t pid() { return chance(5) ? 2147483647 : static_cast<pid_t>(below(500)); }

  [[nodiscard]] std::string text() {
    std::string text(below(12), ' ');
    for (char& c : text) c = static_cast<char>(below(256));
    return text;
  }
  [[nodiscard]] std::vector<std::uint8_t> bytes(std::size_t size) {
    std::vector<std::uint8_t> bytes(size);
    for (std::uint8_t& b : bytes) b = static_cast<std::uint8_t>(below(256));
    return bytes;
  }

  [[nodiscard]] RecordedTick tick(std::size_t most) {
    RecordedTick tick;
    tick.trusted = {.mutex = chance(50), .rwlock = chance(50), .cond = chance(50), .join = chance(50)};
    tick.look = look(most);
    tick.window = window(most);
    tick.memory = memory(most);
    tick.facts = facts(most);
    return tick;
  }

  // The same host a little later: most threads sleep on, some run, come or go.
  [[nodiscard]] RecordedTick after(const RecordedTick& before, std::size_t most) {
    RecordedTick tick = this->tick(most);
    RawSample now = before.look;
    now.taken_ns += 500'000'000;
    for (Thread& t : now.threads) {
      if (t.blocked_ns && chance(80)) *t.blocked_ns += 500'000'000;
      if (chance(10)) t = any_thread(t.pid, t.id);
      if (chance(5)) ++t.id.start_ns;
    }
    for (RawWait& w : now.waits) {
      if (chance(20)) w = any_wait(w.thread);
    }
    std::vector<std::size_t> kept;
    for (std::size_t i = 0; i < now.threads.size(); ++i) {
      if (!chance(10)) kept.push_back(i);
    }
    RawSample left = now;
    left.threads.clear();
    left.waits.clear();
    for (const std::size_t i : kept) {
      const auto wait = std::ranges::find(now.waits, i, &RawWait::thread);
      if (wait != now.waits.end()) left.waits.emplace_back(*wait).thread = left.threads.size();
      left.threads.push_back(now.threads[i]);
    }
    tick.look = left;
    return tick;
  }

  [[nodiscard]] Thread any_thread(pid_t pid, ThreadId id) {
    Thread t;
    t.pid = pid;
    t.id = id;
    t.parent_pid = this->pid();
    t.ns_tid = this->pid();
    t.ns_pid = this->pid();
    t.pid_ns = static_cast<std::uint32_t>(number());
    if (chance(70)) t.uid = static_cast<std::uint32_t>(number());
    t.state = static_cast<ThreadState>(below(4));
    if (chance(70)) t.syscall = static_cast<std::int64_t>(number());
    t.compat = chance(10);
    t.moved = chance(10);
    t.readable = chance(80);
    t.voluntary_switches = number();
    t.involuntary_switches = number();
    if (chance(70)) t.blocked_ns = number();
    t.address_space = below(5);  // few and small: renumbering leaves none as it was
    t.files = below(5);
    if (chance(50)) t.priority = static_cast<int>(below(300)) - 100;
    t.timer_armed = chance(50);
    t.comm = text();
    return t;
  }

  [[nodiscard]] RawWait any_wait(std::size_t thread) {
    RawWait w;
    w.thread = thread;
    w.syscall = static_cast<std::int64_t>(below(400));
    for (std::uint64_t& word : w.args) word = number();
    w.ip = number();
    w.sp = number();
    for (std::uint64_t& word : w.callee_saved) word = number();
    w.code = static_cast<CodePlace>(below(7));
    w.libc = static_cast<LibcKind>(below(3));
    w.restarted = chance(20);
    w.word_in_loader = chance(20);
    if (chance(40)) w.shared = place();
    w.window.low = static_cast<std::int64_t>(below(129)) - 64;
    w.window.high = w.window.low + static_cast<std::int64_t>(below(static_cast<std::size_t>(65 - w.window.low)));
    for (std::uint8_t& b : w.window.bytes) b = static_cast<std::uint8_t>(below(256));
    w.stack = bytes(below(100));
    if (chance(40)) w.file = OpenFile{below(5), file(), number(), number()};
    if (chance(40)) w.timeout_ns = number();
    w.argument = bytes(below(40));
    if (chance(20)) w.pi_owner = {pid(), number()};
    return w;
  }

 private:
  [[nodiscard]] FileId file() { return {number(), number()}; }
  [[nodiscard]] SharedPlace place() { return {file(), number()}; }
  [[nodiscard]] Actor actor() { return {pid(), number(), static_cast<std::uint32_t>(number()), number(), text()}; }
  template <class Make>
  auto several(std::size_t most, Make make) {
    std::vector<decltype(make())> values;
    for (std::size_t left = below(most + 1); left > 0; --left) values.push_back(make());
    return values;
  }
  template <class T, class Make>
  std::optional<T> perhaps(Make make) {
    if (chance(50)) return make();
    return std::nullopt;
  }

  [[nodiscard]] ContendedLock lock() {
    switch (below(4)) {
      case 0: return WordOfProcess{pid(), number()};
      case 1: return place();
      case 2: return LockOfFile{file(), chance(50)};
      default: return number();
    }
  }

  [[nodiscard]] RawSample look(std::size_t most) {
    RawSample look;
    look.source = text();
    look.taken_ns = number();
    look.duration_ns = number();
    look.realtime_offset_ns = number();
    look.monotonic_offset_ns = number();
    look.sees_all_pids = chance(50);
    look.file_locks_complete = chance(50);
    std::vector<std::pair<pid_t, ThreadId>> ids = several(most, [&] {
      return std::pair(pid(), ThreadId{pid(), below(3)});
    });
    std::ranges::sort(ids);
    ids.erase(std::ranges::unique(ids).begin(), ids.end());
    for (const auto& [pid, id] : ids) look.threads.push_back(any_thread(pid, id));
    for (std::size_t i = 0; i < look.threads.size(); ++i) {
      if (chance(60)) look.waits.push_back(any_wait(i));
    }
    look.file_locks = several(most, [&] {
      FileLock lock{
          static_cast<FileLockKind>(below(3)), chance(50), file(), number(), number(), below(5), pid(), {}, chance(50)};
      lock.sharers = several(3, [&] { return FileLock::Sharer{pid(), static_cast<int>(below(5)) - 1, chance(50)}; });
      std::ranges::sort(lock.sharers, {}, [](const auto& s) { return std::pair(s.pid, s.fd); });
      return lock;
    });
    look.coverage = {number(), number(), number(), number(), {}};
    for (const std::string& cause : several(2, [&] { return text(); })) look.coverage.lost_events[cause] = number();
    return look;
  }

  [[nodiscard]] WaitCounts waits() {
    WaitCounts w{number(), number(), number(), number(), pid(), number(), number(), {}};
    for (std::uint64_t& count : w.histogram.counts) count = chance(30) ? number() : 0;
    return w;
  }

  [[nodiscard]] ContentionWindow window(std::size_t most) {
    ContentionWindow w;
    w.begin_ns = number();
    w.end_ns = number();
    w.words = several(most, [&] { return WordWaits{actor(), lock(), waits()}; });
    w.first_waits = several(most, [&] { return FirstWait{any_thread(pid(), {pid(), number()}), any_wait(0)}; });
    w.file_locks = several(most, [&] {
      return FileLockUse{actor(),  file(),    static_cast<FileLockKind>(below(3)),
                         number(), number(),  number(),
                         number(), number(),  number(),
                         number(), number(),  waits(),
                         number(), number(),  number(),
                         number(), chance(50)};
    });
    w.writes = several(
        most, [&] { return FileWrites{actor(), file(), number(), number(), number(), pid(), number(), number()}; });
    w.failed_creates = several(most, [&] { return FailedCreate{actor(), text(), number(), number(), number()}; });
    w.shared_locks = several(most, [&] {
      return SharedLockUse{actor(),  place(),  chance(50), number(), number(), number(),
                           number(), number(), number(),   number(), pid()};
    });
    const std::vector<ContendedLock> locks = several(3, [&] { return lock(); });
    w.events = several(3 * most, [&] {
      return LockEvent{static_cast<LockEvent::Verb>(below(2)),
                       number(),
                       number(),
                       number(),
                       pid(),
                       pid(),
                       pid(),
                       pid(),
                       locks.empty() || chance(20) ? lock() : locks[below(locks.size())]};
    });
    for (const std::string& cause : several(3, [&] { return text(); })) w.lost[cause] = number();
    for (const std::string& program : several(3, [&] { return text(); })) w.hooks[program] = {number(), number()};
    return w;
  }

  [[nodiscard]] MemoryLog memory(std::size_t most) {
    MemoryLog log;
    for (std::size_t left = below(most + 1); left > 0; --left) {
      const std::uint64_t length = below(20);
      auto& answers = log.reads[{pid(), below(2) == 0 ? below(9000) : 0x7f00'0000'0000 + below(9000), length}];
      for (std::size_t more = 1 + below(2); more > 0; --more) {
        answers.push_back(perhaps<std::vector<std::uint8_t>>([&] { return bytes(length); }));
      }
    }
    for (std::size_t left = below(most + 1); left > 0; --left) {
      log.mappings[{pid(), place()}].push_back(static_cast<ProcessMemory::Mapping>(below(3)));
      log.numbers[{pid(), pid()}].push_back(pid());
      log.pidfds[{pid(), static_cast<int>(below(10)) - 1}].push_back(pid());
      log.catching_signals[pid()].push_back(chance(50));
    }
    return log;
  }

  [[nodiscard]] Permissions permissions() {
    return {static_cast<std::uint32_t>(number()), static_cast<std::uint32_t>(number()),
            static_cast<std::uint32_t>(number()), chance(50)};
  }
  [[nodiscard]] PlaceFacts place_facts() {
    return {text(),
            chance(50),
            permissions(),
            chance(50),
            perhaps<std::uint64_t>([&] { return number(); }),
            several(3, [&] {
              return PlaceFacts::Directory{text(), permissions()};
            })};
  }

  [[nodiscard]] HostFacts facts(std::size_t most) {
    HostFacts facts;
    const auto some_text = [&] { return perhaps<std::string>([&] { return text(); }); };
    for (std::size_t left = below(most + 1); left > 0; --left) {
      facts.processes[pid()] = {
          number(),    perhaps<std::uint32_t>([&] { return static_cast<std::uint32_t>(number()); }),
          some_text(), perhaps<std::uint64_t>([&] { return number(); }),
          some_text(), some_text(),
          some_text(), some_text()};
      facts.cgroups[number()] = {text(), some_text(), some_text()};
      facts.places[file()] = place_facts();
      facts.named_places[text()] = place_facts();
      facts.users[static_cast<std::uint32_t>(number())] = text();
      facts.groups[static_cast<std::uint32_t>(number())] = {
          some_text(), several(3, [&] { return static_cast<std::uint32_t>(number()); })};
      facts.shared_memory[file()] = several(3, [&] { return pid(); });
    }
    facts.host_user_namespace = number();
    facts.first_ordinary_uid = static_cast<std::uint32_t>(number());
    return facts;
  }

  std::mt19937_64 random_;
};

inline bool same(const TrustedKinds& a, const TrustedKinds& b) {
  return a.mutex == b.mutex && a.rwlock == b.rwlock && a.cond == b.cond && a.join == b.join;
}

inline bool same(const RecordedTick& a, const RecordedTick& b) {
  return a.look == b.look && a.window == b.window && a.memory == b.memory && a.facts == b.facts &&
         same(a.trusted, b.trusted);
}

}  // namespace lockscope::test
