/* SPDX-License-Identifier: MIT */
/*
 * The table, and the entry that libFuzzer calls: BATONFS_FUZZ names the target.
 */
#include "fuzz_target.h"

#include "util/macro.h"

static const struct fuzz_target targets[] = {
	{ "numbers", fuzz_numbers },	     { "options", fuzz_options },
	{ "config_file", fuzz_config_file }, { "names", fuzz_names },
	{ "control", fuzz_control },	     { "reference", fuzz_reference },
	{ "mountinfo", fuzz_mountinfo },
};

const struct fuzz_target *fuzz_target_at(size_t i)
{
	return i < ARRAY_SIZE(targets) ? &targets[i] : NULL;
}

const struct fuzz_target *fuzz_target_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(targets); i++) {
		if (strcmp(targets[i].name, name) == 0)
			return &targets[i];
	}
	return NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct fuzz_target *target;

	if (!target) {
		const char *name = getenv("BATONFS_FUZZ");

		target = fuzz_target_find(name ? name : "");
		FUZZ_HOLDS(target);
	}
	target->feed(data, size);
	return 0;
}
