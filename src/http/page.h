/* SPDX-License-Identifier: MIT */
/*
 * The page: status.html, which is compiled in.
 */
#ifndef HTTP_PAGE_H
#define HTTP_PAGE_H

#include <stddef.h>

#include "util/macro.h"

/* Letters of a nonce, with its NUL. Source: 128 bits (Content Security Policy Level 3, 7.1), in hexadecimal. */
#define PAGE_NONCE_MAX 33

/* A new one. 0 or -errno. */
int page_nonce(char nonce[PAGE_NONCE_MAX]) WARN_UNUSED;

/* The page, whose own style and script bear this nonce; malloc()ed. -ENOMEM. */
int page_text(const char *nonce, char **ret, size_t *ret_len) WARN_UNUSED;

#endif
