// SPDX-License-Identifier: Apache-2.0
/* mafs ls: what is in a directory, with the tier of each file. */
#include "cli.h"
#include "files.h"
#include "names.h"
#include "show.h"

#include <getopt.h>
#include <grp.h>
#include <inttypes.h>
#include <mafs/cleanup.h>
#include <mafs/diag.h>
#include <pwd.h>
#include <stdio.h>
#include <time.h>

static const char *owner_text(const json_t *entry, char ret[static 64])
{
	const struct passwd *user =
		getpwuid((uid_t)mafs_client_count(entry, "uid"));
	const struct group *group =
		getgrgid((gid_t)mafs_client_count(entry, "gid"));
	char uid[24], gid[24];

	(void)snprintf(uid, sizeof(uid), "%" PRIu64,
		       mafs_client_count(entry, "uid"));
	(void)snprintf(gid, sizeof(gid), "%" PRIu64,
		       mafs_client_count(entry, "gid"));
	(void)snprintf(ret, 64, "%-8s %-8s", user ? user->pw_name : uid,
		       group ? group->gr_name : gid);
	return ret;
}

static const char *time_text(const json_t *entry, char ret[static 32])
{
	time_t then = (time_t)(json_integer_value(
				       json_object_get(entry, "mtime_ns")) /
			       1000000000);
	struct tm tm;

	if (!localtime_r(&then, &tm) ||
	    strftime(ret, 32, "%Y-%m-%d %H:%M", &tm) == 0)
		strcpy(ret, "?");
	return ret;
}

static void print_entry(const json_t *entry, const char *name, bool is_long)
{
	char size[MAFS_SIZE_TEXT_LEN], tier[MAFS_SHOW_TIER_LEN];
	char mode[MAFS_SHOW_MODE_LEN], owner[64], when[32];

	if (is_long)
		printf("%s %3" PRIu64 " %s ", mafs_show_mode(entry, mode),
		       mafs_client_count(entry, "n_links"),
		       owner_text(entry, owner));
	printf("%7s ", mafs_show_size(entry, size));
	if (is_long)
		printf("%s ", time_text(entry, when));
	printf(" %-14s  %s%s\n", mafs_show_tier(entry, tier), name,
	       mafs_files_is(entry, "type", "directory") ? "/" : "");
}

static void print_entries(const json_t *entries, bool is_long)
{
	const json_t *entry;
	size_t i;

	json_array_foreach((json_t *)entries, i, entry)
	{
		_cleanup_free_ char *name = mafs_show_name(entry);

		print_entry(entry, name ? name : "?", is_long);
	}
}

/* Of a directory its entries, of anything else itself.
 * Return: an array, NULL: the fault says it. */
static json_t *list(const char *path, bool *ret_is_dir,
		    struct mafs_fault *fault)
{
	_cleanup_(mafs_where_done) struct mafs_where where = {
		.volume = { .n_fd = -1 }
	};
	_cleanup_(mafs_json_decrefp) json_t *file = NULL;
	json_t *entries = NULL;

	if (mafs_files_find(path, &where, &file, fault) < 0)
		return NULL;
	*ret_is_dir = mafs_files_is(file, "type", "directory");
	if (*ret_is_dir) {
		if (mafs_files_list(where.volume.control_path, where.relative,
				    &entries, fault) < 0)
			return NULL;
		return entries;
	}
	json_object_del(file, "extents");
	json_object_del(file, "path");
	json_object_del(file, "path_hex");
	mafs_name_to_json(file, "name", path);
	return json_pack("[O]", file);
}

static void print_path(const char *path, const json_t *entries, bool is_dir,
		       bool is_long, bool titled)
{
	_cleanup_free_ char *shown = mafs_name_shown(path);

	if (titled && is_dir)
		printf("%s:\n", shown ? shown : "?");
	print_entries(entries, is_long);
}

static int list_paths(char **paths, int n, bool is_long, json_t *results)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;
	int code = MAFS_EXIT_OK;
	json_t *entries, *object;
	bool is_dir;

	for (int i = 0; i < n; i++) {
		entries = list(paths[i], &is_dir, &fault);
		if (!entries) {
			mafs_where_error(paths[i], &fault);
			code = MAFS_EXIT_FAILURE;
			continue;
		}
		if (!results) {
			print_path(paths[i], entries, is_dir, is_long, n > 1);
			json_decref(entries);
			continue;
		}
		object = json_pack("{s:o}", "entries", entries);
		mafs_name_to_json(object, "path", paths[i]);
		json_array_append_new(results, object);
	}
	return code;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "long", no_argument, NULL, 'l' },
		{ 0 },
	};
	_cleanup_(mafs_json_decrefp) json_t *results = NULL;
	char here[] = ".", *only[] = { here };
	bool is_long = false;
	int c, code, n;

	while ((c = getopt_long(argc, argv, "l", options, NULL)) != -1) {
		if (c == 'l')
			is_long = true;
		else if (c == 'j' && !results)
			results = json_array();
		else if (c != 'j')
			return mafs_command_usage(&mafs_command_ls,
						  "unknown option %s",
						  argv[optind - 1]);
	}
	n = argc - optind;
	code = list_paths(n ? argv + optind : only, n ? n : 1, is_long,
			  results);
	if (results)
		mafs_json_print(results, n <= 1);
	return code;
}

const struct mafs_command mafs_command_ls = {
	.name = "ls",
	.summary = "list a directory with the tier of each file",
	.help = "usage: mafs ls [-l] [--json] [PATH...]\n"
		"\n"
		"Lists each directory, or the one that one is in: size, tier "
		"(memory or disk), what\n"
		"differs from the usual (dirty, clean in memory, pinned, hot, "
		"cold), name.\n"
		"\n"
		"  PATH        a file or directory, in a mount or in its "
		"source\n"
		"  -l, --long  modes, links, owners and times as well\n"
		"  --json      one object for one PATH, an array for several\n"
		"\n"
		"Example:\n"
		"  mafs ls -l /mnt/fast/models\n",
	.run = run,
};
