// SPDX-License-Identifier: Apache-2.0
// What the codecs of the recording share: numbers of processes, places, and the concept that lets one template take a
// value to write and a variable to read into. For src/recording only.
#pragma once

#include <concepts>
#include <type_traits>

#include "lockscope/contention.h"
#include "lockscope/ids.h"
#include "lockscope/raw_sample.h"

namespace lockscope {

template <class A, class T>
concept Is = std::same_as<std::remove_cvref_t<A>, T>;

// A process or thread: never negative, often near another.
void code_pid(auto& c, Is<pid_t> auto& pid, pid_t base) {
  c.near(pid, base);
  c.require(pid >= 0);
}

void code(auto& c, Is<FileId> auto& file, const FileId& base) {
  c.near(file.dev, base.dev);
  c.near(file.ino, base.ino);
}

void code(auto& c, Is<SharedPlace> auto& place, const SharedPlace& base) {
  code(c, place.file, base.file);
  c.near(place.offset, base.offset);
}

}  // namespace lockscope
