// SPDX-License-Identifier: Apache-2.0
// Threads, processes and libraries that come and go while they are traced, and tracers that do: the traced go on, with
// the code that they had.
#include <gtest/gtest.h>
#include <malloc.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>
#include <thread>

#include "source/lock_tracer.h"
#include "tests/kernel/tracer_stage.h"
#include "tests/support/command.h"

namespace lockscope::test {
namespace {

class LockTracerLives : public LockTracerTest {};

pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
sem_t semaphore;

// Before Linux 6.13 a new process cannot be held back until it is probed.
bool children_are_held_back() {
  std::ifstream symbols("/proc/kallsyms");
  for (std::string line; std::getline(symbols, line);) {
    if (line.ends_with(" bpf_send_signal_task")) return true;
  }
  return false;
}

// "PID ADDRESS ACQUISITIONS"
struct Told {
  pid_t pid = 0;
  std::uint64_t address = 0, acquired = 0;
};
std::vector<Told> told_by(const Traced& traced) {
  std::vector<Told> all;
  std::istringstream lines(traced.said());
  for (std::string line; std::getline(lines, line);) {
    Told told;
    std::istringstream fields(line);
    if (fields >> told.pid >> std::hex >> told.address >> std::dec >> told.acquired) all.push_back(told);
  }
  return all;
}

std::uint64_t acquired(const LockTrace& trace, ImageId image, std::uint64_t address) {
  return use_of(trace, reinterpret_cast<const void*>(address), {}, image).acquired;
}

std::vector<TracedImage> images_of(const LockTrace& trace, pid_t pid) {
  std::vector<TracedImage> found;
  std::ranges::copy_if(trace.images, std::back_inserter(found), [pid](const TracedImage& i) { return i.pid == pid; });
  std::ranges::sort(found, {}, &TracedImage::began_ns);
  return found;
}

struct Expected {
  std::unique_ptr<LockTracer> tracer;
  LockTrace trace;
};
Expected expect_and_run(Traced& traced, const TracerSettings& settings = {}) {
  Expected run{make_tracer(settings), {}};
  if (auto expected = run.tracer->expect(traced.pid(), tracer_peer()); !expected) {
    throw std::runtime_error(expected.error().line());
  }
  traced.begin();
  update_until(*run.tracer, [&] { return traced.done(); });
  run.trace = trace_when(*run.tracer, [](const LockTrace&) { return true; });
  return run;
}

TEST_F(LockTracerLives, ProgramIsSeenFromItsFirstCall) {
  for (const bool sessions : {true, false}) {
    Traced traced({tracer_peer(), "locks", "1000"});
    const pid_t pid = traced.pid();
    const auto run = expect_and_run(traced, {.sessions = sessions});
    ASSERT_TRUE(traced.finish());
    const auto told = told_by(traced);
    ASSERT_EQ(told.size(), 1u);
    const auto images = images_of(run.trace, pid);
    ASSERT_FALSE(images.empty());
    EXPECT_TRUE(images.back().from_start);
    EXPECT_TRUE(images.back().exe.ends_with("tracer_peer")) << images.back().exe;
    EXPECT_EQ(acquired(run.trace, images.back().id, told[0].address), 1000u);
    EXPECT_EQ(lost_in(run.trace), 0u);
    EXPECT_EQ(misuses_in(run.trace), "");
    EXPECT_TRUE(sane(run.trace));
  }
}

TEST_F(LockTracerLives, WrappersOfC11AreSeenThrough) {
  Traced traced({tracer_peer(), "wrapped", "40"});
  const pid_t pid = traced.pid();
  const auto run = expect_and_run(traced);
  ASSERT_TRUE(traced.finish());
  const auto told = told_by(traced);
  ASSERT_EQ(told.size(), 1u);
  const ImageId image = images_of(run.trace, pid).back().id;
  EXPECT_EQ(acquired(run.trace, image, told[0].address), 40u);
  const auto modules = run.trace.modules.find(image);
  ASSERT_NE(modules, run.trace.modules.end());
  for (const SiteUse& use : run.trace.uses) {
    if (use.lock.address != told[0].address) continue;
    const bool of_the_program = std::ranges::any_of(modules->second, [&](const TracedModule& module) {
      return use.site >= module.start && use.site < module.end && module.path.ends_with("tracer_peer");
    });
    EXPECT_TRUE(of_the_program) << "the place is the program's, not that of the wrapper";
  }
}

TEST_F(LockTracerLives, ForkedChildOfACommandMissesNothing) {
  if (!children_are_held_back()) GTEST_SKIP() << "feature missing: bpf_send_signal_task";
  for (int round = 0; round < 2; ++round) {
    Traced traced({tracer_peer(), "forks", "300", "700"});
    const pid_t parent = traced.pid();
    const auto run = expect_and_run(traced);
    ASSERT_TRUE(traced.finish());
    const auto told = told_by(traced);
    ASSERT_EQ(told.size(), 2u) << traced.said();
    const pid_t child = told[0].pid == parent ? told[1].pid : told[0].pid;
    const auto parents = images_of(run.trace, parent);
    const auto children = images_of(run.trace, child);
    ASSERT_FALSE(parents.empty());
    ASSERT_EQ(children.size(), 1u);
    EXPECT_EQ(acquired(run.trace, parents.back().id, told[0].address), 300u);
    EXPECT_EQ(acquired(run.trace, children[0].id, told[0].address), 700u);
    EXPECT_EQ(children[0].forked_from, parents.back().id);
    EXPECT_EQ(lost_in(run.trace), 0u);
    EXPECT_EQ(misuses_in(run.trace), "");
    EXPECT_TRUE(sane(run.trace));
  }
}

TEST_F(LockTracerLives, ExecBeginsANewImageAndMissesNothing) {
  for (const bool sessions : {true, false}) {
    Traced traced({tracer_peer(), "execs", "20", "77"});
    const pid_t pid = traced.pid();
    const auto run = expect_and_run(traced, {.sessions = sessions});
    ASSERT_TRUE(traced.finish());
    const auto told = told_by(traced);
    ASSERT_EQ(told.size(), 2u) << traced.said();
    const auto images = images_of(run.trace, pid);
    ASSERT_GE(images.size(), 2u);
    const ImageId before = images[images.size() - 2].id, after = images.back().id;
    EXPECT_TRUE(images.back().from_start);
    EXPECT_EQ(acquired(run.trace, before, told[0].address), 20u);
    EXPECT_EQ(acquired(run.trace, after, told[1].address), 77u);
    EXPECT_EQ(misuses_in(run.trace), "");
    EXPECT_TRUE(sane(run.trace));
  }
}

TEST_F(LockTracerLives, FollowedForkIsPickedUpLater) {
  const SharedNumbers numbers;
  constexpr std::size_t kChild = 0, kGo = 1, kEnded = 2;
  Traced traced([&] {
    ::pthread_mutex_lock(&mutex);
    ::pthread_mutex_unlock(&mutex);
    const pid_t child = ::fork();
    if (child == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      while (numbers[kGo] == 0) ::usleep(200);
      for (int i = 0; i < 500; ++i) {
        ::pthread_mutex_lock(&mutex);
        ::pthread_mutex_unlock(&mutex);
      }
      ::_exit(0);
    }
    numbers[kChild] = static_cast<std::uint64_t>(child);
    int status = -1;
    ::waitpid(child, &status, 0);
    numbers[kEnded] = status == 0 ? 1 : 0;
  });
  const auto tracer = follow(traced);
  traced.begin();
  update_until(*tracer, [&] {
    const auto now = tracer->processes();
    return numbers[kChild] != 0 && std::ranges::find(now, static_cast<pid_t>(numbers[kChild])) != now.end();
  });
  numbers[kGo] = 1;
  update_until(*tracer, [&] { return traced.done(); });
  EXPECT_EQ(numbers[kEnded], 1u);
  const LockTrace trace = trace_when(*tracer, [](const LockTrace&) { return true; });
  const auto children = images_of(trace, static_cast<pid_t>(numbers[kChild]));
  ASSERT_EQ(children.size(), 1u);
  EXPECT_FALSE(children[0].from_start);
  EXPECT_EQ(use_of(trace, &mutex, {}, children[0].id).acquired, 500u);
  EXPECT_EQ(use_of(trace, &mutex).acquired, 501u);
  EXPECT_EQ(misuses_in(trace), "");
  EXPECT_TRUE(sane(trace));
}

TEST_F(LockTracerLives, LibraryThatIsLoadedLaterIsProbed) {
  Traced traced({tracer_peer(), "late", "50", late_library()});
  traced.begin();
  const auto says = [&](const char* word) {
    static_cast<void>(traced.done());
    return traced.said().find(word) != std::string::npos;
  };
  while (!says("here")) ASSERT_FALSE(traced.done());
  const auto tracer = follow(traced);
  traced.tell('l');
  update_until(*tracer, [&] { return says("loaded"); });
  // A look at the mappings probes what it finds new there.
  const auto before = trace_when(*tracer, [&](const LockTrace& now) {
    return std::ranges::any_of(now.modules, [](const auto& of_image) {
      return std::ranges::any_of(of_image.second, [](const TracedModule& module) {
        return module.executable && module.path == late_library();
      });
    });
  });
  EXPECT_EQ(before.lost.count("libraries that could not be probed"), 0u);
  traced.tell('g');
  update_until(*tracer, [&] { return traced.done(); });
  const LockTrace trace = trace_when(*tracer, [](const LockTrace&) { return true; });
  const auto told = told_by(traced);
  ASSERT_EQ(told.size(), 1u) << traced.said();
  const UseOf use = use_of(trace, reinterpret_cast<const void*>(told[0].address));
  EXPECT_EQ(use.acquired, 50u);
  EXPECT_EQ(use.hold.count, 50u);
  EXPECT_EQ(use.kinds, std::vector{LockKind::futex});
  EXPECT_TRUE(sane(trace));
}

TEST_F(LockTracerLives, ThreadsAreToldWithTheirNamesAndEnds) {
  constexpr std::size_t kThreads = 20;
  Traced traced([] {
    for (std::size_t i = 0; i < kThreads; ++i) {
      std::thread thread([i] {
        ::pthread_setname_np(::pthread_self(), ("of its own " + std::to_string(i)).c_str());
        ::pthread_mutex_lock(&mutex);
        ::pthread_mutex_unlock(&mutex);
      });
      thread.join();
    }
    ::pthread_mutex_lock(&mutex);
    ::pthread_mutex_unlock(&mutex);
  });
  const auto tracer = follow(traced);
  traced.begin();
  update_until(*tracer, [&] { return traced.done(); });
  const auto ended = [](const LockTrace& now) {
    return static_cast<std::size_t>(
        std::ranges::count_if(now.threads, [](const TracedThread& thread) { return thread.ended_ns.has_value(); }));
  };
  const LockTrace trace = trace_when(*tracer, [&](const LockTrace& now) { return ended(now) == kThreads; });
  EXPECT_EQ(trace.threads.size(), kThreads + 1) << "and the first one";
  std::set<std::pair<pid_t, std::uint64_t>> different;
  std::set<std::string> names;
  for (const TracedThread& thread : trace.threads) {
    EXPECT_EQ(thread.pid, traced.pid());
    EXPECT_EQ(thread.ended_ns.has_value(), thread.tid != traced.pid());
    different.emplace(thread.tid, thread.start_ns);
    if (thread.ended_ns) names.insert(thread.comm);
    if (thread.ended_ns) {
      EXPECT_GT(*thread.ended_ns, thread.start_ns);
    }
  }
  EXPECT_EQ(different.size(), trace.threads.size());
  EXPECT_EQ(names.size(), kThreads);
  EXPECT_EQ(use_of(trace, &mutex).acquired, kThreads + 1);
  EXPECT_TRUE(sane(trace));
}

TEST_F(LockTracerLives, NoProcessAndNoLibraryAreErrors) {
  Traced traced([] {});
  const pid_t gone = [&] {
    Traced short_lived([] {});
    return short_lived.pid();
  }();
  const auto tracer = make_tracer();
  const auto missing = tracer->follow(gone);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().kind, ErrorKind::usage);
  EXPECT_TRUE(tracer->processes().empty());
  ASSERT_TRUE(tracer->follow(traced.pid()));
  ASSERT_TRUE(tracer->follow(traced.pid())) << "twice is once";
  EXPECT_EQ(tracer->processes(), std::vector{traced.pid()});
}

// Four threads that never stop and count what they do.
constexpr std::size_t kBusy = 4;
void be_busy(const SharedNumbers& numbers) {
  ::sem_init(&semaphore, 0, 1);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < kBusy; ++i) {
    threads.emplace_back([&numbers, i] {
      for (std::uint64_t n = 1;; ++n) {
        ::pthread_mutex_lock(&mutex);
        ::pthread_mutex_unlock(&mutex);
        if (::pthread_mutex_trylock(&mutex) == 0) ::pthread_mutex_unlock(&mutex);
        ::pthread_rwlock_rdlock(&rwlock);
        ::pthread_rwlock_unlock(&rwlock);
        if (n % 16 == 0) {
          ::pthread_rwlock_wrlock(&rwlock);
          ::pthread_rwlock_unlock(&rwlock);
        }
        while (::sem_wait(&semaphore) != 0) {
        }
        ::sem_post(&semaphore);
        numbers[i] = n;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

// Returns once every thread has moved on `more` times; false: not within half a minute, or it died.
bool all_move_on(const Traced& traced, const SharedNumbers& numbers, std::uint64_t more) {
  std::array<std::uint64_t, kBusy> before{};
  for (std::size_t i = 0; i < kBusy; ++i) before[i] = numbers[i];
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  for (std::size_t i = 0; i < kBusy;) {
    if (numbers[i] >= before[i] + more) {
      ++i;
      continue;
    }
    siginfo_t ended{};
    ::waitid(P_PID, static_cast<id_t>(traced.pid()), &ended, WEXITED | WNOHANG | WNOWAIT);
    if (ended.si_pid != 0 || std::chrono::steady_clock::now() > deadline) return false;
    ::usleep(500);
  }
  return true;
}

bool await_code_of_file(pid_t pid) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!code_is_as_in_file(pid)) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    ::usleep(1000);
  }
  return true;
}

std::size_t open_files() {
  const std::filesystem::directory_iterator all("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

// Four times, for loading the programs takes a second on a busy machine; LOCKSCOPE_TRACER_ROUNDS for more.
TEST_F(LockTracerLives, CrowdOfTracersLeavesABusyProcessAsItWas) {
  const int rounds = number_from_environment("LOCKSCOPE_TRACER_ROUNDS", 4);
  const SharedNumbers numbers;
  Traced traced([&] { be_busy(numbers); });
  traced.begin();
  ASSERT_TRUE(all_move_on(traced, numbers, 10));
  ASSERT_TRUE(code_is_as_in_file(traced.pid()));
  ASSERT_TRUE(own_links().empty());
  std::size_t files = 0, memory = 0;
  for (int round = 0; round < rounds; ++round) {
    std::vector<std::uint32_t> links;
    {
      const auto tracer = follow(traced, {.sessions = round % 2 == 0});
      links = own_links();
      EXPECT_GE(links.size(), 7u) << "the test sees them";
      EXPECT_FALSE(code_is_as_in_file(traced.pid())) << "the test sees probes";
      ASSERT_TRUE(all_move_on(traced, numbers, 5)) << "round " << round;
      const LockTrace trace = trace_when(*tracer, [](const LockTrace&) { return true; });
      EXPECT_GT(use_of(trace, &mutex).acquired, 0u);
      EXPECT_EQ(misuses_in(trace), "");
    }
    EXPECT_TRUE(await_code_of_file(traced.pid())) << "round " << round;
    EXPECT_TRUE(own_links().empty());
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (std::ranges::any_of(links, link_exists)) ASSERT_LT(std::chrono::steady_clock::now(), deadline);
    ASSERT_TRUE(all_move_on(traced, numbers, 5)) << "round " << round;
    if (round == 2) files = open_files(), memory = ::mallinfo2().uordblks;
  }
  if (rounds > 3) {
    EXPECT_EQ(open_files(), files);
    EXPECT_LT(::mallinfo2().uordblks, memory + (std::size_t{1} << 20));
  }
}

TEST_F(LockTracerLives, KilledTracerLeavesTheCodeAsItWas) {
  const SharedNumbers numbers;
  Traced traced([&] { be_busy(numbers); });
  traced.begin();
  ASSERT_TRUE(all_move_on(traced, numbers, 10));
  Traced tracing([&] {
    const auto tracer = follow(traced);
    numbers[kBusy] = 1;
    while (true) {
      tracer->update();
      ::usleep(1000);
    }
  });
  tracing.begin();
  while (numbers[kBusy] == 0) ASSERT_FALSE(tracing.done());
  EXPECT_FALSE(code_is_as_in_file(traced.pid())) << "the test sees probes";
  ASSERT_TRUE(all_move_on(traced, numbers, 50));
  ASSERT_EQ(::kill(tracing.pid(), SIGKILL), 0);
  EXPECT_FALSE(tracing.finish());
  EXPECT_TRUE(await_code_of_file(traced.pid()));
  EXPECT_TRUE(all_move_on(traced, numbers, 100));
}

}  // namespace
}  // namespace lockscope::test
