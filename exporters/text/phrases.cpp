// SPDX-License-Identifier: Apache-2.0
#include "exporters/text/phrases.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "exporters/text/duration.h"
#include "exporters/text/escape.h"

namespace lockscope {

namespace {

constexpr std::size_t kCommColumns = 24;  // 15 bytes, each of which may be escaped
constexpr std::size_t kNameColumns = 32;  // unit, user, container
constexpr std::size_t kShortestPath = 12;
constexpr std::size_t kFileColumns = 24;  // of the file that a function is in

std::size_t minus(std::size_t columns, std::size_t used) { return columns > used ? columns - used : 0; }

std::string place_of(const LockDescription& lock, std::size_t columns) {
  const std::size_t room = std::max(columns, kShortestPath);
  if (lock.path) return escape_path_to(*lock.path, room);
  if (lock.file) {
    return fmt::format("file {}:{} inode {}", lock.file->dev >> 20, lock.file->dev & 0xfffff, lock.file->ino);
  }
  return "";
}

std::string range_of(const LockDescription& lock) {
  if (!lock.range) return "";
  if (lock.range->end) return fmt::format(" bytes {}-{}", lock.range->start, *lock.range->end);
  return lock.range->start == 0 ? "" : fmt::format(" bytes {} to the end", lock.range->start);
}

// Behind the noun and the address: its class, where the lock lies and what is odd about it.
std::string remarks_on(const LockDescription& lock, std::size_t columns) {
  std::string remarks;
  if (lock.class_name) {
    remarks = fmt::format(" ({})", escape_path_to(*lock.class_name, std::max(minus(columns, 3), kShortestPath)));
    columns = minus(columns, width_of(remarks));
  }
  if (lock.scope == LockDescription::Scope::process_shared) {
    const std::string offset = lock.offset ? fmt::format(" + {}", *lock.offset) : "";
    const std::string place = place_of(lock, minus(columns, width_of(" (shared memory )") + offset.size()));
    remarks += place.empty() ? " (shared memory)" : fmt::format(" (shared memory {}{})", place, offset);
  }
  if (lock.reader_count) {
    remarks +=
        fmt::format(" ({} hold{} it)", count_of(*lock.reader_count, "reader"), *lock.reader_count == 1 ? "s" : "");
  }
  if (lock.mutex_address) remarks += fmt::format(" (then takes mutex {:#x} again)", *lock.mutex_address);
  return remarks;
}

std::string file_name(std::string_view path, std::size_t columns) {
  return escape_path_to(path.substr(path.rfind('/') + 1), columns);
}

std::string phrase(const LockDescription& lock, std::string_view wanted, std::size_t columns) {
  if (lock.kind == LockKind::join || lock.kind == LockKind::child) return noun_of(lock.kind);
  std::string text(noun_of(lock.kind));
  if (lock.scope == LockDescription::Scope::file) {
    const std::string tail = range_of(lock) + std::string(wanted);
    const std::string place = place_of(lock, minus(columns, width_of(text) + 1 + width_of(tail)));
    if (!place.empty()) text += ' ' + place;
    return text + tail;
  }
  if (lock.address) text += fmt::format(" {:#x}", *lock.address);
  text += wanted;
  return text + remarks_on(lock, minus(columns, width_of(text)));
}

}  // namespace

const char* noun_of(LockKind kind) {
  switch (kind) {
    case LockKind::mutex: return "mutex";
    case LockKind::recursive_mutex: return "recursive mutex";
    case LockKind::errorcheck_mutex: return "errorcheck mutex";
    case LockKind::adaptive_mutex: return "adaptive mutex";
    case LockKind::robust_mutex: return "robust mutex";
    case LockKind::pi_mutex: return "PI mutex";
    case LockKind::priority_protect_mutex: return "priority-protect mutex";
    case LockKind::rwlock: return "rwlock";
    case LockKind::spin: return "spin lock";
    case LockKind::cond: return "condition variable";
    case LockKind::sem: return "semaphore";
    case LockKind::barrier: return "barrier";
    case LockKind::once: return "once";
    case LockKind::join: return "the end of a thread";
    case LockKind::stdio: return "stdio lock";
    case LockKind::loader: return "loader lock";
    case LockKind::libc_internal: return "lock inside libc";
    case LockKind::flock: return "flock";
    case LockKind::posix: return "POSIX file lock";
    case LockKind::ofd: return "OFD file lock";
    case LockKind::sysv_sem: return "System V semaphore";
    case LockKind::child: return "the end of a child process";
    case LockKind::futex: return "futex";
  }
  return "";
}

std::string count_of(std::size_t count, const char* noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

std::string count_of(std::size_t count, const char* noun, const char* plural) {
  return fmt::format("{} {}", count, count == 1 ? noun : plural);
}

namespace {

// Behind the name: the numbers, then who it is, then the exe as far as `columns` leaves room for it.
Phrase person_phrase(const ThreadDescription& thread, std::string rest, Detail detail, const Painter& painter,
                     std::size_t columns) {
  const std::string comm = thread.comm.empty() ? "(no name)" : escape_to(thread.comm, kCommColumns);
  if (detail == Detail::full) {
    if (thread.container) rest += "  container " + escape_to(*thread.container, kNameColumns);
    // A container's scope is its id once more, 64 digits long.
    const bool repeats = thread.container && thread.unit && thread.unit->find(*thread.container) != std::string::npos;
    if (thread.unit && !repeats) rest += "  " + escape_to(*thread.unit, kNameColumns);
    if (thread.user) {
      rest += "  " + escape_to(*thread.user, kNameColumns);
    } else if (thread.uid) {
      rest += fmt::format("  uid {}", *thread.uid);
    }
    const std::size_t room = minus(columns, width_of(comm) + width_of(rest) + width_of("  ()"));
    if (thread.exe && room >= kShortestPath) rest += fmt::format("  ({})", escape_path_to(*thread.exe, room));
  }
  return {painter.paint(Ink::strong, comm) + rest, width_of(comm) + width_of(rest)};
}

}  // namespace

Phrase thread_phrase(const ThreadDescription& thread, Detail detail, const Painter& painter, std::size_t columns) {
  return person_phrase(thread, fmt::format("  pid {} tid {}", thread.pid, thread.tid), detail, painter, columns);
}

Phrase process_phrase(const ThreadDescription& process, const Painter& painter, std::size_t columns) {
  return person_phrase(process, fmt::format("  pid {}", process.pid), Detail::full, painter, columns);
}

std::string lock_phrase(const LockDescription& lock, std::size_t columns) { return phrase(lock, "", columns); }

std::string lock_phrase(const LockDescription& lock, Mode mode, std::size_t columns) {
  if (lock.kind == LockKind::rwlock) return phrase(lock, mode == Mode::shared ? " (to read)" : " (to write)", columns);
  if (lock.scope != LockDescription::Scope::file) return phrase(lock, "", columns);
  return phrase(lock, mode == Mode::shared ? " (shared)" : " (exclusive)", columns);
}

std::string class_phrase(LockKind kind, std::string_view class_name, std::size_t columns) {
  const std::string noun = noun_of(kind);
  if (class_name.empty()) return noun + " of no known class";
  return noun + ' ' + escape_path_to(class_name, std::max(minus(columns, width_of(noun) + 1), kShortestPath));
}

std::string class_phrase(const LockDescription& lock, bool with_address, std::size_t columns) {
  if (!lock.class_name || lock.class_name->empty()) return lock_phrase(lock, columns);
  const std::string at = with_address && lock.address ? fmt::format(" at {:#x}", *lock.address) : "";
  return class_phrase(lock.kind, *lock.class_name, minus(columns, at.size())) + at;
}

std::string place_phrase(const FrameDescription& place, std::size_t columns) {
  const std::string module = place.module ? file_name(*place.module, kFileColumns) : "";
  const std::string offset = place.offset && *place.offset > 0 ? fmt::format("+{:#x}", *place.offset) : "";
  if (!place.function || place.function->empty()) {
    if (!module.empty()) return escape_path_to(module, minus(columns, offset.size())) + offset;
    return place.address ? fmt::format("{:#x}", *place.address) : "unknown code";
  }
  std::string file;
  if (place.file && !place.file->empty()) {
    file = file_name(*place.file, kFileColumns) + (place.line.value_or(0) > 0 ? fmt::format(":{}", *place.line) : "");
  }
  std::string where = module + (module.empty() || file.empty() ? "" : ", ") + file;
  if (!where.empty()) where = fmt::format(" ({})", where);
  // In which file is worth less than in which function.
  const std::size_t least = std::min(width_of(escape(*place.function)), kShortestPath);
  if (least + offset.size() + width_of(where) > columns) where.clear();
  return escape_path_to(*place.function, minus(columns, offset.size() + width_of(where))) + offset + where;
}

std::string wait_phrase(const WaitDescription& wait, std::size_t columns) {
  std::string text = wait.age_ns ? fmt::format("waits {} for ", human_duration(*wait.age_ns)) : "waits for ";
  const std::string tail = wait.timed ? ", until its timeout" : "";
  text += lock_phrase(wait.lock, wait.mode, minus(columns, width_of(text) + width_of(tail)));
  return text + tail;
}

Phrase holder_phrase(const HolderDescription& holder, const Painter& painter, std::size_t columns) {
  if (!holder.thread) {
    const std::string text = holder.gone_tid
                                 ? fmt::format("gone (it was thread {}, as the waiter counts)", *holder.gone_tid)
                             : holder.state == HolderDescription::State::gone ? "gone"
                                                                              : "not known";
    return {text, width_of(text)};
  }
  const std::string front = holder.any_thread ? "any thread of " : "";
  std::string tail;
  switch (holder.state) {
    case HolderDescription::State::running: tail = ", running"; break;
    case HolderDescription::State::sleeping: tail = ", sleeping"; break;
    case HolderDescription::State::blocked: tail = ", blocked itself"; break;
    case HolderDescription::State::gone: tail = ", gone"; break;
  }
  const std::size_t around = front.size() + tail.size();
  const Phrase thread = thread_phrase(*holder.thread, Detail::full, painter, minus(columns, around));
  return {front + thread.text + tail, thread.columns + around};
}

}  // namespace lockscope
