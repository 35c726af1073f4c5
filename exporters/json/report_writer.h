// SPDX-License-Identifier: Apache-2.0
// Writes a report as docs/report.schema.json says, in one walk and in its order. What is not known is left out. Assumes
// nothing of the strings: the JsonWriter escapes them. For JsonExporter only. Linear in the report.
#pragma once

#include <fmt/format.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "exporters/json/json_writer.h"
#include "lockscope/report.h"

namespace lockscope {

class ReportWriter {
 public:
  ReportWriter(const Report& report, JsonWriter& json) : report_(report), json_(json) {}

  void write_report();

 private:
  void member(std::string_view key, const std::string& text) {
    if (!text.empty()) json_.key(key).value(text);
  }
  void member(std::string_view key, const std::optional<std::string>& text) {
    if (text) member(key, *text);
  }
  void member(std::string_view key, const std::optional<std::uint64_t>& number) {
    if (number) json_.key(key).value(*number);
  }
  void member(std::string_view key, const std::optional<std::uint32_t>& number) {
    if (number) json_.key(key).value(*number);
  }
  void member(std::string_view key, const std::optional<int>& number) {
    if (number) json_.key(key).value(*number);
  }
  void address(std::string_view key, const std::optional<std::uint64_t>& place) {
    if (place) json_.key(key).value(fmt::format("{:#x}", *place));
  }
  template <class T>
  void object(std::string_view key, const T& part) {
    json_.key(key);
    write(part);
  }
  template <class T>
  void object(std::string_view key, const std::optional<T>& part) {
    if (part) object(key, *part);
  }
  template <class T>
  void array(std::string_view key, const std::vector<T>& items) {
    json_.key(key).begin_array();
    for (const T& item : items) write(item);
    json_.end_array();
  }
  void time(std::string_view key, const std::optional<std::chrono::system_clock::time_point>& point);
  void frame(std::string_view key, const FrameDescription& frame);  // nothing where nothing is known of it

  // report_writer.cpp
  void write(const Coverage& coverage);
  void write(const CommandDescription& command);
  void write(const FindingDescription& finding);
  // report_parts.cpp
  void write(const ThreadDescription& thread);
  void write(const LockDescription& lock);
  void write(const HolderDescription& holder);
  void write(const WaitDescription& wait);
  void write(const FailingDescription& failing);
  void write(const LockEventDescription& event);
  void write(const LockOrderDescription& order);
  // report_figures.cpp
  void write(const WaitHistogram& histogram);
  void write(const LockContention& lock);
  void write(const ContentionDescription& contention);
  void write(const LockProfileEntry::Times& times);
  void write(const LockProfileEntry::Site& site);
  void write(const LockProfileEntry& lock);
  void write(const ProfileDescription::Waiter& waiter);
  void write(const ProfileDescription& profile);

  const Report& report_;
  JsonWriter& json_;
};

}  // namespace lockscope
