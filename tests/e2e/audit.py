#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""usage: audit.py [NAME…]     e.g. audit.py Files.test_matrix

`lockscope audit` against the truth: locks of root in places of every kind, and users made for the test who really try
to take them, to replace their files and to make them first. Every right that they have is reported for them, and none
that they have not. Also: two published cases before and after their cure, locks that are nobody else's business, places
in mount namespaces, the allow-list.
Needs root, util-linux, useradd and groupadd, a C compiler (CC, default cc).
Environment: LOCKSCOPE_BIN, LOCKSCOPE_REPORT_DIR.
"""

import ctypes
import fcntl
import itertools
import os
import pathlib
import pwd
import re
import shutil
import subprocess
import sys

import harness
from audited import Audit, about, audit, reported_right
from harness import HERE, run
from other_users import Accounts, Lock, acting_as, real_rights
from stage import Actor


def setUpModule():
    Accounts.make()


def tearDownModule():
    Accounts.remove()


class Files(Audit):
    def make_matrix(self):
        uid, gid = pwd.getpwnam(Accounts.owner).pw_uid, Accounts.gid
        folders = [self.directory("open", 0o755), self.directory("search", 0o711), self.directory("closed", 0o700),
                   self.directory("of_group", 0o750, group=gid), self.directory("group_writes", 0o770, group=gid),
                   self.directory("writable", 0o777), self.directory("sticky", 0o1777),
                   self.directory("group_sticky", 0o1770, group=gid), self.directory("owned", 0o755, owner=uid),
                   self.directory("owned_closed", 0o700, owner=uid)]
        folders.append(self.directory("below", 0o755, parent=folders[2]))
        folders.append(self.directory("below", 0o755, parent=folders[5]))  # whose parent others may write to
        folders.append(self.directory("below", 0o755, parent=folders[6]))
        files = [(0o600, 0, 0), (0o640, 0, gid), (0o660, 0, gid), (0o644, 0, 0), (0o666, 0, 0), (0o622, 0, 0),
                 (0o640, 0, 0), (0o600, uid, 0), (0o400, uid, 0)]
        locks = []
        for folder, (mode, owner, group) in itertools.product(folders, files):
            locks.append(Lock(folder / f"flock{len(locks)}", "flock", mode, owner, group))
        for kind, shared in (("flock", True), ("posix", False), ("posix", True), ("ofd", False), ("ofd", True)):
            for folder, (mode, owner, group) in itertools.product([folders[0], folders[6]], files):
                locks.append(Lock(folder / f"{kind}{len(locks)}", kind, mode, owner, group, shared))
        return locks

    def test_matrix(self):
        locks = self.make_matrix()
        holder = Actor(self)
        for lock in locks:
            lock.create()
            self.hold(holder, lock)
        reports = {"bpf": audit(), "proc": audit("--no-bpf")}
        self.assertEqual("bpf", reports["bpf"].source, reports["bpf"].notes)
        for report in reports.values():
            for finding in report.findings:
                if finding["evidence"]["path"].startswith(str(self.base)):
                    self.check(finding, holder.pid)
        told = [sorted((f["evidence"]["path"], f["severity"], f["evidence"]["who"], f["evidence"]["right"])
                       for f in report.findings if f["evidence"]["path"].startswith(str(self.base)))
                for report in reports.values()]
        self.assertEqual(told[0], told[1], "BPF and /proc disagree")
        harness.end_all()  # the locks are free for those who try
        count = self.compare(reports["bpf"], locks, self.base)
        print(f"{count} locks, 3 users", file=sys.stderr)

    def check(self, finding, holder):
        """Of every finding: the parties, the severity that the rules give, the one change."""
        evidence, lock = finding["evidence"], finding["lock"]
        self.assertEqual({holder}, harness.pids_in(finding["holders"]))
        self.assertEqual([], finding.get("waiters", []))
        self.assertEqual((evidence["path"], "file"), (lock["path"], lock["scope"]))
        self.assertEqual(os.stat(evidence["path"]).st_ino, lock["inode"])
        self.assertEqual("root (0)", evidence["relied_on_by"])
        self.assertIn(str(self.base), evidence["directories"])
        self.assertTrue(evidence["fix"])
        if evidence["who"] == "any user":
            worst = evidence["right"] == "take" and evidence["use"] == "held exclusive"
            self.assertEqual("critical" if worst else "warning", finding["severity"], finding)
        else:
            self.assertEqual("warning", finding["severity"], finding)

    def test_read_only_descriptor_is_enough(self):
        lock = Lock(self.base / "state", "flock", 0o644)
        lock.create()
        self.hold(Actor(self), lock)
        (finding,) = about(audit(), lock.path)
        self.assertEqual(True, finding["evidence"]["descriptor_readonly"])
        self.assertEqual("0644", finding["evidence"]["mode"])
        self.assertIn("0640", finding["hint"])

    def test_the_change_closes_it(self):
        """What the finding says to do is done, and then nobody can: neither by the report nor really."""
        sticky = self.directory("sticky", 0o1777)
        open_lock, shared_folder = Lock(self.base / "state", "flock", 0o666), Lock(sticky / "job", "flock", 0o600)
        holder = Actor(self)
        for lock in (open_lock, shared_folder):
            lock.create()
            self.hold(holder, lock)
        report = audit()
        (finding,) = about(report, open_lock.path)
        (mode,) = re.findall(r"mode (\d+)", finding["evidence"]["fix"])
        os.chmod(open_lock.path, int(mode, 8))
        (finding,) = about(report, shared_folder.path)
        self.assertIn("directory", finding["evidence"]["fix"])
        moved = Lock(self.directory("own", 0o755) / "job", "flock", 0o600)
        moved.create()
        self.hold(holder, moved)
        report = audit()
        self.assertEqual([], about(report, open_lock.path) + about(report, moved.path))
        harness.end_all()
        self.compare(report, [open_lock, moved], self.base, [Accounts.stranger])

    def test_waiter_counts_as_use(self):
        """A shared lock that root waits for in front of another's."""
        lock = Lock(self.base / "queue", "posix", 0o644)
        lock.create()
        owner = Actor(self)
        owner.do("open", "f", lock.path, "w")
        owner.do("posix", "f", "rd", 0, 0)
        waiter = Actor(self)
        waiter.do("open", "f", lock.path, "w")
        waiter.hang("posix", "f", "wr", 0, 0)
        (finding,) = about(audit(), lock.path)
        self.assertEqual(("critical", "held and waited for"), (finding["severity"], finding["evidence"]["use"]))


