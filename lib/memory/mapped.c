// SPDX-License-Identifier: Apache-2.0
/*
 * Opens and maps memory devices. A file that is made is allocated whole, and
 * so is a memfd: a store to a hole that cannot be filled would be SIGBUS.
 *
 * Invariant: @uuid, @unit_bytes and the slots' places are those of the
 * superblock that was valid when it was last taken over.
 */
#include "mapped.h"

#include <errno.h>
#include <fcntl.h>
#include <mafs/daxdev.h>
#include <mafs/omf.h>
#include <mafs/platform.h>
#include <mafs/size.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define CHECKPOINT_AFTER_DEFAULT (8ULL << 20)
#define PAGE 4096U

const char *mafs_device_kind_to_text(enum mafs_device_kind kind)
{
	static const char *const texts[] = {
		[MAFS_DEVICE_FILE] = "file",
		[MAFS_DEVICE_MEMFD] = "memfd",
		[MAFS_DEVICE_DAX] = "dax",
	};

	return (size_t)kind < MAFS_ARRAY_SIZE(texts) ? texts[kind] :
						       "unknown kind";
}

void mapped_take_superblock(struct mapped *mapped,
			    const struct mafs_superblock *sb)
{
	bool has_log = !(sb->incompat & MAFS_OMF_INCOMPAT_SECONDARY);
	uint64_t after = sb->checkpoint_after_bytes;

	if (!after)
		after = CHECKPOINT_AFTER_DEFAULT;
	if (after > mapped->base.size_bytes / 4)
		after = mapped->base.size_bytes / 4;
	mapped->base.uuid = sb->device_uuid;
	mapped->base.unit_bytes = sb->alloc_unit_bytes;
	mapped->data_bytes = sb->device_size_bytes;
	if (sb->alloc_unit_bytes)
		mapped->data_bytes -= mapped->data_bytes % sb->alloc_unit_bytes;
	mapped->checkpoint_after_bytes = after;
	for (uint32_t slot = 0; slot < N_SLOTS; slot++)
		mapped->slot_offsets[slot] = has_log ? sb->slots[slot].offset :
						       0;
	/* Behind slot B's, which is as long as A's; followed, it is checked. */
	mapped->slot_offsets[MAFS_OMF_TABLE_SLOT] =
		sb->incompat & MAFS_OMF_INCOMPAT_TIERED ?
			2 * sb->slots[1].offset - sb->slots[0].offset :
			0;
}

static struct mapped *mapped_new(enum mafs_device_kind kind, bool read_only)
{
	struct mapped *mapped = calloc(1, sizeof(*mapped));

	if (!mapped)
		return NULL;
	mapped->base.kind = kind;
	mapped->base.read_only = read_only;
	mapped->base.fd = -1;
	mapped->base.align_bytes = PAGE;
	mapped->base.media.ops = &mapped_media_ops;
	pthread_mutex_init(&mapped->base.lock, NULL);
	return mapped;
}

static void mapped_free(struct mapped *mapped)
{
	if (!mapped)
		return;
	for (uint32_t slot = 0; slot < N_CHAINS; slot++)
		chain_done(&mapped->chains[slot]);
	mafs_alloc_free(mapped->base.alloc);
	mafs_mapping_close(mapped->mapping);
	if (mapped->base.fd >= 0)
		close(mapped->base.fd);
	pthread_mutex_destroy(&mapped->base.lock);
	free(mapped->base.path);
	free(mapped);
}

static void mapped_freep(struct mapped **mapped)
{
	mapped_free(*mapped);
}

void mafs_device_close(struct mafs_device *device)
{
	if (device)
		mapped_free(mapped_of(device));
}

static void take_mapping(struct mapped *mapped, struct mafs_mapping *mapping)
{
	struct mafs_superblock sb;

	mapped->mapping = mapping;
	mapped->base.base = mapping->base;
	mapped->base.size_bytes = mapping->len;
	if (!mafs_superblock_read(&mapped->base.media, &sb, NULL, NULL))
		mapped_take_superblock(mapped, &sb);
}

int mafs_device_on_mapping(enum mafs_device_kind kind,
			   struct mafs_mapping *mapping, bool read_only,
			   struct mafs_device **ret)
{
	struct mapped *mapped = mapped_new(kind, read_only);

