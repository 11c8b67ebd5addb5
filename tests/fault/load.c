/* SPDX-License-Identifier: MIT */
/*
 * Load for a daemon that is going to be killed: files are created, written, closed, renamed, linked and removed
 * until an operation fails, and each step that the kernel acknowledged is written down.
 *
 *     load DIRECTORY WORKERS > record      until killed, or the mount is dead
 *     load -c DIRECTORY < records          whether what is there agrees with the records
 *
 * The record has a line per step: "closed PATH", "renaming FROM TO" and "renamed FROM TO", "removing PATH" and
 * "removed PATH", PATH below DIRECTORY. The content of a file follows from the basename it was made with, which
 * its first line says: so a file is whole under any name. A file is made under a name that ends in ".part" in
 * half of the cases and renamed when it is closed, as careful programs do.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define SIZE_MAX_BYTES 300000

static const char *failed_step; /* which call failed, for who reads of it */

static uint32_t mix(uint32_t x)
{
	x ^= x >> 16;
	x *= 0x7feb352du;
	x ^= x >> 15;
	x *= 0x846ca68bu;
	return x ^ x >> 16;
}

/* The content of the file made with this number. */
static size_t make_content(uint32_t number, char *buf)
{
	size_t size = mix(number) % 8 ? 20 + mix(number) % 9000 : 20 + mix(number) % SIZE_MAX_BYTES;
	int n = snprintf(buf, 20, "%010u\n", number);

	for (size_t i = (size_t)n; i < size; i++)
		buf[i] = (char)(number + i * 31 + (i >> 8));
	return size;
}

static bool write_file(const char *path, uint32_t number, char *buf)
{
	size_t size = make_content(number, buf);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	bool ok = fd >= 0;

	failed_step = ok ? "write" : "open";

	for (size_t done = 0; ok && done < size;) {
		ssize_t n = write(fd, buf + done, size - done < 65536 ? size - done : 65536);

		ok = n > 0;
		done += ok ? (size_t)n : 0;
	}
	if (ok && number % 16 == 0)
		ok = fsync(fd) == 0;
	if (fd >= 0 && close(fd) < 0)
		ok = false;
	return ok;
}

static void say(const char *verb, const char *a, const char *b)
{
	char line[256];
	int n = snprintf(line, sizeof(line), "%s %s%s%s\n", verb, a, b ? " " : "", b ? b : "");

	if (write(STDOUT_FILENO, line, (size_t)n) !=
	    n) /* one write a line: whole lines in a pipe or file */
		_exit(3);
}

static bool do_rename(const char *from, const char *to)
{
	say("renaming", from, to);
	if (rename(from, to) < 0) {
		failed_step = "rename";
		return false;
	}
	say("renamed", from, to);
	return true;
}

static bool do_remove(const char *path)
{
	say("removing", path, NULL);
	if (unlink(path) < 0) {
		failed_step = "unlink";
		return false;
	}
	say("removed", path, NULL);
	return true;
}

/* One file's life, or some of it. */
static bool step(uint32_t worker, uint32_t n, char *buf)
{
	uint32_t number = worker * 10000000 + n;
	uint32_t id = 1 + mix(number) % 5;
	bool flat = mix(number) % 7 == 0;
	char path[64], part[80], other[64];

	(void)snprintf(path, sizeof(path), flat ? "%u_%u" : "%u/%u", id, number);
	(void)snprintf(part, sizeof(part), "%s.part", path);
	(void)snprintf(other, sizeof(other), "%u/moved-%u", 1 + mix(number + 1) % 5, number);
	if (number % 2) {
		if (!write_file(path, number, buf))
			return false;
		say("closed", path, NULL);
	} else {
		if (!write_file(part, number, buf))
			return false;
		say("closed", part, NULL);
		if (!do_rename(part, path))
			return false;
	}
	switch (mix(number + 2) % 4) {
	case 0:
		return do_remove(path);
	case 1:
		return do_rename(path, other);
	case 2:
		return mix(number + 3) % 2 || (do_rename(path, other) && do_remove(other));
	default:
		return true;
	}
}

