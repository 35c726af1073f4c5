// SPDX-License-Identifier: Apache-2.0
// What findings and figures are made of: threads, locks, places in code, waits, events.
#include <fmt/format.h>

#include <chrono>
#include <cstdint>

#include "exporters/json/report_writer.h"
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

bool is_known(const FrameDescription& frame) {
  const auto named = [](const std::optional<std::string>& text) { return text && !text->empty(); };
  return frame.address || named(frame.function) || named(frame.module) || frame.offset || named(frame.file);
}

const char* name_of(Mode mode) { return mode == Mode::shared ? "shared" : "exclusive"; }

}  // namespace

void ReportWriter::time(std::string_view key, const std::optional<std::chrono::system_clock::time_point>& point) {
  if (point) json_.key(key).value(rfc3339(*point));
}

void ReportWriter::frame(std::string_view key, const FrameDescription& frame) {
  if (!is_known(frame)) return;
  json_.key(key).begin_object();
  address("address", frame.address);
  member("function", frame.function);
  member("module", frame.module);
  member("offset", frame.offset);
  member("file", frame.file);
  if (frame.line != 0) member("line", frame.line);
  json_.end_object();
}

void ReportWriter::write(const ThreadDescription& thread) {
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

void ReportWriter::write(const LockDescription& lock) {
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
  member("class", lock.class_name);
  member("readers", lock.reader_count);
  address("mutex_address", lock.mutex_address);
  json_.end_object();
}

void ReportWriter::write(const HolderDescription& holder) {
  json_.begin_object();
  object("thread", holder.thread);
  if (holder.gone_tid) json_.key("gone_tid").value(*holder.gone_tid);
  if (holder.any_thread) json_.key("any_thread").value(true);
  json_.key("evidence").value(lockscope::name_of(holder.evidence));
  json_.key("state").value(name_of(holder.state));
  json_.end_object();
}

void ReportWriter::write(const WaitDescription& wait) {
  json_.begin_object();
  object("thread", wait.thread);
  object("lock", wait.lock);
  json_.key("mode").value(name_of(wait.mode));
  if (!wait.holders.empty()) array("holders", wait.holders);
  member("age_ns", wait.age_ns);
  json_.key("timed").value(wait.timed);
  json_.end_object();
}

void ReportWriter::write(const FailingDescription& failing) {
  json_.begin_object();
  object("process", failing.process);
  json_.key("tries").value(failing.tries);
  time("first", failing.first);
  time("last", failing.last);
  json_.end_object();
}

void ReportWriter::write(const LockEventDescription& event) {
  json_.begin_object();
  member("verb", event.verb);
  object("thread", event.thread);
  object("lock", event.lock);
  if (event.site) frame("site", *event.site);
  time("time", event.time);
  member("error", event.error);
  json_.end_object();
}

void ReportWriter::write(const LockOrderDescription& order) {
  json_.begin_object();
  object("thread", order.thread);
  object("held", order.held);
  object("wanted", order.wanted);
  frame("held_site", order.held_site);
  frame("wanted_site", order.wanted_site);
  json_.key("count").value(order.count);
  json_.end_object();
}

}  // namespace lockscope
