// SPDX-License-Identifier: Apache-2.0
#include "tests/kernel/shared_lock_peer.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <string>
#include <thread>

#include "source/mapped_file.h"

namespace lockscope::test {
namespace {

struct Locks {
  pthread_mutex_t* mutex;
  sem_t* semaphore;
};

Locks locks_in(void* memory) {
  auto* bytes = static_cast<char*>(memory);
  return {reinterpret_cast<pthread_mutex_t*>(bytes + kMutexAt), reinterpret_cast<sem_t*>(bytes + kSemaphoreAt)};
}

void make(const Locks& locks, unsigned value) {
  pthread_mutexattr_t shared;
  ::pthread_mutexattr_init(&shared);
  ::pthread_mutexattr_setpshared(&shared, PTHREAD_PROCESS_SHARED);
  ::pthread_mutex_init(locks.mutex, &shared);
  ::sem_init(locks.semaphore, 1, value);
}

struct Order {
  Act act;
  int times;
};

int (*cancel)(pthread_t) = nullptr;
std::atomic<bool> loading{false};
std::atomic<int> unwound{0};
struct Unwinds {
  ~Unwinds() { unwound.store(1); }
};

template <class Try>
int failures(int times, Try attempt) {
  int failed = 0;
  for (int i = 0; i < times; ++i) failed += attempt() != 0;
  return failed;
}

timespec in(std::chrono::milliseconds time) {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  const long ns = now.tv_nsec + static_cast<long>(time.count()) * 1'000'000;
  return {now.tv_sec + ns / 1'000'000'000, ns % 1'000'000'000};
}

void* wait_and_unwind(void* semaphore) {
  const Unwinds unwinds;
  ::sem_wait(static_cast<sem_t*>(semaphore));
  return nullptr;
}

int perform(const Order& order, const Locks& locks, std::vector<std::thread>& threads) {
  if (loading.exchange(false)) {
    for (std::thread& thread : threads) thread.join();
    threads.clear();
  }
  const timespec past{1, 0};
  switch (order.act) {
    case Act::lock: return ::pthread_mutex_lock(locks.mutex);
    case Act::unlock: return ::pthread_mutex_unlock(locks.mutex);
    case Act::try_mutex: return failures(order.times, [&] { return ::pthread_mutex_trylock(locks.mutex); });
    case Act::try_semaphore: return failures(order.times, [&] { return ::sem_trywait(locks.semaphore); });
    case Act::timed_semaphore: return failures(order.times, [&] { return ::sem_timedwait(locks.semaphore, &past); });
    case Act::timed_mutex: return failures(order.times, [&] { return ::pthread_mutex_timedlock(locks.mutex, &past); });
    case Act::wait_long: {
      const timespec soon = in(std::chrono::milliseconds(20));
      return ::pthread_mutex_timedlock(locks.mutex, &soon);
    }
    case Act::wait: return failures(order.times, [&] { return ::sem_wait(locks.semaphore); });
    case Act::post: return failures(order.times, [&] { return ::sem_post(locks.semaphore); });
    case Act::try_private: {
      alignas(64) std::array<char, 2 * kPage> memory{};
      const Locks own = locks_in(memory.data());
      make(own, 0);
      ::pthread_mutex_lock(own.mutex);
      return failures(order.times, [&] { return ::pthread_mutex_trylock(own.mutex); }) +
             failures(order.times, [&] { return ::sem_trywait(own.semaphore); });
    }
    case Act::load:
      loading = true;
      for (int i = 0; i < order.times; ++i) {
        threads.emplace_back([locks] {
          while (loading) {
            if (::sem_trywait(locks.semaphore) == 0) ::sem_post(locks.semaphore);
            if (::pthread_mutex_trylock(locks.mutex) == 0) ::pthread_mutex_unlock(locks.mutex);
          }
        });
      }
      return 0;
    case Act::load_canceller: {
      std::error_code error;  // nothing may be thrown into the test from here
      const auto folder = std::filesystem::read_symlink("/proc/self/exe", error).parent_path();
      void* library = ::dlopen((folder / "libcanceller.so").c_str(), RTLD_NOW);
      if (library == nullptr) return 1;
      cancel = reinterpret_cast<int (*)(pthread_t)>(::dlsym(library, "cancel_thread"));
      return cancel == nullptr ? 1 : 0;
    }
    case Act::cancel: {
      pthread_t thread{};
      unwound = 0;
      ::pthread_create(&thread, nullptr, wait_and_unwind, locks.semaphore);
      // Its wait is seen in the semaphore: the high half counts the waiters (glibc, nptl/sem_waitcommon.c).
      const auto* waiters = reinterpret_cast<const volatile std::uint32_t*>(locks.semaphore) + 1;
      while (*waiters == 0) ::sched_yield();
      cancel(thread);
      ::pthread_join(thread, nullptr);
      return unwound;
    }
    case Act::filter: {
      std::array<sock_filter, 4> program{{{BPF_LD | BPF_W | BPF_ABS, 0, 0, 0},
                                          {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 335},  // uretprobe(2)
                                          {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | EPERM},
                                          {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW}}};
      const sock_fprog filter{program.size(), program.data()};
      return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) | ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter);
    }
    case Act::exec: ::execl("/bin/sleep", "sleep", "1000", nullptr); return errno;
  }
  return -1;
}

}  // namespace

