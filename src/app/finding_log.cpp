// SPDX-License-Identifier: Apache-2.0
#include "app/finding_log.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace lockscope {

std::vector<std::string> FindingLog::update(std::vector<FindingDescription> findings,
                                            std::chrono::system_clock::time_point now) {
  std::vector<std::string> fired;
  std::map<std::string, bool> stood;
  for (auto& [fingerprint, entry] : entries_) stood[fingerprint] = std::exchange(entry.finding.standing, false).value();
  for (FindingDescription& finding : findings) {
    std::string fingerprint = finding.fingerprint;
    const auto known = entries_.find(fingerprint);
    const auto first = known == entries_.end() ? now : known->second.finding.first_seen.value_or(now);
    if (known == entries_.end() || !stood[fingerprint]) fired.push_back(fingerprint);
    if (known == entries_.end() && entries_.size() >= capacity_) make_room();
    if (known == entries_.end() && entries_.size() >= capacity_) {
      ++evicted_;  // all of them stand: the new one cannot be kept
      continue;
    }
    finding.first_seen = first;
    finding.standing = true;
    entries_[std::move(fingerprint)] = {std::move(finding), now};
  }
  return fired;
}

void FindingLog::make_room() {
  auto oldest = entries_.end();
  for (auto it = entries_.begin(); it != entries_.end(); ++it) {
    if (it->second.finding.standing.value_or(false)) continue;
    if (oldest == entries_.end() || it->second.last_seen < oldest->second.last_seen) oldest = it;
  }
  if (oldest == entries_.end()) return;
  entries_.erase(oldest);
  ++evicted_;
}

std::vector<FindingDescription> FindingLog::all() const {
  std::vector<FindingDescription> findings;
  for (const auto& [fingerprint, entry] : entries_) findings.push_back(entry.finding);
  std::ranges::stable_sort(findings, [](const FindingDescription& a, const FindingDescription& b) {
    return std::tuple(b.standing, b.severity, a.first_seen) < std::tuple(a.standing, a.severity, b.first_seen);
  });
  return findings;
}

const FindingDescription* FindingLog::find(const std::string& fingerprint) const {
  const auto known = entries_.find(fingerprint);
  return known == entries_.end() ? nullptr : &known->second.finding;
}

}  // namespace lockscope
