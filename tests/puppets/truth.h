// SPDX-License-Identifier: Apache-2.0
// From the parts that threads have taken to the line of JSON that says what must be found.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "stage.h"

namespace puppet {

// Nothing until every part is taken and every thread that should hang sleeps in the call that its lock takes; for an
// innocent scenario, until it has moved. Numbers are the director's. May be called again and again: reads /proc.
[[nodiscard]] std::optional<std::string> truth_if_it_stands(const Stage& stage, const char* scenario, int depth);

}  // namespace puppet
