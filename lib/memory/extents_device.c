// SPDX-License-Identifier: Apache-2.0
/*
 * Making, attaching and giving back a mapped device as a volume's memory.
 *
 * Order of making: the device is looked at, and refused when it holds what is
 * not ours; it is marked as lent to mafs, with no superblock; the note in the
 * volume's directory; then it is formatted. Of giving back: the superblock
 * copies wiped, the note removed. So whoever comes after a kill finds a device
 * that is marked, and no note without a device.
 *
 * memfd is a file on a tmpfs of our own, which a killed daemon leaves behind.
 */
#include "extents.h"
#include "tmpfs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <mafs/buffer.h>
#include <string.h>

#define MEMFD_FILE "memory"
#define CHUNK (1U << 20)

static void memory_freep(struct mafs_memory **memory)
{
	if (*memory)
		extents_ops.free(*memory);
}

/* @path: the volume's memory directory, where a memfd's file is. */
static int extents_new(struct mafs_device *device, const char *path,
		       bool read_only, struct mafs_memory **ret)
{
	bool is_memfd = !strncmp(device->path, path, strlen(path));
	struct extents *e = calloc(1, sizeof(*e));
	int r;

	if (!e)
		return -ENOMEM;
	r = mafs_pool_new(&e->pool);
	if (r < 0) {
		free(e);
		return r;
	}
	e->base.ops = &extents_ops;
	e->base.media.ops = &extents_media_ops;
	e->base.kind = is_memfd ? "memfd" :
				  mafs_device_kind_to_text(device->kind);
	e->base.path = is_memfd ? NULL : device->path;
	e->mapped = mapped_of(device);
	e->read_only = read_only;
	pthread_mutex_init(&e->lock, NULL);
	*ret = &e->base;
	return 0;
}

/* ---- may it be taken? ---- */

static bool is_zero(const uint8_t *bytes, size_t len)
{
	return !len || (!bytes[0] && !memcmp(bytes, bytes + 1, len - 1));
}

/* Of a device-DAX the head; of a file all of it, which may be anything. */
static int is_blank(const struct mafs_device *device)
{
	uint64_t end = device->kind == MAFS_DEVICE_DAX ?
			       MAFS_OMF_SEGMENTS_OFFSET :
			       device->size_bytes;
	_cleanup_free_ uint8_t *bytes = malloc(CHUNK);
	off_t at = 0;

	if (!bytes)
		return -ENOMEM;
	while ((uint64_t)at < end) {
		uint64_t len = end - (uint64_t)at < CHUNK ? end - (uint64_t)at :
							    CHUNK;

		if (device->kind == MAFS_DEVICE_FILE) {
			off_t data = lseek(device->fd, at, SEEK_DATA);

			if (data < 0)
				return errno == ENXIO ? 1 : -errno;
			if (data > at) {
				at = data;
				continue;
			}
		}
		if (mafs_guarded_copy(bytes, device->base + at, len) < 0)
			return -EIO;
		if (!is_zero(bytes, len))
			return 0;
		at += (off_t)len;
	}
	return 1;
}

static int refuse(const char *path, const char *what, struct mafs_fault *fault)
{
	return mafs_fault_set(fault, -EEXIST,
			      "%.300s holds %.200s; name another one, or, if "
			      "that is to be lost: mafs mkfs --wipe %.300s",
			      path, what, path);
}

static int check_ours(struct mafs_device *device, const char *path,
		      const struct mafs_uuid *fs_uuid, struct mafs_fault *fault)
{
	char uuid[MAFS_UUID_TEXT_LEN], what[160];
	struct mafs_superblock sb;
	int r;

	r = mafs_superblock_read(&device->media, &sb, NULL, NULL);
	if (r == 0) {
		mafs_uuid_to_text(&sb.fs_uuid, uuid);
		if (!(sb.incompat & MAFS_OMF_INCOMPAT_TIERED)) {
			snprintf(what, sizeof(what), "the memory volume %s",
				 uuid);
			return refuse(path, what, fault);
		}
		if (mafs_uuid_equal(&sb.fs_uuid, fs_uuid))
			return 0;
		snprintf(what, sizeof(what),
			 "memory of another volume, %s, which has to be "
			 "unmounted (mafs umount) first",
			 uuid);
		return refuse(path, what, fault);
	}
	if (mafs_device_is_wiped(device))
		return 0;
	if (r != -ENODATA)
		return refuse(path, "something that is not mafs's", fault);
	r = is_blank(device);
	if (r < 0)
		return mafs_fault_set(fault, r, "%.300s: cannot be read: %s",
				      path, strerror(-r));
	return r ? 0 : refuse(path, "something that is not mafs's", fault);
}

