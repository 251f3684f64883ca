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
#define MAFS_OMF_INCOMPAT_MEMORY (1ULL << 1) /* names are in the log, too */
#define MAFS_OMF_INCOMPAT_SECONDARY (1ULL << 2) /* no log: see the primary */
#define MAFS_OMF_INCOMPAT_KNOWN                                \
	(MAFS_OMF_INCOMPAT_TIERED | MAFS_OMF_INCOMPAT_MEMORY | \
	 MAFS_OMF_INCOMPAT_SECONDARY)
#define MAFS_OMF_RO_COMPAT_KNOWN 0ULL

struct mafs_omf_slot {
	__le64 offset; /* of its first segment on the device; tmpfs: 0 */
	__le64 length; /* 0: grows as needed */
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
	__le64 checkpoint_after; /* bytes of tail; 0: 8 MiB */
	__u8 reserved[280];
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

/* Stable numbers. 32 up: memory volumes. */
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
	MAFS_OMF_NODE = 32,
	MAFS_OMF_NAME = 33,
	MAFS_OMF_UNNAME = 34,
	MAFS_OMF_RENAME = 35,
	MAFS_OMF_ATTR = 36,
	MAFS_OMF_XATTR = 37,
	MAFS_OMF_EXTENTS = 38,
	MAFS_OMF_SIZE = 39,
};

#define MAFS_OMF_RECORD_QUIET (1U << 0) /* sets no times of inodes */
#define MAFS_OMF_RECORD_KNOWN 1U