class Advisories(Audit):
    """Published cases, before and after."""

    def found(self, lock):
        holder = Actor(self)
        self.hold(holder, lock)
        return about(audit(), lock.path)

    def test_logrotate(self):
        """CVE-2022-1348: the state file that serves as lock was world-readable."""
        folder = self.directory("logrotate", 0o755)
        for mode, severities in ((0o644, ["critical"]), (0o640, []), (0o600, [])):
            lock = Lock(folder / f"status{mode:o}", "flock", mode)
            lock.create()
            found = self.found(lock)
            self.assertEqual(severities, [finding["severity"] for finding in found])
            if found:
                self.assertEqual(("any user", "take", True),
                                 tuple(found[0]["evidence"][key] for key in ("who", "right", "descriptor_readonly")))
            harness.end_all()
            self.assertEqual("take" if found else None,
                             real_rights([lock], Accounts.stranger, self.base)[lock.path])

    def test_apport(self):
        """CVE-2019-11485: the lock file lay where everybody may write. Its cure was a directory of root's."""
        for mode, severities in ((0o3777, ["warning"]), (0o755, [])):
            lock = Lock(self.directory(f"crash{mode:o}", mode) / ".lock", "posix", 0o600)
            lock.create()
            found = self.found(lock)
            self.assertEqual(severities, [finding["severity"] for finding in found])
            if found:
                self.assertEqual(("any user", "pre_create"),
                                 tuple(found[0]["evidence"][key] for key in ("who", "right")))
            harness.end_all()
            self.assertEqual("pre_create" if found else None,
                             real_rights([lock], Accounts.stranger, self.base)[lock.path])


