#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""usage: places.py [NAME…]     e.g. places.py FileLocks.test_two_pid_namespaces

A deadlock is found, with the right parties and locks, wherever it stands: in PID and mount namespaces, on overlayfs,
over files without a name, between processes that share descriptors. What cannot be known is not claimed.
Needs root, util-linux, a C compiler (CC, default cc).
Environment: LOCKSCOPE_BIN, LOCKSCOPE_REPORT_DIR.
"""

import ctypes
import os
import pathlib
import tempfile

import harness
from harness import HERE, snapshot
from stage import Actor, Staged, wait_until_blocked

PID_NAMESPACE = ["unshare", "--pid", "--fork", "--kill-child"]


def take(kind, name):
    return ("flock", name, "ex") if kind == "flock" else ("ofd", name, "wr", 0, 10)


class FileLocks(Staged):
    def path(self, name):
        return self.folder / name

    def embrace(self, kind, first, second, paths=None, mode="w"):
        """first takes a, second takes b, then each wants the other's. Gives what its report must say."""
        paths = paths or [self.path("a"), self.path("b")]
        for actor in (first, second):
            for name, path in zip("ab", paths):
                actor.do("open", name, path, mode)
        first.do(*take(kind, "a"))
        second.do(*take(kind, "b"))
        return self.hang_on_each_other(kind, first, second, paths)

    def hang_on_each_other(self, kind, first, second, paths):
        locks = {}
        for actor, name, path in ((first, "b", paths[1]), (second, "a", paths[0])):
            device, inode = actor.do("identity", name)
            locks[actor.pid] = {"kind": kind, "scope": "file", "device": device, "inode": int(inode), "path": str(path)}
            actor.hang(*take(kind, name))
        return {first.pid: {second.pid}, second.pid: {first.pid}}, locks

    def test_plain(self):
        for kind in ("flock", "ofd"):
            with self.subTest(kind):
                self.expect_deadlock(*self.embrace(kind, Actor(self), Actor(self)))
                harness.end_all()

    def test_pid_namespace(self):
        for kind in ("flock", "ofd"):
            with self.subTest(kind):
                first = Actor(self, prefix=PID_NAMESPACE)
                second = Actor(self, prefix=["nsenter", "-t", first.pid, "-p"])
                self.expect_deadlock(*self.embrace(kind, first, second))
                harness.end_all()

    def test_two_pid_namespaces(self):
        for kind in ("flock", "ofd"):
            with self.subTest(kind):
                hang = self.embrace(kind, Actor(self, prefix=PID_NAMESPACE), Actor(self, prefix=PID_NAMESPACE))
                self.expect_deadlock(*hang)
                harness.end_all()

    def in_mount_namespace(self, script):
        """Two actors in a mount namespace of their own, which script (given the folder as $0) has prepared."""
        prefix = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", f'{script}; exec "$@"', self.folder]
        first = Actor(self, prefix=prefix)
        return first, Actor(self, prefix=["nsenter", "-t", first.pid, "-m"])

    def test_private_tmpfs(self):
        # The same paths are other files outside: whoever opens them there names the wrong ones.
        for name in "ab":
            self.path(name).touch()
        for kind in ("flock", "ofd"):
            with self.subTest(kind):
                first, second = self.in_mount_namespace('mount -t tmpfs none "$0"; touch "$0/a" "$0/b"')
                hang = self.embrace(kind, first, second)
                self.assertNotEqual(self.path("a").stat().st_ino, hang[1][second.pid]["inode"], "not another file")
                self.expect_deadlock(*hang)
                harness.end_all()

    OVERLAY = ('mount -t tmpfs none "$0"; mkdir "$0/lower" "$0/upper" "$0/work" "$0/merged"; '
               'touch "$0/lower/a" "$0/lower/b"; mount -t overlay none '
               '-o lowerdir="$0/lower",upperdir="$0/upper",workdir="$0/work" "$0/merged"')

    def test_overlayfs(self):
        paths = [self.folder / "merged" / name for name in "ab"]
        for kind, mode in (("flock", "r"), ("flock", "w"), ("ofd", "w")):
            with self.subTest(kind, mode=mode):
                first, second = self.in_mount_namespace(self.OVERLAY)
                self.expect_deadlock(*self.embrace(kind, first, second, paths, mode))
                harness.end_all()

    def test_overlayfs_before_and_after_copy_up(self):
        """One opened the file below, the other the copy above: two files to the kernel, so nobody waits for anybody
        at the first, and there is no deadlock to find."""
        paths = [self.folder / "merged" / name for name in "ab"]
        first, second = self.in_mount_namespace(self.OVERLAY)
        first.do("open", "a", paths[0], "r")
        second.do("open", "a", paths[0], "w")
        first.do("flock", "a", "ex")
        for actor in (first, second):
            actor.do("open", "b", paths[1], "w")
        second.do("flock", "b", "ex")
        first.hang("flock", "b", "ex")
        self.expect_no_finding({first.pid: {second.pid}})

    def test_unlinked(self):
        for kind in ("flock", "ofd"):
            with self.subTest(kind):
                first, second = Actor(self), Actor(self)
                paths = [self.path("a"), self.path("b")]
                for actor in (first, second):
                    for name, path in zip("ab", paths):
                        actor.do("open", name, path, "w")
                first.do(*take(kind, "a"))
                second.do(*take(kind, "b"))
                for path in paths:
                    first.do("unlink", path)
                    path.touch()  # another file, under the name of the deleted one
                waits_for, locks = self.hang_on_each_other(kind, first, second, paths)
                for lock in locks.values():
                    lock["path"] += " (deleted)"
                self.expect_deadlock(waits_for, locks)
                harness.end_all()

    def test_bind_mounted_file(self):
        """One lock under two names."""
        for name in ("a", "b", "other"):
            self.path(name).touch()
        first, second = self.in_mount_namespace('mount --bind "$0/a" "$0/other"')
        for actor, name in ((first, "a"), (second, "other")):
            actor.do("open", "a", self.path(name), "w")
            actor.do("open", "b", self.path("b"), "w")
        first.do("flock", "a", "ex")
        second.do("flock", "b", "ex")
        waits_for, locks = self.hang_on_each_other("flock", first, second, [self.path("other"), self.path("b")])
        self.expect_deadlock(waits_for, locks)

    def test_dev_shm(self):
        with tempfile.TemporaryDirectory(prefix="lockscope-e2e-", dir="/dev/shm") as folder:
            for kind in ("flock", "ofd"):
                with self.subTest(kind):
                    paths = [pathlib.Path(folder, name) for name in "ab"]
                    self.expect_deadlock(*self.embrace(kind, Actor(self), Actor(self), paths))
                    harness.end_all()

    def test_heir_of_an_exited_locker(self):
        for kind in ("flock", "ofd"):
            with self.subTest(kind):
                first, second = Actor(self), Actor(self)
                for actor in (first, second):
                    for name in "ab":
                        actor.do("open", name, self.path(name), "w")
                first.do(*take(kind, "a"))
                second.do(*take(kind, "b"))
                gone = first.pid
                first.leave_to_heir()
                self.assertNotEqual(gone, first.pid)
                self.expect_deadlock(*self.hang_on_each_other(kind, first, second, [self.path("a"), self.path("b")]))
                harness.end_all()

    def test_exec(self):
        for kind in ("flock", "ofd"):
            with self.subTest(kind):
                first, second = Actor(self), Actor(self)
                for actor in (first, second):
                    for name in "ab":
                        actor.do("open", name, self.path(name), "w")
                first.do(*take(kind, "a"))
                second.do(*take(kind, "b"))
                first.do("exec")
                self.expect_deadlock(*self.hang_on_each_other(kind, first, second, [self.path("a"), self.path("b")]))
                harness.end_all()

    def test_descriptor_in_flight(self):
        """Whoever receives it could unlock it, and that may be anybody: nothing is known of its holders."""
        for kind in ("flock", "ofd"):
            with self.subTest(kind):
                first, second = Actor(self), Actor(self)
                for actor in (first, second):
                    for name in "ab":
                        actor.do("open", name, self.path(name), "w")
                first.do(*take(kind, "a"))
                second.do(*take(kind, "b"))
                first.do("send", "a")
                first.hang(*take(kind, "b"))
                second.hang(*take(kind, "a"))
                self.expect_no_finding({first.pid: {second.pid}, second.pid: set()})
                harness.end_all()

    def test_sharer_who_can_unlock(self):
        """A third process shares the description of the lock, and is free: it can end this."""
        first, second = Actor(self), Actor(self)
        for actor in (first, second):
            for name in "ab":
                actor.do("open", name, self.path(name), "w")
        first.do("flock", "a", "ex")
        second.do("flock", "b", "ex")
        sharer = int(first.do("sharer")[0])
        first.hang("flock", "b", "ex")
        second.hang("flock", "a", "ex")
        self.expect_no_finding({first.pid: {second.pid}, second.pid: {first.pid, sharer}})

    def test_writer_behind_200_idle_readers(self):
        self.path("a").touch()
        crowd, writer = Actor(self), Actor(self)
        readers = set(map(int, crowd.do("readers", 200, self.path("a"))))
        writer.do("open", "a", self.path("a"), "w")
        writer.hang("flock", "a", "ex")
        self.expect_no_finding({writer.pid: readers})
        (wait,) = snapshot().waits_of({writer.pid})
        self.assertEqual(readers, harness.holder_pids(wait))

    def test_writer_and_200_readers_in_each_others_way(self):
        for name in "ab":
            self.path(name).touch()
        crowd, writer = Actor(self), Actor(self)
        for name in "ab":
            writer.do("open", name, self.path(name), "w")
        writer.do("flock", "b", "ex")
        readers = set(map(int, crowd.do("readers", 200, self.path("a"), self.path("b"))))
        for pid in readers:
            wait_until_blocked(pid)
        writer.hang("flock", "a", "ex")
        # Any of 200 descriptions may have one more reference for a moment, by who reads fdinfo or runs the same
        # iterator just then: nobody can say that it is not another holder's, so that look says nothing.
        self.expect_deadlock({writer.pid: readers} | {pid: {writer.pid} for pid in readers}, tries=5)

    def test_posix_behind_flock(self):
        """The kernel refuses a POSIX deadlock by itself, but does not see one that goes through a flock."""
        first, second = Actor(self), Actor(self)
        for actor in (first, second):
            for name in "ab":
                actor.do("open", name, self.path(name), "w")
        first.do("posix", "a", "wr", 0, 0)
        second.do("flock", "b", "ex")
        first.hang("flock", "b", "ex")
        second.hang("posix", "a", "wr", 5, 1)
        self.expect_deadlock({first.pid: {second.pid}, second.pid: {first.pid}},
                             {first.pid: {"kind": "flock", "path": str(self.path("b"))},
                              second.pid: {"kind": "posix", "path": str(self.path("a"))}})


