// SPDX-License-Identifier: Apache-2.0
// Right: std::mutex makes no call when it is made or destroyed, so that nothing tells the mutex of a Session from
// that of a Channel which later lives at the same address, but the places where they are locked. Sessions come after
// the table, channels before it.
#include <mutex>
#include <new>

#include "../program.h"

namespace {

struct Session {
  std::mutex lock;
  long user = 0;
};
struct Channel {
  std::mutex lock;
  long number = 0;
};
void* place;  // what malloc gives for both
std::mutex table;

void session() {
  auto* made = new (place) Session;
  {
    std::lock_guard<std::mutex> outer(table);
    std::lock_guard<std::mutex> inner(made->lock);
  }
  made->~Session();
}

void channel() {
  auto* made = new (place) Channel;
  {
    std::lock_guard<std::mutex> outer(made->lock);
    std::lock_guard<std::mutex> inner(table);
  }
  made->~Channel();
}

}  // namespace

int main() {
  place = malloc(sizeof(Session) + sizeof(Channel));
  IN_TURN(session, channel);
}
