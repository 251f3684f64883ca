// SPDX-License-Identifier: Apache-2.0
/*
 * Record to entry. Trusts nothing: a record decodes only if encoding the entry
 * gives the same bytes again, so reserved fields and padding are zero and no
 * byte is left over. The payloads of memory volumes are in decode_names.c.
 * Called by the reader on a private copy of the media.
 */
#include "decode.h"

#include <endian.h>
#include <errno.h>
#include <mafs/cleanup.h>
#include <string.h>

#define NSEC_MAX 999999999U

int mafs_decode_too_short(struct mafs_cursor *cursor)
{
	mafs_fault_set(cursor->fault, -EUCLEAN,
		       "record is shorter than its content");
	return -EUCLEAN; /* so that the compiler knows */
}

int mafs_decode_bytes(struct mafs_cursor *cursor, void *ret, size_t len)
{
	if (cursor->left < len)
		return mafs_decode_too_short(cursor);
	memcpy(ret, cursor->at, len);
	cursor->at += len;
	cursor->left -= len;
	return 0;
}

int mafs_decode_zeros(struct mafs_cursor *cursor, size_t len)
{
	if (cursor->left < len)
		return mafs_decode_too_short(cursor);
	for (; len; len--, cursor->at++, cursor->left--)
		if (*cursor->at)
			return mafs_fault_set(cursor->fault, -EUCLEAN,
					      "padding is not zero");
	return 0;
}

int mafs_decode_time(struct mafs_cursor *cursor,
		     const struct mafs_omf_time *omf, struct timespec *ret)
{
	uint32_t nsec = le32toh(omf->nsec);

	if (nsec > NSEC_MAX || omf->reserved)
		return mafs_fault_set(cursor->fault, -EUCLEAN,
				      "time out of range");
	ret->tv_sec = (time_t)le64toh(omf->sec);
	ret->tv_nsec = (long)nsec;
	return 0;
}

static int get_fingerprint(struct mafs_cursor *cursor,
			   const struct mafs_omf_fingerprint *omf,
			   struct mafs_fingerprint *ret)
{
	int err;

	ret->size_bytes = le64toh(omf->size);
	err = mafs_decode_time(cursor, &omf->mtime, &ret->mtime);
	if (err)
		return err;
	return mafs_decode_time(cursor, &omf->ctime, &ret->ctime);
}

int mafs_decode_name(struct mafs_cursor *cursor, size_t len,
		     char ret[static MAFS_NAME_MAX + 1])
{
	if (cursor->left < len)
		return mafs_decode_too_short(cursor);
	if (!mafs_entry_name_is_valid((const char *)cursor->at, len))
		return mafs_fault_set(cursor->fault, -EUCLEAN,
				      "not a file name");
	return mafs_decode_bytes(cursor, ret, len);
}

static int get_handle(struct mafs_cursor *cursor, uint32_t type, size_t len,
		      struct mafs_handle *ret)
{
	if (len > MAFS_HANDLE_MAX)
		return mafs_fault_set(cursor->fault, -EUCLEAN,
				      "file handle of %zu bytes", len);
	ret->type = (int32_t)type;
	ret->length = (uint32_t)len;
	return mafs_decode_bytes(cursor, ret->bytes, len);
}

int mafs_decode_blob(struct mafs_cursor *cursor, size_t len, void *ret)
{
	char *blob;
	int err;

	if (cursor->left < len)
		return mafs_decode_too_short(cursor);
	blob = malloc(len + 1);
	if (!blob)
		return -ENOMEM;
	err = mafs_decode_bytes(cursor, blob, len);
	blob[len] = '\0';
	*(char **)ret = blob;
	return err;
}

static int decode_checkpoint(struct mafs_cursor *cursor, struct mafs_entry *ret)
{
	struct mafs_omf_checkpoint omf;
	int err = mafs_decode_bytes(cursor, &omf, sizeof(omf));

	if (err)
		return err;
	ret->checkpoint.n_live = le64toh(omf.n_live);
	ret->checkpoint.seq = le64toh(omf.seq);
	return 0;
}

static int decode_switch(struct mafs_cursor *cursor, struct mafs_entry *ret)
{
	struct mafs_entry_switch *to = &ret->log_switch;
	struct mafs_omf_switch omf;
	int err = mafs_decode_bytes(cursor, &omf, sizeof(omf));

	if (err)
		return err;
	to->slot = le32toh(omf.slot);
	to->salt = le64toh(omf.salt);
	to->offset = le64toh(omf.offset);
	to->number = le64toh(omf.number);
	if (to->slot > 1 || omf.reserved || !to->salt ||
	    to->offset % MAFS_OMF_ALIGN)
		return mafs_fault_set(cursor->fault, -EUCLEAN,
				      "switch leads nowhere");
	return 0;
}