class SharedMutexes(Staged):
    """Process-shared mutexes, whose addresses differ in the two processes."""

    FIRST, SECOND = 8192, 8192 + 64  # offsets in the object

    def setUp(self):
        super().setUp()
        self.program = self.folder / "mutex_actor"
        self.quietly(os.environ.get("CC", "cc"), "-O1", "-Wall", "-Wextra", "-Werror", "-pthread", "-o", self.program,
                     HERE / "mutex_actor.c")

    def embrace(self, first, second):
        first.do("init", self.FIRST)
        first.do("init", self.SECOND)
        first.do("lock", self.FIRST)
        second.do("lock", self.SECOND)
        first.hang("lock", self.SECOND)
        second.hang("lock", self.FIRST)
        locks = {actor.pid: {"kind": "mutex", "scope": "shared", "offset": offset}
                 for actor, offset in ((first, self.SECOND), (second, self.FIRST))}
        self.expect_deadlock({first.pid: {second.pid}, second.pid: {first.pid}}, locks)

    def actor(self, *arguments, **options):
        return Actor(self, [self.program, *arguments], **options)

    def test_memfd(self):
        descriptor = os.memfd_create("lockscope-e2e")
        self.addCleanup(os.close, descriptor)
        os.truncate(descriptor, 4 * 4096)
        self.embrace(*(self.actor("descriptor", descriptor, base, pass_fds=[descriptor]) for base in (0, 4096)))

    def test_file_in_dev_shm(self):
        with tempfile.NamedTemporaryFile(prefix="lockscope-e2e-", dir="/dev/shm") as file:
            file.truncate(4 * 4096)
            self.embrace(*(self.actor("file", file.name, base) for base in (0, 8192)))

    def test_sysv_segment(self):
        libc = ctypes.CDLL(None, use_errno=True)
        segment = libc.shmget(0, ctypes.c_size_t(4 * 4096), 0o1600)
        self.assertGreaterEqual(segment, 0)
        self.addCleanup(libc.shmctl, segment, 0, None)  # IPC_RMID
        self.embrace(*(self.actor("sysv", segment, 0) for _ in range(2)))

    def test_across_pid_namespaces(self):
        """Each writes its own number into the mutex, and both are 1: neither may be taken for the other or itself."""
        descriptor = os.memfd_create("lockscope-e2e")
        self.addCleanup(os.close, descriptor)
        os.truncate(descriptor, 4 * 4096)
        first, second = (self.actor("descriptor", descriptor, 0, prefix=PID_NAMESPACE, pass_fds=[descriptor])
                         for _ in range(2))
        first.do("init", self.FIRST)
        first.do("init", self.SECOND)
        first.do("lock", self.FIRST)
        second.do("lock", self.SECOND)
        first.hang("lock", self.SECOND)
        second.hang("lock", self.FIRST)
        for arguments in ((), ("--no-bpf",)):
            with self.subTest(arguments):
                report = snapshot("--all", *arguments)
                self.assertTrue(report.waits_of({first.pid}))
                for waiter, other in ((first, second), (second, first)):
                    for wait in report.waits_of({waiter.pid}):
                        self.assertLessEqual(harness.holder_pids(wait), {other.pid})
                for finding in report.findings_about({first.pid, second.pid}):
                    self.assertEqual("deadlock", finding["kind"])
                    self.assertEqual({first.pid, second.pid}, harness.pids_in(finding))


if __name__ == "__main__":
    harness.main()
