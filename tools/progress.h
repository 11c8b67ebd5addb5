/* SPDX-License-Identifier: MIT */
/*
 * How far something is, on standard error if that is a terminal: a line from the first second on, with the rate and the
 * time that is left, which is gone when it is done. Where the end is not known, how long it has taken instead.
 */
#ifndef TOOLS_PROGRESS_H
#define TOOLS_PROGRESS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct progress {
	bool wanted;
	bool told;
	const char *unit; /* "files", or NULL: bytes; borrowed */
	uint64_t whole;	  /* 0: not known */
	int64_t begin_mono_ns;
	int64_t next_mono_ns;
};

/* From now on nobody is told anything: what is printed is for programs. */
void progress_forbid(void);

/* Of so many bytes, or of what `unit` names. */
void progress_begin(struct progress *p, uint64_t whole, const char *unit);
void progress_at(struct progress *p, uint64_t done);
void progress_end(struct progress *p);

/* How far something is that others do. `unit` as above. */
struct progress_view {
	const char *what; /* "checking", constant text */
	const char *unit;
	uint64_t done;
	uint64_t whole; /* 0: not known */
};

/* False: it is not known, or not under way. Called by the clock's thread. */
typedef bool progress_look_fn(void *arg, struct progress_view *ret);

/*
 * What this program waits for, told by a thread of its own: how far it is if `look` knows ("checking: 1200 of 5000 files,
 * 900/s, 4 s left"), else how long it has taken ("checking: 3 s").
 */
struct progress_clock {
	const char *what;	/* borrowed */
	progress_look_fn *look; /* NULL: nobody knows */
	void *arg;		/* borrowed */
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool done; /* lock */
	bool running;
};

void progress_clock_begin(struct progress_clock *c, const char *what);
void progress_clock_look(struct progress_clock *c, const char *what, progress_look_fn *look,
			 void *arg);
void progress_clock_end(struct progress_clock *c);

#endif
