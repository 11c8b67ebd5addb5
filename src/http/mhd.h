/* SPDX-License-Identifier: MIT */
/*
 * libmicrohttpd, loaded by the one process that answers HTTP. If it were linked, it and the libraries for TLS behind it,
 * which nothing here uses, would be in every batonfs: half of its mappings, and half of the time in which an upgrade
 * executes the program (docs/takeover.md).
 */
#ifndef HTTP_MHD_H
#define HTTP_MHD_H

#include <microhttpd.h>

/* What is called of it. */
#define MHD_EACH_FUNCTION(X)                                                                       \
	X(add_response_header)                                                                     \
	X(create_response_from_buffer_with_free_callback_cls)                                      \
	X(destroy_response)                                                                        \
	X(get_connection_info)                                                                     \
	X(lookup_connection_value)                                                                 \
	X(queue_response)                                                                          \
	X(start_daemon)

#define MHD_MEMBER_(name) __typeof__(&MHD_##name) name;

/* Constant from mhd_load() on. */
extern struct mhd {
	MHD_EACH_FUNCTION(MHD_MEMBER_)
} mhd;

#undef MHD_MEMBER_

/* Load it, for as long as the process lasts. NULL, or what is wrong, as dlerror(3) says it. */
const char *mhd_load(void);

#endif
