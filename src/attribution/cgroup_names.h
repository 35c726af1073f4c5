// SPDX-License-Identifier: Apache-2.0
// What the name of a cgroup tells: the systemd unit and the container of its processes. Pure parsers over text of
// /proc/PID/cgroup. Names are chosen by whoever may create cgroups (a user manager below user@N.service, a container
// below its own scope): good for telling people where a process belongs, never for deciding what it may do.
// For src/attribution; well under a microsecond each. Results point into the text given unless they are strings.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace lockscope {

// The path that says most: the unified hierarchy, unless it is the root there and the systemd hierarchy of a hybrid or
// legacy host, or else any other controller, says more. Absent: no line is understood.
[[nodiscard]] std::optional<std::string> cgroup_of(std::string_view proc_cgroup);

// The innermost component that is the name of a service, scope, socket, mount or swap unit, as it stands there (\x2d
// and all); else the innermost slice. So a user's unit comes before the user@N.service around it.
[[nodiscard]] std::optional<std::string> unit_of(std::string_view cgroup);

// The innermost container, as its own tools call it: the first 12 digits of a 64-digit id (docker ps, podman ps,
// crictl ps), the name for LXC and systemd-nspawn. The monitors of containers (conmon, lxc.monitor, the nspawn
// supervisor) are outside of them; a virtual machine is not one.
// Known: docker, containerd (also below Kubernetes with either cgroup driver, ECS, nerdctl), CRI-O, podman, LXC,
// nspawn.
[[nodiscard]] std::optional<std::string> container_of(std::string_view cgroup);

}  // namespace lockscope
