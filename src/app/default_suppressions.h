// SPDX-License-Identifier: Apache-2.0
// Findings that are true, meant, and not the user's to mend: in runtimes that everybody uses. As in a suppressions file;
// each entry says why. For traced_session only.
#pragma once

namespace lockscope {

inline constexpr const char* kDefaultSuppressions = R"(
# HotSpot's VM thread ends inside a last safepoint, and so with Threads_lock held: nothing may start again while the
# process is taken down (VMThread::run() of vmThread.cpp).
{
  HotSpot: the VM thread ends in a safepoint
  exit_while_holding
  fun:Mutex::lock*
  lib:*libjvm.so
}
)";

}  // namespace lockscope
