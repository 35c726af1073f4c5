// SPDX-License-Identifier: Apache-2.0
// The crowd program for as long as a benchmark lasts, and room in the table of thread numbers for it. For bench/ only.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

namespace lockscope {

// The crowd program, as long as this lives.
class Crowd {
 public:
  Crowd(const char* shape, long count) {
    int in[2], out[2];
    if (::pipe(in) != 0 || ::pipe(out) != 0) std::abort();
    child_ = ::fork();
    if (child_ == 0) {
      ::dup2(in[0], 0);
      ::dup2(out[1], 1);
      for (int fd : {in[0], in[1], out[0], out[1]}) ::close(fd);
      ::execl(CROWD, CROWD, shape, std::to_string(count).c_str(), nullptr);
      ::_exit(127);
    }
    ::close(in[0]);
    ::close(out[1]);
    input_ = in[1];
    char text[8];
    if (::read(out[0], text, sizeof text) <= 0) std::fputs("the crowd did not come together\n", stderr);
    ::close(out[0]);
  }
  ~Crowd() {
    ::close(input_);
    ::waitpid(child_, nullptr, 0);
  }
  Crowd(const Crowd&) = delete;
  Crowd& operator=(const Crowd&) = delete;

 private:
  pid_t child_ = 0;
  int input_ = -1;
};

// 30,000 threads do not fit under the default limit of 32,768 numbers.
class PidLimit {
 public:
  PidLimit() {
    std::ifstream(kPath) >> before_;
    if (before_ < 100000) std::ofstream(kPath) << 100000;
  }
  ~PidLimit() { std::ofstream(kPath) << before_; }
  PidLimit(const PidLimit&) = delete;
  PidLimit& operator=(const PidLimit&) = delete;

 private:
  static constexpr const char* kPath = "/proc/sys/kernel/pid_max";
  long before_ = 0;
};

}  // namespace lockscope
