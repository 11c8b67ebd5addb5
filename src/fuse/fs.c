/* SPDX-License-Identifier: MIT */
/*
 * The front as a whole: made and unmade, the threads' identities, and the upcalls of the layers below.
 */
#include "fuse/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statvfs.h>

#include "fuse/node.h"
#include "fuse/node_exec.h"
#include "fuse/prune.h"
#include "store/lease.h"
#include "takeover/keep.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/fault.h"
#include "util/log.h"

/* Of directories that are kept open, so many are looked at for each descriptor of a client's when there are many. */
#define SHRINK_LOOKS 16

static int fds_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return INT_MAX;
	return (int)MIN_OF(limit.rlim_cur, (rlim_t)INT_MAX);
}

bool fs_may_keep(struct fs *fs, int fd)
{
	if (fd >= fs->fds_many)
		dircache_shrink(fs->dirs, SHRINK_LOOKS);
	return fd < fs->fds_lent;
}

int fs_new(const struct fs_config *config, const struct store *store, struct exec_table *execs,
	   struct ledger *ledger, struct seal *seal, struct fs **ret)
{
	static const struct dircache_upcalls idle = { keep_fd_idle, keep_fd_idle_drop };
	_cleanup_(fs_freep) struct fs *fs = calloc(1, sizeof(*fs));
	struct stat st;
	int r;

	if (!fs)
		return -ENOMEM;
	fs->config = *config;
	fs->store = store;
	fs->execs = execs;
	fs->ledger = ledger;
	fs->seal = seal;
	fs->start_real_ns = clock_real_ns();
	fs->fds_lent = fds_limit() / 4 * 3;
	fs->fds_many = fds_limit() / 2;
	lock_init(&fs->claims_lock, LOCK_CLAIMS);
	lock_init(&fs->moves_lock, LOCK_MOVES);
	lock_init(&fs->verdict_lock, LOCK_CONTROL);
	lock_cond_init(&fs->moved);
	atomic_init(&fs->unsettled, config->unsettled);
	atomic_init(&fs->own_ttls, config->own_ttls);
	fs_set_slow(fs, config->slow_ns);
	if (fstat(store->tree_fd, &st) < 0)
		return -errno;
	/* First: evicting even the root asks it. */
	r = dircache_new(store->fd, (uint64_t)fds_limit() / 2, &idle, &fs->dirs);
	if (r == 0)
		r = itable_new(config->keep, &store->tree, st.st_ino, node_evict, fs, &fs->itable);
	if (r == 0)
		r = backing_new(fs->itable, &fs->backing);
	if (r == 0)
		r = notify_new(config->keep, &fs->notify);
	if (r == 0)
		r = latency_new(config->threads, FS_OP_MAX_, &fs->latency);
	if (r == 0)
		r = accesslog_new(&fs->accesslog);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(fs);
	return 0;
}

void fs_free(struct fs *fs)
{
	if (!fs)
		return;
	notify_free(fs->notify);
	if (fs->backing)
		backing_set_device(fs->backing, -1);
	itable_free(fs->itable);
	backing_free(fs->backing);
	dircache_free(fs->dirs);
	latency_free(fs->latency);
	accesslog_free(fs->accesslog);
	lock_done(&fs->claims_lock);
	lock_done(&fs->moves_lock);
	lock_done(&fs->verdict_lock);
	(void)pthread_cond_destroy(&fs->moved);
	free(fs);
}

void fs_set_control(struct fs *fs, struct control *control)
{
	fs->control = control;
}

void fs_set_reaper(struct fs *fs, struct reaper *reaper)
{
	fs->reaper = reaper;
}

void fs_set_slow(struct fs *fs, int64_t slow_ns)
{
	atomic_store(&fs->slow_ns, slow_ns > 0 ? slow_ns : INT64_MAX);
}

bool fs_passthrough(const struct fs *fs, const char **ret_why)
{
	*ret_why = fs->passthrough_why;
	return fs->config.passthrough;
}

int fs_thread_cred(struct cred **ret)
{
	/* A thread's identity is the thread's: the one piece of state that cannot be passed in. */
	static __thread struct cred cred;
	static __thread bool ready;
	int r;

	if (!ready) {
		r = cred_thread_init(&cred);
		if (r < 0)
			return r;
		ready = true;
	}
	*ret = &cred;
	return 0;
}

int fs_assume(struct fs *fs, fuse_req_t req, bool new_dir)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);
	uint32_t mask = new_dir ? fs->config.dmask : fs->config.fmask;
	struct cred *cred;
	int r = fs_thread_cred(&cred);

	if (r < 0)
		return r;
	cred_assume(cred, fs->config.uid == (uid_t)-1 ? ctx->uid : fs->config.uid,
		    fs->config.gid == (gid_t)-1 ? ctx->gid : fs->config.gid,
		    mask == UINT32_MAX ? ctx->umask : mask);
	return 0;
}

__thread enum fs_op fs_op_now = FS_OP_MAX_;
__thread int fs_err_now;

const char *fs_op_name(enum fs_op op)
{
#define X(name) #name,
	static const char *const names[FS_OP_MAX_ + 1] = { FS_OPS(X) "other" };
#undef X

	return names[op];
}

