# SPDX-License-Identifier: Apache-2.0
"""Idle pools and queues, of threads and of processes. Argument "busy": all of it in motion for ever."""
import concurrent.futures
import multiprocessing
import queue
import sys
import threading

lock = threading.Lock()
tasks = queue.Queue(maxsize=4)


def work(number):
    return number * number


def work_under_lock(number):
    with lock:
        return number * number


def consume():
    while True:
        tasks.get()


def forever(task):
    def loop():
        while True:
            task()
    threading.Thread(target=loop, daemon=True).start()


def main():
    busy = sys.argv[1:] == ["busy"]
    processes = multiprocessing.Pool(3)
    threads = concurrent.futures.ThreadPoolExecutor(4)
    processes.map(work, range(10))
    list(threads.map(work_under_lock, range(10)))
    threading.Thread(target=consume, daemon=True).start()
    if busy:
        forever(lambda: processes.map(work, range(200)))
        forever(lambda: list(threads.map(work_under_lock, range(200))))
        forever(lambda: tasks.put(1))
    print("ready", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
