// SPDX-License-Identifier: Apache-2.0
#include "source/bpf_source.h"

#include <bpf/libbpf.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <thread>
#include <vector>

#include "sample_file_locks.skel.h"
#include "sample_tasks.skel.h"
#include "source/bpf_iterator.h"
#include "source/bpf_records.h"
#include "source/clocks.h"
#include "source/code_modules.h"
#include "source/live_memory.h"
#include "source/pid_namespace.h"
#include "source/proc_files.h"
#include "source/proc_maps.h"
#include "source/wait_places.h"

namespace lockscope {
namespace {

constexpr std::int64_t kFlock = 73;
constexpr std::int64_t kFcntl = 72;

template <auto Destroy>
struct Deleter {
  template <class T>
  void operator()(T* object) const {
    Destroy(object);
  }
};
using TasksSkeleton = std::unique_ptr<sample_tasks, Deleter<sample_tasks__destroy>>;
using LocksSkeleton = std::unique_ptr<sample_file_locks, Deleter<sample_file_locks__destroy>>;

int keep_last_line(libbpf_print_level level, const char* format, va_list args);

// libbpf explains failures by printing; the last warning is the reason worth showing.
std::string last_warning;

int keep_last_line(libbpf_print_level level, const char* format, va_list args) {
  if (level != LIBBPF_WARN) return 0;
  std::array<char, 512> line{};
  std::vsnprintf(line.data(), line.size(), format, args);
  std::string text(line.data());
  if (text.find("BEGIN PROG LOAD LOG") != std::string::npos) return 0;
  last_warning = text.substr(0, text.find('\n'));
  return 0;
}

Error refusal(const char* what) {
  const int error = errno;
  std::string hint = "'lockscope doctor' shows what is missing";
  if (error == EPERM || error == EACCES) hint = "needs CAP_BPF and CAP_PERFMON, or root";
  if (::access("/sys/kernel/btf/vmlinux", R_OK) != 0) hint = "this kernel has no BTF (CONFIG_DEBUG_INFO_BTF)";
  std::string why = std::strerror(error);
  if (error != EPERM && error != EACCES && !last_warning.empty()) why += ": " + last_warning;
  return {ErrorKind::unsupported, what, why, hint};
}

std::chrono::nanoseconds now() { return std::chrono::steady_clock::now().time_since_epoch(); }

}  // namespace

struct BpfSource::Parts {
  explicit Parts(UniqueFd proc_fd) : proc(std::move(proc_fd)), modules(proc.get()), memory(proc.get()) {}

  UniqueFd proc;
  CodeModules modules;
  LiveMemory memory;
  FileReader reader;
  TasksSkeleton tasks;
  LocksSkeleton locks;
  BpfIterator tasks_iterator;
  BpfIterator locks_iterator;
  std::optional<Error> locks_error;
  bool file_locks_wanted = false;
  std::vector<std::uint8_t> bytes;  // kept between looks: its size is that of the host
  Cost cost;

