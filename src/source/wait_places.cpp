// SPDX-License-Identifier: Apache-2.0
#include "source/wait_places.h"

namespace lockscope {
namespace {

constexpr std::int64_t kFutex = 202;
constexpr std::int64_t kFutexWait = 455;
constexpr std::uint64_t kPrivate = 128;  // FUTEX_PRIVATE_FLAG, FUTEX2_PRIVATE

}  // namespace

std::optional<WaitedWord> waited_word(const RawWait& wait) {
  if (wait.syscall == kFutex) return WaitedWord{wait.args[0], (wait.args[1] & kPrivate) != 0};
  if (wait.syscall == kFutexWait) return WaitedWord{wait.args[0], (wait.args[3] & kPrivate) != 0};
  return std::nullopt;
}

void fill_places(RawWait& wait, pid_t pid, const ProcessMaps& maps, CodeModules& modules) {
  const auto word = waited_word(wait);
  if (!word) return;
  wait.code = modules.place(pid, maps, wait.ip);
  wait.word_in_loader = modules.is_loader(pid, maps, word->address);
  if (!word->is_private) wait.shared = maps.shared_place(word->address);
}

}  // namespace lockscope
