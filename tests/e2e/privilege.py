#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""usage: privilege.py [NAME…]     e.g. privilege.py Privilege.test_capabilities_only

What lockscope does with less privilege, without BTF, inside a PID namespace, when interrupted or cut off, and that it
leaves nothing behind. Needs root, util-linux; bpftool for the last.
Environment: LOCKSCOPE_BIN, LOCKSCOPE_REPORT_DIR.
"""

import json
import os
import pathlib
import shutil
import signal
import subprocess

import harness
from harness import BINARY, NOBODY, Report, descendants, run, snapshot, system_call, until
from stage import Actor, Staged

SLEEPS = [["230"], ["35"]]  # clock_nanosleep, nanosleep of x86-64
CAPABILITIES = ["bpf", "perfmon", "sys_ptrace", "dac_read_search"]


class Hanging(Staged):
    """Two processes in each other's way, by flock."""

    def embrace(self, **options):
        self.first, self.second = Actor(self, **options), Actor(self, **options)
        self.lock_each_other(self.first, self.second)

    def lock_each_other(self, first, second, files="ab"):
        for actor in (first, second):
            for name in files:
                actor.do("open", name, self.folder / name, "w")
        first.do("flock", files[0], "ex")
        second.do("flock", files[1], "ex")
        first.hang("flock", files[1], "ex")
        second.hang("flock", files[0], "ex")

    @property
    def parties(self):
        return {self.first.pid, self.second.pid}

    def assert_found(self, report):
        about = report.findings_about(self.parties)
        self.assertEqual([("deadlock", "confirmed")], [(found["kind"], found["confidence"]) for found in about])
        self.assertEqual(self.parties, {wait["thread"]["pid"] for wait in about[0]["cycle"]})

    def public_binary(self):
        """Where anybody may run it: the build tree need not be open to all."""
        shutil.copy(BINARY, self.folder / "lockscope")
        (self.folder / "lockscope").chmod(0o755)
        return self.folder / "lockscope"


class Privilege(Hanging):
    def test_without_any(self):
        """As nobody: by /proc, saying so; a deadlock of one's own processes is seen."""
        self.embrace(**harness.as_nobody())
        report = snapshot(binary=self.public_binary(), **harness.as_nobody())
        self.assertEqual("proc", report.source)
        self.assertIn("/proc", report.stderr)
        self.assertIn("CAP_BPF", report.stderr)
        self.assertTrue(report.notes, "the report says it too")
        waits = {wait["thread"]["pid"]: harness.holder_pids(wait) for wait in report.waits}
        self.assertEqual({self.second.pid}, waits.get(self.first.pid))
        self.assertEqual({self.first.pid}, waits.get(self.second.pid))
        # Processes that it may not read could share the lock: then it is no more than that.
        for found in report.findings_about(self.parties):
            self.assertEqual(("deadlock", self.parties), (found["kind"], harness.pids_in(found)))

    def test_without_any_on_another_users(self):
        """What may not be read is counted, and nothing is made up of it."""
        self.embrace()
        report = snapshot(binary=self.public_binary(), **harness.as_nobody())
        self.assertEqual([], report.findings_about(self.parties))
        self.assertEqual([], report.waits_of(self.parties))
        self.assertGreater(report.content["coverage"]["unreadable"], 0)

    def with_capabilities(self, *names):
        wanted = ",".join(f"+{name}" for name in names)
        return ["setpriv", "--pdeathsig", "KILL", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups",
                f"--inh-caps=-all,{wanted}", f"--ambient-caps=-all,{wanted}", f"--bounding-set=-all,{wanted}"]

    def test_capabilities_only(self):
        """No root, four capabilities: all of the host by BPF, also other users' processes."""
        self.embrace()
        report = snapshot(binary=self.public_binary(), prefix=self.with_capabilities(*CAPABILITIES))
        self.assertEqual("bpf", report.source, report.notes)
        self.assert_found(report)
        self.assertEqual("", report.stderr)

    def test_one_capability_short(self):
        """Falls back to /proc and names what is missing."""
        self.embrace()
        binary = self.public_binary()
        for missing in ("bpf", "perfmon"):
            with self.subTest(missing):
                left = [name for name in CAPABILITIES if name != missing]
                report = snapshot(binary=binary, prefix=self.with_capabilities(*left))
                self.assertEqual("proc", report.source)
                self.assertIn(f"CAP_{missing.upper()}", report.stderr)


