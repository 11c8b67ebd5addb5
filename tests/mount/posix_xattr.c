/* SPDX-License-Identifier: MIT */
/* Extended attributes and POSIX ACLs. With the argument "marks": the store's own attributes do not show. */
#include "posix.h"

#include <linux/limits.h>
#include <sys/xattr.h>

#define ALICE 1000
#define BOB 1001
#define CREW 2000

#define ACCESS "system.posix_acl_access"
#define DEFAULT "system.posix_acl_default"

/* The value of an ACL's attribute. Source: linux/posix_acl_xattr.h; little-endian. */
struct acl {
	uint32_t version;
	struct {
		uint16_t tag;
		uint16_t perm;
		uint32_t id;
	} entries[5];
};

enum {
	USER_OBJ = 1,
	USER = 2,
	GROUP_OBJ = 4,
	MASK = 16,
	OTHER = 32,
	NO_ID = -1,
};

static struct acl acl_for(uint32_t uid, uint16_t owner, uint16_t user, uint16_t group,
			  uint16_t other)
{
	return (struct acl){
		.version = 2,
		.entries = { { USER_OBJ, owner, (uint32_t)NO_ID },
			     { USER, user, uid },
			     { GROUP_OBJ, group, (uint32_t)NO_ID },
			     { MASK, 7, (uint32_t)NO_ID },
			     { OTHER, other, (uint32_t)NO_ID } },
	};
}

/* Whether the list of attributes has this name; all their names must end in NUL. */
static bool lists(const char *path, const char *name)
{
	char list[XATTR_LIST_MAX];
	ssize_t n = listxattr(path, list, sizeof(list));

	CHECK(n >= 0);
	for (ssize_t at = 0; at < n; at += (ssize_t)strlen(list + at) + 1)
		if (strcmp(list + at, name) == 0)
			return true;
	return false;
}

static bool attribute_is(const char *path, const char *name, const char *text)
{
	char got[256];
	ssize_t n = getxattr(path, name, got, sizeof(got));

	return n == (ssize_t)strlen(text) && memcmp(got, text, (size_t)n) == 0;
}

static void user_attributes(void)
{
	static char big[3000];
	char got[sizeof(big)];

	make_file("file", 0644, "");
	CHECK_ERRNO(ENODATA, getxattr("file", "user.a", got, sizeof(got)));
	CHECK_ERRNO(ENODATA, setxattr("file", "user.a", "1", 1, XATTR_REPLACE));
	CHECK(setxattr("file", "user.a", "one", 3, XATTR_CREATE) == 0);
	CHECK_ERRNO(EEXIST, setxattr("file", "user.a", "1", 1, XATTR_CREATE));
	CHECK(attribute_is("file", "user.a", "one"));
	CHECK_EQ(3, getxattr("file", "user.a", NULL, 0));
	CHECK_ERRNO(ERANGE, getxattr("file", "user.a", got, 2));
	CHECK(setxattr("file", "user.a", "zwei", 4, XATTR_REPLACE) == 0);
	CHECK(attribute_is("file", "user.a", "zwei"));
	CHECK(setxattr("file", "user.empty", "", 0, 0) == 0);
	CHECK_EQ(0, getxattr("file", "user.empty", got, sizeof(got)));
	CHECK(lists("file", "user.a") && lists("file", "user.empty"));
	CHECK_ERRNO(ERANGE, listxattr("file", got, 2));
	CHECK(removexattr("file", "user.a") == 0);
	CHECK_ERRNO(ENODATA, removexattr("file", "user.a"));
	CHECK(!lists("file", "user.a") && lists("file", "user.empty"));
	memset(big, 'b', sizeof(big));
	CHECK(setxattr("file", "user.big", big, sizeof(big), 0) == 0);
	CHECK_EQ(sizeof(big), getxattr("file", "user.big", got, sizeof(got)));
	CHECK(memcmp(big, got, sizeof(big)) == 0);
	CHECK(mkdir("dir", 0755) == 0);
	CHECK(setxattr("dir", "user.d", "d", 1, 0) == 0);
	CHECK(attribute_is("dir", "user.d", "d"));
	CHECK(symlink("file", "link") == 0);
	CHECK_ERRNO(EPERM, lsetxattr("link", "user.l", "l", 1, 0));
	CHECK_ERRNO(EOPNOTSUPP, setxattr("file", "nonsense", "n", 1, 0));
}

