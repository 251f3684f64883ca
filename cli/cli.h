/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commands of mafs: one file each, cmd_<name>.c, listed in main.c's table.
 */
#pragma once

/* What mafs exits with; fsck alone has the codes of fsck(8). */
enum mafs_exit {
	MAFS_EXIT_OK = 0,
	MAFS_EXIT_FAILURE = 1,
	MAFS_EXIT_USAGE = 2,
};

/**
 * struct mafs_command - one command
 * @summary: what `mafs --help` says in one line, without a full stop
 * @help: what `mafs <name> --help` prints: synopsis, options, an example.
 *	main() prints it and ends, so that @run never sees --help or -h; NULL:
 *	@run does so itself
 * @run: gets argv[0] = @name, getopt's state is fresh; prints its own errors
 *	(mafs_error()). Return: an exit code.
 */
struct mafs_command {
	const char *name;
	const char *summary;
	const char *help;
	int (*run)(int argc, char **argv);
};

extern const struct mafs_command mafs_command_mount;
extern const struct mafs_command mafs_command_umount;
extern const struct mafs_command mafs_command_status;
extern const struct mafs_command mafs_command_stat;
extern const struct mafs_command mafs_command_sync;
extern const struct mafs_command mafs_command_push;
extern const struct mafs_command mafs_command_pull;
extern const struct mafs_command mafs_command_top;
extern const struct mafs_command mafs_command_evict;
extern const struct mafs_command mafs_command_pin;
extern const struct mafs_command mafs_command_unpin;
extern const struct mafs_command mafs_command_which;
extern const struct mafs_command mafs_command_ls;
extern const struct mafs_command mafs_command_tree;
extern const struct mafs_command mafs_command_du;
extern const struct mafs_command mafs_command_set;
extern const struct mafs_command mafs_command_mkfs;
extern const struct mafs_command mafs_command_device;
extern const struct mafs_command mafs_command_logplay;
extern const struct mafs_command mafs_command_fsck;
extern const struct mafs_command mafs_command_log;

/**
 * mafs_command_usage() - the wrong way to call a command
 *
 * Prints "mafs <name>: <what>" and where help is.
 * Return: MAFS_EXIT_USAGE.
 */
int mafs_command_usage(const struct mafs_command *command, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
