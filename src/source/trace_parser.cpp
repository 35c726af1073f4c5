// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>

#include "source/trace_record.h"
#include "source/trace_text.h"
#include "source/unique_fd.h"

namespace lockscope {
namespace {

using trace::Record;

constexpr std::string_view kHeader = "lockscope-trace 1";
constexpr std::size_t kMaxString = 4096;
constexpr std::size_t kMaxLooks = 4096;

class Parser {
 public:
  // What is wrong with the line; nothing where all is well.
  [[nodiscard]] std::optional<std::string> take(std::string_view line);
  [[nodiscard]] bool ended() const { return ended_; }
  [[nodiscard]] std::vector<RecordedLook> looks() && { return std::move(looks_); }

 private:
  using Handler = void (Parser::*)(Record&);

  void look(Record& record);
  void coverage(Record& record);
  void lost(Record& record);
  void thread(Record& record);
  void wait(Record& record);
  void window(Record& record, RawWait& wait);
  void lock(Record& record);
  void memory(Record& record);
  void mapping(Record& record);
  void number(Record& record);
  void pidfd(Record& record);
  void signals(Record& record);

  [[nodiscard]] RawSample& sample() { return looks_.back().sample; }
  [[nodiscard]] MemoryLog& log() { return looks_.back().memory; }

