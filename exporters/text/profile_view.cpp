// SPDX-License-Identifier: Apache-2.0
#include "exporters/text/profile_view.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <string>
#include <string_view>

#include "exporters/text/duration.h"
#include "exporters/text/escape.h"
#include "exporters/text/phrases.h"

namespace lockscope {

namespace {

constexpr std::size_t kClasses = 20;
constexpr std::size_t kDetailed = 5;  // classes whose places are shown
constexpr std::size_t kPlaces = 3;
constexpr std::size_t kThreads = 10;
constexpr std::uint64_t kExact = 10'000'000'000;  // counts below are shown to the last one
constexpr std::uint64_t kLongest = 999 * std::uint64_t{86'400'000'000'000};
constexpr std::string_view kBeforeName = "      ";

using Times = LockProfileEntry::Times;
using Sites = std::vector<LockProfileEntry::Site>;

std::size_t minus(std::size_t columns, std::size_t used) { return columns > used ? columns - used : 0; }

// At most ten columns: nine digits and a unit.
std::string exact_count(std::uint64_t count) {
  if (count < kExact) return fmt::format("{}", count);
  std::string_view units = "kMGTPE";
  for (count /= 1'000; count >= kExact / 10; count /= 1'000) units.remove_prefix(1);
  return fmt::format("{}{}", count, units.front());
}

// "(12.3%)", at most seven columns; nothing where there is no whole.
std::string share_of(std::uint64_t part, std::uint64_t whole) {
  if (whole == 0) return "";
  if (part == 0) return "(0%)";
  const double percent = 100.0 * static_cast<double>(part) / static_cast<double>(whole);
  if (percent < 0.1) return "(<0.1%)";
  return percent >= 99.95 ? "(100%)" : fmt::format("({:.1f}%)", percent);
}

// At most seven columns: threads may wait for years, together.
std::string short_duration(std::uint64_t ns) { return ns > kLongest ? ">999d" : fine_duration(ns); }

std::string row_of(const Times& times) {
  const auto cell = [&times](std::uint64_t ns) { return times.count == 0 ? "-" : short_duration(ns); };
  return fmt::format("{:>8}{:>8}{:>8}{:>8}{:>8}", cell(times.total_ns), cell(times.mean_ns), cell(times.p50_ns),
                     cell(times.p99_ns), cell(times.max_ns));
}

void show_class(std::size_t number, const LockProfileEntry& lock, Painter& painter) {
  std::string remarks;
  if (lock.instances > 1) remarks = exact_count(lock.instances) + " locks";
  if (lock.failed > 0) {
    remarks += fmt::format("{}{} failed {}", remarks.empty() ? "" : ", ", exact_count(lock.failed),
                           lock.failed == 1 ? "try" : "tries");
  }
  const std::size_t room = minus(painter.width(), kBeforeName.size());
  const std::string name = class_phrase(lock.kind, lock.class_name, room);
  const bool beside = !remarks.empty() && width_of(name) + remarks.size() + 4 <= room;
  painter.line(fmt::format("  {:>2}  {}{}", number, painter.paint(Ink::strong, name),
                           beside ? painter.paint(Ink::faint, "  (" + remarks + ")") : ""));
  if (!beside && !remarks.empty()) painter.line(fmt::format("{}{}", kBeforeName, painter.paint(Ink::faint, remarks)));
  painter.line(fmt::format("    {:>10}  {:>10} {:<7}  wait{}", exact_count(lock.acquired), exact_count(lock.contended),
                           share_of(lock.contended, lock.acquired), row_of(lock.wait)));
  painter.line(fmt::format("    {:>10}  {:>10} {:<7}  hold{}", "", "", "", row_of(lock.hold)));
}

void show_classes(std::span<const LockProfileEntry> locks, Painter& painter) {
  painter.line(
      painter.paint(Ink::faint, fmt::format("    {:>10}  {:>10} {:<7}      {:>8}{:>8}{:>8}{:>8}{:>8}", "acquired",
                                            "contended", "", "total", "mean", "p50", "p99", "max")));
  for (std::size_t i = 0; i < locks.size(); ++i) show_class(i + 1, locks[i], painter);
}

void show_places(std::string_view title, const Sites& sites, Times LockProfileEntry::Site::*kind, Painter& painter) {
  bool titled = false;
  for (const LockProfileEntry::Site& site : std::span(sites).first(std::min(sites.size(), kPlaces))) {
    const Times& times = site.*kind;
    if (times.count == 0) continue;
    if (!titled) {
      painter.line(painter.paint(
          Ink::faint, fmt::format("      {:<6}{:>8}{:>8}{:>8}{:>12}  in", title, "total", "mean", "max", "times")));
      titled = true;
    }
    const std::string figures =
        fmt::format("      {:<6}{:>8}{:>8}{:>8}{:>12}  ", "", short_duration(times.total_ns),
                    short_duration(times.mean_ns), short_duration(times.max_ns), exact_count(times.count));
    painter.line(figures + place_phrase(site.site, minus(painter.width(), figures.size())));
  }
}

void show_all_places(std::span<const LockProfileEntry> locks, Painter& painter) {
  painter.line();
  painter.line(painter.paint(Ink::strong, "Where these locks are taken") + "  (held, waited for: the longest in all)");
  for (std::size_t i = 0; i < std::min(locks.size(), kDetailed); ++i) {
    const LockProfileEntry& lock = locks[i];
    painter.line(fmt::format("  {:>2}  {}", i + 1,
                             painter.paint(Ink::strong, class_phrase(lock.kind, lock.class_name,
                                                                     minus(painter.width(), kBeforeName.size())))));
    show_places("held", lock.holders, &LockProfileEntry::Site::hold, painter);
    show_places("waited", lock.waiters, &LockProfileEntry::Site::wait, painter);
  }
}

void show_waiters(std::span<const ProfileDescription::Waiter> waiters, Painter& painter) {
  if (waiters.empty()) return;
  painter.line();
  painter.line(painter.paint(Ink::strong, "Threads that waited longest"));
  for (const ProfileDescription::Waiter& waiter : waiters.first(std::min(waiters.size(), kThreads))) {
    const std::string figures = fmt::format("  {:>8}  in {:>10} {:<5}  ", short_duration(waiter.waited_ns),
                                            exact_count(waiter.waits), waiter.waits == 1 ? "wait" : "waits");
    const std::size_t room = minus(painter.width(), figures.size());
    painter.line(figures + thread_phrase(waiter.thread, Detail::full, painter, room).text);
  }
  if (waiters.size() > kThreads) painter.line(fmt::format("  … {} more (--json has all)", waiters.size() - kThreads));
}

}  // namespace

void show_profile(const ProfileDescription& profile, Painter& painter) {
  if (profile.locks.empty()) return;
  const auto duration = static_cast<std::uint64_t>(std::max<std::int64_t>(0, profile.duration.count()));
  painter.line(painter.paint(Ink::strong, "Lock profile over " + human_duration(duration)) +
               fmt::format("  ({}, {} contended)", count_of(profile.acquired, "acquisition"), profile.contended));
  const auto shown = std::span(profile.locks).first(std::min(profile.locks.size(), kClasses));
  show_classes(shown, painter);
  const std::size_t hidden = profile.locks_hidden + profile.locks.size() - shown.size();
  if (hidden > 0) {
    painter.line(fmt::format("  … {}: waited for less, or held for less",
                             count_of(hidden, "more class of locks", "more classes of locks")));
  }
  show_all_places(shown, painter);
  show_waiters(profile.waiters, painter);
  painter.line();
}

}  // namespace lockscope
