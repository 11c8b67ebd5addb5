/* SPDX-License-Identifier: MIT */
/*
 * The order of the steps is all there is to it: the mark comes before the content goes, and goes after the content
 * has come back. A fault point (util/fault.h) stands between any two, and each may be made to fail.
 *
 * While blocks come or go the mark has the time of the file's content, too, which the filesystem moves with them.
 */
#include "store/stub.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "store/draft.h"
#include "store/mark.h"
#include "store/procfd.h"
#include "util/cleanup.h"
#include "util/fault.h"

#define STUB_MARK MARK_PREFIX "blob"
#define CAPABILITY "security.capability"

/* Between the name and the time, which is SECONDS.NANOSECONDS in hexadecimal: short, to fit into ext4's inode. */
#define TIME_SIGN '@'
#define TIME_SIZE 40

/* Sectors of st_blocks, bytes. Source: stat(2). */
#define SECTOR UINT64_C(512)

/* What a file of a tmpfs is punched in. Source: x86-64 and arm64 with 4 KiB pages. */
#define HUGE_PAGE (INT64_C(2) << 20)

bool stub_has_blocks(const struct stat *st)
{
	return (uint64_t)st->st_blocks * SECTOR >= STUB_MIN;
}

bool stub_maybe(const struct stat *st, bool unsettled)
{
	uint64_t size = (uint64_t)st->st_size;

	if (!S_ISREG(st->st_mode))
		return false;
	return unsettled || (size >= STUB_MIN && (uint64_t)st->st_blocks * SECTOR < size);
}

/* What the mark says. */
struct mark_value {
	struct blob_name name;
	bool moving; /* blocks come or go, or were about to when somebody died */
	struct timespec mtime;
};

static int parse_time(const char *text, struct timespec *ret)
{
	uint64_t seconds;
	uint32_t ns;
	int end = 0;

	if (sscanf(text, "%" SCNx64 ".%" SCNx32 "%n", &seconds, &ns, &end) != 2 || text[end] ||
	    ns >= 1000000000)
		return -EINVAL;
	*ret = (struct timespec){ .tv_sec = (time_t)seconds, .tv_nsec = ns };
	return 0;
}

static int read_mark(int fd, struct mark_value *ret)
{
	struct procfd path = procfd(fd);
	char text[BLOB_NAME_SIZE + TIME_SIZE];
	ssize_t n = getxattr(path.name, STUB_MARK, text, sizeof(text) - 1);
	char *sign;

	if (n < 0)
		return errno == ERANGE ? -EINVAL : -errno;
	text[n] = '\0';
	sign = strchr(text, TIME_SIGN);
	ret->moving = sign;
	if (sign) {
		*sign = '\0';
		if (parse_time(sign + 1, &ret->mtime) < 0)
			return -EINVAL;
	}
	return blob_name_parse(text, &ret->name);
}

int stub_get(int fd, uint64_t size_bytes, struct blob_name *ret)
{
	struct mark_value mark;
	int r = read_mark(fd, &mark);

	if (r < 0)
		return r;
	if (!draft_is(&mark.name) && blob_name_bytes(&mark.name) != size_bytes)
		return -ESTALE;
	*ret = mark.name;
	return 0;
}

static int write_mark(int fd, const char *text)
{
	return FAULT_CALL("mark", fsetxattr(fd, STUB_MARK, text, strlen(text), 0)) < 0 ? -errno : 0;
}

static int mark_at_rest(int fd, const struct blob_name *name)
{
	return write_mark(fd, name->text);
}

static int mark_moving(int fd, const struct blob_name *name, const struct timespec *mtime)
{
	char text[BLOB_NAME_SIZE + TIME_SIZE];

	(void)snprintf(text, sizeof(text), "%s%c%" PRIx64 ".%" PRIx32, name->text, TIME_SIGN,
		       (uint64_t)mtime->tv_sec, (uint32_t)mtime->tv_nsec);
	return write_mark(fd, text);
}

static int remove_mark(int fd)
{
	return FAULT_CALL("unmark", fremovexattr(fd, STUB_MARK)) < 0 && errno != ENODATA ? -errno
											 : 0;
}

/* The time of the content is not that of its layout. */
static int restore_mtime(int fd, const struct timespec *mtime)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, *mtime };

	return FAULT_CALL("times", futimens(fd, times)) < 0 ? -errno : 0;
}

/*
 * Free all blocks, also those beyond the end: a tmpfs only clears a page that it is told to punch in part; ext4 does
 * not punch beyond the end at all, and XFS may have allocated ahead there, but cutting a file to the size it has takes
 * those away.
 */
static int punch(int fd, uint64_t bytes)
{
	off_t size = (off_t)bytes;
	off_t len = (size + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;

	if (FAULT_CALL("punch", fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, len)) <
	    0)
		return -errno;
	FAULT_POINT("punched");
	return FAULT_CALL("cut", ftruncate(fd, size)) < 0 ? -errno : 0;
}

/* A stub whose mark says that it is moving, and how: it is at rest afterwards, if all goes well. */
static int rest(int fd, const struct mark_value *mark)
{
	int r = punch(fd, blob_name_bytes(&mark->name));
	int times = restore_mtime(fd, &mark->mtime);

	FAULT_POINT("restored");
	if (r == 0 && times == 0)
		(void)!mark_at_rest(fd, &mark->name); /* else whoever settles it does */
	return r;
}

/* What any change of the content takes away from a file, on the kernel's own account. */
static bool has_capability(int fd)
{
	return fgetxattr(fd, CAPABILITY, NULL, 0) >= 0;
}

