// SPDX-License-Identifier: Apache-2.0
/* fsck's report as one JSON object. */
#include "fsck_report.h"

#include "fsck_findings.h"
#include "names.h"

#include <mafs/cleanup.h>
#include <stdio.h>
#include <string.h>

static json_t *superblock_to_json(const struct mafs_check *check)
{
	json_t *object = json_object();

	mafs_json_set_uuid(object, "device_uuid", &check->sb.device_uuid);
	mafs_json_set_number(object, "copy", (uint64_t)check->sb_copy + 1);
	mafs_json_set_number(object, "generation", check->sb.generation);
	json_object_set_new(object, "live_slot",
			    json_string(check->sb.live_slot ? "B" : "A"));
	mafs_json_set_number(object, "size", check->sb.device_size_bytes);
	return object;
}

static json_t *log_to_json(const struct mafs_check *check)
{
	json_t *object = json_object();
	const char *tail = "clean";

	if (!check->log_whole)
		tail = "not reached";
	else if (check->tail == MAFS_LOG_TAIL_TORN)
		tail = "torn";
	mafs_json_set_number(object, "n_entries", check->n_entries);
	mafs_json_set_number(object, "n_batches", check->n_batches);
	mafs_json_set_number(object, "seq", check->end.seq);
	mafs_json_set_number(object, "end_offset", check->end.batch_offset);
	json_object_set_new(object, "tail", json_string(tail));
	return object;
}

static json_t *counts_to_json(const struct mafs_check *check)
{
	struct mafs_fsck_counts counts;
	json_t *object = json_object();

	mafs_fsck_count(check, &counts);
	mafs_json_set_number(object, "hot", mafs_hot_count(check->hot));
	mafs_json_set_number(object, "clean", counts.n_clean);
	mafs_json_set_number(object, "dirty", counts.n_dirty);
	mafs_json_set_number(object, "writing", counts.n_writing);
	mafs_json_set_number(object, "memory_files", check->inventory.n_files);
	mafs_json_set_number(object, "orphans",
			     check->found.n_of_kind[MAFS_FINDING_ORPHAN]);
	mafs_json_set_number(object, "errors",
			     check->found.n_of_kind[MAFS_FINDING_ERROR]);
	return object;
}

static json_t *extents_to_json(const struct mafs_map *map)
{
	json_t *array = json_array();

	for (size_t i = 0; i < map->n_extents; i++) {
		json_t *object = json_object();

		mafs_json_set_uuid(object, "device_uuid",
				   &map->extents[i].device_uuid);
		mafs_json_set_number(object, "offset",
				     map->extents[i].offset_bytes);
		mafs_json_set_number(object, "length",
				     map->extents[i].length_bytes);
		json_array_append_new(array, object);
	}
	return array;
}

static int file_to_json(const struct mafs_hot_files *files, size_t i,
			json_t *array)
{
	_cleanup_(
		mafs_descriptor_done) struct mafs_descriptor descriptor = { 0 };
	json_t *object;
	int r;

	r = mafs_hot_files_describe(files, i, &descriptor);
	if (r < 0)
		return r;
	object = json_object();
	mafs_json_set_number(object, "id", descriptor.id);
	if (descriptor.path)
		mafs_name_to_json(object, "path", descriptor.path);
	else if (descriptor.hint)
		mafs_name_to_json(object, "hint", descriptor.hint);
	json_object_set_new(
		object, "state",
		json_string(mafs_descriptor_state_to_text(descriptor.state)));
	mafs_json_set_number(object, "size", descriptor.size_bytes);
	json_object_set_new(object, "extents",
			    extents_to_json(&descriptor.map));
	return json_array_append_new(array, object) < 0 ? -ENOMEM : 0;
}

int mafs_fsck_report_json(const struct mafs_fsck *fsck)
{
	_cleanup_(json_decrefp) json_t *report = json_object();
	json_t *files;
	int r = 0;

	if (!report)
		return -ENOMEM;
	mafs_json_set_uuid(report, "volume", &fsck->device->volume.uuid);
	json_object_set_new(report, "live", json_boolean(fsck->device->live));
	if (fsck->check->have_sb) {
		json_object_set_new(report, "superblock",
				    superblock_to_json(fsck->check));
		json_object_set_new(report, "log", log_to_json(fsck->check));
	}
	json_object_set_new(report, "counts", counts_to_json(fsck->check));
	json_object_set_new(report, "findings",
			    mafs_fsck_findings_to_json(&fsck->check->found));
	if (fsck->files) {
		files = json_array();
		json_object_set_new(report, "files", files);
		for (size_t i = 0; r == 0 && i < fsck->files->n_files; i++)
			r = file_to_json(fsck->files, i, files);
	}
	json_object_set_new(report, "exit_code", json_integer(fsck->exit_code));
	if (r < 0 || json_dumpf(report, stdout, JSON_INDENT(2)) < 0)
		return r < 0 ? r : -ENOMEM;
	putchar('\n');
	return 0;
}
