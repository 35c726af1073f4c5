// SPDX-License-Identifier: Apache-2.0
// Identities of address spaces, descriptor tables and open files are kernel addresses, which are nobody's business
// outside this host: small numbers tell the same apart, over a whole recording. 0 (unknown) stays 0. Bounded: beyond
// kKept those go first that no look has shown for kForgetAfter looks; one that comes back then is taken for another.
// Called by the writer, once a tick; about 50 ns an identity.
#pragma once

#include <cstdint>
#include <unordered_map>

#include "lockscope/contention.h"
#include "lockscope/raw_sample.h"

namespace lockscope {

class Identities {
 public:
  static constexpr std::size_t kKept = std::size_t{1} << 16;
  static constexpr std::uint64_t kForgetAfter = 16;

  // All of a tick.
  void renumber(RawSample& look, ContentionWindow& window);

 private:
  class Space {
   public:
    void apply(std::uint64_t& identity, std::uint64_t look);
    void forget_before(std::uint64_t look);

   private:
    struct Known {
      std::uint64_t number = 0;
      std::uint64_t last_seen = 0;
    };
    std::unordered_map<std::uint64_t, Known> known_;
    std::uint64_t numbers_ = 0;
  };

  void renumber(Thread& thread);
  void renumber(RawWait& wait);

  Space spaces_;
  Space owners_;  // an OFD lock's owner is an open file, a POSIX lock's a descriptor table
  std::uint64_t looks_ = 0;
};

}  // namespace lockscope
