// SPDX-License-Identifier: Apache-2.0
// A running puppet (tests/puppets): a hang, or an innocent crowd, of which the truth is known. Constructing one waits
// until it stands; destroying it takes all its processes down. For tests; throws std::runtime_error if it does not
// stand.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/command.h"

namespace lockscope::test {

class Puppet {
 public:
  explicit Puppet(const std::string& scenario, const std::vector<std::string>& options = {},
                  std::optional<uid_t> uid = {});
  ~Puppet();
  Puppet(const Puppet&) = delete;
  Puppet& operator=(const Puppet&) = delete;

  // See tests/puppets/truth.h.
  [[nodiscard]] const nlohmann::json& truth() const { return truth_; }
  // How often an innocent scenario has moved until now.
  [[nodiscard]] std::int64_t progress();
  // Whether a THREAD of a report is one of the puppet's. Its processes come and go, so its name counts as well.
  [[nodiscard]] bool owns(const nlohmann::json& thread) const;

 private:
  [[nodiscard]] std::string read_line();
  void take_down();

  TemporaryFolder folder_;
  Started started_;
  std::string unread_;
  nlohmann::json truth_;
};

}  // namespace lockscope::test
