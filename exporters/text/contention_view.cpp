// SPDX-License-Identifier: Apache-2.0
#include "exporters/text/contention_view.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>

#include "exporters/text/duration.h"
#include "exporters/text/escape.h"
#include "exporters/text/phrases.h"

namespace lockscope {

namespace {

constexpr std::size_t kShown = 20;
constexpr std::size_t kFigures = 40;      // columns before the bars
constexpr std::size_t kRoomForName = 40;  // columns behind them; where there are fewer, names have a line of their own
constexpr std::size_t kCommColumns = 24;
constexpr std::array<std::string_view, 8> kBars{"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};

// At most five columns: "99999", "100k", "12M".
std::string short_count(std::uint64_t count) {
  if (count < 100'000) return fmt::format("{}", count);
  std::string_view units = "kMGTPE";
  for (count /= 1'000; count >= 10'000; count /= 1'000) units.remove_prefix(1);
  return fmt::format("{}{}", count, units.front());
}

// Where bucket i begins; the first holds what is shorter, too.
std::uint64_t begin_of(std::size_t bucket) { return std::uint64_t{1000} << bucket; }

struct Range {
  std::size_t first = WaitHistogram::kBuckets;
  std::size_t last = 0;
  [[nodiscard]] bool empty() const { return first > last; }
};

Range filled_range(std::span<const LockContention> locks) {
  Range range;
  for (const LockContention& lock : locks) {
    for (std::size_t i = 0; i < WaitHistogram::kBuckets; ++i) {
      if (lock.waits.histogram.counts[i] == 0) continue;
      range.first = std::min(range.first, i);
      range.last = std::max(range.last, i);
    }
  }
  return range;
}

std::string remarks_on(const LockContention& lock) {
  std::string text;
  const auto add = [&text](const std::string& remark) { text += (text.empty() ? "" : ", ") + remark; };
  if (lock.longest_waiter) add("longest: " + escape_to(*lock.longest_waiter, kCommColumns));
  if (lock.waits.abandoned > 0) add(short_count(lock.waits.abandoned) + " given up");
  if (lock.operations && lock.operations->failed > 0) add(short_count(lock.operations->failed) + " tries failed");
  return text;
}

std::string name_of_lock(const LockContention& lock, std::size_t columns) {
  std::string whose;
  if (lock.process) {
    const std::string comm = lock.process->comm.empty() ? "" : escape_to(lock.process->comm, kCommColumns) + " ";
    whose = fmt::format(" of {}pid {}", comm, lock.process->pid);
  }
  const std::size_t used = width_of(whose);
  return lock_phrase(lock.lock, columns > used ? columns - used : 0) + whose;
}

class Table {
 public:
  Table(std::span<const LockContention> locks, Painter& painter)
      : locks_(locks), painter_(painter), range_(filled_range(locks)) {
    bars_ = range_.empty() ? 0 : range_.last - range_.first + 1;
    const std::size_t used = kFigures + bars_ + 4;
    room_ = painter.width() > used ? painter.width() - used : 0;
  }

  void show() {
    painter_.line(painter_.paint(
        Ink::faint, fmt::format("  {:>2}  {:>7}  {:>5}  {:>7}  {:>7}  {}  {}", "", "waited", "waits", "longest", "mean",
                                std::string(bars_ + 2, ' '), beside() ? "lock" : "")));
    for (std::size_t i = 0; i < locks_.size(); ++i) show(i);
    legend();
  }

 private:
  [[nodiscard]] bool beside() const { return room_ >= kRoomForName; }

  void show(std::size_t index) {
    const LockContention& lock = locks_[index];
    const WaitCounts& waits = lock.waits;
    const std::uint64_t mean = waits.count() == 0 ? 0 : waits.total_ns / waits.count();
    std::string line =
        fmt::format("  {:>2}  {:>7}  {:>5}  {:>7}  {:>7}  │{}│", index + 1, fine_duration(waits.total_ns),
                    short_count(waits.count()), fine_duration(waits.longest_ns), fine_duration(mean),
                    range_.empty() ? "" : draw_histogram(waits.histogram, range_.first, range_.last));
    const std::size_t figures = width_of(line);
    std::size_t room = painter_.width() > figures + 2 ? painter_.width() - figures - 2 : 0;
    std::string name = name_of_lock(lock, room);
    if (beside() && width_of(name) <= room) {
      line += "  ";
    } else {
      painter_.line(line);
      line = "      ";
      room = painter_.width() - line.size();
      name = name_of_lock(lock, room);
    }
    line += painter_.paint(Ink::strong, name);
    std::string remarks = remarks_on(lock);
    if (!remarks.empty() && width_of(name) + width_of(remarks) + 4 <= room) {
      line += painter_.paint(Ink::faint, "  (" + remarks + ")");
      remarks.clear();
    }
    painter_.line(line);
    if (!remarks.empty()) painter_.wrapped("      ", "      ", remarks);
  }

  void legend() {
    if (range_.empty()) return;
    const std::string from = range_.first == 0 ? "nothing" : fine_duration(begin_of(range_.first));
    const std::string to = range_.last + 1 == WaitHistogram::kBuckets
                               ? fine_duration(begin_of(range_.last)) + " and more"
                               : fine_duration(begin_of(range_.last + 1));
    painter_.wrapped(
        "      ", "      ",
        fmt::format("bars: how many waits lasted how long, from {} to {}; each is twice the one before", from, to));
  }

  std::span<const LockContention> locks_;
  Painter& painter_;
  Range range_;
  std::size_t bars_ = 0;
  std::size_t room_ = 0;  // behind figures and bars
};

void show_cost(const ContentionDescription& contention, Painter& painter) {
  std::uint64_t runs = 0, run_ns = 0;
  for (const auto& [program, cost] : contention.hooks) {
    runs += cost.runs;
    run_ns += cost.run_ns;
  }
  if (run_ns == 0) return;  // the kernel keeps no account
  std::string share;
  if (contention.window.count() > 0) {
    share = fmt::format(", {:.2f}% of one CPU",
                        100.0 * static_cast<double>(run_ns) / static_cast<double>(contention.window.count()));
  }
  painter.wrapped("  ", "    ",
                  fmt::format("counting took {} in {} runs of BPF programs{}", fine_duration(run_ns), runs, share));
}

}  // namespace

std::string draw_histogram(const WaitHistogram& histogram, std::size_t first, std::size_t last) {
  const auto buckets = std::span(histogram.counts).subspan(first, last - first + 1);
  const auto most = static_cast<double>(std::ranges::max(buckets));
  std::string drawn;
  for (const std::uint64_t count : buckets) {
    if (count == 0) {
      drawn += ' ';
      continue;
    }
    const double height = static_cast<double>(count) / most * static_cast<double>(kBars.size() - 1);
    drawn += kBars[std::min(static_cast<std::size_t>(height), kBars.size() - 1)];
  }
  return drawn;
}

void show_contention(const ContentionDescription& contention, Painter& painter) {
  const auto window = static_cast<std::uint64_t>(std::max<std::int64_t>(0, contention.window.count()));
  if (contention.locks.empty()) {
    painter.line(fmt::format("No contended lock in {}", human_duration(window)));
  } else {
    painter.line(painter.paint(Ink::strong, "Contended locks over " + human_duration(window)) +
                 fmt::format("  ({}, {} in all, idle ones included)", count_of(contention.waits, "wait"),
                             fine_duration(contention.wait_ns)));
    const auto shown = std::span(contention.locks).first(std::min(contention.locks.size(), kShown));
    Table(shown, painter).show();
  }
  const std::size_t hidden =
      contention.locks_hidden + contention.locks.size() - std::min(contention.locks.size(), kShown);
  if (hidden > 0) {
    painter.line(fmt::format("  … {}: waited for less, or idle (--all lists them)", count_of(hidden, "more lock")));
  }
  if (contention.file_lock_operations > 0) {
    painter.line(fmt::format("  {}", count_of(contention.file_lock_operations, "file-lock operation")));
  }
  show_cost(contention, painter);
  painter.line();
}

}  // namespace lockscope
