// SPDX-License-Identifier: Apache-2.0
// One thread's folder in /proc, held open: what is read through it is that thread's, or nothing; never that of another
// thread which took its number over. Reads are bounded. For src/attribution; each call is two or three system calls.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lockscope {

class ProcDirectory {
 public:
  explicit ProcDirectory(const std::string& path);
  ProcDirectory(ProcDirectory&& other) noexcept;
  ProcDirectory(const ProcDirectory&) = delete;
  ProcDirectory& operator=(const ProcDirectory&) = delete;
  ~ProcDirectory();

  [[nodiscard]] explicit operator bool() const { return fd_ >= 0; }
  [[nodiscard]] int get() const { return fd_; }  // O_PATH, as long as this lives

  // The whole file. Absent: cannot be read, or is longer than 64 KiB.
  [[nodiscard]] std::optional<std::string> text(const char* name) const;
  [[nodiscard]] std::optional<std::string> link(const char* name) const;
  // The names that are numbers in the folder `name` of it, at most `limit` of them, ascending.
  [[nodiscard]] std::vector<int> numbers(const char* name, std::size_t limit) const;
  // Calls back for each line, without its newline, of the first `limit` bytes; lines over 8 KiB are left out.
  void lines(const char* name, std::size_t limit, const std::function<void(std::string_view)>& line) const;

 private:
  int fd_ = -1;
};

}  // namespace lockscope
