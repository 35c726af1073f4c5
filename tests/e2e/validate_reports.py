#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""usage: validate_reports.py DIR | --from COMMAND [ARGUMENT…]

Holds every *.json in DIR, or what COMMAND writes into the folder that LOCKSCOPE_REPORT_DIR names, against
docs/report.schema.json, and checks what a schema cannot say: cycles close and list each thread once, a range does not
end before it starts, histograms add up, no key is given twice. There must be at least one report.
Exit status: 0 all are valid; 1 one is not, or there is none (the first reason of each file is printed); 2 usage.
Needs python3-jsonschema 4.10 or newer.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

import jsonschema

SCHEMA = pathlib.Path(__file__).resolve().parents[2] / "docs" / "report.schema.json"


class Invalid(Exception):
    pass


def without_repeats(pairs):
    keys = [key for key, _ in pairs]
    if len(keys) != len(set(keys)):
        raise Invalid(f"a key is given twice among {keys}")
    return dict(pairs)


def refuse_constant(name):
    raise Invalid(f"{name} is not JSON")


def load(path):
    try:
        text = path.read_bytes().decode("utf-8")
        return json.loads(text, object_pairs_hook=without_repeats, parse_constant=refuse_constant)
    except UnicodeDecodeError as error:
        raise Invalid(f"not UTF-8: {error}") from error
    except json.JSONDecodeError as error:
        raise Invalid(f"not JSON: {error}") from error


def identity(thread):
    return thread["pid"], thread["tid"], thread.get("start_time")


def holds(holder, thread):
    held_by = holder.get("thread")
    if held_by is None or held_by["pid"] != thread["pid"]:
        return False
    return holder.get("any_thread", False) or identity(held_by) == identity(thread)


def check_cycle(cycle, where):
    threads = [wait["thread"] for wait in cycle]
    seen = [identity(thread) for thread in threads]
    if len(seen) != len(set(seen)):
        raise Invalid(f"{where}: a thread is listed twice")
    for position, wait in enumerate(cycle):
        following = threads[(position + 1) % len(cycle)]
        if not any(holds(holder, following) for holder in wait.get("holders", [])):
            raise Invalid(
                f"{where}[{position}]: thread {threads[position]['tid']} does not wait for a lock"
                f" that the next one, {following['tid']}, holds"
            )


def check_range(lock, where):
    extent = lock.get("range", {})
    if "end" in extent and extent["end"] < extent["start"]:
        raise Invalid(f"{where}: the range ends before it starts")


def check_finding(finding, where):
    cycle = finding.get("cycle", [])
    check_cycle(cycle, f"{where}.cycle")
    in_cycle = {identity(wait["thread"]) for wait in cycle}
    for wait in finding.get("victims", []):
        if identity(wait["thread"]) in in_cycle:
            raise Invalid(f"{where}.victims: thread {wait['thread']['tid']} is part of the cycle")
    if "lock" in finding:
        check_range(finding["lock"], f"{where}.lock")
    for failing in finding.get("failing", []):
        if "first" in failing and "last" in failing and failing["last"] < failing["first"]:
            raise Invalid(f"{where}.failing: the last try is before the first")
    for part in ("cycle", "victims", "waiters"):
        for wait in finding.get(part, []):
            check_range(wait["lock"], f"{where}.{part}")


def check_contention(contention):
    locks = contention["locks"]
    totals = [lock["wait_ns"] for lock in locks]
    if totals != sorted(totals, reverse=True):
        raise Invalid("contention.locks: not by total wait")
    if sum(lock["waits"] for lock in locks) > contention["waits"]:
        raise Invalid("contention: its locks have more waits than all together")
    for index, lock in enumerate(locks):
        where = f"contention.locks[{index}]"
        check_range(lock["lock"], where)
        bounds = [bucket.get("le_ns", float("inf")) for bucket in lock["histogram"]]
        if bounds != sorted(set(bounds)):
            raise Invalid(f"{where}.histogram: its bounds do not rise")
        if sum(bucket["count"] for bucket in lock["histogram"]) != lock["waits"]:
            raise Invalid(f"{where}.histogram: does not add up to the waits")
        if lock["abandoned"] > lock["waits"] or lock["wait_max_ns"] > lock["wait_ns"]:
            raise Invalid(f"{where}: a part is more than the whole")


def check(report, validator):
    errors = sorted(validator.iter_errors(report), key=lambda error: list(map(str, error.absolute_path)))
    if errors:
        deepest = jsonschema.exceptions.best_match(errors)
        raise Invalid(f"{deepest.json_path}: {deepest.message[:300]}")
    for index, finding in enumerate(report["findings"]):
        check_finding(finding, f"findings[{index}]")
    for index, wait in enumerate(report["waits"]):
        check_range(wait["lock"], f"waits[{index}]")
    if "contention" in report:
        check_contention(report["contention"])
    waiting = [identity(wait["thread"]) for wait in report["waits"]]
    if len(waiting) != len(set(waiting)):
        raise Invalid("waits: a thread waits twice")


def validate(folder):
    with SCHEMA.open(encoding="utf-8") as file:
        schema = json.load(file)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    paths = sorted(folder.glob("*.json"))
    if not paths:
        print(f"{folder}: no *.json in it", file=sys.stderr)
        return 1
    failed = 0
    for path in paths:
        try:
            check(load(path), validator)
        except Invalid as reason:
            print(f"{path}: {reason}", file=sys.stderr)
            failed += 1
    print(f"{len(paths) - failed} of {len(paths)} reports are valid")
    return 1 if failed else 0


def main(arguments):
    if arguments[:1] == ["--from"] and len(arguments) > 1:
        with tempfile.TemporaryDirectory(prefix="lockscope-reports-") as folder:
            status = subprocess.run(arguments[1:], env=os.environ | {"LOCKSCOPE_REPORT_DIR": folder}).returncode
            if status != 0:
                print(f"{arguments[1]} ended with status {status}", file=sys.stderr)
                return 1
            return validate(pathlib.Path(folder))
    if len(arguments) != 1 or not pathlib.Path(arguments[0]).is_dir():
        print(__doc__.splitlines()[0], file=sys.stderr)
        return 2
    return validate(pathlib.Path(arguments[0]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
