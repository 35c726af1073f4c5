#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""usage: misuse.py [--only NAME]… [--libc NAME] [--list] [--keep DIR] [--native] [--jobs N]

`lockscope run` against small programs that are wrong in one way each, and against right ones that look as if they were
(tests/programs). Of a wrong one exactly that is found, at the place and for the lock that the catalog names; of a right
one nothing. The exit status of the program is passed through.
  --only NAME   only programs whose name, e.g. relock/wrong_timed.c, contains NAME
  --libc NAME   only programs that need nothing but a C library, glibc or musl, for which CC builds
  --list        name the programs, run nothing
  --keep DIR    leave programs, reports and what was said in DIR
  --native      without lockscope: whether the programs do what they claim as far as they can tell themselves
  --jobs N      programs that run at a time (default 1)
Exit status: 0 all as the catalog says; 1 not; 2 usage. Needs root, a C and a C++ compiler (CC, CXX), GLib.
Environment: LOCKSCOPE_BIN, LOCKSCOPE_REPORT_DIR.
"""

import argparse
import collections
import contextlib
import ctypes
import json
import os
import pathlib
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import harness

PROGRAMS = harness.HERE.parent / "programs"
KEYS = {"functions", "classes", "also", "allowed", "status", "options", "hangs", "optimise", "flags", "packages", "lost",
        "glibc"}
JUDGED = {"lock_order_inversion", "double_unlock", "unlock_not_locked", "unlock_not_owner", "relock",
          "destroyed_while_locked", "exit_while_holding", "ignored_lock_failure", "long_hold", "deadlock",
          "self_deadlock", "abandoned_lock"}
PATIENCE = 60  # seconds for one program: as long as the alarm that each sets itself
STILL_RUNS = 0.5  # seconds after which a program that hangs on purpose has had time to end by mistake
COMPILERS = 2
PR_SET_CHILD_SUBREAPER = 36


class Program:
    """One source file with one set of compiler options, and what the catalog says of it.

    The kind of what is wrong is the name of the folder; wrong_… has one finding of that kind, right_… none. Keys of an
    entry: `functions` and `classes`: parts of names, each of which that finding must give; `also`: kinds that are found
    besides, once each; `allowed`: kinds that may be, as often as they like; `status`: of exit (0); `options` of
    lockscope; `hangs`: does not end by itself; `optimise`: built and run once with each (-O2); `flags`, `packages`: of
    the compiler; `lost`: beginnings of causes of loss that are to be expected; `glibc`: why not
    with musl.
    """

    def __init__(self, kind, file, entry, optimise):
        if unknown := entry.keys() - KEYS:
            sys.exit(f"catalog: {kind}/{file}: unknown {unknown}")
        self.name, self.kind, self.entry, self.optimise = f"{kind}/{file}", kind, entry, optimise
        self.source = PROGRAMS / kind / file
        self.wrong = file.startswith("wrong_")
        self.hangs = entry.get("hangs", False)
        self.status = entry.get("status", 0)
        self.options = entry.get("options", [])
        wanted = ([kind] if self.wrong else []) + entry.get("also", [])
        self.expected = collections.Counter(wanted)
        self.allowed = set(entry.get("allowed", []))
        if wrong := (set(wanted) | self.allowed) - JUDGED:
            sys.exit(f"catalog: {self.name}: no finding is called {wrong}")
        self.binary = None

    def __str__(self):
        return f"{self.name} {self.optimise}"

    def is_for(self, libc):
        plain = self.source.suffix == ".c" and not self.entry.get("packages") and not self.entry.get("flags")
        return plain and (libc == "glibc" or not self.entry.get("glibc"))

    def build_lines(self, folder):
        """The commands that make it. A library of its own lies beside it."""
        cplusplus = self.source.suffix == ".cpp"
        compiler = os.environ.get("CXX", "g++") if cplusplus else os.environ.get("CC", "cc")
        self.binary = folder / f"{self.kind}.{self.source.stem}{self.optimise}"
        words = [*shlex.split(compiler), "-std=c++20" if cplusplus else "-std=gnu17", "-Wall", "-Wextra", "-pthread",
                 self.optimise, *self.entry.get("flags", [])]
        yield [*words, self.source, "-o", self.binary, *(word for name in self.entry.get("packages", [])
                                                         for word in package(name)), "-ldl"]
        library = self.source.with_name(f"{self.source.stem}-plugin.c")
        if library.exists():
            yield [*words, "-shared", "-fPIC", library, "-o", f"{self.binary}-plugin.so"]


_packages = {}


def package(name):
    if name not in _packages:
        done = subprocess.run(["pkg-config", "--cflags", "--libs", name], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            sys.exit(f"no package {name}: {done.stderr}")
        _packages[name] = done.stdout.split()
    return _packages[name]


def catalog():
    text = (PROGRAMS / "catalog.json").read_text()
    table = json.loads(text, object_pairs_hook=harness.validate_reports.without_repeats)
    sources = {f"{path.parent.name}/{path.name}" for path in PROGRAMS.glob("*/*.c*") if "-plugin" not in path.name}
    if differing := sources ^ {f"{kind}/{file}" for kind, files in table.items() for file in files}:
        sys.exit(f"catalog and programs differ in {sorted(differing)}")
    return [Program(kind, file, entry, optimise) for kind, files in table.items() for file, entry in files.items()
            for optimise in entry.get("optimise", ["-O2"])]


class Ended:
    def __init__(self, status, said, seconds):
        self.status, self.said, self.seconds = status, said, seconds  # status: None if it had to be ended


def run_all(jobs, work):
    """Runs (key, command, patience) of work, so many at a time; gives (key, Ended) as they end.

    From one thread: a child here dies with the thread that made it."""
    todo, running = collections.deque(work), []
    while todo or running:
        while todo and len(running) < jobs:
            key, command, patience = todo.popleft()
            said = tempfile.TemporaryFile()
            process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=said,
                                       stderr=subprocess.STDOUT, preexec_fn=harness.die_with_parent)
            running.append((key, process, said, time.monotonic(), patience))
        for job in list(running):
            key, process, said, began, patience = job
            seconds = time.monotonic() - began
            status = process.poll()
            if status is None and seconds < patience:
                continue
            if status is None:
                for pid in harness.descendants(process.pid) | {process.pid}:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                process.wait()
            running.remove(job)
            said.seek(0)
            yield key, Ended(status, said.read().decode(errors="replace"), seconds)
            said.close()
        time.sleep(0.002)  # the interval between two looks


def build(programs, folder):
    work = [(program, line, PATIENCE) for program in programs for line in program.build_lines(folder)]
    failed = [f"{program}: {ended.said}" for program, ended in run_all(COMPILERS, work) if ended.status != 0]
    if failed:
        sys.exit("do not compile:\n" + "\n".join(failed))


def names_in(finding):
    """Functions and lock classes that a finding of the full level names."""
    functions, classes = set(), set()

    def walk(part):
        if isinstance(part, list):
            for item in part:
                walk(item)
        elif isinstance(part, dict):
            for key, value in part.items():
                if isinstance(value, str):
                    {"function": functions, "class": classes}.get(key, set()).add(value)
                else:
                    walk(value)

    walk([finding.get("events", []), finding.get("orders", []), finding.get("lock", {})])
    return functions, classes


def told(finding):
    functions, classes = names_in(finding)
    where = f" in {', '.join(sorted(functions)) or '?'}; of {', '.join(sorted(classes)) or '?'}"
    return f"{finding['kind']}: {finding['summary']}{where if 'events' in finding or 'orders' in finding else ''}"


def misplaced(program, findings):
    """What a wrong program's finding does not name but should."""
    # Without optimisation, the standard library's wrappers call, not the program.
    wrapped = program.optimise == "-O0" and program.source.suffix == ".cpp"
    functions = [] if wrapped else program.entry.get("functions", [])
    for finding in findings:
        if finding["kind"] == program.kind and program.wrong:
            for wanted, named, what in zip((functions, program.entry.get("classes", [])), names_in(finding),
                                           ("function", "lock class")):
                for name in wanted:
                    if not any(name in other for other in named):
                        yield f"no {what} '{name}' among {sorted(named)}"