static int sync_mark(struct blobs *b, int fd)
{
	FAULT_POINT("marked");
	return blobs_durable(b) && FAULT_CALL("mark-sync", fsync(fd)) < 0 ? -errno : 0;
}

/* Not a stub after all, nothing was punched. But if the mark stays, it is one. */
static int give_up(int fd, int err)
{
	struct mark_value mark;

	return remove_mark(fd) < 0 && read_mark(fd, &mark) == 0 ? 0 : err;
}

int stub_make(struct blobs *b, int fd, const struct blob_name *name)
{
	struct mark_value mark = { .name = *name, .moving = true };
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0)
		return -errno;
	if ((uint64_t)st.st_size != blob_name_bytes(name))
		return -EUCLEAN;
	if (has_capability(fd))
		return -EPERM;
	mark.mtime = st.st_mtim;
	r = mark_moving(fd, name, &mark.mtime);
	if (r == 0)
		r = sync_mark(b, fd);
	if (r < 0)
		return give_up(fd, r);
	r = rest(fd, &mark);
	FAULT_POINT("stubbed");
	if (r < 0 && stub_home(b, fd, name) < 0)
		return 0; /* part of it is punched, and cannot be filled again: a stub */
	return r;
}

int stub_make_empty(int fd, const struct blob_name *name)
{
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size != 0 || st.st_blocks * SECTOR >= STUB_MIN || has_capability(fd))
		return -EUCLEAN;
	r = mark_at_rest(fd, name); /* of another size so far: it means nothing yet */
	FAULT_POINT("marked-empty");
	if (r == 0 && FAULT_CALL("grow", ftruncate(fd, (off_t)blob_name_bytes(name))) < 0)
		r = -errno;
	FAULT_POINT("grown");
	if (r < 0)
		(void)!remove_mark(fd);
	return r;
}

int stub_redirect(int fd, const struct blob_name *draft)
{
	int r = mark_at_rest(fd, draft);

	FAULT_POINT("draft-marked");
	return r;
}

/* The capability goes with the first byte written. */
static int copy_home(struct blobs *b, int fd, int blob, const struct mark_value *mark)
{
	char capability[64]; /* struct vfs_ns_cap_data has 24 bytes */
	ssize_t n = fgetxattr(fd, CAPABILITY, capability, sizeof(capability));
	int r = copy_content(blob, fd, blob_name_bytes(&mark->name), NULL, NULL);

	if (r == 0 && n > 0 && fsetxattr(fd, CAPABILITY, capability, (size_t)n, 0) < 0)
		r = -errno;
	if (r == 0) /* a failure's blocks go again, and then the time comes back */
		r = restore_mtime(fd, &mark->mtime);
	FAULT_POINT("copied");
	if (r == 0 && blobs_durable(b) && FAULT_CALL("home-sync", fdatasync(fd)) < 0)
		r = -errno;
	return r;
}

/* Its mark, saying that it is moving: as it was left by who could not finish, or from now on. */
static int begin_home(int fd, const struct blob_name *name, struct mark_value *ret)
{
	struct stat st;
	int r = read_mark(fd, ret);

	if (r < 0 || ret->moving)
		return r;
	if (fstat(fd, &st) < 0)
		return -errno;
	ret->moving = true;
	ret->mtime = st.st_mtim;
	r = mark_moving(fd, name, &ret->mtime);
	/* Others of its attributes leave no room for the time: a kill would cost that, but nobody is kept from writing. */
	return r == -ENOSPC || r == -EDQUOT ? 0 : r;
}

int stub_home(struct blobs *b, int fd, const struct blob_name *name)
{
	_cleanup_close_ int blob = blob_open(b, name);
	struct mark_value mark;
	int r = blob < 0 ? blob : begin_home(fd, name, &mark);

	if (r < 0)
		return r;
	FAULT_POINT("homeward");
	r = copy_home(b, fd, blob, &mark);
	if (r == 0) {
		FAULT_POINT("home");
		r = remove_mark(fd);
		FAULT_POINT("unmarked");
	}
	if (r < 0)
		(void)!rest(fd, &mark); /* a stub all the same; the space is wanted back */
	return r;
}

int stub_drop(int fd)
{
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (FAULT_CALL("drop", ftruncate(fd, 0)) < 0)
		return -errno;
	FAULT_POINT("cut");
	r = remove_mark(fd);
	if (r < 0 && ftruncate(fd, st.st_size) == 0) /* the stub again that it was */
		(void)!restore_mtime(fd, &st.st_mtim);
	return r;
}

int stub_settle(int fd, struct blob_name *ret_name)
{
	struct mark_value mark;
	struct stat st;
	int r;

	ret_name->text[0] = '\0';
	if (fstat(fd, &st) < 0)
		return -errno;
	r = read_mark(fd, &mark);
	if (r == -ENODATA)
		return 0;
	if (r < 0)
		return r;
	if (draft_is(&mark.name)) { /* nothing is on its way */
		*ret_name = mark.name;
		return 0;
	}
	if (blob_name_bytes(&mark.name) != (uint64_t)st.st_size) {
		r = remove_mark(fd);
		return r < 0 ? r : 1;
	}
	*ret_name = mark.name;
	if (!mark.moving && !stub_has_blocks(&st))
		return 0;
	if (!mark.moving)
		mark.mtime = st.st_mtim;
	r = rest(fd, &mark);
	return r < 0 ? r : 1;
}
