// SPDX-License-Identifier: Apache-2.0
// The puppet's scenarios as the tests use them: by name, with what each must also stand.
#pragma once

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "tests/support/snapshot.h"

namespace lockscope::test {

enum class SourceChoice { bpf, proc };

inline std::vector<std::string> source_options(SourceChoice source) {
  return source == SourceChoice::bpf ? std::vector<std::string>{} : std::vector<std::string>{"--no-bpf"};
}

inline const char* name_of(SourceChoice source) { return source == SourceChoice::bpf ? "bpf" : "proc"; }

// Hangs that must be found, and innocents of which nothing may be said. Together: all that `puppet --list` prints.
[[nodiscard]] const std::vector<std::string>& hanging_scenarios();
[[nodiscard]] const std::vector<std::string>& innocent_scenarios();

// A snapshot that did its work, by the source that was asked for. Skips the test, naming why, where lockscope itself
// says that it cannot use BPF here; fails it otherwise. Use as: `auto taken = …; if (!taken) return;`
[[nodiscard]] std::optional<nlohmann::json> report_by(SourceChoice source, std::vector<std::string> options = {});

}  // namespace lockscope::test
