// SPDX-License-Identifier: Apache-2.0
/*
 * mafs fsck: checks a volume's memory device, beside a daemon or after its
 * death, and can list every extent. It only reads. Exits with the codes of
 * fsck(8).
 */
#include "attached.h"
#include "cli.h"
#include "fsck_report.h"
#include "salvage.h"

#include <errno.h>
#include <getopt.h>
#include <mafs/cleanup.h>
#include <mafs/diag.h>
#include <stdio.h>
#include <string.h>

/* The codes of fsck(8) that there is a use for. */
enum {
	FSCK_EX_OK = 0,
	FSCK_EX_UNCORRECTED = 4,
	FSCK_EX_ERROR = 8,
	FSCK_EX_USAGE = 16,
};

struct options {
	bool extents;
	bool as_json;
	const char *salvage; /* directory; NULL: no */
};

static int operational_error(const struct mafs_fault *fault, int err)
{
	mafs_error("fsck: %s", fault->what[0] ? fault->what : strerror(-err));
	return FSCK_EX_ERROR;
}

static int report(struct mafs_fsck *fsck, const struct options *options,
		  struct mafs_fault *fault)
{
	_cleanup_(mafs_hot_files_done) struct mafs_hot_files files = { 0 };
	const struct mafs_volume_ref *volume = &fsck->device->volume;
	int r;

	if (options->extents) {
		r = mafs_hot_files_find(fsck->check->hot, fsck->device->memory,
					volume->n_fd, &volume->fs_id, NULL,
					&files);
		if (r < 0)
			return mafs_fault_set(fault, r, "finding the files: %s",
					      strerror(-r));
		fsck->files = &files;
	}
	r = options->as_json ? mafs_fsck_report_json(fsck) :
			       mafs_fsck_report_text(fsck);
	fsck->files = NULL;
	return r;
}

static int check(const struct mafs_attached *device,
		 const struct options *options)
{
	_cleanup_(mafs_check_done) struct mafs_check found = { 0 };
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct mafs_fsck fsck = { .device = device, .check = &found };
	int r;

	r = mafs_check_device(device->memory, &device->volume.uuid,
			      device->live, &found, &fault);
	if (r < 0)
		return operational_error(&fault, r);
	fsck.exit_code = found.n_of_kind[MAFS_FINDING_ERROR] ?
				 FSCK_EX_UNCORRECTED :
				 FSCK_EX_OK;
	r = report(&fsck, options, &fault);
	if (r == 0 && options->salvage)
		r = mafs_salvage_to(device, &found, options->salvage, &fault);
	if (r < 0)
		return operational_error(&fault, r);
	return fsck.exit_code;
}

static int run(int argc, char **argv)
{
	static const struct option long_options[] = {
		{ "extents", no_argument, NULL, 'e' },
		{ "json", no_argument, NULL, 'j' },
		{ "salvage", required_argument, NULL, 's' },
		{ 0 },
	};
	_cleanup_(mafs_attached_done) struct mafs_attached device = {
		.volume = { .n_fd = -1 }
	};
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct options options = { 0 };
	int c, r;

	while ((c = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		if (c == 'e') {
			options.extents = true;
		} else if (c == 'j') {
			options.as_json = true;
		} else if (c == 's') {
			options.salvage = optarg;
		} else {
			mafs_command_usage(&mafs_command_fsck,
					   "unknown option %s",
					   argv[optind - 1]);
			return FSCK_EX_USAGE;
		}
	}
	if (argc - optind != 1) {
		mafs_command_usage(&mafs_command_fsck, "name one SOURCE");
		return FSCK_EX_USAGE;
	}

	r = mafs_attached_open(argv[optind], &device, &fault);
	if (r == -ENODATA) {
		if (options.as_json)
			puts("{\"counts\":{\"hot\":0},\"findings\":[],"
			     "\"files\":[],\"exit_code\":0}");
		else
			printf("%s: nothing to check\n", fault.what);
		return FSCK_EX_OK;
	}
	if (r < 0)
		return operational_error(&fault, r);
	return check(&device, &options);
}

const struct mafs_command mafs_command_fsck = {
	.name = "fsck",
	.summary = "check the memory device, list extents",
	.help = "usage: mafs fsck [--extents] [--json] [--salvage DIR] SOURCE\n"
		"\n"
		"Checks the memory device of a volume, also while it is "
		"mounted: both superblock\n"
		"copies, the log, and each file's memory. Nothing is changed. "
		"SOURCE is the\n"
		"directory, the mount point or the volume's UUID.\n"
		"\n"
		"  --extents  list each file in memory: path, state, size, "
		"extents\n"
		"  --json     one object\n"
		"  --salvage DIR\n"
		"             copy what only memory holds to DIR; when the log "
		"is not whole,\n"
		"             all that memory holds\n"
		"\n"
		"Exits with 0 when all is well or nothing is in memory, 4 when "
		"errors were found, 8\n"
		"when it could not check, 16 when called wrongly.\n"
		"\n"
		"Examples:\n"
		"  mafs fsck --extents /data\n"
		"  mafs fsck --salvage /root/kept /data\n",
	.run = run,
};
