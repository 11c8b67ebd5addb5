/* SPDX-License-Identifier: MIT */
/*
 * One file at a time, per thread. The lock orders what both threads find out: whoever settles a file writes the hash
 * down before another file is settled, so the newest note about a file is about what it was sealed with last.
 */
#include "seal/sealer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>

#include "seal/hash.h"
#include "seal/work.h"
#include "store/boot.h"
#include "store/stub.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/lock.h"
#include "util/log.h"

/* Files that wait, at most. Source: 64 bytes each; what a busy second closes. */
#define CLOSED_QUEUE 8192

/* Questions that wait, at most. Source: far more than there are processes that would ask at once. */
#define ASKED_QUEUE 1024

/*
 * How long a closed file is left alone: the reader it was written for comes first; and its times are settled then.
 */
#define DELAY_NS (50 * NS_PER_MS)

/* Times this old cannot come again with a later change. Source: two ticks of 10 ms, the longest there are. */
#define SETTLED_NS (20 * NS_PER_MS)

/* What a thread of its own hashes if somebody asks. Source: some milliseconds. */
#define LARGE (UINT64_C(16) << 20)

/* Pieces between two looks at whether it is still of use. Source: 16 MiB. */
#define LOOK_PIECES (LARGE / HASH_PIECE)

/*
 * Holes that are hashed, at most: they cost as much time as bytes do, and nothing to make, so that one file of some
 * EiB would keep the thread busy for ever. Source: 0.1 s behind a close; some 7 s, and disk images, if somebody asks.
 */
#define HOLES_CLOSED (UINT64_C(1) << 30)
#define HOLES_ASKED (UINT64_C(64) << 30)

/* Hashes at hand. Source: as many files as are asked about shortly after their close; 72 KiB. */
#define RECENT 1024

/* How often a file is looked at again for who waits, while it is open for writing or written to. */
#define TRIES 8

/* How long after the first time; twice as long after each other. Together a quarter of a second. */
#define TRY_AGAIN_NS NS_PER_MS

/*
 * How often after its close, and how long after the first time, likewise. Source: 13 seconds in all; a virtual machine
 * stands still for some, and so does whoever has it open for a moment.
 */
#define TRIES_CLOSED 8
#define CLOSED_AGAIN_NS (50 * NS_PER_MS)

struct recent {
	uint64_t ino; /* 0: none */
	struct handle handle;
	uint8_t hash[HASH_SIZE];
};

/* A thread hashes a file: which one, and how far it is. For who looks; the thread itself sets it. */
struct hashing {
	_Atomic uint64_t ino; /* 0: none */
	_Atomic uint64_t bytes;
};

/* As many as there are threads; who asks is answered by the first that has it. */
enum { HASHING_LARGE, HASHING_ASKED, HASHING_CLOSED, HASHING_MAX_ };

struct sealer {
	/* Constant once files are closed. */
	struct sealer_config config;
	struct seal_upcalls up;
	bool rows_count;     /* what the ledger says of a file that is not sealed yet */
	struct work *closed; /* owned; NULL: only if asked */
	struct work *asked;  /* owned */
	struct work *large;  /* owned; asked for, and larger than LARGE */

	struct lock lock;	      /* rank LOCK_SEALED */
	struct recent recent[RECENT]; /* sealer.lock */

	struct hashing hashing[HASHING_MAX_];
	_Atomic uint64_t files;
	_Atomic uint64_t bytes;
	_Atomic uint64_t dropped;
};

/* One file on its way. */
struct attempt {
	struct sealer *sealer;
	const struct work_item *item;
	struct work *worker; /* whose thread this is */
	struct seal_claim claim;
	struct ledger_seal seal;
	int fd;		 /* while it is hashed */
	uint64_t pieces; /* so far */
	bool known;	 /* by the ledger: nothing to write down there */
};

/* ---- what is known ---- */

static struct recent *recent_locked(struct sealer *s, uint64_t ino)
{
	return &s->recent[ino % RECENT];
}

static void remember_locked(struct attempt *a)
{
	struct recent *e = recent_locked(a->sealer, a->item->ino);

	*e = (struct recent){ .ino = a->item->ino, .handle = a->item->handle };
	memcpy(e->hash, a->seal.xxh3, HASH_SIZE);
	if (!a->known)
		ledger_file_sealed(a->sealer->config.ledger, a->item->ino, &a->seal);
}

