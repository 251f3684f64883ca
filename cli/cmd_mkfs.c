// SPDX-License-Identifier: Apache-2.0
/* mafs mkfs, and mkfs.mafs: makes a memory volume. */
#include "cli.h"
#include "prepare.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <mafs/cleanup.h>
#include <mafs/diag.h>
#include <mafs/pool.h>
#include <mafs/size.h>
#include <stdio.h>
#include <string.h>

struct options {
	struct mafs_device_format format;
	bool force;
	bool as_json;
	bool wipe;
};

/* What was made. */
struct made {
	char uuid[MAFS_UUID_TEXT_LEN];
	char device_uuid[MAFS_UUID_TEXT_LEN];
	const char *spec;
	struct mafs_superblock sb;
	uint64_t free_bytes;
	uint64_t log_bytes; /* of both slots */
};

static void print_text(const struct made *made)
{
	char size[MAFS_SIZE_TEXT_LEN], unit[MAFS_SIZE_TEXT_LEN];
	char log[MAFS_SIZE_TEXT_LEN], left[MAFS_SIZE_TEXT_LEN];

	mafs_size_to_text(made->sb.device_size_bytes, size);
	mafs_size_to_text(made->sb.alloc_unit_bytes, unit);
	mafs_size_to_text(made->log_bytes, log);
	mafs_size_to_text(made->free_bytes, left);
	printf("volume %s\n"
	       "device %s  %s  %s\n"
	       "units of %s, log %s, free %s\n",
	       made->uuid, made->device_uuid, size, made->spec, unit, log,
	       left);
}

static void print_json(const struct made *made)
{
	json_t *object = json_pack(
		"{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I}", "uuid", made->uuid,
		"device_uuid", made->device_uuid, "spec", made->spec, "size",
		(json_int_t)made->sb.device_size_bytes, "alloc_unit",
		(json_int_t)made->sb.alloc_unit_bytes, "log_size",
		(json_int_t)made->log_bytes, "checkpoint_after",
		(json_int_t)made->sb.checkpoint_after_bytes, "free",
		(json_int_t)made->free_bytes);

	if (!object)
		return;
	json_dumpf(object, stdout, JSON_INDENT(2));
	json_decref(object);
	puts("");
}

/* Reads back what stands there now; the device goes to a pool and with it. */
static int look_at(struct mafs_device *device, struct made *made,
		   struct mafs_fault *fault)
{
	struct mafs_pool_usage usage = {};
	struct mafs_pool *pool = NULL;
	int err;

	err = mafs_superblock_read(&device->media, &made->sb, NULL, fault);
	if (!err)
		err = mafs_device_alloc_begin(device, &made->sb, fault);
	if (!err)
		err = mafs_pool_new(&pool);
	if (!err)
		err = mafs_pool_add(pool, device);
	if (err) {
		mafs_device_close(device);
		mafs_pool_free(pool);
		return err;
	}
	mafs_pool_usage(pool, &usage);
	mafs_pool_free(pool);
	mafs_uuid_to_text(&made->sb.fs_uuid, made->uuid);
	mafs_uuid_to_text(&made->sb.device_uuid, made->device_uuid);
	made->free_bytes = usage.free_bytes;
	made->log_bytes =
		2 * (made->sb.slots[1].offset - made->sb.slots[0].offset);
	return 0;
}

static int make(const char *text, struct options *options,
		struct mafs_fault *fault)
{
	_cleanup_free_ char *spec = NULL;
	struct mafs_device *device;
	struct made made = {};
	int err;

	mafs_uuid_generate(&options->format.fs_uuid);
	err = mafs_prepare_device(text, &options->format, options->force,
				  &device, &spec, fault);
	if (!err)
		err = look_at(device, &made, fault);
	if (err)
		return err;
	made.spec = spec;
	if (options->as_json)
		print_json(&made);
	else
		print_text(&made);
	return 0;
}

