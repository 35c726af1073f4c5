// SPDX-License-Identifier: Apache-2.0
// exposed_lock by a name that anybody can foresee: a more trusted program wants to create its lock or pid file with
// O_EXCL in a directory where others may write, and finds there a file of a less trusted user. Only names that look
// like locks are judged, since finding a name taken is common and harmless otherwise. Needs a window with failed
// creates. Linear in these.
#include <fmt/format.h>

#include <string_view>

#include "detect/allowed.h"
#include "detect/catalog.h"
#include "detect/exposure.h"
#include "detect/fingerprint.h"
#include "detect/wording.h"

namespace lockscope {
namespace {

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// "lock", "LCK" and the like as a word: ".lock", "job-lock", "LCK..ttyS0", but neither "clock" nor "blocks".
bool has_lock_word(std::string_view name) {
  for (const std::string_view word : {"lockfile", "lock", "LOCK", "lck", "LCK"}) {
    for (std::size_t at = name.find(word); at != std::string_view::npos; at = name.find(word, at + 1)) {
      const std::size_t end = at + word.size();
      if ((at == 0 || !is_letter(name[at - 1])) && (end == name.size() || !is_letter(name[end]))) return true;
    }
  }
  return false;
}

// By its own name or that of its folder.
bool looks_like_lock(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  const std::string_view name = path.substr(slash + 1);
  const std::string_view folder = slash == std::string_view::npos ? "" : path.substr(0, slash);
  return has_lock_word(name) || name.ends_with(".pid") || folder.ends_with("/lock");
}

class TakenLockNameDetector final : public Detector {
 public:
  void on_sample(const SampleView& view, std::vector<Finding>& findings) override {
    if (view.window == nullptr) return;
    for (const FailedCreate& create : view.window->failed_creates) {
      const auto place = view.facts.named_places.find(create.path);
      if (place != view.facts.named_places.end() && looks_like_lock(place->second.path)) {
        judge(view, create, place->second, findings);
      }
    }
  }

 private:
  static void judge(const SampleView& view, const FailedCreate& create, const PlaceFacts& place,
                    std::vector<Finding>& findings) {
    const Relier relier = relier_of(view.facts, create.actor);
    if (relier.standing == Standing::none || place.own_namespace || place.directories.empty()) return;
    if (is_allowed(view.thresholds.allowed, relier.exe, place.path, relier.unit)) return;
    // Who made it can lock it, and need not let the name go.
    if (!stands_below(view.facts, place.file.uid, relier) || !others_may_write(place)) return;
    findings.push_back(report(view, create, place, relier));
  }

  static bool others_may_write(const PlaceFacts& place) {
    const Permissions& directory = place.directories.back().permissions;
    return (directory.mode & 0022) != 0 || directory.uid == place.file.uid;
  }

  static Finding report(const SampleView& view, const FailedCreate& create, const PlaceFacts& place,
                        const Relier& relier) {
    const HostFacts& facts = view.facts;
    Finding finding;
    finding.kind = kTakenLockName.name;
    finding.cwe = kTakenLockName.cwe;
    // It may find another way; one that keeps trying does not.
    finding.severity = create.tries > 1 ? Severity::critical : Severity::warning;
    finding.confidence = Confidence::likely;
    finding.failing.push_back({create.actor, create.tries, create.first_ns, create.last_ns});
    Fingerprint fingerprint(kTakenLockName.name);
    for (const char c : place.path) fingerprint.add(static_cast<unsigned char>(c));
    finding.fingerprint = fingerprint.add(relier.uid).add(place.file.uid).hex();

    const std::string creator = create.actor.comm.empty() ? fmt::format("process {}", create.actor.pid)
                                                          : fmt::format("{} ({})", create.actor.comm, create.actor.pid);
    const std::string owner = name_user(facts, place.file.uid);
    const PlaceFacts::Directory& directory = place.directories.back();
    finding.summary = fmt::format(
        "{} of user {} cannot create its lock file {}: the name is taken by a file of user {}, in {} (mode {})",
        creator, name_user(facts, relier.uid), place.path, owner, directory.path,
        name_mode(directory.permissions.mode));
    Way way;
    way.right = Way::Right::pre_create;
    way.through = directory.path;
    const std::string fix = change_that_closes(place, way, relier.unit);
    finding.hint = fmt::format("see why user {} made it; {}", owner, fix);
    auto& evidence = finding.evidence;
    evidence.emplace_back("predictable_name", true);
    evidence.emplace_back("path", place.path);
    evidence.emplace_back("who", fmt::format("user {}", owner));
    evidence.emplace_back("right", std::string("pre_create"));
    evidence.emplace_back("mode", name_mode(place.file.mode));
    evidence.emplace_back("owner", owner);
    evidence.emplace_back("directories", name_directories(facts, place));
    if (place.created_ns) evidence.emplace_back("created_ns", static_cast<std::int64_t>(*place.created_ns));
    evidence.emplace_back("relied_on_by", name_user(facts, relier.uid));
    if (relier.unit) evidence.emplace_back("unit", *relier.unit);
    evidence.emplace_back("tries", static_cast<std::int64_t>(create.tries));
    evidence.emplace_back("fix", fix);
    return finding;
  }
};

}  // namespace

constinit const CatalogEntry kTakenLockName{
    .name = "exposed_lock",
    .cwe = 412,
    .level = Level::contention,
    .description = "the lock file that a more trusted program wants to create is there already, of a less trusted user",
    .make = []() -> std::unique_ptr<Detector> { return std::make_unique<TakenLockNameDetector>(); }};

}  // namespace lockscope
