// SPDX-License-Identifier: Apache-2.0
// A look at a host, written down thread by thread, for tests of the model and of the detectors. Everything stands and
// nobody is quiet unless a test says otherwise. Threads must be added in the order of (pid, tid).
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "detect/catalog.h"
#include "lockscope/wait_for_graph.h"

namespace lockscope::test {

inline constexpr std::uint64_t kSecond = 1'000'000'000;
inline constexpr std::uint64_t kTaken = 1'000'000 * kSecond;

class LookBuilder {
 public:
  LookBuilder() { sample.raw.taken_ns = kTaken; }

  // A thread that is awake. Returns its index.
  std::size_t thread(pid_t pid, pid_t tid, std::string comm = "app") {
    Thread t;
    t.id = {tid, static_cast<std::uint64_t>(tid) * kSecond};
    t.pid = pid;
    t.address_space = static_cast<std::uint64_t>(pid);
    t.comm = std::move(comm);
    sample.raw.threads.push_back(std::move(t));
    return sample.raw.threads.size() - 1;
  }
  // A process of one thread.
  std::size_t process(pid_t pid, std::string comm = "app") { return thread(pid, pid, std::move(comm)); }

  // Asleep without a timeout through both looks.
  void make_quiet(std::size_t t) {
    sample.raw.threads[t].state = ThreadState::blocked;
    quiet_threads.push_back(t);
  }
  void make_inert(std::size_t t) {
    make_quiet(t);
    sample.inert.push_back(t);
  }

  [[nodiscard]] Releaser only(std::size_t t) const {
    return {Releaser::Scope::thread, sample.raw.threads[t].pid, sample.raw.threads[t].id};
  }
  [[nodiscard]] static Releaser any_of(pid_t pid) {
    return {Releaser::Scope::any_thread_of_process, pid, {pid, static_cast<std::uint64_t>(pid) * kSecond}};
  }

  [[nodiscard]] static Obstacle obstacle(std::vector<Releaser> any_of) {
    Obstacle o;
    o.any_of = std::move(any_of);
    o.evidence = Evidence::memory;
    return o;
  }
  [[nodiscard]] static Obstacle candidates(pid_t pid, std::vector<Releaser> likely = {}) {
    Obstacle o = obstacle({any_of(pid)});
    o.candidates = true;
    o.likely = std::move(likely);
    return o;
  }

  // Thread t waits for the mutex at this address of its process. Returns the index of the wait.
  std::size_t wait(std::size_t t, std::uint64_t address, std::vector<Obstacle> obstacles) {
    Wait w;
    w.thread = t;
    w.kind = LockKind::mutex;
    w.lock.place = PrivateWord{sample.raw.threads[t].address_space, address};
    w.address = address;
    w.obstacles = std::move(obstacles);
    w.fingerprint = 1000 + t;
    w.blocked_ns = 60 * kSecond;
    sample.raw.threads[t].state = ThreadState::blocked;
    sample.waits.push_back(std::move(w));
    return sample.waits.size() - 1;
  }
  std::size_t wait_for(std::size_t t, std::uint64_t address, std::size_t owner) {
    return wait(t, address, {obstacle({only(owner)})});
  }
  // Thread t waits for the lock of a file that these processes hold together.
  std::size_t wait_for_flock(std::size_t t, std::uint64_t inode, std::initializer_list<pid_t> sharers) {
    std::vector<Releaser> any;
    for (const pid_t pid : sharers) any.push_back(any_of(pid));
    const std::size_t w = wait(t, 0, {obstacle(std::move(any))});
    Wait& made = sample.waits[w];
    made.kind = LockKind::flock;
    made.lock.place = FileRange{{.dev = 8, .ino = inode}, true};
    made.address.reset();
    made.process_shared = true;
    made.file_lock = FileLockKind::flock;
    made.obstacles.front().evidence = Evidence::kernel;
    return w;
  }
  // A normal mutex that its own waiter has locked.
  std::size_t wait_for_own(std::size_t t, std::uint64_t address) {
    const std::size_t w = wait(t, address, {candidates(sample.raw.threads[t].pid)});
    sample.waits[w].self = true;
    return w;
  }
  // A writer behind so many readers of a rwlock.
  std::size_t wait_for_readers(std::size_t t, std::uint64_t address, std::uint32_t readers,
                               std::vector<Releaser> likely = {}) {
    const std::size_t w = wait(t, address, {candidates(sample.raw.threads[t].pid, std::move(likely))});
    sample.waits[w].kind = LockKind::rwlock;
    sample.waits[w].reader_count = readers;
    return w;
  }
  // A mutex whose owner has ended; only the owner could unlock it.
  std::size_t wait_for_gone(std::size_t t, std::uint64_t address) {
    const std::size_t w = wait(t, address, {obstacle({})});
    sample.waits[w].kind = LockKind::recursive_mutex;
    sample.waits[w].owner_gone = OwnerGone::exited;
    sample.waits[w].owner_enforced = true;
    sample.waits[w].gone_owner = 999;
    return w;
  }

  // A lock in memory that other processes map too: at this offset of /dev/shm's inode 70.
  std::size_t wait_for_shared(std::size_t t, std::uint64_t offset, std::size_t owner) {
    const std::size_t w = wait_for(t, 0x7000 + offset, owner);
    sample.waits[w].lock.place = SharedPlace{{.dev = 1, .ino = 70}, offset};
    sample.waits[w].process_shared = true;
    return w;
  }
  // These processes hold the flock of a file together; the first took it.
  FileLock& hold_flock(std::uint64_t inode, std::initializer_list<pid_t> sharers, bool exclusive = true) {
    FileLock lock;
    lock.exclusive = exclusive;
    lock.file = {.dev = 8, .ino = inode};
    for (const pid_t pid : sharers) lock.sharers.push_back({.pid = pid, .fd = 3, .readonly = false});
    if (sharers.size() > 0) lock.locker = *sharers.begin();
    sample.raw.file_locks.push_back(std::move(lock));
    sample.raw.file_locks_complete = true;
    return sample.raw.file_locks.back();
  }

  Thread& thread_at(std::size_t t) { return sample.raw.threads[t]; }
  Wait& at(std::size_t w) { return sample.waits[w]; }
  void unsettle(std::size_t w) { unsettled.push_back(w); }

  [[nodiscard]] WaitForGraph graph() const {
    std::vector<bool> standing(sample.waits.size(), true);
    for (const std::size_t w : unsettled) standing[w] = false;
    std::vector<bool> quiet(sample.raw.threads.size(), false);
    for (const std::size_t t : quiet_threads) quiet[t] = true;
    return {sample, standing, quiet};
  }
  [[nodiscard]] WaitForGraph::Solution solve(Strictness strictness = Strictness::proof) const {
    return graph().solve(strictness);
  }
  [[nodiscard]] std::vector<Finding> detect(const CatalogEntry& entry, const Thresholds& thresholds = {}) const {
    const WaitForGraph judged = graph();
    const SampleView view{.sample = sample,
                          .graph = judged,
                          .proof = judged.solve(Strictness::proof),
                          .timeouts = judged.solve(Strictness::timeouts),
                          .suspicion = judged.solve(Strictness::suspicion),
                          .thresholds = thresholds,
                          .facts = facts,
                          .locks = locks};
    std::vector<Finding> findings;
    entry.make()->on_sample(view, findings);
    return findings;
  }

  Sample sample;
  HostFacts facts;
  const LockTable* locks = nullptr;
  std::vector<std::size_t> quiet_threads;
  std::vector<std::size_t> unsettled;  // waits that do not stand
};

}  // namespace lockscope::test
