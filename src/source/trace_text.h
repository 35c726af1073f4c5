// SPDX-License-Identifier: Apache-2.0
// Looks saved as text, and read back: one record a line, `kind key=value ...`. Versioned by its first line; keys that
// have their default are left out; unknown kinds and keys, numbers that do not fit and tables out of order are errors
// that name the line. Reading is safe on any bytes. Written and read by replay, tests and people.
//
//   lockscope-trace 1
//   look source=bpf taken_ns=81000000000
//   thread pid=10 tid=11 start_ns=5000000 state=blocked syscall=202 comm=worker%20a ...
//   wait tid=11 syscall=202 args=0x5000,0x80,0x2,0x0,0x0,0x0 window_low=-64 window=00000000... code=libc_lock ...
//   lock kind=flock exclusive=1 dev=0x801 ino=7 owner=0x1 sharers=10:3:rw,12:3:ro
//   memory pid=10 address=0x5000 bytes=0200...
//   end
//
// Keys are those of the fields in raw_sample.h and memory_log.h. Numbers are decimal, or hexadecimal with 0x; strings
// have all but [A-Za-z0-9._:/@+,-] as %XX. A wait belongs to the first thread of that tid (and start_ns, if given) not
// before the thread of the wait above it.
// Cost: writing 0.5 us and reading 1 us a field.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "lockscope/raw_sample.h"
#include "lockscope/result.h"
#include "source/memory_log.h"

namespace lockscope {

struct RecordedLook {
  RawSample sample;
  MemoryLog memory;
  friend bool operator==(const RecordedLook&, const RecordedLook&) = default;
};

[[nodiscard]] std::string write_trace(const std::vector<RecordedLook>& looks);

// At least one look. `name` is shown in errors.
[[nodiscard]] Result<std::vector<RecordedLook>> parse_trace(std::string_view text, std::string_view name);

[[nodiscard]] Result<std::vector<RecordedLook>> read_trace_file(const std::string& path);

inline constexpr std::size_t kMaxTraceBytes = std::size_t{1} << 30;
inline constexpr std::size_t kMaxTraceLine = std::size_t{1} << 20;
inline constexpr std::size_t kMaxTraceThreads = std::size_t{1} << 22;  // the kernel's PID_MAX_LIMIT
inline constexpr std::size_t kMaxTraceRead = std::size_t{1} << 16;     // bytes of one memory record

}  // namespace lockscope
