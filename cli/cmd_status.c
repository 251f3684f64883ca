// SPDX-License-Identifier: Apache-2.0
/* mafs status: what each volume holds, for people or as JSON. */
#include "ages.h"
#include "cli.h"
#include "client.h"
#include "volumes.h"
#include "where.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <mafs/cleanup.h>
#include <mafs/diag.h>
#include <mafs/size.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* A line of counters that are not zero; nothing when all are. */
static void print_events(const json_t *status)
{
	static const struct {
		const char *key, *text;
	} events[] = {
		{ "n_written_back", "written back" },
		{ "n_promoted", "promoted" },
		{ "n_evicted", "evicted" },
		{ "n_spilled", "spilled" },
		{ "n_recovered", "recovered" },
		{ "n_conflicts", "conflict copies" },
		{ "n_lost_found", "in lost+found" },
		{ "n_given_back", "given back what they replaced" },
	};
	const char *before = "  since    ";

	for (size_t i = 0; i < MAFS_ARRAY_SIZE(events); i++) {
		uint64_t n = mafs_client_count(status, events[i].key);

		if (n == 0)
			continue;
		printf("%s%" PRIu64 " %s", before, n, events[i].text);
		before = ", ";
	}
	if (*before == ',')
		puts("");
}

static void print_troubles(const json_t *status)
{
	json_t *troubles = json_object_get(status, "troubles"), *trouble;
	char size[MAFS_SIZE_TEXT_LEN], age[32];
	size_t i;

	json_array_foreach(troubles, i, trouble)
	{
		mafs_size_to_text(mafs_client_count(trouble, "dirty_bytes"),
				  size);
		printf("  TROUBLE  %s: %s (%s kept in memory, tried %" PRIu64
		       " times in %s)\n",
		       mafs_client_text(trouble, "path"),
		       mafs_client_text(trouble, "error"), size,
		       mafs_client_count(trouble, "n_attempts"),
		       mafs_age_to_text(
			       mafs_client_count(trouble, "failing_ms"), age));
	}
}

/* What the last power cut took. */
static void print_pending(const json_t *status)
{
	const json_t *pending = json_object_get(status, "pending");
	const json_t *paths = json_object_get(pending, "paths");
	uint64_t n = mafs_client_count(pending, "n");

	if (json_is_true(json_object_get(pending, "scanning")))
		printf("  LOOKING  for files that were never written back, %" PRIu64
		       " seen\n",
		       mafs_client_count(pending, "n_seen"));
	if (n == 0)
		return;
	printf("  LOST     %" PRIu64 " file%s not written back before the "
	       "machine went down: %s%s\n"
	       "           listed in %s/.mafs/pending; remove that when it is "
	       "settled\n",
	       n, n == 1 ? " was" : "s were",
	       json_string_value(json_array_get(paths, 0)),
	       n > 1 ? ", ..." : "", mafs_client_text(status, "source"));
}

static bool is_true(const json_t *status, const char *key)
{
	return json_is_true(json_object_get(status, key));
}

static void print_memory(const json_t *status)
{
	const json_t *memory = json_object_get(status, "memory");
	uint64_t size_bytes = mafs_client_count(memory, "size_bytes");
	uint64_t used_bytes = mafs_client_count(memory, "used_bytes");
	char size[MAFS_SIZE_TEXT_LEN], used[MAFS_SIZE_TEXT_LEN];

	mafs_size_to_text(size_bytes, size);
	mafs_size_to_text(used_bytes, used);
	printf("  memory   %s%s%s, %s of %s used (%.0f%%), %s\n",
	       mafs_client_text(memory, "kind"),
	       json_object_get(memory, "device") ? ":" : "",
	       mafs_client_text(memory, "device"), used, size,
	       size_bytes ? 100.0 * (double)used_bytes / (double)size_bytes :
			    0.0,
	       mafs_client_text(memory, "policy"));
}

static void print_disk(const json_t *status)
{
	const json_t *disk =
		json_array_get(json_object_get(status, "tiers"), 1);
	uint64_t reserved_bytes = mafs_client_count(disk, "reserved_bytes");
	char size[MAFS_SIZE_TEXT_LEN], free_text[MAFS_SIZE_TEXT_LEN];
	char reserved[MAFS_SIZE_TEXT_LEN];

	mafs_size_to_text(mafs_client_count(disk, "size_bytes"), size);
	mafs_size_to_text(mafs_client_count(disk, "available_bytes"),
			  free_text);
	mafs_size_to_text(reserved_bytes, reserved);
	printf("  disk     %s of %s free", free_text, size);
	if (reserved_bytes)
		printf(", besides %s for what is dirty", reserved);
	puts("");
}

