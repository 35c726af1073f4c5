// SPDX-License-Identifier: Apache-2.0
// exposed_lock: only for locks that a more trusted process relies on, only by ways that somebody less trusted has.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>

#include "detect/exposure.h"
#include "look_builder.h"

namespace lockscope::test {
namespace {

constexpr std::uint64_t kInode = 17;
constexpr FileId kFile{.dev = 8, .ino = kInode};
constexpr std::uint64_t kHost = 4026531837;
constexpr std::uint32_t kDaemon = 2;
constexpr std::uint32_t kPostgres = 110;
constexpr std::uint32_t kAlice = 1000;
constexpr std::uint32_t kBob = 1001;
constexpr std::uint32_t kStaff = 50;

class ExposedLockDetected : public ::testing::Test {
 protected:
  ExposedLockDetected() {
    look.facts.host_user_namespace = kHost;
    look.facts.users = {{0, "root"}, {kPostgres, "postgres"}, {kAlice, "alice"}, {kBob, "bob"}};
    look.facts.groups[0].name = "root";
    look.facts.groups[kStaff].name = "staff";
    lie({0644, 0, 0}, {0755, 0, 0});
  }
  std::size_t process(pid_t pid, std::uint32_t uid, const std::string& comm = "app") {
    const std::size_t t = look.process(pid, comm);
    look.thread_at(t).uid = uid;
    ProcessFacts& facts = look.facts.processes[pid];
    facts.start_ns = look.thread_at(t).id.start_ns;
    facts.uid = uid;
    facts.user_namespace = kHost;
    facts.exe = "/usr/sbin/" + comm;
    return t;
  }
  // The file and the one directory that it lies in, /d.
  void lie(const Permissions& file, const Permissions& directory, const FileId& id = kFile) {
    PlaceFacts& place = look.facts.places[id];
    place.path = "/d/lock";
    place.file = file;
    place.file.mode |= S_IFREG;
    place.directories = {{"/", {S_IFDIR | 0755, 0, 0}}, {"/d", directory}};
  }
  [[nodiscard]] std::vector<Finding> found() const { return look.detect(kExposedLock, thresholds); }
  [[nodiscard]] Finding only() const {
    const auto findings = found();
    EXPECT_EQ(findings.size(), 1U);
    return findings.empty() ? Finding{} : findings.front();
  }
  [[nodiscard]] static std::string text(const Finding& finding, const std::string& key) {
    const auto fact = std::ranges::find(finding.evidence, key, [](const auto& e) { return e.first; });
    return fact == finding.evidence.end() ? "" : std::get<std::string>(fact->second);
  }

