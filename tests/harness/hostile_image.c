// SPDX-License-Identifier: Apache-2.0
/*
 * Images of a memory device that somebody has changed. Half of the changes are
 * made where something stands, with checksums made right behind them: so the
 * checks beyond the checksums are reached.
 */
#include "hostile_image.h"

#include "lib/log/batch.h"
#include "lib/log/superblock_codec.h"
#include "memvol_fixture.h"

#include <endian.h>
#include <fcntl.h>
#include <mafs/cleanup.h>
#include <mafs/crc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define ROOT MAFS_OMF_ROOT_ID
#define IMAGE_BYTES (1U << 20)

static unsigned draw(struct hostile *hostile, size_t n)
{
	return (unsigned)((unsigned)rand_r(&hostile->seed) % n);
}

/* ---- a good image ---- */

static void log_one(struct mafs_memory_volume *volume, struct mafs_entry entry)
{
	t_memvol_append(volume, &entry, 1);
}

static void fill_volume(struct mafs_memory_volume *volume)
{
	struct mafs_entry rename = {
		.type = MAFS_OMF_RENAME,
		.rename = { 2, ROOT, 10, 0, 0, "f10", "renamed" },
	};
	char name[16];

	t_memvol_mkdir(volume, ROOT, "dir", 2);
	t_memvol_mkdir(volume, 2, "sub", 3);
	for (uint64_t id = 10; id < 30; id++) {
		(void)snprintf(name, sizeof(name), "f%u", (unsigned)id);
		t_memvol_create(volume, 2 + id % 2, name, id, id % 3 * 5000);
	}
	log_one(volume, rename);
	log_one(volume,
		(struct mafs_entry){ .type = MAFS_OMF_NODE,
				     .node = { .id = 40,
					       .mode = S_IFLNK | 0777,
					       .target = (char *)"../.."
								 "/etc" } });
	log_one(volume, t_name_entry(MAFS_OMF_NAME, ROOT, "link", 40));
	log_one(volume, (struct mafs_entry){ .type = MAFS_OMF_XATTR,
					     .xattr = { .id = 10,
							.name = "user.x",
							.value = (char *)"v",
							.value_len = 1 } });
	log_one(volume, (struct mafs_entry){
				.type = MAFS_OMF_ATTR,
				.attr = { .id = 3, .mask = 1, .mode = 0700 } });
}

/* Where batches go on: of what the log says by itself. */
static void find_log(struct hostile *hostile)
{
	struct mafs_memory_volume *volume = t_memvol_open(hostile->spec, true);
	const struct mafs_superblock *sb = &volume->sb;

	hostile->log_at = sb->slots[sb->live_slot].offset +
			  sizeof(struct mafs_omf_segment);
	hostile->log_len = (64 << 10) - sizeof(struct mafs_omf_segment);
	hostile->salt = sb->slots[sb->live_slot].salt;
	hostile->end = hostile->log_at + volume->end.batch_offset;
	hostile->next_number = volume->end.batch_number;
	hostile->next_seq = volume->end.seq + 1;
	mafs_memory_volume_close(volume);
}

void hostile_make(struct hostile *hostile, bool checkpointed)
{
	struct mafs_memory_volume *volume;
	struct mafs_fault fault = MAFS_FAULT_INIT;
	int fd;

	hostile->spec = t_memvol_format_size(hostile->place, "image", NULL,
					     false, IMAGE_BYTES);
	volume = t_memvol_open(hostile->spec, false);
	fill_volume(volume);
	if (checkpointed) {
		assert_int_equal(mafs_log_checkpoint(volume->log,
						     t_memvol_give_live, volume,
						     &fault),
				 0);
		t_memvol_create(volume, 2, "later", 50, 4096);
	}
	mafs_memory_volume_close(volume);
	find_log(hostile);
	hostile->good = malloc(IMAGE_BYTES);
	hostile->image = malloc(IMAGE_BYTES);
	fd = open(t_path(hostile->place, "image"), O_RDONLY | O_CLOEXEC);
	assert_int_equal(pread(fd, hostile->good, IMAGE_BYTES, 0), IMAGE_BYTES);
	close(fd);
}

/* ---- changes ---- */

static const uint64_t odd_numbers[] = {
	0,
	1,
	2,
	7,
	8,
	4095,
	4096,
	65536,
	IMAGE_BYTES,
	0x7fffffff,
	0x80000000,
	0xffffffff,
	0x100000000,
	0x7ffffffffffff000,
	0x7fffffffffffffff,
	0x8000000000000000,
	0xfffffffffffff000,
	0xffffffffffffffff,
};

