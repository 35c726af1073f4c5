// SPDX-License-Identifier: Apache-2.0
// The classifier on every primitive of the trials (tests/trials/trial.h), with the holder known by construction, seen
// by both sources on the same standing process. Prints what was taken for what, and fails on any owner that is not.
//
// LOCKSCOPE_TRIALS_LOADER="/path/to/ld.so --library-path /path/to/lib" runs the dynamic glibc programs with another
// glibc. LOCKSCOPE_TRIALS_ONLY=TEXT plays only primitives whose name contains TEXT.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <map>
#include <memory>
#include <set>
#include <sstream>

#include "classify/classify.h"
#include "source/bpf_source.h"
#include "source/proc_source.h"
#include "tests/trials/trial.h"

namespace lockscope {
namespace {

using std::chrono::steady_clock;
using namespace std::chrono_literals;

// Under an emulated CPU a trial is ten times dearer, and the rules are the same: there it is the kernel that is tried.
int trials_each() { return std::getenv("LOCKSCOPE_SLOW_HOST") != nullptr ? 10 : 100; }

enum class Build { glibc, glibc_cxx, glibc_static, musl, musl_static };

std::filesystem::path program_of(Build build) {
  const auto here = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  switch (build) {
    case Build::glibc: return here / "trials";
    case Build::glibc_cxx: return here / "trials_cxx";
    case Build::glibc_static: return here / "trials_static";
    case Build::musl: return here / "trials_musl_dynamic";
    case Build::musl_static: return here / "trials_musl_static";
  }
  return {};
}

std::vector<std::string> command_of(Build build) {
  std::vector<std::string> command;
  if (const char* loader = std::getenv("LOCKSCOPE_TRIALS_LOADER"); loader && build <= Build::glibc_cxx) {
    std::istringstream words(loader);
    for (std::string word; words >> word;) command.push_back(word);
  }
  command.push_back(program_of(build));
  return command;
}

bool is_musl(Build build) { return build == Build::musl || build == Build::musl_static; }

bool other_libc() { return std::getenv("LOCKSCOPE_TRIALS_LOADER") != nullptr; }

class Process {
 public:
  // `below`: as the first process of a PID namespace of its own.
  Process(std::vector<std::string> command, bool below, int keep_fd, int output = -1) {
    std::vector<char*> arguments;
    for (std::string& word : command) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    pid_ = static_cast<pid_t>(::syscall(SYS_clone, SIGCHLD | (below ? CLONE_NEWPID : 0), nullptr, nullptr, nullptr, 0));
    if (pid_ != 0) return;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (keep_fd >= 0) ::fcntl(keep_fd, F_SETFD, 0);
    if (output >= 0) ::dup2(output, 1);
    ::execv(arguments[0], arguments.data());
    ::_exit(127);
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] bool ended() {
    int status = 0;
    if (pid_ <= 0 || ::waitpid(pid_, &status, WNOHANG) != pid_) return pid_ <= 0;
    pid_ = 0;
    return true;
  }

 private:
  pid_t pid_ = 0;
};

class Table {
 public:
  Table() : fd_(::memfd_create("trials", MFD_CLOEXEC)) {
    EXPECT_EQ(::ftruncate(fd_, sizeof(trial_table)), 0);
    void* at = ::mmap(nullptr, sizeof(trial_table), PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0);
    table_ = static_cast<trial_table*>(at);
  }
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;
  ~Table() {
    ::munmap(table_, sizeof(trial_table));
    ::close(fd_);
  }
  [[nodiscard]] int fd() const { return fd_; }
  trial_table* operator->() const { return table_; }

