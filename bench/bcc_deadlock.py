# SPDX-License-Identifier: Apache-2.0
"""bcc's `deadlock`, to compare with: a copy of the installed tool, changed while this runs so that it starts here.

As packaged it needs kernel headers, kprobes and a gigabyte for stacks, and never sees a mutex let go of where the
kernel keeps user memory and its own apart. The copy gets the few kernel headers it uses from here, does without the
place where a thread was created, keeps fewer stacks, and reads its own memory as such. What it does at each lock and
unlock is what it does as packaged, where that works.
"""

import pathlib

TOOL, PROGRAM = pathlib.Path("/usr/sbin/deadlock-bpfcc"), pathlib.Path("/usr/share/bpfcc-tools/deadlock.c")
LIBRARIES = "/usr/lib/x86_64-linux-gnu"

_TYPES = """#include <linux/types.h>
#include <asm/ptrace.h>
typedef __u8 u8; typedef __u16 u16; typedef __u32 u32; typedef __u64 u64; typedef __s32 s32; typedef __s64 s64;
typedef _Bool bool; enum { false, true };
typedef unsigned long size_t, uintptr_t;
#define CONFIG_BPF_SYSCALL 1
"""
_HEADERS = {
    "linux/kconfig.h": _TYPES,
    "linux/sched.h": "#define TASK_COMM_LEN 16\n",
    "linux/log2.h": "#define roundup_pow_of_two(n) (1UL << (64 - __builtin_clzl((n) - 1)))\n",
    "asm/page.h": "",
    "asm/ptrace.h": "#pragma once\nstruct pt_regs { unsigned long r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, "
                    "cx, dx, si, di, orig_ax, ip, cs, flags, sp, ss; };\n",
    "uapi/linux/ptrace.h": "#include <asm/ptrace.h>\n",
    "uapi/linux/bpf.h": "",
    "uapi/linux/if_ether.h": '#include "/usr/include/linux/if_ether.h"\n',
    "uapi/linux/if_packet.h": '#include "/usr/include/linux/if_packet.h"\n',
}


def _changed(text, changes):
    for old, new in changes:
        if old not in text:
            raise LookupError(f"this version of the tool does not say {old!r}")
        text = text.replace(old, new)
    return text


def prepare(folder):
    """What runs the copy, to be followed by --binary FILE PID, and its environment. LookupError: it cannot be."""
    if not TOOL.exists() or not PROGRAM.exists():
        raise LookupError("it is not installed (bpfcc-tools)")
    kernel = folder / "kernel"
    for name, words in _HEADERS.items():
        path = kernel / "include" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(words)
    program = folder / "deadlock.c"
    program.write_text(_changed(PROGRAM.read_text(), [("655360", "16384"),
                                                      ("bpf_probe_read_user(", "bpf_probe_read_kernel(")]))
    tool = folder / "deadlock.py"
    includes = 'cflags=["-idirafter", "/usr/include", "-idirafter", "/usr/include/x86_64-linux-gnu"]'
    tool.write_text(_changed(TOOL.read_text(), [
        (str(PROGRAM), str(program)), ("BPF(text=text)", f"BPF(text=text, {includes})"),
        ("bpf.attach_kretprobe(event=bpf.get_syscall_fnname('clone'), fn_name='trace_clone')", "pass")]))
    return ["/usr/bin/python3", "-u", str(tool)], {"BCC_KERNEL_SOURCE": str(kernel)}
