// SPDX-License-Identifier: Apache-2.0
#include "exporters/text/trace_view.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include "exporters/text/duration.h"
#include "exporters/text/escape.h"
#include "exporters/text/phrases.h"

namespace lockscope {

namespace {

constexpr std::size_t kRingWhole = 16;  // a longer ring is cut in the middle
constexpr std::size_t kRingHead = 10;
constexpr std::size_t kRingTail = 3;
constexpr std::size_t kEvents = 20;
constexpr std::size_t kErrorColumns = 24;
constexpr std::size_t kVerbColumns = 10;
constexpr std::size_t kTimeColumns = std::string_view("12:00:00 UTC").size();
constexpr std::size_t kBeforeLock = std::string_view("  │    then asked for  ").size() - 2;  // columns, not bytes
constexpr std::size_t kAll = std::numeric_limits<std::size_t>::max();

std::size_t minus(std::size_t columns, std::size_t used) { return columns > used ? columns - used : 0; }

std::string times_of(std::uint64_t count) { return count == 1 ? "once" : fmt::format("{} times", count); }

class Ring {
 public:
  Ring(std::span<const LockOrderDescription> orders, Painter& painter) : orders_(orders), painter_(painter) {
    // Of one class, they are told apart by where they lie.
    by_address_ = std::ranges::any_of(orders, [](const LockOrderDescription& order) {
      return order.held.class_name && order.held.class_name == order.wanted.class_name;
    });
    std::size_t places = 0;
    for (const LockOrderDescription& order : orders) {
      for (const LockDescription* lock : {&order.held, &order.wanted}) {
        locks_ = std::max(locks_, width_of(class_phrase(*lock, by_address_, kAll)));
      }
      for (const FrameDescription* place : {&order.held_site, &order.wanted_site}) {
        places = std::max(places, width_of(place_phrase(*place, kAll)));
      }
    }
    beside_ = kBeforeLock + locks_ + width_of("  in ") + places <= painter.width();
  }

  void show() {
    const bool cut = orders_.size() > kRingWhole;
    for (std::size_t index = 0; index < orders_.size(); ++index) {
      if (cut && index == kRingHead) {
        index = orders_.size() - kRingTail;
        painter_.line(
            fmt::format("  ┊  {} more, each asking for what the next took", orders_.size() - kRingHead - kRingTail));
      }
      show(index);
    }
  }

 private:
  void show(std::size_t index) {
    const LockOrderDescription& order = orders_[index];
    const std::string count = "  " + times_of(order.count);
    const Phrase thread =
        thread_phrase(order.thread, Detail::full, painter_, minus(painter_.width(), 5 + count.size()));
    painter_.line(fmt::format("  {} {}{}", index == 0 ? "┌▶" : "├▶", thread.text, painter_.paint(Ink::faint, count)));
    show("│  ", "│  ", "took", order.held, order.held_site);
    const bool last = index + 1 == orders_.size();
    show(last ? "└──" : "│  ", last ? "   " : "│  ", "then asked for", order.wanted, order.wanted_site);
  }

  void show(std::string_view edge, std::string_view edge_below, std::string_view verb, const LockDescription& lock,
            const FrameDescription& place) {
    const std::size_t room = minus(painter_.width(), kBeforeLock);
    const std::string name = class_phrase(lock, by_address_, room);
    const std::string front = fmt::format("  {}  {:<14}  {}", edge, verb, painter_.paint(Ink::strong, name));
    if (beside_) {
      painter_.line(fmt::format("{}{}  in {}", front, std::string(minus(locks_, width_of(name)), ' '),
                                place_phrase(place, room)));
      return;
    }
    painter_.line(front);
    painter_.line(fmt::format("  {}  {:<14}  in {}", edge_below, "", place_phrase(place, minus(room, 3))));
  }

  std::span<const LockOrderDescription> orders_;
  Painter& painter_;
  bool by_address_ = false;
  bool beside_ = false;    // places stand behind the locks, not below them
  std::size_t locks_ = 0;  // columns of the longest name
};

bool same_lock(const LockDescription& one, const LockDescription& other) {
  return one.kind == other.kind && one.address == other.address && one.class_name == other.class_name;
}

bool same_thread(const ThreadDescription& one, const ThreadDescription& other) {
  return one.pid == other.pid && one.tid == other.tid && one.start_ns == other.start_ns;
}

std::string time_after(std::chrono::system_clock::time_point time, std::chrono::system_clock::time_point first) {
  const auto ns = [](auto duration) {
    return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(duration).count());
  };
  return time < first ? "-" + fine_duration(ns(first - time)) : "+" + fine_duration(ns(time - first));
}

class Events {
 public:
  Events(const FindingDescription& finding, Painter& painter) : finding_(finding), painter_(painter) {
    for (const LockEventDescription& event : shown()) {
      verbs_ = std::max(verbs_, width_of(escape_to(event.verb, kVerbColumns)));
      if (event.time && !first_) first_ = event.time;
    }
  }

  void show() {
    const ThreadDescription* thread = nullptr;
    for (const LockEventDescription& event : shown()) {
      if (thread == nullptr || !same_thread(*thread, event.thread)) {
        thread = &event.thread;
        painter_.line("  " + thread_phrase(*thread, Detail::full, painter_, minus(painter_.width(), 2)).text);
      }
      show(event);
    }
    if (finding_.events.size() > kEvents) painter_.line(fmt::format("    … {} more", finding_.events.size() - kEvents));
  }

 private:
  [[nodiscard]] std::span<const LockEventDescription> shown() const {
    return std::span(finding_.events).first(std::min(finding_.events.size(), kEvents));
  }

  void show(const LockEventDescription& event) {
    std::string front = "    ";
    if (first_) {
      std::string time;
      if (event.time) time = told_first_ ? time_after(*event.time, *first_) : clock_time(*event.time) + " UTC";
      if (event.time) told_first_ = true;
      front += fmt::format("{:>{}}  ", time, kTimeColumns);
    }
    const std::string verb = escape_to(event.verb, kVerbColumns);
    front += verb + std::string(verbs_ - width_of(verb) + 2, ' ');
    const std::size_t room = minus(painter_.width(), width_of(front));
    std::string text;
    const auto add = [&text](const std::string& part) { text += (text.empty() ? "" : " ") + part; };
    if (event.lock && !(finding_.lock && same_lock(*event.lock, *finding_.lock))) {
      add(class_phrase(*event.lock, true, room));
    }
    if (event.site) add("in " + place_phrase(*event.site, minus(room, 3)));
    if (event.error) add("→ " + escape_to(*event.error, kErrorColumns));
    if (text.empty()) front.erase(front.find_last_not_of(' ') + 1);
    painter_.wrapped(front, std::string(width_of(front), ' '), text);
  }

  const FindingDescription& finding_;
  Painter& painter_;
  std::size_t verbs_ = 0;  // columns of the longest
  std::optional<std::chrono::system_clock::time_point> first_;
  bool told_first_ = false;
};

}  // namespace

void show_orders(std::span<const LockOrderDescription> orders, Painter& painter) {
  if (!orders.empty()) Ring(orders, painter).show();
}

void show_events(const FindingDescription& finding, Painter& painter) {
  if (!finding.events.empty()) Events(finding, painter).show();
}

}  // namespace lockscope
