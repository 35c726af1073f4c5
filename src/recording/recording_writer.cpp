// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include <cerrno>
#include <cstring>
#include <limits>
#include <vector>

#include "recording/identities.h"
#include "recording/recording.h"
#include "recording/recording_format.h"
#include "recording/tick_codec.h"
#include "source/unique_fd.h"

namespace lockscope {
namespace {

constexpr int kLevel = 3;

std::unexpected<Error> refused(const std::string& path, std::string why, std::string hint = {}) {
  return fail(ErrorKind::usage, "cannot record to " + path, std::move(why), std::move(hint));
}

// Removes what has this name, if it is a file of ours that nobody records to.
Result<void> make_room(const std::string& path) {
  const UniqueFd old(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (!old) {
    if (errno == ENOENT) return {};
    if (errno == ELOOP) return refused(path, "it is a symbolic link", "name the file itself, or - for standard output");
    return refused(path, std::strerror(errno));
  }
  struct stat status {};
  if (::fstat(old.get(), &status) != 0) return refused(path, std::strerror(errno));
  if (!S_ISREG(status.st_mode)) return refused(path, "it is no regular file", "- is the standard output");
  if (status.st_uid != ::geteuid()) return refused(path, "it belongs to another user");
  if (::flock(old.get(), LOCK_EX | LOCK_NB) != 0) return refused(path, "another process is recording to it");
  if (::unlink(path.c_str()) != 0) return refused(path, std::strerror(errno));
  return {};
}

// A new inode: nobody who could read an older file of this name has it open.
Result<UniqueFd> new_file(const std::string& path) {
  constexpr int kFlags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  UniqueFd fd(::open(path.c_str(), kFlags, 0600));
  if (!fd && errno == EEXIST) {
    if (auto room = make_room(path); !room) return std::unexpected(room.error());
    fd = UniqueFd(::open(path.c_str(), kFlags, 0600));
  }
  if (!fd) return refused(path, std::strerror(errno));
  // Says that this one is in use; where the file system knows no flock, nothing does.
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    return refused(path, "another process is recording to it");
  }
  return fd;
}

Result<UniqueFd> standard_output() {
  if (::isatty(STDOUT_FILENO) != 0) return refused("-", "a recording is no text for a terminal", "name a file");
  UniqueFd fd(::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3));
  if (!fd) return refused("-", std::strerror(errno));
  return fd;
}

struct Freed {
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
};

}  // namespace

struct RecordingWriter::State {
  std::string path;
  UniqueFd fd;
  bool regular = false;
  bool broken = false;
  std::unique_ptr<ZSTD_CCtx, Freed> zstd{ZSTD_createCCtx()};
  Identities identities;
  RawSample before;
  ByteEncoder encoder;
  std::vector<std::uint8_t> out;
  std::uint64_t bytes = 0;
  std::uint64_t ticks = 0;

  Result<void> write_out();
  Result<void> append_frame(FrameKind kind);
  Result<void> give_up(std::string why);
};

// The file ends with what was whole.
Result<void> RecordingWriter::State::give_up(std::string why) {
  broken = true;
  if (regular && ::ftruncate(fd.get(), static_cast<off_t>(bytes)) != 0) why += ", and the end of the file is torn";
  return fail(ErrorKind::failed, "cannot write to " + path, std::move(why));
}

Result<void> RecordingWriter::State::write_out() {
  std::size_t written = 0;
  while (written < out.size()) {
    const ssize_t n = ::write(fd.get(), out.data() + written, out.size() - written);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return give_up(n < 0 ? std::strerror(errno) : "nothing was taken");
    written += static_cast<std::size_t>(n);
  }
  bytes += out.size();
  out.clear();
  return {};
}

