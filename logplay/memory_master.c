// SPDX-License-Identifier: Apache-2.0
/*
 * Who may write a memory volume. Each master has an epoch, one above the last:
 *
 *	on this host	a lock on byte LOCKS + epoch of the device, which ends
 *			with its process, however that ends
 *	elsewhere	the superblock's master record, and a heartbeat
 *	for the one	the pulse's epoch, which it reads before each append:
 *	that was	it stops when it is not its own
 *
 * Stores in order: lock of the new epoch (of two who want it one gets it), the
 * pulse's epoch, both superblock copies. A crash in between leaves an epoch
 * without a record, or with the old one: the next master goes above both.
 */
#include "memory_volume.h"

#include <errno.h>
#include <mafs/cleanup.h>
#include <mafs/platform.h>
#include <string.h>
#include <time.h>

/* Beyond any device, so that no lock of a range of bytes is met. */
#define LOCKS (1ULL << 61)
/* Of others who come and go while we look. */
#define ATTEMPTS 5

/* What was found on the device. */
struct claim {
	struct mafs_superblock sb;
	uint64_t pulse;
	uint64_t epoch; /* the highest that was */
	bool silent; /* a master that may still live was seen to be silent */
};

static uint64_t lock_of(uint64_t epoch)
{
	return LOCKS + epoch % LOCKS;
}

static bool is_silent(struct mafs_device *device)
{
	const struct timespec wait = {
		.tv_sec = MAFS_MASTER_SILENT_MS / 1000,
		.tv_nsec = MAFS_MASTER_SILENT_MS % 1000 * 1000000L,
	};
	uint64_t beat = mafs_device_heartbeat(device);

	nanosleep(&wait, NULL);
	return mafs_device_heartbeat(device) == beat;
}

static int check_silent(struct mafs_device *device, struct claim *claim,
			const char *who, struct mafs_fault *fault)
{
	claim->silent = is_silent(device);
	if (claim->silent)
		return 0;
	return mafs_fault_set(fault, -EBUSY,
			      "%s, and is at work: its heartbeat moves", who);
}

/* Is somebody on this host the master? */
static int check_here(struct mafs_device *device, struct claim *claim,
		      bool takeover, struct mafs_fault *fault)
{
	int err = mafs_lock_take_byte(device->fd, lock_of(claim->epoch));

	if (err != -EAGAIN)
		return err;
	if (!takeover)
		return mafs_fault_set(fault, -EBUSY,
				      "another mafs on this host has it "
				      "mounted: unmount it first, or, if that "
				      "one hangs, mafs mount -o takeover");
	return check_silent(device, claim, "another mafs on this host has it",
			    fault);
}

static int read_here(struct mafs_uuid *ret_machine, struct mafs_uuid *ret_boot,
		     struct mafs_fault *fault)
{
	int err = mafs_machine_id(ret_machine);

	if (!err)
		err = mafs_boot_id(ret_boot);
	return err ? mafs_fault_set(fault, err, "machine id: %s",
				    strerror(-err)) :
		     0;
}

/* Is somebody elsewhere, by the superblock's record? */
static int check_record(struct mafs_device *device, struct claim *claim,
			bool takeover, struct mafs_fault *fault)
{
	const struct mafs_superblock *sb = &claim->sb;
	char text[MAFS_UUID_TEXT_LEN], who[128];
	struct mafs_uuid machine = {}, boot = {};
	int err;

	if (mafs_uuid_is_null(&sb->master_boot))
		return 0;
	err = read_here(&machine, &boot, fault);
	if (err)
		return err;
	if (mafs_uuid_equal(&machine, &sb->master_machine) &&
	    mafs_uuid_equal(&boot, &sb->master_boot))
		return 0; /* the lock has told */
	mafs_uuid_to_text(&sb->master_machine, text);
	(void)snprintf(who, sizeof(who), "machine %s is its master", text);
	if (!takeover && !mafs_uuid_equal(&machine, &sb->master_machine))
		return mafs_fault_set(
			fault, -EBUSY,
			"%s: unmount it there; mount it here "
			"with -o role=client; or, if that machine "
			"is gone, with -o takeover",
			who);
	return check_silent(device, claim, who, fault);
}

bool memory_master_is_alive(struct mafs_device *device,
			    const struct mafs_superblock *sb)
{
	struct mafs_uuid machine = {}, boot = {};

	if (mafs_uuid_is_null(&sb->master_boot))
		return false;
	if (mafs_lock_is_held(device->fd))
		return true;
	if (!read_here(&machine, &boot, NULL) &&
	    mafs_uuid_equal(&machine, &sb->master_machine) &&
	    mafs_uuid_equal(&boot, &sb->master_boot))
		return false;
	return !is_silent(device);
}

