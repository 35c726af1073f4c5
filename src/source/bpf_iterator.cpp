// SPDX-License-Identifier: Apache-2.0
#include "source/bpf_iterator.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "source/unique_fd.h"

namespace lockscope {

BpfIterator::BpfIterator(BpfIterator&& other) noexcept : link_(std::exchange(other.link_, nullptr)) {}

BpfIterator& BpfIterator::operator=(BpfIterator&& other) noexcept {
  std::swap(link_, other.link_);
  return *this;
}

BpfIterator::~BpfIterator() { bpf_link__destroy(link_); }

Result<BpfIterator> BpfIterator::attach(bpf_program* program) {
  bpf_link* link = bpf_program__attach_iter(program, nullptr);
  if (link == nullptr) {
    return fail(ErrorKind::unsupported, "cannot attach a BPF iterator", std::strerror(errno));
  }
  return BpfIterator(link);
}

Result<void> BpfIterator::run(std::vector<std::uint8_t>& out) const {
  constexpr std::size_t kChunk = 1 << 20;
  const UniqueFd fd(bpf_iter_create(bpf_link__fd(link_)));
  if (!fd) return fail(ErrorKind::unsupported, "cannot open a BPF iterator", std::strerror(errno));
  while (true) {
    const std::size_t have = out.size();
    out.resize(have + kChunk);
    const ssize_t got = ::read(fd.get(), out.data() + have, kChunk);
    const int error = errno;
    out.resize(have + static_cast<std::size_t>(got > 0 ? got : 0));
    if (got == 0) return {};
    if (got < 0 && error != EINTR && error != EAGAIN) {
      return fail(ErrorKind::failed, "cannot read a BPF iterator", std::strerror(error));
    }
  }
}

}  // namespace lockscope
