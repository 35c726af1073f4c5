// SPDX-License-Identifier: Apache-2.0
#include "tests/kernel/tracer_stage.h"

#include <fcntl.h>
#include <linux/bpf.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>
#include <numeric>
#include <sstream>
#include <stdexcept>

namespace lockscope::test {
namespace {

using Clock = std::chrono::steady_clock;

std::array<UniqueFd, 2> make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
  return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

char await_byte(int fd) {
  char byte = 0;
  ssize_t got = 0;
  do {
    got = ::read(fd, &byte, 1);
  } while (got < 0 && errno == EINTR);
  return got == 1 ? byte : '\0';
}

const char* name_of(MisuseKind kind) {
  switch (kind) {
    case MisuseKind::unlock_not_locked: return "unlock_not_locked";
    case MisuseKind::double_unlock: return "double_unlock";
    case MisuseKind::unlock_not_owner: return "unlock_not_owner";
    case MisuseKind::relock: return "relock";
    case MisuseKind::destroyed_while_locked: return "destroyed_while_locked";
    case MisuseKind::exit_while_holding: return "exit_while_holding";
    case MisuseKind::ignored_lock_failure: return "ignored_lock_failure";
  }
  return "?";
}

void add(Durations& to, const Durations& more) {
  to.count += more.count;
  to.total_ns += more.total_ns;
  to.longest_ns = std::max(to.longest_ns, more.longest_ns);
  for (std::size_t i = 0; i < kTraceBuckets; ++i) to.histogram[i] += more.histogram[i];
}

std::string beside_the_test(const char* name) {
  return (std::filesystem::read_symlink("/proc/self/exe").parent_path() / name).string();
}

}  // namespace

void LockTracerTest::SetUp() {
  static const std::optional<Error> missing = []() -> std::optional<Error> {
    const auto tracer = LockTracer::create({});
    if (!tracer) return tracer.error();
    return std::nullopt;
  }();
  if (missing && missing->kind == ErrorKind::unsupported) GTEST_SKIP() << "feature missing: " << missing->line();
  ASSERT_FALSE(missing) << missing->line();
}

Traced::Traced(const std::function<void()>& body) {
  auto orders = make_pipe();
  auto answers = make_pipe();
  pid_ = ::fork();
  if (pid_ < 0) throw std::runtime_error("fork failed");
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    orders[1].reset();
    answers[0].reset();
    if (await_byte(orders[0].get()) == '\0') ::_exit(3);
    try {
      body();
    } catch (...) {
      ::_exit(2);
    }
    answers[1].reset();
    await_byte(orders[0].get());
    ::_exit(0);
  }
  orders_ = std::move(orders[1]);
  answers_ = std::move(answers[0]);
}

Traced::Traced(const std::vector<std::string>& command) {
  std::vector<char*> arguments;
  for (const std::string& argument : command) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  auto orders = make_pipe();
  auto answers = make_pipe();
  pid_ = ::fork();
  if (pid_ < 0) throw std::runtime_error("fork failed");
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::dup2(orders[0].get(), STDIN_FILENO);
    ::dup2(answers[1].get(), STDOUT_FILENO);
    orders[1].reset();
    if (await_byte(STDIN_FILENO) == '\0') ::_exit(3);
    ::execv(arguments[0], arguments.data());
    ::_exit(127);
  }
  orders_ = std::move(orders[1]);
  answers_ = std::move(answers[0]);
}

Traced::~Traced() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

void Traced::begin() const { tell('b'); }

void Traced::tell(char order) const {
  if (::write(orders_.get(), &order, 1) != 1) throw std::runtime_error("it takes no orders");
}

bool Traced::done() {
  while (!done_) {
    pollfd ready{answers_.get(), POLLIN, 0};
    if (::poll(&ready, 1, 0) <= 0) break;
    std::array<char, 256> text{};
    const ssize_t got = ::read(answers_.get(), text.data(), text.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) done_ = true;
    if (got > 0) said_.append(text.data(), static_cast<std::size_t>(got));
  }
  return done_;
}

