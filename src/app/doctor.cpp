// SPDX-License-Identifier: Apache-2.0
// `lockscope doctor`: what works on this host, what does not, and what to do about it. It tries each thing rather than
// asking for versions: distributions move features both ways.
#include <fcntl.h>
#include <gnu/libc-version.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "app/lock_functions.h"
#include "app/report_output.h"
#include "app/self_test.h"
#include "app/sources.h"
#include "app/subcommands.h"
#include "source/bpf_source.h"
#include "source/contention_source.h"
#include "source/proc_source.h"
#include "source/shared_lock_probes.h"

namespace lockscope {
namespace {

enum class Verdict { works, limited, missing };

struct Check {
  std::string name;
  Verdict verdict;
  std::string found;
  std::string advice;  // empty: nothing to do
};

const char* word(Verdict v) {
  switch (v) {
    case Verdict::works: return "works";
    case Verdict::limited: return "limited";
    case Verdict::missing: return "missing";
  }
  return "";
}

Check check_kernel() {
  utsname name{};
  ::uname(&name);
  return {"kernel", Verdict::works, std::string(name.sysname) + " " + name.release + " " + name.machine, ""};
}

Check check_btf() {
  struct stat status {};
  if (::stat("/sys/kernel/btf/vmlinux", &status) == 0) {
    return {"kernel BTF", Verdict::works, "/sys/kernel/btf/vmlinux", ""};
  }
  return {"kernel BTF", Verdict::missing, std::strerror(errno),
          "use a kernel with CONFIG_DEBUG_INFO_BTF; until then lockscope reads /proc alone"};
}

std::uint64_t effective_capabilities() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("CapEff:")) return std::strtoull(line.c_str() + 7, nullptr, 16);
  }
  return 0;
}

// Numbers of include/uapi/linux/capability.h.
Check check_capability(const char* name, int number, const char* without) {
  constexpr int kSysAdmin = 21;
  const std::uint64_t have = effective_capabilities();
  const bool bpf_like = number == 38 || number == 39;  // CAP_PERFMON, CAP_BPF: part of CAP_SYS_ADMIN
  const bool held = (have >> number & 1) != 0 || (bpf_like && (have >> kSysAdmin & 1) != 0);
  if (held) return {name, Verdict::works, "held", ""};
  return {name, Verdict::limited, "not held", without};
}

Check check_pid_namespace() {
  struct stat ns {};
  constexpr ino_t kInitial = 0xEFFFFFFC;
  if (::stat("/proc/self/ns/pid", &ns) == 0 && ns.st_ino == kInitial) {
    return {"PID namespace", Verdict::works, "the initial one: every process is in sight", ""};
  }
  return {"PID namespace", Verdict::limited, "not the initial one: only its own processes are in sight",
          "run lockscope on the host (docker run --pid=host)"};
}

void check_bpf(std::vector<Check>& checks, bool& whole_host) {
  auto source = BpfSource::create();
  if (!source) {
    whole_host = false;
    checks.push_back({"task iterator (BPF)", Verdict::missing, source.error().what + ": " + source.error().why,
                      source.error().hint});
    return;
  }
  const auto look = (*source)->sample();
  if (!look) {
    whole_host = false;
    checks.push_back({"task iterator (BPF)", Verdict::missing, look.error().line(), ""});
    return;
  }
  checks.push_back({"task iterator (BPF)", Verdict::works,
                    std::to_string(look->coverage.threads_seen) + " threads in " +
                        std::to_string((*source)->last_cost().threads_pass_ns / 1000) + " us",
                    ""});
  if (const auto& error = (*source)->file_locks_error()) {
    checks.push_back({"file iterator (BPF)", Verdict::missing, error->what + ": " + error->why,
                      "holders of file locks are reported as unknown"});
  } else {
    checks.push_back({"file iterator (BPF)", Verdict::works, "holders of file locks are known", ""});
  }
}

// What watching needs: 'snapshot --for', 'record'.
void check_contention(std::vector<Check>& checks) {
  auto source = BpfContentionSource::create({});
  if (!source) {
    checks.push_back({"watching contention", Verdict::missing, source.error().what + ": " + source.error().why,
                      source.error().hint});
  } else {
    for (const BpfContentionSource::Hook& hook : (*source)->hooks()) {
      checks.push_back({hook.name, hook.attached ? Verdict::works : Verdict::missing,
                        hook.attached ? hook.gives : hook.why_not, hook.attached ? "" : "not counted: " + hook.gives});
    }
  }
  const char* const probes = "probes on shared memory";
  const auto attached = SharedLockProbes::create();
  if (attached) {
    checks.push_back({probes, Verdict::works, "who takes semaphores, and tries that fail, where users share them", ""});
  } else {
    checks.push_back({probes, Verdict::limited, attached.error().what + ": " + attached.error().why,
                      "who has taken a semaphore, and tries on shared mutexes that fail, stay unknown"});
  }
}

