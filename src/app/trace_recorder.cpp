// SPDX-License-Identifier: Apache-2.0
#include "app/trace_recorder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>

#include "source/unique_fd.h"

namespace lockscope {
namespace {

// Identities are kernel addresses, which are nobody's business outside this host: small numbers tell the same apart.
class Renumbering {
 public:
  void apply(std::uint64_t& identity) {
    if (identity != 0) identity = numbers_.try_emplace(identity, numbers_.size() + 1).first->second;
  }

 private:
  std::map<std::uint64_t, std::uint64_t> numbers_;
};

void renumber(std::vector<RecordedLook>& looks) {
  Renumbering spaces, owners;  // an OFD lock's owner is a file, a POSIX lock's a descriptor table
  for (RecordedLook& look : looks) {
    for (Thread& t : look.sample.threads) {
      spaces.apply(t.address_space);
      owners.apply(t.files);
    }
    for (RawWait& w : look.sample.waits) {
      if (w.file) owners.apply(w.file->identity);
    }
    for (FileLock& l : look.sample.file_locks) owners.apply(l.owner);
  }
}

}  // namespace

void TraceRecorder::finish_look() {
  if (!looks_.empty()) looks_.back().memory = memory_.log();
}

Result<RawSample> TraceRecorder::sample() {
  finish_look();
  return source_.sample();
}

TrustedKinds TraceRecorder::examine(RawSample& raw, ProcessMemory& memory) {
  const TrustedKinds trusted = self_test_.examine(raw, memory);
  looks_.push_back({raw, {}});
  return trusted;
}

Result<void> TraceRecorder::save(const std::string& path) {
  finish_look();
  std::vector<RecordedLook> looks = looks_;
  renumber(looks);
  const std::string text = write_trace(looks);
  const auto refuse = [&] { return fail(ErrorKind::usage, "cannot write " + path, std::strerror(errno)); };
  std::string part = path + ".XXXXXX";
  const UniqueFd fd(::mkostemp(part.data(), O_CLOEXEC));
  if (!fd) return refuse();
  std::size_t written = 0;
  while (written < text.size()) {
    const ssize_t n = ::write(fd.get(), text.data() + written, text.size() - written);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    written += static_cast<std::size_t>(n);
  }
  if (written != text.size() || ::fsync(fd.get()) != 0 || std::rename(part.c_str(), path.c_str()) != 0) {
    const int error = errno;
    ::unlink(part.c_str());
    errno = error;
    return refuse();
  }
  return {};
}

}  // namespace lockscope
