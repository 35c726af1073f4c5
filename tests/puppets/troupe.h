// SPDX-License-Identifier: Apache-2.0
// Threads and processes of a scenario. All of them die with the one that made them, and the tree with the director.
#pragma once

#include <pthread.h>
#include <sys/types.h>

#include <functional>

#include "stage.h"

namespace puppet {

// A thread with a small stack. Detached threads are for those that nobody joins.
pthread_t start_thread(std::function<void()> body);
void start_detached(std::function<void()> body);

// A child process with one thread; when the body returns it sleeps in pause() for good. Dies with the calling thread.
pid_t start_process(Stage& stage, std::function<void()> body);

// As above, but it ends when the body returns.
pid_t start_mortal(std::function<void()> body);

// pause() for good: no signal is caught in any process of a scenario that promises so.
[[noreturn]] void rest();

// Binds the caller's life to its parent's. For a process whose parent leaves on purpose: call it once the parent is
// gone.
void die_with_parent();

// Idle threads in the calling process: pause, condition waits, nanosleep, poll and semaphores in turn. Returns when all
// of them have started.
void add_idle_threads(int count);

// A process of idle threads; returns when they have all started.
pid_t start_idle_process(Stage& stage, int threads);

// Forks a process `depth` PID namespaces below and runs the body there, in a process group of its own whose number is
// returned. Before it come decoys, and where the kernel allows it the number is chosen so that the TIDs inside are
// those of other processes outside: a reader that forgets to translate accuses one of them.
pid_t start_below(Stage& stage, int depth, pid_t number_to_imitate, const std::function<void()>& body);

}  // namespace puppet
