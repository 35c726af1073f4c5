// SPDX-License-Identifier: Apache-2.0
#include "app/child_command.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

#include "tests/support/command.h"

namespace lockscope {
namespace {

// Waits for its end, as run does; nothing: not within a minute.
std::optional<int> end_of(ChildCommand& command) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (!command.serve()) {
    if (std::chrono::steady_clock::now() > deadline) return std::nullopt;
    pollfd ready{command.fd(), POLLIN, 0};
    ::poll(&ready, 1, 1000);
  }
  return command.status();
}

ChildCommand prepare(const std::vector<std::string>& arguments) {
  auto command = ChildCommand::prepare(arguments);
  if (!command) throw std::runtime_error(command.error().line());
  return std::move(*command);
}

// A file in which the child writes a line when it has come so far.
class Mark {
 public:
  [[nodiscard]] std::string path() const { return folder_.path() + "/mark"; }
  [[nodiscard]] bool await() const {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(1);
    while (std::chrono::steady_clock::now() < deadline) {
      if (std::filesystem::exists(path())) return true;
      ::usleep(500);
    }
    return false;
  }

 private:
  test::TemporaryFolder folder_;
};

sigset_t blocked_now() {
  sigset_t now;
  ::pthread_sigmask(SIG_SETMASK, nullptr, &now);
  return now;
}

TEST(ChildCommand, TellsTheExitStatus) {
  ChildCommand command = prepare({"/bin/sh", "-c", "exit 37"});
  EXPECT_EQ(command.program(), "/bin/sh");
  EXPECT_EQ(command.status(), std::nullopt);
  ASSERT_TRUE(command.go());
  const auto status = end_of(command);
  ASSERT_TRUE(status);
  EXPECT_TRUE(WIFEXITED(*status));
  EXPECT_EQ(WEXITSTATUS(*status), 37);
  EXPECT_TRUE(command.serve()) << "it stays ended";
}

TEST(ChildCommand, TellsTheSignalThatEndedIt) {
  ChildCommand command = prepare({"/bin/sh", "-c", "kill -KILL $$"});
  ASSERT_TRUE(command.go());
  const auto status = end_of(command);
  ASSERT_TRUE(status);
  EXPECT_TRUE(WIFSIGNALED(*status));
  EXPECT_EQ(WTERMSIG(*status), SIGKILL);
}

TEST(ChildCommand, WaitsUntilItIsLetGo) {
  const Mark mark;
  ChildCommand command = prepare({"/bin/sh", "-c", "echo here >" + mark.path()});
  // The exec comes after go(): until then the child is a copy of this program.
  std::error_code error;
  EXPECT_EQ(std::filesystem::read_symlink("/proc/" + std::to_string(command.pid()) + "/exe", error),
            std::filesystem::read_symlink("/proc/self/exe", error));
  EXPECT_FALSE(command.serve());
  EXPECT_FALSE(std::filesystem::exists(mark.path()));
  ASSERT_TRUE(command.go());
  EXPECT_EQ(end_of(command), 0);
  EXPECT_TRUE(std::filesystem::exists(mark.path()));
}

TEST(ChildCommand, IsFoundInPath) {
  const test::TemporaryFolder folder;
  const std::string program = folder.path() + "/lockscope-test-program";
  std::ofstream(program) << "#!/bin/sh\nexit 5\n";
  const char* before = std::getenv("PATH");
  const std::string path = before != nullptr ? before : "";
  ::setenv("PATH", ("/nonexistent:" + folder.path() + ":" + path).c_str(), 1);
  const auto not_executable = ChildCommand::prepare({"lockscope-test-program"});
  ::chmod(program.c_str(), 0755);
  auto command = ChildCommand::prepare({"lockscope-test-program"});
  ::setenv("PATH", path.c_str(), 1);
  ASSERT_FALSE(not_executable);
  EXPECT_EQ(not_executable.error().kind, ErrorKind::usage);
  ASSERT_TRUE(command);
  EXPECT_EQ(command->program(), program);
  ASSERT_TRUE(command->go());
  const auto status = end_of(*command);
  ASSERT_TRUE(status);
  EXPECT_EQ(WEXITSTATUS(*status), 5);
}

TEST(ChildCommand, IsAUsageErrorWhereItCannotBeRun) {
  const test::TemporaryFolder folder;
  const std::string text = folder.path() + "/text";
  std::ofstream(text) << "no program";
  const std::vector<std::vector<std::string>> wrong{
      {}, {""}, {"lockscope-no-such-command"}, {"/nonexistent/program"}, {text}, {folder.path()}, {"./nonexistent"}};
  const sigset_t before = blocked_now();
  for (const auto& arguments : wrong) {
    const auto command = ChildCommand::prepare(arguments);
    ASSERT_FALSE(command) << (arguments.empty() ? "" : arguments.front());
    EXPECT_EQ(command.error().kind, ErrorKind::usage);
  }
  const sigset_t after = blocked_now();
  EXPECT_EQ(::sigismember(&after, SIGTERM), ::sigismember(&before, SIGTERM));
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1) << "no child was left";
}

