// SPDX-License-Identifier: Apache-2.0
#include "exporters/text/evidence_view.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "exporters/text/duration.h"
#include "exporters/text/escape.h"

namespace lockscope {

namespace {

// How one fact is put. A truth value is its `before` or its `after`, as it is true or false; nothing where that is
// empty.
struct Part {
  std::string_view key;
  std::string_view before;
  std::string_view after = "";
  enum class Unit { plain, duration, time } unit = Unit::plain;
};

struct Row {
  std::string_view label;
  std::vector<Part> parts;
};

const std::vector<Row>& rows_of(const FindingDescription& finding) {
  using enum Part::Unit;
  static const std::vector<Row> hijack = {
      {"holder",
       {{"holder_user", "user "},
        {"holder_uid", "uid "},
        {"holder_unit", ""},
        {"holder_container", "container "},
        {"holder_user_namespace", "user namespace "},
        {"holder_exe", ""},
        {"holder_state", ""},
        {"holder_readonly_descriptor", "by a read-only descriptor", "by a descriptor open for writing"},
        {"holder_known_by", "known by "}}},
      {"against",
       {{"victim_user", "user "},
        {"victim_uid", "uid "},
        {"victim_unit", ""},
        {"victim_container", "container "},
        {"victim_user_namespace", "user namespace "},
        {"victim_exe", ""}}},
      {"lock",
       {{"lock_path", ""},
        {"lock_mode", "mode "},
        {"lock_owner", "of "},
        {"lock_created_ns", "made ", " UTC", time},
        {"lock_unlinked", "without a name by now"}}},
      {"reach", {{"way", ""}, {"world_writable_directories", "anybody may write in "}}},
      {"so far",
       {{"victims", "", " kept from it"},
        {"tries", "", " tries failed"},
        {"retaken", "taken again ", " times"},
        {"exposure_ns", "", " in the past hour", duration}}},
      {"trust", {{"trust", ""}, {"distance", "distance "}}},
  };
  static const std::vector<Row> exposed = {
      {"who could",
       {{"who", ""},
        {"right", "could ", " it"},
        {"through", "through "},
        {"descriptor_readonly", "a read-only descriptor is enough", "by a descriptor open for writing"}}},
      {"lock",
       {{"path", ""},
        {"mode", "mode "},
        {"owner", "of "},
        {"group", "group "},
        {"access_list", "access list"},
        {"created_ns", "made ", " UTC", time},
        {"predictable_name", "a name that can be foreseen"}}},
      {"folders", {{"directories", ""}}},
      {"used by",
       {{"used_by", ""},
        {"relied_on_by", "user "},
        {"unit", ""},
        {"use", ""},
        {"may_hold_locks", "may hold locks"},
        {"tries", "", " tries failed"}}},
      {"also", {{"also", ""}}},
      {"fix", {{"fix", ""}}},
  };
  // Locks, threads and calls are drawn.
  static const std::vector<Row> orders = {
      {"seen",
       {{"counts", "the orders ", " times in all"},
        {"threads_by_order", "by ", " threads"},
        {"same_locks", "the same locks each time", "in different objects of the same types"},
        {"search_complete", "", "there may be more: the search was cut short"},
        {"lost_events", "some events were lost"},
        {"locks", ""},
        {"classes", ""},
        {"threads", ""}}},
  };
  static const std::vector<Row> events = {
      {"seen",
       {{"count", "", " times"},
        {"held_ns", "held for ", "", duration},
        {"unlocked_before_ns", "let go of ", " before", duration},
        {"threshold_ns", "threshold ", "", duration},
        {"waiters", "others waited for it"},
        {"lost_events", "some events were lost"},
        {"class", ""},
        {"error", ""}}},
  };
  static const std::vector<Row> none;
  if (finding.kind == "lock_hijack") return hijack;
  if (finding.kind == "exposed_lock") return exposed;
  if (!finding.orders.empty()) return orders;
  if (!finding.events.empty()) return events;
  return none;
}

std::string value_of(const Fact& fact, Part::Unit unit) {
  if (const auto* text = std::get_if<std::string>(&fact)) return escape(*text);
  if (const auto* truth = std::get_if<bool>(&fact)) return *truth ? "yes" : "no";
  const std::int64_t number = std::get<std::int64_t>(fact);
  const std::chrono::nanoseconds ns{number};
  switch (unit) {
    case Part::Unit::plain: break;
    case Part::Unit::duration: return fine_duration(static_cast<std::uint64_t>(std::max<std::int64_t>(0, number)));
    case Part::Unit::time:
      return date_and_time(
          std::chrono::system_clock::time_point{std::chrono::duration_cast<std::chrono::system_clock::duration>(ns)});
  }
  return fmt::format("{}", number);
}

std::string words_for(const Part& part, const Fact& fact) {
  if (const auto* truth = std::get_if<bool>(&fact)) return std::string(*truth ? part.before : part.after);
  return fmt::format("{}{}{}", part.before, value_of(fact, part.unit), part.after);
}

using Facts = std::vector<std::pair<std::string, Fact>>;

const Fact* find(const Facts& facts, std::string_view key) {
  const auto found = std::ranges::find(facts, key, &std::pair<std::string, Fact>::first);
  return found == facts.end() ? nullptr : &found->second;
}

// The uid beside the name, the fix beside the same hint, and what is drawn above.
bool says_nothing_new(const Part& part, const FindingDescription& finding, const Fact& fact) {
  const auto* text = std::get_if<std::string>(&fact);
  if (part.key == "fix") return text != nullptr && *text == finding.hint;
  if (part.key == "locks" || part.key == "classes" || part.key == "threads") return !finding.orders.empty();
  if (part.key == "class" || part.key == "error") return !finding.events.empty();
  if (part.key == "holder_uid") return find(finding.evidence, "holder_user") != nullptr;
  if (part.key == "victim_uid") return find(finding.evidence, "victim_user") != nullptr;
  return false;
}

}  // namespace

void show_evidence(const FindingDescription& finding, Painter& painter) {
  const std::vector<Row>& rows = rows_of(finding);
  std::set<std::string_view> told;
  std::size_t labels = 0;
  for (const Row& row : rows) labels = std::max(labels, row.label.size());
  for (const Row& row : rows) {
    std::string text;
    for (const Part& part : row.parts) {
      const Fact* fact = find(finding.evidence, part.key);
      if (fact == nullptr) continue;
      told.insert(part.key);
      const std::string words = says_nothing_new(part, finding, *fact) ? "" : words_for(part, *fact);
      if (!words.empty()) text += (text.empty() ? "" : ", ") + words;
    }
    if (text.empty()) continue;
    const std::string label = fmt::format("  {:<{}}  ", row.label, labels);
    painter.wrapped(label, std::string(label.size(), ' '), text);
  }
  std::string rest;
  for (const auto& [name, fact] : finding.evidence) {
    if (told.contains(name)) continue;
    rest += fmt::format("{}{} {}", rest.empty() ? "" : ", ", escape(name), value_of(fact, Part::Unit::plain));
  }
  if (!rest.empty()) painter.wrapped("  evidence: ", "            ", rest);
}

}  // namespace lockscope
