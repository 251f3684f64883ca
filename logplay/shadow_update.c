// SPDX-License-Identifier: Apache-2.0
/*
 * A memory volume's shadow kept up to date: entries are noted as they are
 * applied, and what they have changed is looked up in the names and shown
 * afterwards, each place once. What went goes first; a directory that came, or
 * came elsewhere, is filled anew with all below it, as paths stand in the
 * descriptors.
 */
#include "names_shadow.h"

#include <errno.h>
#include <mafs/cleanup.h>
#include <string.h>

int mafs_names_shadow_open(const char *dir, const struct mafs_uuid *volume,
			   struct mafs_names_shadow **ret,
			   struct mafs_fault *fault)
{
	struct mafs_names_shadow *shadow = calloc(1, sizeof(*shadow));
	int r;

	if (!shadow)
		return -ENOMEM;
	shadow->dir = (struct mafs_shadow_dir)MAFS_SHADOW_DIR_INIT;
	r = mafs_shadow_dir_open(dir, volume, &shadow->dir, fault);
	if (r < 0) {
		mafs_names_shadow_close(shadow);
		return r;
	}
	*ret = shadow;
	return 0;
}

static void forget_noted(struct mafs_names_shadow *shadow)
{
	for (size_t i = 0; i < shadow->n_noted; i++)
		free(shadow->noted[i].name);
	shadow->n_noted = 0;
}

void mafs_names_shadow_close(struct mafs_names_shadow *shadow)
{
	if (!shadow)
		return;
	forget_noted(shadow);
	free(shadow->noted);
	free(shadow->dirs);
	mafs_buffer_done(&shadow->text);
	mafs_buffer_done(&shadow->path);
	mafs_shadow_dir_close(&shadow->dir);
	free(shadow);
}

/* ---- noting ---- */

static int note(struct mafs_names_shadow *shadow, uint64_t id, char *name)
{
	size_t capacity = shadow->noted_capacity ? 2 * shadow->noted_capacity :
						   64;
	struct shadow_place *noted;

	if (shadow->n_noted == shadow->noted_capacity) {
		noted = reallocarray(shadow->noted, capacity, sizeof(*noted));
		if (!noted)
			return -ENOMEM;
		shadow->noted = noted;
		shadow->noted_capacity = capacity;
	}
	shadow->noted[shadow->n_noted++] =
		(struct shadow_place){ .id = id, .name = name };
	return 0;
}

int shadow_note_id(struct mafs_names_shadow *shadow, uint64_t id)
{
	return id ? note(shadow, id, NULL) : 0;
}

int shadow_note_name(struct mafs_names_shadow *shadow, uint64_t parent,
		     const char *name)
{
	char *copy = strdup(name);
	int r = copy ? note(shadow, parent, copy) : -ENOMEM;

	if (r < 0)
		free(copy);
	return r;
}

/* A name, its directory, and the inode that has or had it. */
static int note_place(struct mafs_names_shadow *shadow, uint64_t parent,
		      const char *name, uint64_t id)
{
	int r = shadow_note_name(shadow, parent, name);

	if (r == 0)
		r = shadow_note_id(shadow, parent);
	return r < 0 ? r : shadow_note_id(shadow, id);
}

static int note_entry(struct mafs_names_shadow *shadow,
		      const struct mafs_entry *entry)
{
	const struct mafs_entry_rename *rename = &entry->rename;
	int r;

	switch (entry->type) {
	case MAFS_OMF_NODE:
		return shadow_note_id(shadow, entry->node.id);
	case MAFS_OMF_ATTR:
		return shadow_note_id(shadow, entry->attr.id);
	case MAFS_OMF_XATTR:
		return shadow_note_id(shadow, entry->xattr.id);
	case MAFS_OMF_EXTENTS:
		return shadow_note_id(shadow, entry->extents.id);
	case MAFS_OMF_SIZE:
		return shadow_note_id(shadow, entry->size.id);
	case MAFS_OMF_NAME:
	case MAFS_OMF_UNNAME:
		return note_place(shadow, entry->name.parent, entry->name.name,
				  entry->name.id);
	case MAFS_OMF_RENAME:
		r = note_place(shadow, rename->parent, rename->name,
			       rename->other);
		return r < 0 ? r :
			       note_place(shadow, rename->new_parent,
					  rename->new_name, rename->id);
	default:
		return 0;
	}
}

void mafs_names_shadow_note(void *shadow, const struct mafs_entry *entry)
{
	struct mafs_names_shadow *noting = shadow;

	noting->lost |= note_entry(noting, entry) < 0;
}

/* ---- showing ---- */

/* Names before inodes: a place must be right before what it shows is. */
static int compare(const void *a, const void *b)
{
	const struct shadow_place *x = a, *y = b;

	if (!x->name != !y->name)
		return x->name ? -1 : 1;
	if (x->id != y->id)
		return x->id < y->id ? -1 : 1;
	return x->name ? strcmp(x->name, y->name) : 0;
}

