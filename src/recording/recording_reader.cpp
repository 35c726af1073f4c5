// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "recording/recording.h"
#include "recording/recording_format.h"
#include "recording/tick_codec.h"
#include "source/unique_fd.h"

namespace lockscope {
namespace {

constexpr std::size_t kPiece = std::size_t{1} << 20;

std::unexpected<Error> unreadable(const std::string& path, std::string why, std::string hint = {}) {
  return fail(ErrorKind::usage, "cannot replay " + path, std::move(why), std::move(hint));
}

Result<UniqueFd> open_input(const std::string& path) {
  if (path == "-") {
    UniqueFd fd(::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3));
    if (!fd) return unreadable(path, std::strerror(errno));
    return fd;
  }
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  struct stat status {};
  if (!fd || ::fstat(fd.get(), &status) != 0) return unreadable(path, std::strerror(errno));
  if (!S_ISREG(status.st_mode)) return unreadable(path, "it is no regular file", "- is the standard input");
  return fd;
}

// Up to `size` bytes; fewer at the end of the file. Memory grows with what is there, not with what was claimed.
Result<std::vector<std::uint8_t>> read_bytes(int fd, std::size_t size, const std::string& path) {
  std::vector<std::uint8_t> bytes;
  std::size_t got = 0;
  while (got < size) {
    bytes.resize(std::min(size, got + kPiece));
    const ssize_t n = ::read(fd, bytes.data() + got, bytes.size() - got);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return unreadable(path, std::strerror(errno));
    if (n == 0) break;
    got += static_cast<std::size_t>(n);
  }
  bytes.resize(got);
  return bytes;
}

struct Freed {
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};

}  // namespace

struct RecordingReader::State {
  std::string path;
  UniqueFd fd;
  std::unique_ptr<ZSTD_DCtx, Freed> zstd{ZSTD_createDCtx()};
  RecordingHeader header;
  bool newer_minor = false;
  RawSample before;
  std::uint64_t bytes = 0;  // of the file, read
  std::uint64_t ticks = 0;
  bool ended = false;
  std::optional<std::string> truncated;

  struct Unpacked {
    FrameKind kind = FrameKind::padding;
    std::vector<std::uint8_t> bytes;
  };
  Result<std::optional<Unpacked>> next_frame();
  std::optional<Unpacked> end_early(std::uint64_t at, const char* what);
  std::unexpected<Error> nonsense(std::uint64_t at) const {
    return unreadable(path, fmt::format("what stands at byte {} makes no sense, though its checksum is right", at));
  }
};

std::optional<RecordingReader::State::Unpacked> RecordingReader::State::end_early(std::uint64_t at, const char* what) {
  ended = true;
  truncated = fmt::format("the recording is {} at byte {}: the {} {} before it {} used", what, at, ticks,
                          ticks == 1 ? "tick" : "ticks", ticks == 1 ? "was" : "were");
  return std::nullopt;
}

// Nothing at the end, whole or not.
Result<std::optional<RecordingReader::State::Unpacked>> RecordingReader::State::next_frame() {
  while (!ended) {
    const std::uint64_t at = bytes;
    auto head = read_bytes(fd.get(), kFrameHead, path);
    if (!head) return std::unexpected(head.error());
    if (head->empty()) {
      ended = true;
      break;
    }
    if (head->size() < kFrameHead) return end_early(at, "cut off");
    const Frame frame = frame_of(std::span(*head).first<kFrameHead>());
    auto packed = read_bytes(fd.get(), frame.length, path);
    if (!packed) return std::unexpected(packed.error());
    if (packed->size() < frame.length) return end_early(at, "cut off");
    if (checksum_of(frame, *packed) != frame.checksum) return end_early(at, "damaged");
    bytes += kFrameHead + packed->size();
    if (frame.kind == static_cast<std::uint8_t>(FrameKind::padding)) continue;
    if (frame.kind != static_cast<std::uint8_t>(FrameKind::header) &&
        frame.kind != static_cast<std::uint8_t>(FrameKind::tick)) {
      if (newer_minor) continue;
      return nonsense(at);
    }
    if (frame.unpacked > justified_by(bytes)) return nonsense(at);
    Unpacked unpacked{.kind = static_cast<FrameKind>(frame.kind), .bytes = std::vector<std::uint8_t>(frame.unpacked)};
    ZSTD_inBuffer in{packed->data(), packed->size(), 0};
    ZSTD_outBuffer out{unpacked.bytes.data(), unpacked.bytes.size(), 0};
    while (in.pos < in.size) {
      const std::size_t in_before = in.pos, out_before = out.pos;
      const std::size_t left = ZSTD_decompressStream(zstd.get(), &out, &in);
      // A stream that ends was not made by us.
      if (ZSTD_isError(left) != 0 || left == 0 || (in.pos == in_before && out.pos == out_before)) return nonsense(at);
    }
    // What a flush left in the decompressor's own buffer.
    while (out.pos < out.size) {
      const std::size_t out_before = out.pos;
      if (ZSTD_isError(ZSTD_decompressStream(zstd.get(), &out, &in)) != 0 || out.pos == out_before) return nonsense(at);
    }
    return unpacked;
  }
  return std::nullopt;
}

