// SPDX-License-Identifier: Apache-2.0
#include "exporters/text/finding_view.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <span>
#include <vector>

#include "exporters/text/duration.h"
#include "exporters/text/escape.h"
#include "exporters/text/evidence_view.h"
#include "exporters/text/phrases.h"
#include "exporters/text/trace_view.h"

namespace lockscope {

namespace {

constexpr std::size_t kRingWhole = 16;  // a longer ring is cut in the middle
constexpr std::size_t kRingHead = 10;
constexpr std::size_t kRingTail = 3;
constexpr std::size_t kBesides = 5;  // holders, waiters and victims that are named
constexpr std::size_t kNameColumns = 32;

constexpr std::string_view kMargin = "  ";

struct Badge {
  Ink ink;
  const char* word;
};

Badge badge_of(Severity severity) {
  switch (severity) {
    case Severity::critical: return {Ink::critical, "CRITICAL"};
    case Severity::warning: return {Ink::warning, "WARNING"};
    case Severity::notice: return {Ink::notice, "notice"};
  }
  return {Ink::notice, ""};
}

std::size_t room_beside(const Painter& painter, std::size_t used) {
  return painter.width() > used ? painter.width() - used : 0;
}

bool holds(const HolderDescription& holder, const ThreadDescription& thread) {
  if (!holder.thread || holder.thread->pid != thread.pid) return false;
  return holder.any_thread || (holder.thread->tid == thread.tid && holder.thread->start_ns == thread.start_ns);
}

// Who of the ring holds what `wait` waits for, in words that point along the drawing.
std::string held_line(const WaitDescription& wait, const ThreadDescription& next, std::string_view who,
                      const Painter& painter) {
  const auto found = std::ranges::find_if(wait.holders, [&](const auto& holder) { return holds(holder, next); });
  std::string text = fmt::format("held by {}", who);
  if (found == wait.holders.end()) return text;
  if (wait.lock.kind == LockKind::join || wait.lock.kind == LockKind::child) text = fmt::format("which is {}", who);
  // One of several who could, and nothing says which: readers of a rwlock, sharers of a mutex that its waiter owns.
  if (found->evidence == Evidence::unknown) text = fmt::format("perhaps held by {}", who);
  const std::size_t others = wait.holders.size() - 1;
  if (others > 0) text += fmt::format(", and {} more", others);
  return text + painter.paint(Ink::faint, fmt::format("  [evidence: {}]", name_of(found->evidence)));
}

void show_ring(std::span<const WaitDescription> cycle, Painter& painter) {
  const auto entry = [&](std::size_t index) {
    const WaitDescription& wait = cycle[index];
    const bool first = index == 0;
    const bool last = index + 1 == cycle.size();
    const std::size_t room = room_beside(painter, 7);
    painter.line(fmt::format("  {} {}", first ? "┌▶" : "├▶",
                             thread_phrase(wait.thread, Detail::full, painter, room_beside(painter, 5)).text));
    painter.line(fmt::format("  │    {}", wait_phrase(wait, room)));
    const std::string_view who = cycle.size() == 1 ? "itself" : last ? "the first ▲" : "the next ▼";
    const ThreadDescription& next = cycle[last ? 0 : index + 1].thread;
    painter.line(fmt::format("  {}  {}", last ? "└──" : "│  ", held_line(wait, next, who, painter)));
  };
  const bool cut = cycle.size() > kRingWhole;
  for (std::size_t index = 0; index < cycle.size(); ++index) {
    if (cut && index == kRingHead) {
      index = cycle.size() - kRingTail;
      painter.line(fmt::format("  ┊  {} more, each waiting for the next", cycle.size() - kRingHead - kRingTail));
    }
    entry(index);
  }
}

void show_waits(std::string_view title, std::span<const WaitDescription> waits, Painter& painter) {
  if (waits.empty()) return;
  painter.line(fmt::format("{}{} {}:", kMargin, count_of(waits.size(), "thread"), title));
  for (const WaitDescription& wait : waits.first(std::min(waits.size(), kBesides))) {
    const Phrase thread = thread_phrase(wait.thread, Detail::brief, painter, room_beside(painter, 4));
    painter.line(fmt::format("    {}  {}", thread.text, wait_phrase(wait, room_beside(painter, thread.columns + 6))));
  }
  if (waits.size() > kBesides) painter.line(fmt::format("    … {} more", waits.size() - kBesides));
}

// Whom a call went wrong by: what it does now nobody knows.
void show_holders_then(std::span<const HolderDescription> holders, Painter& painter) {
  for (const HolderDescription& holder : holders.first(std::min(holders.size(), kBesides))) {
    if (!holder.thread) continue;
    const std::size_t room = room_beside(painter, kMargin.size() + 15);
    painter.line(
        fmt::format("{}held then by  {}", kMargin, thread_phrase(*holder.thread, Detail::full, painter, room).text));
  }
}

void show_holders(std::span<const HolderDescription> holders, Painter& painter) {
  if (holders.empty()) {
    painter.line(fmt::format("{}held by  not known", kMargin));
    return;
  }
  std::string_view front = "held by  ";
  for (const HolderDescription& holder : holders.first(std::min(holders.size(), kBesides))) {
    const std::string evidence = fmt::format("  [evidence: {}]", name_of(holder.evidence));
    const std::size_t used = kMargin.size() + front.size() + evidence.size();
    painter.line(fmt::format("{}{}{}{}", kMargin, front,
                             holder_phrase(holder, painter, room_beside(painter, used)).text,
                             painter.paint(Ink::faint, evidence)));
    front = "         ";
  }
  if (holders.size() > kBesides) painter.line(fmt::format("{}{}… {} more", kMargin, front, holders.size() - kBesides));
}

// Of one service or, where there is none, of one name: processes that start one after the other are one victim.
using Service = std::pair<bool, std::string>;
Service service_of(const ThreadDescription& process) {
  return process.unit ? Service{true, *process.unit} : Service{false, process.comm};
}

void show_failing(std::span<const FailingDescription> failing, Painter& painter) {
  std::vector<Service> order;
  std::map<Service, std::vector<const FailingDescription*>> groups;
  for (const FailingDescription& one : failing) {
    auto& group = groups[service_of(one.process)];
    if (group.empty()) order.push_back(service_of(one.process));
    group.push_back(&one);
  }
  for (const Service& service : std::span(order).first(std::min(order.size(), kBesides))) {
    const auto& group = groups[service];
    std::uint64_t tries = 0;
    std::optional<std::chrono::system_clock::time_point> first, last;
    for (const FailingDescription* one : group) {
      tries += one->tries;
      if (one->first) first = std::min(first.value_or(*one->first), *one->first);
      if (one->last) last = std::max(last.value_or(*one->last), *one->last);
    }
    const std::string of = service.second.empty() ? "" : " of " + escape_to(service.second, kNameColumns);
    std::string times = first ? " since " + clock_time(*first) : "";
    if (last && last != first) times += ", last " + clock_time(*last);
    if (!times.empty()) times += " UTC";
    painter.wrapped(kMargin, "      ",
                    fmt::format("{}{} failed {}{}:", count_of(group.size(), "process", "processes"), of,
                                tries == 1 ? "once" : fmt::format("{} times", tries), times));
    for (const FailingDescription* one : std::span(group).first(std::min(group.size(), kBesides))) {
      const std::string tail = group.size() == 1 ? "" : fmt::format("  {}", count_of(one->tries, "try", "tries"));
      const Phrase process = process_phrase(one->process, painter, room_beside(painter, 4 + tail.size()));
      painter.line("    " + process.text + tail);
    }
    if (group.size() > kBesides) painter.line(fmt::format("    … {} more", group.size() - kBesides));
  }
  if (order.size() > kBesides) painter.line(fmt::format("{}… and {} more that fail", kMargin, order.size() - kBesides));
}

void show_head(const FindingDescription& finding, Painter& painter) {
  const Badge badge = badge_of(finding.severity);
  const std::string kind = escape(finding.kind);
  std::string rest = finding.cwe > 0 ? fmt::format(" (CWE-{}), ", finding.cwe) : ", ";
  rest += name_of(finding.confidence);
  if (finding.age_ns) rest += ", for " + human_duration(*finding.age_ns);
  if (finding.standing && !*finding.standing) rest += ", over by now";
  const std::string left = painter.paint(badge.ink, badge.word) + ' ' + painter.paint(Ink::strong, kind) + rest;
  const std::size_t columns = width_of(badge.word) + 1 + width_of(kind) + width_of(rest);
  const std::string right = finding.fingerprint.empty() ? "" : fmt::format("[{}]", escape(finding.fingerprint));
  painter.ends(left, columns, right, Ink::faint);
  if (!finding.summary.empty()) painter.wrapped("", "", escape(finding.summary));
}

}  // namespace

void show_finding(const FindingDescription& finding, Painter& painter) {
  show_head(finding, painter);
  painter.line();
  if (!finding.cycle.empty()) {
    show_ring(finding.cycle, painter);
  } else if (finding.lock) {
    painter.line(fmt::format("{}{}", kMargin, lock_phrase(*finding.lock, room_beside(painter, kMargin.size()))));
    // A lock that anybody could take need not be held now.
    if (!finding.events.empty()) {
      show_holders_then(finding.holders, painter);
    } else if (!finding.holders.empty() || !finding.waiters.empty()) {
      show_holders(finding.holders, painter);
    }
  }
  show_orders(finding.orders, painter);
  show_events(finding, painter);
  show_waits(finding.waiters.size() == 1 ? "waits for it" : "wait for it", finding.waiters, painter);
  show_waits(finding.victims.size() == 1 ? "waits behind it" : "wait behind it", finding.victims, painter);
  show_failing(finding.failing, painter);
  show_evidence(finding, painter);
  if (!finding.hint.empty()) painter.wrapped("  what to do: ", "              ", escape(finding.hint));
  painter.line();
}

void show_finding_briefly(const FindingDescription& finding, Painter& painter) { show_head(finding, painter); }

}  // namespace lockscope
