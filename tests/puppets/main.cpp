// SPDX-License-Identifier: Apache-2.0
// puppet SCENARIO [options]: stages a hang (or an innocent crowd), says in one line of JSON on standard output what is
// true about it once it really stands, and takes everything down when standard input is closed or SIGTERM comes.
// A line on standard input asks for how often an innocent scenario has moved.
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "catalog.h"
#include "proc_view.h"
#include "troupe.h"
#include "truth.h"

namespace puppet {
namespace {

constexpr int kStandsWithinSeconds = 240;  // an emulated guest with 5,000 threads is slow
constexpr int kHostDecoys = 8;

struct Options {
  const Scenario* scenario = nullptr;
  int idle_threads = 0;
  int idle_inside = 0;
  int pidns_depth = 0;
  int hold_ms = -1;
  std::string directory;
};

constexpr const char* kUsage =
    "usage: puppet SCENARIO [--idle-threads N] [--idle-inside N] [--pidns DEPTH] [--hold MILLISECONDS] [--dir DIR]\n"
    "       puppet --list\n"
    "--idle-threads: a process with N idle threads beside the scenario\n"
    "--idle-inside:  N idle threads in each process of the scenario\n"
    "--pidns:        the scenario lives in DEPTH nested PID namespaces\n"
    "--hold:         ends by itself after this time\n"
    "--dir:          an existing directory for its files (default: a new one in $TMPDIR or /tmp, removed at the end)\n";

[[noreturn]] void wrong_usage(const char* what, const char* which) {
  fprintf(stderr, "puppet: %s: %s\n%s", what, which, kUsage);
  exit(2);
}

int number(const char* option, const char* text, int limit) {
  char* end = nullptr;
  errno = 0;
  const long value = strtol(text, &end, 10);
  if (errno != 0 || end == text || *end != 0 || value < 0 || value > limit) wrong_usage("not a number for it", option);
  return static_cast<int>(value);
}

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--list") {
      list_scenarios();
      exit(0);
    }
    if (!argument.starts_with("--")) {
      options.scenario = find_scenario(argv[i]);
      if (options.scenario == nullptr) wrong_usage("unknown scenario", argv[i]);
      continue;
    }
    if (i + 1 == argc) wrong_usage("needs a value", argv[i]);
    const char* value = argv[++i];
    if (argument == "--idle-threads") options.idle_threads = number("--idle-threads", value, 100'000);
    else if (argument == "--idle-inside") options.idle_inside = number("--idle-inside", value, 100'000);
    else if (argument == "--pidns") options.pidns_depth = number("--pidns", value, 8);
    else if (argument == "--hold") options.hold_ms = number("--hold", value, INT_MAX);
    else if (argument == "--dir") options.directory = value;
    else wrong_usage("unknown option", argv[i - 1]);
  }
  if (options.scenario == nullptr) wrong_usage("missing", "SCENARIO");
  if (options.idle_inside > 0 && options.scenario->inside == Idle::forbidden) {
    wrong_usage("no idle threads inside", options.scenario->name);
  }
  return options;
}

// A directory for the scenario's files, removed with them at the end where it was made here.
class Workspace {
 public:
  explicit Workspace(const std::string& given) : path_(given), own_(given.empty()) {
    if (!own_) return;
    const char* base = getenv("TMPDIR");
    path_ = std::string(base != nullptr && *base != 0 ? base : "/tmp") + "/lockscope-puppet.XXXXXX";
    must(mkdtemp(path_.data()) != nullptr, "mkdtemp");
  }
  ~Workspace() {
    if (!own_) return;
    for (const char* file : kFiles) unlink((path_ + "/" + file).c_str());
    rmdir(path_.c_str());
  }
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
  bool own_;
};

// Everything that the director has started, taken down and reaped when it goes.
class Groups {
 public:
  Groups() = default;
  Groups(const Groups&) = delete;
  Groups& operator=(const Groups&) = delete;
  ~Groups() {
    for (;;) {
      for (const pid_t group : groups_) kill(-group, SIGKILL);
      // Orphans come to the director (it is their subreaper) and are in one of the groups, whatever they forked.
      const pid_t reaped = waitpid(-1, nullptr, 0);
      if (reaped < 0 && errno == ECHILD) return;
    }
  }
  void add(pid_t group) { groups_.push_back(group); }

 private:
  std::vector<pid_t> groups_;
};

int blocked_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigprocmask(SIG_BLOCK, &signals, nullptr);
  const int fd = signalfd(-1, &signals, SFD_CLOEXEC);
  must(fd >= 0, "signalfd");
  return fd;
}

void allow_signals() {
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

// False: told to stop before it stood, or it cannot stand.
bool announce_when_it_stands(const Stage& stage, const Options& options, pid_t root, int signals) {
  timespec start{};
  clock_gettime(CLOCK_MONOTONIC, &start);
  for (;;) {
    if (const auto truth = truth_if_it_stands(stage, options.scenario->name, options.pidns_depth)) {
      printf("%s\n", truth->c_str());
      fflush(stdout);
      return true;
    }
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    const char state = process_state(root);
    if (stage.failed || state == 0 || state == 'Z' || now.tv_sec - start.tv_sec > kStandsWithinSeconds) {
      fprintf(stderr, "puppet: %s does not stand (%d of %d parts)\n", options.scenario->name, stage.parts_taken.load(),
              stage.parts_wanted.load());
      return false;
    }
    pollfd waiting[] = {{signals, POLLIN, 0}};
    if (poll(waiting, 1, 1) > 0) return false;
  }
}

void serve_until_told_to_stop(const Stage& stage, int signals, int hold_ms) {
  for (;;) {
    pollfd waiting[] = {{signals, POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
    const int ready = poll(waiting, 2, hold_ms);
    if (ready == 0 || (waiting[0].revents & POLLIN) != 0) return;
    if (waiting[1].revents == 0) continue;
    char text[64];
    const ssize_t length = read(STDIN_FILENO, text, sizeof text);
    if (length <= 0) return;
    printf("{\"progress\":%lld}\n", static_cast<long long>(stage.progress.load()));
    fflush(stdout);
  }
}

int direct(const Options& options) {
  const int signals = blocked_signals();
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  prctl(PR_SET_NAME, ("puppet-" + std::to_string(getpid())).c_str());
  const Workspace workspace(options.directory);
  Stage* stage = make_stage(workspace.path().c_str());
  stage->idle_inside = options.idle_inside;
  current_stage = stage;

  Groups groups;
  pid_t first_decoy = 0;
  for (int i = 0; options.pidns_depth > 0 && i < kHostDecoys; ++i) {
    const pid_t decoy = start_idle_process(*stage, 0);
    if (first_decoy == 0) first_decoy = decoy;
    groups.add(decoy);
  }
  if (options.idle_threads > 0) groups.add(start_idle_process(*stage, options.idle_threads));
  const pid_t root = start_below(*stage, options.pidns_depth, first_decoy, [&] {
    allow_signals();
    options.scenario->play(*stage);
  });
  groups.add(root);
  if (!announce_when_it_stands(*stage, options, root, signals)) return 1;
  serve_until_told_to_stop(*stage, signals, options.hold_ms);
  return 0;
}

}  // namespace
}  // namespace puppet

int main(int argc, char** argv) { return puppet::direct(puppet::parse(argc, argv)); }
