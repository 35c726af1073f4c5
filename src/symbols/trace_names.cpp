// SPDX-License-Identifier: Apache-2.0
#include "symbols/trace_names.h"

#include <fmt/format.h>

#include <algorithm>

#include "symbols/demangle.h"

namespace lockscope {
namespace {

constexpr int kMaxForks = 64;  // ancestors that are asked for an init

}  // namespace

std::string_view short_name(std::string_view path) {
  constexpr std::string_view kGone = " (deleted)";
  if (path.ends_with(kGone)) path.remove_suffix(kGone.size());
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

ElfTraceNames::ElfTraceNames(const LockTrace& trace) : trace_(trace) {
  for (const TracedImage& image : trace.images) images_.emplace(image.id, &image);
  for (const LockLife& life : trace.lives) {
    if (life.begins) inits_[life.lock].push_back(&life);
  }
  // A lock may be taken in both modes at one site.
  std::map<std::pair<TracedLock, std::uint64_t>, std::uint64_t> acquired;
  for (const SiteUse& use : trace.uses) acquired[{use.lock, use.site}] += use.acquired;
  for (const auto& [place, count] : acquired) {
    if (count == 0) continue;
    const auto [main, is_new] = main_sites_.try_emplace(place.first, MainSite{place.second, count, 0});
    // Sites come in ascending order: of equals the lowest stays.
    if (!is_new && count > main->second.acquired) main->second = {place.second, count, 0};
  }
  for (const LockChain& chain : trace.chains) {
    for (const Acquisition& held : chain.held) note_site(held);
    note_site(chain.wanted);
  }
  // Where it was tried in vain is better than nothing.
  for (const auto& [place, count] : acquired) main_sites_.try_emplace(place.first, MainSite{place.second, count, 0});
}

// For locks that nothing was counted of: the earliest acquisition.
void ElfTraceNames::note_site(const Acquisition& acquisition) {
  const MainSite seen{acquisition.site, 0, acquisition.since_ns};
  const auto [main, is_new] = main_sites_.try_emplace(acquisition.lock, seen);
  // What was counted has no time: it stays.
  if (!is_new && std::pair(seen.since_ns, seen.site) < std::pair(main->second.since_ns, main->second.site)) {
    main->second = seen;
  }
}

const CodePoint& ElfTraceNames::code(ImageId image, std::uint64_t site) {
  const std::pair place(image, site);
  if (const auto known = codes_.find(place); known != codes_.end()) return known->second;
  return codes_.emplace(place, name_code(image, site)).first->second;
}

const LockClass& ElfTraceNames::lock_class(const TracedLock& lock) {
  if (const auto known = classes_.find(lock); known != classes_.end()) return known->second;
  return classes_.emplace(lock, name_lock(lock)).first->second;
}

CodePoint ElfTraceNames::name_code(ImageId image, std::uint64_t site) {
  CodePoint point;
  point.address = site;
  if (site == 0) return point;
  // A return address may be the first byte behind its function: the call is before it.
  const std::uint64_t call = site - 1;
  const TracedModule* module = module_before(image, call);
  if (module == nullptr || call >= module->end || !module->executable || module->path.empty()) return point;
  point.module = module->path;
  point.offset = site - module->start + module->offset;
  const auto table = table_of(*module);
  const auto bias = table ? table->load_bias(module->start, module->offset, true) : std::nullopt;
  const auto function = bias ? table->function_at(call - *bias) : std::nullopt;
  if (!function) return point;
  point.function = demangle(function->name);
  point.offset = site - *bias - function->address;
  return point;
}

LockClass ElfTraceNames::name_lock(const TracedLock& lock) {
  if (auto name = static_name(lock)) return {LockClass::By::symbol, std::move(*name)};
  if (const auto init = init_of(lock)) {
    if (auto name = place_name(init->image, init->site)) return {LockClass::By::init_site, std::move(*name)};
  }
  if (const auto main = main_sites_.find(lock); main != main_sites_.end()) {
    if (auto name = place_name(lock.image, main->second.site)) return {LockClass::By::acquire_site, std::move(*name)};
  }
  return {LockClass::By::acquire_site, "unknown"};
}

std::optional<std::string> ElfTraceNames::place_name(ImageId image, std::uint64_t site) {
  const CodePoint& point = code(image, site);
  if (point.module.empty()) return std::nullopt;
  if (point.function.empty()) return fmt::format("{}+{:#x}", short_name(point.module), point.offset);
  return fmt::format("{}:{}+{:#x}", short_name(point.module), point.function, point.offset);
}

std::optional<std::string> ElfTraceNames::static_name(const TracedLock& lock) {
  const TracedModule* module = module_before(lock.image, lock.address);
  const auto table = module != nullptr ? table_of(*module) : nullptr;
  const auto bias = table ? table->load_bias(module->start, module->offset, module->executable) : std::nullopt;
  if (!bias) return std::nullopt;
  const std::uint64_t address = lock.address - *bias;
  // Behind the last mapping of the file comes the memory that the loader added to its last segment (.bss), if any.
  if (!table->is_writable(address)) return std::nullopt;
  const std::string_view name = short_name(module->path);
  const auto object = table->object_at(address);
  if (!object) return fmt::format("{}+{:#x}", name, address);
  if (object->address == address) return fmt::format("{}:{}", name, demangle(object->name));
  return fmt::format("{}:{}+{:#x}", name, demangle(object->name), address - object->address);
}

// A fork copies its parent's locks, those that were initialised before it.
std::optional<ElfTraceNames::Init> ElfTraceNames::init_of(const TracedLock& lock) const {
  if (const auto own = inits_.find(lock); own != inits_.end()) return Init{lock.image, own->second.back()->site};
  auto image = images_.find(lock.image);
  for (int i = 0; i < kMaxForks && image != images_.end() && image->second->forked_from; ++i) {
    const std::uint64_t forked_ns = image->second->began_ns;
    image = images_.find(*image->second->forked_from);
    if (image == images_.end()) break;
    const auto inits = inits_.find({image->first, lock.address});
    if (inits == inits_.end()) continue;
    const auto later = std::ranges::upper_bound(inits->second, forked_ns, {}, &LockLife::time_ns);
    if (later != inits->second.begin()) return Init{image->first, (*std::prev(later))->site};
  }
  return std::nullopt;
}

const TracedModule* ElfTraceNames::module_before(ImageId image, std::uint64_t address) const {
  const auto modules = trace_.modules.find(image);
  if (modules == trace_.modules.end()) return nullptr;
  const auto after = std::ranges::upper_bound(modules->second, address, {}, &TracedModule::start);
  return after == modules->second.begin() ? nullptr : &*std::prev(after);
}

std::shared_ptr<const FunctionTable> ElfTraceNames::table_of(const TracedModule& module) {
  struct stat status {};
  if (module.fd < 0 || ::fstat(module.fd, &status) != 0) return nullptr;
  const Content content{status.st_dev, status.st_ino, static_cast<std::uint64_t>(status.st_size), status.st_mtim.tv_sec,
                        status.st_mtim.tv_nsec};
  const auto [file, is_new] = files_.try_emplace(content);
  file->second.last_use = ++uses_;
  if (is_new) {
    ++files_read_;
    if (auto table = FunctionTable::read(module.fd)) {
      memory_ += table->memory();
      file->second.table = std::make_shared<const FunctionTable>(std::move(*table));
    }
    const auto table = file->second.table;
    forget_files();
    return table;
  }
  return file->second.table;
}

void ElfTraceNames::forget_files() {
  while (files_.size() > 1 && (memory_ > kMaxMemory || files_.size() > kMaxFiles)) {
    const auto oldest = std::ranges::min_element(files_, {}, [](const auto& file) { return file.second.last_use; });
    if (oldest->second.table) memory_ -= oldest->second.table->memory();
    files_.erase(oldest);
  }
}

}  // namespace lockscope
