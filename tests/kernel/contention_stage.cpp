// SPDX-License-Identifier: Apache-2.0
#include "tests/kernel/contention_stage.h"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <ctime>
#include <fstream>
#include <new>
#include <stdexcept>
#include <thread>

namespace lockscope::test {

void ContentionTest::SetUp() {
  static const std::string missing = [] {
    const auto source = BpfContentionSource::create({});
    return source ? std::string() : source.error().line();
  }();
  if (!missing.empty()) GTEST_SKIP() << missing;
}

Actress::Actress(const std::function<bool()>& body, uid_t uid) : pid_(::fork()) {
  if (pid_ < 0) throw std::runtime_error("fork failed");
  if (pid_ != 0) return;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (uid != 0 && (::setresgid(uid, uid, uid) != 0 || ::setresuid(uid, uid, uid) != 0)) ::_exit(3);
  bool good = false;
  try {
    good = body();
  } catch (...) {
    ::_exit(2);
  }
  ::_exit(good ? 0 : 1);
}

Actress::~Actress() { kill_and_reap(); }

bool Actress::finish() {
  int status = -1;
  if (pid_ < 0 || ::waitpid(pid_, &status, 0) != pid_) return false;
  pid_ = -1;
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

void Actress::kill_and_reap() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

pid_t own_tid() { return static_cast<pid_t>(::syscall(SYS_gettid)); }

std::uint64_t own_sleeps() {
  rusage usage{};
  ::getrusage(RUSAGE_THREAD, &usage);
  return static_cast<std::uint64_t>(usage.ru_nvcsw);
}

namespace {
int farewell_word = 0;
}

void farewell() {
  const timespec soon{0, 2'000'000};
  ::syscall(SYS_futex, &farewell_word, 128, 0, &soon, nullptr, 0);
}

testing::AssertionResult accounted(std::uint64_t counted, std::uint64_t made, const ContentionWindow& window) {
  const std::uint64_t unseen = lost(window, "end of a wait not seen") + lost(window, "no memory for a wait");
  if (counted <= made && made - counted <= unseen) return testing::AssertionSuccess();
  return testing::AssertionFailure() << made << " made, " << counted << " counted, " << unseen << " lost";
}

SharedNumber::SharedNumber() {
  void* at = ::mmap(nullptr, sizeof *number_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) throw std::runtime_error("mmap failed");
  number_ = new (at) std::atomic<std::uint64_t>(0);
}
SharedNumber::~SharedNumber() { ::munmap(number_, sizeof *number_); }

void await_asleep_in(pid_t pid, pid_t tid, long syscall) {
  const std::string path = "/proc/" + std::to_string(pid) + "/task/" + std::to_string(tid);
  const std::string wanted = std::to_string(syscall) + " ";
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (std::chrono::steady_clock::now() < deadline) {
    // The file says "running" unless the thread is off its CPU.
    std::string line;
    std::getline(std::ifstream(path + "/syscall"), line);
    if (line.starts_with(wanted)) {
      std::getline(std::ifstream(path + "/stat"), line);
      const auto end = line.rfind(')');
      if (end != std::string::npos && line.substr(end).starts_with(") S")) return;
    }
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
  throw std::runtime_error("a thread did not go to sleep");
}

std::unique_ptr<BpfContentionSource> open_source(const ContentionSettings& settings) {
  auto source = BpfContentionSource::create(settings);
  if (!source) throw std::runtime_error(source.error().line());
  for (const auto& hook : (*source)->hooks()) {
    if (!hook.attached) throw std::runtime_error(hook.name + ": " + hook.why_not);
  }
  return std::move(*source);
}

void operator+=(WaitCounts& to, const WaitCounts& more) {
  to.acquired += more.acquired;
  to.abandoned += more.abandoned;
  to.total_ns += more.total_ns;
  to.longest_ns = std::max(to.longest_ns, more.longest_ns);
  to.last_abandoned_ns = std::max(to.last_abandoned_ns, more.last_abandoned_ns);
  to.histogram += more.histogram;
}

void Sum::add(const ContentionWindow& window, pid_t pid) {
  for (const WordWaits& word : window.words) {
    if (word.actor.pid != pid) continue;
    if (word.lock == ContendedLock(WordOfProcess{pid, reinterpret_cast<std::uint64_t>(&farewell_word)})) continue;
    waits += word.waits;
    ++words;
  }
  for (const FileLockUse& use : window.file_locks) {
    if (use.actor.pid != pid) continue;
    uses.granted_exclusive += use.granted_exclusive;
    uses.granted_shared += use.granted_shared;
    uses.contended += use.contended;
    uses.failed += use.failed;
    uses.deadlocks += use.deadlocks;
    uses.errors += use.errors;
    uses.released += use.released;
    uses.closed += use.closed;
    uses.waits += use.waits;
    uses.readonly = uses.readonly || use.readonly;
  }
  for (const auto& [cause, count] : window.lost) lost[cause] += count;
  for (const LockEvent& event : window.events) {
    if (event.pid == pid) events.push_back(event);
  }
}

std::uint64_t lost(const ContentionWindow& window, const std::string& cause) {
  const auto it = window.lost.find(cause);
  return it == window.lost.end() ? 0 : it->second;
}

}  // namespace lockscope::test
