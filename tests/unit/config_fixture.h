/* SPDX-License-Identifier: MIT */
/*
 * Parsing a command line in tests.
 */
#ifndef TEST_CONFIG_FIXTURE_H
#define TEST_CONFIG_FIXTURE_H

#include "config/config.h"
#include "config/option.h"
#include "scratch.h"
#include "seal/seal.h"

static struct config config;
static struct config_error why;

/* Parse "ARGUMENT ARGUMENT ...", as `program`. */
static inline int parse_as(const char *program, const char *line)
{
	static char words[1024]; /* the configuration points into it */
	char *argv[16] = { 0 };
	int argc = 0;
	char *save = NULL;

	(void)snprintf(words, sizeof(words), "%s %s", program, line);
	for (char *p = strtok_r(words, " ", &save); p; p = strtok_r(NULL, " ", &save))
		argv[argc++] = p;
	memset(&config, 0, sizeof(config));
	why.text[0] = '\0';
	return config_parse(argc, argv, &config, &why);
}

static inline void parse_ok(const char *line)
{
	ck_assert_msg(parse_as("batonfs", line) == 0, "%s: %s", line, why.text);
}

#endif
