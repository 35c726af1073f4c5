#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""usage: sudo bench/traced_programs.py [--rounds N] [--seconds S] [--valgrind-rounds N] [NAME…]     e.g. … redis

What tracing every lock costs whole programs: how much longer they take under `lockscope run`, and under valgrind's
Helgrind and DRD. Each round runs every arm once, in random order, each on as much work as takes it about S seconds,
three times that under valgrind:
  sqlite          four sqlite3 processes write to one database
  sqlite-threads  four threads of python3 write to one database (its interpreter lock is traced as well)
  redis           redis-server under redis-benchmark, which is not traced (more I/O threads would spin on few cores)
  thread-pool     bench/thread_pool.cpp: one queue, four workers, tasks of about 10 us
  pigz, xz, zstd  compress random words with two threads
Times are of the work alone: those of the least piece of work, which is all starting and ending, are taken off and shown
by themselves. "CPU" is the CPU time that a piece of work takes, the tool's included, against off; others on the machine
fall on it less. "account" is `lockscope run` with the kernel's account of the BPF programs on. Needs root, the
programs, and a build with -DLOCKSCOPE_BENCH=ON; what is not installed is named and left out.
"""

import argparse
import os
import pathlib
import random
import resource
import shutil
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
import harness  # noqa: E402
import kernel_account  # noqa: E402
from harness import BINARY, until  # noqa: E402
from real_programs import answers  # noqa: E402

VALGRIND = ["helgrind", "drd"]
POOL = BINARY.parent / "bench" / "thread_pool"
# As much work at first, of what takes a second without a tool.
FIRST = {"off": 1, "run": 0.3, "account": 0.3, "helgrind": 0.02, "drd": 0.02}


def used_seconds():
    """CPU time of all that has ended so far of what was started from here."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class Bench(harness.Case):
    """A program, and what it is to do: amounts of work in pieces. `enough` takes about a second."""

    needs, least, most = (), 8, 10_000_000

    def runTest(self):
        pass

    def prepare(self):
        """Once."""

    def under(self, arm):
        if arm in VALGRIND:
            return ["valgrind", "-q", f"--tool={arm}", "--trace-children=yes", "--log-file=/dev/null"]
        return [] if arm == "off" else [BINARY, "run", "-q", "-o", self.folder / "report", "--"]

    def script(self, amount):
        """What is run by a shell, as text."""
        raise NotImplementedError

    def work(self, arm, amount):
        """Seconds that the work took, CPU seconds of it and its tool to their end, and those of BPF programs."""
        self.before(amount)
        used = used_seconds()
        path = self.folder / "work"
        path.write_text(f"echo began; read go\n{self.script(amount)}\nwait\necho ended; read go\n")
        tool = self.start(*self.under(arm), "/bin/sh", "-e", path, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL)
        self.expect(tool, b"began\n")
        took, spent = self.timed(tool, arm, lambda: (self.tell(tool), self.expect(tool, b"ended\n")))
        self.tell(tool)
        if tool.wait() != 0:
            raise AssertionError(f"{self.name} ended with {tool.returncode} under {arm}")
        for stream in (tool.stdin, tool.stdout):
            stream.close()
        return took, used_seconds() - used, spent

    def before(self, amount):
        """Before each piece."""

    @staticmethod
    def expect(tool, word):
        said = tool.stdout.readline()
        if said != word:
            raise AssertionError(f"it says {said!r}, not {word!r}")

    @staticmethod
    def tell(tool):
        tool.stdin.write(b"\n")
        tool.stdin.flush()

    @staticmethod
    def timed(tool, arm, work):
        account = kernel_account.Account(tool.pid) if arm == "account" else None
        spent = sum(ns for _, ns in account.read().values()) if account else 0
        began = time.monotonic()
        work()
        took = time.monotonic() - began
        if account:
            spent = sum(ns for _, ns in account.read().values()) - spent
            account.close()
        return took, spent / 1e9


