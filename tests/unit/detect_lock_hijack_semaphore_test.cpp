// SPDX-License-Identifier: Apache-2.0
// lock_hijack of semaphores: a lock to some, a signal to others, and only its use tells which.
#include "hijack_scene.h"

namespace lockscope::test {
namespace {

class SemaphoreHijack : public HijackDetected {
 protected:
  SharedLockUse use(pid_t pid, std::uint32_t uid, std::uint64_t acquired, std::uint64_t released) {
    SharedLockUse made;
    made.actor = actor(pid, uid);
    made.place = kShared;
    made.semaphore = true;
    made.acquired = acquired;
    made.released = released;
    if (acquired > 0) made.last_acquired_ns = host.soon();
    if (released > 0) made.last_released_ns = host.soon();
    return made;
  }
  void block_for(int ticks) {
    const auto w = look.wait_for_shared(victim, 0, holder);
    look.at(w).kind = LockKind::sem;
    look.at(w).obstacles.clear();
    look.at(w).blocked_ns = 0;
    for (int i = 0; i < ticks; ++i) host.tick(look);
  }
};

TEST_F(SemaphoreHijack, ByWhoTookItAndDidNotPost) {
  host.counted.shared_locks = {use(kVictim, 0, 5, 5), use(kHolder, 1001, 1, 0)};
  block_for(13);
  ASSERT_EQ(watched().size(), 1U);
  EXPECT_EQ(watched()[0].confidence, Confidence::confirmed);
  EXPECT_EQ(evidence_text(watched()[0], "holder_known_by"), "traced");
}

TEST_F(SemaphoreHijack, OnlyLikelyIfNobodyWasSeenToUseItAsALock) {
  host.counted.shared_locks = {use(kHolder, 1001, 1, 0)};
  block_for(13);
  ASSERT_EQ(watched().size(), 1U);
  EXPECT_EQ(watched()[0].confidence, Confidence::likely);
}

TEST_F(SemaphoreHijack, FailingTries) {
  host.counted.shared_locks = {use(kVictim, 0, 1, 1), use(kHolder, 1001, 1, 0)};
  host.tick(look);
  for (int i = 0; i < 13; ++i) {
    SharedLockUse tries = use(kVictim, 0, 0, 0);
    tries.failed = 3;
    tries.first_failed_ns = host.soon(1);
    tries.last_failed_ns = host.soon(9);
    host.counted.shared_locks = {tries};
    host.tick(look);
  }
  EXPECT_EQ(watched().size(), 1U);
}

TEST_F(SemaphoreHijack, NotWithoutEvidenceOfAHolder) {
  block_for(13);
  EXPECT_TRUE(watched().empty());
}

TEST_F(SemaphoreHijack, NotIfItIsASignal) {
  host.counted.shared_locks = {use(kHolder, 1001, 3, 0), use(kBystander, 0, 0, 3)};
  block_for(13);
  EXPECT_TRUE(watched().empty()) << "one takes what the other posts";
  host.table = LockTable();
  host.counted.shared_locks = {use(kHolder, 1001, 1, 0), use(kBystander, 0, 0, 2)};
  for (int i = 0; i < 13; ++i) host.tick(look);
  EXPECT_TRUE(watched().empty());
}

TEST_F(SemaphoreHijack, NotAConsumerOfMany) {
  host.counted.shared_locks = {use(kHolder, 1001, 3, 0)};
  block_for(13);
  EXPECT_TRUE(watched().empty());
}

TEST_F(SemaphoreHijack, NotIfItWasPostedAgain) {
  host.counted.shared_locks = {use(kHolder, 1001, 1, 1), use(kVictim, 0, 1, 1)};
  block_for(13);
  EXPECT_TRUE(watched().empty());
}

TEST_F(SemaphoreHijack, NotIfTheVictimsSideHasATokenToo) {
  host.counted.shared_locks = {use(kHolder, 1001, 1, 0), use(kBystander, 0, 2, 1)};
  block_for(13);
  EXPECT_TRUE(watched().empty());
}

}  // namespace
}  // namespace lockscope::test
