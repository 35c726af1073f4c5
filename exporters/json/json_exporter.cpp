// SPDX-License-Identifier: Apache-2.0
#include "exporters/json/json_exporter.h"

#include <fmt/format.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "exporters/json/json_writer.h"
#include "exporters/json/rfc3339.h"

namespace lockscope {

namespace {

const char* name_of(LockDescription::Scope scope) {
  switch (scope) {
    case LockDescription::Scope::process_private: return "private";
    case LockDescription::Scope::process_shared: return "shared";
    case LockDescription::Scope::file: return "file";
  }
  return "";
}

const char* name_of(HolderDescription::State state) {
  switch (state) {
    case HolderDescription::State::running: return "running";
    case HolderDescription::State::sleeping: return "sleeping";
    case HolderDescription::State::blocked: return "blocked";
    case HolderDescription::State::gone: return "gone";
  }
  return "";
}

const char* name_of(Mode mode) { return mode == Mode::shared ? "shared" : "exclusive"; }

// Walks a report once, in the order of the contract.
class ReportWriter {
 public:
  ReportWriter(const Report& report, JsonWriter& json) : report_(report), json_(json) {}

  void write_report() {
    json_.begin_object();
    json_.key("schema").value("lockscope.report/1");
    json_.key("tool").begin_object();
    json_.key("name").value("lockscope");
    json_.key("version").value(LOCKSCOPE_VERSION);
    json_.end_object();
    json_.key("host").begin_object();
    member("name", report_.host.name);
    member("kernel", report_.host.kernel);
    member("boot_id", report_.host.boot_id);
    json_.end_object();
    json_.key("taken").begin_object();
    json_.key("start").value(rfc3339(report_.taken));
    json_.key("duration_ns").value(report_.duration.count());
    member("level", report_.level);
    member("source", report_.source);
    json_.end_object();
    json_.key("coverage");
    write(report_.coverage);
    if (!report_.notes.empty()) {
      json_.key("notes").begin_array();
      for (const std::string& note : report_.notes) json_.value(note);
      json_.end_array();
    }
    array("findings", report_.findings);
    if (report_.contention) {
      json_.key("contention");
      write(*report_.contention);
    }
    array("waits", report_.waits);
    json_.key("waits_hidden").value(report_.waits_hidden);
    json_.end_object();
    json_.finish();
  }

 private:
  void member(std::string_view key, const std::string& text) {
    if (!text.empty()) json_.key(key).value(text);
  }
  void member(std::string_view key, const std::optional<std::string>& text) {
    if (text) member(key, *text);
  }
  void member(std::string_view key, const std::optional<std::uint64_t>& number) {
    if (number) json_.key(key).value(*number);
  }
  void member(std::string_view key, const std::optional<std::uint32_t>& number) {
    if (number) json_.key(key).value(*number);
  }
  void address(std::string_view key, const std::optional<std::uint64_t>& place) {
    if (place) json_.key(key).value(fmt::format("{:#x}", *place));
  }
  template <class T>
  void array(std::string_view key, const std::vector<T>& items) {
    json_.key(key).begin_array();
    for (const T& item : items) write(item);
    json_.end_array();
  }

  void write(const Coverage& coverage) {
    json_.begin_object();
    json_.key("threads_seen").value(coverage.threads_seen);
    json_.key("threads_waiting").value(coverage.threads_waiting);
    json_.key("unreadable").value(coverage.unreadable);
    json_.key("not_understood").value(coverage.not_understood);
    json_.key("lost_events").begin_object();
    for (const auto& [cause, count] : coverage.lost_events) json_.key(cause).value(count);
    json_.end_object();
    json_.end_object();
  }

  void write(const ThreadDescription& thread) {
    json_.begin_object();
    if (thread.pid > 0) json_.key("pid").value(thread.pid);
    if (thread.tid > 0) json_.key("tid").value(thread.tid);
    member("comm", thread.comm);
    member("exe", thread.exe);
    member("uid", thread.uid);
    member("user", thread.user);
    member("cgroup", thread.cgroup);
    member("unit", thread.unit);
    member("container", thread.container);
    if (report_.realtime_offset_ns && thread.start_ns > 0) {
      const auto since_1970 = static_cast<std::int64_t>(*report_.realtime_offset_ns + thread.start_ns);
      json_.key("start_time")
          .value(rfc3339(std::chrono::sys_time<std::chrono::nanoseconds>{std::chrono::nanoseconds{since_1970}}));
    }
    json_.end_object();
  }

  void write(const LockDescription& lock) {
    json_.begin_object();
    json_.key("kind").value(lockscope::name_of(lock.kind));
    json_.key("scope").value(name_of(lock.scope));
    address("address", lock.address);
    member("path", lock.path);
    if (lock.file) {
      // ids.h: the device number as the kernel keeps it.
      json_.key("device").value(fmt::format("{}:{}", lock.file->dev >> 20, lock.file->dev & 0xfffff));
      json_.key("inode").value(lock.file->ino);
    }
    member("offset", lock.offset);
    if (lock.range) {
      json_.key("range").begin_object();
      json_.key("start").value(lock.range->start);
      member("end", lock.range->end);
      json_.end_object();
    }
    member("readers", lock.reader_count);
    address("mutex_address", lock.mutex_address);
    json_.end_object();
  }

