/* SPDX-License-Identifier: MIT */
/*
 * An option as text for another process, which may be another program: where it was said (enum config_from), the line there, its name
 * and its value.
 *
 *     1 3 ttl 30m
 */
#ifndef CONFIG_CONFIG_RECORD_H
#define CONFIG_CONFIG_RECORD_H

#include <stddef.h>

#include "config/config.h"
#include "util/macro.h"

/* With its NUL. Source: no value is longer than a path. */
#define CONFIG_RECORD_MAX (PATH_MAX + 128)

/* `option` as option_at()'s. */
void config_record_format(const struct config *c, size_t option, char buf[CONFIG_RECORD_MAX]);

/* As config_say(). 0; -ENOENT: that option is not known; -EINVAL, -ERANGE and *error, as -ENOENT. */
int config_record_say(struct config *c, const char *record, struct config_error *error) WARN_UNUSED;

#endif