uint64_t fs_requests(const struct fs *fs)
{
	uint64_t n = 0;

	for (size_t i = 0; i < FS_OP_MAX_; i++)
		n += atomic_load_explicit(&fs->requests[i], memory_order_relaxed);
	return n;
}

/* ---- upcalls ---- */

uint32_t fs_exec_going(void *ctx, const char *name)
{
	return notify_going(((struct fs *)ctx)->notify, FUSE_ROOT_ID, name);
}

void fs_exec_stays(void *ctx, uint32_t going)
{
	notify_stays(((struct fs *)ctx)->notify, going);
}

void fs_exec_gone(void *ctx, struct execution *e, const char *name, uint32_t going)
{
	struct fs *fs = ctx;

	bool is_dir = strcmp(name, e->id) == 0;
	uint64_t dir = is_dir ? node_released_dir(fs, e) : 0; /* first: then nobody finds it */

	if (rule_is_id(name))
		node_detach(fs, name);
	if (is_dir)
		prune_released(fs, e, dir);
	notify_gone(fs->notify, FUSE_ROOT_ID, name, going);
}

void fs_exec_vanish(void *ctx, struct execution *e)
{
	node_vanish(ctx, e);
}

struct changed {
	struct fs *fs; /* borrowed */
	uint64_t ino;
	struct handle handle;
};

static bool tell_changed(void *arg, struct fuse_session *session)
{
	_cleanup_free_ struct changed *c = arg;
	struct inode *inode = session ? itable_peek(c->fs->itable, c->ino, &c->handle) : NULL;

	FAULT_HANG("links-told");
	if (inode) {
		fs_attributes_changed(c->fs, itable_nodeid(c->fs->itable, inode));
		itable_unref(c->fs->itable, inode);
	}
	return false;
}

void fs_name_gone(void *ctx, uint64_t ino, const struct handle *h)
{
	struct fs *fs = ctx;
	struct changed *c = malloc(sizeof(*c));

	if (!c)
		return; /* the kernel shows one link too many until it asks again */
	*c = (struct changed){ .fs = fs, .ino = ino, .handle = *h };
	if (notify_slowly(fs->notify, tell_changed, c) < 0)
		free(c);
}

/*
 * Attributes and cached listing of the root. This takes no lock in the kernel that a waiting client could
 * hold, so any thread may send it, and before its reply.
 */
void fs_root_changed(void *ctx)
{
	struct fs *fs = ctx;

	lock_assert_none();
	if (fs->session)
		(void)fuse_lowlevel_notify_inval_inode(fs->session, FUSE_ROOT_ID, 0,
						       0); /* -ENOENT: not cached */
}

void fs_exec_dir_changed(void *ctx, const char *id)
{
	struct fs *fs = ctx;
	uint64_t nodeid = node_auto_dir(fs, id);

	fs_root_changed(fs);
	if (nodeid)
		fs_attributes_changed(fs, nodeid);
}

void fs_attributes_changed(struct fs *fs, uint64_t nodeid)
{
	lock_assert_none();
	if (fs->session)
		(void)fuse_lowlevel_notify_inval_inode(fs->session, nodeid, -1,
						       0); /* -ENOENT: not cached */
}

void fs_status(void *ctx, json_t *object)
{
	struct fs *fs = ctx;
	json_t *requests = json_object();
	struct statvfs sv;

	for (size_t i = 0; i < FS_OP_MAX_; i++)
		(void)json_object_set_new(requests, fs_op_name((enum fs_op)i),
					  json_integer((json_int_t)atomic_load(&fs->requests[i])));
	(void)json_object_set_new(object, "requests", requests);
	(void)json_object_set_new(object, "opens",
				  json_pack("{s:I,s:I}", "passthrough",
					    (json_int_t)atomic_load(&fs->opens_passthrough),
					    "daemon", (json_int_t)atomic_load(&fs->opens_daemon)));
	(void)json_object_set_new(object, "slow", json_integer((json_int_t)atomic_load(&fs->slow)));
	(void)json_object_set_new(object, "refreshed",
				  json_integer((json_int_t)atomic_load(&fs->refreshed)));
	(void)json_object_set_new(object, "passthrough", json_boolean(fs->config.passthrough));
	(void)json_object_set_new(object, "passthrough_why", json_string(fs->passthrough_why));
	(void)json_object_set_new(object, "inodes_known",
				  json_integer((json_int_t)itable_count(fs->itable)));
	(void)json_object_set_new(object, "control_nodes_known",
				  json_integer((json_int_t)control_count(fs->control)));
	(void)json_object_set_new(object, "started",
				  json_real((double)(fs->start_real_ns / NS_PER_MS) / 1e3));
	if (fstatvfs(fs->store->fd, &sv) == 0) {
		(void)json_object_set_new(object, "size",
					  json_integer((json_int_t)(sv.f_blocks * sv.f_frsize)));
		(void)json_object_set_new(object, "free",
					  json_integer((json_int_t)(sv.f_bavail * sv.f_frsize)));
	}
}
