/* SPDX-License-Identifier: MIT */
/*
 * From a request to its answer. All of it is done by libmicrohttpd's one thread.
 */
#ifndef HTTP_ANSWER_H
#define HTTP_ANSWER_H

#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>

#include "http/conns.h"
#include "http/mount_reader.h"

/* Bytes of answers that are on their way, at most: whoever asks for more hears 503. Source: a few of the longest. */
#define ANSWER_BYTES_MAX (4 * MOUNT_READER_MAX)

struct answers {
	struct conns *conns;
	struct mount_reader *reader;
	bool loopback; /* asked on this machine alone: whoever calls it anything else was led here (DNS rebinding) */
	size_t pending; /* bytes on their way */
};

/* A callback of libmicrohttpd's; `cls` is a struct answers. */
enum MHD_Result answer(void *cls, struct MHD_Connection *c, const char *url, const char *method,
		       const char *version, const char *data, size_t *data_size, void **seen);

#endif