/* Return: 0, or an exit code, the fault told. */
static int take_size(const char *text, uint64_t max, const char *name,
		     uint64_t *ret)
{
	uint64_t bytes = 0;

	if (mafs_size_parse(text, 0, &bytes) || !bytes || bytes > max)
		return mafs_command_usage(&mafs_command_mkfs,
					  "%s %.40s: write a size such as 64K, "
					  "2M or 1G",
					  name, text);
	*ret = bytes;
	return 0;
}

static int take_option(int c, const char *argument, struct options *options)
{
	struct mafs_device_format *format = &options->format;
	uint64_t unit = 0;
	int code;

	switch (c) {
	case 'u':
		code = take_size(argument, UINT32_MAX, "--alloc-unit", &unit);
		format->alloc_unit_bytes = (uint32_t)unit;
		return code;
	case 'l':
		return take_size(argument, INT64_MAX, "--log-size",
				 &format->log_bytes);
	case 'c':
		return take_size(argument, INT64_MAX, "--checkpoint-after",
				 &format->checkpoint_after_bytes);
	case 'f':
		options->force = true;
		return 0;
	case 'w':
		options->wipe = true;
		return 0;
	case 'j':
		options->as_json = true;
		return 0;
	default:
		return mafs_command_usage(&mafs_command_mkfs,
					  "unknown option, or one without its "
					  "value");
	}
}

static int run(int argc, char **argv)
{
	static const struct option long_options[] = {
		{ "alloc-unit", required_argument, NULL, 'u' },
		{ "log-size", required_argument, NULL, 'l' },
		{ "checkpoint-after", required_argument, NULL, 'c' },
		{ "force", no_argument, NULL, 'f' },
		{ "wipe", no_argument, NULL, 'w' },
		{ "json", no_argument, NULL, 'j' },
		{ 0 },
	};
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct options options = { 0 };
	int c, r;

	while ((c = getopt_long(argc, argv, "f", long_options, NULL)) != -1) {
		r = take_option(c, optarg, &options);
		if (r)
			return r;
	}
	if (argc - optind != 1)
		return mafs_command_usage(&mafs_command_mkfs, "name one SPEC");
	r = options.wipe ? mafs_wipe_device(argv[optind], &fault) :
			   make(argv[optind], &options, &fault);
	if (r < 0) {
		mafs_error("mkfs: %s",
			   fault.what[0] ? fault.what : strerror(-r));
		return MAFS_EXIT_FAILURE;
	}
	return MAFS_EXIT_OK;
}

const struct mafs_command mafs_command_mkfs = {
	.name = "mkfs",
	.summary = "make a memory volume on a DAX device or in a file",
	.help = "usage: mafs mkfs [OPTION...] SPEC\n"
		"\n"
		"Makes a volume that lives in a memory device alone: file "
		"system, log and bytes.\n"
		"SPEC is dax:/dev/daxX.Y, file:PATH,SIZE (made when it is "
		"missing), or the path of\n"
		"either. What holds a volume or anything else is refused.\n"
		"\n"
		"  --alloc-unit SIZE  bytes are given out in units of this, 4K "
		"to 1G; by default\n"
		"                     2M on dax, 64K in files\n"
		"  --log-size SIZE    of each of the two log slots at first, "
		"64K at least; they grow\n"
		"  --checkpoint-after SIZE\n"
		"                     the log is written anew when so much was "
		"appended\n"
		"  -f, --force        destroy what is there\n"
		"  --wipe             destroy it and make nothing, so that "
		"mafs mount --memory\n"
		"                     may have it\n"
		"  --json             one object\n"
		"\n"
		"Examples:\n"
		"  mafs mkfs /dev/dax0.0\n"
		"  mafs mkfs --alloc-unit 4K file:/srv/shared,8G\n"
		"  mafs mount /dev/dax0.0 /mnt/mem\n",
	.run = run,
};
