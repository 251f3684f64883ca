// SPDX-License-Identifier: Apache-2.0
/*
 * The input is N/.mafs/volume.yaml, and N/.mafs/session. What is read is
 * written, as YAML and as JSON, and read again the same.
 */
#include "lib/volume/volume.h"

#include <fcntl.h>
#include <mafs/buffer.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static char place[] = "/dev/shm/mafs-fuzz-XXXXXX";
static int place_fd = -1;

static void remove_place(void)
{
	unlinkat(place_fd, VOLUME_FILE, 0);
	unlinkat(place_fd, SESSION_FILE, 0);
	rmdir(place);
}

/* The files are read by name, so they need a directory. */
static void make_place(void)
{
	if (!mkdtemp(place))
		abort();
	place_fd = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (place_fd < 0 || atexit(remove_place))
		abort();
}

static void put(const char *name, const uint8_t *bytes, size_t len)
{
	_cleanup_close_ int fd =
		openat(place_fd, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (fd < 0 || mafs_pwrite_full(fd, bytes, len, 0) < 0)
		abort();
}

static bool same_record(const struct record *a, const struct record *b)
{
	if (a->n_fields != b->n_fields)
		return false;
	for (size_t i = 0; i < a->n_fields; i++)
		if (strcmp(a->fields[i].key, b->fields[i].key) ||
		    strcmp(a->fields[i].value, b->fields[i].value))
			return false;
	return true;
}

static void try_record(bool as_json)
{
	_cleanup_(record_done) struct record first = {}, second = {};
	struct mafs_fault fault = MAFS_FAULT_INIT;

	if (record_load(place_fd, VOLUME_FILE, place, &first, &fault) < 0) {
		if (!fault.what[0])
			abort();
		return;
	}
	if (!first.n_fields)
		return; /* never written */
	if (record_store(place_fd, VOLUME_FILE, place, &first, as_json,
			 &fault) < 0 ||
	    record_load(place_fd, VOLUME_FILE, place, &second, &fault) < 0 ||
	    !same_record(&first, &second))
		abort();
}

static bool same_session(const struct mafs_session *a,
			 const struct mafs_session *b)
{
	return session_same_root(a, b) && a->open == b->open &&
	       a->pid == b->pid && a->number == b->number &&
	       mafs_uuid_equal(&a->boot_id, &b->boot_id) &&
	       mafs_uuid_equal(&a->memory_uuid, &b->memory_uuid) &&
	       !strcmp(a->host, b->host) &&
	       !strcmp(a->runtime_dir, b->runtime_dir) &&
	       !strcmp(a->mountpoint, b->mountpoint);
}

static void try_session(void)
{
	struct mafs_session first = {}, second = {};
	struct mafs_fault fault = MAFS_FAULT_INIT;

	if (session_load(place_fd, place, &first, &fault) < 0) {
		if (!fault.what[0])
			abort();
		return;
	}
	if (session_store(place_fd, place, &first, &fault) < 0 ||
	    session_load(place_fd, place, &second, &fault) < 0 ||
	    !same_session(&first, &second))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	if (place_fd < 0)
		make_place();
	put(SESSION_FILE, bytes, len);
	try_session();
	put(VOLUME_FILE, bytes, len);
	try_record(false);
	try_record(true);
	return 0;
}
