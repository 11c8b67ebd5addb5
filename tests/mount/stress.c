/* SPDX-License-Identifier: MIT */
/*
 * Threads and processes that make, rename, link, remove, list, look up, map, release and pin in the same few
 * executions for a while:
 *
 *     stress MOUNTPOINT SECONDS
 *
 * Errors that follow from the others' doing are fine. What is not: an error that a filesystem has no reason to
 * give, and a file whose content is not its own.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#define PROCESSES 3
#define THREADS 3
#define PATTERN_BYTES 5000

static const char *const tops[] = { "1", "2", "3", "44" };
static const char *const names[] = { "a", "b", "c", "d/a", "d/b", "d/e/a" };
static const char *const dirs[] = { "d", "d/e", "f" };

static int64_t end_s;
static _Atomic bool failed;

struct dice {
	uint64_t state;
};

static uint32_t roll(struct dice *d, uint32_t n)
{
	d->state = d->state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(d->state >> 33) % n;
}

static void complain(const char *what, const char *path)
{
	fprintf(stderr, "stress: %s %s: %s\n", what, path, strerror(errno));
	failed = true;
}

/* The errors that others may cause. */
static void judge(const char *what, const char *path, int r)
{
	static const int fine[] = { ENOENT, EEXIST, ENOTEMPTY, ENOTDIR, EISDIR,
				    ESTALE, EXDEV,  EINVAL,    EBUSY,	ENODATA };

	if (r >= 0)
		return;
	for (size_t i = 0; i < sizeof(fine) / sizeof(fine[0]); i++) {
		if (errno == fine[i])
			return;
	}
	complain(what, path);
}

static const char *pick(struct dice *d, const char *const *list, size_t n)
{
	return list[roll(d, (uint32_t)n)];
}
#define PICK(d, list) pick(d, list, sizeof(list) / sizeof(list[0]))

/* Some path: 1/a, 44/d/b, or flat: 2_a. */
static void any_path(struct dice *d, char *buf, size_t len)
{
	const char *top = PICK(d, tops);

	if (roll(d, 4) == 0)
		(void)snprintf(buf, len, "%s_%c", top, 'a' + (int)roll(d, 3));
	else
		(void)snprintf(buf, len, "%s/%s", top, PICK(d, names));
}

static void op_create(struct dice *d)
{
	char path[64];
	char text[PATTERN_BYTES];
	char c = (char)('A' + roll(d, 26));
	int fd;

	any_path(d, path, sizeof(path));
	fd = open(path, O_WRONLY | O_CREAT | (roll(d, 2) ? O_EXCL : 0), 0644);
	judge("create", path, fd);
	if (fd < 0)
		return;
	memset(text, c, sizeof(text));
	judge("write", path, (int)pwrite(fd, text, sizeof(text), 0));
	judge("close", path, close(fd));
}

/* All bytes that are there are letters: never zeroes, nor another file's. */
static void op_read(struct dice *d)
{
	char path[64];
	char text[PATTERN_BYTES];
	ssize_t n;
	int fd;

	any_path(d, path, sizeof(path));
	fd = open(path, O_RDONLY);
	judge("open", path, fd);
	if (fd < 0)
		return;
	n = read(fd, text, sizeof(text));
	judge("read", path, (int)n);
	for (ssize_t i = 0; i < n; i++) {
		if (text[i] < 'A' || text[i] > 'Z') {
			fprintf(stderr, "stress: %s has byte %d at %zd of %zd\n", path, text[i], i,
				n);
			failed = true;
			break;
		}
	}
	(void)close(fd);
}

static void op_map(struct dice *d)
{
	char path[64];
	struct stat st;
	int fd;

	any_path(d, path, sizeof(path));
	fd = open(path, O_RDONLY);
	judge("open", path, fd);
	if (fd < 0)
		return;
	if (fstat(fd, &st) < 0) {
		complain("fstat", path);
	} else if (st.st_size == PATTERN_BYTES) { /* nobody truncates */
		const char *map = mmap(NULL, PATTERN_BYTES, PROT_READ, MAP_SHARED, fd, 0);

		(void)close(fd);
		fd = -1;
		if (map == MAP_FAILED) {
			complain("mmap", path);
		} else {
			if (map[PATTERN_BYTES - 1] < 'A')
				complain("mapped", path);
			(void)munmap((void *)(uintptr_t)map, PATTERN_BYTES);
		}
	}
	if (fd >= 0)
		(void)close(fd);
}

