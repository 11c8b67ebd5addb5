/* SPDX-License-Identifier: MIT */
/* Owner, group and mode of what is created; set-id bits and who loses them; sticky directories. */
#include "posix.h"

#define ALICE 1000
#define BOB 1001
#define CREW 2000 /* a group that Alice is a member of */

static void create_all(const char *arg)
{
	(void)arg;
	(void)umask(027);
	CHECK(close(open("file", O_CREAT | O_WRONLY, 0666)) == 0);
	CHECK(mkdir("dir", 0777) == 0);
	CHECK(mknod("fifo", S_IFIFO | 0666, 0) == 0);
	CHECK(mknod("node", S_IFREG | 0666, 0) == 0);
	CHECK(symlink("file", "link") == 0);
	(void)umask(0);
	CHECK(close(open("open", O_CREAT | O_WRONLY, 0666)) == 0);
	CHECK(mkdir("wide", 0777) == 0);
}

static void check_owner(const char *path, uid_t uid, gid_t gid, mode_t mode)
{
	struct stat st = stat_of(path);

	CHECK_EQ(uid, st.st_uid);
	CHECK_EQ(gid, st.st_gid);
	if (!S_ISLNK(st.st_mode))
		CHECK_EQ(mode, st.st_mode & 07777);
}

static void new_files_belong_to_their_maker(void)
{
	static const struct {
		uid_t uid;
		gid_t gid;
		const char *dir;
	} users[] = { { ALICE, ALICE, "alice" },
		      { BOB, BOB, "bob" },
		      { 0, 0, "root" },
		      { ALICE, CREW, "other" } };

	for (size_t i = 0; i < sizeof(users) / sizeof(users[0]); i++) {
		CHECK(mkdir(users[i].dir, 0777) == 0);
		CHECK(chmod(users[i].dir, 0777) == 0);
		CHECK(chdir(users[i].dir) == 0);
		as_user(users[i].uid, users[i].gid, CREW, create_all, NULL);
		check_owner("file", users[i].uid, users[i].gid, 0640);
		check_owner("dir", users[i].uid, users[i].gid, 0750);
		check_owner("fifo", users[i].uid, users[i].gid, 0640);
		check_owner("node", users[i].uid, users[i].gid, 0640);
		check_owner("link", users[i].uid, users[i].gid, 0777);
		check_owner("open", users[i].uid, users[i].gid, 0666);
		check_owner("wide", users[i].uid, users[i].gid, 0777);
		CHECK(chdir("..") == 0);
	}
}

static void create_setgid(const char *arg)
{
	char name[64];
	int fd;

	(void)umask(0);
	(void)snprintf(name, sizeof(name), "crew/%s-file", arg);
	CHECK(close(open(name, O_CREAT | O_WRONLY, 02775)) == 0);
	(void)snprintf(name, sizeof(name), "crew/%s-dir", arg);
	CHECK(mkdir(name, 0755) == 0);
	fd = open("crew", O_TMPFILE | O_RDWR, 0644);
	CHECK(fd >= 0);
	CHECK_EQ(CREW, fstat_of(fd).st_gid);
	CHECK(close(fd) == 0);
}

static void a_setgid_directory_gives_its_group(void)
{
	CHECK(mkdir("crew", 0777) == 0);
	CHECK(chown("crew", 0, CREW) == 0);
	CHECK(chmod("crew", 02777) == 0);
	as_user(ALICE, ALICE, CREW, create_setgid, "member");
	as_user(BOB, BOB, 0, create_setgid, "stranger");
	check_owner("crew/member-file", ALICE, CREW, 02775);
	check_owner("crew/stranger-file", BOB, CREW,
		    0775); /* may not make a program of that group */
	check_owner("crew/member-dir", ALICE, CREW, 02755);
	check_owner("crew/stranger-dir", BOB, CREW, 02755);
}

/* ---- set-id bits ---- */

static void write_byte(const char *arg)
{
	int fd = open(arg, O_WRONLY);

	CHECK(fd >= 0);
	CHECK(write(fd, "x", 1) == 1);
	CHECK(close(fd) == 0);
}

static void truncate_path(const char *arg)
{
	CHECK(truncate(arg, 1) == 0);
}

static void truncate_open(const char *arg)
{
	int fd = open(arg, O_RDWR);

	CHECK(fd >= 0);
	CHECK(ftruncate(fd, 2) == 0);
	CHECK(close(fd) == 0);
}

static void open_trunc(const char *arg)
{
	CHECK(close(open(arg, O_WRONLY | O_TRUNC)) == 0);
}

static void changing_content_clears_setid(void)
{
	static void (*const ways[])(const char *arg) = { write_byte, truncate_path, truncate_open,
							 open_trunc };

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		char name[] = "prog0";

		name[4] = (char)('0' + i);
		make_file(name, 06777, "text");
		as_user(0, 0, 0, ways[i], name);
		CHECK_EQ(06777, mode_of(name)); /* root may keep them */
		as_user(ALICE, ALICE, 0, ways[i], name);
		CHECK_EQ(0777, mode_of(name));
		CHECK(chmod(name, 02767) == 0); /* no execution for the group: no set-id program */
		CHECK(chown(name, 0, CREW) == 0);
		CHECK(chmod(name, 02767) == 0);
		as_user(ALICE, ALICE, CREW, ways[i], name);
		CHECK_EQ(02767, mode_of(name));
	}
}

