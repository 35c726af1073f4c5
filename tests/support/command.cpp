// SPDX-License-Identifier: Apache-2.0
#include "tests/support/command.h"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <stdexcept>

namespace lockscope::test {
namespace {

using Clock = std::chrono::steady_clock;

[[noreturn]] void fail(const std::string& what) { throw std::runtime_error(what + ": " + std::strerror(errno)); }

struct Pipe {
  Pipe() {
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) fail("pipe2");
  }
  std::array<int, 2> ends{};
};

[[noreturn]] void become(const std::vector<std::string>& command, std::optional<uid_t> uid, const Pipe& in,
                         const Pipe& out, const Pipe& err) {
  ::dup2(in.ends[0], STDIN_FILENO);
  ::dup2(out.ends[1], STDOUT_FILENO);
  ::dup2(err.ends[1], STDERR_FILENO);
  if (uid && (::setgroups(0, nullptr) != 0 || ::setgid(*uid) != 0 || ::setuid(*uid) != 0)) ::_exit(126);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // a change of user clears it
  std::vector<char*> arguments;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  ::execv(arguments[0], arguments.data());
  ::_exit(127);
}

// Appends what is there; closes and forgets the descriptor at its end.
void drain(int& fd, std::string& text) {
  std::array<char, 65536> buffer{};
  const ssize_t length = ::read(fd, buffer.data(), buffer.size());
  if (length > 0) {
    text.append(buffer.data(), static_cast<std::size_t>(length));
  } else if (length == 0 || errno != EINTR) {
    ::close(fd);
    fd = -1;
  }
}

std::string beside_this_program(const char* variable, const char* name) {
  if (const char* given = std::getenv(variable); given != nullptr && *given != 0) return given;
  const std::filesystem::path here = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  for (const std::filesystem::path& folder : {here, here.parent_path(), here / "tests"}) {
    if (std::filesystem::is_regular_file(folder / name)) return folder / name;
  }
  throw std::runtime_error(std::string("no program ") + name + " beside the test; set " + variable);
}

}  // namespace

Started start_command(const std::vector<std::string>& command, std::optional<uid_t> uid) {
  const Pipe in;
  const Pipe out;
  const Pipe err;
  const pid_t pid = ::fork();
  if (pid < 0) fail("fork");
  if (pid == 0) become(command, uid, in, out, err);
  ::close(in.ends[0]);
  ::close(out.ends[1]);
  ::close(err.ends[1]);
  return {pid, in.ends[1], out.ends[0], err.ends[0]};
}

Finished run_command(const std::vector<std::string>& command, const CommandOptions& options) {
  Started started = start_command(command, options.uid);
  ::close(started.in);
  Finished finished;
  const Clock::time_point end = Clock::now() + options.deadline;
  while (started.out >= 0 || started.err >= 0) {
    std::array<pollfd, 2> waiting{{{started.out, POLLIN, 0}, {started.err, POLLIN, 0}}};
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now()).count();
    if (left <= 0) {
      finished.late = true;
      ::kill(started.pid, SIGKILL);
      break;
    }
    if (::poll(waiting.data(), waiting.size(), static_cast<int>(left)) <= 0) continue;
    if (waiting[0].revents != 0) drain(started.out, finished.out);
    if (waiting[1].revents != 0) drain(started.err, finished.err);
  }
  if (started.out >= 0) ::close(started.out);
  if (started.err >= 0) ::close(started.err);
  int status = 0;
  ::waitpid(started.pid, &status, 0);
  finished.status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  return finished;
}

std::string lockscope_program() { return beside_this_program("LOCKSCOPE_BIN", "lockscope"); }
std::string puppet_program() { return beside_this_program("LOCKSCOPE_PUPPET", "puppet"); }

int number_from_environment(const char* name, int usual) {
  const char* text = std::getenv(name);
  if (text == nullptr || *text == 0) return usual;
  char* end = nullptr;
  const long value = std::strtol(text, &end, 10);
  if (*end != 0 || value < 1 || value > 1'000'000)
    throw std::runtime_error(std::string(name) + " is not a number: " + text);
  return static_cast<int>(value);
}

TemporaryFolder::TemporaryFolder() {
  const char* base = std::getenv("TMPDIR");
  path_ = std::string(base != nullptr && *base != 0 ? base : "/tmp") + "/lockscope-test.XXXXXX";
  if (::mkdtemp(path_.data()) == nullptr) fail("mkdtemp " + path_);
  ::chmod(path_.c_str(), 0777);
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace lockscope::test
