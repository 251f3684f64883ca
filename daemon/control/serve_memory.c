// SPDX-License-Identifier: Apache-2.0
/* Calls about a memory volume. Called through routes.c, any thread. */
#include "request.h"

#include <core/admin.h>
#include <mafs/cleanup.h>
#include <memvol/admin.h>
#include <string.h>

static json_t *upcalls_to_json(const struct mafsm_status *status)
{
	json_t *json = json_object();

	for (int i = 0; json && i < MAFSD_N_UPCALLS; i++)
		json_object_set_new(
			json, mafsd_upcall_to_text((enum mafsd_upcall)i),
			json_integer((json_int_t)status->upcalls[i]));
	return json;
}

static json_t *devices_to_json(const struct mafsm_status *status)
{
	json_t *json = json_array();

	for (size_t i = 0; json && i < status->n_devices; i++) {
		const struct mafs_device *device = status->devices[i];
		char uuid[MAFS_UUID_TEXT_LEN];

		mafs_uuid_to_text(&device->uuid, uuid);
		json_array_append_new(
			json,
			json_pack("{s:s, s:s, s:s?, s:I}", "uuid", uuid, "kind",
				  mafs_device_kind_to_text(device->kind),
				  "path", device->path, "size_bytes",
				  (json_int_t)device->size_bytes));
	}
	return json;
}

int mafsd_memory_status(struct mafsm *m, const struct mafsd_request *request,
			json_t **ret, struct mafs_fault *fault)
{
	struct mafsm_status status;
	char uuid[MAFS_UUID_TEXT_LEN];
	json_t *json;

	mafsm_status(m, &status);
	mafs_uuid_to_text(&status.uuid, uuid);
	json = json_pack(
		"{s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, "
		"s:I, s:I, s:I, s:I, s:b, s:b, s:b, s:b, s:o, s:o}",
		"volume", "memory", "state",
		status.broken ? "broken" : "serving", "uuid", uuid, "source",
		status.source, "mountpoint", status.mountpoint, "role",
		status.is_client ? "client" : "master", "pid",
		(json_int_t)getpid(), "memory_size_bytes",
		(json_int_t)status.usage.size_bytes, "memory_free_bytes",
		(json_int_t)status.usage.free_bytes, "memory_used_bytes",
		(json_int_t)(status.usage.size_bytes - status.usage.free_bytes -
			     status.usage.quarantined_bytes),
		"log_bytes", (json_int_t)status.log_bytes, "n_inodes",
		(json_int_t)status.n_inodes, "n_open",
		(json_int_t)status.n_open, "n_dirty", (json_int_t)0,
		"dirty_bytes", (json_int_t)0, "master_epoch",
		(json_int_t)status.epoch, "read_only", status.is_client,
		"passthrough", false, "handles", true, "io_uring",
		status.io_uring, "devices", devices_to_json(&status), "upcalls",
		upcalls_to_json(&status));
	return mafsd_or_no_memory(json, ret);
}

/* Names and sizes are in the log; what is left is bytes stored in place. */
int mafsd_memory_flush(struct mafsm *m, const struct mafsd_request *request,
		       json_t **ret, struct mafs_fault *fault)
{
	int r;

	if (request->who)
		return mafs_fault_set(fault, -EACCES,
				      "only root and the volume's owner may "
				      "flush it");
	r = mafsm_sync(m);
	if (r < 0)
		return mafs_fault_set(fault, r, "%s", strerror(-r));
	return mafsd_or_no_memory(json_pack("{s:i, s:i, s:i, s:b, s:n}",
					    "n_moved", 0, "bytes_moved", 0,
					    "n_kept", 0, "stopped", 0,
					    "kept_why"),
				  ret);
}
