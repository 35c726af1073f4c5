// SPDX-License-Identifier: Apache-2.0
// What detectors and reports ask of the lock table.
#include <algorithm>
#include <limits>

#include "lockscope/lock_table.h"

namespace lockscope {

const LockTable::Lock* LockTable::find(const ContendedLock& lock) const {
  const auto found = locks_.find(lock);
  return found == locks_.end() ? nullptr : &found->second;
}

const LockTable::Use* LockTable::find_use(const ContendedLock& lock, pid_t pid) const {
  auto after = uses_.upper_bound({lock, {pid, std::numeric_limits<std::uint64_t>::max()}});
  if (after == uses_.begin()) return nullptr;
  --after;
  return after->first.first == lock && after->first.second.first == pid ? &after->second : nullptr;
}

std::vector<const LockTable::Use*> LockTable::uses_of(const ContendedLock& lock) const {
  std::vector<const Use*> uses;
  for (auto it = uses_.lower_bound({lock, {std::numeric_limits<pid_t>::min(), 0}});
       it != uses_.end() && it->first.first == lock; ++it) {
    uses.push_back(&it->second);
  }
  return uses;
}

const LockTable::Standing* LockTable::standing(const ThreadId& thread) const {
  const auto found = standing_.find(thread);
  return found == standing_.end() ? nullptr : &found->second;
}

std::uint64_t LockTable::passed_over(const ThreadId& thread, pid_t pid) const {
  const Standing* waiting = standing(thread);
  if (waiting == nullptr) return 0;
  const Lock* lock = find(waiting->lock);
  if (lock == nullptr) return 0;
  const Use* use = find_use(waiting->lock, pid);
  const auto since = [](std::uint64_t now, std::uint64_t before) { return now - std::min(now, before); };
  const std::uint64_t own = since(use == nullptr ? 0 : use->handovers, waiting->own_handovers_before);
  return since(since(lock->handovers, waiting->handovers_before), own);
}

std::vector<LockTable::FailingVictim> LockTable::failing() const {
  std::vector<FailingVictim> result;
  for (const auto& [key, series] : series_) {
    if (series.last_tick + 1 < tick_) continue;
    result.push_back({.lock = &key.first, .victim = &key.second, .series = &series});
  }
  return result;
}

std::vector<std::pair<const ContendedLock*, const LockTable::Lock*>> LockTable::active() const {
  std::vector<std::pair<const ContendedLock*, const Lock*>> result;
  for (const auto& [id, lock] : locks_) {
    if (!lock.ticks.empty() && lock.ticks.back().number == tick_) result.emplace_back(&id, &lock);
  }
  return result;
}

std::vector<LockTable::TopLock> LockTable::top(std::size_t count) const {
  std::vector<const std::pair<const ContendedLock, Lock>*> order;
  order.reserve(locks_.size());
  for (const auto& entry : locks_) order.push_back(&entry);
  const auto weight = [](const auto* entry) {
    const Lock& lock = entry->second;
    return std::tuple{lock.waits.total_ns, lock.waits.count(),
                      lock.operations.granted + lock.operations.failed + lock.operations.released};
  };
  const std::size_t shown = std::min(count, order.size());
  std::ranges::partial_sort(order, order.begin() + static_cast<std::ptrdiff_t>(shown),
                            [&](const auto* a, const auto* b) {
                              const auto left = weight(a), right = weight(b);
                              return left != right ? left > right : a->first < b->first;
                            });
  std::vector<TopLock> result;
  for (std::size_t i = 0; i < shown; ++i) {
    const auto& [id, lock] = *order[i];
    TopLock top{.lock = id,
                .kind = lock.kind,
                .process = lock.process,
                .waits = lock.waits,
                .longest = lock.longest,
                .operations = std::nullopt};
    if (std::holds_alternative<LockOfFile>(id)) top.operations = lock.operations;
    result.push_back(std::move(top));
  }
  return result;
}

}  // namespace lockscope
