// SPDX-License-Identifier: Apache-2.0
/* mafs: finds the command, answers for help and version, runs it. Under a name
 * of helper.c it is what mount(8) and umount(8) call. */
#include "helper.h"

#include <curl/curl.h>
#include <getopt.h>
#include <mafs/cleanup.h>
#include <mafs/diag.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct command_group {
	const char *title;
	const struct mafs_command *commands[8]; /* NULL ends them */
};

static const struct command_group groups[] = {
	{ "Commands for a mount",
	  { &mafs_command_mount, &mafs_command_umount, &mafs_command_status,
	    &mafs_command_top, &mafs_command_sync } },
	{ "Commands for files in a mount",
	  { &mafs_command_ls, &mafs_command_tree, &mafs_command_du,
	    &mafs_command_which, &mafs_command_stat } },
	{ "Commands that move files between memory and disk",
	  { &mafs_command_pull, &mafs_command_push, &mafs_command_evict,
	    &mafs_command_pin, &mafs_command_unpin, &mafs_command_set } },
	{ "Commands for the log and the memory device",
	  { &mafs_command_mkfs, &mafs_command_device, &mafs_command_logplay,
	    &mafs_command_fsck, &mafs_command_log } },
};

static void print_help(void)
{
	puts("usage: mafs COMMAND [ARGUMENT...]\n"
	     "\n"
	     "Serves a directory from memory and writes it back.");
	for (size_t i = 0; i < MAFS_ARRAY_SIZE(groups); i++) {
		printf("\n%s:\n", groups[i].title);
		for (const struct mafs_command *const *command =
			     groups[i].commands;
		     *command; command++)
			printf("  %-9s %s\n", (*command)->name,
			       (*command)->summary);
	}
	puts("\n"
	     "Options:\n"
	     "  --help     show this, or with a COMMAND its own help\n"
	     "  --version  show the version\n"
	     "\n"
	     "Example: keep /data in memory, use it, stop\n"
	     "  mafs mount /data /mnt/fast\n"
	     "  mafs status /mnt/fast\n"
	     "  mafs umount /mnt/fast");
}

static const struct mafs_command *find_command(const char *name)
{
	for (size_t i = 0; i < MAFS_ARRAY_SIZE(groups); i++) {
		for (const struct mafs_command *const *command =
			     groups[i].commands;
		     *command; command++)
			if (!strcmp((*command)->name, name))
				return *command;
	}
	return NULL;
}

static bool asks_for_help(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))
			return true;
	return false;
}

int mafs_command_usage(const struct mafs_command *command, const char *fmt, ...)
{
	char what[512];
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(what, sizeof(what), fmt, args);
	va_end(args);
	mafs_error("%s: %s; see mafs %s --help", command->name, what,
		   command->name);
	return MAFS_EXIT_USAGE;
}

/* getopt's own messages begin with argv[0]; curl begins before threads do. */
static int run_prepared(int (*run)(int, char **), int argc, char **argv)
{
	int code;

	opterr = 0;
	optind = 1;
	curl_global_init(CURL_GLOBAL_NOTHING);
	code = run(argc, argv);
	curl_global_cleanup();
	return code;
}

static int run(const struct mafs_command *command, int argc, char **argv)
{
	if (command->help && asks_for_help(argc, argv)) {
		fputs(command->help, stdout);
		return MAFS_EXIT_OK;
	}
	return run_prepared(command->run, argc, argv);
}

static int finish(int code)
{
	bool lost = fflush(stdout) == EOF || ferror(stdout);

	return lost && code == MAFS_EXIT_OK ? MAFS_EXIT_FAILURE : code;
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "--help";
	int (*helper)(int, char **) = argc > 0 ? mafs_helper_find(argv[0]) :
						 NULL;
	const struct mafs_command *command;
	int code = MAFS_EXIT_OK;

	signal(SIGPIPE, SIG_IGN);
	if (helper)
		return run_prepared(helper, argc, argv);
	if (!strcmp(name, "help"))
		name = argc > 2 ? argv[2] : "--help";
	command = argc > 0 ? mafs_helper_command(argv[0]) : NULL;
	if (command)
		return finish(run(command, argc, argv));
	command = find_command(name);
	if (command && !strcmp(argv[1], "help")) {
		char *help[] = { argv[2], (char[]){ "--help" }, NULL };

		code = run(command, 2, help);
	} else if (command) {
		code = run(command, argc - 1, argv + 1);
	} else if (!strcmp(name, "--help") || !strcmp(name, "-h")) {
		print_help();
		code = argc > 1 ? MAFS_EXIT_OK : MAFS_EXIT_USAGE;
	} else if (!strcmp(name, "--version") || !strcmp(name, "-V")) {
		puts("mafs " MAFS_VERSION);
	} else {
		mafs_error("no command is named %s; see mafs --help", name);
		code = MAFS_EXIT_USAGE;
	}
	return finish(code);
}
