// SPDX-License-Identifier: Apache-2.0
// What locks cost while they were traced, by lock class: how often they were taken, how long was waited for them and
// how long they were held, where, and by whom. Linear in the uses of a trace, but for maps of classes. Called once,
// when a trace is reported.
#pragma once

#include <cstddef>

#include "lockscope/lock_trace.h"
#include "lockscope/report.h"

namespace lockscope {

// `limit` classes, those that cost the most waiting first, and as many threads that waited.
[[nodiscard]] ProfileDescription profile_locks(const LockTrace& trace, TraceNames& names, std::size_t limit);

}  // namespace lockscope
