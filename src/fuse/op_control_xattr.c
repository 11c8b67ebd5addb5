/* SPDX-License-Identifier: MIT */
/*
 * Operations on user.baton.* attributes: what control/ needs to know of the file that is asked, and the reply for it. Who asks
 * for a hash is answered when the sealer has it.
 */
#include "fuse/op.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "baton/interface.h"
#include "fuse/access.h"
#include "fuse/content.h"
#include "fuse/node.h"
#include "fuse/node_exec.h"
#include "fuse/private.h"
#include "fuse/reply.h"
#include "store/blob_away.h"
#include "store/mark.h"
#include "util/clock.h"

struct file_ttl {
	struct fs *fs;
	struct inode *inode;
	struct execution *exec;
};

/* A lifetime of a file's own: in its mark first, then in the ledger. */
static int set_file_ttl(void *arg, int64_t ttl_ns)
{
	struct file_ttl *f = arg;
	struct dirref ref;
	struct stat st;
	int r = node_stat(f->fs, f->inode, &st);

	if (r == 0)
		r = node_get(f->fs, f->inode, &ref);
	if (r < 0)
		return r;
	atomic_store(&f->fs->own_ttls, true);
	r = ttl_ns == LEDGER_TTL_DEFAULT ? mark_clear(ref.fd, MARK_TTL)
					 : mark_set(ref.fd, MARK_TTL, ttl_ns);
	node_put(f->fs, &ref);
	if (r == 0)
		node_record(f->fs, f->inode, f->exec, (uint64_t)st.st_size, ttl_ns);
	return r;
}

/* When it was used last, by the wall clock: what is known, or when it was made or changed. */
static int64_t file_active_real_ns(struct fs *fs, struct inode *inode, const struct stat *st)
{
	int64_t touched = (int64_t)inode->touched_s * NS_PER_S;
	int64_t changed = st->st_ctim.tv_sec * NS_PER_S;

	if (touched)
		touched += clock_real_ns() - ledger_now_ns(fs->ledger);
	return MAX_OF(touched, changed);
}

/* Fill in what the attributes are asked of. The reference in s->exec is the caller's to give back. */
static int make_subject(struct fs *fs, struct inode *inode, struct control_subject *s,
			struct file_ttl *file)
{
	struct dirref ref;
	struct stat st;
	int64_t ttl;
	int r;

	*s = (struct control_subject){ .file_ttl_ns = LEDGER_TTL_DEFAULT };
	s->exec = node_exec(fs, inode);
	if (!s->exec)
		return -ENODATA; /* the root */
	r = node_stat(fs, inode, &st);
	if (r < 0)
		return r;
	s->uid = st.st_uid;
	s->is_file = S_ISREG(inode->mode);
	s->is_exec_dir = node_is_exec_dir(inode, s->exec);
	s->own_lifetime = atomic_load(&inode->flags) & INODE_TIMED;
	s->file_active_real_ns = file_active_real_ns(fs, inode, &st);
	if (s->is_file && s->own_lifetime && node_get(fs, inode, &ref) == 0) {
		if (mark_get(ref.fd, MARK_TTL, &ttl) == 0)
			s->file_ttl_ns = ttl;
		node_put(fs, &ref);
	}
	*file = (struct file_ttl){ .fs = fs, .inode = inode, .exec = s->exec };
	s->ctx = file;
	s->set_file_ttl = set_file_ttl;
	return 0;
}

/* Who waits for a hash. */
struct asker {
	fuse_req_t req;
	size_t size;		      /* of the buffer; 0: asks for the length only */
	struct access_record *record; /* owned */
	_Atomic bool interrupted;
};

/* Only notes it: the request is answered in one place. Until that is, he cannot even be killed. */
static void note_interrupt(fuse_req_t req, void *arg)
{
	struct asker *a = arg;

	(void)req;
	atomic_store(&a->interrupted, true);
}

static bool wants_hash(void *arg)
{
	struct asker *a = arg;

	return !atomic_load(&a->interrupted);
}

static void answer_hash(void *arg, int err, const uint8_t *hash)
{
	struct asker *a = arg;
	char text[HASH_TEXT_SIZE];

	if (err < 0 && atomic_load(&fs_of(a->req)->leaving))
		return;				     /* the next process is asked */
	fuse_req_interrupt_func(a->req, NULL, NULL); /* nor is it being called now */
	fs_op_now = FS_OP_getxattr;		     /* in the sealer's thread */
	access_answered(fs_of(a->req), a->record, err);
	if (err == 0) {
		hash_text(hash, text);
		reply_xattr(a->req, text, HASH_TEXT_SIZE - 1, a->size);
	} else {
		/* Open for writing, or gone meanwhile: there is none. */
		reply_err(a->req, err == -EBUSY || err == -ESTALE ? -ENODATA : err);
	}
	free(a);
}

