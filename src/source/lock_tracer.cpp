// SPDX-License-Identifier: Apache-2.0
#include "source/lock_tracer.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <future>
#include <map>
#include <optional>
#include <set>

#include "source/clocks.h"
#include "source/expected_libraries.h"
#include "source/full_programs.h"
#include "source/lock_trace_builder.h"
#include "source/mapped_file.h"
#include "source/probe_files.h"
#include "source/proc_maps.h"

namespace lockscope {
namespace {

constexpr std::uint64_t kRescan = 1'000'000'000;     // ns between looks for new libraries
constexpr std::uint64_t kYoung = 2'000'000'000;      // and for as long after a process began, at each update
constexpr std::size_t kMaxProcesses = 4096;
constexpr std::size_t kMaxModules = 4096;            // of one image
constexpr std::size_t kMaxOpenModules = 512;         // files kept open for their symbols

FileId id_of(const struct stat& status) { return {kernel_device(status.st_dev), status.st_ino}; }

}  // namespace

struct LockTracer::Parts {
  struct Library {
    std::size_t number = 0;
    UniqueFd fd;
    std::optional<TracedLibrary> read;  // nothing: it has no lock functions
  };
  struct Process {
    ImageId image = 0;
    std::uint64_t began_ns = 0;
    std::uint64_t looked_ns = 0;
    bool stops = false;             // waits at its first call to be continued
    std::set<FileId> probed;
    bool semaphores = false;        // waits for them are probed too
    std::vector<UprobeLink> links;
  };

  std::unique_ptr<FullPrograms> programs;
  LockTraceBuilder builder;
  UniqueFd proc;
  FileReader reader;
  std::optional<ProbeFiles> files;  // knows who cancels threads
  std::map<FileId, Library> libraries;
  std::map<pid_t, Process> processes;
  std::map<ImageId, std::vector<TracedModule>> modules;
  std::map<FileId, UniqueFd> open_modules;
  std::vector<std::future<void>> closing;
  std::uint64_t began_ns = 0;
  std::size_t next_number = 0;

