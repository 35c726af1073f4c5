// SPDX-License-Identifier: Apache-2.0
#include "source/proc_source.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/kcmp.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "source/clocks.h"
#include "source/pid_namespace.h"
#include "source/proc_locks.h"

namespace lockscope {
namespace {

constexpr std::int64_t kX32Bit = 0x40000000;
constexpr std::uint64_t kNanoseconds = 1'000'000'000;

ThreadState state_of(char letter) {
  switch (letter) {
    case 'R': return ThreadState::running;
    case 'T':
    case 't': return ThreadState::stopped;
    case 'Z':
    case 'X':
    case 'x': return ThreadState::exiting;
    default: return ThreadState::blocked;
  }
}

constexpr std::uint64_t signal_bit(int signal) { return std::uint64_t{1} << (signal - 1); }

bool shares_with(pid_t pid, pid_t other, int what) {
  return other > 0 && ::syscall(SYS_kcmp, pid, other, what, 0, 0) == 0;
}

bool is_32_bit(int proc, pid_t pid) {
  const UniqueFd executable(::openat(proc, fmt::format("{}/exe", pid).c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  std::array<unsigned char, 5> identity{};  // magic and EI_CLASS
  return executable && ::pread(executable.get(), identity.data(), identity.size(), 0) == ssize_t{identity.size()} &&
         std::memcmp(identity.data(), "\177ELF\1", identity.size()) == 0;
}

// TID/NAME, without an allocation.
class TaskPath {
 public:
  TaskPath(pid_t tid, std::string_view name) {
    *fmt::format_to_n(text_.data(), text_.size() - 1, "{}/{}", tid, name).out = '\0';
  }
  [[nodiscard]] const char* c_str() const { return text_.data(); }

 private:
  std::array<char, 32> text_{};
};

}  // namespace

Result<std::unique_ptr<ProcSource>> ProcSource::open(std::vector<pid_t> only) {
  UniqueFd proc(::open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!proc) return fail(ErrorKind::unsupported, "cannot open /proc", std::strerror(errno), "mount it");
  std::array<char, 16> self{};
  if (::readlinkat(proc.get(), "self", self.data(), self.size() - 1) < 0 ||
      std::string_view(self.data()) != std::to_string(::getpid())) {
    return fail(ErrorKind::unsupported, "/proc does not show this process",
                "it is not mounted, or was mounted in another PID namespace", "mount -t proc proc /proc");
  }
  return std::unique_ptr<ProcSource>(new ProcSource(std::move(proc), std::move(only)));
}

ProcSource::ProcSource(UniqueFd proc, std::vector<pid_t> only)
    : proc_(std::move(proc)), only_(std::move(only)), memory_(proc_.get()), modules_(proc_.get()),
      waits_(proc_.get(), modules_, reader_) {
  initial_namespace_ = in_initial_pid_namespace(proc_.get());
  hidden_processes_ = ::faccessat(proc_.get(), "1/stat", F_OK, 0) != 0;
  std::ranges::sort(only_);
}

ProcSource::Process ProcSource::open_process(pid_t pid) const {
  Process process;
  process.pid = pid;
  process.address_space = process.files = static_cast<std::uint64_t>(pid);
  struct stat status {};
  if (::fstatat(proc_.get(), fmt::format("{}/ns/pid", pid).c_str(), &status, 0) == 0) {
    process.pid_ns = static_cast<std::uint32_t>(status.st_ino);
    process.readable = true;
  }
  return process;
}

std::optional<SyscallFields> ProcSource::read_syscall(const UniqueFd& file) {
  const auto text = reader_.read_again(file);
  return text ? parse_syscall(*text) : std::nullopt;
}

bool ProcSource::has_timer(const Process& process, std::uint64_t signals_caught) {
  if ((signals_caught & (signal_bit(SIGALRM) | signal_bit(SIGVTALRM) | signal_bit(SIGPROF))) != 0) return true;
  const auto timers = reader_.read(proc_.get(), fmt::format("{}/timers", process.pid).c_str());
  return timers ? !timers->empty() : signals_caught != 0;  // not every kernel has the file
}

void ProcSource::read_blocked(Process& process, Thread& thread, int tasks, std::uint64_t caught, RawSample& sample) {
  Coverage& coverage = sample.coverage;
  const UniqueFd file(::openat(tasks, TaskPath(thread.id.tid, "syscall").c_str(), O_RDONLY | O_CLOEXEC));
  const auto call = read_syscall(file);
  if (!call) {
    if (reader_.failure() != FileReader::Failure::gone) {
      thread.readable = false;
      ++coverage.unreadable;
    }
    return;
  }
  if (call->where == SyscallFields::Where::running) thread.state = ThreadState::running;
  if (call->where != SyscallFields::Where::inside) return;
  thread.syscall = call->number;
  if (process.compat || (call->number & kX32Bit) != 0) {
    thread.compat = true;
    ++coverage.not_understood;
    return;
  }
  SyscallFields meant = *call;
  bool restarted = false;
  if (call->number == wait_call::kRestart) {
    const auto place = reader_.read(tasks, TaskPath(thread.id.tid, "wchan").c_str());
    restarted = place && place->starts_with("futex_");
    meant.number = wait_call::kFutex;
    if (!restarted) return;
  }
  if (!can_wait_for_lock(meant)) return;

  auto wait = waits_.read(*call, restarted);
  if (read_syscall(file) != call) {
    thread.moved = true;
    return;
  }
  if (!wait) {
    ++coverage.unreadable;
    return;
  }
  if (!process.timer_armed) process.timer_armed = has_timer(process, caught);
  thread.timer_armed = *process.timer_armed;
  wait->thread = sample.threads.size();
  sample.waits.push_back(std::move(*wait));
}

// False: a kernel thread, and so are its siblings.
bool ProcSource::read_thread(Process& process, pid_t tid, int tasks, RawSample& sample) {
  Thread thread;
  thread.id.tid = tid;
  thread.pid = process.pid;
  {
    const auto text = reader_.read(tasks, TaskPath(tid, "stat").c_str());
    const auto stat = text ? parse_stat(*text) : std::nullopt;
    if (!stat) return true;
    if (stat->kernel_thread) return false;
    static const auto ticks = static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
    thread.id.start_ns = stat->start_ticks * (kNanoseconds / ticks);
    thread.parent_pid = stat->parent_pid;
    thread.state = state_of(stat->state);
    thread.comm = stat->comm;
  }
  const auto text = reader_.read(tasks, TaskPath(tid, "status").c_str());
  const auto status = text ? parse_status(*text) : std::nullopt;
  if (!status) return true;
  thread.ns_tid = status->ns_tid;
  thread.ns_pid = status->ns_pid;
  thread.uid = status->uid;
  thread.voluntary_switches = status->voluntary_switches;
  thread.involuntary_switches = status->involuntary_switches;
  if (sample.threads.empty() || sample.threads.back().pid != process.pid) {
    // The first of its process: what takes its parent, and is the same for the rest.
    if (shares_with(process.pid, thread.parent_pid, KCMP_VM)) {
      process.address_space = static_cast<std::uint64_t>(thread.parent_pid);
    }
    if (shares_with(process.pid, thread.parent_pid, KCMP_FILES)) {
      process.files = static_cast<std::uint64_t>(thread.parent_pid);
    }
    process.compat = process.readable && is_32_bit(proc_.get(), process.pid);
    waits_.begin_process(process.pid);
  }
  thread.pid_ns = process.pid_ns;
  thread.address_space = process.address_space;
  thread.files = process.files;
  thread.readable = process.readable || thread.state == ThreadState::exiting;
  ++sample.coverage.threads_seen;
  if (!thread.readable) ++sample.coverage.unreadable;
  if (thread.readable && thread.state == ThreadState::blocked) {
    read_blocked(process, thread, tasks, status->signals_caught, sample);
  }
  sample.threads.push_back(std::move(thread));
  return true;
}

void ProcSource::read_process(pid_t pid, RawSample& sample) {
  const std::string path = fmt::format("{}/task", pid);
  const UniqueFd tasks(::openat(proc_.get(), path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const auto tids = tasks ? read_numbered_entries(tasks.get(), ".") : std::nullopt;
  if (!tids) return;
  Process process = open_process(pid);
  for (const pid_t tid : *tids) {
    if (!read_thread(process, tid, tasks.get(), sample)) return;
  }
}

// The walk over the descriptors took a while.
void ProcSource::drop_moved_file_waits(RawSample& sample) {
  std::erase_if(sample.waits, [&](const RawWait& wait) {
    if (wait.syscall != wait_call::kFlock && wait.syscall != wait_call::kFcntl) return false;
    Thread& thread = sample.threads[wait.thread];
    const std::string path = fmt::format("{}/task/{}/syscall", thread.pid, thread.id.tid);
    const auto call = read_syscall(UniqueFd(::openat(proc_.get(), path.c_str(), O_RDONLY | O_CLOEXEC)));
    thread.moved = !call || call->number != wait.syscall || call->args != wait.args || call->sp != wait.sp;
    return thread.moved;
  });
}

Result<RawSample> ProcSource::sample() {
  RawSample sample;
  sample.source = "proc";
  start_clocks(sample);
  memory_.begin_look();
  modules_.begin_look();

  auto pids = only_.empty() ? read_numbered_entries(proc_.get(), ".") : only_;
  if (!pids) return fail(ErrorKind::failed, "cannot list /proc", std::strerror(errno));
  for (const pid_t pid : *pids) {
    if (pid != ::getpid()) read_process(pid, sample);
  }

  const bool file_waits = std::ranges::any_of(sample.waits, [](const RawWait& wait) {
    return wait.syscall == wait_call::kFlock || wait.syscall == wait_call::kFcntl;
  });
  if (file_waits || file_locks_wanted_) {
    FileLockReader(proc_.get(), reader_).read(sample, initial_namespace_ && !hidden_processes_, file_locks_wanted_);
    drop_moved_file_waits(sample);
  }
  sample.coverage.threads_waiting = sample.waits.size();
  sample.sees_all_pids = initial_namespace_ && !hidden_processes_ && only_.empty() &&
                         std::ranges::all_of(sample.threads, [](const Thread& thread) { return thread.readable; });
  sample.duration_ns = clock_ns(CLOCK_BOOTTIME) - sample.taken_ns;
  return sample;
}

}  // namespace lockscope
