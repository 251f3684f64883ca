// SPDX-License-Identifier: Apache-2.0
/* A record that decodes encodes to the same bytes. */
#include <mafs/cleanup.h>
#include <mafs/entry.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	_cleanup_(mafs_buffer_done) struct mafs_buffer again = {};
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct mafs_entry entry;
	size_t length;

	if (mafs_entry_decode(bytes, len, &entry, &length, &fault))
		return 0;
	if (mafs_entry_encode(&entry, &again) || again.len != length ||
	    memcmp(again.bytes, bytes, length) != 0)
		abort();
	mafs_entry_done(&entry);
	return 0;
}
