/* SPDX-License-Identifier: MIT */
/*
 * Processes that write, rewrite, copy, rename, remove, hold open and map the same few files of few contents, so that
 * many of them come to share one while others are at them:
 *
 *     stub_stress run DIRECTORY SECONDS [FILES]    in subdirectories that it makes; so many files, or 12
 *     stub_stress check DIRECTORY                  every file there has one of the contents, whole
 *
 * Each inode has a generation, which is odd while somebody changes it, and a history of its contents. What is read of
 * it, or of a descriptor or mapping that was made when it was of some generation, must be whole, and one of the
 * contents that it had since then: the first if it was shared, the last if not. Where a generation has changed
 * meanwhile nothing can be said.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PROCESSES 4
#define DIRS 3
#define FILES 12
#define FILES_MAX 256
#define HISTORY 64
#define HELD 12

/* Whole pages and a rest; of which the last byte tells, as the first does. */
#define SIZE ((300 << 10) + 321)
#define CONTENTS 3
#define NONE 255

/* Inodes, by and by; a slot is used again when whoever had the former one has let go of it, or notices. */
#define BODIES 4096
#define NO_BODY UINT32_MAX

/* An inode. */
struct body {
	_Atomic uint32_t serial;     /* of what is here */
	_Atomic uint32_t generation; /* odd: it is being changed */
	_Atomic uint8_t history[HISTORY];
};

/* A name. */
struct file {
	_Atomic uint32_t locked;
	_Atomic uint32_t generation; /* odd: it is being made to stand for another one */
	_Atomic uint32_t body;
};

struct shared {
	_Atomic bool failed;
	_Atomic uint64_t checked;
	_Atomic uint32_t next_body;
	struct file files[FILES_MAX];
	struct body bodies[BODIES];
};

static struct shared *shared; /* by all processes */

static char contents[CONTENTS][SIZE];
static char buffer[SIZE + 1];
static uint64_t dice;
static uint32_t nfiles = FILES;
static const char *top;

/* ---- small things ---- */

static uint32_t roll(uint32_t n)
{
	dice = dice * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(dice >> 33) % n;
}

static void path_of(uint32_t f, char path[256])
{
	(void)snprintf(path, 256, "%s/%u/f%u", top, 100 + f % DIRS, f);
}

static void complain(const char *what, uint32_t f, const char *more)
{
	fprintf(stderr, "stub_stress: %s f%u: %s (%s)\n", what, f, more, strerror(errno));
	atomic_store(&shared->failed, true);
}

static void fill_contents(void)
{
	for (uint32_t c = 0; c < CONTENTS; c++) {
		for (uint32_t i = 0; i < SIZE; i++)
			contents[c][i] = (char)(1 + (i * 7 + (i >> 12) * 13 + c * 57) % 255);
		contents[c][0] = contents[c][SIZE - 1] = (char)(c + 1);
	}
}

/* Which one it is; NONE: none, or not whole. */
static uint8_t which(const char *data, size_t len)
{
	uint8_t c = len == SIZE ? (uint8_t)(data[0] - 1) : NONE;

	return c < CONTENTS && memcmp(data, contents[c], SIZE) == 0 ? c : NONE;
}

static const char *describe(const char *data, size_t len)
{
	static char text[128];
	size_t i;

	for (i = 0;
	     i < len && len == SIZE && data[0] && data[i] == contents[(data[0] - 1) % CONTENTS][i];
	     i++)
		;
	(void)snprintf(text, sizeof(text), "%zu bytes, begins with %d, differs at %zu: %d", len,
		       data[0], i, i < len ? data[i] : -1);
	return text;
}

/* ---- generations ---- */

static void lock_file(uint32_t f)
{
	while (atomic_exchange(&shared->files[f].locked, 1))
		(void)usleep(100);
}

static bool try_lock_file(uint32_t f)
{
	return !atomic_exchange(&shared->files[f].locked, 1);
}

static void unlock_file(uint32_t f)
{
	atomic_store(&shared->files[f].locked, 0);
}