  Library* library(FileId id, int fd, bool program);
  Result<void> probe(pid_t pid, Process& process, FileId id, Library& library);
  void probe_semaphores(pid_t pid, Process& process);
  void look_for_libraries(pid_t pid, Process& process);
  void read_modules(pid_t pid, ImageId image, const ProcessMaps& maps);
  void act(const LockTraceBuilder::Event& event);
  void first_call(pid_t pid, ImageId image);
  void add_child(pid_t parent, pid_t child, ImageId image);
  void drop_ended();
  std::string thread_name(pid_t pid, pid_t tid) const;
};

// Null: no room, or it cannot be read.
LockTracer::Parts::Library* LockTracer::Parts::library(FileId id, int fd, bool program) {
  const auto known = libraries.find(id);
  if (known != libraries.end()) return known->second.read ? &known->second : nullptr;
  if (next_number >= LS_FULL_FILES) {
    builder.lose("libraries beyond what is probed", 1);
    return nullptr;
  }
  Library& fresh = libraries[id];
  fresh.fd = UniqueFd(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
  fresh.read = fresh.fd ? read_traced_library(fresh.fd.get(), program) : std::nullopt;
  if (!fresh.read) return nullptr;
  fresh.number = next_number++;
  programs->tell_library(fresh.number, *fresh.read);
  return &fresh;
}

Result<void> LockTracer::Parts::probe(pid_t pid, Process& process, FileId id, Library& found) {
  if (process.probed.contains(id)) return {};
  auto links =
      programs->attach(found.number, *found.read, found.fd.get(), pid, FullPrograms::Set::locks);
  if (!links) return std::unexpected(links.error());
  process.probed.insert(id);
  std::ranges::move(*links, std::back_inserter(process.links));
  return {};
}

// Only once all libraries are there: one of them may cancel threads.
void LockTracer::Parts::probe_semaphores(pid_t pid, Process& process) {
  if (process.semaphores || files->may_cancel_threads(pid)) return;
  process.semaphores = true;
  for (const FileId& id : process.probed) {
    Library& found = libraries[id];
    auto links = programs->attach(found.number, *found.read, found.fd.get(), pid, FullPrograms::Set::semaphore_waits);
    if (links) std::ranges::move(*links, std::back_inserter(process.links));
  }
}

void LockTracer::Parts::read_modules(pid_t pid, ImageId image, const ProcessMaps& maps) {
  std::vector<TracedModule>& known = modules[image];
  std::vector<TracedModule> now;
  for (const MappedRange& mapping : maps.mappings()) {
    if (mapping.file.ino == 0 || now.size() >= kMaxModules) continue;
    std::string path(maps.path(mapping));
    auto open = open_modules.find(mapping.file);
    if (open == open_modules.end() && open_modules.size() < kMaxOpenModules) {
      auto file = open_mapped_file(proc.get(), pid, mapping, path);
      if (file) open = open_modules.emplace(mapping.file, std::move(file->fd)).first;
    }
    now.push_back({mapping.start, mapping.end, mapping.offset, std::move(path), mapping.file, mapping.executable,
                   open == open_modules.end() ? -1 : open->second.get()});
  }
  // What was unmapped meanwhile is kept where nothing else lies now: calls from there were seen.
  for (const TracedModule& old : known) {
    const bool covered = std::ranges::any_of(
        now, [&](const TracedModule& m) { return m.start < old.end && old.start < m.end; });
    if (!covered && now.size() < kMaxModules) now.push_back(old);
  }
  std::ranges::sort(now, {}, &TracedModule::start);
  known = std::move(now);
}

void LockTracer::Parts::look_for_libraries(pid_t pid, Process& process) {
  process.looked_ns = clock_ns(CLOCK_BOOTTIME);
  const auto maps = ProcessMaps::read(reader, proc.get(), fmt::format("{}/maps", pid).c_str());
  if (!maps || maps->mappings().empty()) return;
  read_modules(pid, process.image, *maps);
  TracedImage& image = builder.image(process.image, pid);
  if (image.exe.empty()) {
    std::array<char, 4096> path{};
    const ssize_t length = ::readlinkat(proc.get(), fmt::format("{}/exe", pid).c_str(), path.data(), path.size());
    if (length > 0) image.exe.assign(path.data(), static_cast<std::size_t>(length));
  }
  bool dynamic = false;
  const auto look_into = [&](const MappedRange& mapping, bool program) {
    if (process.probed.contains(mapping.file)) return;
    const auto known = libraries.find(mapping.file);
    if (known != libraries.end()) {
      if (known->second.read) static_cast<void>(probe(pid, process, mapping.file, known->second));
      return;
    }
    const auto file = open_mapped_file(proc.get(), pid, mapping, maps->path(mapping));
    if (!file) return;
    if (Library* found = library(mapping.file, file->fd.get(), program)) {
      const bool probed = probe(pid, process, mapping.file, *found).has_value();
      if (!probed && ::kill(pid, 0) == 0) builder.lose("libraries that could not be probed", 1);
    }
  };
  // libpthread before libc: in old versions of glibc the functions of the latter go on to those of the former.
  const bool has_libpthread = std::ranges::any_of(maps->mappings(), [&](const MappedRange& m) {
    const std::string_view path = maps->path(m);
    if (!m.executable || path.find("/libpthread") == std::string_view::npos) return false;
    look_into(m, false);
    const auto now = libraries.find(m.file);
    return now != libraries.end() && now->second.read.has_value();
  });
  for (const MappedRange& mapping : maps->mappings()) {
    if (!mapping.executable || mapping.file.ino == 0) continue;
    const std::string_view path = maps->path(mapping);
    if (!may_be_traced_library(path)) continue;
    const bool is_libc = path.find("/libc.so") != std::string_view::npos || path.find("/libc-2.") != std::string_view::npos;
    dynamic |= is_libc || path.find("musl") != std::string_view::npos;
    if (is_libc && has_libpthread) continue;
    look_into(mapping, false);
  }
  if (dynamic) return;
  struct stat program {};
  if (::fstatat(proc.get(), fmt::format("{}/exe", pid).c_str(), &program, 0) != 0) return;
  for (const MappedRange& mapping : maps->mappings()) {
    if (mapping.executable && mapping.file == id_of(program)) return look_into(mapping, true);
  }
}

// The process is stopped, if it is a child of ours: all its libraries are there, and nothing was called yet.
void LockTracer::Parts::first_call(pid_t pid, ImageId image) {
  const auto found = processes.find(pid);
  if (found == processes.end()) return;
  found->second.image = image;
  look_for_libraries(pid, found->second);
  probe_semaphores(pid, found->second);
  if (found->second.stops) ::kill(pid, SIGCONT);
}

void LockTracer::Parts::add_child(pid_t parent, pid_t child, ImageId image) {
  if (processes.size() >= kMaxProcesses) return builder.lose("processes beyond what is traced", 1);
  const auto from = processes.find(parent);
  Process& process = processes[child];
  process.image = image;
  process.began_ns = clock_ns(CLOCK_BOOTTIME);
  if (from == processes.end()) return;
  process.stops = from->second.stops;
  modules[image] = modules[from->second.image];
  builder.image(image, child).exe = builder.image(from->second.image, parent).exe;
  for (const FileId& id : from->second.probed) {
    const bool probed = probe(child, process, id, libraries[id]).has_value();
    if (!probed && ::kill(child, 0) == 0) builder.lose("processes that could not be probed", 1);
  }
  if (process.stops) ::kill(child, SIGCONT);
}

void LockTracer::Parts::act(const LockTraceBuilder::Event& event) {
  using Kind = LockTraceBuilder::Event::Kind;
  switch (event.kind) {
    case Kind::none: break;
    case Kind::first_call: first_call(event.pid, event.image); break;
    case Kind::fork: add_child(event.pid, event.child, event.child_image); break;
    case Kind::exec:
      if (const auto found = processes.find(event.pid); found != processes.end()) {
        found->second.image = event.image;
        found->second.began_ns = clock_ns(CLOCK_BOOTTIME);
        found->second.looked_ns = 0;
      }
      break;
  }
}

void LockTracer::Parts::drop_ended() {
  std::vector<UprobeLink> links;
  for (auto it = processes.begin(); it != processes.end();) {
    if (::kill(it->first, 0) == 0 || errno != ESRCH) {
      ++it;
      continue;
    }
    programs->end_process(it->first);
    std::ranges::move(it->second.links, std::back_inserter(links));
    it = processes.erase(it);
  }
  std::erase_if(closing, [](std::future<void>& done) {
    return done.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
  });
  if (!links.empty()) closing.push_back(close_aside(std::move(links)));
}

std::string LockTracer::Parts::thread_name(pid_t pid, pid_t tid) const {
  const UniqueFd fd(::openat(proc.get(), fmt::format("{}/task/{}/comm", pid, tid).c_str(), O_RDONLY | O_CLOEXEC));
  std::array<char, 64> text{};
  const ssize_t got = fd ? ::read(fd.get(), text.data(), text.size()) : 0;
  if (got <= 0) return {};
  std::string name(text.data(), static_cast<std::size_t>(got));
  if (name.ends_with('\n')) name.pop_back();
  return name;
}

LockTracer::LockTracer(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

LockTracer::~LockTracer() {
  for (auto& [pid, process] : parts_->processes) {
    if (process.stops) ::kill(pid, SIGCONT);
  }
}

Result<std::unique_ptr<LockTracer>> LockTracer::create(const TracerSettings& settings) {
  auto parts = std::make_unique<Parts>();
  auto programs = FullPrograms::load(settings.sessions);
  if (!programs) return std::unexpected(programs.error());
  parts->programs = std::move(*programs);
  parts->programs->set_long_hold(static_cast<std::uint64_t>(std::max<std::int64_t>(settings.long_hold.count(), 0)));
  parts->proc = UniqueFd(::open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!parts->proc) return fail(ErrorKind::failed, "cannot open /proc", std::strerror(errno));
  parts->files.emplace(parts->proc.get());
  parts->began_ns = clock_ns(CLOCK_BOOTTIME);
  parts->builder.set_owner_names([p = parts.get()](pid_t pid, pid_t tid) { return p->thread_name(pid, tid); });
  return std::unique_ptr<LockTracer>(new LockTracer(std::move(parts)));
}

Result<void> LockTracer::expect(pid_t child, const std::string& program) {
  Parts& p = *parts_;
  auto image = p.programs->begin_image(child, true, true);
  if (!image) return std::unexpected(image.error());
  Parts::Process& process = p.processes[child];
  process.image = *image;
  process.began_ns = clock_ns(CLOCK_BOOTTIME);
  process.stops = true;
  for (const ExpectedLibrary& expected : expected_libraries(program)) {
    struct stat status {};
    if (::fstat(expected.fd.get(), &status) != 0) continue;
    Parts::Library* found = p.library(id_of(status), expected.fd.get(), expected.program);
    if (found == nullptr) continue;
    if (auto probed = p.probe(child, process, id_of(status), *found); !probed) return probed;
  }
  return {};
}

Result<void> LockTracer::follow(pid_t pid) {
  Parts& p = *parts_;
  if (p.processes.contains(pid)) return {};
  auto image = p.programs->begin_image(pid, false, false);
  if (!image) return std::unexpected(image.error());
  Parts::Process& process = p.processes[pid];
  process.image = *image;
  process.began_ns = clock_ns(CLOCK_BOOTTIME);
  p.builder.image(*image, pid).began_ns = process.began_ns;
  p.look_for_libraries(pid, process);
  if (process.probed.empty()) {
    p.processes.erase(pid);
    p.programs->end_process(pid);
    const bool gone = ::kill(pid, 0) != 0 && errno == ESRCH;
    if (gone) return fail(ErrorKind::usage, fmt::format("no process has the number {}", pid));
    return fail(ErrorKind::unsupported, fmt::format("cannot trace process {}", pid),
                "no lock functions were found in it",
                "it may be linked statically without symbols, or not be readable: see 'lockscope doctor'");
  }
  p.probe_semaphores(pid, process);
  return {};
}

int LockTracer::wake_fd() const { return parts_->programs->wake_fd(); }

void LockTracer::update() {
  Parts& p = *parts_;
  p.programs->drain([&](std::span<const std::uint8_t> record) { p.act(p.builder.absorb(record)); });
  const std::uint64_t now = clock_ns(CLOCK_BOOTTIME);
  for (auto& [pid, process] : p.processes) {
    const bool young = now - process.began_ns < kYoung;
    if (now - process.looked_ns >= (young ? kRescan / 20 : kRescan)) p.look_for_libraries(pid, process);
  }
  p.drop_ended();
}

std::vector<pid_t> LockTracer::processes() const {
  std::vector<pid_t> pids;
  for (const auto& [pid, process] : parts_->processes) pids.push_back(pid);
  return pids;
}

bool LockTracer::probed_anything() const {
  return std::ranges::any_of(parts_->libraries, [](const auto& entry) { return entry.second.read.has_value(); });
}

Result<LockTrace> LockTracer::finish() {
  Parts& p = *parts_;
  update();
  for (auto& [pid, process] : p.processes) p.look_for_libraries(pid, process);
  const auto dump = p.programs->dump();
  if (!dump) return std::unexpected(dump.error());
  const auto uses = p.programs->uses();
  if (!uses) return std::unexpected(uses.error());
  const auto chains = p.programs->chains();
  if (!chains) return std::unexpected(chains.error());
  LockTraceBuilder builder = p.builder;
  builder.absorb_uses(*uses);
  builder.absorb_dump(*dump);
  builder.absorb_chains(*chains);
  const FullPrograms::Lost lost = p.programs->lost();
  builder.lose("records: the buffer was full", lost.records);
  builder.lose("places: too many locks and places that take them", lost.uses);
  builder.lose("acquisitions: of places that were not counted", lost.acquired);
  builder.lose("chains of locks: too many", lost.chains);
  builder.lose("calls: too many inside each other", lost.calls);
  builder.lose("threads: no memory", lost.threads);
  builder.lose("calls: the lock could not be read", lost.unreadable);
  builder.lose("locks held: more than 128 by one thread", lost.deep);
  LockTrace trace = builder.build(p.began_ns, clock_ns(CLOCK_BOOTTIME));
  trace.modules = p.modules;
  return trace;
}

}  // namespace lockscope
