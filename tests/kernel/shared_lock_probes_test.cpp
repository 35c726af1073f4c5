// SPDX-License-Identifier: Apache-2.0
// Calls on locks in memory that two users share are counted to the last one, calls on other locks and in other
// processes not at all, and the code of the probed processes is left as it was.
#include "source/shared_lock_probes.h"

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

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "source/bpf_source.h"
#include "source/mapped_file.h"
#include "source/unique_fd.h"

namespace lockscope::test {
namespace {

constexpr uid_t kVictim = 65533;
constexpr uid_t kOutsider = 65534;
constexpr std::size_t kPage = 4096;
constexpr std::size_t kMutexAt = 128;
constexpr std::size_t kSemaphoreAt = kPage + 256;

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

// A file with a mutex and a semaphore in it, the semaphore with this value.
class SharedFile {
 public:
  explicit SharedFile(unsigned value) : fd(::memfd_create("lockscope test", MFD_CLOEXEC)) {
    EXPECT_EQ(::ftruncate(fd.get(), 2 * kPage), 0);
    void* memory = ::mmap(nullptr, 2 * kPage, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
    make(locks_in(memory), value);
    ::munmap(memory, 2 * kPage);
  }
  [[nodiscard]] SharedPlace at(std::size_t offset) const {
    struct stat status {};
    ::fstat(fd.get(), &status);
    return {{kernel_device(status.st_dev), status.st_ino}, offset};
  }
  UniqueFd fd;
};

enum class Act : int {
  lock,
  unlock,
  try_mutex,        // n times; answers how many failed
  try_semaphore,    // the same
  timed_semaphore,  // the same, with a deadline that has passed
  timed_mutex,
  wait_long,  // for the mutex, until a time-out that it sleeps through
  wait,       // for the semaphore
  post,
  try_private,  // the same calls on locks of its own
  load,         // threads that try and post until the next act
  load_canceller,
  cancel,  // a thread that is in sem_wait; answers whether its destructors have run
  filter,  // refuse a system call, as in a container
  exec,
};
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

// A process of this user that maps the file and does what it is told.
class Peer {
 public:
  Peer(uid_t uid, const SharedFile& file) {
    EXPECT_EQ(::pipe2(orders_.data(), O_CLOEXEC), 0);
    EXPECT_EQ(::pipe2(answers_.data(), O_CLOEXEC), 0);
    pid_ = ::fork();
    if (pid_ == 0) serve(uid, file.fd.get());
    EXPECT_EQ(answer(), 0);
  }
  ~Peer() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    for (const int fd : {orders_[0], orders_[1], answers_[0], answers_[1]}) ::close(fd);
  }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  [[nodiscard]] pid_t pid() const { return pid_; }
  void tell(Act act, int times = 1) const {
    const Order order{act, times};
    EXPECT_EQ(::write(orders_[1], &order, sizeof order), static_cast<ssize_t>(sizeof order));
  }
  [[nodiscard]] int answer() const {
    int value = -1;
    EXPECT_EQ(::read(answers_[0], &value, sizeof value), static_cast<ssize_t>(sizeof value)) << "it died";
    return value;
  }
  int ask(Act act, int times = 1) const {
    tell(act, times);
    return answer();
  }
  void die() const { ::kill(pid_, SIGKILL); }

 private:
  [[noreturn]] void serve(uid_t uid, int file) const {
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

  pid_t pid_ = -1;
  std::array<int, 2> orders_{};
  std::array<int, 2> answers_{};
};

class SharedLocks : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    auto source = BpfSource::create();
    if (!source) GTEST_SKIP() << "feature missing: " << source.error().line();
    source_ = *std::move(source);
    start();
  }

  void start() {
    auto probes = SharedLockProbes::create(GetParam());
    if (!probes && probes.error().kind == ErrorKind::unsupported) {
      GTEST_SKIP() << "feature missing: " << probes.error().line();
    }
    ASSERT_TRUE(probes) << probes.error().line();
    probes_ = *std::move(probes);
  }

  void tick() {
    auto look = source_->sample();
    ASSERT_TRUE(look);
    probes_->update(*look);
  }

  [[nodiscard]] bool probed(const Peer& peer) const { return std::ranges::count(probes_->probed(), peer.pid()) > 0; }

