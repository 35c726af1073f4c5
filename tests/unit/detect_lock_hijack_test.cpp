// SPDX-License-Identifier: Apache-2.0
// lock_hijack: who is accused, and above all who is not. The holder is alice's process 20, the victim root's 10.
#include "hijack_scene.h"

namespace lockscope::test {
namespace {

using Waits = std::vector<std::size_t>;

TEST_F(HijackDetected, BlockedInASingleLook) {
  const auto w = wait_for({kHolder});
  host.facts.places[kFile].path = "/run/app.lock";
  host.facts.places[kFile].file.mode = 0100644;
  look.sample.raw.file_locks.front().sharers.front().readonly = true;
  const Finding finding = only_finding();
  EXPECT_STREQ(finding.kind, "lock_hijack");
  EXPECT_EQ(finding.cwe, 412);
  EXPECT_EQ(finding.severity, Severity::critical);
  EXPECT_EQ(finding.confidence, Confidence::confirmed);
  EXPECT_EQ(finding.waiters, Waits{w});
  EXPECT_EQ(finding.holders, std::vector<pid_t>{kHolder});
  EXPECT_EQ(finding.age_ns, 12 * kSecond);
  EXPECT_EQ(finding.summary,
            "alice (uid 1001) keeps backup.service out of /run/app.lock: sleep (20) holds the flock while "
            "rotate (10, root) waits, for at least 12 s");
  EXPECT_EQ(evidence_text(finding, "holder_user"), "alice");
  EXPECT_EQ(evidence_text(finding, "holder_exe"), "/usr/bin/p20");
  EXPECT_EQ(evidence_text(finding, "victim_unit"), "backup.service");
  EXPECT_EQ(evidence_text(finding, "lock_mode"), "0644");
  EXPECT_EQ(evidence_text(finding, "holder_state"), "sleeping in clock_nanosleep");
  EXPECT_EQ(evidence(finding, "holder_readonly_descriptor"), Fact{true});
  EXPECT_EQ(evidence_number(finding, "distance"), 5);
}

TEST_F(HijackDetected, ByAnotherUnitOfTheSameUserIsAWarning) {
  host.know(kHolder, 0, "/system.slice/a.service", "a.service");
  wait_for({kHolder});
  EXPECT_EQ(only_finding().severity, Severity::warning);
  EXPECT_EQ(only_finding().summary.rfind("a.service keeps backup.service out of inode 7", 0), 0U);
}

TEST_F(HijackDetected, ByAContainer) {
  host.know(kHolder, 0, "", "", "c0ffee");
  wait_for({kHolder});
  EXPECT_EQ(only_finding().severity, Severity::critical);
  EXPECT_EQ(evidence_text(only_finding(), "holder_container"), "c0ffee");
  EXPECT_EQ(only_finding().summary.rfind("container c0ffee keeps backup.service", 0), 0U);
}

TEST_F(HijackDetected, OfAProcessSharedMutex) {
  look.wait_for_shared(victim, 0, holder);
  EXPECT_EQ(only_finding().severity, Severity::critical);
  EXPECT_EQ(only_finding().confidence, Confidence::confirmed);
  EXPECT_EQ(only_finding().lock->lock, ContendedLock{kShared});
}

TEST_F(HijackDetected, SeveralVictimsAreOneFinding) {
  const auto a = wait_for({kHolder});
  const auto b = look.wait_for_flock(add(40, "more"), kFile.ino, {kHolder});
  host.know(40, 0, kBackup, "backup.service");
  EXPECT_EQ(only_finding().waiters, (Waits{a, b}));
  EXPECT_EQ(evidence_number(only_finding(), "victims"), 2);
}

TEST_F(HijackDetected, HasOneNameWhateverTheProcessesAreCalled) {
  wait_for({kHolder});
  const std::string name = only_finding().fingerprint;
  host.know(kHolder, 1002);
  EXPECT_NE(only_finding().fingerprint, name);
  host.know(25, 1001);
  begin_look();
  add(25, "sleep");
  std::swap(look.sample.raw.threads[2], look.sample.raw.threads[3]);  // by pid
  wait_for({25});
  EXPECT_EQ(only_finding().fingerprint, name);
}

TEST_F(HijackDetected, OnlyLikelyWhereLittleIsKnown) {
  wait_for({kHolder});
  look.thread_at(holder).blocked_ns = kSecond;  // it may have taken the lock a second ago
  EXPECT_EQ(only_finding().confidence, Confidence::likely);
  look.thread_at(holder).blocked_ns = 60 * kSecond;
  EXPECT_EQ(only_finding().confidence, Confidence::confirmed);
  look.sample.raw.file_locks.front().locker = 999;  // took it and has ended: handed down
  EXPECT_EQ(only_finding().confidence, Confidence::likely);
  look.sample.raw.file_locks.front().locker = kHolder;
  host.facts.processes.erase(kHolder);
  EXPECT_EQ(only_finding().confidence, Confidence::likely);
}

TEST_F(HijackDetected, WatchedLongEnoughIsConfirmed) {
  look.thread_at(holder).state = ThreadState::running;
  wait_for({kHolder});
  host.tick(look);
  EXPECT_EQ(watched().at(0).confidence, Confidence::likely);
  for (int i = 0; i < 10; ++i) host.tick(look);
  EXPECT_EQ(watched().at(0).confidence, Confidence::confirmed);
  EXPECT_EQ(evidence_number(watched().at(0), "exposure_ns"), static_cast<std::int64_t>(17 * kSecond));
}

TEST_F(HijackDetected, WaitsThatAreTakenUpAgainAddUp) {
  const auto w = wait_for({kHolder}, kTick / 2);
  look.unsettle(w);
  for (std::uint64_t i = 0; i < 12; ++i) {
    look.at(w).fingerprint = i;  // interrupted, and asks again
    host.tick(look);
  }
  EXPECT_EQ(watched().size(), 1U);
}

TEST_F(HijackDetected, NotBelowTheThreshold) {
  wait_for({kHolder}, 4 * kSecond);
  EXPECT_TRUE(innocent());
  thresholds.starved = std::chrono::seconds(3);
  EXPECT_FALSE(innocent());
}

TEST_F(HijackDetected, NotByTheMoreTrusted) {
  host.know(kVictim, 1001);
  host.know(kHolder, 0);
  wait_for({kHolder});
  EXPECT_TRUE(innocent());
}

TEST_F(HijackDetected, NotWithinOneDomain) {
  host.know(kHolder, 0, kBackup, "backup.service");
  wait_for({kHolder});
  EXPECT_TRUE(innocent());
}

TEST_F(HijackDetected, NotByOneWhoseDomainIsUnknown) {
  host.facts.processes.erase(kHolder);
  look.thread_at(holder).uid.reset();
  wait_for({kHolder});
  EXPECT_TRUE(innocent());
}

TEST_F(HijackDetected, NotWhereSomebodyOfTheVictimsSideSharesTheDescriptor) {
  wait_for({kHolder, kBystander});
  EXPECT_TRUE(innocent());
}

TEST_F(HijackDetected, NotWhereTheVictimsSideHoldsAnotherLockInTheWay) {
  const auto w = wait_for({kHolder});
  look.at(w).obstacles.push_back(LookBuilder::obstacle({LookBuilder::any_of(kBystander)}));
  EXPECT_TRUE(innocent());
}

TEST_F(HijackDetected, NotWhereTheHolderIsNotCertain) {
  const auto w = wait_for({kHolder});
  look.at(w).obstacles.front().known = false;
  EXPECT_TRUE(innocent());
  look.at(w).obstacles.front().known = true;
  look.at(w).obstacles.front().candidates = true;
  EXPECT_TRUE(innocent());
  look.at(w).obstacles.front().candidates = false;
  look.at(w).obstacles.front().evidence = Evidence::unknown;
  EXPECT_TRUE(innocent());
  look.at(w).obstacles.clear();
  EXPECT_TRUE(innocent());
}

TEST_F(HijackDetected, NotAWaitThatDidNotStand) {
  look.unsettle(wait_for({kHolder}));
  EXPECT_TRUE(innocent());
}

TEST_F(HijackDetected, NotAVictimThatIsStoppedItself) {
  wait_for({kHolder});
  look.thread_at(victim).state = ThreadState::stopped;
  EXPECT_TRUE(innocent());
}

TEST_F(HijackDetected, NotAPrivateMutexNorASignal) {
  look.wait_for(victim, 0x100, holder);
  EXPECT_TRUE(innocent());
  begin_look();
  const auto w = look.wait_for_shared(victim, 0, holder);
  for (const LockKind kind : {LockKind::cond, LockKind::barrier, LockKind::sem, LockKind::futex, LockKind::join}) {
    look.at(w).kind = kind;
    EXPECT_TRUE(innocent()) << name_of(kind);
  }
}

TEST_F(HijackDetected, NotIfAllowed) {
  wait_for({kHolder});
  host.facts.places[kFile].path = "/run/app.lock";
  host.facts.processes[kHolder].unit = "nightly.service";
  const std::vector<AllowRule> rules{{.exe = "/usr/bin/p2*", .path = "", .unit = ""},
                                     {.exe = "", .path = "/run/*.lock", .unit = ""},
                                     {.exe = "", .path = "", .unit = "nightly.*"},
                                     {.exe = "/usr/bin/p20", .path = "/run/app.lock", .unit = "nightly.service"}};
  for (const AllowRule& rule : rules) {
    thresholds.allowed = {rule};
    EXPECT_TRUE(innocent()) << rule.exe << rule.path << rule.unit;
  }
  for (const AllowRule& rule : std::vector<AllowRule>{{.exe = "/usr/bin/p1*", .path = "", .unit = ""},
                                                      {.exe = "/usr/bin/p20", .path = "/tmp/*", .unit = ""},
                                                      {.exe = "", .path = "", .unit = ""}}) {
    thresholds.allowed = {rule};
    EXPECT_FALSE(innocent()) << rule.exe << rule.path << rule.unit;
  }
  host.facts.processes[kHolder].exe.reset();
  thresholds.allowed = {{.exe = "*", .path = "", .unit = ""}};
  EXPECT_FALSE(innocent()) << "an unknown name matches nothing";
}

TEST_F(HijackDetected, NotIfAnAllowedProcessSharesIt) {
  host.know(21, 1001);
  add(21, "gzip");
  std::swap(look.sample.raw.threads[2], look.sample.raw.threads[3]);
  wait_for({kHolder, 21});
  EXPECT_FALSE(innocent());
  thresholds.allowed = {{.exe = "/usr/bin/p20", .path = "", .unit = ""}};
  EXPECT_TRUE(innocent());
}

TEST_F(HijackDetected, NotIfTheHolderWaitsForTheVictimsSide) {
  wait_for({kHolder});
  look.wait_for_flock(holder, 99, {kBystander});
  EXPECT_TRUE(innocent());
}

TEST_F(HijackDetected, IfTheHolderWaitsForItsOwn) {
  wait_for({kHolder});
  host.know(40, 1001);
  add(40, "friend");
  look.wait_for_flock(holder, 99, {40});
  EXPECT_FALSE(innocent());
}

TEST_F(HijackDetected, NotIfTheVictimsSideTookTheLockAndPassedItOn) {
  wait_for({kHolder});
  look.sample.raw.file_locks.front().locker = kBystander;
  EXPECT_TRUE(innocent());
  // It has ended, but was seen to take it.
  look.sample.raw.file_locks.front().locker = 31;
  host.grant(actor(31, 0));
  host.tick(look);
  for (int i = 0; i < 20; ++i) host.tick(look);
  EXPECT_TRUE(watched().empty());
}

TEST_F(HijackDetected, NotBeforeTheVictimsSideLetGo) {
  wait_for({kHolder});
  for (int i = 0; i < 6; ++i) host.tick(look);
  EXPECT_EQ(watched().size(), 1U);
  host.grant(actor(kBystander, 0), 1);
  host.tick(look);
  EXPECT_TRUE(watched().empty()) << "the wait is old, this holder is not";
  for (int i = 0; i < 11; ++i) host.tick(look);
  EXPECT_EQ(watched().size(), 1U);
}

TEST_F(HijackDetected, FailingTries) {
  look.hold_flock(kFile.ino, {kHolder});
  fail_for(12);
  const auto findings = watched();
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings[0].severity, Severity::critical);
  EXPECT_EQ(findings[0].confidence, Confidence::confirmed);
  EXPECT_TRUE(findings[0].waiters.empty());
  ASSERT_EQ(findings[0].failing.size(), 1U);
  EXPECT_EQ(findings[0].failing[0].tries, 60U);
  EXPECT_EQ(findings[0].holders, std::vector<pid_t>{kHolder});
  EXPECT_EQ(evidence_number(findings[0], "tries"), 60);
  EXPECT_NE(findings[0].summary.find("rotate (10, root) failed to get it 60 times"), std::string::npos);
}

TEST_F(HijackDetected, FailingTriesOfADaemonThatIsRestarted) {
  look.hold_flock(kFile.ino, {kHolder});
  host.facts.cgroups[5] = {.path = kBackup, .unit = "backup.service", .container = std::nullopt};
  for (pid_t pid = 1000; pid < 1012; ++pid) {
    host.fail(actor(pid, 0, "daemon", 5), 1);
    host.tick(look);
  }
  ASSERT_EQ(watched().size(), 1U);
  EXPECT_EQ(watched()[0].failing.size(), 1U);
  EXPECT_EQ(watched()[0].confidence, Confidence::confirmed);
  EXPECT_EQ(evidence_text(watched()[0], "victim_unit"), "backup.service");
}

TEST_F(HijackDetected, FailingTriesAgainstOneWhoTakesItAgainAndAgain) {
  for (int i = 0; i < 14; ++i) {
    host.grant(actor(kHolder, 1001), 1);
    look.sample.raw.file_locks_complete = true;
    fail_for(1);
  }
  const auto findings = watched();
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings[0].confidence, Confidence::likely);
  EXPECT_EQ(evidence_number(findings[0], "retaken"), 13);
  EXPECT_NE(findings[0].summary.find("keeps taking the flock"), std::string::npos);
}

