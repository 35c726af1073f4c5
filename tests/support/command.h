// SPDX-License-Identifier: Apache-2.0
// Runs one program to its end and keeps what it said. For tests only; throws std::runtime_error where it cannot even be
// started, so that the test fails with the reason.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace lockscope::test {

struct CommandOptions {
  std::chrono::seconds deadline{120};  // then it is killed
  std::optional<uid_t> uid;            // run as this user, without any group or capability
};

struct Finished {
  int status = -1;  // exit status, 128 + N where a signal ended it
  bool late = false;
  std::string out;
  std::string err;
};

[[nodiscard]] Finished run_command(const std::vector<std::string>& command, const CommandOptions& options = {});

// The file descriptors of a started program: for those that do not end by themselves (puppet.h).
struct Started {
  pid_t pid = 0;
  int in = -1;
  int out = -1;
  int err = -1;
};
[[nodiscard]] Started start_command(const std::vector<std::string>& command, std::optional<uid_t> uid = {});

// Programs of this build: $LOCKSCOPE_BIN and $LOCKSCOPE_PUPPET, else beside the test program or one folder above it.
[[nodiscard]] std::string lockscope_program();
[[nodiscard]] std::string puppet_program();

// A whole number from the environment, for how often a test repeats; `usual` where it is not set.
[[nodiscard]] int number_from_environment(const char* name, int usual);

// A new folder under $TMPDIR or /tmp, open to everyone, gone with all that is in it at the end.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace lockscope::test