static void sort_noted(struct mafs_names_shadow *shadow)
{
	struct shadow_place *noted = shadow->noted;
	size_t n = 0;

	if (!shadow->n_noted)
		return;
	qsort(noted, shadow->n_noted, sizeof(*noted), compare);
	for (size_t i = 1; i < shadow->n_noted; i++) {
		if (!compare(&noted[n], &noted[i]))
			free(noted[i].name);
		else
			noted[++n] = noted[i];
	}
	shadow->n_noted = n + 1;
}

/* The directory that shows @dir. Return: fd; -ESTALE: none does any more. */
static int open_shown(struct mafs_names_shadow *shadow,
		      struct mafs_names *names, const struct mafs_node *dir,
		      struct mafs_fault *fault)
{
	if (!dir || !dir->dir)
		return -ESTALE;
	return shadow_open_directory(shadow, names, dir, fault);
}

static int remove_place(struct mafs_names_shadow *shadow,
			struct mafs_names *names,
			const struct shadow_place *place,
			struct mafs_fault *fault)
{
	const struct mafs_node *dir = mafs_names_node(names, place->id);
	char called[MAFS_NAME_MAX + 1];
	_cleanup_close_ int fd = -1;
	int r;

	if (dir && dir->dir && mafs_names_lookup(names, dir, place->name))
		return 0;
	fd = open_shown(shadow, names, dir, fault);
	if (fd < 0)
		return fd == -ESTALE ? 0 : fd;
	r = mafs_names_shadow_name(place->name, called);
	if (r == 0)
		r = mafs_shadow_remove(fd, called);
	return r < 0 ? mafs_fault_set(fault, r, "%.300s: %s", place->name,
				      strerror(-r)) :
		       0;
}

static int show_name(struct mafs_names_shadow *shadow, struct mafs_names *names,
		     const struct mafs_name *name, struct mafs_fault *fault)
{
	_cleanup_close_ int fd = open_shown(shadow, names, name->parent, fault);
	char called[MAFS_NAME_MAX + 1];
	int r;

	if (fd < 0)
		return fd == -ESTALE ? 0 : fd;
	if (!name->node->dir)
		return shadow_put_file(shadow, names, fd, name, fault);
	r = mafs_names_shadow_name(name->name, called);
	if (r == 0)
		r = mafs_shadow_directory_put(fd, called);
	if (r < 0)
		return mafs_fault_set(fault, r, "%.300s: %s", name->name,
				      strerror(-r));
	return shadow_fill_tree(shadow, names, name->node, fault);
}

static int show_place(struct mafs_names_shadow *shadow,
		      struct mafs_names *names,
		      const struct shadow_place *place,
		      struct mafs_fault *fault)
{
	const struct mafs_node *dir = mafs_names_node(names, place->id);
	const struct mafs_name *name =
		dir && dir->dir ? mafs_names_lookup(names, dir, place->name) :
				  NULL;

	return name ? show_name(shadow, names, name, fault) : 0;
}

static int show_inode(struct mafs_names_shadow *shadow,
		      struct mafs_names *names, uint64_t id,
		      struct mafs_fault *fault)
{
	const struct mafs_node *node = mafs_names_node(names, id);
	const struct mafs_name *name;
	int r = 0;

	if (!node)
		return 0;
	if (node->dir) {
		_cleanup_close_ int fd = open_shown(shadow, names, node, fault);

		if (fd < 0)
			return fd == -ESTALE ? 0 : fd;
		return shadow_put_directory(shadow, names, fd, node, fault);
	}
	for (name = node->names; r == 0 && name; name = name->next_of_node)
		r = show_name(shadow, names, name, fault);
	return r;
}

static int show_noted(struct mafs_names_shadow *shadow,
		      struct mafs_names *names, struct mafs_fault *fault)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < shadow->n_noted; i++)
		if (shadow->noted[i].name)
			r = remove_place(shadow, names, &shadow->noted[i],
					 fault);
	/* More is noted on the way. */
	for (size_t i = 0; r == 0 && i < shadow->n_noted; i++) {
		const struct shadow_place place = shadow->noted[i];

		r = place.name ? show_place(shadow, names, &place, fault) :
				 show_inode(shadow, names, place.id, fault);
	}
	return r;
}

int mafs_names_shadow_update(struct mafs_names_shadow *shadow,
			     struct mafs_memory_volume *volume,
			     struct mafs_fault *fault)
{
	int r;

	if (shadow->lost)
		return -ENOMEM;
	sort_noted(shadow);
	shadow->updating = true;
	r = show_noted(shadow, volume->names, fault);
	shadow->updating = false;
	forget_noted(shadow);
	if (r < 0)
		return r;
	return mafs_shadow_dir_stamp(&shadow->dir, volume->sb.generation,
				     volume->end.seq, fault);
}
