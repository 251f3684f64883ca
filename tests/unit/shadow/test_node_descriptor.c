// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <mafs/cleanup.h>
#include <mafs/node_descriptor.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cmocka.h>

#define _cleanup_descriptor_ _cleanup_(mafs_node_descriptor_done)

static struct mafs_extent extents[] = {
	{ { { 1 } }, 1U << 20, 65536 },
	{ { { 0 } }, 0, 4096 },
	{ { { 2 } }, 0, 65536 },
};

static struct mafs_descriptor_xattr xattrs[] = {
	{ (char *)"user.text", (char *)"it's a value", 12 },
	{ (char *)"user.bytes", (char *)"a\0b\xff", 4 },
	{ (char *)"trusted.empty", NULL, 0 },
};

static const struct mafs_node_descriptor regular = {
	.id = 42,
	.path = (char *)"/models/llama.gguf",
	.n_links = 2,
	.mode = S_IFREG | 04755,
	.owner = 1000,
	.group = UINT32_MAX,
	.size_bytes = 130000,
	.atime = { 1, 2 },
	.mtime = { -1, 999999999 },
	.ctime = { 1795168800, 123456789 },
	.btime = { 1LL << 40, 0 },
	.xattrs = xattrs,
	.n_xattrs = 3,
	.map = { extents, 3 },
};

static const char regular_text[] =
	"file:\n"
	"  version: 2\n"
	"  id: 42\n"
	"  path: /models/llama.gguf\n"
	"  links: 2\n"
	"  type: regular\n"
	"  owner: 1000\n"
	"  group: 4294967295\n"
	"  permissions: '4755'\n"
	"  size: 130000\n"
	"  atime: '1970-01-01T00:00:01.000000002Z'\n"
	"  mtime: '1969-12-31T23:59:59.999999999Z'\n"
	"  ctime: '2026-11-20T10:00:00.123456789Z'\n"
	"  btime: '@1099511627776.000000000'\n"
	"  xattrs:\n"
	"    - name: user.text\n"
	"      value: 'it''s a value'\n"
	"    - name: user.bytes\n"
	"      value: !!binary YQBi/w==\n"
	"    - name: trusted.empty\n"
	"      value: ''\n"
	"  extents:\n"
	"    - device_uuid: '01000000-0000-0000-0000-000000000000'\n"
	"      offset: 1048576\n"
	"      length: 65536\n"
	"    - hole: 4096\n"
	"    - device_uuid: '02000000-0000-0000-0000-000000000000'\n"
	"      offset: 0\n"
	"      length: 65536\n";

static int from_text(const char *text, struct mafs_node_descriptor *ret,
		     struct mafs_fault *fault)
{
	static const struct mafs_uuid devices[] = { { { 0xd0 } },
						    { { 0xd1 } } };

	return mafs_node_descriptor_from_text(text, strlen(text), devices, 2,
					      ret, fault);
}

static void to_text(const struct mafs_node_descriptor *descriptor,
		    struct mafs_buffer *buffer)
{
	assert_int_equal(mafs_node_descriptor_to_text(descriptor, buffer), 0);
	assert_int_equal(mafs_buffer_append(buffer, "", 1), 0);
}

static void assert_reads_back(const struct mafs_node_descriptor *descriptor)
{
	_cleanup_(mafs_buffer_done) struct mafs_buffer first = {}, again = {};
	_cleanup_descriptor_ struct mafs_node_descriptor read = {};
	struct mafs_fault fault = MAFS_FAULT_INIT;

	to_text(descriptor, &first);
	if (from_text((char *)first.bytes, &read, &fault))
		fail_msg("%s in:\n%s", fault.what, (char *)first.bytes);
	assert_int_equal(read.mode, descriptor->mode);
	assert_int_equal(read.rdev, descriptor->rdev);
	to_text(&read, &again);
	assert_string_equal((char *)again.bytes, (char *)first.bytes);
	mafs_buffer_done(&again);
}

static void test_regular_file_is_written_as_ever(void **state)
{
	_cleanup_(mafs_buffer_done) struct mafs_buffer text = {};

	to_text(&regular, &text);
	assert_string_equal((char *)text.bytes, regular_text);
}

