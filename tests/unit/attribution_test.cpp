// SPDX-License-Identifier: Apache-2.0
// Attribution over a made-up /proc, and once over the real one: the test itself is a process whose facts are known.
#include "attribution/attribution.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <pwd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "attribution/proc_text.h"

namespace lockscope {
namespace {

namespace fs = std::filesystem;

// A /proc of files and links, gone with the test. Starts are in ticks of 10 ms, as every x86_64 kernel counts them.
class FakeProc : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "lockscope-proc-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
  }
  void TearDown() override { fs::remove_all(root_); }

  void write(const std::string& name, const std::string& text) {
    fs::create_directories((root_ / name).parent_path());
    std::ofstream(root_ / name) << text;
  }
  void add_thread(pid_t pid, pid_t tid, std::uint64_t ticks, const std::string& exe, const std::string& cgroup) {
    const std::string folder = std::to_string(pid) + "/task/" + std::to_string(tid) + "/";
    write(folder + "stat", std::to_string(tid) + " (x) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 " +
                               std::to_string(ticks) + " 1 2\n");
    if (!cgroup.empty()) write(folder + "cgroup", cgroup);
    if (!exe.empty()) fs::create_symlink(exe, root_ / folder / "exe");
  }
  static Thread thread(pid_t pid, pid_t tid, std::uint64_t start_ns) {
    Thread thread;
    thread.pid = pid;
    thread.id = {tid, start_ns};
    thread.comm = "x";
    return thread;
  }
  fs::path root_;
};

constexpr std::uint64_t kTick = 10'000'000;

TEST_F(FakeProc, DescribesAThread) {
  add_thread(10, 11, 500, "/usr/bin/order (deleted)", "0::/system.slice/app.service\n");
  Thread asked = thread(10, 11, 500 * kTick + 3);
  asked.comm = "worker";
  const ThreadDescription who = Attribution(root_).describe(asked);
  EXPECT_EQ(who.pid, 10);
  EXPECT_EQ(who.tid, 11);
  EXPECT_EQ(who.comm, "worker");
  EXPECT_EQ(who.start_ns, 500 * kTick + 3);
  EXPECT_EQ(who.exe, "/usr/bin/order (deleted)");
  EXPECT_EQ(who.cgroup, "/system.slice/app.service");
  EXPECT_EQ(who.unit, "app.service");
  EXPECT_EQ(who.container, std::nullopt);
  EXPECT_EQ(who.uid, std::nullopt);
  EXPECT_EQ(who.user, std::nullopt);
}

TEST_F(FakeProc, AReusedNumberIsAStranger) {
  add_thread(10, 10, 900, "/usr/bin/innocent", "0::/system.slice/innocent.service\n");
  const ThreadDescription who = Attribution(root_).describe(thread(10, 10, 500 * kTick));
  EXPECT_EQ(who.exe, std::nullopt);
  EXPECT_EQ(who.cgroup, std::nullopt);
  EXPECT_EQ(who.unit, std::nullopt);
  EXPECT_EQ(who.pid, 10);
}

TEST_F(FakeProc, AProcessThatIsGoneHasNoFacts) {
  const ThreadDescription who = Attribution(root_).describe(thread(10, 10, 500 * kTick));
  EXPECT_EQ(who.exe, std::nullopt);
  EXPECT_EQ(who.cgroup, std::nullopt);
  EXPECT_EQ(who.comm, "x");
}

TEST_F(FakeProc, WhatMayNotBeReadIsAbsent) {
  add_thread(10, 10, 500, "", "");
  const ThreadDescription who = Attribution(root_).describe(thread(10, 10, 500 * kTick));
  EXPECT_EQ(who.exe, std::nullopt);
  EXPECT_EQ(who.cgroup, std::nullopt);
}

TEST_F(FakeProc, OneThreadThatIsGoneDoesNotHideTheOthers) {
  add_thread(10, 12, 501, "/bin/a", "0::/a.service\n");
  Attribution attribution(root_);
  EXPECT_EQ(attribution.describe(thread(10, 11, 500 * kTick)).exe, std::nullopt);
  EXPECT_EQ(attribution.describe(thread(10, 12, 501 * kTick)).exe, "/bin/a");
  EXPECT_EQ(attribution.describe(thread(10, 11, 500 * kTick)).exe, "/bin/a");
}

TEST_F(FakeProc, AProcessIsReadOnce) {
  add_thread(10, 10, 500, "/bin/a", "0::/a.service\n");
  Attribution attribution(root_);
  EXPECT_EQ(attribution.describe(thread(10, 10, 500 * kTick)).unit, "a.service");
  write("10/task/10/cgroup", "0::/b.service\n");
  EXPECT_EQ(attribution.describe(thread(10, 10, 500 * kTick)).unit, "a.service");
  EXPECT_EQ(Attribution(root_).describe(thread(10, 10, 500 * kTick)).unit, "b.service");
}

TEST_F(FakeProc, NumbersThatAreNoneAreNotLookedUp) {
  add_thread(0, 0, 500, "/bin/a", "");
  EXPECT_EQ(Attribution(root_).describe(thread(0, 0, 500 * kTick)).exe, std::nullopt);
}

TEST_F(FakeProc, HostileFilesAreBounded) {
  add_thread(10, 10, 500, "/bin/a", "0::/a.service\n" + std::string(1 << 20, 'x'));
  EXPECT_EQ(Attribution(root_).describe(thread(10, 10, 500 * kTick)).cgroup, std::nullopt);
}

