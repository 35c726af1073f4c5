// SPDX-License-Identifier: Apache-2.0
#include "attribution/proc_directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <utility>
#include <vector>

namespace lockscope {

namespace {

constexpr std::size_t kTextLimit = 64 * 1024;
constexpr std::size_t kLineLimit = 8 * 1024;
constexpr std::size_t kChunk = 64 * 1024;

class OpenFileHere {
 public:
  OpenFileHere(int directory, const char* name) : fd_(::openat(directory, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {}
  OpenFileHere(const OpenFileHere&) = delete;
  OpenFileHere& operator=(const OpenFileHere&) = delete;
  ~OpenFileHere() {
    if (fd_ >= 0) ::close(fd_);
  }
  // Bytes read; 0 at the end; -1 on any error.
  [[nodiscard]] ssize_t read(char* to, std::size_t size) const {
    ssize_t got = -1;
    do {
      got = ::read(fd_, to, size);
    } while (got < 0 && errno == EINTR);
    return got;
  }

 private:
  int fd_;
};

}  // namespace

ProcDirectory::ProcDirectory(const std::string& path) : fd_(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)) {}

ProcDirectory::ProcDirectory(ProcDirectory&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

ProcDirectory::~ProcDirectory() {
  if (fd_ >= 0) ::close(fd_);
}

std::optional<std::string> ProcDirectory::text(const char* name) const {
  const OpenFileHere file(fd_, name);
  std::string text(4096, '\0');
  std::size_t used = 0;
  while (true) {
    const ssize_t got = file.read(text.data() + used, text.size() - used);
    if (got < 0) return std::nullopt;
    if (got == 0) break;
    used += static_cast<std::size_t>(got);
    if (used < text.size()) continue;
    if (text.size() >= kTextLimit) return std::nullopt;
    text.resize(text.size() * 2);
  }
  text.resize(used);
  return text;
}

std::optional<std::string> ProcDirectory::link(const char* name) const {
  std::array<char, 4097> target{};
  const ssize_t got = ::readlinkat(fd_, name, target.data(), target.size());
  if (got <= 0 || static_cast<std::size_t>(got) == target.size()) return std::nullopt;
  return std::string(target.data(), static_cast<std::size_t>(got));
}

std::vector<int> ProcDirectory::numbers(const char* name, std::size_t limit) const {
  std::vector<int> found;
  const int fd = ::openat(fd_, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* const folder = fd >= 0 ? ::fdopendir(fd) : nullptr;
  if (folder == nullptr) {
    if (fd >= 0) ::close(fd);
    return found;
  }
  while (found.size() < limit) {
    const dirent* const entry = ::readdir(folder);
    if (entry == nullptr) break;
    const std::string_view text = entry->d_name;
    int number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error == std::errc{} && end == text.data() + text.size() && number >= 0) found.push_back(number);
  }
  ::closedir(folder);
  std::ranges::sort(found);
  return found;
}

void ProcDirectory::lines(const char* name, std::size_t limit,
                          const std::function<void(std::string_view)>& line) const {
  const OpenFileHere file(fd_, name);
  std::vector<char> chunk(kChunk);
  std::string begun;
  std::size_t total = 0;
  while (total < limit) {
    const ssize_t got = file.read(chunk.data(), chunk.size());
    if (got <= 0) break;
    total += static_cast<std::size_t>(got);
    std::string_view rest(chunk.data(), static_cast<std::size_t>(got));
    for (std::size_t end = rest.find('\n'); end != std::string_view::npos; end = rest.find('\n')) {
      begun += rest.substr(0, end);
      if (begun.size() <= kLineLimit) line(begun);
      begun.clear();
      rest.remove_prefix(end + 1);
    }
    // Enough is kept of an overlong line to know that it is one.
    if (begun.size() <= kLineLimit) begun += rest;
  }
}

}  // namespace lockscope
