#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""usage: real_programs.py [NAME…]     e.g. real_programs.py Redis

Nothing is found in real programs, as the distribution installs them, that are idle or under a light load. They are
started here, on unix sockets in a temporary folder; what insists on it runs as nobody. Needs root.
A program that is missing is a failure, with LOCKSCOPE_ALLOW_MISSING=1 a skipped test.
Environment: LOCKSCOPE_LOOKS (10), LOCKSCOPE_PROC_LOOKS (2), LOCKSCOPE_WINDOW (3s), LOCKSCOPE_BIN, LOCKSCOPE_REPORT_DIR.
"""

import glob
import os
import random
import shutil
import socket
import subprocess
import sys

import harness
from harness import HERE, as_nobody, descendants, snapshot, until

LOOKS = int(os.environ.get("LOCKSCOPE_LOOKS", "10"))
WINDOW = os.environ.get("LOCKSCOPE_WINDOW", "3s")
PROC_LOOKS = int(os.environ.get("LOCKSCOPE_PROC_LOOKS", "2"))
POSTGRES_PROGRAMS = sorted(glob.glob("/usr/lib/postgresql/*/bin"))


def answers(path, request, reply):
    """Whether who listens on the unix socket says reply to request."""
    def ask():
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(5)
            try:
                connection.connect(str(path))
                connection.sendall(request)
                return connection.recv(100).startswith(reply)
            except OSError:
                return False
    return ask


class Innocent(harness.Case):
    """A program that is left idle and, where it can be given work, is busy."""

    log = None  # what it says, shown with a finding

    def needs(self, program, package):
        found = shutil.which(program, path=os.pathsep.join([os.environ["PATH"], "/usr/sbin", *POSTGRES_PROGRAMS]))
        if found is None:
            message = f"{program} is missing (Debian: {package})"
            if os.environ.get("LOCKSCOPE_ALLOW_MISSING") == "1":
                self.skipTest(message)
            self.fail(message)
        return found

    def look(self, blocked_waits=True, working=()):
        """No finding names a process of this test. blocked_waits: it has threads that wait, and they are seen.
        working: started programs that must still run in the end, and functions that must have counted on."""
        counted = [step() for step in working if callable(step)]
        for arguments, looks in (((), LOOKS), (("--no-bpf",), PROC_LOOKS)):
            for number in range(looks):
                self.look_once(number, *arguments)
        ours = descendants(os.getpid())
        report = snapshot("--for", WINDOW, "--starved", "1s", "--writes")
        ours |= descendants(os.getpid())
        self.assertEqual([], report.findings_about(ours), "while watching")
        report = snapshot("--all")
        ours |= descendants(os.getpid())
        self.assertEqual([], report.findings_about(ours))
        if blocked_waits:
            self.assertTrue(report.waits_of(ours), "none of its waiting threads is seen")
        for process in working:
            if not callable(process):
                self.assertIsNone(process.poll(), f"{process.args[0]} has ended")
        for before, step in zip(counted, [step for step in working if callable(step)]):
            until(lambda: step() > before, "it works on")

    def look_once(self, number, *arguments):
        ours = descendants(os.getpid())
        report = snapshot(*arguments)
        ours |= descendants(os.getpid())
        self.assertEqual("proc" if arguments else "bpf", report.source, report.notes)
        found = report.findings_about(ours)
        if found:
            with open(self.log, encoding="utf-8", errors="replace") if self.log else open(os.devnull) as log:
                words = log.read()[-2000:]
            self.fail(f"look {number} {arguments}: {harness.json.dumps(found, indent=1)}\n{words}")

    def loop(self, name, command):
        """A shell that does command again and again. Gives it and a count of how often it did."""
        counter = self.folder / f"count-{name}"
        shell = self.start("sh", "-ec", f"while :; do {command}; echo >>'{counter}'; done", cwd=self.folder,
                           log=self.folder / f"log-{name}")

        def count():
            return counter.stat().st_size if counter.exists() else 0
        until(count, f"{name} works: {(self.folder / f'log-{name}').read_text(errors='replace')}", alive=shell)
        return shell, count


class Redis(Innocent):
    def test_redis(self):
        self.needs("redis-server", "redis-server")
        path = self.folder / "socket"
        server = self.start("redis-server", "--port", "0", "--unixsocket", path, "--io-threads", "4", "--save", "",
                            "--appendonly", "yes", "--dir", self.folder, log=self.folder / "log")
        until(answers(path, b"PING\r\n", b"+PONG"), "redis answers", alive=server)
        with self.subTest("idle"):
            self.look(working=[server])
        self.needs("redis-benchmark", "redis-tools")
        client = self.start("redis-benchmark", "-s", path, "-c", "8", "-l", "-q", "-t", "set,get",
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with self.subTest("busy"):
            self.look(working=[server, client])


class PostgreSql(Innocent):
    def test_postgresql(self):
        initdb, postgres = self.needs("initdb", "postgresql"), self.needs("postgres", "postgresql")
        where = self.folder / "cluster"
        self.quietly(initdb, "-D", where, "-A", "trust", "-U", "tester", "-N", **as_nobody())
        server = self.start(postgres, "-D", where, "-k", self.folder, "-h", "", log=self.folder / "log", **as_nobody())
        connection = ["-h", self.folder, "-U", "tester"]
        ready = [self.needs("pg_isready", "postgresql-client"), *connection, "-q"]
        until(lambda: subprocess.run(ready).returncode == 0, "PostgreSQL answers", alive=server)
        with self.subTest("idle"):
            self.look(blocked_waits=False, working=[server])
        pgbench = self.needs("pgbench", "postgresql-contrib")
        self.quietly(pgbench, *connection, "-i", "-q", "postgres")
        # One branch row at scale 1: the clients queue for it all the time.
        client = self.start(pgbench, *connection, "-c", "6", "-j", "2", "-T", "3600", "postgres",
                            log=self.folder / "pgbench")
        with self.subTest("busy"):
            self.look(blocked_waits=False, working=[server, client])


class MariaDb(Innocent):
    def test_mariadb(self):
        install, daemon = self.needs("mariadb-install-db", "mariadb-server-core"), self.needs(
            "mariadbd", "mariadb-server-core")
        where, path = self.folder / "tables", self.folder / "socket"
        self.quietly(install, "--no-defaults", f"--datadir={where}", "--auth-root-authentication-method=normal",
                     "--skip-test-db", **as_nobody())
        server = self.start(daemon, "--no-defaults", f"--datadir={where}", f"--socket={path}", "--skip-networking",
                            f"--pid-file={self.folder}/pid", log=self.folder / "log", **as_nobody())
        admin = self.needs("mariadb-admin", "mariadb-client")
        ping = [admin, "--no-defaults", "-u", "root", f"--socket={path}", "ping"]
        until(lambda: subprocess.run(ping, capture_output=True).returncode == 0, "MariaDB answers", alive=server)
        with self.subTest("idle"):
            self.look(working=[server])
        slap = self.needs("mariadb-slap", "mariadb-client")
        client = self.start(slap, "--no-defaults", "-u", "root", f"--socket={path}", "--concurrency=6",
                            "--iterations=100000", "--auto-generate-sql", "--auto-generate-sql-load-type=mixed",
                            log=self.folder / "slap")
        with self.subTest("busy"):
            self.look(working=[server, client])


class Memcached(Innocent):
    def test_memcached(self):
        self.needs("memcached", "memcached")
        path = self.folder / "socket"
        server = self.start("memcached", "-s", path, "-t", "4", "-u", "nobody", "-a", "777", log=self.folder / "log")
        until(answers(path, b"version\r\n", b"VERSION"), "memcached answers", alive=server)
        with self.subTest("idle"):
            self.look(working=[server])
        client = ("import socket, threading\n"
                  "def go():\n"
                  f"  s = socket.socket(socket.AF_UNIX); s.connect({str(path)!r})\n"
                  "  while True:\n"
                  "    s.sendall(b'set k 0 0 1\\r\\nx\\r\\nget k\\r\\n')\n"
                  "    if not s.recv(1000): raise SystemExit\n"
                  "for _ in range(8): threading.Thread(target=go).start()\n")
        clients = self.start(sys.executable, "-c", client, log=self.folder / "clients")
        with self.subTest("busy"):
            self.look(working=[server, clients])


class Runtimes(Innocent):
    """Interpreters and virtual machines, each with a program of pools from tests/e2e/programs."""

    def both(self, *command):
        for manner in ("idle", "busy"):
            with self.subTest(manner):
                self.log = self.folder / f"log-{manner}"
                program = self.start(*command, manner, log=self.log, cwd=self.folder)
                until(lambda: b"ready" in self.log.read_bytes(), f"{command} is ready", alive=program)
                self.look(working=[program])
                harness.end_all()

    def test_java(self):
        self.needs("javac", "default-jdk-headless")
        self.both(self.needs("java", "default-jdk-headless"), "-Xmx128m", HERE / "programs" / "Pools.java")

    def test_node(self):
        self.both(self.needs("node", "nodejs"), HERE / "programs" / "pools.js")

    def test_python(self):
        self.both(self.needs("python3", "python3"), HERE / "programs" / "pools.py")


class Tools(Innocent):
    """Programs that lock files, or have threads, and end soon: done again and again by shells."""

    def look_at_loops(self, *commands):
        loops = [self.loop(str(number), command) for number, command in enumerate(commands)]
        self.look(blocked_waits=False, working=[part for loop in loops for part in loop])

    def test_git_gc(self):
        self.needs("git", "git")
        who = {f"GIT_{role}_{what}": "a@b" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        environment = os.environ | who | {"HOME": str(self.folder), "GIT_CONFIG_NOSYSTEM": "1"}
        repository = self.folder / "repository"
        self.quietly("git", "init", "-q", repository, env=environment)
        letters = random.Random(7)
        for number in range(20):
            (repository / f"file{number % 5}").write_text("".join(letters.choices("abcdef\n", k=20000)))
            self.quietly("git", "-C", repository, "add", ".", env=environment)
            self.quietly("git", "-C", repository, "commit", "-qm", str(number), env=environment)
        # Two at once: one of them finds gc.pid locked, which is as it should be.
        again = f"HOME='{self.folder}' git -C '{repository}' -c pack.threads=4 gc -q --aggressive --prune=now || :"
        self.look_at_loops(again, again)

    def test_flock(self):
        self.needs("flock", "util-linux")
        self.look_at_loops("flock lock true", "flock lock true", "flock -s lock true")

    def test_xz(self):
        self.needs("xz", "xz-utils")
        (self.folder / "random").write_bytes(random.Random(7).randbytes(1 << 20))
        self.look_at_loops("xz -0 -T2 --block-size=65536 -c random >packed")

    def test_sqlite(self):
        self.needs("sqlite3", "sqlite3")
        self.quietly("sqlite3", self.folder / "base", "PRAGMA journal_mode=WAL; CREATE TABLE t (a);")
        insert = "sqlite3 -cmd '.timeout 60000' base 'INSERT INTO t VALUES (1);'"
        self.look_at_loops(insert, insert, "sqlite3 -cmd '.timeout 60000' base 'SELECT count(*) FROM t;'")

    def test_dpkg(self):
        self.needs("dpkg", "dpkg")
        admin = self.folder / "admin"
        for name in ("info", "updates", "triggers"):
            (admin / name).mkdir(parents=True)
        for name in ("status", "available", "triggers/File", "triggers/Unincorp"):
            (admin / name).touch()
        configure = f"dpkg --admindir='{admin}' --log=/dev/null --configure -a || :"
        self.look_at_loops(configure, configure)


if __name__ == "__main__":
    harness.main()
