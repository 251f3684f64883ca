/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A memory volume that is opened: its devices, its log and the namespace that
 * the log tells (logplay/memory_volume.c). The daemon, fsck and logplay begin
 * here.
 */
#pragma once

#include <mafs/log.h>
#include <mafs/names.h>
#include <mafs/pool.h>

/* How long a master that is to be replaced must have been silent; it beats five
 * times a second. */
#define MAFS_MASTER_SILENT_MS 2000

enum mafs_role {
	MAFS_ROLE_AUTO, /* a client while another host is the master */
	MAFS_ROLE_MASTER,
	MAFS_ROLE_CLIENT,
};

/**
 * struct mafs_memory_volume_options - how to open one
 * @source: spec of the primary device, see mafs_device_spec_parse()
 * @devices: specs of further devices; those that the log names and that are not
 *	among them are looked for where they were when they were added
 * @takeover: become the master although another was (whose heartbeat stands
 *	still: refused while it moves)
 */
struct mafs_memory_volume_options {
	const char *source;
	const char *const *devices;
	size_t n_devices;
	enum mafs_role role;
	bool takeover;
	bool incomplete; /* of a client: devices may be missing */
};

/**
 * struct mafs_device_record - a further device, as the log has it
 * @spec: where it is, or was when it was added; NULL: not known
 * @missing: it is not in the pool
 */
struct mafs_device_record {
	struct mafs_uuid uuid;
	uint64_t size_bytes;
	char *spec;
	bool missing;
};

/**
 * struct mafs_memory_volume - owned by who opened it
 * @pool: device 0 is the primary one
 * @records: of the further devices; owned
 * @names: replayed; of a master: settled, and what it maps is claimed in the
 *	pool; of a client: there may be inodes without a name
 * @log: to append to; NULL for a client
 * @reader: of a client: stands at the log's end, to follow it; else NULL
 * @epoch: of the master that we are
 */
struct mafs_memory_volume {
	struct mafs_uuid uuid;
	char *source; /* absolute where it is a path; owned */
	bool is_client;
	struct mafs_superblock sb;
	struct mafs_pool *pool;
	struct mafs_device_record *records;
	size_t n_records;
	struct mafs_names *names;
	struct mafs_log *log;
	struct mafs_log_reader *reader;
	struct mafs_log_position end;
	enum mafs_log_tail tail;
	uint64_t epoch;
};

/**
 * mafs_memory_volume_open() - devices, replay, claims
 *
 * As master: the devices are locked; the pulse's epoch and the superblock's
 * master record (machine, boot, instance, epoch) become ours, in both copies,
 * before anything is appended. Another master's lock or record is respected:
 * with @takeover, and where only this machine's boot differs, until its
 * heartbeat was seen to stand still for MAFS_MASTER_SILENT_MS. What is given as
 * memfd is made and formatted. As a client nothing is ever stored, and nothing
 * is claimed.
 *
 * Return: 0; -ENODATA: not formatted; -EBUSY: locked on this host, or another
 * host is the master (the fault says which, and what to do); -ENODEV: a device
 * is missing, the fault names it; -EUCLEAN, -EBADMSG, -EPROTO, -EOPNOTSUPP:
 * damaged, the fault says where; -errno.
 */
int mafs_memory_volume_open(const struct mafs_memory_volume_options *options,
			    struct mafs_memory_volume **ret,
			    struct mafs_fault *fault);
/* A master gives its record in the superblock up, so that another host may be
 * one. */
void mafs_memory_volume_close(struct mafs_memory_volume *volume);

typedef void mafs_seen_fn(void *context, const struct mafs_entry *entry);

/**
 * mafs_memory_volume_follow() - of a client: apply what was appended since
 * @seen: called for each entry, behind its effect on the names; may be NULL.
 *	An inode that lost its last name goes behind the call, unless pinned
 *
 * A device that was added is opened, or its record says that it is missing.
 *
 * Return: entries; -ESTALE: the log was checkpointed away under us: open anew;
 * -errno as mafs_memory_volume_open().
 */
int mafs_memory_volume_follow(struct mafs_memory_volume *volume,
			      mafs_seen_fn *seen, void *context,
			      struct mafs_fault *fault);

/**
 * mafs_memory_volume_meet_device() - what a `device-add` says, to who reads the
 * log by himself
 *
 * Opens the device unless it is there. Readers of the pool need not be kept
 * out. Return: 0; -ENODEV: it is missing, the fault says so, and its record; a
 * later call tries again; -errno as mafs_memory_volume_open().
 */
int mafs_memory_volume_meet_device(struct mafs_memory_volume *volume,
				   const struct mafs_entry *entry,
				   struct mafs_fault *fault);

/**
 * mafs_memory_volume_add() - master: make a further device part of the volume
 * @device: formatted as secondary with the volume's UUID and unit; taken over
 *	on success
 * @spec: absolute, for the record
 *
 * Return: 0, -EEXIST, -EINVAL, -errno of the log.
 */
int mafs_memory_volume_add(struct mafs_memory_volume *volume,
			   struct mafs_device *device, const char *spec,
			   struct mafs_fault *fault);

/* The `device-add` entries of a checkpoint. Return: 0, -errno of @emit. */
int mafs_memory_volume_emit_devices(struct mafs_memory_volume *volume,
				    mafs_log_emit_fn *emit, void *emit_context);