static void test_each_type_reads_back(void **state)
{
	static const uint32_t types[] = { S_IFREG, S_IFDIR, S_IFIFO, S_IFSOCK };
	struct mafs_node_descriptor other = { .id = 1, .n_links = 1 };

	assert_reads_back(&regular);
	for (size_t i = 0; i < MAFS_ARRAY_SIZE(types); i++) {
		other.mode = types[i] | 0700;
		assert_reads_back(&other);
	}
	other.mode = S_IFLNK | 0777;
	other.target = (char *)"../with\nlines and \xff";
	assert_reads_back(&other);
	other.target = NULL;
	other.mode = S_IFBLK | 0600;
	other.rdev = makedev(8, 1234567);
	assert_reads_back(&other);
	other.mode = S_IFCHR | 0600;
	assert_reads_back(&other);
}

static void test_every_field_comes_back(void **state)
{
	_cleanup_descriptor_ struct mafs_node_descriptor read = {};
	struct mafs_fault fault = MAFS_FAULT_INIT;

	assert_int_equal(from_text(regular_text, &read, &fault), 0);
	assert_int_equal(read.id, 42);
	assert_int_equal(read.n_links, 2);
	assert_int_equal(read.owner, 1000);
	assert_int_equal(read.group, UINT32_MAX);
	assert_int_equal(read.size_bytes, 130000);
	assert_int_equal(read.mtime.tv_sec, -1);
	assert_int_equal(read.btime.tv_sec, 1LL << 40);
	assert_int_equal(read.n_xattrs, 3);
	assert_int_equal(read.xattrs[1].value_len, 4);
	assert_memory_equal(read.xattrs[1].value, "a\0b\xff", 4);
	assert_int_equal(read.map.n_extents, 3);
	assert_memory_equal(read.map.extents, extents, sizeof(extents));
}

static void test_keys_come_in_any_order(void **state)
{
	static const char text[] =
		"file: {extents: [{length: 4096, offset: 0, device_uuid: "
		"'01000000-0000-0000-0000-000000000000'}],\n"
		"btime: '1970-01-01T00:00:00.000000000Z',\n"
		"ctime: '1970-01-01T00:00:00.000000000Z', size: 7,\n"
		"mtime: '1970-01-01T00:00:00.000000000Z', group: 2,\n"
		"atime: '1970-01-01T00:00:00.000000000Z', owner: 1,\n"
		"permissions: '0600', type: regular, id: 9, version: 2}\n";
	_cleanup_descriptor_ struct mafs_node_descriptor read = {};
	struct mafs_fault fault = MAFS_FAULT_INIT;

	if (from_text(text, &read, &fault))
		fail_msg("%s", fault.what);
	assert_int_equal(read.id, 9);
	assert_int_equal(read.mode, S_IFREG | 0600);
	assert_int_equal(read.map.extents[0].length_bytes, 4096);
	assert_null(read.path);
	assert_int_equal(read.n_links, 1);
}

/* @text with the first @old in place of @new. */
static char *replaced(const char *text, const char *old, const char *new)
{
	const char *at = strstr(text, old);
	char *ret = NULL;

	assert_non_null(at);
	assert_true(asprintf(&ret, "%.*s%s%s", (int)(at - text), text, new,
			     at + strlen(old)) >= 0);
	return ret;
}

static void assert_refused(const char *text, int err, const char *said)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct mafs_node_descriptor read;
	int r = from_text(text, &read, &fault);

	if (r != err || !strstr(fault.what, said))
		fail_msg("%d \"%s\" instead of %d \"%s\" for:\n%s", r,
			 fault.what, err, said, text);
}

