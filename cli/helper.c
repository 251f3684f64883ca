// SPDX-License-Identifier: Apache-2.0
/*
 * mount.mafs and umount.fuse.mafs: the command lines of mount(8) and umount(8)
 * become those of mafs mount and mafs umount, and our exit codes theirs.
 *
 *	mount.mafs DIR MNT [-sfnvrw] [-N NAMESPACE] [-t TYPE] [-o WORDS]
 *	umount.fuse.mafs MNT [-flnrv] [-N NAMESPACE] [-t TYPE]
 *
 * Source: mount(8) and umount(8), "External helpers".
 */
#include "helper.h"

#include "cli.h"
#include "mount.h"
#include "unmount.h"
#include "where.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <mafs/cleanup.h>
#include <mafs/diag.h>
#include <stdio.h>
#include <string.h>

static int exit_code_of(int code)
{
	switch (code) {
	case MAFS_EXIT_OK:
		return MAFS_HELPER_OK;
	case MAFS_EXIT_USAGE:
		return MAFS_HELPER_USAGE;
	default:
		return MAFS_HELPER_FAILURE;
	}
}

/* getopt begins anew for the command's own arguments. */
static int run_command(const struct mafs_command *command, int argc,
		       char **argv)
{
	optind = 0;
	return exit_code_of(command->run(argc, argv));
}

static int append_word(char **words, const char *word)
{
	char *longer;

	if (asprintf(&longer, "%s%s%s", *words ? *words : "", *words ? "," : "",
		     word) < 0)
		return -ENOMEM;
	free(*words);
	*words = longer;
	return 0;
}

/* mount -s: words that we do not know are left out. */
static int keep_known(const char *words, char **ret)
{
	_cleanup_(mafs_mount_request_done) struct mafs_mount_request scratch = {
		0
	};
	_cleanup_free_ char *copy = strdup(words);
	char *rest = copy, *word;
	int r = copy ? 0 : -ENOMEM;

	while (r == 0 && (word = strsep(&rest, ","))) {
		r = mafs_mount_options(&scratch, word, NULL);
		if (r == 0)
			r = append_word(ret, word);
		else if (r == -EINVAL)
			r = 0;
	}
	return r;
}

static int run_mount(int argc, char **argv)
{
	_cleanup_free_ char *words = NULL, *known = NULL;
	bool sloppy = false, fake = false;
	int c, r = 0;

	while (r == 0 && (c = getopt(argc, argv, "sfnvrwN:t:o:")) != -1) {
		if (c == 's')
			sloppy = true;
		else if (c == 'f')
			fake = true;
		else if (c == 'o' || c == 'r')
			r = append_word(&words, c == 'r' ? "ro" : optarg);
		else if (c == '?')
			r = -EINVAL;
	}
	if (r == 0 && sloppy && words)
		r = keep_known(words, &known);
	if (r == 0 && argc - optind != 2)
		r = -EINVAL;
	if (r == -EINVAL) {
		mafs_error("usage: mount.mafs DIR MNT [-sfnvrw] [-o WORDS]");
		return MAFS_HELPER_USAGE;
	}
	if (r < 0) {
		mafs_error("%s", strerror(-r));
		return MAFS_HELPER_FAILURE;
	}
	if (fake)
		return MAFS_HELPER_OK;
	if (sloppy)
		words = (free(words), take_ptr(known));

	char *arguments[] = { (char[]){ "mount" },
			      (char[]){ "-o" },
			      words ? words : (char[]){ "defaults" },
			      (char[]){ "--" },
			      argv[optind],
			      argv[optind + 1],
			      NULL };

	return run_command(&mafs_command_mount, MAFS_ARRAY_SIZE(arguments) - 1,
			   arguments);
}

/* umount -l: out of sight at once, written back in the background. */
static int detach(const char *mountpoint)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;
	char absolute[PATH_MAX];
	int r;

	r = mafs_where_absolute(mountpoint, absolute, sizeof(absolute));
	if (r == 0)
		r = mafs_unmount(absolute, true, &fault);
	if (r == 0)
		return MAFS_HELPER_OK;
	mafs_error("%s", *fault.what ? fault.what : strerror(-r));
	return MAFS_HELPER_FAILURE;
}

static int run_umount(int argc, char **argv)
{
	bool lazy = false, force = false, wrong = false;
	int c;

	while ((c = getopt(argc, argv, "flnrvN:t:")) != -1) {
		lazy |= c == 'l';
		force |= c == 'f';
		wrong |= c == '?';
	}
	if (wrong || argc - optind != 1) {
		mafs_error("usage: umount.fuse.mafs MNT [-flnrv]");
		return MAFS_HELPER_USAGE;
	}
	if (lazy && !force)
		return detach(argv[optind]);

	char *arguments[] = { (char[]){ "umount" },
			      force ? (char[]){ "--force" } : (char[]){ "--" },
			      argv[optind], NULL };

	return run_command(&mafs_command_umount, MAFS_ARRAY_SIZE(arguments) - 1,
			   arguments);
}

static const char *name_of(const char *program)
{
	const char *slash = strrchr(program, '/');

	return slash ? slash + 1 : program;
}

const struct mafs_command *mafs_helper_command(const char *program)
{
	if (!strcmp(name_of(program), "mkfs.mafs"))
		return &mafs_command_mkfs;
	if (!strcmp(name_of(program), "fsck.mafs"))
		return &mafs_command_fsck;
	return NULL;
}

int (*mafs_helper_find(const char *program))(int argc, char **argv)
{
	const char *name = name_of(program);

	if (!strcmp(name, "mount.mafs"))
		return run_mount;
	if (!strcmp(name, "umount.mafs") || !strcmp(name, "umount.fuse.mafs"))
		return run_umount;
	return NULL;
}