// What the encoder holds, compressed, behind what `out` holds; padding before it where a reader would not be allowed
// so much.
Result<void> RecordingWriter::State::append_frame(FrameKind kind) {
  const auto raw = encoder.bytes();
  const std::uint64_t needed = std::max<std::uint64_t>(encoder.memory(), raw.size());
  if (!encoder.ok()) return give_up("what was seen is not in order");
  if (needed > kJustifiedAtMost) return give_up(fmt::format("{} bytes at once are too many", needed));
  std::vector<std::uint8_t> packed(ZSTD_compressBound(raw.size()) + 64);
  ZSTD_inBuffer in{raw.data(), raw.size(), 0};
  ZSTD_outBuffer packed_out{packed.data(), packed.size(), 0};
  for (std::size_t left = 1; left != 0;) {
    left = ZSTD_compressStream2(zstd.get(), &packed_out, &in, ZSTD_e_flush);
    if (ZSTD_isError(left)) return give_up(ZSTD_getErrorName(left));
    if (left != 0) packed.resize(2 * packed.size());
    packed_out.dst = packed.data();
    packed_out.size = packed.size();
  }
  const auto append = [this](FrameKind which, std::span<const std::uint8_t> data, std::size_t unpacked) {
    Frame frame{.kind = static_cast<std::uint8_t>(which),
                .length = static_cast<std::uint32_t>(data.size()),
                .unpacked = static_cast<std::uint32_t>(unpacked)};
    frame.checksum = checksum_of(frame, data);
    const auto head = bytes_of(frame);
    out.insert(out.end(), head.begin(), head.end());
    out.insert(out.end(), data.begin(), data.end());
  };
  const std::uint64_t after = bytes + out.size() + kFrameHead + packed_out.pos;
  if (needed > justified_by(after)) {
    const std::uint64_t missing = (needed - justified_by(after)) / kJustifiedByByte + 1;
    append(FrameKind::padding, std::vector<std::uint8_t>(missing), 0);
  }
  append(kind, std::span(packed).first(packed_out.pos), raw.size());
  return {};
}

RecordingWriter::RecordingWriter(std::unique_ptr<State> state) : state_(std::move(state)) {}
RecordingWriter::RecordingWriter(RecordingWriter&&) noexcept = default;
RecordingWriter& RecordingWriter::operator=(RecordingWriter&&) noexcept = default;
RecordingWriter::~RecordingWriter() = default;

std::uint64_t RecordingWriter::bytes_written() const { return state_->bytes; }
std::uint64_t RecordingWriter::ticks_written() const { return state_->ticks; }

Result<RecordingWriter> RecordingWriter::create(const std::string& path, const RecordingHeader& header) {
  auto fd = path == "-" ? standard_output() : new_file(path);
  if (!fd) return std::unexpected(fd.error());
  auto state = std::make_unique<State>();
  state->path = path;
  state->fd = std::move(*fd);
  state->regular = path != "-";
  ZSTD_CCtx* zstd = state->zstd.get();
  if (zstd == nullptr || ZSTD_isError(ZSTD_CCtx_setParameter(zstd, ZSTD_c_compressionLevel, kLevel)) != 0 ||
      ZSTD_isError(ZSTD_CCtx_setParameter(zstd, ZSTD_c_windowLog, kWindowLog)) != 0) {
    return refused(path, "zstd cannot be used");
  }
  state->out.assign(kRecordingMagic.begin(), kRecordingMagic.end());
  for (const std::uint16_t version : {kRecordingMajor, kRecordingMinor}) {
    state->out.push_back(static_cast<std::uint8_t>(version));
    state->out.push_back(static_cast<std::uint8_t>(version >> 8));
  }
  encode_header(state->encoder, header);
  if (auto framed = state->append_frame(FrameKind::header); !framed) return std::unexpected(framed.error());
  if (auto written = state->write_out(); !written) return std::unexpected(written.error());
  return RecordingWriter(std::move(state));
}

Result<void> RecordingWriter::write_tick(RecordedTick tick) {
  State& s = *state_;
  if (s.broken) return fail(ErrorKind::failed, "cannot write to " + s.path, "an earlier tick could not be written");
  s.identities.renumber(tick.look, tick.window);
  s.encoder.clear();
  encode_tick(s.encoder, tick, s.before);
  if (auto framed = s.append_frame(FrameKind::tick); !framed) return framed;
  if (auto written = s.write_out(); !written) return written;
  s.before = std::move(tick.look);
  ++s.ticks;
  return {};
}

Result<void> RecordingWriter::finish() {
  State& s = *state_;
  // A pipe cannot be synchronised, and need not be.
  if (!s.broken && ::fdatasync(s.fd.get()) != 0 && errno != EINVAL && errno != EROFS) {
    return s.give_up(std::strerror(errno));
  }
  return {};
}

}  // namespace lockscope
