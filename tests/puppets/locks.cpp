// SPDX-License-Identifier: Apache-2.0
#include "locks.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

namespace puppet {
namespace {

constexpr std::size_t kPage = 4096;

}  // namespace

void make_mutex(pthread_mutex_t* mutex, const MutexKind& kind, bool shared) {
  pthread_mutexattr_t attributes;
  must_zero(pthread_mutexattr_init(&attributes), "pthread_mutexattr_init");
  must_zero(pthread_mutexattr_settype(&attributes, kind.type), "pthread_mutexattr_settype");
  must_zero(pthread_mutexattr_setprotocol(&attributes, kind.protocol), "pthread_mutexattr_setprotocol");
  if (kind.protocol == PTHREAD_PRIO_PROTECT) {
    must_zero(pthread_mutexattr_setprioceiling(&attributes, 1), "pthread_mutexattr_setprioceiling");
  }
  if (kind.robust) must_zero(pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST), "setrobust");
  if (shared) must_zero(pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED), "setpshared");
  must_zero(pthread_mutex_init(mutex, &attributes), "pthread_mutex_init");
  pthread_mutexattr_destroy(&attributes);
}

void lock(pthread_mutex_t* mutex) { must_zero(pthread_mutex_lock(mutex), "pthread_mutex_lock"); }
void unlock(pthread_mutex_t* mutex) { must_zero(pthread_mutex_unlock(mutex), "pthread_mutex_unlock"); }

LockTruth truth_of(const pthread_mutex_t* mutex, const MutexKind& kind, bool shared) {
  return {kind.name, shared ? "shared" : "private", reinterpret_cast<std::uint64_t>(mutex), sizeof *mutex, nullptr};
}

LockTruth truth_of(const pthread_rwlock_t* rwlock) {
  return {"rwlock", "private", reinterpret_cast<std::uint64_t>(rwlock), sizeof *rwlock, nullptr};
}

void unreachable_behind_hang() {
  fprintf(stderr, "puppet: a call returned that should hang for ever\n");
  current_stage->failed = true;
  _exit(72);
}

void hang_on(Stage& stage, const Part& part, pthread_mutex_t* mutex, const MutexKind& kind, bool shared) {
  stage.take(part, truth_of(mutex, kind, shared));
  pthread_mutex_lock(mutex);
  unreachable_behind_hang();
}

void* shared_memory(std::size_t bytes) {
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  must(memory != MAP_FAILED, "mmap");
  return memory;
}

void* shared_file(Stage& stage, std::size_t bytes) {
  const int fd = open_file(stage, kSharedMap);
  must(ftruncate(fd, static_cast<off_t>(bytes)) == 0, "ftruncate");
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  must(memory != MAP_FAILED, "mmap of a file");
  close(fd);
  return memory;
}

void* move_mapping(void* memory, std::size_t bytes, int distance) {
  const std::size_t offset = static_cast<std::size_t>(distance + 1) * kPage;
  void* room = mmap(nullptr, bytes + offset, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  must(room != MAP_FAILED, "mmap of room");
  void* target = static_cast<std::byte*>(room) + offset;
  void* moved = mremap(memory, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, target);
  must(moved == target, "mremap");
  return moved;
}

int open_file(Stage& stage, const char* file) {
  const int fd = open(stage.path(file).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  must(fd >= 0, "open of a lock file");
  return fd;
}

void flock_file(int fd, int operation) { must(flock(fd, operation) == 0, "flock"); }

void lock_record(int fd, RecordLock kind, long start, long length, bool wait) {
  struct flock record {};
  record.l_type = F_WRLCK;
  record.l_whence = SEEK_SET;
  record.l_start = start;
  record.l_len = length;
  const int command = kind == RecordLock::ofd ? (wait ? F_OFD_SETLKW : F_OFD_SETLK) : (wait ? F_SETLKW : F_SETLK);
  must(fcntl(fd, command, &record) == 0, "fcntl lock");
}

LockTruth flock_truth(const char* file) { return {"flock", "file", 0, 0, file}; }

LockTruth record_truth(RecordLock kind, const char* file) {
  return {kind == RecordLock::ofd ? "ofd" : "posix", "file", 0, 0, file};
}

}  // namespace puppet