class Sqlite(Bench):
    name, needs, enough = "sqlite", ["sqlite3"], 4000

    def before(self, amount):
        for old in self.folder.glob("data*"):
            old.unlink()
        self.quietly("sqlite3", self.folder / "data", "pragma journal_mode=wal; create table t(a, b);")
        lines = [".timeout 60000", "pragma synchronous=normal;"]
        lines += [f"insert into t values({n}, hex(randomblob(50)));" for n in range(amount // 4)]
        (self.folder / "script").write_text("\n".join(lines) + "\n")

    def script(self, amount):
        return f"for n in 1 2 3 4; do sqlite3 {self.folder}/data <{self.folder}/script || echo failed & done"


class SqliteThreads(Bench):
    name, needs, enough = "sqlite-threads", ["/usr/bin/python3", "sqlite3"], 4000
    before = Sqlite.before

    def script(self, amount):
        program = self.folder / "writers.py"
        program.write_text(f"""import sqlite3, threading
def write():
    db = sqlite3.connect("{self.folder}/data", timeout=60, isolation_level=None)
    db.execute("pragma synchronous=normal")
    for n in range({amount // 4}):
        db.execute("insert into t values(?, hex(randomblob(50)))", (n,))
threads = [threading.Thread(target=write) for _ in range(4)]
[t.start() for t in threads]
[t.join() for t in threads]
""")
        return f"/usr/bin/python3 {program}"


class Redis(Bench):
    name, needs, enough = "redis", ["redis-server", "redis-benchmark"], 40000

    def work(self, arm, amount):
        path = self.folder / f"socket-{arm}"
        path.unlink(missing_ok=True)
        used = used_seconds()
        tool = self.start(*self.under(arm), "redis-server", "--port", "0", "--unixsocket", path, "--save", "",
                          "--io-threads", "1", "--dir", self.folder, log=self.folder / "log")
        until(answers(path, b"PING\r\n", b"+PONG"), "redis answers", alive=tool)
        load = ["redis-benchmark", "-s", path, "-c", "16", "-n", amount, "-q", "-t", "set"]
        took, spent = self.timed(tool, arm, lambda: self.quietly(*load))
        subprocess.run(["redis-cli", "-s", path, "shutdown", "nosave"], stdout=subprocess.DEVNULL)
        tool.wait()
        return took, used_seconds() - used, spent


class ThreadPool(Bench):
    name, enough = "thread-pool", 100000

    def script(self, amount):
        return f"{POOL} {amount} >/dev/null"


class Compressor(Bench):
    least, most = 1000, 50_000_000

    def prepare(self):
        words = random.Random(4)
        known = [bytes(words.choices(b"abcdefghijklmnopqrstuvwxyz", k=words.randint(2, 9))) for _ in range(5000)]
        self.text = b" ".join(words.choices(known, k=400_000)) * 20  # about 50 MB; a window sees no repetition

    def before(self, amount):
        (self.folder / "text").write_bytes(self.text[:amount])

    def script(self, amount):
        return f"{self.command} <{self.folder}/text >/dev/null"


class Pigz(Compressor):
    name, needs, enough, command = "pigz", ["pigz"], 25_000_000, "pigz -p 2 -c"


class Xz(Compressor):
    name, needs, enough, command = "xz", ["xz"], 2_000_000, "xz -T2 -1 --block-size=200000 -c"


class Zstd(Compressor):
    name, needs, enough, command = "zstd", ["zstd"], 40_000_000, "zstd -q -T2 -3 -c"


def measure(kind, arms, rounds, seconds, valgrind_rounds):
    missing = [tool for tool in kind.needs if not shutil.which(tool)]
    if missing:
        print(f"{kind.name}: not run: {', '.join(missing)} not installed")
        return
    bench = kind()
    bench.setUp()
    times, used, shares, start = {a: [] for a in arms}, {a: [] for a in arms}, [], {a: (1e9, 1e9) for a in arms}
    try:
        bench.prepare()
        least = kind.least
        amounts = {arm: max(2 * least, int(kind.enough * FIRST[arm])) for arm in arms}
        for turn in range(rounds + 1):  # the first one learns how much is enough
            for arm in random.sample(arms, len(arms)):
                if arm in VALGRIND and turn > valgrind_rounds:
                    continue
                account = kernel_account.begin() if arm == "account" else None
                if turn == 0 or (turn == 1 and arm not in VALGRIND):
                    start[arm] = min(start[arm], bench.work(arm, least)[:2])
                took, cpu, spent = bench.work(arm, amounts[arm])
                if account is not None:
                    os.close(account)
                share = spent / cpu if cpu else 0
                done, took, cpu = amounts[arm] - least, took - start[arm][0], cpu - start[arm][1]
                if turn > 0 and took > 0:
                    times[arm].append(took / done)
                    if cpu > start[arm][1]:  # less than that is lost in what starting and ending takes
                        used[arm].append(cpu / done)
                    shares += [share] if arm == "account" else []
                wanted = int(done / max(took, seconds / 10) * seconds * (3 if arm in VALGRIND else 1))
                amounts[arm] = max(2 * least, min(wanted, kind.most))
    finally:
        bench.doCleanups()
    off = times["off"]
    print(f"{bench.name}: {1 / statistics.median(off):.0f} pieces/s; starts in "
          + ", ".join(f"{arm} {start[arm][0]:.2f} s" for arm in arms), flush=True)
    for arm in arms[1:]:
        slower = [time / other for time, other in zip(times[arm], off, strict=False)]
        more = f"; CPU {min(used[arm]) / min(used['off']):.2f} times" if used[arm] and used["off"] else ""
        print(f"  {arm:9} {statistics.median(slower):6.2f} times as long ({min(slower):.2f} to {max(slower):.2f}; "
              f"least against least {min(times[arm]) / min(off):.2f}){more}", flush=True)
    if shares:
        print(f"  run time of the BPF programs: {100 * statistics.median(shares):.1f} % of the CPU time used "
              f"({100 * min(shares):.1f} to {100 * max(shares):.1f})", flush=True)


def measure_start(rounds):
    bench = Bench()
    bench.setUp()
    took = {"off": [], "run": []}
    try:
        for _ in range(rounds):
            for arm, times in took.items():
                began = time.monotonic()
                bench.quietly(*bench.under(arm), "/bin/true")
                times.append(time.monotonic() - began)
    finally:
        bench.doCleanups()
    print(f"starting and ending `true`: {1000 * min(took['off']):.1f} ms, under `lockscope run` "
          f"{1000 * min(took['run']):.0f} ms (median {1000 * statistics.median(took['run']):.0f})", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.5)
    parser.add_argument("--valgrind-rounds", type=int, default=1)
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("needs root")
    if not os.access(POOL, os.X_OK):
        sys.exit(f"{POOL}: no such program; build with -DLOCKSCOPE_BENCH=ON")
    arms = ["off", "run", "account"]
    if options.valgrind_rounds > 0 and shutil.which("valgrind"):
        arms += VALGRIND
    measure_start(options.rounds)
    for kind in (Sqlite, SqliteThreads, Redis, ThreadPool, Pigz, Xz, Zstd):
        if not options.names or kind.name in options.names:
            measure(kind, arms, options.rounds, options.seconds, options.valgrind_rounds)


main()
