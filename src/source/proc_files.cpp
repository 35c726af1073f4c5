// SPDX-License-Identifier: Apache-2.0
#include "source/proc_files.h"

#include <dirent.h>
#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "source/text_scan.h"

namespace lockscope {
namespace {

// include/linux/sched.h; part of the format of /proc/PID/stat.
constexpr std::uint64_t kKernelThreadFlag = 0x00200000;

std::optional<FileId> take_file_id(TextScan& scan) {
  const auto major = scan.take_number<std::uint32_t>(16);
  if (!major || *major >= 1u << 12 || !scan.take(":")) return std::nullopt;
  const auto minor = scan.take_number<std::uint32_t>(16);
  if (!minor || *minor >= 1u << 20 || !scan.take(":")) return std::nullopt;
  const auto ino = scan.take_number<std::uint64_t>();
  if (!ino) return std::nullopt;
  return FileId{(std::uint64_t{*major} << 20) | *minor, *ino};
}

}  // namespace

std::optional<std::string_view> FileReader::read(int directory, const char* path, Answers answers, std::size_t limit) {
  truncated_ = false;
  const UniqueFd fd(::openat(directory, path, O_RDONLY | O_CLOEXEC));
  ssize_t got = fd ? 0 : -1;
  std::size_t size = 0;
  while (got >= 0) {
    if (size == limit) {
      truncated_ = true;
      break;
    }
    if (size == buffer_.size()) buffer_.resize(buffer_.size() * 2);
    const std::size_t room = std::min(buffer_.size(), limit) - size;
    do {
      got = ::read(fd.get(), buffer_.data() + size, room);
    } while (got < 0 && errno == EINTR);
    if (got <= 0) break;
    size += static_cast<std::size_t>(got);
    if (answers == Answers::one && static_cast<std::size_t>(got) < room) break;
  }
  if (got < 0) {
    note_failure();
    return std::nullopt;
  }
  return std::string_view(buffer_.data(), size);
}

std::optional<std::string_view> FileReader::read_again(const UniqueFd& file) {
  ssize_t got = -1;
  if (file) {
    do {
      got = ::pread(file.get(), buffer_.data(), buffer_.size(), 0);
    } while (got < 0 && errno == EINTR);
  }
  if (got < 0) {
    note_failure();
    return std::nullopt;
  }
  truncated_ = static_cast<std::size_t>(got) == buffer_.size();
  return std::string_view(buffer_.data(), static_cast<std::size_t>(got));
}

void FileReader::note_failure() {
  failure_ = errno == ENOENT || errno == ESRCH   ? Failure::gone
             : errno == EACCES || errno == EPERM ? Failure::refused
                                                 : Failure::other;
}

std::optional<std::vector<pid_t>> read_numbered_entries(int directory, const char* path) {
  UniqueFd fd(::openat(directory, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return std::nullopt;
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(fd.get()), &::closedir);
  if (!stream) return std::nullopt;
  static_cast<void>(fd.release());
  std::vector<pid_t> numbers;
  while (const dirent* entry = ::readdir(stream.get())) {
    TextScan scan(entry->d_name);
    const auto number = scan.take_number<pid_t>();
    if (number && *number >= 0 && scan.at_end()) numbers.push_back(*number);
  }
  std::ranges::sort(numbers);
  return numbers;
}

std::optional<StatFields> parse_stat(std::string_view text) {
  // The name ends at the last parenthesis: what follows it is numbers.
  const std::size_t open = text.find('(');
  const std::size_t close = text.rfind(')');
  if (open == std::string_view::npos || close == std::string_view::npos || close < open) return std::nullopt;
  StatFields fields;
  fields.comm = text.substr(open + 1, close - open - 1);
  TextScan scan(text.substr(close + 1));
  const std::string_view state = scan.take_word();
  if (state.size() != 1) return std::nullopt;
  fields.state = state.front();
  constexpr int kParent = 4, kFlags = 9, kStart = 22;  // proc(5) counts from 1; the state is field 3
  for (int field = kParent; field <= kStart; ++field) {
    TextScan word(scan.take_word());
    if (field == kParent) {
      const auto parent = word.take_number<pid_t>();
      if (!parent) return std::nullopt;
      fields.parent_pid = *parent;
    } else if (field == kFlags || field == kStart) {
      const auto number = word.take_number<std::uint64_t>();
      if (!number) return std::nullopt;
      if (field == kFlags) fields.kernel_thread = (*number & kKernelThreadFlag) != 0;
      if (field == kStart) fields.start_ticks = *number;
    }
  }
  return fields;
}

std::optional<StatusFields> parse_status(std::string_view text) {
  StatusFields fields;
  bool switches = false;
  TextScan scan(text);
  while (!scan.at_end()) {
    // The name is escaped by the kernel, so that it cannot start a line.
    TextScan line(scan.take_line());
    const auto number = [&line]<class T>(T& into, int base = 10) {
      line.skip_blanks();
      const auto value = line.take_number<T>(base);
      if (value) into = *value;
      return value.has_value();
    };
    if (line.take("Tgid:")) {
      if (!number(fields.tgid)) return std::nullopt;
    } else if (line.take("Uid:")) {
      if (!number(fields.uid) || !number(fields.uid)) return std::nullopt;
    } else if (line.take("NStgid:")) {
      while (number(fields.ns_pid)) {
      }
    } else if (line.take("NSpid:")) {
      pid_t last = 0;
      while (fields.levels < fields.numbers.size() && number(last)) fields.numbers[fields.levels++] = last;
      fields.ns_tid = last;
    } else if (line.take("SigCgt:")) {
      if (!number(fields.signals_caught, 16)) return std::nullopt;
    } else if (line.take("voluntary_ctxt_switches:")) {
      if (!number(fields.voluntary_switches)) return std::nullopt;
    } else if (line.take("nonvoluntary_ctxt_switches:")) {
      switches = number(fields.involuntary_switches);
    }
  }
  // The counters are the last lines that count: without them the text was cut off.
  if (!switches || fields.levels == 0) return std::nullopt;
  return fields;
}

std::optional<SyscallFields> parse_syscall(std::string_view text) {
  TextScan scan(text);
  SyscallFields fields;
  if (scan.take("running")) return fields;
  const auto hex = [&scan](std::uint64_t& into) {
    if (!scan.take(" 0x")) return false;
    const auto value = scan.take_number<std::uint64_t>(16);
    if (value) into = *value;
    return value.has_value();
  };
  const auto number = scan.take_number<std::int64_t>();
  if (!number) return std::nullopt;
  fields.number = *number;
  fields.where = *number == -1 ? SyscallFields::Where::outside : SyscallFields::Where::inside;
  if (fields.where == SyscallFields::Where::inside) {
    for (std::uint64_t& argument : fields.args) {
      if (!hex(argument)) return std::nullopt;
    }
  }
  if (!hex(fields.sp) || !hex(fields.ip)) return std::nullopt;
  return fields;
}

std::optional<LockFields> parse_lock_line(std::string_view line) {
  // 1: FLOCK  ADVISORY  WRITE 708 08:01:12345 0 EOF        2:  -> OFDLCK ADVISORY  READ -1 08:01:12345 0 9
  TextScan scan(line);
  scan.skip_blanks();
  if (!scan.take_number<std::uint64_t>() || !scan.take(":")) return std::nullopt;
  LockFields lock;
  std::string_view word = scan.take_word();
  if (word == "->") {
    lock.waits = true;
    word = scan.take_word();
  }
  if (word == "FLOCK") {
    lock.kind = FileLockKind::flock;
  } else if (word == "POSIX") {
    lock.kind = FileLockKind::posix;
  } else if (word == "OFDLCK") {
    lock.kind = FileLockKind::ofd;
  } else {
    return std::nullopt;
  }
  word = scan.take_word();
  if (word != "ADVISORY" && word != "MANDATORY") return std::nullopt;  // share modes exclude nobody here
  word = scan.take_word();
  if (word != "READ" && word != "WRITE") return std::nullopt;
  lock.exclusive = word == "WRITE";
  scan.skip_blanks();
  const auto locker = scan.take_number<pid_t>();
  if (!locker) return std::nullopt;
  lock.locker = *locker;
  scan.skip_blanks();
  const auto file = take_file_id(scan);
  if (!file) return std::nullopt;
  lock.file = *file;
  scan.skip_blanks();
  const auto start = scan.take_number<std::uint64_t>();
  if (!start) return std::nullopt;
  lock.start = *start;
  scan.skip_blanks();
  if (!scan.take("EOF")) {
    const auto end = scan.take_number<std::uint64_t>();
    if (!end) return std::nullopt;
    lock.end = *end;
  }
  return lock;
}

std::optional<FdinfoFields> parse_fdinfo(std::string_view text) {
  FdinfoFields fields;
  bool flags = false;
  TextScan scan(text);
  while (!scan.at_end()) {
    TextScan line(scan.take_line());
    if (line.take("pos:")) {
      line.skip_blanks();
      fields.position = line.take_number<std::uint64_t>().value_or(0);
    } else if (line.take("flags:")) {
      line.skip_blanks();
      const auto value = line.take_number<std::uint64_t>(8);
      if (!value) return std::nullopt;
      fields.flags = *value;
      flags = true;
    } else if (line.take("ino:")) {
      line.skip_blanks();
      fields.ino = line.take_number<std::uint64_t>();
    } else if (line.take("Pid:")) {
      line.skip_blanks();
      fields.pid = line.take_number<pid_t>();
    } else if (line.take("lock:")) {
      if (const auto lock = parse_lock_line(line.rest())) fields.locks.push_back(*lock);
    }
  }
  if (!flags) return std::nullopt;
  return fields;
}

}  // namespace lockscope
