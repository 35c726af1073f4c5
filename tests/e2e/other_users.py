# SPDX-License-Identifier: Apache-2.0
"""Users made for a test, and what they really can do to a lock of root's: found out by doing it as them. Needs root,
useradd and groupadd."""

import contextlib
import errno
import fcntl
import grp
import json
import mmap
import os
import pwd
import socket
import struct
import subprocess
import traceback

import harness

OFD_SETLK = 37


class Accounts:
    """Users and a group of this run alone: gone when it ends, also badly."""

    made = []

    @classmethod
    def make(cls):
        prefix = f"lsaud{os.getpid() % 100000}"
        cls.group = cls._add("group", prefix + "g")
        cls.stranger = cls._add("user", prefix + "s")
        cls.member = cls._add("user", prefix + "m", "-G", cls.group)
        cls.owner = cls._add("user", prefix + "o")
        cls.gid = grp.getgrnam(cls.group).gr_gid

    @classmethod
    def _add(cls, kind, name, *arguments):
        cls.made.append((kind, name))
        # Not in the mail or home folders of the host.
        extra = ["-M", "-s", "/usr/sbin/nologin"] if kind == "user" else []
        subprocess.run([f"{kind}add", *extra, *arguments, name], check=True, stdin=subprocess.DEVNULL,
                       capture_output=True)
        return name

    @classmethod
    def remove(cls):
        while cls.made:
            kind, name = cls.made.pop()
            subprocess.run([f"{kind}del", name], stdin=subprocess.DEVNULL, capture_output=True)


@contextlib.contextmanager
def acting_as(user, deeds):
    """A child that is this user does deeds() and keeps what it took. Gives what deeds() gave."""
    entry = pwd.getpwnam(user)
    near, far = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            harness.die_with_parent()
            near.close()
            os.initgroups(entry.pw_name, entry.pw_gid)
            os.setgid(entry.pw_gid)
            os.setuid(entry.pw_uid)
            far.sendall(json.dumps(deeds()).encode())
            far.shutdown(socket.SHUT_WR)
            far.recv(1)
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    far.close()
    try:
        answer = b"".join(iter(lambda: near.recv(1 << 16), b""))
        assert answer, f"what {user} did went wrong"
        yield json.loads(answer)
    finally:
        near.close()
        os.waitpid(pid, 0)


def flock_range(kind):
    return struct.pack("hhqqi", kind, os.SEEK_SET, 0, 0, 0)


def lock_now(fd, kind, shared=False):
    """Whether the lock could be had at once."""
    try:
        if kind == "flock":
            fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        else:
            command = OFD_SETLK if kind == "ofd" else fcntl.F_SETLK
            fcntl.fcntl(fd, command, flock_range(fcntl.F_RDLCK if shared else fcntl.F_WRLCK))
        return True
    except OSError as reason:
        # EBADF: such a lock needs a descriptor of another mode.
        assert reason.errno in (errno.EAGAIN, errno.EACCES, errno.EBADF), reason
        return False


def open_as_far_as_possible(path):
    for flags in (os.O_RDWR, os.O_RDONLY, os.O_WRONLY):
        with contextlib.suppress(OSError):
            return os.open(path, flags | os.O_NONBLOCK)
    return None


class Lock:
    """A file and what root does with it. kind: flock, posix, ofd; or mutex, sem: in shared memory."""

    def __init__(self, path, kind, mode, owner=0, group=0, shared=False):
        self.path, self.kind, self.mode, self.owner, self.group, self.shared = path, kind, mode, owner, group, shared

    def __str__(self):
        return f"{self.kind}{' shared' if self.shared else ''} {self.path} {self.mode:04o} {self.owner}:{self.group}"

    def create(self):
        os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        os.chown(self.path, self.owner, self.group)
        os.chmod(self.path, self.mode)

    def restore(self, content=b""):
        """As it was, whoever replaced it."""
        self.path.unlink(missing_ok=True)
        self.create()
        self.path.write_bytes(content)

    # What others can do, found out by doing it. In the child that is the other user.

    def take(self):
        """Keeps root out as well as one can."""
        if self.kind in ("mutex", "sem"):
            return self.change_memory()
        with contextlib.suppress(OSError):
            os.chmod(self.path, 0o600)  # an owner can help himself
        fd = open_as_far_as_possible(self.path)
        if fd is None:
            return False
        return lock_now(fd, self.kind) or lock_now(fd, self.kind, shared=True)

    def change_memory(self):
        with contextlib.suppress(OSError):
            fd = os.open(self.path, os.O_RDWR)
            with mmap.mmap(fd, 1) as memory:
                memory[0] = memory[0]
            return True
        with contextlib.suppress(OSError):
            return os.pwrite(os.open(self.path, os.O_WRONLY), b"\0", 100) == 1
        return False

    def replace(self, top):
        """By moving away the file, or a folder above it."""
        victim = self.path
        while victim != top:
            with contextlib.suppress(OSError):
                aside = victim.with_name(victim.name + ".aside")
                os.rename(victim, aside)
                os.rename(aside, victim)
                return True
            victim = victim.parent
        return False

    def make_first(self):
        try:
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
            return True
        except OSError:
            return False

    def keeps_root_out(self):
        """In the test: whether root cannot have now what it had before."""
        if self.kind in ("mutex", "sem"):
            return True  # the child has changed it, or could not
        fd = os.open(self.path, os.O_RDWR)
        try:
            return not lock_now(fd, self.kind, self.shared)
        finally:
            os.close(fd)


def real_rights(locks, user, top):
    """path → the worst that this user really can do."""
    rights = {}
    with acting_as(user, lambda: [lock.take() for lock in locks]) as took:
        for lock, taken in zip(locks, took):
            rights[lock.path] = "take" if taken and lock.keeps_root_out() else None
    with acting_as(user, lambda: [lock.replace(top) for lock in locks]) as replaced:
        for lock, done in zip(locks, replaced):
            rights[lock.path] = rights[lock.path] or ("replace" if done else None)
    contents = [lock.path.read_bytes() for lock in locks]
    for lock in locks:
        lock.path.unlink()
    with acting_as(user, lambda: [lock.make_first() for lock in locks]) as made:
        for lock, done in zip(locks, made):
            rights[lock.path] = rights[lock.path] or ("pre_create" if done else None)
    for lock, content in zip(locks, contents):
        lock.restore(content)
    return rights
