#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""usage: hijack.py [NAME…]     e.g. hijack.py Matrix

Who keeps a more trusted process from its lock is found, whatever the lock and whatever the distance; who does the same
to a less trusted one, to its own unit, for a moment or with the operator's leave is not. All pairs stand at the same
time, as users and units of their own, and one watch sees them all.
Needs root, a writable cgroup2 hierarchy, util-linux, a C compiler (CC, default cc).
Environment: LOCKSCOPE_BIN, LOCKSCOPE_REPORT_DIR.
"""

import json
import os
import pathlib
import shutil
import subprocess
import tempfile

import harness
from harness import BINARY, HERE, Report, until

USER, OTHER_USER, SYSTEM_USER = 61001, 61002, 461  # nobody's on any distribution
STARVED = 1  # second
CONTAINER = "c0ffee" + "0123456789abcdef" * 3 + "0123456789"


def cgroup_root():
    for line in pathlib.Path("/proc/mounts").read_text().splitlines():
        words = line.split()
        if words[2] == "cgroup2":
            return pathlib.Path(words[1])
    return None


class Place:
    """Where a process runs: as whom, in which unit, on the host or in a container."""

    def __init__(self, uid, unit, container=False):
        self.uid, self.unit, self.container = uid, unit, container


ROOT = Place(0, "root.service")
USER_A = Place(USER, "a.service")
USER_B = Place(USER, "b.service")
STRANGER = Place(OTHER_USER, "c.service")
SYSTEM = Place(SYSTEM_USER, "system.service")
CONTAINED = Place(0, None, container=True)

# holder, victim, severity (None: no finding)
DISTANCES = {
    "user-root": (USER_A, ROOT, "critical"),
    "user-system": (USER_A, SYSTEM, "critical"),
    "unit-unit": (USER_A, USER_B, "warning"),
    "container-host": (CONTAINED, ROOT, "critical"),
}
MIRRORS = {
    "root-user": (ROOT, USER_A, None),
    "system-user": (SYSTEM, USER_A, None),
    "same-unit": (USER_A, USER_A, None),
    "host-container": (ROOT, CONTAINED, None),
}
KINDS = ("flock_ro", "flock", "posix", "ofd", "mutex")
JSON_KIND = {"flock_ro": "flock"}


class Pair:
    """A holder and a victim on a lock of their own."""

    def __init__(self, test, kind, distance, places, victim_role, holder_role="hold", prefix=()):
        self.name = f"{kind}/{distance}/{victim_role}"
        self.kind, self.severity = kind, places[2]
        self.path = test.lock_for(kind, self.name)
        if kind in ("mutex", "sem"):
            test.rival(ROOT, kind, self.path, "init").wait()
        self.holder = test.rival(places[0], kind, self.path, holder_role)
        self.victim = test.rival(places[1], kind, self.path, victim_role)
        self.strangers = places[0] is not places[1]
        self.parties = {self.holder.pid, self.victim.pid}


    def begin(self):
        """Of a pair that only stands by (its roles end with +): first the holder, then the victim."""
        for process in (self.holder, self.victim):
            process.stdin.write(b"x")
            process.stdin.flush()
            assert process.stdout.readline() == b"ok\n", self.name


class Hijacks(harness.Case):
    def setUp(self):
        super().setUp()
        root = cgroup_root()
        if root is None or not os.access(root, os.W_OK):
            self.skipTest("no cgroup2 hierarchy that may be written")
        self.cgroups = []
        self.slice = root / "lockscope-test.slice"
        self.make_cgroup(self.slice)
        # Whoever is killed lets go of the cgroups only when it is reaped: first the processes, then these.
        self._cleanups.insert(0, (self.remove_cgroups, (), {}))
        self.rival_program = self.folder / "rival"
        subprocess.run([os.environ.get("CC", "cc"), "-O2", "-pthread", "-o", self.rival_program, HERE / "rival.c"],
                       check=True)
        self.semaphores = []
        self.addCleanup(lambda: [os.unlink("/dev/shm/sem." + name[1:]) for name in self.semaphores
                                 if os.path.exists("/dev/shm/sem." + name[1:])])
        self.names = 0

    def make_cgroup(self, path):
        if not path.exists():
            path.mkdir()
            self.cgroups.append(path)

    def remove_cgroups(self):
        for path in reversed(self.cgroups):
            until(lambda: self.removed(path), f"{path} is empty")

    @staticmethod
    def removed(path):
        try:
            path.rmdir()
        except FileNotFoundError:
            return True
        except OSError:
            return False
        return True

    def lock_for(self, kind, name):
        self.names += 1
        if kind == "sem":
            self.semaphores.append(f"/lockscope-test-{os.getpid()}-{self.names}")
            return self.semaphores[-1]
        path = self.folder / f"{self.names}-{name.replace('/', '-')}.lock"
        path.touch()
        path.chmod(0o666)
        return path

    def rival(self, place, kind, path, role):
        """Started in its place; returns once it is in its role."""
        folder = self.slice / (f"docker-{CONTAINER}.scope" if place.container else place.unit)
        self.make_cgroup(folder)
        prefix = ["sh", "-ec", 'echo $$ > "$0/cgroup.procs"; exec "$@"', folder]
        if place.container:
            prefix += ["unshare", "--user", "--map-root-user"]
        else:
            prefix += ["setpriv", f"--reuid={place.uid}", f"--regid={place.uid}", "--clear-groups", "--pdeathsig=KILL"]
        process = self.start(*prefix, self.rival_program, kind, path, role, stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE)
        word = process.stdout.readline()
        self.assertEqual(b"ready\n" if role.endswith("+") else b"ok\n", word, f"{kind} {path} {role}")
        return process

    def watch(self, seconds, *arguments, pairs=()):
        """The report of a watch. pairs: those that stand by, and begin when they are watched."""
        watcher = self.start(BINARY, "snapshot", "--for", f"{seconds}s", "--starved", f"{STARVED}s", "--json",
                             *arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if pairs:
            strangers = sum(2 for pair in pairs if pair.strangers)
            until(lambda: self.probed_processes(watcher) >= strangers, "all are probed", alive=watcher)
            for pair in pairs:
                pair.begin()
        report, words = watcher.communicate(timeout=harness.PATIENCE)
        self.assertEqual(0, watcher.returncode, words.decode(errors="replace"))
        return Report(report)

    @staticmethod
    def probed_processes(watcher):
        """How many processes have probes of the watcher: each link names its process; 0: of all."""
        pids = set()
        for entry in pathlib.Path(f"/proc/{watcher.pid}/fdinfo").iterdir():
            try:
                words = entry.read_text().split()
            except OSError:
                continue
            if "uprobe_multi" in words and "pid:" in words:
                pids.add(words[words.index("pid:") + 1])
        return len(pids - {"0"})

    def hijacks_of(self, report, pair):
        return [finding for finding in report.findings_about(pair.parties)
                if finding["kind"] in ("lock_hijack", "starvation", "deadlock", "long_hold")]

    def judge(self, report, pair):
        found = self.hijacks_of(report, pair)
        if pair.severity is None:
            self.assertEqual([], found, pair.name)
            return
        self.assertEqual(["lock_hijack"], [finding["kind"] for finding in found],
                         f"{pair.name}: {json.dumps(found, indent=1)}")
        (finding,) = found
        self.assertEqual(412, finding["cwe"])
        self.assertEqual(pair.severity, finding["severity"], finding["summary"])
        self.assertEqual({pair.holder.pid}, {h["thread"]["pid"] for h in finding["holders"]}, finding["summary"])
        victims = {w["thread"]["pid"] for w in finding.get("waiters", [])}
        victims |= {f["process"]["pid"] for f in finding.get("failing", [])}
        self.assertEqual({pair.victim.pid}, victims, finding["summary"])
        if pair.kind not in ("mutex", "sem"):
            self.assertEqual(str(pair.path), finding["lock"].get("path"), finding["summary"])
            self.assertEqual(JSON_KIND.get(pair.kind, pair.kind), finding["lock"]["kind"])
        # Within two seconds of the threshold: what it says of itself when it fired.
        self.assertIs(True, finding["standing"])

    def judge_all(self, report, pairs):
        for pair in pairs:
            with self.subTest(pair.name):
                self.judge(report, pair)


class Matrix(Hijacks):
    def pairs(self, distances, kinds, later=""):
        return [Pair(self, kind, distance, places, role + later, "hold" + later)
                for kind in kinds for distance, places in distances.items() for role in ("wait", "try")]

    def judge_matrix(self, distances):
        """All stand before the watch begins, but for the semaphores: who took one is not written in it."""
        pairs = self.pairs(distances, KINDS)
        self.judge_all(self.watch(STARVED + 9), pairs)
        harness.end_all()
        pairs = self.pairs(distances, ["sem"], later="+")
        self.judge_all(self.watch(STARVED + 12, pairs=pairs), pairs)

    def test_found(self):
        self.judge_matrix(DISTANCES)

    def test_mirrors(self):
        self.judge_matrix(MIRRORS)

    def test_semaphore_that_nobody_was_seen_to_take(self):
        """It may be a signal that the other has not given yet."""
        pairs = self.pairs(DISTANCES, ["sem"])
        for pair in pairs:
            pair.severity = None
        self.judge_all(self.watch(STARVED + 4), pairs)

    def test_timeouts_of_a_mutex(self):
        """Tries that wait a little and give up, again and again."""
        pair = Pair(self, "mutex", "user-root", DISTANCES["user-root"], "timed")
        self.judge_all(self.watch(STARVED + 4), [pair])

    def test_fires_soon(self):
        """Within two seconds of the threshold."""
        pairs = [Pair(self, kind, "user-root", DISTANCES["user-root"], role)
                 for kind in ("flock", "posix", "mutex") for role in ("wait", "timed" if kind == "mutex" else "try")]
        report = self.watch(STARVED + 2, "--interval", "250ms")
        self.judge_all(report, pairs)


class Innocent(Hijacks):
    def test_short_holds(self):
        """Strangers who share a lock as they should: each has it for a moment."""
        pairs = [Pair(self, kind, "user-root", (USER_A, ROOT, None), role, holder_role="pulse")
                 for kind in KINDS for role in ("borrow", "pulse")]
        self.judge_all(self.watch(STARVED + 3), pairs)

    def test_below_the_threshold(self):
        pairs = [Pair(self, kind, "user-root", (USER_A, ROOT, None), role)
                 for kind in ("flock", "ofd", "mutex") for role in ("wait", "try")]
        done = subprocess.run([BINARY, "snapshot", "--for", "3s", "--starved", "10m", "--json"], capture_output=True,
                              stdin=subprocess.DEVNULL, preexec_fn=harness.die_with_parent, timeout=harness.PATIENCE)
        self.assertEqual(0, done.returncode, done.stderr)
        self.judge_all(Report(done.stdout), pairs)

    def test_allowed(self):
        """By program, by unit, by path: each rule alone speaks for its pair, and for no other."""
        places = (USER_A, ROOT, "critical")
        by_exe, by_unit, by_path, not_allowed = (
            Pair(self, "flock", f"allowed-{number}", places, "wait") for number in range(4))
        by_exe.severity = by_unit.severity = by_path.severity = None
        report = self.watch(STARVED + 3, "--allow", f"path={by_path.path}", "--allow", f"path={by_unit.path},unit=a.*",
                            "--allow", f"path={by_exe.path},exe=*/rival")
        self.judge_all(report, [by_exe, by_unit, by_path, not_allowed])
        report = self.watch(STARVED + 3, "--allow", f"unit=b.service,path={by_unit.path}")
        by_unit.severity = "critical"
        self.judge_all(report, [by_unit])

    def test_sharer_on_the_victims_side(self):
        """The description is shared with the victim's own domain, which can let go of it: nobody's hijack."""
        path = self.lock_for("flock", "shared")
        script = ("import fcntl, os, sys, time; fd = os.open(sys.argv[1], os.O_RDWR); fcntl.flock(fd, fcntl.LOCK_EX)\n"
                  "pid = os.fork()\n"
                  f"if pid == 0: os.setgroups([]); os.setgid({USER}); os.setuid({USER})\n"
                  "else: print('ok', flush=True)\n"
                  "while True: time.sleep(3600)\n")
        holder = self.start("/usr/bin/python3", "-c", script, path, stdout=subprocess.PIPE)
        self.assertEqual(b"ok\n", holder.stdout.readline())
        victim = self.rival(ROOT, "flock", path, "wait")
        report = self.watch(STARVED + 2)
        self.assertEqual([], [f for f in report.findings_about({victim.pid}) if f["kind"] == "lock_hijack"])


class Advisories(Hijacks):
    def test_world_readable_lock_of_a_root_job(self):
        """logrotate, CVE-2022-1348: root locks its state file, which all may read, and gives up if that is locked."""
        folder = self.another_folder()
        folder.chmod(0o755)
        state = folder / "logrotate.status"
        state.touch()
        state.chmod(0o644)
        holder = self.rival(USER_A, "flock_ro", state, "hold")
        victim = self.rival(ROOT, "flock", state, "try")
        (finding,) = [f for f in self.watch(STARVED + 3).findings_about({victim.pid}) if f["kind"] == "lock_hijack"]
        self.assertEqual("critical", finding["severity"])
        self.assertEqual({holder.pid}, {h["thread"]["pid"] for h in finding["holders"]})
        self.assertIs(True, finding["evidence"].get("holder_readonly_descriptor"), finding["evidence"])

    def test_lock_file_in_a_folder_of_all(self):
        """apport, CVE-2019-11485: the lock file lies where everybody may write; the root job waits for it."""
        folder = self.another_folder()
        folder.chmod(0o1777)
        lock = folder / ".lock"
        lock.touch()
        lock.chmod(0o666)
        os.chown(lock, USER, USER)
        holder = self.rival(USER_A, "posix", lock, "hold")
        victim = self.rival(ROOT, "posix", lock, "wait")
        (finding,) = [f for f in self.watch(STARVED + 3).findings_about({victim.pid}) if f["kind"] == "lock_hijack"]
        self.assertEqual("critical", finding["severity"])
        self.assertEqual({holder.pid}, {h["thread"]["pid"] for h in finding["holders"]})


class Recorded(Hijacks):
    def replay(self, path, *arguments, **options):
        done = harness.run("replay", path, "--json", "--starved", f"{STARVED}s", *arguments, **options)
        self.assertEqual(0, done.returncode, done.stderr.decode(errors="replace"))
        return done

    def test_replay_judges_as_it_was_judged(self):
        pairs = [Pair(self, kind, distance, DISTANCES[distance], role)
                 for kind, distance, role in (("flock", "user-root", "wait"), ("ofd", "user-system", "try"),
                                              ("mutex", "container-host", "wait"), ("posix", "unit-unit", "try"))]
        pairs += [Pair(self, "flock", "root-user", MIRRORS["root-user"], "wait")]
        path = self.folder / "recording"
        done = harness.run("record", "-o", path, "--for", f"{STARVED + 4}s", "--starved", f"{STARVED}s")
        self.assertEqual(0, done.returncode, done.stderr.decode(errors="replace"))
        self.assertEqual(0o600, path.stat().st_mode & 0o777)
        harness.end_all()  # nothing of what was recorded is there any more

        first = self.replay(path)
        self.judge_all(Report(first.stdout), pairs)
        self.assertEqual(first.stdout, self.replay(path).stdout, "the same bytes, other findings")

        # As nobody, who can see nothing of this host.
        copy = self.another_folder() / "copy"
        shutil.copyfile(path, copy)
        copy.chmod(0o644)
        binary = self.another_folder() / "lockscope"
        shutil.copy(BINARY, binary)
        self.assertEqual(first.stdout, self.replay(copy, binary=binary, **harness.as_nobody()).stdout)

        # Cut off where a crash would have: what is before that counts.
        with open(copy, "r+b") as cut:
            cut.truncate(copy.stat().st_size - 100)
        done = self.replay(copy)
        self.assertIn(b"cut off", done.stderr)
        self.judge_all(Report(done.stdout), pairs)


if __name__ == "__main__":
    harness.main()
