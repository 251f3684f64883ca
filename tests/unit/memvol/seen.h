/* SPDX-License-Identifier: Apache-2.0 */
/* All that a volume shows, and whether its space adds up. */
#pragma once

#include "volume.h"

#define N_SEEN_MAX 64
#define PATH_LEN 256

/**
 * struct seen_file - one path
 * @text: names, attributes and xattrs, but for the times of bytes
 */
struct seen_file {
	char *text;
	uint64_t id;
	struct timespec mtime, ctime;
	uint8_t *bytes; /* of a regular file */
	uint64_t size;
};

struct seen {
	struct seen_file files[N_SEEN_MAX]; /* by path */
	size_t n;
	uint64_t allocated_bytes; /* each file once */
};

static inline void seen_free(struct seen *seen)
{
	for (size_t i = 0; seen && i < seen->n; i++) {
		free(seen->files[i].text);
		free(seen->files[i].bytes);
	}
	free(seen);
}

static inline const struct seen_file *seen_find(const struct seen *seen,
						uint64_t id)
{
	for (size_t i = 0; i < seen->n; i++)
		if (seen->files[i].id == id)
			return &seen->files[i];
	return NULL;
}

static inline int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static inline void see_xattrs(struct vol *v, uint64_t nodeid, FILE *to)
{
	char list[4096], value[65536], *names[32];
	size_t n = 0;
	ssize_t len =
		mafsm_listxattr(&v->m->fs, &caller, nodeid, list, sizeof(list));

	must(len >= 0);
	for (ssize_t at = 0; at < len; at += (ssize_t)strlen(list + at) + 1) {
		must(n < MAFS_ARRAY_SIZE(names));
		names[n++] = list + at;
	}
	qsort(names, n, sizeof(*names), compare_names);
	for (size_t i = 0; i < n; i++) {
		uint32_t sum = 0;
		ssize_t value_len = mafsm_getxattr(&v->m->fs, nodeid, names[i],
						   value, sizeof(value));

		must(value_len >= 0);
		for (ssize_t at = 0; at < value_len; at++)
			sum = sum * 31 + (uint8_t)value[at];
		fprintf(to, " %s=%zd:%x", names[i], value_len, sum);
	}
}

static inline void see_bytes(struct vol *v, struct seen_file *file)
{
	struct mafsd_open *open;

	must_be(mafsm_open(&v->m->fs, &caller, file->id, O_RDONLY, true, &open),
		0);
	file->bytes = malloc(file->size + 1);
	must(file->bytes);
	must_be(mafsm_read_bytes(&v->m->fs, open, file->bytes, file->size + 1,
				 0),
		file->size);
	mafsm_release(&v->m->fs, open);
}

/* Its lookup is the caller's. */
static inline void see_file(struct vol *v, struct seen *seen, const char *path,
			    const struct mafsd_entry *entry)
{
	struct seen_file *file = &seen->files[seen->n];
	const struct stat *st = &entry->st;
	bool again = seen_find(seen, entry->nodeid);
	char target[4096] = "";
	size_t len;
	FILE *to = open_memstream(&file->text, &len);

	must(to && seen->n++ < N_SEEN_MAX);
	file->id = entry->nodeid;
	file->mtime = st->st_mtim;
	file->ctime = st->st_ctim;
	if (S_ISLNK(st->st_mode))
		must_be(mafsm_readlink(&v->m->fs, file->id, target,
				       sizeof(target)),
			0);
	fprintf(to,
		"%s: %llu mode %o links %llu owner %u:%u dev %llu size %llu"
		" blocks %llu atime %lld.%09ld %s",
		path, (unsigned long long)st->st_ino, st->st_mode,
		(unsigned long long)st->st_nlink, st->st_uid, st->st_gid,
		(unsigned long long)st->st_rdev,
		(unsigned long long)st->st_size,
		(unsigned long long)st->st_blocks,
		(long long)st->st_atim.tv_sec, st->st_atim.tv_nsec, target);
	see_xattrs(v, file->id, to);
	fclose(to);
	if (!S_ISREG(st->st_mode))
		return;
	file->size = (uint64_t)st->st_size;
	see_bytes(v, file);
	if (!again)
		seen->allocated_bytes += (uint64_t)st->st_blocks * 512;
}

static inline void see_dir(struct vol *v, struct seen *seen, const char *path,
			   uint64_t nodeid)
{
	char *names[N_SEEN_MAX];
	struct mafsd_dir *dir;
	const char *name;
	struct stat st;
	off_t at = 0;
	size_t n = 0;

	must_be(mafsm_opendir(&v->m->fs, nodeid, &dir), 0);
	while (mafsm_readdir(&v->m->fs, dir, at, &name, &st, &at) == 1) {
		if (!strcmp(name, ".") || !strcmp(name, ".."))
			continue;
		must(n < N_SEEN_MAX);
		names[n++] = strdup(name);
	}
	mafsm_closedir(&v->m->fs, dir);
	qsort(names, n, sizeof(*names), compare_names);
	for (size_t i = 0; i < n; i++) {
		struct mafsd_entry entry;
		char below[PATH_LEN];

		must_be(mafsm_lookup(&v->m->fs, nodeid, names[i], &entry), 0);
		snprintf(below, sizeof(below), "%s/%s", path, names[i]);
		see_file(v, seen, below, &entry);
		if (S_ISDIR(entry.st.st_mode))
			see_dir(v, seen, below, entry.nodeid);
		mafsm_forget(&v->m->fs, entry.nodeid, 1);
		free(names[i]);
	}
}

static inline struct seen *v_see(struct vol *v)
{
	struct mafsd_entry root = { .nodeid = MAFSD_ROOT_ID };
	struct seen *seen = calloc(1, sizeof(*seen));
	bool is_volatile;

	must(seen);
	must_be(mafsm_getattr(&v->m->fs, root.nodeid, &root.st, &is_volatile),
		0);
	see_file(v, seen, "", &root);
	see_dir(v, seen, "", root.nodeid);
	return seen;
}

/* Same names, attributes and sizes; and if @times, times. */
static inline bool seen_same(const struct seen *a, const struct seen *b,
			     const char **ret_a, const char **ret_b)
{
	size_t i = 0;

	while (i < a->n && i < b->n &&
	       !strcmp(a->files[i].text, b->files[i].text))
		i++;
	*ret_a = i < a->n ? a->files[i].text : "(nothing)";
	*ret_b = i < b->n ? b->files[i].text : "(nothing)";
	return i == a->n && i == b->n;
}

/* ---- space ---- */

/* Units that are in use, but for the head of each device. */
static inline uint64_t v_used(struct vol *v, uint64_t *ret_log)
{
	uint64_t used = 0;

	*ret_log = 0;
	for (size_t i = 0; i < v->n_devices; i++) {
		struct mafs_device *device =
			mafs_pool_device(v->m->pool, (uint32_t)i);

		used += device->size_bytes -
			mafs_alloc_free_bytes(device->alloc);
		*ret_log += mafs_device_log_bytes(device);
	}
	return used;
}

/* What is in use is the head's, the log's or a file's. @head: of an empty
 * volume. Open files without a name are the caller's to know. */
static inline void v_check_space(struct vol *v, const struct seen *seen,
				 uint64_t head, uint64_t nameless)
{
	uint64_t log_bytes, used;

	must_be(mafs_pool_settle(v->m->pool), 0);
	used = v_used(v, &log_bytes);
	must_be(used, head + log_bytes + seen->allocated_bytes + nameless);
}
