/* SPDX-License-Identifier: MIT */
/*
 * What include/baton/interface.h calls "an execution" and so on, as JSON. Functions that return
 * json_t return a new reference, or NULL without memory; what is made from a NULL is NULL, so only
 * the end of the chain, json_to_text(), needs a check. Pure functions.
 */
#ifndef CONTROL_JSON_H
#define CONTROL_JSON_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "exec/execution.h"
#include "ledger/ledger.h"

/* One member of an object. */
struct json_field {
	const char *key; /* borrowed */
	json_t *value;	 /* a reference to be taken over; NULL: out of memory */
};

/* An object; takes all the values over, also if it fails. */
json_t *json_of_fields(const struct json_field *fields, size_t n);

/* At most `max` bytes of `s`, which others have chosen: with U+FFFD for what is not UTF-8. */
json_t *json_of_bytes(const char *s, size_t max);

/* Nanoseconds in seconds, rounded to milliseconds; null for INT64_MAX ("never"). */
json_t *json_of_ns(int64_t ns);
json_t *json_of_execution(const struct exec_info *info);
json_t *json_of_release(const struct ledger_release *r);
json_t *json_of_ledger(const struct ledger_stats *stats);

/* One line without its newline, malloc()ed. Takes `value` over, also if it is NULL. 0, -ENOMEM. */
int json_to_text(json_t *value, char **ret) WARN_UNUSED;

#endif
