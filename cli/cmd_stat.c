// SPDX-License-Identifier: Apache-2.0
/* mafs stat: where a file's bytes are. */
#include "cli.h"
#include "files.h"
#include "names.h"

#include <getopt.h>
#include <inttypes.h>
#include <mafs/cleanup.h>
#include <mafs/diag.h>
#include <mafs/size.h>
#include <stdbool.h>
#include <stdio.h>

static void print_size(const json_t *file, const char *title, const char *key)
{
	uint64_t bytes = mafs_client_count(file, key);
	char text[MAFS_SIZE_TEXT_LEN];

	mafs_size_to_text(bytes, text);
	printf("  %-8s %s (%" PRIu64 " bytes)\n", title, text, bytes);
}

static void print_file(const char *name, const json_t *file)
{
	const json_t *extents = json_object_get(file, "extents"), *extent;
	uint64_t n_open = mafs_client_count(file, "n_open");
	size_t i;

	printf("%s\n", name);
	printf("  %-8s %s\n", "tier", mafs_client_text(file, "tier"));
	printf("  %-8s %s\n", "state", mafs_client_text(file, "state"));
	print_size(file, "size", "size_bytes");
	print_size(file, "memory", "memory_bytes");
	print_size(file, "dirty", "dirty_bytes");
	printf("  %-8s %" PRIu64 ", data path %s\n", "open", n_open,
	       mafs_client_text(file, "path_in_use"));
	printf("  %-8s %" PRIu64 "\n", "inode", mafs_client_count(file, "ino"));
	if (mafs_client_count(file, "id"))
		printf("  %-8s %" PRIu64 "\n", "log id",
		       mafs_client_count(file, "id"));
	json_array_foreach((json_t *)extents, i, extent)
		printf("  %-8s %" PRIu64 ": %s offset %" PRIu64
		       " length %" PRIu64 "\n",
		       "extent", mafs_client_count(extent, "file_offset"),
		       mafs_client_text(extent, "device_uuid"),
		       mafs_client_count(extent, "offset"),
		       mafs_client_count(extent, "length"));
}

/* Return: a new reference or NULL, the error printed. */
static json_t *ask(const char *name)
{
	_cleanup_(mafs_where_done) struct mafs_where where = {
		.volume = { .n_fd = -1 }
	};
	struct mafs_fault fault = MAFS_FAULT_INIT;
	json_t *file = NULL;

	if (mafs_files_find(name, &where, &file, &fault) < 0)
		mafs_where_error(name, &fault);
	return file;
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
			return mafs_command_usage(&mafs_command_stat,
						  "unknown option %s",
						  argv[optind - 1]);
		as_json = true;
	}
	if (optind == argc)
		return mafs_command_usage(&mafs_command_stat, "name a file");
	for (int i = optind; i < argc; i++) {
		file = ask(argv[i]);
		if (!file)
			code = MAFS_EXIT_FAILURE;
		else if (!as_json)
			print_file(argv[i], file);
		if (file)
			json_array_append_new(files, file);
	}
	if (as_json)
		mafs_json_print(files, argc - optind == 1);
	return code;
}

const struct mafs_command mafs_command_stat = {
	.name = "stat",
	.summary = "show where a file's bytes are",
	.help = "usage: mafs stat [--json] FILE...\n"
		"\n"
		"Shows each file's tier (memory or disk), state (clean, dirty, "
		"writing, stale or\n"
		"cold), sizes and extents. Symbolic links are followed.\n"
		"\n"
		"  --json  one object for one FILE, an array for several\n"
		"\n"
		"Example:\n"
		"  mafs stat /mnt/fast/model.gguf\n",
	.run = run,
};
