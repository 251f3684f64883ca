/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The settings in volume.yaml, beside the uuid: names and texts, whose meaning
 * is others' business. The file is replaced as a whole.
 */
#include "volume.h"

#include <errno.h>
#include <string.h>

#define UUID_KEY "uuid"

int mafs_volume_settings(struct mafs_volume *volume,
			 int (*visit)(void *context, const char *name,
				      const char *value),
			 void *context, struct mafs_fault *fault)
{
	_cleanup_(record_done) struct record record = { 0 };
	int r;

	if (volume->dot_fd < 0)
		return 0;
	r = record_load(volume->dot_fd, VOLUME_FILE,
			opened_of(volume)->dot_path, &record, fault);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	for (size_t i = 0; i < record.n_fields && r == 0; i++)
		if (strcmp(record.fields[i].key, UUID_KEY) != 0)
			r = visit(context, record.fields[i].key,
				  record.fields[i].value);
	return r;
}

int mafs_volume_setting_store(struct mafs_volume *volume, const char *name,
			      const char *value, struct mafs_fault *fault)
{
	_cleanup_(record_done) struct record record = { 0 };
	struct opened *opened = opened_of(volume);
	int r;

	if (opened->read_only)
		return mafs_fault_set(fault, -EROFS,
				      "the volume is mounted read-only");
	r = record_load(volume->dot_fd, VOLUME_FILE, opened->dot_path, &record,
			fault);
	if (r < 0)
		return r;
	if (value)
		r = record_set(&record, name, value);
	else
		record_remove(&record, name);
	if (r < 0)
		return mafs_fault_set(fault, r, "%s: %s", name, strerror(-r));
	return record_store(volume->dot_fd, VOLUME_FILE, opened->dot_path,
			    &record, false, fault);
}
