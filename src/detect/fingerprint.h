// SPDX-License-Identifier: Apache-2.0
// Names for findings that survive: the same standing thing has the same in every later look, from every source, and
// after a restart of lockscope. Hence nothing goes in that a source makes up for one run (an address space, an index).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "lockscope/contention.h"
#include "lockscope/hash.h"
#include "lockscope/sample.h"

namespace lockscope {

class Fingerprint {
 public:
  explicit Fingerprint(std::string_view kind);

  Fingerprint& add(std::uint64_t number);
  Fingerprint& add(std::string_view text);
  Fingerprint& add(const ThreadId& thread);
  // The lock that this wait is for. A private word is told apart by the process of the waiter.
  Fingerprint& add_lock(const Sample& sample, const Wait& wait);

  // The same, by its name across ticks. A private word is told apart by the number of its process.
  Fingerprint& add_lock(const ContendedLock& lock);

  [[nodiscard]] std::string hex() const;  // 16 digits

 private:
  Fnv1a hash_;
};

// Of a set of waits: kind, their threads and their locks, whatever their order.
[[nodiscard]] std::string fingerprint_of(std::string_view kind, const Sample& sample,
                                         std::span<const std::size_t> waits);

}  // namespace lockscope
