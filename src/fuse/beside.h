/* SPDX-License-Identifier: MIT */
/*
 * Serving on the client's own CPU. The kernel wakes who has been answered where nothing runs: on another CPU than that
 * of the reader, which has its caches and is awake. But a CPU that runs nothing but threads of idle policy counts as one
 * where nothing runs. So while one client asks in quick succession, the reader is of that policy and held on the client's
 * CPU: the client is woken there and displaces it, and when it sleeps in its next request, the reader goes on. Two
 * switches a request, and no CPU has to be woken.
 *
 * Whoever else wants that CPU would let the reader starve. So a thread, the watch, looks after it (TICK_NS): a reader that
 * has made no way is as it was before, and stays so for a while if requests were waiting. The watch makes it what it is to
 * be, too; only after a client that has gone to another CPU the reader goes itself, and not before it has answered.
 *
 *          one client, request after request           the watch
 *      OFF --------------------------------> WANTED -----------------> ON
 *       ^ ^      not so any more               |                        |
 *       | +------------------------------------+                        | no way made, another client, more readers
 *       +------------------------------------------------ LEAVING <-----+
 *                           the watch
 *
 * One object, for the first of the readers; its calls are that thread's, but for new and free. It must start no threads,
 * which would be of its policy. Knows nothing of FUSE.
 */
#ifndef FUSE_BESIDE_H
#define FUSE_BESIDE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/macro.h"

struct beside;

/*
 * Requests wait in `device_fd` (borrowed) when it can be read. Starts the watch. 0, -ENOMEM, -EAGAIN, -EPERM: a thread that
 * is of idle policy may not be another one again here.
 */
int beside_new(int device_fd, struct beside **ret) WARN_UNUSED;
/* The reader is not changed any more, but by a look that is under way; it may be of idle policy. */
void beside_stop(struct beside *b);

/* The reader has ended, or not begun. beside_free(NULL) is a no-op. */
void beside_free(struct beside *b);

/*
 * The reader has a request of thread `client` (0: nobody waits for it), which it waited for from `asked_mono_ns` on. Alone:
 * nobody else reads. No allocation, no system call but for the first.
 */
void beside_began(struct beside *b, pid_t client, int64_t asked_mono_ns, bool alone);
/* It has answered that. Follows the client; a system call when something is to change. */
void beside_ended(struct beside *b);

/* Whether requests have come of one client at a time: then more readers are of no use. */
bool beside_has_one_client(const struct beside *b);

/* Whether it is so now: looking for the next request would only keep the client from running. */
bool beside_is_on(const struct beside *b);

#endif
