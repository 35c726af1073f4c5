// SPDX-License-Identifier: Apache-2.0
// Reports of the full level, for the tests of the exporters: a bank with two locks, misuse of them, and what they cost.
// Pure.
#pragma once

#include <algorithm>
#include <string>
#include <utility>

#include "exporters_reports.h"

namespace lockscope::sample_reports {

inline constexpr std::uint64_t kMicrosecond = 1'000;
inline constexpr std::uint64_t kMillisecond = 1'000'000;

inline FrameDescription place(std::string function, std::uint64_t offset, std::string module = "/usr/bin/bank") {
  FrameDescription frame;
  frame.address = 0x55d0'0000'1000 + offset;
  frame.function = std::move(function);
  frame.module = std::move(module);
  frame.offset = offset;
  return frame;
}

inline LockDescription lock_of_class(std::string class_name, std::uint64_t address) {
  LockDescription lock = mutex(address);
  lock.class_name = std::move(class_name);
  return lock;
}

inline LockDescription accounts() { return lock_of_class("bank:g_accounts", 0x55d0'0000'4040); }
inline LockDescription journal() { return lock_of_class("bank:g_log", 0x55d0'0000'4080); }

inline LockOrderDescription order(const ThreadDescription& thread, const LockDescription& held,
                                  const LockDescription& wanted, FrameDescription held_site,
                                  FrameDescription wanted_site, std::uint64_t count) {
  return {.thread = thread,
          .held = held,
          .wanted = wanted,
          .held_site = std::move(held_site),
          .wanted_site = std::move(wanted_site),
          .count = count};
}

inline FindingDescription inversion() {
  FindingDescription finding;
  finding.kind = "lock_order_inversion";
  finding.cwe = 833;
  finding.severity = Severity::warning;
  finding.confidence = Confidence::confirmed;
  finding.fingerprint = "00aa11bb22cc33dd";
  finding.summary = "g_accounts and g_log are taken in both orders";
  finding.hint = "take g_accounts and g_log in one order everywhere";
  finding.orders = {
      order(thread("worker", 1234, 1236), accounts(), journal(), place("transfer", 0x1c), place("transfer", 0x3a), 17),
      order(thread("auditor", 1234, 1237), journal(), accounts(), place("audit", 0x11), place("sum_of_accounts", 0x2b),
            1)};
  finding.evidence = {{"locks", std::int64_t{2}},
                      {"classes", std::string("bank:g_accounts, bank:g_log")},
                      {"same_locks", true},
                      {"threads", std::string("worker (1234/1236), auditor (1234/1237)")},
                      {"counts", std::string("17, 1")},
                      {"threads_by_order", std::string("1, 1")}};
  return finding;
}

inline std::chrono::system_clock::time_point after_noon(std::uint64_t ns) {
  const auto noon = std::chrono::sys_days{std::chrono::year{2026} / 3 / 1} + std::chrono::hours{12};
  return noon + std::chrono::nanoseconds{ns};
}

inline LockEventDescription event(std::string verb, const ThreadDescription& thread, FrameDescription site,
                                  std::uint64_t ns) {
  LockEventDescription event;
  event.verb = std::move(verb);
  event.thread = thread;
  event.lock = journal();
  event.site = std::move(site);
  event.time = after_noon(ns);
  return event;
}

inline FindingDescription misuse(std::string kind, int cwe, std::vector<LockEventDescription> events) {
  FindingDescription finding;
  finding.kind = std::move(kind);
  finding.cwe = cwe;
  finding.fingerprint = "1111222233334444";
  finding.first_seen = events.front().time;
  finding.summary = "g_log is used in a way that it is not made for";
  finding.hint = "mend it";
  finding.lock = journal();
  finding.events = std::move(events);
  finding.evidence = {{"count", std::int64_t{3}}, {"class", std::string("bank:g_log")}};
  return finding;
}

// The try failed, and the thread went on as if it had the lock.
inline FindingDescription ignored_failure() {
  const ThreadDescription worker = thread("worker", 1234, 1236);
  FindingDescription finding =
      misuse("ignored_lock_failure", 414,
             {event("failed", worker, place("append", 0x14), kSecond),
              event("released", worker, place("append", 0x2e), kSecond + 1500 * kMicrosecond)});
  finding.events[0].error = "EBUSY";
  finding.evidence.emplace_back("error", std::string("EBUSY"));
  return finding;
}

inline LockProfileEntry::Times times(std::uint64_t count, std::uint64_t total_ns, std::uint64_t max_ns) {
  if (count == 0) return {};
  return {.count = count,
          .total_ns = total_ns,
          .mean_ns = total_ns / count,
          .p50_ns = std::min(total_ns / count, max_ns),
          .p99_ns = max_ns,
          .max_ns = max_ns};
}

inline LockProfileEntry::Site used_at(FrameDescription site, std::uint64_t acquired, std::uint64_t contended,
                                      LockProfileEntry::Times wait, LockProfileEntry::Times hold) {
  return {.site = std::move(site), .acquired = acquired, .contended = contended, .wait = wait, .hold = hold};
}

inline ProfileDescription profile() {
  ProfileDescription seen;
  seen.duration = std::chrono::seconds{12};
  LockProfileEntry hot;
  hot.class_name = "bank:g_accounts";
  hot.instances = 1;
  hot.acquired = 10'000'000;
  hot.contended = 1'234;
  hot.failed = 7;
  hot.wait = times(1'234, 1'600 * kMillisecond, 12 * kMillisecond);
  hot.hold = times(10'000'000, 3'200 * kMillisecond, 40 * kMillisecond);
  const auto transfer = used_at(place("transfer", 0x1c), 9'000'000, 1'000, times(1'000, kSecond, 12 * kMillisecond),
                                times(9'000'000, 2 * kSecond, 30 * kMillisecond));
  const auto audit = used_at(place("audit", 0x11), 1'000'000, 234, times(234, 600 * kMillisecond, 5 * kMillisecond),
                             times(1'000'000, 1'200 * kMillisecond, 40 * kMillisecond));
  hot.holders = {transfer, audit};
  hot.waiters = {transfer, audit};
  LockProfileEntry cool;
  cool.class_name = "libpool.so.2:pool_create+0x44";
  cool.kind = LockKind::rwlock;
  cool.instances = 64;
  cool.acquired = 640;
  cool.hold = times(640, 700 * kMicrosecond, 90 * kMicrosecond);
  cool.holders = {used_at(place("pool_get", 0x30, "/usr/lib/libpool.so.2"), 640, 0, {}, cool.hold)};
  seen.locks = {hot, cool};
  seen.locks_hidden = 3;
  seen.acquired = 10'000'700;
  seen.contended = 1'234;
  seen.waiters = {{.thread = thread("worker", 1234, 1236), .waits = 1'000, .waited_ns = kSecond},
                  {.thread = thread("auditor", 1234, 1237), .waits = 234, .waited_ns = 600 * kMillisecond}};
  return seen;
}

// A program that was run to its end, with nothing wrong in it.
inline Report traced_run() {
  Report report = quiet_host();
  report.level = "full";
  report.coverage = {};
  report.duration = std::chrono::seconds{12};
  report.profile = profile();
  report.command = CommandDescription{.arguments = {"./bank", "--threads", "8"}, .exit_status = 0, .signal = {}};
  return report;
}

}  // namespace lockscope::sample_reports