  // As many ticks as it takes; false: it does not come.
  bool tick_until(const std::function<bool()>& wanted) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!wanted()) {
      tick();
      collect();
      if (HasFatalFailure() || std::chrono::steady_clock::now() > deadline) return false;
    }
    return true;
  }

  void collect() { probes_->collect(uses_, lost_); }

  // All that was counted of this process and place until now.
  SharedLockUse use_of(const Peer& peer, const SharedPlace& place, bool semaphore) {
    SharedLockUse sum;
    for (const SharedLockUse& use : uses_) {
      if (use.actor.pid != peer.pid() || use.place != place || use.semaphore != semaphore) continue;
      sum.actor = use.actor;
      sum.acquired += use.acquired;
      sum.released += use.released;
      sum.failed += use.failed;
      sum.last_acquired_ns = std::max(sum.last_acquired_ns, use.last_acquired_ns);
      sum.last_released_ns = std::max(sum.last_released_ns, use.last_released_ns);
      if (use.failed > 0 && sum.first_failed_ns == 0) sum.first_failed_ns = use.first_failed_ns;
      sum.last_failed_ns = std::max(sum.last_failed_ns, use.last_failed_ns);
    }
    return sum;
  }
  std::uint64_t calls_of(const Peer& peer) {
    std::uint64_t calls = 0;
    for (const SharedLockUse& use : uses_) {
      if (use.actor.pid == peer.pid()) calls += use.acquired + use.released + use.failed;
    }
    return calls;
  }

  std::unique_ptr<BpfSource> source_;
  std::unique_ptr<SharedLockProbes> probes_;
  std::vector<SharedLockUse> uses_;
  std::map<std::string, std::uint64_t> lost_;
};

TEST_P(SharedLocks, OfTwoUsersAreCountedExactly) {
  const SharedFile file(3);
  const Peer victim(kVictim, file);
  const Peer outsider(kOutsider, file);
  ASSERT_TRUE(tick_until([&] { return probed(victim) && probed(outsider); }));
  collect();
  uses_.clear();

  EXPECT_EQ(outsider.ask(Act::lock), 0);
  EXPECT_EQ(outsider.ask(Act::wait, 2), 0);
  EXPECT_EQ(outsider.ask(Act::try_semaphore, 1), 0);
  EXPECT_EQ(victim.ask(Act::try_mutex, 1000), 1000);
  EXPECT_EQ(victim.ask(Act::try_semaphore, 300), 300);
  collect();
  EXPECT_EQ(victim.ask(Act::try_mutex, 17), 17);
  EXPECT_EQ(victim.ask(Act::timed_mutex, 5), 5);
  EXPECT_EQ(victim.ask(Act::wait_long), ETIMEDOUT);
  EXPECT_EQ(victim.ask(Act::timed_semaphore, 7), 7);
  EXPECT_EQ(outsider.ask(Act::post, 2), 0);
  EXPECT_EQ(outsider.ask(Act::unlock), 0);
  EXPECT_EQ(victim.ask(Act::try_mutex), 0);
  collect();

  const SharedLockUse tried = use_of(victim, file.at(kMutexAt), false);
  // Even who comes too late to wait may be put to sleep by the kernel: then it was a wait, which the scheduler saw.
  EXPECT_GE(tried.failed, 1017u);
  EXPECT_LE(tried.failed, 1022u) << "the one that slept is not a try";
  EXPECT_EQ(tried.acquired, 1u);
  EXPECT_EQ(tried.actor.uid, kVictim);
  EXPECT_EQ(tried.actor.pid, victim.pid());
  EXPECT_GT(tried.first_failed_ns, 0u);
  EXPECT_LT(tried.first_failed_ns, tried.last_failed_ns);
  EXPECT_LT(tried.last_failed_ns, tried.last_acquired_ns);
  const SharedLockUse in_vain = use_of(victim, file.at(kSemaphoreAt), true);
  EXPECT_GE(in_vain.failed, 300u);
  EXPECT_LE(in_vain.failed, 307u);
  EXPECT_EQ(in_vain.acquired, 0u);
  const SharedLockUse taken = use_of(outsider, file.at(kSemaphoreAt), true);
  EXPECT_EQ(taken.acquired, 3u);
  EXPECT_EQ(taken.released, 2u);
  EXPECT_EQ(taken.failed, 0u);
  EXPECT_EQ(taken.actor.uid, kOutsider);
  EXPECT_LT(taken.last_acquired_ns, taken.last_released_ns);
  EXPECT_EQ(calls_of(victim), tried.failed + 1u + in_vain.failed);
  EXPECT_EQ(calls_of(outsider), 5u) << "a mutex names its owner: its lock and unlock are not probed";
  EXPECT_TRUE(lost_.empty()) << lost_.begin()->first;
}