def judge(program, ended, report_file):
    """What is not as the catalog says."""
    if ended.status is None:
        return [f"did not end within {PATIENCE} s"]
    try:
        report = harness.Report(report_file.read_bytes())
    except (OSError, AssertionError) as reason:
        return [f"{reason}; exit status {ended.status}"]
    wrong = []
    if program.hangs and (ended.status <= 128 or ended.status == 128 + signal.SIGALRM):
        wrong.append(f"exit status {ended.status}, expected that of a signal sent because of the deadlock")
    if not program.hangs and ended.status != program.status:
        wrong.append(f"exit status {ended.status}, expected {program.status}")
    if (told_status := report.content.get("command", {}).get("exit_status", program.status)) != program.status:
        wrong.append(f"the report says exit status {told_status}")
    findings = [finding for finding in report.findings if finding["kind"] in JUDGED]
    found = collections.Counter(finding["kind"] for finding in findings)
    for kind in sorted(found.keys() | program.expected.keys()):
        if found[kind] != program.expected[kind] and kind not in program.allowed:
            wrong.append(f"{found[kind]} × {kind}, expected {program.expected[kind]}")
    wrong += dict.fromkeys(misplaced(program, findings))
    lost = {cause: count for cause, count in report.content["coverage"]["lost_events"].items()
            if not cause.startswith(tuple(program.entry.get("lost", [])))}
    if lost:
        wrong.append(f"lost {lost}")
    if not report.content.get("profile", {}).get("acquired") and found.total() == 0 and not program.wrong:
        wrong.append("no acquisition was seen: a right program proves nothing")
    if wrong:
        wrong += [f"found {told(finding)}" for finding in report.findings]
    return wrong


