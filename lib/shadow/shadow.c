// SPDX-License-Identifier: Apache-2.0
/*
 * The shadow writer. Invariant: the index holds exactly the regular files of
 * the directory (but .mafs/), so that what nobody put can be swept. Everything
 * here can be made again from the log; nothing is synced.
 */
#include "index.h"
#include "path.h"
#include "tree.h"

#include <errno.h>
#include <inttypes.h>
#include <mafs/cleanup.h>
#include <mafs/shadow.h>
#include <string.h>
#include <sys/stat.h>

struct mafs_shadow {
	struct mafs_shadow_dir dir;
	struct mafs_shadow_index index;
	uint64_t pass;
	struct mafs_buffer text; /* of the descriptor being put */
};

/* ---- opening ---- */

/* One file of an earlier shadow, or of a writer that was killed. */
static int load_file(void *context, const char *path, int fd)
{
	_cleanup_free_ char *bytes = NULL;
	struct mafs_shadow *shadow = context;
	struct mafs_shadow_node *node;
	struct stat st;
	ssize_t len;

	node = mafs_shadow_index_add(&shadow->index, path);
	if (!node)
		return -ENOMEM;
	if (fstat(fd, &st) < 0)
		return -errno;
	/* No hash of a descriptor is 0 but by chance: written again then. */
	if (st.st_size > (off_t)MAFS_DESCRIPTOR_MAX_BYTES)
		return 0;
	bytes = malloc((size_t)st.st_size + 1);
	if (!bytes)
		return -ENOMEM;
	len = mafs_pread_full(fd, bytes, (size_t)st.st_size, 0);
	if (len < 0)
		return (int)len;
	node->hash = mafs_shadow_hash(bytes, (size_t)len);
	return 0;
}

static void shadow_closep(struct mafs_shadow **shadow)
{
	mafs_shadow_close(*shadow);
}

int mafs_shadow_open(const char *dir, const struct mafs_uuid *volume,
		     struct mafs_shadow **ret, struct mafs_fault *fault)
{
	_cleanup_(shadow_closep) struct mafs_shadow *shadow = NULL;
	int r;

	shadow = calloc(1, sizeof(*shadow));
	if (!shadow)
		return -ENOMEM;
	shadow->dir = (struct mafs_shadow_dir)MAFS_SHADOW_DIR_INIT;
	r = mafs_shadow_dir_open(dir, volume, &shadow->dir, fault);
	if (r < 0)
		return r;
	r = mafs_tree_walk(shadow->dir.root_fd, load_file, shadow);
	if (r < 0)
		return mafs_fault_set(fault, r, "%s: %s", dir, strerror(-r));
	*ret = take_ptr(shadow);
	return 0;
}

void mafs_shadow_close(struct mafs_shadow *shadow)
{
	if (!shadow)
		return;
	mafs_shadow_index_done(&shadow->index);
	mafs_buffer_done(&shadow->text);
	mafs_shadow_dir_close(&shadow->dir);
	free(shadow);
}

/* ---- removing ---- */

static int remove_node(struct mafs_shadow *shadow,
		       struct mafs_shadow_node *node, struct mafs_fault *fault)
{
	int r = mafs_tree_remove(shadow->dir.root_fd, node->path);

	if (r < 0)
		return mafs_fault_set(fault, r, "%.300s: %s", node->path,
				      strerror(-r));
	mafs_shadow_index_remove(&shadow->index, node);
	return 0;
}

static int remove_below(struct mafs_shadow *shadow, const char *dir,
			uint64_t pass, struct mafs_fault *fault)
{
	_cleanup_free_ struct mafs_shadow_node **nodes = NULL;
	size_t n_nodes = 0;
	int r;

	r = mafs_shadow_index_select(&shadow->index, dir, pass, &nodes,
				     &n_nodes);
	for (size_t i = 0; r == 0 && i < n_nodes; i++)
		r = remove_node(shadow, nodes[i], fault);
	return r;
}

int mafs_shadow_drop(struct mafs_shadow *shadow, uint64_t id,
		     struct mafs_fault *fault)
{
	struct mafs_shadow_node *node =
		mafs_shadow_index_id(&shadow->index, id);

	return node ? remove_node(shadow, node, fault) : 0;
}

void mafs_shadow_begin(struct mafs_shadow *shadow)
{
	shadow->pass++;
}

int mafs_shadow_sweep(struct mafs_shadow *shadow, struct mafs_fault *fault)
{
	return remove_below(shadow, "", shadow->pass, fault);
}

/* ---- putting ---- */

