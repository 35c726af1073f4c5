// SPDX-License-Identifier: Apache-2.0
// Who the processes are and where their lock files lie: what a judgement of trust needs beside the locks themselves.
// Gathered once a tick by src/app/ from src/attribution/, for the processes and files that a finding may name; recorded
// with the tick, so that a replay judges by the same facts. Plain values; absent is unknown. Strings are hostile.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "lockscope/ids.h"

namespace lockscope {

struct ProcessFacts {
  std::uint64_t start_ns = 0;  // of the group leader: another start is another process
  std::optional<std::uint32_t> uid;
  std::optional<std::string> user;
  std::optional<std::uint64_t> user_namespace;  // inode number
  std::optional<std::string> exe;
  std::optional<std::string> cgroup;
  std::optional<std::string> unit;
  std::optional<std::string> container;
  friend bool operator==(const ProcessFacts&, const ProcessFacts&) = default;
};

// Of a cgroup whose processes may all have ended.
struct CgroupFacts {
  std::string path;
  std::optional<std::string> unit;
  std::optional<std::string> container;
  friend bool operator==(const CgroupFacts&, const CgroupFacts&) = default;
};

struct Permissions {
  std::uint32_t mode = 0;  // st_mode: type and permission bits, sticky bit included
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  bool acl = false;  // has a POSIX access list, which the mode alone does not tell
  friend bool operator==(const Permissions&, const Permissions&) = default;
};

// Where a lock lies in the file system. What others need to reach it is as lockscope sees it, in the mount namespace of
// the host, where the file has a name there: /tmp of a service with PrivateTmp= is a folder that only root may enter.
struct PlaceFacts {
  std::string path;            // as the process names it
  bool own_namespace = false;  // has no name on the host: the directories are those of the process' own root
  Permissions file;
  bool unlinked = false;                    // has no name any more
  std::optional<std::uint64_t> created_ns;  // birth time, time of day; where the file system keeps it
  struct Directory {
    std::string path;
    Permissions permissions;
    friend bool operator==(const Directory&, const Directory&) = default;
  };
  std::vector<Directory> directories;  // from the root down to the file's own
  friend bool operator==(const PlaceFacts&, const PlaceFacts&) = default;
};

// The accounts that are known to be members of a group, root left out.
struct GroupFacts {
  std::optional<std::string> name;
  std::vector<std::uint32_t> members;  // ascending
  friend bool operator==(const GroupFacts&, const GroupFacts&) = default;
};

struct HostFacts {
  std::map<pid_t, ProcessFacts> processes;
  std::map<std::uint64_t, CgroupFacts> cgroups;  // by id
  std::map<FileId, PlaceFacts> places;
  std::map<std::string, PlaceFacts> named_places;  // of failed creates, by absolute path
  std::map<std::uint32_t, std::string> users;
  std::map<std::uint32_t, GroupFacts> groups;  // of places
  // Files of /dev/shm and the processes of root and system users that map them. Only where asked for.
  std::map<FileId, std::vector<pid_t>> shared_memory;
  std::uint64_t host_user_namespace = 0;    // of lockscope itself; 0: unknown
  std::uint32_t first_ordinary_uid = 1000;  // UID_MIN of login.defs: below are root and system users
  friend bool operator==(const HostFacts&, const HostFacts&) = default;
};

}  // namespace lockscope