/* How much of what is hot stays so. */
static void print_pinned(const json_t *status)
{
	uint64_t bytes = mafs_client_count(status, "pinned_bytes");
	char size[MAFS_SIZE_TEXT_LEN];

	mafs_size_to_text(bytes, size);
	printf("%s%s%s\n", bytes ? ", " : "", bytes ? size : "",
	       bytes ? " pinned" : "");
}

static void print_files(const json_t *status, const char *title,
			const char *n_key, const char *bytes_key)
{
	uint64_t n = mafs_client_count(status, n_key);
	char size[MAFS_SIZE_TEXT_LEN];

	mafs_size_to_text(mafs_client_count(status, bytes_key), size);
	printf("  %-8s %" PRIu64 " file%s, %s", title, n, n == 1 ? "" : "s",
	       size);
}

static void print_alive(const json_t *status)
{
	uint64_t oldest_ms = mafs_client_count(status, "dirty_oldest_ms");
	char age[32];

	printf("  daemon   pid %" PRIu64 ", up %s%s%s%s\n",
	       mafs_client_count(status, "pid"),
	       mafs_age_to_text(mafs_client_count(status, "uptime_ms"), age),
	       is_true(status, "read_only") ? ", read-only" : "",
	       is_true(status, "passthrough") ? ", passthrough" : "",
	       is_true(status, "io_uring") ? ", io_uring" : "");
	if (!strcmp(mafs_client_text(status, "state"), "stopping"))
		puts("  STOPPING unmounted, still writing back");
	if (!is_true(status, "handles"))
		puts("  note     the source has no file handles: files are "
		     "found again by inode and birth time");
	if (is_true(status, "memory_is_short"))
		puts("  PRESSURE the machine is short of memory: clean files "
		     "leave it");
	print_memory(status);
	print_disk(status);
	print_files(status, "hot", "n_hot", "hot_bytes");
	print_pinned(status);
	print_files(status, "dirty", "n_dirty", "dirty_bytes");
	if (oldest_ms)
		printf(", the oldest for %s", mafs_age_to_text(oldest_ms, age));
	puts("");
	print_events(status);
	print_pending(status);
	print_troubles(status);
}

static void print_devices(const json_t *status)
{
	json_t *devices = json_object_get(status, "devices"), *device;
	char size[MAFS_SIZE_TEXT_LEN];
	size_t i;

	json_array_foreach(devices, i, device)
	{
		mafs_size_to_text(mafs_client_count(device, "size_bytes"),
				  size);
		printf("  device   %s:%s, %s, %s\n",
		       mafs_client_text(device, "kind"),
		       mafs_client_text(device, "path"), size,
		       mafs_client_text(device, "uuid"));
	}
}

static void print_memory_volume(const json_t *status)
{
	char used[MAFS_SIZE_TEXT_LEN], size[MAFS_SIZE_TEXT_LEN];
	char log[MAFS_SIZE_TEXT_LEN];

	printf("  daemon   pid %" PRIu64 ", %s, epoch %" PRIu64 "%s\n",
	       mafs_client_count(status, "pid"),
	       mafs_client_text(status, "role"),
	       mafs_client_count(status, "master_epoch"),
	       is_true(status, "io_uring") ? ", io_uring" : "");
	if (!strcmp(mafs_client_text(status, "state"), "broken"))
		puts("  BROKEN   the log could not be written, or another "
		     "master took over: unmount, then\n"
		     "           mafs fsck says what is there");
	print_devices(status);
	mafs_size_to_text(mafs_client_count(status, "memory_used_bytes"), used);
	mafs_size_to_text(mafs_client_count(status, "memory_size_bytes"), size);
	mafs_size_to_text(mafs_client_count(status, "log_bytes"), log);
	printf("  memory   %s of %s used, log %s\n", used, size, log);
	printf("  inodes   %" PRIu64 ", %" PRIu64 " open\n",
	       mafs_client_count(status, "n_inodes"),
	       mafs_client_count(status, "n_open"));
}

/* What can be said of a volume that does not answer. */
static json_t *unanswered(const struct mafs_volume_ref *volume,
			  const char *state, const char *error)
{
	char uuid[MAFS_UUID_TEXT_LEN];
	json_t *status = json_object();

	mafs_uuid_to_text(&volume->uuid, uuid);
	json_object_set_new(status, "state", json_string(state));
	json_object_set_new(status, "uuid", json_string(uuid));
	json_object_set_new(status, "pid", json_integer(volume->pid));
	json_object_set_new(status, "source",
			    volume->source ? json_string(volume->source) :
					     json_null());
	json_object_set_new(status, "mountpoint",
			    volume->mountpoint ?
				    json_string(volume->mountpoint) :
				    json_null());
	json_object_set_new(status, "error", json_string(error));
	return status;
}

