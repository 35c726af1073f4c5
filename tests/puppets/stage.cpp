// SPDX-License-Identifier: Apache-2.0
#include "stage.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <new>

namespace puppet {

Stage* current_stage = nullptr;

void poll_pause() {
  const timespec moment{0, 200'000};
  nanosleep(&moment, nullptr);
}

void must(bool condition, const char* what) {
  if (condition) return;
  const int error = errno;
  fprintf(stderr, "puppet: %s failed: %s\n", what, strerror(error));
  if (current_stage != nullptr) current_stage->failed = true;
  _exit(70);
}

void must_zero(int error, const char* what) {
  errno = error;
  must(error == 0, what);
}

void Stage::expect(const char* finding, int number_of_parts) {
  kind = finding;
  confidence = "confirmed";
  parts_wanted = number_of_parts;
}

void Stage::expect_none(int moves) {
  kind = "none";
  confidence = nullptr;
  progress_wanted = moves;
}

void Stage::take(const Part& part, const LockTruth& lock) {
  const auto index = static_cast<std::size_t>(parts_taken.fetch_add(1));
  must(index < kMaxParts, "taking a part (too many)");
  PartSlot& slot = parts[index];
  slot.ns_pid = getpid();
  slot.ns_tid = static_cast<pid_t>(syscall(SYS_gettid));
  slot.part = part;
  slot.lock = lock;
  slot.taken = true;
}

void Stage::await(int gate, int count) const {
  while (gates[static_cast<std::size_t>(gate)] < count) poll_pause();
}

std::string Stage::path(const char* file) const { return std::string(directory.data()) + "/" + file; }

Stage* make_stage(const char* directory) {
  void* memory = mmap(nullptr, sizeof(Stage), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  must(memory != MAP_FAILED, "mmap of the stage");
  auto* stage = new (memory) Stage{};
  snprintf(stage->directory.data(), stage->directory.size(), "%s", directory);
  return stage;
}

}  // namespace puppet