/* The descriptor is older than the bits. */
static void write_after_chmod(const char *arg)
{
	int fd = open(arg, O_RDWR | O_CREAT, 0755);

	CHECK(fd >= 0);
	CHECK(write(fd, "a", 1) == 1);
	CHECK(fchmod(fd, 06755) == 0);
	CHECK_EQ(06755, fstat_of(fd).st_mode & 07777);
	CHECK(write(fd, "b", 1) == 1);
	CHECK_EQ(0755, fstat_of(fd).st_mode & 07777);
	CHECK(fchmod(fd, 04755) == 0);
	CHECK(ftruncate(fd, 1) == 0);
	CHECK_EQ(0755, fstat_of(fd).st_mode & 07777);
	CHECK(fchmod(fd, 04755) == 0);
	CHECK(pwrite(fd, "c", 1, 100) == 1);
	CHECK_EQ(0755, fstat_of(fd).st_mode & 07777);
	CHECK(close(fd) == 0);
	CHECK_EQ(0755, mode_of(arg));
}

static void give_to_crew(const char *arg)
{
	CHECK(chown(arg, (uid_t)-1, CREW) == 0);
}

static void give_to_nobody(const char *arg)
{
	CHECK(chown(arg, (uid_t)-1, (gid_t)-1) == 0);
}

static void chown_clears_setid(void)
{
	static void (*const ways[])(const char *arg) = { give_to_crew, give_to_nobody };

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		char name[] = "mine0";

		name[4] = (char)('0' + i);
		make_file(name, 0755, "");
		CHECK(chown(name, ALICE, ALICE) == 0);
		CHECK(chmod(name, 06755) == 0);
		as_user(ALICE, ALICE, CREW, ways[i], name);
		CHECK_EQ(0755, mode_of(name));
	}
	CHECK(mkdir("mydir", 0755) == 0);
	CHECK(chown("mydir", ALICE, ALICE) == 0);
	CHECK(chmod("mydir", 02755) == 0);
	as_user(ALICE, ALICE, CREW, give_to_crew, "mydir");
	CHECK_EQ(02755, mode_of("mydir"));
}

static void set_setgid(const char *arg)
{
	CHECK(chmod(arg, 02755) == 0);
}

static void chmod_for_a_foreign_group_drops_setgid(void)
{
	make_file("foreign", 0755, "");
	CHECK(chown("foreign", ALICE, CREW) == 0);
	as_user(ALICE, ALICE, 0, set_setgid, "foreign");
	CHECK_EQ(0755, mode_of("foreign"));
	as_user(ALICE, ALICE, CREW, set_setgid, "foreign");
	CHECK_EQ(02755, mode_of("foreign"));
}

/* ---- who may ---- */

static void try_in_sticky(const char *arg)
{
	(void)arg;
	CHECK_ERRNO(EPERM, unlink("sticky/alices"));
	CHECK_ERRNO(EPERM, rename("sticky/alices", "sticky/bobs"));
	CHECK_ERRNO(EPERM, rmdir("sticky/alicesdir"));
	CHECK(close(open("sticky/mine", O_CREAT | O_WRONLY, 0644)) == 0);
	CHECK_ERRNO(EPERM, rename("sticky/mine", "sticky/alices"));
	CHECK(unlink("sticky/mine") == 0);
}

static void try_foreign(const char *arg)
{
	(void)arg;
	CHECK_ERRNO(EACCES, open("private", O_RDONLY));
	CHECK_ERRNO(EACCES, open("readable", O_WRONLY));
	CHECK_ERRNO(EACCES, open("readable", O_RDONLY | O_TRUNC));
	CHECK_ERRNO(EACCES, truncate("readable", 0));
	CHECK_ERRNO(EPERM, chmod("readable", 0777));
	CHECK_ERRNO(EPERM, chown("readable", BOB, BOB));
	CHECK_ERRNO(EACCES, utimensat(AT_FDCWD, "readable", NULL, 0));
	CHECK_ERRNO(EACCES, open("closed/any", O_CREAT | O_WRONLY, 0644));
	CHECK_ERRNO(EACCES, access("closed/any", F_OK));
	CHECK_ERRNO(EACCES, mkdir("readonly/dir", 0755));
	CHECK(access("readable", R_OK) == 0);
	CHECK_ERRNO(EACCES, access("readable", W_OK));
}

static void only_the_owner_may(void)
{
	CHECK(mkdir("sticky", 0777) == 0);
	CHECK(chmod("sticky", 01777) == 0);
	make_file("sticky/alices", 0666, "");
	CHECK(chown("sticky/alices", ALICE, ALICE) == 0);
	CHECK(mkdir("sticky/alicesdir", 0777) == 0);
	CHECK(chown("sticky/alicesdir", ALICE, ALICE) == 0);
	as_user(BOB, BOB, 0, try_in_sticky, NULL);
	make_file("private", 0600, "");
	make_file("readable", 0644, "");
	CHECK(mkdir("closed", 0700) == 0);
	CHECK(mkdir("readonly", 0755) == 0);
	as_user(BOB, BOB, 0, try_foreign, NULL);
}

int main(void)
{
	(void)umask(022);
	CHECK(chmod(".", 0777) == 0);
	new_files_belong_to_their_maker();
	a_setgid_directory_gives_its_group();
	changing_content_clears_setid();
	as_user(ALICE, ALICE, 0, write_after_chmod, "older");
	chown_clears_setid();
	chmod_for_a_foreign_group_drops_setgid();
	only_the_owner_may();
	return posix_status();
}
