/* SPDX-License-Identifier: MIT */
/*
 * The table of operations, and what the kernel is asked for when the connection begins.
 *
 * Not in the table, so answered with ENOSYS, after which the kernel stops asking: opendir and releasedir
 * (listings need no state, but for `privacy`: op_dir.c), flush (nothing is kept back), access (default_permissions), getlk, setlk and
 * flock (the kernel keeps locks itself, which is right for one mount), bmap, poll.
 */
#include <errno.h>
#include <stdio.h>

#include "fuse/fs.h"
#include "fuse/op.h"
#include "fuse/private.h"
#include "util/log.h"

struct wish {
	uint32_t flag;
	bool on;
	const char *name;
};

/* What is asked for beyond libfuse's defaults, and why. */
static const struct wish wishes[] = {
	{ FUSE_CAP_PASSTHROUGH, true, "passthrough" }, /* contents without us */
	{ FUSE_CAP_HANDLE_KILLPRIV_V2, true,
	  "killpriv_v2" },			   /* no security.capability before each write */
	{ FUSE_CAP_DONT_MASK, true, "dont_mask" }, /* default ACLs and umask= decide */
	{ FUSE_CAP_POSIX_ACL, true, "posix_acl" },
	{ FUSE_CAP_ATOMIC_O_TRUNC, true, "atomic_o_trunc" }, /* O_TRUNC within the open */
	{ FUSE_CAP_CACHE_SYMLINKS, true, "cache_symlinks" }, /* the store is ours alone */
	{ FUSE_CAP_PARALLEL_DIROPS, true, "parallel_dirops" },
	{ FUSE_CAP_NO_OPENDIR_SUPPORT, true, "no_opendir" }, /* listings need no state; cached */
	{ FUSE_CAP_NO_EXPORT_SUPPORT, true,
	  "no_export" }, /* what is forgotten is found by name only */
	{ FUSE_CAP_READDIRPLUS, true, "readdirplus" },
	{ FUSE_CAP_READDIRPLUS_AUTO, true, "readdirplus_auto" },
	{ FUSE_CAP_EXPIRE_ONLY, true,
	  "expire_only" }, /* names of released executions, see notify.c */
	{ FUSE_CAP_ASYNC_DIO, true, "async_dio" },
	{ FUSE_CAP_DIRECT_IO_ALLOW_MMAP, true,
	  "direct_io_allow_mmap" }, /* opens beside passthrough */
	/* libfuse makes and closes a pipe for each request it splices: 9 system calls instead of 1 */
	{ FUSE_CAP_SPLICE_READ, false, "splice_read" },
	{ FUSE_CAP_SPLICE_WRITE, true, "splice_write" },
	{ FUSE_CAP_SPLICE_MOVE, true, "splice_move" },
	{ FUSE_CAP_WRITEBACK_CACHE, false, "writeback_cache" }, /* excludes passthrough */
	{ FUSE_CAP_FLOCK_LOCKS, false, "flock_locks" },
	{ FUSE_CAP_POSIX_LOCKS, false, "posix_locks" },
};

static void refuse(struct fs *fs, const char *why)
{
	fs->config.passthrough = false;
	(void)snprintf(fs->passthrough_why, sizeof(fs->passthrough_why), "%s", why);
}

static void ask_passthrough(struct fs *fs, struct fuse_conn_info *conn)
{
	if (!fs->config.passthrough)
		refuse(fs, "switched off (passthrough=off)");
	else if (fuse_get_feature_flag(conn, FUSE_CAP_PASSTHROUGH))
		conn->max_backing_stack_depth = 1;
	else
		refuse(fs,
		       "this kernel's FUSE has none (Linux 6.9 and later, with CONFIG_FUSE_PASSTHROUGH)");
}

/* Whether it works with this store and these privileges: register a file, once. */
void fs_probe_passthrough(struct fs *fs)
{
	int id;

	if (!fs->config.passthrough)
		return;
	id = backing_register(fs->backing, fs->store->lock_fd);
	if (id >= 0)
		backing_unregister(fs->backing, id);
	else if (id == -EPERM)
		refuse(fs, "no privilege (CAP_SYS_ADMIN in the initial user namespace)");
	else if (id == -ELOOP)
		refuse(fs,
		       "the store is on a stacked filesystem (overlay, another FUSE passthrough)");
	else
		refuse(fs, log_errname(id));
}

static void init(void *userdata, struct fuse_conn_info *conn)
{
	struct fs *fs = userdata;

	for (size_t i = 0; i < ARRAY_SIZE(wishes); i++) {
		bool want = wishes[i].on;

		if (wishes[i].flag == FUSE_CAP_PASSTHROUGH && !fs->config.passthrough)
			want = false;
		if (!want)
			fuse_unset_feature_flag(conn, wishes[i].flag);
		else if (!fuse_set_feature_flag(conn, wishes[i].flag))
			log_debug("init: kernel lacks %s, going without", wishes[i].name);
	}
	ask_passthrough(fs, conn);
	conn->time_gran = 1;
	log_debug("init: protocol %u.%u max_write=%u passthrough=%d", conn->proto_major,
		  conn->proto_minor, conn->max_write, fs->config.passthrough);
}

static const struct fuse_lowlevel_ops ops = {
	.init = init,
	.lookup = op_lookup,
	.forget = op_forget,
	.forget_multi = op_forget_multi,
	.getattr = op_getattr,
	.setattr = op_setattr,
#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 18)
	.statx = op_statx,
#endif
	.readlink = op_readlink,
	.mknod = op_mknod,
	.mkdir = op_mkdir,
	.unlink = op_unlink,
	.rmdir = op_rmdir,
	.symlink = op_symlink,
	.rename = op_rename,
	.link = op_link,
	.open = op_open,
	.read = op_read,
	.write_buf = op_write_buf,
	.release = op_release,
	.fsync = op_fsync,
	.readdir = op_readdir,
	.readdirplus = op_readdirplus,
	.fsyncdir = op_fsyncdir,
	.statfs = op_statfs,
	.setxattr = op_setxattr,
	.getxattr = op_getxattr,
	.listxattr = op_listxattr,
	.removexattr = op_removexattr,
	.create = op_create,
	.tmpfile = op_tmpfile,
	.fallocate = op_fallocate,
	.copy_file_range = op_copy_file_range,
	.lseek = op_lseek,
	.ioctl = op_ioctl,
};

struct fuse_lowlevel_ops fs_ops(const struct fs *fs)
{
	struct fuse_lowlevel_ops of = ops;

	if (private_is_on(fs)) {
		of.opendir = op_opendir;
		of.releasedir = op_releasedir;
	}
	return of;
}
