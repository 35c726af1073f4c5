// SPDX-License-Identifier: Apache-2.0
#include "app/suppression_subjects.h"

#include <optional>

namespace lockscope {
namespace {

void add_site(SuppressionSubjects& subjects, const FrameDescription& site) {
  const bool named = site.function && !site.function->empty();
  if (named) subjects.functions.emplace_back(*site.function);
  if (!site.module || site.module->empty()) return;
  std::string_view path = *site.module;
  // The kernel's note on a file that was replaced while it was mapped.
  constexpr std::string_view kGone = " (deleted)";
  if (path.size() > kGone.size() && path.ends_with(kGone)) path.remove_suffix(kGone.size());
  const std::string_view name = path.substr(path.rfind('/') + 1);
  subjects.modules.push_back(path);
  subjects.modules.push_back(name);
  if (!named && !name.empty()) subjects.nameless_modules.push_back(name);
}

void add_lock(SuppressionSubjects& subjects, const std::optional<LockDescription>& lock) {
  if (lock && lock->class_name && !lock->class_name->empty()) subjects.locks.emplace_back(*lock->class_name);
}

}  // namespace

SuppressionSubjects subjects_of(const FindingDescription& finding) {
  SuppressionSubjects subjects;
  for (const LockOrderDescription& order : finding.orders) {
    add_site(subjects, order.held_site);
    add_site(subjects, order.wanted_site);
    for (const LockDescription* lock : {&order.held, &order.wanted}) {
      if (lock->class_name && !lock->class_name->empty()) subjects.locks.emplace_back(*lock->class_name);
    }
  }
  for (const LockEventDescription& event : finding.events) {
    if (event.site) add_site(subjects, *event.site);
    add_lock(subjects, event.lock);
  }
  add_lock(subjects, finding.lock);
  for (const auto* waits : {&finding.cycle, &finding.victims, &finding.waiters}) {
    for (const WaitDescription& wait : *waits) {
      if (wait.lock.class_name && !wait.lock.class_name->empty()) subjects.locks.emplace_back(*wait.lock.class_name);
    }
  }
  return subjects;
}

}  // namespace lockscope
