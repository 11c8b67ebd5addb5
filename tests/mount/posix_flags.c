/* SPDX-License-Identifier: MIT */
/*
 * File flags as chattr(1) sets them. With the argument "check": those left behind by a run with "leave" are
 * still there and still mean something.
 */
#include "posix.h"

#include <linux/fs.h>
#include <sys/ioctl.h>

static int get_flags(const char *path)
{
	int fd = open(path, O_RDONLY);
	int flags = 0;

	CHECK(fd >= 0);
	CHECK(ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0);
	CHECK(close(fd) == 0);
	return flags & (FS_NODUMP_FL | FS_IMMUTABLE_FL | FS_APPEND_FL | FS_NOATIME_FL);
}

static void set_flags(const char *path, int set)
{
	int fd = open(path, O_RDONLY);
	int flags = 0;

	CHECK(fd >= 0);
	CHECK(ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0);
	flags &= ~(FS_NODUMP_FL | FS_IMMUTABLE_FL | FS_APPEND_FL | FS_NOATIME_FL);
	flags |= set;
	CHECK(ioctl(fd, FS_IOC_SETFLAGS, &flags) == 0);
	CHECK(close(fd) == 0);
}

/* What is said of it is what a filesystem over a network, or in a process, says when it is asked anew. */
static void ctime_is_true(const char *path)
{
	struct stat said = stat_of(path);
	struct statx asked = { 0 };

	CHECK(statx(AT_FDCWD, path, AT_STATX_FORCE_SYNC, STATX_CTIME, &asked) == 0);
	CHECK_EQ(asked.stx_ctime.tv_sec, said.st_ctim.tv_sec);
	CHECK_EQ(asked.stx_ctime.tv_nsec, said.st_ctim.tv_nsec);
}

static void cannot_be_changed(const char *path)
{
	CHECK_EQ(FS_IMMUTABLE_FL, get_flags(path));
	CHECK_ERRNO(EPERM, open(path, O_WRONLY));
	CHECK_ERRNO(EPERM, open(path, O_RDWR));
	CHECK_ERRNO(EPERM, open(path, O_WRONLY | O_APPEND));
	CHECK_ERRNO(EPERM, open(path, O_WRONLY | O_TRUNC));
	CHECK_ERRNO(EPERM, truncate(path, 0));
	CHECK_ERRNO(EPERM, chmod(path, 0777));
	CHECK_ERRNO(EPERM, unlink(path));
	CHECK_ERRNO(EPERM, rename(path, "other"));
	CHECK_ERRNO(EPERM, link(path, "other"));
	CHECK(holds(path, "text"));
}

static void can_be_appended_to(const char *path)
{
	int fd;

	CHECK_EQ(FS_APPEND_FL, get_flags(path));
	CHECK_ERRNO(EPERM, open(path, O_WRONLY));
	CHECK_ERRNO(EPERM, open(path, O_WRONLY | O_APPEND | O_TRUNC));
	CHECK_ERRNO(EPERM, truncate(path, 0));
	CHECK_ERRNO(EPERM, unlink(path));
	fd = open(path, O_WRONLY | O_APPEND);
	CHECK(fd >= 0);
	CHECK(write(fd, "+", 1) == 1);
	CHECK_ERRNO(EPERM, ftruncate(fd, 0));
	CHECK(close(fd) == 0);
}

static void unprivileged(const char *path)
{
	int fd = open(path, O_RDONLY);
	int flags = FS_IMMUTABLE_FL;

	CHECK_ERRNO(EPERM, ioctl(fd, FS_IOC_SETFLAGS, &flags));
	flags = 0;
	CHECK(ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0);
	CHECK(close(fd) == 0);
}

static void extended_attributes(const char *path)
{
	struct fsxattr attr = { 0 };
	int fd = open(path, O_RDONLY);

	if (ioctl(fd, FS_IOC_FSGETXATTR, &attr) == 0) {
		attr.fsx_xflags |= FS_XFLAG_NODUMP;
		CHECK(ioctl(fd, FS_IOC_FSSETXATTR, &attr) == 0);
		CHECK_EQ(FS_NODUMP_FL, get_flags(path));
	}
	CHECK(close(fd) == 0);
}

static bool has_flags(void)
{
	int fd = open("fixed", O_RDONLY);
	int flags;
	bool yes = ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0;

	CHECK(close(fd) == 0);
	return yes;
}

static void set_them(void)
{
	make_file("fixed", 0644, "text");
	make_file("log", 0644, "text");
	if (!has_flags()) {
		printf("this filesystem has no flags\n");
		exit(77);
	}
	CHECK_EQ(0, get_flags("fixed"));
	set_flags("fixed", FS_NODUMP_FL | FS_NOATIME_FL);
	CHECK_EQ(FS_NODUMP_FL | FS_NOATIME_FL, get_flags("fixed"));
	ctime_is_true("fixed");
	set_flags("fixed", 0);
	ctime_is_true("fixed");
	extended_attributes("fixed");
	set_flags("fixed", 0);
	CHECK(chown("fixed", 1000, 1000) == 0);
	as_user(1000, 1000, 0, unprivileged, "fixed");
	CHECK(close(open("fixed", O_WRONLY)) == 0);
	set_flags("fixed", FS_IMMUTABLE_FL);
	set_flags("log", FS_APPEND_FL);
	CHECK(mkdir("full", 0755) == 0);
	set_flags("full", FS_IMMUTABLE_FL);
	CHECK_ERRNO(EPERM, open("full/new", O_CREAT | O_WRONLY, 0644));
	CHECK_ERRNO(EPERM, mkdir("full/new", 0755));
	CHECK_ERRNO(ENOENT, open("full/new", O_RDONLY));
}

static void check_them(void)
{
	cannot_be_changed("fixed");
	can_be_appended_to("log");
	CHECK_EQ(FS_IMMUTABLE_FL, get_flags("full"));
	CHECK_ERRNO(EPERM, rmdir("full"));
}

static void take_them_back(void)
{
	int fd;

	set_flags("fixed", 0);
	set_flags("log", 0);
	set_flags("full", 0);
	fd = open("fixed", O_WRONLY | O_TRUNC);
	CHECK(fd >= 0);
	CHECK(write(fd, "new", 3) == 3);
	CHECK(close(fd) == 0);
	CHECK(unlink("fixed") == 0 && unlink("log") == 0 && rmdir("full") == 0);
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	(void)umask(022);
	if (strcmp(what, "check") != 0)
		set_them();
	check_them();
	if (strcmp(what, "leave") != 0)
		take_them_back();
	return posix_status();
}
