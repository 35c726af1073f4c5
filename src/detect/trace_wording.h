// SPDX-License-Identifier: Apache-2.0
// Places in code, threads and classes of locks as the sentences of the full level's findings name them, and as their
// fingerprints do: by function, or by file and offset, never by an address. Names are raw, escaped by the exporters.
// Used by the trace detectors only. Pure.
#pragma once

#include <string>

#include "detect/fingerprint.h"
#include "lockscope/detector.h"

namespace lockscope {

// "transfer()", "libfoo.so+0x1c", "unknown code".
[[nodiscard]] std::string name_place(const CodePoint& point);
// "g_accounts", "a lock made in cache_create+0x1c", "a lock first taken in main+0x20".
[[nodiscard]] std::string name_class(const LockClass& lock_class);
[[nodiscard]] std::string name_traced(const TracedThread& thread);  // "worker (1234/1236)", "app (1234)"

// The same in every run of a program.
[[nodiscard]] std::string key_of(const CodePoint& point);

// The image of a finding was traced since its first instruction, and nothing was lost: what was not seen did not
// happen.
[[nodiscard]] bool saw_all(const LockTrace& trace, ImageId image);
[[nodiscard]] const TracedImage* find_image(const LockTrace& trace, ImageId image);

}  // namespace lockscope