static int decode_device(struct mafs_cursor *cursor, struct mafs_entry *ret)
{
	struct mafs_omf_device omf;
	size_t spec_len;
	int err = mafs_decode_bytes(cursor, &omf, sizeof(omf));

	if (err)
		return err;
	memcpy(ret->device.device_uuid.bytes, omf.device_uuid,
	       sizeof(omf.device_uuid));
	ret->device.size_bytes = le64toh(omf.size);
	/* All that is left but the padding. */
	spec_len = strnlen((const char *)cursor->at, cursor->left);
	if (!spec_len)
		return 0;
	if (spec_len > DEVICE_SPEC_MAX)
		return mafs_fault_set(cursor->fault, -EUCLEAN,
				      "place of a device of %zu bytes",
				      spec_len);
	return mafs_decode_blob(cursor, spec_len, &ret->device.spec);
}

static int decode_id(struct mafs_cursor *cursor, struct mafs_entry *ret)
{
	struct mafs_omf_id omf;
	int err = mafs_decode_bytes(cursor, &omf, sizeof(omf));

	if (err)
		return err;
	ret->id.id = le64toh(omf.id);
	return 0;
}

static int decode_clean(struct mafs_cursor *cursor, struct mafs_entry *ret)
{
	struct mafs_omf_clean omf;
	int err = mafs_decode_bytes(cursor, &omf, sizeof(omf));

	if (err)
		return err;
	ret->clean.id = le64toh(omf.id);
	err = get_fingerprint(cursor, &omf.fingerprint,
			      &ret->clean.fingerprint);
	if (err)
		return err;
	return mafs_decode_time(cursor, &omf.shown_ctime,
				&ret->clean.shown_ctime);
}

static int decode_conflict(struct mafs_cursor *cursor, struct mafs_entry *ret)
{
	static const uint8_t
		zeros[sizeof(((struct mafs_omf_conflict *)NULL)->reserved)];
	struct mafs_omf_conflict omf;
	int err = mafs_decode_bytes(cursor, &omf, sizeof(omf));

	if (err)
		return err;
	if (!omf.name_len || memcmp(omf.reserved, zeros, sizeof(zeros)) != 0)
		return mafs_fault_set(cursor->fault, -EUCLEAN,
				      "conflict without a name");
	ret->conflict.id = le64toh(omf.id);
	return mafs_decode_name(cursor, le16toh(omf.name_len),
				ret->conflict.name);
}

int mafs_decode_extents(struct mafs_cursor *cursor, uint32_t n_extents,
			bool holes, struct mafs_map *ret)
{
	_cleanup_(mafs_map_done) struct mafs_map map = {};
	uint64_t sum_bytes;
	int err;

	if (cursor->left / sizeof(struct mafs_omf_extent) != n_extents)
		return mafs_fault_set(cursor->fault, -EUCLEAN,
				      "number of extents and length of the "
				      "record disagree");
	if (!n_extents)
		return 0;
	map.extents = calloc(n_extents, sizeof(*map.extents));
	if (!map.extents)
		return -ENOMEM;
	for (; map.n_extents < n_extents; map.n_extents++) {
		struct mafs_extent *extent = &map.extents[map.n_extents];
		struct mafs_omf_extent omf;

		err = mafs_decode_bytes(cursor, &omf, sizeof(omf));
		if (err)
			return err;
		memcpy(extent->device_uuid.bytes, omf.device_uuid,
		       sizeof(omf.device_uuid));
		extent->offset_bytes = le64toh(omf.offset);
		extent->length_bytes = le64toh(omf.length);
		if (!mafs_entry_extent_is_valid(extent, holes))
			return mafs_fault_set(cursor->fault, -EUCLEAN,
					      "extent %zu is empty or too long",
					      map.n_extents);
	}
	if (mafs_map_length(&map, &sum_bytes))
		return mafs_fault_set(cursor->fault, -EUCLEAN,
				      "extents are longer than any file");
	*ret = map;
	map = (struct mafs_map){};
	return 0;
}

/* The numbers of the map; names, handles and extents come behind it. */
static int get_map_header(struct mafs_cursor *cursor,
			  const struct mafs_omf_map *omf,
			  struct mafs_entry_map *ret)
{
	int err;

	ret->id = le64toh(omf->id);
	ret->flags = le32toh(omf->flags);
	if (ret->flags & ~MAFS_OMF_MAP_KNOWN || omf->reserved)
		return mafs_fault_set(cursor->fault, -EUCLEAN,
				      "unknown flags of a map");
	memcpy(ret->identity.fs_id.bytes, omf->fs_id, sizeof(omf->fs_id));
	ret->identity.ino = le64toh(omf->ino);
	err = mafs_decode_time(cursor, &omf->btime, &ret->identity.btime);
	if (err)
		return err;
	err = get_fingerprint(cursor, &omf->fingerprint, &ret->fingerprint);
	if (err)
		return err;
	return mafs_decode_time(cursor, &omf->shown_ctime, &ret->shown_ctime);
}

