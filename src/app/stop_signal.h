// SPDX-License-Identifier: Apache-2.0
// SIGINT and SIGTERM as something to wait for: a watch that is interrupted ends well, with its report. Blocks both for
// the life of the object; the process must have one thread when it is made. A second signal ends the process as usual.
#pragma once

#include <signal.h>

#include <chrono>

#include "lockscope/result.h"
#include "source/unique_fd.h"

namespace lockscope {

class StopSignal {
 public:
  [[nodiscard]] static Result<StopSignal> block();
  StopSignal(StopSignal&& other) noexcept;
  StopSignal& operator=(StopSignal&&) = delete;
  ~StopSignal();

  // Waits until then, or until a signal came. True: one came, now or before. A time that has passed only asks.
  [[nodiscard]] bool wait_until(std::chrono::steady_clock::time_point when);
  // Ready to be read when a signal came: for who waits for other things as well, and then asks wait_until().
  [[nodiscard]] int fd() const { return fd_.get(); }

 private:
  StopSignal(UniqueFd fd, const sigset_t& before) : fd_(std::move(fd)), before_(before) {}
  UniqueFd fd_;
  sigset_t before_;
  bool stopped_ = false;
};

}  // namespace lockscope
