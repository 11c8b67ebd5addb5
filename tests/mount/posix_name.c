/* SPDX-License-Identifier: MIT */
/* Names: renaming with its flags, hard and symbolic links, special files, every byte, the longest. */
#include "posix.h"

#include <dirent.h>
#include <limits.h>
#include <linux/fs.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>

static ino_t ino_of(const char *path)
{
	return stat_of(path).st_ino;
}

static bool exists(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

static int rename_with(const char *from, const char *to, unsigned int flags)
{
	return renameat2(AT_FDCWD, from, AT_FDCWD, to, flags);
}

static void rename_replaces_files(void)
{
	ino_t ino;
	int fd;

	make_file("a", 0644, "a");
	make_file("b", 0644, "b");
	ino = ino_of("a");
	fd = open("b", O_RDONLY);
	CHECK(rename("a", "b") == 0);
	CHECK(!exists("a"));
	CHECK(holds("b", "a"));
	CHECK_EQ(ino, ino_of("b"));
	CHECK_EQ(0, fstat_of(fd).st_nlink); /* the one that was replaced lives on for who has it */
	CHECK(close(fd) == 0);
	CHECK(rename("b", "b") == 0);
	CHECK(link("b", "c") == 0);
	CHECK(rename("b", "c") == 0); /* two names of one file: nothing happens */
	CHECK(exists("b") && exists("c"));
	CHECK(unlink("b") == 0 && unlink("c") == 0);
	CHECK_ERRNO(ENOENT, rename("missing", "c"));
}

static void rename_replaces_only_empty_directories(void)
{
	make_file("file", 0644, "");
	CHECK(mkdir("dir", 0755) == 0 && mkdir("dir/sub", 0755) == 0 && mkdir("empty", 0755) == 0);
	make_file("dir/in", 0644, "in");
	CHECK(rename("empty", "dir") < 0 &&
	      (errno == ENOTEMPTY || errno == EEXIST)); /* POSIX, XFS */
	CHECK_ERRNO(EISDIR, rename("file", "empty"));
	CHECK_ERRNO(ENOTDIR, rename("empty", "file"));
	CHECK_ERRNO(EINVAL, rename("dir", "dir/sub/dir"));
	CHECK_ERRNO(EINVAL, rename("dir", "dir/new"));
	CHECK_ERRNO(ENOTEMPTY, rename("dir/in", "dir"));
	CHECK(rename("dir", "empty") == 0);
	CHECK(holds("empty/in", "in"));
	CHECK(rename("empty/sub", "sub") == 0); /* into another directory: ".." follows */
	CHECK_EQ(ino_of("."), ino_of("sub/.."));
	CHECK_EQ(2, stat_of("empty").st_nlink);
	CHECK(unlink("empty/in") == 0 && rmdir("empty") == 0 && rmdir("sub") == 0 &&
	      unlink("file") == 0);
}

static void rename_noreplace(void)
{
	make_file("a", 0644, "a");
	make_file("b", 0644, "b");
	CHECK_ERRNO(EEXIST, rename_with("a", "b", RENAME_NOREPLACE));
	CHECK(holds("a", "a") && holds("b", "b"));
	CHECK(rename_with("a", "c", RENAME_NOREPLACE) == 0);
	CHECK(!exists("a") && holds("c", "a"));
	CHECK(unlink("b") == 0 && unlink("c") == 0);
}

static void rename_exchange(void)
{
	ino_t a;
	ino_t d;

	make_file("a", 0644, "a");
	CHECK(mkdir("d", 0755) == 0 && mkdir("d/e", 0755) == 0);
	a = ino_of("a");
	d = ino_of("d");
	CHECK_ERRNO(ENOENT, rename_with("a", "missing", RENAME_EXCHANGE));
	CHECK_ERRNO(EINVAL, rename_with("a", "d", RENAME_EXCHANGE | RENAME_NOREPLACE));
	CHECK(rename_with("a", "d", RENAME_EXCHANGE) == 0);
	CHECK_EQ(d, ino_of("a"));
	CHECK_EQ(a, ino_of("d"));
	CHECK(exists("a/e") && holds("d", "a"));
	CHECK(rename_with("d", "a/e", RENAME_EXCHANGE) == 0);
	CHECK(holds("a/e", "a") && S_ISDIR(stat_of("d").st_mode));
	CHECK_ERRNO(EINVAL, rename_with("a", "a/e", RENAME_EXCHANGE));
	CHECK(unlink("a/e") == 0 && rmdir("a") == 0 && rmdir("d") == 0);
}

static void rename_whiteout(void)
{
	struct stat st;

	make_file("a", 0644, "a");
	CHECK(rename_with("a", "b", RENAME_WHITEOUT) == 0);
	CHECK(holds("b", "a"));
	st = stat_of("a");
	CHECK(S_ISCHR(st.st_mode));
	CHECK_EQ(0, st.st_rdev);
	CHECK(unlink("a") == 0 && unlink("b") == 0);
}

static void hard_links(void)
{
	struct stat st;
	int fd;

	make_file("a", 0640, "text");
	CHECK(link("a", "b") == 0);
	CHECK_EQ(2, stat_of("a").st_nlink);
	CHECK_EQ(ino_of("a"), ino_of("b"));
	CHECK_ERRNO(EEXIST, link("a", "b"));
	CHECK_ERRNO(ENOENT, link("missing", "c"));
	CHECK(chmod("b", 0600) == 0);
	CHECK_EQ(0600, mode_of("a"));
	fd = open("a", O_WRONLY | O_APPEND);
	CHECK(write(fd, "+", 1) == 1);
	CHECK(holds("b", "text+"));
	CHECK(unlink("a") == 0);
	st = fstat_of(fd);
	CHECK_EQ(1, st.st_nlink);
	CHECK_EQ(5, st.st_size);
	CHECK(close(fd) == 0);
	CHECK(mkdir("d", 0755) == 0);
	CHECK_ERRNO(EPERM, link("d", "e"));
	CHECK(symlink("b", "s") == 0);
	CHECK(link("s", "t") == 0); /* of the link itself */
	CHECK(S_ISLNK(stat_of("t").st_mode));
	CHECK(linkat(AT_FDCWD, "s", AT_FDCWD, "f", AT_SYMLINK_FOLLOW) == 0);
	CHECK(S_ISREG(stat_of("f").st_mode));
	CHECK(rmdir("d") == 0);
	CHECK(unlink("b") == 0 && unlink("s") == 0 && unlink("t") == 0 && unlink("f") == 0);
}

static void symbolic_links(void)
{
	char target[PATH_MAX];
	char longest[PATH_MAX];
	ssize_t n;

	memset(longest, 'x', sizeof(longest));
	longest[4090] = '\0';
	CHECK(symlink("nowhere", "dangling") == 0);
	CHECK_ERRNO(ENOENT, open("dangling", O_RDONLY));
	CHECK_ERRNO(ELOOP, open("dangling", O_RDONLY | O_NOFOLLOW));
	n = readlink("dangling", target, sizeof(target));
	CHECK(n == 7 && memcmp(target, "nowhere", 7) == 0);
	CHECK_EQ(7, stat_of("dangling").st_size);
	CHECK_EQ(3, readlink("dangling", target, 3));
	CHECK(close(open("dangling", O_CREAT | O_WRONLY, 0644)) == 0); /* makes its target */
	CHECK(exists("nowhere"));
	CHECK_ERRNO(EEXIST, open("dangling", O_CREAT | O_EXCL | O_WRONLY, 0644));
	CHECK(symlink("self", "self") == 0);
	CHECK_ERRNO(ELOOP, open("self", O_RDONLY));
	CHECK_ERRNO(EEXIST, symlink("x", "self"));
	CHECK(unlink("self") == 0 && unlink("dangling") == 0 && unlink("nowhere") == 0);
	if (symlink(longest, "long") == 0) { /* XFS ends at 1024 */
		CHECK_EQ(4090, readlink("long", target, sizeof(target)));
		CHECK(unlink("long") == 0);
	} else {
		CHECK_EQ(ENAMETOOLONG, errno);
	}
	CHECK(symlink("/etc", "dir") == 0);
	CHECK(exists("dir/passwd"));
	CHECK_ERRNO(ENOTDIR, rmdir("dir"));
	CHECK(lchown("dir", 1000, 1000) == 0);
	CHECK_EQ(1000, stat_of("dir").st_uid);
	CHECK(unlink("dir") == 0);
}

/* ---- names ---- */

static void every_byte_is_a_name(void)
{
	bool seen[256] = { false };
	struct dirent *d;
	DIR *dir;

	CHECK(mkdir("bytes", 0755) == 0);
	for (int c = 1; c < 256; c++) {
		char name[] = { 'b', 'y', 't', 'e', 's', '/', 'n', (char)c, 'n', '\0' };
		char text[] = { 't', (char)c, '\0' };

		if (c == '/')
			continue;
		make_file(name, 0644, text);
		CHECK(holds(name, text));
	}
	dir = opendir("bytes");
	CHECK(dir);
	while ((d = readdir(dir)))
		if (strlen(d->d_name) == 3)
			seen[(unsigned char)d->d_name[1]] = true;
	CHECK(closedir(dir) == 0);
	for (int c = 1; c < 256; c++) {
		char name[] = { 'b', 'y', 't', 'e', 's', '/', 'n', (char)c, 'n', '\0' };

		CHECK_EQ(c != '/', seen[c]);
		if (c != '/')
			CHECK(unlink(name) == 0);
	}
	CHECK(rmdir("bytes") == 0);
}

static void the_longest_name(void)
{
	char name[300];
	char other[300];

	memset(name, 'n', sizeof(name));
	memset(other, 'o', sizeof(other));
	name[255] = other[255] = '\0';
	make_file(name, 0644, "longest");
	CHECK(holds(name, "longest"));
	CHECK(rename(name, other) == 0);
	CHECK(link(other, name) == 0);
	CHECK(unlink(name) == 0 && unlink(other) == 0);
	name[255] = 'n';
	name[256] = '\0';
	CHECK_ERRNO(ENAMETOOLONG, open(name, O_CREAT | O_WRONLY, 0644));
	CHECK_ERRNO(ENAMETOOLONG, mkdir(name, 0755));
	CHECK_ERRNO(ENAMETOOLONG, access(name, F_OK));
	CHECK_ERRNO(ENAMETOOLONG, symlink("x", name));
	make_file("x", 0644, "");
	CHECK_ERRNO(ENAMETOOLONG, rename("x", name));
	CHECK(unlink("x") == 0);
}

/* ---- what is not a file ---- */

static void fifos(void)
{
	char text[8] = "";
	int fd;

	CHECK(mkfifo("fifo", 0644) == 0);
	CHECK(S_ISFIFO(stat_of("fifo").st_mode));
	CHECK_ERRNO(ENXIO, open("fifo", O_WRONLY | O_NONBLOCK));
	fd = open("fifo", O_RDWR);
	CHECK(fd >= 0);
	CHECK(write(fd, "hello", 5) == 5);
	CHECK(read(fd, text, sizeof(text)) == 5 && strcmp(text, "hello") == 0);
	CHECK(close(fd) == 0);
	CHECK(unlink("fifo") == 0);
}

static void sockets(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX, .sun_path = "socket" };
	int server = socket(AF_UNIX, SOCK_STREAM, 0);
	int client = socket(AF_UNIX, SOCK_STREAM, 0);
	char c = 0;
	int peer;

	CHECK(bind(server, (struct sockaddr *)&addr, sizeof(addr)) == 0);
	CHECK(listen(server, 1) == 0);
	CHECK(S_ISSOCK(stat_of("socket").st_mode));
	CHECK_ERRNO(ENXIO, open("socket", O_RDONLY));
	CHECK(connect(client, (struct sockaddr *)&addr, sizeof(addr)) == 0);
	peer = accept(server, NULL, NULL);
	CHECK(write(peer, "!", 1) == 1);
	CHECK(read(client, &c, 1) == 1 && c == '!');
	CHECK_ERRNO(EADDRINUSE,
		    bind(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&addr, sizeof(addr)));
	(void)close(peer);
	(void)close(client);
	(void)close(server);
	CHECK(unlink("socket") == 0);
}

