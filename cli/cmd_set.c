// SPDX-License-Identifier: Apache-2.0
/* mafs set: settings of a volume, policies of files and directories. */
#include "cli.h"
#include "client.h"
#include "files.h"
#include "move.h"
#include "names.h"
#include "where.h"

#include <curl/curl.h>
#include <errno.h>
#include <getopt.h>
#include <mafs/cleanup.h>
#include <mafs/diag.h>
#include <mafs/settings.h>
#include <stdio.h>
#include <string.h>

/* "name=policy&value=hot". Return: owned, NULL: no memory. */
static char *make_query(const char *name, const char *value)
{
	char *query = NULL, *escaped_name, *escaped_value;

	escaped_name = curl_easy_escape(NULL, name, 0);
	escaped_value = curl_easy_escape(NULL, value, 0);
	if (!escaped_name || !escaped_value ||
	    asprintf(&query, "name=%s%s%s", escaped_name,
		     strcmp(value, "default") ? "&value=" : "",
		     strcmp(value, "default") ? escaped_value : "") < 0)
		query = NULL;
	curl_free(escaped_name);
	curl_free(escaped_value);
	return query;
}

/* ---- a policy of a path ---- */

/* The volume has one of the same name, of eviction. */
static bool is_policy_of_files(const char *name, const char *value)
{
	const struct mafs_setting *setting = mafs_setting_find(name);
	uint64_t parsed;

	return setting && !strcmp(name, "policy") &&
	       strcmp(value, "default") != 0 &&
	       mafs_setting_parse(setting, value, &parsed, NULL) < 0;
}

static int set_policy(const char *path, const char *value, const char *query,
		      json_t *results)
{
	struct mafs_move move = {
		.command = &mafs_command_set,
		.url = "/v1/admin/set",
		.query = query,
		.done = "set; moved",
	};

	if (!strcmp(value, "pinned"))
		move.done = "pinned; pulled";
	else if (!strcmp(value, "cold"))
		move.done = "cold; pushed";
	return mafs_move_path(&move, path, results);
}

/* ---- a setting of the volume ---- */

static void print_set(const json_t *answer, const char *value)
{
	printf("%s=%s%s\n", mafs_client_text(answer, "name"), value,
	       json_is_true(json_object_get(answer, "live")) ?
		       "" :
		       ", from the next mount on");
}

static int set_volume(const struct mafs_where *where, const char *value,
		      const char *query, json_t *results)
{
	const struct mafs_request request = {
		.method = "POST",
		.url = "/v1/admin/set",
		.query = query,
		.timeout_s = MAFS_CLIENT_FOREVER,
	};
	_cleanup_(mafs_json_decrefp) json_t *answer = NULL;
	struct mafs_fault fault = MAFS_FAULT_INIT;

	if (mafs_client_call(where->volume.control_path, &request, &answer,
			     &fault) < 0) {
		mafs_error("%s", fault.what);
		return MAFS_EXIT_FAILURE;
	}
	if (results)
		json_array_append(results, answer);
	else
		print_set(answer, value);
	return MAFS_EXIT_OK;
}

/* @word: "name=value" */
static int set_word(const struct mafs_where *where, const char *path,
		    char *word, json_t *results)
{
	char *value = strchr(word, '=');
	_cleanup_free_ char *query = NULL;

	if (!value || value == word)
		return mafs_command_usage(&mafs_command_set,
					  "%s is not NAME=VALUE", word);
	*value++ = '\0';
	query = make_query(word, value);
	if (!query) {
		mafs_error("out of memory");
		return MAFS_EXIT_FAILURE;
	}
	if (is_policy_of_files(word, value))
		return set_policy(path, value, query, results);
	return set_volume(where, value, query, results);
}

/* ---- what is set ---- */

