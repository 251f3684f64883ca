// SPDX-License-Identifier: Apache-2.0
/*
 * Entry to record. What is encoded always decodes to the same entry; whatever
 * the format cannot hold is -EINVAL and leaves the buffer as it was. The
 * payloads of memory volumes are in encode_names.c. Called by the writer and
 * the checkpoint.
 */
#include "encode.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#define NSEC_MAX 999999999L

int mafs_encode_time(const struct timespec *time, struct mafs_omf_time *ret)
{
	if (time->tv_nsec < 0 || time->tv_nsec > NSEC_MAX)
		return -EINVAL;
	ret->sec = htole64((uint64_t)time->tv_sec);
	ret->nsec = htole32((uint32_t)time->tv_nsec);
	ret->reserved = 0;
	return 0;
}

static int put_fingerprint(const struct mafs_fingerprint *fingerprint,
			   struct mafs_omf_fingerprint *ret)
{
	int err;

	ret->size = htole64(fingerprint->size_bytes);
	err = mafs_encode_time(&fingerprint->mtime, &ret->mtime);
	if (err)
		return err;
	return mafs_encode_time(&fingerprint->ctime, &ret->ctime);
}

static int encode_checkpoint(const struct mafs_entry *entry,
			     struct mafs_buffer *buffer)
{
	struct mafs_omf_checkpoint omf = {
		.n_live = htole64(entry->checkpoint.n_live),
		.seq = htole64(entry->checkpoint.seq),
	};

	return mafs_buffer_append(buffer, &omf, sizeof(omf));
}

static int encode_switch(const struct mafs_entry *entry,
			 struct mafs_buffer *buffer)
{
	const struct mafs_entry_switch *to = &entry->log_switch;
	struct mafs_omf_switch omf = {
		.slot = htole32(to->slot),
		.salt = htole64(to->salt),
		.offset = htole64(to->offset),
		.number = htole64(to->number),
	};

	if (to->slot > 1 || !to->salt || to->offset % MAFS_OMF_ALIGN)
		return -EINVAL;
	return mafs_buffer_append(buffer, &omf, sizeof(omf));
}

static int encode_device(const struct mafs_entry *entry,
			 struct mafs_buffer *buffer)
{
	struct mafs_omf_device omf = {
		.size = htole64(entry->device.size_bytes),
	};
	const char *spec = entry->device.spec;
	size_t spec_len = spec ? strlen(spec) : 0;
	int err;

	if (spec && (!spec_len || spec_len > DEVICE_SPEC_MAX))
		return -EINVAL;
	memcpy(omf.device_uuid, entry->device.device_uuid.bytes,
	       sizeof(omf.device_uuid));
	err = mafs_buffer_append(buffer, &omf, sizeof(omf));
	return err ? err : mafs_buffer_append(buffer, spec, spec_len);
}

static int encode_id(const struct mafs_entry *entry, struct mafs_buffer *buffer)
{
	struct mafs_omf_id omf = { .id = htole64(entry->id.id) };

	return mafs_buffer_append(buffer, &omf, sizeof(omf));
}

static int encode_clean(const struct mafs_entry *entry,
			struct mafs_buffer *buffer)
{
	struct mafs_omf_clean omf = { .id = htole64(entry->clean.id) };
	int err;

	err = put_fingerprint(&entry->clean.fingerprint, &omf.fingerprint);
	if (err)
		return err;
	err = mafs_encode_time(&entry->clean.shown_ctime, &omf.shown_ctime);
	if (err)
		return err;
	return mafs_buffer_append(buffer, &omf, sizeof(omf));
}

static int encode_conflict(const struct mafs_entry *entry,
			   struct mafs_buffer *buffer)
{
	const struct mafs_entry_conflict *conflict = &entry->conflict;
	size_t name_len = strnlen(conflict->name, sizeof(conflict->name));
	struct mafs_omf_conflict omf = {
		.id = htole64(conflict->id),
		.name_len = htole16((uint16_t)name_len),
	};
	int err;

	if (!name_len || !mafs_entry_name_is_valid(conflict->name, name_len))
		return -EINVAL;
	err = mafs_buffer_append(buffer, &omf, sizeof(omf));
	if (err)
		return err;
	return mafs_buffer_append(buffer, conflict->name, name_len);
}

int mafs_encode_extents(const struct mafs_map *map, bool holes,
			struct mafs_buffer *buffer)
{
	int err;

	err = mafs_buffer_reserve(
		buffer, map->n_extents * sizeof(struct mafs_omf_extent));
	if (err)
		return err;
	for (size_t i = 0; i < map->n_extents; i++) {
		const struct mafs_extent *extent = &map->extents[i];
		struct mafs_omf_extent omf = {
			.offset = htole64(extent->offset_bytes),
			.length = htole64(extent->length_bytes),
		};

		if (!mafs_entry_extent_is_valid(extent, holes))
			return -EINVAL;
		memcpy(omf.device_uuid, extent->device_uuid.bytes,
		       sizeof(omf.device_uuid));
		err = mafs_buffer_append(buffer, &omf, sizeof(omf));
		if (err)
			return err;
	}
	return 0;
}

