// SPDX-License-Identifier: Apache-2.0
/* Log entries as lines of text. */
#include "log_print.h"
#include "names.h"

#include <inttypes.h>
#include <mafs/cleanup.h>
#include <stdio.h>
#include <string.h>
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

static void print_name(const char *name)
{
	_cleanup_free_ char *shown = mafs_name_shown(name);

	printf(" name \"%s\"", shown ? shown : "?");
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
	for (size_t i = 0; i < map->map.n_extents; i++) {
		print_uuid("extent", &map->map.extents[i].device_uuid);
		printf("@%" PRIu64 "+%" PRIu64,
		       map->map.extents[i].offset_bytes,
		       map->map.extents[i].length_bytes);
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