/* Where a descriptor goes: its path, or a name of its own in .lost. */
static int place_of(const struct mafs_descriptor *descriptor, char **ret)
{
	char name[MAFS_NAME_MAX + 1];

	if (descriptor->path) {
		*ret = strdup(descriptor->path);
		return *ret ? 0 : -ENOMEM;
	}
	snprintf(name, sizeof(name), "%" PRIu64 "-%s", descriptor->id,
		 descriptor->hint ? descriptor->hint : "unnamed");
	if (asprintf(ret, "/" MAFS_SHADOW_LOST "/%s", name) < 0)
		return -ENOMEM;
	return 0;
}

/* Descriptors of an earlier state that stand where directories must be. */
static int clear_above(struct mafs_shadow *shadow, char *path,
		       struct mafs_fault *fault)
{
	struct mafs_shadow_node *node;
	int r = 0;

	for (char *p = path + 1; r == 0 && (p = strchr(p, '/')); p++) {
		*p = '\0';
		node = mafs_shadow_index_path(&shadow->index, path);
		if (node)
			r = remove_node(shadow, node, fault);
		*p = '/';
	}
	return r;
}

static int write_file(struct mafs_shadow *shadow, char *path,
		      struct mafs_fault *fault)
{
	_cleanup_close_ int parent_fd = -1;
	const char *name;
	int r;

	r = mafs_tree_open_parent(shadow->dir.root_fd, path, true, &parent_fd,
				  &name);
	if (r == -ENOTDIR) {
		r = clear_above(shadow, path, fault);
		if (r < 0)
			return r;
		r = mafs_tree_open_parent(shadow->dir.root_fd, path, true,
					  &parent_fd, &name);
	}
	if (r < 0)
		return r;
	return mafs_tree_replace(shadow->dir.dot_fd, parent_fd, name,
				 shadow->text.bytes, shadow->text.len);
}

/* Writes the present text and notes it. */
static int write_node(struct mafs_shadow *shadow, char *path, uint64_t hash,
		      struct mafs_shadow_node **ret, struct mafs_fault *fault)
{
	struct mafs_shadow_node *node;
	int r;

	r = write_file(shadow, path, fault);
	if (r == -EISDIR) {
		r = remove_below(shadow, path, 0, fault);
		if (r == 0)
			r = write_file(shadow, path, fault);
	}
	if (r < 0)
		return mafs_fault_set(fault, r, "%.300s: %s", path,
				      strerror(-r));
	node = mafs_shadow_index_add(&shadow->index, path);
	if (!node)
		return -ENOMEM;
	node->hash = hash;
	*ret = node;
	return 0;
}

int mafs_shadow_put(struct mafs_shadow *shadow,
		    const struct mafs_descriptor *descriptor,
		    struct mafs_fault *fault)
{
	_cleanup_free_ char *path = NULL;
	struct mafs_shadow_node *node, *old;
	uint64_t hash;
	int r;

	shadow->text.len = 0;
	r = mafs_descriptor_to_text(descriptor, &shadow->text);
	if (r == 0)
		r = place_of(descriptor, &path);
	if (r < 0)
		return mafs_fault_set(fault, r, "file %" PRIu64 ": %s",
				      descriptor->id, strerror(-r));
	if (descriptor->path && (strcmp(path, "/" MAFS_SHADOW_DOT) == 0 ||
				 strncmp(path, "/" MAFS_SHADOW_DOT "/",
					 strlen(MAFS_SHADOW_DOT) + 2) == 0))
		return mafs_fault_set(fault, -EINVAL,
				      "%.300s is the shadow's own", path);

	hash = mafs_shadow_hash(shadow->text.bytes, shadow->text.len);
	node = mafs_shadow_index_path(&shadow->index, path);
	if (!node || node->hash != hash) {
		r = write_node(shadow, path, hash, &node, fault);
		if (r < 0)
			return r;
	}
	node->pass = shadow->pass;

	old = mafs_shadow_index_id(&shadow->index, descriptor->id);
	if (old && old != node) {
		r = remove_node(shadow, old, fault);
		if (r < 0)
			return r;
	}
	return mafs_shadow_index_bind(&shadow->index, node, descriptor->id);
}

/* ---- the stamp ---- */

int mafs_shadow_stamp(struct mafs_shadow *shadow, uint64_t generation,
		      uint64_t seq, struct mafs_fault *fault)
{
	return mafs_shadow_dir_stamp(&shadow->dir, generation, seq, fault);
}

const char *mafs_shadow_path(const struct mafs_shadow *shadow, uint64_t id)
{
	const struct mafs_shadow_node *node =
		mafs_shadow_index_id(&shadow->index, id);

	return node ? node->path : NULL;
}

size_t mafs_shadow_count(const struct mafs_shadow *shadow)
{
	return shadow->index.n_nodes;
}
