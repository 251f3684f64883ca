// SPDX-License-Identifier: Apache-2.0
/* mafs unpin: what was pinned may be evicted again. */
#include "cli.h"
#include "client.h"
#include "names.h"
#include "where.h"

#include <getopt.h>
#include <inttypes.h>
#include <mafs/cleanup.h>
#include <mafs/diag.h>
#include <stdio.h>

/* Return: the answer with "path", or NULL, the error printed. */
static json_t *unpin(const char *path)
{
	_cleanup_(mafs_where_done) struct mafs_where where = {
		.volume = { .n_fd = -1 }
	};
	struct mafs_request request = {
		.method = "POST",
		.url = "/v1/admin/unpin",
		.path = where.relative,
		.timeout_s = MAFS_CLIENT_FOREVER,
	};
	struct mafs_fault fault = MAFS_FAULT_INIT;
	json_t *answer = NULL;

	if (mafs_where_find(path, &where, &fault) < 0 ||
	    mafs_client_call(where.volume.control_path, &request, &answer,
			     &fault) < 0)
		mafs_where_error(path, &fault);
	else
		mafs_name_to_json(answer, "path", path);
	return answer;
}

static void print_answer(const char *path, const json_t *answer)
{
	uint64_t n = mafs_client_count(answer, "n_unpinned");

	if (n == 0)
		printf("%s: was not pinned\n", path);
	else
		printf("%s: unpinned %" PRIu64 " path%s\n", path, n,
		       n == 1 ? "" : "s");
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ 0 },
	};
	_cleanup_(mafs_json_decrefp) json_t *results = json_array();
	int code = MAFS_EXIT_OK, c;
	bool as_json = false;
	json_t *answer;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c != 'j')
			return mafs_command_usage(&mafs_command_unpin,
						  "unknown option %s",
						  argv[optind - 1]);
		as_json = true;
	}
	if (optind == argc)
		return mafs_command_usage(&mafs_command_unpin,
					  "name a file or directory");
	for (int i = optind; i < argc; i++) {
		answer = unpin(argv[i]);
		if (!answer)
			code = MAFS_EXIT_FAILURE;
		else if (!as_json)
			print_answer(argv[i], answer);
		if (answer)
			json_array_append_new(results, answer);
	}
	if (as_json)
		mafs_json_print(results, argc - optind == 1);
	return code;
}

const struct mafs_command mafs_command_unpin = {
	.name = "unpin",
	.summary = "let what was pinned be evicted again",
	.help = "usage: mafs unpin [--json] PATH...\n"
		"\n"
		"Takes the mark of mafs pin from each path and from all below "
		"it. The files stay\n"
		"in memory until room is wanted.\n"
		"\n"
		"  PATH    a file or directory, in a mount or in its source\n"
		"  --json  one object for one PATH, an array for several\n"
		"\n"
		"Example:\n"
		"  mafs unpin /mnt/fast/index\n",
	.run = run,
};
