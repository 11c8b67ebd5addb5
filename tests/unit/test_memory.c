/* SPDX-License-Identifier: MIT */
/*
 * The private tmpfs, each in a child: namespaces are not given back.
 */
#include "store/memory.h"

#include <errno.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include "scratch.h"

static struct memory_ns ns;
static bool huge;

static bool is_tmpfs(const char *path)
{
	struct statfs sfs;

	return statfs(path, &sfs) == 0 && sfs.f_type == 0x01021994;
}

START_TEST(memory_is_between_something_and_everything)
{
	uint64_t total = memory_total_bytes();

	ck_assert_uint_gt(total, 16 << 20);
	ck_assert_uint_le(total,
			  (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE));
}
END_TEST

static int mount_it(void)
{
	struct statfs sfs;
	struct stat s;
	bool host;

	/* It may be the first: what is made below /run is on a tmpfs in most places. */
	CHILD_ASSERT(mkdir(MEMORY_PATH, 0700) == 0 || errno == EEXIST);
	host = is_tmpfs(MEMORY_PATH);

	CHILD_ASSERT(memory_mount(UINT64_C(64) << 20, &ns, &huge) == 0);
	CHILD_ASSERT(statfs(MEMORY_PATH, &sfs) == 0 && sfs.f_type == 0x01021994);
	CHILD_ASSERT((uint64_t)sfs.f_blocks * (uint64_t)sfs.f_bsize == 64 << 20);
	CHILD_ASSERT(sfs.f_files == 65536); /* few pages, yet many small files */
	CHILD_ASSERT(stat(MEMORY_PATH, &s) == 0 && (s.st_mode & 07777) == 0700);
	CHILD_ASSERT(memory_leave(&ns) == 0 && is_tmpfs(MEMORY_PATH) == host);
	CHILD_ASSERT(memory_enter(&ns) == 0 && is_tmpfs(MEMORY_PATH));
	memory_done(&ns);
	CHILD_ASSERT(ns.host.ns_fd == -1 && ns.inner.ns_fd == -1);
	memory_done(&ns);
	return 0;
}

START_TEST(tmpfs_is_there_in_the_private_namespace_only)
{
	in_child(mount_it);
}
END_TEST

/* The host's mounts are not kept alive here, whatever they are to other namespaces. */
static int mount_beside(unsigned long propagation)
{
	CHILD_ASSERT(unshare(CLONE_NEWNS) == 0);
	CHILD_ASSERT(mount(NULL, "/", NULL, propagation | MS_REC, NULL) == 0);
	CHILD_ASSERT(mount("test", scratch.path, "tmpfs", 0, NULL) == 0);
	CHILD_ASSERT(memory_mount(UINT64_C(8) << 20, &ns, &huge) == 0);
	CHILD_ASSERT(is_tmpfs(MEMORY_PATH) && !is_tmpfs(scratch.path));
	CHILD_ASSERT(memory_leave(&ns) == 0 && is_tmpfs(scratch.path));
	CHILD_ASSERT(umount2(scratch.path, 0) == 0);
	CHILD_ASSERT(memory_enter(&ns) == 0 && is_tmpfs(MEMORY_PATH));
	return 0;
}

static int beside_shared(void)
{
	return mount_beside(MS_SHARED);
}

static int beside_private(void)
{
	return mount_beside(MS_PRIVATE);
}

START_TEST(mounts_of_the_host_are_left_alone_and_behind)
{
	in_child(beside_shared);
	in_child(beside_private);
}
END_TEST

static int be_refused(void)
{
	bool host = is_tmpfs(MEMORY_PATH);
	int before = count_fds();

	huge = true;
	ns.host.ns_fd = 77;
	CHILD_ASSERT(setuid(65534) == 0);
	CHILD_ASSERT(memory_mount(UINT64_C(8) << 20, &ns, &huge) < 0);
	CHILD_ASSERT(is_tmpfs(MEMORY_PATH) == host);
	CHILD_ASSERT(huge && ns.host.ns_fd == 77);
	CHILD_ASSERT(count_fds() == before);
	return 0;
}

START_TEST(without_privilege_nothing_happens)
{
	in_child(be_refused);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		memory_is_between_something_and_everything,
		tmpfs_is_there_in_the_private_namespace_only,
		mounts_of_the_host_are_left_alone_and_behind,
		without_privilege_nothing_happens,
	};

	return RUN_TESTS("memory", tests, scratch_setup, scratch_teardown);
}
