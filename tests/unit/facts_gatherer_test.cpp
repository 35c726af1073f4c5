// SPDX-License-Identifier: Apache-2.0
// What is gathered of a tick, over the real /proc: the test itself is the process whose facts are known.
#include "attribution/facts_gatherer.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "attribution/accounts.h"
#include "attribution/cgroup_ids.h"
#include "attribution/proc_text.h"

namespace lockscope {
namespace {

namespace fs = std::filesystem;

FileId id_of(const char* path) {
  struct stat status {};
  EXPECT_EQ(::stat(path, &status), 0);
  return {std::uint64_t{major(status.st_dev)} << 20 | minor(status.st_dev), status.st_ino};
}

class Gatherer : public testing::Test {
 protected:
  void SetUp() override {
    path_ = testing::TempDir() + "lockscope-facts-XXXXXX";
    fd_ = ::mkstemp(path_.data());
    ASSERT_GE(fd_, 0);
    path_ = fs::canonical(path_);
    file_ = id_of(path_.c_str());
    std::ifstream text("/proc/self/stat");
    const std::string stat((std::istreambuf_iterator<char>(text)), {});
    Thread self;
    self.pid = self.id.tid = ::getpid();
    self.id.start_ns = start_ticks_of(stat).value_or(0) * 10'000'000;
    self.uid = ::geteuid();
    self.comm = "self";
    sample_.raw.threads.push_back(self);
  }
  void TearDown() override {
    ::close(fd_);
    ::unlink(path_.c_str());
  }
  Thread& self() { return sample_.raw.threads.front(); }
  void hold() {
    FileLock lock;
    lock.file = file_;
    lock.exclusive = true;
    lock.locker = self().pid;
    lock.sharers = {{self().pid, fd_, false}};
    sample_.raw.file_locks.push_back(lock);
  }
  [[nodiscard]] Actor actor() {
    return {.pid = self().pid, .start_ns = self().id.start_ns, .uid = *self().uid, .cgroup = 0, .comm = "self"};
  }

