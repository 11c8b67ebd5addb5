/* SPDX-License-Identifier: MIT */
/*
 * How long do requests take, while the worker is killed?
 *
 *     takeover_probe DIRECTORY LOG DONE
 *
 * One after the other, until the file DONE is there: stat of a name that is not there, create, unlink, open. LOG gets a
 * line for each that took longer than PROBE_LOG_NS: when it began (CLOCK_MONOTONIC), how long it took, and how much of that it
 * waited for a CPU, most of it with the answer, all in ns. In the end stdout gets one with the median, the 99th percentile and the
 * longest of all, in ms, and how many they were.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PROBE_LOG_NS 1000000

/* Durations that are remembered; more are not asked for. Source: an hour of 10 000 a second. */
#define PROBE_MAX 36000000

struct probe {
	FILE *log;
	int schedstat_fd;
	uint32_t *took_us; /* PROBE_MAX, pages that are used */
	size_t count;
	int64_t began;
	int64_t waited_before;
};

static int64_t now(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

/* How long this thread has waited for a CPU so far, ns: the second number. 0 if the kernel does not tell. */
static int64_t waited(const struct probe *p)
{
	long long ran, wait = 0;
	char text[64];
	ssize_t n = pread(p->schedstat_fd, text, sizeof(text) - 1, 0);

	text[n < 0 ? 0 : n] = '\0';
	return sscanf(text, "%lld %lld", &ran, &wait) == 2 ? wait : 0;
}

static void begin(struct probe *p)
{
	p->waited_before = waited(p);
	p->began = now();
}

/* `fine`: what it should answer, an errno or 0. */
static void end(struct probe *p, int r, int fine, const char *what)
{
	int err = r < 0 ? errno : 0;
	int64_t took = now() - p->began;

	if (err != fine) {
		fprintf(stderr, "takeover_probe: %lld.%06lld: %s: %s\n",
			(long long)(p->began / 1000000000),
			(long long)(p->began % 1000000000 / 1000), what, strerror(err));
		exit(1);
	}
	if (took > PROBE_LOG_NS)
		fprintf(p->log, "%lld %lld %lld %s\n", (long long)p->began, (long long)took,
			(long long)(waited(p) - p->waited_before), what);
	if (p->count < PROBE_MAX)
		p->took_us[p->count++] = (uint32_t)(took / 1000);
}

static void once(struct probe *p, unsigned long i)
{
	char unknown[32];
	struct stat st;
	int fd;

	(void)snprintf(unknown, sizeof(unknown), "unknown%lu", i);
	begin(p);
	end(p, stat(unknown, &st), ENOENT, "stat");
	begin(p);
	fd = open(unknown, O_WRONLY | O_CREAT | O_EXCL, 0644);
	end(p, fd, 0, "create");
	(void)close(fd);
	begin(p);
	end(p, unlink(unknown), 0, "unlink");
	begin(p);
	fd = open("known", O_RDONLY);
	end(p, fd, 0, "open");
	(void)close(fd);
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a;
	uint32_t y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	static struct probe p;

	if (argc != 4 || chdir(argv[1]) < 0)
		return 2;
	p.log = fopen(argv[2], "we");
	p.took_us = calloc(PROBE_MAX, sizeof(*p.took_us));
	if (!p.log || !p.took_us)
		return 2;
	p.schedstat_fd = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
	(void)close(open("known", O_WRONLY | O_CREAT, 0644));
	for (unsigned long i = 0; access(argv[3], F_OK) < 0; i++)
		once(&p, i);
	(void)fclose(p.log);
	qsort(p.took_us, p.count, sizeof(*p.took_us), compare);
	printf("requests: %zu, median %.3f ms, p99 %.3f, longest %.1f\n", p.count,
	       p.took_us[p.count / 2] / 1e3, p.took_us[p.count * 99 / 100] / 1e3,
	       p.took_us[p.count - 1] / 1e3);
	return 0;
}
