// SPDX-License-Identifier: Apache-2.0
// usage: syscall_counter     loads and attaches bench/syscall_counter.bpf.c and waits for a signal. Its run time by the
// kernel's account, if that is enabled, goes to standard output at the end: "run_ns N runs N".
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "syscall_counter.skel.h"

int main(int argc, char** argv) {
  sigset_t both;
  sigemptyset(&both);
  sigaddset(&both, SIGTERM);
  sigaddset(&both, SIGINT);
  sigprocmask(SIG_BLOCK, &both, nullptr);
  syscall_counter* counter = syscall_counter__open_and_load();
  if (counter == nullptr || syscall_counter__attach(counter) != 0) {
    std::perror("syscall_counter");
    return 1;
  }
  const int account = argc > 1 ? bpf_enable_stats(BPF_STATS_RUN_TIME) : -1;
  (void)argv;
  int signal = 0;
  while (sigwait(&both, &signal) != 0) {
  }
  unsigned long long ns = 0, runs = 0;
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, counter->obj) {
    bpf_prog_info info{};
    __u32 length = sizeof info;
    if (bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &length) != 0) continue;
    ns += info.run_time_ns;
    runs += info.run_cnt;
  }
  std::printf("run_ns %llu runs %llu\n", ns, runs);
  syscall_counter__destroy(counter);
  if (account >= 0) close(account);
  return 0;
}