static void test_what_does_not_belong_is_refused(void **state)
{
	static const struct {
		const char *old, *new;
		int err;
		const char *said;
	} cases[] = {
		{ "  size:", "  sise:", -EINVAL,
		  "line 10, column 3: unknown key sise" },
		{ "  id: 42\n", "", -EINVAL, "no id" },
		{ "  id: 42\n", "  id: 0\n", -EINVAL, "id is 0" },
		{ "  id: 42\n", "  id: 42\n  id: 42\n", -EINVAL, "repeated" },
		{ "version: 2", "version: 3", -EOPNOTSUPP, "version 3" },
		{ "version: 2", "version: 1", -EOPNOTSUPP, "version 1" },
		{ "size: 130000", "size: 9223372036854775808", -ERANGE,
		  "too large" },
		{ "size: 130000", "size: 0x10", -EINVAL, "decimal" },
		{ "size: 130000", "size: -1", -EINVAL, "decimal" },
		{ "type: regular", "type: folder", -EINVAL, "type" },
		{ "type: regular", "type: fifo", -EINVAL, "only a regular" },
		{ "type: regular", "type: symlink", -EINVAL, "only a regular" },
		{ "  size: 130000\n", "  device: '1:5'\n", -EINVAL,
		  "only a device file" },
		{ "  size: 130000\n", "  target: x\n", -EINVAL, "symbolic" },
		{ "  size: 130000\n", "  device: '01:5'\n", -EINVAL, "MAJOR" },
		{ "'4755'", "'755'", -EINVAL, "octal" },
		{ "path: /models/llama.gguf", "path: ../x", -EINVAL, "path" },
		{ "path: /models/llama.gguf", "path: /a/../x", -EINVAL,
		  "path" },
		{ "hole: 4096", "hole: 0", -EINVAL, "empty" },
		{ "hole: 4096", "hole: 9223372036854775807", -ERANGE,
		  "overflow" },
		{ "hole: 4096", "hole: 4096\n      offset: 0", -EINVAL,
		  "neither" },
		{ "offset: 1048576", "offset: 9223372036854775807", -ERANGE,
		  "overflow" },
		{ "'01000000-", "'00000000-", -EINVAL, "neither" },
		{ "name: user.bytes", "name: user.text", -EINVAL,
		  "user.text is repeated" },
		{ "name: user.bytes", "name: ''", -EINVAL, "name of" },
		{ "!!binary YQBi/w==", "!!binary YQB", -EINVAL, "base64" },
		{ "!!binary", "!!str", -EINVAL, "!!binary" },
		{ "file:", "&a file:", -EINVAL, "anchors" },
		{ "file:", "--- {}\n---\nfile:", -EINVAL, "" },
	};

	for (size_t i = 0; i < MAFS_ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *text =
			replaced(regular_text, cases[i].old, cases[i].new);

		assert_refused(text, cases[i].err, cases[i].said);
	}
}

static void test_truncations_are_refused(void **state)
{
	char text[sizeof(regular_text)];
	size_t last = strlen(regular_text) - 1;

	strcpy(text, regular_text);
	while (last--) {
		struct mafs_node_descriptor read;
		struct mafs_fault fault = MAFS_FAULT_INIT;

		text[last] = '\0';
		if (!from_text(text, &read, &fault)) {
			/* Behind a whole extent it is whole. */
			assert_true(read.map.n_extents < 3 ||
				    read.map.extents[2].length_bytes < 65536);
			mafs_node_descriptor_done(&read);
		}
	}
}

/* ---- famfs ---- */

static const char simple_text[] = "---\n"
				  "file:\n"
				  "  path: dir/file1\n"
				  "  size: 5000000\n"
				  "  flags: 2\n"
				  "  mode: 0644\n"
				  "  uid: 7\n"
				  "  gid: 8\n"
				  "  nextents: 1\n"
				  "  simple_ext_list:\n"
				  "  - devindex: 1\n"
				  "    offset: 0xa00000\n"
				  "    length: 0x600000\n"
				  "...\n";

static const char striped_text[] = "---\n"
				   "file:\n"
				   "  path: dir/striped\n"
				   "  size: 7000000\n"
				   "  flags: 2\n"
				   "  mode: 0600\n"
				   "  uid: 0\n"
				   "  gid: 0\n"
				   "  nextents: 1\n"
				   "  striped_ext_list:\n"
				   "  - nstrips: 2\n"
				   "    chunk_size: 0x200000\n"
				   "    simple_ext_list:\n"
				   "    - devindex: 0\n"
				   "      offset: 0xa00000\n"
				   "      length: 0x800000\n"
				   "    - length: 0x800000\n"
				   "      offset: 0x20000000\n"
				   "...\n";