/* The hash of a sealed file. */
static int recall(struct attempt *a)
{
	struct sealer *s = a->sealer;
	const struct recent *e;
	int r;

	LOCK_SCOPE(&s->lock);
	e = recent_locked(s, a->item->ino);
	if (e->ino == a->item->ino && handle_equal(&e->handle, &a->item->handle)) {
		memcpy(a->seal.xxh3, e->hash, HASH_SIZE);
		return 0;
	}
	r = ledger_sync(s->config.ledger); /* the newest is to be in the row */
	return r < 0 ? r : ledger_seal(s->config.ledger, a->item->ino, &a->seal);
}

static int64_t to_ns(struct timespec ts)
{
	return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

static bool same_content(const struct ledger_seal *seal, const struct stat *st)
{
	return seal->size_bytes == (uint64_t)st->st_size && seal->mtime_ns == to_ns(st->st_mtim) &&
	       seal->ctime_ns == to_ns(st->st_ctim);
}

/* ---- hashing ---- */

static struct hashing *hashing_of(const struct attempt *a)
{
	struct sealer *s = a->sealer;

	if (a->worker == s->large)
		return &s->hashing[HASHING_LARGE];
	return &s->hashing[a->worker == s->asked ? HASHING_ASKED : HASHING_CLOSED];
}

/* ino 0: no longer. */
static void hashing_is(const struct attempt *a, uint64_t ino)
{
	struct hashing *h = hashing_of(a);

	atomic_store_explicit(&h->ino, 0, memory_order_release);
	atomic_store_explicit(&h->bytes, 0, memory_order_release);
	atomic_store_explicit(&h->ino, ino, memory_order_release);
}

bool sealer_hashed(struct sealer *s, uint64_t ino, uint64_t *ret_bytes)
{
	for (size_t i = 0; i < HASHING_MAX_; i++) {
		const struct hashing *h = &s->hashing[i];

		if (atomic_load_explicit(&h->ino, memory_order_acquire) != ino)
			continue;
		*ret_bytes = atomic_load_explicit(&h->bytes, memory_order_relaxed);
		return true;
	}
	return false;
}

static bool is_wanted(const struct work_item *item)
{
	return !item->wanted || item->wanted(item->arg);
}

/* Who has given up behind a large file is not kept waiting for the end of it. */
static void send_away(struct work *w)
{
	struct work_item item;

	while (work_take_unwanted(w, &item))
		item.done(item.arg, -EINTR, NULL);
}

static bool is_of_use(struct attempt *a)
{
	const struct seal_upcalls *up = &a->sealer->up;
	struct stat st;

	send_away(a->worker);
	if (!is_wanted(a->item))
		return false;
	if (work_is_ending(a->worker) || fstat(a->fd, &st) < 0 || st.st_nlink == 0)
		return false;
	return up->is_closed(up->ctx, a->item->ino, &a->item->handle);
}

static bool may_go_on(void *ctx)
{
	struct attempt *a = ctx;
	bool may;

	work_rest(a->worker);
	atomic_fetch_add_explicit(&hashing_of(a)->bytes, HASH_PIECE, memory_order_relaxed);
	if (++a->pieces % LOOK_PIECES != 0)
		return true;
	work_hurry(a->worker, true);
	may = is_of_use(a);
	work_hurry(a->worker, false);
	return may;
}

/*
 * The content of a stub is its blob's. While fd is open for reading it does not become one; and if it ceases to be
 * one, for somebody who is about to write, the claim is broken. -ENODATA: it is none.
 */
static int open_blob(struct sealer *s, int fd, const struct stat *st)
{
	struct blob_name name;
	int r = stub_get(fd, (uint64_t)st->st_size, &name);

	if (r == 0)
		return blob_open(s->config.store->blobs, &name);
	return r == -ESTALE ? -ENODATA : r;
}

/* -EFBIG: for another thread, which has the time for it. -EOVERFLOW: for none. */
static int check_work(const struct attempt *a, int fd)
{
	const struct sealer *s = a->sealer;
	uint64_t most = a->worker == s->closed ? HOLES_CLOSED : HOLES_ASKED;
	uint64_t bytes;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	bytes = (uint64_t)st.st_blocks * 512;
	if ((uint64_t)st.st_size > bytes && (uint64_t)st.st_size - bytes > most)
		return -EOVERFLOW;
	return a->worker == s->asked && (uint64_t)st.st_size > LARGE ? -EFBIG : 0;
}

/* Fill in a->seal. The file is claimed. */
static int learn(struct attempt *a)
{
	struct sealer *s = a->sealer;
	_cleanup_close_ int fd = store_open_handle(s->config.store, &a->item->handle,
						   O_RDONLY | O_NONBLOCK | O_NOATIME);
	_cleanup_close_ int blob = -1;
	int64_t now = clock_ns(CLOCK_REALTIME);
	struct stat st;
	uint64_t bytes;
	int r;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (s->rows_count && ledger_seal(s->config.ledger, a->item->ino, &a->seal) == 0 &&
	    same_content(&a->seal, &st)) {
		a->known = true;
		return 0;
	}
	blob = open_blob(s, fd, &st);
	if (blob < 0 && blob != -ENODATA)
		return blob;
	r = check_work(a, blob < 0 ? fd : blob);
	if (r < 0)
		return r;
	a->fd = fd;
	work_hurry(a->worker,
		   false); /* no longer than for this: all else takes locks of the front's */
	hashing_is(a, a->item->ino);
	r = hash_fd(blob < 0 ? fd : blob, may_go_on, a, a->seal.xxh3, &bytes);
	hashing_is(a, 0);
	work_hurry(a->worker, true);
	if (r < 0)
		return r;
	a->seal.size_bytes = (uint64_t)st.st_size;
	a->seal.mtime_ns = to_ns(st.st_mtim);
	a->seal.ctime_ns = to_ns(st.st_ctim);
	if (now - MAX_OF(a->seal.mtime_ns, a->seal.ctime_ns) < SETTLED_NS)
		a->seal.ctime_ns = -1;
	atomic_fetch_add(&s->files, 1);
	atomic_fetch_add(&s->bytes, bytes);
	return bytes == (uint64_t)st.st_size ? 0 : -EAGAIN;
}

static int settle(struct attempt *a, int err)
{
	struct sealer *s = a->sealer;

	LOCK_SCOPE(&s->lock);
	if (!s->up.settle(s->up.ctx, &a->claim, err == 0))
		return err < 0 ? err : -EAGAIN;
	if (err == 0)
		remember_locked(a);
	return err;
}

/* Its hash is written down. */
static void tell(struct attempt *a)
{
	const struct sealer_config *c = &a->sealer->config;

	if (c->sealed)
		c->sealed(c->ctx, a->item->ino, &a->item->handle, a->seal.size_bytes);
}

static int try_once(struct attempt *a)
{
	struct sealer *s = a->sealer;
	int r = s->up.claim(s->up.ctx, a->item->ino, &a->item->handle, &a->claim);

	if (r < 0)
		return r;
	if (a->claim.sealed && (!a->item->done || recall(a) == 0)) {
		(void)s->up.settle(s->up.ctx, &a->claim, false);
		return 0;
	}
	r = settle(a, learn(a));
	if (r == 0)
		tell(a);
	return r;
}

/* What may be over in a while. -EAGAIN: written to meanwhile; whoever did closes it. */
static bool is_passing(int err)
{
	return err == -EBUSY || err == -ENOMEM || err == -EMFILE || err == -ENFILE || err == -EIO;
}

static void seal_closed_file(void *ctx, const struct work_item *item)
{
	struct sealer *s = ctx;
	struct attempt a = { .sealer = s, .item = item, .worker = s->closed };
	struct work_item again = *item;
	int r;

	r = try_once(&a);
	/* If nobody has it open for writing, a last reference is still on its way to the kernel's end of it. */
	again.tries++;
	if (is_passing(r) && again.tries <= TRIES_CLOSED &&
	    s->up.is_closed(s->up.ctx, item->ino, &item->handle) &&
	    work_put_later(s->closed, &again, CLOSED_AGAIN_NS << item->tries))
		r = 0;
	if (r < 0)
		log_debug("seal ino=%llu error=%s, not hashing it now",
			  (unsigned long long)item->ino, log_errname(r));
}

static void answer(struct sealer *s, struct work *worker, const struct work_item *item)
{
	struct attempt a = { .sealer = s, .item = item, .worker = worker };
	struct work_item again = *item;
	int r = is_wanted(item) ? try_once(&a) : -EINTR;

	if (r == -EFBIG && work_put(s->large, item))
		return;
	if (r == -ECANCELED && !is_wanted(item))
		r = -EINTR;
	if (r == -EAGAIN || (r == -ECANCELED && !work_is_ending(worker)))
		r = -EBUSY; /* written to meanwhile */
	again.tries++;
	if (r == -EBUSY && again.tries <= TRIES &&
	    work_put_later(worker, &again, TRY_AGAIN_NS << item->tries))
		return;
	if (r == -EFBIG)
		r = -EAGAIN; /* too many ask */
	if (r == -EOVERFLOW)
		r = -EFBIG;
	item->done(item->arg, r, r < 0 ? NULL : a.seal.xxh3);
}

static void seal_asked_file(void *ctx, const struct work_item *item)
{
	struct sealer *s = ctx;

	answer(s, s->asked, item);
}

static void seal_large_file(void *ctx, const struct work_item *item)
{
	struct sealer *s = ctx;

	answer(s, s->large, item);
}

static void drop_asked(void *ctx, const struct work_item *item)
{
	(void)ctx;
	item->done(item->arg, -ECANCELED, NULL);
}

/* ---- the object ---- */

static uint64_t traffic(void *ctx)
{
	struct sealer *s = ctx;

	return s->up.traffic ? s->up.traffic(s->up.ctx) : 0;
}

static int make_workers(struct sealer *s)
{
	struct work_config closed = {
		.capacity = CLOSED_QUEUE,
		.idle = true,
		.traffic = traffic,
		.delay_ns = DELAY_NS,
		.one = seal_closed_file,
		.ctx = s,
	};
	struct work_config asked = {
		.capacity = ASKED_QUEUE,
		.one = seal_asked_file,
		.dropped = drop_asked,
		.ctx = s,
	};
	int r = work_new(&asked, &s->asked);

	asked.one = seal_large_file;
	if (r == 0)
		r = work_new(&asked, &s->large);
	if (r == 0 && s->config.after_close)
		r = work_new(&closed, &s->closed);
	return r;
}

int sealer_new(const struct sealer_config *config, struct sealer **ret)
{
	struct sealer *s = calloc(1, sizeof(*s));
	bool times_tell =
		boot_is_same(config->store->fd) && strcmp(config->store->filesystem, "tmpfs") != 0;
	int r;

	if (!s)
		return -ENOMEM;
	s->config = *config;
	s->rows_count = config->clean && times_tell;
	lock_init(&s->lock, LOCK_SEALED);
	if (!s->rows_count) /* nor are they to count next time */
		ledger_seals_forget(config->ledger);
	r = make_workers(s);
	if (r < 0) {
		sealer_free(s);
		return r;
	}
	*ret = s;
	return 0;
}

void sealer_set_upcalls(struct sealer *s, const struct seal_upcalls *up)
{
	s->up = *up;
}

int sealer_start(struct sealer *s)
{
	int r = work_start(s->asked);

	if (r == 0)
		r = work_start(s->large);
	return r < 0 ? r : work_start(s->closed);
}

void sealer_end_closed(struct sealer *s)
{
	work_end(s->closed);
}

void sealer_end(struct sealer *s)
{
	sealer_end_closed(s);
	work_end(s->asked);
	work_end(s->large);
}

void sealer_free(struct sealer *s)
{
	if (!s)
		return;
	work_free(s->closed);
	work_free(s->asked);
	work_free(s->large);
	lock_done(&s->lock);
	free(s);
}

void sealer_closed(struct sealer *s, uint64_t ino, const struct handle *h, uint64_t size_bytes)
{
	struct work_item item = { .ino = ino, .handle = *h };

	if (!s->closed || size_bytes < SEALER_MIN)
		return;
	if (!work_put(s->closed, &item))
		atomic_fetch_add_explicit(&s->dropped, 1, memory_order_relaxed);
}

int sealer_ask(struct sealer *s, uint64_t ino, const struct handle *h,
	       const struct sealer_asker *asker)
{
	struct work_item item = {
		.ino = ino,
		.handle = *h,
		.done = asker->done,
		.wanted = asker->wanted,
		.arg = asker->arg,
	};

	if (work_put(s->asked, &item))
		return 0;
	return work_is_ending(s->asked) ? -ECANCELED : -EAGAIN;
}

void sealer_count(struct sealer *s, struct sealer_counts *ret)
{
	*ret = (struct sealer_counts){ .files = atomic_load(&s->files),
				       .bytes = atomic_load(&s->bytes),
				       .dropped = atomic_load(&s->dropped) };
}
