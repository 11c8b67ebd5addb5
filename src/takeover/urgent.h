/* SPDX-License-Identifier: MIT */
/*
 * While a worker is replaced everybody waits for it, on a busy machine among many who do not. So what has to be done then
 * is done at URGENT_NICENESS; and who is only to be told of it, or to end, or to start, does that in real time. Where that
 * is not permitted, or the process was given another niceness than 0, it is not.
 *
 * Niceness is not enough for those. Whoever has had more than his share of a CPU lately has to wait until the others there
 * have had theirs, however heavy he is (EEVDF: he is not eligible), and that is a daemon with many clients, all of it if
 * its session is a group. Nor does who runs there give way to him before the next tick. That was 10 ms, twice, of one kill
 * in ten.
 */
#ifndef TAKEOVER_URGENT_H
#define TAKEOVER_URGENT_H

#include <stdbool.h>
#include <sys/types.h>

#include "util/clock.h"

/*
 * Source: gets nine tenths of a CPU beside four busy loops, most of the time. Nobody else's here: so it tells who is urgent.
 */
#define URGENT_NICENESS (-16)

/* The calling thread, and what it starts. */
void urgent_begin(void);

/*
 * The calling process starts, or is about to fork one that does, and everybody waits for that: its threads are in real time, but
 * each for URGENT_START_NS without a sleep only, and urgent_begin() after that. To be called while it has one thread; takes
 * SIGXCPU and RLIMIT_RTTIME.
 */
void urgent_start(void);

/* The calling thread is not to be interrupted by that: no time in real time is too long for it. */
void urgent_uninterrupted(void);

/* For an end as well. Source: a start takes 8 ms of CPU time, and 100 if a million files are looked at. */
#define URGENT_START_NS (50 * NS_PER_MS)

/*
 * And all of the session of `pid`, against other sessions', where those are what the kernel shares the CPUs among (the programs
 * of a service have a control group of their own instead, whose weight is the administrator's). Until urgent_end() of some
 * process in the session.
 */
void urgent_session(pid_t pid);

/*
 * A thread of this process that does little, but is waited for: it need not wait for the end of another's slice. Until
 * urgent_end(), if that is called.
 */
void urgent_soon(pid_t tid);

/* No thread of this process any more, nor its session. */
void urgent_end(void);

/* All threads that the calling process has but the calling one, of whatever policy and niceness: it is to end soon. */
void urgent_process(void);

/* The same, and everybody waits for that: as urgent_start() for each of them. */
void urgent_stop(void);

/* A thread of another process that is to end, likewise; in real time, unless that takes long, as a large copy does. */
void urgent_thread(pid_t tid, bool takes_long);

/*
 * The calling thread does nothing but wait from now on, until urgent_begin() or urgent_wait_end(): in real time, so that it is
 * woken, or dies, at once; and what it does when it is woken is done so, too. What it starts is as others are. It must not collect
 * processes that have ended meanwhile: the kernel drops all that /proc has shown of them, and spins until a thread has gone on that is
 * doing that for itself, which it could not. (A name of a thread in /proc is taken away by that thread first, so it may be looked at.)
 */
void urgent_wait(void);
void urgent_wait_end(void);

#endif
