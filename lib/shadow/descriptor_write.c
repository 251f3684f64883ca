// SPDX-License-Identifier: Apache-2.0
/*
 * A descriptor as YAML. Written by hand, in one fixed form: libyaml's emitter
 * cannot indent a sequence below its key, and a million of them are written.
 * The same descriptor always gives the same bytes: the shadow writer compares.
 */
#include "path.h"
#include "scalar.h"

#include <errno.h>
#include <inttypes.h>
#include <mafs/cleanup.h>
#include <mafs/descriptor.h>
#include <stdarg.h>
#include <string.h>

static const char *const state_texts[MAFS_N_DESCRIPTOR_STATES] = {
	[MAFS_DESCRIPTOR_CLEAN] = "clean",
	[MAFS_DESCRIPTOR_DIRTY] = "dirty",
	[MAFS_DESCRIPTOR_WRITING] = "writing",
};

void mafs_descriptor_done(struct mafs_descriptor *descriptor)
{
	free(descriptor->path);
	free(descriptor->hint);
	mafs_map_done(&descriptor->map);
	*descriptor = (struct mafs_descriptor){ 0 };
}

const char *mafs_descriptor_state_to_text(enum mafs_descriptor_state state)
{
	return (unsigned int)state < MAFS_N_DESCRIPTOR_STATES ?
		       state_texts[state] :
		       "unknown";
}

/* One line or a few; @fmt makes less than 200 bytes. */
static int append(struct mafs_buffer *buffer, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
static int append(struct mafs_buffer *buffer, const char *fmt, ...)
{
	char text[200];
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (n < 0 || (size_t)n >= sizeof(text))
		return -EOVERFLOW;
	return mafs_buffer_append(buffer, text, (size_t)n);
}

static int append_name(struct mafs_buffer *buffer, const char *key,
		       const char *name, bool plain)
{
	int r = append(buffer, "  %s: ", key);

	if (r == 0)
		r = mafs_name_append(buffer, name, plain);
	return r < 0 ? r : mafs_buffer_append(buffer, "\n", 1);
}

static int append_where(struct mafs_buffer *buffer,
			const struct mafs_descriptor *descriptor)
{
	int r = 0;

	if (descriptor->path)
		r = append_name(buffer, "path", descriptor->path, true);
	else if (descriptor->hint)
		r = append_name(buffer, "hint", descriptor->hint, false);
	if (r < 0)
		return r;
	if (descriptor->n_links != 1)
		r = append(buffer, "  links: %" PRIu64 "\n",
			   descriptor->n_links);
	return r;
}

static int append_attributes(struct mafs_buffer *buffer,
			     const struct mafs_descriptor *descriptor)
{
	char mtime[MAFS_TIME_TEXT_LEN];

	mafs_time_to_text(&descriptor->mtime, mtime);
	return append(buffer,
		      "  owner: %" PRIu32 "\n"
		      "  group: %" PRIu32 "\n"
		      "  permissions: '%04" PRIo32 "'\n"
		      "  size: %" PRIu64 "\n"
		      "  mtime: '%s'\n"
		      "  state: %s\n",
		      descriptor->owner, descriptor->group,
		      descriptor->permissions & 07777, descriptor->size_bytes,
		      mtime, state_texts[descriptor->state]);
}

static int append_extents(struct mafs_buffer *buffer,
			  const struct mafs_map *map)
{
	char uuid[MAFS_UUID_TEXT_LEN];
	int r;

	if (!map->n_extents)
		return append(buffer, "  extents: []\n");

	r = append(buffer, "  extents:\n");
	for (size_t i = 0; r == 0 && i < map->n_extents; i++) {
		mafs_uuid_to_text(&map->extents[i].device_uuid, uuid);
		r = append(buffer,
			   "    - device_uuid: '%s'\n"
			   "      offset: %" PRIu64 "\n"
			   "      length: %" PRIu64 "\n",
			   uuid, map->extents[i].offset_bytes,
			   map->extents[i].length_bytes);
	}
	return r;
}

int mafs_descriptor_to_text(const struct mafs_descriptor *descriptor,
			    struct mafs_buffer *buffer)
{
	size_t len = buffer->len;
	int r;

	if ((unsigned int)descriptor->state >= MAFS_N_DESCRIPTOR_STATES ||
	    (descriptor->path &&
	     (descriptor->hint || !mafs_path_is_valid(descriptor->path))) ||
	    (descriptor->hint && !mafs_name_is_valid(descriptor->hint)))
		return -EINVAL;

	r = append(buffer,
		   "file:\n"
		   "  version: %d\n"
		   "  id: %" PRIu64 "\n",
		   MAFS_DESCRIPTOR_VERSION, descriptor->id);
	if (r == 0)
		r = append_where(buffer, descriptor);
	if (r == 0)
		r = append_attributes(buffer, descriptor);
	if (r == 0)
		r = append_extents(buffer, &descriptor->map);
	if (r < 0)
		buffer->len = len;
	return r;
}