Check check_proc() {
  auto source = ProcSource::open();
  if (!source) return {"/proc", Verdict::missing, source.error().line(), "mount /proc"};
  const auto look = (*source)->sample();
  if (!look) return {"/proc", Verdict::missing, look.error().line(), ""};
  if (look->coverage.unreadable == 0) {
    return {"/proc", Verdict::works, std::to_string(look->coverage.threads_seen) + " threads readable", ""};
  }
  return {"/proc", Verdict::limited,
          std::to_string(look->coverage.unreadable) + " of " + std::to_string(look->coverage.threads_seen) +
              " threads may not be read",
          ::geteuid() == 0 ? "a security module or a namespace keeps them from root" : "needs CAP_SYS_PTRACE, or root"};
}

// The threads that prove it are made here, so the C library meant is the one that lockscope itself runs with.
void check_libc(std::vector<Check>& checks) {
  auto chosen = choose_source(false);
  if (!chosen) return;
  const auto test = SelfTest::start();
  auto look = chosen->source->sample();
  if (!look) return;
  test->examine(*look, chosen->source->memory());
  const std::string libc = std::string("glibc ") + gnu_get_libc_version();
  for (const SelfTest::Item& item : test->items()) {
    const std::string name = std::string("self-test: ") + item.what;
    switch (item.outcome) {
      case SelfTest::Outcome::right: checks.push_back({name, Verdict::works, libc + ", by " + look->source, ""}); break;
      case SelfTest::Outcome::wrong:
        checks.push_back({name, Verdict::missing, libc + ": " + item.detail,
                          "owners of this kind are not believed on this host; please report it"});
        break;
      case SelfTest::Outcome::not_seen:
        checks.push_back({name, Verdict::limited, libc + ": " + item.detail, "run it again, or as root"});
        break;
    }
  }
}

void write_text(const std::vector<Check>& checks, bool color) {
  static constexpr std::array<const char*, 3> kColors{"\033[32m", "\033[33m", "\033[31m"};
  std::size_t width = 0;
  for (const Check& c : checks) width = std::max(width, c.name.size());
  for (const Check& c : checks) {
    std::cout << (color ? kColors[static_cast<std::size_t>(c.verdict)] : "");
    std::cout.width(8);
    std::cout << std::left << word(c.verdict) << (color ? "\033[0m " : " ");
    std::cout.width(static_cast<std::streamsize>(width));
    std::cout << c.name << "  " << c.found << "\n";
    if (!c.advice.empty()) std::cout << "         " << std::string(width, ' ') << "  -> " << c.advice << "\n";
  }
}

void write_json(const std::vector<Check>& checks, bool whole_host, const std::vector<LockFunctions>& functions) {
  nlohmann::ordered_json out;
  out["schema"] = "lockscope.doctor/1";
  out["tool"] = {{"name", "lockscope"}, {"version", LOCKSCOPE_VERSION}};
  out["whole_host"] = whole_host;
  for (const Check& c : checks) {
    nlohmann::ordered_json check{{"name", c.name}, {"verdict", word(c.verdict)}, {"found", c.found}};
    if (!c.advice.empty()) check["advice"] = c.advice;
    out["checks"].push_back(std::move(check));
  }
  for (const LockFunctions& library : functions) out["lock_functions"].push_back(to_json(library));
  std::cout << out.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << "\n";
}

Result<int> show_libc(const DoctorOptions& options) {
  const auto functions = lock_functions_of_file(options.libc);
  if (!functions) return std::unexpected(functions.error());
  if (options.common.json) {
    std::cout << to_json(*functions).dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << "\n";
  } else {
    std::cout << to_text(*functions);
  }
  std::cout.flush();
  return std::cout ? 0 : 3;
}

}  // namespace

Result<int> run_doctor(const DoctorOptions& options) {
  if (!options.libc.empty()) return show_libc(options);
  std::vector<Check> checks{check_kernel(), check_btf()};
  bool whole_host = true;
  checks.push_back(check_capability("CAP_BPF", 39, "BPF cannot be used: /proc is read instead"));
  checks.push_back(check_capability("CAP_PERFMON", 38, "BPF iterators cannot be used: /proc is read instead"));
  checks.push_back(check_capability("CAP_SYS_PTRACE", 19, "other users' mappings and executables stay unnamed"));
  checks.push_back(check_capability("CAP_DAC_READ_SEARCH", 2, "libraries that only their owner may read stay unknown"));
  checks.push_back(check_pid_namespace());
  if (checks.back().verdict != Verdict::works) whole_host = false;
  check_bpf(checks, whole_host);
  check_contention(checks);
  checks.push_back(check_proc());
  check_libc(checks);
  const std::vector<LockFunctions> functions = lock_functions_of_host();
  if (options.common.json) {
    write_json(checks, whole_host, functions);
  } else {
    write_text(checks, color_wanted(options.common));
    for (const LockFunctions& library : functions) std::cout << "\n" << to_text(library);
    std::cout << (whole_host ? "\n'lockscope snapshot' sees the whole host.\n"
                             : "\n'lockscope snapshot' sees a part of the host; the lines above say why.\n");
  }
  std::cout.flush();
  if (!std::cout) return 3;
  return whole_host ? 0 : 3;
}

}  // namespace lockscope