TEST_P(SharedLocks, AreCountedForAWaitThatSlept) {
  const SharedFile file(0);
  const Peer victim(kVictim, file);
  const Peer outsider(kOutsider, file);
  ASSERT_TRUE(tick_until([&] { return probed(victim) && probed(outsider); }));
  victim.tell(Act::wait);
  ASSERT_TRUE(tick_until([&] {
    return use_of(outsider, file.at(kSemaphoreAt), true).failed > 0 || [&] {
      outsider.ask(Act::try_semaphore);
      return false;
    }();
  }));
  EXPECT_EQ(use_of(victim, file.at(kSemaphoreAt), true).acquired, 0u);
  EXPECT_EQ(outsider.ask(Act::post), 0);
  EXPECT_EQ(victim.answer(), 0);
  collect();
  EXPECT_EQ(use_of(victim, file.at(kSemaphoreAt), true).acquired, 1u);
  EXPECT_EQ(use_of(outsider, file.at(kSemaphoreAt), true).released, 1u);
}

TEST_P(SharedLocks, OfOneDomainAndPrivateOnesAreLeftAlone) {
  const SharedFile shared(0);
  const SharedFile own(0);
  const Peer victim(kVictim, shared);
  const Peer outsider(kOutsider, shared);
  const Peer one(kVictim, own);
  const Peer other(kVictim, own);
  ASSERT_TRUE(tick_until([&] { return probed(victim) && probed(outsider); }));
  EXPECT_FALSE(probed(one));
  EXPECT_FALSE(probed(other));
  EXPECT_EQ(victim.ask(Act::try_private, 500), 1000);
  EXPECT_EQ(one.ask(Act::lock), 0);
  EXPECT_EQ(other.ask(Act::try_mutex, 100), 100);
  tick();
  collect();
  EXPECT_EQ(calls_of(victim), 0u);
  EXPECT_EQ(calls_of(other), 0u);
  EXPECT_EQ(victim.ask(Act::try_semaphore), 1);
  collect();
  EXPECT_EQ(calls_of(victim), 1u) << "the probes are there";
}

TEST_P(SharedLocks, AreNotMistakenAfterExecAndExit) {
  const SharedFile file(0);
  const Peer victim(kVictim, file);
  const Peer outsider(kOutsider, file);
  const Peer third(kOutsider, file);
  ASSERT_TRUE(tick_until([&] { return probed(victim) && probed(outsider) && probed(third); }));
  EXPECT_EQ(third.ask(Act::try_semaphore, 3), 3);
  third.die();
  victim.tell(Act::exec);
  ASSERT_TRUE(tick_until([&] { return !probed(victim) && !probed(third); }));
  EXPECT_EQ(use_of(third, file.at(kSemaphoreAt), true).failed, 3u) << "what was counted before its end is told";
  EXPECT_EQ(use_of(victim, file.at(kSemaphoreAt), true).failed, 0u);
  EXPECT_EQ(::kill(victim.pid(), 0), 0);
}

std::vector<std::uint8_t> code_of(const Peer& peer) {
  std::vector<std::uint8_t> all;
  const UniqueFd memory(::open(("/proc/" + std::to_string(peer.pid()) + "/mem").c_str(), O_RDONLY | O_CLOEXEC));
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

// At once, unless another lockscope looks at this host as well: then when that one has ended, too.
bool comes_back(const Peer& peer, const std::vector<std::uint8_t>& code) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (code_of(peer) != code) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::yield();
  }
  return true;
}

TEST_P(SharedLocks, AreProbedAndLeftAsTheyWereUnderLoad) {
  const SharedFile file(2);
  const Peer victim(kVictim, file);
  const Peer outsider(kOutsider, file);
  const Peer bystander(kVictim, SharedFile(1));
  const int rounds = std::getenv("LOCKSCOPE_SLOW_HOST") != nullptr ? 2 : 20;
  const auto before = code_of(victim);
  victim.ask(Act::load, 3);
  outsider.ask(Act::load, 1);
  for (int round = 0; round < rounds; ++round) {
    ASSERT_TRUE(tick_until([&] { return probed(victim) && probed(outsider); })) << round;
    EXPECT_NE(code_of(victim), before) << "a probe is a byte of its code";
    EXPECT_TRUE(comes_back(bystander, before));
    probes_.reset();
    ASSERT_TRUE(comes_back(victim, before)) << round;
    ASSERT_TRUE(comes_back(outsider, before)) << round;
    start();
    ASSERT_TRUE(probes_);
  }
  EXPECT_EQ(victim.ask(Act::post), 0) << "it lives and answers";
  EXPECT_EQ(outsider.ask(Act::post), 0);
  EXPECT_EQ(victim.ask(Act::wait, 4), 0) << "no post and no wait went wrong";
  EXPECT_EQ(victim.ask(Act::try_semaphore), 1);
}

