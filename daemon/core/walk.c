/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All files below a directory, for what people ask of a whole tree. What goes
 * or comes meanwhile may be met or not.
 */
#include "names.h"

#include <string.h>

struct todo {
	struct mafsd_inode **dirs; /* a reference each */
	size_t n, capacity;
};

/* Takes over the reference. */
static int add(struct mafsd *d, struct todo *todo, struct mafsd_inode *dir)
{
	size_t capacity = todo->capacity ? 2 * todo->capacity : 16;
	struct mafsd_inode **dirs;

	if (todo->n == todo->capacity) {
		dirs = reallocarray(todo->dirs, capacity,
				    sizeof(struct mafsd_inode *));
		if (!dirs) {
			mafsd_inode_unref(d, dir);
			return -ENOMEM;
		}
		todo->dirs = dirs;
		todo->capacity = capacity;
	}
	todo->dirs[todo->n++] = dir;
	return 0;
}

/* Takes over the reference. */
static int meet(struct mafsd *d, const struct mafsd_walk *walk,
		struct todo *todo, struct mafsd_inode *inode)
{
	int r;

	if (S_ISREG(inode->type)) {
		r = mafsd_admits(d, walk->who, inode, walk->access);
		if (r == 0) {
			walk->file(walk->context, inode);
			return 0;
		}
		walk->failed(walk->context, inode, r);
	}
	if (S_ISDIR(inode->type))
		return add(d, todo, inode);
	mafsd_inode_unref(d, inode);
	return 0;
}

static bool is_stopped(const struct mafsd_walk *walk)
{
	return walk->stop && atomic_load(walk->stop);
}

static int read_dir(struct mafsd *d, const struct mafsd_walk *walk,
		    struct todo *todo, struct mafsd_inode *inode)
{
	struct mafsd_inode *child;
	struct mafsd_dir *dir;
	const char *name;
	struct stat st;
	off_t offset = 0;
	int r;

	r = mafsd_admits(d, walk->who, inode, R_OK | X_OK);
	if (r < 0)
		return r;
	r = mafsd_opendir(d, inode->nodeid, &dir);
	if (r < 0)
		return r;
	while (!is_stopped(walk) &&
	       (r = mafsd_readdir(dir, offset, &name, &st, &offset)) > 0) {
		if (!strcmp(name, ".") || !strcmp(name, "..") ||
		    mafsd_child(d, inode, name, true, &child, &st) < 0)
			continue; /* gone meanwhile */
		r = meet(d, walk, todo, child);
		if (r < 0)
			break;
	}
	mafsd_closedir(dir);
	return r;
}

int mafsd_walk(struct mafsd *d, struct mafsd_inode *top,
	       const struct mafsd_walk *walk)
{
	struct mafsd_inode *dir;
	struct todo todo = { 0 };
	int r;

	r = meet(d, walk, &todo, mafsd_inode_ref(d, top));
	while (todo.n) {
		dir = todo.dirs[--todo.n];
		if (r == 0 && !is_stopped(walk) && walk->directory)
			walk->directory(walk->context, dir);
		if (r == 0 && !is_stopped(walk))
			r = read_dir(d, walk, &todo, dir);
		if (r < 0 && r != -ENOMEM) {
			walk->failed(walk->context, dir, r);
			r = 0;
		}
		mafsd_inode_unref(d, dir);
	}
	free(todo.dirs);
	return r;
}