static int work(const char *directory, uint32_t worker)
{
	char *buf = malloc(SIZE_MAX_BYTES + 64);

	if (!buf || chdir(directory) < 0)
		return 2;
	for (uint32_t n = 0;; n++) {
		if (step(worker, n, buf))
			continue;
		if (errno == ENOTCONN || errno == ECONNABORTED || errno == EINTR || errno == EIO ||
		    errno == ENODEV)
			return 0; /* the daemon is dead */
		fprintf(stderr, "load: worker %u file %u, %s: %s\n", worker, n, failed_step,
			strerror(errno));
		return 1;
	}
}

static int load(const char *directory, int workers)
{
	int failed = 0;

	for (int i = 0; i < workers; i++) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(work(directory, (uint32_t)i + 1));
		if (pid < 0)
			return 2;
	}
	for (int i = 0; i < workers; i++) {
		int status;

		if (wait(&status) < 0 || !WIFEXITED(status) || WEXITSTATUS(status))
			failed = 1;
	}
	return failed;
}

/* ---- the check ---- */

/* 1 whole, 0 not there, -1 there and not whole. */
static int check_file(const char *path)
{
	static char is[SIZE_MAX_BYTES + 64], should[SIZE_MAX_BYTES + 64];
	int fd = open(path, O_RDONLY);
	unsigned int number;
	ssize_t n;
	size_t size;

	if (fd < 0)
		return errno == ENOENT ? 0 : -1;
	n = read(fd, is, sizeof(is) - 1);
	(void)close(fd);
	if (n < 11)
		return -1;
	is[n] = '\0';
	if (sscanf(is, "%10u", &number) != 1)
		return -1;
	size = make_content(number, should);
	return (size_t)n == size && memcmp(is, should, size) == 0 ? 1 : -1;
}

/* The last that is known of one file: its name, perhaps another one, or none. */
struct file {
	char path[64];
	char other[64]; /* "" */
	bool perhaps_gone;
};

static struct file *files;
static size_t nfiles;

static struct file *find(const char *path)
{
	for (size_t i = nfiles; i > 0; i--) {
		if (strcmp(files[i - 1].path, path) == 0)
			return &files[i - 1];
	}
	return NULL;
}

static int note(const char *verb, const char *a, const char *b)
{
	struct file *f = find(a);

	if (strcmp(verb, "closed") == 0) {
		files = realloc(files, (nfiles + 1) * sizeof(*files));
		if (!files)
			return -1;
		f = &files[nfiles++];
		*f = (struct file){ .perhaps_gone = false };
		(void)snprintf(f->path, sizeof(f->path), "%s", a);
		return 0;
	}
	if (!f)
		return -1;
	if (strcmp(verb, "renaming") == 0) {
		(void)snprintf(f->other, sizeof(f->other), "%s", b);
	} else if (strcmp(verb, "renamed") == 0) {
		(void)snprintf(f->path, sizeof(f->path), "%s", b);
		f->other[0] = '\0';
	} else if (strcmp(verb, "removing") == 0) {
		f->perhaps_gone = true;
	} else {
		*f = files[--nfiles];
	}
	return 0;
}

static int check(const char *directory)
{
	char line[256], verb[16], a[64], b[64];
	int bad = 0;

	if (chdir(directory) < 0)
		return 2;
	while (fgets(line, sizeof(line), stdin)) {
		b[0] = '\0';
		if (sscanf(line, "%15s %63s %63s", verb, a, b) < 2 || note(verb, a, b) < 0) {
			printf("load: record: %s", line);
			bad = 1;
		}
	}
	for (size_t i = 0; i < nfiles; i++) {
		const struct file *f = &files[i];
		int here = check_file(f->path);
		int there = f->other[0] ? check_file(f->other) : 0;

		if (here >= 0 && there >= 0 &&
		    (here + there == 1 || (here + there == 0 && f->perhaps_gone)))
			continue;
		printf("load: %s %s: %d, %d\n", f->path, f->other, here, there);
		bad = 1;
	}
	printf("%zu files\n", nfiles);
	return bad;
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "-c") == 0)
		return check(argv[2]);
	if (argc == 3)
		return load(argv[1], atoi(argv[2]));
	fprintf(stderr, "usage: load DIRECTORY WORKERS | load -c DIRECTORY\n");
	return 2;
}