static void unprivileged(const char *arg)
{
	(void)arg;
	CHECK_ERRNO(EACCES, setxattr("file", "user.b", "b", 1, 0));
	CHECK_ERRNO(EPERM, setxattr("file", "trusted.b", "b", 1, 0));
	CHECK_ERRNO(ENODATA, getxattr("file", "trusted.t", NULL, 0));
	CHECK(!lists("file", "trusted.t"));
}

static void trusted_attributes(void)
{
	CHECK(setxattr("file", "trusted.t", "t", 1, 0) == 0);
	CHECK(attribute_is("file", "trusted.t", "t"));
	CHECK(lists("file", "trusted.t"));
	CHECK(lsetxattr("link", "trusted.l", "l", 1, 0) == 0);
	CHECK_EQ(1, lgetxattr("link", "trusted.l", NULL, 0));
	as_user(BOB, BOB, 0, unprivileged, NULL);
}

/* ---- ACLs ---- */

static void bob_reads(const char *path)
{
	CHECK(close(open(path, O_RDONLY)) == 0);
	CHECK_ERRNO(EACCES, open(path, O_WRONLY));
}

static void bob_is_refused(const char *path)
{
	CHECK_ERRNO(EACCES, open(path, O_RDONLY));
}

static void an_acl_decides(void)
{
	struct acl acl = acl_for(BOB, 6, 4, 0, 0);
	struct acl got;

	make_file("shared", 0600, "text");
	as_user(BOB, BOB, 0, bob_is_refused, "shared");
	CHECK(setxattr("shared", ACCESS, &acl, sizeof(acl), 0) == 0);
	CHECK_EQ(0670, mode_of("shared")); /* the mask is the group's part of the mode */
	CHECK_EQ(sizeof(acl), getxattr("shared", ACCESS, &got, sizeof(got)));
	CHECK(memcmp(&acl, &got, sizeof(acl)) == 0);
	as_user(BOB, BOB, 0, bob_reads, "shared");
	as_user(ALICE, ALICE, 0, bob_is_refused, "shared");
	CHECK(chmod("shared", 0600) == 0); /* sets the mask */
	as_user(BOB, BOB, 0, bob_is_refused, "shared");
	CHECK(chmod("shared", 0640) == 0);
	as_user(BOB, BOB, 0, bob_reads, "shared");
	CHECK(removexattr("shared", ACCESS) == 0);
	as_user(BOB, BOB, 0, bob_is_refused, "shared");
}

static void make_below(const char *arg)
{
	(void)arg;
	(void)umask(077); /* a default ACL takes its place */
	CHECK(close(open("inherit/file", O_CREAT | O_WRONLY, 0666)) == 0);
	CHECK(mkdir("inherit/dir", 0777) == 0);
	CHECK(mknod("inherit/fifo", S_IFIFO | 0666, 0) == 0);
}

static void a_default_acl_takes_the_place_of_the_umask(void)
{
	struct acl acl = acl_for(BOB, 7, 6, 5, 0);

	CHECK(mkdir("inherit", 0755) == 0);
	CHECK(chown("inherit", ALICE, ALICE) == 0);
	CHECK(setxattr("inherit", DEFAULT, &acl, sizeof(acl), 0) == 0);
	as_user(ALICE, ALICE, 0, make_below, NULL);
	CHECK_EQ(0660, mode_of("inherit/file"));
	CHECK_EQ(0770, mode_of("inherit/dir"));
	CHECK_EQ(0660, mode_of("inherit/fifo"));
	CHECK(getxattr("inherit/file", ACCESS, NULL, 0) == sizeof(acl));
	CHECK(getxattr("inherit/dir", DEFAULT, NULL, 0) == sizeof(acl));
	CHECK_ERRNO(ENODATA, getxattr("inherit/fifo", DEFAULT, NULL, 0));
	CHECK(removexattr("inherit", DEFAULT) == 0);
	CHECK(unlink("inherit/file") == 0 && rmdir("inherit/dir") == 0 &&
	      unlink("inherit/fifo") == 0);
	as_user(ALICE, ALICE, 0, make_below, NULL);
	CHECK_EQ(0600, mode_of("inherit/file"));
	CHECK_EQ(0700, mode_of("inherit/dir"));
}