static void print_settings(const json_t *settings, const json_t *file)
{
	const json_t *setting;
	const char *value;
	bool given;
	size_t i;

	printf("policy of %s: %s\n\nthe volume's:\n",
	       mafs_files_is(file, "type", "directory") ? "the directory" :
							  "the file",
	       mafs_client_text(file, "policy"));
	json_array_foreach((json_t *)settings, i, setting)
	{
		value = mafs_client_text(setting, "value");
		given = !mafs_files_is(setting, "default", value);
		printf("  %s=%s%s%s%s\n      %s\n",
		       mafs_client_text(setting, "name"), value,
		       given ? " (default " : "",
		       given ? mafs_client_text(setting, "default") : "",
		       given ? ")" : "", mafs_client_text(setting, "help"));
	}
}

static int show(const struct mafs_where *where, bool as_json)
{
	static const struct mafs_request request = {
		.method = "GET",
		.url = "/v1/admin/settings",
		.timeout_s = MAFS_CLIENT_QUICK_S,
	};
	_cleanup_(mafs_json_decrefp) json_t *answer = NULL;
	_cleanup_(mafs_json_decrefp) json_t *file = NULL;
	struct mafs_fault fault = MAFS_FAULT_INIT;

	if (mafs_files_meta(where, &file, &fault) < 0 ||
	    mafs_client_call(where->volume.control_path, &request, &answer,
			     &fault) < 0) {
		mafs_error("%s", fault.what);
		return MAFS_EXIT_FAILURE;
	}
	if (!as_json) {
		print_settings(json_object_get(answer, "settings"), file);
		return MAFS_EXIT_OK;
	}
	json_object_set(answer, "policy", json_object_get(file, "policy"));
	json_dumpf(answer, stdout, JSON_INDENT(2));
	puts("");
	return MAFS_EXIT_OK;
}

static int set_words(const char *path, char **words, int n, bool as_json)
{
	_cleanup_(mafs_where_done) struct mafs_where where = {
		.volume = { .n_fd = -1 }
	};
	_cleanup_(mafs_json_decrefp) json_t *results = as_json ? json_array() :
								 NULL;
	struct mafs_fault fault = MAFS_FAULT_INIT;
	int code = MAFS_EXIT_OK;

	if (mafs_where_find(path, &where, &fault) < 0) {
		mafs_error("%s", fault.what);
		return MAFS_EXIT_FAILURE;
	}
	if (n == 0)
		return show(&where, as_json);
	for (int i = 0; i < n && code == MAFS_EXIT_OK; i++)
		code = set_word(&where, path, words[i], results);
	if (results)
		mafs_json_print(results, n == 1);
	return code;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ 0 },
	};
	bool as_json = false;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c != 'j')
			return mafs_command_usage(&mafs_command_set,
						  "unknown option %s",
						  argv[optind - 1]);
		as_json = true;
	}
	if (optind == argc)
		return mafs_command_usage(&mafs_command_set,
					  "name a path in a mount");
	return set_words(argv[optind], argv + optind + 1, argc - optind - 1,
			 as_json);
}

const struct mafs_command mafs_command_set = {
	.name = "set",
	.summary = "show and change settings, and the policy of files",
	.help = "usage: mafs set [--json] PATH [NAME=VALUE...]\n"
		"\n"
		"Without NAME=VALUE shows the policy of the path and the "
		"settings of its volume.\n"
		"\n"
		"  PATH           a file or directory, in a mount or in its "
		"source\n"
		"  policy=POLICY  of the file, or of all below the directory "
		"that has none of its\n"
		"                 own: hot, tiered, cold, pinned; inherit "
		"takes it away\n"
		"  NAME=VALUE     a setting of the volume, as mafs mount "
		"--help lists them, kept\n"
		"                 for later mounts; NAME=default takes it "
		"back\n"
		"  --json         one object for one NAME=VALUE, an array for "
		"several\n"
		"\n"
		"Examples:\n"
		"  mafs set /mnt/fast/index policy=hot\n"
		"  mafs set /mnt/fast writeback_after=1h\n",
	.run = run,
};
