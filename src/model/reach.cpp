// SPDX-License-Identifier: Apache-2.0
#include "model/reach.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <set>
#include <string_view>

namespace lockscope {
namespace {

constexpr std::uint32_t kRead = 4;
constexpr std::uint32_t kWrite = 2;
constexpr std::uint32_t kPass = 1;

// One of those who may come, and what the mode gives them.
struct Party {
  Way::Who who = Way::Who::anyone;
  std::uint32_t id = 0;

  // The rwx bits of this party: an owner's are all; what a list gives is bounded by the group's, which are its mask.
  [[nodiscard]] std::uint32_t bits(const Permissions& p) const {
    const std::uint32_t other = p.mode & 7;
    const std::uint32_t group = p.mode >> 3 & 7;
    switch (who) {
      case Way::Who::anyone: return other;
      case Way::Who::group: return p.gid != id ? other : p.acl ? 0 : group;
      case Way::Who::owner: return p.uid == id ? 7 : other;
      case Way::Who::listed: return p.acl ? group | other : other;
    }
    std::abort();
  }
  [[nodiscard]] bool owns(const Permissions& p) const { return who == Way::Who::owner && p.uid == id; }
};

bool is_open_to(const Party& party, const Permissions& file, NeededRight needed) {
  const std::uint32_t bits = party.bits(file);
  switch (needed) {
    case NeededRight::open: return (bits & (kRead | kWrite)) != 0;
    case NeededRight::write: return (bits & kWrite) != 0;
  }
  std::abort();
}

const char* name_right(std::uint32_t bits) {
  return (bits & kRead) != 0 && (bits & kWrite) != 0 ? "read and write" : (bits & kWrite) != 0 ? "write" : "read";
}

// Which object makes the difference between this party and everybody: the file, else the directory that lets it pass.
const PlaceFacts::Directory* directory_that_admits(const PlaceFacts& place, const Party& party) {
  const Party anyone;
  for (const PlaceFacts::Directory& directory : place.directories) {
    if ((anyone.bits(directory.permissions) & kPass) == 0 && (party.bits(directory.permissions) & kPass) != 0) {
      return &directory;
    }
  }
  return nullptr;
}

std::string subject(const Party& party) {
  switch (party.who) {
    case Way::Who::anyone: return "any user";
    case Way::Who::group: return "a member of group " + std::to_string(party.id);
    case Way::Who::owner: return "user " + std::to_string(party.id);
    case Way::Who::listed: return "whoever its access list names";
  }
  std::abort();
}

Way way(const Party& party, Way::Right right, const std::string& through, const Permissions& permissions) {
  Way made;
  made.who = party.who;
  made.id = party.id;
  made.right = right;
  made.through = through;
  made.mode = permissions.mode & 07777;
  return made;
}

std::optional<Way> way_to_take(const PlaceFacts& place, const Party& party, NeededRight needed) {
  if (!is_open_to(party, place.file, needed)) return std::nullopt;
  const Party anyone;
  const bool by_file = party.who == Way::Who::anyone || !is_open_to(anyone, place.file, needed);
  const PlaceFacts::Directory* gate = by_file ? nullptr : directory_that_admits(place, party);
  if (!by_file && gate == nullptr) return std::nullopt;  // no more than everybody
  Way made = way(party, Way::Right::take, by_file ? place.path : gate->path, by_file ? place.file : gate->permissions);
  made.by_writing = (party.bits(place.file) & kWrite) != 0;
  const std::string mode = name_mode(place.file.mode);
  if (party.owns(place.file)) {
    made.explanation = subject(party) + " owns it (mode " + mode + ")";
  } else {
    made.explanation = subject(party) + " may " + name_right(party.bits(place.file)) + " it (mode " + mode + ")";
    if (gate != nullptr) {
      made.explanation += ", and enter " + gate->path + " (mode " + name_mode(gate->permissions.mode) + ")";
    }
  }
  return made;
}

// What lies in `directory` on the way to the file: the next directory, or the file itself.
const Permissions& entry_of(const PlaceFacts& place, std::size_t directory) {
  return directory + 1 < place.directories.size() ? place.directories[directory + 1].permissions : place.file;
}

std::optional<Way> way_by_directory(const PlaceFacts& place, const Party& party, std::size_t index) {
  const PlaceFacts::Directory& directory = place.directories[index];
  const std::uint32_t bits = party.bits(directory.permissions);
  if ((bits & (kWrite | kPass)) != (kWrite | kPass)) return std::nullopt;
  const bool last = index + 1 == place.directories.size();
  const bool sticky = (directory.permissions.mode & S_ISVTX) != 0;
  const bool may_remove = !sticky || party.owns(directory.permissions) || party.owns(entry_of(place, index));
  if (!may_remove && !last) return std::nullopt;  // the directory below is there, and stays
  Way made =
      way(party, may_remove ? Way::Right::replace : Way::Right::pre_create, directory.path, directory.permissions);
  const std::string mode = " (mode " + name_mode(directory.permissions.mode) + ")";
  if (party.owns(directory.permissions)) {
    made.explanation = subject(party) + " owns " + directory.path + mode + " and may put another file in its place";
  } else if (may_remove) {
    made.explanation = subject(party) + " may write to " + directory.path + mode + " and put another file in its place";
  } else {
    made.explanation =
        subject(party) + " may write to " + directory.path + mode + " and make it first, when it is missing";
  }
  return made;
}

void add_ways_of(const PlaceFacts& place, NeededRight needed, const Party& party, std::vector<Way>& ways) {
  std::optional<Way> replace;
  std::optional<Way> pre_create;
  for (std::size_t i = 0; i < place.directories.size(); ++i) {
    // Without the right to pass, nothing below can be reached.
    if ((party.bits(place.directories[i].permissions) & kPass) == 0) {
      if (replace) ways.push_back(*replace);
      return;
    }
    if (auto found = way_by_directory(place, party, i)) {
      auto& slot = found->right == Way::Right::replace ? replace : pre_create;
      if (!slot) slot = std::move(found);
    }
  }
  if (auto take = way_to_take(place, party, needed)) {
    ways.push_back(std::move(*take));
  } else if (replace) {
    ways.push_back(*replace);
  } else if (pre_create) {
    ways.push_back(*pre_create);
  }
}

std::vector<Party> parties_of(const PlaceFacts& place) {
  std::set<std::uint32_t> groups;
  std::set<std::uint32_t> owners;
  bool lists = false;
  const auto add = [&](const Permissions& p) {
    groups.insert(p.gid);
    if (p.uid != 0) owners.insert(p.uid);
    lists = lists || p.acl;
  };
  for (const PlaceFacts::Directory& directory : place.directories) add(directory.permissions);
  add(place.file);
  std::vector<Party> parties{{Way::Who::anyone, 0}};
  for (const std::uint32_t group : groups) parties.push_back({Way::Who::group, group});
  for (const std::uint32_t owner : owners) parties.push_back({Way::Who::owner, owner});
  if (lists) parties.push_back({Way::Who::listed, 0});
  return parties;
}

// A socket cannot be opened by its name; a directory, device or FIFO can.
bool can_be_opened(const PlaceFacts& place) {
  return !place.unlinked && !place.own_namespace && (place.file.mode & S_IFMT) != 0 && !S_ISSOCK(place.file.mode) &&
         !S_ISLNK(place.file.mode);
}

bool in_shm(const PlaceFacts& place) { return place.path.starts_with("/dev/shm/"); }

std::string runtime_directory(const std::optional<std::string>& unit) {
  if (!unit || !unit->ends_with(".service")) return "a directory that only its user may write to";
  return "a directory of its own (RuntimeDirectory= in " + *unit + ")";
}

}  // namespace

std::vector<Way> ways_to(const PlaceFacts& place, NeededRight needed) {
  std::vector<Way> ways;
  if (!can_be_opened(place)) return ways;
  for (const Party& party : parties_of(place)) {
    const std::size_t before = ways.size();
    add_ways_of(place, needed, party, ways);
    if (party.who == Way::Who::anyone || ways.size() == before) continue;
    // What everybody may do is said once.
    const Way& mine = ways.back();
    const bool said =
        std::ranges::any_of(ways.begin(), ways.begin() + static_cast<std::ptrdiff_t>(before),
                            [&](const Way& w) { return w.who == Way::Who::anyone && w.right <= mine.right; });
    if (said) ways.pop_back();
  }
  std::ranges::stable_sort(ways, {}, [](const Way& w) { return std::pair(w.who, w.right); });
  return ways;
}

std::string change_that_closes(const PlaceFacts& place, const Way& way, const std::optional<std::string>& unit) {
  switch (way.right) {
    case Way::Right::take:
      switch (way.who) {
        case Way::Who::anyone: {
          // Members of its group keep what they have.
          const std::uint32_t closed = place.file.mode & 0770;
          return "create it with mode " + name_mode(closed) +
                 (in_shm(place) ? "" : ", or in " + runtime_directory(unit));
        }
        case Way::Who::group: {
          const bool by_file = way.through == place.path;
          return by_file ? "create it with mode " + name_mode(place.file.mode & 0700)
                         : "give " + way.through + " mode " + name_mode(way.mode & 07700);
        }
        case Way::Who::owner: {
          const bool by_file = way.through == place.path;
          return std::string("let the user who relies on it own ") + (by_file ? "it" : way.through) + ", with mode " +
                 name_mode(by_file ? place.file.mode & 0600 : way.mode & 07700);
        }
        case Way::Who::listed: return "take its access list away (setfacl -b), or check whom it names (getfacl)";
      }
      std::abort();
    case Way::Right::replace:
      if (way.who == Way::Who::owner) return "move it to " + runtime_directory(unit);
      return "give " + way.through + " mode " +
             name_mode(way.who == Way::Who::group ? way.mode & ~020U : way.mode & ~022U) + ", or move the lock to " +
             runtime_directory(unit);
    case Way::Right::pre_create:
      // There is no other folder for named semaphores and shm_open(3).
      if (in_shm(place)) return "create it with O_EXCL under a name that nobody can foresee, or use memfd_create(2)";
      return "move it to " + runtime_directory(unit);
  }
  std::abort();
}

std::string name_mode(std::uint32_t mode) {
  char text[8];
  std::snprintf(text, sizeof text, "%04o", static_cast<unsigned>(mode & 07777));
  return text;
}

}  // namespace lockscope
