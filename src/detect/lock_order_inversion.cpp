// SPDX-License-Identifier: Apache-2.0
// lock_order_inversion: threads that can run at one time take locks in orders that contradict each other. It need not
// have come to a deadlock yet. One finding a cycle of lock classes; model/lock_order_graph.h says what counts and what
// it costs.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "detect/catalog.h"
#include "detect/fingerprint.h"
#include "detect/trace_wording.h"
#include "detect/wording.h"
#include "model/lock_order_graph.h"

namespace lockscope {
namespace {

// One edge of a cycle, in words.
struct Step {
  std::string held;
  std::string wanted;
  std::string held_in;
  std::string wanted_in;
  std::string key;  // for the fingerprint
};

class LockOrderInversionDetector final : public Detector {
 public:
  void on_trace(const TraceView& view, std::vector<Finding>& findings) override {
    const OrderCycles found = find_order_cycles(view.trace, view.names);
    for (const OrderCycle& cycle : found.cycles) findings.push_back(report(view, cycle, found.complete));
  }

 private:
  static Finding report(const TraceView& view, const OrderCycle& cycle, bool complete) {
    const std::vector<Step> steps = steps_of(view, cycle);
    Finding finding;
    finding.kind = kLockOrderInversion.name;
    finding.cwe = kLockOrderInversion.cwe;
    finding.severity = Severity::warning;
    finding.confidence = cycle.sure && view.trace.lost.empty() ? Confidence::confirmed : Confidence::likely;
    finding.orders = cycle.orders;
    finding.fingerprint = fingerprint(steps);
    finding.summary = summarise(steps, cycle);
    finding.hint = steps.size() == 2 && steps[0].held != steps[1].held
                       ? fmt::format("take {} and {} in one order everywhere, or both at once (std::scoped_lock)",
                                     steps[0].held, steps[1].held)
                       : "take these locks in one order everywhere (by address, where they are of one kind), or all at "
                         "once (std::scoped_lock)";
    put_evidence(view, cycle, steps, complete, finding);
    return finding;
  }

  static std::vector<Step> steps_of(const TraceView& view, const OrderCycle& cycle) {
    std::vector<Step> steps;
    for (const TraceOrder& order : cycle.orders) {
      const LockChain& chain = view.trace.chains[order.chain];
      const Acquisition& held = chain.held[order.held];
      Step step;
      const LockClass held_class = view.names.lock_class(held.lock);
      const LockClass wanted_class = view.names.lock_class(chain.wanted.lock);
      const CodePoint held_at = view.names.code(held.lock.image, held.site);
      const CodePoint wanted_at = view.names.code(chain.wanted.lock.image, chain.wanted.site);
      step.held = name_class(held_class);
      step.wanted = name_class(wanted_class);
      step.held_in = name_place(held_at);
      step.wanted_in = name_place(wanted_at);
      step.key = fmt::format("{}\n{}\n{}\n{}", held_class.name, key_of(held_at), wanted_class.name, key_of(wanted_at));
      steps.push_back(std::move(step));
    }
    return steps;
  }

  // The same wherever one begins to go round.
  static std::string fingerprint(const std::vector<Step>& steps) {
    std::vector<std::string> keys;
    for (const Step& step : steps) keys.push_back(step.key);
    std::vector<std::string> first = keys;
    for (std::size_t i = 0; i < keys.size() && keys.size() <= 64; ++i) {
      std::ranges::rotate(keys, keys.begin() + 1);
      first = std::min(first, keys);
    }
    Fingerprint result(kLockOrderInversion.name);
    for (const std::string& key : first) result.add(key);
    return result.hex();
  }

  static std::string summarise(const std::vector<Step>& steps, const OrderCycle& cycle) {
    std::vector<std::string> names;
    for (const Step& step : steps) {
      if (std::ranges::find(names, step.held) == names.end()) names.push_back(step.held);
    }
    const std::string which =
        names.size() > 1 ? name_list(names, 6) : fmt::format("{} locks of one kind ({})", steps.size(), names.front());
    std::vector<std::string> orders;
    for (const Step& step : steps) {
      const std::string held = names.size() > 1 ? step.held : "one";
      const std::string wanted = names.size() > 1 ? step.wanted : "another";
      if (steps.size() > 2 || names.size() == 1) {
        orders.push_back(fmt::format("{} wants {} while {} is held{}", step.wanted_in, wanted, held, since(step)));
      } else if (step.held_in == step.wanted_in) {
        orders.push_back(fmt::format("{} takes {} first", step.held_in, held));
      } else {
        orders.push_back(
            fmt::format("{} takes {} first, then {} takes {}", step.held_in, held, step.wanted_in, wanted));
      }
    }
    const std::size_t shown = std::min<std::size_t>(orders.size(), 4);
    std::string how;
    for (std::size_t i = 0; i < shown; ++i)
      how += (i == 0 ? "" : ", ") + orders[i];
    if (shown < orders.size()) how += fmt::format(" and so on, {} in all", orders.size());
    return fmt::format("{} are taken in {}{}: {}; if {} at once, {} for ever", which,
                       steps.size() == 2 ? "both orders" : "orders that go round in a circle",
                       cycle.one_place ? "" : ", in objects of one type", how,
                       steps.size() == 2 ? "both happen" : "all happen", steps.size() == 2 ? "both wait" : "all wait");
  }

  static std::string since(const Step& step) {
    return step.held_in == step.wanted_in ? "" : fmt::format(" since {}", step.held_in);
  }

  static void put_evidence(const TraceView& view, const OrderCycle& cycle, const std::vector<Step>& steps,
                           bool complete, Finding& finding) {
    auto& evidence = finding.evidence;
    std::vector<std::string> classes;
    std::vector<std::string> threads;
    for (std::size_t i = 0; i < steps.size(); ++i) {
      const LockChain& chain = view.trace.chains[cycle.orders[i].chain];
      classes.push_back(view.names.lock_class(chain.held[cycle.orders[i].held].lock).name);
      threads.push_back(name_traced(view.trace.threads[chain.thread]));
    }
    evidence.emplace_back("locks", static_cast<std::int64_t>(steps.size()));
    evidence.emplace_back("classes", name_list(classes, 8));
    evidence.emplace_back("same_locks", cycle.one_place);
    evidence.emplace_back("threads", name_list(threads, 8));
    std::vector<std::string> counts;
    std::vector<std::string> by_threads;
    for (std::size_t i = 0; i < steps.size(); ++i) {
      counts.push_back(fmt::format("{}", cycle.counts[i]));
      by_threads.push_back(fmt::format("{}", cycle.threads[i]));
    }
    evidence.emplace_back("counts", name_list(counts, 8));
    evidence.emplace_back("threads_by_order", name_list(by_threads, 8));
    if (!complete) evidence.emplace_back("search_complete", false);
    if (!view.trace.lost.empty()) evidence.emplace_back("lost_events", true);
  }
};

}  // namespace

constinit const CatalogEntry kLockOrderInversion{
    .name = "lock_order_inversion",
    .cwe = 833,
    .level = Level::full,
    .description = "locks are taken in orders that contradict each other: a deadlock that may come",
    .make = []() -> std::unique_ptr<Detector> { return std::make_unique<LockOrderInversionDetector>(); }};

}  // namespace lockscope
