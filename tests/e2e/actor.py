# SPDX-License-Identifier: Apache-2.0
"""A process that takes file locks when told to, one command a line on standard input; it answers "ok …" or "no …".

open NAME PATH MODE   open the file (r, w: read and write, made if absent)
flock NAME sh|ex      take it, waiting
ofd NAME rd|wr START LENGTH
posix NAME rd|wr START LENGTH
unlink PATH | close NAME
identity NAME         device major:minor and inode, as this process sees them
heir                  fork; the parent exits, the child goes on
send NAME             put the descriptor into a socket that nobody reads, and close it
sharer                fork a child that has the same descriptors and does nothing. Answers with its number
exec                  execute oneself anew, with the descriptors kept
readers COUNT PATH [WAIT-PATH]   so many children, each with its own shared flock on PATH; then each takes an
                      exclusive one on WAIT-PATH. Answers with their numbers
"""

import array
import ctypes
import fcntl
import os
import signal
import socket
import struct
import sys
import time

F_OFD_SETLKW = 38
files = {}
sockets = []


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)


def answer(*words):
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


def take_range(command, name, mode, start, length):
    kind = fcntl.F_WRLCK if mode == "wr" else fcntl.F_RDLCK
    fcntl.fcntl(files[name], command, struct.pack("hhqqi", kind, os.SEEK_SET, int(start), int(length), 0))


def become_heir():
    parent = os.getpid()
    if os.fork():
        os._exit(0)
    while os.getppid() == parent:  # whoever dies with its parent must not take this one for it
        time.sleep(0.001)
    die_with_parent()


def send(name):
    near, far = socket.socketpair()
    near.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [files[name]]))])
    sockets.extend([near, far])
    os.close(files.pop(name))


def execute_anew():
    for descriptor in files.values():
        os.set_inheritable(descriptor, True)
    kept = [f"{name}={descriptor}" for name, descriptor in files.items()]
    os.execv(sys.executable, [sys.executable, __file__, *kept])


def start_sharer():
    pid = os.fork()
    if pid == 0:
        die_with_parent()
        while True:
            signal.pause()
    return pid


def start_readers(count, path, wait_path=None):
    pids = []
    for _ in range(count):
        done_read, done_write = os.pipe()
        pid = os.fork()
        if pid == 0:
            die_with_parent()
            fcntl.flock(os.open(path, os.O_RDONLY), fcntl.LOCK_SH)
            os.write(done_write, b"x")
            if wait_path:
                fcntl.flock(os.open(wait_path, os.O_RDONLY), fcntl.LOCK_EX)
            signal.pause()
            os._exit(0)
        os.close(done_write)
        os.read(done_read, 1)
        os.close(done_read)
        pids.append(pid)
    return pids


def obey(verb, *words):
    if verb == "open":
        name, path, mode = words
        files[name] = os.open(path, os.O_RDONLY if mode == "r" else os.O_RDWR | os.O_CREAT, 0o666)
    elif verb == "flock":
        fcntl.flock(files[words[0]], fcntl.LOCK_EX if words[1] == "ex" else fcntl.LOCK_SH)
    elif verb == "ofd":
        take_range(F_OFD_SETLKW, *words)
    elif verb == "posix":
        take_range(fcntl.F_SETLKW, *words)
    elif verb == "unlink":
        os.unlink(words[0])
    elif verb == "close":
        os.close(files.pop(words[0]))
    elif verb == "identity":
        status = os.fstat(files[words[0]])
        return [f"{os.major(status.st_dev)}:{os.minor(status.st_dev)}", status.st_ino]
    elif verb == "heir":
        become_heir()
    elif verb == "send":
        send(words[0])
    elif verb == "sharer":
        return [start_sharer()]
    elif verb == "exec":
        execute_anew()
    elif verb == "readers":
        return start_readers(int(words[0]), *words[1:])
    else:
        raise ValueError(verb)
    return []


def commands():
    """Unbuffered: nothing read ahead is lost to an exec or counted twice after a fork."""
    line = b""
    while byte := os.read(0, 1):
        if byte == b"\n":
            yield line.decode().split()
            line = b""
        else:
            line += byte


for word in sys.argv[1:]:
    kept_name, _, number = word.partition("=")
    files[kept_name] = int(number)
answer("ok")
for words in commands():
    try:
        answer("ok", *obey(*words))
    except (OSError, ValueError, KeyError) as reason:
        answer("no", reason)