  LookBuilder look;
  Thresholds thresholds;
};

TEST_F(ExposedLockDetected, AWorldReadableFileThatRootHasLocked) {
  process(10, 0, "logrotate");
  look.hold_flock(kInode, {10});
  look.facts.processes[10].unit = "logrotate.service";
  const Finding finding = only();
  EXPECT_STREQ(finding.kind, "exposed_lock");
  EXPECT_EQ(finding.cwe, 412);
  EXPECT_EQ(finding.severity, Severity::critical);
  EXPECT_EQ(finding.confidence, Confidence::confirmed);
  EXPECT_EQ(finding.summary,
            "any user can take the flock on /d/lock, which logrotate (10) of user root (0) holds: any user may read it "
            "(mode 0644)");
  EXPECT_EQ(finding.hint,
            "create it with mode 0640, or in a directory of its own (RuntimeDirectory= in logrotate.service)");
  EXPECT_EQ(finding.holders, std::vector<pid_t>{10});
  EXPECT_TRUE(finding.waiters.empty());
  ASSERT_TRUE(finding.lock);
  EXPECT_EQ(finding.lock->kind, LockKind::flock);
  EXPECT_EQ(finding.lock->lock, ContendedLock(LockOfFile{kFile, true}));
  EXPECT_EQ(text(finding, "who"), "any user");
  EXPECT_EQ(text(finding, "right"), "take");
  EXPECT_EQ(text(finding, "mode"), "0644");
  EXPECT_EQ(text(finding, "owner"), "root (0)");
  EXPECT_EQ(text(finding, "directories"), "/ 0755 root:root, /d 0755 root:root");
}

TEST_F(ExposedLockDetected, NotWhatNobodyElseCanReach) {
  process(10, 0);
  look.hold_flock(kInode, {10});
  for (const std::uint32_t mode : {0600U, 0640U, 0660U}) {
    lie({mode, 0, 0}, {0755, 0, 0});
    EXPECT_TRUE(found().empty()) << mode;
  }
  lie({0666, 0, 0}, {0700, 0, 0});
  EXPECT_TRUE(found().empty());
  lie({0666, 0, 0}, {0755, 0, 0});
  look.facts.places[kFile].own_namespace = true;
  EXPECT_TRUE(found().empty());
  look.facts.places.clear();
  EXPECT_TRUE(found().empty()) << "where it lies is not known";
}

TEST_F(ExposedLockDetected, NotTheLocksOfOrdinaryUsers) {
  process(10, kAlice);
  look.hold_flock(kInode, {10});
  EXPECT_TRUE(found().empty());
}

TEST_F(ExposedLockDetected, NotOfRootInAContainerOrUserNamespace) {
  process(10, 0);
  look.hold_flock(kInode, {10});
  look.facts.processes[10].container = "c0ffee";
  EXPECT_TRUE(found().empty());
  look.facts.processes[10].container.reset();
  look.facts.processes[10].user_namespace = kHost + 1;
  EXPECT_TRUE(found().empty());
  look.facts.processes[10].user_namespace.reset();
  EXPECT_TRUE(found().empty()) << "not known to be of the host";
  look.facts.processes[10].user_namespace = kHost;
  EXPECT_EQ(found().size(), 1U);
  look.facts.processes[10].start_ns += 1;
  EXPECT_TRUE(found().empty()) << "facts of another process";
}

TEST_F(ExposedLockDetected, OfSystemUsersAndServicesToo) {
  process(10, kPostgres);
  look.hold_flock(kInode, {10});
  EXPECT_EQ(only().severity, Severity::critical);
  look.facts.first_ordinary_uid = 100;
  EXPECT_TRUE(found().empty());
  look.facts.processes[10].cgroup = "/system.slice/app.service";
  look.facts.processes[10].unit = "app.service";
  EXPECT_EQ(only().severity, Severity::critical);
}

TEST_F(ExposedLockDetected, TheOwnerCounts) {
  process(10, 0);
  look.hold_flock(kInode, {10});
  lie({0600, kAlice, 0}, {0755, 0, 0});
  EXPECT_EQ(only().severity, Severity::warning);
  EXPECT_EQ(text(only(), "who"), "user alice (1000)");
  lie({0600, kPostgres, 0}, {0755, 0, 0});
  EXPECT_EQ(only().severity, Severity::warning);
  lie({0600, 0, 0}, {0755, kAlice, 0});
  EXPECT_EQ(text(only(), "right"), "replace");
}

TEST_F(ExposedLockDetected, TheOwnerIsNoOutsiderToHimself) {
  process(10, kPostgres);
  look.hold_flock(kInode, {10});
  lie({0600, kPostgres, 0}, {0700, kPostgres, 0});
  EXPECT_TRUE(found().empty());
  lie({0600, 0, 0}, {0755, 0, 0});
  EXPECT_TRUE(found().empty()) << "root stands above";
  lie({0600, kDaemon, 0}, {0755, 0, 0});
  EXPECT_EQ(only().severity, Severity::notice) << "a peer";
}

TEST_F(ExposedLockDetected, MembersOfTheGroup) {
  process(10, 0);
  look.hold_flock(kInode, {10});
  lie({0660, 0, kStaff}, {0755, 0, 0});
  EXPECT_EQ(only().severity, Severity::notice);
  EXPECT_EQ(text(only(), "who"), "members of group staff (50), of whom none is known");
  look.facts.groups[kStaff].members = {kAlice, kBob};
  EXPECT_EQ(only().severity, Severity::warning);
  EXPECT_EQ(text(only(), "who"), "members of group staff (50): alice (1000) and bob (1001)");
}

TEST_F(ExposedLockDetected, AGroupOfTheTrustedAlone) {
  process(10, kPostgres);
  look.hold_flock(kInode, {10});
  lie({0660, kPostgres, kStaff}, {0755, 0, 0});
  look.facts.groups[kStaff].members = {kPostgres};
  EXPECT_TRUE(found().empty());
  lie({0660, kPostgres, 0}, {0755, 0, 0});
  EXPECT_TRUE(found().empty()) << "the group of root has no members";
  look.facts.groups[0].members = {kAlice};
  EXPECT_EQ(found().size(), 1U);
}

TEST_F(ExposedLockDetected, AStickyDirectoryLetsOneBeFirst) {
  process(10, 0);
  look.hold_flock(kInode, {10});
  lie({0600, 0, 0}, {01777, 0, 0});
  EXPECT_EQ(only().severity, Severity::warning);
  EXPECT_EQ(text(only(), "right"), "pre_create");
  EXPECT_EQ(text(only(), "through"), "/d");
}

TEST_F(ExposedLockDetected, SharedHoldsWeighLess) {
  process(10, 0);
  look.hold_flock(kInode, {10}, false);
  EXPECT_EQ(only().severity, Severity::warning);
  FileLock& lock = look.sample.raw.file_locks.front();
  lock.kind = FileLockKind::posix;
  EXPECT_TRUE(found().empty()) << "a second shared lock harms nobody, and others may not write";
  lock.exclusive = true;
  EXPECT_EQ(only().severity, Severity::critical) << "a shared lock is in the way of an exclusive one";
}

TEST_F(ExposedLockDetected, WaitersRelyOnIt) {
  process(10, kAlice, "holder");
  const std::size_t waiter = process(20, 0, "daemon");
  look.hold_flock(kInode, {10});
  EXPECT_TRUE(found().empty());
  look.wait_for_flock(waiter, kInode, {10});
  const Finding finding = only();
  EXPECT_EQ(finding.severity, Severity::critical);
  EXPECT_TRUE(finding.holders.empty()) << "who holds it does not matter here";
  EXPECT_EQ(text(finding, "use"), "waited for");
}

TEST_F(ExposedLockDetected, AnInheritedDescriptorIsNotReliedOn) {
  process(10, kAlice, "flock");
  process(20, 0, "sudo");
  look.hold_flock(kInode, {10, 20});
  EXPECT_TRUE(found().empty());
  look.sample.raw.file_locks.front().locker = 20;
  EXPECT_EQ(only().holders, std::vector<pid_t>{20});
  look.sample.raw.file_locks.front().locker = 999;  // has ended: whose it was is not known
  EXPECT_TRUE(found().empty());
}

TEST_F(ExposedLockDetected, SharedMemoryNeedsWriting) {
  const std::size_t owner = process(10, 0);
  const std::size_t waiter = process(20, 0);
  look.wait_for_shared(waiter, 64, owner);
  lie({0644, 0, 0}, {01755, 0, 0}, {.dev = 1, .ino = 70});
  EXPECT_TRUE(found().empty());
  lie({0666, 0, 0}, {01755, 0, 0}, {.dev = 1, .ino = 70});
  const Finding finding = only();
  EXPECT_EQ(finding.severity, Severity::critical);
  EXPECT_EQ(finding.lock->lock, ContendedLock(SharedPlace{{.dev = 1, .ino = 70}, 64}));
  EXPECT_EQ(finding.lock->kind, LockKind::mutex);
}

TEST_F(ExposedLockDetected, MappedSemaphoresAreANotice) {
  process(10, 0);
  look.facts.shared_memory[kFile] = {10};
  lie({0666, 0, 0}, {01777, 0, 0});
  look.facts.places[kFile].path = "/dev/shm/sem.jobs";
  EXPECT_EQ(only().severity, Severity::notice);
  EXPECT_EQ(only().lock->kind, LockKind::sem);
  EXPECT_EQ(only().confidence, Confidence::confirmed);
  EXPECT_TRUE(only().holders.empty());
  look.facts.places[kFile].path = "/dev/shm/buffer";
  EXPECT_EQ(only().confidence, Confidence::likely) << "may hold locks";
  lie({0600, 0, 0}, {01777, 0, 0});
  EXPECT_TRUE(found().empty()) << "making it first is a way to all of /dev/shm";
}

TEST_F(ExposedLockDetected, WhatIsAllowedIsNotReported) {
  process(10, 0, "backup");
  look.hold_flock(kInode, {10});
  thresholds.allowed = {{.exe = "/usr/sbin/back*", .path = "/d/*", .unit = ""}};
  EXPECT_TRUE(found().empty());
  thresholds.allowed = {{.exe = "/usr/sbin/back*", .path = "/e/*", .unit = ""}};
  EXPECT_EQ(found().size(), 1U);
}

TEST_F(ExposedLockDetected, OneFindingALockWhoseNameStays) {
  process(10, 0);
  process(20, kPostgres);
  look.hold_flock(kInode, {10}, false);
  look.hold_flock(kInode, {20}, false);
  const Finding finding = only();
  EXPECT_EQ(finding.holders, (std::vector<pid_t>{10, 20}));
  look.sample.raw.file_locks.front().sharers.front().fd = 9;
  EXPECT_EQ(only().fingerprint, finding.fingerprint);
}

class TakenLockNameDetected : public ExposedLockDetected {
 protected:
  TakenLockNameDetected() {
    process(10, 0, "daemon");
    window.failed_creates.push_back(
        {.actor = {.pid = 10, .start_ns = 10 * kSecond, .uid = 0, .cgroup = 0, .comm = "daemon"},
         .path = "/tmp/daemon.lock",
         .tries = 1,
         .first_ns = 1,
         .last_ns = 1});
    PlaceFacts& place = look.facts.named_places["/tmp/daemon.lock"];
    place.path = "/tmp/daemon.lock";
    place.file = {S_IFREG | 0600, kAlice, kAlice};
    place.directories = {{"/", {S_IFDIR | 0755, 0, 0}}, {"/tmp", {S_IFDIR | 01777, 0, 0}}};
  }
  PlaceFacts& taken() { return look.facts.named_places["/tmp/daemon.lock"]; }
  [[nodiscard]] std::vector<Finding> judged() const {
    const WaitForGraph graph = look.graph();
    const SampleView view{.sample = look.sample,
                          .graph = graph,
                          .proof = graph.solve(Strictness::proof),
                          .timeouts = graph.solve(Strictness::timeouts),
                          .suspicion = graph.solve(Strictness::suspicion),
                          .thresholds = thresholds,
                          .facts = look.facts,
                          .window = &window};
    std::vector<Finding> findings;
    kTakenLockName.make()->on_sample(view, findings);
    return findings;
  }
  ContentionWindow window;
};

TEST_F(TakenLockNameDetected, AUsersFileUnderTheNameThatRootWants) {
  const auto findings = judged();
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_STREQ(findings.front().kind, "exposed_lock");
  EXPECT_EQ(findings.front().severity, Severity::warning);
  EXPECT_EQ(findings.front().confidence, Confidence::likely);
  EXPECT_EQ(findings.front().failing.size(), 1U);
  EXPECT_EQ(findings.front().summary,
            "daemon (10) of user root (0) cannot create its lock file /tmp/daemon.lock: the name is taken by a file of "
            "user alice (1000), in /tmp (mode 1777)");
  window.failed_creates.front().tries = 4;
  EXPECT_EQ(judged().front().severity, Severity::critical);
}

TEST_F(TakenLockNameDetected, NotItsOwnNorATrustedOnesFile) {
  taken().file.uid = 0;
  EXPECT_TRUE(judged().empty());
  window.failed_creates.front().actor.uid = kPostgres;
  look.facts.processes[10].uid = kPostgres;
  EXPECT_TRUE(judged().empty());
  taken().file.uid = kPostgres;
  EXPECT_TRUE(judged().empty());
  taken().file.uid = kAlice;
  EXPECT_EQ(judged().size(), 1U);
}

TEST_F(TakenLockNameDetected, NotWhereOthersMayNotWrite) {
  taken().directories.back().permissions.mode = S_IFDIR | 0755;
  EXPECT_TRUE(judged().empty());
  taken().directories.back().permissions.uid = kAlice;
  EXPECT_EQ(judged().size(), 1U);
}

TEST_F(TakenLockNameDetected, NotWhatIsNoLock) {
  for (const char* path : {"/tmp/report.txt", "/tmp/clock", "/tmp/blocks", "/tmp/locks.d/report", "/tmp/pid"}) {
    taken().path = path;
    EXPECT_TRUE(judged().empty()) << path;
  }
  for (const char* path :
       {"/tmp/daemon.pid", "/tmp/.lock", "/tmp/job-lock", "/tmp/LCK..ttyS0", "/tmp/lockfile", "/var/lock/job"}) {
    taken().path = path;
    EXPECT_EQ(judged().size(), 1U) << path;
  }
  taken().own_namespace = true;
  EXPECT_TRUE(judged().empty());
  look.facts.named_places.clear();
  EXPECT_TRUE(judged().empty());
}

TEST_F(TakenLockNameDetected, NotForAUserNorWhereAllowed) {
  thresholds.allowed = {{.exe = "", .path = "/tmp/*.lock", .unit = ""}};
  EXPECT_TRUE(judged().empty());
  thresholds.allowed.clear();
  look.facts.processes[10].uid = kBob;
  EXPECT_TRUE(judged().empty());
}

}  // namespace
}  // namespace lockscope::test