static int put_map_header(const struct mafs_entry_map *map, size_t name_len,
			  struct mafs_buffer *buffer)
{
	struct mafs_omf_map omf = {
		.id = htole64(map->id),
		.flags = htole32(map->flags),
		.n_extents = htole32((uint32_t)map->map.n_extents),
		.ino = htole64(map->identity.ino),
		.handle_type = htole32((uint32_t)map->identity.handle.type),
		.parent_type = htole32((uint32_t)map->hint.parent.type),
		.handle_len = htole16((uint16_t)map->identity.handle.length),
		.parent_len = htole16((uint16_t)map->hint.parent.length),
		.name_len = htole16((uint16_t)name_len),
	};
	int err;

	memcpy(omf.fs_id, map->identity.fs_id.bytes, sizeof(omf.fs_id));
	err = mafs_encode_time(&map->identity.btime, &omf.btime);
	if (err)
		return err;
	err = put_fingerprint(&map->fingerprint, &omf.fingerprint);
	if (err)
		return err;
	err = mafs_encode_time(&map->shown_ctime, &omf.shown_ctime);
	if (err)
		return err;
	return mafs_buffer_append(buffer, &omf, sizeof(omf));
}

static int encode_map(const struct mafs_entry *entry,
		      struct mafs_buffer *buffer)
{
	const struct mafs_entry_map *map = &entry->map;
	const struct mafs_handle *handle = &map->identity.handle;
	const struct mafs_handle *parent = &map->hint.parent;
	const char *name = map->hint.name;
	size_t name_len = strnlen(name, sizeof(map->hint.name));
	size_t named_len;
	int err;

	if (map->flags & ~MAFS_OMF_MAP_KNOWN ||
	    handle->length > MAFS_HANDLE_MAX ||
	    parent->length > MAFS_HANDLE_MAX ||
	    !mafs_entry_name_is_valid(name, name_len) ||
	    map->map.n_extents >
		    RECORD_BYTES_MAX / sizeof(struct mafs_omf_extent))
		return -EINVAL;
	err = put_map_header(map, name_len, buffer);
	if (err)
		return err;
	err = mafs_buffer_append(buffer, handle->bytes, handle->length);
	if (err)
		return err;
	err = mafs_buffer_append(buffer, parent->bytes, parent->length);
	if (err)
		return err;
	err = mafs_buffer_append(buffer, name, name_len);
	if (err)
		return err;
	named_len = handle->length + parent->length + name_len;
	err = mafs_buffer_append_zeros(buffer, mafs_entry_padding(named_len));
	if (err)
		return err;
	return mafs_encode_extents(&map->map, false, buffer);
}

static int encode_payload(const struct mafs_entry *entry,
			  struct mafs_buffer *buffer)
{
	switch (entry->type) {
	case MAFS_OMF_CHECKPOINT_BEGIN:
	case MAFS_OMF_CHECKPOINT_END:
		return encode_checkpoint(entry, buffer);
	case MAFS_OMF_SWITCH:
		return encode_switch(entry, buffer);
	case MAFS_OMF_DEVICE_ADD:
		return encode_device(entry, buffer);
	case MAFS_OMF_MAP:
		return encode_map(entry, buffer);
	case MAFS_OMF_WRITING:
	case MAFS_OMF_DROP_INTENT:
	case MAFS_OMF_DROP:
		return encode_id(entry, buffer);
	case MAFS_OMF_CLEAN:
		return encode_clean(entry, buffer);
	case MAFS_OMF_CONFLICT:
		return encode_conflict(entry, buffer);
	default:
		return mafs_encode_names_payload(entry, buffer);
	}
}

/* Pads the payload that stands behind @start and fills in the header. */
static int finish_record(const struct mafs_entry *entry, size_t start,
			 struct mafs_buffer *buffer)
{
	struct mafs_omf_record omf = {
		.type = htole16((uint16_t)entry->type),
		.flags = htole16(entry->quiet ? MAFS_OMF_RECORD_QUIET : 0),
		.seq = htole64(entry->seq),
		.time_ns = htole64(entry->time_ns),
	};
	size_t length;
	int err;

	err = mafs_buffer_append_zeros(buffer,
				       mafs_entry_padding(buffer->len - start));
	if (err)
		return err;
	length = buffer->len - start;
	if (length > RECORD_BYTES_MAX)
		return -EINVAL;
	omf.length = htole32((uint32_t)length);
	memcpy(buffer->bytes + start, &omf, sizeof(omf));
	return 0;
}

int mafs_entry_encode(const struct mafs_entry *entry,
		      struct mafs_buffer *buffer)
{
	size_t start = buffer->len;
	int err;

	if (entry->quiet && !mafs_entry_may_be_quiet(entry->type))
		return -EINVAL;
	err = mafs_buffer_append_zeros(buffer, sizeof(struct mafs_omf_record));
	if (!err)
		err = encode_payload(entry, buffer);
	if (!err)
		err = finish_record(entry, start, buffer);
	if (err)
		buffer->len = start;
	return err;
}
