/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program whose use of one mutex is known by number, traced from its first instruction. Says what it did, one line
 * for each process or program: "PID ADDRESS ACQUISITIONS".
 *   tracer_peer locks N        takes its mutex N times
 *   tracer_peer forks N M      N times, then forks a child that does so M times at once
 *   tracer_peer execs N M      N times, then becomes "tracer_peer locks M"
 *   tracer_peer wrapped N      by mtx_lock() of <threads.h>, N times
 *   tracer_peer late N LIBRARY says "here", loads LIBRARY when it is told to and says "loaded", takes LIBRARY's lock N
 *                              times when it is told to
 */
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <threads.h>
#include <unistd.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static mtx_t wrapped;

static void lock_times(long times)
{
	for (long i = 0; i < times; i++) {
		pthread_mutex_lock(&mutex);
		pthread_mutex_unlock(&mutex);
	}
}

static void say(const char *text)
{
	if (write(STDOUT_FILENO, text, strlen(text)) < 0)
		_exit(4);
}

static void say_done(const void *lock, long times)
{
	char line[80];

	snprintf(line, sizeof(line), "%d %lx %ld\n", getpid(), (unsigned long)lock, times);
	say(line);
}

static void await_order(void)
{
	char order;

	if (read(STDIN_FILENO, &order, 1) != 1)
		_exit(5);
}

static int late(long times, const char *path)
{
	void (*lock)(int *), (*unlock)(int *);
	static int word;
	void *library;

	say("here\n");
	await_order();
	library = dlopen(path, RTLD_NOW);
	if (!library)
		return 6;
	*(void **)&lock = dlsym(library, "omp_set_lock");
	*(void **)&unlock = dlsym(library, "omp_unset_lock");
	if (!lock || !unlock)
		return 7;
	say("loaded\n");
	await_order();
	for (long i = 0; i < times; i++) {
		lock(&word);
		unlock(&word);
	}
	say_done(&word, times);
	return 0;
}

int main(int argc, char **argv)
{
	const char *what = argc > 2 ? argv[1] : "";
	long times = argc > 2 ? atol(argv[2]) : 0;
	int status = 0;
	pid_t child;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (!strcmp(what, "late"))
		return argc > 3 ? late(times, argv[3]) : 2;
	if (!strcmp(what, "wrapped")) {
		mtx_init(&wrapped, mtx_plain);
		for (long i = 0; i < times; i++) {
			mtx_lock(&wrapped);
			mtx_unlock(&wrapped);
		}
		say_done(&wrapped, times);
		return 0;
	}
	lock_times(times);
	say_done(&mutex, times);
	if (!strcmp(what, "locks"))
		return 0;
	if (argc < 4)
		return 2;
	if (!strcmp(what, "execs")) {
		execl("/proc/self/exe", "tracer_peer", "locks", argv[3], NULL);
		return 3;
	}
	child = fork();
	if (child == 0) {
		lock_times(atol(argv[3]));
		say_done(&mutex, atol(argv[3]));
		_exit(0);
	}
	return waitpid(child, &status, 0) == child ? status != 0 : 3;
}