	if (!mapped)
		return -ENOMEM;
	take_mapping(mapped, mapping);
	*ret = &mapped->base;
	return 0;
}

static int take_lock(const struct mapped *mapped, const char *path,
		     struct mafs_fault *fault)
{
	int err = mafs_lock_take(mapped->base.fd);

	if (err == -EAGAIN)
		return mafs_fault_set(fault, -EBUSY,
				      "%.300s: another mafs on this host "
				      "writes to it",
				      path);
	if (err)
		return mafs_fault_set(fault, err,
				      "%.300s: cannot be locked: "
				      "%s",
				      path, strerror(-err));
	return 0;
}

/* Its size is what was asked for, and every byte has its block. */
static int size_file(int fd, uint64_t size_bytes)
{
	if (ftruncate(fd, (off_t)size_bytes) < 0)
		return -errno;
	if (fallocate(fd, 0, 0, (off_t)size_bytes) < 0 && errno != EOPNOTSUPP)
		return -errno;
	return 0;
}

/* Nobody's but ours before it is sized, which destroys. */
static int open_file(struct mapped *mapped, const struct mafs_device_spec *spec,
		     bool make, bool lock, uint64_t *ret_size,
		     struct mafs_fault *fault)
{
	int flags = mapped->base.read_only ? O_RDONLY : O_RDWR;
	uint64_t want = spec->size_bytes;
	struct stat st;
	int err;

	if (make)
		flags |= O_CREAT;
	mapped->base.fd = open(spec->path, flags | O_CLOEXEC, 0600);
	if (mapped->base.fd < 0 || fstat(mapped->base.fd, &st) < 0)
		return mafs_fault_set(fault, -errno, "%.300s: %s", spec->path,
				      strerror(errno));
	if (!S_ISREG(st.st_mode))
		return mafs_fault_set(fault, -EINVAL,
				      "%.300s: not a regular file", spec->path);
	err = lock ? take_lock(mapped, spec->path, fault) : 0;
	if (!err && fstat(mapped->base.fd, &st) < 0)
		err = mafs_fault_set(fault, -errno, "%.300s: %s", spec->path,
				     strerror(errno));
	if (err)
		return err;
	*ret_size = (uint64_t)st.st_size;
	if (want && want != *ret_size && !make)
		return mafs_fault_set(fault, -EINVAL,
				      "%.300s: has %llu bytes; leave the size "
				      "out",
				      spec->path,
				      (unsigned long long)st.st_size);
	if (!make)
		return 0;
	if (want)
		*ret_size = want;
	if (!*ret_size)
		return mafs_fault_set(fault, -EINVAL,
				      "%.300s: empty; write file:%.60s,8G to "
				      "say how large it shall be",
				      spec->path, spec->path);
	err = size_file(mapped->base.fd, *ret_size);
	if (err)
		return mafs_fault_set(fault, err,
				      "%.300s: cannot be made %llu bytes "
				      "long: %s",
				      spec->path, (unsigned long long)*ret_size,
				      strerror(-err));
	return 0;
}

static int open_memfd(struct mapped *mapped,
		      const struct mafs_device_spec *spec, uint64_t *ret_size,
		      struct mafs_fault *fault)
{
	int err;

	if (mapped->base.read_only)
		return mafs_fault_set(fault, -EINVAL,
				      "memfd: empty when it is made; cannot be "
				      "opened for reading");
	mapped->base.fd = memfd_create("mafs", MFD_CLOEXEC);
	err = mapped->base.fd < 0 ?
		      -errno :
		      size_file(mapped->base.fd, spec->size_bytes);
	if (err)
		return mafs_fault_set(fault, err, "memfd of %llu bytes: %s",
				      (unsigned long long)spec->size_bytes,
				      strerror(-err));
	*ret_size = spec->size_bytes;
	return 0;
}

static int open_dax(struct mapped *mapped, const struct mafs_device_spec *spec,
		    bool lock, uint64_t *ret_size, struct mafs_fault *fault)
{
	int flags = mapped->base.read_only ? O_RDONLY : O_RDWR;
	struct mafs_daxdev found;
	int err;

	err = mafs_daxdev_find(spec->path, &found, fault);
	if (err)
		return err;
	mapped->base.fd = open(spec->path, flags | O_CLOEXEC);
	if (mapped->base.fd < 0)
		return mafs_fault_set(fault, -errno, "%.300s: %s", spec->path,
				      strerror(errno));
	mapped->base.align_bytes = found.align_bytes;
	*ret_size = found.size_bytes;
	return lock ? take_lock(mapped, spec->path, fault) : 0;
}

