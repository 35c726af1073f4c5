// SPDX-License-Identifier: Apache-2.0
// Random looks of up to twelve threads: WaitForGraph against the slow and obvious reference.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>
#include <sstream>

#include "wait_for_graph_reference.h"

namespace lockscope::test {
namespace {

constexpr int kLooksEach = 10;  // rapidcheck tries a hundred times

// At full size always: inRange otherwise begins with numbers near the lower bound.
std::size_t below(std::size_t limit) {
  return *rc::gen::resize(rc::kNominalSize, rc::gen::inRange<std::size_t>(0, limit));
}
bool chance(std::size_t percent) { return below(100) < percent; }

Releaser any_thread(const LookBuilder& look) {
  if (chance(2)) return {Releaser::Scope::thread, 1, {9999, 1}};
  return look.only(below(look.sample.raw.threads.size()));
}

Releaser any_releaser(const LookBuilder& look) {
  if (chance(70)) return any_thread(look);
  if (chance(5)) return LookBuilder::any_of(9999);
  return LookBuilder::any_of(look.sample.raw.threads[below(look.sample.raw.threads.size())].pid);
}

Obstacle any_obstacle(const LookBuilder& look, pid_t pid) {
  if (chance(25)) {
    std::vector<Releaser> likely;
    for (std::size_t left = below(3); left > 0; --left) likely.push_back(any_thread(look));
    return LookBuilder::candidates(pid, std::move(likely));
  }
  std::vector<Releaser> any_of;
  for (std::size_t left = chance(80) ? 1 : below(4); left > 0; --left) any_of.push_back(any_releaser(look));
  Obstacle o = LookBuilder::obstacle(std::move(any_of));
  o.known = chance(95);
  return o;
}

LookBuilder any_look() {
  LookBuilder look;
  const std::size_t processes = 1 + below(3);
  const std::size_t threads = 1 + below(12);
  const std::size_t busy = *rc::gen::element(0U, 0U, 5U, 20U);  // percent of threads that just run
  pid_t tid = 10;
  for (std::size_t t = 0; t < threads; ++t, ++tid) look.thread(static_cast<pid_t>(10 + t * processes / threads), tid);
  for (std::size_t t = 0; t < threads; ++t) {
    if (chance(busy)) continue;
    if (chance(60)) look.make_quiet(t);
    if (chance(10)) look.sample.inert.push_back(t);
    if (chance(15)) continue;
    const pid_t pid = look.sample.raw.threads[t].pid;
    std::vector<Obstacle> obstacles;
    for (std::size_t left = chance(85) ? 1 : below(4); left > 0; --left) obstacles.push_back(any_obstacle(look, pid));
    const std::size_t w = look.wait(t, 0x100 + below(3), std::move(obstacles));
    Wait& wait = look.at(w);
    if (chance(50)) wait.reader_count = static_cast<std::uint32_t>(1 + below(3));
    if (chance(30)) wait.mode = Mode::shared;
    wait.timed = chance(8);
    if (wait.timed) std::erase(look.quiet_threads, t);
    wait.self = chance(10);
    if (chance(8)) wait.owner_gone = OwnerGone::exited;
    if (chance(4)) look.unsettle(w);
  }
  return look;
}

std::set<std::size_t> stuck_in(const WaitForGraph::Solution& solution) {
  std::set<std::size_t> stuck;
  for (std::size_t w = 0; w < solution.stuck.size(); ++w) {
    if (solution.stuck[w]) stuck.insert(w);
  }
  return stuck;
}

void check_cycle(const LookBuilder& look, const Reference& reference, const Knot& knot) {
  const auto& cycle = knot.cycle;
  RC_ASSERT(!cycle.empty());
  RC_ASSERT(std::set(cycle.begin(), cycle.end()).size() == cycle.size());
  for (std::size_t i = 0; i < cycle.size(); ++i) {
    RC_ASSERT(reference.edge[cycle[i]][cycle[(i + 1) % cycle.size()]]);
    RC_ASSERT(look.sample.waits[cycle[i]].thread >= look.sample.waits[cycle[0]].thread);
  }
  std::size_t shortest = Reference::kFar;
  for (const std::size_t w : knot.members) shortest = std::min(shortest, reference.distance[w][w]);
  RC_ASSERT(cycle.size() == shortest);
  RC_ASSERT(std::equal(cycle.begin(), cycle.end(), knot.members.begin()));
}

// Each stuck wait is a member of one knot, or a victim of the nearest one, or leads to dead ends.
void check_places(const Reference& reference, const WaitForGraph::Solution& solution) {
  std::map<std::size_t, std::size_t> knot_of;
  for (std::size_t k = 0; k < solution.knots.size(); ++k) {
    for (const std::size_t w : solution.knots[k].members) RC_ASSERT(knot_of.emplace(w, k).second);
  }
  for (const std::size_t v : reference.stuck) {
    RC_ASSERT(knot_of.contains(v) == reference.in_knot(v));
    for (const std::size_t w : reference.stuck) {
      if (knot_of.contains(v) && knot_of.contains(w)) {
        RC_ASSERT((knot_of[v] == knot_of[w]) == reference.same_knot(v, w));
      }
    }
  }
  const auto way_to = [&](std::size_t from, const std::vector<std::size_t>& heads) {
    std::size_t way = Reference::kFar;
    for (const std::size_t to : heads) way = std::min(way, reference.distance[from][to]);
    return way;
  };
  std::set<std::size_t> placed;
  for (const auto& [w, k] : knot_of) placed.insert(w);
  for (const Knot& knot : solution.knots) {
    for (const std::size_t v : knot.victims) {
      RC_ASSERT(placed.insert(v).second);
      const std::size_t way = way_to(v, knot.members);
      RC_ASSERT(way < Reference::kFar);
      for (const Knot& other : solution.knots) RC_ASSERT(way <= way_to(v, other.members));
    }
  }
  for (const DeadEnd& end : solution.dead_ends) {
    RC_ASSERT(placed.insert(end.wait).second);
    RC_ASSERT(std::ranges::count(reference.edge[end.wait], true) == 0);
    for (const std::size_t v : end.victims) {
      RC_ASSERT(placed.insert(v).second);
      const std::size_t way = way_to(v, {end.wait});
      RC_ASSERT(way < Reference::kFar);
      for (const DeadEnd& other : solution.dead_ends) RC_ASSERT(way <= way_to(v, {other.wait}));
      for (const Knot& knot : solution.knots) RC_ASSERT(way_to(v, knot.members) >= Reference::kFar);
    }
  }
  RC_ASSERT(placed == reference.stuck);
}

// What a failed property prints: its random numbers alone say little.
void describe(const LookBuilder& look, std::ostream& out) {
  const auto releasers = [&](const std::vector<Releaser>& list) {
    for (const Releaser& r : list) {
      out << (r.scope == Releaser::Scope::thread ? " t" : " p")
          << (r.scope == Releaser::Scope::thread ? r.thread.tid : r.pid);
    }
  };
  for (std::size_t t = 0; t < look.sample.raw.threads.size(); ++t) {
    const Thread& thread = look.sample.raw.threads[t];
    out << "thread " << thread.pid << "/" << thread.id.tid;
    if (std::ranges::count(look.quiet_threads, t) > 0) out << " quiet";
    if (std::ranges::count(look.sample.inert, t) > 0) out << " inert";
    for (std::size_t w = 0; w < look.sample.waits.size(); ++w) {
      const Wait& wait = look.sample.waits[w];
      if (wait.thread != t) continue;
      out << " wait " << w << " for " << *wait.address << (wait.mode == Mode::shared ? " shared" : "")
          << (wait.timed ? " timed" : "") << (wait.self ? " self" : "")
          << (wait.owner_gone != OwnerGone::no ? " gone" : "")
          << (std::ranges::count(look.unsettled, w) > 0 ? " unsettled" : "");
      if (wait.reader_count) out << " readers=" << *wait.reader_count;
      for (const Obstacle& o : wait.obstacles) {
        out << (o.candidates ? " (candidates" : " (any of") << (o.known ? "" : "?");
        releasers(o.any_of);
        out << "; likely";
        releasers(o.likely);
        out << ")";
      }
    }
    out << "\n";
  }
}

void check(Strictness strictness) {
  const LookBuilder look = any_look();
  std::ostringstream text;
  describe(look, text);
  RC_LOG() << text.str();
  const Reference reference(look, strictness);
  const WaitForGraph::Solution solution = look.solve(strictness);
  RC_ASSERT(stuck_in(solution) == reference.stuck);
  for (const Knot& knot : solution.knots) check_cycle(look, reference, knot);
  check_places(reference, solution);
}

RC_GTEST_PROP(WaitForGraphProperty, ProofIsTheReference, ()) {
  for (int i = 0; i < kLooksEach; ++i) check(Strictness::proof);
}
RC_GTEST_PROP(WaitForGraphProperty, TimeoutsAreTheReference, ()) {
  for (int i = 0; i < kLooksEach; ++i) check(Strictness::timeouts);
}
RC_GTEST_PROP(WaitForGraphProperty, SuspicionIsTheReference, ()) {
  for (int i = 0; i < kLooksEach; ++i) check(Strictness::suspicion);
}

RC_GTEST_PROP(WaitForGraphProperty, WhatIsProvedIsAlsoStuckWithoutTimeouts, ()) {
  for (int i = 0; i < kLooksEach; ++i) {
    const LookBuilder look = any_look();
    RC_ASSERT(std::ranges::includes(stuck_in(look.solve(Strictness::timeouts)), stuck_in(look.solve())));
  }
}

}  // namespace
}  // namespace lockscope::test