class SharedMemory(Audit):
    SHM = pathlib.Path("/dev/shm")

    def setUp(self):
        super().setUp()
        self.prefix = f"lockscope-audit-{os.getpid()}-"
        self.addCleanup(self.remove_objects)

    def remove_objects(self):
        for path in itertools.chain(self.SHM.glob(self.prefix + "*"), self.SHM.glob("sem." + self.prefix + "*")):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()

    def compare_taking(self, report, locks):
        """Making it first is a way to all of /dev/shm, and reported only for what is in use."""
        for user in (Accounts.stranger, Accounts.member, Accounts.owner):
            for lock in locks:
                with acting_as(user, lock.take) as taken, self.subTest(str(lock), user=user):
                    said = reported_right(report, lock.path, user)
                    self.assertEqual(taken, said == "take", f"reported: {said}")

    def modes(self):
        uid, gid = pwd.getpwnam(Accounts.owner).pw_uid, Accounts.gid
        return [(0o600, 0, 0), (0o644, 0, 0), (0o660, 0, gid), (0o666, 0, 0), (0o622, 0, 0), (0o600, uid, 0)]

    def test_named_semaphores(self):
        """Mapped by a process of root, this one. That is all that shows of a semaphore that nobody waits for."""
        libc = ctypes.CDLL(None, use_errno=True)
        libc.sem_open.restype = ctypes.c_void_p
        libc.sem_close.argtypes = [ctypes.c_void_p]
        locks, semaphores = [], []
        for number, (mode, owner, group) in enumerate(self.modes()):
            name = f"{self.prefix}{number}"
            semaphores.append(libc.sem_open(b"/" + name.encode(), os.O_CREAT | os.O_EXCL, 0o600, 1))
            self.assertTrue(semaphores[-1])
            lock = Lock(self.SHM / f"sem.{name}", "sem", mode, owner, group)
            os.chown(lock.path, owner, group)
            lock.path.chmod(mode)
            locks.append(lock)
        report = audit()
        for lock in locks:
            for finding in about(report, lock.path):
                self.assertEqual(("notice", "sem", "shared", "mapped"),
                                 (finding["severity"], finding["lock"]["kind"], finding["lock"]["scope"],
                                  finding["evidence"]["use"]))
        self.compare_taking(report, locks)
        for semaphore in semaphores:
            libc.sem_close(semaphore)
        report = audit()
        self.assertEqual([], [f for lock in locks for f in about(report, lock.path)], "nobody has them any more")

    def test_mutex(self):
        """One process of root waits for another."""
        program = self.scripts / "mutex_actor"
        self.quietly(os.environ.get("CC", "cc"), "-O2", "-pthread", "-o", program, HERE / "mutex_actor.c")
        closed = self.SHM / f"{self.prefix}closed"
        closed.mkdir(0o700)
        places = [(self.SHM / f"{self.prefix}{i}", *how) for i, how in enumerate(self.modes())]
        places.append((closed / "mutex", 0o666, 0, 0))
        locks = []
        for path, mode, owner, group in places:
            lock = Lock(path, "mutex", mode, owner, group)
            lock.create()
            os.truncate(path, 4 * 4096)
            pair = [Actor(self, [program, "file", path, 0]) for _ in range(2)]
            pair[0].do("init", 64)
            pair[0].do("lock", 64)
            pair[1].hang("lock", 64)
            locks.append(lock)
        report = audit()
        for lock in locks:
            for finding in about(report, lock.path):
                self.assertEqual(("mutex", "shared"), (finding["lock"]["kind"], finding["lock"]["scope"]))
                if finding["evidence"]["who"] == "any user":
                    self.assertEqual("critical" if finding["evidence"]["right"] == "take" else "warning",
                                     finding["severity"])
        harness.end_all()
        self.compare_taking(report, locks)


