// SPDX-License-Identifier: Apache-2.0
// The eviction rule of the tables that strangers can fill: every account is cut down to the same share, so that whoever
// floods a table loses what is his own. Used by src/model/ only. Pure; n log n, paid once in an eighth of the limit.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

namespace lockscope {

// The largest share such that all accounts, cut down to it, fit into `target` together.
[[nodiscard]] inline std::size_t fair_share(std::vector<std::size_t> counts, std::size_t target) {
  std::ranges::sort(counts);
  std::size_t left = target;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const std::size_t share = left / (counts.size() - i);
    if (counts[i] > share) return share;
    left -= counts[i];
  }
  return target;
}

// Where `table` is over its limit, erases records until 7/8 of it are left: of each account beyond its share those of
// the lowest rank. Returns how many went.
template <class Map, class AccountOf, class RankOf>
std::uint64_t cut_down(Map& table, std::size_t limit, AccountOf account_of, RankOf rank_of) {
  if (table.size() <= limit) return 0;
  std::map<std::uint32_t, std::vector<typename Map::iterator>> by_account;
  for (auto it = table.begin(); it != table.end(); ++it) by_account[account_of(*it)].push_back(it);
  std::vector<std::size_t> counts;
  for (const auto& [account, records] : by_account) counts.push_back(records.size());
  const std::size_t share = fair_share(std::move(counts), limit - limit / 8);
  std::uint64_t evicted = 0;
  for (auto& [account, records] : by_account) {
    if (records.size() <= share) continue;
    // Stable over the order of keys: the same bytes evict the same records.
    std::ranges::stable_sort(records, {}, [&](const auto& it) { return rank_of(*it); });
    for (std::size_t i = 0; i < records.size() - share; ++i, ++evicted) table.erase(records[i]);
  }
  return evicted;
}

}  // namespace lockscope
