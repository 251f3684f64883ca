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
};

/**
 * struct mafs_memory_volume - owned by who opened it
 * @pool: device 0 is the primary one
 * @names: replayed, settled; what it maps is claimed in the pool
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
 * As master: the primary device is locked; the superblock's master record (machine,
 * boot, instance, epoch) becomes ours in both copies, and the pulse's epoch
 * too, before anything is appended; a torn tail is cut by the log's next batch.
 * As a client nothing is ever stored, and nothing is claimed.
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

/* The `device-add` entries of a checkpoint. Return: 0, -errno of @emit. */
int mafs_memory_volume_emit_devices(struct mafs_memory_volume *volume,
				    mafs_log_emit_fn *emit, void *emit_context);
