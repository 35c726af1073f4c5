// SPDX-License-Identifier: Apache-2.0
#include "proc_view.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <map>
#include <string>

namespace puppet {
namespace {

struct Status {
  pid_t parent = 0;
  std::vector<pid_t> numbers;  // NSpid, outermost first
};

std::vector<pid_t> numbers_in(const std::string& directory) {
  std::vector<pid_t> numbers;
  DIR* stream = opendir(directory.c_str());
  if (stream == nullptr) return numbers;
  while (const dirent* entry = readdir(stream)) {
    if (isdigit(static_cast<unsigned char>(entry->d_name[0])) != 0) numbers.push_back(atoi(entry->d_name));
  }
  closedir(stream);
  return numbers;
}

std::optional<Status> read_status(const std::string& directory) {
  FILE* file = fopen((directory + "/status").c_str(), "re");
  if (file == nullptr) return std::nullopt;
  Status status;
  char line[512];
  while (fgets(line, sizeof line, file) != nullptr) {
    if (strncmp(line, "PPid:", 5) == 0) status.parent = atoi(line + 5);
    if (strncmp(line, "NSpid:", 6) != 0) continue;
    char* rest = line + 6;
    for (;;) {
      char* end = nullptr;
      const long number = strtol(rest, &end, 10);
      if (end == rest) break;
      status.numbers.push_back(static_cast<pid_t>(number));
      rest = end;
    }
  }
  fclose(file);
  if (status.numbers.empty()) return std::nullopt;
  return status;
}

char state_in(const std::string& directory) {
  FILE* file = fopen((directory + "/stat").c_str(), "re");
  if (file == nullptr) return 0;
  char text[512] = {};
  const std::size_t length = fread(text, 1, sizeof text - 1, file);
  fclose(file);
  text[length] = 0;
  const char* closing = strrchr(text, ')');  // the name may hold anything
  return closing != nullptr && closing[1] == ' ' ? closing[2] : '\0';
}

std::string process_directory(pid_t pid) { return "/proc/" + std::to_string(pid); }

}  // namespace

std::vector<Member> descendants() {
  std::map<pid_t, Status> all;
  for (const pid_t pid : numbers_in("/proc")) {
    if (auto status = read_status(process_directory(pid))) all.emplace(pid, std::move(*status));
  }
  const pid_t self = getpid();
  const std::size_t own_depth = all.contains(self) ? all[self].numbers.size() : 1;
  std::vector<Member> found;
  for (const auto& [pid, status] : all) {
    pid_t ancestor = status.parent;
    while (ancestor != self && ancestor > 1) {
      const auto next = all.find(ancestor);
      ancestor = next == all.end() ? 0 : next->second.parent;
    }
    if (ancestor != self || pid == self) continue;
    found.push_back({pid, status.numbers.back(), static_cast<int>(status.numbers.size() - own_depth)});
  }
  return found;
}

pid_t find_thread(pid_t pid, pid_t ns_tid) {
  const std::string tasks = process_directory(pid) + "/task";
  for (const pid_t tid : numbers_in(tasks)) {
    const auto status = read_status(tasks + "/" + std::to_string(tid));
    if (status && status->numbers.back() == ns_tid) return tid;
  }
  return 0;
}

std::optional<SleepingCall> sleeping_call(pid_t pid, pid_t tid) {
  const std::string directory = process_directory(pid) + "/task/" + std::to_string(tid);
  if (state_in(directory) != 'S') return std::nullopt;
  FILE* file = fopen((directory + "/syscall").c_str(), "re");
  if (file == nullptr) return std::nullopt;
  char text[256] = {};
  const bool read = fgets(text, sizeof text, file) != nullptr;
  fclose(file);
  SleepingCall call;
  char* end = nullptr;
  if (!read || isdigit(static_cast<unsigned char>(text[0])) == 0) return std::nullopt;
  call.number = strtoll(text, &end, 10);
  call.first_argument = strtoull(end, nullptr, 16);
  return call;
}

char process_state(pid_t pid) { return state_in(process_directory(pid)); }

}  // namespace puppet
