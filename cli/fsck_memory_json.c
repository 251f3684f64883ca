// SPDX-License-Identifier: Apache-2.0
/* fsck's report of a memory volume as one JSON object. */
#include "fsck_memory.h"

#include "names.h"

#include <mafs/cleanup.h>
#include <stdio.h>

static json_t *superblock_to_json(const struct mafs_memory_check *check)
{
	json_t *object = json_object();

	mafs_json_set_uuid(object, "device_uuid", &check->sb.device_uuid);
	mafs_json_set_number(object, "copy", (uint64_t)check->sb_copy + 1);
	mafs_json_set_number(object, "generation", check->sb.generation);
	json_object_set_new(object, "live_slot",
			    json_string(check->sb.live_slot ? "B" : "A"));
	mafs_json_set_number(object, "alloc_unit", check->sb.alloc_unit_bytes);
	mafs_json_set_number(object, "master_epoch", check->sb.master_epoch);
	return object;
}

static json_t *log_to_json(const struct mafs_memory_check *check)
{
	const struct mafs_log_position *end = &check->volume->end;
	json_t *object = json_object();
	const char *tail = "clean";

	if (!check->log_whole)
		tail = "not reached";
	else if (check->volume->tail == MAFS_LOG_TAIL_TORN)
		tail = "torn";
	mafs_json_set_number(object, "n_entries", check->n_entries);
	mafs_json_set_number(object, "n_batches", check->n_batches);
	mafs_json_set_number(object, "seq", end->seq);
	mafs_json_set_number(object, "end_offset", end->batch_offset);
	json_object_set_new(object, "tail", json_string(tail));
	return object;
}

static json_t *counts_to_json(const struct mafs_fsck_memory *fsck)
{
	const struct mafs_memory_check *check = &fsck->check;
	json_t *object = json_object();

	mafs_json_set_number(object, "files", check->n_files);
	mafs_json_set_number(object, "directories", check->n_dirs);
	mafs_json_set_number(object, "others", check->n_others);
	mafs_json_set_number(object, "extents", check->n_extents);
	mafs_json_set_number(object, "bytes", check->file_bytes);
	mafs_json_set_number(object, "errors",
			     check->found.n_of_kind[MAFS_FINDING_ERROR]);
	mafs_json_set_number(object, "mended", fsck->n_mended);
	return object;
}

static json_t *devices_to_json(const struct mafs_memory_check *check)
{
	struct mafs_pool *pool = check->volume->pool;
	json_t *array = json_array();

	for (uint32_t i = 0; i < mafs_pool_n_devices(pool); i++) {
		const struct mafs_device_space *space = &check->spaces[i];
		json_t *object = json_object();

		mafs_json_set_uuid(object, "uuid",
				   &mafs_pool_device(pool, i)->uuid);
		mafs_json_set_number(object, "size", space->size_bytes);
		mafs_json_set_number(object, "log", space->log_bytes);
		mafs_json_set_number(object, "free", space->free_bytes);
		mafs_json_set_number(object, "free_runs", space->n_free_runs);
		mafs_json_set_number(object, "largest_free",
				     space->largest_free_bytes);
		json_array_append_new(array, object);
	}
	return array;
}

static json_t *extents_to_json(const struct mafs_map *map)
{
	json_t *array = json_array();

	for (size_t i = 0; i < map->n_extents; i++) {
		const struct mafs_extent *extent = &map->extents[i];
		json_t *object = json_object();

		if (mafs_uuid_is_null(&extent->device_uuid)) {
			mafs_json_set_number(object, "hole",
					     extent->length_bytes);
		} else {
			mafs_json_set_uuid(object, "device_uuid",
					   &extent->device_uuid);
			mafs_json_set_number(object, "offset",
					     extent->offset_bytes);
			mafs_json_set_number(object, "length",
					     extent->length_bytes);
		}
		json_array_append_new(array, object);
	}
	return array;
}

static int set_files(json_t *report, struct mafs_memory_check *check)
{
	_cleanup_(mafs_fsck_files_done) struct mafs_fsck_files files = {};
	json_t *array = json_array();
	int r = mafs_fsck_files_find(check, &files);

	for (size_t i = 0; r == 0 && i < files.n; i++) {
		const struct mafs_node *node = files.list[i].node;
		json_t *object = json_object();

		mafs_json_set_number(object, "id", node->id);
		mafs_name_to_json(object, "path", files.list[i].path);
		mafs_json_set_number(object, "size", node->size_bytes);
		json_object_set_new(object, "extents",
				    extents_to_json(&node->map));
		json_array_append_new(array, object);
	}
	json_object_set_new(report, "files", array);
	return r;
}

int mafs_fsck_memory_report_json(struct mafs_fsck_memory *fsck)
{
	_cleanup_(json_decrefp) json_t *report = json_object();
	struct mafs_memory_check *check = &fsck->check;
	int r = 0;

	if (!report)
		return -ENOMEM;
	if (check->have_sb) {
		mafs_json_set_uuid(report, "volume", &check->sb.fs_uuid);
		json_object_set_new(report, "live", json_boolean(check->live));
		json_object_set_new(report, "superblock",
				    superblock_to_json(check));
		json_object_set_new(report, "log", log_to_json(check));
	}
	if (check->spaces)
		json_object_set_new(report, "devices", devices_to_json(check));
	json_object_set_new(report, "counts", counts_to_json(fsck));
	json_object_set_new(report, "mended",
			    mafs_fsck_findings_to_json(&fsck->mended));
	json_object_set_new(report, "findings",
			    mafs_fsck_findings_to_json(&check->found));
	if (fsck->extents)
		r = set_files(report, check);
	json_object_set_new(report, "exit_code", json_integer(fsck->exit_code));
	if (r < 0 || json_dumpf(report, stdout, JSON_INDENT(2)) < 0)
		return r < 0 ? r : -ENOMEM;
	putchar('\n');
	return 0;
}
