// SPDX-License-Identifier: Apache-2.0
/* mafs which: in which tier a file is, one line each. */
#include "cli.h"
#include "files.h"
#include "names.h"

#include <getopt.h>
#include <mafs/cleanup.h>
#include <mafs/diag.h>
#include <stdio.h>

/* Where its newest bytes are; both, when it was written back. */
static const char *tiers_text(const json_t *file)
{
	size_t n = json_array_size(json_object_get(file, "tiers"));

	return n == 2 ? "memory+disk" : mafs_client_text(file, "tier");
}

/* Return: what /v1/meta says, without extents, as "file"; NULL, the error
 * printed. */
static json_t *ask(const char *path)
{
	_cleanup_(mafs_where_done) struct mafs_where where = {
		.volume = { .n_fd = -1 }
	};
	struct mafs_fault fault = MAFS_FAULT_INIT;
	json_t *file = NULL, *answer;

	if (mafs_files_find(path, &where, &file, &fault) < 0) {
		mafs_where_error(path, &fault);
		return NULL;
	}
	answer = json_pack("{s:O, s:O, s:O, s:O}", "tier",
			   json_object_get(file, "tier"), "tiers",
			   json_object_get(file, "tiers"), "state",
			   json_object_get(file, "state"), "policy",
			   json_object_get(file, "policy"));
	json_decref(file);
	if (answer)
		mafs_name_to_json(answer, "file", path);
	return answer;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ 0 },
	};
	_cleanup_(mafs_json_decrefp) json_t *files = json_array();
	int code = MAFS_EXIT_OK, c;
	bool as_json = false;
	json_t *file;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c != 'j')
			return mafs_command_usage(&mafs_command_which,
						  "unknown option %s",
						  argv[optind - 1]);
		as_json = true;
	}
	if (optind == argc)
		return mafs_command_usage(&mafs_command_which, "name a file");
	for (int i = optind; i < argc; i++) {
		file = ask(argv[i]);
		if (!file)
			code = MAFS_EXIT_FAILURE;
		else if (!as_json)
			printf("%-11s  %-7s  %s\n", tiers_text(file),
			       mafs_client_text(file, "state"), argv[i]);
		if (file)
			json_array_append_new(files, file);
	}
	if (as_json)
		mafs_json_print(files, argc - optind == 1);
	return code;
}

const struct mafs_command mafs_command_which = {
	.name = "which",
	.summary = "show in which tier files are, one line each",
	.help = "usage: mafs which [--json] FILE...\n"
		"\n"
		"For each file where its newest bytes are (memory, disk, or "
		"memory+disk once they\n"
		"were written back), and its state as mafs stat shows it.\n"
		"\n"
		"  --json  one object for one FILE, an array for several\n"
		"\n"
		"Example:\n"
		"  mafs which /mnt/fast/*.gguf\n",
	.run = run,
};
