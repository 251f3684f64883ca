/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The on-media format: types only. docs/man/mafs-format.5 is its manual.
 *
 * A memory device holds two superblock copies, two log slots (A and B) and
 * the data. One slot is live. A *lap* is one filling of a slot from its
 * start; its random salt stands in the superblock and in every batch, so that
 * what an earlier lap left behind never counts.
 *
 *	slot = batch batch batch ... (8-byte aligned, no gaps)
 *	batch = struct mafs_omf_batch, then n_records records
 *	record = struct mafs_omf_record, then its payload, zero-padded to 8
 *	first batches of a lap: checkpoint-begin, the live state as `map`
 *	records, checkpoint-end; then what was appended since. Up to
 *	checkpoint-end every record has the sequence that the checkpoint stands
 *	for; each one behind it has the next sequence. checkpoint-begin (batch
 *	0) and checkpoint-end each have a batch of their own.
 *
 * All integers are little-endian. Every structure carries a CRC32C, computed
 * with the CRC field itself as zero.
 */
#pragma once

#include <assert.h>
#include <linux/types.h>

#define MAFS_OMF_SB_MAGIC 0x314b4c4253464d41ULL /* "AMFSBLK1" */
#define MAFS_OMF_BATCH_MAGIC 0x4842464dU /* "MFBH" */
#define MAFS_OMF_VERSION 1U

#define MAFS_OMF_SB_SIZE 4096U /* one copy; only the struct is used */
#define MAFS_OMF_N_SB 2
#define MAFS_OMF_ALIGN 8U
#define MAFS_OMF_BATCH_MAX (16U << 20) /* header and records */

/* Unknown bits: compat are ignored, ro_compat forbid writing, incompat forbid
 * reading. */
#define MAFS_OMF_INCOMPAT_TIERED (1ULL << 0)
#define MAFS_OMF_INCOMPAT_KNOWN MAFS_OMF_INCOMPAT_TIERED
#define MAFS_OMF_RO_COMPAT_KNOWN 0ULL

struct mafs_omf_slot {
	__le64 offset; /* in the metadata region of the device; tmpfs: 0 */
	__le64 length; /* 0: grows as needed (tmpfs) */
	__le64 salt; /* of the current lap; 0: never used */
	__le64 first_seq; /* sequence that the lap's checkpoint stands for */
};
static_assert(sizeof(struct mafs_omf_slot) == 32, "on-media size");

struct mafs_omf_superblock {
	__le64 magic;
	__le32 version;
	__le32 crc;
	__le64 generation;
	__le64 compat;
	__le64 ro_compat;
	__le64 incompat;
	__u8 fs_uuid[16]; /* of the volume */
	__u8 device_uuid[16];
	__le64 device_size; /* bytes promised for data */
	__le32 alloc_unit; /* bytes; 0: whole files (tmpfs) */
	__le32 live_slot; /* 0 = A, 1 = B */
	__u8 master_machine[16];
	__u8 master_boot[16];
	__u8 master_instance[16];
	__le64 master_epoch;
	__le64 session; /* number of the session that formatted it */
	struct mafs_omf_slot slots[2];
	__u8 reserved[288];
};
static_assert(sizeof(struct mafs_omf_superblock) == 512, "on-media size");

struct mafs_omf_batch {
	__le32 magic;
	__le32 crc; /* of this header and all of its records */
	__le64 salt;
	__le64 number; /* 0, 1, 2, ... within a lap */
	__le32 length; /* bytes of the records, a multiple of 8 */
	__le32 n_records; /* never 0 */
};
static_assert(sizeof(struct mafs_omf_batch) == 32, "on-media size");

/* Stable numbers. 32 up: reserved for memory volumes. */
enum mafs_omf_type {
	MAFS_OMF_CHECKPOINT_BEGIN = 1,
	MAFS_OMF_CHECKPOINT_END = 2,
	MAFS_OMF_SWITCH = 3,
	MAFS_OMF_DEVICE_ADD = 4,
	MAFS_OMF_MAP = 16,
	MAFS_OMF_WRITING = 17,
	MAFS_OMF_CLEAN = 18,
	MAFS_OMF_DROP_INTENT = 19,
	MAFS_OMF_DROP = 20,
	MAFS_OMF_CONFLICT = 21,
};

struct mafs_omf_record {
	__le16 type;
	__le16 reserved;
	__le32 length; /* header and padded payload, a multiple of 8 */
	__le64 seq;
	__le64 time_ns; /* since the epoch, UTC */
};
static_assert(sizeof(struct mafs_omf_record) == 24, "on-media size");

struct mafs_omf_time {
	__le64 sec; /* two's complement */
	__le32 nsec;
	__le32 reserved;
};
static_assert(sizeof(struct mafs_omf_time) == 16, "on-media size");

struct mafs_omf_fingerprint {
	__le64 size;
	struct mafs_omf_time mtime;
	struct mafs_omf_time ctime;
};
static_assert(sizeof(struct mafs_omf_fingerprint) == 40, "on-media size");

struct mafs_omf_extent {
	__u8 device_uuid[16];
	__le64 offset;
	__le64 length;
};
static_assert(sizeof(struct mafs_omf_extent) == 32, "on-media size");

struct mafs_omf_checkpoint {
	__le64 n_live; /* map records between begin and end */
	__le64 seq; /* the checkpoint holds what was appended up to here */
};

/* Last record of a slot: the log goes on in the other one. It repeats the
 * sequence of the record before it. */
struct mafs_omf_switch {
	__le32 slot;
	__le32 reserved;
	__le64 salt;
	__le64 offset; /* just behind checkpoint-end in that slot */
	__le64 number; /* of the batch there */
};

struct mafs_omf_device {
	__u8 device_uuid[16];
	__le64 size;
};

#define MAFS_OMF_MAP_DIRTY (1U << 0) /* memory is newer than N */
#define MAFS_OMF_MAP_WRITING (1U << 1) /* checkpoint of a `writing` file */
#define MAFS_OMF_MAP_INTENT (1U << 2) /* checkpoint of a drop-intent */
#define MAFS_OMF_MAP_KNOWN 7U

/* Followed by: handle bytes, parent handle bytes, name bytes (no NUL), padding
 * to 8, extents. */
struct mafs_omf_map {
	__le64 id;
	__le32 flags;
	__le32 n_extents;
	__u8 fs_id[16];
	__le64 ino;
	struct mafs_omf_time btime;
	struct mafs_omf_fingerprint fingerprint; /* of N */
	struct mafs_omf_time shown_ctime; /* of the last real change */
	__le32 handle_type;
	__le32 parent_type;
	__le16 handle_len;
	__le16 parent_len;
	__le16 name_len;
	__le16 reserved;
};
static_assert(sizeof(struct mafs_omf_map) == 128, "on-media size");

/* writing, drop-intent, drop */
struct mafs_omf_id {
	__le64 id;
};

struct mafs_omf_clean {
	__le64 id;
	struct mafs_omf_fingerprint fingerprint;
	struct mafs_omf_time shown_ctime;
};
static_assert(sizeof(struct mafs_omf_clean) == 64, "on-media size");

/* Followed by the name of the conflict copy. */
struct mafs_omf_conflict {
	__le64 id;
	__le16 name_len;
	__u8 reserved[6];
};
static_assert(sizeof(struct mafs_omf_conflict) == 16, "on-media size");
