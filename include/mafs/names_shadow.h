/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shadow of a memory volume (logplay): real directories, and in them a
 * descriptor for each name that is no directory.
 *
 *	DIR/.mafs/shadow.yaml	the stamp: volume, generation, sequence
 *	DIR/.mafs/devices.yaml	where the volume's devices are
 *	DIR/.mafs/root.yaml	descriptor of the root itself
 *	DIR/a/b			descriptor of /a/b
 *	DIR/a/.mafs		descriptor of the directory /a itself
 *
 * A name of the volume that is `.mafs`, or that with `.mafs` behind it any
 * number of times, has one `.mafs` more in the shadow.
 */
#pragma once

#include <mafs/memory_volume.h>
#include <mafs/shadow.h>

struct mafs_names_shadow;

/* As mafs_shadow_open(). */
int mafs_names_shadow_open(const char *dir, const struct mafs_uuid *volume,
			   struct mafs_names_shadow **ret,
			   struct mafs_fault *fault);
void mafs_names_shadow_close(struct mafs_names_shadow *shadow);

/**
 * mafs_names_shadow_fill() - make all of it true
 *
 * What is there and right stays as it is; what does not belong goes. The stamp
 * is stored last.
 *
 * Return: 0, -ENAMETOOLONG (a name that cannot be shown), -errno; the fault
 * names the path.
 */
int mafs_names_shadow_fill(struct mafs_names_shadow *shadow,
			   struct mafs_memory_volume *volume,
			   struct mafs_fault *fault);

/* What an entry changes, for mafs_names_shadow_update(): a mafs_seen_fn whose
 * context is the shadow. */
void mafs_names_shadow_note(void *shadow, const struct mafs_entry *entry);
/* Shows what was noted. -ENOMEM also when noting had none. */
int mafs_names_shadow_update(struct mafs_names_shadow *shadow,
			     struct mafs_memory_volume *volume,
			     struct mafs_fault *fault);

/**
 * mafs_names_shadow_load() - a volume as a shadow tells it
 * @devices: where the devices are; those that the shadow names and that are not
 *	among them are looked for where it says. For famfs's descriptors they
 *	are the devices 0, 1, ... in this order
 * @ret: a client without a log: mafs_memory_volume_follow() gives 0
 *
 * Also takes a tree without a stamp, with descriptors of famfs's form, or with
 * real symbolic links and special files.
 *
 * Return: 0; -EINVAL: the fault names file, line and column; -EUCLEAN: extents
 * that cannot be; -ENODEV, -errno.
 */
int mafs_names_shadow_load(const char *dir, const char *const *devices,
			   size_t n_devices, struct mafs_memory_volume **ret,
			   struct mafs_fault *fault);

/* The name of the volume's @name in the shadow. Return: 0, -ENAMETOOLONG. */
int mafs_names_shadow_name(const char *name,
			   char ret[static MAFS_NAME_MAX + 1]);
/* And back. false: it is the shadow's own. */
bool mafs_names_shadow_name_of(const char *shown,
			       char ret[static MAFS_NAME_MAX + 1]);
