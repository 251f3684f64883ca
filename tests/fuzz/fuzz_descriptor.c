// SPDX-License-Identifier: Apache-2.0
/* A descriptor that is read is written, read again and written the same. */
#include <mafs/cleanup.h>
#include <mafs/descriptor.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	_cleanup_(mafs_descriptor_done) struct mafs_descriptor first = {},
							       second = {};
	_cleanup_(mafs_buffer_done) struct mafs_buffer text = {}, again = {};
	struct mafs_fault fault = MAFS_FAULT_INIT;

	if (mafs_descriptor_from_text(bytes, len, &first, &fault) < 0) {
		if (!fault.what[0])
			abort();
		return 0;
	}
	if (mafs_descriptor_to_text(&first, &text) < 0 ||
	    mafs_descriptor_from_text(text.bytes, text.len, &second, &fault) <
		    0 ||
	    mafs_descriptor_to_text(&second, &again) < 0 ||
	    text.len != again.len ||
	    memcmp(text.bytes, again.bytes, text.len) != 0)
		abort();
	return 0;
}