class NobodysBusiness(Audit):
    """What is not reported although the mode is wide open."""

    def as_user(self, name):
        entry = pwd.getpwnam(name)
        return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}

    def wide_open(self, name, **owner):
        lock = Lock(self.base / name, "flock", 0o666, **owner)
        lock.create()
        return lock

    def assert_silent(self, *locks):
        report = audit()
        for lock in locks:
            self.assertEqual([], about(report, lock.path), str(lock))

    def test_of_an_ordinary_user(self):
        lock = self.wide_open("users")
        self.hold(Actor(self, **self.as_user(Accounts.owner)), lock)
        self.assert_silent(lock)

    def test_of_root_in_a_user_namespace(self):
        lock = self.wide_open("namespace")
        self.hold(Actor(self, prefix=["unshare", "--user", "--map-root-user"]), lock)
        self.assert_silent(lock)

    def test_unlinked(self):
        lock = self.wide_open("gone")
        self.hold(Actor(self), lock)
        lock.path.unlink()
        report = audit()
        self.assertEqual([], [f for f in report.findings if str(self.base) in f["evidence"]["path"]])

    def test_inherited_from_a_user(self):
        """A user's own lock, whose descriptor a process of root has too (sudo)."""
        lock = self.wide_open("handed_down", owner=pwd.getpwnam(Accounts.owner).pw_uid)
        fd = os.open(lock.path, os.O_RDWR)
        self.addCleanup(os.close, fd)

        def take():
            fcntl.flock(fd, fcntl.LOCK_EX)
            return True
        keeper = self.start("sleep", "1000", pass_fds=[fd])
        with acting_as(Accounts.owner, take):
            report = audit()
        self.assertEqual([], about(report, lock.path), f"held by {keeper.pid} too")

    def test_deep_below_a_closed_folder(self):
        folder = self.directory("closed", 0o700)
        for name in ("a", "b", "c"):
            folder = self.directory(name, 0o777, parent=folder)
        lock = Lock(folder / "lock", "flock", 0o666)
        lock.create()
        self.hold(Actor(self), lock)
        self.assert_silent(lock)

    def in_mount_namespace(self, script, *words):
        return Actor(self, prefix=["unshare", "--mount", "--propagation", "private", "sh", "-ec",
                                   f'{script}; shift {len(words)}; exec "$@"', "sh", *words])

    def test_private_tmp(self):
        """What systemd makes of PrivateTmp=: a world-writable folder in one that only root may enter."""
        for mode, found in ((0o700, 0), (0o755, 1)):
            private = self.directory(f"private{mode:o}", mode)
            inside, point = self.directory("tmp", 0o1777, parent=private), self.directory(f"point{mode:o}", 0o755)
            actor = self.in_mount_namespace('mount --bind "$1" "$2"', inside, point)
            lock = Lock(inside / "lock", "flock", 0o666)
            lock.create()
            actor.do("open", "f", point / "lock", "w")
            actor.do("flock", "f", "ex")
            report = audit()
            findings = about(report, lock.path) + about(report, point / "lock")
            self.assertEqual(found, len(findings), findings)
            if findings:
                self.assertIn(str(private), findings[0]["evidence"]["directories"], "as others see it")
            harness.end_all()

    def test_of_a_mount_namespace_alone(self):
        point = self.directory("point", 0o755)
        actor = self.in_mount_namespace('mount -t tmpfs none "$1"', point)
        actor.do("open", "f", point / "lock", "w")
        actor.do("flock", "f", "ex")
        report = audit()
        self.assertEqual([], about(report, point / "lock"))

    def test_allowed(self):
        lock = self.wide_open("wanted")
        self.hold(Actor(self), lock)
        exe = os.path.realpath(sys.executable if not os.access("/usr/bin/python3", os.X_OK) else "/usr/bin/python3")
        for rules in ([f"path={lock.path}"], [f"exe={exe}"], [f"exe={exe},path={self.base}/*"],
                      ["path=/elsewhere", f"path={self.base}/want*"]):
            arguments = [word for rule in rules for word in ("--allow", rule)]
            self.assertEqual([], about(audit(*arguments), lock.path), rules)
        for rule in (f"exe=/bin/other,path={lock.path}", "path=/elsewhere/*", "unit=*.none"):
            self.assertEqual(1, len(about(audit("--allow", rule), lock.path)), rule)
        for rule in ("", "path=", "colour=red", "path=/a,path=/b", lock.path):
            done = run("audit", "--allow", rule)
            self.assertEqual((2, b""), (done.returncode, done.stdout), rule)
            self.assertIn(b"--allow", done.stderr)


