// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <iterator>
#include <map>
#include <span>

#include "source/trace_names.h"
#include "source/trace_text.h"

namespace lockscope {
namespace {

// One record being written. What equals its default is left out.
class Line {
 public:
  Line(std::string& text, std::string_view kind) : text_(text) { text_ += kind; }
  Line(const Line&) = delete;
  Line& operator=(const Line&) = delete;
  ~Line() { text_ += '\n'; }

  template <std::integral T>
  Line& number(std::string_view key, T value) {
    fmt::format_to(std::back_inserter(text_), " {}={}", key, value);
    return *this;
  }
  template <std::integral T>
  Line& number_unless(std::string_view key, T value, T ordinary) {
    return value == ordinary ? *this : number(key, value);
  }
  template <std::integral T>
  Line& optional(std::string_view key, const std::optional<T>& value) {
    return value ? number(key, *value) : *this;
  }
  Line& hex(std::string_view key, std::uint64_t value) {
    if (value != 0) fmt::format_to(std::back_inserter(text_), " {}={:#x}", key, value);
    return *this;
  }
  Line& flag(std::string_view key, bool value) {
    if (value) fmt::format_to(std::back_inserter(text_), " {}=1", key);
    return *this;
  }
  template <class Enum>
  Line& name_unless(std::string_view key, Enum value, Enum ordinary) {
    return value == ordinary ? *this : name(key, value);
  }
  template <class Enum>
  Line& name(std::string_view key, Enum value) {
    fmt::format_to(std::back_inserter(text_), " {}={}", key, trace::name_of(value));
    return *this;
  }
  Line& string(std::string_view key, std::string_view value) {
    if (value.empty()) return *this;
    fmt::format_to(std::back_inserter(text_), " {}=", key);
    for (const char c : value) {
      if (trace::is_plain(c)) {
        text_ += c;
      } else {
        fmt::format_to(std::back_inserter(text_), "%{:02x}", static_cast<unsigned char>(c));
      }
    }
    return *this;
  }
  Line& bytes(std::string_view key, std::span<const std::uint8_t> value) {
    if (value.empty()) return *this;
    fmt::format_to(std::back_inserter(text_), " {}={:02x}", key, fmt::join(value, ""));
    return *this;
  }
  Line& words(std::string_view key, const std::array<std::uint64_t, 6>& value) {
    if (value != std::array<std::uint64_t, 6>{}) {
      fmt::format_to(std::back_inserter(text_), " {}={:#x}", key, fmt::join(value, ","));
    }
    return *this;
  }

