// SPDX-License-Identifier: Apache-2.0
/* mafs device: the devices of a memory volume. */
#include "cli.h"
#include "names.h"
#include "prepare.h"

#include <errno.h>
#include <getopt.h>
#include <mafs/cleanup.h>
#include <mafs/diag.h>
#include <mafs/memory_volume.h>
#include <mafs/size.h>
#include <stdio.h>
#include <string.h>

struct options {
	struct mafs_memory_volume_options volume;
	const char **devices; /* owned */
	bool force;
	bool as_json;
};

static void options_done(struct options *options)
{
	free(options->devices);
}

static void closep(struct mafs_memory_volume **volume)
{
	mafs_memory_volume_close(*volume);
}

/* One line of the list. */
static json_t *device_to_json(const struct mafs_uuid *uuid, uint64_t size,
			      const char *spec, bool primary, bool missing)
{
	json_t *object = json_object();
	char text[MAFS_UUID_TEXT_LEN];

	mafs_uuid_to_text(uuid, text);
	json_object_set_new(object, "uuid", json_string(text));
	json_object_set_new(object, "size", json_integer((json_int_t)size));
	if (spec)
		mafs_name_to_json(object, "spec", spec);
	json_object_set_new(object, "primary", json_boolean(primary));
	json_object_set_new(object, "missing", json_boolean(missing));
	return object;
}

static json_t *list_to_json(struct mafs_memory_volume *volume)
{
	struct mafs_device *primary = mafs_pool_device(volume->pool, 0);
	char text[MAFS_UUID_TEXT_LEN];
	json_t *object = json_object(), *devices = json_array();

	mafs_uuid_to_text(&volume->uuid, text);
	json_object_set_new(object, "uuid", json_string(text));
	json_array_append_new(
		devices, device_to_json(&primary->uuid, primary->size_bytes,
					volume->source, true, false));
	for (size_t i = 0; i < volume->n_records; i++) {
		const struct mafs_device_record *record = &volume->records[i];

		json_array_append_new(
			devices,
			device_to_json(&record->uuid, record->size_bytes,
				       record->spec, false, record->missing));
	}
	json_object_set_new(object, "devices", devices);
	return object;
}

static void print_device(const char *title, const struct mafs_uuid *uuid,
			 uint64_t size, const char *spec, bool missing)
{
	_cleanup_free_ char *shown = mafs_name_shown(spec ? spec : "");
	char text[MAFS_UUID_TEXT_LEN], size_text[MAFS_SIZE_TEXT_LEN];

	mafs_uuid_to_text(uuid, text);
	mafs_size_to_text(size, size_text);
	printf("%-8s %s  %6s  %s%s\n", title, text, size_text,
	       shown ? shown : "?", missing ? "  MISSING" : "");
}

static void print_list(struct mafs_memory_volume *volume)
{
	struct mafs_device *primary = mafs_pool_device(volume->pool, 0);
	char text[MAFS_UUID_TEXT_LEN];

	mafs_uuid_to_text(&volume->uuid, text);
	printf("volume %s\n", text);
	print_device("primary", &primary->uuid, primary->size_bytes,
		     volume->source, false);
	for (size_t i = 0; i < volume->n_records; i++)
		print_device("further", &volume->records[i].uuid,
			     volume->records[i].size_bytes,
			     volume->records[i].spec,
			     volume->records[i].missing);
}

static int say_missing(const struct mafs_memory_volume *volume)
{
	int code = MAFS_EXIT_OK;

	for (size_t i = 0; i < volume->n_records; i++) {
		char uuid[MAFS_UUID_TEXT_LEN];

		if (!volume->records[i].missing)
			continue;
		mafs_uuid_to_text(&volume->records[i].uuid, uuid);
		mafs_error("device: %s is missing: say where it is with "
			   "--device SPEC",
			   uuid);
		code = MAFS_EXIT_FAILURE;
	}
	return code;
}

static int tell(const struct mafs_fault *fault, int err)
{
	mafs_error("device: %s", fault->what[0] ? fault->what : strerror(-err));
	return MAFS_EXIT_FAILURE;
}

static int list(struct options *options)
{
	_cleanup_(closep) struct mafs_memory_volume *volume = NULL;
	struct mafs_fault fault = MAFS_FAULT_INIT;
	json_t *object;
	int err;

	options->volume.role = MAFS_ROLE_CLIENT;
	options->volume.incomplete = true;
	err = mafs_memory_volume_open(&options->volume, &volume, &fault);
	if (err)
		return tell(&fault, err);
	if (!options->as_json) {
		print_list(volume);
		return say_missing(volume);
	}
	object = list_to_json(volume);
	json_dumpf(object, stdout, JSON_INDENT(2));
	json_decref(object);
	puts("");
	return say_missing(volume);
}