class Absence(Hanging):
    def test_no_btf(self):
        self.embrace()
        prefix = ["unshare", "--mount", "--propagation", "private", "sh", "-ec",
                  'mount --bind "$0" /sys/kernel/btf; exec "$@"', self.folder]
        report = snapshot(prefix=prefix)
        self.assertEqual("proc", report.source)
        self.assertIn("BTF", report.stderr)
        self.assertIn("BTF", " ".join(report.notes))
        waits = {wait["thread"]["pid"]: harness.holder_pids(wait) for wait in report.waits_of(self.parties)}
        self.assertEqual({self.first.pid: {self.second.pid}, self.second.pid: {self.first.pid}}, waits)

    def test_no_proc(self):
        """BPF goes on, and counts what it could not read; without it, a message and a status, not a clean report."""
        prefix = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", 'mount --bind "$0" /proc; exec "$@"',
                  self.folder]
        self.embrace()
        report = snapshot(prefix=prefix)
        self.assertEqual("bpf", report.source)
        self.assertLessEqual(harness.pids_in(report.findings_about(self.parties)), self.parties)
        done = run("snapshot", "--json", "--no-bpf", prefix=prefix)
        self.assertEqual(3, done.returncode, done.stdout + done.stderr)
        self.assertEqual(b"", done.stdout)
        self.assertIn(b"/proc", done.stderr)

    def test_pid_of_nothing(self):
        gone = subprocess.Popen(["true"])
        gone.wait()
        for pid in (gone.pid, 2**22 + 1, 2**31 - 1):
            with self.subTest(pid):
                done = run("snapshot", "--json", "--pid", pid)
                self.assertEqual(2, done.returncode, done.stderr)
                self.assertEqual(b"", done.stdout)
                self.assertIn(str(pid).encode(), done.stderr)
        for word in ("0", "-1", "x", "99999999999999999999", ""):
            with self.subTest(word):
                done = run("snapshot", "--json", "--pid", word)
                self.assertEqual((2, b""), (done.returncode, done.stdout), done.stderr)
                self.assertTrue(done.stderr)


class PidNamespace(Hanging):
    def setUp(self):
        super().setUp()
        self.init = Actor(self, prefix=["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"])
        self.enter = ["nsenter", "-t", str(self.init.pid), "-p", "-m"]

    def inside(self, pid):
        """The number that a process has in its own namespace."""
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
        return int(next(line for line in status.splitlines() if line.startswith("NSpid:")).split()[-1])

    def test_from_inside(self):
        """Its numbers are those of the namespace, and nobody outside is spoken of."""
        self.embrace()  # outside
        first, second = Actor(self, prefix=self.enter), Actor(self, prefix=self.enter)
        self.lock_each_other(first, second, "cd")
        pids = {self.inside(first.pid), self.inside(second.pid)}
        self.assertLess(max(pids), 100)
        for arguments in ((), ("--no-bpf",)):
            with self.subTest(arguments):
                report = snapshot("--all", *arguments, prefix=self.enter)
                waits = {wait["thread"]["pid"]: harness.holder_pids(wait) for wait in report.waits}
                for pid in pids:
                    self.assertEqual(pids - {pid}, waits.get(pid))
                # Sharers outside could exist, unseen from here: it need not be found, but nothing else may be.
                for found in report.findings:
                    self.assertEqual(("deadlock", pids), (found["kind"], harness.pids_in(found)))
                there = self.quietly(*self.enter, "ls", "/proc")
                seen = harness.pids_in(report.content["waits"])
                self.assertLessEqual(seen, set(map(int, filter(str.isdigit, there.split()))) | pids)

    def test_lock_held_outside(self):
        """From inside, a holder outside is not known; it is not taken for whoever has its number inside."""
        inside, outside = Actor(self, prefix=self.enter), Actor(self)
        self.lock_each_other(inside, outside)
        pid = self.inside(inside.pid)
        for arguments in ((), ("--no-bpf",)):
            with self.subTest(arguments):
                report = snapshot("--all", *arguments, prefix=self.enter)
                self.assertEqual([], report.findings)
                waits = report.waits_of({pid})
                self.assertEqual([set()] * len(waits), [harness.holder_pids(wait) for wait in waits])
                # /proc/locks hides both the lock and who waits for it.
                self.assertTrue(waits or arguments, "by BPF the wait is seen")


