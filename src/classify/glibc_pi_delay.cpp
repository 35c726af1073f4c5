// SPDX-License-Identifier: Apache-2.0
#include "classify/glibc_pi_delay.h"

#include <algorithm>
#include <array>
#include <vector>

#include "classify/glibc_sem_barrier_once.h"

namespace lockscope {
namespace {

constexpr std::uint64_t kMaxFrames = 256;  // bytes from the stack pointer to the anonymous zero; 84 in glibc 2.36
constexpr std::uint64_t kKindOffset = 16;
constexpr std::uint32_t kPrioInherit = 32;
constexpr std::uint32_t kProcessShared = 128;
constexpr std::uint32_t kAllowedKind = 3 | 16 | kPrioInherit | kProcessShared | 256 | 512;  // see glibc_mutex.h
constexpr std::uint32_t kTidMask = 0x3fffffff;

struct PiMutex {
  std::uint32_t word, count, owner, users, kind, spins;
  std::uint64_t previous, next;
};
static_assert(sizeof(PiMutex) == 40);

std::optional<PiMutex> held_pi_mutex_at(const FutexScene& s, std::uint64_t address) {
  const auto m = s.read<PiMutex>(address);
  if (!m || (m->kind & kPrioInherit) == 0 || (m->kind & ~kAllowedKind) != 0) return std::nullopt;
  const std::uint32_t tid = m->word & kTidMask;
  if (tid == 0 || tid > kMaxTid || m->owner != tid || m->count == 0 || m->count > kMaxCount || m->users == 0) {
    return std::nullopt;
  }
  return m;
}

// What the frames between the system call and the zero hold: registers of their callers.
std::vector<std::uint64_t> saved_registers(const FutexScene& s) {
  std::vector<std::uint64_t> values(s.wait.callee_saved.begin(), s.wait.callee_saved.end());
  const std::uint64_t depth = s.call.word - s.wait.sp;
  for (std::size_t at = 0; at + 8 <= std::min<std::size_t>(depth, s.wait.stack.size()); at += 8) {
    std::uint64_t value = 0;
    std::memcpy(&value, s.wait.stack.data() + at, sizeof value);
    values.push_back(value);
  }
  std::erase_if(values, [](std::uint64_t v) { return v % 8 != 0 || v < 0x10000 || v >> 47 != 0; });
  std::ranges::sort(values);
  const auto [first, last] = std::ranges::unique(values);
  values.erase(first, last);
  return values;
}

// Registers that hold the same value twice: how glibc 2.43 keeps the mutex itself.
std::vector<std::uint64_t> kept_twice(const FutexScene& s) {
  std::vector<std::uint64_t> values;
  const auto& registers = s.wait.callee_saved;
  for (auto at = registers.begin(); at != registers.end(); ++at) {
    if (*at % 8 == 0 && *at >= 0x10000 && std::find(at + 1, registers.end(), *at) != registers.end()) {
      values.push_back(*at);
    }
  }
  return values;
}

}  // namespace

std::optional<FutexVerdict> glibc_pi_delay(const FutexScene& s) {
  const bool anonymous_zero = s.call.bitset && !s.call.timed && s.call.expected == 0 && s.has(0, 4) && s.word() == 0 &&
                              s.call.word >= s.wait.sp && s.call.word - s.wait.sp < kMaxFrames;
  if (!anonymous_zero || glibc_semaphore(s)) return std::nullopt;
  std::vector<std::uint64_t> candidates = kept_twice(s);
  for (const std::uint64_t value : saved_registers(s)) candidates.push_back(value - kKindOffset);
  std::optional<FutexVerdict> found;
  for (const std::uint64_t address : candidates) {
    const auto m = held_pi_mutex_at(s, address);
    if (!m || (found && found->base == address)) continue;
    if (found) return std::nullopt;
    found = s.verdict(LockKind::pi_mutex, 0, "glibc PI mutex that the kernel refused: it can never be had");
    found->base = address;
    found->owner_number = static_cast<pid_t>(m->owner);
    found->owner_enforced = true;
    found->proven = s.code_known();
    // Where a shared one lies is not known, so neither is whose number that is. (Robust ones pass for shared.)
    found->weak = (m->kind & kProcessShared) != 0;
  }
  return found;
}

}  // namespace lockscope
