// SPDX-License-Identifier: Apache-2.0
#include "tests/support/snapshot.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>

namespace lockscope::test {
namespace {

using nlohmann::json;

void keep(const std::string& text) {
  const char* folder = std::getenv("LOCKSCOPE_REPORT_DIR");
  if (folder == nullptr || *folder == 0) return;
  static int number = 0;
  std::array<char, 64> name{};
  std::snprintf(name.data(), name.size(), "/kernel-%d-%05d.json", ::getpid(), ++number);
  std::ofstream(folder + std::string(name.data())) << text;
}

bool mentions(const json& value, const Puppet& puppet) {
  if (value.is_object() && value.contains("tid") && puppet.owns(value)) return true;
  if (!value.is_structured()) return false;
  return std::ranges::any_of(value, [&](const json& item) { return mentions(item, puppet); });
}

json list_of(const json& finding, const char* key) { return finding.contains(key) ? finding[key] : json::array(); }

json thread_of(const json& wait) { return {{"pid", wait["thread"]["pid"]}, {"tid", wait["thread"]["tid"]}}; }
json thread_of_truth(const json& entry) { return {{"pid", entry["pid"]}, {"tid", entry["tid"]}}; }

// Empty if the wait is the one that the truth tells of.
std::string wait_difference(const json& truth, const json& wait) {
  if (thread_of(wait) != thread_of_truth(truth)) {
    return "thread " + thread_of(wait).dump() + " instead of " + thread_of_truth(truth).dump();
  }
  for (const auto& [key, value] : truth["lock"].items()) {
    const json found = wait["lock"].contains(key) ? wait["lock"][key] : json("(absent)");
    if (found != value)
      return "lock " + std::string(key) + " of " + thread_of(wait).dump() + " is " + found.dump() + " instead of " +
             value.dump();
  }
  if (wait.value("timed", false) != truth.value("timed", false)) return "timed is wrong of " + thread_of(wait).dump();
  return {};
}

// Who the wait's lock is held by must be the next of the cycle, or any thread of its process.
std::string holder_difference(const json& wait, const json& next) {
  for (const json& holder : list_of(wait, "holders")) {
    if (!holder.contains("thread")) continue;
    const json& thread = holder["thread"];
    const bool same = thread["tid"] == next["tid"] || holder.value("any_thread", false);
    if (same && thread["pid"] == next["pid"]) return {};
  }
  return "the holders of what " + thread_of(wait).dump() + " waits for do not name " + next.dump();
}

std::string rotated_difference(const json& truth, const json& cycle, std::size_t start) {
  for (std::size_t i = 0; i < truth.size(); ++i) {
    const json& wait = cycle[(start + i) % cycle.size()];
    if (const std::string found = wait_difference(truth[i], wait); !found.empty()) return found;
    const json next = thread_of_truth(truth[(i + 1) % truth.size()]);
    if (const std::string found = holder_difference(wait, next); !found.empty()) return found;
  }
  return {};
}

std::string cycle_difference(const json& truth, const json& cycle) {
  if (truth.size() != cycle.size()) {
    return "a cycle of " + std::to_string(cycle.size()) + " instead of " + std::to_string(truth.size());
  }
  for (std::size_t start = 0; start < cycle.size(); ++start) {
    if (thread_of(cycle[start]) == thread_of_truth(truth[0])) return rotated_difference(truth, cycle, start);
  }
  return truth.empty() ? "" : "the cycle is without " + thread_of_truth(truth[0]).dump();
}

std::string set_difference(const char* what, const json& truth, const json& waits) {
  if (truth.size() != waits.size()) {
    return std::to_string(waits.size()) + ' ' + what + " instead of " + std::to_string(truth.size());
  }
  for (const json& entry : truth) {
    const auto found =
        std::ranges::find_if(waits, [&](const json& w) { return thread_of(w) == thread_of_truth(entry); });
    if (found == waits.end()) return std::string(what) + " lack " + entry.dump();
    if (const std::string differs = wait_difference(entry, *found); !differs.empty()) return differs;
  }
  return {};
}

std::string knot_difference(const json& cycle, const json& victims, const json& finding) {
  if (std::string found = cycle_difference(cycle, list_of(finding, "cycle")); !found.empty()) return found;
  return set_difference("victims", victims, list_of(finding, "victims"));
}

// Alternates stand for a thread of the cycle: who is not named in it waits behind it.
std::string any_knot_difference(const json& truth, const json& finding) {
  json victims = truth["victims"];
  victims.insert(victims.end(), truth["alternates"].begin(), truth["alternates"].end());
  const std::string first = knot_difference(truth["cycle"], victims, finding);
  if (first.empty()) return first;
  for (std::size_t a = 0; a < truth["alternates"].size(); ++a) {
    for (std::size_t i = 0; i < truth["cycle"].size(); ++i) {
      json cycle = truth["cycle"];
      json behind = victims;
      std::swap(cycle[i], behind[truth["victims"].size() + a]);
      if (knot_difference(cycle, behind, finding).empty()) return {};
    }
  }
  return first;
}

std::string holders_difference(const json& truth, const json& finding) {
  for (const json& entry : truth["holders"]) {
    const std::string differs = holder_difference({{"thread", entry}, {"holders", list_of(finding, "holders")}}, entry);
    if (!differs.empty()) return differs;
  }
  if (truth["expect"]["kind"] != "abandoned_lock") return {};
  for (const json& holder : list_of(finding, "holders")) {
    if (holder["state"] == "gone") return {};
  }
  return "no holder is gone";
}

}  // namespace

Snapshot take_snapshot(const std::vector<std::string>& options, const CommandOptions& how, const std::string& program) {
  std::vector<std::string> command{program, "snapshot", "--json"};
  command.insert(command.end(), options.begin(), options.end());
  Snapshot snapshot{run_command(command, how), {}};
  snapshot.report = json::parse(snapshot.run.out, nullptr, false);
  if (!snapshot.report.is_discarded()) keep(snapshot.run.out);
  return snapshot;
}

std::vector<json> findings_about(const json& report, const Puppet& puppet) {
  std::vector<json> found;
  for (const json& finding : report.at("findings")) {
    if (mentions(finding, puppet)) found.push_back(finding);
  }
  return found;
}

std::string difference(const json& truth, const json& finding) {
  for (const char* key : {"kind", "confidence"}) {
    if (finding.at(key) != truth["expect"][key]) {
      return std::string(key) + " is " + finding.at(key).dump() + " instead of " + truth["expect"][key].dump();
    }
  }
  for (const std::string& found :
       {any_knot_difference(truth, finding), set_difference("waiters", truth["waiters"], list_of(finding, "waiters")),
        holders_difference(truth, finding)}) {
    if (!found.empty()) return found;
  }
  return {};
}

}  // namespace lockscope::test
