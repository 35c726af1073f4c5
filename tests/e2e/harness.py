# SPDX-License-Identifier: Apache-2.0
"""What the end-to-end tests share: the built binary, processes that cannot outlive the test, conditions to wait for.

The test process adopts every orphan below it (PR_SET_CHILD_SUBREAPER), so that all it started can be found, killed by
number and reaped: at the end of a test, on failure and on SIGTERM. Direct children die with it also when it is killed.

Environment: LOCKSCOPE_BIN (default build/lockscope in the source tree), LOCKSCOPE_REPORT_DIR (keep every report there).
"""

import ctypes
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import jsonschema

import validate_reports

HERE = pathlib.Path(__file__).resolve().parent
BINARY = pathlib.Path(os.environ.get("LOCKSCOPE_BIN", HERE.parents[1] / "build" / "lockscope")).resolve()
PATIENCE = 120  # seconds until a condition that should hold soon is given up; generous, machines are shared
NOBODY = 65534

_libc = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_test_pid = os.getpid()


def die_with_parent():
    """For preexec_fn: after it, the death of the parent is the death of this process."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != _test_pid:
        os._exit(1)


def until(condition, what, alive=None):
    """What condition() gives once it is true. alive: a Popen whose end means that it never will be."""
    deadline = time.monotonic() + PATIENCE
    while True:
        value = condition()
        if value:
            return value
        if alive is not None and alive.poll() is not None:
            raise AssertionError(f"{what}: process ended with {alive.returncode}")
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {PATIENCE} s")
        time.sleep(0.01)  # the interval between two looks at the condition


def children_of_all():
    """pid → its children, of all processes now."""
    children = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                stat = pathlib.Path("/proc", entry, "stat").read_text(errors="replace")
            except OSError:
                continue
            parent = int(stat.rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(entry))
    return children


def descendants(pid):
    children = children_of_all()
    found, todo = set(), [pid]
    while todo:
        for child in children.get(todo.pop(), []):
            if child not in found:
                found.add(child)
                todo.append(child)
    return found


def end_all():
    """Kills and reaps every process below this one."""
    deadline = time.monotonic() + PATIENCE
    while below := descendants(os.getpid()):
        for pid in below:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            pass
        if time.monotonic() > deadline:
            raise AssertionError(f"processes {below} do not die")
        time.sleep(0.002)


def system_call(pid, tid=None):
    """Name and arguments as /proc gives them, [] where the thread runs or is gone."""
    try:
        words = pathlib.Path(f"/proc/{pid}/task/{tid or pid}/syscall").read_text().split()
    except OSError:
        return []
    return words if words and words[0].isdigit() else []


class Report:
    """A report by the contract: reading it is judging its form."""

    _validator = None
    _number = 0

    def __init__(self, text):
        if Report._validator is None:
            Report._validator = jsonschema.Draft202012Validator(json.loads(validate_reports.SCHEMA.read_text()))
        keep = os.environ.get("LOCKSCOPE_REPORT_DIR")
        if keep:
            Report._number += 1
            name = f"{pathlib.Path(sys.argv[0]).stem}-{os.getpid()}-{Report._number:05}.json"
            pathlib.Path(keep, name).write_bytes(text)
        try:
            self.content = json.loads(text, object_pairs_hook=validate_reports.without_repeats)
            validate_reports.check(self.content, Report._validator)
        except (validate_reports.Invalid, ValueError) as reason:
            raise AssertionError(f"the report is not valid: {reason}") from reason
        self.findings = self.content["findings"]
        self.waits = self.content["waits"]
        self.source = self.content["taken"]["source"]
        self.notes = self.content.get("notes", [])

    def findings_about(self, pids):
        return [finding for finding in self.findings if pids_in(finding) & pids]

    def waits_of(self, pids):
        return [wait for wait in self.waits if wait["thread"]["pid"] in pids]


def pids_in(part):
    """Every process that a part of a report names."""
    if isinstance(part, list):
        return set().union(*map(pids_in, part))
    if not isinstance(part, dict):
        return set()
    own = {part["pid"]} if "tid" in part else set()
    return own.union(*map(pids_in, part.values()))


def holder_pids(wait):
    return {holder["thread"]["pid"] for holder in wait.get("holders", []) if "thread" in holder}


def run(*arguments, prefix=(), binary=BINARY, **options):
    """lockscope, to its end."""
    return subprocess.run(
        [*map(str, prefix), str(binary), *map(str, arguments)],
        stdin=subprocess.DEVNULL, capture_output=True, preexec_fn=die_with_parent, timeout=PATIENCE, **options)


def snapshot(*arguments, **options):
    done = run("snapshot", "--json", *arguments, **options)
    if done.returncode != 0:
        raise AssertionError(f"snapshot ended with {done.returncode}: {done.stderr.decode(errors='replace')}")
    report = Report(done.stdout)
    report.stderr = done.stderr.decode(errors="replace")
    return report


class Case(unittest.TestCase):
    """One test: a folder of its own, and nothing left of what it started."""

    folders = []

    def setUp(self):
        self._started = []
        self.folder = self.another_folder()
        self.addCleanup(self._end_processes)

    def another_folder(self):
        """Open to all, gone when the test ends."""
        folder = pathlib.Path(tempfile.mkdtemp(prefix="lockscope-e2e-"))
        Case.folders.append(folder)
        self.addCleanup(shutil.rmtree, folder)
        folder.chmod(0o777)
        return folder

    def _end_processes(self):
        end_all()
        for process in self._started:
            process.poll()
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream:
                    stream.close()

    def start(self, *command, log=None, **options):
        """A child that dies with the test. Its words go to the file log, which is shown if it fails to come up."""
        options.setdefault("stdin", subprocess.DEVNULL)
        if log is not None:
            stream = open(log, "ab", buffering=0)
            self.addCleanup(stream.close)
            options.update(stdout=stream, stderr=subprocess.STDOUT)
        process = subprocess.Popen([str(word) for word in command], preexec_fn=die_with_parent, **options)
        self._started.append(process)
        return process

    def quietly(self, *command, **options):
        """A command to its end, which must be good."""
        done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, capture_output=True,
                              preexec_fn=die_with_parent, timeout=PATIENCE, **options)
        if done.returncode != 0:
            words = (done.stdout + done.stderr).decode(errors="replace")
            self.fail(f"{command[0]} ended with {done.returncode}: {words}")
        return done.stdout.decode(errors="replace")


def as_nobody():
    return {"user": NOBODY, "group": NOBODY, "extra_groups": []}


def main(needs_root=True):
    if not os.access(BINARY, os.X_OK):
        sys.exit(f"{BINARY}: no such program; build it, or name it by LOCKSCOPE_BIN")
    if needs_root and os.geteuid() != 0:
        sys.exit("needs root")
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)  # the one exception that unittest does not swallow
    try:
        unittest.main(verbosity=2)
    except KeyboardInterrupt:
        sys.exit("stopped")
    finally:
        end_all()
        for folder in Case.folders:
            shutil.rmtree(folder, ignore_errors=True)
