// SPDX-License-Identifier: Apache-2.0
// Random traces of a few locks and threads: the lock-order graph against the slow and obvious answer, which tries every
// round of locks with every chain at every time.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <set>

#include "model/lock_order_graph.h"
#include "trace_scene.h"

namespace lockscope::test {
namespace {

constexpr int kTracesEach = 40;  // rapidcheck tries a hundred times

std::size_t below(std::size_t limit) {
  return *rc::gen::resize(rc::kNominalSize, rc::gen::inRange<std::size_t>(0, limit));
}
bool chance(std::size_t percent) { return below(100) < percent; }

struct Moment {
  std::size_t chain = 0;
  std::size_t held = 0;
  std::uint64_t time_ns = 0;
};

class Reference {
 public:
  Reference(const LockTrace& trace, TableNames& names) : trace_(trace), names_(names) {
    for (std::size_t c = 0; c < trace.chains.size(); ++c) {
      const LockChain& chain = trace.chains[c];
      const bool again =
          std::ranges::any_of(chain.held, [&](const Acquisition& a) { return a.lock == chain.wanted.lock; });
      if (chain.truncated || again) continue;
      for (std::size_t h = 0; h < chain.held.size(); ++h) {
        for (const std::uint64_t time : std::set{chain.first_ns, chain.last_ns}) moments_.push_back({c, h, time});
      }
    }
    std::vector<Moment> way;
    extend(way);
  }

  using Classes = std::pair<std::string, std::string>;
  std::set<Classes> orders;  // that are part of a cycle
  std::size_t shortest = 0;  // 0: no cycle

  [[nodiscard]] Classes classes_of(std::size_t chain, std::size_t held) {
    return {names_.lock_class(trace_.chains[chain].held[held].lock).name,
            names_.lock_class(trace_.chains[chain].wanted.lock).name};
  }
  // With some choice of times.
  [[nodiscard]] bool is_cycle(const std::vector<TraceOrder>& orders_of_cycle) {
    std::vector<Moment> way;
    return closes(orders_of_cycle, way);
  }

 private:
  [[nodiscard]] const TracedLock& from(const Moment& m) const { return trace_.chains[m.chain].held[m.held].lock; }
  [[nodiscard]] const TracedLock& to(const Moment& m) const { return trace_.chains[m.chain].wanted.lock; }

  void extend(std::vector<Moment>& way) {
    for (const Moment& m : moments_) {
      if (!way.empty() && from(m) != to(way.back())) continue;
      const bool crosses = std::ranges::any_of(way, [&](const Moment& w) { return from(w) == from(m); });
      const bool compatible = std::ranges::all_of(way, [&](const Moment& w) { return together(w, m); });
      if (crosses || !compatible) continue;
      if (!way.empty() && !follows(way.back(), m)) continue;
      way.push_back(m);
      if (way.size() > 1 && to(m) == from(way.front()) && follows(m, way.front())) {
        if (shortest == 0 || way.size() < shortest) shortest = way.size();
        for (const Moment& w : way) orders.insert(classes_of(w.chain, w.held));
      } else {
        extend(way);
      }
      way.pop_back();
    }
  }

  bool closes(const std::vector<TraceOrder>& cycle, std::vector<Moment>& way) {
    if (way.size() == cycle.size()) return way.size() > 1 && follows(way.back(), way.front());
    const TraceOrder& order = cycle[way.size()];
    for (const Moment& m : moments_) {
      if (m.chain != order.chain || m.held != order.held) continue;
      if (!way.empty() && !follows(way.back(), m)) continue;
      if (!std::ranges::all_of(way, [&](const Moment& w) { return together(w, m) && from(w) != from(m); })) continue;
      way.push_back(m);
      if (closes(cycle, way)) return true;
      way.pop_back();
    }
    return false;
  }

  // What the one waits for, the other holds.
  [[nodiscard]] bool follows(const Moment& waiter, const Moment& holder) const {
    if (to(waiter) != from(holder)) return false;
    const bool both_read = trace_.chains[waiter.chain].wanted.mode == Mode::shared &&
                           trace_.chains[holder.chain].held[holder.held].mode == Mode::shared;
    const auto [low, high] = std::minmax(waiter.time_ns, holder.time_ns);
    return !both_read && std::ranges::none_of(trace_.lives, [&, from = low, until = high](const LockLife& life) {
      return life.lock == to(waiter) && life.time_ns > from && life.time_ns <= until;
    });
  }

  [[nodiscard]] bool together(const Moment& x, const Moment& y) const {
    const LockChain& a = trace_.chains[x.chain];
    const LockChain& b = trace_.chains[y.chain];
    if (a.thread == b.thread) return false;
    for (const Acquisition& held : a.held) {
      for (const Acquisition& other : b.held) {
        if (held.lock == other.lock && (held.mode != Mode::shared || other.mode != Mode::shared)) return false;
      }
    }
    return !before(x, y) && !before(y, x);
  }

