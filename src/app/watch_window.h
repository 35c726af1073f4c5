// SPDX-License-Identifier: Apache-2.0
// Watches this host for a while: `snapshot --for` and `record`. Joins the live sources, the stream and, for a recording,
// the file. Used by these two subcommands only.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "app/options.h"
#include "app/stream.h"

namespace lockscope {

struct WatchedWindow {
  Report report;
  std::uint64_t ticks = 0;
};

// `recording`: a file that keeps every tick; empty: none. `fired` is called for each finding when it fires; may be
// empty. Returns when the duration is over or a signal came. Errors: unsupported (no BPF here), usage (the file).
[[nodiscard]] Result<WatchedWindow> watch_window(const WatchOptions& watch, const CommonOptions& common,
                                                 const ReportFilter& filter, const std::string& recording,
                                                 const std::function<void(const FindingDescription&)>& fired);

}  // namespace lockscope