static struct body *body_of(uint32_t f)
{
	uint32_t b = atomic_load(&shared->files[f].body);

	return b == NO_BODY ? NULL : &shared->bodies[b];
}

static void begin_body(struct body *b)
{
	atomic_fetch_add(&b->generation, 1);
}

static void end_body(struct body *b, uint8_t content)
{
	uint32_t next = atomic_load(&b->generation) + 1;

	atomic_store(&b->history[next / 2 % HISTORY], content);
	atomic_store(&b->generation, next);
}

static uint8_t content_of(const struct body *b)
{
	return atomic_load(&b->history[atomic_load(&b->generation) / 2 % HISTORY]);
}

/* What the name stands for is about to change, and has. */
static void begin_name(uint32_t f)
{
	atomic_fetch_add(&shared->files[f].generation, 1);
}

static void end_name(uint32_t f, uint32_t body)
{
	atomic_store(&shared->files[f].body, body);
	atomic_fetch_add(&shared->files[f].generation, 1);
}

static uint32_t new_body(uint8_t content)
{
	uint32_t b = atomic_fetch_add(&shared->next_body, 1) % BODIES;

	begin_body(&shared->bodies[b]); /* whoever still has what it was before lets go of it */
	atomic_fetch_add(&shared->bodies[b].serial, 1);
	end_body(&shared->bodies[b], content);
	return b;
}

static uint8_t current(uint32_t f)
{
	const struct body *b = body_of(f);

	return b ? content_of(b) : NONE;
}

/* Whether it had this content at some time from `since` to now, which is stable. */
static bool was(const struct body *b, uint32_t since, uint32_t now, uint8_t content)
{
	for (uint32_t g = since; g <= now; g += 2) {
		if (atomic_load(&b->history[g / 2 % HISTORY]) == content)
			return true;
	}
	return false;
}

/* ---- looking ---- */

struct held {
	uint32_t f; /* as it was called */
	struct body *body;
	uint32_t serial;
	uint32_t since;
	int fd;	   /* -1: mapped */
	char *map; /* NULL: open */
};

static struct held held[HELD];
static sigjmp_buf cut;

/* A file that was cut short under its mapping. */
static void on_sigbus(int signal)
{
	(void)signal;
	siglongjmp(cut, 1);
}

static size_t read_held(const struct held *h)
{
	ssize_t n;

	if (!h->map) {
		n = pread(h->fd, buffer, sizeof(buffer), 0);
		return n < 0 ? 0 : (size_t)n;
	}
	if (sigsetjmp(cut, 1))
		return 0;
	memcpy(buffer, h->map, SIZE);
	return SIZE;
}

/* False: too long ago to be judged. */
static bool judge(const struct held *h, const char *what)
{
	struct body *b = h->body;
	uint32_t before = atomic_load(&b->generation);
	size_t n = read_held(h);
	uint8_t content = which(buffer, n);

	if (before % 2 || atomic_load(&b->generation) != before)
		return true;
	if (atomic_load(&b->serial) != h->serial || before - h->since >= 2 * (HISTORY - 2))
		return false;
	atomic_fetch_add(&shared->checked, 1);
	if ((content == NONE || !was(b, h->since, before, content)) &&
	    atomic_load(&b->generation) == before) /* the history has not gone round */
		complain(what, h->f, describe(buffer, n));
	return true;
}

static void let_go(struct held *h)
{
	if (h->map)
		(void)munmap(h->map, SIZE);
	else if (h->fd >= 0)
		(void)close(h->fd);
	*h = (struct held){ .fd = -1 };
}

/* Open it while it is stable: then what is held is of this generation. */
static bool open_stable(uint32_t f, struct held *ret)
{
	struct file *file = &shared->files[f];
	uint32_t before = atomic_load(&file->generation);
	struct body *b = body_of(f);
	uint32_t since = b ? atomic_load(&b->generation) : 1;
	uint32_t serial = b ? atomic_load(&b->serial) : 0;
	char path[256];
	bool stable;
	int fd;

	path_of(f, path);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && errno != ENOENT)
		complain("open", f, "");
	stable = before % 2 == 0 && since % 2 == 0 && atomic_load(&file->generation) == before &&
		 atomic_load(&b->generation) == since;
	if (fd < 0 && stable)
		complain("open", f, "it should be there");
	if (fd >= 0 && !stable) {
		(void)close(fd);
		return false;
	}
	*ret = (struct held){ .f = f, .body = b, .serial = serial, .since = since, .fd = fd };
	return fd >= 0;
}

