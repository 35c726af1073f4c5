// SPDX-License-Identifier: Apache-2.0
// The contention programs in the kernel: loaded object by object, attached, asked and accounted for. All that
// contention_source.cpp needs of libbpf. From one thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "lockscope/result.h"
#include "source/contention_records.h"
#include "source/contention_source.h"

namespace lockscope {

class ContentionKernel {
 public:
  // `reader_pid_ns`: inode number of the PID namespace whose numbers are wanted.
  [[nodiscard]] static Result<std::unique_ptr<ContentionKernel>> load(const ContentionSettings& settings,
                                                                      std::uint32_t reader_pid_ns);
  ~ContentionKernel();

  // Changes the buffers over and empties the one that was filled until now. `border_ns`: the CLOCK_BOOTTIME of the
  // change. Each record of a first wait is shown once.
  [[nodiscard]] Result<RawContention> take(std::uint64_t& border_ns,
                                           const std::function<void(std::span<const std::uint8_t>)>& first_wait);
  // What has been lost since the call before.
  [[nodiscard]] std::map<std::string, std::uint64_t> take_losses();
  [[nodiscard]] std::map<std::string, HookCost> costs() const;
  [[nodiscard]] const std::vector<BpfContentionSource::Hook>& hooks() const;

 private:
  struct Parts;
  explicit ContentionKernel(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace lockscope