TEST_P(SharedLocks, LetASleeperReturnAfterTheyWereLeft) {
  const SharedFile file(0);
  const Peer victim(kVictim, file);
  const Peer outsider(kOutsider, file);
  ASSERT_TRUE(tick_until([&] { return probed(victim) && probed(outsider); }));
  victim.tell(Act::wait, 2);
  EXPECT_EQ(outsider.ask(Act::post), 0);
  ASSERT_TRUE(tick_until([&] { return use_of(victim, file.at(kSemaphoreAt), true).acquired == 1; }));
  probes_.reset();
  EXPECT_EQ(outsider.ask(Act::post), 0);
  EXPECT_EQ(victim.answer(), 0);
}

// The price of a probed return: a thread that is cancelled there is not unwound. So where a program may cancel threads,
// waits are left alone; tries are not, which nobody can cancel.
TEST_P(SharedLocks, LeaveWaitsAloneWhereThreadsAreCancelled) {
  const SharedFile file(0);
  const Peer victim(kVictim, file);
  const Peer outsider(kOutsider, file);
  ASSERT_EQ(victim.ask(Act::load_canceller), 0);
  EXPECT_EQ(victim.ask(Act::cancel), 1) << "without probes";
  ASSERT_TRUE(tick_until([&] { return probed(victim) && probed(outsider); }));
  EXPECT_EQ(victim.ask(Act::cancel), 1);
  EXPECT_EQ(victim.ask(Act::try_semaphore, 3), 3);
  collect();
  EXPECT_EQ(calls_of(victim), 3u);
  EXPECT_EQ(lost_["process that cancels threads: its semaphore waits"], 1u);
}

TEST_P(SharedLocks, NoticeALibraryThatCancelsThreads) {
  const SharedFile file(0);
  const Peer victim(kVictim, file);
  const Peer outsider(kOutsider, file);
  ASSERT_TRUE(tick_until([&] { return probed(victim) && probed(outsider); }));
  ASSERT_EQ(victim.ask(Act::load_canceller), 0);
  const char* cause = "process that cancels threads: its semaphore waits";
  ASSERT_TRUE(tick_until([&] { return lost_[cause] == 1 && probed(victim); }));
  EXPECT_EQ(victim.ask(Act::cancel), 1);
}

// On a kernel whose filters stop a probed return the process is left alone; elsewhere it is counted. It lives in any
// case.
TEST_P(SharedLocks, DoNotKillAProcessWithACallFilter) {
  const SharedFile file(0);
  const Peer victim(kVictim, file);
  const Peer outsider(kOutsider, file);
  ASSERT_EQ(victim.ask(Act::filter), 0);
  ASSERT_TRUE(tick_until([&] { return probed(outsider); }));
  const char* cause = "process with a system-call filter: not to be probed on this kernel";
  ASSERT_TRUE(tick_until([&] { return probed(victim) || lost_[cause] > 0; }));
  EXPECT_EQ(victim.ask(Act::try_semaphore, 5), 5);
  collect();
  EXPECT_EQ(calls_of(victim), probed(victim) ? 5u : 0u);
}

TEST_P(SharedLocks, AreGivenUpWhereOtherLocksAreCalledTooOften) {
  const SharedFile file(0);
  const Peer victim(kVictim, file);
  const Peer outsider(kOutsider, file);
  ASSERT_TRUE(tick_until([&] { return probed(victim) && probed(outsider); }));
  collect();
  EXPECT_EQ(victim.ask(Act::try_private, 100'000), 200'000);
  collect();
  EXPECT_FALSE(probed(victim));
  EXPECT_TRUE(probed(outsider));
  EXPECT_EQ(lost_["process with too many private lock calls to be probed"], 1u);
  const auto before = code_of(outsider);
  ASSERT_TRUE(tick_until([&] { return code_of(victim) != before; })) << "its probes are taken away";
  EXPECT_FALSE(probed(victim)) << "and do not come back";
}

INSTANTIATE_TEST_SUITE_P(Probes, SharedLocks, testing::Bool(),
                         [](const auto& param) { return param.param ? "by_session" : "by_entry_and_return"; });

}  // namespace
}  // namespace lockscope::test