  std::vector<RecordedLook> looks_;
  bool ended_ = false;
};

std::optional<std::string> Parser::take(std::string_view line) {
  if (line.empty() || line.front() == '#') return std::nullopt;
  if (ended_) return "something follows the end";
  if (line == "end") {
    ended_ = true;
    return std::nullopt;
  }
  static const std::map<std::string_view, Handler> handlers = {
      {"look", &Parser::look},     {"coverage", &Parser::coverage}, {"lost", &Parser::lost},
      {"thread", &Parser::thread}, {"wait", &Parser::wait},         {"lock", &Parser::lock},
      {"memory", &Parser::memory}, {"mapping", &Parser::mapping},   {"number", &Parser::number},
      {"pidfd", &Parser::pidfd},   {"signals", &Parser::signals},
  };
  Record record(line);
  const auto handler = handlers.find(record.kind());
  if (handler == handlers.end()) return "not a kind of record that this version knows";
  if (looks_.empty() && record.kind() != "look") return "a record before the first look";
  (this->*handler->second)(record);
  return record.finish();
}

void Parser::look(Record& record) {
  if (looks_.size() == kMaxLooks) record.complain("look", "is one too many");
  RawSample& now = looks_.emplace_back().sample;
  record.require("taken_ns");
  record.string("source", now.source, kMaxString);
  record.number("taken_ns", now.taken_ns);
  record.number("duration_ns", now.duration_ns);
  record.number("realtime_offset_ns", now.realtime_offset_ns);
  record.number("monotonic_offset_ns", now.monotonic_offset_ns);
  record.flag("sees_all_pids", now.sees_all_pids);
  record.flag("file_locks_complete", now.file_locks_complete);
}

void Parser::coverage(Record& record) {
  Coverage& into = sample().coverage;
  record.number("threads_seen", into.threads_seen);
  record.number("threads_waiting", into.threads_waiting);
  record.number("unreadable", into.unreadable);
  record.number("not_understood", into.not_understood);
}

void Parser::lost(Record& record) {
  std::string cause;
  std::uint64_t count = 0;
  record.require("cause");
  record.string("cause", cause, kMaxString);
  record.number("count", count);
  sample().coverage.lost_events[cause] = count;
}

void Parser::thread(Record& record) {
  Thread thread;
  record.require("pid");
  record.require("tid");
  record.pid("pid", thread.pid);
  record.pid("tid", thread.id.tid);
  record.number("start_ns", thread.id.start_ns);
  record.pid("parent_pid", thread.parent_pid);
  record.pid("ns_tid", thread.ns_tid);
  record.pid("ns_pid", thread.ns_pid);
  record.number("pid_ns", thread.pid_ns);
  record.number("uid", thread.uid);
  record.number("priority", thread.priority);
  record.name("state", thread.state);
  record.number("syscall", thread.syscall);
  record.flag("compat", thread.compat);
  record.flag("moved", thread.moved);
  bool unreadable = false;
  record.flag("unreadable", unreadable);
  thread.readable = !unreadable;
  record.number("voluntary_switches", thread.voluntary_switches);
  record.number("involuntary_switches", thread.involuntary_switches);
  record.number("blocked_ns", thread.blocked_ns);
  record.number("address_space", thread.address_space);
  record.number("files", thread.files);
  record.flag("timer_armed", thread.timer_armed);
  record.string("comm", thread.comm, kMaxString);

  auto& threads = sample().threads;
  const auto place = [](const Thread& t) { return std::pair(t.pid, t.id); };
  if (!threads.empty() && place(threads.back()) >= place(thread)) {
    record.complain("tid", "is out of order: threads are sorted by pid, then tid");
  }
  if (!sample().waits.empty()) record.complain("tid", "comes after the waits of its look");
  if (threads.size() == kMaxTraceThreads) record.complain("tid", "is one thread too many");
  threads.push_back(std::move(thread));
}

void Parser::window(Record& record, RawWait& wait) {
  std::vector<std::uint8_t> bytes;
  record.number("window_low", wait.window.low);
  record.bytes("window", bytes, wait.window.bytes.size());
  const auto size = static_cast<std::int64_t>(bytes.size());
  if (wait.window.low < -kWindowBefore || wait.window.low > kWindowAfter - size) {
    record.complain("window", "reaches too far from the word");
    wait.window.low = 0;
    return;
  }
  wait.window.high = wait.window.low + size;
  std::ranges::copy(bytes, wait.window.bytes.begin() + wait.window.low + kWindowBefore);
}

void Parser::wait(Record& record) {
  RawWait wait;
  ThreadId id;
  record.require("tid");
  record.require("syscall");
  record.pid("tid", id.tid);
  const bool exact = record.has("start_ns");
  record.number("start_ns", id.start_ns);
  const auto& threads = sample().threads;
  const auto from =
      threads.begin() + static_cast<std::ptrdiff_t>(sample().waits.empty() ? 0 : sample().waits.back().thread + 1);
  const auto owner = std::find_if(from, threads.end(), [&](const Thread& t) {
    return t.id.tid == id.tid && (!exact || t.id.start_ns == id.start_ns);
  });
  if (owner == threads.end()) record.complain("tid", "is no thread of this look, or out of order");
  wait.thread = static_cast<std::size_t>(owner - threads.begin());

  record.number("syscall", wait.syscall);
  record.words("args", wait.args);
  record.number("ip", wait.ip);
  record.number("sp", wait.sp);
  record.words("callee_saved", wait.callee_saved);
  record.name("code", wait.code);
  record.name("libc", wait.libc);
  record.flag("restarted", wait.restarted);
  record.flag("word_in_loader", wait.word_in_loader);
  if (record.has("shared_ino")) {
    auto& shared = wait.shared.emplace();
    record.number("shared_dev", shared.file.dev);
    record.number("shared_ino", shared.file.ino);
    record.number("shared_offset", shared.offset);
  }
  window(record, wait);
  record.bytes("stack", wait.stack, kMaxTraceRead);
  if (record.has("file_ino")) {
    auto& file = wait.file.emplace();
    record.number("file", file.identity);
    record.number("file_dev", file.file.dev);
    record.number("file_ino", file.file.ino);
    record.number("file_position", file.position);
    record.number("file_size", file.size);
  }
  record.number("timeout_ns", wait.timeout_ns);
  record.bytes("argument", wait.argument, kMaxTraceRead);
  record.pid("pi_owner_tid", wait.pi_owner.tid);
  record.number("pi_owner_start_ns", wait.pi_owner.start_ns);
  sample().waits.push_back(std::move(wait));  // not looked at again once there was a complaint
}

void Parser::lock(Record& record) {
  FileLock lock;
  record.require("kind");
  record.require("ino");
  record.name("kind", lock.kind);
  record.flag("exclusive", lock.exclusive);
  record.number("dev", lock.file.dev);
  record.number("ino", lock.file.ino);
  record.number("start", lock.start);
  record.number("end", lock.end);
  record.number("owner", lock.owner);
  record.pid("locker", lock.locker);
  record.flag("other_references", lock.other_references);
  TextScan sharers(record.raw("sharers"));
  while (!sharers.at_end()) {
    TextScan entry(sharers.take_until(','));
    const auto pid = Record::parse_number<pid_t>(entry.take_until(':'));
    const auto fd = Record::parse_number<int>(entry.take_until(':'));
    const std::string_view mode = entry.rest();
    if (!pid || *pid < 0 || !fd || *fd < -1 || (mode != "ro" && mode != "rw")) {
      return record.complain("sharers", "is not made of pid:fd:ro or pid:fd:rw");
    }
    lock.sharers.push_back({*pid, *fd, mode == "ro"});
  }
  const auto place = [](const FileLock::Sharer& s) { return std::pair(s.pid, s.fd); };
  if (!std::ranges::is_sorted(lock.sharers, {}, place)) record.complain("sharers", "are not sorted by pid and fd");
  sample().file_locks.push_back(std::move(lock));
}

void Parser::memory(Record& record) {
  MemoryLog::Range range;
  std::vector<std::uint8_t> bytes;
  record.require("pid");
  record.pid("pid", range.pid);
  record.number("address", range.address);
  record.bytes("bytes", bytes, kMaxTraceRead);
  range.length = bytes.size();
  record.number("length", range.length);
  if (range.length > kMaxTraceRead || range.address > ~std::uint64_t{0} - range.length) {
    return record.complain("length", "reaches too far");
  }
  if (!bytes.empty() && bytes.size() != range.length) return record.complain("length", "is not that of bytes");
  auto& answers = log().reads[range];
  if (bytes.size() == range.length) {
    answers.emplace_back(std::move(bytes));
  } else {
    answers.emplace_back(std::nullopt);
  }
}

void Parser::mapping(Record& record) {
  pid_t pid = 0;
  SharedPlace place;
  auto answer = ProcessMemory::Mapping::unknown;
  record.require("pid");
  record.require("ino");
  record.require("is");
  record.pid("pid", pid);
  record.number("dev", place.file.dev);
  record.number("ino", place.file.ino);
  record.number("offset", place.offset);
  record.name("is", answer);
  log().mappings[{pid, place}].push_back(answer);
}

void Parser::number(Record& record) {
  pid_t observer = 0, pid = 0, answer = 0;
  record.require("is");
  record.pid("observer", observer);
  record.pid("pid", pid);
  record.pid("is", answer);
  log().numbers[{observer, pid}].push_back(answer);
}

void Parser::pidfd(Record& record) {
  pid_t pid = 0, answer = 0;
  int fd = -1;
  record.require("is");
  record.pid("pid", pid);
  record.number("fd", fd);
  record.pid("is", answer);
  log().pidfds[{pid, fd}].push_back(answer);
}

void Parser::signals(Record& record) {
  pid_t pid = 0;
  bool caught = true;
  record.require("caught");
  record.pid("pid", pid);
  record.flag("caught", caught);
  log().catching_signals[pid].push_back(caught);
}

std::unexpected<Error> wrong(std::string_view name, std::size_t line, std::string_view why) {
  return fail(ErrorKind::usage, fmt::format("{}:{}", name, line), std::string(why));
}

}  // namespace

Result<std::vector<RecordedLook>> parse_trace(std::string_view text, std::string_view name) {
  if (text.size() > kMaxTraceBytes) return fail(ErrorKind::usage, std::string(name), "is larger than 1 GiB");
  TextScan scan(text);
  Parser parser;
  for (std::size_t line_number = 1; !scan.at_end(); ++line_number) {
    const std::string_view line = scan.take_line();
    if (line.size() > kMaxTraceLine) return wrong(name, line_number, "the line is longer than 1 MiB");
    if (line_number == 1) {
      if (line == kHeader) continue;
      const bool other_version = line.starts_with("lockscope-trace ");
      return wrong(
          name, 1,
          other_version ? "a trace of another version; this lockscope reads version 1" : "not a lockscope trace");
    }
    if (const auto complaint = parser.take(line)) return wrong(name, line_number, *complaint);
  }
  if (!parser.ended()) return fail(ErrorKind::usage, std::string(name), "is cut off: its last line is not 'end'");
  auto looks = std::move(parser).looks();
  if (looks.empty()) return fail(ErrorKind::usage, std::string(name), "holds no look");
  return looks;
}

Result<std::vector<RecordedLook>> read_trace_file(const std::string& path) {
  const auto problem = [&path](int error) {
    return fail(ErrorKind::usage, fmt::format("cannot read {}", path), std::strerror(error));
  };
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return problem(errno);
  std::string text;
  std::size_t size = 0;
  ssize_t got = 0;
  do {
    if (size > kMaxTraceBytes) return fail(ErrorKind::usage, path, "is larger than 1 GiB");
    text.resize(size + (std::size_t{1} << 20));
    got = ::read(file.get(), text.data() + size, text.size() - size);
    if (got > 0) size += static_cast<std::size_t>(got);
  } while (got > 0 || (got < 0 && errno == EINTR));
  if (got < 0) return problem(errno);
  text.resize(size);
  return parse_trace(text, path);
}

}  // namespace lockscope
