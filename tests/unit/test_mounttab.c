/* SPDX-License-Identifier: MIT */
/*
 * The table of mounts: the last mount at a path counts, in the thread's own namespace.
 */
#include "util/mounttab.h"

#include <errno.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "scratch.h"

static void nothing(void)
{
}

START_TEST(proc_is_where_it_is)
{
	ck_assert_int_eq(mounttab_is_at("/proc", "proc", NULL), 1);
	ck_assert_int_eq(mounttab_is_at("/proc", "tmpfs", NULL), 0);
	ck_assert_int_eq(mounttab_is_at("/pro", "proc", NULL), 0);
	ck_assert_int_eq(mounttab_is_at("/proc/", "proc", NULL), 0);
	ck_assert(!mounttab_has("proc", "no such source"));
}
END_TEST

/* In a namespace of the child's own: nothing is left. */
static int mount_in_layers(void)
{
	char path[] = "/tmp/mounttab.XXXXXX";
	char *source = NULL;
	struct stat st;
	int table;

	CHILD_ASSERT(mkdtemp(path));
	CHILD_ASSERT(unshare(CLONE_NEWNS) == 0);
	CHILD_ASSERT(mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL) == 0);
	CHILD_ASSERT(mount("below", path, "tmpfs", 0, NULL) == 0);
	CHILD_ASSERT(mount("two words", path, "tmpfs", 0, NULL) == 0);
	CHILD_ASSERT(mounttab_is_at(path, "tmpfs", &source) == 1);
	CHILD_ASSERT(strcmp(source, "two words") == 0);
	free(source);
	CHILD_ASSERT(mounttab_has("tmpfs", "below"));
	CHILD_ASSERT(stat(path, &st) == 0);
	CHILD_ASSERT(mounttab_has_device(major(st.st_dev), minor(st.st_dev)));
	table = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	CHILD_ASSERT(table >= 0);
	for (int i = 0; i < 2; i++) /* from its beginning each time */
		CHILD_ASSERT(mounttab_fd_has_device(table, major(st.st_dev), minor(st.st_dev)));
	CHILD_ASSERT(mount("over", path, "ramfs", 0, NULL) == 0);
	CHILD_ASSERT(mounttab_is_at(path, "tmpfs", &source) == 0);
	CHILD_ASSERT(!source);
	CHILD_ASSERT(umount(path) == 0 && umount(path) == 0 && umount(path) == 0);
	CHILD_ASSERT(!mounttab_has("tmpfs", "below"));
	CHILD_ASSERT(!mounttab_has_device(major(st.st_dev), minor(st.st_dev)));
	CHILD_ASSERT(!mounttab_fd_has_device(table, major(st.st_dev), minor(st.st_dev)));
	CHILD_ASSERT(close(table) == 0);
	CHILD_ASSERT(rmdir(path) == 0);
	return 0;
}

START_TEST(the_last_mount_counts)
{
	in_child(mount_in_layers);
}
END_TEST

static int ask_without_descriptors(void)
{
	struct rlimit none = { 0, 0 };

	CHILD_ASSERT(setrlimit(RLIMIT_NOFILE, &none) == 0);
	CHILD_ASSERT(mounttab_is_at("/proc", "proc", NULL) == -EMFILE);
	return 0;
}

START_TEST(a_table_that_cannot_be_read_is_no_answer)
{
	in_child(ask_without_descriptors);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		proc_is_where_it_is,
		the_last_mount_counts,
		a_table_that_cannot_be_read_is_no_answer,
	};

	return RUN_TESTS("mounttab", tests, nothing, nothing);
}
