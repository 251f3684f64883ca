// SPDX-License-Identifier: Apache-2.0
/*
 * A memory volume's shadow as a whole: directory by directory, each one's
 * entries compared with what stands there. The names that lead there from the
 * root are a tree, whatever the log says: a directory has one name. So this
 * ends.
 */
#include "names_shadow.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <mafs/cleanup.h>
#include <mafs/longpath.h>
#include <string.h>

/* ---- what stands there ---- */

struct listing {
	char **names; /* owned, sorted */
	bool *wanted; /* owned */
	size_t n, capacity;
};

static void listing_done(struct listing *listing)
{
	for (size_t i = 0; i < listing->n; i++)
		free(listing->names[i]);
	free(listing->names);
	free(listing->wanted);
}

static int listing_add(struct listing *listing, const char *name)
{
	size_t capacity = listing->capacity ? 2 * listing->capacity : 64;
	char **names;

	if (listing->n == listing->capacity) {
		names = reallocarray(listing->names, capacity, sizeof(*names));
		if (!names)
			return -ENOMEM;
		listing->names = names;
		listing->capacity = capacity;
	}
	listing->names[listing->n] = strdup(name);
	if (!listing->names[listing->n])
		return -ENOMEM;
	listing->n++;
	return 0;
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* All but the shadow's own. */
static int listing_read(struct listing *listing, int dir_fd)
{
	_cleanup_closedir_ DIR *stream = NULL;
	_cleanup_close_ int fd =
		mafs_open_longpath(dir_fd, "", O_RDONLY | O_DIRECTORY);
	struct dirent *entry;
	int r = 0;

	if (fd < 0)
		return fd;
	stream = fdopendir(fd);
	if (!stream)
		return -errno;
	fd = -1; /* the stream's */
	while (r == 0 && (errno = 0, entry = readdir(stream)))
		if (strcmp(entry->d_name, ".") != 0 &&
		    strcmp(entry->d_name, "..") != 0 &&
		    strcmp(entry->d_name, MAFS_SHADOW_DOT) != 0)
			r = listing_add(listing, entry->d_name);
	if (r < 0 || errno)
		return r < 0 ? r : -errno;
	if (!listing->n)
		return 0;
	qsort(listing->names, listing->n, sizeof(*listing->names), compare);
	listing->wanted = calloc(listing->n, sizeof(*listing->wanted));
	return listing->wanted ? 0 : -ENOMEM;
}

static void listing_want(struct listing *listing, const char *name)
{
	char **found = listing->n ? bsearch(&name, listing->names, listing->n,
					    sizeof(*listing->names), compare) :
				    NULL;

	if (found)
		listing->wanted[found - listing->names] = true;
}

static int listing_remove_others(const struct listing *listing, int dir_fd,
				 struct mafs_fault *fault)
{
	for (size_t i = 0; i < listing->n; i++) {
		int r;

		if (listing->wanted[i])
			continue;
		r = mafs_shadow_remove(dir_fd, listing->names[i]);
		if (r < 0)
			return mafs_fault_set(fault, r, "%.300s: %s",
					      listing->names[i], strerror(-r));
	}
	return 0;
}

/* ---- what belongs there ---- */

static int add_dir(struct mafs_names_shadow *shadow, struct mafs_node *dir)
{
	size_t capacity = shadow->dirs_capacity ? 2 * shadow->dirs_capacity :
						  64;
	struct mafs_node **dirs;

	if (shadow->n_dirs == shadow->dirs_capacity) {
		dirs = reallocarray(shadow->dirs, capacity, sizeof(*dirs));
		if (!dirs)
			return -ENOMEM;
		shadow->dirs = dirs;
		shadow->dirs_capacity = capacity;
	}
	shadow->dirs[shadow->n_dirs++] = dir;
	return 0;
}

static int put_name(struct mafs_names_shadow *shadow, struct mafs_names *names,
		    int dir_fd, const struct mafs_name *name,
		    struct listing *listing, struct mafs_fault *fault)
{
	char called[MAFS_NAME_MAX + 1];
	int r;

	r = mafs_names_shadow_name(name->name, called);
	if (r < 0)
		return mafs_fault_set(fault, r, "%.300s: cannot be shown",
				      name->name);
	listing_want(listing, called);
	if (!name->node->dir) {
		/* Its path may stand in the descriptors of other names. */
		if (shadow->updating && name->node->n_names > 1 &&
		    shadow_note_id(shadow, name->node->id) < 0)
			return -ENOMEM;
		return shadow_put_file(shadow, names, dir_fd, name, fault);
	}
	r = mafs_shadow_directory_put(dir_fd, called);
	if (r == 0)
		r = add_dir(shadow, name->node);
	return r < 0 ? mafs_fault_set(fault, r, "%.300s: %s", called,
				      strerror(-r)) :
		       0;
}

static int fill_directory(struct mafs_names_shadow *shadow,
			  struct mafs_names *names, struct mafs_node *dir,
			  struct mafs_fault *fault)
{
	_cleanup_(listing_done) struct listing listing = {};
	_cleanup_close_ int fd =
		shadow_open_directory(shadow, names, dir, fault);
	const struct mafs_name *name = NULL;
	uint64_t cookie = 0;
	int r;

	if (fd < 0)
		return fd;
	r = shadow->dir.is_fresh ? 0 : listing_read(&listing, fd);
	if (r < 0)
		return mafs_fault_set(fault, r, "%.300s: %s",
				      (char *)shadow->path.bytes, strerror(-r));
	r = shadow_put_directory(shadow, names, fd, dir, fault);
	while (r == 0 && (name = mafs_names_next(names, dir, cookie))) {
		cookie = name->cookie;
		r = put_name(shadow, names, fd, name, &listing, fault);
	}
	return r < 0 ? r : listing_remove_others(&listing, fd, fault);
}

int shadow_fill_tree(struct mafs_names_shadow *shadow, struct mafs_names *names,
		     struct mafs_node *top, struct mafs_fault *fault)
{
	int r;

	shadow->n_dirs = 0;
	r = add_dir(shadow, top);
	for (size_t i = 0; r == 0 && i < shadow->n_dirs; i++)
		r = fill_directory(shadow, names, shadow->dirs[i], fault);
	return r;
}

/* ---- the shadow's own ---- */

static int describe_devices(const struct mafs_memory_volume *volume,
			    struct mafs_shadow_devices *devices)
{
	int r;

	r = mafs_shadow_devices_add(devices,
				    &mafs_pool_device(volume->pool, 0)->uuid,
				    volume->source);
	for (size_t i = 0; r == 0 && i < volume->n_records; i++)
		r = mafs_shadow_devices_add(devices, &volume->records[i].uuid,
					    volume->records[i].spec);
	return r;
}

static int put_devices(struct mafs_names_shadow *shadow,
		       const struct mafs_memory_volume *volume,
		       struct mafs_fault *fault)
{
	_cleanup_(mafs_shadow_devices_done) struct mafs_shadow_devices
		devices = {};
	struct mafs_buffer *text = &shadow->text;
	int r = describe_devices(volume, &devices);

	text->len = 0;
	if (r == 0)
		r = mafs_shadow_devices_to_text(&devices, text);
	if (r == 0)
		r = mafs_shadow_file_put(&shadow->dir, shadow->dir.dot_fd,
					 DEVICES_FILE, text->bytes, text->len);
	return r < 0 ? mafs_fault_set(fault, r,
				      MAFS_SHADOW_DOT "/" DEVICES_FILE ": %s",
				      strerror(-r)) :
		       0;
}

int mafs_names_shadow_fill(struct mafs_names_shadow *shadow,
			   struct mafs_memory_volume *volume,
			   struct mafs_fault *fault)
{
	struct mafs_node *root =
		mafs_names_node(volume->names, MAFS_OMF_ROOT_ID);
	int r;

	r = shadow_fill_tree(shadow, volume->names, root, fault);
	shadow->dir.is_fresh = false;
	if (r == 0)
		r = put_devices(shadow, volume, fault);
	if (r < 0)
		return r;
	return mafs_shadow_dir_stamp(&shadow->dir, volume->sb.generation,
				     volume->end.seq, fault);
}
