// SPDX-License-Identifier: Apache-2.0
#include "truth.h"

#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <vector>

#include "proc_view.h"

namespace puppet {
namespace {

struct Player {
  pid_t pid = 0;
  pid_t tid = 0;
  Part part;
  LockTruth lock;
};

std::optional<pid_t> host_process(const std::vector<Member>& members, pid_t ns_pid, int depth) {
  for (const Member& member : members) {
    if (member.depth == depth && member.ns_pid == ns_pid) return member.pid;
  }
  return std::nullopt;
}

bool sleeps_for(const Player& player) {
  const auto call = sleeping_call(player.pid, player.tid);
  if (!call) return false;
  const std::string_view kind = player.lock.kind;
  if (kind == "flock") return call->number == SYS_flock;
  if (kind == "posix" || kind == "ofd") return call->number == SYS_fcntl;
  if (kind == "child") return call->number == SYS_wait4 || call->number == SYS_waitid;
  if (call->number != SYS_futex) return false;
  if (kind == "pi_mutex") return true;  // or glibc has parked it elsewhere
  return player.lock.address == 0 ||
         (call->first_argument >= player.lock.address && call->first_argument < player.lock.address + player.lock.size);
}

std::string quoted(std::string_view text) {
  std::string json = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    char escape[8];
    snprintf(escape, sizeof escape, "\\u%04x", byte);
    json += byte < 0x20 || byte == 0x7f || c == '"' || c == '\\' ? std::string(escape) : std::string(1, c);
  }
  return json + '"';
}

std::string lock_json(const Stage& stage, const LockTruth& lock) {
  std::string json = std::string(R"({"kind":")") + lock.kind + '"';
  if (lock.scope != nullptr) json += std::string(R"(,"scope":")") + lock.scope + '"';
  if (lock.address != 0) {
    char address[32];
    snprintf(address, sizeof address, "0x%llx", static_cast<unsigned long long>(lock.address));
    json += std::string(R"(,"address":")") + address + '"';
  }
  if (lock.file != nullptr) json += R"(,"path":)" + quoted(stage.path(lock.file));
  return json + '}';
}

std::string entry_json(const Stage& stage, const Player& player) {
  return R"({"pid":)" + std::to_string(player.pid) + R"(,"tid":)" + std::to_string(player.tid) + R"(,"lock":)" +
         lock_json(stage, player.lock) + (player.part.timed ? R"(,"timed":true})" : "}");
}

// Those of one role and, for cycles and their victims, one knot; in their order.
std::string list_json(const Stage& stage, const std::vector<Player>& players, Role role, int knot) {
  std::string json;
  for (const Player& player : players) {
    if (player.part.role != role || player.part.knot != knot) continue;
    json += (json.empty() ? "" : ",") + entry_json(stage, player);
  }
  return '[' + json + ']';
}

std::string finding_json(const Stage& stage, const std::vector<Player>& players, int knot) {
  return R"("expect":{"kind":")" + std::string(stage.kind) + '"' +
         (stage.confidence != nullptr ? R"(,"confidence":")" + std::string(stage.confidence) + '"' : "") +
         R"(},"cycle":)" + list_json(stage, players, Role::cycle, knot) + R"(,"victims":)" +
         list_json(stage, players, Role::victim, knot) + R"(,"alternates":)" +
         list_json(stage, players, Role::alternate, knot) + R"(,"waiters":)" +
         list_json(stage, players, Role::waiter, knot) + R"(,"holders":)" +
         list_json(stage, players, Role::holder, knot);
}

std::optional<std::vector<Player>> players_in_place(const Stage& stage, const std::vector<Member>& members, int depth) {
  std::vector<Player> players;
  const int wanted = stage.parts_wanted;
  if (wanted == 0 || stage.parts_taken < wanted) return std::nullopt;
  for (int i = 0; i < wanted; ++i) {
    const PartSlot& slot = stage.parts[static_cast<std::size_t>(i)];
    if (!slot.taken) return std::nullopt;
    const auto pid = host_process(members, slot.ns_pid, depth);
    if (!pid) return std::nullopt;
    Player player{*pid, find_thread(*pid, slot.ns_tid), slot.part, slot.lock};
    if (player.tid == 0) return std::nullopt;
    if (player.part.role != Role::holder && !sleeps_for(player)) return std::nullopt;
    players.push_back(player);
  }
  std::ranges::stable_sort(players, {}, [](const Player& player) { return player.part.order; });
  return players;
}

bool holder_is_stopped(const Stage& stage, const std::vector<Member>& members, int depth) {
  const pid_t stopped = stage.stopped_holder;
  if (stopped == 0) return true;
  const auto pid = host_process(members, stopped, depth);
  return pid && process_state(*pid) == 'T';
}

}  // namespace

std::optional<std::string> truth_if_it_stands(const Stage& stage, const char* scenario, int depth) {
  if (stage.kind == nullptr) return std::nullopt;
  std::vector<Player> players;
  const std::vector<Member> members = descendants();
  if (std::string_view(stage.kind) == "none") {
    if (stage.progress < stage.progress_wanted) return std::nullopt;
  } else {
    auto found = players_in_place(stage, members, depth);
    if (!found || !holder_is_stopped(stage, members, depth)) return std::nullopt;
    players = std::move(*found);
  }

  int last_knot = 0;
  for (const Player& player : players) last_knot = std::max(last_knot, player.part.knot);
  std::array<char, 17> comm{};
  prctl(PR_GET_NAME, comm.data());
  std::string json = R"({"scenario":")" + std::string(scenario) + R"(",)" + finding_json(stage, players, 0);
  json += R"(,"others":[)";
  for (int knot = 1; knot <= last_knot; ++knot) {
    json += (knot > 1 ? ",{" : "{") + finding_json(stage, players, knot) + '}';
  }
  json += R"(],"comm":")" + std::string(comm.data()) + R"(","pids":[)" + std::to_string(getpid());
  for (const Member& member : members) json += ',' + std::to_string(member.pid);
  return json + "]}";
}

}  // namespace puppet
