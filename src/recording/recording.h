// SPDX-License-Identifier: Apache-2.0
// A recording: what lockscope saw of a host, tick after tick, in a file; judged again it gives the same findings on any
// machine. The format is in docs/recording.md. Written by `lockscope record`, read by `lockscope replay`, from one
// thread each.
//
// Writing: one write(2) a tick, so that a crash costs at most the tick it fell into. Kernel addresses (identities of
// address spaces, descriptor tables and open files) are renumbered, the same one the same way over the whole recording:
// all else comes back as it was given, and lock memory may hold anything: the file is readable by its owner only.
// Reading: safe on any bytes, with no more memory than the file justifies (recording_format.h).
// Cost: about 1 us a thread that changed, 0.1 us one that did not, 0.2 us a lock event; twice the largest look in
// memory. Measured: bench/recording_bench.cpp.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "classify/classify.h"
#include "lockscope/contention.h"
#include "lockscope/detector.h"
#include "lockscope/facts.h"
#include "lockscope/raw_sample.h"
#include "lockscope/report.h"
#include "lockscope/result.h"
#include "source/memory_log.h"

namespace lockscope {

// Stands at the beginning of a recording, once.
struct RecordingHeader {
  std::string tool_version;  // of the lockscope that wrote it
  HostDescription host;
  Thresholds thresholds;  // in force when it was made; a replay may be told others
  std::chrono::nanoseconds interval{};
  std::uint64_t realtime_offset_ns = 0;  // CLOCK_REALTIME minus CLOCK_BOOTTIME at the start
};

struct RecordedTick {
  ContentionWindow window;
  RawSample look;
  MemoryLog memory;  // what was asked of memory for this tick
  HostFacts facts;
  TrustedKinds trusted;
};

class RecordingWriter {
 public:
  // A new file of mode 0600. A regular file of our own that has this name is replaced, unless another recording is
  // being written to it; anything else there (a symbolic link, a FIFO, a device, another user's file) is refused.
  // "-" is the standard output, where that is no terminal; then who may read it is the caller's business.
  [[nodiscard]] static Result<RecordingWriter> create(const std::string& path, const RecordingHeader& header);

  RecordingWriter(RecordingWriter&&) noexcept;
  RecordingWriter& operator=(RecordingWriter&&) noexcept;
  ~RecordingWriter();  // closes; says nothing of errors

  // The tick is in the hands of the kernel when this returns. After an error the file ends with the tick before, and
  // nothing more can be written. `tick.look` must be as a source makes it: threads sorted, waits in their order.
  [[nodiscard]] Result<void> write_tick(RecordedTick tick);

  // On the disk, where the file is on one.
  [[nodiscard]] Result<void> finish();

  [[nodiscard]] std::uint64_t bytes_written() const;
  [[nodiscard]] std::uint64_t ticks_written() const;

 private:
  struct State;
  explicit RecordingWriter(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

class RecordingReader {
 public:
  // Reads the header. Errors are of kind usage: no such file, not a recording, made by a newer version. "-" is the
  // standard input; otherwise a regular file.
  [[nodiscard]] static Result<RecordingReader> open(const std::string& path);

  RecordingReader(RecordingReader&&) noexcept;
  RecordingReader& operator=(RecordingReader&&) noexcept;
  ~RecordingReader();

  [[nodiscard]] const RecordingHeader& header() const;

  // The next tick; nothing at the end. Where the file is cut off or damaged it ends with the last whole tick before
  // that: ask truncated() then. An error where a whole tick makes no sense: a writer's mistake, or a forgery.
  [[nodiscard]] Result<std::optional<RecordedTick>> next();

  // After the end: in one line for a person, why what follows could not be used; nothing where the end is whole.
  // "the recording is cut off at byte 1234: the 5 ticks before it were used"
  [[nodiscard]] const std::optional<std::string>& truncated() const;

  [[nodiscard]] std::uint64_t ticks_read() const;

 private:
  struct State;
  explicit RecordingReader(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// Whether the file begins as a recording does; false where it cannot be read. To tell it from a text trace.
[[nodiscard]] bool is_recording(const std::string& path);

}  // namespace lockscope
