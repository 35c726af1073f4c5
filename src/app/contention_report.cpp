// SPDX-License-Identifier: Apache-2.0
#include "app/contention_report.h"

#include <utility>
namespace lockscope {
namespace {

template <class... Cases>
struct Overloaded : Cases... {
  using Cases::operator()...;
};

ThreadDescription describe_actor(const Actor& actor, const HostFacts& facts) {
  ThreadDescription out;
  out.pid = actor.pid;
  out.tid = actor.pid;
  out.comm = actor.comm;
  out.uid = actor.uid;
  out.start_ns = actor.start_ns;
  if (const auto user = facts.users.find(actor.uid); user != facts.users.end()) out.user = user->second;
  if (const auto process = facts.processes.find(actor.pid);
      process != facts.processes.end() && process->second.start_ns == actor.start_ns) {
    out.exe = process->second.exe;
    out.cgroup = process->second.cgroup;
    out.unit = process->second.unit;
    out.container = process->second.container;
  } else if (const auto cgroup = facts.cgroups.find(actor.cgroup); cgroup != facts.cgroups.end()) {
    out.cgroup = cgroup->second.path;
    out.unit = cgroup->second.unit;
    out.container = cgroup->second.container;
  }
  return out;
}

LockDescription describe_lock(const LockTable::TopLock& top, const HostFacts& facts) {
  LockDescription out;
  out.kind = top.kind.value_or(LockKind::futex);
  const auto put_file = [&](const FileId& file) {
    out.file = file;
    if (const auto place = facts.places.find(file); place != facts.places.end()) out.path = place->second.path;
  };
  std::visit(Overloaded{[&](const WordOfProcess& word) { out.address = word.address; },
                        [&](const SharedPlace& place) {
                          out.scope = LockDescription::Scope::process_shared;
                          out.offset = place.offset;
                          put_file(place.file);
                        },
                        [&](const LockOfFile& lock) {
                          out.scope = LockDescription::Scope::file;
                          if (!top.kind) out.kind = lock.flock ? LockKind::flock : LockKind::posix;
                          put_file(lock.file);
                        },
                        [&](std::uint64_t) {
                          out.scope = LockDescription::Scope::process_shared;
                          out.kind = LockKind::sysv_sem;
                        }},
             top.lock);
  return out;
}

}  // namespace

ContentionDescription describe_contention(const LockTable& locks, const HostFacts& facts, bool all) {
  ContentionDescription out;
  const LockTable::Totals& totals = locks.totals();
  out.waits = totals.waits;
  out.wait_ns = totals.wait_ns;
  out.file_lock_operations = totals.file_lock_operations;
  for (LockTable::TopLock& top : locks.top(locks.lock_count())) {
    const bool is_lock =
        top.kind && (can_be_held(*top.kind) || *top.kind == LockKind::sem || *top.kind == LockKind::sysv_sem);
    if (out.locks.size() == kLocksShown || (!all && !is_lock)) continue;
    LockContention lock;
    lock.lock = describe_lock(top, facts);
    if (top.process) lock.process = describe_actor(*top.process, facts);
    lock.waits = top.waits;
    if (top.longest) lock.longest_waiter = std::move(top.longest->comm);
    if (top.operations) {
      lock.operations = LockContention::Operations{.granted = top.operations->granted,
                                                   .failed = top.operations->failed,
                                                   .released = top.operations->released,
                                                   .processes = top.operations->processes};
    }
    out.locks.push_back(std::move(lock));
  }
  out.locks_hidden = locks.lock_count() - out.locks.size();
  return out;
}

}  // namespace lockscope
