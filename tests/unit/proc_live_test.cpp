// SPDX-License-Identifier: Apache-2.0
// The /proc source on processes of this test: what it says is compared with what the child did.
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "proc_live_child.h"

namespace lockscope {
namespace {

std::unique_ptr<ProcSource> source_of(std::vector<pid_t> pids) {
  auto source = ProcSource::open(std::move(pids));
  EXPECT_TRUE(source) << source.error().line();
  return std::move(*source);
}

bool one_wait(const RawSample& sample) { return sample.waits.size() == 1; }

void* lock_it(void* mutex) {
  pthread_mutex_lock(static_cast<pthread_mutex_t*>(mutex));
  return nullptr;
}

// The calling thread locks it, another waits for it.
void contend(pthread_mutex_t& mutex, Board& board) {
  pthread_mutex_lock(&mutex);
  board.number = ::gettid();
  board.word = reinterpret_cast<std::uint64_t>(&mutex);
  pthread_t waiter{};
  pthread_create(&waiter, nullptr, lock_it, &mutex);
}

std::uint32_t word_at(const MemoryWindow& window, std::int64_t offset) {
  std::uint32_t value = 0;
  std::memcpy(&value, window.bytes.data() + kWindowBefore + offset, sizeof value);
  return value;
}

TEST(ProcSource, SeesAContendedMutexInAChild) {
  static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  const LiveChild child([](Board& board) { contend(mutex, board); });
  const auto source = source_of({child.pid()});
  const auto sample = look_until(*source, one_wait);
  ASSERT_TRUE(sample);
  ASSERT_EQ(sample->threads.size(), 2u);
  const RawWait& wait = sample->waits[0];
  const Thread& waiter = sample->threads[wait.thread];
  const Thread& owner = sample->threads[0];

  EXPECT_EQ(waiter.pid, child.pid());
  EXPECT_NE(waiter.id.tid, child.pid());
  EXPECT_EQ(waiter.ns_tid, waiter.id.tid);
  EXPECT_EQ(waiter.ns_pid, child.pid());
  EXPECT_EQ(waiter.parent_pid, ::getpid());
  EXPECT_EQ(waiter.uid, ::geteuid());
  EXPECT_EQ(waiter.state, ThreadState::blocked);
  EXPECT_EQ(waiter.syscall, SYS_futex);
  EXPECT_EQ(waiter.address_space, owner.address_space);
  EXPECT_NE(waiter.pid_ns, 0u);
  EXPECT_GE(waiter.id.start_ns, owner.id.start_ns);
  EXPECT_GT(waiter.voluntary_switches + waiter.involuntary_switches, 0u);
  EXPECT_FALSE(waiter.timer_armed);

  EXPECT_EQ(wait.syscall, SYS_futex);
  EXPECT_EQ(wait.args[0], child.board().word);
  EXPECT_EQ(wait.window.low, -kWindowBefore);
  EXPECT_EQ(wait.window.high, kWindowAfter);
  EXPECT_EQ(word_at(wait.window, 0), 2u) << "locked, with waiters";
  EXPECT_EQ(word_at(wait.window, 8), static_cast<std::uint32_t>(child.board().number)) << "glibc's __owner";
  EXPECT_EQ(wait.code, CodePlace::libc_lock);
  EXPECT_EQ(wait.libc, LibcKind::glibc);
  EXPECT_FALSE(wait.timeout_ns);
  EXPECT_FALSE(wait.shared);
  EXPECT_FALSE(wait.word_in_loader);
  EXPECT_EQ(sample->coverage.threads_seen, 2u);
  EXPECT_EQ(sample->coverage.threads_waiting, 1u);
  EXPECT_EQ(sample->coverage.unreadable, 0u);
}

TEST(ProcSource, AStandingWaitLooksTheSameTwice) {
  static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  const LiveChild child([](Board& board) { contend(mutex, board); });
  const auto source = source_of({child.pid()});
  // The main thread of the child may still be on its way to pause().
  const auto all_blocked = [](const RawSample& sample) {
    return one_wait(sample) && sample.threads[0].state == ThreadState::blocked;
  };
  const auto first = look_until(*source, all_blocked);
  const auto second = source->sample();
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->threads, second->threads);
  EXPECT_EQ(first->waits, second->waits);
}

TEST(ProcSource, AMutexInASharedMappingHasAPlace) {
  const LiveChild child([](Board& board) {
    void* page = ::mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    auto* mutex = reinterpret_cast<pthread_mutex_t*>(static_cast<char*>(page) + 4096);
    pthread_mutexattr_t shared;
    pthread_mutexattr_init(&shared);
    pthread_mutexattr_setpshared(&shared, PTHREAD_PROCESS_SHARED);
    pthread_mutex_init(mutex, &shared);
    contend(*mutex, board);
  });
  const auto source = source_of({child.pid()});
  const auto sample = look_until(*source, one_wait);
  ASSERT_TRUE(sample);
  const auto& place = sample->waits[0].shared;
  ASSERT_TRUE(place);
  EXPECT_EQ(place->offset, 4096u);
  using Mapping = ProcessMemory::Mapping;
  EXPECT_EQ(source->memory().maps(child.pid(), *place), Mapping::mapped);
  EXPECT_EQ(source->memory().maps(::getpid(), *place), Mapping::not_mapped);
  EXPECT_EQ(source->memory().maps(child.pid(), {place->file, 1 << 20}), Mapping::not_mapped);
}

TEST(ProcSource, TheWindowEndsWhereTheMemoryEnds) {
  const LiveChild child([](Board& board) {
    auto* pages = static_cast<char*>(::mmap(nullptr, 3 * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    ::mprotect(pages + 4096, 4096, PROT_READ | PROT_WRITE);
    auto* mutex = reinterpret_cast<pthread_mutex_t*>(pages + 4096);
    contend(*mutex, board);
  });
  const auto source = source_of({child.pid()});
  const auto sample = look_until(*source, one_wait);
  ASSERT_TRUE(sample);
  EXPECT_EQ(sample->waits[0].window.low, 0);
  EXPECT_EQ(sample->waits[0].window.high, kWindowAfter);
  EXPECT_EQ(word_at(sample->waits[0].window, 0), 2u);

  const LiveChild at_the_end([](Board& board) {
    auto* pages = static_cast<char*>(::mmap(nullptr, 2 * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    ::mprotect(pages, 4096, PROT_READ | PROT_WRITE);
    contend(*reinterpret_cast<pthread_mutex_t*>(pages + 4096 - sizeof(pthread_mutex_t)), board);
  });
  const auto end_source = source_of({at_the_end.pid()});
  const auto end_sample = look_until(*end_source, one_wait);
  ASSERT_TRUE(end_sample);
  EXPECT_EQ(end_sample->waits[0].window.low, -kWindowBefore);
  EXPECT_EQ(end_sample->waits[0].window.high, static_cast<std::int64_t>(sizeof(pthread_mutex_t)));
}

TEST(ProcSource, ReadsTheTimeoutAsItWasGiven) {
  const LiveChild child([](Board& board) {
    sem_t semaphore;
    sem_init(&semaphore, 0, 0);
    const timespec until{4'000'000'000, 7};
    board.word = reinterpret_cast<std::uint64_t>(&semaphore);
    sem_timedwait(&semaphore, &until);
  });
  const auto source = source_of({child.pid()});
  const auto sample = look_until(*source, one_wait);
  ASSERT_TRUE(sample);
  const RawWait& wait = sample->waits[0];
  EXPECT_EQ(wait.args[0], child.board().word);
  EXPECT_EQ(wait.timeout_ns, 4'000'000'000'000'000'007u);
  EXPECT_EQ(wait.code, CodePlace::libc);
  EXPECT_EQ(wait.stack.size(), 768u) << "it could be a condition";
}

TEST(ProcSource, ATimedWaitIsStillOneAfterTheProcessWasStopped) {
  const LiveChild child([](Board& board) {
    sem_t semaphore;
    sem_init(&semaphore, 0, 0);
    const timespec until{4'000'000'000, 7};
    board.word = reinterpret_cast<std::uint64_t>(&semaphore);
    sem_timedwait(&semaphore, &until);
  });
  const auto source = source_of({child.pid()});
  ASSERT_TRUE(look_until(*source, one_wait));
  ::kill(child.pid(), SIGSTOP);
  ASSERT_TRUE(look_until(*source, [](const RawSample& s) {
    return s.threads.size() == 1 && s.threads[0].state == ThreadState::stopped && s.waits.empty();
  }));
  ::kill(child.pid(), SIGCONT);
  const auto sample = look_until(*source, one_wait);
  ASSERT_TRUE(sample);
  const RawWait& wait = sample->waits[0];
  EXPECT_EQ(sample->threads[0].syscall, SYS_restart_syscall);
  EXPECT_TRUE(wait.restarted);
  EXPECT_EQ(wait.syscall, SYS_futex);
  EXPECT_EQ(wait.args[0], child.board().word);
  EXPECT_EQ(wait.timeout_ns, 4'000'000'000'000'000'007u);
}

TEST(ProcSource, AFutexCallOfTheProgramsOwnIsToldFromLibcs) {
  const LiveChild child([](Board& board) {
    static std::uint32_t word = 2;
    board.word = reinterpret_cast<std::uint64_t>(&word);
    ::syscall(SYS_futex, &word, 0x80, 2, nullptr, nullptr, 0);
  });
  const auto source = source_of({child.pid()});
  const auto sample = look_until(*source, one_wait);
  ASSERT_TRUE(sample);
  EXPECT_EQ(sample->waits[0].code, CodePlace::libc_syscall);
  EXPECT_EQ(sample->waits[0].args[0], child.board().word);
}

TEST(ProcSource, AStreamsLockIsLibcsOwn) {
  const LiveChild child([](Board&) {
    flockfile(stdout);
    pthread_t waiter{};
    pthread_create(
        &waiter, nullptr, [](void*) -> void* { return flockfile(stdout), nullptr; }, nullptr);
  });
  const auto source = source_of({child.pid()});
  const auto sample = look_until(*source, one_wait);
  ASSERT_TRUE(sample);
  EXPECT_EQ(sample->waits[0].code, CodePlace::libc_private_lock);
}

TEST(ProcSource, ATimerSignalWithAHandlerCountsAsAnArmedTimer) {
  static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  const LiveChild child([](Board& board) {
    ::signal(SIGALRM, [](int) {});
    contend(mutex, board);
  });
  const auto source = source_of({child.pid()});
  const auto sample = look_until(*source, one_wait);
  ASSERT_TRUE(sample);
  EXPECT_TRUE(sample->threads[sample->waits[0].thread].timer_armed);
  EXPECT_TRUE(source->memory().catches_signals(child.pid()));
}

TEST(ProcSource, ANameWithControlCharactersComesThroughAsItIs) {
  const LiveChild child([](Board& board) {
    ::prctl(PR_SET_NAME, "a) R 1\n\033[2J(");
    board.number = 1;
  });
  const auto source = source_of({child.pid()});
  const auto sample = look_until(*source, [&](const RawSample& s) {
    return child.board().number == 1 && s.threads.size() == 1 && s.threads[0].state == ThreadState::blocked;
  });
  ASSERT_TRUE(sample);
  EXPECT_EQ(sample->threads[0].comm, "a) R 1\n\033[2J(");
  EXPECT_EQ(sample->threads[0].parent_pid, ::getpid());
}

TEST(ProcSource, AProcessThatIsNotThereHasNoThreads) {
  pid_t gone = 0;
  {
    const LiveChild child([](Board&) {});
    gone = child.pid();
  }
  const auto sample = source_of({gone})->sample();
  ASSERT_TRUE(sample);
  EXPECT_TRUE(sample->threads.empty());
}

TEST(ProcSource, KernelThreadsAndTheReaderItselfAreLeftOut) {
  const LiveChild child([](Board&) {});
  const auto sample = source_of({})->sample();
  ASSERT_TRUE(sample);
  const auto seen = [&](pid_t pid) {
    return std::ranges::find(sample->threads, pid, &Thread::pid) != sample->threads.end();
  };
  EXPECT_TRUE(seen(child.pid()));
  EXPECT_FALSE(seen(::getpid()));
  FileReader reader;
  const UniqueFd proc(::open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const auto text = reader.read(proc.get(), "2/stat");
  const auto kthreadd = text ? parse_stat(*text) : std::nullopt;
  if (!kthreadd || !kthreadd->kernel_thread) GTEST_SKIP() << "no kernel threads in this PID namespace";
  EXPECT_FALSE(seen(2));
}

// One file on which locks are taken, without a name that could stay behind.
int open_again(int fd, int flags) { return ::open(("/proc/self/fd/" + std::to_string(fd)).c_str(), flags | O_CLOEXEC); }

int unnamed_file() { return ::open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600); }

TEST(ProcSource, AFlockIsHeldByAllWhoShareItsDescription) {
  const int file = unnamed_file();
  ASSERT_GE(file, 0);
  const int held = open_again(file, O_RDWR);
  ASSERT_EQ(::flock(held, LOCK_EX), 0);
  // Inherits the description; the locker is this process.
  const LiveChild heir([](Board&) {});
  const LiveChild waiter([&](Board&) { ::flock(open_again(file, O_RDONLY), LOCK_EX); });
  const auto source = source_of({heir.pid(), waiter.pid()});
  const auto sample = look_until(*source, [](const RawSample& s) { return one_wait(s) && s.file_locks.size() == 1; });
  ASSERT_TRUE(sample);
  EXPECT_TRUE(sample->file_locks_complete);
  const RawWait& wait = sample->waits[0];
  const FileLock& lock = sample->file_locks[0];
  ASSERT_TRUE(wait.file);
  EXPECT_EQ(wait.file->file, lock.file);
  EXPECT_NE(wait.file->identity, 0u);
  EXPECT_NE(wait.file->identity, lock.owner) << "another open file description";
  EXPECT_EQ(lock.kind, FileLockKind::flock);
  EXPECT_TRUE(lock.exclusive);
  EXPECT_EQ(lock.locker, ::getpid());
  std::vector<pid_t> pids;
  for (const auto& sharer : lock.sharers) pids.push_back(sharer.pid);
  // The waiter was forked by the holder, and so it shares the lock that it waits for.
  std::vector<pid_t> expected = {::getpid(), heir.pid(), waiter.pid()};
  std::ranges::sort(expected);
  EXPECT_EQ(pids, expected);
  EXPECT_TRUE(std::ranges::none_of(lock.sharers, &FileLock::Sharer::readonly));
  ::close(held);
  ::close(file);
}

TEST(ProcSource, AnFcntlWaitCarriesItsRangeAndIsMatchedToItsKind) {
  const int file = unnamed_file();
  ASSERT_GE(file, 0);
  for (const int command : {F_SETLKW, F_OFD_SETLKW}) {
    struct flock range {};
    range.l_type = F_WRLCK;
    range.l_start = 100;
    range.l_len = 50;
    const int held = open_again(file, O_RDWR);
    ASSERT_EQ(::fcntl(held, command, &range), 0);
    const LiveChild waiter([&](Board&) {
      const int mine = open_again(file, O_RDWR);
      ::close(held);
      ::lseek(mine, 120, SEEK_SET);
      struct flock wanted = range;
      wanted.l_whence = SEEK_CUR;
      wanted.l_start = 0;
      wanted.l_len = 1;
      ::fcntl(mine, command, &wanted);
    });
    const auto source = source_of({waiter.pid()});
    const auto sample = look_until(*source, [](const RawSample& s) { return one_wait(s) && s.file_locks.size() == 1; });
    ASSERT_TRUE(sample);
    const RawWait& wait = sample->waits[0];
    ASSERT_TRUE(wait.file);
    EXPECT_EQ(wait.file->position, 120u);
    struct flock asked {};
    ASSERT_EQ(wait.argument.size(), sizeof asked);
    std::memcpy(&asked, wait.argument.data(), sizeof asked);
    EXPECT_EQ(asked.l_whence, SEEK_CUR);
    EXPECT_EQ(asked.l_len, 1);
    const FileLock& lock = sample->file_locks[0];
    EXPECT_EQ(lock.kind, command == F_SETLKW ? FileLockKind::posix : FileLockKind::ofd);
    EXPECT_EQ(lock.start, 100u);
    EXPECT_EQ(lock.end, 149u);
    ASSERT_EQ(lock.sharers.size(), 1u);
    EXPECT_EQ(lock.sharers[0].pid, ::getpid());
    EXPECT_EQ(lock.sharers[0].fd, held);
    ::close(held);
  }
  ::close(file);
}

TEST(LiveMemory, ReadsAllOrNothing) {
  static char text[] = "standing here";
  const LiveChild child([](Board& board) { board.word = reinterpret_cast<std::uint64_t>(text); });
  const UniqueFd proc(::open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  LiveMemory memory(proc.get());
  memory.keep_log();
  std::array<std::uint8_t, sizeof text> bytes{};
  ASSERT_TRUE(memory.read(child.pid(), reinterpret_cast<std::uint64_t>(text), bytes));
  EXPECT_EQ(std::memcmp(bytes.data(), text, sizeof text), 0);
  EXPECT_FALSE(memory.read(child.pid(), 8, bytes));
  EXPECT_FALSE(memory.read(child.pid(), ~std::uint64_t{0} - 4, bytes)) << "wraps around";
  EXPECT_EQ(memory.log().reads.size(), 3u);
  memory.begin_look();
  EXPECT_TRUE(memory.log().reads.empty());
}

TEST(LiveMemory, KnowsProcessesBehindNumbers) {
  const LiveChild child([](Board& board) {
    // Sanitizers catch some.
    for (int signal = 1; signal < NSIG; ++signal) ::signal(signal, SIG_DFL);
    board.number = 1;
  });
  const UniqueFd proc(::open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  LiveMemory memory(proc.get());
  const UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, child.pid(), 0)));
  EXPECT_EQ(memory.process_of_pidfd(::getpid(), pidfd.get()), child.pid());
  EXPECT_EQ(memory.process_of_pidfd(::getpid(), proc.get()), 0);
  EXPECT_EQ(memory.process_of_pidfd(::getpid(), 9999), 0);
  EXPECT_EQ(memory.number_in_namespace_of(::getpid(), child.pid()), child.pid());
  EXPECT_EQ(memory.number_in_namespace_of(::getpid(), 0), 0);
  while (child.board().number == 0) ::sched_yield();
  EXPECT_FALSE(memory.catches_signals(child.pid()));
  EXPECT_TRUE(memory.catches_signals(0)) << "unknown counts as true";
}

TEST(LiveMemory, TranslatesNumbersBetweenPidNamespaces) {
  const LiveChild child([](Board& board) {
    if (::unshare(CLONE_NEWPID) != 0) {
      board.number = -1;
      return;
    }
    if (const pid_t below = ::fork(); below != 0) {
      board.number = 1;
      return;
    }
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) ::pause();
  });
  while (child.board().number == 0) ::sched_yield();
  if (child.board().number < 0) GTEST_SKIP() << "unshare(CLONE_NEWPID) needs CAP_SYS_ADMIN";
  const auto source = source_of({});
  pid_t below = 0;
  const auto sample = look_until(*source, [&](const RawSample& s) {
    const auto thread = std::ranges::find(s.threads, child.pid(), &Thread::parent_pid);
    if (thread != s.threads.end()) below = thread->pid;
    return below != 0;
  });
  ASSERT_TRUE(sample);
  const auto thread = std::ranges::find(sample->threads, below, &Thread::pid);
  const auto parent = std::ranges::find(sample->threads, child.pid(), &Thread::pid);
  ASSERT_NE(parent, sample->threads.end());
  EXPECT_EQ(thread->ns_tid, 1);
  EXPECT_EQ(thread->ns_pid, 1);
  EXPECT_NE(thread->pid_ns, parent->pid_ns);
  LiveMemory& memory = source->memory();
  EXPECT_EQ(memory.number_in_namespace_of(below, below), 1);
  EXPECT_EQ(memory.number_in_namespace_of(child.pid(), below), below);
  EXPECT_EQ(memory.number_in_namespace_of(below, child.pid()), 0) << "not in sight from there";
}

}  // namespace
}  // namespace lockscope
