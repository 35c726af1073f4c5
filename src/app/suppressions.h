// SPDX-License-Identifier: Apache-2.0
// Findings that the user does not want to hear of, by kind, function, library and lock: docs/suppressions.md. The file
// is bounded and errors say where they are. Names in findings are hostile. For the subcommands of the full level.
// Cost of a match: entries times the sites of the finding.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lockscope/report.h"
#include "lockscope/result.h"

namespace lockscope {

class Suppressions {
 public:
  // Errors are of kind usage and name the place in the file.
  [[nodiscard]] static Result<Suppressions> read(const std::string& path);
  // `file`: what errors call it.
  [[nodiscard]] static Result<Suppressions> parse(std::string_view text, const std::string& file);

  // The name of the first entry that the finding matches in all of its lines; it is counted as used.
  [[nodiscard]] std::optional<std::string> match(const FindingDescription& finding);

  struct Use {
    std::string name;
    std::size_t count = 0;
  };
  // How often each entry was used, in the order of the file; those never used too.
  [[nodiscard]] const std::vector<Use>& uses() const { return uses_; }

  static constexpr std::size_t kMaxFile = std::size_t{1} << 20;
  static constexpr std::size_t kMaxLine = 4096;

 private:
  friend class SuppressionParser;
  struct Entry {
    std::string kind;
    std::vector<std::string> functions, libraries, locks;
  };
  std::vector<Entry> entries_;
  std::vector<Use> uses_;  // one each
};

// An entry that suppresses this finding and those like it, to be pasted into a file: printable ASCII, whole lines.
// Empty: nothing is known of the finding but its kind, and an entry would suppress all of that kind.
[[nodiscard]] std::string suppression_for(const FindingDescription& finding);

}  // namespace lockscope