 private:
  int fd_;
  trial_table* table_;
};

std::vector<std::string> primitives_of(Build build) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return {};
  std::vector<std::string> names;
  {
    const Process lister({program_of(build), "list"}, false, -1, ends[1]);
    ::close(ends[1]);
    std::string text;
    std::array<char, 4096> part{};
    for (ssize_t n = 0; (n = ::read(ends[0], part.data(), part.size())) > 0;)
      text.append(part.data(), static_cast<std::size_t>(n));
    ::close(ends[0]);
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) names.push_back(line);
  }
  const char* only = std::getenv("LOCKSCOPE_TRIALS_ONLY");
  if (only) std::erase_if(names, [&](const std::string& n) { return n.find(only) == std::string::npos; });
  return names;
}

struct Score {
  std::map<std::string, int> kinds;
  int owner_right = 0, owner_unknown = 0, owner_false = 0, base_wrong = 0, fields_wrong = 0, total = 0;
};

const Thread* waiter_of(const Sample& sample, pid_t pid, std::uint32_t number) {
  for (const Thread& t : sample.raw.threads) {
    if (t.pid == pid && t.ns_tid == static_cast<pid_t>(number)) return &t;
  }
  return nullptr;
}

// The number of the only thread that is said to stand in the way; 0: nobody is accused.
std::uint32_t accused(const Sample& sample, const Wait& wait) {
  for (const Obstacle& o : wait.obstacles) {
    for (const Releaser& r : o.any_of) {
      if (r.scope != Releaser::Scope::thread) continue;
      for (const Thread& t : sample.raw.threads) {
        if (t.id == r.thread) return static_cast<std::uint32_t>(t.ns_tid);
      }
      return ~0U;
    }
  }
  return 0;
}

void judge(const trial& truth, const Sample& sample, const Wait& wait, bool musl, Score& score) {
  ++score.total;
  ++score.kinds[name_of(wait.kind)];
  const std::uint32_t owner = accused(sample, wait);
  const bool self_as_signal = wait.self && truth.owner_tid == truth.waiter_tid;
  if (wait.owner_gone != OwnerGone::no || (owner != 0 && owner != truth.owner_tid) || (wait.self && !self_as_signal)) {
    ++score.owner_false;
  } else if (owner == truth.owner_tid || self_as_signal) {
    ++score.owner_right;
  } else {
    ++score.owner_unknown;
  }
  if (wait.kind == LockKind::futex) return;
  const bool same_kind = std::strcmp(name_of(wait.kind), truth.kind) == 0;
  if (same_kind && truth.base != 0 && wait.address != truth.base) ++score.base_wrong;
  if (!same_kind) return;
  // musl's write-held rwlock does not tell what its waiter wants.
  const Mode mode = truth.shared_mode && !musl ? Mode::shared : Mode::exclusive;
  if (wait.mode != mode || wait.reader_count.value_or(0) != truth.readers) ++score.fields_wrong;
  if (truth.needs_mutex != 0 && !musl && wait.needs_mutex != truth.needs_mutex) ++score.fields_wrong;
}

// A look in which every waiter sleeps in its wait, as it did in the look before.
std::optional<Sample> standing_look(Source& source, pid_t pid, const Table& table) {
  std::map<ThreadId, std::uint64_t> before;
  for (const auto deadline = steady_clock::now() + 20s; steady_clock::now() < deadline;) {
    auto raw = source.sample();
    if (!raw) {
      ADD_FAILURE() << raw.error().line();
      return std::nullopt;
    }
    Sample sample = classify(*std::move(raw), source.memory());
    std::map<ThreadId, std::uint64_t> now;
    for (const Wait& w : sample.waits) {
      const Thread& t = sample.raw.threads[w.thread];
      if (t.pid == pid && t.state == ThreadState::blocked) now[t.id] = w.fingerprint;
    }
    std::uint32_t standing = 0;
    for (std::uint32_t i = 0; i < table->count; ++i) {
      const Thread* t = waiter_of(sample, pid, table->trials[i].waiter_tid);
      const auto seen = t ? now.find(t->id) : now.end();
      const auto was = t ? before.find(t->id) : before.end();
      if (seen != now.end() && was != before.end() && seen->second == was->second) ++standing;
    }
    if (standing == table->count) return sample;
    before = std::move(now);
  }
  return std::nullopt;
}