static int decode_map(struct mafs_cursor *cursor, struct mafs_entry *ret)
{
	struct mafs_entry_map *map = &ret->map;
	struct mafs_omf_map omf;
	size_t handle_len, parent_len, name_len;
	int err;

	err = mafs_decode_bytes(cursor, &omf, sizeof(omf));
	if (err)
		return err;
	err = get_map_header(cursor, &omf, map);
	if (err)
		return err;
	handle_len = le16toh(omf.handle_len);
	parent_len = le16toh(omf.parent_len);
	name_len = le16toh(omf.name_len);
	err = get_handle(cursor, le32toh(omf.handle_type), handle_len,
			 &map->identity.handle);
	if (err)
		return err;
	err = get_handle(cursor, le32toh(omf.parent_type), parent_len,
			 &map->hint.parent);
	if (err)
		return err;
	err = mafs_decode_name(cursor, name_len, map->hint.name);
	if (err)
		return err;
	err = mafs_decode_zeros(
		cursor, mafs_entry_padding(handle_len + parent_len + name_len));
	if (err)
		return err;
	return mafs_decode_extents(cursor, le32toh(omf.n_extents), false,
				   &map->map);
}

static int decode_payload(struct mafs_cursor *cursor, struct mafs_entry *ret)
{
	switch (ret->type) {
	case MAFS_OMF_CHECKPOINT_BEGIN:
	case MAFS_OMF_CHECKPOINT_END:
		return decode_checkpoint(cursor, ret);
	case MAFS_OMF_SWITCH:
		return decode_switch(cursor, ret);
	case MAFS_OMF_DEVICE_ADD:
		return decode_device(cursor, ret);
	case MAFS_OMF_MAP:
		return decode_map(cursor, ret);
	case MAFS_OMF_WRITING:
	case MAFS_OMF_DROP_INTENT:
	case MAFS_OMF_DROP:
		return decode_id(cursor, ret);
	case MAFS_OMF_CLEAN:
		return decode_clean(cursor, ret);
	case MAFS_OMF_CONFLICT:
		return decode_conflict(cursor, ret);
	default:
		return mafs_decode_names_payload(cursor, ret);
	}
}

/* The padding of the record: what is left is zero and less than a unit. */
static int check_rest(struct mafs_cursor *cursor)
{
	if (cursor->left >= MAFS_OMF_ALIGN)
		return mafs_fault_set(cursor->fault, -EUCLEAN,
				      "record is longer than its content");
	return mafs_decode_zeros(cursor, cursor->left);
}

/* @ret is zeroed; what it owns on failure is the caller's to free. */
static int decode_record(struct mafs_cursor *cursor, struct mafs_entry *ret,
			 size_t *ret_length)
{
	struct mafs_omf_record omf;
	size_t len = cursor->left, length;
	int err = mafs_decode_bytes(cursor, &omf, sizeof(omf));

	if (err)
		return err;
	length = le32toh(omf.length);
	if (length < sizeof(omf) || length % MAFS_OMF_ALIGN || length > len ||
	    length > RECORD_BYTES_MAX ||
	    le16toh(omf.flags) & ~MAFS_OMF_RECORD_KNOWN)
		return mafs_fault_set(cursor->fault, -EUCLEAN,
				      "record of %zu bytes in %zu bytes",
				      length, len);
	cursor->left = length - sizeof(omf);
	ret->type = (enum mafs_omf_type)le16toh(omf.type);
	ret->quiet = le16toh(omf.flags) & MAFS_OMF_RECORD_QUIET;
	ret->seq = le64toh(omf.seq);
	ret->time_ns = le64toh(omf.time_ns);
	if (ret->quiet && !mafs_entry_may_be_quiet(ret->type))
		return mafs_fault_set(cursor->fault, -EUCLEAN, "quiet record");
	err = decode_payload(cursor, ret);
	if (!err)
		err = check_rest(cursor);
	if (!err)
		*ret_length = length;
	return err;
}

int mafs_entry_decode(const uint8_t *bytes, size_t len, struct mafs_entry *ret,
		      size_t *ret_length, struct mafs_fault *fault)
{
	struct mafs_cursor cursor = { bytes, len, fault };
	int err;

	/* In place: it is large, and a log has millions. */
	memset(ret, 0, sizeof(*ret));
	err = decode_record(&cursor, ret, ret_length);
	if (err)
		mafs_entry_done(ret);
	return err;
}
