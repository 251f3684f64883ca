// SPDX-License-Identifier: Apache-2.0
#include "log_text.h"

#include <inttypes.h>

void t_put_bytes(FILE *out, const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		fprintf(out, "%02x", bytes[i]);
}

static void put_time(FILE *out, const char *name, const struct timespec *time)
{
	fprintf(out, " %s=%" PRId64 ".%09ld", name, (int64_t)time->tv_sec,
		time->tv_nsec);
}

static void put_fingerprint(FILE *out, const struct mafs_fingerprint *print)
{
	fprintf(out, " size=%" PRIu64, print->size_bytes);
	put_time(out, "mtime", &print->mtime);
	put_time(out, "ctime", &print->ctime);
}

static void put_extents(FILE *out, const struct mafs_map *map)
{
	for (size_t i = 0; i < map->n_extents; i++)
		fprintf(out, " extent=%" PRIu64 "+%" PRIu64,
			map->extents[i].offset_bytes,
			map->extents[i].length_bytes);
}

static void put_map(FILE *out, const struct mafs_entry_map *map)
{
	const struct mafs_identity *identity = &map->identity;

	fprintf(out, " id=%" PRIu64 " flags=%u fs=", map->id, map->flags);
	t_put_bytes(out, identity->fs_id.bytes, 16);
	fprintf(out, " ino=%" PRIu64 " handle=%d:", identity->ino,
		identity->handle.type);
	t_put_bytes(out, identity->handle.bytes, identity->handle.length);
	put_time(out, "btime", &identity->btime);
	fprintf(out, " parent=%d:", map->hint.parent.type);
	t_put_bytes(out, map->hint.parent.bytes, map->hint.parent.length);
	fprintf(out, " name=%s", map->hint.name);
	put_fingerprint(out, &map->fingerprint);
	put_time(out, "shown", &map->shown_ctime);
	put_extents(out, &map->map);
}

static void put_node(FILE *out, const struct mafs_entry_node *node)
{
	fprintf(out,
		" id=%" PRIu64 " mode=%o uid=%u gid=%u rdev=%" PRIu64
		" parent=%" PRIu64,
		node->id, node->mode, node->uid, node->gid, node->rdev,
		node->parent);
	put_time(out, "atime", &node->atime);
	put_time(out, "mtime", &node->mtime);
	put_time(out, "ctime", &node->ctime);
	put_time(out, "btime", &node->btime);
	if (node->target)
		fprintf(out, " target=%s", node->target);
}

static void put_attr(FILE *out, const struct mafs_entry_attr *attr)
{
	fprintf(out, " id=%" PRIu64 " mask=%x mode=%o uid=%u gid=%u", attr->id,
		attr->mask, attr->mode, attr->uid, attr->gid);
	put_time(out, "atime", &attr->atime);
	put_time(out, "mtime", &attr->mtime);
	put_time(out, "ctime", &attr->ctime);
}

static void put_rename(FILE *out, const struct mafs_entry_rename *rename)
{
	fprintf(out,
		" parent=%" PRIu64 " name=%s new_parent=%" PRIu64
		" new_name=%s id=%" PRIu64 " other=%" PRIu64 " flags=%u",
		rename->parent, rename->name, rename->new_parent,
		rename->new_name, rename->id, rename->other, rename->flags);
}

static void put_xattr(FILE *out, const struct mafs_entry_xattr *xattr)
{
	fprintf(out, " id=%" PRIu64 " name=%s %s=", xattr->id, xattr->name,
		xattr->removed ? "removed" : "value");
	t_put_bytes(out, xattr->value, xattr->value_len);
}

/* What memory volumes have. */
static void put_names_payload(FILE *out, const struct mafs_entry *entry)
{
	if (entry->quiet)
		fprintf(out, " quiet");
	switch (entry->type) {
	case MAFS_OMF_NODE:
		put_node(out, &entry->node);
		break;
	case MAFS_OMF_NAME:
	case MAFS_OMF_UNNAME:
		fprintf(out, " parent=%" PRIu64 " id=%" PRIu64 " name=%s",
			entry->name.parent, entry->name.id, entry->name.name);
		break;
	case MAFS_OMF_RENAME:
		put_rename(out, &entry->rename);
		break;
	case MAFS_OMF_ATTR:
		put_attr(out, &entry->attr);
		break;
	case MAFS_OMF_XATTR:
		put_xattr(out, &entry->xattr);
		break;
	case MAFS_OMF_EXTENTS:
		fprintf(out, " id=%" PRIu64 " size=%" PRIu64 " first=%u",
			entry->extents.id, entry->extents.size_bytes,
			entry->extents.first);
		put_time(out, "mtime", &entry->extents.mtime);
		put_extents(out, &entry->extents.map);
		break;
	case MAFS_OMF_SIZE:
		fprintf(out, " id=%" PRIu64 " size=%" PRIu64, entry->size.id,
			entry->size.size_bytes);
		put_time(out, "mtime", &entry->size.mtime);
		break;
	default:
		break;
	}
}

void t_put_entry(FILE *out, const struct mafs_entry *entry,
		 const struct mafs_log_position *position)
{
	fprintf(out,
		"%s %" PRIu64 " batch=%" PRIu64 " seq=%" PRIu64 " time=%" PRIu64
		" %s",
		mafs_region_to_text(position->region), position->record_offset,
		position->batch_number, entry->seq, entry->time_ns,
		mafs_entry_type_to_text(entry->type));
	switch (entry->type) {
	case MAFS_OMF_CHECKPOINT_BEGIN:
	case MAFS_OMF_CHECKPOINT_END:
		fprintf(out, " live=%" PRIu64 " at=%" PRIu64,
			entry->checkpoint.n_live, entry->checkpoint.seq);
		break;
	case MAFS_OMF_SWITCH:
		fprintf(out,
			" slot=%u salt=%" PRIx64 " offset=%" PRIu64
			" number=%" PRIu64,
			entry->log_switch.slot, entry->log_switch.salt,
			entry->log_switch.offset, entry->log_switch.number);
		break;
	case MAFS_OMF_DEVICE_ADD:
		fprintf(out,
			" size=%" PRIu64 " device=", entry->device.size_bytes);
		t_put_bytes(out, entry->device.device_uuid.bytes, 16);
		if (entry->device.spec)
			fprintf(out, " spec=%s", entry->device.spec);
		break;
	case MAFS_OMF_MAP:
		put_map(out, &entry->map);
		break;
	case MAFS_OMF_CLEAN:
		fprintf(out, " id=%" PRIu64, entry->clean.id);
		put_fingerprint(out, &entry->clean.fingerprint);
		put_time(out, "shown", &entry->clean.shown_ctime);
		break;
	case MAFS_OMF_CONFLICT:
		fprintf(out, " id=%" PRIu64 " name=%s", entry->conflict.id,
			entry->conflict.name);
		break;
	case MAFS_OMF_WRITING:
	case MAFS_OMF_DROP_INTENT:
	case MAFS_OMF_DROP:
		fprintf(out, " id=%" PRIu64, entry->id.id);
		break;
	default:
		put_names_payload(out, entry);
		break;
	}
	fputc('\n', out);
}
