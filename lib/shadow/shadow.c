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
#include <fcntl.h>
#include <inttypes.h>
#include <mafs/cleanup.h>
#include <mafs/longpath.h>
#include <mafs/platform.h>
#include <mafs/shadow.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

struct mafs_shadow {
	int root_fd;
	int dot_fd; /* .mafs, locked */
	struct mafs_shadow_stamp stamp; /* as it is stored */
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

/* A new shadow: only what a killed first writer leaves may be there. */
static int adopt(struct mafs_shadow *shadow, const char *dir,
		 const struct mafs_uuid *volume, struct mafs_fault *fault)
{
	int r;

	r = mafs_tree_is_empty(shadow->root_fd, MAFS_SHADOW_DOT);
	if (r > 0)
		r = mafs_tree_is_empty(shadow->dot_fd, "tmp");
	if (r < 0)
		return mafs_fault_set(fault, r, "%s: %s", dir, strerror(-r));
	if (r == 0)
		return mafs_fault_set(fault, -ENOTEMPTY,
				      "%s is neither empty nor a shadow", dir);

	shadow->stamp.volume = *volume;
	r = mafs_shadow_stamp_write(shadow->dot_fd, &shadow->stamp);
	if (r < 0)
		return mafs_fault_set(fault, r, "%s/" MAFS_SHADOW_DOT ": %s",
				      dir, strerror(-r));
	return 0;
}

/* The directory .mafs, made only where nothing else is. */
static int open_dot(struct mafs_shadow *shadow, const char *dir,
		    struct mafs_fault *fault)
{
	int fd = mafs_open_beneath(shadow->root_fd, MAFS_SHADOW_DOT,
				   O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);

	if (fd == -ENOENT) {
		int r = mafs_tree_is_empty(shadow->root_fd, NULL);

		if (r == 0)
			return mafs_fault_set(fault, -ENOTEMPTY,
					      "%s is neither empty nor a "
					      "shadow",
					      dir);
		if (r > 0 &&
		    mkdirat(shadow->root_fd, MAFS_SHADOW_DOT, 0700) < 0 &&
		    errno != EEXIST)
			r = -errno;
		if (r < 0)
			return mafs_fault_set(fault, r, "%s: %s", dir,
					      strerror(-r));
		fd = mafs_open_beneath(shadow->root_fd, MAFS_SHADOW_DOT,
				       O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	}
	if (fd < 0)
		return mafs_fault_set(fault, fd, "%s/" MAFS_SHADOW_DOT ": %s",
				      dir, strerror(-fd));
	shadow->dot_fd = fd;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ?
			       mafs_fault_set(fault, -EBUSY,
					      "%s is being written by another "
					      "process",
					      dir) :
			       mafs_fault_set(fault, -errno, "%s: %s", dir,
					      strerror(errno));
	return 0;
}

static int open_root(struct mafs_shadow *shadow, const char *dir,
		     struct mafs_fault *fault)
{
	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		return mafs_fault_set(fault, -errno, "%s: %s", dir,
				      strerror(errno));
	shadow->root_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (shadow->root_fd < 0)
		return mafs_fault_set(fault, -errno, "%s: %s", dir,
				      strerror(errno));
	return open_dot(shadow, dir, fault);
}

static void shadow_closep(struct mafs_shadow **shadow)
{
	mafs_shadow_close(*shadow);
}

int mafs_shadow_open(const char *dir, const struct mafs_uuid *volume,
		     struct mafs_shadow **ret, struct mafs_fault *fault)
{
	_cleanup_(shadow_closep) struct mafs_shadow *shadow = NULL;
	char uuid[MAFS_UUID_TEXT_LEN];
	int r;

	shadow = calloc(1, sizeof(*shadow));
	if (!shadow)
		return -ENOMEM;
	shadow->root_fd = -1;
	shadow->dot_fd = -1;
	r = open_root(shadow, dir, fault);
	if (r < 0)
		return r;

	r = mafs_shadow_stamp_read(shadow->root_fd, &shadow->stamp, fault);
	if (r == -ENOENT)
		r = adopt(shadow, dir, volume, fault);
	else if (r < 0)
		r = mafs_fault_set(fault, r,
				   "%s/" MAFS_SHADOW_DOT "/" MAFS_SHADOW_STAMP
				   " cannot be read",
				   dir);
	if (r < 0)
		return r;
	if (!mafs_uuid_equal(&shadow->stamp.volume, volume)) {
		mafs_uuid_to_text(&shadow->stamp.volume, uuid);
		return mafs_fault_set(fault, -EEXIST,
				      "%s is the shadow of volume %s", dir,
				      uuid);
	}

	r = mafs_tree_walk(shadow->root_fd, load_file, shadow);
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
	mafs_closep(&shadow->dot_fd);
	mafs_closep(&shadow->root_fd);
	free(shadow);
}

/* ---- removing ---- */

static int remove_node(struct mafs_shadow *shadow,
		       struct mafs_shadow_node *node, struct mafs_fault *fault)
{
	int r = mafs_tree_remove(shadow->root_fd, node->path);

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

	r = mafs_tree_open_parent(shadow->root_fd, path, true, &parent_fd,
				  &name);
	if (r == -ENOTDIR) {
		r = clear_above(shadow, path, fault);
		if (r < 0)
			return r;
		r = mafs_tree_open_parent(shadow->root_fd, path, true,
					  &parent_fd, &name);
	}
	if (r < 0)
		return r;
	return mafs_tree_replace(shadow->dot_fd, parent_fd, name,
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
	struct mafs_shadow_stamp stamp = shadow->stamp;
	int r;

	if (stamp.generation == generation && stamp.seq == seq)
		return 0;
	stamp.generation = generation;
	stamp.seq = seq;
	r = mafs_shadow_stamp_write(shadow->dot_fd, &stamp);
	if (r < 0)
		return mafs_fault_set(fault, r,
				      MAFS_SHADOW_DOT "/" MAFS_SHADOW_STAMP
						      ": %s",
				      strerror(-r));
	shadow->stamp = stamp;
	return 0;
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
