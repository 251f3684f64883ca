// SPDX-License-Identifier: Apache-2.0
/*
 * A shadow against the log: both are names, so directory is compared with
 * directory, name by name.
 */
#include "memory_check.h"

#include "names_shadow.h"

#include <errno.h>
#include <mafs/cleanup.h>
#include <string.h>

/* Two directories of one path, that are still to be compared. */
struct pair {
	const struct mafs_node *log, *shadow;
};

struct comparison {
	struct mafs_memory_check *check;
	struct mafs_names *log, *shadow;
	struct pair *pairs; /* owned */
	size_t n, capacity;
	struct mafs_buffer path;
};

static void comparison_done(struct comparison *comparison)
{
	free(comparison->pairs);
	mafs_buffer_done(&comparison->path);
}

static int add_pair(struct comparison *comparison, const struct mafs_node *log,
		    const struct mafs_node *shadow)
{
	size_t capacity = comparison->capacity ? 2 * comparison->capacity : 64;
	struct pair *pairs;

	if (comparison->n == comparison->capacity) {
		pairs = reallocarray(comparison->pairs, capacity,
				     sizeof(*pairs));
		if (!pairs)
			return -ENOMEM;
		comparison->pairs = pairs;
		comparison->capacity = capacity;
	}
	comparison->pairs[comparison->n++] = (struct pair){ log, shadow };
	return 0;
}

static int say(struct comparison *comparison, struct mafs_names *names,
	       const struct mafs_name *name, const char *what)
{
	int r = names_path_of_name(names, name, false, &comparison->path);

	if (r < 0 && r != -ESTALE)
		return r;
	return mafs_findings_say(
		&comparison->check->found, MAFS_FINDING_ERROR,
		"shadow: %.300s: %s",
		r == 0 ? (char *)comparison->path.bytes : name->name, what);
}

static bool times_equal(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool xattrs_equal(const struct mafs_node *a, const struct mafs_node *b)
{
	const struct mafs_node_xattr *xattr, *other;
	size_t n = 0;

	for (xattr = a->xattrs; xattr; xattr = xattr->next, n++) {
		other = mafs_names_xattr(b, xattr->name);
		if (!other || other->value_len != xattr->value_len ||
		    memcmp(other->value, xattr->value, xattr->value_len) != 0)
			return false;
	}
	for (xattr = b->xattrs; xattr; xattr = xattr->next)
		n--;
	return n == 0;
}

static bool maps_equal(const struct mafs_map *a, const struct mafs_map *b)
{
	return a->n_extents == b->n_extents &&
	       (!a->n_extents || !memcmp(a->extents, b->extents,
					 a->n_extents * sizeof(*a->extents)));
}

/* What differs; NULL: nothing. */
static const char *difference(const struct mafs_node *a,
			      const struct mafs_node *b)
{
	if (a->id != b->id)
		return "another inode";
	if (a->mode != b->mode)
		return "another type or other permissions";
	if (a->uid != b->uid || a->gid != b->gid)
		return "another owner";
	if (a->rdev != b->rdev)
		return "another device";
	if (strcmp(a->target ? a->target : "", b->target ? b->target : "") != 0)
		return "another target";
	if (a->size_bytes != b->size_bytes)
		return "another size";
	if (!maps_equal(&a->map, &b->map))
		return "other extents";
	if (!times_equal(&a->mtime, &b->mtime) ||
	    !times_equal(&a->ctime, &b->ctime) ||
	    !times_equal(&a->atime, &b->atime) ||
	    !times_equal(&a->btime, &b->btime))
		return "other times";
	return xattrs_equal(a, b) ? NULL : "other extended attributes";
}

static int compare_name(struct comparison *comparison,
			const struct mafs_name *name,
			const struct mafs_node *shadow_dir)
{
	const struct mafs_name *shown =
		mafs_names_lookup(comparison->shadow, shadow_dir, name->name);
	const char *what = shown ? difference(name->node, shown->node) :
				   "missing";
	int r = 0;

	if (what)
		r = say(comparison, comparison->log, name, what);
	if (r == 0 && shown && name->node->dir && shown->node->dir)
		r = add_pair(comparison, name->node, shown->node);
	return r;
}

static int compare_dir(struct comparison *comparison, const struct pair *pair)
{
	const struct mafs_name *name;
	uint64_t cookie = 0;
	int r = 0;

	while (r == 0 &&
	       (name = mafs_names_next(comparison->log, pair->log, cookie))) {
		cookie = name->cookie;
		r = compare_name(comparison, name, pair->shadow);
	}
	cookie = 0;
	while (r == 0 && (name = mafs_names_next(comparison->shadow,
						 pair->shadow, cookie))) {
		cookie = name->cookie;
		if (!mafs_names_lookup(comparison->log, pair->log, name->name))
			r = say(comparison, comparison->shadow, name,
				"not in the log");
	}
	return r;
}

static int compare(struct mafs_memory_check *check,
		   struct mafs_memory_volume *shadow)
{
	_cleanup_(comparison_done) struct comparison comparison = {
		.check = check,
		.log = check->volume->names,
		.shadow = shadow->names,
	};
	const struct mafs_node *log_root =
		mafs_names_node(comparison.log, MAFS_OMF_ROOT_ID);
	const struct mafs_node *shadow_root =
		mafs_names_node(comparison.shadow, MAFS_OMF_ROOT_ID);
	const char *what = difference(log_root, shadow_root);
	int r = 0;

	if (what)
		r = mafs_findings_say(&check->found, MAFS_FINDING_ERROR,
				      "shadow: /: %s", what);
	if (r == 0)
		r = add_pair(&comparison, log_root, shadow_root);
	for (size_t i = 0; r == 0 && i < comparison.n; i++) {
		/* The list grows under it. */
		const struct pair pair = comparison.pairs[i];

		r = compare_dir(&comparison, &pair);
	}
	return r;
}

int memory_check_shadow(struct mafs_memory_check *check,
			const struct mafs_memory_check_options *options)
{
	struct mafs_memory_volume *shadow = NULL;
	struct mafs_fault fault = MAFS_FAULT_INIT;
	int r;

	r = mafs_names_shadow_load(options->shadow, options->devices,
				   options->n_devices, &shadow, &fault);
	if (r == -ENOMEM)
		return r;
	if (r < 0)
		return mafs_findings_say(&check->found, MAFS_FINDING_ERROR,
					 "shadow: %.350s", fault.what);
	if (mafs_uuid_equal(&shadow->uuid, &check->volume->uuid))
		r = compare(check, shadow);
	else
		r = mafs_findings_say(&check->found, MAFS_FINDING_ERROR,
				      "shadow: of another volume");
	mafs_memory_volume_close(shadow);
	return r;
}
