/* SPDX-License-Identifier: MIT */
/*
 * Finding the mount that the client is to talk to. The client is no library: its sources are included.
 */
#include "../../tools/mountpoint.c"
#include "../../tools/say.c"

#include <check.h>

#include "unit.h"

#define ROOT_LINE "21 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n"

static struct mountpoint_list parsed(const char *text)
{
	struct mountpoint_list list;
	char *copy = strdup(text);
	FILE *f = fmemopen(copy, strlen(copy), "r");

	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(mountpoint_parse(f, &list), 0);
	ck_assert_int_eq(fclose(f), 0);
	free(copy);
	return list;
}

START_TEST(other_filesystems_do_not_count)
{
	_cleanup_(mountpoint_list_done) struct mountpoint_list list =
		parsed(ROOT_LINE "30 21 0:40 / /mnt rw - fuse.sshfs batonfs rw\n"
				 "31 21 0:41 / /fuse.batonfs rw - tmpfs fuse.batonfs rw\n");

	ck_assert_uint_eq(list.n, 0);
}
END_TEST

START_TEST(optional_fields_are_skipped)
{
	_cleanup_(mountpoint_list_done) struct mountpoint_list list = parsed(
		ROOT_LINE
		"36 35 0:98 / /data/tmp rw,nosuid shared:5 master:1 - fuse.batonfs memory rw\n"
		"37 35 0:99 / /b rw - fuse.batonfs /var/lib/b rw\n");

	ck_assert_uint_eq(list.n, 2);
	ck_assert_str_eq(list.item[0].path, "/data/tmp");
	ck_assert_str_eq(list.item[0].device, "0:98");
	ck_assert_str_eq(list.item[1].path, "/b");
}
END_TEST

START_TEST(octal_escapes_are_decoded)
{
	_cleanup_(mountpoint_list_done) struct mountpoint_list list = parsed(
		"36 35 0:98 / /my\\040data\\134x\\011\\012end\\04 rw - fuse.batonfs memory rw\n");

	ck_assert_uint_eq(list.n, 1);
	ck_assert_str_eq(list.item[0].path, "/my data\\x\t\nend\\04");
}
END_TEST

START_TEST(an_escape_does_not_end_a_path)
{
	_cleanup_(mountpoint_list_done) struct mountpoint_list list =
		parsed("36 35 0:98 / \\000/a\\000b rw - fuse.batonfs memory rw\n");

	ck_assert_uint_eq(list.n, 1);
	ck_assert_str_eq(list.item[0].path, "\\000/a\\000b");
}
END_TEST

START_TEST(bind_mounts_of_one_batonfs_count_once)
{
	_cleanup_(mountpoint_list_done) struct mountpoint_list list =
		parsed("36 35 0:98 / /data/tmp rw - fuse.batonfs memory rw\n"
		       "37 35 0:98 / /srv/tmp rw - fuse.batonfs memory rw\n");

	ck_assert_uint_eq(list.n, 1);
	ck_assert_str_eq(list.item[0].path, "/data/tmp");
}
END_TEST

START_TEST(bind_mount_of_a_part_does_not_count)
{
	_cleanup_(mountpoint_list_done) struct mountpoint_list list =
		parsed("36 35 0:98 /4711 /job rw - fuse.batonfs memory rw\n");

	ck_assert_uint_eq(list.n, 0);
}
END_TEST

START_TEST(broken_lines_are_skipped)
{
	_cleanup_(mountpoint_list_done) struct mountpoint_list list =
		parsed("\n36 35\n36 35 0:98 / /x rw\n36 35 0:98 / /x rw -\n- - - - - -\n");

	ck_assert_uint_eq(list.n, 0);
}
END_TEST

START_TEST(argument_beats_environment)
{
	_cleanup_free_ char *path = NULL;

	ck_assert_int_eq(setenv("BATON_MOUNT", "/from/env", 1), 0);
	ck_assert_int_eq(mountpoint_find("/from/arg", &path), 0);
	ck_assert_str_eq(path, "/from/arg");
	free(path);
	ck_assert_int_eq(mountpoint_find(NULL, &path), 0);
	ck_assert_str_eq(path, "/from/env");
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		other_filesystems_do_not_count,	     optional_fields_are_skipped,
		octal_escapes_are_decoded,	     bind_mounts_of_one_batonfs_count_once,
		bind_mount_of_a_part_does_not_count, broken_lines_are_skipped,
		argument_beats_environment,	     an_escape_does_not_end_a_path,
	};

	return RUN_TESTS("mountpoint", tests, NULL, NULL);
}
