// SPDX-License-Identifier: Apache-2.0
/*
 * The state of the daemon as JSON. Names are API: they are added, never
 * changed. Called by serve_volume.c.
 */
#include "json.h"
#include "request.h"

#include <errno.h>
#include <mafs/cleanup.h>
#include <string.h>
#include <unistd.h>

static json_t *dirty_to_json(const struct mafsd_dirty *dirty)
{
	json_t *object = json_object();
	int failed;

	failed = mafsd_json_bytes(object, "path", dirty->path);
	failed |= mafsd_json_int(object, "dirty_bytes", dirty->dirty_bytes);
	failed |= mafsd_json_int(object, "age_ms", dirty->age_ms);
	failed |= mafsd_json_int(object, "n_attempts", dirty->n_attempts);
	failed |= mafsd_json_int(object, "next_try_ms", dirty->next_try_ms);
	failed |= mafsd_json_bytes(
		object, "error", dirty->error ? strerror(dirty->error) : NULL);
	failed |= mafsd_json_int(object, "errno", (uint64_t)dirty->error);
	failed |= mafsd_json_int(object, "failing_ms", dirty->failing_ms);
	if (failed) {
		json_decref(object);
		return NULL;
	}
	return object;
}

json_t *mafsd_dirty_to_json(const struct mafsd_dirty *list, size_t n)
{
	json_t *array = json_array();

	for (size_t i = 0; i < n; i++) {
		if (json_array_append_new(array, dirty_to_json(&list[i])) < 0) {
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
		if (mafsd_json_int(object,
				   mafsd_upcall_to_text((enum mafsd_upcall)i),
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
	failed = mafsd_json_int(object, "pid", (uint64_t)getpid());
	failed |= mafsd_json_bytes(object, "uuid", uuid);
	failed |= mafsd_json_bytes(object, "source", status->source);
	failed |= mafsd_json_bytes(object, "mountpoint", status->mountpoint);
	failed |= mafsd_json_bytes(object, "state",
				   status->stopping ? "stopping" : "serving");
	failed |= mafsd_json_int(object, "uptime_ms", status->uptime_ms);
	failed |= json_object_set_new(
		object, "memory",
		json_pack("{s:s, s:s, s:I, s:I}", "kind",
			  status->memory_kind ? status->memory_kind : "none",
			  "policy", status->policy, "size_bytes",
			  (json_int_t)status->memory_size_bytes, "used_bytes",
			  (json_int_t)status->memory_used_bytes));
	if (status->memory_path)
		failed |= mafsd_json_bytes(json_object_get(object, "memory"),
					   "device", status->memory_path);
	return failed;
}

static int set_counts(json_t *object, const struct mafsd_status *status)
{
	int failed;

	failed = mafsd_json_int(object, "dirty_bytes", status->dirty_bytes);
	failed |= mafsd_json_int(object, "n_dirty", status->n_dirty);
	failed |= mafsd_json_int(object, "dirty_oldest_ms",
				 status->dirty_oldest_ms);
	failed |= mafsd_json_int(object, "n_hot", status->n_hot);
	failed |= mafsd_json_int(object, "hot_bytes", status->hot_bytes);
	failed |= mafsd_json_int(object, "reserved_bytes",
				 status->reserved_bytes);
	failed |= mafsd_json_int(object, "n_inodes", status->n_inodes);
	failed |= mafsd_json_int(object, "n_open", status->n_open);
	failed |= mafsd_json_int(object, "log_bytes", status->log_bytes);
	failed |= mafsd_json_int(object, "n_spilled", status->n_spilled);
	failed |= mafsd_json_int(object, "n_evicted", status->n_evicted);
	failed |= mafsd_json_int(object, "n_promoted", status->n_promoted);
	failed |= mafsd_json_int(object, "n_written_back",
				 status->n_written_back);
	failed |= mafsd_json_int(object, "promoted_bytes",
				 status->promoted_bytes);
	failed |= mafsd_json_int(object, "written_back_bytes",
				 status->written_back_bytes);
	failed |= mafsd_json_int(object, "pinned_bytes", status->pinned_bytes);
	failed |= mafsd_json_int(object, "n_recovered", status->n_recovered);
	failed |= mafsd_json_int(object, "n_conflicts", status->n_conflicts);
	failed |= mafsd_json_int(object, "n_lost_found", status->n_lost_found);
	failed |= mafsd_json_int(object, "n_given_back", status->n_given_back);
	return failed;
}

/* The totals of each tier. What is on the disk and not mafs's counts too. */
static json_t *tiers_to_json(const struct mafsd_status *status)
{
	return json_pack("[{s:s, s:I, s:I, s:I, s:I},"
			 " {s:s, s:I, s:I, s:I}]",
			 "name", "memory", "n_files", (json_int_t)status->n_hot,
			 "size_bytes", (json_int_t)status->memory_size_bytes,
			 "used_bytes", (json_int_t)status->memory_used_bytes,
			 "dirty_bytes", (json_int_t)status->dirty_bytes, /**/
			 "name", "disk", "size_bytes",
			 (json_int_t)status->disk_size_bytes, "available_bytes",
			 (json_int_t)status->disk_available_bytes,
			 "reserved_bytes", (json_int_t)status->reserved_bytes);
}

/* The kernel passes M and D by: of those there are no bytes to tell. */
static json_t *way_to_json(enum mafsd_way way,
			   const struct mafsd_way_usage *usage)
{
	json_t *object = json_object();
	int failed;

	failed = mafsd_json_int(object, "n_opens", usage->n_opens);
	failed |= mafsd_json_int(object, "n_open", usage->n_open);
	if (way != MAFSD_WAY_M && way != MAFSD_WAY_D) {
		failed |=
			mafsd_json_int(object, "read_bytes", usage->read_bytes);
		failed |= mafsd_json_int(object, "written_bytes",
					 usage->written_bytes);
	}
	if (failed) {
		json_decref(object);
		return NULL;
	}
	return object;
}

static json_t *ways_to_json(const struct mafsd_status *status)
{
	json_t *object = json_object();

	for (int i = 0; i < MAFSD_N_WAYS; i++) {
		enum mafsd_way way = (enum mafsd_way)i;

		if (json_object_set_new(object, mafsd_way_to_text(way),
					way_to_json(way, &status->ways[i])) <
		    0) {
			json_decref(object);
			return NULL;
		}
	}
	return object;
}

static int set_features(json_t *object, const struct mafsd_status *status)
{
	int failed;

	failed = mafsd_json_bool(object, "passthrough", status->passthrough);
	failed |= mafsd_json_bool(object, "io_uring", status->io_uring);
	failed |= mafsd_json_bool(object, "handles", status->handles);
	failed |= mafsd_json_bool(object, "fs_id_weak", status->fs_id_weak);
	failed |= mafsd_json_bool(object, "read_only", status->read_only);
	failed |= mafsd_json_bool(object, "memory_is_short",
				  status->memory_is_short);
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
	failed |= mafsd_json_bool(object, "scanning", status->pending_scanning);
	failed |= mafsd_json_int(object, "n_seen", status->n_pending_seen);
	failed |= mafsd_json_int(object, "n", n);
	failed |= json_object_set_new(object, "paths", array);
	if (failed) {
		json_decref(object);
		return NULL;
	}
	return object;
}

json_t *mafsd_status_to_json(const struct mafsd_status *status,
			     const struct mafsd_dirty *troubles,
			     size_t n_troubles)
{
	json_t *object = json_object();
	int failed;

	failed = set_identity(object, status);
	failed |= set_counts(object, status);
	failed |= set_features(object, status);
	failed |= json_object_set_new(object, "tiers", tiers_to_json(status));
	failed |= json_object_set_new(object, "paths", ways_to_json(status));
	failed |= mafsd_json_int(object, "n_hits", status->n_hits);
	failed |= mafsd_json_int(object, "n_misses", status->n_misses);
	failed |= json_object_set_new(object, "upcalls",
				      upcalls_to_json(status->upcalls));
	failed |= json_object_set_new(
		object, "troubles", mafsd_dirty_to_json(troubles, n_troubles));
	if (failed) {
		json_decref(object);
		return NULL;
	}
	return object;
}