def judge_native(program, ended):
    if program.hangs:
        return [] if ended.status is None else [f"ended with {ended.status}, should hang"]
    return [] if ended.status == program.status else [f"exit status {ended.status}, expected {program.status}"]


def run_programs(arguments, programs, folder):
    def work():
        for number, program in enumerate(programs):
            if arguments.native:
                yield program, [program.binary], STILL_RUNS if program.hangs else PATIENCE
            else:
                report = folder / f"{number}.json"
                reports[program] = report
                yield program, [harness.BINARY, "run", "--json", "-o", report, *program.options, "--",
                                program.binary], PATIENCE

    reports, wrong, slowest = {}, [], (0.0, "")
    for program, ended in run_all(arguments.jobs, work()):
        reasons = judge_native(program, ended) if arguments.native else judge(program, ended, reports[program])
        print(f"{program} ... {'WRONG' if reasons else 'ok'}", file=sys.stderr, flush=True)
        slowest = max(slowest, (ended.seconds, str(program)))
        if reasons:
            said = [f"said {line}" for line in ended.said.splitlines()[-15:]]
            wrong.append("\n    ".join([str(program), *reasons, *said]))
        if arguments.keep:
            program.binary.with_suffix(program.binary.suffix + ".said").write_text(ended.said)
            if program in reports and reports[program].exists():
                reports[program].rename(f"{program.binary}.json")
    for text in wrong:
        print(f"\n{text}", file=sys.stderr)
    print(f"\n{len(programs)} programs, {len(wrong)} not as they should be; the slowest took {slowest[0]:.1f} s: "
          f"{slowest[1]}", file=sys.stderr)
    return 1 if wrong else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", default=[], metavar="NAME")
    parser.add_argument("--libc", choices=["glibc", "musl"])
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--keep", type=pathlib.Path, metavar="DIR")
    parser.add_argument("--native", action="store_true")
    parser.add_argument("--jobs", type=int, default=1, metavar="N")
    arguments = parser.parse_args()
    programs = [program for program in catalog()
                if (not arguments.only or any(name in str(program) for name in arguments.only))
                and (not arguments.libc or program.is_for(arguments.libc))]
    if not programs:
        parser.error("no such program")
    if arguments.list:
        print("\n".join(map(str, programs)))
        return 0
    if not arguments.native and (not os.access(harness.BINARY, os.X_OK) or os.geteuid() != 0):
        return f"{harness.BINARY}: no such program, or not run as root"
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="lockscope-e2e-"))
    try:
        if arguments.keep:
            arguments.keep.mkdir(parents=True, exist_ok=True)
        build(programs, arguments.keep or folder)
        return run_programs(arguments, programs, folder)
    except KeyboardInterrupt:
        return "stopped"
    finally:
        harness.end_all()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