static int add_to(struct mafs_memory_volume *volume, const char *text,
		  const struct options *options, char **ret_spec,
		  struct mafs_fault *fault)
{
	const struct mafs_device_format format = {
		.fs_uuid = volume->uuid,
		.alloc_unit_bytes = mafs_pool_unit(volume->pool),
		.secondary = true,
	};
	struct mafs_device *device;
	int err;

	err = mafs_prepare_device(text, &format, options->force, &device,
				  ret_spec, fault);
	if (err)
		return err;
	err = mafs_memory_volume_add(volume, device, *ret_spec, fault);
	if (err)
		mafs_device_close(device);
	return err;
}

static int add(const struct options *options, const char *text)
{
	_cleanup_(closep) struct mafs_memory_volume *volume = NULL;
	struct mafs_fault fault = MAFS_FAULT_INIT;
	_cleanup_free_ char *spec = NULL;
	const struct mafs_device_record *added;
	json_t *object;
	int err;

	err = mafs_memory_volume_open(&options->volume, &volume, &fault);
	if (!err)
		err = add_to(volume, text, options, &spec, &fault);
	if (err)
		return tell(&fault, err);
	added = &volume->records[volume->n_records - 1];
	if (!options->as_json) {
		print_device("added", &added->uuid, added->size_bytes, spec,
			     false);
		return MAFS_EXIT_OK;
	}
	object = device_to_json(&added->uuid, added->size_bytes, spec, false,
				false);
	json_dumpf(object, stdout, JSON_INDENT(2));
	json_decref(object);
	puts("");
	return MAFS_EXIT_OK;
}

static int run_action(struct options *options, int argc, char **argv)
{
	const char *action = argc > 0 ? argv[0] : "";
	bool is_add = !strcmp(action, "add");

	if (!is_add && strcmp(action, "list") != 0)
		return mafs_command_usage(&mafs_command_device,
					  "say add or list");
	if (argc != (is_add ? 3 : 2))
		return mafs_command_usage(&mafs_command_device,
					  is_add ? "name one SPEC and one "
						   "SOURCE" :
						   "name one SPEC");
	options->volume.source = argv[1];
	options->volume.role = MAFS_ROLE_MASTER;
	options->volume.devices = options->devices;
	return is_add ? add(options, argv[2]) : list(options);
}

static int run(int argc, char **argv)
{
	static const struct option long_options[] = {
		{ "device", required_argument, NULL, 'd' },
		{ "force", no_argument, NULL, 'f' },
		{ "json", no_argument, NULL, 'j' },
		{ 0 },
	};
	_cleanup_(options_done) struct options options = {
		.devices = calloc((size_t)argc, sizeof(char *)),
	};
	int c;

	if (!options.devices)
		return tell(&(struct mafs_fault)MAFS_FAULT_INIT, -ENOMEM);
	while ((c = getopt_long(argc, argv, "f", long_options, NULL)) != -1) {
		if (c == 'd')
			options.devices[options.volume.n_devices++] = optarg;
		else if (c == 'f')
			options.force = true;
		else if (c == 'j')
			options.as_json = true;
		else
			return mafs_command_usage(&mafs_command_device,
						  "unknown option %s",
						  argv[optind - 1]);
	}
	return run_action(&options, argc - optind, argv + optind);
}

const struct mafs_command mafs_command_device = {
	.name = "device",
	.summary = "add a device to a memory volume, list its devices",
	.help = "usage: mafs device add [--force] [--device SPEC]... [--json] "
		"SPEC SOURCE\n"
		"       mafs device list [--device SPEC]... [--json] SPEC\n"
		"\n"
		"SPEC is the first device of a memory volume, as for mafs mkfs. "
		"add makes SOURCE,\n"
		"written likewise, another of its devices; the volume must not "
		"be mounted. What\n"
		"holds anything is refused. list names each device and where it "
		"is, and exits with\n"
		"1 when one is missing.\n"
		"\n"
		"  --device SPEC  where a device of the volume is now\n"
		"  -f, --force    destroy what is on SOURCE\n"
		"  --json         one object\n"
		"\n"
		"Examples:\n"
		"  mafs device add /dev/dax0.0 /dev/dax1.0\n"
		"  mafs device list file:/srv/shared\n",
	.run = run,
};