static void test_simple_famfs_file_is_read(void **state)
{
	_cleanup_descriptor_ struct mafs_node_descriptor read = {};
	struct mafs_fault fault = MAFS_FAULT_INIT;

	if (from_text(simple_text, &read, &fault))
		fail_msg("%s", fault.what);
	assert_int_equal(read.id, 0);
	assert_string_equal(read.path, "/dir/file1");
	assert_int_equal(read.mode, S_IFREG | 0644);
	assert_int_equal(read.owner, 7);
	assert_int_equal(read.group, 8);
	assert_int_equal(read.size_bytes, 5000000);
	assert_int_equal(read.map.n_extents, 1);
	assert_int_equal(read.map.extents[0].device_uuid.bytes[0], 0xd1);
	assert_int_equal(read.map.extents[0].offset_bytes, 0xa00000);
	assert_int_equal(read.map.extents[0].length_bytes, 0x600000);
}

static void test_striped_famfs_file_is_unrolled(void **state)
{
	_cleanup_descriptor_ struct mafs_node_descriptor read = {};
	struct mafs_fault fault = MAFS_FAULT_INIT;
	static const uint64_t offsets[] = { 0xa00000, 0x20000000, 0xc00000,
					    0x20200000 };

	if (from_text(striped_text, &read, &fault))
		fail_msg("%s", fault.what);
	assert_int_equal(read.map.n_extents, 4);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(read.map.extents[i].offset_bytes, offsets[i]);
		assert_int_equal(read.map.extents[i].length_bytes, 0x200000);
		assert_int_equal(read.map.extents[i].device_uuid.bytes[0],
				 0xd0);
	}
}

static void test_faulty_famfs_files_are_refused(void **state)
{
	static const struct {
		const char *text, *old, *new;
		int err;
		const char *said;
	} cases[] = {
		{ simple_text, "devindex: 1", "devindex: 2", -EINVAL,
		  "devindex 2" },
		{ simple_text, "nextents: 1", "nextents: 2", -EINVAL,
		  "nextents" },
		{ simple_text, "path: dir", "path: /dir", -EINVAL, "path" },
		{ simple_text, "path: dir", "path: ..", -EINVAL, "path" },
		{ simple_text, "mode: 0644", "mode: 0100644", -ERANGE,
		  "large" },
		{ simple_text, "mode: 0644", "mode: 0694", -EINVAL, "number" },
		{ simple_text, "0x600000", "0x7fffffffffffffff", -ERANGE,
		  "overflow" },
		{ simple_text, "0x600000", "0x200000", -EINVAL, "shorter" },
		{ simple_text, "uid: 7", "uid: 7\n  colour: 3", -EINVAL,
		  "line 8, column 3: unknown key colour" },
		{ striped_text, "nstrips: 2", "nstrips: 3", -EINVAL, "strips" },
		{ striped_text, "chunk_size: 0x200000", "chunk_size: 0",
		  -EINVAL, "chunk_size" },
		{ striped_text, "chunk_size: 0x200000", "chunk_size: 50",
		  -EINVAL, "chunk_size" },
		{ striped_text, "length: 0x800000", "length: 0x200000", -EINVAL,
		  "shorter" },
		{ striped_text, "size: 7000000", "size: 9223372036854775807",
		  -ERANGE, "chunks" },
	};

	for (size_t i = 0; i < MAFS_ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *text =
			replaced(cases[i].text, cases[i].old, cases[i].new);

		assert_refused(text, cases[i].err, cases[i].said);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_regular_file_is_written_as_ever),
		cmocka_unit_test(test_each_type_reads_back),
		cmocka_unit_test(test_every_field_comes_back),
		cmocka_unit_test(test_keys_come_in_any_order),
		cmocka_unit_test(test_what_does_not_belong_is_refused),
		cmocka_unit_test(test_truncations_are_refused),
		cmocka_unit_test(test_simple_famfs_file_is_read),
		cmocka_unit_test(test_striped_famfs_file_is_unrolled),
		cmocka_unit_test(test_faulty_famfs_files_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
