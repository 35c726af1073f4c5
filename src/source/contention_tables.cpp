// SPDX-License-Identifier: Apache-2.0
#include "source/contention_tables.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <algorithm>
#include <cerrno>

namespace lockscope {

Result<ContentionTables> ContentionTables::make(bpf_map* outer, std::size_t key_size, std::size_t value_size,
                                                std::size_t entries) {
  ContentionTables tables;
  tables.outer_ = bpf_map__fd(outer);
  tables.entries_ = entries;
  for (std::uint32_t slot = 0; slot < tables.inner_.size(); ++slot) {
    const UniqueFd& inner = tables.inner_[slot] =
        UniqueFd(bpf_map_create(BPF_MAP_TYPE_HASH, "lockscope_table", static_cast<std::uint32_t>(key_size),
                                static_cast<std::uint32_t>(value_size), static_cast<std::uint32_t>(entries), nullptr));
    const int fd = inner.get();
    if (!inner || bpf_map_update_elem(tables.outer_, &slot, &fd, BPF_ANY) != 0) {
      return fail(ErrorKind::unsupported, "cannot make a BPF hash table", std::strerror(errno));
    }
  }
  return tables;
}

Result<void> ContentionTables::wait_for_programs() const {
  const std::uint32_t slot = 0;
  const int same = inner_.front().get();
  if (bpf_map_update_elem(outer_, &slot, &same, BPF_ANY) != 0) {
    return fail(ErrorKind::failed, "cannot change over BPF tables", std::strerror(errno));
  }
  return {};
}

Result<std::size_t> ContentionTables::empty(std::size_t slot, std::size_t key_size, std::size_t value_size) {
  std::size_t have = 0;
  std::uint32_t batch = 0;
  std::size_t chunk = std::min<std::size_t>(entries_, 1024);
  for (bool first = true;; first = false) {
    keys_.resize((have + chunk) * key_size);
    values_.resize((have + chunk) * value_size);
    auto count = static_cast<std::uint32_t>(chunk);
    const int failed = bpf_map_lookup_and_delete_batch(inner_[slot].get(), first ? nullptr : &batch, &batch,
                                                       keys_.data() + have * key_size,
                                                       values_.data() + have * value_size, &count, nullptr);
    const int error = failed != 0 ? errno : 0;
    if (error != 0 && error != ENOENT && error != ENOSPC) {
      return fail(ErrorKind::failed, "cannot read a BPF table", std::strerror(error));
    }
    have += count;
    if (error == ENOENT) return have;
    // A bucket with more entries than there is room for is left for another try.
    if (error == ENOSPC) chunk *= 2;
  }
}

}  // namespace lockscope
