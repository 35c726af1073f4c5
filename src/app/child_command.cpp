// SPDX-License-Identifier: Apache-2.0
#include "app/child_command.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace lockscope {
namespace {

constexpr std::array kPassedOn{SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH, SIGCONT, SIGALRM};

bool is_program(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode) && ::access(path.c_str(), X_OK) == 0;
}

std::string absolute(const std::string& path) {
  if (path.starts_with('/')) return path;
  std::array<char, 4096> directory{};
  return ::getcwd(directory.data(), directory.size()) == nullptr ? path : std::string(directory.data()) + "/" + path;
}

Result<std::string> find_program(const std::string& name) {
  if (name.empty()) return fail(ErrorKind::usage, "the command is empty");
  if (name.find('/') != std::string::npos) {
    if (is_program(name)) return absolute(name);
    const int error = ::access(name.c_str(), F_OK) == 0 ? EACCES : ENOENT;
    return fail(ErrorKind::usage, "cannot run '" + name + "'", std::strerror(error));
  }
  const char* search = std::getenv("PATH");
  const std::string path = search != nullptr ? search : "/usr/local/bin:/usr/bin:/bin";
  for (std::size_t at = 0; at <= path.size();) {
    const std::size_t end = std::min(path.find(':', at), path.size());
    const std::string directory = path.substr(at, end - at);
    std::string candidate = absolute((directory.empty() ? "." : directory) + "/" + name);
    if (is_program(candidate)) return candidate;
    at = end + 1;
  }
  return fail(ErrorKind::usage, "cannot run '" + name + "'", "no such command in PATH");
}

// In the child: nothing but system calls between fork and exec.
[[noreturn]] void become(const std::string& program, char* const* arguments, int start, int outcome,
                         const sigset_t& signals) {
  char go = 0;
  ssize_t got = 0;
  do {
    got = ::read(start, &go, 1);
  } while (got < 0 && errno == EINTR);
  if (got != 1) ::_exit(127);
  ::signal(SIGPIPE, SIG_DFL);  // lockscope ignores it
  ::sigprocmask(SIG_SETMASK, &signals, nullptr);
  ::execv(program.c_str(), arguments);
  const int error = errno;
  static_cast<void>(!::write(outcome, &error, sizeof error));
  ::_exit(127);
}

}  // namespace

Result<ChildCommand> ChildCommand::prepare(const std::vector<std::string>& arguments) {
  auto program = find_program(arguments.empty() ? "" : arguments.front());
  if (!program) return std::unexpected(program.error());
  ChildCommand command;
  command.program_ = *program;
  std::array<int, 2> start{}, outcome{};
  if (::pipe2(start.data(), O_CLOEXEC) != 0) return fail(ErrorKind::failed, "cannot make a pipe", std::strerror(errno));
  UniqueFd start_read(start[0]);
  command.start_ = UniqueFd(start[1]);
  if (::pipe2(outcome.data(), O_CLOEXEC) != 0) {
    return fail(ErrorKind::failed, "cannot make a pipe", std::strerror(errno));
  }
  command.outcome_ = UniqueFd(outcome[0]);
  UniqueFd outcome_write(outcome[1]);

  sigset_t wanted;
  ::sigemptyset(&wanted);
  ::sigaddset(&wanted, SIGCHLD);
  for (const int signal : kPassedOn) ::sigaddset(&wanted, signal);
  if (const int error = ::pthread_sigmask(SIG_BLOCK, &wanted, &command.before_); error != 0) {
    return fail(ErrorKind::failed, "cannot block signals", std::strerror(error));
  }
  command.blocked_ = true;
  command.signals_ = UniqueFd(::signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!command.signals_) return fail(ErrorKind::failed, "cannot wait for signals", std::strerror(errno));
  termios terminal{};
  if (::tcgetattr(STDIN_FILENO, &terminal) == 0) command.terminal_ = terminal;

  std::vector<char*> pointers;
  for (const std::string& argument : arguments) pointers.push_back(const_cast<char*>(argument.c_str()));
  pointers.push_back(nullptr);
  command.pid_ = ::fork();
  if (command.pid_ < 0) return fail(ErrorKind::failed, "cannot start the command", std::strerror(errno));
  if (command.pid_ == 0) {
    // The parent's end: were it open here, its death would not be noticed.
    ::close(start[1]);
    become(*program, pointers.data(), start_read.get(), outcome_write.get(), command.before_);
  }
  return command;
}

ChildCommand::ChildCommand(ChildCommand&& other) noexcept
    : pid_(std::exchange(other.pid_, 0)),
      program_(std::move(other.program_)),
      start_(std::move(other.start_)),
      outcome_(std::move(other.outcome_)),
      signals_(std::move(other.signals_)),
      before_(other.before_),
      blocked_(std::exchange(other.blocked_, false)),
      status_(other.status_),
      terminal_(other.terminal_) {}

ChildCommand::~ChildCommand() {
  if (pid_ > 0 && !status_) {
    ::kill(pid_, SIGKILL);
    reap(0);
  }
  // Programs that are killed leave a terminal as they had set it.
  if (pid_ > 0 && terminal_ && status_ && WIFSIGNALED(*status_) && ::tcgetpgrp(STDIN_FILENO) == ::getpgrp()) {
    ::tcsetattr(STDIN_FILENO, TCSADRAIN, &*terminal_);
  }
  if (blocked_) ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

Result<void> ChildCommand::go() {
  const char byte = 1;
  if (::write(start_.get(), &byte, 1) != 1) {
    return fail(ErrorKind::failed, "cannot start the command", std::strerror(errno));
  }
  start_.reset();
  int error = 0;
  ssize_t got = 0;
  do {
    got = ::read(outcome_.get(), &error, sizeof error);
  } while (got < 0 && errno == EINTR);
  outcome_.reset();
  if (got != static_cast<ssize_t>(sizeof error)) return {};  // the exec closed it
  reap(0);
  return fail(ErrorKind::usage, "cannot run '" + program_ + "'", std::strerror(error));
}

bool ChildCommand::reap(int flags) {
  int status = 0;
  pid_t ended = 0;
  do {
    ended = ::waitpid(pid_, &status, flags);
  } while (ended < 0 && errno == EINTR);
  if (ended == pid_) status_ = status;
  return ended == pid_;
}

bool ChildCommand::serve() {
  signalfd_siginfo signal{};
  while (::read(signals_.get(), &signal, sizeof signal) == static_cast<ssize_t>(sizeof signal)) {
    const auto number = static_cast<int>(signal.ssi_signo);
    // What the terminal sends, it sends to the child as well.
    if (number != SIGCHLD && signal.ssi_code <= 0 && !status_) ::kill(pid_, number);
  }
  if (!status_) reap(WNOHANG);
  return status_.has_value();
}

void ChildCommand::kill(int signal) const {
  if (pid_ > 0 && !status_) ::kill(pid_, signal);
}

}  // namespace lockscope
