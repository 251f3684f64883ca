// SPDX-License-Identifier: Apache-2.0
/* Log entries as JSON. Numbers beyond 2^63 wrap, as JSON readers have it. */
#include "log_print.h"
#include "names.h"

#include <mafs/cleanup.h>
#include <stdio.h>

/* As a whole number of nanoseconds it would not fit for all times. */
static void set_time(json_t *object, const char *key,
		     const struct timespec *time)
{
	json_object_set_new(object, key,
			    json_pack("[I, I]", (json_int_t)time->tv_sec,
				      (json_int_t)time->tv_nsec));
}

static void set_handle(json_t *object, const char *key,
		       const struct mafs_handle *handle)
{
	char text[2 * MAFS_HANDLE_MAX + 1] = "";

	if (!handle->length)
		return;
	for (uint32_t i = 0; i < handle->length && i < MAFS_HANDLE_MAX; i++)
		snprintf(text + 2 * i, 3, "%02x", handle->bytes[i]);
	json_object_set_new(object, key,
			    json_pack("{s:i, s:s}", "type", handle->type, "hex",
				      text));
}

static void set_fingerprint(json_t *object,
			    const struct mafs_fingerprint *fingerprint)
{
	json_t *inner = json_object();

	mafs_json_set_number(inner, "size", fingerprint->size_bytes);
	set_time(inner, "mtime", &fingerprint->mtime);
	set_time(inner, "ctime", &fingerprint->ctime);
	json_object_set_new(object, "fingerprint", inner);
}

static void set_extents(json_t *object, const struct mafs_map *map)
{
	json_t *extents = json_array();

	for (size_t i = 0; i < map->n_extents; i++) {
		json_t *extent = json_object();

		if (mafs_uuid_is_null(&map->extents[i].device_uuid)) {
			json_object_set_new(extent, "hole", json_true());
		} else {
			mafs_json_set_uuid(extent, "device_uuid",
					   &map->extents[i].device_uuid);
			mafs_json_set_number(extent, "offset",
					     map->extents[i].offset_bytes);
		}
		mafs_json_set_number(extent, "length",
				     map->extents[i].length_bytes);
		json_array_append_new(extents, extent);
	}
	json_object_set_new(object, "extents", extents);
}

static void set_map(json_t *object, const struct mafs_entry_map *map)
{
	mafs_json_set_number(object, "id", map->id);
	json_object_set_new(object, "dirty",
			    json_boolean(map->flags & MAFS_OMF_MAP_DIRTY));
	json_object_set_new(object, "writing",
			    json_boolean(map->flags & MAFS_OMF_MAP_WRITING));
	json_object_set_new(object, "drop_intent",
			    json_boolean(map->flags & MAFS_OMF_MAP_INTENT));
	mafs_name_to_json(object, "name", map->hint.name);
	mafs_json_set_uuid(object, "fs_id", &map->identity.fs_id);
	set_handle(object, "handle", &map->identity.handle);
	set_handle(object, "parent", &map->hint.parent);
	mafs_json_set_number(object, "inode", map->identity.ino);
	set_time(object, "btime", &map->identity.btime);
	set_fingerprint(object, &map->fingerprint);
	set_time(object, "shown_ctime", &map->shown_ctime);
	set_extents(object, &map->map);
}

static void set_node(json_t *object, const struct mafs_entry_node *node)
{
	mafs_json_set_number(object, "id", node->id);
	mafs_json_set_number(object, "mode", node->mode);
	mafs_json_set_number(object, "owner", node->uid);
	mafs_json_set_number(object, "group", node->gid);
	if (node->parent)
		mafs_json_set_number(object, "parent", node->parent);
	if (node->rdev)
		mafs_json_set_number(object, "rdev", node->rdev);
	if (node->target)
		mafs_name_to_json(object, "target", node->target);
	set_time(object, "atime", &node->atime);
	set_time(object, "mtime", &node->mtime);
	set_time(object, "ctime", &node->ctime);
	set_time(object, "btime", &node->btime);
}

static void set_rename(json_t *object, const struct mafs_entry_rename *rename)
{
	mafs_json_set_number(object, "id", rename->id);
	mafs_json_set_number(object, "parent", rename->parent);
	mafs_name_to_json(object, "name", rename->name);
	mafs_json_set_number(object, "new_parent", rename->new_parent);
	mafs_name_to_json(object, "new_name", rename->new_name);
	if (rename->other)
		mafs_json_set_number(object, "other", rename->other);
	json_object_set_new(object, "exchange",
			    json_boolean(rename->flags &
					 MAFS_OMF_RENAME_EXCHANGE));
}

/* Only what the mask names. */
static void set_attr(json_t *object, const struct mafs_entry_attr *attr)
{
	mafs_json_set_number(object, "id", attr->id);
	if (attr->mask & MAFS_OMF_ATTR_MODE)
		mafs_json_set_number(object, "permissions", attr->mode);
	if (attr->mask & MAFS_OMF_ATTR_UID)
		mafs_json_set_number(object, "owner", attr->uid);
	if (attr->mask & MAFS_OMF_ATTR_GID)
		mafs_json_set_number(object, "group", attr->gid);
	if (attr->mask & MAFS_OMF_ATTR_ATIME)
		set_time(object, "atime", &attr->atime);
	if (attr->mask & MAFS_OMF_ATTR_MTIME)
		set_time(object, "mtime", &attr->mtime);
	if (attr->mask & MAFS_OMF_ATTR_CTIME)
		set_time(object, "ctime", &attr->ctime);
}