TRIES = """
import os, sys, time
told = False
while True:
    try:
        os.close(os.open(sys.argv[1], os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        os.unlink(sys.argv[1])
    except OSError:
        pass
    if not told:
        print("tried", flush=True)
        told = True
    time.sleep(0.05)
"""


class PredictableNames(Audit):
    def keeps_trying(self, path, **options):
        process = self.start("/usr/bin/python3", "-c", TRIES, path, stdout=subprocess.PIPE, **options)
        self.assertEqual(b"tried\n", process.stdout.readline())
        return process

    def take_name(self, path, user):
        path.touch()
        entry = pwd.getpwnam(user)
        os.chown(path, entry.pw_uid, entry.pw_gid)

    def test_taken_by_a_user(self):
        """What the predictable names in CWE-412's cases come to; and the innocent ones beside it, in the same look."""
        sticky = self.directory("sticky", 0o1777)
        names = {name: sticky / name for name in ("job.lock", "roots.lock", "free.lock", "users.lock", "report.txt")}
        names["private.lock"] = self.directory("own", 0o755) / "private.lock"
        for name in ("job.lock", "users.lock", "report.txt", "private.lock"):
            self.take_name(names[name], Accounts.stranger)
        names["roots.lock"].touch()
        entry = pwd.getpwnam(Accounts.owner)
        processes = {name: self.keeps_trying(path, **({"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
                                                      if name == "users.lock" else {}))
                     for name, path in names.items()}
        report = audit("--for", "2s")
        found = {name: about(report, path) for name, path in names.items()}
        self.assertEqual(["job.lock"], [name for name, findings in found.items() if findings])
        (finding,) = found["job.lock"]
        self.assertEqual(("critical", True), (finding["severity"], finding["evidence"]["predictable_name"]))
        self.assertEqual({processes["job.lock"].pid}, harness.pids_in(finding["failing"]))
        self.assertTrue(finding["evidence"]["owner"].startswith(Accounts.stranger))


class Outside(Audit):
    def test_exit_status_and_words(self):
        lock = Lock(self.base / "open", "flock", 0o644)
        lock.create()
        self.hold(Actor(self), lock)
        self.assertEqual(1, audit("--exit-code", "--fail-on", "critical").status)
        self.assertEqual(0, audit().status)
        done = run("audit")
        self.assertEqual((0, b""), (done.returncode, done.stderr))
        text = done.stdout.decode()
        self.assertIn(str(lock.path), text)
        self.assertIn("any user can take the flock", text)
        self.assertNotIn("deadlock", text, "which was not looked for")

    def test_without_privilege(self):
        """Says that it cannot tell, and accuses nobody."""
        lock = Lock(self.base / "open", "flock", 0o644)
        lock.create()
        self.hold(Actor(self), lock)
        shutil.copy(harness.BINARY, self.folder / "lockscope")
        (self.folder / "lockscope").chmod(0o755)
        report = audit(binary=self.folder / "lockscope", **harness.as_nobody())
        self.assertEqual([], about(report, lock.path))
        self.assertTrue(report.notes)


if __name__ == "__main__":
    try:
        harness.main()
    finally:
        Accounts.remove()
