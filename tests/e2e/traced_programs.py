#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""usage: traced_programs.py [NAME…]

Real, correct programs, run whole under `lockscope run`: what they do is as it was, all of it is counted, and nothing is
found. And the command line of run and trace: exit statuses, signals, what is left behind. Needs root.
Environment: LOCKSCOPE_BIN, LOCKSCOPE_REPORT_DIR.
"""

import glob
import os
import pathlib
import signal
import subprocess

import harness
from harness import BINARY, Report, until

PYTHON = """
import concurrent.futures, queue, threading
jobs = queue.Queue()
def work():
    while jobs.get() is not None:
        sum(range(1000))
threads = [threading.Thread(target=work) for _ in range(8)]
for thread in threads: thread.start()
for job in range(5000): jobs.put(job)
for thread in threads: jobs.put(None)
for thread in threads: thread.join()
with concurrent.futures.ThreadPoolExecutor(4) as pool:
    print(sum(pool.map(lambda n: n * n, range(1000))))
"""
JAVA = """
import java.util.concurrent.*;
public class Pool {
  static int count;
  public static void main(String[] arguments) throws Exception {
    ExecutorService pool = Executors.newFixedThreadPool(4);
    for (int i = 0; i < 20000; i++) pool.submit(() -> { synchronized (Pool.class) { count++; } });
    pool.shutdown();
    pool.awaitTermination(60, TimeUnit.SECONDS);
    System.out.println(count);
  }
}
"""
NODE = """
const {Worker} = require('worker_threads');
let read = 0;
for (let i = 0; i < 200; i++) require('fs').readFile('/etc/passwd', () => { if (++read == 200) console.log('read'); });
for (let i = 0; i < 3; i++) new Worker('setTimeout(() => {}, 50)', {eval: true});
require('crypto').pbkdf2('word', 'salt', 20000, 32, 'sha256', () => {});
"""
SQLITE = """
sqlite3 "$0" 'create table t(n)'
for writer in 1 2 3; do
  (for row in 1 2 3 4 5 6 7 8; do sqlite3 -cmd '.timeout 20000' "$0" "insert into t values($row)"; done) &
