/* SPDX-License-Identifier: MIT */
#include "fuse/caller.h"

#include <errno.h>
#include <stdio.h>

#include "util/cleanup.h"

/* "Name:" and "Tgid:" of /proc/PID/status. */
static int read_status(pid_t pid, char comm[LEDGER_COMM_MAX], int *ret_tgid)
{
	char path[48];
	char line[128];
	_cleanup_fclose_ FILE *f = NULL;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "re");
	if (!f)
		return -errno;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "Tgid: %d", ret_tgid) == 1)
			return 0;
		if (sscanf(line, "Name:\t%15[^\n]", comm) == 1)
			continue;
	}
	return -ENODATA;
}

void caller_get(fuse_req_t req, struct ledger_owner *ret)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);
	int tgid;

	*ret = (struct ledger_owner){ .uid = ctx->uid, .gid = ctx->gid, .pid = ctx->pid };
	if (ctx->pid <= 0 || read_status(ctx->pid, ret->comm, &tgid) < 0 || tgid == ctx->pid)
		return;
	ret->pid = tgid;
	(void)read_status(tgid, ret->comm, &tgid);
}

void caller_as_maker(struct fs *fs, fuse_req_t req, struct ledger_owner *ret)
{
	caller_get(req, ret);
	if (fs->config.uid != (uid_t)-1)
		ret->uid = fs->config.uid;
	if (fs->config.gid != (gid_t)-1)
		ret->gid = fs->config.gid;
}
