// SPDX-License-Identifier: Apache-2.0
// Ways to a lock, by permission bits alone; and against a naive judge of the bits over random places.
#include "model/reach.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <random>

namespace lockscope {
namespace {

using Who = Way::Who;
using Right = Way::Right;

constexpr std::uint32_t kAlice = 1000;
constexpr std::uint32_t kStaff = 50;

Permissions directory(std::uint32_t mode, std::uint32_t uid = 0, std::uint32_t gid = 0) {
  return {.mode = S_IFDIR | mode, .uid = uid, .gid = gid};
}
Permissions file(std::uint32_t mode, std::uint32_t uid = 0, std::uint32_t gid = 0) {
  return {.mode = S_IFREG | mode, .uid = uid, .gid = gid};
}
// "/", "/d", "/d/d" and so on, and a file "lock" in the last.
PlaceFacts place(const Permissions& of_file, const std::vector<Permissions>& below_root) {
  PlaceFacts facts;
  facts.file = of_file;
  facts.directories.push_back({"/", directory(0755)});
  std::string path;
  for (const Permissions& permissions : below_root) facts.directories.push_back({path += "/d", permissions});
  facts.path = path + "/lock";
  return facts;
}

struct Seen {
  Who who;
  Right right;
  std::uint32_t id;
  friend bool operator==(const Seen&, const Seen&) = default;
};
std::vector<Seen> seen(const PlaceFacts& facts, NeededRight needed = NeededRight::open) {
  std::vector<Seen> out;
  for (const Way& way : ways_to(facts, needed)) out.push_back({way.who, way.right, way.id});
  return out;
}
using Ways = std::vector<Seen>;
const Seen kAnyoneTakes{Who::anyone, Right::take, 0};
const Seen kAnyoneReplaces{Who::anyone, Right::replace, 0};
const Seen kAnyonePreCreates{Who::anyone, Right::pre_create, 0};

TEST(Reach, AReadOnlyDescriptorIsEnoughForAFlock) {
  const PlaceFacts readable = place(file(0644), {directory(0755)});
  EXPECT_EQ(seen(readable), Ways{kAnyoneTakes});
  EXPECT_FALSE(ways_to(readable, NeededRight::open).front().by_writing);
  EXPECT_EQ(ways_to(readable, NeededRight::open).front().explanation, "any user may read it (mode 0644)");
  EXPECT_EQ(seen(readable, NeededRight::write), Ways{});
}

TEST(Reach, SoIsOneForWritingOnly) {
  EXPECT_EQ(seen(place(file(0622), {directory(0755)})), Ways{kAnyoneTakes});
  EXPECT_EQ(seen(place(file(0622), {directory(0755)}), NeededRight::write), Ways{kAnyoneTakes});
}

TEST(Reach, AFileOfRootAloneIsSafe) {
  for (const std::uint32_t mode : {0600U, 0640U, 0660U, 0700U, 0611U}) {
    EXPECT_EQ(std::ranges::count(seen(place(file(mode), {directory(0755)})), Who::anyone, &Seen::who), 0) << mode;
  }
  EXPECT_EQ(seen(place(file(0600), {directory(0755)})), Ways{});
}

TEST(Reach, ADirectoryThatLetsNobodyPassGuardsAllBelow) {
  EXPECT_EQ(seen(place(file(0666), {directory(0700)})), Ways{});
  EXPECT_EQ(seen(place(file(0666), {directory(0700), directory(0777), directory(01777)})), Ways{});
  EXPECT_EQ(seen(place(file(0666), {directory(0744)})), Ways{}) << "listing is not passing";
  EXPECT_EQ(seen(place(file(0666), {directory(0711)})), Ways{kAnyoneTakes});
}

TEST(Reach, AWritableDirectoryAboveAClosedOneStillServes) {
  EXPECT_EQ(seen(place(file(0600), {directory(0777), directory(0700)})), Ways{kAnyoneReplaces});
  EXPECT_EQ(seen(place(file(0600), {directory(01777), directory(0700)})), Ways{});
  EXPECT_EQ(seen(place(file(0600), {directory(0700), directory(0777), directory(0700)})), Ways{});
}

TEST(Reach, TheStickyBitKeepsWhatIsThereButNotWhatIsMissing) {
  EXPECT_EQ(seen(place(file(0600), {directory(0777)})), Ways{kAnyoneReplaces});
  EXPECT_EQ(seen(place(file(0600), {directory(01777)})), Ways{kAnyonePreCreates});
  EXPECT_EQ(seen(place(file(0644), {directory(01777)})), Ways{kAnyoneTakes}) << "the worst is said";
  EXPECT_EQ(seen(place(file(0600), {directory(01777), directory(0755)})), Ways{});
}

TEST(Reach, TheGroupCountsForItsMembers) {
  EXPECT_EQ(seen(place(file(0640, 0, kStaff), {directory(0755)})), (Ways{{Who::group, Right::take, kStaff}}));
  EXPECT_EQ(seen(place(file(0644, 0, kStaff), {directory(0750, 0, kStaff)})),
            (Ways{{Who::group, Right::take, kStaff}}));
  EXPECT_EQ(seen(place(file(0600), {directory(0770, 0, kStaff)})), (Ways{{Who::group, Right::replace, kStaff}}));
  // Of one group by the directory, of another by the file: nobody is known to be in both.
  EXPECT_EQ(seen(place(file(0640, 0, kStaff), {directory(0750, 0, kStaff + 1)})), Ways{});
}

TEST(Reach, AnOwnerCanChangeTheMode) {
  EXPECT_EQ(seen(place(file(0, kAlice), {directory(0755)})), (Ways{{Who::owner, Right::take, kAlice}}));
  EXPECT_EQ(seen(place(file(0600), {directory(0500, kAlice)})), (Ways{{Who::owner, Right::replace, kAlice}}));
  EXPECT_EQ(seen(place(file(0600), {directory(01700, kAlice)})), (Ways{{Who::owner, Right::replace, kAlice}}));
  EXPECT_EQ(seen(place(file(0600, kAlice), {directory(0700)})), Ways{});
  EXPECT_EQ(seen(place(file(0644), {directory(0700, kAlice)})), (Ways{{Who::owner, Right::take, kAlice}}));
}

TEST(Reach, AnAccessListMakesTheGroupBitsAMask) {
  PlaceFacts facts = place(file(0640, 0, kStaff), {directory(0755)});
  facts.file.acl = true;
  EXPECT_EQ(seen(facts), (Ways{{Who::listed, Right::take, 0}}));
  facts.file.mode = S_IFREG | 0600;  // an empty mask: the list gives nothing
  EXPECT_EQ(seen(facts), Ways{});
  facts.file.mode = S_IFREG | 0644;  // who is not named has the last three bits
  EXPECT_EQ(seen(facts), Ways{kAnyoneTakes});
}

TEST(Reach, WhatHasNoNameOnTheHostHasNoWay) {
  PlaceFacts facts = place(file(0666), {directory(0777)});
  facts.unlinked = true;
  EXPECT_EQ(seen(facts), Ways{});
  facts.unlinked = false;
  facts.own_namespace = true;
  EXPECT_EQ(seen(facts), Ways{});
  facts.own_namespace = false;
  facts.file.mode = S_IFSOCK | 0666;
  EXPECT_EQ(seen(facts), Ways{}) << "open(2) of a socket fails";
  facts.file.mode = 0666;
  EXPECT_EQ(seen(facts), Ways{}) << "nothing is known of it";
}

TEST(Reach, NamesTheOneChange) {
  const PlaceFacts readable = place(file(0644), {directory(0755)});
  EXPECT_EQ(change_that_closes(readable, ways_to(readable, NeededRight::open).front(), "cron.service"),
            "create it with mode 0640, or in a directory of its own (RuntimeDirectory= in cron.service)");
  const PlaceFacts shared = place(file(0600), {directory(01777)});
  EXPECT_EQ(change_that_closes(shared, ways_to(shared, NeededRight::open).front(), {}),
            "move it to a directory that only its user may write to");
  const PlaceFacts open_folder = place(file(0600), {directory(0777)});
  EXPECT_EQ(change_that_closes(open_folder, ways_to(open_folder, NeededRight::open).front(), {}),
            "give /d mode 0755, or move the lock to a directory that only its user may write to");
  const PlaceFacts of_group = place(file(0660, 0, kStaff), {directory(0755)});
  EXPECT_EQ(change_that_closes(of_group, ways_to(of_group, NeededRight::open).front(), {}), "create it with mode 0600");
}

TEST(Reach, SharedMemoryCannotBeMoved) {
  PlaceFacts object = place(file(0666), {directory(01777)});
  object.path = "/dev/shm/sem.jobs";
  EXPECT_EQ(change_that_closes(object, ways_to(object, NeededRight::write).front(), "a.service"),
            "create it with mode 0660");
  object.file = file(0600);
  EXPECT_EQ(change_that_closes(object, ways_to(object, NeededRight::write).front(), "a.service"),
            "create it with O_EXCL under a name that nobody can foresee, or use memfd_create(2)");
}

// The same by asking for one account at a time, as the kernel does.
struct Account {
  std::uint32_t uid;
  std::uint32_t gid;
};

std::uint32_t bits_for(const Account& account, const Permissions& p) {
  if (p.uid == account.uid) return 7;  // it may change the mode
  if (p.gid == account.gid) return p.mode >> 3 & 7;
  return p.mode & 7;
}

std::optional<Right> best_right(const Account& account, const PlaceFacts& facts, NeededRight needed) {
  std::optional<Right> best;
  const auto offer = [&](Right right) { best = best ? std::min(*best, right) : right; };
  for (std::size_t i = 0; i < facts.directories.size(); ++i) {
    const Permissions& p = facts.directories[i].permissions;
    const bool last = i + 1 == facts.directories.size();
    const Permissions& entry = last ? facts.file : facts.directories[i + 1].permissions;
    if ((bits_for(account, p) & 1) == 0) return best;
    if ((bits_for(account, p) & 2) == 0) continue;
    const bool kept = (p.mode & S_ISVTX) != 0 && p.uid != account.uid && entry.uid != account.uid;
    if (!kept) {
      offer(Right::replace);
    } else if (last) {
      offer(Right::pre_create);
    }
  }
  const std::uint32_t bits = bits_for(account, facts.file);
  if ((bits & 2) != 0 || (needed == NeededRight::open && (bits & 4) != 0)) offer(Right::take);
  return best;
}

TEST(Reach, AgreesWithANaiveJudge) {
  std::mt19937 random(20220601);
  const auto pick = [&](auto... values) {
    const std::array<std::uint32_t, sizeof...(values)> all{static_cast<std::uint32_t>(values)...};
    return all[random() % all.size()];
  };
  constexpr std::uint32_t kStranger = 4000;
  int with_a_way = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::vector<Permissions> folders(1 + random() % 3);
    for (Permissions& p : folders) {
      p = directory(pick(0755, 0711, 0700, 0750, 0777, 01777, 0770, 0733), pick(0, 0, kAlice), pick(0, kStaff));
    }
    const PlaceFacts facts =
        place(file(pick(0600, 0640, 0644, 0660, 0666, 0622, 0400), pick(0, 0, kAlice), pick(0, kStaff)), folders);
    const NeededRight needed = random() % 2 == 0 ? NeededRight::open : NeededRight::write;
    const auto ways = ways_to(facts, needed);
    // Members of group 0 are as good as root, and judged elsewhere.
    const std::pair<Account, std::pair<Who, std::uint32_t>> accounts[] = {{{kStranger, kStranger}, {Who::anyone, 0}},
                                                                          {{kStranger, kStaff}, {Who::group, kStaff}},
                                                                          {{kAlice, kStranger}, {Who::owner, kAlice}}};
    for (const auto& [account, party] : accounts) {
      std::optional<Right> said;
      for (const Way& way : ways) {
        const bool mine = way.who == Who::anyone || (way.who == party.first && way.id == party.second);
        if (mine) said = said ? std::min(*said, way.right) : way.right;
      }
      ASSERT_EQ(said, best_right(account, facts, needed)) << round << " uid " << account.uid;
      with_a_way += said ? 1 : 0;
    }
  }
  EXPECT_GT(with_a_way, 10'000);
}

}  // namespace
}  // namespace lockscope
