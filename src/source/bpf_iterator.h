// SPDX-License-Identifier: Apache-2.0
// One BPF iterator program, loaded and attached, and the bytes of one run of it. Used by bpf_source.cpp only.
// Owns its skeleton; nothing is pinned, so everything goes with the process, however it ends.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "lockscope/result.h"

struct bpf_link;
struct bpf_program;

namespace lockscope {

class BpfIterator {
 public:
  BpfIterator() = default;
  BpfIterator(BpfIterator&& other) noexcept;
  BpfIterator& operator=(BpfIterator&& other) noexcept;
  BpfIterator(const BpfIterator&) = delete;
  BpfIterator& operator=(const BpfIterator&) = delete;
  ~BpfIterator();

  // The program must be loaded. Cost: two system calls.
  [[nodiscard]] static Result<BpfIterator> attach(bpf_program* program);
  // Runs it over everything and appends what it writes to `out`. Cost: that of the program; 1 MiB a read(2).
  [[nodiscard]] Result<void> run(std::vector<std::uint8_t>& out) const;

 private:
  explicit BpfIterator(bpf_link* link) : link_(link) {}
  bpf_link* link_ = nullptr;
};

}  // namespace lockscope