static void ask_hash(fuse_req_t req, struct inode *inode, size_t size)
{
	struct asker *a = malloc(sizeof(*a));
	struct sealer_asker asker = { .done = answer_hash, .wanted = wants_hash, .arg = a };
	int r;

	if (!a) {
		reply_err(req, -ENOMEM);
		return;
	}
	*a = (struct asker){ .req = req, .size = size };
	a->record = access_later(fs_of(req), true); /* it takes as long as the file is large */
	fuse_req_interrupt_func(req, note_interrupt, a);
	r = seal_ask(fs_of(req)->seal, inode->ino, &inode->handle, &asker);
	if (r < 0)
		answer_hash(a, r, NULL);
}

/*
 * Whether a file is shared tells that somebody has the same content: its owner may know that of his own files, root of all
 * (in the scope of a mount, or of an execution, the other one may be somebody else's).
 */
static int ask_shared(fuse_req_t req, struct inode *inode, struct control_subject *s)
{
	struct fs *fs = fs_of(req);
	uid_t uid = fuse_req_ctx(req)->uid;
	struct blob_name blob;
	uint64_t refs;
	int r;

	if (uid != 0 && (uid != s->uid || fs->config.clone != FS_CLONE_OWN))
		return -EACCES;
	r = content_blob_of(fs, inode, &blob);
	if (r == 0 &&
	    blob_is_away(fs->store->blobs, &blob)) /* perhaps only because it was spilled */
		s->is_shared = ledger_blob_refs(fs->ledger, blob.text, &refs) == 0 && refs > 1;
	else
		s->is_shared = r == 0;
	return r == -ENODATA ? 0 : r;
}

static int ask_spilled(struct fs *fs, struct inode *inode, struct control_subject *s)
{
	struct blob_name blob;
	int r = blobs_have_away(fs->store->blobs) ? content_blob_of(fs, inode, &blob) : -ENODATA;

	s->is_spilled = r == 0 && blob_is_away(fs->store->blobs, &blob);
	return r == -ENODATA ? 0 : r;
}

void opc_getxattr(fuse_req_t req, struct inode *inode, const char *name, size_t size)
{
	struct fs *fs = fs_of(req);
	struct control_subject s;
	struct file_ttl file;
	char value[512];
	int r;

	if (S_ISREG(inode->mode) && strcmp(name, BATON_XATTR_PREFIX "xxh3") == 0) {
		ask_hash(req, inode, size);
		return;
	}
	r = make_subject(fs, inode, &s, &file);
	if (r == 0 && s.is_file && strcmp(name, BATON_XATTR_PREFIX "sealed") == 0)
		s.is_final = node_is_final(fs, inode);
	else if (r == 0 && s.is_file && strcmp(name, BATON_XATTR_PREFIX "shared") == 0)
		r = ask_shared(req, inode, &s);
	else if (r == 0 && s.is_file && strcmp(name, BATON_XATTR_PREFIX "spilled") == 0)
		r = ask_spilled(fs, inode, &s);
	else if (r == 0 && s.is_file && strcmp(name, BATON_XATTR_PREFIX "hashed") == 0)
		s.is_hashing = seal_hashed(fs->seal, inode->ino, &s.hashed_bytes);
	if (r == 0)
		r = control_xattr_get(fs->control, fuse_req_ctx(req)->uid, &s,
				      name + strlen(BATON_XATTR_PREFIX), value, sizeof(value));
	exec_unref(fs->execs, s.exec);
	if (r < 0)
		reply_err(req, r);
	else
		reply_xattr(req, value, (size_t)r, size);
}

void opc_setxattr(fuse_req_t req, struct inode *inode, const char *name, const char *value,
		  size_t size)
{
	struct fs *fs = fs_of(req);
	struct control_caller caller = opc_caller(req);
	struct control_subject s;
	struct file_ttl file;
	int r = make_subject(fs, inode, &s, &file);

	if (r == 0)
		r = control_xattr_set(fs->control, &s, &caller, name + strlen(BATON_XATTR_PREFIX),
				      value, size);
	exec_unref(fs->execs, s.exec);
	if (private_is_on(fs))
		private_made(fs, inode);
	/*
	 * Not behind the notifier: the kernel holds the inode's lock until we answer, an unlink of it holds its
	 * directory's and waits for that, and the notifier may be waiting for the directory's. Nothing that can be
	 * set here takes names away.
	 */
	reply_err(req, r == -ENODATA ? -EOPNOTSUPP : r);
}
