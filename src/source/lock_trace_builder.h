// SPDX-License-Identifier: Apache-2.0
// Puts a LockTrace together from what the kernel told: records as they came, and the tables at the end. Pure.
// For lock_tracer only. Cost: about 0.2 us a record; bounded by the limits below, what goes beyond is counted.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "lockscope/full_wire.h"
#include "lockscope/lock_trace.h"

namespace lockscope {

class LockTraceBuilder {
 public:
  static constexpr std::size_t kMaxThreads = 1 << 17;
  static constexpr std::size_t kMaxLives = 1 << 20;
  static constexpr std::size_t kMaxBarriers = 1 << 18;
  static constexpr std::size_t kMaxJoins = 1 << 18;
  static constexpr std::size_t kMaxMisuses = 4096;  // different ones
  static constexpr std::size_t kMaxLongHolds = 16384;

  // What of a record the tracer has to act upon.
  struct Event {
    enum class Kind { none, first_call, fork, exec } kind = Kind::none;
    ImageId image = 0;
    pid_t pid = 0;
    pid_t child = 0;          // fork
    ImageId child_image = 0;  // fork
  };
  // Anything that is no whole record is left out, and counted.
  Event absorb(std::span<const std::uint8_t> record);

  TracedImage& image(ImageId id, pid_t pid);

  // Owners are numbers of the process' own namespace: asked whether this is a thread of the process in the reader's,
  // and what it is called. Empty: no.
  void set_owner_names(std::function<std::string(pid_t pid, pid_t number)> names) { owner_name_ = std::move(names); }

  void absorb_dump(std::span<const std::uint8_t> dump);
  void absorb_uses(std::span<const std::pair<ls_full_use_key, ls_full_use>> uses);
  void absorb_chains(std::span<const std::pair<std::uint64_t, ls_chain_use>> chains);
  void lose(const std::string& cause, std::uint64_t count);

  // Everything so far, in the order that LockTrace promises.
  [[nodiscard]] LockTrace build(std::uint64_t began_ns, std::uint64_t ended_ns);
  [[nodiscard]] bool has_waiting_relock() const;

 private:
  std::size_t thread_of(const ls_record_head& head);
  void add_thread(const ls_thread_start_record& record);
  void add_join(const ls_join_record& record);
  void add_chain(const ls_chain_record& record);
  void add_misuse(const ls_misuse_record& record);
  void end_relock(const ls_misuse_record& record);
  void add_use(const ls_full_use_key& key, const ls_full_use& use);
  void add_held(const ls_full_thread_dump& thread, const ls_full_held& held);

  LockTrace trace_;
  std::map<std::pair<pid_t, std::uint64_t>, std::size_t> threads_;  // by tid, start
  std::map<ImageId, std::size_t> images_;
  std::map<std::pair<ImageId, std::uint64_t>, std::vector<std::size_t>> handles_;  // threads, by start
  std::unordered_map<std::uint64_t, std::size_t> chains_;  // by key
  std::map<std::tuple<MisuseKind, ImageId, std::uint64_t, std::uint64_t>, std::size_t> misuses_;  // lock, site
  std::map<std::tuple<ImageId, std::uint64_t, std::uint64_t, std::uint8_t, std::uint8_t>, std::size_t> uses_;
  std::vector<std::pair<std::size_t, std::size_t>> relocks_;  // thread, misuse: still waiting
  std::function<std::string(pid_t, pid_t)> owner_name_;
};

}  // namespace lockscope