static void op_rename(struct dice *d)
{
	char from[64], to[64];

	any_path(d, from, sizeof(from));
	any_path(d, to, sizeof(to));
	judge("rename", from, rename(from, to));
}

static void op_link(struct dice *d)
{
	char from[64], to[64];

	any_path(d, from, sizeof(from));
	any_path(d, to, sizeof(to));
	judge("link", from, link(from, to));
}

static void op_unlink(struct dice *d)
{
	char path[64];

	any_path(d, path, sizeof(path));
	judge("unlink", path, unlink(path));
}

static void op_dirs(struct dice *d)
{
	char path[64], to[64];

	(void)snprintf(path, sizeof(path), "%s/%s", PICK(d, tops), PICK(d, dirs));
	(void)snprintf(to, sizeof(to), "%s/%s", PICK(d, tops), PICK(d, dirs));
	switch (roll(d, 4)) {
	case 0:
		judge("rmdir", path, rmdir(path));
		break;
	case 1:
		judge("rename", path, rename(path, to));
		break;
	default:
		judge("mkdir", path, mkdir(path, 0755));
	}
}

static void op_list(struct dice *d)
{
	const char *path = roll(d, 4) ? PICK(d, tops) : ".";
	DIR *dir = opendir(path);
	struct dirent *e;

	judge("opendir", path, dir ? 0 : -1);
	if (!dir)
		return;
	while ((errno = 0, e = readdir(dir))) {
		struct stat st;

		judge("stat", e->d_name, fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW));
	}
	judge("readdir", path, errno ? -1 : 0);
	(void)closedir(dir);
}

static void control(const char *id, const char *attr, const char *value)
{
	char path[96];
	int fd;

	(void)snprintf(path, sizeof(path), ".baton/executions/%s/%s", id, attr);
	fd = open(path, O_WRONLY);
	judge("open", path, fd);
	if (fd < 0)
		return;
	judge("write", path, (int)write(fd, value, strlen(value)));
	(void)close(fd);
}

static void op_control(struct dice *d)
{
	const char *id = PICK(d, tops);
	char value[256], path[64];
	int fd;

	switch (roll(d, 8)) {
	case 0:
	case 1:
		control(id, "release", "1");
		break;
	case 2:
		control(id, "pinned", "1");
		control(id, "pinned", "0");
		break;
	case 3:
		control(id, "ttl", roll(d, 2) ? "default" : "1h");
		control(id, "ttl", "default");
		break;
	case 4:
		any_path(d, path, sizeof(path));
		judge("setxattr", path, setxattr(path, "user.baton.ttl", "0.1", 3, 0));
		break;
	case 5:
		any_path(d, path, sizeof(path));
		judge("getxattr", path,
		      (int)getxattr(path, "user.baton.execution", value, sizeof(value)));
		break;
	default:
		(void)snprintf(path, sizeof(path), ".baton/%s",
			       roll(d, 2) ? "executions.json" : "status.json");
		fd = open(path, O_RDONLY);
		judge("open", path, fd);
		if (fd >= 0) {
			judge("read", path, (int)read(fd, value, sizeof(value)));
			(void)close(fd);
		}
	}
}

static void *run(void *arg)
{
	static void (*const ops[])(struct dice *) = {
		op_create, op_create, op_create, op_create, op_read, op_map,  op_rename,  op_link,
		op_unlink, op_unlink, op_unlink, op_dirs,   op_dirs, op_list, op_control,
	};
	struct dice d = { (uint64_t)(uintptr_t)arg * 7919 + (uint64_t)getpid() };

	while (time(NULL) < end_s && !failed)
		ops[roll(&d, sizeof(ops) / sizeof(ops[0]))](&d);
	return NULL;
}

static int run_threads(void)
{
	pthread_t threads[THREADS];

	for (uintptr_t i = 0; i < THREADS; i++) {
		if (pthread_create(&threads[i], NULL, run, (void *)(i + 1)) != 0)
			return 2;
	}
	for (size_t i = 0; i < THREADS; i++)
		(void)pthread_join(threads[i], NULL);
	return failed;
}

int main(int argc, char **argv)
{
	int result = 0;

	if (argc != 3 || chdir(argv[1]) < 0)
		return 2;
	end_s = time(NULL) + atoi(argv[2]);
	for (int i = 0; i < PROCESSES; i++) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(run_threads());
		if (pid < 0)
			return 2;
	}
	for (int i = 0; i < PROCESSES; i++) {
		int status;

		if (wait(&status) < 0 || !WIFEXITED(status) || WEXITSTATUS(status))
			result = 1;
	}
	return result;
}