class LeavesNothingBehind(Hanging):
    def setUp(self):
        super().setUp()
        self.embrace()  # something to confirm: lockscope takes no second look where nobody waits for a known holder

    def test_interrupted(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            for arguments in ((), ("--no-bpf",)):
                with self.subTest(number=number, arguments=arguments):
                    before = descendants(os.getpid())
                    program = self.start(BINARY, "snapshot", "--json", "--confirm", "1m", *arguments,
                                         stdout=subprocess.PIPE, stderr=subprocess.PIPE)
                    until(lambda: self.asleep_for_long(program.pid), "it pauses", alive=program)
                    program.send_signal(number)
                    out, err = program.communicate(timeout=harness.PATIENCE)
                    self.assertIn(program.returncode, (-number, 128 + number), err)
                    self.assertEqual(b"", out, "half a report")
                    until(lambda: descendants(os.getpid()) <= before, "none of its children is left")

    def asleep_for_long(self, pid):
        """In the pause between the looks: in a sleep that goes on while others are known to have run."""
        if system_call(pid)[:1] not in SLEEPS:
            return False
        switches = switches_of(pid)
        subprocess.run(["true"], check=True)
        return switches != "" and switches == switches_of(pid)

    def test_reader_gone(self):
        """| head -1: an error at most, not a crash."""
        for arguments in ("", "--json"):
            with self.subTest(arguments):
                pipe = f'"$0" snapshot --all {arguments} | head -1; echo "${{PIPESTATUS[0]}}"'
                done = subprocess.run(
                    ["bash", "-c", pipe, str(BINARY)], stdin=subprocess.DEVNULL,
                    capture_output=True, text=True, preexec_fn=harness.die_with_parent, timeout=harness.PATIENCE)
                status = int(done.stdout.split()[-1])
                self.assertIn(status, (0, 3, 141), done.stderr)
        with open("/dev/full", "wb") as full:
            done = subprocess.run([str(BINARY), "snapshot", "--json"], stdout=full, stderr=subprocess.PIPE,
                                  preexec_fn=harness.die_with_parent)
        self.assertEqual(3, done.returncode)
        self.assertIn(b"standard output", done.stderr)

    def bpf_objects(self, kind):
        return {entry["id"] for entry in json.loads(self.quietly("bpftool", "-j", kind, "show"))}

    def test_bpf_programs_and_links(self):
        if not shutil.which("bpftool"):
            self.fail("bpftool is missing (Debian: bpftool)")
        before = {kind: self.bpf_objects(kind) for kind in ("prog", "link", "map")}
        during = {}
        program = self.start(BINARY, "snapshot", "--json", "--confirm", "1m", stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL)
        until(lambda: self.asleep_for_long(program.pid), "it pauses", alive=program)
        for kind in before:
            during[kind] = self.bpf_objects(kind) - before[kind]
        self.assertTrue(during["prog"], "it has programs while it runs")
        program.kill()
        program.wait()
        # Others may come and go meanwhile: those that were there during the run are gone in the end.
        for kind, objects in during.items():
            until(lambda: not (objects & self.bpf_objects(kind)), f"{kind}s {objects} are gone")

    def test_killed_with_its_parent(self):
        """Its helpers do not outlive it, even if it is killed."""
        before = descendants(os.getpid())
        program = self.start(BINARY, "snapshot", "--json", "--confirm", "1m", stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL)
        until(lambda: self.asleep_for_long(program.pid), "it pauses", alive=program)
        program.kill()
        program.wait()
        until(lambda: descendants(os.getpid()) <= before, "none of its children is left")


def switches_of(pid):
    try:
        lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return ""
    return [line for line in lines if "ctxt_switches" in line]


if __name__ == "__main__":
    harness.main()
