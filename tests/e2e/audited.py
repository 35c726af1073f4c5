# SPDX-License-Identifier: Apache-2.0
"""Runs `lockscope audit` and reads what it says of a lock and a user, to be compared with the truth."""

import grp
import itertools
import os
import pathlib
import pwd
import re
import shutil
import tempfile

import harness
from harness import Report, run
from other_users import Accounts, real_rights
from stage import Staged

RANKS = {None: 0, "pre_create": 1, "replace": 2, "take": 3}
WHO = re.compile(r"(any user|user \S+ \(\d+\)|members of group \S+ \(\d+\))[^()]*(?:\(\d+\)[^()]*)*?"
                 r" \((take|replace|pre_create)\)")


def audit(*arguments, **options):
    done = run("audit", "--json", *arguments, **options)
    if done.returncode not in (0, 1):
        raise AssertionError(f"audit ended with {done.returncode}: {done.stderr.decode(errors='replace')}")
    report = Report(done.stdout)
    report.status = done.returncode
    return report


def about(report, path):
    found = [finding for finding in report.findings if finding["evidence"].get("path") == str(path)]
    assert all(finding["kind"] == "exposed_lock" and finding["cwe"] == 412 for finding in found), found
    return found


def reported_right(report, path, user):
    """The worst that the report says this user can do."""
    parties = {"any user", f"user {user} ({pwd.getpwnam(user).pw_uid})"}
    if user in grp.getgrnam(Accounts.group).gr_mem:
        parties.add(f"members of group {Accounts.group} ({Accounts.gid})")
    rights = {None}
    for finding in about(report, path):
        evidence = finding["evidence"]
        said = WHO.findall(f"{evidence['who']} ({evidence['right']})") + WHO.findall(evidence.get("also", ""))
        rights.update(right for who, right in said if who in parties)
    return max(rights, key=RANKS.get)


class Audit(Staged):
    def setUp(self):
        super().setUp()
        self.base = pathlib.Path(tempfile.mkdtemp(prefix="lockscope-audit-"))
        harness.Case.folders.append(self.base)
        self.addCleanup(shutil.rmtree, self.base)
        self.base.chmod(0o755)
        self.names = itertools.count()

    def directory(self, name, mode, owner=0, group=0, parent=None):
        path = (parent or self.base) / name
        path.mkdir()
        os.chown(path, owner, group)
        path.chmod(mode)
        return path

    def hold(self, actor, lock):
        name = f"f{next(self.names)}"
        actor.do("open", name, lock.path, "w")
        if lock.kind == "flock":
            actor.do("flock", name, "sh" if lock.shared else "ex")
        else:
            actor.do(lock.kind, name, "rd" if lock.shared else "wr", 0, 0)

    def compare(self, report, locks, top, users=None):
        """Both ways: all that is so is said, and nothing else."""
        wrong = []
        for user in users or (Accounts.stranger, Accounts.member, Accounts.owner):
            real = real_rights(locks, user, top)
            for lock in locks:
                said = reported_right(report, lock.path, user)
                if said != real[lock.path]:
                    wrong.append(f"{user} can {real[lock.path]}, reported is {said}: {lock}")
        self.assertEqual([], wrong)
        return len(locks)