  void fill_all_places(RawSample& sample);
  Result<void> read_file_locks(RawSample& sample);
};

BpfSource::BpfSource(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
BpfSource::~BpfSource() = default;

Result<std::unique_ptr<BpfSource>> BpfSource::create() {
  UniqueFd proc(::open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!proc) return fail(ErrorKind::unsupported, "cannot open /proc", std::strerror(errno));
  auto parts = std::make_unique<Parts>(std::move(proc));
  libbpf_set_strict_mode(LIBBPF_STRICT_ALL);
  const auto previous = libbpf_set_print(keep_last_line);
  last_warning.clear();
  parts->tasks.reset(sample_tasks__open_and_load());
  if (!parts->tasks) return std::unexpected(refusal("cannot load the BPF task iterator"));
  auto attached = BpfIterator::attach(parts->tasks->progs.sample_tasks);
  if (!attached) return std::unexpected(attached.error());
  parts->tasks_iterator = std::move(*attached);

  // Without this one the rest still serves; file locks are then unknown.
  last_warning.clear();
  parts->locks.reset(sample_file_locks__open_and_load());
  if (!parts->locks) {
    parts->locks_error = refusal("cannot load the BPF file iterator");
  } else if (auto files = BpfIterator::attach(parts->locks->progs.sample_file_locks)) {
    parts->locks_iterator = std::move(*files);
  } else {
    parts->locks_error = files.error();
  }
  libbpf_set_print(previous);
  return std::unique_ptr<BpfSource>(new BpfSource(std::move(parts)));
}

Result<RawSample> BpfSource::sample() {
  RawSample sample;
  sample.source = "bpf";
  parts_->modules.begin_look();
  parts_->memory.begin_look();
  // The iterator takes this thread's latest arrival on a CPU for the scheduler's clock of now.
  std::this_thread::sleep_for(std::chrono::microseconds(1));
  start_clocks(sample);
  const auto start = now();
  parts_->bytes.clear();
  if (auto ran = parts_->tasks_iterator.run(parts_->bytes); !ran) return std::unexpected(ran.error());
  parts_->cost.threads_pass_ns = static_cast<std::uint64_t>((now() - start).count());

  DecodedThreads decoded = decode_threads(parts_->bytes);
  sample.threads = std::move(decoded.threads);
  sample.waits = std::move(decoded.waits);
  sample.coverage = std::move(decoded.coverage);
  sample.sees_all_pids = in_initial_pid_namespace(parts_->proc.get());
  parts_->fill_all_places(sample);
  if (auto read = parts_->read_file_locks(sample); !read) return std::unexpected(read.error());
  sample.duration_ns = static_cast<std::uint64_t>((now() - start).count());
  return sample;
}

void BpfSource::Parts::fill_all_places(RawSample& sample) {
  pid_t pid = 0;
  std::optional<ProcessMaps> maps;
  for (RawWait& wait : sample.waits) {  // in the order of processes
    if (!waited_word(wait)) continue;
    if (const pid_t of = sample.threads[wait.thread].pid; of != pid) {
      pid = of;
      std::array<char, 32> path{};
      std::snprintf(path.data(), path.size(), "%d/maps", pid);
      maps = ProcessMaps::read(reader, proc.get(), path.data());
    }
    if (maps) {
      fill_places(wait, pid, *maps, modules);
    } else {
      ++sample.coverage.unreadable;
    }
    if (wait.window.low == wait.window.high) ++sample.coverage.unreadable;
  }
}

Result<void> BpfSource::Parts::read_file_locks(RawSample& sample) {
  cost.file_locks_pass_ns = 0;
  const bool wanted = file_locks_wanted || std::ranges::any_of(sample.waits, [](const RawWait& w) {
                        return w.syscall == kFlock || w.syscall == kFcntl;
                      });
  if (!wanted) return {};
  if (locks_error) {
    ++sample.coverage.lost_events["file locks not readable"];
    return {};
  }
  const auto start = now();
  auto& truncated = locks->bss->truncated;
  // Whoever else walks the files of the host right now (another lockscope, lsof) holds a reference for a moment, which
  // looks like a descriptor out of sight: look again before it is believed.
  constexpr int kTries = 3;
  for (int i = 0; i < kTries; ++i) {
    bytes.clear();
    truncated = 0;
    if (auto ran = locks_iterator.run(bytes); !ran) return ran;
    sample.file_locks = decode_file_locks(bytes, sample.threads, sample.waits);
    if (std::ranges::none_of(sample.file_locks, &FileLock::other_references)) break;
  }
  cost.file_locks_pass_ns = static_cast<std::uint64_t>((now() - start).count());
  sample.file_locks_complete = truncated == 0;
  if (truncated != 0) sample.coverage.lost_events["file with too many locks"] += truncated;
  return {};
}

void BpfSource::want_file_locks(bool wanted) { parts_->file_locks_wanted = wanted; }
LiveMemory& BpfSource::memory() { return parts_->memory; }
const std::optional<Error>& BpfSource::file_locks_error() const { return parts_->locks_error; }
BpfSource::Cost BpfSource::last_cost() const { return parts_->cost; }

}  // namespace lockscope