using Scores = std::map<std::string, Score>;

class Trials {
 public:
  Trials() {
    if (auto bpf = BpfSource::create()) {
      bpf_ = *std::move(bpf);
    } else {
      std::cout << "without BPF: " << bpf.error().line() << "\n";
    }
  }

  // Nothing: this host or library does not have the primitive.
  std::optional<Scores> play(Build build, const std::string& name, bool below) {
    Table table;
    auto command = command_of(build);
    const auto library = std::filesystem::read_symlink("/proc/self/exe").parent_path() / "libtrials_slow.so";
    command.insert(command.end(), {"play", name, std::to_string(trials_each()), std::to_string(table.fd()), library});
    Process process(std::move(command), below, table.fd());
    const auto deadline = steady_clock::now() + 20s;
    while (table->ready == 0 || table->ready < table->count) {
      if (process.ended() || steady_clock::now() > deadline) {
        ADD_FAILURE() << name << " did not come up";
        return std::nullopt;
      }
      ::usleep(1000);
    }
    if (table->skipped) return std::nullopt;
    Scores scores;
    const bool musl = is_musl(build);
    const bool across = name.ends_with(":across") || name.ends_with(":shared");
    auto proc = ProcSource::open(across ? std::vector<pid_t>{} : std::vector<pid_t>{process.pid()});
    if (proc) look(**proc, "proc", process.pid(), table, name, musl, scores);
    if (bpf_) look(*bpf_, "bpf", process.pid(), table, name, musl, scores);
    return scores;
  }

  [[nodiscard]] Source* bpf() { return bpf_.get(); }

 private:
  static void look(Source& source, const char* by, pid_t pid, const Table& table, const std::string& name, bool musl,
                   Scores& scores) {
    const auto sample = standing_look(source, pid, table);
    if (!sample) {
      ADD_FAILURE() << name << ": not all waiters were seen to wait by " << by;
      return;
    }
    std::map<ThreadId, const Wait*> waits;
    for (const Wait& w : sample->waits) waits[sample->raw.threads[w.thread].id] = &w;
    for (std::uint32_t i = 0; i < table->count; ++i) {
      const Thread* t = waiter_of(*sample, pid, table->trials[i].waiter_tid);
      judge(table->trials[i], *sample, *waits.at(t->id), musl, scores[std::string(by) + "/" + table->trials[i].kind]);
    }
  }

  std::unique_ptr<BpfSource> bpf_;
};

Trials& trials() {
  static Trials instance;
  return instance;
}

void print_row(const std::string& name, const Score& s) {
  std::string kinds;
  for (const auto& [kind, count] : s.kinds) kinds += " " + kind + " " + std::to_string(count);
  std::printf("%-46s %5d  %5d %5d %5d %s%s\n", name.c_str(), s.total, s.owner_right, s.owner_unknown, s.owner_false,
              kinds.c_str(), s.base_wrong + s.fields_wrong ? "  (fields wrong)" : "");
}

void add(Score& to, const Score& s) {
  for (const auto& [kind, count] : s.kinds) to.kinds[kind] += count;
  to.total += s.total;
  to.owner_right += s.owner_right;
  to.owner_unknown += s.owner_unknown;
  to.owner_false += s.owner_false;
  to.base_wrong += s.base_wrong;
  to.fields_wrong += s.fields_wrong;
}

// What must be known: everything of a dynamic program. Where no code vouches, and in musl, these; /proc does not show
// which library a static program has.
bool must_be_known(Build build, bool by_proc, const std::string& kind) {
  if (by_proc && (build == Build::glibc_static || build == Build::musl_static)) return false;
  if (build == Build::glibc || build == Build::glibc_cxx) return true;
  static const std::set<std::string> owned{"recursive_mutex", "errorcheck_mutex", "robust_mutex", "pi_mutex", "join"};
  static const std::set<std::string> by_memory{"mutex", "adaptive_mutex", "priority_protect_mutex", "rwlock", "stdio"};
  return owned.contains(kind) || (build == Build::glibc_static && by_memory.contains(kind));
}

