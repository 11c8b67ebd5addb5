/* SPDX-License-Identifier: MIT */
/*
 * The options: one table, from which -o, the configuration file, the environment, `baton config`, --help and the error
 * messages are made. An option is a field of struct config. Whatever option_format() writes, option_parse() reads.
 */
#ifndef OPTION_H
#define OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config.h"

enum option_type {
	OPTION_DURATION, /* int64_t, nanoseconds; "never" is INT64_MAX */
	OPTION_BOOL,	 /* bool; the bare name means on */
	OPTION_CHOICE,	 /* int: the position in `choices` */
	OPTION_COUNT,	 /* uint64_t within min and max; `unset` is 0 */
	OPTION_SIZE,	 /* uint64_t, bytes, within min and max; K, M, G, T; `unset` is 0 */
	OPTION_ID,	 /* uint32_t; `unset` is UINT32_MAX */
	OPTION_MODE,	 /* uint32_t, octal, up to max; `unset` is UINT32_MAX */
	OPTION_MARK,	 /* struct room_mark; "never" or `unset`: not set */
	OPTION_TEXT,	 /* char[max] */
	OPTION_ADDRESS,	 /* char[ADDRESS_TEXT_MAX], util/address.h; `unset` is "" */
	OPTION_FLAG, /* a word of mount(8)'s: sets the bool of another option to `min`; takes no value */
};

struct option {
	const char *name;
	enum option_type type;
	size_t offset;
	uint64_t min;
	uint64_t max;
	const char *choices; /* OPTION_CHOICE: "auto|off|on" */
	const char *unset;   /* the word for "nothing is said"; NULL: there is none */
	const char *initial; /* the default, as a value */
	bool live;	     /* can be changed while mounted */
	const char *help;    /* "VALUE  what it does"; NULL for an OPTION_FLAG */
};

/* The i-th; NULL: there are no more. */
const struct option *option_at(size_t i);
/* NULL: there is none. */
const struct option *option_find(const char *name);
/* Of the option whose field it sets: its own position, unless it is an OPTION_FLAG. */
size_t option_index(const struct option *o);

/* A value, or NULL for the bare name, into `c`. 0, -EINVAL (not of the form), -ERANGE. */
int option_parse(const struct option *o, const char *value, struct config *c) WARN_UNUSED;
/* Its value in `c`; returns buf. */
const char *option_format(const struct option *o, const struct config *c, char *buf, size_t len);

/* Set every option of `c` to its default. */
void option_defaults(struct config *c);

/* "BATONFS_TTL"; returns buf. */
const char *option_variable(const struct option *o, char *buf, size_t len);

#endif