static uint64_t odd_number(struct hostile *hostile)
{
	uint64_t number =
		odd_numbers[draw(hostile, MAFS_ARRAY_SIZE(odd_numbers))];

	return draw(hostile, 4) ? number : number + draw(hostile, 64) - 32;
}

/* A place where something stands: superblocks, pulse, heads, log. */
static size_t used_place(struct hostile *hostile)
{
	switch (draw(hostile, 4)) {
	case 0:
		return draw(hostile, 2) * 4096U + draw(hostile, 512);
	case 1:
		return 8192U + draw(hostile, 8192 + 64);
	default:
		return hostile->log_at +
		       draw(hostile, hostile->end - hostile->log_at + 64);
	}
}

static void flip_bits(struct hostile *hostile)
{
	for (unsigned n = 1 + draw(hostile, 8); n; n--)
		hostile->image[used_place(hostile)] ^=
			(uint8_t)(1U << draw(hostile, 8));
}

static void overwrite(struct hostile *hostile)
{
	size_t at = used_place(hostile), len = 1 + draw(hostile, 600);
	size_t from = used_place(hostile);

	if (len > hostile->len - at)
		len = hostile->len - at;
	if (len > hostile->len - from)
		len = hostile->len - from;
	switch (draw(hostile, 4)) {
	case 0:
		memset(hostile->image + at, 0, len);
		break;
	case 1:
		memset(hostile->image + at, 0xff, len);
		break;
	case 2:
		memmove(hostile->image + at, hostile->good + from, len);
		break;
	default:
		for (size_t i = 0; i < len; i++)
			hostile->image[at + i] =
				(uint8_t)rand_r(&hostile->seed);
		break;
	}
}

static void truncate_image(struct hostile *hostile)
{
	hostile->len = draw(hostile, 2) ? draw(hostile, IMAGE_BYTES) :
					  draw(hostile, 40000);
}

static void seal_superblock(uint8_t *bytes)
{
	struct mafs_omf_superblock omf;

	memcpy(&omf, bytes, sizeof(omf));
	omf.crc = 0;
	omf.crc = htole32(mafs_crc32c(0, &omf, sizeof(omf)));
	memcpy(bytes, &omf, sizeof(omf));
}

/* A word of both superblock copies, but not the master's: he would be waited
 * for. */
static void change_superblock(struct hostile *hostile)
{
	static const size_t words[] = { 16,  24,  32,  40,  48,  56,  64,
					72,  80,  88,  144, 152, 160, 168,
					176, 184, 192, 200, 208, 216, 224 };

	for (unsigned n = 1 + draw(hostile, 2); n; n--) {
		size_t at = words[draw(hostile, MAFS_ARRAY_SIZE(words))];
		uint64_t number = htole64(odd_number(hostile));

		for (size_t copy = 0; copy < 2; copy++)
			memcpy(hostile->image + copy * 4096 + at, &number, 8);
	}
	for (size_t copy = 0; copy < 2; copy++)
		seal_superblock(hostile->image + copy * 4096);
}

/* The head of the live slot's first segment. */
static void change_segment(struct hostile *hostile)
{
	uint8_t *head = hostile->image + hostile->log_at -
			sizeof(struct mafs_omf_segment);
	struct mafs_omf_segment omf;

	memcpy(&omf, head, sizeof(omf));
	switch (draw(hostile, 4)) {
	case 0:
		omf.length = htole64(odd_number(hostile));
		break;
	case 1:
		omf.index = htole64(odd_number(hostile));
		break;
	case 2:
		omf.slot = htole32(draw(hostile, 3));
		break;
	default:
		omf.next = htole64(odd_number(hostile));
		break;
	}
	omf.crc = 0;
	if (draw(hostile, 2)) {
		struct mafs_omf_segment checked = omf;

		checked.next = 0;
		omf.crc = htole32(mafs_crc32c(0, &checked, sizeof(checked)));
	}
	memcpy(head, &omf, sizeof(omf));
}

/* Calls for one batch of the chain. Return: where it stands, or 0. */
static size_t draw_batch(struct hostile *hostile,
			 struct mafs_omf_batch *ret_header)
{
	size_t at = hostile->log_at, n = draw(hostile, 40);

	for (;;) {
		struct mafs_omf_batch header;
		size_t next;

		memcpy(&header, hostile->image + at, sizeof(header));
		next = at + sizeof(header) + le32toh(header.length);
		if (le32toh(header.magic) != MAFS_OMF_BATCH_MAGIC ||
		    next > hostile->end)
			return 0;
		*ret_header = header;
		if (!n-- || next >= hostile->end)
			return at;
		at = next;
	}
}

