// SPDX-License-Identifier: Apache-2.0
#include "source/proc_waits.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/futex.h>

#include <algorithm>
#include <cstring>

#include "lockscope/wire.h"
#include "source/live_memory.h"
#include "source/wait_places.h"

namespace lockscope {
namespace {

constexpr std::uint64_t kPage = 4096;
constexpr std::size_t kVectorEntry = 24;  // struct futex_waitv
constexpr std::size_t kVectorEntries = 5;
constexpr std::size_t kFlockSize = 32;  // struct flock
constexpr std::uint64_t kNanoseconds = 1'000'000'000;
constexpr std::uint64_t kUnknownTimeout = ~std::uint64_t{0};

std::uint32_t futex_command(std::uint64_t operation) {
  return static_cast<std::uint32_t>(operation) & static_cast<std::uint32_t>(FUTEX_CMD_MASK);
}

// From FUTEX_LOCK_PI2 on: linux/futex.h of Debian 12 has it, older ones do not.
constexpr std::uint32_t kLockPi2 = 13;

// The pieces of [from, to) that do not cross a page: one may be mapped and the next not.
template <class Read>
void for_each_page_piece(std::uint64_t from, std::uint64_t to, Read read) {
  while (from < to) {
    const std::uint64_t end = std::min(to, (from | (kPage - 1)) + 1);
    if (!read(from, end)) return;
    from = end;
  }
}

}  // namespace

bool can_wait_for_lock(const SyscallFields& call) {
  using namespace wait_call;
  switch (call.number) {
    case kWait4:
    case kSemop:
    case kFlock:
    case kSemtimedop:
    case kWaitid:
    case kFutexWaitv:
    case kFutexWait: return true;
    case kFcntl: return call.args[1] == F_SETLKW || call.args[1] == F_OFD_SETLKW;
    case kFutex: {
      const std::uint32_t command = futex_command(call.args[1]);
      return command == FUTEX_WAIT || command == FUTEX_WAIT_BITSET || command == FUTEX_LOCK_PI || command == kLockPi2 ||
             command == FUTEX_WAIT_REQUEUE_PI;
    }
    default: return false;
  }
}

void WaitReader::begin_process(pid_t pid) {
  pid_ = pid;
  maps_read_ = false;
  maps_.reset();
  mapped_libc_.reset();
}

bool WaitReader::read_memory(std::uint64_t address, std::span<std::uint8_t> out) const {
  return read_process_memory(proc_, pid_, address, out);
}

std::vector<std::uint8_t> WaitReader::read_upwards(std::uint64_t address, std::size_t length) const {
  std::vector<std::uint8_t> bytes(length);
  if (address > ~std::uint64_t{0} - length) return {};
  if (read_memory(address, bytes)) return bytes;
  std::size_t known = 0;
  for_each_page_piece(address, address + length, [&](std::uint64_t from, std::uint64_t to) {
    if (!read_memory(from, std::span(bytes).subspan(from - address, to - from))) return false;
    known = to - address;
    return true;
  });
  bytes.resize(known);
  return bytes;
}

MemoryWindow WaitReader::read_window(std::uint64_t word) const {
  MemoryWindow window;
  constexpr auto kBefore = static_cast<std::uint64_t>(kWindowBefore), kAfter = static_cast<std::uint64_t>(kWindowAfter);
  if (word > ~std::uint64_t{0} - kAfter) return window;
  const std::uint64_t low = word < kBefore ? 0 : word - kBefore;
  const auto at = [&](std::uint64_t address) { return std::span(window.bytes).subspan(address + kBefore - word); };
  const auto relative = [&](std::uint64_t address) { return static_cast<std::int64_t>(address - word); };
  if (read_memory(low, at(low).first(word + kAfter - low))) {
    window.low = relative(low);
    window.high = kWindowAfter;
    return window;
  }
  // Upwards from the word's own page; what lies before it only counts if the word itself is there.
  const std::uint64_t page = std::max(low, word & ~(kPage - 1));
  for_each_page_piece(page, word + kAfter, [&](std::uint64_t from, std::uint64_t to) {
    if (!read_memory(from, at(from).first(to - from))) return false;
    window.low = relative(page);
    window.high = relative(to);
    return true;
  });
  if (window.high > 0 && low < page && read_memory(low, at(low).first(page - low))) window.low = relative(low);
  // A read that failed half-way may have left something.
  std::fill(window.bytes.begin(), window.bytes.begin() + (window.low + kWindowBefore), std::uint8_t{0});
  std::fill(window.bytes.begin() + (window.high + kWindowBefore), window.bytes.end(), std::uint8_t{0});
  return window;
}

std::optional<std::uint64_t> WaitReader::read_timeout(std::uint64_t address) const {
  if (address == 0) return std::nullopt;
  std::array<std::uint64_t, 2> time{};  // struct timespec
  std::array<std::uint8_t, sizeof time> bytes{};
  // There is one, whatever has become of it: the wait will end by itself.
  if (!read_memory(address, bytes)) return kUnknownTimeout;
  std::memcpy(time.data(), bytes.data(), sizeof time);
  if (time[1] >= kNanoseconds || time[0] >= (kUnknownTimeout - kNanoseconds) / kNanoseconds) return kUnknownTimeout;
  return time[0] * kNanoseconds + time[1];
}

void WaitReader::fill_from_maps(RawWait& wait) {
  if (!maps_read_) {
    maps_ = ProcessMaps::read(reader_, proc_, fmt::format("{}/maps", pid_).c_str());
    maps_read_ = true;
  }
  if (!maps_) return;
  fill_places(wait, pid_, *maps_, modules_);
  if (!mapped_libc_) mapped_libc_ = modules_.libc_kind(pid_, *maps_);
  wait.libc = *mapped_libc_;
}

bool WaitReader::read_futex(RawWait& wait) {
  const std::uint64_t word = wait.args[0];
  const bool plain = wait.syscall == wait_call::kFutex;
  wait.timeout_ns = read_timeout(wait.args[plain ? 3 : 4]);
  wait.window = read_window(word);
  fill_from_maps(wait);
  // The record of a condition wait lies there. What is known to be a mutex, or no wait of libc's, needs none.
  const std::uint32_t command = futex_command(wait.args[1]);
  const bool for_value = !plain || command == FUTEX_WAIT || command == FUTEX_WAIT_BITSET;
  const bool may_be_condition = wait.code == CodePlace::libc || wait.code == CodePlace::unknown;
  if (for_value && may_be_condition) wait.stack = read_upwards(wait.sp, LS_STACK_LEN);
  return wait.window.high >= 4;
}

std::optional<RawWait> WaitReader::read(const SyscallFields& call, bool restarted) {
  using namespace wait_call;
  RawWait wait;
  wait.syscall = restarted ? kFutex : call.number;
  wait.args = call.args;
  wait.ip = call.ip;
  wait.sp = call.sp;
  wait.restarted = restarted;
  switch (wait.syscall) {
    case kFutex:
    case kFutexWait:
      if (!read_futex(wait)) return std::nullopt;
      break;
    case kFutexWaitv: {
      const std::uint64_t count = std::min<std::uint64_t>(wait.args[1], kVectorEntries);
      wait.argument = read_upwards(wait.args[0], count * kVectorEntry);
      wait.timeout_ns = read_timeout(wait.args[3]);
      if (wait.argument.size() < kVectorEntry) return std::nullopt;
      break;
    }
    case kFcntl:
      wait.argument = read_upwards(wait.args[2], kFlockSize);
      if (wait.argument.size() < kFlockSize) return std::nullopt;
      break;
    case kSemtimedop: wait.timeout_ns = read_timeout(wait.args[3]); break;
    default: break;
  }
  return wait;
}

}  // namespace lockscope
