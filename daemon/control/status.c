// SPDX-License-Identifier: Apache-2.0
/*
 * The daemon's answers as JSON. Names are API: they are added, never changed.
 * Called by routes.c.
 */
#include "request.h"

#include <errno.h>
#include <mafs/cleanup.h>
#include <string.h>
#include <unistd.h>

/* Length of the UTF-8 sequence that begins here, 0 when it is none. */
static size_t utf8_len(const char *s)
{
	char one[5] = { 0 };
	json_t *probe;

	if ((unsigned char)*s < 0x80)
		return 1;
	for (size_t len = 2; len <= 4 && s[len - 1]; len++) {
		memcpy(one, s, len);
		probe = json_string(one);
		if (probe) {
			json_decref(probe);
			return len;
		}
	}
	return 0;
}

json_t *mafsd_bytes_to_json(const char *bytes)
{
	static const char replacement[] = "\xEF\xBF\xBD"; /* U+FFFD */
	_cleanup_free_ char *clean = NULL;
	size_t len, n = 0;
	json_t *whole;

	whole = json_string(bytes);
	if (whole)
		return whole;
	clean = malloc(strlen(bytes) * (sizeof(replacement) - 1) + 1);
	if (!clean)
		return NULL;
	while (*bytes) {
		len = utf8_len(bytes);
		memcpy(clean + n, len ? bytes : replacement,
		       len ? len : sizeof(replacement) - 1);
		n += len ? len : sizeof(replacement) - 1;
		bytes += len ? len : 1;
	}
	clean[n] = '\0';
	return json_string(clean);
}

static int set_int(json_t *object, const char *key, uint64_t value)
{
	return json_object_set_new(object, key,
				   json_integer((json_int_t)value));
}

static int set_bool(json_t *object, const char *key, bool value)
{
	return json_object_set_new(object, key, json_boolean(value));
}

static int set_bytes(json_t *object, const char *key, const char *bytes)
{
	return json_object_set_new(
		object, key, bytes ? mafsd_bytes_to_json(bytes) : json_null());
}

static json_t *trouble_to_json(const struct mafsd_trouble *trouble)
{
	json_t *object = json_object();
	int failed;

	failed = set_bytes(object, "path", trouble->path);
	failed |= set_bytes(object, "error", strerror(trouble->error));
	failed |= set_int(object, "errno", (uint64_t)trouble->error);
	failed |= set_int(object, "n_attempts", trouble->n_attempts);
	failed |= set_int(object, "dirty_bytes", trouble->dirty_bytes);
	failed |= set_int(object, "age_ms", trouble->age_ms);
	failed |= set_int(object, "next_try_ms", trouble->next_try_ms);
	if (failed) {
		json_decref(object);
		return NULL;
	}
	return object;
}

static json_t *troubles_to_json(const struct mafsd_trouble *troubles, size_t n)
{
	json_t *array = json_array();

	for (size_t i = 0; i < n; i++) {
		if (json_array_append_new(array,
					  trouble_to_json(&troubles[i])) < 0) {
			json_decref(array);
			return NULL;
		}
	}
	return array;
}

static json_t *upcalls_to_json(const uint64_t *counts)
{
	json_t *object = json_object();

	for (int i = 0; i < MAFSD_N_UPCALLS; i++) {
		if (set_int(object, mafsd_upcall_to_text((enum mafsd_upcall)i),
			    counts[i]) < 0) {
			json_decref(object);
			return NULL;
		}
	}
	return object;
}

static int set_identity(json_t *object, const struct mafsd_status *status)
{
	char uuid[MAFS_UUID_TEXT_LEN];
	int failed;

	mafs_uuid_to_text(&status->uuid, uuid);
	failed = set_int(object, "pid", (uint64_t)getpid());
	failed |= set_bytes(object, "uuid", uuid);
	failed |= set_bytes(object, "source", status->source);
	failed |= set_bytes(object, "mountpoint", status->mountpoint);
	failed |= set_bytes(object, "state",
			    status->stopping ? "stopping" : "serving");
	failed |= set_int(object, "uptime_ms", status->uptime_ms);
	failed |= json_object_set_new(
		object, "memory",
		json_pack("{s:s, s:s, s:I, s:I}", "kind",
			  status->memory_kind ? status->memory_kind : "none",
			  "policy", status->policy, "size_bytes",
			  (json_int_t)status->memory_size_bytes, "used_bytes",
			  (json_int_t)status->memory_used_bytes));
	return failed;
}