TEST_F(HijackDetected, TriesThatFailForAMomentAreNone) {
  look.hold_flock(kFile.ino, {kHolder});
  fail_for(8);
  EXPECT_TRUE(watched().empty());
}

TEST_F(HijackDetected, TwoTriesAreNone) {
  look.hold_flock(kFile.ino, {kHolder});
  const auto fail_once = [&] {
    host.fail(actor(kVictim, 0, "rotate"), 1);
    host.tick(look);
  };
  fail_once();
  for (int i = 0; i < 12; ++i) host.tick(look);
  fail_once();
  EXPECT_TRUE(watched().empty());
  fail_once();
  EXPECT_FALSE(watched().empty());
}

TEST_F(HijackDetected, TriesOfOneWhoGetsItNowAndThenAreNone) {
  for (int i = 0; i < 40; ++i) {
    host.grant(actor(kHolder, 1001), 1);
    if (i % 4 == 0) host.grant(actor(kVictim, 0, "rotate"), 1);
    look.sample.raw.file_locks_complete = true;
    fail_for(1);
    EXPECT_TRUE(watched().empty());
  }
}

TEST_F(HijackDetected, TriesThatEndedAreNoNews) {
  look.hold_flock(kFile.ino, {kHolder});
  fail_for(12);
  host.tick(look);
  EXPECT_EQ(watched().size(), 1U);
  host.tick(look);
  EXPECT_TRUE(watched().empty());
}

