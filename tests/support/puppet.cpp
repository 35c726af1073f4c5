// SPDX-License-Identifier: Apache-2.0
#include "tests/support/puppet.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <stdexcept>

namespace lockscope::test {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::seconds kAnswersWithin{300};

std::string read_all(int fd) {
  std::string text;
  std::array<char, 4096> buffer{};
  for (ssize_t length = 0; (length = ::read(fd, buffer.data(), buffer.size())) > 0;) {
    text.append(buffer.data(), static_cast<std::size_t>(length));
  }
  return text;
}

}  // namespace

Puppet::Puppet(const std::string& scenario, const std::vector<std::string>& options, std::optional<uid_t> uid) {
  std::vector<std::string> command{puppet_program(), scenario, "--dir", folder_.path()};
  command.insert(command.end(), options.begin(), options.end());
  started_ = start_command(command, uid);
  const std::string line = read_line();
  truth_ = nlohmann::json::parse(line, nullptr, false);
  if (!truth_.is_discarded()) return;
  ::kill(started_.pid, SIGTERM);  // its end closes the pipe that is read next
  const std::string reason = read_all(started_.err);
  take_down();
  throw std::runtime_error("puppet " + scenario + " does not stand: " + reason);
}

Puppet::~Puppet() { take_down(); }

void Puppet::take_down() {
  if (started_.pid == 0) return;
  ::close(started_.in);  // asks it to end; it reaps its own
  ::close(started_.out);
  ::close(started_.err);
  ::waitpid(started_.pid, nullptr, 0);
  started_.pid = 0;
}

std::string Puppet::read_line() {
  const Clock::time_point end = Clock::now() + kAnswersWithin;
  for (;;) {
    if (const std::size_t newline = unread_.find('\n'); newline != std::string::npos) {
      std::string line = unread_.substr(0, newline);
      unread_.erase(0, newline + 1);
      return line;
    }
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now()).count();
    pollfd waiting{started_.out, POLLIN, 0};
    if (left <= 0 || ::poll(&waiting, 1, static_cast<int>(left)) == 0) return {};
    std::array<char, 4096> buffer{};
    const ssize_t length = ::read(started_.out, buffer.data(), buffer.size());
    if (length <= 0) return {};
    unread_.append(buffer.data(), static_cast<std::size_t>(length));
  }
}

std::int64_t Puppet::progress() {
  if (::write(started_.in, "?\n", 2) != 2) throw std::runtime_error("the puppet is gone");
  return nlohmann::json::parse(read_line()).at("progress").get<std::int64_t>();
}

bool Puppet::owns(const nlohmann::json& thread) const {
  if (thread.contains("comm") && thread["comm"] == truth_["comm"]) return true;
  return thread.contains("pid") && std::ranges::find(truth_["pids"], thread["pid"]) != truth_["pids"].end();
}

}  // namespace lockscope::test