bool Traced::finish() {
  orders_.reset();
  int status = -1;
  if (pid_ <= 0 || ::waitpid(pid_, &status, 0) != pid_) return false;
  pid_ = -1;
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

std::unique_ptr<LockTracer> make_tracer(const TracerSettings& settings) {
  auto tracer = LockTracer::create(settings);
  if (!tracer) throw std::runtime_error(tracer.error().line());
  return std::move(*tracer);
}

std::unique_ptr<LockTracer> follow(const Traced& traced, const TracerSettings& settings) {
  auto tracer = make_tracer(settings);
  if (auto followed = tracer->follow(traced.pid()); !followed) throw std::runtime_error(followed.error().line());
  return tracer;
}

void update_until(LockTracer& tracer, const std::function<bool()>& wanted) {
  const auto deadline = Clock::now() + std::chrono::minutes(1);
  while (!wanted()) {
    if (Clock::now() > deadline) throw std::runtime_error("the traced did not come so far");
    pollfd wake{tracer.wake_fd(), POLLIN, 0};
    ::poll(&wake, 1, 5);
    tracer.update();
  }
  tracer.update();
}

LockTrace trace_when(LockTracer& tracer, const std::function<bool(const LockTrace&)>& wanted) {
  const auto deadline = Clock::now() + std::chrono::minutes(1);
  while (true) {
    auto trace = tracer.finish();
    if (!trace) throw std::runtime_error(trace.error().line());
    if (wanted(*trace)) return std::move(*trace);
    if (Clock::now() > deadline) throw std::runtime_error("it was not traced");
    pollfd wake{tracer.wake_fd(), POLLIN, 0};
    ::poll(&wake, 1, 5);
  }
}

LockTrace trace_of(const std::function<void()>& body, const TracerSettings& settings) {
  Traced traced(body);
  const auto tracer = follow(traced, settings);
  traced.begin();
  update_until(*tracer, [&] { return traced.done(); });
  auto trace = trace_when(*tracer, [](const LockTrace&) { return true; });
  if (!traced.finish()) throw std::runtime_error("the traced did not end well");
  return trace;
}

UseOf use_of(const LockTrace& trace, const volatile void* lock, std::optional<Mode> mode,
             std::optional<ImageId> image) {
  UseOf sum;
  for (const SiteUse& use : trace.uses) {
    if (use.lock.address != reinterpret_cast<std::uint64_t>(lock)) continue;
    if ((mode && use.mode != *mode) || (image && use.lock.image != *image)) continue;
    sum.acquired += use.acquired;
    sum.contended += use.contended;
    sum.failed += use.failed;
    add(sum.wait, use.wait);
    add(sum.hold, use.hold);
    if (std::ranges::find(sum.kinds, use.kind) == sum.kinds.end()) sum.kinds.push_back(use.kind);
  }
  return sum;
}

std::uint64_t lost_in(const LockTrace& trace) {
  return std::accumulate(trace.lost.begin(), trace.lost.end(), std::uint64_t{0},
                         [](std::uint64_t sum, const auto& cause) { return sum + cause.second; });
}

testing::AssertionResult sane(const LockTrace& trace) {
  const auto wrong = [](const std::string& what) { return testing::AssertionFailure() << what; };
  const auto within = [&](std::uint64_t ns) { return ns >= trace.began_ns && ns <= trace.ended_ns; };
  if (trace.ended_ns < trace.began_ns) return wrong("it ends before it begins");
  const std::uint64_t length = trace.ended_ns - trace.began_ns;
  for (const SiteUse& use : trace.uses) {
    for (const Durations* times : {&use.wait, &use.hold}) {
      const auto in_buckets = std::accumulate(times->histogram.begin(), times->histogram.end(), std::uint64_t{0});
      if (in_buckets != times->count) return wrong("a histogram of another count");
      if (times->longest_ns > length) return wrong("longer than the trace");
      if (times->longest_ns > times->total_ns) return wrong("longer than all together");
      if (times->count > 0 && times->total_ns / times->count > times->longest_ns) return wrong("more than the longest");
    }
    if (use.contended > use.acquired) return wrong("more waits than acquisitions");
    if (use.wait.count != use.contended) return wrong("waits that were not contended");
    if (use.hold.count > use.acquired) return wrong("more holds than acquisitions");
    if (use.lock.address == 0 || use.site == 0) return wrong("a lock or a place of no address");
  }
  for (const LockChain& chain : trace.chains) {
    if (!within(chain.first_ns) || chain.last_ns < chain.first_ns || !within(chain.last_ns))
      return wrong("chain: times");
    if (chain.held.empty() || chain.thread >= trace.threads.size() || chain.count == 0) return wrong("chain");
    for (const Acquisition& held : chain.held) {
      if (!within(held.since_ns) || held.since_ns > chain.first_ns) return wrong("chain: a lock held since later");
    }
    if (!std::ranges::is_sorted(chain.held, {}, &Acquisition::since_ns)) return wrong("chain: not the earliest first");
  }
  for (const LockMisuse& misuse : trace.misuses) {
    if (!within(misuse.time_ns) || misuse.thread >= trace.threads.size()) return wrong("misuse");
  }
  for (const TracedThread& thread : trace.threads) {
    if (thread.waited_ns > length || (thread.ended_ns && !within(*thread.ended_ns))) return wrong("thread");
  }
  for (const BarrierPass& pass : trace.barriers) {
    if (!within(pass.arrived_ns) || pass.left_ns < pass.arrived_ns || !within(pass.left_ns)) return wrong("barrier");
  }
  return testing::AssertionSuccess();
}

std::string misuses_in(const LockTrace& trace) {
  std::map<std::string, std::uint64_t> counts;
  for (const LockMisuse& misuse : trace.misuses) counts[name_of(misuse.kind)] += misuse.count;
  std::string text;
  for (const auto& [name, count] : counts) text += (text.empty() ? "" : ", ") + name + " " + std::to_string(count);
  return text;
}

bool code_is_as_in_file(pid_t pid) {
  const std::string proc = "/proc/" + std::to_string(pid);
  const UniqueFd memory(::open((proc + "/mem").c_str(), O_RDONLY | O_CLOEXEC));
  std::ifstream maps(proc + "/maps");
  bool compared = false;
  for (std::string line; std::getline(maps, line);) {
    std::istringstream fields(line);
    std::string range, mode, offset, device, inode, path;
    fields >> range >> mode >> offset >> device >> inode >> path;
    if (mode.find('x') == std::string::npos || path.find("/libc.so") == std::string::npos) continue;
    const std::uint64_t start = std::stoull(range, nullptr, 16);
    const std::uint64_t end = std::stoull(range.substr(range.find('-') + 1), nullptr, 16);
    std::vector<char> here(end - start), there(end - start);
    const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    const auto got = ::pread(memory.get(), here.data(), here.size(), static_cast<off_t>(start));
    const auto read = ::pread(file.get(), there.data(), there.size(), std::stol(offset, nullptr, 16));
    if (got != static_cast<ssize_t>(here.size()) || read <= 0) throw std::runtime_error("code that cannot be read");
    compared = true;
    if (!std::equal(there.begin(), there.begin() + read, here.begin())) return false;
  }
  if (!compared) throw std::runtime_error("a process without a C library");
  return true;
}

std::vector<std::uint32_t> own_links() {
  std::vector<std::uint32_t> numbers;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fdinfo")) {
    std::ifstream file(entry.path());
    for (std::string line; std::getline(file, line);) {
      if (line.starts_with("link_id:")) numbers.push_back(static_cast<std::uint32_t>(std::stoul(line.substr(8))));
    }
  }
  return numbers;
}

