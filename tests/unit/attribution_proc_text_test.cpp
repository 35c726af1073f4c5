// SPDX-License-Identifier: Apache-2.0
#include "attribution/proc_text.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>

namespace lockscope {
namespace {

TEST(ProcStat, FindsTheStartBehindAnyName) {
  const std::string fields = " S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 987654 20 21\n";
  EXPECT_EQ(start_ticks_of("42 (worker)" + fields), 987654u);
  EXPECT_EQ(start_ticks_of("42 (a) S 1 (b)" + fields), 987654u);
  EXPECT_EQ(start_ticks_of("42 (\n)" + fields), 987654u);
}

TEST(ProcStat, AnswersNothingForNonsense) {
  for (const char* text :
       {"", "42", "42 (x)", "42 (x) S 1 2", "42 (x) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 x 1",
        "42 (x)S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 1"}) {
    EXPECT_EQ(start_ticks_of(text), std::nullopt) << text;
  }
}

TEST(SameStart, AllowsOneTick) {
  constexpr std::uint64_t hz = 100;
  EXPECT_TRUE(same_start(500, 5'000'000'000, hz));
  EXPECT_TRUE(same_start(500, 5'009'999'999, hz));
  EXPECT_TRUE(same_start(500, 5'010'000'000, hz));
  EXPECT_TRUE(same_start(500, 4'990'000'000, hz));
  EXPECT_FALSE(same_start(500, 5'020'000'000, hz));
  EXPECT_FALSE(same_start(500, 4'989'999'999, hz));
  EXPECT_FALSE(same_start(0, 0, hz));
  EXPECT_FALSE(same_start(500, 5'000'000'000, 0));
  EXPECT_FALSE(same_start(~std::uint64_t{0}, 5'000'000'000, hz));
}

TEST(Fdinfo, GivesTheInode) {
  EXPECT_EQ(inode_of("pos:\t0\nflags:\t0100002\nmnt_id:\t29\nino:\t7001\nlock:\t1: FLOCK\n"), 7001u);
  EXPECT_EQ(inode_of("pos:\t0\nflags:\t02\nmnt_id:\t29\n"), std::nullopt);  // before Linux 5.14
  EXPECT_EQ(inode_of("xino:\t7\n"), std::nullopt);
  EXPECT_EQ(inode_of("ino:\t\n"), std::nullopt);
  EXPECT_EQ(inode_of(""), std::nullopt);
}

TEST(Maps, GivesFileAndSharing) {
  const auto shared =
      parse_mapping("7f00aa00b000-7f00aa00c000 rw-s 00001000 00:1a 2042                       /dev/shm/a b");
  ASSERT_TRUE(shared);
  EXPECT_EQ(shared->start, 0x7f00aa00b000u);
  EXPECT_EQ(shared->end, 0x7f00aa00c000u);
  EXPECT_TRUE(shared->shared);
  EXPECT_EQ(shared->file, (FileId{0x1a, 2042}));
  EXPECT_EQ(shared->path, "/dev/shm/a b");
  const auto anonymous = parse_mapping("55d0c000-55d0d000 rw-p 00000000 00:00 0 ");
  ASSERT_TRUE(anonymous);
  EXPECT_FALSE(anonymous->shared);
  EXPECT_EQ(anonymous->path, "");
  EXPECT_EQ(parse_mapping("1000-2000 r--p 0 fd:103 9 /x")->file.dev, (std::uint64_t{0xfd} << 20) | 0x103);
}

TEST(Maps, AnswersNothingForNonsense) {
  for (const char* line : {"", "x", "1000", "1000-", "2000-1000 rw-p 0 0:0 0", "1000-1000 rw-p 0 0:0 0", "1000-2000",
                           "1000-2000 rw", "1000-2000 rw-p", "1000-2000 rw-p z 0:0 0", "1000-2000 rw-p 0 00 0",
                           "1000-2000 rw-p 0 0:0 x", "11111111111111111-2000 rw-p 0 0:0 0"}) {
    EXPECT_FALSE(parse_mapping(line)) << line;
  }
}

TEST(Maps, ShowsOnlyPathsThatLeadSomewhere) {
  const auto shown = [](std::string_view path, std::uint64_t ino = 5) {
    return path_to_show({0, 1, true, {1, ino}, path});
  };
  EXPECT_EQ(shown("/dev/shm/orders"), "/dev/shm/orders");
  EXPECT_EQ(shown("/memfd:ring (deleted)"), "/memfd:ring (deleted)");
  EXPECT_EQ(shown("/dev/zero (deleted)"), std::nullopt);
  EXPECT_EQ(shown("[heap]"), std::nullopt);
  EXPECT_EQ(shown("anon_inode:x"), std::nullopt);
  EXPECT_EQ(shown(""), std::nullopt);
  EXPECT_EQ(shown("/x", 0), std::nullopt);
}

}  // namespace
}  // namespace lockscope