static void reseal(struct hostile *hostile, size_t at,
		   const struct mafs_omf_batch *header, size_t len)
{
	mafs_batch_seal(hostile->image + at, sizeof(*header) + len,
			le64toh(header->salt), le64toh(header->number),
			le32toh(header->n_records));
}

/* A word of a record, or of the batch's header, with a right checksum. */
static void change_batch(struct hostile *hostile)
{
	struct mafs_omf_batch header;
	size_t at = draw_batch(hostile, &header), len;

	if (!at)
		return;
	len = le32toh(header.length);
	switch (draw(hostile, 8)) {
	case 0:
		header.number = htole64(odd_number(hostile));
		break;
	case 1:
		header.n_records = htole32((uint32_t)odd_number(hostile));
		break;
	default:
		for (unsigned n = 1 + draw(hostile, 2); n; n--) {
			uint64_t number = htole64(odd_number(hostile));
			size_t width = 1U << draw(hostile, 4);
			size_t place;

			if (len < width)
				continue;
			place = draw(hostile, len / width) * width;
			memcpy(hostile->image + at + sizeof(header) + place,
			       &number, width);
		}
		break;
	}
	reseal(hostile, at, &header, len);
}

/* ---- entries that cannot be, behind the log's end ---- */

static void append_record(struct hostile *hostile, struct mafs_buffer *records)
{
	struct mafs_omf_batch header = {
		.salt = htole64(hostile->salt),
		.number = htole64(hostile->next_number),
		.n_records = htole32(1),
	};

	if (hostile->end + sizeof(header) + records->len >
	    hostile->log_at + hostile->log_len)
		return;
	memcpy(hostile->image + hostile->end + sizeof(header), records->bytes,
	       records->len);
	reseal(hostile, hostile->end, &header, records->len);
	hostile->end += sizeof(header) + records->len;
	hostile->next_number++;
	hostile->next_seq++;
}

static void append_entry(struct hostile *hostile, struct mafs_entry entry)
{
	_cleanup_(mafs_buffer_done) struct mafs_buffer records = {};

	entry.seq = hostile->next_seq;
	entry.time_ns = 1;
	if (mafs_entry_encode(&entry, &records) == 0)
		append_record(hostile, &records);
}

static uint64_t draw_id(struct hostile *hostile)
{
	static const uint64_t ids[] = { 1, 2, 3, 40, 50, 999, UINT64_MAX };

	return draw(hostile, 3) ? ids[draw(hostile, MAFS_ARRAY_SIZE(ids))] :
				  10 + draw(hostile, 20);
}

/* A name that the encoder would refuse, put into a record that it wrote. */
static void append_odd_name(struct hostile *hostile)
{
	static const char *const odd[] = { "..",   ".",       "a/b", "/etc",
					   "../x", "/abs/pa", "x\0y" };
	const char *name = odd[draw(hostile, MAFS_ARRAY_SIZE(odd))];
	size_t len = strlen(name) + (name[0] == 'x' ? 2 : 0);
	_cleanup_(mafs_buffer_done) struct mafs_buffer records = {};
	struct mafs_entry entry = t_name_entry(MAFS_OMF_NAME, ROOT, "", 10);

	entry.seq = hostile->next_seq;
	memset(entry.name.name, 'n', len);
	assert_int_equal(mafs_entry_encode(&entry, &records), 0);
	memcpy(records.bytes + sizeof(struct mafs_omf_record) +
		       sizeof(struct mafs_omf_name),
	       name, len);
	append_record(hostile, &records);
}

static void append_deep(struct hostile *hostile)
{
	char name[MAFS_NAME_MAX + 1];
	uint64_t parent = ROOT;

	memset(name, 'd', sizeof(name) - 1);
	name[MAFS_NAME_MAX] = '\0';
	for (uint64_t id = 1000; id < 1060; id++) {
		append_entry(hostile, (struct mafs_entry){
					      .type = MAFS_OMF_NODE,
					      .node = { .id = id,
							.mode = S_IFDIR | 0755,
							.parent = parent } });
		append_entry(hostile,
			     t_name_entry(MAFS_OMF_NAME, parent, name, id));
		parent = id;
	}
}

