// SPDX-License-Identifier: Apache-2.0
/*
 * mafs fsck, and fsck.mafs: checks a volume's memory device, beside a daemon or
 * after its death, and can list every extent. Exits with the codes of fsck(8).
 */
#include "attached.h"
#include "cli.h"
#include "fsck_memory.h"
#include "fsck_report.h"
#include "salvage.h"
#include "source.h"

#include <errno.h>
#include <getopt.h>
#include <mafs/cleanup.h>
#include <mafs/diag.h>
#include <stdio.h>
#include <string.h>

struct options {
	bool extents;
	bool as_json;
	bool repair;
	const char *salvage; /* directory; NULL: no */
	const char *shadow; /* likewise */
	const char **devices;
	size_t n_devices;
};

static int operational_error(const struct mafs_fault *fault, int err)
{
	mafs_error("fsck: %s", fault->what[0] ? fault->what : strerror(-err));
	return MAFS_FSCK_ERROR;
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
	fsck.exit_code = found.found.n_of_kind[MAFS_FINDING_ERROR] ?
				 MAFS_FSCK_UNCORRECTED :
				 MAFS_FSCK_OK;
	r = report(&fsck, options, &fault);
	if (r == 0 && options->salvage)
		r = mafs_salvage_to(device, &found, options->salvage, &fault);
	if (r < 0)
		return operational_error(&fault, r);
	return fsck.exit_code;
}

static int check_tiered(const char *source, const struct options *options)
{
	_cleanup_(mafs_attached_done) struct mafs_attached device = {
		.volume = { .n_fd = -1 }
	};
	struct mafs_fault fault = MAFS_FAULT_INIT;
	int r = mafs_attached_open(source, &device, &fault);

	if (r == -ENODATA) {
		if (options->as_json)
			puts("{\"counts\":{\"hot\":0},\"findings\":[],"
			     "\"files\":[],\"exit_code\":0}");
		else
			printf("%s: nothing to check\n", fault.what);
		return MAFS_FSCK_OK;
	}
	if (r < 0)
		return operational_error(&fault, r);
	return check(&device, options);
}

static int check_memory(const char *spec, const struct options *options)
{
	struct mafs_fsck_memory fsck = {
		.options = {
			.source = spec,
			.devices = options->devices,
			.n_devices = options->n_devices,
			.shadow = options->shadow,
		},
		.extents = options->extents,
		.as_json = options->as_json,
		.repair = options->repair,
	};

	return mafs_fsck_memory(&fsck);
}

static int wrong_call(const char *what)
{
	mafs_command_usage(&mafs_command_fsck, "%s", what);
	return MAFS_FSCK_USAGE;
}

static int check_source(const char *source, const struct options *options)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;
	_cleanup_free_ char *spec = NULL;
	int r = mafs_source_memory(source, &spec, &fault);

	if (r < 0)
		return operational_error(&fault, r);
	if (r > 0 && options->salvage)
		return wrong_call("--salvage is for tiered volumes");
	if (r > 0)
		return check_memory(spec, options);
	if (options->repair || options->shadow || options->n_devices)
		return wrong_call("--repair, --shadow and --device are for "
				  "memory volumes");
	return check_tiered(source, options);
}

/* Return: 0, or the exit code. */
static int take_option(int c, struct options *options)
{
	switch (c) {
	case 'e':
		options->extents = true;
		return 0;
	case 'j':
		options->as_json = true;
		return 0;
	case 's':
		options->salvage = optarg;
		return 0;
	case 'S':
		options->shadow = optarg;
		return 0;
	case 'd':
		options->devices[options->n_devices++] = optarg;
		return 0;
	case 'a': /* as fsck(8) has them */
	case 'p':
	case 'y':
		options->repair = true;
		return 0;
	case 'f':
	case 'n':
		return 0;
	default:
		return wrong_call("unknown option, or one without its value");
	}
}

static int run(int argc, char **argv)
{
	static const struct option long_options[] = {
		{ "extents", no_argument, NULL, 'e' },
		{ "json", no_argument, NULL, 'j' },
		{ "salvage", required_argument, NULL, 's' },
		{ "shadow", required_argument, NULL, 'S' },
		{ "device", required_argument, NULL, 'd' },
		{ "repair", no_argument, NULL, 'a' },
		{ 0 },
	};
	_cleanup_free_ const char **devices =
		calloc((size_t)argc, sizeof(*devices));
	struct options options = { .devices = devices };
	int c, r;

	if (!devices)
		return MAFS_FSCK_ERROR;
	while ((c = getopt_long(argc, argv, "apynf", long_options, NULL)) !=
	       -1) {
		r = take_option(c, &options);
		if (r)
			return r;
	}
	if (argc - optind != 1)
		return wrong_call("name one SOURCE");
	return check_source(argv[optind], &options);
}

const struct mafs_command mafs_command_fsck = {
	.name = "fsck",
	.summary = "check the memory device, list extents",
	.help = "usage: mafs fsck [OPTION...] SOURCE\n"
		"\n"
		"Checks the memory device of a volume, also while it is "
		"mounted: both superblock\n"
		"copies, the log, and each file's memory. Nothing is changed "
		"without --repair.\n"
		"SOURCE is the directory or the memory device, the mount point "
		"or the volume's UUID.\n"
		"\n"
		"  --extents  list each file in memory: path, state, size, "
		"extents\n"
		"  --json     one object\n"
		"\n"
		"Of a tiered volume:\n"
		"  --salvage DIR\n"
		"             copy what only memory holds to DIR; when the log "
		"is not whole,\n"
		"             all that memory holds\n"
		"\n"
		"Of a memory volume, whose names and space are checked, too:\n"
		"  --device SPEC\n"
		"             where one of its devices is now\n"
		"  --shadow DIR\n"
		"             does the shadow in DIR show what the log says?\n"
		"  --repair   write a bad superblock copy anew, cut a torn "
		"tail; not while mounted\n"
		"\n"
		"Exits with 0 when all is well or nothing is in memory, 1 when "
		"all errors were\n"
		"mended, 4 when errors are left, 5 when some were mended, 8 "
		"when it could not check,\n"
		"16 when called wrongly.\n"
		"\n"
		"Examples:\n"
		"  mafs fsck --extents /data\n"
		"  mafs fsck --salvage /root/kept /data\n"
		"  mafs fsck --repair /dev/dax0.0\n",
	.run = run,
};
