/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which volume a directory is. volume.yaml names it, unless the session, or a
 * runtime directory of that name, tells of another root: then the tree was
 * copied, gets a name of its own, and the memory of the first is not touched.
 */
#include "volume.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

/* FNV-1a. Source: RFC 9923. */
static uint64_t hash(uint64_t seed, const void *bytes, size_t len)
{
	const uint8_t *at = bytes;
	uint64_t sum = UINT64_C(0xcbf29ce484222325) ^ seed;

	for (size_t i = 0; i < len; i++)
		sum = (sum ^ at[i]) * UINT64_C(0x100000001b3);
	return sum;
}

/* RFC 9562, version 8: the same for the same directory. */
void derive_uuid(const struct mafs_session *root, struct mafs_uuid *ret)
{
	for (uint64_t half = 0; half < 2; half++) {
		uint64_t sum = hash(half, root->fs_id.bytes, 16);

		sum = hash(sum, root->root.bytes, root->root.length);
		sum = hash(sum, &root->root_ino, sizeof(root->root_ino));
		memcpy(ret->bytes + 8 * half, &sum, 8);
	}
	ret->bytes[6] = (ret->bytes[6] & 0x0f) | 0x80;
	ret->bytes[8] = (ret->bytes[8] & 0x3f) | 0x80;
}

/* Does a runtime directory say that the uuid is another directory's? So it is
 * with a copied tree, and with a volume.yaml that was made up. */
static bool uuid_is_taken(const struct mafs_volume *volume)
{
	_cleanup_(record_done) struct record record = { 0 };
	struct mafs_session owner = { 0 };
	_cleanup_close_ int fd = -1;
	char path[PATH_MAX];

	if (runtime_path(&volume->uuid, path, NULL) < 0)
		return false;
	fd = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || record_load(fd, MOUNT_FILE, path, &record, NULL) < 0 ||
	    root_from_record(&record, &owner) < 0)
		return false;
	return !session_same_root(&owner, &volume->session);
}

/* Settings, if there are any, stay. */
static int store_uuid(struct opened *opened, struct record *record,
		      struct mafs_fault *fault)
{
	char text[MAFS_UUID_TEXT_LEN];
	int r;

	mafs_uuid_to_text(&opened->volume.uuid, text);
	r = record_set(record, "uuid", text);
	if (r < 0)
		return r;
	return record_store(opened->volume.dot_fd, VOLUME_FILE,
			    opened->dot_path, record, false, fault);
}

static int load_files(struct opened *opened, struct record *ret_settings,
		      struct mafs_fault *fault)
{
	struct mafs_volume *volume = &opened->volume;
	const char *text;
	int r;

	if (volume->dot_fd < 0)
		return -ENOENT;
	r = record_load(volume->dot_fd, VOLUME_FILE, opened->dot_path,
			ret_settings, fault);
	if (r < 0)
		return r;
	text = record_get(ret_settings, "uuid");
	if (!text || mafs_uuid_parse(text, &volume->uuid) < 0 ||
	    mafs_uuid_is_null(&volume->uuid))
		return mafs_fault_set(fault, -EUCLEAN, "%s/%s names no uuid",
				      opened->dot_path, VOLUME_FILE);
	r = session_load(volume->dot_fd, opened->dot_path, &volume->previous,
			 fault);
	return r == -ENOENT ? 0 : r;
}

static int give_new_uuid(struct opened *opened, struct record *settings,
			 struct mafs_fault *fault)
{
	struct mafs_volume *volume = &opened->volume;

	volume->previous = (struct mafs_session){ 0 };
	if (opened->read_only) {
		derive_uuid(&volume->session, &volume->uuid);
		return 0;
	}
	mafs_uuid_generate(&volume->uuid);
	return store_uuid(opened, settings, fault);
}

int opened_decide_uuid(struct opened *opened, struct mafs_fault *fault)
{
	_cleanup_(record_done) struct record settings = { 0 };
	struct mafs_volume *volume = &opened->volume;
	bool is_copy;
	int r;

	r = load_files(opened, &settings, fault);
	if (r < 0 && r != -ENOENT)
		return r;
	is_copy = volume->previous.number &&
		  !session_same_root(&volume->previous, &volume->session);
	if (r == -ENOENT || is_copy || uuid_is_taken(volume))
		return give_new_uuid(opened, &settings, fault);
	return 0;
}
