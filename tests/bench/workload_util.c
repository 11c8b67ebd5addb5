/* SPDX-License-Identifier: MIT */
/*
 * Clock, turns between processes, paths and files of the workloads.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "workload.h"

void fail(const char *what, const char *path)
{
	fprintf(stderr, "workload: %s%s%s: %s\n", what, path ? " " : "", path ? path : "",
		strerror(errno));
	exit(1);
}

uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * SECOND_NS + (uint64_t)ts.tv_nsec;
}

void sleep_until_ns(uint64_t mono_ns)
{
	struct timespec ts = { .tv_sec = (time_t)(mono_ns / SECOND_NS),
			       .tv_nsec = (long)(mono_ns % SECOND_NS) };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
		;
}

void sleep_ns(uint64_t ns)
{
	if (ns)
		sleep_until_ns(now_ns() + ns);
}

void *shared_new(size_t bytes)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		fail("mmap", NULL);
	return memory;
}

struct turns partner_start(void (*body)(struct turns *turns, const struct params *params,
					void *shared),
			   const struct params *params, void *shared)
{
	int down[2], up[2];
	struct turns turns;
	pid_t pid;

	if (pipe2(down, O_CLOEXEC) != 0 || pipe2(up, O_CLOEXEC) != 0)
		fail("pipe2", NULL);
	pid = fork();
	if (pid < 0)
		fail("fork", NULL);
	if (pid > 0) {
		close(down[0]);
		close(up[1]);
		return (struct turns){ .in = up[0], .out = down[1], .pid = pid };
	}
	close(down[1]);
	close(up[0]);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	turns = (struct turns){ .in = down[0], .out = up[1] };
	body(&turns, params, shared);
	_exit(0);
}

void partner_finish(struct turns *turns)
{
	int status;

	close(turns->out);
	if (waitpid(turns->pid, &status, 0) < 0)
		fail("waitpid", NULL);
	close(turns->in);
	if (status != 0) {
		errno = ECHILD;
		fail("the partner failed", NULL);
	}
}

void turn_give(struct turns *turns)
{
	if (write(turns->out, "", 1) != 1)
		fail("the partner is gone", NULL);
}

bool turn_take(struct turns *turns)
{
	char byte;
	ssize_t got;

	do
		got = read(turns->in, &byte, 1);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		fail("read", NULL);
	return got == 1;
}

const char *path_in(const struct params *params, const char *name)
{
	static char path[PATH_BYTES];

	snprintf(path, sizeof(path), "%s/%s", params->dir, name);
	return path;
}

const char *path_number(const struct params *params, const char *name, uint64_t number)
{
	static char path[PATH_BYTES];

	snprintf(path, sizeof(path), "%s/%s.%" PRIu64, params->dir, name, number);
	return path;
}

char *pattern_new(size_t bytes)
{
	char *buffer =
		mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t x = UINT64_C(0x2545f4914f6cdd1d);

	if (buffer == MAP_FAILED)
		fail("mmap", NULL);
	for (size_t i = 0; i + sizeof(x) <= bytes; i += sizeof(x)) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		memcpy(buffer + i, &x, sizeof(x));
	}
	return buffer;
}

void write_all(int fd, const char *buffer, uint64_t size_bytes, uint64_t chunk_bytes)
{
	for (uint64_t at = 0; at < size_bytes;) {
		uint64_t left = size_bytes - at;
		ssize_t done =
			pwrite(fd, buffer, left < chunk_bytes ? left : chunk_bytes, (off_t)at);

		if (done <= 0)
			fail("write", NULL);
		at += (uint64_t)done;
	}
}

void write_file(const char *path, const char *buffer, uint64_t size_bytes, uint64_t chunk_bytes)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0)
		fail("open", path);
	write_all(fd, buffer, size_bytes, chunk_bytes);
	if (close(fd) != 0)
		fail("close", path);
}

uint64_t anonymous_kib(void)
{
	char line[256];
	uint64_t kib = 0;
	FILE *status = fopen("/proc/self/status", "re");

	if (!status)
		fail("open", "/proc/self/status");
	while (fgets(line, sizeof(line), status)) {
		if (sscanf(line, "RssAnon: %" SCNu64, &kib) == 1)
			break;
	}
	fclose(status);
	return kib;
}
