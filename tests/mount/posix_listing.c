/* SPDX-License-Identifier: MIT */
/* Listings: complete, each name once, also while the directory changes, and with numbers that agree. */
#include "posix.h"

#include <dirent.h>
#include <sys/syscall.h>

#define FILES 5000

static unsigned char seen[FILES];

static void name_of(int i, char name[32])
{
	(void)snprintf(name, 32, "many/entry-%05d", i);
}

static DIR *open_many(void)
{
	DIR *dir = opendir("many");

	CHECK(dir);
	memset(seen, 0, sizeof(seen));
	return dir;
}

/* Note an entry. Its number, or -1 for "." and "..", -2 for others. */
static int note(const struct dirent *d)
{
	int i;

	if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
		return -1;
	if (sscanf(d->d_name, "entry-%d", &i) != 1 || i < 0 || i >= FILES)
		return -2;
	if (seen[i] < 255)
		seen[i]++;
	return i;
}

static void all_once(void)
{
	int bad = 0;

	for (int i = 0; i < FILES; i++)
		bad += seen[i] != 1;
	CHECK_EQ(0, bad);
}

static void a_listing_is_complete(void)
{
	DIR *dir = open_many();
	struct dirent *d;
	int dots = 0;

	while ((d = readdir(dir))) {
		int i = note(d);

		CHECK(i > -2);
		dots += i == -1;
		CHECK_EQ(i == -1 ? DT_DIR : DT_REG, d->d_type);
	}
	CHECK_EQ(2, dots);
	all_once();
	memset(seen, 0, sizeof(seen));
	rewinddir(dir);
	while ((d = readdir(dir)))
		(void)note(d);
	all_once();
	CHECK(closedir(dir) == 0);
}