/* A file that is too short for any device. */
static int check_short(const struct mafs_device_spec *spec,
		       const struct stat *st, struct mafs_fault *fault)
{
	if (st->st_size > 0)
		return refuse(spec->path, "something that is not mafs's",
			      fault);
	if (spec->size_bytes)
		return 0;
	return mafs_fault_set(fault, -EINVAL,
			      "%.300s: empty; write file:%.60s,8G to say how "
			      "large it shall be",
			      spec->path, spec->path);
}

/* As it is, before it is sized: sizing destroys. */
static int look(const struct mafs_device_spec *spec,
		const struct mafs_uuid *fs_uuid, struct mafs_fault *fault)
{
	const struct mafs_device_spec as_is = { .kind = spec->kind,
						.path = spec->path,
						.forgets = true };
	struct mafs_device *device;
	struct stat st;
	int r;

	if (stat(spec->path, &st) < 0) {
		if (errno != ENOENT || spec->kind != MAFS_DEVICE_FILE)
			return mafs_fault_set(fault, -errno, "%.300s: %s",
					      spec->path, strerror(errno));
		st.st_mode = S_IFREG;
		st.st_size = 0;
	}
	if (S_ISREG(st.st_mode) && st.st_size < (off_t)MAFS_DEVICE_MIN_BYTES)
		return check_short(spec, &st, fault);
	r = mafs_device_open(&as_is, false, false, true, &device, fault);
	/* Cut short under its superblock. */
	if (r == -EUCLEAN)
		return refuse(spec->path, "a damaged volume", fault);
	if (r < 0)
		return r;
	r = check_ours(device, spec->path, fs_uuid, fault);
	mafs_device_close(device);
	return r;
}

/* ---- making ---- */

/* What make_place() has made, but the directory. */
static void remove_place(const char *path)
{
	_cleanup_close_ int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return;
	unlinkat(fd, MEMFD_FILE, 0);
	mafs_closep(&fd);
	if (mafs_have_capability(CAP_SYS_ADMIN))
		(void)tmpfs_unmount(path, NULL);
}

/* The directory of the volume's memory; of a memfd, with the file's place. */
static int make_place(const char *path, const struct mafs_memory_spec *spec,
		      struct mafs_device_spec *device, struct mafs_fault *fault)
{
	bool is_memfd = !strcmp(spec->kind, "memfd");

	if (is_memfd && mafs_have_capability(CAP_SYS_ADMIN)) {
		int r = tmpfs_unmount(path, fault);

		if (r == 0)
			r = tmpfs_mount(path, spec, fault);
		if (r < 0)
			return r;
	} else if (mkdir(path, 0700) < 0 && errno != EEXIST) {
		return mafs_fault_set(fault, -errno, "memory %.300s: %s", path,
				      strerror(errno));
	}
	device->forgets = true;
	device->size_bytes = spec->size_bytes;
	device->kind = !strcmp(spec->kind, "dax") ? MAFS_DEVICE_DAX :
						    MAFS_DEVICE_FILE;
	if (!is_memfd)
		device->path = strdup(spec->path);
	else if (asprintf(&device->path, "%s/%s%s", path,
			  mafs_have_capability(CAP_SYS_ADMIN) ? TMPFS_DATA "/" :
								"",
			  MEMFD_FILE) < 0)
		device->path = NULL;
	return device->path ? 0 : -ENOMEM;
}

static void note_donep(struct extents_note *note)
{
	mafs_device_spec_done(&note->spec);
}

int extents_make(const char *path, const struct mafs_memory_spec *spec,
		 const struct mafs_uuid *fs_uuid, struct mafs_memory **ret,
		 struct mafs_fault *fault)
{
	_cleanup_(note_donep) struct extents_note note = { 0 };
	struct mafs_device *device = NULL;
	int r;

