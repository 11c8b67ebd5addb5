/* SPDX-License-Identifier: MIT */
/*
 * While a worker is replaced everybody waits for it, on a busy machine among many who do not. So what has to be done then
 * is done at URGENT_NICENESS. Where that is not permitted, or the process was given another niceness than 0, it is not.
 */
#ifndef TAKEOVER_URGENT_H
#define TAKEOVER_URGENT_H

#include <sys/types.h>

/*
 * Source: gets nine tenths of a CPU beside four busy loops; a real-time policy would stop others for seconds. Nobody
 * else's here: so it tells who is urgent.
 */
#define URGENT_NICENESS (-16)

/* The calling thread, and what it starts. */
void urgent_begin(void);

/*
 * And all of its session, against other sessions', where those are what the kernel shares the CPUs among (the programs of a
 * service have a control group of their own instead, whose weight is the administrator's). Until urgent_end() of some
 * process in the session.
 */
void urgent_session(void);

/*
 * A thread of this process that does little, but is waited for: it need not wait for the end of another's slice. Until
 * urgent_end(), if that is called.
 */
void urgent_soon(pid_t tid);

/* No thread of this process any more. */
void urgent_end(void);

/* A thread of another process that is to end; of whatever policy and niceness. */
void urgent_thread(pid_t tid);

#endif
