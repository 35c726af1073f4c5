// SPDX-License-Identifier: Apache-2.0
// Domains of trust: who may be suspected of keeping whom from a lock.
#include <gtest/gtest.h>

#include "model/trust.h"

namespace lockscope {
namespace {

constexpr std::uint64_t kHost = 1;
constexpr std::uint64_t kOther = 2;

HostFacts host() {
  HostFacts facts;
  facts.host_user_namespace = kHost;
  return facts;
}

ProcessFacts process(std::uint32_t uid) {
  ProcessFacts facts;
  facts.uid = uid;
  facts.user_namespace = kHost;
  return facts;
}
ProcessFacts in_unit(std::uint32_t uid, const std::string& cgroup, const std::string& unit) {
  ProcessFacts facts = process(uid);
  facts.cgroup = cgroup;
  facts.unit = unit;
  return facts;
}
ProcessFacts in_container(std::uint32_t uid, const std::string& container) {
  ProcessFacts facts = process(uid);
  facts.container = container;
  return facts;
}
ProcessFacts in_namespace(std::uint32_t uid, std::uint64_t space) {
  ProcessFacts facts = process(uid);
  facts.user_namespace = space;
  return facts;
}

Domain domain(const ProcessFacts& process) {
  HostFacts facts;
  facts.processes[1] = process;
  return domain_of(facts, 1, process.start_ns, std::nullopt);
}
TrustGap gap(const ProcessFacts& holder, const ProcessFacts& victim) {
  return compare_trust(host(), domain(holder), domain(victim));
}

void expect_less(const ProcessFacts& holder, const ProcessFacts& victim, Severity severity) {
  EXPECT_EQ(gap(holder, victim).trust, Trust::less_trusted);
  EXPECT_EQ(gap(holder, victim).severity(), severity);
  EXPECT_TRUE(gap(holder, victim).outsider());
  EXPECT_EQ(gap(victim, holder).trust, Trust::more_trusted);
  EXPECT_FALSE(gap(victim, holder).outsider());
}
void expect_peers(const ProcessFacts& a, const ProcessFacts& b, Severity severity = Severity::warning) {
  EXPECT_EQ(gap(a, b).trust, Trust::peers);
  EXPECT_EQ(gap(a, b).severity(), severity);
  EXPECT_EQ(gap(b, a).trust, Trust::peers);
}
void expect_same(const ProcessFacts& a, const ProcessFacts& b) {
  EXPECT_EQ(gap(a, b).trust, Trust::same);
  EXPECT_EQ(gap(b, a).trust, Trust::same);
  EXPECT_EQ(gap(a, b).distance, 0);
}

TEST(Trust, UsersHaveThreeRanks) {
  expect_less(process(1001), process(0), Severity::critical);
  expect_less(process(1001), process(33), Severity::critical);
  expect_less(process(33), process(0), Severity::critical);
  expect_peers(process(1001), process(1002));
  expect_peers(process(33), process(34));
  expect_same(process(1001), process(1001));
}

TEST(Trust, TheConfinedIsLessTrustedWhateverItsUid) {
  expect_less(in_container(0, "c1"), process(0), Severity::critical);
  expect_less(in_container(0, "c1"), process(1001), Severity::warning);
  expect_less(in_namespace(100000, kOther), process(33), Severity::critical);
  expect_less(in_namespace(1001, kOther), process(1001), Severity::warning);
  expect_peers(in_container(0, "c1"), in_container(0, "c2"));
  expect_less(in_container(1001, "c1"), in_container(0, "c1"), Severity::critical);
  expect_same(in_container(0, "c1"), in_container(0, "c1"));
}

TEST(Trust, MappedUidsHaveNoRank) {
  EXPECT_EQ(gap(in_namespace(100000, kOther), in_namespace(101000, kOther)).trust, Trust::unknown);
  EXPECT_EQ(gap(in_namespace(101000, kOther), in_namespace(100000, kOther)).trust, Trust::unknown);
  expect_same(in_namespace(100000, kOther), in_namespace(100000, kOther));
  expect_peers(in_namespace(100000, kOther), in_namespace(200000, 3));
}

TEST(Trust, NamespacesWithinOneContainerMayBeNested) {
  ProcessFacts outer = in_namespace(100000, kOther), inner = in_namespace(100001, 3);
  outer.container = inner.container = "c1";
  EXPECT_EQ(gap(outer, inner).trust, Trust::unknown);
  expect_less(inner, in_container(0, "c1"), Severity::critical);
}

TEST(Trust, UnitsOfOneUserArePeers) {
  const auto a = in_unit(0, "/system.slice/a.service", "a.service");
  const auto b = in_unit(0, "/system.slice/b.service", "b.service");
  expect_peers(a, b);
  expect_same(a, a);
  expect_peers(a, in_unit(0, "/user.slice/user-0.slice/session-3.scope", "session-3.scope"));
}

TEST(Trust, AUserIsOneDomainOverSessionsAndScopes) {
  const std::string slice = "/user.slice/user-1001.slice/";
  const auto session = in_unit(1001, slice + "session-1.scope", "session-1.scope");
  const auto other_session = in_unit(1001, slice + "session-22.scope", "session-22.scope");
  const auto manager = in_unit(1001, slice + "user@1001.service/init.scope", "user@1001.service");
  const auto scope = in_unit(1001, slice + "user@1001.service/app.slice/vte-1.scope", "vte-1.scope");
  const auto service = in_unit(1001, slice + "user@1001.service/app.slice/x.service", "x.service");
  const auto other_service = in_unit(1001, slice + "user@1001.service/app.slice/y.service", "y.service");
  for (const auto& a : {session, other_session, manager, scope, service}) {
    for (const auto& b : {session, other_session, manager, scope, service}) expect_same(a, b);
  }
  expect_peers(service, other_service);
}

TEST(Trust, SlicesAndInitAreNoUnits) {
  const auto a = in_unit(0, "/system.slice/a.service", "a.service");
  expect_same(a, in_unit(0, "/init.scope", "init.scope"));
  expect_same(a, in_unit(0, "/system.slice", "system.slice"));
}

TEST(Trust, AUnitOfTheSystemIsWorthMoreThanALogin) {
  const auto service = in_unit(1001, "/system.slice/backup.service", "backup.service");
  const auto cron_job = in_unit(1002, "/system.slice/cron.service", "cron.service");
  const auto login = in_unit(1002, "/user.slice/user-1002.slice/session-3.scope", "session-3.scope");
  EXPECT_EQ(gap(login, service).severity(), Severity::critical);
  EXPECT_EQ(gap(service, login).severity(), Severity::warning);
  EXPECT_EQ(gap(cron_job, service).severity(), Severity::warning);
  // A user names the units of his own manager.
  const auto named_like_one =
      in_unit(1001, "/user.slice/user-1001.slice/user@1001.service/app.slice/backup.service", "backup.service");
  EXPECT_EQ(gap(login, named_like_one).severity(), Severity::warning);
}

TEST(Trust, WhatIsNotKnownMakesNoDifference) {
  const auto with_unit = in_unit(0, "/system.slice/a.service", "a.service");
  expect_same(with_unit, process(0));
  ProcessFacts without_uid;
  EXPECT_EQ(gap(without_uid, process(0)).trust, Trust::unknown);
  EXPECT_EQ(gap(process(1001), without_uid).trust, Trust::unknown);

  const HostFacts facts = host();
  const Domain only_uid = domain_of(facts, 5, 5, 0);
  EXPECT_FALSE(only_uid.known);
  // It may be in the same container.
  EXPECT_EQ(compare_trust(facts, domain(in_container(0, "c1")), only_uid).trust, Trust::unknown);
  EXPECT_EQ(compare_trust(facts, domain_of(facts, 5, 5, 1001), domain(in_container(0, "c1"))).trust, Trust::unknown);
  // A mapped uid is nobody's root.
  EXPECT_EQ(compare_trust(facts, domain(in_namespace(100000, kOther)), only_uid).trust, Trust::less_trusted);

  HostFacts nested;  // lockscope does not know the namespace of the host
  EXPECT_EQ(compare_trust(nested, domain(in_namespace(0, kOther)), domain(process(0))).trust, Trust::unknown);
}

TEST(Trust, FactsOfAnotherProcessOfThatNumberAreNotBelieved) {
  HostFacts facts = host();
  facts.processes[5] = process(0);
  facts.processes[5].start_ns = 70;
  EXPECT_EQ(domain_of(facts, 5, 70, 1001).uid, 0U);
  EXPECT_EQ(domain_of(facts, 5, 71, 1001).uid, 1001U);
}

TEST(Trust, WhoHasEndedIsKnownByItsCgroup) {
  HostFacts facts = host();
  facts.cgroups[9] = {.path = "/system.slice/a.service", .unit = "a.service", .container = std::nullopt};
  const Actor gone{.pid = 5, .start_ns = 5, .uid = 0, .cgroup = 9, .comm = "a"};
  EXPECT_TRUE(domain_of(facts, gone).known);
  EXPECT_EQ(domain_of(facts, gone).unit, "a.service");
  Actor unknown = gone;
  unknown.cgroup = 10;
  EXPECT_FALSE(domain_of(facts, unknown).known);
}

}  // namespace
}  // namespace lockscope
