// SPDX-License-Identifier: Apache-2.0
// Which live source this host and this user allow. For the subcommands that look at the host.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "lockscope/source.h"
#include "source/live_memory.h"

namespace lockscope {

struct ChosenSource {
  std::unique_ptr<Source> source;
  LiveMemory* memory = nullptr;    // of the source: its log can be saved
  std::vector<std::string> notes;  // what the choice costs: for the report and standard error
};

// BPF where it is allowed, else /proc, saying why. Error: neither can be had.
[[nodiscard]] Result<ChosenSource> choose_source(bool no_bpf);

}  // namespace lockscope
