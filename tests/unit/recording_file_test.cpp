// SPDX-License-Identifier: Apache-2.0
// Recordings as files: what is written comes back, what is cut off or damaged is noted, what is no file of ours is
// left alone.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "recording/recording.h"
#include "recording/recording_format.h"
#include "recording_ticks.h"
#include "source/unique_fd.h"

namespace lockscope::test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class Recordings : public testing::Test {
 protected:
  Recordings() {
    std::string name = (fs::temp_directory_path() / "lockscope-recording-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
  }
  ~Recordings() override { fs::remove_all(folder_); }

  [[nodiscard]] std::string path(const std::string& name = "a.lsr") const { return folder_ / name; }

  static RecordingHeader header() {
    RecordingHeader header;
    header.tool_version = "1.2.3";
    header.host = {"web1", "6.1.0", "b3b1c2a0-1111-2222-3333-444455556666"};
    header.thresholds.long_hold = std::chrono::seconds{7};
    header.thresholds.long_hold_set = true;
    header.thresholds.starved = std::chrono::milliseconds{1500};
    header.thresholds.allowed = {{"/usr/bin/backup", "", ""}, {"", "/run/*.lock", "cron.service"}};
    header.interval = std::chrono::milliseconds{500};
    header.realtime_offset_ns = 1'772'000'000'000'000'000;
    return header;
  }

  void write(const std::string& file, const std::vector<RecordedTick>& ticks) {
    auto writer = RecordingWriter::create(file, header());
    ASSERT_TRUE(writer) << writer.error().line();
    for (const RecordedTick& tick : ticks) {
      const auto written = writer->write_tick(tick);
      ASSERT_TRUE(written) << written.error().line();
    }
    ASSERT_TRUE(writer->finish());
    EXPECT_EQ(writer->bytes_written(), fs::file_size(file));
    EXPECT_EQ(writer->ticks_written(), ticks.size());
  }

  static std::vector<std::uint8_t> bytes_of_file(const std::string& file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  static void put(const std::string& file, std::span<const std::uint8_t> bytes) {
    std::ofstream(file, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  }

  struct Outcome {
    bool opened = false;
    std::vector<RecordedTick> ticks;
    std::optional<std::string> truncated;
    std::optional<Error> error;
  };
  static Outcome read(const std::string& file) {
    Outcome outcome;
    auto reader = RecordingReader::open(file);
    if (!reader) {
      outcome.error = reader.error();
      return outcome;
    }
    outcome.opened = true;
    for (;;) {
      auto tick = reader->next();
      if (!tick) {
        outcome.error = tick.error();
        break;
      }
      if (!*tick) break;
      outcome.ticks.push_back(std::move(**tick));
    }
    outcome.truncated = reader->truncated();
    EXPECT_EQ(reader->ticks_read(), outcome.ticks.size());
    return outcome;
  }

  // As a file that takes no disk.
  static Outcome read(std::span<const std::uint8_t> bytes) {
    const UniqueFd fd(::memfd_create("lockscope-recording", MFD_CLOEXEC));
    EXPECT_EQ(::write(fd.get(), bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
    return read("/proc/self/fd/" + std::to_string(fd.get()));
  }

  static std::vector<RecordedTick> series(std::uint64_t seed, std::size_t count, std::size_t most) {
    TickMaker make(seed);
    std::vector<RecordedTick> ticks{make.tick(most)};
    while (ticks.size() < count) ticks.push_back(make.after(ticks.back(), most));
    return ticks;
  }

  fs::path folder_;
};

TEST_F(Recordings, ComeBackAndWriteBackTheSame) {
  write(path(), series(1, 20, 10));
  const Outcome first = read(path());
  ASSERT_EQ(first.ticks.size(), 20u);
  EXPECT_FALSE(first.truncated);
  EXPECT_FALSE(first.error);
  // Identities are numbered already: now nothing changes any more, not a byte of the file.
  write(path("b.lsr"), first.ticks);
  EXPECT_EQ(bytes_of_file(path()), bytes_of_file(path("b.lsr")));
  const Outcome second = read(path("b.lsr"));
  ASSERT_EQ(second.ticks.size(), 20u);
  for (std::size_t i = 0; i < 20; ++i) EXPECT_TRUE(same(first.ticks[i], second.ticks[i])) << i;
}

TEST_F(Recordings, KeepAllButIdentities) {
  std::vector<RecordedTick> ticks = series(2, 5, 10);
  write(path(), ticks);
  Outcome outcome = read(path());
  ASSERT_EQ(outcome.ticks.size(), ticks.size());
  const auto without_identities = [](RecordedTick& tick) {
    for (Thread& t : tick.look.threads) t.address_space = t.files = 0;
    for (RawWait& w : tick.look.waits) {
      if (w.file) w.file->identity = 0;
    }
    for (FileLock& l : tick.look.file_locks) l.owner = 0;
    for (FirstWait& f : tick.window.first_waits) {
      f.thread.address_space = f.thread.files = 0;
      if (f.wait.file) f.wait.file->identity = 0;
    }
  };
  for (std::size_t i = 0; i < ticks.size(); ++i) {
    without_identities(ticks[i]);
    without_identities(outcome.ticks[i]);
    EXPECT_TRUE(same(ticks[i], outcome.ticks[i])) << i;
  }
}

TEST_F(Recordings, TheHeaderComesBack) {
  write(path(), {});
  auto reader = RecordingReader::open(path());
  ASSERT_TRUE(reader) << reader.error().line();
  const RecordingHeader& got = reader->header();
  EXPECT_EQ(got.tool_version, "1.2.3");
  EXPECT_EQ(got.host.name, "web1");
  EXPECT_EQ(got.host.kernel, "6.1.0");
  EXPECT_EQ(got.host.boot_id, header().host.boot_id);
  EXPECT_EQ(got.thresholds.long_hold, std::chrono::seconds{7});
  EXPECT_TRUE(got.thresholds.long_hold_set);
  EXPECT_EQ(got.thresholds.starved, std::chrono::milliseconds{1500});
  ASSERT_EQ(got.thresholds.allowed.size(), 2u);
  EXPECT_EQ(got.thresholds.allowed[0].exe, "/usr/bin/backup");
  EXPECT_EQ(got.thresholds.allowed[1].path, "/run/*.lock");
  EXPECT_EQ(got.thresholds.allowed[1].unit, "cron.service");
  EXPECT_EQ(got.interval, std::chrono::milliseconds{500});
  EXPECT_EQ(got.realtime_offset_ns, header().realtime_offset_ns);
  EXPECT_TRUE(is_recording(path()));
}

// Kernel addresses must not leave the host, and what was the same must stay the same, from tick to tick.
TEST_F(Recordings, IdentitiesAreNumberedOverAllTicks) {
  constexpr std::uint64_t kSpace = 0xffff888012345000, kFiles = 0xffff888012346000, kFile = 0xffff888012347000;
  RecordedTick tick;
  for (int i = 0; i < 3; ++i) {
    Thread& t = tick.look.threads.emplace_back();
    t.pid = t.id.tid = 10 + i;
    t.address_space = kSpace + (i == 2 ? 64 : 0);
    t.files = kFiles;
  }
  RawWait& w = tick.look.waits.emplace_back();
  w.file = OpenFile{.identity = kFile, .file = {}, .position = 0, .size = 0};
  tick.look.file_locks.resize(3);
  tick.look.file_locks[0].owner = kFile;
  tick.look.file_locks[1].owner = kFiles;
  tick.window.first_waits.resize(1);
  tick.window.first_waits[0].thread = tick.look.threads[0];
  tick.window.first_waits[0].wait = w;
  RecordedTick second = tick;
  second.look.threads.erase(second.look.threads.begin());
  write(path(), {tick, second});
  const Outcome outcome = read(path());
  ASSERT_EQ(outcome.ticks.size(), 2u);
  const RawSample& now = outcome.ticks[0].look;
  EXPECT_LT(now.threads[0].address_space, 10u);
  EXPECT_NE(now.threads[0].address_space, 0u);
  EXPECT_EQ(now.threads[0].address_space, now.threads[1].address_space);
  EXPECT_NE(now.threads[0].address_space, now.threads[2].address_space);
  EXPECT_EQ(now.file_locks[0].owner, now.waits[0].file->identity);
  EXPECT_EQ(now.file_locks[1].owner, now.threads[0].files);
  EXPECT_NE(now.file_locks[0].owner, now.file_locks[1].owner);
  EXPECT_EQ(now.file_locks[2].owner, 0u);
  EXPECT_EQ(outcome.ticks[0].window.first_waits[0].thread, now.threads[0]);
  EXPECT_EQ(outcome.ticks[0].window.first_waits[0].wait.file, now.waits[0].file);
  EXPECT_EQ(outcome.ticks[1].look.threads[0], now.threads[1]);
  EXPECT_EQ(outcome.ticks[1].look.file_locks, now.file_locks);
}

TEST_F(Recordings, CutOffAnywhereGiveTheTicksBefore) {
  const std::vector<RecordedTick> ticks = series(3, 3, 1);
  write(path(), {});
  std::vector<std::size_t> ends{fs::file_size(path())};
  for (std::size_t count = 1; count <= ticks.size(); ++count) {
    write(path(), {ticks.begin(), ticks.begin() + static_cast<std::ptrdiff_t>(count)});
    ends.push_back(fs::file_size(path()));
  }
  const std::vector<std::uint8_t> whole = bytes_of_file(path());
  const Outcome all = read(path());
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const Outcome outcome = read(std::span(whole).first(size));
    ASSERT_EQ(outcome.opened, size >= ends[0]) << size;
    if (!outcome.opened) {
      EXPECT_EQ(outcome.error->kind, ErrorKind::usage);
      continue;
    }
    const auto complete = static_cast<std::size_t>(std::ranges::upper_bound(ends, size) - ends.begin()) - 1;
    ASSERT_EQ(outcome.ticks.size(), complete) << size;
    EXPECT_FALSE(outcome.error);
    EXPECT_EQ(outcome.truncated.has_value(), std::ranges::count(ends, size) == 0) << size;
    EXPECT_THAT(outcome.truncated.value_or("cut off at byte"), HasSubstr("cut off at byte"));
    for (std::size_t i = 0; i < complete; ++i) ASSERT_TRUE(same(outcome.ticks[i], all.ticks[i]));
  }
}

TEST_F(Recordings, EveryFlippedBitIsNoticed) {
  write(path(), series(4, 4, 2));
  const std::vector<std::uint8_t> whole = bytes_of_file(path());
  const Outcome all = read(path());
  TickMaker make(5);
  for (int round = 0; round < 2000; ++round) {
    std::vector<std::uint8_t> flipped = whole;
    const std::size_t at = make.below(whole.size());
    flipped[at] ^= static_cast<std::uint8_t>(1 << make.below(8));
    const Outcome outcome = read(flipped);
    if (!outcome.opened) continue;
    // A minor version of another number is no damage; all else is.
    ASSERT_TRUE(outcome.truncated || outcome.error || at == 10 || at == 11) << at;
    ASSERT_LE(outcome.ticks.size(), all.ticks.size());
    for (std::size_t i = 0; i < outcome.ticks.size(); ++i) ASSERT_TRUE(same(outcome.ticks[i], all.ticks[i])) << at;
  }
}

// As after a power cut: the file has its size, its end was never written.
TEST_F(Recordings, AnEndOfZeroesIsDamage) {
  write(path(), series(4, 3, 3));
  std::vector<std::uint8_t> bytes = bytes_of_file(path());
  bytes.resize(bytes.size() + 4096, 0);
  put(path(), bytes);
  const Outcome outcome = read(path());
  EXPECT_EQ(outcome.ticks.size(), 3u);
  ASSERT_TRUE(outcome.truncated);
  EXPECT_THAT(*outcome.truncated, HasSubstr("is damaged at byte"));
  EXPECT_THAT(*outcome.truncated, HasSubstr("the 3 ticks before it were used"));
}

TEST_F(Recordings, OtherVersionsAreSaidToBe) {
  write(path(), series(6, 1, 2));
  std::vector<std::uint8_t> bytes = bytes_of_file(path());
  bytes[8] = 2;
  put(path(), bytes);
  Outcome outcome = read(path());
  ASSERT_FALSE(outcome.opened);
  EXPECT_EQ(outcome.error->kind, ErrorKind::usage);
  EXPECT_THAT(outcome.error->line(), HasSubstr("format 2.0, this lockscope reads 1 (use the lockscope that made it"));
  // A later minor version may bring kinds of frames that are passed over.
  bytes[8] = 1;
  bytes[10] = 1;
  const std::vector<std::uint8_t> news{'n', 'e', 'w'};
  Frame frame{.kind = 9, .length = 3, .unpacked = 0, .checksum = 0};
  frame.checksum = checksum_of(frame, news);
  for (const std::uint8_t byte : bytes_of(frame)) bytes.push_back(byte);
  bytes.insert(bytes.end(), news.begin(), news.end());
  put(path(), bytes);
  outcome = read(path());
  EXPECT_EQ(outcome.ticks.size(), 1u);
  EXPECT_FALSE(outcome.error || outcome.truncated);
  // Not in our own.
  bytes[10] = 0;
  put(path(), bytes);
  outcome = read(path());
  ASSERT_TRUE(outcome.error);
  EXPECT_THAT(outcome.error->line(), HasSubstr("makes no sense"));
}

TEST_F(Recordings, WhatIsNoRecordingIsRefused) {
  put(path("text"), std::vector<std::uint8_t>{'l', 'o', 'c', 'k', 's', 'c', 'o', 'p', 'e', '-', 't', 'r', 'a', 'c'});
  put(path("empty"), {});
  fs::create_directory(path("folder"));
  ASSERT_EQ(::mkfifo(path("fifo").c_str(), 0600), 0);
  for (const char* name : {"text", "empty", "folder", "fifo", "missing"}) {
    const auto reader = RecordingReader::open(path(name));
    ASSERT_FALSE(reader) << name;
    EXPECT_EQ(reader.error().kind, ErrorKind::usage) << name;
    EXPECT_FALSE(is_recording(path(name))) << name;
  }
}

// The unpacked size is a claim; so are the sizes inside. Little of the file, little memory.
TEST_F(Recordings, SmallFilesOfForgersCostLittle) {
  write(path(), {});
  std::vector<std::uint8_t> bytes = bytes_of_file(path());
  const std::vector<std::uint8_t> data(100, 0);
  Frame frame{.kind = 2, .length = 100, .unpacked = 512 << 20, .checksum = 0};
  frame.checksum = checksum_of(frame, data);
  for (const std::uint8_t byte : bytes_of(frame)) bytes.push_back(byte);
  bytes.insert(bytes.end(), data.begin(), data.end());
  put(path("bomb"), bytes);
  const auto peak_kib = [] {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
  };
  const long before = peak_kib();
  const Outcome bomb = read(path("bomb"));
  EXPECT_LT(peak_kib() - before, 64 * 1024);
  ASSERT_TRUE(bomb.error);
  EXPECT_THAT(bomb.error->line(), HasSubstr("makes no sense"));
}

// Looks that compress very well are padded, so that a reader is allowed what they need.
TEST_F(Recordings, WhatIsLargeAndEmptyIsPaddedAndRead) {
  RecordedTick tick;
  tick.look.threads.resize(60'000);
  for (std::size_t i = 0; i < tick.look.threads.size(); ++i) {
    tick.look.threads[i].pid = tick.look.threads[i].id.tid = static_cast<pid_t>(i + 1);
    tick.look.waits.emplace_back().thread = i;
  }
  write(path(), {tick, tick});
  const Outcome outcome = read(path());
  EXPECT_FALSE(outcome.error) << outcome.error->line();
  ASSERT_EQ(outcome.ticks.size(), 2u);
  EXPECT_EQ(outcome.ticks[1].look, tick.look);
}

TEST_F(Recordings, AreForTheirOwnerOnly) {
  const mode_t mask = ::umask(0);
  write(path(), {});
  ::umask(mask);
  struct stat status {};
  ASSERT_EQ(::stat(path().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600u);
  // An older file that others may read is not written into: they may have it open.
  put(path("old"), std::vector<std::uint8_t>{1, 2, 3});
  fs::permissions(path("old"), fs::perms::all);
  std::ifstream opened_before(path("old"));
  write(path("old"), {});
  ASSERT_EQ(::stat(path("old").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600u);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(opened_before), {}).size(), 3u);
}

TEST_F(Recordings, WhatIsNoFileOfOursIsLeftAlone) {
  put(path("target"), std::vector<std::uint8_t>{1, 2, 3});
  fs::create_symlink(path("target"), path("link"));
  fs::create_symlink(path("nowhere"), path("dangling"));
  ASSERT_EQ(::mkfifo(path("fifo").c_str(), 0600), 0);
  fs::create_directory(path("folder"));
  for (const std::string& name :
       {path("link"), path("dangling"), path("fifo"), path("folder"), std::string("/dev/null"), path("missing/a")}) {
    const auto writer = RecordingWriter::create(name, header());
    ASSERT_FALSE(writer) << name;
    EXPECT_EQ(writer.error().kind, ErrorKind::usage) << name;
  }
  EXPECT_EQ(fs::file_size(path("target")), 3u);
  EXPECT_FALSE(fs::exists(path("nowhere")));
}

TEST_F(Recordings, AFileOfAnotherUserIsLeftAlone) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root, to make such a file";
  put(path(), std::vector<std::uint8_t>{1, 2, 3});
  ASSERT_EQ(::chown(path().c_str(), 65534, 65534), 0);
  const auto writer = RecordingWriter::create(path(), header());
  ASSERT_FALSE(writer);
  EXPECT_THAT(writer.error().line(), HasSubstr("belongs to another user"));
  EXPECT_EQ(fs::file_size(path()), 3u);
}

TEST_F(Recordings, OneWriterAFile) {
  auto writer = RecordingWriter::create(path(), header());
  ASSERT_TRUE(writer);
  const auto second = RecordingWriter::create(path(), header());
  ASSERT_FALSE(second);
  EXPECT_THAT(second.error().line(), HasSubstr("another process is recording to it"));
  { const RecordingWriter closed = std::move(*writer); }
  EXPECT_TRUE(RecordingWriter::create(path(), header()));
}

// The disk is full: what was whole stays, and can be read.
TEST_F(Recordings, EndWithTheLastWholeTickWhereNoMoreFits) {
  const std::vector<RecordedTick> ticks = series(7, 3, 20);
  auto writer = RecordingWriter::create(path(), header());
  ASSERT_TRUE(writer);
  ASSERT_TRUE(writer->write_tick(ticks[0]));
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit tight{writer->bytes_written() + 50, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &tight), 0);
  const auto written = writer->write_tick(ticks[1]);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, handler);
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().kind, ErrorKind::failed);
  EXPECT_FALSE(writer->write_tick(ticks[2])) << "the stream has a gap now";
  const Outcome outcome = read(path());
  EXPECT_EQ(outcome.ticks.size(), 1u);
  EXPECT_FALSE(outcome.truncated || outcome.error);
}

}  // namespace
}  // namespace lockscope::test
