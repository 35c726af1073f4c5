// SPDX-License-Identifier: Apache-2.0
// crowd SHAPE N: N threads that are blocked on mutexes until standard input is closed; "ready" once they all are.
//   one    all wait for one mutex
//   chain  each waits for a mutex that the one before it holds, the first of them sleeps
// Threads are spread over processes of 10,000, because a process may have 65,530 mappings.
#include <fcntl.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace {

constexpr int kPerProcess = 10000;
std::vector<pthread_mutex_t> mutexes;
std::vector<std::atomic<pid_t>> tids;
bool chain = false;

void* wait_in_line(void* argument) {
  const auto index = static_cast<int>(reinterpret_cast<std::intptr_t>(argument));
  if (chain) pthread_mutex_lock(&mutexes[static_cast<std::size_t>(index)]);
  tids[static_cast<std::size_t>(index)] = static_cast<pid_t>(::syscall(SYS_gettid));
  pthread_mutex_lock(&mutexes[chain ? static_cast<std::size_t>(index - 1) : 0]);
  return nullptr;
}

bool asleep(pid_t tid) {
  char path[64];
  std::snprintf(path, sizeof path, "/proc/self/task/%d/stat", tid);
  const int fd = ::open(path, O_RDONLY | O_CLOEXEC);
  char text[256] = {};
  const bool got = fd >= 0 && ::read(fd, text, sizeof text - 1) > 0;
  if (fd >= 0) ::close(fd);
  const char* end = got ? std::strrchr(text, ')') : nullptr;
  return end != nullptr && end[1] != '\0' && end[2] == 'S';
}

[[noreturn]] void be_crowd(int count, int out) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::prctl(PR_SET_NAME, "crowd");
  const auto size = static_cast<std::size_t>(count) + 1;
  mutexes.assign(size, PTHREAD_MUTEX_INITIALIZER);
  tids = std::vector<std::atomic<pid_t>>(size);
  pthread_mutex_lock(&mutexes[0]);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 16384);
  pthread_attr_setguardsize(&attributes, 0);
  for (int i = 1; i <= count; ++i) {
    pthread_t thread;
    if (const int error =
            pthread_create(&thread, &attributes, wait_in_line, reinterpret_cast<void*>(static_cast<std::intptr_t>(i)));
        error != 0) {
      std::fprintf(stderr, "crowd: thread %d: %s\n", i, std::strerror(error));
      ::_exit(1);
    }
    // In a chain, the next one needs this one's mutex to be taken.
    while (tids[static_cast<std::size_t>(i)] == 0) ::sched_yield();
  }
  for (int i = 1; i <= count; ++i) {
    while (!asleep(tids[static_cast<std::size_t>(i)])) ::sched_yield();
  }
  if (::write(out, "+", 1) != 1) ::_exit(1);
  while (true) ::pause();
}

}  // namespace

int main(int argc, char** argv) {
  const int count = argc == 3 ? std::atoi(argv[2]) : 0;
  if (count < 1 || (std::strcmp(argv[1], "one") != 0 && std::strcmp(argv[1], "chain") != 0)) {
    std::fputs("usage: crowd one|chain N\n", stderr);
    return 2;
  }
  chain = std::strcmp(argv[1], "chain") == 0;
  int ends[2];
  if (::pipe(ends) != 0) return 1;
  std::vector<pid_t> children;
  for (int left = count; left > 0; left -= kPerProcess) {
    const pid_t child = ::fork();
    if (child == 0) be_crowd(left < kPerProcess ? left : kPerProcess, ends[1]);
    children.push_back(child);
    char ready;
    if (::read(ends[0], &ready, 1) != 1) break;
  }
  std::puts("ready");
  std::fflush(stdout);
  char byte;
  while (::read(STDIN_FILENO, &byte, 1) > 0) {
  }
  for (pid_t child : children) ::kill(child, SIGKILL);
  for (pid_t child : children) ::waitpid(child, nullptr, 0);
  return 0;
}
