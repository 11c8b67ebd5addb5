/* SPDX-License-Identifier: MIT */
/* The naming rules, of a path below the tree: an ID is always one, and no place is left out. */
#include "fuzz_target.h"

#include "exec/rule.h"
#include "util/cleanup.h"
#include "util/printable.h"

static void check(const struct rule_match *m)
{
	FUZZ_HOLDS(m->place <= PLACE_N8N_DATA && m->place != PLACE_ROOT);
	if (!m->inherits)
		FUZZ_HOLDS(rule_is_id(m->id) && m->lifetime <= LIFETIME_EXTERNAL);
}

void fuzz_names(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *path = fuzz_text(data, size);
	const char *name = path + strspn(path, "/");
	struct rule_match m;

	if (!*name)
		return;
	for (int directory = 0; directory < 2; directory++) {
		rule_match_path(name, directory, &m);
		check(&m);
		FUZZ_HOLDS(!m.inherits);
		if (strchr(name, '/') || strlen(name) > 255)
			continue;
		for (int place = PLACE_ROOT; place <= PLACE_N8N_DATA; place++) {
			rule_match((enum place)place, name, directory, &m);
			check(&m);
		}
		FUZZ_HOLDS(!rule_is_n8n_id(name) || rule_is_id(name));
	}
	fuzz_is_one_line(printable(path));
}