static void append_extents(struct hostile *hostile)
{
	struct mafs_extent extents[3];
	struct mafs_omf_superblock omf;

	memcpy(&omf, hostile->good, sizeof(omf));
	for (size_t i = 0; i < 3; i++) {
		extents[i] = (struct mafs_extent){
			.offset_bytes = odd_number(hostile),
			.length_bytes = odd_number(hostile),
		};
		if (draw(hostile, 4))
			extents[i].offset_bytes =
				(64 + draw(hostile, 64)) * 4096U;
		if (draw(hostile, 4))
			extents[i].length_bytes =
				(1 + draw(hostile, 8)) * 4096U;
		if (draw(hostile, 4))
			memcpy(extents[i].device_uuid.bytes, omf.device_uuid,
			       16);
		else if (draw(hostile, 2))
			extents[i].offset_bytes = 0;
		else
			extents[i].device_uuid.bytes[0] = 0x77;
	}
	append_entry(hostile,
		     (struct mafs_entry){
			     .type = MAFS_OMF_EXTENTS,
			     .extents = { .id = draw_id(hostile),
					  .size_bytes = odd_number(hostile),
					  .first = draw(hostile, 3),
					  .map = { extents,
						   1 + draw(hostile, 3) } } });
}

static void append_rename(struct hostile *hostile)
{
	struct mafs_entry entry = {
		.type = MAFS_OMF_RENAME,
		.rename = { .parent = draw_id(hostile),
			    .new_parent = draw_id(hostile),
			    .id = draw_id(hostile),
			    .other = draw_id(hostile),
			    .flags = draw(hostile, 2) },
	};

	strcpy(entry.rename.name, draw(hostile, 2) ? "sub" : "f11");
	strcpy(entry.rename.new_name, draw(hostile, 2) ? "dir" : "new");
	append_entry(hostile, entry);
}

/* Entries with right forms and wrong meanings: loops, second names, ... */
static void append_any(struct hostile *hostile)
{
	static const char *const names[] = { "dir", "sub",   "f10",
					     "f11", ".mafs", ".mafs.mafs" };

	for (unsigned n = 1 + draw(hostile, 6); n; n--) {
		const char *name = names[draw(hostile, MAFS_ARRAY_SIZE(names))];

		switch (draw(hostile, 8)) {
		case 0:
			append_odd_name(hostile);
			break;
		case 1:
			append_extents(hostile);
			break;
		case 2:
			append_rename(hostile);
			break;
		case 3:
			append_entry(
				hostile,
				(struct mafs_entry){
					.type = MAFS_OMF_NODE,
					.node = { .id = draw_id(hostile),
						  .mode = draw(hostile, 65536),
						  .parent =
							  draw_id(hostile) } });
			break;
		case 4:
			append_entry(
				hostile,
				(struct mafs_entry){
					.type = MAFS_OMF_DEVICE_ADD,
					.device = { { { 9 } },
						    odd_number(hostile),
						    (char *)"file:/proc/self/"
							    "mem" } });
			break;
		case 5:
			append_deep(hostile);
			break;
		case 6:
			append_entry(hostile,
				     (struct mafs_entry){
					     .type = MAFS_OMF_SIZE,
					     .size = { .id = draw_id(hostile),
						       .size_bytes = odd_number(
							       hostile) } });
			break;
		default:
			append_entry(hostile,
				     t_name_entry(draw(hostile, 2) ?
							  MAFS_OMF_NAME :
							  MAFS_OMF_UNNAME,
						  draw_id(hostile), name,
						  draw_id(hostile)));
			break;
		}
	}
}

void hostile_change(struct hostile *hostile)
{
	static void (*const changes[])(struct hostile * hostile) = {
		flip_bits,      overwrite,    change_superblock,
		change_segment, change_batch, change_batch,
		append_any,     append_any,   truncate_image,
	};
	size_t end = hostile->end;
	uint64_t number = hostile->next_number, seq = hostile->next_seq;

	memcpy(hostile->image, hostile->good, IMAGE_BYTES);
	hostile->len = IMAGE_BYTES;
	for (unsigned n = 1 + draw(hostile, 2); n; n--)
		changes[draw(hostile, MAFS_ARRAY_SIZE(changes))](hostile);
	hostile->end = end;
	hostile->next_number = number;
	hostile->next_seq = seq;
}

void hostile_store(const struct hostile *hostile, const char *name)
{
	int fd = open(t_path(hostile->place, name),
		      O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, hostile->image, hostile->len, 0),
			 hostile->len);
	close(fd);
}

void hostile_done(struct hostile *hostile)
{
	free(hostile->good);
	free(hostile->image);
	free(hostile->spec);
}
