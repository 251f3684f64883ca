// SPDX-License-Identifier: Apache-2.0
/*
 * Bytes of memory files into a directory: by the log what is dirty, without a
 * log everything. Where N says where a file is, it gets that path below the
 * directory, and N's owner and mode; else its last name.
 */
#include <mafs/salvage.h>

#include <mafs/cleanup.h>
#include <mafs/inventory.h>
#include <mafs/platform.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define CHUNK (1U << 20)
#define NAME_TRIES 1000U

/* ---- what is to be copied ---- */

struct item {
	struct mafs_identity identity;
	struct mafs_hint hint;
	struct mafs_uuid tag;
	bool drop_intent;
};

struct items {
	struct item *items; /* owned */
	struct mafs_place *places; /* owned, one each */
	size_t n, capacity;
	bool damaged; /* there are files that are not among them */
};

static void items_done(struct items *items)
{
	for (size_t i = 0; items->places && i < items->n; i++)
		mafs_place_done(&items->places[i]);
	free(items->places);
	free(items->items);
}

static struct item *add_item(struct items *items)
{
	size_t capacity = items->capacity ? items->capacity * 2 : 64;
	struct item *grown;

	if (items->n == items->capacity) {
		grown = reallocarray(items->items, capacity, sizeof(*grown));
		if (!grown)
			return NULL;
		items->items = grown;
		items->capacity = capacity;
	}
	items->items[items->n] = (struct item){ 0 };
	return &items->items[items->n++];
}

static int take_dirty(void *context, struct mafs_hot *hot)
{
	struct items *items = context;
	struct item *item;

	if (hot->state == MAFS_HOT_CLEAN || hot->map.n_extents != 1)
		return 0;
	item = add_item(items);
	if (!item)
		return -ENOMEM;
	item->identity = hot->identity;
	item->hint = hot->hint;
	item->tag = hot->map.extents[0].device_uuid;
	item->drop_intent = hot->drop_intent;
	return 0;
}

/* What is kept with a memory file is a `map` entry without its map. */
static void read_id(const struct mafs_memory_info *info, struct item *item)
{
	struct mafs_entry entry;
	size_t length;

	if (!info->id || mafs_entry_decode(info->id, info->id_len, &entry,
					   &length, NULL) < 0)
		return;
	if (entry.type == MAFS_OMF_MAP) {
		item->identity = entry.map.identity;
		item->hint = entry.map.hint;
	}
	mafs_entry_done(&entry);
}

static int take_all(struct mafs_memory *memory, struct items *items)
{
	_cleanup_(mafs_inventory_done) struct mafs_inventory inventory = { 0 };
	int r = mafs_inventory_read(memory, MAFS_VISIT_IDS, &inventory);

	for (size_t i = 0; r == 0 && i < inventory.n_files; i++) {
		struct item *item = add_item(items);

		if (!item)
			return -ENOMEM;
		item->tag = inventory.files[i].tag;
		read_id(&inventory.files[i], item);
	}
	items->damaged = inventory.damaged;
	return r;
}

static int find_places(struct items *items, int n_fd,
		       const struct mafs_uuid *fs_id)
{
	items->places = calloc(items->n + 1, sizeof(*items->places));
	if (!items->places)
		return -ENOMEM;
	for (size_t i = 0; i < items->n; i++) {
		items->places[i].identity = &items->items[i].identity;
		items->places[i].hint = &items->items[i].hint;
	}
	/* Without N they have no path, which is no reason to lose them. */
	if (n_fd >= 0)
		(void)mafs_locate(n_fd, fs_id, items->places, items->n, true);
	return 0;
}

/* ---- a home in the directory ---- */

/* Opens the directory of "a/b/c" below @out_fd, made where it is missing;
 * *ret_name is its last part. */
static int make_parents(int out_fd, char *path, const char **ret_name)
{
	_cleanup_close_ int at = fcntl(out_fd, F_DUPFD_CLOEXEC, 3);
	char *slash;
	int next;

	if (at < 0)
		return -errno;
	while ((slash = strchr(path, '/'))) {
		*slash = '\0';
		if (mkdirat(at, path, 0700) < 0 && errno != EEXIST)
			return -errno;
		next = mafs_open_beneath(at, path, O_RDONLY | O_DIRECTORY, 0);
		if (next < 0)
			return next;
		close(at);
		at = next;
		path = slash + 1;
	}
	*ret_name = path;
	return take_fd(at);
}

/* The name itself, else NAME.mafs-N. */
static int create(int dirfd, const char *name)
{
	char other[MAFS_NAME_MAX + 1], suffix[32];
	int fd, len;

	for (unsigned int i = 0; i < NAME_TRIES; i++) {
		len = snprintf(suffix, sizeof(suffix), ".mafs-%u", i);
		(void)snprintf(other, sizeof(other), "%.*s%s",
			       i ? MAFS_NAME_MAX - len : MAFS_NAME_MAX, name,
			       i ? suffix : "");
		fd = openat(dirfd, other,
			    O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW |
				    O_CLOEXEC,
			    0600);
		if (fd >= 0 || errno != EEXIST)
			return fd >= 0 ? fd : -errno;
	}
	return -EEXIST;
}

