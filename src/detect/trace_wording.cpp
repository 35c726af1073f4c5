// SPDX-License-Identifier: Apache-2.0
#include "detect/trace_wording.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

namespace lockscope {
namespace {

std::string_view file_name(std::string_view path) { return path.substr(path.rfind('/') + 1); }

// "bank::transfer(int, int) const" is transfer() of bank; what stands in angle brackets is no argument list.
std::string_view without_arguments(std::string_view function) {
  std::size_t depth = 0;
  for (std::size_t i = 0; i < function.size(); ++i) {
    if (function[i] == '<') {
      ++depth;
    } else if (function[i] == '>' && depth > 0) {
      --depth;
    } else if (function[i] == '(' && depth == 0 && i > 0 && !function.substr(0, i).ends_with("operator")) {
      // A function inside another, a lambda: "run()::{lambda()#1}::operator()() const".
      const std::size_t close = function.find(')', i);
      if (close != std::string_view::npos && function.substr(close + 1).starts_with("::")) {
        i = close;
        continue;
      }
      return function.substr(0, i);
    }
  }
  return function;
}

}  // namespace

std::string name_place(const CodePoint& point) {
  if (!point.function.empty()) return fmt::format("{}()", without_arguments(point.function));
  if (!point.module.empty()) return fmt::format("{}+{:#x}", file_name(point.module), point.offset);
  return "unknown code";
}

std::string name_class(const LockClass& lock_class) {
  if (lock_class.name.empty()) return "a lock";
  // The file is left out of a sentence: it is in the report beside it.
  const std::size_t colon = lock_class.name.find(':');
  const std::string name = colon == std::string::npos ? lock_class.name : lock_class.name.substr(colon + 1);
  switch (lock_class.by) {
    case LockClass::By::symbol: return name;
    case LockClass::By::init_site: return fmt::format("a lock made in {}", name);
    case LockClass::By::acquire_site: return fmt::format("a lock first taken in {}", name);
  }
  return name;
}

std::string name_traced(const TracedThread& thread) {
  const std::string_view name = thread.comm.empty() ? "thread" : std::string_view(thread.comm);
  if (thread.tid == thread.pid) return fmt::format("{} ({})", name, thread.pid);
  return fmt::format("{} ({}/{})", name, thread.pid, thread.tid);
}

std::string key_of(const CodePoint& point) {
  if (!point.function.empty()) return fmt::format("{}:{}", file_name(point.module), point.function);
  if (!point.module.empty()) return fmt::format("{}+{:#x}", file_name(point.module), point.offset);
  return "?";
}

bool saw_all(const LockTrace& trace, ImageId image) {
  const TracedImage* found = find_image(trace, image);
  return found != nullptr && found->from_start && trace.lost.empty();
}

const TracedImage* find_image(const LockTrace& trace, ImageId image) {
  const auto found = std::ranges::find(trace.images, image, &TracedImage::id);
  return found == trace.images.end() ? nullptr : &*found;
}

}  // namespace lockscope
