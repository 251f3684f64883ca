// SPDX-License-Identifier: Apache-2.0
/* A descriptor of a memory volume that is read, famfs's form as well, is
 * written, read again and written the same. */
#include <mafs/cleanup.h>
#include <mafs/node_descriptor.h>
#include <string.h>

static const struct mafs_uuid devices[] = { { { 1 } }, { { 2 } } };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	_cleanup_(mafs_node_descriptor_done) struct mafs_node_descriptor
		first = {},
		second = {};
	_cleanup_(mafs_buffer_done) struct mafs_buffer text = {}, again = {};
	struct mafs_fault fault = MAFS_FAULT_INIT;

	if (mafs_node_descriptor_from_text(bytes, len, devices, 2, &first,
					   &fault) < 0) {
		if (!fault.what[0])
			abort();
		return 0;
	}
	/* A line may stand for very many chunks of famfs's. */
	if (first.map.n_extents > 10000)
		return 0;
	if (!first.id)
		first.id = 1; /* famfs's have none */
	if (mafs_node_descriptor_to_text(&first, &text) < 0 ||
	    mafs_node_descriptor_from_text(text.bytes, text.len, NULL, 0,
					   &second, &fault) < 0 ||
	    mafs_node_descriptor_to_text(&second, &again) < 0 ||
	    text.len != again.len ||
	    memcmp(text.bytes, again.bytes, text.len) != 0)
		abort();
	return 0;
}
