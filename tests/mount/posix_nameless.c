/* SPDX-License-Identifier: MIT */
/* What has no name (any more): O_TMPFILE, files unlinked while open, O_PATH, a removed working directory. */
#include "posix.h"

#include <dirent.h>
#include <sys/mman.h>
#include <sys/xattr.h>

struct proc_path {
	char name[64];
};

static struct proc_path proc_path(int fd)
{
	struct proc_path p;

	(void)snprintf(p.name, sizeof(p.name), "/proc/self/fd/%d", fd);
	return p;
}

static bool reads(int fd, const char *text)
{
	char got[256] = "";
	ssize_t n = pread(fd, got, sizeof(got), 0);

	return n == (ssize_t)strlen(text) && memcmp(got, text, (size_t)n) == 0;
}

static int entries(const char *path)
{
	DIR *dir = opendir(path);
	int n = 0;

	CHECK(dir);
	while (dir && readdir(dir))
		n++;
	if (dir)
		CHECK(closedir(dir) == 0);
	return n;
}

static void a_tmpfile_gets_a_name(void)
{
	int fd = open(".", O_TMPFILE | O_RDWR, 0640);
	struct stat st;
	ino_t ino;

	CHECK(fd >= 0);
	CHECK_EQ(2, entries("."));
	st = fstat_of(fd);
	ino = st.st_ino;
	CHECK_EQ(0, st.st_nlink);
	CHECK_EQ(0640, st.st_mode & 07777);
	CHECK(write(fd, "nameless", 8) == 8);
	CHECK(fchmod(fd, 0600) == 0);
	CHECK(fsetxattr(fd, "user.x", "1", 1, 0) == 0);
	CHECK_EQ(8, fstat_of(fd).st_size);
	CHECK(linkat(AT_FDCWD, proc_path(fd).name, AT_FDCWD, "named", AT_SYMLINK_FOLLOW) == 0);
	CHECK_EQ(1, fstat_of(fd).st_nlink);
	CHECK_EQ(ino, stat_of("named").st_ino);
	CHECK(holds("named", "nameless"));
	CHECK(pwrite(fd, "N", 1, 0) == 1);
	CHECK(close(fd) == 0);
	CHECK(holds("named", "Nameless"));
	CHECK_EQ(0600, mode_of("named"));
	CHECK_EQ(1, getxattr("named", "user.x", NULL, 0));
	CHECK(unlink("named") == 0);
}

static void an_exclusive_tmpfile_gets_none(void)
{
	int fd = open(".", O_TMPFILE | O_RDWR | O_EXCL, 0600);

	CHECK(fd >= 0);
	CHECK(write(fd, "x", 1) == 1);
	CHECK_ERRNO(ENOENT,
		    linkat(AT_FDCWD, proc_path(fd).name, AT_FDCWD, "named", AT_SYMLINK_FOLLOW));
	CHECK(close(fd) == 0);
}

static void an_unlinked_file_is_whole(void)
{
	int fd;
	int again;
	char *map;
	ino_t ino;

	make_file("gone", 0644, "content");
	ino = stat_of("gone").st_ino;
	fd = open("gone", O_RDWR);
	CHECK(unlink("gone") == 0);
	CHECK_ERRNO(ENOENT, open("gone", O_RDONLY));
	CHECK_EQ(0, fstat_of(fd).st_nlink);
	CHECK_EQ(ino, fstat_of(fd).st_ino);
	CHECK(reads(fd, "content"));
	CHECK(pwrite(fd, "C", 1, 0) == 1);
	CHECK(fchmod(fd, 0600) == 0);
	CHECK_EQ(0600, fstat_of(fd).st_mode & 07777);
	CHECK(fchown(fd, 1000, 1000) == 0);
	CHECK_EQ(1000, fstat_of(fd).st_uid);
	CHECK(futimens(fd, (struct timespec[2]){ { .tv_sec = 11 }, { .tv_sec = 22 } }) == 0);
	CHECK_EQ(22, fstat_of(fd).st_mtime);
	CHECK(ftruncate(fd, 3) == 0);
	CHECK_EQ(3, fstat_of(fd).st_size);
	CHECK(fsync(fd) == 0);
	CHECK(posix_fallocate(fd, 0, 8192) == 0);
	CHECK_EQ(8192, fstat_of(fd).st_size);
	CHECK(fsetxattr(fd, "user.x", "1", 1, 0) == 0);
	CHECK_EQ(1, fgetxattr(fd, "user.x", NULL, 0));
	again = open(proc_path(fd).name, O_RDONLY); /* a second open of what has no name */
	CHECK(again >= 0);
	map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, again, 0);
	CHECK(map != MAP_FAILED && memcmp(map, "Con\0", 4) == 0);
	CHECK(munmap(map, 4096) == 0);
	CHECK(close(fd) == 0);
	CHECK_EQ(8192, fstat_of(again).st_size);
	CHECK_ERRNO(ENOENT,
		    linkat(AT_FDCWD, proc_path(again).name, AT_FDCWD, "back", AT_SYMLINK_FOLLOW));
	CHECK(close(again) == 0);
}

