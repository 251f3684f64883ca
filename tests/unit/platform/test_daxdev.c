// SPDX-License-Identifier: Apache-2.0
/*
 * Device-DAX in every mode, by a /sys and a /dev of our own in a mount
 * namespace of our own: what libdaxctl reads there is ours.
 *
 * ctest: labels=root
 */
#include <errno.h>
#include <fcntl.h>
#include <mafs/cleanup.h>
#include <mafs/daxdev.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <cmocka.h>

#define PARENT "/sys/devices/platform/hmem.0"
#define DEVICE PARENT "/dax0.0"

static void make_dirs(const char *path)
{
	char part[256];

	for (const char *at = path + 1; (at = strchr(at, '/')); at++) {
		snprintf(part, sizeof(part), "%.*s", (int)(at - path), path);
		mkdir(part, 0755);
	}
}

static void put(const char *path, const char *text)
{
	int fd;

	make_dirs(path);
	unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void put_link(const char *path, const char *target)
{
	make_dirs(path);
	unlink(path);
	assert_int_equal(symlink(target, path), 0);
}

/* The node of the fake device is /dev/null's: 1:3. */
static int enter_own_sys_and_dev(void)
{
	_cleanup_close_ int null_fd = -1;
	char null_path[64];

	if (unshare(CLONE_NEWNS) < 0)
		return -errno;
	null_fd = open("/dev/null", O_RDONLY);
	if (null_fd < 0 ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("none", "/sys", "tmpfs", 0, NULL) < 0 ||
	    mount("none", "/dev", "tmpfs", 0, NULL) < 0)
		return -errno;
	put("/dev/dax0.0", "");
	snprintf(null_path, sizeof(null_path), "/proc/self/fd/%d", null_fd);
	if (mount(null_path, "/dev/dax0.0", NULL, MS_BIND, NULL) < 0)
		return -errno;
	return 0;
}

static int make_device(void **state)
{
	put(PARENT "/dax_region/id", "0\n");
	put(PARENT "/dax_region/size", "1073741824\n");
	put(PARENT "/dax_region/align", "2097152\n");
	put(DEVICE "/size", "1071644672\n");
	put(DEVICE "/align", "2097152\n");
	put(DEVICE "/resource", "0x100000000\n");
	put(DEVICE "/target_node", "3\n");
	put_link(DEVICE "/subsystem", "/sys/bus/dax");
	put_link("/sys/bus/dax/devices/dax0.0", DEVICE);
	put_link("/sys/dev/char/1:3", DEVICE);
	make_dirs("/sys/bus/dax/drivers/device_dax/");
	make_dirs("/sys/bus/dax/drivers/kmem/");
	put_link(DEVICE "/driver", "/sys/bus/dax/drivers/device_dax");
	return 0;
}

static void test_device_in_devdax_mode_is_found(void **state)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct mafs_daxdev found;
	int err = mafs_daxdev_find("/dev/dax0.0", &found, &fault);

	if (err)
		print_message("%s\n", fault.what);
	assert_int_equal(err, 0);
	assert_string_equal(found.name, "dax0.0");
	assert_int_equal(found.size_bytes, 1071644672);
	assert_int_equal(found.align_bytes, 2 << 20);
	assert_int_equal(found.numa_node, 3);
}

/* Another name for the node. */
static void test_number_counts_not_the_name(void **state)
{
	struct mafs_daxdev found;

	put_link("/dev/fast", "/dev/dax0.0");
	assert_int_equal(mafs_daxdev_find("/dev/fast", &found, NULL), 0);
	assert_string_equal(found.name, "dax0.0");
}

static void refused(const char *path, int expected, const char *text)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct mafs_daxdev found = { .numa_node = 77 };

	assert_int_equal(mafs_daxdev_find(path, &found, &fault), expected);
	print_message("%s\n", fault.what);
	assert_non_null(strstr(fault.what, path));
	assert_non_null(strstr(fault.what, text));
	assert_int_equal(found.numa_node, 77);
}

static void test_other_modes_are_refused_with_the_command(void **state)
{
	put_link(DEVICE "/driver", "/sys/bus/dax/drivers/kmem");
	refused("/dev/dax0.0", -ENODEV,
		"daxctl reconfigure-device --force --mode=devdax dax0.0");
	refused("/dev/dax0.0", -ENODEV, "mpol=bind:NODE");
	put_link(DEVICE "/driver", "/sys/bus/dax/drivers/fsdev_dax");
	refused("/dev/dax0.0", -ENODEV,
		"daxctl reconfigure-device --mode=devdax dax0.0");
	unlink(DEVICE "/driver");
	refused("/dev/dax0.0", -ENODEV, "daxctl enable-device dax0.0");
}

static void test_device_without_memory_is_refused(void **state)
{
	put(DEVICE "/size", "0\n");
	refused("/dev/dax0.0", -ENODEV, "daxctl create-device -r 0");
	put(DEVICE "/size", "1071644672\n");
	put(DEVICE "/align", "3000000\n");
	refused("/dev/dax0.0", -ENODEV, "no power of two");
}

static void test_alignment_may_be_the_regions(void **state)
{
	struct mafs_daxdev found;

	unlink(DEVICE "/align");
	put(PARENT "/dax_region/align", "1073741824\n");
	assert_int_equal(mafs_daxdev_find("/dev/dax0.0", &found, NULL), 0);
	assert_int_equal(found.align_bytes, 1 << 30);
}

static void test_what_is_no_device_dax_is_refused(void **state)
{
	refused("/dev/dax7.0", -ENOENT, "daxctl list");
	refused("/dev", -ENODEV, "no device-DAX");
	put("/dev/file", "");
	refused("/dev/file", -ENODEV, "no device-DAX");
	unlink("/sys/bus/dax/devices/dax0.0");
	refused("/dev/dax0.0", -ENODEV, "no device-DAX");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_device_in_devdax_mode_is_found,
				       make_device),
		cmocka_unit_test_setup(test_number_counts_not_the_name,
				       make_device),
		cmocka_unit_test_setup(
			test_other_modes_are_refused_with_the_command,
			make_device),
		cmocka_unit_test_setup(test_device_without_memory_is_refused,
				       make_device),
		cmocka_unit_test_setup(test_alignment_may_be_the_regions,
				       make_device),
		cmocka_unit_test_setup(test_what_is_no_device_dax_is_refused,
				       make_device),
	};
	int err = enter_own_sys_and_dev();

	if (err) {
		print_message("no mounts of our own: %s\n", strerror(-err));
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
