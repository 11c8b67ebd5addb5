/* SPDX-License-Identifier: MIT */
/*
 * With `privacy`: whom a name at the top of the tree is for. A directory is for its execution's owner, everything else,
 * and what names no execution, for the owner of the file; whoever owns the directory itself sees it, too. n8n's
 * directory is for all.
 *
 * The kernel's cache of names knows no users. So it asks for a name at the top each time that somebody walks through it
 * (private_name_seconds()), and whoever may not know of it is answered ENOMEM: of all errors it is the one that lets the
 * kernel keep the name for the others. After any other one it takes the name from its cache: its owner's getcwd(2) fails,
 * and what is mounted below goes, because a stranger looked (d_invalidate() in fuse_dentry_revalidate(), fs/fuse/dir.c).
 *
 * That is for names. Contents are kept from others by modes (0700 and 0600, see config_fmask()), which the kernel checks,
 * however somebody has come by a descriptor.
 *
 * A virtual directory is nobody's, and everybody may have it open: when it becomes somebody's, the others' descriptors
 * lead into it. What they ask there is refused here (private_check_dir()), and so that they must ask, names in it are
 * kept for no time either: its modes may let others in.
 */
#ifndef FUSE_PRIVATE_H
#define FUSE_PRIVATE_H

#include "fuse/target.h"

static inline bool private_is_on(const struct fs *fs)
{
	return __builtin_expect(fs->config.privacy, false);
}

/* How long the kernel may keep a name of `dir`, seconds; `place` is what has the name. */
static inline double private_name_seconds(const struct fs *fs, const struct inode *dir,
					  enum place place)
{
	if (private_is_on(fs) && place != PLACE_N8N &&
	    (dir->place == PLACE_ROOT || atomic_load(&dir->flags) & INODE_AUTO))
		return 0;
	return CACHE_SECONDS;
}

/* The rest is to be called only if it is on. */

/* Something is to be done in the directory. 0, or -EACCES. */
int private_check_dir(struct fs *fs, fuse_req_t req, struct inode *dir) WARN_UNUSED;

/* What was found at the top: 0, or -ENOMEM, and the lookup that was counted for it is given back. */
int private_check_entry(struct fs *fs, fuse_req_t req, const struct fuse_entry_param *e)
	WARN_UNUSED;

/* `name` is to be made or changed. 0, or -EACCES. */
int private_check_target(struct fs *fs, fuse_req_t req, const struct target *t, const char *name)
	WARN_UNUSED;

/* Whether the caller sees `name` in a listing of the top, which is open as `fd`. */
bool private_lists(struct fs *fs, fuse_req_t req, int fd, const char *name);

/* A virtual directory was made real: let the kernel forget what everybody might do there. Before the reply. */
void private_made(struct fs *fs, const struct inode *dir);

#endif
