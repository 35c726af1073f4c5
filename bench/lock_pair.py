#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""usage: sudo bench/lock_pair.py [--rounds N] [--batches N] [--milliseconds N] [--only pair|operations|account]

What one operation on a lock costs under a tool that sees every one of them, in nanoseconds. Each round runs every arm
once, in random order, each time in a fresh process: what else the machine does falls on all of them.
  pair        pthread_mutex_lock() + unlock() that nobody else wants, under: nothing; `lockscope run`; `lockscope
              trace`, attached; bcc's deadlock, attached; valgrind's Helgrind and DRD; ThreadSanitizer; and in a process
              that is not traced while another one is
  operations  others, with and without `lockscope run`
  account     by the kernel's own account: each BPF program's runs and run time
Least and median of all batches. Needs root and a build with -DLOCKSCOPE_BENCH=ON; tools that are not installed or do
not run are named and left out.
"""

import argparse
import os
import pathlib
import random
import shutil
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
import bcc_deadlock  # noqa: E402
import harness  # noqa: E402
import kernel_account  # noqa: E402
from harness import BINARY, until  # noqa: E402

LOCK_PAIR = BINARY.parent / "bench" / "lock_pair"
LOCK_PAIR_TSAN = BINARY.parent / "bench" / "lock_pair_tsan"
PROGRAMS = ("take", "release", "life", "switched", "ended", "forked", "stop_child", "replaced", "dump")
# Operation, and what one of it is.
OPERATIONS = {
    "nested": "mutex inside another, lock and unlock",
    "trylock": "mutex, try and unlock",
    "rdlock": "rwlock, read lock and unlock",
    "wrlock": "rwlock, write lock and unlock",
    "spin": "spin lock, lock and unlock",
    "semaphore": "semaphore, post and wait",
    "init": "mutex, init and destroy",
    "contended": "mutex that two threads want, lock and unlock",
    "condition": "two threads in turns by a condition, a round",
    "switch": "two threads in turns by pipes, a round, one CPU",
    "thread": "thread, made and joined, with one lock",
    "fork": "process, forked and waited for",
    "exec": "process, forked, replaced and waited for",
}


class Bench(harness.Case):
    def runTest(self):
        pass

    def begin(self, *prefix, program=LOCK_PAIR, operation="mutex", batches=1, milliseconds=1):
        """A lock_pair that is ready."""
        process = self.start(*prefix, program, operation, batches, milliseconds, stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        if process.stdout.readline() != b"ready\n":
            raise LookupError(f"it ended with {process.wait()}")
        return process

    @staticmethod
    def times(process):
        process.stdin.write(b"\n")
        process.stdin.flush()
        words = process.stdout.readline().split()
        if not words:
            raise LookupError(f"it ended with {process.wait()}")
        return [float(word) for word in words]

    @staticmethod
    def end(process):
        process.stdin.close()
        process.stdout.close()
        process.wait(timeout=harness.PATIENCE)

    def lockscope(self, *arguments):
        return [BINARY, *arguments, "-q", "-o", self.folder / "report"]

    def trace(self, pid):
        """lockscope, once it traces this process."""
        tracer = self.start(*self.lockscope("trace", "--pid", pid, "--duration", "1h"), stderr=subprocess.DEVNULL)
        # Then it waits for the next turn: poll() of two, for 50 ms.
        ready = ["7", "0x2", "0x32"]
        until(lambda: [w for i, w in enumerate(harness.system_call(tracer.pid)) if i in (0, 2, 3)] == ready,
              "lockscope traces", alive=tracer)
        return tracer

    def bcc(self, pid):
        command, environment = bcc_deadlock.prepare(self.folder)
        maps = pathlib.Path(f"/proc/{pid}/maps").read_text().split("\n")
        libc = next(line.split(maxsplit=5)[5] for line in maps if "/libc.so" in line)
        words = self.folder / "bcc"
        tool = self.start(*command, "--binary", libc, pid, log=words, env={**os.environ, **environment})
        try:
            until(lambda: "Tracing" in words.read_text(), "it traces", alive=tool)
        except AssertionError as reason:
            last = [line for line in words.read_text().split("\n") if line.strip()][-1:]
            raise LookupError(f"{reason}; its last words: {last}") from reason
        return tool

    def watched(self, watch, **options):
        """Of a process that is attached to."""
        process = self.begin(**options)
        watcher = watch(process.pid)
        times = self.times(process)
        watcher.terminate()
        watcher.wait(timeout=harness.PATIENCE)
        self.end(process)
        return times

    def simply(self, *prefix, **options):
        process = self.begin(*prefix, **options)
        times = self.times(process)
        self.end(process)
        return times

    def bystander(self, **options):
        other = self.begin()
        tracer = self.trace(other.pid)
        times = self.simply(**options)
        tracer.terminate()
        tracer.wait(timeout=harness.PATIENCE)
        self.end(other)
        return times

    def valgrind(self, tool, **options):
        if not shutil.which("valgrind"):
            raise LookupError("valgrind is not installed")
        return self.simply("valgrind", "-q", f"--tool={tool}", "--log-file=/dev/null", **options)

    def tsan(self, **options):
        if not os.access(LOCK_PAIR_TSAN, os.X_OK):
            raise LookupError("it was not built")
        return self.simply(program=LOCK_PAIR_TSAN, **options)


def with_bench(work):
    bench = Bench()
    bench.setUp()
    try:
        return work(bench)
    finally:
        bench.doCleanups()


def rounds_of(arms, rounds):
    """arm → all its batches. An arm that cannot run is said once and left out."""
    times, missing = {name: [] for name in arms}, {}
    for _ in range(rounds):
        for name in random.sample(list(arms), len(arms)):
            if name in missing:
                continue
            try:
                times[name] += with_bench(arms[name])
            except LookupError as reason:
                missing[name] = str(reason)
    for name, reason in missing.items():
        print(f"  not run: {name}: {reason}")
    return {name: batches for name, batches in times.items() if batches and name not in missing}


def show(what, off, on):
    least, median = min(on), statistics.median(on)
    print(f"  {what:52} {least:10.0f} {median:10.0f}   added {least - min(off):10.0f} "
          f"{median - statistics.median(off):10.0f}", flush=True)


def measure_pair(rounds, size):
    arms = {
        "nothing": lambda b: b.simply(**size),
        "a process that is not traced, while another is": lambda b: b.bystander(**size),
        "lockscope run": lambda b: b.simply(*b.lockscope("run"), "--", **size),
        "lockscope trace, attached": lambda b: b.watched(b.trace, **size),
        "bcc's deadlock, changed to run, attached": lambda b: b.watched(b.bcc, **size),
        "Helgrind": lambda b: b.valgrind("helgrind", **size),
        "DRD": lambda b: b.valgrind("drd", **size),
        "ThreadSanitizer (compiled in)": lambda b: b.tsan(**size),
    }
    print(f"mutex that nobody else wants, lock and unlock, ns: least, median of {rounds} rounds")
    times = rounds_of(arms, rounds)
    for name, batches in times.items():
        show(name, times["nothing"], batches)


def measure_operations(rounds, size):
    print(f"without, then with `lockscope run`, ns: least, median of {rounds} rounds")
    arms = {}
    for operation in OPERATIONS:
        sized = {**size, "operation": operation}
        arms[operation, False] = lambda b, sized=sized: b.simply(**sized)
        arms[operation, True] = lambda b, sized=sized: b.simply(*b.lockscope("run"), "--", **sized)
        if operation == "switch":
            arms[operation, "other"] = lambda b, sized=sized: b.bystander(**sized)
    times = rounds_of(arms, rounds)
    for (operation, arm), batches in times.items():
        name = f"  not traced, while another is: {operation}" if arm == "other" else OPERATIONS[operation]
        off = times.get((operation, False))
        if arm is False:
            print(f"  {name:52} {min(off):10.0f} {statistics.median(off):10.0f}")
        elif off:
            show("  " + name if arm is True else name, off, batches)


def account_of(bench, operation, size):
    process = bench.begin(*bench.lockscope("run"), "--", operation=operation, **size)
    account = kernel_account.Account(process.pid)
    try:
        before = account.read()
        bench.times(process)
        after = account.read()
        bench.end(process)
        ended = account.read()
    finally:
        account.close()
    told = {}
    for name in PROGRAMS:
        last = ended if name in ("dump", "ended") else after  # the former runs when all is over
        runs, ns = (last.get(name, (0, 0))[i] - before.get(name, (0, 0))[i] for i in (0, 1))
        if runs:
            told[name] = (runs, ns / runs)
    return told


def measure_account(rounds, size):
    print(f"by the kernel's own account, ns a run, least of {rounds} rounds (about 48 of it is the account itself)")
    account = kernel_account.begin()
    try:
        for operation in ("mutex", *OPERATIONS):
            least = {}
            for _ in range(rounds):
                for name, (runs, ns) in with_bench(lambda b: account_of(b, operation, size)).items():
                    least[name] = min(least.get(name, (float("inf"), 0)), (ns, runs))
            told = [f"{name} {ns:.0f}" for name, (ns, runs) in least.items() if runs >= 20]
            print(f"  {operation:10}  " + "  ".join(told), flush=True)
    finally:
        os.close(account)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--batches", type=int, default=5)
    parser.add_argument("--milliseconds", type=int, default=40)
    parser.add_argument("--only", choices=["pair", "operations", "account"])
    options = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("needs root")
    if not os.access(LOCK_PAIR, os.X_OK):
        sys.exit(f"{LOCK_PAIR}: no such program; build with -DLOCKSCOPE_BENCH=ON")
    size = {"batches": options.batches, "milliseconds": options.milliseconds}
    if options.only in (None, "pair"):
        measure_pair(options.rounds, size)
    if options.only in (None, "operations"):
        measure_operations(options.rounds, size)
    if options.only in (None, "account"):
        measure_account(min(options.rounds, 3), size)


main()
