// SPDX-License-Identifier: Apache-2.0
#include "app/self_test.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "source/unique_fd.h"

namespace lockscope {
namespace {

// The child is a fork: these have the same addresses in both processes.
pthread_mutex_t contended_mutex = PTHREAD_MUTEX_INITIALIZER;
pthread_rwlock_t contended_rwlock = PTHREAD_RWLOCK_INITIALIZER;
pthread_mutex_t cond_mutex = PTHREAD_MUTEX_INITIALIZER;
pthread_cond_t never_signalled = PTHREAD_COND_INITIALIZER;

enum Role : std::size_t { kHolder, kMutexWaiter, kRwlockWaiter, kCondWaiter, kRoles };
std::array<pid_t, kRoles> role_tids;
pthread_barrier_t all_named;

void name_self(Role role) {
  role_tids[role] = static_cast<pid_t>(::syscall(SYS_gettid));
  pthread_barrier_wait(&all_named);
}

void* hold(void*) {
  pthread_mutex_lock(&contended_mutex);
  pthread_rwlock_wrlock(&contended_rwlock);
  name_self(kHolder);
  while (true) ::pause();
}
void* wait_for_mutex(void*) {
  name_self(kMutexWaiter);
  pthread_mutex_lock(&contended_mutex);
  return nullptr;
}
void* wait_for_rwlock(void*) {
  name_self(kRwlockWaiter);
  pthread_rwlock_rdlock(&contended_rwlock);
  return nullptr;
}
void* wait_for_cond(void*) {
  pthread_mutex_lock(&cond_mutex);
  name_self(kCondWaiter);
  while (true) pthread_cond_wait(&never_signalled, &cond_mutex);
}

[[noreturn]] void be_child(int out, pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(1);
  ::prctl(PR_SET_NAME, "ls-self-test");
  pthread_barrier_init(&all_named, nullptr, kRoles + 1);
  // The holder first: the others must find its locks taken.
  std::array<pthread_t, kRoles> threads{};
  pthread_create(&threads[kHolder], nullptr, hold, nullptr);
  while (__atomic_load_n(&contended_rwlock.__data.__cur_writer, __ATOMIC_RELAXED) == 0) ::sched_yield();
  pthread_create(&threads[kMutexWaiter], nullptr, wait_for_mutex, nullptr);
  pthread_create(&threads[kRwlockWaiter], nullptr, wait_for_rwlock, nullptr);
  pthread_create(&threads[kCondWaiter], nullptr, wait_for_cond, nullptr);
  pthread_barrier_wait(&all_named);
  if (::write(out, role_tids.data(), sizeof role_tids) != static_cast<ssize_t>(sizeof role_tids)) ::_exit(1);
  pthread_join(threads[kHolder], nullptr);
  ::_exit(0);
}

// Whether the thread sleeps in futex(2). Unreadable counts as no.
bool sleeps_in_futex(pid_t pid, pid_t tid) {
  std::array<char, 64> path{};
  std::snprintf(path.data(), path.size(), "/proc/%d/task/%d/syscall", pid, tid);
  const UniqueFd fd(::open(path.data(), O_RDONLY | O_CLOEXEC));
  std::array<char, 16> text{};
  return fd && ::read(fd.get(), text.data(), text.size() - 1) > 4 && std::atoi(text.data()) == SYS_futex;
}

const Wait* wait_of(const Sample& sample, pid_t tid) {
  const auto it =
      std::ranges::find_if(sample.waits, [&](const Wait& w) { return sample.raw.threads[w.thread].id.tid == tid; });
  return it == sample.waits.end() ? nullptr : &*it;
}

bool names_only(const Wait& wait, pid_t holder) {
  return wait.obstacles.size() == 1 && wait.obstacles[0].known && wait.obstacles[0].any_of.size() == 1 &&
         wait.obstacles[0].any_of[0].thread.tid == holder;
}

// Takes the threads and waits of one process out of a look.
RawSample take_out(RawSample& raw, pid_t pid) {
  RawSample own;
  own.taken_ns = raw.taken_ns;
  own.duration_ns = raw.duration_ns;
  own.sees_all_pids = raw.sees_all_pids;
  const auto range = std::ranges::equal_range(raw.threads, pid, {}, &Thread::pid);
  const auto first = static_cast<std::size_t>(range.begin() - raw.threads.begin());
  const std::size_t count = range.size();
  own.threads.assign(range.begin(), range.end());
  raw.threads.erase(range.begin(), range.end());
  std::erase_if(raw.waits, [&](RawWait& w) {
    if (w.thread < first) return false;
    if (w.thread >= first + count) {
      w.thread -= count;
      return false;
    }
    own.waits.push_back(std::move(w));
    own.waits.back().thread -= first;
    return true;
  });
  raw.coverage.threads_seen -= std::min<std::uint64_t>(count, raw.coverage.threads_seen);
  return own;
}

}  // namespace

std::unique_ptr<SelfTest> SelfTest::start() {
  std::unique_ptr<SelfTest> test(new SelfTest);
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return test;
  const UniqueFd from_child(ends[0]);
  UniqueFd to_parent(ends[1]);
  const pid_t parent = ::getpid();
  test->child_ = ::fork();
  if (test->child_ == 0) be_child(to_parent.get(), parent);
  to_parent = UniqueFd();
  if (test->child_ < 0) {
    test->child_ = 0;
    return test;
  }
  std::array<pid_t, kRoles> tids{};
  if (::read(from_child.get(), tids.data(), sizeof tids) != static_cast<ssize_t>(sizeof tids)) return test;
  test->holder_ = tids[kHolder];
  test->mutex_waiter_ = tids[kMutexWaiter];
  test->rwlock_waiter_ = tids[kRwlockWaiter];
  test->cond_waiter_ = tids[kCondWaiter];

  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(2);
  const std::array<pid_t, 4> sleepers{test->child_, tids[kMutexWaiter], tids[kRwlockWaiter], tids[kCondWaiter]};
  while (!std::ranges::all_of(sleepers, [&](pid_t tid) { return sleeps_in_futex(test->child_, tid); })) {
    if (std::chrono::steady_clock::now() > deadline) break;  // examine() will say what was not seen
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
  return test;
}

SelfTest::~SelfTest() { end_child(); }

void SelfTest::end_child() {
  if (child_ <= 0) return;
  ::kill(child_, SIGKILL);
  while (::waitpid(child_, nullptr, 0) < 0 && errno == EINTR) {
  }
  child_ = 0;
}

std::vector<std::string> SelfTest::distrusted() const {
  std::vector<std::string> notes;
  for (const Item& item : items_) {
    if (item.outcome != Outcome::wrong) continue;
    notes.push_back(std::string("owners by ") + item.what +
                    " are not believed, because the self-test failed: " + item.detail);
  }
  return notes;
}

TrustedKinds SelfTest::examine(RawSample& raw, ProcessMemory& memory) {
  if (child_ == 0) return {};  // judged already, or never started
  const Sample sample = classify(take_out(raw, child_), memory, {});
  TrustedKinds trusted;
  const auto judge = [&](const char* what, pid_t tid, bool& trust, auto is_right) {
    const Wait* wait = tid == 0 ? nullptr : wait_of(sample, tid);
    if (wait == nullptr) {
      items_.push_back({what, Outcome::not_seen, "the wait was not seen"});
    } else if (is_right(*wait)) {
      items_.push_back({what, Outcome::right, {}});
    } else {
      items_.push_back({what, Outcome::wrong,
                        std::string("it was taken for: ") + name_of(wait->kind) + ", its owner was not named"});
      trust = false;
    }
  };
  const auto address = [](const void* object) { return reinterpret_cast<std::uintptr_t>(object); };
  judge("mutex", mutex_waiter_, trusted.mutex, [&](const Wait& w) {
    return w.kind == LockKind::mutex && w.address == address(&contended_mutex) && names_only(w, holder_);
  });
  judge("rwlock", rwlock_waiter_, trusted.rwlock, [&](const Wait& w) {
    return w.kind == LockKind::rwlock && w.address == address(&contended_rwlock) && names_only(w, holder_);
  });
  judge("condition wait", cond_waiter_, trusted.cond, [&](const Wait& w) {
    return w.kind == LockKind::cond && w.address == address(&never_signalled) &&
           w.needs_mutex == address(&cond_mutex) && w.obstacles.empty();
  });
  judge("join", child_, trusted.join,
        [&](const Wait& w) { return w.kind == LockKind::join && names_only(w, holder_); });

  end_child();
  return trusted;
}

}  // namespace lockscope
