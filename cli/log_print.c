// SPDX-License-Identifier: Apache-2.0
/* Log entries as lines of text. */
#include "log_print.h"
#include "names.h"

#include <inttypes.h>
#include <mafs/cleanup.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <time.h>

static void print_time(uint64_t time_ns)
{
	time_t sec = (time_t)(time_ns / 1000000000);
	char text[32] = "?";
	struct tm tm;

	if (gmtime_r(&sec, &tm))
		(void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	printf("%s.%09uZ", text, (unsigned int)(time_ns % 1000000000));
}

static void print_timespec(const char *title, const struct timespec *time)
{
	printf(" %s %lld.%09ld", title, (long long)time->tv_sec, time->tv_nsec);
}

static void print_text(const char *title, const char *text)
{
	_cleanup_free_ char *shown = mafs_name_shown(text);

	printf(" %s \"%s\"", title, shown ? shown : "?");
}

static void print_name(const char *name)
{
	print_text("name", name);
}

static void print_uuid(const char *title, const struct mafs_uuid *uuid)
{
	char text[MAFS_UUID_TEXT_LEN];

	mafs_uuid_to_text(uuid, text);
	printf(" %s %s", title, text);
}

static void print_handle(const char *title, const struct mafs_handle *handle)
{
	if (!handle->length)
		return;
	printf(" %s %" PRId32 ":", title, handle->type);
	for (uint32_t i = 0; i < handle->length && i < MAFS_HANDLE_MAX; i++)
		printf("%02x", handle->bytes[i]);
}

static void print_extents(const struct mafs_map *map)
{
	for (size_t i = 0; i < map->n_extents; i++) {
		const struct mafs_extent *extent = &map->extents[i];

		if (mafs_uuid_is_null(&extent->device_uuid)) {
			printf(" hole +%" PRIu64, extent->length_bytes);
			continue;
		}
		print_uuid("extent", &extent->device_uuid);
		printf("@%" PRIu64 "+%" PRIu64, extent->offset_bytes,
		       extent->length_bytes);
	}
}

static void print_map(const struct mafs_entry_map *map)
{
	printf(" id %" PRIu64 " %s", map->id,
	       map->flags & MAFS_OMF_MAP_DIRTY ? "dirty" : "clean");
	if (map->flags & MAFS_OMF_MAP_WRITING)
		printf(" writing");
	if (map->flags & MAFS_OMF_MAP_INTENT)
		printf(" drop-intent");
	if (map->hint.name[0])
		print_name(map->hint.name);
	print_handle("handle", &map->identity.handle);
	print_handle("parent", &map->hint.parent);
	printf(" inode %" PRIu64 " size %" PRIu64, map->identity.ino,
	       map->fingerprint.size_bytes);
	print_extents(&map->map);
}

static void print_node(const struct mafs_entry_node *node)
{
	printf(" id %" PRIu64 " mode 0%o owner %u group %u", node->id,
	       node->mode, node->uid, node->gid);
	if (node->parent)
		printf(" parent %" PRIu64, node->parent);
	if (node->rdev)
		printf(" device %u:%u", major(node->rdev), minor(node->rdev));
	if (node->target)
		print_text("target", node->target);
}

static void print_rename(const struct mafs_entry_rename *rename)
{
	printf(" id %" PRIu64 " parent %" PRIu64, rename->id, rename->parent);
	print_name(rename->name);
	printf(" to parent %" PRIu64, rename->new_parent);
	print_name(rename->new_name);
	if (rename->flags & MAFS_OMF_RENAME_EXCHANGE)
		printf(" exchanged with %" PRIu64, rename->other);
	else if (rename->other)
		printf(" over %" PRIu64, rename->other);
}

static void print_attr(const struct mafs_entry_attr *attr)
{
	printf(" id %" PRIu64, attr->id);
	if (attr->mask & MAFS_OMF_ATTR_MODE)
		printf(" permissions %04o", attr->mode);
	if (attr->mask & MAFS_OMF_ATTR_UID)
		printf(" owner %u", attr->uid);
	if (attr->mask & MAFS_OMF_ATTR_GID)
		printf(" group %u", attr->gid);
	if (attr->mask & MAFS_OMF_ATTR_ATIME)
		print_timespec("atime", &attr->atime);
	if (attr->mask & MAFS_OMF_ATTR_MTIME)
		print_timespec("mtime", &attr->mtime);
	if (attr->mask & MAFS_OMF_ATTR_CTIME)
		print_timespec("ctime", &attr->ctime);
}

static void print_names_payload(const struct mafs_entry *entry)
{
	if (entry->quiet)
		printf(" quiet");
	switch (entry->type) {
	case MAFS_OMF_NODE:
		print_node(&entry->node);
		break;
	case MAFS_OMF_NAME:
	case MAFS_OMF_UNNAME:
		printf(" id %" PRIu64 " parent %" PRIu64, entry->name.id,
		       entry->name.parent);
		print_name(entry->name.name);
		break;
	case MAFS_OMF_RENAME:
		print_rename(&entry->rename);
		break;
	case MAFS_OMF_ATTR:
		print_attr(&entry->attr);
		break;
	case MAFS_OMF_XATTR:
		printf(" id %" PRIu64, entry->xattr.id);
		print_name(entry->xattr.name);
		if (entry->xattr.removed)
			printf(" removed");
		else
			printf(" value of %u bytes", entry->xattr.value_len);
		break;
	case MAFS_OMF_EXTENTS:
		printf(" id %" PRIu64 " size %" PRIu64 " from extent %u",
		       entry->extents.id, entry->extents.size_bytes,
		       entry->extents.first);
		print_extents(&entry->extents.map);
		break;
	case MAFS_OMF_SIZE:
		printf(" id %" PRIu64 " size %" PRIu64, entry->size.id,
		       entry->size.size_bytes);
		break;
	default:
		break;
	}
}

static void print_payload(const struct mafs_entry *entry)
{
	switch (entry->type) {
	case MAFS_OMF_CHECKPOINT_BEGIN:
	case MAFS_OMF_CHECKPOINT_END:
		printf(" live %" PRIu64 " up to %" PRIu64,
		       entry->checkpoint.n_live, entry->checkpoint.seq);
		break;
	case MAFS_OMF_SWITCH:
		printf(" to slot %c offset %" PRIu64 " batch %" PRIu64,
		       entry->log_switch.slot ? 'B' : 'A',
		       entry->log_switch.offset, entry->log_switch.number);
		break;
	case MAFS_OMF_DEVICE_ADD:
		print_uuid("device", &entry->device.device_uuid);
		printf(" size %" PRIu64, entry->device.size_bytes);
		if (entry->device.spec)
			print_text("at", entry->device.spec);
		break;
	case MAFS_OMF_MAP:
		print_map(&entry->map);
		break;
	case MAFS_OMF_CLEAN:
		printf(" id %" PRIu64 " size %" PRIu64, entry->clean.id,
		       entry->clean.fingerprint.size_bytes);
		break;
	case MAFS_OMF_WRITING:
	case MAFS_OMF_DROP_INTENT:
	case MAFS_OMF_DROP:
		printf(" id %" PRIu64, entry->id.id);
		break;
	case MAFS_OMF_CONFLICT:
		printf(" id %" PRIu64, entry->conflict.id);
		print_name(entry->conflict.name);
		break;
	default:
		print_names_payload(entry);
		break;
	}
}

void mafs_log_print_text(const struct mafs_entry *entry,
			 const struct mafs_log_position *position)
{
	const char *type = mafs_entry_type_to_text(entry->type);

	printf("%c:%-8" PRIu64 " batch %-5" PRIu64 " seq %-6" PRIu64 " ",
	       position->region == MAFS_REGION_LOG_B ? 'B' : 'A',
	       position->record_offset, position->batch_number, entry->seq);
	print_time(entry->time_ns);
	printf(" %s", type ? type : "unknown");
	print_payload(entry);
	putchar('\n');
}