static void set_acl(const char *path)
{
	struct acl acl = acl_for(BOB, 7, 5, 5, 5);

	CHECK(setxattr(path, ACCESS, &acl, sizeof(acl), 0) == 0);
}

static void an_acl_by_a_stranger_to_the_group_drops_setgid(void)
{
	make_file("setgid", 0755, "");
	CHECK(chown("setgid", ALICE, CREW) == 0);
	CHECK(chmod("setgid", 02755) == 0);
	as_user(ALICE, ALICE, CREW, set_acl, "setgid");
	CHECK_EQ(02775, mode_of("setgid"));
	as_user(ALICE, ALICE, 0, set_acl, "setgid");
	CHECK_EQ(0775, mode_of("setgid"));
}

static void only_the_owner_sets_acls(const char *arg)
{
	struct acl acl = acl_for(BOB, 7, 7, 7, 7);

	(void)arg;
	CHECK_ERRNO(EPERM, setxattr("shared", ACCESS, &acl, sizeof(acl), 0));
	CHECK_ERRNO(EPERM, removexattr("inherit/file", ACCESS));
}

/* A capability of the file, CAP_NET_RAW. Source: struct vfs_cap_data in linux/capability.h, version 2. */
static const uint32_t net_raw[5] = { 0x02000001, 1u << 13 };

/* It goes when somebody writes, and can be set again; the kernel is not told of an old answer. */
static void capabilities_are_shown_as_they_are(void)
{
	uint32_t value[5];

	for (int round = 0; round < 3; round++) {
		int fd = open("program", O_WRONLY | O_CREAT, 0755);

		CHECK(fd >= 0);
		CHECK_EQ(1, write(fd, "x", 1)); /* the kernel asks whether there is one */
		CHECK_ERRNO(ENODATA, getxattr("program", "security.capability", NULL, 0));
		CHECK(setxattr("program", "security.capability", net_raw, sizeof(net_raw), 0) == 0);
		CHECK_EQ(sizeof(value),
			 getxattr("program", "security.capability", value, sizeof(value)));
		CHECK(memcmp(value, net_raw, sizeof(value)) == 0);
		CHECK_EQ(1, write(fd, "y", 1));
		CHECK_ERRNO(ENODATA, getxattr("program", "security.capability", NULL, 0));
		(void)close(fd);
	}
}

/* ---- marks ---- */

static void marks_do_not_exist(void)
{
	CHECK(setxattr("file", "trusted.batonfs.ttl", "1", 1, 0) < 0);
	CHECK(getxattr("file", "trusted.batonfs.ttl", NULL, 0) < 0);
	CHECK(removexattr("file", "trusted.batonfs.ttl") < 0);
	CHECK(setxattr("file", "trusted.batonfs.other", "1", 1, 0) < 0);
	CHECK(setxattr("dir", "trusted.batonfs.pinned", "1", 1, 0) < 0);
	CHECK(setxattr("file", "user.baton.ttl", "2h", 2, 0) == 0); /* writes one */
	CHECK(attribute_is("file", "user.baton.ttl", "7200.000") ||
	      attribute_is("file", "user.baton.ttl", "7200"));
	CHECK(getxattr("file", "trusted.batonfs.ttl", NULL, 0) < 0);
	CHECK(!lists("file", "trusted.batonfs.ttl"));
	CHECK(!lists("file", "user.baton.ttl"));
	CHECK(lists("file", "trusted.t") && lists("file", "user.empty"));
}

int main(int argc, char **argv)
{
	(void)umask(022);
	CHECK(chmod(".", 0755) == 0);
	user_attributes();
	trusted_attributes();
	an_acl_decides();
	a_default_acl_takes_the_place_of_the_umask();
	an_acl_by_a_stranger_to_the_group_drops_setgid();
	as_user(BOB, BOB, 0, only_the_owner_sets_acls, NULL);
	capabilities_are_shown_as_they_are();
	if (argc > 1 && strcmp(argv[1], "marks") == 0)
		marks_do_not_exist();
	return posix_status();
}
