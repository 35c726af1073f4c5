// SPDX-License-Identifier: Apache-2.0
#include "source/probe_trial.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>

#include "source/unique_fd.h"

namespace lockscope {
namespace {

constexpr std::uint32_t kUretprobe = 335;  // x86-64

// Refuses that one call, as a filter does that has never heard of it.
bool filter_calls() {
  std::array<sock_filter, 4> program{{
      {BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(seccomp_data, nr)},
      {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, kUretprobe},
      {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | EPERM},
      {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW},
  }};
  const sock_fprog filter{program.size(), program.data()};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

// 0: the call returned.
[[noreturn]] void be_probed(int go) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
  sem_t semaphore;
  ::sem_init(&semaphore, 0, 1);
  char byte = 0;
  if (!filter_calls() || ::read(go, &byte, 1) != 1) ::_exit(1);
  ::_exit(::sem_trywait(&semaphore) == 0 ? 0 : 1);
}

}  // namespace

bool filtered_process_survives(SharedLockPrograms& programs, ProbeFiles& files, std::size_t number) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return false;
  UniqueFd go(ends[0]);
  UniqueFd start(ends[1]);
  const pid_t child = ::fork();
  if (child < 0) return false;
  if (child == 0) {
    start.reset();
    be_probed(go.get());
  }
  programs.tell(number, {SharedRange{0, ~std::uint64_t{0}, {}}}, {});
  auto links = programs.attach(number, files.of(child), child, false);
  const bool attached = links && !links->empty();
  const char byte = 1;
  const bool told = attached && ::write(start.get(), &byte, 1) == 1;
  start.reset();
  int status = -1;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  // It counted: the return was really probed.
  const auto counted = programs.counts();
  bool seen = false;
  if (links) links->clear();
  if (counted) {
    for (const auto& [key, use] : *counted) seen |= key.target == number && use.acquired > 0;
    programs.forget(*counted, number);
  }
  return told && seen && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace lockscope
