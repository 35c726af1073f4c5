// SPDX-License-Identifier: Apache-2.0
// Futex waits made by hand: the call, the bytes round its word, the threads of the process, memory elsewhere.
#pragma once

#include <cstring>
#include <map>
#include <vector>

#include "classify/futex_classifier.h"
#include "classify/owner_resolver.h"

namespace lockscope::test {

inline constexpr std::uint64_t kWord = 0x7f0000001040;
inline constexpr pid_t kPid = 500;  // also the number of the waiter

class FakeMemory final : public ProcessMemory {
 public:
  std::map<std::uint64_t, std::uint8_t> bytes;
  std::map<pid_t, Mapping> mappings;

  template <class T>
  void put(std::uint64_t address, T value) {
    std::uint8_t raw[sizeof value];
    std::memcpy(raw, &value, sizeof value);
    for (std::size_t i = 0; i < sizeof value; ++i) bytes[address + i] = raw[i];
  }
  // A struct pthread of glibc: its self-pointers and its TID.
  void put_pthread(std::uint64_t address, std::uint32_t tid) {
    put<std::uint64_t>(address, address);
    put<std::uint64_t>(address + 8, 0);
    put<std::uint64_t>(address + 16, address);
    put<std::uint32_t>(address + 720, tid);
  }

  bool read(pid_t, std::uint64_t address, std::span<std::uint8_t> out) override {
    for (std::size_t i = 0; i < out.size(); ++i) {
      const auto it = bytes.find(address + i);
      if (it == bytes.end()) return false;
      out[i] = it->second;
    }
    return true;
  }
  Mapping maps(pid_t pid, const SharedPlace&) override {
    const auto it = mappings.find(pid);
    return it == mappings.end() ? Mapping::not_mapped : it->second;
  }
  pid_t number_in_namespace_of(pid_t, pid_t) override { return 0; }
  pid_t process_of_pidfd(pid_t, int) override { return 0; }
  bool catches_signals(pid_t) override { return true; }
};

inline Thread make_thread(pid_t pid, pid_t tid, pid_t ns_tid = 0) {
  Thread t;
  t.pid = pid;
  t.id = {tid, 1'000};
  t.ns_tid = ns_tid == 0 ? tid : ns_tid;
  t.ns_pid = pid;
  t.address_space = static_cast<std::uint64_t>(pid);
  t.state = ThreadState::blocked;
  t.parent_pid = 1;
  return t;
}

// A process 500 with threads 500 (the waiter), 501 and 502, and one waiting futex call.
struct Scene {
  FakeMemory memory;
  RawSample sample;
  RawWait wait;
  std::size_t waiter = 0;

  Scene() {
    sample.taken_ns = 1'000'000;
    sample.sees_all_pids = true;
    for (const pid_t tid : {500, 501, 502}) sample.threads.push_back(make_thread(kPid, tid));
    wait.syscall = 202;
    wait.args = {kWord, 0x80, 2, 0, 0, 0};
    wait.code = CodePlace::libc_lock;
    wait.libc = LibcKind::glibc;
    wait.sp = 0x7ffe00001000;
    wait.window.low = -64;
    wait.window.high = 64;
  }

  Scene& call(std::uint64_t op, std::uint64_t expected, CodePlace code) {
    wait.args[1] = op;
    wait.args[2] = expected;
    wait.code = code;
    return *this;
  }
  // 32-bit words from `offset` (relative to the futex word) on.
  Scene& words(std::int64_t offset, std::initializer_list<std::uint32_t> values) {
    for (const std::uint32_t v : values) {
      std::memcpy(wait.window.bytes.data() + kWindowBefore + offset, &v, sizeof v);
      offset += 4;
    }
    return *this;
  }
  Scene& shared() {
    wait.shared = SharedPlace{{8, 77}, 0x5000};
    return *this;
  }
  Scene& push(std::initializer_list<std::uint64_t> values) {
    for (const std::uint64_t v : values) {
      const auto* raw = reinterpret_cast<const std::uint8_t*>(&v);
      wait.stack.insert(wait.stack.end(), raw, raw + sizeof v);
    }
    return *this;
  }

  [[nodiscard]] FutexVerdict verdict() {
    const ThreadNumbers numbers(sample.threads);
    return classify_futex(wait, sample.threads[waiter], numbers, memory);
  }
  [[nodiscard]] OwnerResolution resolution() {
    wait.thread = waiter;
    const ThreadNumbers numbers(sample.threads);
    return resolve_owner(classify_futex(wait, sample.threads[waiter], numbers, memory), wait, sample, numbers, memory);
  }
};

// The number of the owner that the verdict would have followed; 0: none.
inline pid_t owner_of(const FutexVerdict& v) { return v.believes_owner() ? *v.owner_number : 0; }

// The only thread that is in the way; 0: nobody, or several, or a whole process.
inline pid_t accused(const OwnerResolution& r) {
  if (r.obstacles.size() != 1 || r.obstacles[0].any_of.size() != 1) return 0;
  const Releaser& who = r.obstacles[0].any_of[0];
  return who.scope == Releaser::Scope::thread ? who.thread.tid : 0;
}

}  // namespace lockscope::test
