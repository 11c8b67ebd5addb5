/* SPDX-License-Identifier: MIT */
/*
 * A list of options, as -o has it: a refusal is one line; what is accepted is shown in a form that means the same.
 */
#include "fuzz_target.h"

#include "config/config.h"
#include "config/option.h"
#include "util/cleanup.h"

/* As config_parse() begins. */
static void begin(struct config *c)
{
	memset(c, 0, sizeof(*c));
	option_defaults(c);
}

void fuzz_options(const uint8_t *data, size_t size)
{
	static const struct config_place where = { .from = CONFIG_COMMAND_LINE };
	static struct config first;
	static struct config second;
	_cleanup_free_ char *list = fuzz_text(data, size);
	struct config_error error = { .text = "" };
	const struct option *o;
	char shown[PATH_MAX];
	char again[PATH_MAX];

	begin(&first);
	if (config_say_list(&first, list, &where, &error) < 0) {
		fuzz_is_one_line(error.text);
		return;
	}
	(void)!config_check(&first, &error);
	begin(&second);
	for (size_t i = 0; (o = option_at(i)); i++) {
		if (!o->help)
			continue;
		option_format(o, &first, shown, sizeof(shown));
		if (!*shown)
			continue;
		FUZZ_HOLDS(config_say(&second, o->name, shown, &where, &error) == 0);
		FUZZ_HOLDS(strcmp(option_format(o, &second, again, sizeof(again)), shown) == 0);
	}
}
