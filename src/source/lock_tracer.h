// SPDX-License-Identifier: Apache-2.0
// The full level: every acquire and release in chosen processes, by probes on their lock functions. Follows threads,
// forked children, execs and libraries that are mapped later; gives back one LockTrace.
//
// Blind spots: locks that are not those of a C library, GLib or libgomp; functions inlined (stdio, malloc); a library
// for up to a second after it was mapped; programs linked statically without symbols. A new process is held back by
// SIGSTOP until it is probed too, if its family began with expect(), on Linux 6.13 and newer; else it is not seen for
// about 10 ms after its fork. Tracing lengthens each critical section by about 1 us: on a hot lock it makes contention.
//
// Owns all that it attaches; closed, or killed, the code of the traced is as it was. From one thread; a short-lived
// thread of its own closes the probes of processes that have ended. Needs CAP_BPF, CAP_PERFMON and CAP_SYS_PTRACE.
// Cost to the traced: bpf/README.md; to others: one look-up at each context switch, about 20 ns.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "lockscope/lock_trace.h"
#include "lockscope/result.h"

namespace lockscope {

struct TracerSettings {
  std::chrono::nanoseconds long_hold{0};  // report holds from this length on; 0: none
  bool sessions = true;                   // false: as on kernels before 6.13, for tests
};

class LockTracer {
 public:
  // Error unsupported: the kernel has no uprobe_multi links, or they are not permitted.
  [[nodiscard]] static Result<std::unique_ptr<LockTracer>> create(const TracerSettings& settings);
  ~LockTracer();

  // A child of the caller's that will exec `program` (an absolute path) next: it will be seen from its first call on.
  // It is stopped there for about a millisecond, to learn where its code lies.
  [[nodiscard]] Result<void> expect(pid_t child, const std::string& program);
  // A process that runs. What it does not hold yet is seen from here on.
  [[nodiscard]] Result<void> follow(pid_t pid);

  // Ready to be read when update() has something urgent to do. update() wants to be called ten times a second as well.
  [[nodiscard]] int wake_fd() const;
  void update();

  [[nodiscard]] std::vector<pid_t> processes() const;  // that are traced and live
  [[nodiscard]] bool probed_anything() const;          // a lock function was found anywhere

  // All that was seen. Descriptors in it are valid as long as the tracer.
  [[nodiscard]] Result<LockTrace> finish();

 private:
  struct Parts;
  explicit LockTracer(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace lockscope