done
wait
sqlite3 "$0" 'select count(*) from t'
"""
REDIS = """
redis-server --unixsocket "$0/s" --port 0 --dir "$0" --save '' --io-threads 2 >"$0/log" & server=$!
until redis-cli -s "$0/s" ping 2>&1 | grep -q PONG; do kill -0 $server || exit 9; done
redis-benchmark -s "$0/s" -q -n 5000 --threads 2 -t set,get >/dev/null
redis-cli -s "$0/s" get key:__rand_int__ | grep -q . && echo there
redis-cli -s "$0/s" shutdown nosave
wait $server
"""
POSTGRES = """
cd /
as_postgres="setpriv --reuid=postgres --regid=postgres --clear-groups --pdeathsig=KILL"
$as_postgres "$1/initdb" -D "$0/data" -A trust --no-sync >/dev/null
$as_postgres "$1/postgres" -D "$0/data" -k "$0" -c listen_addresses= -c fsync=off >"$0/log" 2>&1 & server=$!
until $as_postgres "$1/psql" -h "$0" -c 'select 1' postgres >/dev/null 2>&1; do kill -0 $server || exit 9; done
$as_postgres "$1/pgbench" -h "$0" -i -q postgres >/dev/null 2>&1
$as_postgres "$1/pgbench" -h "$0" -c 4 -j 2 -t 200 postgres 2>/dev/null | grep 'actually processed'
kill -INT $server
wait $server
"""


class Traced(harness.Case):
    def setUp(self):
        super().setUp()
        self.report = self.folder / "report.json"

    def trace(self, *command, options=()):
        """Under `run`, to its end: exit status, what it printed, the report."""
        ran = subprocess.run([BINARY, "run", "--json", "-o", self.report, *options, "--", *map(str, command)],
                             stdout=subprocess.PIPE, preexec_fn=harness.die_with_parent, timeout=300, check=False)
        return ran.returncode, ran.stdout.decode(), Report(self.report.read_bytes())

    def innocent(self, *command):
        """What it printed. It must have taken locks, else it proves nothing."""
        status, printed, report = self.trace(*command)
        self.assertEqual(0, status, printed)
        self.assertEqual([], [f["summary"] for f in report.findings])
        self.assertGreater(report.content["profile"]["acquired"], 50)
        self.assertLess(sum(report.content["coverage"]["lost_events"].values()), 100)
        return printed


class RealPrograms(Traced):
    def test_xz_packs_in_two_threads(self):
        plain = self.folder / "plain"
        plain.write_bytes(os.urandom(1 << 20) * 12)
        self.innocent("xz", "-T2", "-0", "--block-size=1MiB", "-k", plain)
        self.assertEqual(plain.read_bytes(), subprocess.check_output(["xz", "-dc", f"{plain}.xz"]))

    def test_python_threads_and_pools(self):
        self.assertEqual("332833500\n", self.innocent("/usr/bin/python3", "-c", PYTHON))

    def test_java_pool(self):
        source = self.folder / "Pool.java"
        source.write_text(JAVA)
        self.assertEqual("20000\n", self.innocent("java", source))

    def test_node_workers(self):
        self.assertEqual("read\n", self.innocent("node", "-e", NODE))

    def test_sqlite_writers(self):
        self.assertEqual("24\n", self.innocent("sh", "-c", SQLITE, self.folder / "db"))

    def test_redis_with_its_benchmark(self):
        self.assertEqual("there\n", self.innocent("sh", "-c", REDIS, self.folder))

    def test_postgres_with_pgbench(self):
        programs = sorted(glob.glob("/usr/lib/postgresql/*/bin"))[-1]
        folder = self.another_folder()
        os.chmod(folder, 0o777)
        self.assertIn("800/800", self.innocent("sh", "-c", POSTGRES, folder, programs))

    def test_git_gc(self):
        repository = self.folder / "repository"
        git = ["git", "-C", repository, "-c", "user.name=t", "-c", "user.email=t@example.org"]
        subprocess.run(["git", "init", "-q", repository], check=True)
        for number in range(30):
            (repository / f"file{number}").write_text(f"{number}\n" * 2000)
            subprocess.run([*git, "add", "-A"], check=True)
            subprocess.run([*git, "commit", "-q", "-m", str(number)], check=True)
        self.innocent("git", "-C", repository, "-c", "pack.threads=2", "gc", "-q", "--aggressive")
        subprocess.run(["git", "-C", repository, "fsck", "--strict"], check=True, capture_output=True)


class CommandLine(Traced):
    def test_the_exit_status_is_the_commands(self):
        self.assertEqual(3, self.trace("sh", "-c", "exit 3")[0])

    def test_a_signal_is_128_and_its_number(self):
        status, _, report = self.trace("sh", "-c", "kill -TERM $$")
        self.assertEqual(128 + signal.SIGTERM, status)
        self.assertEqual(signal.SIGTERM, report.content["command"]["signal"])

    def test_a_command_that_is_not_there_is_wrong_usage(self):
        ran = harness.run("run", "--", "/nonexistent")
        self.assertEqual(2, ran.returncode)
        self.assertIn("No such file", ran.stderr.decode() if isinstance(ran.stderr, bytes) else ran.stderr)

    def test_a_timeout_ends_it(self):
        status, _, report = self.trace("sleep", "1000", options=["--timeout", "300ms"])
        self.assertEqual(128 + signal.SIGTERM, status)
        self.assertEqual([], report.findings)

    def test_a_signal_to_lockscope_reaches_the_command(self):
        marker = self.folder / "marker"
        script = f'trap "echo told >{marker}; exit 5" TERM; echo up; while :; do sleep 0.05; done'
        ran = self.start(BINARY, "run", "-q", "--", "sh", "-c", script, stdout=subprocess.PIPE)
        self.assertEqual(b"up\n", ran.stdout.readline())
        ran.terminate()
        self.assertEqual(5, ran.wait(harness.PATIENCE))
        self.assertEqual("told\n", marker.read_text())

    def test_its_input_and_output_are_its_own(self):
        ran = subprocess.run([BINARY, "run", "-q", "--", "cat"], input=b"words", stdout=subprocess.PIPE, check=True)
        self.assertEqual(b"words", ran.stdout)

    def test_a_trace_that_is_killed_leaves_the_process_as_it_was(self):
        busy = self.start("/usr/bin/python3", "-c",
                          "import threading\nl = threading.Lock()\nprint('up', flush=True)\n"
                          "while True:\n  t = threading.Thread(target=lambda: None); t.start(); t.join()\n"
                          "  with l: pass", stdout=subprocess.PIPE)
        self.assertEqual(b"up\n", busy.stdout.readline())
        libc = next(line.split() for line in pathlib.Path(f"/proc/{busy.pid}/maps").read_text().splitlines()
                    if "r-xp" in line and "/libc.so" in line)
        start, end = (int(part, 16) for part in libc[0].split("-"))

        def code():
            with open(f"/proc/{busy.pid}/mem", "rb") as memory:
                memory.seek(start)
                return memory.read(end - start)
        before = code()
        tracer = self.start(BINARY, "trace", "--pid", busy.pid, "--duration", "10m")
        until(lambda: code() != before, "it is probed", alive=tracer)
        tracer.kill()
        tracer.wait(harness.PATIENCE)
        until(lambda: code() == before, "its code is as it was", alive=busy)
        self.assertIsNone(busy.poll())


if __name__ == "__main__":
    harness.main()