/* With and without attributes in the listing, by the name and by the listing: one number. */
static void numbers_agree(void)
{
	static ino_t listed[FILES];
	DIR *dir = open_many();
	struct dirent *d;
	char name[32];
	int bad = 0;

	while ((d = readdir(dir))) {
		int i = note(d);

		if (i >= 0)
			listed[i] = d->d_ino;
	}
	for (int i = 0; i < FILES; i++) {
		name_of(i, name);
		bad += stat_of(name).st_ino != listed[i];
	}
	rewinddir(dir);
	while ((d = readdir(
			dir))) { /* as ls -l does, which makes the kernel ask for both at once */
		int i = note(d);
		struct stat st;

		if (i < 0)
			continue;
		CHECK(fstatat(dirfd(dir), d->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0);
		bad += st.st_ino != d->d_ino || st.st_ino != listed[i];
	}
	CHECK_EQ(0, bad);
	CHECK(closedir(dir) == 0);
}

static ino_t listed_number(const char *path, const char *name)
{
	DIR *dir = opendir(path);
	struct dirent *d;
	ino_t ino = 0;

	CHECK(dir);
	while ((d = readdir(dir))) {
		if (strcmp(d->d_name, name) == 0)
			ino = d->d_ino;
	}
	CHECK(closedir(dir) == 0);
	return ino;
}

/* We are in 4711/posix. Directories that nobody has made, or batonfs, have numbers of their own. */
static void dots_have_the_numbers_of_directories(void)
{
	ino_t here = stat_of(".").st_ino;
	ino_t above = stat_of("..").st_ino;
	ino_t root = stat_of("../..").st_ino;

	CHECK_EQ(stat_of("many").st_ino, listed_number("many", "."));
	CHECK_EQ(here, listed_number("many", ".."));
	CHECK_EQ(here, listed_number(".", "."));
	CHECK_EQ(above, listed_number(".", ".."));
	CHECK_EQ(above, listed_number("..", "."));
	CHECK_EQ(root, listed_number("..", ".."));
	CHECK_EQ(above, listed_number("../..", "4711"));
	CHECK_EQ(root, listed_number("../..", "."));
	CHECK_EQ(root, listed_number("../..", ".."));
	CHECK_EQ(stat_of("../../815").st_ino, listed_number("../../815", "."));
	CHECK_EQ(root, listed_number("../../815", ".."));
}

static void a_place_can_be_found_again(void)
{
	static long place[FILES + 2];
	static char names[FILES + 2][256];
	DIR *dir = open_many();
	struct dirent *d;
	int n = 0;

	for (;;) {
		long here = telldir(dir);

		d = readdir(dir);
		if (!d || n == FILES + 2)
			break;
		place[n] = here;
		(void)snprintf(names[n++], sizeof(names[0]), "%s", d->d_name);
	}
	CHECK_EQ(FILES + 2, n);
	for (int i = n - 1; i >= 0; i -= 97) {
		seekdir(dir, place[i]);
		d = readdir(dir);
		CHECK(d && strcmp(d->d_name, names[i]) == 0);
	}
	CHECK(closedir(dir) == 0);
}

/* What is there from begin to end is listed once, whatever else comes and goes. */
static void a_listing_stands_changes(void)
{
	DIR *dir = open_many();
	struct dirent *d;
	char name[32];
	int steps = 0;
	int bad = 0;

	while ((d = readdir(dir))) {
		(void)note(d);
		if (steps++ % 10)
			continue;
		(void)snprintf(name, sizeof(name), "many/new-%05d", steps);
		make_file(name, 0644, "");
		if (steps % 20 == 1) {
			(void)snprintf(name, sizeof(name), "many/new-%05d", steps - 10);
			(void)unlink(name);
		}
		if (steps > 3 * FILES) /* would never end */
			break;
	}
	CHECK(steps <= 3 * FILES);
	all_once();
	CHECK(closedir(dir) == 0);

	dir = open_many(); /* removing what was listed, as rm -r does */
	while ((d = readdir(dir))) {
		if (note(d) == -1)
			continue;
		CHECK(unlinkat(dirfd(dir), d->d_name, 0) == 0);
	}
	for (int i = 0; i < FILES; i++)
		bad += seen[i] != 1;
	CHECK_EQ(0, bad);
	CHECK(closedir(dir) == 0);
	CHECK(rmdir("many") == 0);
}

/* The listing may be cached; what changes shows in the next one at once. */
static void changes_show_at_once(void)
{
	CHECK(mkdir("few", 0755) == 0);
	for (int i = 0; i < 50; i++) {
		char name[32];
		int n = 0;
		DIR *dir;

		(void)snprintf(name, sizeof(name), "few/%d", i);
		make_file(name, 0644, "");
		dir = opendir("few");
		while (readdir(dir))
			n++;
		CHECK_EQ(i + 3, n);
		CHECK(closedir(dir) == 0);
	}
	for (int i = 0; i < 50; i++) {
		char name[32];
		int n = 0;
		DIR *dir;

		(void)snprintf(name, sizeof(name), "few/%d", i);
		CHECK(unlink(name) == 0);
		dir = opendir("few");
		while (readdir(dir))
			n++;
		CHECK_EQ(51 - i, n);
		CHECK(closedir(dir) == 0);
	}
	CHECK(rmdir("few") == 0);
}

/* Names of all lengths, the longest first: whatever the caller's buffer, none is missing or there twice. */
#define LENGTHS 255

static void list_lengths(size_t buffer, bool look)
{
	static char buf[65536] __attribute__((aligned(8)));
	unsigned char times[LENGTHS + 1] = { 0 };
	int fd = open("lengths", O_RDONLY | O_DIRECTORY);
	struct stat st;
	long n;
	int bad = 0;

	CHECK(fd >= 0);
	while ((n = syscall(SYS_getdents64, fd, buf, buffer)) > 0) {
		for (long at = 0; at < n;) {
			struct dirent64 *d = (struct dirent64 *)(void *)(buf + at);

			at += d->d_reclen;
			if (d->d_name[0] == '.')
				continue;
			times[strlen(d->d_name)]++;
			if (look && fstatat(fd, d->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
				bad++;
		}
	}
	CHECK_EQ(0, n);
	CHECK(close(fd) == 0);
	for (int i = 1; i <= LENGTHS; i++)
		bad += times[i] != 1;
	CHECK_EQ(0, bad);
}

static void buffers_of_all_sizes(void)
{
	static const size_t sizes[] = { 280, 512, 1024, 4096, 5000, 32768, 65536 };
	char name[sizeof("lengths/") + LENGTHS];

	CHECK(mkdir("lengths", 0755) == 0);
	for (int i = LENGTHS; i > 0; i--) {
		(void)snprintf(name, sizeof(name), "lengths/%0*d", i, 0);
		make_file(name, 0644, "");
	}
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		for (int look = 0; look < 2; look++) {
			/* the kernel may keep a listing: with another name it is asked for again */
			make_file("lengths/.new", 0644, "");
			list_lengths(sizes[i], look);
			CHECK(unlink("lengths/.new") == 0);
			list_lengths(sizes[i], look);
		}
	}
	for (int i = LENGTHS; i > 0; i--) {
		(void)snprintf(name, sizeof(name), "lengths/%0*d", i, 0);
		CHECK(unlink(name) == 0);
	}
	CHECK(rmdir("lengths") == 0);
}

int main(void)
{
	char name[32];

	CHECK(mkdir("many", 0755) == 0);
	for (int i = 0; i < FILES; i++) {
		name_of(i, name);
		make_file(name, 0644, "");
	}
	a_listing_is_complete();
	numbers_agree();
	dots_have_the_numbers_of_directories();
	a_place_can_be_found_again();
	changes_show_at_once();
	buffers_of_all_sizes();
	a_listing_stands_changes();
	return posix_status();
}