static void check_times_and_layout(const struct held *h)
{
	off_t hole = lseek(h->fd, 0, SEEK_HOLE);
	bool split = hole < 0 && errno == EINVAL; /* somebody opened it for writing since */
	off_t data = lseek(h->fd, 0, SEEK_DATA);
	struct stat st;

	if (fstat(h->fd, &st) < 0)
		complain("fstat", h->f, "");
	if (atomic_load(&h->body->generation) != h->since)
		return;
	if (st.st_size != SIZE || st.st_blocks * 512 < SIZE || st.st_mtim.tv_sec < 1000000)
		complain("fstat", h->f, "attributes are wrong");
	if (!split && (hole != SIZE || (data != 0 && errno != EINVAL)))
		complain("lseek", h->f, "holes");
}

static void hold(void)
{
	struct held *h = &held[roll(HELD)];
	struct held new;

	if (!open_stable(roll(nfiles), &new))
		return;
	let_go(h);
	if (roll(2)) {
		new.map =
			mmap(NULL, SIZE, PROT_READ, roll(2) ? MAP_SHARED : MAP_PRIVATE, new.fd, 0);
		if (new.map == MAP_FAILED)
			complain("mmap", new.f, "");
		(void)close(new.fd);
		new.fd = -1;
		if (new.map == MAP_FAILED)
			return;
	} else {
		check_times_and_layout(&new);
	}
	*h = new;
	(void)judge(h, "what was just opened");
}

static void look(void)
{
	struct held *h = &held[roll(HELD)];

	if (h->fd < 0 && !h->map)
		return;
	if (!judge(h, h->map ? "mapping" : "descriptor") || roll(4) == 0)
		let_go(h);
}

/* ---- changing ---- */

static bool write_all(int fd, const char *data, off_t from, off_t to)
{
	while (from < to) {
		ssize_t n = pwrite(fd, data + from, (size_t)(to - from), from);

		if (n <= 0)
			return false;
		from += n;
	}
	return true;
}

static int open_to_write(uint32_t f, int flags)
{
	char path[256];
	int fd;

	path_of(f, path);
	fd = open(path, flags | O_CLOEXEC, 0644);
	if (fd < 0)
		complain("open for writing", f, "");
	return fd;
}

static void write_in_place(uint32_t f, uint8_t c)
{
	int fd = open_to_write(f, O_WRONLY | O_CREAT);

	if (fd < 0)
		return;
	if (!write_all(fd, contents[c], SIZE / 2, SIZE) || !write_all(fd, contents[c], 0, SIZE / 2))
		complain("write", f, "");
	(void)close(fd);
}

static void write_anew(uint32_t f, uint8_t c)
{
	int fd = open_to_write(f, O_WRONLY | O_CREAT | O_TRUNC);

	if (fd < 0)
		return;
	if (!write_all(fd, contents[c], 0, SIZE))
		complain("write", f, "");
	(void)close(fd);
}

static void write_mapped(uint32_t f, uint8_t c)
{
	int fd = open_to_write(f, O_RDWR);
	char *map;

	if (fd < 0)
		return;
	map = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	(void)close(fd);
	if (map == MAP_FAILED) {
		complain("mmap", f, "for writing");
		return;
	}
	memcpy(map, contents[c], SIZE);
	(void)munmap(map, SIZE);
}

static void write_beside(uint32_t f, uint8_t c)
{
	char path[256];
	char other[300];
	int fd;

	path_of(f, path);
	(void)snprintf(other, sizeof(other), "%s.%d", path, (int)getpid());
	fd = open(other, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0 || !write_all(fd, contents[c], 0, SIZE))
		complain("write", f, "beside");
	(void)close(fd);
	if (rename(other, path) < 0)
		complain("rename", f, "over it");
}

