// SPDX-License-Identifier: Apache-2.0
/* mafs tree: all below a directory, with the tier of each file. */
#include "cli.h"
#include "files.h"
#include "names.h"
#include "show.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <langinfo.h>
#include <locale.h>
#include <mafs/cleanup.h>
#include <mafs/diag.h>
#include <stdio.h>

/**
 * struct tree - what is walked
 * @depth_max: 0: all
 * @prefix: of the lines at this depth
 */
struct tree {
	const char *control_path;
	unsigned long depth_max;
	const char *branch, *last, *bar;
	char prefix[4096];
	bool as_json;
	struct mafs_totals totals;
	int code;
};

static void print_entry(const struct tree *tree, const json_t *entry,
			const char *name, bool is_last)
{
	char size[MAFS_SIZE_TEXT_LEN], tier[MAFS_SHOW_TIER_LEN];

	printf("%s%s%s", tree->prefix, is_last ? tree->last : tree->branch,
	       name);
	if (mafs_files_is(entry, "type", "file"))
		printf("  [%s, %s]", mafs_show_tier(entry, tier),
		       mafs_show_size(entry, size));
	else if (mafs_files_is(entry, "type", "directory"))
		putchar('/');
	putchar('\n');
}

static json_t *walk(struct tree *tree, const char *relative,
		    unsigned long depth);

/* What is below @entry, if it is a directory. */
static void descend(struct tree *tree, const char *relative, json_t *entry,
		    bool is_last, unsigned long depth)
{
	_cleanup_free_ char *name = mafs_files_name(entry);
	_cleanup_free_ char *path = NULL;
	size_t len = strlen(tree->prefix);
	json_t *below;

	path = name ? mafs_files_join(relative, name) : NULL;
	if (!path || len + strlen(tree->bar) >= sizeof(tree->prefix))
		return;
	strcat(tree->prefix, is_last ? "    " : tree->bar);
	below = walk(tree, path, depth + 1);
	tree->prefix[len] = '\0';
	if (tree->as_json && below)
		json_object_set(entry, "entries", below);
	json_decref(below);
}

/* Return: the entries, NULL: told. */
static json_t *walk(struct tree *tree, const char *relative,
		    unsigned long depth)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;
	json_t *entries = NULL, *entry;
	size_t i, n;

	if (mafs_files_list(tree->control_path, relative, &entries, &fault) <
	    0) {
		mafs_error("%s", fault.what);
		tree->code = MAFS_EXIT_FAILURE;
		return NULL;
	}
	n = json_array_size(entries);
	json_array_foreach(entries, i, entry)
	{
		_cleanup_free_ char *name = mafs_show_name(entry);

		mafs_totals_add(&tree->totals, entry);
		if (!tree->as_json)
			print_entry(tree, entry, name ? name : "?", i + 1 == n);
		if (mafs_files_is(entry, "type", "directory") &&
		    (!tree->depth_max || depth < tree->depth_max))
			descend(tree, relative, entry, i + 1 == n, depth);
	}
	return entries;
}

static void print_totals(const struct mafs_totals *totals)
{
	char memory[MAFS_SIZE_TEXT_LEN], disk[MAFS_SIZE_TEXT_LEN];

	mafs_size_to_text(totals->memory_bytes, memory);
	mafs_size_to_text(totals->disk_bytes, disk);
	printf("\n%" PRIu64 " director%s; in memory %" PRIu64
	       " file%s, %s; on disk alone %" PRIu64 " file%s, %s\n",
	       totals->n_directories, totals->n_directories == 1 ? "y" : "ies",
	       totals->n_memory, totals->n_memory == 1 ? "" : "s", memory,
	       totals->n_disk, totals->n_disk == 1 ? "" : "s", disk);
}

static void choose_lines(struct tree *tree)
{
	bool utf8;

	setlocale(LC_CTYPE, "");
	utf8 = !strcmp(nl_langinfo(CODESET), "UTF-8");
	tree->branch = utf8 ? "\u251c\u2500\u2500 " : "|-- ";
	tree->last = utf8 ? "\u2514\u2500\u2500 " : "`-- ";
	tree->bar = utf8 ? "\u2502   " : "|   ";
}

static int show(const char *path, struct tree *tree)
{
	_cleanup_(mafs_where_done) struct mafs_where where = {
		.volume = { .n_fd = -1 }
	};
	_cleanup_free_ char *shown = mafs_name_shown(path);
	struct mafs_fault fault = MAFS_FAULT_INIT;
	json_t *entries, *all;

	if (mafs_where_find(path, &where, &fault) < 0) {
		mafs_error("%s", fault.what);
		return MAFS_EXIT_FAILURE;
	}
	tree->control_path = where.volume.control_path;
	if (!tree->as_json)
		puts(shown ? shown : "?");
	entries = walk(tree, where.relative, 1);
	if (!entries)
		return MAFS_EXIT_FAILURE;
	if (tree->as_json) {
		all = json_pack("{s:O, s:o}", "entries", entries, "totals",
				mafs_totals_to_json(&tree->totals));
		mafs_name_to_json(all, "path", path);
		json_dumpf(all, stdout, JSON_INDENT(2));
		puts("");
		json_decref(all);
	} else {
		print_totals(&tree->totals);
	}
	json_decref(entries);
	return tree->code;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "depth", required_argument, NULL, 'L' },
		{ 0 },
	};
	struct tree tree = { 0 };
	char *end;
	int c;

	while ((c = getopt_long(argc, argv, "L:", options, NULL)) != -1) {
		if (c == 'j') {
			tree.as_json = true;
			continue;
		}
		if (c != 'L')
			return mafs_command_usage(&mafs_command_tree,
						  "unknown option %s",
						  argv[optind - 1]);
		errno = 0;
		tree.depth_max = strtoul(optarg, &end, 10);
		if (errno || *end || *optarg == '-' || tree.depth_max == 0)
			return mafs_command_usage(&mafs_command_tree,
						  "%s is no depth", optarg);
	}
	if (argc - optind > 1)
		return mafs_command_usage(&mafs_command_tree,
					  "one directory at a time");
	choose_lines(&tree);
	return show(optind < argc ? argv[optind] : ".", &tree);
}

const struct mafs_command mafs_command_tree = {
	.name = "tree",
	.summary = "show all below a directory with the tier of each file",
	.help = "usage: mafs tree [-L N] [--json] [PATH]\n"
		"\n"
		"Shows all below a directory, or below the one that one is in, "
		"and how much of it\n"
		"is in memory.\n"
		"\n"
		"  PATH            a directory, in a mount or in its source\n"
		"  -L, --depth N   no deeper than N levels\n"
		"  --json          one object, with \"entries\" in each "
		"directory\n"
		"\n"
		"Example:\n"
		"  mafs tree -L 2 /mnt/fast\n",
	.run = run,
};
