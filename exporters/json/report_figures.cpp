// SPDX-License-Identifier: Apache-2.0
// What was counted: contention over a window, the lock profile of a trace.
#include <cstdint>

#include "exporters/json/report_writer.h"

namespace lockscope {

// Buckets that nothing fell into are left out; the last has no upper bound.
void ReportWriter::write(const WaitHistogram& histogram) {
  json_.begin_array();
  for (std::size_t i = 0; i < WaitHistogram::kBuckets; ++i) {
    if (histogram.counts[i] == 0) continue;
    json_.begin_object();
    if (i + 1 < WaitHistogram::kBuckets) json_.key("le_ns").value(std::uint64_t{2000} << i);
    json_.key("count").value(histogram.counts[i]);
    json_.end_object();
  }
  json_.end_array();
}

void ReportWriter::write(const LockContention& lock) {
  json_.begin_object();
  object("lock", lock.lock);
  object("process", lock.process);
  json_.key("waits").value(lock.waits.count());
  json_.key("abandoned").value(lock.waits.abandoned);
  json_.key("wait_ns").value(lock.waits.total_ns);
  json_.key("wait_max_ns").value(lock.waits.longest_ns);
  member("longest_waiter", lock.longest_waiter);
  object("histogram", lock.waits.histogram);
  if (lock.operations) {
    json_.key("operations").begin_object();
    json_.key("granted").value(lock.operations->granted);
    json_.key("failed").value(lock.operations->failed);
    json_.key("released").value(lock.operations->released);
    json_.key("processes").value(lock.operations->processes);
    json_.end_object();
  }
  json_.end_object();
}

void ReportWriter::write(const ContentionDescription& contention) {
  json_.begin_object();
  json_.key("window_ns").value(contention.window.count());
  json_.key("waits").value(contention.waits);
  json_.key("wait_ns").value(contention.wait_ns);
  json_.key("file_lock_operations").value(contention.file_lock_operations);
  array("locks", contention.locks);
  json_.key("locks_hidden").value(contention.locks_hidden);
  json_.key("hooks").begin_object();
  for (const auto& [program, cost] : contention.hooks) {
    json_.key(program).begin_object();
    json_.key("runs").value(cost.runs);
    json_.key("run_ns").value(cost.run_ns);
    json_.end_object();
  }
  json_.end_object();
  json_.end_object();
}

// Of nothing there is no mean, and no longest.
void ReportWriter::write(const LockProfileEntry::Times& times) {
  json_.begin_object();
  json_.key("count").value(times.count);
  json_.key("total_ns").value(times.total_ns);
  if (times.count > 0) {
    json_.key("mean_ns").value(times.mean_ns);
    json_.key("p50_ns").value(times.p50_ns);
    json_.key("p99_ns").value(times.p99_ns);
    json_.key("max_ns").value(times.max_ns);
  }
  json_.end_object();
}

void ReportWriter::write(const LockProfileEntry::Site& site) {
  json_.begin_object();
  frame("site", site.site);
  json_.key("acquired").value(site.acquired);
  json_.key("contended").value(site.contended);
  object("wait", site.wait);
  object("hold", site.hold);
  json_.end_object();
}

void ReportWriter::write(const LockProfileEntry& lock) {
  json_.begin_object();
  member("class", lock.class_name);
  json_.key("kind").value(name_of(lock.kind));
  json_.key("instances").value(lock.instances);
  json_.key("acquired").value(lock.acquired);
  json_.key("contended").value(lock.contended);
  json_.key("failed").value(lock.failed);
  object("wait", lock.wait);
  object("hold", lock.hold);
  array("holders", lock.holders);
  array("waiters", lock.waiters);
  json_.end_object();
}

void ReportWriter::write(const ProfileDescription::Waiter& waiter) {
  json_.begin_object();
  object("thread", waiter.thread);
  json_.key("waits").value(waiter.waits);
  json_.key("waited_ns").value(waiter.waited_ns);
  json_.end_object();
}

void ReportWriter::write(const ProfileDescription& profile) {
  json_.begin_object();
  json_.key("duration_ns").value(profile.duration.count());
  json_.key("acquired").value(profile.acquired);
  json_.key("contended").value(profile.contended);
  array("locks", profile.locks);
  json_.key("locks_hidden").value(profile.locks_hidden);
  array("waiters", profile.waiters);
  json_.end_object();
}

}  // namespace lockscope