/* Return: MAFS_EXIT_OK when the daemon answered; *ret is set in any case. */
static int ask(const struct mafs_volume_ref *volume, json_t **ret)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;
	int r;

	if (!volume->pid) {
		*ret = unanswered(volume, "dead", "the daemon is gone");
		return MAFS_EXIT_FAILURE;
	}
	r = mafs_client_status(volume->control_path, ret, &fault);
	if (r == 0)
		return MAFS_EXIT_OK;
	*ret = unanswered(volume, r == -ETIMEDOUT ? "hanging" : "silent",
			  fault.what);
	return MAFS_EXIT_FAILURE;
}

static void print_volume(const struct mafs_volume_ref *volume,
			 const json_t *status, bool first)
{
	const char *state = mafs_client_text(status, "state");
	char title[8300];

	printf("%s%s\n", first ? "" : "\n",
	       mafs_where_title(volume, title, sizeof(title)));
	if (!strcmp(state, "dead") && volume->is_memory)
		puts("  DEAD     the daemon is gone; mafs umount ends the "
		     "mount, mafs mount begins it\n"
		     "           again with what is on the device, of a memfd "
		     "nothing");
	else if (!strcmp(state, "dead"))
		puts("  DEAD     the daemon is gone; what was written is in "
		     "memory: mafs mount goes on,\n"
		     "           mafs umount writes it back");
	else if (!strcmp(state, "hanging") || !strcmp(state, "silent"))
		printf("  SILENT   pid %d: %s\n", (int)volume->pid,
		       mafs_client_text(status, "error"));
	else if (!strcmp(mafs_client_text(status, "volume"), "memory"))
		print_memory_volume(status);
	else
		print_alive(status);
}

static void print_json(const json_t *volumes, bool one)
{
	json_t *all;

	if (one) {
		json_dumpf(json_array_get(volumes, 0), stdout, JSON_INDENT(2));
	} else {
		all = json_pack("{s:O}", "volumes", volumes);
		json_dumpf(all, stdout, JSON_INDENT(2));
		json_decref(all);
	}
	puts("");
}

static int show(const struct mafs_volumes *volumes, bool as_json, bool one)
{
	_cleanup_(mafs_json_decrefp) json_t *all = json_array();
	int code = MAFS_EXIT_OK;
	json_t *status;

	for (size_t i = 0; i < volumes->n_refs; i++) {
		code |= ask(&volumes->refs[i], &status);
		if (!as_json)
			print_volume(&volumes->refs[i], status, i == 0);
		json_array_append_new(all, status);
	}
	if (as_json)
		print_json(all, one);
	else if (volumes->n_refs == 0)
		puts("no volume is mounted; mafs mount --help says how");
	return code;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ 0 },
	};
	_cleanup_(mafs_volumes_done) struct mafs_volumes volumes = { 0 };
	struct mafs_fault fault = MAFS_FAULT_INIT;
	bool as_json = false;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c != 'j')
			return mafs_command_usage(&mafs_command_status,
						  "unknown option %s",
						  argv[optind - 1]);
		as_json = true;
	}
	if (argc - optind > 1)
		return mafs_command_usage(&mafs_command_status,
					  "one volume, or none for all");
	if (mafs_volumes_find(argv + optind, (size_t)(argc - optind), &volumes,
			      &fault) < 0) {
		mafs_error("%s", fault.what);
		return MAFS_EXIT_FAILURE;
	}
	return show(&volumes, as_json, optind < argc);
}

const struct mafs_command mafs_command_status = {
	.name = "status",
	.summary = "show what each volume holds in memory and what is dirty",
	.help = "usage: mafs status [--json] [VOLUME]\n"
		"\n"
		"Shows the daemon, the memory, what is hot, what is dirty, and "
		"each file that could\n"
		"not be written back. Exits with 1 when a daemon is gone or "
		"does not answer.\n"
		"\n"
		"  VOLUME  a mount point, its directory or its UUID; without "
		"it, all\n"
		"  --json  one object, or without VOLUME {\"volumes\": [...]}\n"
		"\n"
		"Examples:\n"
		"  mafs status\n"
		"  mafs status --json /mnt/fast | jq .dirty_bytes\n",
	.run = run,
};
