/* SPDX-License-Identifier: Apache-2.0 */
/*
 * N/.mafs/session: who holds the volume, or held it last. It is replaced as a
 * whole, so a crash leaves the old or the new one; the lock is therefore not
 * on this file but on N/.mafs/lock, which keeps its inode for ever.
 */
#include "volume.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define HANDLE_TEXT_LEN (16 + 2 * MAFS_HANDLE_MAX)

/* "TYPE:hexdigits"; "" for none. */
static void handle_to_text(const struct mafs_handle *handle,
			   char ret[static HANDLE_TEXT_LEN])
{
	int at = 0;

	ret[0] = '\0';
	if (!handle->length)
		return;
	at = snprintf(ret, HANDLE_TEXT_LEN, "%" PRId32 ":", handle->type);
	for (uint32_t i = 0; i < handle->length; i++)
		at += snprintf(ret + at, 3, "%02x", handle->bytes[i]);
}

static int handle_parse(const char *text, struct mafs_handle *ret)
{
	struct mafs_handle handle = { 0 };
	unsigned int byte;
	int start = 0;

	if (!*text) {
		*ret = handle;
		return 0;
	}
	if (sscanf(text, "%" SCNd32 ":%n", &handle.type, &start) != 1 || !start)
		return -EUCLEAN;
	for (text += start; *text; text += 2) {
		if (handle.length == MAFS_HANDLE_MAX || !text[1] ||
		    sscanf(text, "%2x", &byte) != 1)
			return -EUCLEAN;
		handle.bytes[handle.length++] = (uint8_t)byte;
	}
	*ret = handle;
	return 0;
}

static int set_uuid(struct record *record, const char *key,
		    const struct mafs_uuid *uuid)
{
	char text[MAFS_UUID_TEXT_LEN];

	mafs_uuid_to_text(uuid, text);
	return record_set(record, key, text);
}

static int get_uuid(const struct record *record, const char *key,
		    struct mafs_uuid *ret)
{
	const char *text = record_get(record, key);

	return text && mafs_uuid_parse(text, ret) == 0 ? 0 : -EUCLEAN;
}

static int get_text(const struct record *record, const char *key, char *ret,
		    size_t len)
{
	const char *text = record_get(record, key);

	if (!text || strlen(text) >= len)
		return -EUCLEAN;
	strcpy(ret, text);
	return 0;
}

int root_to_record(const struct mafs_session *session, struct record *record)
{
	char handle[HANDLE_TEXT_LEN];
	int r;

	handle_to_text(&session->root, handle);
	r = record_set(record, "root_handle", handle);
	if (r == 0)
		r = record_set_u64(record, "root_ino", session->root_ino);
	if (r == 0)
		r = set_uuid(record, "fs_id", &session->fs_id);
	return r;
}

int root_from_record(const struct record *record, struct mafs_session *session)
{
	const char *handle = record_get(record, "root_handle");
	int r;

	r = handle ? handle_parse(handle, &session->root) : -EUCLEAN;
	if (r == 0)
		r = record_get_u64(record, "root_ino", &session->root_ino);
	if (r == 0)
		r = get_uuid(record, "fs_id", &session->fs_id);
	return r;
}

int session_root_of(int n_fd, struct mafs_session *session, bool *ret_weak)
{
	struct mafs_identity identity;
	struct mafs_uuid fs_id;
	int r;

	r = mafs_fs_id(n_fd, &fs_id, ret_weak);
	if (r == 0)
		r = mafs_identity_of(n_fd, &fs_id, &identity, NULL);
	if (r < 0)
		return r;
	session->root = identity.handle;
	session->root_ino = identity.ino;
	session->fs_id = fs_id;
	return 0;
}

bool session_same_root(const struct mafs_session *a,
		       const struct mafs_session *b)
{
	return mafs_handle_equal(&a->root, &b->root) &&
	       a->root_ino == b->root_ino &&
	       mafs_uuid_equal(&a->fs_id, &b->fs_id);
}

static int from_record(const struct record *record, struct mafs_session *ret)
{
	const char *state = record_get(record, "state");
	uint64_t pid;
	int r;

	if (!state || (strcmp(state, "open") && strcmp(state, "clean")))
		return -EUCLEAN;
	ret->open = !strcmp(state, "open");
	r = get_text(record, "host", ret->host, sizeof(ret->host));
	if (r == 0)
		r = get_uuid(record, "boot_id", &ret->boot_id);
	if (r == 0)
		r = record_get_u64(record, "pid", &pid);
	if (r == 0)
		r = get_text(record, "runtime_dir", ret->runtime_dir,
			     sizeof(ret->runtime_dir));
	if (r == 0)
		r = get_text(record, "mountpoint", ret->mountpoint,
			     sizeof(ret->mountpoint));
	if (r == 0)
		r = get_uuid(record, "memory_uuid", &ret->memory_uuid);
	if (r == 0)
		r = root_from_record(record, ret);
	if (r == 0)
		r = record_get_u64(record, "number", &ret->number);
	if (r == 0 && (pid > INT_MAX || !ret->number))
		r = -EUCLEAN;
	if (r == 0)
		ret->pid = (pid_t)pid;
	return r;
}

int session_load(int dot_fd, const char *path, struct mafs_session *ret,
		 struct mafs_fault *fault)
{
	_cleanup_(record_done) struct record record = { 0 };
	struct mafs_session session = { 0 };
	int r;

	r = record_load(dot_fd, SESSION_FILE, path, &record, fault);
	if (r < 0)
		return r;
	r = from_record(&record, &session);
	if (r < 0)
		return mafs_fault_set(fault, r,
				      "%s/%s: a field is missing or wrong",
				      path, SESSION_FILE);
	*ret = session;
	return 0;
}

static int to_record(const struct mafs_session *session, struct record *record)
{
	int r;

	r = record_set(record, "state", session->open ? "open" : "clean");
	if (r == 0)
		r = record_set_u64(record, "number", session->number);
	if (r == 0)
		r = record_set(record, "host", session->host);
	if (r == 0)
		r = set_uuid(record, "boot_id", &session->boot_id);
	if (r == 0)
		r = record_set_u64(record, "pid", (uint64_t)session->pid);
	if (r == 0)
		r = record_set(record, "mountpoint", session->mountpoint);
	if (r == 0)
		r = record_set(record, "runtime_dir", session->runtime_dir);
	if (r == 0)
		r = set_uuid(record, "memory_uuid", &session->memory_uuid);
	if (r == 0)
		r = root_to_record(session, record);
	return r;
}

int session_store(int dot_fd, const char *path,
		  const struct mafs_session *session, struct mafs_fault *fault)
{
	_cleanup_(record_done) struct record record = { 0 };
	int r;

	r = to_record(session, &record);
	if (r < 0)
		return r;
	return record_store(dot_fd, SESSION_FILE, path, &record, false, fault);
}