static int open_kind(struct mapped *mapped, const struct mafs_device_spec *spec,
		     bool make, bool lock, uint64_t *ret_size,
		     struct mafs_fault *fault)
{
	switch (spec->kind) {
	case MAFS_DEVICE_FILE:
		return open_file(mapped, spec, make, lock, ret_size, fault);
	case MAFS_DEVICE_MEMFD:
		return open_memfd(mapped, spec, ret_size, fault);
	case MAFS_DEVICE_DAX:
		return open_dax(mapped, spec, lock, ret_size, fault);
	}
	return -EINVAL;
}

static int map_device(struct mapped *mapped,
		      const struct mafs_device_spec *spec, uint64_t size,
		      const char *path, struct mafs_fault *fault)
{
	static const enum mafs_persist persist[] = {
		[MAFS_DEVICE_FILE] = MAFS_PERSIST_FILE,
		[MAFS_DEVICE_MEMFD] = MAFS_PERSIST_NEVER,
		[MAFS_DEVICE_DAX] = MAFS_PERSIST_MEMORY,
	};
	struct mafs_mapping *mapping;
	int err;

	size -= size % mapped->base.align_bytes;
	if (size < MAFS_DEVICE_MIN_BYTES)
		return mafs_fault_set(fault, -EINVAL,
				      "%.300s: %llu bytes are too few, 1M at "
				      "least",
				      path, (unsigned long long)size);
	err = mafs_mapping_open(mapped->base.fd, size,
				spec->forgets ? MAFS_PERSIST_NEVER :
						persist[mapped->base.kind],
				mapped->base.read_only, &mapping);
	if (err)
		return mafs_fault_set(fault, err,
				      "%.300s: cannot be mapped: "
				      "%s",
				      path, strerror(-err));
	take_mapping(mapped, mapping);
	return 0;
}

/* A file cut short under its superblock. */
static int check_size(struct mapped *mapped, const char *path,
		      struct mafs_fault *fault)
{
	struct mafs_superblock sb;

	if (mafs_superblock_read(&mapped->base.media, &sb, NULL, NULL) ||
	    sb.device_size_bytes <= mapped->base.size_bytes)
		return 0;
	return mafs_fault_at(fault, -EUCLEAN, 0,
			     "%.300s: has %llu bytes, and its superblock "
			     "promises %llu: it was cut short",
			     path, (unsigned long long)mapped->base.size_bytes,
			     (unsigned long long)sb.device_size_bytes);
}

int mafs_device_open(const struct mafs_device_spec *spec, bool make,
		     bool read_only, bool lock, struct mafs_device **ret,
		     struct mafs_fault *fault)
{
	_cleanup_(mapped_freep) struct mapped *mapped =
		mapped_new(spec->kind, read_only);
	const char *path = spec->path ? spec->path : "memfd";
	uint64_t size = 0;
	int err;

	if (!mapped)
		return -ENOMEM;
	err = open_kind(mapped, spec, make, lock && !read_only, &size, fault);
	if (!err)
		err = map_device(mapped, spec, size, path, fault);
	if (!err && !make)
		err = check_size(mapped, path, fault);
	if (err)
		return err;
	if (spec->path) {
		mapped->base.path = strdup(spec->path);
		if (!mapped->base.path)
			return -ENOMEM;
	}
	*ret = &take_ptr(mapped)->base;
	return 0;
}

int mafs_device_flush(struct mafs_device *device, uint64_t offset, uint64_t len)
{
	struct mafs_mapping *mapping = mapped_of(device)->mapping;

	return len ? mapping->ops->flush(mapping, offset, len) : 0;
}

void mafs_device_invalidate(struct mafs_device *device, uint64_t offset,
			    uint64_t len)
{
	struct mafs_mapping *mapping = mapped_of(device)->mapping;

	if (len)
		mapping->ops->invalidate(mapping, offset, len);
}
