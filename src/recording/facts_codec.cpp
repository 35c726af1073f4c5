// SPDX-License-Identifier: Apache-2.0
#include "recording/facts_codec.h"

#include "recording/field_codecs.h"

namespace lockscope {
namespace {

void code_text(auto& c, auto& text) {
  c.maybe(text, [&](auto& known) { c.text(known); });
}

// Every structure is taken apart by name: a field that is added is an error here until it is recorded.
void code(auto& c, Is<ProcessFacts> auto& process) {
  auto& [start_ns, uid, user, user_namespace, exe, cgroup, unit, container] = process;
  c.natural(start_ns);
  c.maybe(uid, [&](auto& number) { c.natural(number); });
  code_text(c, user);
  c.maybe(user_namespace, [&](auto& inode) { c.natural(inode); });
  for (auto* text : {&exe, &cgroup, &unit, &container}) code_text(c, *text);
}

void code(auto& c, Is<CgroupFacts> auto& cgroup) {
  auto& [path, unit, container] = cgroup;
  c.text(path);
  code_text(c, unit);
  code_text(c, container);
}

void code(auto& c, Is<Permissions> auto& permissions) {
  auto& [mode, uid, gid, acl] = permissions;
  c.natural(mode);
  c.natural(uid);
  c.natural(gid);
  c.flags(acl);
}

void code(auto& c, Is<PlaceFacts> auto& place) {
  auto& [path, own_namespace, file, unlinked, created_ns, directories] = place;
  c.text(path);
  c.flags(own_namespace, unlinked);
  code(c, file);
  c.maybe(created_ns, [&](auto& ns) { c.natural(ns); });
  c.list(directories, [&](auto& directory, const PlaceFacts::Directory&) {
    auto& [name, permissions] = directory;
    c.text(name);
    code(c, permissions);
  });
}

void code(auto& c, Is<GroupFacts> auto& group) {
  auto& [name, members] = group;
  code_text(c, name);
  c.list(members, [&](auto& uid, const std::uint32_t before) { c.near(uid, before); });
}

void code_all(auto& c, Is<HostFacts> auto& facts) {
  auto& [processes, cgroups, places, named_places, users, groups, shared_memory, host_user_namespace,
         first_ordinary_uid] = facts;
  c.map(processes, [&](auto& pid, auto& process, const pid_t before) {
    code_pid(c, pid, before);
    code(c, process);
  });
  c.map(cgroups, [&](auto& id, auto& cgroup, const std::uint64_t before) {
    c.near(id, before);
    code(c, cgroup);
  });
  c.map(places, [&](auto& file, auto& place, const FileId& before) {
    lockscope::code(c, file, before);
    code(c, place);
  });
  c.map(named_places, [&](auto& path, auto& place, const auto&) {
    c.text(path);
    code(c, place);
  });
  c.map(users, [&](auto& uid, auto& name, const std::uint32_t before) {
    c.near(uid, before);
    c.text(name);
  });
  c.map(groups, [&](auto& gid, auto& group, const std::uint32_t before) {
    c.near(gid, before);
    code(c, group);
  });
  c.map(shared_memory, [&](auto& file, auto& processes_of, const FileId& before) {
    lockscope::code(c, file, before);
    c.list(processes_of, [&](auto& pid, const pid_t last) { code_pid(c, pid, last); });
  });
  c.natural(host_user_namespace);
  c.natural(first_ordinary_uid);
}

}  // namespace

void encode_facts(ByteEncoder& codec, const HostFacts& facts) { code_all(codec, facts); }
void decode_facts(ByteDecoder& codec, HostFacts& facts) { code_all(codec, facts); }

}  // namespace lockscope
