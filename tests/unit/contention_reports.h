// SPDX-License-Identifier: Apache-2.0
// Reports of a watched window, for the tests of the exporters. Pure.
#pragma once

#include <initializer_list>
#include <utility>

#include "exporters_reports.h"

namespace lockscope::sample_reports {

// (bucket, waits)
inline WaitCounts waits(std::initializer_list<std::pair<std::size_t, std::uint64_t>> buckets) {
  WaitCounts counts;
  for (const auto& [bucket, count] : buckets) {
    counts.histogram.counts[bucket] = count;
    counts.acquired += count;
    counts.total_ns += count * (std::uint64_t{1500} << bucket);
    counts.longest_ns = std::uint64_t{1500} << bucket;
  }
  return counts;
}

inline ContentionDescription contention() {
  ContentionDescription seen;
  seen.window = std::chrono::seconds{10};
  LockContention file;
  file.lock = flock("/var/lock/orders.lock");
  file.waits = waits({{10, 4}, {11, 8}, {20, 1}});
  file.waits.acquired -= 2;
  file.waits.abandoned = 2;
  file.longest_waiter = "worker-a";
  file.operations = {.granted = 900, .failed = 57, .released = 899, .processes = 4};
  LockContention word;
  word.lock = mutex(0x7f00aa00b040);
  word.process = thread("redis-server", 812, 812);
  word.waits = waits({{0, 1000}, {1, 500}, {3, 3}});
  word.longest_waiter = "io_thd_1";
  seen.locks = {file, word};
  seen.locks_hidden = 3;
  seen.waits = 1600;
  seen.wait_ns = 5 * kSecond;
  seen.file_lock_operations = 12'345;
  seen.hooks = {{"on_switch", {.runs = 5000, .run_ns = 2'500'000}}, {"on_waking", {.runs = 300, .run_ns = 100'000}}};
  return seen;
}

inline FailingDescription failing(std::string comm, pid_t pid, std::uint64_t tries, int first, int last) {
  FailingDescription one;
  one.process = thread(std::move(comm), pid, pid);
  one.process.unit = "backup.service";
  one.process.user = "root";
  one.tries = tries;
  const auto noon = std::chrono::sys_days{std::chrono::year{2026} / 3 / 1} + std::chrono::hours{12};
  one.first = noon + std::chrono::seconds{first};
  one.last = noon + std::chrono::seconds{last};
  return one;
}

inline FindingDescription hijack() {
  ThreadDescription holder = thread("flock", 4001, 4001);
  holder.user = "mallory";
  FindingDescription finding;
  finding.kind = "lock_hijack";
  finding.cwe = 412;
  finding.severity = Severity::critical;
  finding.fingerprint = "0123456789abcdef";
  finding.age_ns = 12 * kSecond;
  finding.standing = true;
  finding.summary = "flock of user mallory keeps backup.service of root from /var/lib/backup/state";
  finding.hint = "end it (kill 4001); chmod 0600 /var/lib/backup/state";
  finding.lock = flock("/var/lib/backup/state");
  finding.holders = {held_by(holder, Evidence::kernel)};
  finding.holders[0].state = HolderDescription::State::sleeping;
  finding.failing = {failing("backup", 5001, 20, 63, 70), failing("backup", 5002, 30, 71, 80),
                     failing("backup", 5003, 7, 81, 90)};
  finding.evidence = {{"victim_user", std::string("root")},
                      {"victim_uid", std::int64_t{0}},
                      {"victim_unit", std::string("backup.service")},
                      {"victim_exe", std::string("/usr/sbin/backup")},
                      {"holder_user", std::string("mallory")},
                      {"holder_uid", std::int64_t{1001}},
                      {"holder_unit", std::string("user@1001.service")},
                      {"holder_exe", std::string("/usr/bin/flock")},
                      {"holder_state", std::string("sleeping")},
                      {"holder_readonly_descriptor", true},
                      {"holder_known_by", std::string("kernel")},
                      {"lock_path", std::string("/var/lib/backup/state")},
                      {"lock_mode", std::string("0644")},
                      {"lock_owner", std::string("root")},
                      {"lock_created_ns", std::int64_t{1'772'352'000'000'000'000}},
                      {"way", std::string("others may read it, and flock needs no more than that")},
                      {"victims", std::int64_t{1}},
                      {"tries", std::int64_t{57}},
                      {"retaken", std::int64_t{3}},
                      {"exposure_ns", std::int64_t{95'000'000'000}},
                      {"trust", std::string("less")},
                      {"distance", std::int64_t{3}},
                      {"something_new", std::string("later")}};
  return finding;
}

// A lock that could be taken: nobody holds it, nobody waits.
inline FindingDescription exposed() {
  FindingDescription finding;
  finding.kind = "exposed_lock";
  finding.cwe = 412;
  finding.severity = Severity::warning;
  finding.fingerprint = "fedcba9876543210";
  finding.summary = "any user can take the flock on /run/x.lock, on which x of root relies";
  finding.hint = "chmod 0600 /run/x.lock";
  finding.lock = flock("/run/x.lock");
  finding.evidence = {{"path", std::string("/run/x.lock")},
                      {"who", std::string("any user")},
                      {"right", std::string("take")},
                      {"descriptor_readonly", true},
                      {"through", std::string("/run/x.lock")},
                      {"mode", std::string("0644")},
                      {"owner", std::string("root")},
                      {"used_by", std::string("x (pid 7)")},
                      {"fix", std::string("chmod 0600 /run/x.lock")}};
  return finding;
}

inline Report watched_host() {
  Report report = quiet_host();
  report.level = "contention";
  report.contention = contention();
  report.findings = {hijack(), exposed()};
  return report;
}

}  // namespace lockscope::sample_reports
