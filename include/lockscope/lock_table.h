// SPDX-License-Identifier: Apache-2.0
// What is known of each contended lock across ticks: how long was waited for it, who used it, who keeps failing to get
// it, who has been waiting for it look after look. Pure and clock-free: times come from windows and looks, so a
// replay keeps the same. Filled by src/app/ once a tick, seen as const by detectors and reports.
//
// Assumes that windows follow each other and that the look of a tick was taken after its window ended.
// Bounded. When a table is over its limit, whole records go until 7/8 of it are left: from the users with the most
// records, each cut down to the same share, and of one user's first what nobody is waiting for, then what was used
// longest ago. A record is charged to the lowest uid that used the lock: a user who floods the table evicts what is
// his own, never the lock that a more trusted user waits for. Evictions are counted.
// Cost: about a microsecond an entry of the window or wait of the look; n log n where something is evicted.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "lockscope/contention.h"
#include "lockscope/sample.h"

namespace lockscope {

// The lock of a wait in a look, by the name that windows have for it. Absent: the end of a thread or child, or the word
// is not known.
[[nodiscard]] std::optional<ContendedLock> contended_lock(const Sample& look, const Wait& wait);

// A lock that can be held, and so be taken from somebody: mutexes, rwlocks, file locks. Not what is waited for as a
// signal (conditions, semaphores, barriers, joins), nor a word of unknown meaning.
[[nodiscard]] bool can_be_held(LockKind kind);

// Somebody who is kept from a lock, whatever his process is called this second: a daemon that is restarted each time it
// fails is one victim.
struct VictimId {
  std::uint32_t uid = 0;
  std::uint64_t cgroup = 0;
  std::string comm;
  friend auto operator<=>(const VictimId&, const VictimId&) = default;
};

class LockTable {
 public:
  struct Limits {
    std::size_t locks = 8'192;
    std::size_t uses = 32'768;
    std::size_t victims = 8'192;
  };
  static constexpr std::size_t kTicks = 24;            // remembered of each lock
  static constexpr std::size_t kHolders = 8;           // seen lately on each lock
  static constexpr std::size_t kExposureMinutes = 61;  // an hour, the minute that has begun included

  // Ended waits of one lock in one tick.
  struct Tick {
    std::uint64_t number = 0;  // of the tick; consecutive ticks have consecutive numbers
    std::uint64_t begin_ns = 0;
    std::uint64_t end_ns = 0;
    std::uint64_t ended = 0;
    std::uint64_t wait_ns = 0;
    friend bool operator==(const Tick&, const Tick&) = default;
  };
  // A process that a look showed as the holder of a lock that somebody waited for, or of a file that is locked often.
  struct HolderSeen {
    ThreadId leader;
    std::optional<std::uint32_t> uid;
    std::uint64_t first_ns = 0;
    std::uint64_t last_ns = 0;
    friend bool operator==(const HolderSeen&, const HolderSeen&) = default;
  };
  struct Operations {  // file locks; semaphores, and tries for mutexes, that probes watch
    std::uint64_t granted = 0;
    std::uint64_t failed = 0;
    std::uint64_t released = 0;   // by a call
    std::uint64_t processes = 0;  // that used it; one that was evicted counts again
    friend bool operator==(const Operations&, const Operations&) = default;
  };
  struct Lock {
    std::optional<LockKind> kind;
    std::optional<Actor> process;  // of a private word: whose
    WaitCounts waits;
    std::optional<Actor> longest;  // who waited longest
    Operations operations;
    std::vector<Tick> ticks;             // only those with ended waits; the latest last
    std::vector<HolderSeen> holders;     // the latest last
    std::uint64_t handovers = 0;         // of all uses: taking again what one holds is none
    std::uint64_t holder_changes = 0;    // looks whose holder was not that of the look before
    std::optional<ThreadId> last_owner;  // the thread, or leader of the process, that the last look named alone
    bool posted_more = false;  // a semaphore that somebody posted more often than he took it: a signal, not a lock
    std::uint32_t account = ~std::uint32_t{0};  // lowest uid that used it
    std::uint64_t first_ns = 0;
    std::uint64_t last_ns = 0;
    std::uint64_t waited_ns = 0;  // last look or window in which somebody waited for it or failed to get it
    friend bool operator==(const Lock&, const Lock&) = default;
  };
  // All that one process did with one lock.
  struct Use {
    Actor actor;
    std::uint64_t granted = 0;
    std::uint64_t failed = 0;
    std::uint64_t released = 0;   // by a call
    std::uint64_t closed = 0;     // by a close, of one that held nothing too
    std::uint64_t handovers = 0;  // grants that it let go of again, as far as that is known: at most so many
    std::uint64_t last_granted_ns = 0;
    std::uint64_t last_released_ns = 0;  // also by a close, of one that held nothing too
    std::uint64_t failing_since_ns = 0;  // first failure after the last grant; 0: none
    std::uint64_t last_failed_ns = 0;
    bool readonly = false;   // by a descriptor that is not open for writing
    bool semaphore = false;  // by probes: every take and post since they were set
    std::uint64_t last_ns = 0;
    friend bool operator==(const Use&, const Use&) = default;
  };
  // Tries that failed one after the other, none granted in between.
  struct Series {
    Actor actor;  // the latest to try
    std::uint64_t tries = 0;
    std::uint64_t first_ns = 0;
    std::uint64_t last_ns = 0;
    std::uint64_t last_tick = 0;  // number of the tick of the latest
    bool timed_out = false;       // waits that were given up are among them
    friend bool operator==(const Series&, const Series&) = default;
  };
  // A thread that waits for the same lock look after look, and has not got it in between as far as the kernel saw.
  struct Standing {
    ContendedLock lock;
    std::uint64_t fingerprint = 0;  // Wait::fingerprint of the last look
    std::uint64_t since_ns = 0;
    std::uint64_t looks = 0;
    std::uint64_t own_granted_before = 0;  // to its process, when it began
    std::uint64_t handovers_before = 0;    // of the lock
    std::uint64_t own_handovers_before = 0;
    std::uint64_t holder_changes_before = 0;
    friend bool operator==(const Standing&, const Standing&) = default;
  };

