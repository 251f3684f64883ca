// SPDX-License-Identifier: Apache-2.0
/*
 * The words beside the superblock: each in a cache line of its own, loaded and
 * stored as a whole, always from and to the memory itself, never from a line
 * that a cache still has. They bear no checksum: each is compared with what it
 * was, or with what one has written.
 */
#include "mapped.h"

#include <endian.h>
#include <mafs/omf.h>

#define PULSE_WORD(name) \
	(MAFS_OMF_PULSE_OFFSET + offsetof(struct mafs_omf_pulse, name))

static uint64_t *word_at(struct mafs_device *device, uint64_t offset)
{
	return (uint64_t *)(device->base + offset);
}

static uint64_t load(struct mafs_device *device, uint64_t offset)
{
	uint64_t word = 0;

	mafs_device_invalidate(device, offset, sizeof(word));
	if (mafs_guarded_load(word_at(device, offset), &word))
		return UINT64_MAX;
	return le64toh(word);
}

static int store(struct mafs_device *device, uint64_t offset, uint64_t value)
{
	int err;

	if (device->read_only)
		return -EROFS;
	err = mafs_guarded_store(word_at(device, offset), htole64(value));
	if (err)
		return err;
	return mafs_device_flush(device, offset, sizeof(value));
}

/* No two raises give one value, and none lowers it: a master that was taken
 * over between its look and its store stores nothing. (Without hardware that
 * keeps hosts coherent, that holds on one host only.) */
static int raise(struct mafs_device *device, uint64_t offset)
{
	uint64_t value;
	int err;
	mafs_guard(&device->lock);

	if (device->read_only)
		return -EROFS;
	if (!mafs_device_is_ours(device))
		return -EIO;
	value = load(device, offset);
	err = mafs_guarded_swap(word_at(device, offset), htole64(value),
				htole64(value + 1));
	return err ? err : mafs_device_flush(device, offset, sizeof(value));
}

bool mafs_device_is_ours(struct mafs_device *device)
{
	return !device->epoch ||
	       mafs_device_master_epoch(device) == device->epoch;
}

uint64_t mafs_device_free_epoch(struct mafs_device *device)
{
	return load(device, PULSE_WORD(free_epoch));
}

int mafs_device_free_epoch_raise(struct mafs_device *device)
{
	return raise(device, PULSE_WORD(free_epoch));
}

uint64_t mafs_device_heartbeat(struct mafs_device *device)
{
	return load(device, PULSE_WORD(heartbeat));
}

int mafs_device_heartbeat_beat(struct mafs_device *device)
{
	return raise(device, PULSE_WORD(heartbeat));
}

uint64_t mafs_device_master_epoch(struct mafs_device *device)
{
	return load(device, PULSE_WORD(master_epoch));
}

int mafs_device_master_epoch_set(struct mafs_device *device, uint64_t epoch)
{
	return store(device, PULSE_WORD(master_epoch), epoch);
}