int memory_master_is_elsewhere(struct mafs_device *device, bool *ret,
			       struct mafs_fault *fault)
{
	struct mafs_uuid machine = {}, boot = {};
	struct mafs_superblock sb;
	int err;

	err = mafs_superblock_read(&device->media, &sb, NULL, fault);
	if (!err)
		err = read_here(&machine, &boot, fault);
	if (err)
		return err;
	*ret = !mafs_uuid_is_null(&sb.master_boot) &&
	       !mafs_uuid_equal(&sb.master_machine, &machine);
	return 0;
}

/* Return: 0, -EAGAIN (somebody came meanwhile: look again), -EBUSY, ... */
static int claim_epoch(struct mafs_device *device, struct claim *claim,
		       bool takeover, struct mafs_fault *fault)
{
	int err;

	err = mafs_superblock_read(&device->media, &claim->sb, NULL, fault);
	if (err)
		return err;
	claim->pulse = mafs_device_master_epoch(device);
	claim->epoch = claim->sb.master_epoch;
	if (claim->epoch < claim->pulse)
		claim->epoch = claim->pulse;
	if (claim->epoch >= UINT64_MAX / 2)
		return mafs_fault_set(fault, -EUCLEAN,
				      "master epoch %llu leaves no room",
				      (unsigned long long)claim->epoch);
	err = check_here(device, claim, takeover, fault);
	if (!err)
		err = check_record(device, claim, takeover, fault);
	if (!err)
		err = memory_master_lock(device, claim->epoch + 1, fault);
	if (err)
		return err;
	return mafs_device_master_epoch(device) == claim->pulse ? 0 : -EAGAIN;
}

static int store_record(struct mafs_device *device, struct claim *claim,
			struct mafs_fault *fault)
{
	struct mafs_superblock *sb = &claim->sb;
	int err;

	err = mafs_device_master_epoch_set(device, claim->epoch + 1);
	if (err)
		return mafs_fault_set(fault, err,
				      "master epoch: cannot be written");
	device->epoch = claim->epoch + 1;
	/* The one before may have flipped until it saw that. */
	err = mafs_superblock_read(&device->media, sb, NULL, fault);
	if (err)
		return err;
	sb->master_epoch = claim->epoch + 1;
	mafs_uuid_generate(&sb->master_instance);
	err = read_here(&sb->master_machine, &sb->master_boot, fault);
	if (err)
		return err;
	err = mafs_superblock_flip(&device->media, sb, fault);
	return err ? err : mafs_superblock_flip(&device->media, sb, fault);
}

int memory_master_become(struct mafs_device *device, bool takeover,
			 uint64_t *ret_epoch, bool *ret_took,
			 struct mafs_fault *fault)
{
	struct claim claim = {};
	int err = -EAGAIN;

	for (int i = 0; i < ATTEMPTS && err == -EAGAIN; i++)
		err = claim_epoch(device, &claim, takeover, fault);
	if (err == -EAGAIN)
		return mafs_fault_set(fault, -EBUSY,
				      "others take it over again and again");
	if (!err)
		err = store_record(device, &claim, fault);
	if (err)
		return err;
	*ret_epoch = claim.epoch + 1;
	*ret_took = claim.silent;
	return 0;
}

int memory_master_lock(struct mafs_device *device, uint64_t epoch,
		       struct mafs_fault *fault)
{
	int err = mafs_lock_take_byte(device->fd, lock_of(epoch));

	if (err == -EAGAIN)
		return mafs_fault_set(
			fault, -EBUSY,
			"%.300s: another mafs on this host writes "
			"to it",
			device->path ? device->path : "memfd");
	if (err)
		return mafs_fault_set(fault, err, "%.300s: cannot be locked",
				      device->path ? device->path : "memfd");
	return 0;
}

void memory_master_resign(struct mafs_device *device, uint64_t epoch)
{
	struct mafs_superblock sb;

	if (mafs_device_master_epoch(device) != epoch ||
	    mafs_superblock_read(&device->media, &sb, NULL, NULL) ||
	    sb.master_epoch != epoch)
		return;
	sb.master_machine = sb.master_boot = sb.master_instance =
		(struct mafs_uuid){};
	(void)mafs_superblock_flip(&device->media, &sb, NULL);
}