	if (extents_is_at(path))
		return mafs_fault_set(fault, -EEXIST,
				      "%s holds a memory device already", path);
	note.fs_uuid = *fs_uuid;
	r = make_place(path, spec, &note.spec, fault);
	if (r == 0)
		r = look(&note.spec, fs_uuid, fault);
	if (r == 0)
		r = mafs_device_open(&note.spec, true, false, true, &device,
				     fault);
	if (r < 0) {
		remove_place(path);
		return r;
	}
	r = mafs_device_wipe(device);
	if (r < 0)
		mafs_fault_set(fault, r, "%.300s: cannot be written",
			       note.spec.path);
	if (r == 0)
		r = extents_note_store(path, &note, fault);
	if (r == 0)
		r = extents_new(device, path, false, ret);
	if (r < 0) {
		mafs_device_close(device);
		remove_place(path);
	}
	return r;
}

/* ---- attaching ---- */

bool extents_is_at(const char *path)
{
	_cleanup_(note_donep) struct extents_note note = { 0 };

	int r = extents_note_load(path, &note, NULL);

	return r == 0 || r == -EUCLEAN;
}

static int begin(struct extents *e, struct mafs_fault *fault)
{
	struct mafs_superblock sb;
	int r;

	r = mafs_superblock_read(&e->mapped->base.media, &sb, NULL, fault);
	if (r < 0)
		return r;
	if (!(sb.incompat & MAFS_OMF_INCOMPAT_TIERED))
		return mafs_fault_set(fault, -EUCLEAN,
				      "%.300s: holds no memory of a directory",
				      e->mapped->base.path);
	r = mafs_pool_add(e->pool, &e->mapped->base);
	if (r < 0)
		return mafs_fault_set(fault, -EUCLEAN,
				      "superblock: units of %u bytes",
				      sb.alloc_unit_bytes);
	return e->read_only ? 0 : extents_table_begin(e, fault);
}

int extents_attach(const char *path, bool read_only, struct mafs_memory **ret,
		   struct mafs_fault *fault)
{
	_cleanup_(note_donep) struct extents_note note = { 0 };
	_cleanup_(memory_freep) struct mafs_memory *memory = NULL;
	struct mafs_device *device;
	int r;

	r = extents_note_load(path, &note, fault);
	if (r < 0)
		return r;
	r = mafs_device_open(&note.spec, false, read_only, !read_only, &device,
			     fault);
	/* Its bytes are not lost, but elsewhere. */
	if (r == -ENOENT)
		return mafs_fault_set(fault, -ENXIO,
				      "%.300s is missing, which has bytes in "
				      "memory: put it back, or give them up by "
				      "mafs umount --discard",
				      note.spec.path);
	if (r < 0)
		return r;
	r = extents_new(device, path, read_only, &memory);
	if (r < 0) {
		mafs_device_close(device);
		return r;
	}
	r = begin(extents_of(memory), fault);
	/* Made, and never formatted. */
	if (r == -ENODATA)
		r = mafs_fault_set(fault, -ENOENT, "%s holds no memory device",
				   path);
	if (r < 0)
		return r;
	*ret = take_ptr(memory);
	return 0;
}

/* ---- giving back ---- */

/* Only what is this volume's, and not somebody else's meanwhile. */
static int wipe(const struct extents_note *note, struct mafs_fault *fault)
{
	struct mafs_superblock sb;
	struct mafs_device *device;
	int r;

	r = mafs_device_open(&note->spec, false, false, true, &device, fault);
	if (r < 0)
		return r == -EBUSY ? r : 0; /* gone, or of no use */
	if (mafs_superblock_read(&device->media, &sb, NULL, NULL) == 0 &&
	    sb.incompat & MAFS_OMF_INCOMPAT_TIERED &&
	    mafs_uuid_equal(&sb.fs_uuid, &note->fs_uuid))
		(void)mafs_device_wipe(device);
	mafs_device_close(device);
	return 0;
}

int extents_destroy(const char *path, struct mafs_fault *fault)
{
	_cleanup_(note_donep) struct extents_note note = { 0 };
	int r;

	r = extents_note_load(path, &note, fault);
	if (r == 0)
		r = wipe(&note, fault);
	if (r < 0 && r != -EUCLEAN)
		return r;
	extents_note_remove(path);
	remove_place(path);
	if (rmdir(path) < 0 && errno != ENOENT)
		return mafs_fault_set(fault, -errno, "cannot remove %s: %m",
				      path);
	return 0;
}
