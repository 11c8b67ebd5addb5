/* SPDX-License-Identifier: MIT */
/*
 * What each request was, in words: a line in .baton/accesslog (accesslog.h) if that is read, and one in the log if it took
 * longer than slow=. The words are made of the kernel's message before it is served, since the inode may be forgotten
 * after; for what turns out to be slow, after. While nobody reads, a request costs a relaxed load and a comparison.
 *
 *     2026-11-29T10:17:58.123456Z pid=77 uid=1000 op=open result=ok took=0.000012 exec=4711 for=read path="/4711/in.bin"
 *
 * Not told: FORGET and INTERRUPT, which nobody asked for; what libfuse answers; reads of the accesslog.
 */
#ifndef FUSE_ACCESS_H
#define FUSE_ACCESS_H

#include "fuse/accesslog.h"
#include "fuse/fs.h"

/* Longest text about a request, bytes. Source: ACCESSLOG_LINE_MAX less what stands before. */
#define ACCESS_WHAT_MAX 800

struct access_record {
	int64_t begun_real_ns; /* 0: nobody read then */
	int64_t later_mono_ns; /* when it was put off */
	bool waits;	       /* it is no slow one, however long it takes */
	enum fs_op op;
	uint32_t uid;
	uint32_t tid; /* the kernel names threads; 0: it acts for nobody */
	char what[ACCESS_WHAT_MAX];
};

/* What this thread serves; a thread's own, as fs_op_now is. */
struct access_now {
	const void *message; /* NULL: not told of */
	size_t len;
	bool told; /* `record` is filled, for those who read */
	struct access_record record;
};

extern __thread struct access_now access_now;

/* For those below. */
void access_describe(struct fs *fs);
void access_tell(struct fs *fs, int64_t took_ns);

/* A message of `len` bytes is about to be served; it stays until access_end(). */
static inline void access_begin(struct fs *fs, const void *message, size_t len)
{
	access_now.message = message;
	access_now.len = len;
	access_now.told = false;
	fs_err_now = 0;
	if (accesslog_is_read(fs->accesslog))
		access_describe(fs);
}

/* It has been served, in took_ns. */
static inline void access_end(struct fs *fs, int64_t took_ns)
{
	if (access_now.told || took_ns >= atomic_load_explicit(&fs->slow_ns, memory_order_relaxed))
		access_tell(fs, took_ns);
}

/* Nothing is to be told of this one. */
static inline void access_silent(void)
{
	access_now.message = NULL;
	access_now.told = false;
}

/*
 * This one is answered later: it is told of then, by access_answered(). `waits`: that it takes long is meant so, and not
 * slow. NULL: nothing is to be told.
 */
struct access_record *access_later(struct fs *fs, bool waits) WARN_UNUSED;

/* Frees the record; NULL does nothing. err: 0 or a negative errno. */
void access_answered(struct fs *fs, struct access_record *record, int err);

#endif