/* The name is used again at once: two files, not one. */
static void a_name_used_again_is_another_file(void)
{
	int old[20];

	for (int i = 0; i < 20; i++) {
		char text[16];

		(void)snprintf(text, sizeof(text), "round %d", i);
		make_file("again", 0644, text);
		old[i] = open("again", O_RDONLY);
		CHECK(unlink("again") == 0);
	}
	for (int i = 0; i < 20; i++) {
		char text[16];

		(void)snprintf(text, sizeof(text), "round %d", i);
		CHECK(reads(old[i], text));
		for (int j = 0; j < i; j++)
			CHECK(fstat_of(old[i]).st_ino != fstat_of(old[j]).st_ino);
	}
	for (int i = 0; i < 20; i++)
		CHECK(close(old[i]) == 0);
}

static void one_name_of_two_goes(void)
{
	int fd;

	make_file("one", 0644, "both");
	CHECK(link("one", "two") == 0);
	fd = open("one", O_RDONLY);
	CHECK(unlink("one") == 0);
	CHECK_EQ(1, fstat_of(fd).st_nlink);
	CHECK(holds("two", "both"));
	CHECK(link("two", "one") == 0);
	CHECK(unlink("two") == 0);
	CHECK(unlink("one") == 0);
	CHECK_EQ(0, fstat_of(fd).st_nlink);
	CHECK(reads(fd, "both"));
	CHECK(close(fd) == 0);
}

static void through_a_path_descriptor(void)
{
	struct stat st;
	int fd;

	make_file("path", 0644, "path");
	fd = open("path", O_PATH);
	CHECK_EQ(4, fstat_of(fd).st_size);
	CHECK_ERRNO(EBADF, fchmod(fd, 0600));
	CHECK_ERRNO(EBADF, read(fd, &st, 1));
	CHECK(chmod(proc_path(fd).name, 0600) == 0);
	CHECK_EQ(0600, mode_of("path"));
	CHECK(truncate(proc_path(fd).name, 2) == 0);
	CHECK(holds("path", "pa"));
	CHECK(rename("path", "moved") == 0);
	CHECK_EQ(2, fstat_of(fd).st_size);
	CHECK(fchownat(fd, "", 1000, 1000, AT_EMPTY_PATH) == 0);
	CHECK_EQ(1000, stat_of("moved").st_uid);
	CHECK(unlink("moved") == 0);
	CHECK_EQ(0, fstat_of(fd).st_nlink);
	CHECK_EQ(2, fstat_of(fd).st_size);
	CHECK(chmod(proc_path(fd).name, 0640) == 0);
	CHECK_EQ(0640, fstat_of(fd).st_mode & 07777);
	CHECK(close(fd) == 0);
	CHECK(symlink("x", "link") == 0);
	fd = open("link", O_PATH | O_NOFOLLOW);
	CHECK(S_ISLNK(fstat_of(fd).st_mode));
	CHECK_EQ(1, readlinkat(fd, "", (char[8]){ 0 }, 8));
	CHECK(unlink("link") == 0);
	CHECK_EQ(1, readlinkat(fd, "", (char[8]){ 0 }, 8));
	CHECK(close(fd) == 0);
}

static void in_a_removed_directory(const char *arg)
{
	char buf[4096];
	DIR *dir;
	int fd;

	(void)arg;
	CHECK(mkdir("cwd", 0755) == 0);
	CHECK(chdir("cwd") == 0);
	fd = open(".", O_RDONLY | O_DIRECTORY);
	CHECK(rmdir("../cwd") == 0);
	CHECK_EQ(0, stat_of(".").st_nlink);
	CHECK_EQ(stat_of(".").st_ino, fstat_of(fd).st_ino);
	CHECK_ERRNO(ENOENT, open("new", O_CREAT | O_WRONLY, 0644));
	CHECK_ERRNO(ENOENT, mkdir("new", 0755));
	CHECK_ERRNO(ENOENT, open("old", O_RDONLY));
	CHECK(!getcwd(buf, sizeof(buf)) && errno == ENOENT);
	CHECK(fchmod(fd, 0700) == 0);
	CHECK_EQ(0700, fstat_of(fd).st_mode & 07777);
	dir = fdopendir(fd);
	CHECK(dir && !readdir(dir));
	CHECK(closedir(dir) == 0);
	CHECK(stat_of("..").st_ino != 0);
}

int main(void)
{
	(void)umask(022);
	a_tmpfile_gets_a_name();
	an_exclusive_tmpfile_gets_none();
	an_unlinked_file_is_whole();
	a_name_used_again_is_another_file();
	one_name_of_two_goes();
	through_a_path_descriptor();
	as_user(0, 0, 0, in_a_removed_directory, NULL);
	return posix_status();
}
