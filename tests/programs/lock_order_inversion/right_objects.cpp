// SPDX-License-Identifier: Apache-2.0
// Right: many objects with a std::mutex each, made on the heap, locked two at a time in the order of their numbers;
// and a copy assignment that locks both sides at once. Without optimisation, all are taken from one and the same
// place in the library's header.
#include <functional>
#include <memory>
#include <mutex>

#include "../program.h"

namespace {

class Account {
 public:
  explicit Account(int number) : number_(number) {}
  Account& operator=(const Account& other) {
    if (this == &other) return *this;
    std::scoped_lock both(lock_, other.lock_);
    balance_ = other.balance_;
    return *this;
  }
  static void transfer(Account& from, Account& to) {
    const bool forward = from.number_ < to.number_;
    std::lock_guard<std::mutex> first(forward ? from.lock_ : to.lock_);
    std::lock_guard<std::mutex> second(forward ? to.lock_ : from.lock_);
    --from.balance_;
    ++to.balance_;
  }

 private:
  mutable std::mutex lock_;
  const int number_;
  long balance_ = 0;
};

std::unique_ptr<Account> accounts[3];
std::mutex book;

void forward() {
  for (int i = 0; i < 100; ++i) {
    std::lock_guard<std::mutex> guard(book);
    Account::transfer(*accounts[i % 3], *accounts[(i + 1) % 3]);
  }
}

void backward() {
  for (int i = 0; i < 100; ++i) Account::transfer(*accounts[(i + 1) % 3], *accounts[i % 3]);
}

void assign() {
  for (int i = 0; i < 100; ++i) *accounts[i % 3] = *accounts[(i + 1) % 3];
  for (int i = 0; i < 100; ++i) *accounts[(i + 1) % 3] = *accounts[i % 3];
}

}  // namespace

int main() {
  for (int i = 0; i < 3; ++i) accounts[i] = std::make_unique<Account>(i);
  AT_ONCE(forward, backward, assign);
  IN_TURN(forward, backward, assign);
}