  // Whatever follows from it by creations, joins and barriers, until nothing new does.
  [[nodiscard]] bool before(const Moment& x, const Moment& y) const {
    constexpr std::uint64_t kNot = ~std::uint64_t{0};
    std::vector<std::uint64_t> since(trace_.threads.size(), kNot);  // by thread: from when on it is after x
    since[trace_.chains[x.chain].thread] = x.time_ns;
    bool news = true;
    const auto follows_from = [&](std::size_t one, std::uint64_t one_ns, std::size_t other, std::uint64_t other_ns) {
      if (since[one] > one_ns || since[other] <= other_ns) return;
      since[other] = other_ns;
      news = true;
    };
    while (news) {
      news = false;
      for (std::size_t t = 0; t < trace_.threads.size(); ++t) {
        const TracedThread& made = trace_.threads[t];
        if (made.creator) follows_from(*made.creator, made.start_ns, t, made.start_ns);
      }
      for (const ThreadJoin& j : trace_.joins) follows_from(j.joined, j.time_ns, j.joiner, j.time_ns);
      for (const BarrierPass& p : trace_.barriers) {
        for (const BarrierPass& q : trace_.barriers) {
          const bool overlap = p.arrived_ns <= q.left_ns && q.arrived_ns <= p.left_ns;
          if (p.barrier == q.barrier && overlap) follows_from(p.thread, p.arrived_ns, q.thread, q.left_ns);
        }
      }
    }
    return since[trace_.chains[y.chain].thread] <= y.time_ns;
  }

  const LockTrace& trace_;
  TableNames& names_;
  std::vector<Moment> moments_;
};

Acquisition any_acquisition(const std::vector<TracedLock>& locks) {
  const TracedLock& lock = locks[below(locks.size())];
  return chance(30) ? TraceScene::read(lock) : TraceScene::written(lock);
}

constexpr std::uint64_t kApart = 0x10000;  // too far to be members of one object
std::size_t number_of(const TracedLock& lock) { return lock.address / kApart - 1; }

TraceScene any_trace() {
  TraceScene scene;
  const std::size_t lock_count = 2 + below(6);
  const std::size_t class_count = 1 + below(8);
  const bool round = chance(40);  // each lock is wanted where the one before it is held
  std::vector<TracedLock> locks;
  for (std::size_t i = 0; i < lock_count; ++i) {
    locks.push_back(scene.heap(kApart * (i + 1), "class" + std::to_string(below(class_count))));
  }
  const std::size_t threads = 1 + below(7);
  const bool all_live = chance(60);
  for (std::size_t i = 0; i < threads; ++i) {
    const std::size_t thread = scene.thread();
    TracedThread& made = scene.trace.threads[thread];
    made.start_ns = all_live ? 0 : below(8);
    if (!all_live && chance(50)) made.ended_ns = made.start_ns + 4 + below(10);
    if (i > 0 && chance(60)) made.creator = below(i);
    if (i > 0 && made.ended_ns && chance(70)) scene.join(below(i), thread, *made.ended_ns + below(3));
    if (chance(30)) {
      for (std::uint64_t time = below(4); time < 20; time += 1 + below(8)) {
        const std::uint64_t left = time + below(4);
        scene.pass(thread, TraceScene::at(0x900 + below(2)), time, left);
        time = left;
      }
    }
  }
  for (std::size_t left = 1 + below(9); left > 0; --left) {
    const std::size_t thread = below(threads);
    const TracedThread& its = scene.trace.threads[thread];
    std::vector<Acquisition> held;
    for (std::size_t more = chance(75) ? 1 : 1 + below(3); more > 0; --more) {
      Acquisition a = any_acquisition(locks);
      if (std::ranges::find(held, a.lock, &Acquisition::lock) == held.end()) held.push_back(std::move(a));
    }
    const std::uint64_t end = its.ended_ns.value_or(20);
    std::uint64_t first = its.start_ns + 1 + below(end - its.start_ns);
    std::uint64_t last = chance(40) ? first : its.start_ns + 1 + below(end - its.start_ns);
    if (last < first) std::swap(first, last);
    Acquisition wanted = any_acquisition(locks);
    if (round && chance(85)) {
      const Mode mode = wanted.mode;
      wanted = TraceScene::written(locks[(number_of(held.front().lock) + 1) % lock_count]);
      wanted.mode = mode;
    }
    scene.chain(thread, std::move(held), std::move(wanted), first, last).truncated = chance(3);
  }
  if (chance(20)) scene.life(locks[below(locks.size())], below(20), chance(50));
  return scene;
}

RC_GTEST_PROP(LockOrderProperty, IsTheObviousAnswer, ()) {
  int longer = 0;
  for (int i = 0; i < kTracesEach; ++i) {
    TraceScene scene = any_trace();
    Reference reference(scene.trace, scene.names);
    const OrderCycles found = find_order_cycles(scene.trace, scene.names);
    RC_ASSERT(found.complete);
    longer += reference.shortest > 2 ? 1 : 0;
    std::set<Reference::Classes> explained;
    std::size_t length = reference.shortest;
    const std::size_t shortest = found.cycles.empty() ? 0 : found.cycles.front().orders.size();
    RC_ASSERT(shortest == reference.shortest);
    for (const OrderCycle& cycle : found.cycles) {
      RC_ASSERT(cycle.one_place);
      RC_ASSERT(reference.is_cycle(cycle.orders));
      RC_ASSERT(cycle.orders.size() >= length);
      length = cycle.orders.size();
      bool news = false;
      for (const TraceOrder& order : cycle.orders) {
        news = explained.insert(reference.classes_of(order.chain, order.held)).second || news;
      }
      RC_ASSERT(news);
    }
    RC_ASSERT(explained == reference.orders);
  }
  RC_CLASSIFY(longer > 0, "rounds of three and more");
}

}  // namespace
}  // namespace lockscope::test
