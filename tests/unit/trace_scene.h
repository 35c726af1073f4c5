// SPDX-License-Identifier: Apache-2.0
// A trace of the full level, written down step by step, for tests of the lock-order graph, the trace detectors and the
// lock profile. One image (1) unless a test adds more; threads live from the beginning to the end unless it says
// otherwise. Locks are symbols of their names unless a test gives them another class.
#pragma once

#include <initializer_list>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "detect/catalog.h"
#include "lockscope/lock_trace.h"

namespace lockscope::test {

// Names by a table. What is not in it: a site is a function of its number, a lock a symbol of its address.
class TableNames final : public TraceNames {
 public:
  const CodePoint& code(ImageId image, std::uint64_t site) override {
    const auto found = points.find({image, site});
    if (found != points.end()) return found->second;
    CodePoint point;
    point.address = site;
    point.module = "/usr/bin/app";
    point.function = "f" + std::to_string(site);
    point.offset = 0x10;
    return points.emplace(std::pair{image, site}, std::move(point)).first->second;
  }
  const LockClass& lock_class(const TracedLock& lock) override {
    const auto found = classes.find(lock);
    if (found != classes.end()) return found->second;
    return classes.emplace(lock, LockClass{LockClass::By::symbol, "app:g_" + std::to_string(lock.address)})
        .first->second;
  }

  std::map<std::pair<ImageId, std::uint64_t>, CodePoint> points;
  std::map<TracedLock, LockClass> classes;
};

class TraceScene {
 public:
  static constexpr std::uint64_t kBegan = 1'000;
  static constexpr std::uint64_t kEnded = 1'000'000'000'000;
  static constexpr pid_t kPid = 100;

  TraceScene() {
    trace.began_ns = kBegan;
    trace.ended_ns = kEnded;
    trace.images.push_back(
        {.id = 1, .pid = kPid, .forked_from = {}, .exe = "/usr/bin/app", .from_start = true, .began_ns = kBegan});
  }

  // Returns its index. Lives from `start` until `end`; 0: it lives on.
  std::size_t thread(std::uint64_t start = kBegan, std::uint64_t end = 0, std::string comm = "worker") {
    TracedThread t;
    t.pid = kPid;
    t.tid = kPid + static_cast<pid_t>(trace.threads.size());
    t.start_ns = start;
    if (end != 0) t.ended_ns = end;
    t.comm = std::move(comm);
    trace.threads.push_back(std::move(t));
    return trace.threads.size() - 1;
  }

  // As thread(), created by this one.
  std::size_t child(std::size_t creator, std::uint64_t start, std::uint64_t end = 0) {
    const std::size_t index = thread(start, end);
    trace.threads[index].creator = creator;
    return index;
  }
  void join(std::size_t joiner, std::size_t joined, std::uint64_t time_ns) {
    trace.joins.push_back({joiner, joined, time_ns});
  }

  [[nodiscard]] static TracedLock at(std::uint64_t address, ImageId image = 1) { return {image, address}; }
  // A symbol of this name.
  TracedLock symbol(std::uint64_t address, const std::string& name) {
    names.classes[at(address)] = {LockClass::By::symbol, "app:" + name};
    return at(address);
  }
  // One of many of this class, in memory that may be used again.
  TracedLock heap(std::uint64_t address, const std::string& name) {
    names.classes[at(address)] = {LockClass::By::acquire_site, "app:" + name};
    return at(address);
  }
  void place(std::uint64_t site, const std::string& function, ImageId image = 1) {
    CodePoint point;
    point.address = site;
    point.module = image == 1 ? "/usr/bin/app" : "/usr/bin/other";
    point.function = function;
    point.offset = 0x10;
    names.points[{image, site}] = std::move(point);
  }

  [[nodiscard]] static Acquisition taken(const TracedLock& lock, Mode mode = Mode::exclusive, std::uint64_t site = 0) {
    Acquisition a;
    a.lock = lock;
    a.kind = LockKind::mutex;
    a.mode = mode;
    a.site = site == 0 ? lock.address + 1'000'000 : site;
    return a;
  }
  [[nodiscard]] static Acquisition read(const TracedLock& lock) {
    Acquisition a = taken(lock, Mode::shared);
    a.kind = LockKind::rwlock;
    return a;
  }
  [[nodiscard]] static Acquisition written(const TracedLock& lock) {
    Acquisition a = taken(lock);
    a.kind = LockKind::rwlock;
    return a;
  }

  // The thread asks for the last while it holds the others, at these times. Returns the chain.
  LockChain& chain(std::size_t thread, std::vector<Acquisition> held, Acquisition wanted,
                   std::uint64_t first_ns = 2'000, std::uint64_t last_ns = 0) {
    LockChain c;
    c.image = wanted.lock.image;
    c.thread = thread;
    c.held = std::move(held);
    c.wanted = std::move(wanted);
    c.first_ns = first_ns;
    c.last_ns = last_ns == 0 ? first_ns : last_ns;
    c.count = c.first_ns == c.last_ns ? 1 : 2;
    trace.chains.push_back(std::move(c));
    return trace.chains.back();
  }
  LockChain& order(std::size_t thread, const TracedLock& held, const TracedLock& wanted, std::uint64_t first_ns = 2'000,
                   std::uint64_t last_ns = 0) {
    return chain(thread, {taken(held)}, taken(wanted), first_ns, last_ns);
  }

  void life(const TracedLock& lock, std::uint64_t time_ns, bool begins) {
    trace.lives.push_back({.lock = lock, .time_ns = time_ns, .begins = begins, .site = 0});
  }
  void pass(std::size_t thread, const TracedLock& barrier, std::uint64_t arrived_ns, std::uint64_t left_ns) {
    trace.barriers.push_back({barrier, thread, arrived_ns, left_ns});
  }

  LockMisuse& misuse(MisuseKind kind, std::size_t thread, const TracedLock& lock, std::uint64_t site = 77) {
    LockMisuse m;
    m.kind = kind;
    m.thread = thread;
    m.lock = lock;
    m.site = site;
    m.time_ns = 5'000;
    trace.misuses.push_back(std::move(m));
    return trace.misuses.back();
  }

  [[nodiscard]] std::vector<Finding> detect(const CatalogEntry& entry) {
    std::vector<Finding> findings;
    entry.make()->on_trace({trace, names, thresholds}, findings);
    return findings;
  }

  LockTrace trace;
  TableNames names;
  Thresholds thresholds;
};

}  // namespace lockscope::test
