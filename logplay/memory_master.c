// SPDX-License-Identifier: Apache-2.0
/*
 * Who may append to a memory volume's log. On one host the lock of the primary
 * device decides. Between hosts there is no lock: the superblock has a record
 * of the master (machine, boot, instance, epoch), the pulse a heartbeat that
 * the living one raises. Whoever takes over raises the epoch in both; the old
 * one reads it before each append and stops.
 */
#include "memory_volume.h"

#include <mafs/platform.h>
#include <string.h>
#include <time.h>

/* So long a heartbeat must stand still; a master beats five times a second. */
#define STILL_MS 3000

static struct mafs_device *primary_of(struct mafs_memory_volume *volume)
{
	return mafs_pool_device(volume->pool, 0);
}

static bool beats(struct mafs_device *device)
{
	const struct timespec wait = { .tv_sec = STILL_MS / 1000 };
	uint64_t before = mafs_device_heartbeat(device);

	nanosleep(&wait, NULL);
	return mafs_device_heartbeat(device) != before;
}

/* Does another host's record stand in the superblock? */
static int is_of_another(const struct mafs_superblock *sb, bool *ret)
{
	struct mafs_uuid machine;
	int r = mafs_machine_id(&machine);

	*ret = !mafs_uuid_is_null(&sb->master_instance) &&
	       !mafs_uuid_equal(&sb->master_machine, &machine);
	return r;
}

static int refuse_second(struct mafs_memory_volume *volume,
			 struct mafs_fault *fault)
{
	char machine[MAFS_UUID_TEXT_LEN];

	mafs_uuid_to_text(&volume->sb.master_machine, machine);
	return mafs_fault_set(fault, -EBUSY,
			      "%s has a master: machine %s, which lives (its "
			      "heartbeat moves); mount it with -o role=client, "
			      "or unmount it there",
			      volume->source, machine);
}

/* The primary device is open, not locked, and maybe another's. */
static int take_over(struct mafs_memory_volume *volume,
		     struct mafs_fault *fault)
{
	if (beats(primary_of(volume)))
		return refuse_second(volume, fault);
	return 0;
}

static int be_master(struct mafs_memory_volume *volume,
		     const struct mafs_memory_volume_options *options,
		     struct mafs_fault *fault)
{
	bool other = false;
	int r;

	r = mafs_memory_open_primary(volume, false, true, fault);
	if (r == -EBUSY && options->takeover) {
		r = mafs_memory_open_primary(volume, false, false, fault);
		return r < 0 ? r : take_over(volume, fault);
	}
	if (r == 0)
		r = is_of_another(&volume->sb, &other);
	if (r < 0 || !other)
		return r;
	if (options->takeover)
		return take_over(volume, fault);
	if (options->role == MAFS_ROLE_MASTER)
		return mafs_fault_set(fault, -EBUSY,
				      "another host was the master of %s and "
				      "has not unmounted it; if it is dead, "
				      "mount with -o takeover",
				      volume->source);
	return mafs_memory_open_primary(volume, true, false, fault);
}

int mafs_memory_role(struct mafs_memory_volume *volume,
		     const struct mafs_memory_volume_options *options,
		     struct mafs_fault *fault)
{
	if (options->role == MAFS_ROLE_CLIENT)
		return mafs_memory_open_primary(volume, true, false, fault);
	return be_master(volume, options, fault);
}

/* Both copies, so that none is left of a time before. */
static int store_record(struct mafs_memory_volume *volume,
			struct mafs_fault *fault)
{
	struct mafs_media *media = &primary_of(volume)->media;
	int r = mafs_superblock_flip(media, &volume->sb, fault);

	return r < 0 ? r : mafs_superblock_flip(media, &volume->sb, fault);
}

int mafs_memory_become_master(struct mafs_memory_volume *volume,
			      struct mafs_fault *fault)
{
	struct mafs_superblock *sb = &volume->sb;
	uint64_t pulse = mafs_device_master_epoch(primary_of(volume));
	int r;

	r = mafs_machine_id(&sb->master_machine);
	if (r == 0)
		r = mafs_boot_id(&sb->master_boot);
	if (r < 0)
		return mafs_fault_set(fault, r, "machine id: %s", strerror(-r));
	mafs_uuid_generate(&sb->master_instance);
	sb->master_epoch =
		(pulse > sb->master_epoch ? pulse : sb->master_epoch) + 1;
	r = store_record(volume, fault);
	if (r == 0)
		r = mafs_device_master_epoch_set(primary_of(volume),
						 sb->master_epoch);
	if (r == 0)
		volume->epoch = sb->master_epoch;
	return r;
}

void mafs_memory_resign(struct mafs_memory_volume *volume)
{
	struct mafs_superblock sb;
	struct mafs_media *media;

	/* Never, or not any more. */
	if (!volume->epoch ||
	    mafs_device_master_epoch(primary_of(volume)) != volume->epoch)
		return;
	media = &primary_of(volume)->media;
	if (mafs_superblock_read(media, &sb, NULL, NULL) < 0)
		return;
	memset(&sb.master_machine, 0, sizeof(sb.master_machine));
	memset(&sb.master_boot, 0, sizeof(sb.master_boot));
	memset(&sb.master_instance, 0, sizeof(sb.master_instance));
	(void)mafs_superblock_flip(media, &sb, NULL);
}
