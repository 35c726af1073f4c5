// SPDX-License-Identifier: Apache-2.0
// What the processes of one puppet share: who plays which part, and how far they have come.
//
// Lives in an anonymous shared mapping made by the director before it forks, so plain numbers and atomics only; string
// literals keep their address across fork. It never holds a lock of a scenario: those lie elsewhere, so that the
// director, which maps the stage and never sleeps for good, does not map them.
#pragma once

#include <sys/types.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>

namespace puppet {

inline constexpr std::size_t kMaxParts = 256;
inline constexpr std::size_t kMaxGates = 16;

// The files that a scenario may make, all in the stage's directory, which goes with them.
inline constexpr std::array kFiles = {"a.lock", "b.lock", "c.lock", "shared.map", "evil\n\x1b[31m\x07\x7f.lock"};
inline constexpr const char* kFileA = kFiles[0];
inline constexpr const char* kFileB = kFiles[1];
inline constexpr const char* kFileC = kFiles[2];
inline constexpr const char* kSharedMap = kFiles[3];
inline constexpr const char* kHostileFile = kFiles[4];

// Waits for a condition that another thread brings about, without a futex that could be mistaken for the hang.
void poll_pause();

enum class Role {
  cycle,      // waits for what the next of its knot holds
  victim,     // waits behind a cycle
  waiter,     // waits for one lock that nobody gives back
  holder,     // holds that lock and is alive
  alternate,  // could as well be named in the cycle in place of another: one of several who share a lock
};

struct LockTruth {
  const char* kind = "";
  const char* scope = nullptr;  // "private", "shared", "file"; null: says nothing
  std::uint64_t address = 0;    // in the waiter; 0: has none
  std::size_t size = 0;         // bytes from the address in which the futex word lies
  const char* file = nullptr;   // name within the stage's directory
};

struct Part {
  Role role = Role::cycle;
  int order = 0;  // place in its cycle, in waiting order
  int knot = 0;   // which cycle
  bool timed = false;
};

struct PartSlot {
  std::atomic<bool> taken;
  pid_t ns_pid;
  pid_t ns_tid;
  Part part;
  LockTruth lock;
};

struct Stage {
  std::array<PartSlot, kMaxParts> parts;
  std::atomic<int> parts_taken;
  std::atomic<int> parts_wanted;
  std::array<std::atomic<int>, kMaxGates> gates;
  std::atomic<std::int64_t> progress;
  std::atomic<std::int64_t> progress_wanted;  // a scenario without hang stands once it has moved this often
  std::atomic<bool> failed;
  std::atomic<pid_t> stopped_holder;  // its number in its own namespace: the director waits until it is stopped
  const char* kind;                   // expected finding, "none" for a scenario that is innocent
  const char* confidence;
  int idle_inside;
  std::array<char, 128> directory;

  // Says what must be found; to be called by the root before anybody takes part.
  void expect(const char* finding, int number_of_parts);
  void expect_none(int moves = 1);

  // The calling thread is about to block for this lock (or holds it, for Role::holder).
  void take(const Part& part, const LockTruth& lock);

  void arrive(int gate) { gates[static_cast<std::size_t>(gate)].fetch_add(1); }
  void await(int gate, int count) const;
  void meet(int gate, int count) {
    arrive(gate);
    await(gate, count);
  }
  void moved() { progress.fetch_add(1, std::memory_order_relaxed); }

  [[nodiscard]] std::string path(const char* file) const;
};

[[nodiscard]] Stage* make_stage(const char* directory);

// Set in the director before anything is forked.
extern Stage* current_stage;

// A call of a scenario that must succeed: otherwise the puppet would tell a false truth.
void must(bool condition, const char* what);
void must_zero(int error, const char* what);

}  // namespace puppet