  explicit LockTable(const Limits& limits);
  LockTable() : LockTable(Limits{}) {}

  void absorb(const ContentionWindow& window, const Sample& look);
  // What a first wait on a word was classified as. Kinds of file locks, and those in looks, are learnt by absorb().
  // Unknown locks are taken up, so this may come before or after the window.
  void learn_kind(const ContendedLock& lock, LockKind kind);

  [[nodiscard]] std::uint64_t ticks() const { return tick_; }         // number of the last one; the first is 1
  [[nodiscard]] std::uint64_t now_ns() const { return now_ns_; }      // the last look
  [[nodiscard]] std::uint64_t began_ns() const { return began_ns_; }  // of the first window; 0: nothing absorbed

  [[nodiscard]] const Lock* find(const ContendedLock& lock) const;
  [[nodiscard]] const Use* find_use(const ContendedLock& lock, pid_t pid) const;   // of the latest process of this pid
  [[nodiscard]] std::vector<const Use*> uses_of(const ContendedLock& lock) const;  // by pid, start
  [[nodiscard]] const Standing* standing(const ThreadId& thread) const;
  // How often others than the waiter's process took the lock and let go of it since it began to wait. File locks
  // only.
  [[nodiscard]] std::uint64_t passed_over(const ThreadId& thread, pid_t pid) const;
  // In the order of locks and victims.
  struct FailingVictim {
    const ContendedLock* lock = nullptr;
    const VictimId* victim = nullptr;
    const Series* series = nullptr;
  };
  [[nodiscard]] std::vector<FailingVictim> failing() const;  // whose last failure is in this tick or the one before
  // Time of the past hour in which somebody with this uid waited for this lock or kept failing to get it.
  [[nodiscard]] std::uint64_t exposure_ns(const ContendedLock& lock, std::uint32_t uid) const;
  // Locks with ended waits in the last tick, in order.
  [[nodiscard]] std::vector<std::pair<const ContendedLock*, const Lock*>> active() const;

  // Writes of the last window.
  [[nodiscard]] const std::vector<FileWrites>& writes() const { return writes_; }