bool link_exists(std::uint32_t number) {
  bpf_attr attributes{};
  attributes.link_id = number;
  const UniqueFd link(static_cast<int>(::syscall(SYS_bpf, BPF_LINK_GET_FD_BY_ID, &attributes, sizeof attributes)));
  return static_cast<bool>(link);
}

std::string tracer_peer() { return beside_the_test("tracer_peer"); }
std::string late_library() { return beside_the_test("libgomp.so.late"); }

void require(bool good) {
  if (!good) throw std::runtime_error("a call did not do what it does");
}

void make_mutex(pthread_mutex_t& made, int type, int protocol, int robust) {
  pthread_mutexattr_t attributes;
  ::pthread_mutexattr_init(&attributes);
  ::pthread_mutexattr_settype(&attributes, type);
  ::pthread_mutexattr_setprotocol(&attributes, protocol);
  ::pthread_mutexattr_setrobust(&attributes, robust);
  require(::pthread_mutex_init(&made, &attributes) == 0);
}

HeldByAnother::HeldByAnother(const std::function<void()>& take, const std::function<void()>& let_go)
    : thread_([this, take, let_go] {
        take();
        taken_ = true;
        while (!over_) ::usleep(100);
        let_go();
      }) {
  while (!taken_) ::usleep(100);
}

HeldByAnother::~HeldByAnother() {
  over_ = true;
  thread_.join();
}

SharedNumbers::SharedNumbers() {
  void* at = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) throw std::runtime_error("mmap failed");
  numbers_ = static_cast<volatile std::uint64_t*>(at);
}
SharedNumbers::~SharedNumbers() { ::munmap(const_cast<std::uint64_t*>(numbers_), 4096); }

}  // namespace lockscope::test
