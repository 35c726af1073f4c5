// SPDX-License-Identifier: Apache-2.0
#include "classify/file_lock_waits.h"

#include <fcntl.h>
#include <sys/file.h>

#include <cstring>
#include <limits>

#include "classify/threads.h"

namespace lockscope {
namespace {

constexpr std::int64_t kFlock = 73;
constexpr std::uint64_t kEnd = std::numeric_limits<std::uint64_t>::max();

struct Request {
  FileLockKind kind = FileLockKind::flock;
  bool exclusive = true;
  std::uint64_t start = 0;
  std::uint64_t end = kEnd;
  std::uint64_t owner = 0;  // 0: not known
};

// struct flock to a range of bytes, as flock64_to_posix_lock() in fs/locks.c does it.
bool decode_range(const struct flock& asked, const OpenFile& file, Request& out) {
  constexpr auto limit = static_cast<std::int64_t>(std::numeric_limits<std::int64_t>::max());
  std::int64_t base = 0;
  if (asked.l_whence == SEEK_CUR) {
    base = static_cast<std::int64_t>(file.position);
  } else if (asked.l_whence == SEEK_END) {
    base = static_cast<std::int64_t>(file.size);
  } else if (asked.l_whence != SEEK_SET) {
    return false;
  }
  std::int64_t start = 0;
  if (base < 0 || __builtin_add_overflow(base, static_cast<std::int64_t>(asked.l_start), &start) || start < 0) {
    return false;
  }
  std::int64_t end = limit;
  if (asked.l_len > 0) {
    if (__builtin_add_overflow(start, static_cast<std::int64_t>(asked.l_len) - 1, &end)) return false;
  } else if (asked.l_len < 0) {
    end = start - 1;
    if (__builtin_add_overflow(start, static_cast<std::int64_t>(asked.l_len), &start) || start < 0) return false;
  }
  out.start = static_cast<std::uint64_t>(start);
  out.end = end == limit ? kEnd : static_cast<std::uint64_t>(end);
  return true;
}

bool decode_request(const RawSample& raw, const RawWait& wait, Request& out) {
  const Thread& thread = raw.threads[wait.thread];
  if (wait.syscall == kFlock) {
    out.exclusive = (wait.args[1] & LOCK_EX) != 0;
    out.owner = wait.file->identity;
    return true;
  }
  struct flock asked {};
  if (wait.argument.size() < sizeof asked) return false;
  std::memcpy(&asked, wait.argument.data(), sizeof asked);
  if (asked.l_type != F_WRLCK && asked.l_type != F_RDLCK) return false;
  out.kind = static_cast<int>(wait.args[1]) == F_OFD_SETLKW ? FileLockKind::ofd : FileLockKind::posix;
  out.exclusive = asked.l_type == F_WRLCK;
  out.owner = out.kind == FileLockKind::ofd ? wait.file->identity : thread.files;
  return decode_range(asked, *wait.file, out);
}

bool conflicts(const Request& asked, const FileLock& held) {
  const bool both_flock = asked.kind == FileLockKind::flock && held.kind == FileLockKind::flock;
  const bool both_ranged = asked.kind != FileLockKind::flock && held.kind != FileLockKind::flock;
  if (!both_flock && !both_ranged) return false;
  if (!asked.exclusive && !held.exclusive) return false;
  if (asked.owner != 0 && asked.owner == held.owner) return false;
  return asked.start <= held.end && held.start <= asked.end;
}

LockKind kind_of(FileLockKind kind) {
  switch (kind) {
    case FileLockKind::flock: return LockKind::flock;
    case FileLockKind::posix: return LockKind::posix;
    case FileLockKind::ofd: return LockKind::ofd;
  }
  return LockKind::flock;
}

// Everyone who can let go of a held lock. Any thread of a sharing process can; so the obstacle is proof only if none
// of them can move.
Obstacle obstacle_of(const RawSample& raw, const FileLock& held) {
  Obstacle obstacle;
  obstacle.evidence = Evidence::kernel;
  obstacle.known = !held.other_references;
  for (const FileLock::Sharer& sharer : held.sharers) {
    const auto process = threads_of(raw.threads, sharer.pid);
    if (process.empty()) {
      obstacle.known = false;  // began after the threads were read
      continue;
    }
    obstacle.any_of.push_back(any_thread_of(process));
  }
  std::ranges::sort(obstacle.any_of);
  const auto [first, last] = std::ranges::unique(obstacle.any_of);
  obstacle.any_of.erase(first, last);
  if (obstacle.any_of.empty()) obstacle.known = false;
  return obstacle;
}

}  // namespace

bool classify_file_lock_wait(const RawSample& raw, const RawWait& wait, Wait& out) {
  Request asked;
  if (!wait.file || !decode_request(raw, wait, asked)) return false;
  out.kind = kind_of(asked.kind);
  out.file_lock = asked.kind;
  out.mode = asked.exclusive ? Mode::exclusive : Mode::shared;
  out.lock.place = FileRange{wait.file->file, asked.kind == FileLockKind::flock};
  out.process_shared = true;
  out.fd = static_cast<int>(wait.args[0]);
  out.range_start = asked.start;
  out.range_end = asked.end;
  for (const FileLock& held : raw.file_locks) {
    if (held.file == wait.file->file && conflicts(asked, held)) out.obstacles.push_back(obstacle_of(raw, held));
  }
  return true;
}

}  // namespace lockscope
