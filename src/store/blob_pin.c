/* SPDX-License-Identifier: MIT */
/*
 * A small table of the blobs that somebody needs for the moment, and of those that are about to go.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "store/blob_table.h"
#include "store/draft.h"
#include "util/cleanup.h"
#include "util/fault.h"

struct blob_held **blob_find_locked(struct blobs *b, const struct blob_name *name)
{
	uint32_t sum = 5381;
	struct blob_held **at;

	for (const char *c = name->text; *c; c++)
		sum = sum * 33 + (unsigned char)*c;
	for (at = &b->chains[sum % BLOB_CHAINS]; *at; at = &(*at)->next) {
		if (blob_name_equal(&(*at)->name, name))
			break;
	}
	return at;
}

void blob_let_go_locked(struct blob_held **at)
{
	struct blob_held *h = *at;

	if (h->pins > 0 || h->doomed || h->leaving)
		return;
	*at = h->next;
	free(h);
}

struct blob_held *blob_hold_locked(struct blobs *b, const struct blob_name *name)
{
	struct blob_held **at = blob_find_locked(b, name);

	if (*at)
		return *at;
	*at = calloc(1, sizeof(**at));
	if (*at)
		(*at)->name = *name;
	return *at;
}

void blob_forget_all(struct blobs *b)
{
	for (int i = 0; i < BLOB_CHAINS; i++) {
		while (b->chains[i]) {
			struct blob_held *h = b->chains[i];

			b->chains[i] = h->next;
			free(h);
		}
	}
}

int blob_pin(struct blobs *b, const struct blob_name *name)
{
	struct blob_held *h;

	LOCK_SCOPE(&b->lock);
	h = blob_hold_locked(b, name);
	if (!h)
		return -ENOMEM;
	h->doomed = false;
	h->pins++;
	return 0;
}

void blob_unpin(struct blobs *b, const struct blob_name *name)
{
	struct blob_held **at;

	LOCK_SCOPE(&b->lock);
	at = blob_find_locked(b, name);
	if (*at && --(*at)->pins == 0)
		blob_let_go_locked(at);
}

bool blob_is_pinned(struct blobs *b, const struct blob_name *name)
{
	struct blob_held **at;

	LOCK_SCOPE(&b->lock);
	at = blob_find_locked(b, name);
	return *at && (*at)->pins > 0;
}

int blob_doom(struct blobs *b, const struct blob_name *name)
{
	struct blob_held *h;

	LOCK_SCOPE(&b->lock);
	h = blob_hold_locked(b, name);
	if (!h)
		return -ENOMEM;
	if (h->pins > 0 || h->leaving)
		return -EBUSY;
	h->doomed = true;
	return 0;
}

/* From where it is, or both. The space is given back when `ret_away` is closed, which may take a while on a disk. */
static int unlink_locked(struct blobs *b, const struct blob_name *name, int *ret_away)
{
	int r;

	if (draft_is(name)) {
		*ret_away = draft_open(b, name, O_PATH);
		draft_remove(b, name);
		return 0;
	}
	r = FAULT_CALL("blob-unlink", unlinkat(b->dirfd, name->text, 0)) < 0 ? -errno : 0;

	if (b->away_fd < 0 || (r < 0 && r != -ENOENT))
		return r;
	*ret_away = openat(b->away_fd, name->text, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (unlinkat(b->away_fd, name->text, 0) < 0)
		return errno == ENOENT ? r : -errno;
	atomic_fetch_sub(&b->away_blobs, 1);
	atomic_fetch_sub(&b->away_bytes, blob_name_bytes(name));
	return 0;
}

int blob_remove_doomed(struct blobs *b, const struct blob_name *name)
{
	_cleanup_close_ int away = -1; /* closed when the lock is dropped */
	struct blob_held **at;

	LOCK_SCOPE(&b->lock);
	at = blob_find_locked(b, name);
	if (!*at || !(*at)->doomed)
		return -EBUSY;
	(*at)->doomed = false;
	blob_let_go_locked(at);
	FAULT_POINT("blob-doomed");
	return unlink_locked(b, name, &away);
}

void blob_spare(struct blobs *b, const struct blob_name *name)
{
	struct blob_held **at;

	LOCK_SCOPE(&b->lock);
	at = blob_find_locked(b, name);
	if (!*at)
		return;
	(*at)->doomed = false;
	blob_let_go_locked(at);
}