void play_all(Build build, bool below, const std::vector<std::string>& names) {
  Scores totals;
  for (const std::string& name : names) {
    const auto scores = trials().play(build, name, below);
    if (!scores) {
      std::printf("%-46s skipped\n", name.c_str());
      continue;
    }
    for (const auto& [row, s] : *scores) {
      const std::string kind = row.substr(row.find('/') + 1);
      add(totals[row], s);
      const bool known = must_be_known(build, row.starts_with("proc"), kind);
      const bool all_right = !s.owner_false && !s.base_wrong && !s.fields_wrong && !s.owner_unknown &&
                             s.kinds.size() == 1 && s.kinds.contains(kind);
      if (!all_right && known) print_row("  " + row.substr(0, row.find('/')) + " " + name, s);
      EXPECT_EQ(s.owner_false, 0) << name << ", " << row;
      if (!known) continue;
      // A PI mutex that can never be had is found by what registers remember: /proc does not show them, other builds of
      // glibc and musl may remember otherwise, and a robust one does not tell whether it is shared.
      const bool refused_pi = kind == "pi_mutex" && name.ends_with(":self");
      if (refused_pi && (other_libc() || is_musl(build) || row.starts_with("proc"))) continue;
      EXPECT_EQ(s.kinds.size() == 1 && s.kinds.contains(kind), true) << name << ", " << row;
      EXPECT_EQ(s.base_wrong, 0) << name << ", " << row;
      EXPECT_EQ(s.fields_wrong, 0) << name << ", " << row;
      if (refused_pi && name.find("robust") != std::string::npos) continue;
      EXPECT_EQ(s.owner_unknown, 0) << name << ", " << row;
    }
  }
  std::printf("%-46s %5s  %5s %5s %5s  %s\n", "true kind, by source", "n", "right", "unkn.", "FALSE", "classified");
  for (const auto& [row, s] : totals) print_row(row, s);
}

bool playable(Build build) { return std::filesystem::exists(program_of(build)); }

TEST(ClassifierTrials, Glibc) { play_all(Build::glibc, false, primitives_of(Build::glibc)); }

TEST(ClassifierTrials, GlibcStatic) {
  if (!playable(Build::glibc_static)) GTEST_SKIP() << "no static glibc program";
  play_all(Build::glibc_static, false, primitives_of(Build::glibc_static));
}

TEST(ClassifierTrials, LibstdcxxPrimitives) {
  auto names = primitives_of(Build::glibc_cxx);
  std::erase_if(names, [](const std::string& n) { return !n.starts_with("cxx:"); });
  play_all(Build::glibc_cxx, false, names);
}

TEST(ClassifierTrials, Musl) {
  if (!playable(Build::musl)) GTEST_SKIP() << "no musl-gcc";
  play_all(Build::musl, false, primitives_of(Build::musl));
}

TEST(ClassifierTrials, MuslStatic) {
  if (!playable(Build::musl_static)) GTEST_SKIP() << "no musl-gcc";
  play_all(Build::musl_static, false, primitives_of(Build::musl_static));
}

TEST(ClassifierTrials, InsideAPidNamespace) {
  if (::geteuid() != 0) GTEST_SKIP() << "making a PID namespace needs root";
  static const std::set<std::string> some{"mutex:normal:plain:lock",
                                          "mutex:recursive:plain:lock",
                                          "mutex:normal:robust:lock",
                                          "mutex:normal:pi:lock",
                                          "mutex:normal:pp:lock",
                                          "mutex:normal:shared:lock:across",
                                          "mutex:normal:pi_shared:lock:across",
                                          "mutex:normal:robust_shared:lock:across",
                                          "rwlock:rd<-wr",
                                          "rwlock:wr<-rd",
                                          "rwlock:wr<-wr:across",
                                          "join",
                                          "cond:wait",
                                          "stdio:flockfile",
                                          "loader",
                                          "foreign:program"};
  auto names = primitives_of(Build::glibc);
  std::erase_if(names, [](const std::string& n) { return !some.contains(n); });
  play_all(Build::glibc, true, names);
}

