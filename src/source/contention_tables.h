// SPDX-License-Identifier: Apache-2.0
// The double-buffered hash tables of one kind that the contention programs fill (bpf/contention.h): made here, handed to
// the kernel, and emptied a buffer at a time. For contention_kernel.cpp, from one thread.
// Cost of emptying: about 0.1 ms for the buckets of 16,384 entries, 0.3 us an entry.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#include "lockscope/result.h"
#include "lockscope/wire.h"
#include "source/unique_fd.h"

struct bpf_map;

namespace lockscope {

class ContentionTables {
 public:
  // `outer`: the array of maps, loaded; stays its object's.
  [[nodiscard]] static Result<ContentionTables> make(bpf_map* outer, std::size_t key_size, std::size_t value_size,
                                                     std::size_t entries);

  // Waits until every program has ended that may still fill the buffer which it read to be the active one.
  // (kernel/bpf/syscall.c, maybe_wait_bpf_programs(): the kernel does so for whoever changes an array of maps.)
  [[nodiscard]] Result<void> wait_for_programs() const;

  // Takes all entries out of a buffer that no program fills any more.
  template <class Key, class Counts>
  [[nodiscard]] Result<void> take(std::size_t buffer, std::vector<std::pair<Key, Counts>>& out) {
    return take_bytes(buffer, sizeof(Key), sizeof(Counts), [&](const std::uint8_t* key, const std::uint8_t* value) {
      auto& entry = out.emplace_back();
      std::memcpy(&entry.first, key, sizeof(Key));
      std::memcpy(&entry.second, value, sizeof(Counts));
    });
  }

 private:
  template <class Keep>
  [[nodiscard]] Result<void> take_bytes(std::size_t buffer, std::size_t key_size, std::size_t value_size, Keep keep) {
    for (std::size_t accounts = 0; accounts < LS_ACCOUNTS; ++accounts) {
      const auto taken = empty(buffer + LS_BUFFERS * accounts, key_size, value_size);
      if (!taken) return std::unexpected(taken.error());
      for (std::size_t i = 0; i < *taken; ++i) keep(keys_.data() + i * key_size, values_.data() + i * value_size);
    }
    return {};
  }
  // How many entries lie in keys_ and values_ now.
  [[nodiscard]] Result<std::size_t> empty(std::size_t slot, std::size_t key_size, std::size_t value_size);

  int outer_ = -1;
  std::size_t entries_ = 0;
  std::array<UniqueFd, LS_BUFFERS * LS_ACCOUNTS> inner_;
  std::vector<std::uint8_t> keys_, values_;
};

}  // namespace lockscope
