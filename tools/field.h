/* SPDX-License-Identifier: MIT */
/*
 * Fields of the interface's JSON objects. A field that is missing, null or of another type reads as the
 * empty value, so that a client meets an older or newer daemon without failing. Returned text is
 * borrowed from the object.
 */
#ifndef TOOLS_FIELD_H
#define TOOLS_FIELD_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

static inline const char *field_text(const json_t *object, const char *key)
{
	const char *s = json_string_value(json_object_get(object, key));

	return s ? s : "";
}

static inline int64_t field_int(const json_t *object, const char *key)
{
	return (int64_t)json_integer_value(json_object_get(object, key));
}

static inline double field_number(const json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
}

static inline bool field_bool(const json_t *object, const char *key)
{
	return json_is_true(json_object_get(object, key));
}

/* Is there a number? Tells "expires": null from a time. */
static inline bool field_has_number(const json_t *object, const char *key)
{
	return json_is_number(json_object_get(object, key));
}

#endif