static void device_nodes(void)
{
	char zeros[4] = "1234";
	struct stat st;
	int fd;

	CHECK(mknod("zero", S_IFCHR | 0666, makedev(1, 5)) == 0);
	CHECK(mknod("block", S_IFBLK | 0600, makedev(511, 262143)) == 0);
	st = stat_of("zero");
	CHECK(S_ISCHR(st.st_mode));
	CHECK_EQ(makedev(1, 5), st.st_rdev);
	st = stat_of("block");
	CHECK(S_ISBLK(st.st_mode));
	CHECK_EQ(makedev(511, 262143), st.st_rdev);
	fd = open("zero", O_RDONLY); /* the mount has -o dev */
	CHECK(fd >= 0);
	CHECK(read(fd, zeros, 4) == 4 && memcmp(zeros, "\0\0\0\0", 4) == 0);
	CHECK(close(fd) == 0);
	CHECK(rename("zero", "still") == 0);
	CHECK_EQ(makedev(1, 5), stat_of("still").st_rdev);
	CHECK(unlink("still") == 0 && unlink("block") == 0);
}

int main(void)
{
	(void)umask(022);
	rename_replaces_files();
	rename_replaces_only_empty_directories();
	rename_noreplace();
	rename_exchange();
	rename_whiteout();
	hard_links();
	symbolic_links();
	every_byte_is_a_name();
	the_longest_name();
	fifos();
	sockets();
	device_nodes();
	return posix_status();
}