TEST_F(HijackDetected, TriesAgainstTheVictimsOwnSideAreNone) {
  look.hold_flock(kFile.ino, {kBystander});
  fail_for(12);
  EXPECT_TRUE(watched().empty());
  // Nor does it count against who has it now.
  look.sample.raw.file_locks.clear();
  look.hold_flock(kFile.ino, {kHolder});
  fail_for(1);
  EXPECT_TRUE(watched().empty());
  fail_for(12);
  EXPECT_EQ(watched().size(), 1U);
}

TEST_F(HijackDetected, TriesWhereTheVictimsSideReadsTooAreNone) {
  look.hold_flock(kFile.ino, {kHolder}, false);
  look.hold_flock(kFile.ino, {kBystander}, false);
  fail_for(12);
  EXPECT_TRUE(watched().empty());
}

TEST_F(HijackDetected, TriesAreNoneWhereNotAllSharersAreInSight) {
  look.hold_flock(kFile.ino, {kHolder}).other_references = true;
  fail_for(12);
  EXPECT_TRUE(watched().empty());
  look.sample.raw.file_locks.front().other_references = false;
  look.sample.raw.file_locks_complete = false;
  fail_for(1);
  EXPECT_TRUE(watched().empty());
}

TEST_F(HijackDetected, TriesAgainstNobodyInSightAreNone) {
  look.sample.raw.file_locks_complete = true;
  fail_for(12);
  EXPECT_TRUE(watched().empty());
}

