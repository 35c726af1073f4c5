// SPDX-License-Identifier: Apache-2.0
// A rwlock that readers hold does not say who they are. Where every thread that could be one is blocked, those with the
// lock's address on their live stack or in their saved registers are the likely ones: only to be shown, never a proof.
// Measured on glibc: every holder is among them, with others now and then. Called by classify.cpp at the end of a look.
// Cost: nothing unless somebody waits behind readers in a process all of whose threads are blocked; then at most
// kMaxThreads stacks of 16 KiB, about 5 us each.
#pragma once

#include "lockscope/sample.h"
#include "lockscope/source.h"

namespace lockscope {

void find_likely_readers(Sample& sample, ProcessMemory& memory);

}  // namespace lockscope