static void cut_and_write(uint32_t f, uint8_t c)
{
	char path[256];

	path_of(f, path);
	if (truncate(path, roll(2) ? 0 : SIZE / 3) < 0 && errno != ENOENT)
		complain("truncate", f, "");
	write_in_place(f, c);
}

/* The name stands for another inode afterwards. */
static void replace(uint32_t f, uint8_t c)
{
	begin_name(f);
	write_beside(f, c);
	end_name(f, new_body(c));
}

static void create(uint32_t f, uint8_t c)
{
	begin_name(f);
	write_anew(f, c);
	end_name(f, new_body(c));
}

static void change(void)
{
	static void (*const ways[])(uint32_t f, uint8_t c) = {
		write_in_place, write_anew, write_anew, write_mapped, cut_and_write,
	};
	uint32_t f = roll(nfiles);
	uint8_t c = (uint8_t)roll(CONTENTS);
	struct body *b;

	lock_file(f);
	b = body_of(f);
	if (!b) {
		create(f, c);
	} else if (roll(5) == 0) {
		replace(f, c);
	} else {
		begin_body(b);
		ways[roll(sizeof(ways) / sizeof(ways[0]))](f, c);
		end_body(b, c);
	}
	unlock_file(f);
}

static void remove_one(void)
{
	uint32_t f = roll(nfiles);
	char path[256];

	path_of(f, path);
	lock_file(f);
	if (body_of(f)) {
		begin_name(f);
		if (unlink(path) < 0)
			complain("unlink", f, "");
		end_name(f, NO_BODY);
	}
	unlock_file(f);
}

/* Opening for writing, and attributes, change no content. */
static void touch(void)
{
	uint32_t f = roll(nfiles);
	struct timespec times[2] = { { .tv_sec = 2000000 }, { .tv_sec = 3000000 } };
	char path[256];
	struct stat st;
	int fd;

	path_of(f, path);
	if (!try_lock_file(f))
		return;
	if (current(f) != NONE && roll(2)) {
		fd = open_to_write(f, O_RDWR);
		if (fd >= 0)
			(void)close(fd);
	} else if (current(f) != NONE) {
		if (utimensat(AT_FDCWD, path, times, 0) < 0)
			complain("utimensat", f, "");
		if (stat(path, &st) < 0 || st.st_mtim.tv_sec != 3000000)
			complain("stat", f, "the times that were set are not there");
	}
	unlock_file(f);
}

static bool lock_both(uint32_t a, uint32_t b)
{
	if (a == b || !try_lock_file(a))
		return false;
	if (try_lock_file(b))
		return true;
	unlock_file(a);
	return false;
}

static void move(void)
{
	uint32_t a = roll(nfiles);
	uint32_t b = roll(nfiles);
	char from[256];
	char to[256];

	if (!lock_both(a, b))
		return;
	if (body_of(a)) {
		path_of(a, from);
		path_of(b, to);
		begin_name(a);
		begin_name(b);
		if (rename(from, to) < 0)
			complain("rename", a, "");
		end_name(b, atomic_load(&shared->files[a].body));
		end_name(a, NO_BODY);
	}
	unlock_file(a);
	unlock_file(b);
}

static bool copy_fd(int from, int to)
{
	off_t in = 0;
	off_t out = 0;

	while (out < SIZE) {
		ssize_t n = copy_file_range(from, &in, to, &out, (size_t)(SIZE - out), 0);

		if (n <= 0)
			return false;
	}
	return true;
}

static void copy_to(uint32_t from, uint32_t f, int flags)
{
	char path[256];
	int in;
	int out;

	path_of(from, path);
	in = open(path, O_RDONLY | O_CLOEXEC);
	if (in < 0)
		complain("open", from, "to copy it");
	out = open_to_write(f, flags);
	if (in >= 0 && out >= 0 && !copy_fd(in, out))
		complain("copy", f, "");
	(void)close(in);
	(void)close(out);
}