  std::string path_;
  int fd_ = -1;
  FileId file_;
  Sample sample_;
  ContentionWindow window_;
  Attribution attribution_;
  FactsGatherer gatherer_{attribution_};
};

TEST_F(Gatherer, DescribesHoldersAndTheirPlaces) {
  hold();
  const HostFacts facts = gatherer_.gather(sample_, window_);
  ASSERT_TRUE(facts.processes.contains(::getpid()));
  const ProcessFacts& process = facts.processes.at(::getpid());
  EXPECT_EQ(process.start_ns, self().id.start_ns);
  EXPECT_EQ(process.uid, ::geteuid());
  EXPECT_EQ(process.exe, fs::read_symlink("/proc/self/exe").string());
  EXPECT_EQ(process.user_namespace, facts.host_user_namespace);
  EXPECT_NE(facts.host_user_namespace, 0U);
  ASSERT_TRUE(facts.places.contains(file_));
  EXPECT_EQ(facts.places.at(file_).path, path_);
  EXPECT_EQ(facts.places.at(file_).file.mode, S_IFREG | 0600U);
  EXPECT_TRUE(facts.groups.contains(facts.places.at(file_).file.gid));
  EXPECT_EQ(facts.first_ordinary_uid, Accounts().first_ordinary_uid());
}

TEST_F(Gatherer, NothingIsSaidOfAStranger) {
  hold();
  self().id.start_ns += 5'000'000'000;  // the number was taken over
  const HostFacts facts = gatherer_.gather(sample_, window_);
  EXPECT_EQ(facts.processes.at(::getpid()).exe, std::nullopt);
  EXPECT_EQ(facts.processes.at(::getpid()).unit, std::nullopt);
  EXPECT_TRUE(facts.places.empty());
}

TEST_F(Gatherer, NothingIsSaidOfWhoHasNoLock) {
  const HostFacts facts = gatherer_.gather(sample_, window_);
  EXPECT_TRUE(facts.processes.empty());
  EXPECT_TRUE(facts.places.empty());
  window_.file_locks.push_back({.actor = actor(), .file = file_, .waits = {}});
  EXPECT_TRUE(gatherer_.gather(sample_, window_).processes.empty()) << "a lock that nobody was kept from";
}

TEST_F(Gatherer, FindsTheDescriptorOfWhoTriesInVain) {
  window_.file_locks.push_back({.actor = actor(), .file = file_, .failed = 3, .waits = {}});
  const HostFacts facts = gatherer_.gather(sample_, window_);
  EXPECT_TRUE(facts.processes.contains(::getpid()));
  ASSERT_TRUE(facts.places.contains(file_));
  EXPECT_EQ(facts.places.at(file_).path, path_);
}

TEST_F(Gatherer, KeepsWhatTheKernelSaidOfWhoHasEnded) {
  Actor gone = actor();
  gone.pid = 4'194'304;  // beyond the largest number
  gone.uid = 4242;
  gone.cgroup = 0;
  window_.file_locks.push_back({.actor = gone, .file = file_, .failed = 1, .waits = {}});
  const HostFacts facts = gatherer_.gather(sample_, window_);
  ASSERT_TRUE(facts.processes.contains(gone.pid));
  EXPECT_EQ(facts.processes.at(gone.pid).uid, 4242U);
  EXPECT_EQ(facts.processes.at(gone.pid).start_ns, gone.start_ns);
  EXPECT_EQ(facts.processes.at(gone.pid).exe, std::nullopt);
  EXPECT_EQ(facts.processes.at(gone.pid).user_namespace, std::nullopt);
}

TEST_F(Gatherer, RemembersAPlaceAndLooksAgain) {
  hold();
  EXPECT_EQ(gatherer_.gather(sample_, window_).places.at(file_).file.mode, S_IFREG | 0600U);
  ASSERT_EQ(::chmod(path_.c_str(), 0644), 0);
  std::uint32_t mode = 0;
  for (int tick = 0; tick < 40; ++tick) mode = gatherer_.gather(sample_, window_).places.at(file_).file.mode;
  EXPECT_EQ(mode, S_IFREG | 0644U);
}

TEST_F(Gatherer, NamedPlacesOfFailedCreates) {
  window_.failed_creates.push_back({.actor = actor(), .path = path_, .tries = 1});
  window_.failed_creates.push_back({.actor = actor(), .path = path_ + ".none", .tries = 1});
  const HostFacts facts = gatherer_.gather(sample_, window_);
  ASSERT_EQ(facts.named_places.size(), 1U);
  EXPECT_EQ(facts.named_places.at(path_).file.uid, ::geteuid());
}

TEST_F(Gatherer, SharedMemoryOnlyWhereAskedFor) {
  const std::string name = "/dev/shm/lockscope-facts-" + std::to_string(::getpid());
  const int shm = ::open(name.c_str(), O_CREAT | O_EXCL | O_RDWR, 0600);
  ASSERT_GE(shm, 0);
  ASSERT_EQ(::ftruncate(shm, 4096), 0);
  void* const memory = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, shm, 0);
  const FileId id = id_of(name.c_str());
  const HostFacts without = gatherer_.gather(sample_, window_);
  gatherer_.want_shared_memory(true);
  self().uid = 0;  // by the look; only root and system users are asked
  const HostFacts with = gatherer_.gather(sample_, window_);
  self().uid = 1'000'000;
  const HostFacts ordinary = gatherer_.gather(sample_, window_);
  ::munmap(memory, 4096);
  ::close(shm);
  ::unlink(name.c_str());
  EXPECT_TRUE(without.shared_memory.empty());
  ASSERT_TRUE(with.shared_memory.contains(id));
  EXPECT_EQ(with.shared_memory.at(id), std::vector<pid_t>{::getpid()});
  EXPECT_EQ(with.places.at(id).path, name);
  EXPECT_TRUE(ordinary.shared_memory.empty());
}

TEST(CgroupIdsOfTheHost, NameTheirPath) {
  std::string point;
  std::ifstream mounts("/proc/self/mounts");
  for (std::string device, where, type, rest; mounts >> device >> where >> type && std::getline(mounts, rest);) {
    if (type == "cgroup2" && point.empty()) point = where;
  }
  struct stat status {};
  if (point.empty() || ::stat(point.c_str(), &status) != 0) GTEST_SKIP() << "no cgroup2 hierarchy";
  CgroupIds ids;
  const CgroupFacts* root = ids.find(status.st_ino);
  if (root == nullptr && ::geteuid() != 0) GTEST_SKIP() << "needs CAP_DAC_READ_SEARCH";
  ASSERT_NE(root, nullptr);
  EXPECT_EQ(root->path, "/");
  EXPECT_EQ(root->unit, std::nullopt);
  EXPECT_EQ(ids.find(0), nullptr);
  EXPECT_EQ(ids.find(~std::uint64_t{0}), nullptr);
  // One that is gone is remembered if it was known.
  const std::string folder = point + "/lockscope-facts-" + std::to_string(::getpid()) + ".service";
  if (::mkdir(folder.c_str(), 0755) != 0) return;
  ASSERT_EQ(::stat(folder.c_str(), &status), 0);
  const CgroupFacts* service = ids.find(status.st_ino);
  EXPECT_EQ(::rmdir(folder.c_str()), 0);
  ASSERT_NE(service, nullptr);
  EXPECT_EQ(service->unit, fs::path(folder).filename().string());
  EXPECT_EQ(ids.find(status.st_ino), service);
  EXPECT_EQ(CgroupIds().find(status.st_ino), nullptr);
}

TEST(LoginDefs, TellWherePeopleBegin) {
  EXPECT_EQ(uid_min_of("# UID_MIN 5\nUID_MAX\t60000\n  UID_MIN\t\t 500 \n"), 500U);
  EXPECT_EQ(uid_min_of("UID_MIN 1000"), 1000U);
  EXPECT_EQ(uid_min_of("SYS_UID_MIN 100\nUID_MINIMUM 3\n"), std::nullopt);
  EXPECT_EQ(uid_min_of("UID_MIN\n"), std::nullopt);
  EXPECT_EQ(uid_min_of(""), std::nullopt);
}

TEST(AccountsOfTheHost, NameRoot) {
  Accounts accounts;
  EXPECT_EQ(accounts.user(0), "root");
  EXPECT_EQ(accounts.group(0).name, "root");
  EXPECT_EQ(std::ranges::count(accounts.group(0).members, 0U), 0) << "root itself is left out";
  EXPECT_EQ(accounts.group(4'000'000'000).name, std::nullopt);
  EXPECT_TRUE(accounts.group(4'000'000'000).members.empty());
}

}  // namespace
}  // namespace lockscope
