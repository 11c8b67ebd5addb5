/* SPDX-License-Identifier: MIT */
/*
 * The store's filesystem, tried out on a file without a name: handles, attributes of ours, leases. What only root may
 * ask is not asked by others, which is no fault of the filesystem.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "doctor.h"
#include "probe.h"
#include "say.h"
#include "util/cleanup.h"
#include "util/parse.h"

/* Free inodes fewer than this are soon used up. Source: a day of an execution with two files every 10 s. */
#define INODES_FEW 16384

static const char other[] = "use a directory on ext4, XFS, btrfs or tmpfs, or the store `memory`";

static void check_marks(struct doctor *d, int fd)
{
	static const char name[] = "attributes";

	if (fsetxattr(fd, "trusted.batonfs.probe", "1", 1, 0) == 0)
		doctor_well(d, name, "trusted attributes can be set: pins and lifetimes are kept");
	else if (errno == EPERM)
		doctor_report(d, name, LEVEL_OK, "", "",
			      "not asked: trusted attributes are for root (`sudo baton doctor`)");
	else
		doctor_report(d, name, LEVEL_WARN, "pins and lifetimes set by hand cannot be kept",
			      other, "trusted attributes: %s", strerror(errno));
}

static void check_leases(struct doctor *d, int fd)
{
	static const char name[] = "leases";
	static const char costs[] = "nothing expires: whether a file is in use cannot be asked for";
	char setting[16];

	if (probe_setting("/proc/sys/fs/leases-enable", setting, sizeof(setting)) == 0 &&
	    strcmp(setting, "0") == 0)
		doctor_report(d, name, LEVEL_WARN, costs, "sysctl fs.leases-enable=1",
			      "switched off (fs.leases-enable)");
	else if (fcntl(fd, F_SETLEASE, F_WRLCK) == 0)
		doctor_well(d, name, "granted: what is open or mapped is never deleted");
	else if (errno == EACCES)
		doctor_report(d, name, LEVEL_OK, "", "",
			      "not asked: the directory is another user's");
	else
		doctor_report(d, name, LEVEL_WARN, costs, other, "%s", strerror(errno));
}

static void check_files(struct doctor *d)
{
	_cleanup_close_ int fd = open(d->store, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd < 0 && (errno == EACCES || errno == EPERM)) {
		doctor_report(
			d, "leases", LEVEL_OK, "", "",
			"not asked, nor for attributes: %s is not ours to write (`sudo baton doctor`)",
			d->store);
		return;
	}
	if (fd < 0) {
		doctor_report(d, "leases", LEVEL_WARN, "a store there cannot be used", other,
			      "%s: no file can be made: %s", d->store, strerror(errno));
		return;
	}
	check_marks(d, fd);
	check_leases(d, fd);
}

static void check_room(struct doctor *d)
{
	static const char name[] = "room";
	char size[SAY_MAX], avail[SAY_MAX];
	struct statvfs sv;

	if (statvfs(d->store, &sv) < 0)
		return;
	format_size(sv.f_blocks * sv.f_frsize, size, sizeof(size));
	format_size(sv.f_bavail * sv.f_frsize, avail, sizeof(avail));
	if (sv.f_files > 0 && sv.f_favail < INODES_FEW)
		doctor_report(
			d, name, LEVEL_WARN,
			"new files fail with \"No space left on device\" although there is room",
			"a filesystem with more inodes (mkfs.ext4 -i 4096), or a shorter ttl",
			"%s of %s free, but only %llu inodes", avail, size,
			(unsigned long long)sv.f_favail);
	else
		doctor_report(d, name, LEVEL_OK, "", "", "%s of %s free in %s", avail, size,
			      d->store);
}

void doctor_check_store(struct doctor *d)
{
	static const char name[] = "store";
	char type[32];
	int r = probe_filesystem(d->store, type, sizeof(type));

	if (r < 0) {
		doctor_report(d, name, LEVEL_WARN, "no directory store there",
			      "make the directory, or name another", "%s: %s", d->store,
			      strerror(-r));
		return;
	}
	r = probe_handles(d->store);
	if (r < 0) {
		doctor_report(d, name, LEVEL_WARN, "a store on it cannot be used", other,
			      "%s is on %s: file handles: %s", d->store, type, strerror(-r));
		return;
	}
	doctor_report(d, name, LEVEL_OK, "", "", "%s is on %s, which gives file handles", d->store,
		      type);
	check_files(d);
	check_room(d);
}
