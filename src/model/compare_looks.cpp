// SPDX-License-Identifier: Apache-2.0
// Two looks, compared: what did not move in between. The context-switch counts decide: a thread that ran has been
// switched out again, so equal counts mean that it slept all the time (design: "When a deadlock is a fact").
#include <algorithm>
#include <array>

#include "lockscope/wait_for_graph.h"
#include "model/thread_index.h"

namespace lockscope {
namespace {

// System calls of x86_64 that have no timeout: a thread that sleeps in one waits until something happens to it.
constexpr auto kUntimedCalls = std::to_array<std::int64_t>({
    0,    // read
    34,   // pause
    43,   // accept
    45,   // recvfrom
    61,   // wait4
    65,   // semop
    72,   // fcntl
    73,   // flock
    130,  // rt_sigsuspend
    247,  // waitid
    288,  // accept4
});

bool did_not_run(const Thread& before, const Thread& now) {
  return before.voluntary_switches == now.voluntary_switches &&
         before.involuntary_switches == now.involuntary_switches && !before.moved && !now.moved && before.readable &&
         now.readable;
}

// A stopped thread is still in its wait: it takes it up again when it is continued.
bool can_be_waiting(const Thread& thread) {
  return thread.state == ThreadState::blocked || thread.state == ThreadState::stopped;
}

bool same_wait(const Wait& before, const Wait& now) {
  return before.fingerprint == now.fingerprint && before.lock == now.lock && before.kind == now.kind &&
         before.mode == now.mode && before.range_start == now.range_start && before.range_end == now.range_end &&
         before.obstacles == now.obstacles && before.owner_gone == now.owner_gone &&
         before.gone_owner == now.gone_owner && before.timed == now.timed && !before.owner_transient &&
         !now.owner_transient;
}

bool waits_without_timeout(const Thread& thread, const Wait* wait) {
  if (thread.timer_armed) return false;
  if (wait != nullptr) return !wait->timed;
  return thread.syscall && !thread.compat && std::ranges::find(kUntimedCalls, *thread.syscall) != kUntimedCalls.end();
}

}  // namespace

Comparison compare_looks(const Sample& before, const Sample& now) {
  const ThreadIndex earlier(before);
  Comparison result;
  result.standing.assign(now.waits.size(), false);
  result.quiet.assign(now.raw.threads.size(), false);

  std::vector<const Wait*> wait_of(now.raw.threads.size(), nullptr);
  for (const Wait& wait : now.waits) wait_of[wait.thread] = &wait;

  for (std::size_t t = 0; t < now.raw.threads.size(); ++t) {
    const Thread& thread = now.raw.threads[t];
    const std::size_t match = earlier.find(thread.id);
    if (match == kNone) continue;
    const Thread& old = before.raw.threads[match];
    if (!did_not_run(old, thread)) continue;
    result.quiet[t] = old.state == ThreadState::blocked && thread.state == ThreadState::blocked &&
                      old.syscall == thread.syscall && waits_without_timeout(thread, wait_of[t]);
  }
  for (std::size_t w = 0; w < now.waits.size(); ++w) {
    const Thread& thread = now.raw.threads[now.waits[w].thread];
    const std::size_t match = earlier.find(thread.id);
    if (match == kNone || earlier.wait_of(match) == kNone) continue;
    const Thread& old = before.raw.threads[match];
    result.standing[w] = did_not_run(old, thread) && can_be_waiting(old) && can_be_waiting(thread) &&
                         same_wait(before.waits[earlier.wait_of(match)], now.waits[w]);
  }
  return result;
}

}  // namespace lockscope
