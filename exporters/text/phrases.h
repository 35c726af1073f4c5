// SPDX-License-Identifier: Apache-2.0
// Threads, locks, holders and waits in words. Everything that comes from a watched process is escaped and shortened
// here, once; the results are safe to print. For exporters/text only; a few microseconds each.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "exporters/text/painter.h"
#include "lockscope/report.h"

namespace lockscope {

// Text with the columns it takes, colour codes not counted.
struct Phrase {
  std::string text;
  std::size_t columns = 0;
};

enum class Detail {
  full,   // worker-a  pid 4242 tid 4243  app.service  alice  (/usr/bin/order)
  brief,  // worker-a  pid 4242 tid 4243
};

// The exe is shortened to what `columns` leaves, and left out where that is nothing.
[[nodiscard]] Phrase thread_phrase(const ThreadDescription& thread, Detail detail, const Painter& painter,
                                   std::size_t columns);

// "backup  pid 4242  backup.service  root  (/usr/sbin/backup)"
[[nodiscard]] Phrase process_phrase(const ThreadDescription& process, const Painter& painter, std::size_t columns);

// "mutex 0x7f00 (shared memory /dev/shm/orders + 64)", "flock /var/lock/orders.lock (exclusive)", "the end of a
// thread". The path is shortened to what `columns` leaves, but never below a readable rest.
[[nodiscard]] std::string lock_phrase(const LockDescription& lock, Mode mode, std::size_t columns);

// The same lock without what a waiter wants of it.
[[nodiscard]] std::string lock_phrase(const LockDescription& lock, std::size_t columns);

// "mutex bank:g_accounts", with " at 0x7f00" where its class is not enough to tell it; as lock_phrase where no class is
// known. The name is shortened in its middle, but never below a readable rest.
[[nodiscard]] std::string class_phrase(const LockDescription& lock, bool with_address, std::size_t columns);
[[nodiscard]] std::string class_phrase(LockKind kind, std::string_view class_name, std::size_t columns);

// "transfer+0x1c (bank)", "transfer+0x1c (bank, bank.c:42)", "bank+0x11c0", "0x55d0", "unknown code". No wider than
// `columns`: the function is shortened first.
[[nodiscard]] std::string place_phrase(const FrameDescription& place, std::size_t columns);

// "waits 12.3s for LOCK", with "until its timeout" where there is one.
[[nodiscard]] std::string wait_phrase(const WaitDescription& wait, std::size_t columns);

// "worker-b  pid 4243 tid 4250, blocked", "any thread of worker-b  pid 4243", "gone (it was thread 17)".
[[nodiscard]] Phrase holder_phrase(const HolderDescription& holder, const Painter& painter, std::size_t columns);

// "mutex", "recursive mutex", "condition variable": what a person calls this kind.
[[nodiscard]] const char* noun_of(LockKind kind);

// "1 thread", "3 threads"; the noun takes an s.
[[nodiscard]] std::string count_of(std::size_t count, const char* noun);
[[nodiscard]] std::string count_of(std::size_t count, const char* noun, const char* plural);

}  // namespace lockscope