TEST(ChildCommand, TellsOfAnExecThatFails) {
  const test::TemporaryFolder folder;
  const std::string program = folder.path() + "/program";
  std::ofstream(program) << "no format that a kernel knows";
  ::chmod(program.c_str(), 0755);
  ChildCommand command = prepare({program});
  const auto started = command.go();
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().kind, ErrorKind::usage);
  EXPECT_NE(started.error().line().find(program), std::string::npos);
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1) << "it was reaped";
}

TEST(ChildCommand, GetsTheSignalsThatOthersSend) {
  const Mark mark;
  ChildCommand command =
      prepare({"/bin/sh", "-c", "trap 'exit 9' TERM; echo >" + mark.path() + "; while :; do sleep 0.01; done"});
  ASSERT_TRUE(command.go());
  ASSERT_TRUE(mark.await());
  EXPECT_FALSE(command.serve());
  ASSERT_EQ(::kill(::getpid(), SIGTERM), 0);  // blocked here: it is passed on
  const auto status = end_of(command);
  ASSERT_TRUE(status);
  ASSERT_TRUE(WIFEXITED(*status));
  EXPECT_EQ(WEXITSTATUS(*status), 9);
}

TEST(ChildCommand, IsKilledIfItIsNeverLetGo) {
  const sigset_t before = blocked_now();
  const Mark mark;
  pid_t pid = 0;
  {
    const ChildCommand command = prepare({"/bin/sh", "-c", "echo >" + mark.path()});
    pid = command.pid();
    const sigset_t meanwhile = blocked_now();
    EXPECT_EQ(::sigismember(&meanwhile, SIGTERM), 1);
  }
  EXPECT_EQ(::kill(pid, 0), -1);
  EXPECT_EQ(errno, ESRCH);
  EXPECT_FALSE(std::filesystem::exists(mark.path()));
  const sigset_t after = blocked_now();
  EXPECT_EQ(::sigismember(&after, SIGTERM), ::sigismember(&before, SIGTERM));
}

TEST(ChildCommand, IsKilledIfItIsStillThereAtTheEnd) {
  const Mark mark;
  pid_t pid = 0;
  {
    ChildCommand command = prepare({"/bin/sh", "-c", "echo >" + mark.path() + "; exec sleep 1000"});
    pid = command.pid();
    ASSERT_TRUE(command.go());
    ASSERT_TRUE(mark.await());
    const ChildCommand moved = std::move(command);
    EXPECT_EQ(moved.pid(), pid);
    EXPECT_EQ(::kill(pid, 0), 0) << "what was moved from lets it live";
  }
  EXPECT_EQ(::kill(pid, 0), -1);
}

// Its own signals are as they were before: a child that blocks SIGTERM could not be ended.
TEST(ChildCommand, HasTheSignalsOfBefore) {
  ChildCommand command =
      prepare({"/bin/sh", "-c", "test $(sed -n 's/^SigBlk:[^0-9a-f]*//p' /proc/self/status) = 0000000000000000"});
  const sigset_t meanwhile = blocked_now();
  ASSERT_EQ(::sigismember(&meanwhile, SIGCHLD), 1);
  ASSERT_TRUE(command.go());
  EXPECT_EQ(end_of(command), 0);
}

}  // namespace
}  // namespace lockscope