/* The value as hex digits; null: removed. */
static void set_xattr(json_t *object, const struct mafs_entry_xattr *xattr)
{
	char *hex = calloc(2, (size_t)xattr->value_len + 1);
	const uint8_t *value = xattr->value;

	mafs_json_set_number(object, "id", xattr->id);
	mafs_name_to_json(object, "name", xattr->name);
	for (size_t i = 0; hex && i < xattr->value_len; i++)
		snprintf(hex + 2 * i, 3, "%02x", value[i]);
	json_object_set_new(object, "value_hex",
			    xattr->removed || !hex ? json_null() :
						     json_string(hex));
	free(hex);
}

/* What memory volumes have. */
static void set_names_payload(json_t *object, const struct mafs_entry *entry)
{
	if (entry->quiet)
		json_object_set_new(object, "quiet", json_true());
	switch (entry->type) {
	case MAFS_OMF_NODE:
		set_node(object, &entry->node);
		break;
	case MAFS_OMF_NAME:
	case MAFS_OMF_UNNAME:
		mafs_json_set_number(object, "id", entry->name.id);
		mafs_json_set_number(object, "parent", entry->name.parent);
		mafs_name_to_json(object, "name", entry->name.name);
		break;
	case MAFS_OMF_RENAME:
		set_rename(object, &entry->rename);
		break;
	case MAFS_OMF_ATTR:
		set_attr(object, &entry->attr);
		break;
	case MAFS_OMF_XATTR:
		set_xattr(object, &entry->xattr);
		break;
	case MAFS_OMF_EXTENTS:
		mafs_json_set_number(object, "id", entry->extents.id);
		mafs_json_set_number(object, "size", entry->extents.size_bytes);
		set_time(object, "mtime", &entry->extents.mtime);
		mafs_json_set_number(object, "first", entry->extents.first);
		set_extents(object, &entry->extents.map);
		break;
	case MAFS_OMF_SIZE:
		mafs_json_set_number(object, "id", entry->size.id);
		mafs_json_set_number(object, "size", entry->size.size_bytes);
		set_time(object, "mtime", &entry->size.mtime);
		break;
	default:
		break;
	}
}

static void set_payload(json_t *object, const struct mafs_entry *entry)
{
	switch (entry->type) {
	case MAFS_OMF_CHECKPOINT_BEGIN:
	case MAFS_OMF_CHECKPOINT_END:
		mafs_json_set_number(object, "n_live",
				     entry->checkpoint.n_live);
		mafs_json_set_number(object, "up_to_seq",
				     entry->checkpoint.seq);
		break;
	case MAFS_OMF_SWITCH:
		json_object_set_new(object, "to_slot",
				    json_string(entry->log_switch.slot ? "B" :
									 "A"));
		mafs_json_set_number(object, "to_offset",
				     entry->log_switch.offset);
		mafs_json_set_number(object, "to_batch",
				     entry->log_switch.number);
		break;
	case MAFS_OMF_DEVICE_ADD:
		mafs_json_set_uuid(object, "device_uuid",
				   &entry->device.device_uuid);
		mafs_json_set_number(object, "size", entry->device.size_bytes);
		if (entry->device.spec)
			mafs_name_to_json(object, "spec", entry->device.spec);
		break;
	case MAFS_OMF_MAP:
		set_map(object, &entry->map);
		break;
	case MAFS_OMF_CLEAN:
		mafs_json_set_number(object, "id", entry->clean.id);
		set_fingerprint(object, &entry->clean.fingerprint);
		set_time(object, "shown_ctime", &entry->clean.shown_ctime);
		break;
	case MAFS_OMF_WRITING:
	case MAFS_OMF_DROP_INTENT:
	case MAFS_OMF_DROP:
		mafs_json_set_number(object, "id", entry->id.id);
		break;
	case MAFS_OMF_CONFLICT:
		mafs_json_set_number(object, "id", entry->conflict.id);
		mafs_name_to_json(object, "name", entry->conflict.name);
		break;
	default:
		set_names_payload(object, entry);
		break;
	}
}

json_t *mafs_log_entry_to_json(const struct mafs_entry *entry,
			       const struct mafs_log_position *position)
{
	const char *type = mafs_entry_type_to_text(entry->type);
	json_t *object = json_object();

	if (!object)
		return NULL;
	json_object_set_new(
		object, "slot",
		json_string(position->region == MAFS_REGION_LOG_B ? "B" : "A"));
	mafs_json_set_number(object, "offset", position->record_offset);
	mafs_json_set_number(object, "batch", position->batch_number);
	mafs_json_set_number(object, "seq", entry->seq);
	mafs_json_set_number(object, "time_ns", entry->time_ns);
	json_object_set_new(object, "type",
			    json_string(type ? type : "unknown"));
	set_payload(object, entry);
	return object;
}