TEST_F(HijackDetected, TimedWaitsThatKeepEndingAreTries) {
  const auto w = look.wait_for_shared(victim, 0, holder);
  look.at(w).timed = true;
  look.at(w).blocked_ns = kTick / 4;
  const auto go_on = [&](int ticks, std::uint64_t acquired) {
    for (int i = 0; i < ticks; ++i) {
      look.at(w).fingerprint = host.now;
      WordWaits waits;
      waits.actor = actor(kVictim, 0, "rotate");
      waits.lock = kShared;
      waits.waits.abandoned = 1;
      waits.waits.acquired = acquired;
      waits.waits.first_abandoned_ns = waits.waits.last_abandoned_ns = host.soon();
      host.counted.words.push_back(waits);
      host.tick(look);
    }
  };
  go_on(12, 0);
  EXPECT_EQ(watched().size(), 1U);
  go_on(12, 1);
  EXPECT_TRUE(watched().empty()) << "woken by somebody who let go";
  host.table = LockTable();
  look.at(w).kind = LockKind::cond;
  go_on(12, 0);
  EXPECT_TRUE(watched().empty()) << "nobody holds a condition";
}

TEST_F(HijackDetected, TriesForAMutexWhoseMemoryNamesItsOwner) {
  const auto fail = [&](int ticks, pid_t owner) {
    for (int i = 0; i < ticks; ++i) {
      SharedLockUse tries;
      tries.actor = actor(kVictim, 0, "rotate");
      tries.place = kShared;
      tries.failed = 5;
      tries.first_failed_ns = host.soon(1);
      tries.last_failed_ns = host.soon(kTick - 1);
      tries.owner = owner;
      host.counted.shared_locks.push_back(tries);
      host.tick(look);
    }
  };
  fail(12, 0);
  EXPECT_TRUE(watched().empty()) << "nobody knows who holds it";
  fail(12, kBystander);
  EXPECT_TRUE(watched().empty()) << "the victim's own side";
  fail(1, kHolder);
  EXPECT_TRUE(watched().empty()) << "only since now";
  fail(12, kHolder);
  ASSERT_EQ(watched().size(), 1U);
  EXPECT_EQ(evidence_text(watched()[0], "holder_known_by"), "memory");
}

}  // namespace
}  // namespace lockscope::test
