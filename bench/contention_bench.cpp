// SPDX-License-Identifier: Apache-2.0
// What the contention level costs those who are watched: each of a few operations timed with the hooks off and on, in
// turns within one run, so that what else the machine does falls on both; and the kernel's own account of what the
// hooks ran. Needs root. Usage: contention_bench [ROUNDS]
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "source/contention_source.h"

namespace {

using lockscope::BpfContentionSource;
using lockscope::ContentionSettings;

constexpr auto kBatch = std::chrono::milliseconds(60);

void pin(std::size_t cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  ::sched_setaffinity(0, sizeof set, &set);
}

double now_ns() {
  return static_cast<double>(std::chrono::steady_clock::now().time_since_epoch() / std::chrono::nanoseconds(1));
}

// Nanoseconds an operation, over one batch.
double timed(const std::function<void(int)>& operations, int at_once) {
  const double begin = now_ns(), enough = begin + static_cast<double>(kBatch / std::chrono::nanoseconds(1));
  double done = 0, end = begin;
  while (end < enough) {
    operations(at_once);
    done += at_once;
    end = now_ns();
  }
  return (end - begin) / done;
}

double system_calls() {
  return timed(
      [](int n) {
        while (n-- > 0) ::syscall(SYS_getppid);
      },
      1000);
}

double free_mutex() {
  pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  return timed(
      [&](int n) {
        while (n-- > 0) {
          pthread_mutex_lock(&mutex);
          pthread_mutex_unlock(&mutex);
        }
      },
      10'000);
}

double flock_pairs() {
  const int fd = ::open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  const double ns = timed(
      [&](int n) {
        while (n-- > 0) {
          ::flock(fd, LOCK_EX);
          ::flock(fd, LOCK_UN);
        }
      },
      200);
  ::close(fd);
  return ns;
}

double posix_pairs() {
  const int fd = ::open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  const double ns = timed(
      [&](int n) {
        struct flock range {};
        while (n-- > 0) {
          range.l_type = F_WRLCK;
          ::fcntl(fd, F_SETLK, &range);
          range.l_type = F_UNLCK;
          ::fcntl(fd, F_SETLK, &range);
        }
      },
      200);
  ::close(fd);
  return ns;
}

// Two threads on one CPU hand a byte to and fro: nothing but switches and wake-ups. A switch each way.
double pipe_switches() {
  int to[2], from[2];
  if (::pipe(to) != 0 || ::pipe(from) != 0) std::abort();
  std::thread other([&] {
    pin(0);
    char byte = 0;
    while (::read(to[0], &byte, 1) == 1) {
      if (::write(from[1], &byte, 1) != 1) break;
    }
  });
  const double ns = timed(
      [&](int n) {
        char byte = 'x';
        while (n-- > 0) {
          if (::write(to[1], &byte, 1) != 1 || ::read(from[0], &byte, 1) != 1) std::abort();
        }
      },
      100);
  ::close(to[1]);
  other.join();
  for (const int fd : {to[0], from[0], from[1]}) ::close(fd);
  return ns / 2;
}

// The same by futex: every switch is a contended wait.
double futex_waits() {
  std::atomic<int> turn = 0;
  const auto wait_for = [&](int mine) {
    for (int seen = turn; seen != mine && seen != 2; seen = turn) {
      ::syscall(SYS_futex, &turn, FUTEX_WAIT_PRIVATE, seen, nullptr, nullptr, 0);
    }
  };
  const auto give = [&](int to) {
    turn = to;
    ::syscall(SYS_futex, &turn, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
  };
  std::thread other([&] {
    pin(0);
    while (true) {
      wait_for(1);
      if (turn == 2) return;
      give(0);
    }
  });
  const double ns = timed(
      [&](int n) {
        while (n-- > 0) {
          give(1);
          wait_for(0);
        }
      },
      100);
  give(2);
  other.join();
  return ns / 2;
}

struct Operation {
  const char* name;
  double (*run)();
  std::vector<double> times[3];  // off, on, on with the exit of every system call
};

double median(std::vector<double> v) {
  std::ranges::sort(v);
  return v[v.size() / 2];
}
double least(const std::vector<double>& v) { return *std::ranges::min_element(v); }

std::unique_ptr<BpfContentionSource> start(bool system_calls_too, bool account) {
  ContentionSettings settings;
  settings.failed_creates = system_calls_too;
  settings.account = account;
  auto source = BpfContentionSource::create(settings);
  if (!source) {
    fmt::print(stderr, "{}\n", source.error().line());
    std::exit(3);
  }
  return std::move(*source);
}

void show_account(Operation& operation) {
  const auto source = start(true, true);
  (void)source->collect();
  const auto before = source->collect();
  operation.run();
  const auto after = source->collect();
  if (!before || !after) return;
  fmt::print("  {:<28}", operation.name);
  for (const auto& [name, cost] : after->hooks) {
    const auto& then = before->hooks.at(name);
    const auto runs = cost.runs - then.runs;
    if (runs < 1000) continue;
    const auto each = static_cast<double>(cost.run_ns - then.run_ns) / static_cast<double>(runs);
    fmt::print("  {} {:.0f}", name.substr(std::string_view("contention_").size()), each);
  }
  fmt::print("\n");
}

}  // namespace

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::atoi(argv[1]) : 15;
  std::vector<Operation> operations = {
      {"unrelated system call", system_calls, {}},
      {"mutex nobody waits for, pair", free_mutex, {}},
      {"flock, pair", flock_pairs, {}},
      {"fcntl lock, pair", posix_pairs, {}},
      {"context switch, pipe", pipe_switches, {}},
      {"contended futex wait", futex_waits, {}},
  };
  pin(0);
  for (int round = 0; round < rounds; ++round) {
    for (std::size_t turn = 0; turn < 3; ++turn) {
      const std::size_t mode = (turn + static_cast<std::size_t>(round)) % 3;
      const auto source = mode == 0 ? nullptr : start(mode == 2, false);
      for (Operation& operation : operations) operation.times[mode].push_back(operation.run());
    }
  }
  fmt::print("ns, least / median of {} batches of {} ms, one CPU; [and with a hook on the exit of every system call]\n",
             rounds, kBatch.count());
  for (const Operation& o : operations) {
    fmt::print(
        "  {:<28} off {:6.0f} / {:6.0f}   on {:6.0f} / {:6.0f}   added {:+5.0f} / {:+5.0f}   [added {:+5.0f} / "
        "{:+5.0f}]\n",
        o.name, least(o.times[0]), median(o.times[0]), least(o.times[1]), median(o.times[1]),
        least(o.times[1]) - least(o.times[0]), median(o.times[1]) - median(o.times[0]),
        least(o.times[2]) - least(o.times[0]), median(o.times[2]) - median(o.times[0]));
  }
  fmt::print("by the kernel's own account, ns a run (create does nothing here: what the account itself costs)\n");
  for (Operation& o : operations) show_account(o);
}
