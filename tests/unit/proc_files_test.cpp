// SPDX-License-Identifier: Apache-2.0
#include "source/proc_files.h"

#include <gtest/gtest.h>

#include "source/proc_maps.h"

namespace lockscope {
namespace {

constexpr const char* kStatTail =
    " S 41 42 43 0 -1 4194304 99 0 0 0 0 0 0 0 20 0 1 0 134757 3133440 416 18446744073709551615";

TEST(ParseStat, ReadsTheFieldsAfterTheName) {
  const std::string text = std::string("42 (cat)") + kStatTail;
  const auto stat = parse_stat(text);
  ASSERT_TRUE(stat);
  EXPECT_EQ(stat->comm, "cat");
  EXPECT_EQ(stat->state, 'S');
  EXPECT_EQ(stat->parent_pid, 41);
  EXPECT_EQ(stat->start_ticks, 134757u);
  EXPECT_FALSE(stat->kernel_thread);
}

TEST(ParseStat, ANameThatLooksLikeFieldsIsStillAName) {
  const std::string name = "x) R 1 1\n(y) Z";
  const std::string text = "42 (" + name + ")" + kStatTail;
  const auto stat = parse_stat(text);
  ASSERT_TRUE(stat);
  EXPECT_EQ(stat->comm, name);
  EXPECT_EQ(stat->state, 'S');
  EXPECT_EQ(stat->parent_pid, 41);
}

TEST(ParseStat, KnowsKernelThreadsByTheirFlag) {
  const auto stat = parse_stat("2 (kthreadd) S 0 0 0 0 -1 2129984 0 0 0 0 0 0 0 0 20 0 1 0 3 0 0 1");
  ASSERT_TRUE(stat);
  EXPECT_TRUE(stat->kernel_thread);
}

TEST(ParseStat, RefusesWhatIsCutOff) {
  const std::string whole = std::string("42 (cat)") + kStatTail;
  EXPECT_FALSE(parse_stat(""));
  EXPECT_FALSE(parse_stat("42 cat S 1"));
  EXPECT_FALSE(parse_stat(whole.substr(0, whole.find("134757"))));
  EXPECT_FALSE(parse_stat("42 (cat) S 99999999999 1 1 1 1 1 1 1"));
}

constexpr const char* kStatus =
    "Name:\tx\\nNSpid:\\t9\nState:\tS (sleeping)\nTgid:\t700\nPid:\t701\nPPid:\t1\nUid:\t1000\t1001\t1002\t1003\n"
    "NStgid:\t700\t30\t2\nNSpid:\t701\t31\t3\nSigIgn:\t0000000000000001\nSigCgt:\t0000000000002000\n"
    "voluntary_ctxt_switches:\t150\nnonvoluntary_ctxt_switches:\t7\n";

TEST(ParseStatus, ReadsNumbersOfEveryNamespace) {
  const auto status = parse_status(kStatus);
  ASSERT_TRUE(status);
  EXPECT_EQ(status->tgid, 700);
  EXPECT_EQ(status->uid, 1001u) << "the effective one";
  ASSERT_EQ(status->levels, 3u);
  EXPECT_EQ(status->numbers[0], 701);
  EXPECT_EQ(status->numbers[1], 31);
  EXPECT_EQ(status->ns_tid, 3);
  EXPECT_EQ(status->ns_pid, 2);
  EXPECT_EQ(status->signals_caught, 0x2000u);
  EXPECT_EQ(status->voluntary_switches, 150u);
  EXPECT_EQ(status->involuntary_switches, 7u);
}

TEST(ParseStatus, RefusesWhatIsCutOff) {
  const std::string whole = kStatus;
  EXPECT_FALSE(parse_status(whole.substr(0, whole.find("nonvoluntary"))));
  EXPECT_FALSE(parse_status("voluntary_ctxt_switches:\t1\nnonvoluntary_ctxt_switches:\t1\n"));
}

TEST(ParseSyscall, TellsWhereTheThreadIs) {
  EXPECT_EQ(parse_syscall("running\n")->where, SyscallFields::Where::running);
  const auto outside = parse_syscall("-1 0x7ffc1000 0x401000\n");
  ASSERT_TRUE(outside);
  EXPECT_EQ(outside->where, SyscallFields::Where::outside);
  EXPECT_EQ(outside->sp, 0x7ffc1000u);
  const auto inside = parse_syscall("202 0x5000 0x80 0x2 0x0 0x0 0xffffffffffffffff 0x7ffc1000 0x401000\n");
  ASSERT_TRUE(inside);
  EXPECT_EQ(inside->where, SyscallFields::Where::inside);
  EXPECT_EQ(inside->number, 202);
  EXPECT_EQ(inside->args, (std::array<std::uint64_t, 6>{0x5000, 0x80, 2, 0, 0, ~std::uint64_t{0}}));
  EXPECT_EQ(inside->ip, 0x401000u);
}

TEST(ParseSyscall, RefusesWhatIsCutOff) {
  EXPECT_FALSE(parse_syscall(""));
  EXPECT_FALSE(parse_syscall("202 0x5000 0x80"));
  EXPECT_FALSE(parse_syscall("202 0x5000 0x80 0x2 0x0 0x0 0x0 0x7ffc1000"));
  EXPECT_FALSE(parse_syscall("202 0x10000000000000000 0x80 0x2 0x0 0x0 0x0 0x1 0x1"));
}

TEST(ParseLockLine, ReadsEachKind) {
  const auto flock = parse_lock_line("1: FLOCK  ADVISORY  WRITE 708 fe:00:12345 0 EOF");
  ASSERT_TRUE(flock);
  EXPECT_EQ(flock->kind, FileLockKind::flock);
  EXPECT_TRUE(flock->exclusive);
  EXPECT_FALSE(flock->waits);
  EXPECT_EQ(flock->locker, 708);
  EXPECT_EQ(flock->file, (FileId{0xfeULL << 20, 12345}));
  EXPECT_EQ(flock->end, ~std::uint64_t{0});

  const auto posix = parse_lock_line("22: POSIX  ADVISORY  READ  9 08:101:7 100 199");
  ASSERT_TRUE(posix);
  EXPECT_EQ(posix->kind, FileLockKind::posix);
  EXPECT_FALSE(posix->exclusive);
  EXPECT_EQ(posix->file, (FileId{(8ULL << 20) | 0x101, 7}));
  EXPECT_EQ(posix->start, 100u);
  EXPECT_EQ(posix->end, 199u);

  const auto waiter = parse_lock_line("22:      -> OFDLCK ADVISORY  WRITE -1 08:01:7 0 EOF");
  ASSERT_TRUE(waiter);
  EXPECT_TRUE(waiter->waits);
  EXPECT_EQ(waiter->kind, FileLockKind::ofd);
  EXPECT_EQ(waiter->locker, -1);
}

TEST(ParseLockLine, LeavesOutWhatIsNoLock) {
  EXPECT_FALSE(parse_lock_line("1: LEASE  ACTIVE    READ  708 fe:00:12345 0 EOF"));
  EXPECT_FALSE(parse_lock_line("1: FLOCK  MSNFS     READ  708 fe:00:12345 0 EOF"));
  EXPECT_FALSE(parse_lock_line("1: POSIX  ADVISORY  WRITE 708 <none>:0 0 EOF"));
  EXPECT_FALSE(parse_lock_line("1: POSIX  ADVISORY  WRITE 708 fe:00:12345 0"));
  EXPECT_FALSE(parse_lock_line(""));
}

TEST(ParseFdinfo, ReadsLocksAndModes) {
  const auto fdinfo = parse_fdinfo(
      "pos:\t512\nflags:\t0100002\nmnt_id:\t29\nino:\t77\nlock:\t1: FLOCK  ADVISORY  WRITE 5 08:01:77 0 EOF\n"
      "lock:\t2: OFDLCK ADVISORY  READ -1 08:01:77 0 9\n");
  ASSERT_TRUE(fdinfo);
  EXPECT_EQ(fdinfo->position, 512u);
  EXPECT_EQ(fdinfo->flags, 0100002u);
  EXPECT_EQ(fdinfo->ino, 77u);
  ASSERT_EQ(fdinfo->locks.size(), 2u);
  EXPECT_EQ(fdinfo->locks[1].kind, FileLockKind::ofd);
  const auto pidfd = parse_fdinfo("pos:\t0\nflags:\t02000002\nmnt_id:\t15\nPid:\t4242\nNSpid:\t4242\n");
  ASSERT_TRUE(pidfd);
  EXPECT_EQ(pidfd->pid, 4242);
  EXPECT_FALSE(parse_fdinfo("pos:\t0\n"));
}

TEST(ProcessMaps, FindsTheMappingOfAnAddress) {
  const auto maps = ProcessMaps::parse(
      "00400000-00401000 r--p 00000000 fe:00 11                         /bin/a b\n"
      "00401000-00405000 r-xp 00001000 fe:00 11                         /bin/a b\n"
      "7f0000000000-7f0000002000 rw-s 00003000 00:01 99                 /memfd:x\\012y (deleted)\n"
      "7f0000002000-7f0000003000 rw-p 00000000 00:00 0 \n"
      "7ffc00000000-7ffc00021000 rw-p 00000000 00:00 0                  [stack]\n");
  ASSERT_TRUE(maps);
  EXPECT_EQ(maps->at(0x3fffff), nullptr);
  ASSERT_NE(maps->at(0x401000), nullptr);
  EXPECT_TRUE(maps->at(0x401000)->executable);
  EXPECT_EQ(maps->path(*maps->at(0x401000)), "/bin/a b");
  EXPECT_EQ(maps->at(0x405000), nullptr);
  EXPECT_EQ(maps->shared_place(0x7f0000001010), (SharedPlace{{1, 99}, 0x4010}));
  EXPECT_FALSE(maps->shared_place(0x7f0000002010)) << "no file";
  EXPECT_FALSE(maps->shared_place(0x401010)) << "private";
}

TEST(ProcessMaps, RefusesWhatItDoesNotUnderstand) {
  EXPECT_FALSE(ProcessMaps::parse("00400000-00401000 r--p 00000000 fe:00\n"));
  EXPECT_FALSE(ProcessMaps::parse("00401000-00400000 r--p 00000000 fe:00 11 /a\n"));
  EXPECT_FALSE(ProcessMaps::parse("hello\n"));
}

}  // namespace
}  // namespace lockscope
