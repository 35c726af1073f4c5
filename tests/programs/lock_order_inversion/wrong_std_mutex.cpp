// SPDX-License-Identifier: Apache-2.0
// Wrong: lock guards of two std::mutex in both orders.
#include <mutex>

#include "../program.h"

static std::mutex sessions;
static std::mutex tokens;

static void log_in() {
  std::lock_guard<std::mutex> first(sessions);
  std::lock_guard<std::mutex> second(tokens);
}

static void renew() {
  std::lock_guard<std::mutex> first(tokens);
  std::lock_guard<std::mutex> second(sessions);
}

int main() { IN_TURN(log_in, renew); }
