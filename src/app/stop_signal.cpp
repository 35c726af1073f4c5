// SPDX-License-Identifier: Apache-2.0
#include "app/stop_signal.h"

#include <poll.h>
#include <sys/signalfd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace lockscope {

Result<StopSignal> StopSignal::block() {
  sigset_t wanted, before;
  ::sigemptyset(&wanted);
  ::sigaddset(&wanted, SIGINT);
  ::sigaddset(&wanted, SIGTERM);
  if (const int error = ::pthread_sigmask(SIG_BLOCK, &wanted, &before); error != 0) {
    return fail(ErrorKind::failed, "cannot block signals", std::strerror(error));
  }
  UniqueFd fd(::signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd) {
    const int error = errno;
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return fail(ErrorKind::failed, "cannot wait for signals", std::strerror(error));
  }
  return StopSignal(std::move(fd), before);
}

StopSignal::StopSignal(StopSignal&& other) noexcept = default;

StopSignal::~StopSignal() {
  if (fd_) ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

bool StopSignal::wait_until(std::chrono::steady_clock::time_point when) {
  while (!stopped_) {
    const auto left = std::max(when - std::chrono::steady_clock::now(), std::chrono::steady_clock::duration{});
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(left);
    const timespec timeout{seconds.count(), static_cast<long>(std::chrono::nanoseconds(left - seconds).count())};
    pollfd poll{fd_.get(), POLLIN, 0};
    const int ready = ::ppoll(&poll, 1, &timeout, nullptr);
    if (ready == 0) return false;
    if (ready < 0) continue;  // a signal that is not ours
    signalfd_siginfo taken{};
    if (::read(fd_.get(), &taken, sizeof taken) != static_cast<ssize_t>(sizeof taken)) continue;
    stopped_ = true;
    // Who asks twice does not want to wait for the report.
    sigset_t both;
    ::sigemptyset(&both);
    ::sigaddset(&both, SIGINT);
    ::sigaddset(&both, SIGTERM);
    ::pthread_sigmask(SIG_UNBLOCK, &both, nullptr);
  }
  return true;
}

}  // namespace lockscope
