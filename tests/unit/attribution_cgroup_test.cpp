// SPDX-License-Identifier: Apache-2.0
// Paths as they are found on real hosts, and paths that only look like them.
#include "attribution/cgroup_names.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>

namespace lockscope {
namespace {

using Maybe = std::optional<std::string>;

const std::string kId = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const std::string kOther = "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210";
const Maybe kShort = "0123456789ab";
const Maybe kNone;

struct Case {
  std::string cgroup;
  Maybe unit;
  Maybe container;
};

TEST(CgroupNames, OfRealHosts) {
  const Case cases[] = {
      {"/", kNone, kNone},
      {"", kNone, kNone},
      {"/init.scope", "init.scope", kNone},
      {"/system.slice", "system.slice", kNone},
      {"/system.slice/ssh.service", "ssh.service", kNone},
      {"/system.slice/redis-server@a.service", "redis-server@a.service", kNone},
      {"/system.slice/system-getty.slice/getty@tty1.service", "getty@tty1.service", kNone},
      {"/system.slice/postgresql@15-main.service/worker/3", "postgresql@15-main.service", kNone},
      {"/system.slice/cups.socket", "cups.socket", kNone},
      {"/system.slice/var-lib-machines.mount", "var-lib-machines.mount", kNone},
      {"/system.slice/_cpu.service", "cpu.service", kNone},
      {"/user.slice/user-1000.slice/session-3.scope", "session-3.scope", kNone},
      {"/user.slice/user-1000.slice/user@1000.service/init.scope", "init.scope", kNone},
      {"/user.slice/user-1000.slice/user@1000.service/app.slice/app-gnome\\x2dterminal-42.scope",
       "app-gnome\\x2dterminal-42.scope", kNone},
      {"/user.slice/user-1000.slice/user@1000.service", "user@1000.service", kNone},
      {"/../../system.slice/ssh.service", "ssh.service", kNone},
      // docker: systemd driver, cgroupfs driver, systemd inside the container
      {"/system.slice/docker-" + kId + ".scope", "docker-" + kId + ".scope", kShort},
      {"/docker/" + kId, kNone, kShort},
      {"/docker/" + kId + "/init", kNone, kShort},
      {"/system.slice/docker-" + kId + ".scope/system.slice/nginx.service", "nginx.service", kShort},
      {"/docker/" + kOther + "/docker/" + kId, kNone, kShort},
      // Kubernetes
      {"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1a2b_3c.slice/cri-containerd-" + kId + ".scope",
       "cri-containerd-" + kId + ".scope", kShort},
      {"/kubepods/besteffort/pod1a2b3c4d-0000-1111-2222-333344445555/" + kId, kNone, kShort},
      {"/kubepods.slice/kubepods-pod1a2b.slice/crio-" + kId + ".scope/container", "crio-" + kId + ".scope", kShort},
      {"/system.slice/containerd.service/kubepods-burstable-pod1a2b.slice:cri-containerd:" + kId, "containerd.service",
       kShort},
      {"/docker/" + kOther + "/kubelet.slice/kubelet-kubepods.slice/cri-containerd-" + kId + ".scope",
       "cri-containerd-" + kId + ".scope", kShort},
      // podman, root and rootless
      {"/machine.slice/libpod-" + kId + ".scope/container", "libpod-" + kId + ".scope", kShort},
      {"/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" + kId + ".scope", "libpod-" + kId + ".scope",
       kShort},
      {"/libpod_parent/libpod-" + kId, kNone, kShort},
      {"/ecs/7d1f0e6e5b0a4e0d/" + kId, kNone, kShort},
      // LXC and nspawn
      {"/lxc/web", kNone, "web"},
      {"/lxc/101/ns/init.scope", "init.scope", "101"},
      {"/lxc.payload.web/system.slice/ssh.service", "ssh.service", "web"},
      {"/lxc.payload/web/init.scope", "init.scope", "web"},
      {"/machine.slice/systemd-nspawn@deb12.service/payload/init.scope", "init.scope", "deb12"},
      {"/machine.slice/systemd-nspawn@deb12.service", "systemd-nspawn@deb12.service", "deb12"},
      {"/machine.slice/machine-my\\x2dbox.scope/payload", "machine-my\\x2dbox.scope", "my-box"},
      {"/lxc/web/docker/" + kId, kNone, kShort},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(unit_of(c.cgroup), c.unit) << c.cgroup;
    EXPECT_EQ(container_of(c.cgroup), c.container) << c.cgroup;
  }
}

TEST(CgroupNames, NotOfAContainer) {
  const std::string cgroups[] = {
      "/system.slice/docker.service",
      "/system.slice/containerd.service",
      "/docker",
      "/docker/buildx",
      "/machine.slice/libpod-conmon-" + kId + ".scope",
      "/kubepods.slice/crio-conmon-" + kId + ".scope",
      "/system.slice/docker-" + kId.substr(1) + ".scope",
      "/system.slice/docker-" + kId + "0.scope",
      "/system.slice/docker-" + std::string(64, 'g') + ".scope",
      "/system.slice/docker-" + std::string(64, 'A') + ".scope",
      "/docker/" + kId.substr(0, 12),
      "/" + kId,
      "/builds/" + kId,
      "/kubepods/besteffort/pod1a2b3c4d",
      "/kubepods.slice/kubepods-burstable.slice",
      "/slice:" + kId,
      "/lxc",
      "/lxc.monitor.web",
      "/lxc.payload.",
      "/lxcfs/web",
      "/machine.slice/systemd-nspawn@deb12.service/supervisor",
      "/machine.slice/systemd-nspawn@.service",
      "/machine.slice/machine-qemu\\x2d1\\x2dvm.scope/libvirt/vcpu0",
      "/machine.slice/machine-.scope",
      "/system.slice/machine.service",
  };
  for (const std::string& cgroup : cgroups) EXPECT_EQ(container_of(cgroup), kNone) << cgroup;
}

TEST(CgroupNames, NotAUnit) {
  for (const std::string& cgroup :
       {std::string("/docker/abc"), std::string("/.service"), std::string("/foo.services"), std::string("/foo.timer"),
        std::string("/my service.service"), std::string("/a\x1b[31m.service"), std::string("/\xff.scope"),
        "/" + std::string(300, 'a') + ".service", std::string("/service"), std::string("/_.slice")}) {
    EXPECT_EQ(unit_of(cgroup), kNone) << cgroup;
  }
}

TEST(CgroupNames, EscapesOfMachinesMayBeBroken) {
  EXPECT_EQ(container_of("/machine-a\\x2.scope"), "a\\x2");
  EXPECT_EQ(container_of("/machine-a\\xzz.scope"), "a\\xzz");
  EXPECT_EQ(container_of("/machine-a\\x1bb.scope"), "a\\x1bb");  // no control characters are made
  EXPECT_EQ(container_of("/machine-a\\x.scope"), "a\\x");
}

TEST(CgroupFile, PrefersWhatSaysMost) {
  EXPECT_EQ(cgroup_of("0::/system.slice/ssh.service\n"), "/system.slice/ssh.service");
  EXPECT_EQ(cgroup_of("0::/\n"), "/");
  // hybrid: the unified hierarchy is there
  EXPECT_EQ(cgroup_of("12:pids:/a\n1:name=systemd:/b.service\n0::/c.service\n"), "/c.service");
  // hybrid: all in the root of the unified hierarchy
  EXPECT_EQ(cgroup_of("12:pids:/a\n1:name=systemd:/b.service\n0::/\n"), "/b.service");
  // legacy without systemd: docker on Alpine
  EXPECT_EQ(cgroup_of("4:cpu,cpuacct:/docker/x\n3:memory:/docker/x\n2:cpuset:/\n"), "/docker/x");
  EXPECT_EQ(cgroup_of("4:cpu:/\n3:memory:/only/here\n0::/\n"), "/only/here");
  EXPECT_EQ(cgroup_of("9:name=systemd:/\n8:pids:/\n0::/\n"), "/");
  EXPECT_EQ(cgroup_of("0::/gone.scope (deleted)\n"), "/gone.scope");
  EXPECT_EQ(cgroup_of("0::/with:colon/x"), "/with:colon/x");
}

TEST(CgroupFile, AnswersNothingForNonsense) {
  for (const char* text : {"", "\n\n", "0", "0:", "0::", "0::relative\n", "nonsense", "::", "0:/\n"}) {
    EXPECT_EQ(cgroup_of(text), kNone) << text;
  }
}

}  // namespace
}  // namespace lockscope
