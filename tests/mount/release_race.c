/* SPDX-License-Identifier: MIT */
/*
 * Executions that are released, or whose directory comes and goes, under the hands of those who use them:
 *
 *     release_race MOUNTPOINT SECONDS
 *
 * Opening a file with O_CREAT, nobody else making it, has no reason to fail then, nor has looking at the
 * directory, which is always there.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static _Atomic bool failed;
static _Atomic unsigned int opens, releases, looks;
static time_t end_s;

static void complain(const char *what, const char *path)
{
	fprintf(stderr, "release_race: %s %s: %s\n", what, path, strerror(errno));
	failed = true;
}

/* Until the time is up and everything has happened. */
static bool going(void)
{
	return !failed && (time(NULL) < end_s || !opens || !releases || !looks);
}

static void make(int dirfd, const char *path)
{
	int fd = openat(dirfd, path, O_WRONLY | O_CREAT, 0644);

	if (fd < 0) {
		complain("open", path);
		return;
	}
	opens++;
	(void)!write(fd, "x", 1);
	(void)close(fd);
}

/* A file that is opened again and again, under one name that nobody else uses. */
struct user {
	const char *id;
	const char *path;
	bool below; /* path is below the directory `id`, which was opened at first */
	_Atomic unsigned int opens;
	unsigned int opens_at_release;
};

static struct user users[] = {
	{ .id = "1", .path = "1/a" },
	{ .id = "2", .path = "2_a" },
	{ .id = "4", .path = "a", .below = true },
};
#define USERS (sizeof(users) / sizeof(users[0]))

static void *use(void *arg)
{
	struct user *u = arg;
	int dir = u->below ? open(u->id, O_RDONLY | O_DIRECTORY) : AT_FDCWD;

	while (going()) {
		make(dir, u->path);
		u->opens++;
	}
	if (dir >= 0)
		(void)close(dir);
	return NULL;
}

/*
 * The kernel looks a name up again once, if it is told that it is stale. So one release in the course of an open
 * must not be seen; two cannot be hidden. The second open that ends after a release began after it.
 */
static void *release(void *arg)
{
	char path[64];

	(void)arg;
	for (unsigned int i = 0; going(); i++) {
		struct user *u = &users[i % USERS];
		int fd;

		if (u->opens - u->opens_at_release < 2) {
			(void)usleep(100);
			continue;
		}
		(void)snprintf(path, sizeof(path), ".baton/executions/%s/release", u->id);
		fd = open(path, O_WRONLY);
		if (fd < 0)
			continue; /* not there yet again */
		if (write(fd, "1", 1) == 1)
			releases++;
		(void)close(fd);
		u->opens_at_release = u->opens;
	}
	return NULL;
}

/* Its directory becomes real and virtual all the time. */
static void *come_and_go(void *arg)
{
	char path[32];

	(void)snprintf(path, sizeof(path), "%s/a", (const char *)arg);
	while (going()) {
		make(AT_FDCWD, path);
		if (unlink(path) < 0)
			complain("unlink", path);
	}
	return NULL;
}

static void *look(void *arg)
{
	const char *id = arg;
	int dir = open(id, O_RDONLY | O_DIRECTORY);

	while (going()) {
		struct stat st;
		DIR *list = opendir(id);
		struct dirent *d;

		if (!list || fstat(dir, &st) < 0 || stat(id, &st) < 0) {
			complain("look at", id);
			break;
		}
		while ((errno = 0, d = readdir(list)))
			(void)fstatat(dir, d->d_name, &st, 0);
		if (errno)
			complain("list", id);
		(void)closedir(list);
		if (fstatat(dir, "none", &st, 0) == 0 || errno != ENOENT)
			complain("look for none in", id);
		looks++;
	}
	(void)close(dir);
	return NULL;
}

int main(int argc, char **argv)
{
	static char third[] = "3";
	static const struct {
		void *(*run)(void *arg);
		void *arg;
	} all[] = {
		{ use, &users[0] }, { use, &users[1] },	    { use, &users[2] },
		{ release, NULL },  { come_and_go, third }, { look, third },
	};
	enum { N = sizeof(all) / sizeof(all[0]) };
	pthread_t threads[N];

	if (argc != 3 || chdir(argv[1]) < 0)
		return 2;
	end_s = time(NULL) + atoi(argv[2]);
	for (int i = 0; i < N; i++) {
		if (pthread_create(&threads[i], NULL, all[i].run, all[i].arg))
			return 2;
	}
	for (int i = 0; i < N; i++)
		(void)pthread_join(threads[i], NULL);
	printf("%u opens, %u releases, %u looks\n", opens, releases, looks);
	return failed;
}