static int create_home(int out_fd, const struct item *item,
		       const struct mafs_place *place)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_close_ int dirfd = -1;
	char tag[MAFS_UUID_TEXT_LEN];
	const char *name = NULL;

	mafs_uuid_to_text(&item->tag, tag);
	if (place->path)
		path = strdup(place->path + 1);
	else if (item->hint.name[0] && !strchr(item->hint.name, '/'))
		path = strdup(item->hint.name);
	else if (asprintf(&path, "unnamed-%s", tag) < 0)
		path = NULL;
	if (!path)
		return -ENOMEM;
	dirfd = make_parents(out_fd, path, &name);
	return dirfd < 0 ? dirfd : create(dirfd, name);
}

/* ---- bytes ---- */

int mafs_copy_out(struct mafs_memory_file *mem,
		  const struct mafs_tier_ops *tier, int fd, uint64_t *n_bytes)
{
	const struct mafs_memory_ops *ops = mem->memory->ops;
	_cleanup_free_ uint8_t *bytes = malloc(CHUNK);
	struct timespec times[2];
	struct stat st;
	off_t at = 0;
	ssize_t n;
	int r;

	if (!bytes)
		return -ENOMEM;
	r = ops->stat(mem, &st);
	while (r == 0 && (at = ops->seek(mem, at, SEEK_DATA)) >= 0) {
		n = ops->pread(mem, bytes, CHUNK, (uint64_t)at);
		if (n <= 0)
			return n < 0 ? (int)n : -EIO;
		r = tier->pwrite(fd, bytes, (size_t)n, (uint64_t)at);
		at += n;
		*n_bytes += (uint64_t)n;
	}
	if (r == 0 && at < 0 && at != -ENXIO)
		r = (int)at;
	if (r == 0)
		r = tier->truncate(fd, (uint64_t)st.st_size);
	if (r < 0)
		return r;
	times[0] = st.st_atim;
	times[1] = st.st_mtim;
	return tier->set_times(fd, times);
}

/* As far as we may. */
static void take_owner(int fd, const struct stat *st)
{
	if (fchown(fd, st->st_uid, st->st_gid) == 0)
		(void)fchmod(fd, st->st_mode & 07777);
}

static int salvage_one(struct mafs_memory *memory, const struct item *item,
		       const struct mafs_place *place, int out_fd,
		       struct mafs_salvage *done)
{
	struct mafs_extent extent = { .device_uuid = item->tag,
				      .length_bytes = 1 };
	struct mafs_map map = { .extents = &extent, .n_extents = 1 };
	_cleanup_close_ int fd = -1;
	struct mafs_memory_file *mem;
	int r;

	r = memory->ops->open(memory, &map, false, &mem);
	if (r < 0)
		return r;
	fd = create_home(out_fd, item, place);
	r = fd < 0 ? fd :
		     mafs_copy_out(mem, &mafs_tier_disk, fd, &done->n_bytes);
	memory->ops->close(mem);
	if (r < 0)
		return r;
	if (place->path)
		take_owner(fd, &place->st);
	else
		done->n_unnamed++;
	done->n_files++;
	return mafs_tier_disk.flush(fd, false);
}

int mafs_salvage(struct mafs_memory *memory, struct mafs_hot_table *hot,
		 int n_fd, const struct mafs_uuid *fs_id, int out_fd,
		 struct mafs_salvage *ret, struct mafs_fault *fault)
{
	_cleanup_(items_done) struct items items = { 0 };
	int r, first = 0;

	*ret = (struct mafs_salvage){ 0 };
	r = hot ? mafs_hot_visit(hot, take_dirty, &items) :
		  take_all(memory, &items);
	if (r == 0)
		r = find_places(&items, n_fd, fs_id);
	for (size_t i = 0; r == 0 && i < items.n; i++) {
		const struct item *item = &items.items[i];

		/* Removed, and the log had it still to say. */
		if (item->drop_intent && items.places[i].gone)
			continue;
		int one = salvage_one(memory, item, &items.places[i], out_fd,
				      ret);

		if (one < 0 && first == 0)
			first = mafs_fault_set(fault, one, "%s: %s",
					       items.places[i].path ?
						       items.places[i].path :
						       item->hint.name,
					       strerror(-one));
	}
	if (items.damaged && first == 0)
		first = mafs_fault_set(fault, -EBADMSG,
				       "some memory files are damaged");
	if (r == 0)
		r = mafs_tier_disk.flush_all(out_fd);
	if (r < 0)
		return mafs_fault_set(fault, r, "%s", strerror(-r));
	return first;
}
