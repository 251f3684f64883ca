// SPDX-License-Identifier: Apache-2.0
/*
 * A file as JSON, by itself or in a listing. Names are API: they are added,
 * never changed. Called by serve_files.c.
 */
#include "json.h"
#include "request.h"

static json_t *map_to_json(const struct mafs_map *map)
{
	json_t *array = json_array();
	char uuid[MAFS_UUID_TEXT_LEN];
	uint64_t file_offset = 0;
	json_t *extent;

	for (size_t i = 0; i < map->n_extents; i++) {
		if (i > 0)
			file_offset += map->extents[i - 1].length_bytes;
		if (mafs_uuid_is_null(&map->extents[i].device_uuid))
			continue; /* a hole */
		mafs_uuid_to_text(&map->extents[i].device_uuid, uuid);
		extent = json_pack("{s:I, s:s, s:I, s:I}", "file_offset",
				   (json_int_t)file_offset, "device_uuid", uuid,
				   "offset",
				   (json_int_t)map->extents[i].offset_bytes,
				   "length",
				   (json_int_t)map->extents[i].length_bytes);
		if (json_array_append_new(array, extent) < 0) {
			json_decref(array);
			return NULL;
		}
	}
	return array;
}

static const char *type_to_text(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return "file";
	case S_IFDIR:
		return "directory";
	case S_IFLNK:
		return "symlink";
	case S_IFIFO:
		return "fifo";
	case S_IFSOCK:
		return "socket";
	default:
		return "device";
	}
}

static json_t *tiers_to_json(const struct mafsd_file_info *info)
{
	json_t *array = json_array();
	int failed = 0;

	if (info->in_memory)
		failed |= json_array_append_new(array, json_string("memory"));
	if (info->on_disk)
		failed |= json_array_append_new(array, json_string("disk"));
	if (failed) {
		json_decref(array);
		return NULL;
	}
	return array;
}

static int set_attributes(json_t *object, const struct stat *st)
{
	char mode[8];
	int failed;

	(void)snprintf(mode, sizeof(mode), "%04o", st->st_mode & 07777U);
	failed = mafsd_json_bytes(object, "type", type_to_text(st->st_mode));
	failed |= mafsd_json_int(object, "ino", st->st_ino);
	failed |= mafsd_json_bytes(object, "mode", mode);
	failed |= mafsd_json_int(object, "n_links", st->st_nlink);
	failed |= mafsd_json_int(object, "uid", st->st_uid);
	failed |= mafsd_json_int(object, "gid", st->st_gid);
	failed |= mafsd_json_int(object, "size_bytes", (uint64_t)st->st_size);
	failed |= mafsd_json_int(object, "mtime_ns",
				 (uint64_t)st->st_mtim.tv_sec * 1000000000U +
					 (uint64_t)st->st_mtim.tv_nsec);
	return failed;
}

static int set_bytes(json_t *object, const struct mafsd_file_info *info)
{
	int failed;

	failed = mafsd_json_bytes(object, "tier", info->tier);
	failed |= json_object_set_new(object, "tiers", tiers_to_json(info));
	failed |= mafsd_json_bytes(object, "state", info->state);
	failed |= mafsd_json_bytes(object, "policy",
				   mafsd_policy_to_text(info->policy));
	failed |= mafsd_json_bytes(object, "path_in_use", info->path_in_use);
	failed |= mafsd_json_int(object, "id", info->id);
	failed |= mafsd_json_int(object, "memory_bytes", info->memory_bytes);
	failed |= mafsd_json_int(object, "dirty_bytes", info->dirty_bytes);
	failed |= mafsd_json_int(object, "n_open", info->n_open);
	return failed;
}

static json_t *make(const char *key, const char *value,
		    const struct mafsd_file_info *info)
{
	json_t *object = json_object();
	int failed;

	failed = mafsd_json_name(object, key, value);
	failed |= set_attributes(object, &info->st);
	failed |= set_bytes(object, info);
	if (failed) {
		json_decref(object);
		return NULL;
	}
	return object;
}

json_t *mafsd_entry_to_json(const char *name,
			    const struct mafsd_file_info *info)
{
	return make("name", name, info);
}

json_t *mafsd_hot_file_to_json(const char *path,
			       const struct mafsd_file_info *info)
{
	return make("path", path, info);
}

json_t *mafsd_file_info_to_json(const char *path,
				const struct mafsd_file_info *info)
{
	json_t *object = make("path", path, info);

	if (object && json_object_set_new(object, "extents",
					  map_to_json(&info->map)) < 0) {
		json_decref(object);
		return NULL;
	}
	return object;
}
