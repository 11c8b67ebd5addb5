/* SPDX-License-Identifier: MIT */
/*
 * The loop of pin, unpin and release.
 */
#include "each.h"

enum baton_exit each_id(const struct invocation *inv,
			int (*one)(const struct client *c, const struct invocation *inv,
				   const char *id, json_t **ret_result))
{
	_cleanup_client_ struct client c = CLIENT_NONE;
	_cleanup_json_ json_t *results = json_pack("{s:[]}", "executions");
	enum baton_exit code = BATON_OK;

	for (int i = 0; i < inv->argc; i++) {
		if (!client_check_id(inv->name, inv->argv[i]))
			return BATON_USAGE;
	}
	if (client_open(inv->mount_arg, &c) < 0)
		return BATON_FAILED;
	for (int i = 0; i < inv->argc; i++) {
		json_t *result = NULL;
		int r = one(&c, inv, inv->argv[i], &result);

		if (r < 0) {
			client_complain(&c, inv->name, inv->argv[i], r);
			code = BATON_FAILED;
		} else if (result) {
			(void)json_array_append_new(json_object_get(results, "executions"), result);
		}
	}
	if (inv->json)
		client_print_json(results);
	return code;
}
