// SPDX-License-Identifier: Apache-2.0
#include "source/contention_source.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <ctime>

#include "source/clocks.h"
#include "source/contention_kernel.h"
#include "source/contention_records.h"
#include "source/unique_fd.h"
#include "source/word_places.h"

namespace lockscope {

struct BpfContentionSource::Parts {
  explicit Parts(UniqueFd proc_fd) : proc(std::move(proc_fd)), places(proc.get()) {}

  UniqueFd proc;
  WordPlaces places;
  std::unique_ptr<ContentionKernel> kernel;
  std::uint64_t begin_ns = 0;
};

BpfContentionSource::BpfContentionSource(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
BpfContentionSource::~BpfContentionSource() = default;

Result<std::unique_ptr<BpfContentionSource>> BpfContentionSource::create(const ContentionSettings& settings) {
  UniqueFd proc(::open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!proc) return fail(ErrorKind::unsupported, "cannot open /proc", std::strerror(errno));
  struct stat ns {};
  if (::fstatat(proc.get(), "self/ns/pid", &ns, 0) != 0) {
    return fail(ErrorKind::unsupported, "cannot tell the PID namespace", std::strerror(errno));
  }
  auto parts = std::make_unique<Parts>(std::move(proc));
  auto kernel = ContentionKernel::load(settings, static_cast<std::uint32_t>(ns.st_ino));
  if (!kernel) return std::unexpected(kernel.error());
  parts->kernel = std::move(*kernel);
  parts->begin_ns = clock_ns(CLOCK_BOOTTIME);
  return std::unique_ptr<BpfContentionSource>(new BpfContentionSource(std::move(parts)));
}

Result<ContentionWindow> BpfContentionSource::collect() {
  ContentionWindow window;
  window.begin_ns = parts_->begin_ns;
  parts_->places.begin_tick(clock_ns(CLOCK_BOOTTIME));
  const auto first_wait = [&](std::span<const std::uint8_t> record) {
    auto decoded = decode_first_wait(record);
    if (!decoded) return;
    parts_->places.fill(decoded->first.wait, decoded->first.thread.pid, decoded->leader_start_ns);
    window.first_waits.push_back(std::move(decoded->first));
  };
  const auto raw = parts_->kernel->take(window.end_ns, first_wait);
  if (!raw) return std::unexpected(raw.error());
  parts_->begin_ns = window.end_ns;
  const auto place = [&](pid_t pid, std::uint64_t start_ns, std::uint64_t address) {
    return parts_->places.place(pid, start_ns, address);
  };
  decode_contention(*raw, clock_ns(CLOCK_BOOTTIME) - clock_ns(CLOCK_MONOTONIC), place, window);
  window.lost = parts_->kernel->take_losses();
  if (parts_->places.not_asked() != 0) window.lost["place of a word not looked up"] = parts_->places.not_asked();
  window.hooks = parts_->kernel->costs();
  return window;
}

const std::vector<BpfContentionSource::Hook>& BpfContentionSource::hooks() const { return parts_->kernel->hooks(); }

}  // namespace lockscope
