// SPDX-License-Identifier: Apache-2.0
// Fills in what the maps of a process say of a wait: which code made the call, and whether the word lies in shared
// memory or in the loader. For both live sources. Cost: the maps of each waiting process once a look.
#pragma once

#include <cstdint>
#include <optional>

#include "lockscope/raw_sample.h"
#include "source/code_modules.h"
#include "source/proc_maps.h"

namespace lockscope {

// Address of the word that a futex wait is on, and whether the call is private to the process. Nothing: not a futex
// wait on one word.
struct WaitedWord {
  std::uint64_t address = 0;
  bool is_private = false;
};
[[nodiscard]] std::optional<WaitedWord> waited_word(const RawWait& wait);

void fill_places(RawWait& wait, pid_t pid, const ProcessMaps& maps, CodeModules& modules);

}  // namespace lockscope