TEST_F(FakeProc, FindsThePathOfALock) {
  add_thread(10, 10, 500, "", "");
  fs::create_directories(root_ / "10/task/10/fd");
  fs::create_symlink("/var/lock/orders.lock", root_ / "10/task/10/fd/7");
  const Thread asked = thread(10, 10, 500 * kTick);
  EXPECT_EQ(Attribution(root_).path_of_lock(thread(10, 10, 900 * kTick), 7), std::nullopt);
  Attribution attribution(root_);
  EXPECT_EQ(attribution.path_of_lock(asked, 7), "/var/lock/orders.lock");
  EXPECT_EQ(attribution.path_of_lock(asked, 7, FileId{1, 99}), "/var/lock/orders.lock");  // a kernel that does not say
  EXPECT_EQ(attribution.path_of_lock(asked, 8), std::nullopt);
  EXPECT_EQ(attribution.path_of_lock(asked, -1), std::nullopt);
  write("10/task/10/fdinfo/7", "pos:\t0\nino:\t77\n");
  EXPECT_EQ(Attribution(root_).path_of_lock(asked, 7, FileId{1, 77}), "/var/lock/orders.lock");
  EXPECT_EQ(Attribution(root_).path_of_lock(asked, 7, FileId{1, 99}), std::nullopt);
}

TEST_F(FakeProc, FindsThePathOfSharedMemory) {
  add_thread(10, 10, 500, "", "");
  write("10/task/10/maps",
        "1000-3000 rw-s 00000000 00:1a 42 /dev/shm/orders\n"
        "3000-4000 rw-p 00000000 08:01 43 /private\n" +
            std::string(20'000, 'x') + "\n" +
            "5000-6000 rw-s 00000000 00:01 44 /dev/zero (deleted)\n"
            "7000-8000 rw-s 00000000 00:1a 45 /dev/shm/last");
  Attribution attribution(root_);
  const Thread asked = thread(10, 10, 500 * kTick);
  EXPECT_EQ(attribution.path_of_mapping(asked, std::uint64_t{0x1000}), "/dev/shm/orders");
  EXPECT_EQ(attribution.path_of_mapping(asked, std::uint64_t{0x2fff}), "/dev/shm/orders");
  EXPECT_EQ(attribution.path_of_mapping(asked, FileId{0x1a, 42}), "/dev/shm/orders");
  EXPECT_EQ(attribution.path_of_mapping(asked, FileId{0x1b, 42}), std::nullopt);
  for (const std::uint64_t address : {0x0, 0xfff, 0x3000, 0x4000, 0x5000, 0x7000}) {  // the last line has no end
    EXPECT_EQ(attribution.path_of_mapping(asked, address), std::nullopt) << address;
  }
  EXPECT_EQ(Attribution(root_).path_of_mapping(thread(10, 10, 900 * kTick), std::uint64_t{0x1000}), std::nullopt);
}

// This process, by the real /proc.
Thread this_thread() {
  std::ifstream file("/proc/thread-self/stat");
  const std::string stat((std::istreambuf_iterator<char>(file)), {});
  Thread thread;
  thread.pid = ::getpid();
  thread.id.tid = ::gettid();
  thread.id.start_ns =
      start_ticks_of(stat).value_or(0) * (1'000'000'000 / static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK)));
  thread.uid = ::geteuid();
  return thread;
}

TEST(RealProc, KnowsThisProcess) {
  const ThreadDescription who = Attribution().describe(this_thread());
  EXPECT_EQ(who.exe, fs::read_symlink("/proc/self/exe").string());
  ASSERT_TRUE(who.cgroup);
  EXPECT_TRUE(who.cgroup->starts_with('/'));
  const passwd* entry = ::getpwuid(::geteuid());
  if (entry != nullptr) {
    EXPECT_EQ(who.user, entry->pw_name);
  }
}

TEST(RealProc, AUserWithoutANameHasNone) {
  Thread thread = this_thread();
  std::uint32_t uid = 3'999'999'999;
  while (::getpwuid(uid) != nullptr) --uid;
  thread.uid = uid;
  const ThreadDescription who = Attribution().describe(thread);
  EXPECT_EQ(who.uid, uid);
  EXPECT_EQ(who.user, std::nullopt);
}

TEST(RealProc, FindsAFileAndItsMapping) {
  std::string path = testing::TempDir() + "lockscope-shared-XXXXXX";
  const int fd = ::mkstemp(path.data());
  ASSERT_GE(fd, 0);
  ASSERT_EQ(::ftruncate(fd, 4096), 0);
  void* memory = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  ASSERT_NE(memory, MAP_FAILED);
  void* anonymous = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(anonymous, MAP_FAILED);
  struct stat status {};
  ASSERT_EQ(::fstat(fd, &status), 0);

  Attribution attribution;
  const Thread self = this_thread();
  EXPECT_EQ(attribution.path_of_lock(self, fd, FileId{0, status.st_ino}), path);
  EXPECT_EQ(attribution.path_of_mapping(self, reinterpret_cast<std::uint64_t>(memory)), path);
  EXPECT_EQ(attribution.path_of_mapping(self, reinterpret_cast<std::uint64_t>(anonymous)), std::nullopt);

  ::munmap(anonymous, 4096);
  ::munmap(memory, 4096);
  ::close(fd);
  ::unlink(path.c_str());
}

TEST(RealProc, DescribesTheHost) {
  utsname names{};
  ASSERT_EQ(::uname(&names), 0);
  const HostDescription host = host_description();
  EXPECT_EQ(host.name, names.nodename);
  EXPECT_EQ(host.kernel, names.release);
  EXPECT_EQ(host.boot_id.size(), 36u);
  EXPECT_EQ(host_description("/nonexistent").boot_id, "");
}

}  // namespace
}  // namespace lockscope
