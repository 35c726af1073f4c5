// SPDX-License-Identifier: Apache-2.0
// Where looks come from. One interface, so that everything right of it runs in tests without a kernel.
// Implementations: src/source/{bpf,proc,replay}_source. Called by the pipeline only, from one thread.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "lockscope/contention.h"
#include "lockscope/facts.h"
#include "lockscope/raw_sample.h"
#include "lockscope/result.h"
#include "lockscope/sample.h"

namespace lockscope {

// Reads memory of a watched process. Everything it returns is hostile.
class ProcessMemory {
 public:
  virtual ~ProcessMemory() = default;
  // All of out or nothing. False: not mapped, not permitted, or the process is gone. Cost: one system call, about 1 us.
  [[nodiscard]] virtual bool read(pid_t pid, std::uint64_t address, std::span<std::uint8_t> out) = 0;
  // Whether the process maps this place of a file as shared memory. Cost: reads the maps of the process once a look.
  enum class Mapping { mapped, not_mapped, unknown };
  [[nodiscard]] virtual Mapping maps(pid_t pid, const SharedPlace& place) = 0;
  // The number that `pid` (reader's) carries in the PID namespace of `observer`; 0: none or unknown.
  [[nodiscard]] virtual pid_t number_in_namespace_of(pid_t observer, pid_t pid) = 0;
  // The process (reader's number) that a pidfd of `pid` refers to; 0: unknown.
  [[nodiscard]] virtual pid_t process_of_pidfd(pid_t pid, int fd) = 0;
  // Whether any signal has a handler in this process; unknown counts as true.
  [[nodiscard]] virtual bool catches_signals(pid_t pid) = 0;
};

// Counts what happens on the locks of the host, all the time. Implementation: src/source/contention_source.
class ContentionSource {
 public:
  virtual ~ContentionSource() = default;
  // Everything since the call before, or since the source was made. Called once a tick, and at least once in ten
  // seconds: what does not fit is counted as lost. Cost: about 1 us an entry.
  [[nodiscard]] virtual Result<ContentionWindow> collect() = 0;
};

// Tells who and where for a tick. Live: by src/attribution; in a replay: what was recorded.
class FactsProvider {
 public:
  virtual ~FactsProvider() = default;
  [[nodiscard]] virtual HostFacts gather(const Sample& sample, const ContentionWindow& window) = 0;
};

class Source {
 public:
  virtual ~Source() = default;
  // One look at every thread of the host. Cost: about 3 us a thread (BPF), 40 us (/proc); nothing to the watched.
  [[nodiscard]] virtual Result<RawSample> sample() = 0;
  // Whether the next looks read all file locks of the host, also those that nobody waits for. From the start they do
  // not. Cost: a look at every descriptor of the host, about 0.1 us each (BPF), 4 us (/proc). Recordings ignore it.
  virtual void want_file_locks(bool /*wanted*/) {}
  // Memory as of now (or as of the recorded look), for what the sample does not carry. Valid as long as the source.
  [[nodiscard]] virtual ProcessMemory& memory() = 0;
};

}  // namespace lockscope