  struct TopLock {
    ContendedLock lock;
    std::optional<LockKind> kind;
    std::optional<Actor> process;  // of a private word: whose
    WaitCounts waits;
    std::optional<Actor> longest;
    std::optional<Operations> operations;  // file locks
  };
  // The locks that were waited for longest in all, then those used most; at most `count`.
  [[nodiscard]] std::vector<TopLock> top(std::size_t count) const;
  [[nodiscard]] std::size_t lock_count() const { return locks_.size(); }
  // Of all locks, also those evicted.
  struct Totals {
    std::uint64_t waits = 0;
    std::uint64_t wait_ns = 0;
    std::uint64_t file_lock_operations = 0;  // granted, failed and released
  };
  [[nodiscard]] const Totals& totals() const { return totals_; }
  struct Evictions {
    std::uint64_t locks = 0;
    std::uint64_t uses = 0;
    std::uint64_t victims = 0;
  };
  [[nodiscard]] const Evictions& evictions() const { return evictions_; }

 private:
  using UseKey = std::pair<ContendedLock, std::pair<pid_t, std::uint64_t>>;
  using VictimKey = std::pair<ContendedLock, VictimId>;
  using ExposureKey = std::pair<ContendedLock, std::uint32_t>;
  struct Exposure {
    std::array<std::uint32_t, kExposureMinutes> ms{};  // by minute of boot time, modulo
    std::uint64_t newest_minute = 0;
    std::uint64_t covered_until_ns = 0;
  };
  struct ThreadHash {
    std::size_t operator()(const ThreadId& id) const {
      return std::hash<std::uint64_t>{}(id.start_ns * 31 + static_cast<std::uint64_t>(id.tid));
    }
  };

  // Tries and grants of one victim in one window.
  struct Outcome {
    Actor actor;
    std::uint64_t granted = 0;
    std::uint64_t last_granted_ns = 0;
    std::uint64_t tries = 0;
    std::uint64_t first_ns = 0;
    std::uint64_t last_ns = 0;
    bool timed_out = false;
    void add_grants(std::uint64_t count, std::uint64_t last);
    void add_tries(std::uint64_t count, std::uint64_t first, std::uint64_t last);
  };
  using Outcomes = std::map<VictimKey, Outcome>;
  struct Counted {  // of one process in one window
    std::uint64_t granted = 0;
    std::uint64_t failed = 0;
    std::uint64_t released = 0;
    std::uint64_t closed = 0;
    std::uint64_t last_granted_ns = 0;
    std::uint64_t last_released_ns = 0;
    std::uint64_t first_failed_ns = 0;
    std::uint64_t last_failed_ns = 0;
  };
  using StandingByThread = std::unordered_map<ThreadId, Standing, ThreadHash>;

  Lock& touch(const ContendedLock& lock, std::uint32_t uid);
  Use& touch_use(const ContendedLock& lock, Lock& record, const Actor& actor);
  void count_waits(Lock& record, const Actor& actor, const WaitCounts& waits);
  void absorb_word(const WordWaits& word, Outcomes& outcomes);
  void absorb_file(const FileLockUse& file, Outcomes& outcomes);
  void absorb_shared(const SharedLockUse& shared, Outcomes& outcomes);
  static Outcome& outcome_of(Outcomes& outcomes, const ContendedLock& lock, const Actor& actor);
  static void note_use(Lock& record, Use& use, const Counted& counted);
  void note_tries(const VictimKey& key, const Outcome& outcome);
  void absorb_look(const Sample& look);
  void absorb_file_holders(const RawSample& raw);
  const Standing& stand(const ContendedLock& lock, const Lock& record, const Thread& thread, const Wait& wait,
                        const StandingByThread& before);
  static void see_owner(Lock& record, const Wait& wait);
  void see_holders(Lock& record, const Sample& look, const Wait& wait);
  void see_holder(Lock& record, const RawSample& raw, pid_t pid);
  void expose(const ContendedLock& lock, std::uint32_t uid, std::uint64_t begin_ns, std::uint64_t end_ns);
  void trim();

  Limits limits_;
  std::uint64_t tick_ = 0;
  std::uint64_t began_ns_ = 0;
  std::uint64_t window_begin_ns_ = 0;
  std::uint64_t window_end_ns_ = 0;
  std::uint64_t now_ns_ = 0;
  std::map<ContendedLock, Lock> locks_;
  std::map<UseKey, Use> uses_;
  std::map<VictimKey, Series> series_;
  std::map<ExposureKey, Exposure> exposures_;
  StandingByThread standing_;  // at most one a thread of the last look
  std::vector<FileWrites> writes_;
  Totals totals_;
  Evictions evictions_;
};

}  // namespace lockscope
