// SPDX-License-Identifier: Apache-2.0
#include "source/contention_records.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <numeric>
#include <string_view>
#include <tuple>

#include "source/bpf_records.h"

namespace lockscope {
namespace {

static_assert(LS_HISTOGRAM == WaitHistogram::kBuckets);

template <class Key>
Actor actor_of(const Key& key, const ls_actor& a) {
  return {static_cast<pid_t>(key.tgid), a.start_ns, key.uid, a.cgroup,
          std::string(a.comm, strnlen(a.comm, sizeof a.comm))};
}

std::optional<FileLockKind> file_kind_of_waits(std::uint32_t kind) {
  if (kind == LS_WAITS_FLOCK) return FileLockKind::flock;
  if (kind == LS_WAITS_POSIX) return FileLockKind::posix;
  if (kind == LS_WAITS_OFD) return FileLockKind::ofd;
  return std::nullopt;
}

FileLockKind file_kind(std::uint32_t kind) {
  return kind == LS_FLOCK ? FileLockKind::flock : kind == LS_OFD ? FileLockKind::ofd : FileLockKind::posix;
}

class Decoder {
 public:
  Decoder(std::uint64_t offset, const PlaceOfWord& place) : offset_(offset), place_(place) {}

  // CLOCK_MONOTONIC to CLOCK_BOOTTIME; 0 stays "never".
  [[nodiscard]] std::uint64_t time(std::uint64_t ns) const { return ns == 0 ? 0 : ns + offset_; }

  [[nodiscard]] ContendedLock lock_of(const ls_wait_key& key, std::uint64_t start_ns) const {
    const auto pid = static_cast<pid_t>(key.tgid);
    if (const auto kind = file_kind_of_waits(key.kind)) {
      return LockOfFile{{key.dev, key.where}, *kind == FileLockKind::flock};
    }
    if (key.kind == LS_WAITS_SYSV) return key.where;
    if (key.kind == LS_WAITS_WORD) {
      if (const auto place = place_(pid, start_ns, key.where)) return *place;
    }
    return WordOfProcess{pid, key.where};
  }

  [[nodiscard]] WaitCounts waits_of(const ls_wait_counts& c) const {
    WaitCounts out;
    std::ranges::copy(c.histogram, out.histogram.counts.begin());
    const std::uint64_t all =
        std::accumulate(out.histogram.counts.begin(), out.histogram.counts.end(), std::uint64_t{0});
    out.abandoned = std::min<std::uint64_t>(c.abandoned, all);
    out.acquired = all - out.abandoned;
    out.total_ns = c.total_ns;
    out.longest_ns = c.longest_ns;
    out.longest_tid = static_cast<pid_t>(c.longest_tid);
    out.first_abandoned_ns = time(c.first_abandoned_ns);
    out.last_abandoned_ns = time(c.last_abandoned_ns);
    return out;
  }

  [[nodiscard]] FileLockUse use_of(const ls_use_key& key, const ls_use_counts& c) const {
    FileLockUse out;
    out.actor = actor_of(key, c.actor);
    out.file = {key.dev, key.ino};
    out.kind = file_kind(key.kind);
    out.granted_exclusive = c.granted_exclusive;
    out.granted_shared = c.granted_shared;
    out.contended = c.contended;
    out.failed = c.failed;
    out.deadlocks = c.deadlocks;
    out.errors = c.errors;
    out.released = c.released;
    out.closed = c.closed;
    out.last_granted_ns = time(c.last_granted_ns);
    out.last_released_ns = time(c.last_released_ns);
    out.first_failed_ns = time(c.first_failed_ns);
    out.last_failed_ns = time(c.last_failed_ns);
    out.readonly = c.readonly != 0;
    return out;
  }

  [[nodiscard]] LockEvent event_of(const ls_wait_event& e) const {
    LockEvent out;
    out.verb = e.acquired ? LockEvent::Verb::acquired : LockEvent::Verb::abandoned;
    out.time_ns = time(e.time_ns);
    out.wait_ns = e.wait_ns;
    out.run_queue_ns = e.run_queue_ns;
    out.pid = static_cast<pid_t>(e.key.tgid);
    out.tid = static_cast<pid_t>(e.tid);
    out.waker_pid = static_cast<pid_t>(e.waker_tgid);
    out.waker_tid = static_cast<pid_t>(e.waker_tid);
    out.lock = lock_of(e.key, e.start_ns);
    return out;
  }

