/* SPDX-License-Identifier: MIT */
/*
 * The private tmpfs. The namespace is a slave of the host's: what is mounted here does not show there.
 * It keeps no copy of the host's mounts, so what is unmounted there is not kept alive here.
 */
#include "store/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <mntent.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/parse.h"

/* Smallest number of inodes a memory store offers. Source: a million small files fit in 4 GiB and more. */
#define INODES_MIN 65536

static uint64_t cgroup_limit_bytes(void)
{
	/* In a container the cgroup namespace makes its own group the root. */
	_cleanup_fclose_ FILE *f = fopen("/sys/fs/cgroup/memory.max", "re");
	char text[32];
	uint64_t bytes;

	if (!f || !fgets(text, sizeof(text), f))
		return UINT64_MAX;
	text[strcspn(text, "\n")] = '\0';
	return parse_u64(text, &bytes) < 0 ? UINT64_MAX : bytes; /* "max" */
}

uint64_t memory_total_bytes(void)
{
	struct sysinfo info;
	uint64_t total = UINT64_MAX;

	if (sysinfo(&info) == 0)
		total = (uint64_t)info.totalram * info.mem_unit;
	return MIN_OF(total, cgroup_limit_bytes());
}

static int mount_tmpfs(uint64_t size_bytes, bool *ret_huge)
{
	uint64_t inodes = MAX_OF(size_bytes / 4096, (uint64_t)INODES_MIN);
	unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
	char options[128];
	int len = snprintf(options, sizeof(options),
			   "mode=0700,inode64,size=%" PRIu64 ",nr_inodes=%" PRIu64, size_bytes,
			   inodes);

	(void)snprintf(options + len, sizeof(options) - (size_t)len, ",huge=within_size");
	if (mount("batonfs-store", MEMORY_PATH, "tmpfs", flags, options) == 0) {
		*ret_huge = true;
		return 0;
	}
	options[len] = '\0'; /* a kernel without transparent huge pages refuses the option */
	if (mount("batonfs-store", MEMORY_PATH, "tmpfs", flags, options) < 0)
		return -errno;
	*ret_huge = false;
	return 0;
}

/* What this process still reaches by path: the root, /proc, /dev, and the way to the store. */
static bool is_needed(const char *mountpoint)
{
	size_t n = strlen(mountpoint);

	return strcmp(mountpoint, "/") == 0 || strcmp(mountpoint, "/proc") == 0 ||
	       strcmp(mountpoint, "/dev") == 0 ||
	       (strncmp(mountpoint, MEMORY_PATH, n) == 0 && MEMORY_PATH[n] == '/');
}

/*
 * Give up the copies of the host's mounts. Where those are private (no systemd, containers), nothing that is
 * unmounted there goes away here: it would stay busy, and the daemon of a FUSE mount alive.
 */
static void leave_behind(void)
{
	FILE *mounts = setmntent("/proc/thread-self/mounts", "re");
	struct mntent *m;

	while (mounts && (m = getmntent(mounts))) {
		if (!is_needed(m->mnt_dir)) /* fails for what went with its parent */
			(void)umount2(m->mnt_dir, MNT_DETACH | UMOUNT_NOFOLLOW);
	}
	if (mounts)
		(void)endmntent(mounts);
}

static void place_done(struct memory_place *p)
{
	p->ns_fd = safe_close(p->ns_fd);
	p->root_fd = safe_close(p->root_fd);
}

/* Where the calling thread is. */
static int place_here(struct memory_place *ret)
{
	_cleanup_(place_done) struct memory_place p = MEMORY_NOWHERE;

	p.ns_fd = open("/proc/thread-self/ns/mnt", O_RDONLY | O_CLOEXEC);
	p.root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (p.ns_fd < 0 || p.root_fd < 0)
		return -errno;
	*ret = (struct memory_place){ .ns_fd = TAKE_FD(p.ns_fd), .root_fd = TAKE_FD(p.root_fd) };
	return 0;
}

static int place_go(const struct memory_place *p)
{
	/* A thread that shares its root and working directory with others may not change namespaces. */
	if (unshare(CLONE_FS) < 0 || setns(p->ns_fd, CLONE_NEWNS) < 0)
		return -errno;
	return fchdir(p->root_fd) < 0 || chroot(".") < 0 ? -errno : 0;
}

int memory_mount(uint64_t size_bytes, struct memory_ns *ret_ns, bool *ret_huge)
{
	_cleanup_(place_done) struct memory_place host = MEMORY_NOWHERE;
	struct memory_place inner;
	bool huge = false;
	int r = place_here(&host);

	if (r < 0)
		return r;
	if (mkdir(MEMORY_PATH, 0700) < 0 && errno != EEXIST)
		return -errno;
	if (unshare(CLONE_NEWNS) < 0)
		return -errno;
	r = mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL) < 0 ? -errno : 0;
	if (r == 0) {
		leave_behind();
		r = mount_tmpfs(size_bytes, &huge);
	}
	if (r == 0)
		r = place_here(&inner);
	if (r < 0) {
		(void)!place_go(&host); /* the namespace goes, and what is mounted in it */
		return r;
	}
	*ret_huge = huge;
	*ret_ns = (struct memory_ns){ .host = host, .inner = inner };
	host = MEMORY_NOWHERE;
	return 0;
}

int memory_leave(const struct memory_ns *ns)
{
	return place_go(&ns->host);
}

int memory_enter(const struct memory_ns *ns)
{
	return place_go(&ns->inner);
}

void memory_done(struct memory_ns *ns)
{
	place_done(&ns->host);
	place_done(&ns->inner);
}
