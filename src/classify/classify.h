// SPDX-License-Identifier: Apache-2.0
// From what a source saw to what it means: RawSample -> Sample. Called by the pipeline once a look, from one thread.
// Pure but for ProcessMemory, which is asked for the few bytes that the look does not carry (another thread's
// descriptor, the maps behind a shared lock). Linear in threads and waits.
#pragma once

#include "lockscope/sample.h"
#include "lockscope/source.h"

namespace lockscope {

// Which claims of owners the self-test of this host has shown to be right (src/app/self_test.h).
struct TrustedKinds {
  bool mutex = true;
  bool rwlock = true;
  bool cond = true;
  bool join = true;
};

[[nodiscard]] Sample classify(RawSample raw, ProcessMemory& memory, const TrustedKinds& trusted = {});

}  // namespace lockscope
