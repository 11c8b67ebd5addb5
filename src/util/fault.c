/* SPDX-License-Identifier: MIT */
/*
 * Death at a chosen step, and numbers of a test's choice.
 */
#include "util/fault.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "util/parse.h"

void fault_point(const char *name)
{
	static _Atomic uint64_t passed; /* of the one point that the environment names */
	const char *wanted = getenv("BATONFS_FAULT");
	size_t len = strlen(name);
	uint64_t n = 1;

	if (!wanted || strncmp(wanted, name, len) != 0 || (wanted[len] && wanted[len] != ':'))
		return;
	if (wanted[len] == ':' && parse_u64(wanted + len + 1, &n) < 0)
		return;
	if (atomic_fetch_add(&passed, 1) + 1 == n)
		(void)raise(SIGKILL);
}

uint64_t fault_number(const char *variable, uint64_t otherwise)
{
	const char *text = getenv(variable);
	uint64_t n;

	return text && parse_u64(text, &n) == 0 ? n : otherwise;
}