RecordingReader::RecordingReader(std::unique_ptr<State> state) : state_(std::move(state)) {}
RecordingReader::RecordingReader(RecordingReader&&) noexcept = default;
RecordingReader& RecordingReader::operator=(RecordingReader&&) noexcept = default;
RecordingReader::~RecordingReader() = default;

const RecordingHeader& RecordingReader::header() const { return state_->header; }
const std::optional<std::string>& RecordingReader::truncated() const { return state_->truncated; }
std::uint64_t RecordingReader::ticks_read() const { return state_->ticks; }

Result<RecordingReader> RecordingReader::open(const std::string& path) {
  auto fd = open_input(path);
  if (!fd) return std::unexpected(fd.error());
  auto state = std::make_unique<State>();
  state->path = path;
  state->fd = std::move(*fd);
  if (!state->zstd || ZSTD_isError(ZSTD_DCtx_setParameter(state->zstd.get(), ZSTD_d_windowLogMax, kWindowLog)) != 0) {
    return unreadable(path, "zstd cannot be used");
  }
  auto start = read_bytes(state->fd.get(), kRecordingStart, path);
  if (!start) return std::unexpected(start.error());
  if (start->size() < kRecordingStart || !std::equal(kRecordingMagic.begin(), kRecordingMagic.end(), start->begin())) {
    return unreadable(path, "it is no lockscope recording");
  }
  const auto version = [&](std::size_t at) { return (*start)[at] | (*start)[at + 1] << 8; };
  const int major = version(8), minor = version(10);
  if (major != kRecordingMajor) {
    return unreadable(path,
                      fmt::format("it is of format {}.{}, this lockscope reads {}", major, minor, kRecordingMajor),
                      major > kRecordingMajor ? "use the lockscope that made it, or a newer one" : "");
  }
  state->newer_minor = minor > kRecordingMinor;
  state->bytes = start->size();
  auto frame = state->next_frame();
  if (!frame) return std::unexpected(frame.error());
  if (!*frame) return unreadable(path, "it is cut off or damaged before its first tick");
  auto header = (*frame)->kind == FrameKind::header
                    ? decode_header((*frame)->bytes, justified_by(state->bytes), state->newer_minor)
                    : std::nullopt;
  if (!header) return state->nonsense(kRecordingStart);
  state->header = std::move(*header);
  return RecordingReader(std::move(state));
}

Result<std::optional<RecordedTick>> RecordingReader::next() {
  State& s = *state_;
  const std::uint64_t at = s.bytes;
  auto frame = s.next_frame();
  if (!frame) {
    s.ended = true;
    return std::unexpected(frame.error());
  }
  if (!*frame) return std::nullopt;
  std::optional<RecordedTick> tick;
  if ((*frame)->kind == FrameKind::tick) {
    tick = decode_tick((*frame)->bytes, justified_by(s.bytes), s.newer_minor, s.before);
  }
  if (!tick) {
    s.ended = true;
    return s.nonsense(at);
  }
  s.before = tick->look;
  ++s.ticks;
  return tick;
}

bool is_recording(const std::string& path) {
  if (path == "-") return false;
  const auto fd = open_input(path);
  if (!fd) return false;
  const auto start = read_bytes(fd->get(), kRecordingMagic.size(), path);
  return start && std::equal(kRecordingMagic.begin(), kRecordingMagic.end(), start->begin(), start->end());
}

}  // namespace lockscope
