// SPDX-License-Identifier: Apache-2.0
/*
 * Names of a memory volume whose log was read to its end: every directory is
 * reached from the root, and what no name leads to is empty and goes. Reached
 * directories are marked in the inode's owner field, which is ours here.
 */
#include "memory_check.h"

#include <errno.h>
#include <mafs/cleanup.h>

/* Directories reached and not yet looked into. */
struct reached {
	struct mafs_node **dirs; /* owned */
	size_t n, capacity;
};

static void reached_done(struct reached *reached)
{
	free(reached->dirs);
}

static int reach(struct reached *reached, struct mafs_node *dir)
{
	size_t capacity = reached->capacity ? 2 * reached->capacity : 64;
	struct mafs_node **dirs;

	if (reached->n == reached->capacity) {
		dirs = reallocarray(reached->dirs, capacity, sizeof(*dirs));
		if (!dirs)
			return -ENOMEM;
		reached->dirs = dirs;
		reached->capacity = capacity;
	}
	dir->owner = dir;
	reached->dirs[reached->n++] = dir;
	return 0;
}

static int reach_all(struct mafs_names *names)
{
	_cleanup_(reached_done) struct reached reached = {};
	int r = reach(&reached, mafs_names_node(names, MAFS_OMF_ROOT_ID));

	for (size_t i = 0; r == 0 && i < reached.n; i++) {
		const struct mafs_name *name;
		uint64_t cookie = 0;

		while (r == 0 && (name = mafs_names_next(names, reached.dirs[i],
							 cookie))) {
			cookie = name->cookie;
			if (name->node->dir && !name->node->owner)
				r = reach(&reached, name->node);
		}
	}
	return r;
}

static int check_directory(struct mafs_memory_check *check,
			   struct mafs_node *dir)
{
	check->n_dirs++;
	if (dir->owner) {
		if (dir->id == MAFS_OMF_ROOT_ID ||
		    dir->parent == dir->names->parent->id)
			return 0;
		return mafs_findings_say(
			&check->found, MAFS_FINDING_ERROR,
			"%s: says that it is in directory %llu",
			memory_check_title(check, dir),
			(unsigned long long)dir->parent);
	}
	if (!dir->names && mafs_names_is_empty(dir)) {
		check->n_dirs--; /* removed */
		return 0;
	}
	return mafs_findings_say(&check->found, MAFS_FINDING_ERROR,
				 "inode %llu: a directory that no path from "
				 "the root leads to%s",
				 (unsigned long long)dir->id,
				 dir->names ? ", as it is below itself" : "");
}

static int check_node(void *context, struct mafs_node *node)
{
	struct mafs_memory_check *check = context;

	if (node->dir)
		return check_directory(check, node);
	if (!node->names)
		return 0;
	if (S_ISREG(node->mode)) {
		check->n_files++;
		check->file_bytes += node->size_bytes;
		check->n_extents += node->map.n_extents;
	} else {
		check->n_others++;
	}
	return 0;
}

int memory_check_names(struct mafs_memory_check *check)
{
	struct mafs_names *names = check->volume->names;
	int r = reach_all(names);

	return r < 0 ? r : mafs_names_visit(names, check_node, check);
}