struct mafs_omf_record {
	__le16 type;
	__le16 flags; /* MAFS_OMF_RECORD_* */
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

/* Followed by where it was when it was added ("file:/x", no NUL), or nothing:
 * a hint for people and for the search. */
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

/* ---- mapped devices ---- */

#define MAFS_OMF_PULSE_OFFSET 8192U
#define MAFS_OMF_SEGMENTS_OFFSET 16384U
#define MAFS_OMF_SEGMENT_MAGIC 0x4745534653464d41ULL /* "AMFSFSEG" */

/* At MAFS_OMF_PULSE_OFFSET. Each word is stored by itself, atomically, and
 * flushed; a cache line each. */
struct mafs_omf_pulse {
	__le64 heartbeat; /* raised by the living master */
	__u8 pad0[56];
	__le64 free_epoch; /* raised before freed extents are used again */
	__u8 pad1[56];
	__le64 master_epoch; /* whoever took over last */
	__u8 pad2[56];
};
static_assert(sizeof(struct mafs_omf_pulse) == 192, "on-media size");

/* Head of each segment of a log slot; bytes of the slot follow. The first one
 * is where the superblock says. @crc is computed with @crc and @next as zero;
 * @next checks itself, as it is stored by itself, atomically:
 *
 *	offset of the next segment on the device, a multiple of 4096, below
 *	2^52, or 0 in the last one; times 4096; plus the low 24 bits of the
 *	CRC32C of struct mafs_omf_link
 */
struct mafs_omf_segment {
	__le64 magic;
	__le32 crc;
	__le32 slot; /* 0 = A, 1 = B */
	__le64 index; /* in its chain, from 0 */
	__le64 length; /* bytes, with this head */
	__le64 next;
	__u8 device_uuid[16];
	__u8 reserved[8];
};
static_assert(sizeof(struct mafs_omf_segment) == 64, "on-media size");

/* What a segment's @next is checked by; never stored. */
struct mafs_omf_link {
	__le64 next; /* offset, or 0 */
	__le64 index; /* of the segment that it stands in */
	__le32 slot;
	__le32 reserved;
	__u8 device_uuid[16];
};
static_assert(sizeof(struct mafs_omf_link) == 40, "computed size");

/* ---- mapped devices of tiered volumes ----
 *
 * Bytes that a directory's files have in memory, on a device that is cut into
 * units. Each *memory file* has a slot in the table, which is a third chain of
 * segments, slot number 2; the first one begins where the first segment of log
 * slot B ends, which is as long as that of A. In a segment memory files stand
 * at each multiple of MAFS_OMF_FILE_BYTES from its start on but the first.
 *
 * The log names a memory file by its tag, as one extent of that UUID: eight
 * random bytes, then the offset of its slot, big-endian.
 *
 * What it was lent: stored before anything else on a device or in a file that
 * held nothing, and left there when a session ends.
 */
#define MAFS_OMF_LENT_OFFSET 12288U
#define MAFS_OMF_LENT_MAGIC 0x544e454c53464d41ULL /* "AMFSLENT" */
#define MAFS_OMF_TABLE_SLOT 2U
#define MAFS_OMF_FILE_BYTES 1024U
#define MAFS_OMF_FILE_MAGIC 0x454c494653464d41ULL /* "AMFSFILE" */
#define MAFS_OMF_FILE_ID_MAX 512U
#define MAFS_OMF_FILE_RUNS 13U
#define MAFS_OMF_RUN_LIST_MAGIC 0x534e555253464d41ULL /* "AMFSRUNS" */

struct mafs_omf_lent {
	__le64 magic;
	__le32 crc;
	__le32 reserved;
};
static_assert(sizeof(struct mafs_omf_lent) == 16, "on-media size");

/* Bytes [file_offset, file_offset + length) of a file; whole units. */
struct mafs_omf_run {
	__le64 file_offset;
	__le64 offset; /* on the device */
	__le64 length;
};
static_assert(sizeof(struct mafs_omf_run) == 24, "on-media size");

/* What a memory file is now. The valid one of two copies with the later
 * generation (modulo 2^32) counts; the other is stored next. The last run's
 * length is @last_length, whatever stands with the run. @crc: of the tag, then
 * of this; @runs_crc: of @n_runs runs without the last one's length. */
struct mafs_omf_file_state {
	__le64 size;
	__le64 mtime_sec, atime_sec; /* two's complement */
	__le32 mtime_nsec, atime_nsec;
	__le64 list; /* offset of the first run list; 0: the runs are here */
	__le64 last_length;
	__le32 generation;
	__le32 n_runs;
	__le32 runs_crc;
	__le32 crc;
};
static_assert(sizeof(struct mafs_omf_file_state) == 64, "on-media size");

/* @magic is stored last, and cleared first: 0 is a free slot. @crc: of @tag,
 * @id_len and @id. */
struct mafs_omf_memory_file {
	__le64 magic;
	__le32 crc;
	__le16 id_len;
	__le16 pad;
	__u8 tag[16];
	__u8 reserved[32];
	struct mafs_omf_file_state states[2];
	__u8 id[MAFS_OMF_FILE_ID_MAX]; /* the `map` record of its file */
	struct mafs_omf_run runs[MAFS_OMF_FILE_RUNS];
	__u8 pad1[8];
};
static_assert(sizeof(struct mafs_omf_memory_file) == MAFS_OMF_FILE_BYTES,
	      "on-media size");

/* One allocation unit; runs follow up to its end. @crc: of this, with @crc and
 * @next as zero. */
struct mafs_omf_run_list {
	__le64 magic;
	__le32 crc;
	__le32 index; /* in its chain, from 0 */
	__u8 tag[16];
	__le64 next; /* offset; meant only when there are more runs */
	__u8 reserved[24];
};
static_assert(sizeof(struct mafs_omf_run_list) == 64, "on-media size");

/* ---- memory volumes ----
 *
 * Inodes are named by id, names by (parent id, name). Each record says what is
 * so from now on, never a difference: applied again, or behind a checkpoint
 * that has seen it already, it changes nothing. An inode's number of links is
 * the number of its names. One that has none when the log ends is gone.
 *
 * A record that changes names sets mtime and ctime of the parents, and ctime
 * of the inodes, to its own time; a quiet one (in a checkpoint) sets none.
 */

#define MAFS_OMF_ROOT_ID 1U

/* A new inode, or all of its attributes. Followed by a symbolic link's target
 * (no NUL). */
struct mafs_omf_node {
	__le64 id;
	__le32 mode; /* with S_IFMT */
	__le32 uid;
	__le32 gid;
	__le32 reserved;
	__le64 rdev;
	__le64 parent; /* of a directory; else 0 */
	struct mafs_omf_time atime, mtime, ctime, btime;
	__le16 target_len;
	__u8 pad[6];
};
static_assert(sizeof(struct mafs_omf_node) == 112, "on-media size");

/* name: (parent, name) is inode id. unname: (parent, name) is nothing; id is
 * what it was. Followed by the name (no NUL). */
struct mafs_omf_name {
	__le64 parent;
	__le64 id;
	__le16 name_len;
	__u8 reserved[6];
};
static_assert(sizeof(struct mafs_omf_name) == 24, "on-media size");

#define MAFS_OMF_RENAME_EXCHANGE (1U << 0)
#define MAFS_OMF_RENAME_KNOWN 1U

/* (new_parent, new_name) is inode id. (parent, name) is nothing or, exchanged,
 * inode other; else other is what was replaced, or 0. Followed by both
 * names. */
struct mafs_omf_rename {
	__le64 parent;
	__le64 new_parent;
	__le64 id;
	__le64 other;
	__le32 flags;
	__le16 name_len;
	__le16 new_name_len;
};
static_assert(sizeof(struct mafs_omf_rename) == 40, "on-media size");

#define MAFS_OMF_ATTR_MODE (1U << 0) /* permissions; not S_IFMT */
#define MAFS_OMF_ATTR_UID (1U << 1)
#define MAFS_OMF_ATTR_GID (1U << 2)
#define MAFS_OMF_ATTR_ATIME (1U << 3)
#define MAFS_OMF_ATTR_MTIME (1U << 4)
#define MAFS_OMF_ATTR_CTIME (1U << 5)
#define MAFS_OMF_ATTR_KNOWN 0x3fU

struct mafs_omf_attr {
	__le64 id;
	__le32 mask;
	__le32 mode;
	__le32 uid;
	__le32 gid;
	struct mafs_omf_time atime, mtime, ctime;
};
static_assert(sizeof(struct mafs_omf_attr) == 72, "on-media size");

#define MAFS_OMF_XATTR_REMOVED (1U << 0)
#define MAFS_OMF_XATTR_KNOWN 1U

/* Followed by the name (no NUL) and the value. ctime: the record's time. */
struct mafs_omf_xattr {
	__le64 id;
	__le32 flags;
	__le32 value_len;
	__le16 name_len;
	__u8 reserved[6];
};
static_assert(sizeof(struct mafs_omf_xattr) == 24, "on-media size");

/* From extent @first on the file has these extents and no others behind them;
 * one of the zero UUID is a hole of its length. Unless quiet mtime and ctime are
 * @mtime. A file that has fewer than @first was cut meanwhile, which a later
 * record says: ignored. */
struct mafs_omf_extents {
	__le64 id;
	__le64 size;
	struct mafs_omf_time mtime;
	__le32 first;
	__le32 n_extents;
};
static_assert(sizeof(struct mafs_omf_extents) == 40, "on-media size");

/* mtime and ctime are @mtime. */
struct mafs_omf_size {
	__le64 id;
	__le64 size;
	struct mafs_omf_time mtime;
};
static_assert(sizeof(struct mafs_omf_size) == 32, "on-media size");
