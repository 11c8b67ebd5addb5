/* SPDX-License-Identifier: MIT */
#include "fuse/connection.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuse/fs.h"
#include "fuse/request.h"
#include "fuse/resume.h"
#include "fuse/session.h"
#include "takeover/format.h"
#include "takeover/keep.h"
#include "util/cleanup.h"
#include "util/log.h"

/*
 * Read ahead of whoever reads a file through the daemon, KiB. Source: two requests of the largest size, so that one
 * is answered while the other is read.
 */
#define READ_AHEAD_KB "2048"

/* KEEP_SESSION. */
struct connection_kept {
	uint32_t init_len; /* bytes of `init`; written last, 0: there is no connection */
	int32_t device_fd;
	int32_t read_ahead_fd;
	struct mount_id mount_id;
	char mountpoint[PATH_MAX];
	uint8_t init[4096]; /* the kernel's first message. Source: 104 bytes in Linux 6.18 */
};

/* libfuse speaks of what it cannot do; the result says it, too. */
PRINTF(2, 0) static void log_libfuse(enum fuse_log_level level, const char *fmt, va_list args)
{
	char line[512];

	(void)level;
	if (!log_enabled(LOG_LEVEL_DEBUG))
		return;
	(void)vsnprintf(line, sizeof(line), fmt, args);
	line[strcspn(line, "\n")] = '\0';
	log_debug("libfuse: %s", line);
}

/* Commas and backslashes would end the option. */
static void escape(const char *from, char *to, size_t len)
{
	size_t at = 0;

	for (; *from && at + 2 < len; from++) {
		if (*from == ',' || *from == '\\')
			to[at++] = '\\';
		to[at++] = *from;
	}
	to[at] = '\0';
}

static int make_session(struct connection *c, const struct session_config *config, struct fs *fs)
{
	const struct fuse_lowlevel_ops ops = fs_ops(fs);
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	char source[512];
	char options[1024];
	int n;

	escape(config->source, source, sizeof(source));
	n = snprintf(options, sizeof(options),
		     "allow_other,default_permissions,subtype=batonfs,fsname=%s%s%s", source,
		     config->options[0] ? "," : "", config->options);

	if (n < 0 || (size_t)n >= sizeof(options))
		return -EINVAL;
	if (fuse_opt_add_arg(&args, "batonfs") || fuse_opt_add_arg(&args, "-o") ||
	    fuse_opt_add_arg(&args, options) || (config->debug && fuse_opt_add_arg(&args, "-d"))) {
		fuse_opt_free_args(&args);
		return -ENOMEM;
	}
	c->se = fuse_session_new(&args, &ops, sizeof(ops), fs);
	fuse_opt_free_args(&args);
	return c->se ? 0 : -EINVAL;
}

/*
 * How far the kernel reads ahead is not for INIT to raise, only to lower, so it is said in sysfs. Opened where the
 * mount is, as the daemon may not see /sys from where it is later; written after INIT.
 */
static int open_read_ahead(const char *mountpoint)
{
	char path[64];
	struct statx stx;

	if (statx(AT_FDCWD, mountpoint, AT_STATX_DONT_SYNC, STATX_TYPE, &stx) < 0)
		return -1; /* without it reading is slower */
	(void)snprintf(path, sizeof(path), "/sys/class/bdi/%u:%u/read_ahead_kb", stx.stx_dev_major,
		       stx.stx_dev_minor);
	return open(path, O_WRONLY | O_CLOEXEC);
}

int connection_new(const struct session_config *config, struct fs *fs, struct connection *ret)
{
	*ret = (struct connection){
		.kept = keep_area(config->keep, KEEP_SESSION),
		.mountpoint = strdup(config->mountpoint),
		.read_ahead_fd = -1,
	};
	if (!ret->mountpoint)
		return -ENOMEM;
	fuse_set_log_func(log_libfuse);
	return make_session(ret, config, fs);
}

int connection_mount(struct connection *c)
{
	int r;

	errno = 0;
	if (fuse_session_mount(c->se, c->mountpoint) != 0)
		return errno ? -errno : -EIO;
	r = mount_id_read(c->mountpoint, &c->mount_id);
	if (r < 0) {
		(void)umount2(c->mountpoint, MNT_DETACH | UMOUNT_NOFOLLOW);
		return r;
	}
	c->read_ahead_fd = open_read_ahead(c->mountpoint);
	return 0;
}

int connection_attach(struct connection *c)
{
	char device[32];

	if (!c->kept->init_len)
		return -ENODATA;
	(void)snprintf(device, sizeof(device), "/dev/fd/%d", c->kept->device_fd);
	if (fuse_session_mount(c->se, device) != 0)
		return -EIO;
	c->mount_id = c->kept->mount_id;
	c->read_ahead_fd = c->kept->read_ahead_fd;
	return 0;
}

static void keep_connection(struct connection *c, const struct fuse_buf *init)
{
	struct connection_kept *k = c->kept;

	if (init->size > sizeof(k->init) || strlen(c->mountpoint) >= sizeof(k->mountpoint))
		return; /* it can then not be taken over, which is said later */
	k->device_fd = fuse_session_fd(c->se);
	k->read_ahead_fd = c->read_ahead_fd;
	k->mount_id = c->mount_id;
	memcpy(k->init, init->mem, init->size);
	memcpy(k->mountpoint, c->mountpoint, strlen(c->mountpoint) + 1);
	keep_fd(k->device_fd);
	keep_fd(k->read_ahead_fd);
	request_fence();
	k->init_len = (uint32_t)init->size;
}

void connection_begin(struct connection *c, const struct fuse_buf *init)
{
	keep_connection(c, init);
	fuse_session_process_buf(c->se, init);
}

/* libfuse's answer to a message that was answered long ago goes nowhere: the kernel does not know it any more (-ENOENT). */
void connection_begin_again(struct connection *c)
{
	struct fuse_buf init = { .mem = c->kept->init, .size = c->kept->init_len };

	fuse_session_process_buf(c->se, &init);
}

void connection_read_ahead(struct connection *c)
{
	(void)!write(c->read_ahead_fd, READ_AHEAD_KB, strlen(READ_AHEAD_KB));
}

bool connection_can_be_attached(const struct connection *c)
{
	return c->kept->init_len > 0 && resume_is_possible(c->kept->init, c->kept->init_len);
}

bool connection_is_there(const struct connection *c, bool gone)
{
	return mount_id_is_there(&c->mount_id, c->mountpoint, gone);
}

void connection_unmount(struct connection *c, bool force)
{
	if (force)
		(void)umount2(c->mountpoint, MNT_FORCE | MNT_DETACH | UMOUNT_NOFOLLOW);
	else if (umount2(c->mountpoint, UMOUNT_NOFOLLOW) < 0 && errno == EBUSY)
		(void)umount2(c->mountpoint, MNT_DETACH | UMOUNT_NOFOLLOW);
}

void connection_abandon(struct keep *keep)
{
	const struct connection_kept *k = keep_area(keep, KEEP_SESSION);
	struct mount_id now;

	if (!k->init_len || mount_id_read(k->mountpoint, &now) < 0 || now.id != k->mount_id.id)
		return;
	(void)umount2(k->mountpoint, MNT_FORCE | MNT_DETACH | UMOUNT_NOFOLLOW);
}

uint64_t connection_layout(void)
{
	return layout_add(layout_begin(), sizeof(struct connection_kept));
}

void connection_done(struct connection *c)
{
	if (c->se)
		fuse_session_destroy(c->se);
	(void)safe_close(c->read_ahead_fd);
	free(c->mountpoint);
}
