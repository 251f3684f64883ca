// SPDX-License-Identifier: Apache-2.0
/*
 * Descriptors of a memory volume's inodes put into the shadow. All names of an
 * inode have the same text, whose path is that of one of them.
 */
#include "names_shadow.h"

#include <errno.h>
#include <fcntl.h>
#include <mafs/cleanup.h>
#include <mafs/longpath.h>
#include <string.h>

/* Borrowed from the inode; more are taken from the heap. */
#define XATTRS_FEW 16
#define NAMES_LOOKED_AT 64

static size_t n_xattrs(const struct mafs_node *node)
{
	const struct mafs_node_xattr *xattr;
	size_t n = 0;

	for (xattr = node->xattrs; xattr; xattr = xattr->next)
		n++;
	return n;
}

static void borrow_xattrs(const struct mafs_node *node,
			  struct mafs_descriptor_xattr *ret)
{
	struct mafs_node_xattr *xattr;

	for (xattr = node->xattrs; xattr; xattr = xattr->next)
		*ret++ = (struct mafs_descriptor_xattr){
			.name = xattr->name,
			.value = xattr->value,
			.value_len = xattr->value_len,
		};
}

static int describe(struct mafs_names_shadow *shadow,
		    const struct mafs_node *node, const char *path)
{
	struct mafs_descriptor_xattr few[XATTRS_FEW];
	_cleanup_free_ struct mafs_descriptor_xattr *many = NULL;
	struct mafs_node_descriptor descriptor = {
		.id = node->id,
		.path = *path ? (char *)path : NULL,
		.n_links = node->dir ? 1 : node->n_names,
		.mode = node->mode,
		.owner = node->uid,
		.group = node->gid,
		.rdev = node->rdev,
		.size_bytes = node->size_bytes,
		.atime = node->atime,
		.mtime = node->mtime,
		.ctime = node->ctime,
		.btime = node->btime,
		.target = node->target,
		.n_xattrs = n_xattrs(node),
		.map = node->map,
	};

	descriptor.xattrs = few;
	if (descriptor.n_xattrs > XATTRS_FEW) {
		many = calloc(descriptor.n_xattrs, sizeof(*many));
		if (!many)
			return -ENOMEM;
		descriptor.xattrs = many;
	}
	borrow_xattrs(node, descriptor.xattrs);
	shadow->text.len = 0;
	return mafs_node_descriptor_to_text(&descriptor, &shadow->text);
}

static int path_fault(struct mafs_names_shadow *shadow, int err,
		      struct mafs_fault *fault)
{
	return mafs_fault_set(
		fault, err, "%.300s: %s",
		shadow->path.len ? (char *)shadow->path.bytes : "/",
		err == -ENAMETOOLONG ? "has a name that a shadow cannot show" :
				       strerror(-err));
}

int shadow_put_directory(struct mafs_names_shadow *shadow,
			 struct mafs_names *names, int dir_fd,
			 const struct mafs_node *dir, struct mafs_fault *fault)
{
	bool is_root = dir->id == MAFS_OMF_ROOT_ID;
	int r;

	r = names_path_of_dir(names, dir, false, &shadow->path);
	if (r == 0)
		r = describe(shadow, dir, (char *)shadow->path.bytes);
	if (r == 0)
		r = mafs_shadow_file_put(&shadow->dir,
					 is_root ? shadow->dir.dot_fd : dir_fd,
					 is_root ? ROOT_FILE : MAFS_SHADOW_DOT,
					 shadow->text.bytes, shadow->text.len);
	return r < 0 ? path_fault(shadow, r, fault) : 0;
}

static bool is_before(const struct mafs_name *a, const struct mafs_name *b)
{
	if (a->parent != b->parent)
		return a->parent->id < b->parent->id;
	return strcmp(a->name, b->name) < 0;
}

/* The path of one name of the inode, always the same unless it has very many:
 * what the log says in another order is no other shadow. */
static int path_of_node(struct mafs_names_shadow *shadow,
			struct mafs_names *names, const struct mafs_node *node)
{
	const struct mafs_name *name = node->names, *first = name;

	for (int i = 0; name && i < NAMES_LOOKED_AT; i++) {
		if (is_before(name, first))
			first = name;
		name = name->next_of_node;
	}
	return names_path_of_name(names, first, false, &shadow->path);
}

int shadow_put_file(struct mafs_names_shadow *shadow, struct mafs_names *names,
		    int dir_fd, const struct mafs_name *name,
		    struct mafs_fault *fault)
{
	char called[MAFS_NAME_MAX + 1];
	int r;

	r = path_of_node(shadow, names, name->node);
	if (r == 0)
		r = mafs_names_shadow_name(name->name, called);
	if (r == 0)
		r = describe(shadow, name->node, (char *)shadow->path.bytes);
	if (r < 0)
		return path_fault(shadow, r, fault);
	if (shadow->dir.is_fresh)
		r = mafs_shadow_file_new(dir_fd, called, shadow->text.bytes,
					 shadow->text.len);
	if (!shadow->dir.is_fresh || r == -EEXIST)
		r = mafs_shadow_file_put(&shadow->dir, dir_fd, called,
					 shadow->text.bytes, shadow->text.len);
	return r < 0 ? path_fault(shadow, r, fault) : 0;
}

/* Each directory on the way, as its descriptor comes with its own turn. */
static int make_directories(int root_fd, char *path)
{
	_cleanup_close_ int fd =
		mafs_open_longpath(root_fd, "", O_RDONLY | O_DIRECTORY);
	char *end;

	for (path += strspn(path, "/"); fd >= 0 && *path; path = end) {
		int next, r;

		end = path + strcspn(path, "/");
		if (*end)
			*end++ = '\0';
		r = mafs_shadow_directory_put(fd, path);
		if (r < 0)
			return r;
		next = mafs_open_longpath(fd, path, O_RDONLY | O_DIRECTORY);
		close(fd);
		fd = next;
	}
	return take_fd(fd);
}

int shadow_open_directory(struct mafs_names_shadow *shadow,
			  struct mafs_names *names, const struct mafs_node *dir,
			  struct mafs_fault *fault)
{
	int fd;

	fd = names_path_of_dir(names, dir, true, &shadow->path);
	if (fd == -ESTALE)
		return fd;
	if (fd == 0)
		fd = mafs_open_longpath(shadow->dir.root_fd,
					(char *)shadow->path.bytes,
					O_RDONLY | O_DIRECTORY);
	if (fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP) {
		fd = make_directories(shadow->dir.root_fd,
				      (char *)shadow->path.bytes);
		if (fd < 0)
			(void)names_path_of_dir(names, dir, true,
						&shadow->path);
	}
	return fd < 0 ? path_fault(shadow, fd, fault) : fd;
}
