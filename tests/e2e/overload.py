#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""usage: overload.py [NAME…]

A flood of lock traffic neither ends lockscope, nor lets it grow, nor hides a standing hijack; what it does not count it
says so. Needs root, a C compiler (CC, default cc).
Environment: LOCKSCOPE_BIN, LOCKSCOPE_REPORT_DIR.
"""

import os
import pathlib
import signal
import subprocess

import harness
from harness import BINARY, HERE, Report, until
from hijack import DISTANCES, OTHER_USER, STARVED, STRANGER, Hijacks, Pair

FLOCKS = 1_000_000  # pairs, of each flooder
WAITS = 60_000      # of each pair of threads, at most: a word that has changed meanwhile is not waited for
MEMORY_LIMIT = 200 << 10  # KiB, of lockscope: what a host can spare, and far from what a table without bound would take


def peak_memory(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    return None


class Overload(Hijacks):
    def setUp(self):
        super().setUp()
        self.program = self.folder / "flood"
        subprocess.run([os.environ.get("CC", "cc"), "-O2", "-pthread", "-o", self.program, HERE / "flood.c"], check=True)

    def flooder(self, kind, path, count):
        process = self.start("setpriv", f"--reuid={OTHER_USER}", f"--regid={OTHER_USER}", "--clear-groups",
                             "--pdeathsig=KILL", self.program, kind, path, count,
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.assertEqual(b"ok\n", process.stdout.readline())
        return process

    def start_watch(self):
        out = open(self.folder / "report", "wb")
        self.addCleanup(out.close)
        watcher = self.start(BINARY, "snapshot", "--for", "10m", "--starved", f"{STARVED}s", "--json", stdout=out)
        # It waits for its next tick: the hooks are there.
        until(lambda: harness.system_call(watcher.pid)[:1] == ["271"], "it watches", alive=watcher)
        return watcher

    def end_watch(self, watcher):
        memory = peak_memory(watcher.pid)
        watcher.send_signal(signal.SIGINT)
        self.assertEqual(0, watcher.wait(harness.PATIENCE))
        return Report((self.folder / "report").read_bytes()), memory

    def flood(self, flooders):
        for flooder in flooders:
            flooder.stdin.write(b"x")
            flooder.stdin.flush()
        for flooder in flooders:
            self.assertEqual(b"done", flooder.stdout.readline().split()[0])

    def test_flood(self):
        pairs = [Pair(self, "flock", "user-root", DISTANCES["user-root"], role) for role in ("wait", "try")]
        flooders = [self.flooder("flocks", self.folder / f"flood-{n}", FLOCKS) for n in range(2)]
        flooders += [self.flooder("waits", "-", WAITS) for n in range(2)]
        watcher = self.start_watch()
        self.flood(flooders)
        report, memory = self.end_watch(watcher)
        self.judge_all(report, pairs)
        self.assertLess(memory, MEMORY_LIMIT)
        contention = report.content["contention"]
        lost = report.content["coverage"].get("lost_events", {})
        lost_operations = sum(count for cause, count in lost.items() if "file-lock" in cause)
        self.assertGreaterEqual(contention["file_lock_operations"] + lost_operations, 2 * 2 * FLOCKS, lost)
        self.assertGreater(contention["waits"], WAITS // 10)  # the others found the word changed and did not block
        print(f"\n  {contention['file_lock_operations']} file-lock operations, {contention['waits']} waits, lost {lost}, "
              f"{memory} KiB", flush=True)

    def test_crowd_of_lock_files(self):
        """More files, processes and users than any table holds, all from another user, before the victim comes."""
        script = ("import fcntl, os, sys\n"
                  "print('ok', flush=True); sys.stdin.readline()\n"
                  "for n in range(40000):\n"
                  "    fd = os.open(f'{sys.argv[1]}/{n}', os.O_RDWR | os.O_CREAT)\n"
                  "    fcntl.flock(fd, fcntl.LOCK_EX); os.close(fd); os.unlink(f'{sys.argv[1]}/{n}')\n"
                  "print('done', flush=True); sys.stdin.readline()\n")
        flooders = [self.start("setpriv", f"--reuid={OTHER_USER}", f"--regid={OTHER_USER}", "--clear-groups",
                               "--pdeathsig=KILL", "/usr/bin/python3", "-c", script, self.another_folder(),
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(2)]
        for flooder in flooders:
            self.assertEqual(b"ok\n", flooder.stdout.readline())
        watcher = self.start_watch()
        for flooder in flooders:
            flooder.stdin.write(b"x\n")
            flooder.stdin.flush()
        pair = Pair(self, "flock", "user-root", (STRANGER, DISTANCES["user-root"][1], "critical"), "try")
        for flooder in flooders:
            self.assertEqual(b"done", flooder.stdout.readline().split()[0])
        report, memory = self.end_watch_after(watcher, pair)
        self.judge_all(report, [pair])
        self.assertLess(memory, MEMORY_LIMIT)

    def end_watch_after(self, watcher, pair):
        """Lets the victim starve past the threshold first."""
        born = harness.time.monotonic()
        until(lambda: harness.time.monotonic() > born + STARVED + 2, f"{pair.name} starves")
        return self.end_watch(watcher)


if __name__ == "__main__":
    harness.main()
