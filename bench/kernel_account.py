# SPDX-License-Identifier: Apache-2.0
"""What the kernel accounts to the BPF programs of one process: how often each ran, and for how long.

The account itself costs two readings of the clock a run, for every BPF program of the host, from begin() until the
descriptor that it gives is closed. Needs root. x86-64.
"""

import ctypes
import os
import pathlib
import re
import struct

_BPF, _GET_FD_BY_ID, _OBJ_GET_INFO_BY_FD, _ENABLE_STATS = 321, 13, 15, 32  # system call; commands of linux/bpf.h
_libc = ctypes.CDLL(None, use_errno=True)


def _bpf(command, attributes):
    buffer = ctypes.create_string_buffer(attributes, 128)
    answer = _libc.syscall(_BPF, command, buffer, 128)
    if answer < 0:
        raise OSError(ctypes.get_errno(), f"bpf({command})")
    return answer


def begin():
    return _bpf(_ENABLE_STATS, struct.pack("I", 0))


class Account:
    """The programs that a process has now. They are kept, and can be asked when it has ended as well."""

    def __init__(self, pid):
        numbers = set()
        for entry in pathlib.Path(f"/proc/{pid}/fdinfo").iterdir():
            try:
                numbers |= {int(n) for n in re.findall(r"^prog_id:\t(\d+)$", entry.read_text(), re.M)}
            except OSError:
                pass
        self.programs = {}
        for number in numbers:
            fd = _bpf(_GET_FD_BY_ID, struct.pack("I", number))
            self.programs[fd] = self._name(fd)

    @staticmethod
    def _name(fd):
        told = ctypes.create_string_buffer(128)  # struct bpf_prog_info: the name follows 64 bytes
        _bpf(_OBJ_GET_INFO_BY_FD, struct.pack("IIQ", fd, len(told), ctypes.addressof(told)))
        return told.raw[64:80].split(b"\0", 1)[0].decode()

    def read(self):
        """name → (runs, nanoseconds)"""
        now = {}
        for fd, name in self.programs.items():
            words = pathlib.Path(f"/proc/self/fdinfo/{fd}").read_text()
            runs, ns = (int(re.search(rf"^{key}:\t(\d+)$", words, re.M)[1]) for key in ("run_cnt", "run_time_ns"))
            before = now.get(name, (0, 0))
            now[name] = (before[0] + runs, before[1] + ns)
        return now

    def close(self):
        for fd in self.programs:
            os.close(fd)
        self.programs = {}
