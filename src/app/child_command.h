// SPDX-License-Identifier: Apache-2.0
// A command that is started held back, so that it can be prepared for, and then let go: as a shell would run it, in this
// terminal and process group. Signals that others send to lockscope are passed on to it; those of the terminal it gets
// by itself. For `run` only. One at a time, made while the process has one thread.
#pragma once

#include <signal.h>
#include <sys/types.h>
#include <termios.h>

#include <optional>
#include <string>
#include <vector>

#include "lockscope/result.h"
#include "source/unique_fd.h"

namespace lockscope {

class ChildCommand {
 public:
  // Forks; the child waits for go(). Errors are of kind usage: no such command (found in PATH), not executable.
  [[nodiscard]] static Result<ChildCommand> prepare(const std::vector<std::string>& arguments);
  ChildCommand(ChildCommand&& other) noexcept;
  ChildCommand& operator=(ChildCommand&&) = delete;
  // Kills a child that was never let go or has not ended; restores signals, and the terminal if the child was killed.
  ~ChildCommand();

  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] const std::string& program() const { return program_; }  // absolute path

  // Lets it exec. Error: the exec failed, and why.
  [[nodiscard]] Result<void> go();
  // Ready to be read when serve() has something to do.
  [[nodiscard]] int fd() const { return signals_.get(); }
  // Passes signals on. True: the child has ended.
  bool serve();
  // As waitpid(2) gave it; nothing: it has not ended.
  [[nodiscard]] std::optional<int> status() const { return status_; }
  void kill(int signal) const;

 private:
  ChildCommand() = default;
  bool reap(int flags);

  pid_t pid_ = 0;
  std::string program_;
  UniqueFd start_;    // written to: go
  UniqueFd outcome_;  // read from: the errno of a failed exec, or nothing
  UniqueFd signals_;
  sigset_t before_{};
  bool blocked_ = false;
  std::optional<int> status_;
  std::optional<termios> terminal_;
};

}  // namespace lockscope
