#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""usage: sudo bench/real_programs.py [--rounds N] [--seconds S] [NAME…]     e.g. … pgbench

What watching contention costs real programs: PostgreSQL under pgbench, redis under redis-benchmark, sqlite with several
writers. Each round runs every arm once, in random order:
  off      nobody watches
  on       `lockscope snapshot --for` watches
  account  as on, and the kernel accounts the run time of the hooks (which itself costs two clock reads a run)
  syscalls the comparison: the futex, flock and fcntl system calls are counted by their tracepoints, as other tools do
  syscalls-account  as syscalls, with the kernel's account
Throughput is compared by the ratio to "off" of the same round; the second measure is the kernel's account of the hooks'
run time as a share of the CPU time that was used. Needs root, the programs, and a build with -DLOCKSCOPE_BENCH=ON.
"""

import argparse
import json
import os
import pathlib
import random
import re
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
import harness  # noqa: E402
from harness import BINARY, as_nobody, until  # noqa: E402
from real_programs import POSTGRES_PROGRAMS, answers  # noqa: E402

SYSCALL_COUNTER = BINARY.parent / "bench" / "syscall_counter"


def busy_seconds():
    words = pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    user, nice, system, _, _, irq, softirq = map(int, words[:7])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


class Bench(harness.Case):
    """A server and what loads it. work() gives operations a second over about the given time."""

    def runTest(self):
        pass

    def tool(self, name):
        for folder in [*os.environ["PATH"].split(":"), "/usr/sbin", *POSTGRES_PROGRAMS]:
            if os.access(f"{folder}/{name}", os.X_OK):
                return f"{folder}/{name}"
        sys.exit(f"{name} is missing: scripts/install-dependencies --test")


class Pgbench(Bench):
    name = "pgbench"

    def prepare(self):
        where = self.folder / "cluster"
        self.quietly(self.tool("initdb"), "-D", where, "-A", "trust", "-U", "tester", "-N", **as_nobody())
        server = self.start(self.tool("postgres"), "-D", where, "-k", self.folder, "-h", "", log=self.folder / "log",
                            **as_nobody())
        self.connection = ["-h", self.folder, "-U", "tester"]
        ready = [self.tool("pg_isready"), *self.connection, "-q"]
        until(lambda: subprocess.run(ready).returncode == 0, "PostgreSQL answers", alive=server)
        self.quietly(self.tool("pgbench"), *self.connection, "-i", "-q", "-s", "4", "postgres")

    def work(self, seconds):
        words = self.quietly(self.tool("pgbench"), *self.connection, "-c", "6", "-j", "2", "-T", seconds, "postgres")
        return float(re.search(r"tps = ([0-9.]+)", words).group(1))


class Redis(Bench):
    name = "redis-benchmark"

    def prepare(self):
        self.path = self.folder / "socket"
        server = self.start(self.tool("redis-server"), "--port", "0", "--unixsocket", self.path, "--save", "",
                            "--io-threads", "2", "--dir", self.folder, log=self.folder / "log")
        until(answers(self.path, b"PING\r\n", b"+PONG"), "redis answers", alive=server)
        self.requests = 100000

    def work(self, seconds):
        began = time.monotonic()
        self.quietly(self.tool("redis-benchmark"), "-s", self.path, "-c", "16", "-n", self.requests, "-q", "-t", "set")
        took = time.monotonic() - began
        rate = self.requests / took
        self.requests = max(1000, int(rate * seconds))
        return rate


class Sqlite(Bench):
    name = "sqlite"
    writers = 4

    def prepare(self):
        self.tool("sqlite3")
        self.inserts = 500

    def work(self, seconds):
        data = self.folder / "data"
        for old in self.folder.glob("data*"):
            old.unlink()
        self.quietly("sqlite3", data, "pragma journal_mode=wal; create table t(a, b);")
        script = self.folder / "script"
        lines = [".timeout 60000", "pragma synchronous=normal;"]
        lines += [f"insert into t values({n}, hex(randomblob(50)));" for n in range(self.inserts)]
        script.write_text("\n".join(lines) + "\n")
        began = time.monotonic()
        writers = []
        for _ in range(self.writers):
            with open(script, "rb") as commands:
                writers.append(self.start("sqlite3", data, stdin=commands, stdout=subprocess.DEVNULL))
        for writer in writers:
            if writer.wait() != 0:
                sys.exit("a writer of sqlite failed")
        rate = self.inserts * self.writers / (time.monotonic() - began)
        self.inserts = max(100, int(rate * seconds / self.writers))
        return rate


class Arm:
    """Something that watches, or nothing, from before the work to after it."""

    def __init__(self, bench, name):
        self.bench, self.name, self.watcher = bench, name, None

    def __enter__(self):
        if self.name in ("on", "account"):
            cost = ["--cost"] if self.name == "account" else []
            self.watcher = self.bench.start(BINARY, "snapshot", "--for", "1h", "--json", *cost,
                                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        elif self.name.startswith("syscalls"):
            # libbpf finds these tracepoints in tracefs, which need not be mounted here.
            mounted = '[ -e /sys/kernel/tracing/events ] || mount -t tracefs none /sys/kernel/tracing; exec "$0"'
            self.watcher = self.bench.start("unshare", "--mount", "sh", "-ec", mounted + ' "$@"', SYSCALL_COUNTER,
                                            *(["account"] if self.name != "syscalls" else []),
                                            stdout=subprocess.PIPE)
        if self.watcher:
            # Its hooks are there when it waits for the next tick.
            waits_in = ["271"] if not self.name.startswith("syscalls") else ["128"]  # ppoll, rt_sigtimedwait
            until(lambda: harness.system_call(self.watcher.pid)[:1] == waits_in, "it watches", alive=self.watcher)
        return self

    def __exit__(self, *_):
        self.report = None
        if self.watcher:
            self.watcher.terminate()
            words, _ = self.watcher.communicate(timeout=harness.PATIENCE)
            if self.name in ("on", "account"):
                self.report = json.loads(words)
            else:
                self.run_ns = int(words.split()[1])


def measure(kind, arms, rounds, seconds):
    bench = kind()
    bench.setUp()
    try:
        bench.prepare()
        bench.work(seconds)  # warms up, and learns how much is enough
        bench.work(seconds)
        rates = {arm: [] for arm in arms}
        shares, counter_shares, lost = [], [], 0
        for _ in range(rounds):
            for name in random.sample(arms, len(arms)):
                with Arm(bench, name) as arm:
                    busy = busy_seconds()
                    rates[name].append(bench.work(seconds))
                    busy = busy_seconds() - busy
                if arm.report:
                    lost += sum(arm.report["coverage"]["lost_events"].values())
                if name == "syscalls-account":
                    counter_shares.append(arm.run_ns / 1e9 / busy)
                if name == "account":
                    spent = sum(hook["run_ns"] for hook in arm.report["contention"]["hooks"].values()) / 1e9
                    shares.append(spent / busy)
                    hooks = arm.report["contention"]["hooks"]
    finally:
        bench.doCleanups()
    print(f"{bench.name}: {statistics.median(rates['off']):.0f} operations/s unwatched")
    for name in arms:
        ratios = [rate / off for rate, off in zip(rates[name], rates["off"])]
        print(f"  {name:9} throughput {statistics.median(ratios):.3f} of off "
              f"({min(ratios):.3f} to {max(ratios):.3f}, {rounds} rounds)")
    if shares:
        print(f"  hooks' run time: {100 * statistics.median(shares):.2f} % of the CPU time used "
              f"({100 * min(shares):.2f} to {100 * max(shares):.2f}); lost events {lost}")
        if counter_shares:
            print(f"  the system-call programs' run time: {100 * statistics.median(counter_shares):.2f} % "
                  f"({100 * min(counter_shares):.2f} to {100 * max(counter_shares):.2f}), without what their "
                  "tracepoints add to every other system call")
        for program, hook in hooks.items():
            if hook["runs"]:
                print(f"    {program}: {hook['runs']} runs, {hook['run_ns'] / hook['runs']:.0f} ns each")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("needs root")
    arms = ["off", "on", "account"] + (["syscalls", "syscalls-account"] if os.access(SYSCALL_COUNTER, os.X_OK) else [])
    for kind in (Pgbench, Redis, Sqlite):
        if not options.names or kind.name in options.names:
            measure(kind, arms, options.rounds, options.seconds)


main()
