// SPDX-License-Identifier: Apache-2.0
#include "exporters/text/chain_view.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "exporters/text/escape.h"
#include "exporters/text/phrases.h"

namespace lockscope {

namespace {

constexpr std::size_t kTrees = 20;
constexpr std::size_t kLines = 120;    // of all trees together
constexpr std::size_t kDepth = 8;      // hops below a root
constexpr std::size_t kFan = 6;        // waiters shown below one thread
constexpr std::size_t kListed = 1000;  // lines of waits without a known holder

std::size_t room_beside(const Painter& painter, std::size_t used) {
  return painter.width() > used ? painter.width() - used : 0;
}

class Trees {
 public:
  Trees(const WaitForest& forest, Painter& painter) : forest_(forest), painter_(painter) {}

  void show() {
    const auto roots = forest_.roots();
    std::size_t shown = 0;
    while (shown < roots.size() && shown < kTrees && lines_ < kLines) show_root(roots[shown++]);
    if (shown == roots.size()) return;
    std::size_t waiting = 0;
    for (const std::size_t root : roots.subspan(shown)) waiting += forest_.node(root).behind;
    line(fmt::format("  … {} with {} waiting (--json has all)", count_of(roots.size() - shown, "more chain"),
                     count_of(waiting, "thread")));
  }

 private:
  void line(std::string_view text) {
    painter_.line(text);
    ++lines_;
  }

  void show_root(std::size_t index) {
    const WaitForest::Node& node = forest_.node(index);
    const std::string remark = node.in_finding ? "  (see the finding above)"
                               : node.ring     ? "  (they wait in a ring that is not proved to be a deadlock)"
                                               : "";
    if (node.ring) {
      const Phrase thread =
          thread_phrase(*node.thread, Detail::full, painter_, room_beside(painter_, 2 + remark.size()));
      line("  " + thread.text + painter_.paint(Ink::faint, remark));
      line("    " + wait_phrase(*node.wait, room_beside(painter_, 4)));
    } else {
      const Phrase holder = holder_phrase(*node.holder, painter_, room_beside(painter_, 2 + remark.size()));
      line("  " + holder.text + painter_.paint(Ink::faint, remark));
    }
    show_waiters(index, "  ", 1);
  }

  // Depth is bounded by kDepth, so is the recursion.
  void show_waiters(std::size_t index, const std::string& indent, std::size_t depth) {
    const WaitForest::Node& node = forest_.node(index);
    std::size_t shown = 0;
    std::size_t left = node.behind;
    for (const std::size_t waiter : node.waiters) {
      if (shown == kFan || depth > kDepth || lines_ >= kLines) break;
      const std::size_t below = forest_.node(waiter).behind + 1;
      left -= below;
      ++shown;
      const bool last = left == 0;
      show_waiter(waiter, node, indent + (last ? "└─ " : "├─ "));
      show_waiters(waiter, indent + (last ? "   " : "│  "), depth + 1);
    }
    if (left > 0) {
      line(fmt::format("{}└─ … {} {}", indent, count_of(left, shown > 0 ? "more thread" : "thread"),
                       left == 1 ? "waits behind it" : "wait behind it"));
    }
  }

  void show_waiter(std::size_t index, const WaitForest::Node& holder, const std::string& front) {
    const WaitForest::Node& node = forest_.node(index);
    const bool same_process = holder.thread != nullptr && holder.thread->pid == node.thread->pid;
    const Phrase thread =
        thread_phrase(*node.thread, same_process ? Detail::brief : Detail::full, painter_, room_beside(painter_, 48));
    std::string tail = fmt::format("  [{}]", name_of(node.holder->evidence));
    if (node.wait->holders.size() > 1) tail = fmt::format(", as {} hold it{}", node.wait->holders.size(), tail);
    const std::size_t used = width_of(front) + thread.columns + 2 + tail.size();
    line(front + thread.text + "  " + wait_phrase(*node.wait, room_beside(painter_, used)) +
         painter_.paint(Ink::faint, tail));
  }

  const WaitForest& forest_;
  Painter& painter_;
  std::size_t lines_ = 0;
};

}  // namespace

bool show_chains(const WaitForest& forest, Painter& painter) {
  if (forest.roots().empty()) return false;
  painter.line(painter.paint(Ink::strong, "Wait chains") + "  (who is waited for, and below it those who wait)");
  Trees(forest, painter).show();
  return true;
}

void list_unknown(const WaitForest& forest, Painter& painter) {
  if (forest.unknown().empty()) return;
  painter.line(painter.paint(Ink::strong, "Waits whose holder is not known"));
  using Place = std::tuple<pid_t, LockKind, std::uint64_t, std::uint64_t>;
  std::map<Place, std::vector<const WaitDescription*>> groups;
  for (const WaitDescription* wait : forest.unknown()) {
    const std::uint64_t inode = wait->lock.file ? wait->lock.file->ino : 0;
    groups[{wait->thread.pid, wait->lock.kind, wait->lock.address.value_or(0), inode}].push_back(wait);
  }
  std::size_t lines = 0;
  for (const auto& [place, waits] : groups) {
    if (lines++ == kListed) {
      painter.line(fmt::format("  … {} (--json has all)", count_of(groups.size() - kListed, "more lock")));
      break;
    }
    const WaitDescription& oldest =
        **std::ranges::max_element(waits, {}, [](const WaitDescription* wait) { return wait->age_ns.value_or(0); });
    const Phrase thread = thread_phrase(oldest.thread, Detail::brief, painter, 0);
    const std::string others = waits.size() > 1 ? fmt::format(", and {} of its process", waits.size() - 1) : "";
    painter.line(fmt::format("  {}  {}{}", thread.text,
                             wait_phrase(oldest, room_beside(painter, thread.columns + 4 + others.size())), others));
  }
}

}  // namespace lockscope