 private:
  std::uint64_t offset_;
  const PlaceOfWord& place_;
};

void decode_locks(const RawContention& raw, const Decoder& decoder, ContentionWindow& window) {
  using Key = std::tuple<pid_t, FileId, FileLockKind, std::uint32_t>;
  std::map<Key, FileLockUse> uses;
  for (const auto& [key, counts] : raw.uses) {
    FileLockUse use = decoder.use_of(key, counts);
    const Key at{use.actor.pid, use.file, use.kind, use.actor.uid};
    uses.insert_or_assign(at, std::move(use));
  }
  for (const auto& [key, counts] : raw.waits) {
    const Actor actor = actor_of(key, counts.actor);
    if (const auto kind = file_kind_of_waits(key.kind)) {
      // One that began in an earlier window may end in this without any other operation: it is given up.
      FileLockUse& use = uses[{actor.pid, {key.dev, key.where}, *kind, actor.uid}];
      use.actor = actor;
      use.file = {key.dev, key.where};
      use.kind = *kind;
      use.waits = decoder.waits_of(counts);
    } else {
      window.words.push_back({actor, decoder.lock_of(key, actor.start_ns), decoder.waits_of(counts)});
    }
  }
  for (auto& [key, use] : uses) window.file_locks.push_back(std::move(use));
  std::ranges::sort(window.words, {}, [](const WordWaits& w) { return std::tie(w.actor, w.lock); });
}

}  // namespace

void decode_contention(const RawContention& raw, std::uint64_t monotonic_offset_ns, const PlaceOfWord& place,
                       ContentionWindow& window) {
  const Decoder decoder(monotonic_offset_ns, place);
  decode_locks(raw, decoder, window);
  for (const auto& [key, c] : raw.writes) {
    window.writes.push_back({actor_of(key, c.actor),
                             {key.dev, key.ino},
                             c.writes,
                             c.against_flock,
                             c.against_posix,
                             static_cast<pid_t>(c.locker),
                             decoder.time(c.first_ns),
                             decoder.time(c.last_ns)});
  }
  std::ranges::sort(window.writes, {}, [](const FileWrites& w) { return std::tie(w.actor, w.file); });
  for (const auto& [key, c] : raw.creates) {
    window.failed_creates.push_back({actor_of(key, c.actor), std::string(key.path, strnlen(key.path, sizeof key.path)),
                                     c.tries, decoder.time(c.first_ns), decoder.time(c.last_ns)});
  }
  std::ranges::sort(window.failed_creates, {}, [](const FailedCreate& f) { return std::tie(f.actor, f.path); });
  for (const ls_wait_event& e : raw.events) window.events.push_back(decoder.event_of(e));
  std::ranges::stable_sort(window.events, {}, &LockEvent::time_ns);
}

std::optional<DecodedFirstWait> decode_first_wait(std::span<const std::uint8_t> record) {
  DecodedFirstWait out;
  if (record.size() < offsetof(ls_first_wait, stack)) return std::nullopt;
  std::memcpy(&out.leader_start_ns, record.data(), sizeof out.leader_start_ns);
  record = record.subspan(offsetof(ls_first_wait, thread));
  std::uint32_t size = 0;  // the stack that was not read is no part of it
  std::memcpy(&size, record.data() + offsetof(ls_thread, size), sizeof size);
  if (size > record.size()) return std::nullopt;
  DecodedThreads decoded = decode_threads(record.first(size));
  if (decoded.threads.size() != 1 || decoded.waits.size() != 1) return std::nullopt;
  out.first = {std::move(decoded.threads.front()), std::move(decoded.waits.front())};
  return out;
}

const char* name_of_loss(std::size_t cause) {
  static constexpr std::array<const char*, LS_LOST_CAUSES> kNames = {
      "wait table full",
      "wait table full (ordinary users)",
      "file-lock table full",
      "file-lock table full (ordinary users)",
      "buffer of single waits full",
      "buffer of single waits full (ordinary users)",
      "buffer of first waits full",
      "buffer of first waits full (ordinary users)",
      "table of writes full",
      "table of writes full (ordinary users)",
      "table of failed creates full",
      "table of failed creates full (ordinary users)",
      "outside the PID namespace",
      "wait of a 32-bit thread",
      "no memory for a wait",
      "end of a wait not seen",
  };
  static_assert(kNames[LS_LOST_FILE_LOCKS] == std::string_view("file-lock table full"));
  static_assert(kNames[LS_LOST_CREATES] == std::string_view("table of failed creates full"));
  static_assert(kNames[LS_LOST_NO_STORAGE] == std::string_view("no memory for a wait"));
  return cause < kNames.size() ? kNames[cause] : nullptr;
}

}  // namespace lockscope