static int set_counts(json_t *object, const struct mafsd_status *status)
{
	int failed;

	failed = set_int(object, "dirty_bytes", status->dirty_bytes);
	failed |= set_int(object, "n_dirty", status->n_dirty);
	failed |= set_int(object, "dirty_oldest_ms", status->dirty_oldest_ms);
	failed |= set_int(object, "n_hot", status->n_hot);
	failed |= set_int(object, "hot_bytes", status->hot_bytes);
	failed |= set_int(object, "reserved_bytes", status->reserved_bytes);
	failed |= set_int(object, "n_inodes", status->n_inodes);
	failed |= set_int(object, "n_open", status->n_open);
	failed |= set_int(object, "log_bytes", status->log_bytes);
	failed |= set_int(object, "n_spilled", status->n_spilled);
	failed |= set_int(object, "n_evicted", status->n_evicted);
	failed |= set_int(object, "n_promoted", status->n_promoted);
	failed |= set_int(object, "n_written_back", status->n_written_back);
	failed |= set_int(object, "n_recovered", status->n_recovered);
	failed |= set_int(object, "n_conflicts", status->n_conflicts);
	failed |= set_int(object, "n_lost_found", status->n_lost_found);
	failed |= set_int(object, "n_given_back", status->n_given_back);
	return failed;
}

static int set_features(json_t *object, const struct mafsd_status *status)
{
	int failed;

	failed = set_bool(object, "passthrough", status->passthrough);
	failed |= set_bool(object, "io_uring", status->io_uring);
	failed |= set_bool(object, "handles", status->handles);
	failed |= set_bool(object, "fs_id_weak", status->fs_id_weak);
	failed |= set_bool(object, "read_only", status->read_only);
	failed |= set_bool(object, "memory_is_short", status->memory_is_short);
	return failed;
}

/* Files that a power cut took the bytes of. */
json_t *mafsd_pending_to_json(const struct mafsd_status *status,
			      char *const *paths, size_t n_paths, size_t n)
{
	json_t *object = json_object(), *array = json_array();
	int failed = 0;

	for (size_t i = 0; i < n_paths; i++)
		failed |= json_array_append_new(array,
						mafsd_bytes_to_json(paths[i]));
	failed |= set_bool(object, "scanning", status->pending_scanning);
	failed |= set_int(object, "n_seen", status->n_pending_seen);
	failed |= set_int(object, "n", n);
	failed |= json_object_set_new(object, "paths", array);
	if (failed) {
		json_decref(object);
		return NULL;
	}
	return object;
}

json_t *mafsd_status_to_json(const struct mafsd_status *status,
			     const struct mafsd_trouble *troubles,
			     size_t n_troubles)
{
	json_t *object = json_object();
	int failed;

	failed = set_identity(object, status);
	failed |= set_counts(object, status);
	failed |= set_features(object, status);
	failed |= json_object_set_new(object, "upcalls",
				      upcalls_to_json(status->upcalls));
	failed |= json_object_set_new(object, "troubles",
				      troubles_to_json(troubles, n_troubles));
	if (failed) {
		json_decref(object);
		return NULL;
	}
	return object;
}

static json_t *map_to_json(const struct mafs_map *map)
{
	json_t *array = json_array();
	char uuid[MAFS_UUID_TEXT_LEN];
	json_t *extent;

	for (size_t i = 0; i < map->n_extents; i++) {
		mafs_uuid_to_text(&map->extents[i].device_uuid, uuid);
		extent = json_pack("{s:s, s:I, s:I}", "device_uuid", uuid,
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

json_t *mafsd_file_info_to_json(const char *path,
				const struct mafsd_file_info *info)
{
	json_t *object = json_object();
	int failed;

	failed = set_bytes(object, "path", path);
	failed |= set_bytes(object, "tier", info->tier);
	failed |= set_bytes(object, "state", info->state);
	failed |= set_bytes(object, "path_in_use", info->path_in_use);
	failed |= set_int(object, "id", info->id);
	failed |= set_int(object, "ino", info->ino);
	failed |= set_int(object, "size_bytes", info->size_bytes);
	failed |= set_int(object, "memory_bytes", info->memory_bytes);
	failed |= set_int(object, "dirty_bytes", info->dirty_bytes);
	failed |= set_int(object, "n_open", info->n_open);
	failed |=
		json_object_set_new(object, "extents", map_to_json(&info->map));
	if (failed) {
		json_decref(object);
		return NULL;
	}
	return object;
}