SharedFile::SharedFile(unsigned value) : fd(::memfd_create("lockscope test", MFD_CLOEXEC)) {
  EXPECT_EQ(::ftruncate(fd.get(), 2 * kPage), 0);
  void* memory = ::mmap(nullptr, 2 * kPage, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  make(locks_in(memory), value);
  ::munmap(memory, 2 * kPage);
}

SharedPlace SharedFile::at(std::size_t offset) const {
  struct stat status {};
  ::fstat(fd.get(), &status);
  return {{kernel_device(status.st_dev), status.st_ino}, offset};
}

Peer::Peer(uid_t uid, const SharedFile& file) {
  EXPECT_EQ(::pipe2(orders_.data(), O_CLOEXEC), 0);
  EXPECT_EQ(::pipe2(answers_.data(), O_CLOEXEC), 0);
  pid_ = ::fork();
  if (pid_ == 0) serve(uid, file.fd.get());
  EXPECT_EQ(answer(), 0);
}

Peer::~Peer() {
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  for (const int fd : {orders_[0], orders_[1], answers_[0], answers_[1]}) ::close(fd);
}

void Peer::tell(Act act, int times) const {
  const Order order{act, times};
  EXPECT_EQ(::write(orders_[1], &order, sizeof order), static_cast<ssize_t>(sizeof order));
}

int Peer::answer() const {
  int value = -1;
  EXPECT_EQ(::read(answers_[0], &value, sizeof value), static_cast<ssize_t>(sizeof value)) << "it died";
  return value;
}

void Peer::die() const { ::kill(pid_, SIGKILL); }

void Peer::serve(uid_t uid, int file) const {
  const pid_t parent = ::getppid();
  if (::setresgid(uid, uid, uid) != 0 || ::setresuid(uid, uid, uid) != 0) ::_exit(1);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(1);
  ::close(orders_[1]);
  ::close(answers_[0]);
  void* memory = ::mmap(nullptr, 2 * kPage, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  std::vector<std::thread> threads;
  int value = memory == MAP_FAILED ? 1 : 0;
  Order order{};
  do {
    if (::write(answers_[1], &value, sizeof value) != sizeof value) break;
    if (::read(orders_[0], &order, sizeof order) != sizeof order) break;
    value = perform(order, locks_in(memory), threads);
  } while (true);
  ::_exit(0);
}

std::vector<std::uint8_t> Peer::code() const {
  std::vector<std::uint8_t> all;
  const UniqueFd memory(::open(("/proc/" + std::to_string(pid_) + "/mem").c_str(), O_RDONLY | O_CLOEXEC));
  for (const auto function :
       {reinterpret_cast<std::uintptr_t>(&::sem_trywait), reinterpret_cast<std::uintptr_t>(&::sem_wait),
        reinterpret_cast<std::uintptr_t>(&::sem_timedwait), reinterpret_cast<std::uintptr_t>(&::sem_post),
        reinterpret_cast<std::uintptr_t>(&::pthread_mutex_trylock),
        reinterpret_cast<std::uintptr_t>(&::pthread_mutex_timedlock)}) {
    std::array<std::uint8_t, 64> bytes{};
    EXPECT_EQ(::pread(memory.get(), bytes.data(), bytes.size(), static_cast<off_t>(function)), 64);
    all.insert(all.end(), bytes.begin(), bytes.end());
  }
  return all;
}

}  // namespace lockscope::test
