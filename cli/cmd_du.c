// SPDX-License-Identifier: Apache-2.0
/* mafs du: how much of a tree is in memory, on disk, and not yet down. */
#include "cli.h"
#include "files.h"
#include "names.h"

#include <getopt.h>
#include <inttypes.h>
#include <mafs/cleanup.h>
#include <mafs/diag.h>
#include <mafs/size.h>
#include <stdio.h>

/**
 * struct du - what is walked
 * @seen: inodes with several names, by number
 * @todo: directories, from the root of the mount, with their bytes
 */
struct du {
	const char *control_path;
	struct mafs_totals totals;
	json_t *seen;
	char **todo;
	size_t n_todo, capacity;
	int code;
};

/* Was it met by another name? */
static bool is_again(struct du *du, const json_t *entry)
{
	char ino[24];

	if (!mafs_files_is(entry, "type", "file") ||
	    mafs_client_count(entry, "n_links") < 2)
		return false;
	(void)snprintf(ino, sizeof(ino), "%" PRIu64,
		       mafs_client_count(entry, "ino"));
	if (json_object_get(du->seen, ino))
		return true;
	json_object_set_new(du->seen, ino, json_true());
	return false;
}

/* Takes over @path. */
static void add_todo(struct du *du, char *path)
{
	size_t capacity = du->capacity ? 2 * du->capacity : 64;
	char **todo;

	if (path && du->n_todo == du->capacity) {
		todo = reallocarray(du->todo, capacity, sizeof(char *));
		if (todo) {
			du->todo = todo;
			du->capacity = capacity;
		}
	}
	if (!path || du->n_todo == du->capacity) {
		mafs_error("out of memory");
		du->code = MAFS_EXIT_FAILURE;
		free(path);
		return;
	}
	du->todo[du->n_todo++] = path;
}

static void count_directory(struct du *du, const char *relative)
{
	_cleanup_(mafs_json_decrefp) json_t *entries = NULL;
	struct mafs_fault fault = MAFS_FAULT_INIT;
	const json_t *entry;
	size_t i;

	if (mafs_files_list(du->control_path, relative, &entries, &fault) < 0) {
		mafs_error("%s", fault.what);
		du->code = MAFS_EXIT_FAILURE;
		return;
	}
	json_array_foreach(entries, i, entry)
	{
		_cleanup_free_ char *name = mafs_files_name(entry);

		if (!is_again(du, entry))
			mafs_totals_add(&du->totals, entry);
		if (name && mafs_files_is(entry, "type", "directory"))
			add_todo(du, mafs_files_join(relative, name));
	}
}

/* Return: an exit code; 0 or not, @ret_totals is what was counted. */
static int count_path(const char *path, struct mafs_totals *ret_totals)
{
	_cleanup_(mafs_where_done) struct mafs_where where = {
		.volume = { .n_fd = -1 }
	};
	_cleanup_(mafs_json_decrefp) json_t *seen = json_object();
	_cleanup_(mafs_json_decrefp) json_t *file = NULL;
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct du du = { .seen = seen };

	if (mafs_files_find(path, &where, &file, &fault) < 0) {
		mafs_where_error(path, &fault);
		return MAFS_EXIT_FAILURE;
	}
	du.control_path = where.volume.control_path;
	mafs_totals_add(&du.totals, file);
	if (mafs_files_is(file, "type", "directory"))
		add_todo(&du, strdup(where.relative));
	while (du.n_todo > 0) {
		_cleanup_free_ char *relative = du.todo[--du.n_todo];

		count_directory(&du, relative);
	}
	free(du.todo);
	*ret_totals = du.totals;
	return du.code;
}

static void print_totals(const char *path, const struct mafs_totals *totals)
{
	const uint64_t columns[] = {
		totals->memory_bytes,
		totals->disk_bytes,
		totals->dirty_bytes,
		totals->memory_bytes + totals->disk_bytes,
	};
	_cleanup_free_ char *shown = mafs_name_shown(path);
	char size[MAFS_SIZE_TEXT_LEN];

	for (size_t i = 0; i < MAFS_ARRAY_SIZE(columns); i++) {
		mafs_size_to_text(columns[i], size);
		printf("%8s ", size);
	}
	printf("%8" PRIu64 "  %s\n", totals->n_memory + totals->n_disk,
	       shown ? shown : "?");
}

static int count_paths(char **paths, int n, json_t *results)
{
	struct mafs_totals totals;
	int code = MAFS_EXIT_OK, r;
	json_t *object;

	if (!results)
		puts("  MEMORY     DISK    DIRTY    TOTAL    FILES  PATH");
	for (int i = 0; i < n; i++) {
		totals = (struct mafs_totals){ 0 };
		r = count_path(paths[i], &totals);
		code |= r;
		if (r && totals.n_directories == 0)
			continue;
		if (!results) {
			print_totals(paths[i], &totals);
			continue;
		}
		object = mafs_totals_to_json(&totals);
		mafs_name_to_json(object, "path", paths[i]);
		json_array_append_new(results, object);
	}
	return code;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ 0 },
	};
	_cleanup_(mafs_json_decrefp) json_t *results = NULL;
	char here[] = ".", *only[] = { here };
	int c, code, n;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c != 'j')
			return mafs_command_usage(&mafs_command_du,
						  "unknown option %s",
						  argv[optind - 1]);
		if (!results)
			results = json_array();
	}
	n = argc - optind;
	code = count_paths(n ? argv + optind : only, n ? n : 1, results);
	if (results)
		mafs_json_print(results, n <= 1);
	return code;
}

const struct mafs_command mafs_command_du = {
	.name = "du",
	.summary = "show how much of a tree is in memory and how much on disk",
	.help = "usage: mafs du [--json] [PATH...]\n"
		"\n"
		"Adds up the sizes of the files at and below each path: those "
		"read from memory,\n"
		"those read from the disk, what is dirty (in memory, and not "
		"yet on the disk), and\n"
		"all. A file with several names counts once.\n"
		"\n"
		"  PATH    a file or directory, in a mount or in its source; "
		"without it the one\n"
		"          that one is in\n"
		"  --json  one object for one PATH, an array for several\n"
		"\n"
		"Example:\n"
		"  mafs du /mnt/fast/*\n",
	.run = run,
};