static void copy(void)
{
	uint32_t a = roll(nfiles);
	uint32_t b = roll(nfiles);
	struct body *body;
	char path[256];

	if (!lock_both(a, b))
		return;
	body = body_of(b);
	if (current(a) != NONE && body && roll(2)) {
		begin_body(body);
		copy_to(a, b, O_WRONLY | O_TRUNC);
		end_body(body, current(a));
	} else if (current(a) != NONE) {
		path_of(b, path);
		begin_name(b);
		if (body && unlink(path) < 0)
			complain("unlink", b, "");
		copy_to(a, b, O_WRONLY | O_CREAT | O_EXCL);
		end_name(b, new_body(current(a)));
	}
	unlock_file(a);
	unlock_file(b);
}

/* ---- all of them ---- */

static void act(void)
{
	uint32_t what = roll(100);

	if (what < 30)
		hold();
	else if (what < 75)
		look();
	else if (what < 82)
		change();
	else if (what < 84)
		remove_one();
	else if (what < 88)
		touch();
	else if (what < 91)
		move();
	else if (what < 95)
		copy();
	else /* whoever makes stubs runs when nobody else does */
		(void)usleep(1000 * roll(20));
}

static void process(uint32_t number, int64_t end_s)
{
	struct sigaction action = { .sa_handler = on_sigbus };

	(void)sigaction(SIGBUS, &action, NULL);
	dice = (uint64_t)time(NULL) * 1000 + number;
	for (int i = 0; i < HELD; i++)
		held[i].fd = -1;
	while (time(NULL) < end_s && !atomic_load(&shared->failed))
		act();
	_exit(atomic_load(&shared->failed));
}

static int run(int seconds)
{
	pid_t pids[PROCESSES];
	int64_t end_s = time(NULL) + seconds;
	bool failed = false;
	char path[256];
	int status;

	for (uint32_t f = 0; f < nfiles; f++) {
		(void)snprintf(path, sizeof(path), "%s/%u", top, 100 + f % DIRS);
		if (mkdir(path, 0755) < 0 && errno != EEXIST)
			complain("mkdir", f, path);
		create(f, (uint8_t)(f % CONTENTS));
	}
	for (uint32_t i = 0; i < PROCESSES; i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			process(i, end_s);
	}
	for (uint32_t i = 0; i < PROCESSES; i++)
		failed |= waitpid(pids[i], &status, 0) != pids[i] || status != 0;
	for (uint32_t f = 0; f < nfiles; f++) {
		struct held h;

		if (open_stable(f, &h)) {
			(void)judge(&h, "at the end");
			let_go(&h);
		}
	}
	printf("%llu looks\n", (unsigned long long)atomic_load(&shared->checked));
	return failed || atomic_load(&shared->failed);
}

static int check(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *d;
	int bad = 0;

	while (dir && (d = readdir(dir))) {
		int fd = d->d_type == DT_REG ? openat(dirfd(dir), d->d_name, O_RDONLY | O_CLOEXEC)
					     : -1;
		ssize_t n = fd < 0 ? 0 : read(fd, buffer, sizeof(buffer));

		if (fd >= 0 && which(buffer, (size_t)n) == NONE) {
			fprintf(stderr, "%s/%s: %s\n", path, d->d_name,
				describe(buffer, (size_t)n));
			bad = 1;
		}
		if (fd >= 0)
			(void)close(fd);
	}
	if (dir)
		(void)closedir(dir);
	return dir ? bad : 1;
}

int main(int argc, char **argv)
{
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	if (shared == MAP_FAILED || argc < 3)
		return 2;
	fill_contents();
	top = argv[2];
	if (argc == 5)
		nfiles = (uint32_t)atoi(argv[4]);
	if (nfiles == 0 || nfiles > FILES_MAX)
		return 2;
	if (strcmp(argv[1], "run") == 0 && argc >= 4)
		return run(atoi(argv[3]));
	return check(argv[2]);
}
