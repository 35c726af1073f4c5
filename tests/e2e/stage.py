# SPDX-License-Identifier: Apache-2.0
"""Actors (actor.py, mutex_actor.c) on the places where a test puts them, and what a report must say of their hang."""

import os
import shutil
import subprocess
import sys

import harness
from harness import HERE, holder_pids, snapshot, system_call, until

PYTHON = "/usr/bin/python3" if os.access("/usr/bin/python3", os.X_OK) else sys.executable  # that anybody may run
LOCK_CALLS = {"73": "flock", "72": "fcntl", "202": "futex"}  # x86-64
if os.uname().machine == "aarch64":
    LOCK_CALLS = {"32": "flock", "25": "fcntl", "98": "futex"}


class Actor:
    """A process that does as it is told. prefix: the command that brings it to its place (unshare, nsenter)."""

    def __init__(self, case, command=None, prefix=(), **options):
        self.process = case.start(*prefix, *(command or case.actor_command()), bufsize=0,
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, **options)
        assert self._answer() == [], "it does not come up"
        self.pid = self.process.pid
        case.escorts = getattr(case, "escorts", set())
        while prefix and (below := harness.children_of_all().get(self.pid)):
            case.escorts.add(self.pid)
            (self.pid,) = below

    def _answer(self):
        words = self.process.stdout.readline().decode().split()
        assert words[:1] == ["ok"], f"an actor says {words}"
        return words[1:]

    def _say(self, *words):
        self.process.stdin.write((" ".join(map(str, words)) + "\n").encode())

    def do(self, *words):
        self._say(*words)
        return self._answer()

    def hang(self, *words):
        """Has it do what will not end, and returns when it is blocked in a lock call."""
        self._say(*words)
        wait_until_blocked(self.pid)

    def leave_to_heir(self):
        """It exits; its child, which answers from now on, is the actor."""
        before = harness.descendants(os.getpid())
        self.do("heir")
        self.process.wait()
        (self.pid,) = harness.descendants(os.getpid()) - before


def wait_until_blocked(pid):
    def blocked():
        call = system_call(pid)
        return bool(call) and call[0] in LOCK_CALLS
    until(blocked, f"process {pid} is blocked in a lock call")


class Staged(harness.Case):
    def actor_command(self):
        """From a copy, since the source tree need not be open to all."""
        copy = self.scripts / "actor.py"
        if not copy.exists():
            shutil.copyfile(HERE / "actor.py", copy)
        return [PYTHON, "-B", copy]

    def setUp(self):
        super().setUp()
        self.scripts = self.another_folder()

    def looks(self, hang, tries=1):
        """Both sources. Without BPF less may be known, but nothing wrong."""
        for arguments in ((), ("--no-bpf",)):
            with self.subTest(source="proc" if arguments else "bpf"):
                for left in reversed(range(tries)):
                    report = snapshot(*arguments)
                    self.assertEqual("proc" if arguments else "bpf", report.source, report.notes)
                    hang.judge(self, report, may_be_unknown=bool(arguments) or left > 0)
                    if report.findings_about(hang.pids):
                        break

    def expect_deadlock(self, waits_for, locks=None, tries=1):
        """waits_for: pid → the pids that it waits for. All of them are stuck, in one deadlock, which is confirmed.
        tries: looks in which it may be unknown, but for the last."""
        self.looks(Hang(waits_for, locks or {}), tries)

    def expect_no_finding(self, waits_for):
        self.looks(Hang(waits_for, {}, found=False))


class Hang:
    """What is so by construction. locks: pid → keys that the lock it waits for must have; None: absent, or that."""

    def __init__(self, waits_for, locks, found=True):
        self.waits_for, self.locks, self.found = waits_for, locks, found
        self.pids = set(waits_for).union(*waits_for.values())

    def judge(self, case, report, may_be_unknown):
        about = report.findings_about(self.pids)
        for wait in report.waits_of(self.pids):
            self.judge_wait(case, wait, may_be_unknown)
        if not self.found or (may_be_unknown and not about):
            case.assertEqual([], about)
            return
        case.assertEqual(["deadlock"], [finding["kind"] for finding in about], harness.json.dumps(about, indent=1))
        (finding,) = about
        case.assertEqual("confirmed", finding["confidence"])
        cycle = [wait["thread"]["pid"] for wait in finding["cycle"]]
        stuck = cycle + [wait["thread"]["pid"] for wait in finding["victims"]]
        # Those who brought the actors to their places wait for their end, and are victims if nothing else ends that.
        stuck = [pid for pid in stuck if pid not in case.escorts]
        case.assertEqual(sorted(self.waits_for), sorted(stuck), "who is stuck")
        for here, there in zip(cycle, cycle[1:] + cycle[:1]):
            case.assertIn(there, self.waits_for[here], "the cycle has an edge that is not so")
        for wait in finding["cycle"] + finding["victims"]:
            self.judge_wait(case, wait, may_be_unknown)

    def judge_wait(self, case, wait, may_be_unknown):
        pid = wait["thread"]["pid"]
        if pid not in self.waits_for:
            return
        case.assertEqual(pid, wait["thread"]["tid"])
        if may_be_unknown or not self.found:
            case.assertLessEqual(holder_pids(wait), self.waits_for[pid], "holders")
        else:
            case.assertEqual(self.waits_for[pid], holder_pids(wait), "holders")
        for key, value in self.locks.get(pid, {}).items():
            if key in wait["lock"] or not may_be_unknown:
                case.assertEqual(value, wait["lock"].get(key), f"{key} of the lock that {pid} waits for")
