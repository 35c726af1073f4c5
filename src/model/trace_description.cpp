// SPDX-License-Identifier: Apache-2.0
#include "model/trace_description.h"

#include <cerrno>

namespace lockscope {

FrameDescription frame_of(const CodePoint& point) {
  FrameDescription frame;
  if (point.address != 0) frame.address = point.address;
  if (!point.function.empty()) frame.function = point.function;
  if (!point.module.empty()) frame.module = point.module;
  // An offset means something in a function or in a file, not in nowhere.
  if (!point.function.empty() || !point.module.empty()) frame.offset = point.offset;
  if (!point.file.empty()) {
    frame.file = point.file;
    if (point.line != 0) frame.line = point.line;
  }
  return frame;
}

ThreadDescription thread_of(const TracedThread& thread) {
  ThreadDescription out;
  out.pid = thread.pid;
  out.tid = thread.tid;
  out.comm = thread.comm;
  out.start_ns = thread.start_ns;
  return out;
}

LockDescription lock_of(const TracedLock& lock, LockKind kind, const LockClass& lock_class) {
  LockDescription out;
  out.kind = kind;
  out.address = lock.address;
  if (!lock_class.name.empty()) out.class_name = lock_class.name;
  return out;
}

std::string name_of_error(int error) {
  switch (error) {
    case EPERM: return "EPERM";
    case EINTR: return "EINTR";
    case EAGAIN: return "EAGAIN";
    case ENOMEM: return "ENOMEM";
    case EBUSY: return "EBUSY";
    case EINVAL: return "EINVAL";
    case EDEADLK: return "EDEADLK";
    case EOVERFLOW: return "EOVERFLOW";
    case ENOTSUP: return "ENOTSUP";
    case ETIMEDOUT: return "ETIMEDOUT";
    case EOWNERDEAD: return "EOWNERDEAD";
    case ENOTRECOVERABLE: return "ENOTRECOVERABLE";
    default: return "error " + std::to_string(error);
  }
}

}  // namespace lockscope
