// SPDX-License-Identifier: Apache-2.0
#include "recording/identities.h"

namespace lockscope {

void Identities::Space::apply(std::uint64_t& identity, std::uint64_t look) {
  if (identity == 0) return;
  Known& known = known_[identity];
  if (known.number == 0) known.number = ++numbers_;
  known.last_seen = look;
  identity = known.number;
}

void Identities::Space::forget_before(std::uint64_t look) {
  if (known_.size() <= kKept) return;
  std::erase_if(known_, [look](const auto& entry) { return entry.second.last_seen < look; });
}

void Identities::renumber(Thread& thread) {
  spaces_.apply(thread.address_space, looks_);
  owners_.apply(thread.files, looks_);
}

void Identities::renumber(RawWait& wait) {
  if (wait.file) owners_.apply(wait.file->identity, looks_);
}

void Identities::renumber(RawSample& look, ContentionWindow& window) {
  ++looks_;
  for (Thread& thread : look.threads) renumber(thread);
  for (RawWait& wait : look.waits) renumber(wait);
  for (FileLock& lock : look.file_locks) owners_.apply(lock.owner, looks_);
  for (FirstWait& first : window.first_waits) {
    renumber(first.thread);
    renumber(first.wait);
  }
  if (looks_ <= kForgetAfter) return;
  spaces_.forget_before(looks_ - kForgetAfter);
  owners_.forget_before(looks_ - kForgetAfter);
}

}  // namespace lockscope