 private:
  std::string& text_;
};

void write_head(std::string& text, const RawSample& sample) {
  Line(text, "look")
      .string("source", sample.source)
      .number("taken_ns", sample.taken_ns)
      .number_unless("duration_ns", sample.duration_ns, std::uint64_t{0})
      .number_unless("realtime_offset_ns", sample.realtime_offset_ns, std::uint64_t{0})
      .number_unless("monotonic_offset_ns", sample.monotonic_offset_ns, std::uint64_t{0})
      .flag("sees_all_pids", sample.sees_all_pids)
      .flag("file_locks_complete", sample.file_locks_complete);
  const Coverage& coverage = sample.coverage;
  Line(text, "coverage")
      .number("threads_seen", coverage.threads_seen)
      .number("threads_waiting", coverage.threads_waiting)
      .number("unreadable", coverage.unreadable)
      .number("not_understood", coverage.not_understood);
  for (const auto& [cause, count] : coverage.lost_events)
    Line(text, "lost").string("cause", cause).number("count", count);
}

void write_thread(std::string& text, const Thread& thread) {
  Line(text, "thread")
      .number("pid", thread.pid)
      .number("tid", thread.id.tid)
      .number("start_ns", thread.id.start_ns)
      .number_unless("parent_pid", thread.parent_pid, 0)
      .number_unless("ns_tid", thread.ns_tid, 0)
      .number_unless("ns_pid", thread.ns_pid, 0)
      .number_unless("pid_ns", thread.pid_ns, std::uint32_t{0})
      .optional("uid", thread.uid)
      .optional("priority", thread.priority)
      .name("state", thread.state)
      .optional("syscall", thread.syscall)
      .flag("compat", thread.compat)
      .flag("moved", thread.moved)
      .flag("unreadable", !thread.readable)
      .number_unless("voluntary_switches", thread.voluntary_switches, std::uint64_t{0})
      .number_unless("involuntary_switches", thread.involuntary_switches, std::uint64_t{0})
      .optional("blocked_ns", thread.blocked_ns)
      .hex("address_space", thread.address_space)
      .hex("files", thread.files)
      .flag("timer_armed", thread.timer_armed)
      .string("comm", thread.comm);
}

void write_wait(std::string& text, const RawWait& wait, const ThreadId& thread, bool ambiguous) {
  Line line(text, "wait");
  line.number("tid", thread.tid);
  if (ambiguous) line.number("start_ns", thread.start_ns);
  line.number("syscall", wait.syscall)
      .words("args", wait.args)
      .hex("ip", wait.ip)
      .hex("sp", wait.sp)
      .words("callee_saved", wait.callee_saved)
      .name_unless("code", wait.code, CodePlace::unknown)
      .name_unless("libc", wait.libc, LibcKind::unknown)
      .flag("restarted", wait.restarted)
      .flag("word_in_loader", wait.word_in_loader);
  if (wait.shared) {
    line.hex("shared_dev", wait.shared->file.dev)
        .number("shared_ino", wait.shared->file.ino)
        .hex("shared_offset", wait.shared->offset);
  }
  if (wait.window.low < wait.window.high) {
    const auto first = static_cast<std::size_t>(wait.window.low + kWindowBefore);
    const auto size = static_cast<std::size_t>(wait.window.high - wait.window.low);
    line.number("window_low", wait.window.low).bytes("window", std::span(wait.window.bytes).subspan(first, size));
  }
  line.bytes("stack", wait.stack);
  if (wait.file) {
    line.hex("file", wait.file->identity)
        .hex("file_dev", wait.file->file.dev)
        .number("file_ino", wait.file->file.ino)
        .number_unless("file_position", wait.file->position, std::uint64_t{0})
        .number_unless("file_size", wait.file->size, std::uint64_t{0});
  }
  line.optional("timeout_ns", wait.timeout_ns).bytes("argument", wait.argument);
  if (wait.pi_owner != ThreadId{}) {
    line.number("pi_owner_tid", wait.pi_owner.tid).number("pi_owner_start_ns", wait.pi_owner.start_ns);
  }
}

void write_lock(std::string& text, const FileLock& lock) {
  Line line(text, "lock");
  line.name("kind", lock.kind)
      .flag("exclusive", lock.exclusive)
      .hex("dev", lock.file.dev)
      .number("ino", lock.file.ino)
      .number_unless("start", lock.start, std::uint64_t{0})
      .number_unless("end", lock.end, ~std::uint64_t{0})
      .hex("owner", lock.owner)
      .number_unless("locker", lock.locker, 0)
      .flag("other_references", lock.other_references);
  std::string sharers;
  for (const FileLock::Sharer& sharer : lock.sharers) {
    fmt::format_to(std::back_inserter(sharers), "{}{}:{}:{}", sharers.empty() ? "" : ",", sharer.pid, sharer.fd,
                   sharer.readonly ? "ro" : "rw");
  }
  line.string("sharers", sharers);
}

void write_memory(std::string& text, const MemoryLog& log) {
  for (const auto& [range, answers] : log.reads) {
    for (const auto& answer : answers) {
      Line line(text, "memory");
      line.number("pid", range.pid).hex("address", range.address).number("length", range.length);
      if (answer) line.bytes("bytes", *answer);
    }
  }
  for (const auto& [question, answers] : log.mappings) {
    for (const auto answer : answers) {
      Line(text, "mapping")
          .number("pid", question.first)
          .hex("dev", question.second.file.dev)
          .number("ino", question.second.file.ino)
          .hex("offset", question.second.offset)
          .name("is", answer);
    }
  }
  for (const auto& [question, answers] : log.numbers) {
    for (const pid_t answer : answers) {
      Line(text, "number").number("observer", question.first).number("pid", question.second).number("is", answer);
    }
  }
  for (const auto& [question, answers] : log.pidfds) {
    for (const pid_t answer : answers) {
      Line(text, "pidfd").number("pid", question.first).number("fd", question.second).number("is", answer);
    }
  }
  for (const auto& [pid, answers] : log.catching_signals) {
    for (const bool answer : answers) Line(text, "signals").number("pid", pid).number("caught", answer ? 1 : 0);
  }
}

}  // namespace

std::string write_trace(const std::vector<RecordedLook>& looks) {
  std::string text = "lockscope-trace 1\n";
  for (const auto& [sample, memory] : looks) {
    write_head(text, sample);
    std::map<pid_t, int> times_seen;
    for (const Thread& thread : sample.threads) {
      write_thread(text, thread);
      ++times_seen[thread.id.tid];
    }
    for (const RawWait& wait : sample.waits) {
      const ThreadId& id = sample.threads.at(wait.thread).id;
      write_wait(text, wait, id, times_seen[id.tid] > 1);
    }
    for (const FileLock& lock : sample.file_locks) write_lock(text, lock);
    write_memory(text, memory);
  }
  return text + "end\n";
}

}  // namespace lockscope