  void write(const HolderDescription& holder) {
    json_.begin_object();
    if (holder.thread) {
      json_.key("thread");
      write(*holder.thread);
    }
    if (holder.gone_tid) json_.key("gone_tid").value(*holder.gone_tid);
    if (holder.any_thread) json_.key("any_thread").value(true);
    json_.key("evidence").value(lockscope::name_of(holder.evidence));
    json_.key("state").value(name_of(holder.state));
    json_.end_object();
  }

  void write(const WaitDescription& wait) {
    json_.begin_object();
    json_.key("thread");
    write(wait.thread);
    json_.key("lock");
    write(wait.lock);
    json_.key("mode").value(name_of(wait.mode));
    if (!wait.holders.empty()) array("holders", wait.holders);
    member("age_ns", wait.age_ns);
    json_.key("timed").value(wait.timed);
    json_.end_object();
  }

  void time(std::string_view key, const std::optional<std::chrono::system_clock::time_point>& point) {
    if (point) json_.key(key).value(rfc3339(*point));
  }

  void write(const FailingDescription& failing) {
    json_.begin_object();
    json_.key("process");
    write(failing.process);
    json_.key("tries").value(failing.tries);
    time("first", failing.first);
    time("last", failing.last);
    json_.end_object();
  }

  // Buckets that nothing fell into are left out; the last has no upper bound.
  void write(const WaitHistogram& histogram) {
    json_.begin_array();
    for (std::size_t i = 0; i < WaitHistogram::kBuckets; ++i) {
      if (histogram.counts[i] == 0) continue;
      json_.begin_object();
      if (i + 1 < WaitHistogram::kBuckets) json_.key("le_ns").value(std::uint64_t{2000} << i);
      json_.key("count").value(histogram.counts[i]);
      json_.end_object();
    }
    json_.end_array();
  }

  void write(const LockContention& lock) {
    json_.begin_object();
    json_.key("lock");
    write(lock.lock);
    if (lock.process) {
      json_.key("process");
      write(*lock.process);
    }
    json_.key("waits").value(lock.waits.count());
    json_.key("abandoned").value(lock.waits.abandoned);
    json_.key("wait_ns").value(lock.waits.total_ns);
    json_.key("wait_max_ns").value(lock.waits.longest_ns);
    member("longest_waiter", lock.longest_waiter);
    json_.key("histogram");
    write(lock.waits.histogram);
    if (lock.operations) {
      json_.key("operations").begin_object();
      json_.key("granted").value(lock.operations->granted);
      json_.key("failed").value(lock.operations->failed);
      json_.key("released").value(lock.operations->released);
      json_.key("processes").value(lock.operations->processes);
      json_.end_object();
    }
    json_.end_object();
  }

  void write(const ContentionDescription& contention) {
    json_.begin_object();
    json_.key("window_ns").value(contention.window.count());
    json_.key("waits").value(contention.waits);
    json_.key("wait_ns").value(contention.wait_ns);
    json_.key("file_lock_operations").value(contention.file_lock_operations);
    array("locks", contention.locks);
    json_.key("locks_hidden").value(contention.locks_hidden);
    json_.key("hooks").begin_object();
    for (const auto& [program, cost] : contention.hooks) {
      json_.key(program).begin_object();
      json_.key("runs").value(cost.runs);
      json_.key("run_ns").value(cost.run_ns);
      json_.end_object();
    }
    json_.end_object();
    json_.end_object();
  }

  // Beside a cycle an empty list of victims is knowledge, and so is one of waiters beside a lock without a cycle; an
  // empty list of holders is not.
  void write(const FindingDescription& finding) {
    json_.begin_object();
    json_.key("kind").value(finding.kind);
    if (finding.cwe > 0) json_.key("cwe").value(finding.cwe);
    json_.key("severity").value(lockscope::name_of(finding.severity));
    json_.key("confidence").value(lockscope::name_of(finding.confidence));
    member("fingerprint", finding.fingerprint);
    time("first_seen", finding.first_seen);
    member("age_ns", finding.age_ns);
    member("summary", finding.summary);
    member("hint", finding.hint);
    if (!finding.cycle.empty()) array("cycle", finding.cycle);
    if (!finding.cycle.empty() || !finding.victims.empty()) array("victims", finding.victims);
    if (finding.lock) {
      json_.key("lock");
      write(*finding.lock);
    }
    if (!finding.holders.empty()) array("holders", finding.holders);
    if ((finding.lock && finding.cycle.empty()) || !finding.waiters.empty()) array("waiters", finding.waiters);
    if (!finding.failing.empty()) array("failing", finding.failing);
    if (finding.standing) json_.key("standing").value(*finding.standing);
    json_.key("evidence").begin_object();
    for (const auto& [name, fact] : finding.evidence) {
      json_.key(name);
      std::visit([this](const auto& known) { json_.value(known); }, fact);
    }
    json_.end_object();
    json_.end_object();
  }

  const Report& report_;
  JsonWriter& json_;
};

}  // namespace

void JsonExporter::write(const Report& report, const ExportOptions&, std::ostream& out) const {
  JsonWriter json(out);
  ReportWriter(report, json).write_report();
}

}  // namespace lockscope
