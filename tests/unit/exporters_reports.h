// SPDX-License-Identifier: Apache-2.0
// Reports for the tests of the exporters, small enough to be known by heart. Pure.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "lockscope/report.h"

namespace lockscope::sample_reports {

inline constexpr std::uint64_t kSecond = 1'000'000'000;

inline ThreadDescription thread(std::string comm, pid_t pid, pid_t tid) {
  ThreadDescription thread;
  thread.comm = std::move(comm);
  thread.pid = pid;
  thread.tid = tid;
  thread.start_ns = 100 * kSecond + static_cast<std::uint64_t>(tid);
  return thread;
}

inline HolderDescription held_by(const ThreadDescription& thread, Evidence evidence = Evidence::memory) {
  HolderDescription holder;
  holder.thread = thread;
  holder.evidence = evidence;
  holder.state = HolderDescription::State::blocked;
  return holder;
}

inline LockDescription mutex(std::uint64_t address) {
  LockDescription lock;
  lock.kind = LockKind::mutex;
  lock.address = address;
  return lock;
}

inline LockDescription flock(std::string path) {
  LockDescription lock;
  lock.kind = LockKind::flock;
  lock.scope = LockDescription::Scope::file;
  lock.path = std::move(path);
  lock.file = FileId{(std::uint64_t{8} << 20) | 1, 77};
  return lock;
}

inline WaitDescription wait(const ThreadDescription& thread, LockDescription lock,
                            std::vector<HolderDescription> holders, std::uint64_t age_ns = 2 * kSecond) {
  WaitDescription wait;
  wait.thread = thread;
  wait.lock = std::move(lock);
  wait.holders = std::move(holders);
  wait.age_ns = age_ns;
  return wait;
}

inline Report quiet_host() {
  Report report;
  report.host = {"web1", "6.1.0-18-amd64", "b3b1c2a0-1111-2222-3333-444455556666"};
  report.taken = std::chrono::sys_days{std::chrono::year{2026} / 3 / 1} + std::chrono::hours{9};
  report.duration = std::chrono::milliseconds{12};
  report.realtime_offset_ns = 1'772'000'000 * kSecond;
  report.source = "bpf";
  report.coverage.threads_seen = 214;
  report.coverage.threads_waiting = 57;
  return report;
}

// worker-a waits for a flock of worker-b, which waits for a shared mutex of worker-a; worker-c waits behind.
inline FindingDescription deadlock() {
  ThreadDescription a = thread("worker-a", 4242, 4242);
  a.exe = "/usr/bin/order";
  a.uid = 1000;
  a.user = "alice";
  a.cgroup = "/system.slice/app.service";
  a.unit = "app.service";
  const ThreadDescription b = thread("worker-b", 4243, 4250);
  LockDescription shared = mutex(0x7f00aa00b040);
  shared.scope = LockDescription::Scope::process_shared;
  shared.path = "/dev/shm/orders";
  shared.offset = 64;
  FindingDescription finding;
  finding.kind = "deadlock";
  finding.cwe = 833;
  finding.severity = Severity::critical;
  finding.fingerprint = "00112233445566aa";
  finding.age_ns = 12 * kSecond;
  finding.summary = "2 processes wait for each other";
  finding.hint = "end one of them";
  finding.cycle = {wait(a, flock("/var/lock/orders.lock"), {held_by(b, Evidence::kernel)}),
                   wait(b, shared, {held_by(a)})};
  finding.victims = {
      wait(thread("worker-c", 4244, 4244), flock("/var/lock/orders.lock"), {held_by(b, Evidence::kernel)})};
  finding.evidence = {{"looks", std::int64_t{2}}, {"will_time_out", false}, {"rule", std::string("all held")}};
  return finding;
}

inline FindingDescription abandoned() {
  FindingDescription finding;
  finding.kind = "abandoned_lock";
  finding.cwe = 667;
  finding.severity = Severity::critical;
  finding.fingerprint = "ffffffffffffffff";
  finding.summary = "the owner is gone";
  finding.hint = "restart it";
  HolderDescription gone;
  gone.gone_tid = 17;
  gone.evidence = Evidence::memory;
  gone.state = HolderDescription::State::gone;
  finding.lock = mutex(0x1000);
  finding.holders = {gone};
  finding.waiters = {wait(thread("left", 50, 51), mutex(0x1000), {gone})};
  return finding;
}

// Every field set, to every extreme.
inline Report everything() {
  Report report = quiet_host();
  report.findings = {deadlock(), abandoned()};
  report.coverage.unreadable = 3;
  report.coverage.not_understood = 1;
  report.coverage.lost_events = {{"ring_full", 4}};
  report.notes = {"without BPF"};
  report.waits_hidden = 12;
  ThreadDescription odd = thread(std::string("a\"\\\n\t\x1b\x7f\xff\xc3 \xe2\x80\xae"), 2147483647, 2147483647);
  odd.uid = 4294967295;
  odd.exe = "/opt/\xc3\xa9\xf0\x9f\x98\x80 (deleted)";
  odd.container = "0123456789ab";
  WaitDescription posix = wait(odd, flock("/x"), {}, ~std::uint64_t{0});
  posix.lock.kind = LockKind::posix;
  posix.lock.range = LockDescription::Range{0, ~std::uint64_t{0} - 1};
  posix.mode = Mode::shared;
  posix.timed = true;
  WaitDescription cond = wait(thread("", 60, 61), mutex(~std::uint64_t{0}), {held_by(thread("pool", 60, 60))});
  cond.lock.kind = LockKind::cond;
  cond.lock.mutex_address = 0;
  cond.lock.reader_count = 2;
  cond.holders[0].any_thread = true;
  cond.holders[0].state = HolderDescription::State::running;
  cond.age_ns.reset();
  report.waits = {posix, cond};
  return report;
}

}  // namespace lockscope::sample_reports