// Locks that change hands while they are looked at. Only what stood still during the look can be judged.
template <class Open>
void race(Build build, Open open, const char* by, std::chrono::seconds length) {
  Table table;
  auto command = command_of(build);
  command.insert(command.end(), {"race", "10", std::to_string(table.fd())});
  Process process(std::move(command), false, table.fd());
  while (table->ready == 0) {
    ASSERT_FALSE(process.ended());
    ::usleep(1000);
  }
  Source* source = open(process.pid());
  ASSERT_TRUE(source);
  struct Held {
    std::uint32_t holder, changes;
    bool operator==(const Held&) const = default;
  };
  const auto held = [&table] {
    std::map<std::uint64_t, Held> out;
    for (const raced_lock& l : table->locks) {
      if (l.base == 0) continue;
      const std::uint32_t holder = __atomic_load_n(&l.holder, __ATOMIC_SEQ_CST);
      out[l.base] = {holder, __atomic_load_n(&l.changes, __ATOMIC_SEQ_CST)};
    }
    return out;
  };
  int seen = 0, right = 0, unknown = 0, wrong = 0, looks = 0;
  const auto end = steady_clock::now() + length;
  // On a slow host hardly a lock stands from before a look to after it: then until one did.
  const auto patience = end + 2min;
  for (auto now = steady_clock::now(); now < end || (right == 0 && now < patience); now = steady_clock::now(), ++looks) {
    const auto before = held();
    auto raw = source->sample();
    ASSERT_TRUE(raw) << raw.error().line();
    const Sample sample = classify(*std::move(raw), source->memory());
    const auto after = held();
    for (const Wait& w : sample.waits) {
      if (sample.raw.threads[w.thread].pid != process.pid()) continue;
      ++seen;
      const auto lock = w.address ? before.find(*w.address) : before.end();
      if (lock == before.end() || lock->second.holder == 0 || after.at(lock->first) != lock->second) continue;
      const std::uint32_t owner = accused(sample, w);
      if (owner == lock->second.holder) {
        ++right;
      } else if (owner == 0 && w.owner_gone == OwnerGone::no) {
        ++unknown;
      } else {
        ++wrong;
      }
    }
  }
  std::printf("race by %s: %d looks, %d waits; of those that stood: %d right, %d unknown, %d FALSE\n", by, looks, seen,
              right, unknown, wrong);
  EXPECT_EQ(wrong, 0);
  EXPECT_GT(right, 0);
}

TEST(ClassifierTrials, RaceSeenThroughProc) {
  std::unique_ptr<ProcSource> proc;
  const auto open = [&proc](pid_t pid) -> Source* {
    if (auto source = ProcSource::open({pid})) proc = *std::move(source);
    return proc.get();
  };
  race(Build::glibc, open, "proc", 5s);
}

TEST(ClassifierTrials, RaceSeenByBpf) {
  if (!trials().bpf()) GTEST_SKIP() << "no BPF";
  race(
      Build::glibc, [](pid_t) { return trials().bpf(); }, "bpf", 5s);
}

TEST(ClassifierTrials, RaceOfMusl) {
  if (!playable(Build::musl)) GTEST_SKIP() << "no musl-gcc";
  if (!trials().bpf()) GTEST_SKIP() << "no BPF";
  race(
      Build::musl, [](pid_t) { return trials().bpf(); }, "bpf", 3s);
}

}  // namespace
}  // namespace lockscope
