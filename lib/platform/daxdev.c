// SPDX-License-Identifier: Apache-2.0
/*
 * Finds device-DAX with libdaxctl, by the number of the device node. A device
 * keeps its node in every mode; the driver that it is bound to is its mode:
 * device_dax maps it, kmem has made it system RAM. For what is no device-DAX
 * libndctl says whether a pmem namespace could become one.
 *
 * Called by lib/memory.
 */
#include <mafs/daxdev.h>

#include <daxctl/libdaxctl.h>
#include <errno.h>
#include <mafs/cleanup.h>
#include <ndctl/libndctl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define DRIVER_DEVDAX "device_dax"
#define DRIVER_RAM "kmem"

static void daxctl_freep(struct daxctl_ctx **ctx)
{
	daxctl_unref(*ctx);
}

static void ndctl_freep(struct ndctl_ctx **ctx)
{
	ndctl_unref(*ctx);
}

/* ---- what is not a device-DAX, and could be one ---- */

/* Does @visit for each namespace until one returns true. */
static bool each_namespace(struct ndctl_ctx *ctx,
			   bool (*visit)(struct ndctl_namespace *ndns,
					 void *context),
			   void *context)
{
	struct ndctl_namespace *ndns;
	struct ndctl_region *region;
	struct ndctl_bus *bus;

	ndctl_bus_foreach(ctx, bus) ndctl_region_foreach(bus, region)
		ndctl_namespace_foreach(
			region, ndns) if (visit(ndns, context)) return true;
	return false;
}

static const char *mode_to_text(enum ndctl_namespace_mode mode)
{
	switch (mode) {
	case NDCTL_NS_MODE_FSDAX:
		return "fsdax";
	case NDCTL_NS_MODE_SECTOR:
		return "sector";
	case NDCTL_NS_MODE_RAW:
		return "raw";
	default:
		return "no";
	}
}

/* A namespace that is looked for. */
struct wanted {
	const char *block_device; /* NULL: any that is not devdax already */
	char name[64];
	const char *mode;
};

static bool is_name(const char *name, const char *wanted)
{
	return name && !strcmp(name, wanted);
}

static bool has_block_device(struct ndctl_namespace *ndns, const char *name)
{
	struct ndctl_pfn *pfn = ndctl_namespace_get_pfn(ndns);
	struct ndctl_btt *btt = ndctl_namespace_get_btt(ndns);

	return is_name(ndctl_namespace_get_block_device(ndns), name) ||
	       (pfn && is_name(ndctl_pfn_get_block_device(pfn), name)) ||
	       (btt && is_name(ndctl_btt_get_block_device(btt), name));
}

static bool find_namespace(struct ndctl_namespace *ndns, void *context)
{
	enum ndctl_namespace_mode mode = ndctl_namespace_get_mode(ndns);
	struct wanted *wanted = context;

	if (mode == NDCTL_NS_MODE_DEVDAX || !ndctl_namespace_get_size(ndns))
		return false;
	if (wanted->block_device &&
	    !has_block_device(ndns, wanted->block_device))
		return false;
	(void)snprintf(wanted->name, sizeof(wanted->name), "%s",
		       ndctl_namespace_get_devname(ndns));
	wanted->mode = mode_to_text(mode);
	return true;
}

static bool namespace_found(struct wanted *wanted)
{
	_cleanup_(ndctl_freep) struct ndctl_ctx *ctx = NULL;

	return ndctl_new(&ctx) == 0 &&
	       each_namespace(ctx, find_namespace, wanted);
}

static int refuse_missing(const char *path, struct mafs_fault *fault)
{
	struct wanted wanted = {};

	if (namespace_found(&wanted))
		return mafs_fault_set(fault, -ENOENT,
				      "%.100s: no such device; %s is in %s "
				      "mode: its content is lost by \"ndctl "
				      "create-namespace -f -e %s -m devdax\"",
				      path, wanted.name, wanted.mode,
				      wanted.name);
	return mafs_fault_set(fault, -ENOENT,
			      "%.100s: no such device; \"daxctl list\" shows "
			      "what there is",
			      path);
}

static int refuse_block_device(const char *path, struct mafs_fault *fault)
{
	const char *slash = strrchr(path, '/');
	struct wanted wanted = {
		.block_device = slash ? slash + 1 : path,
	};

	if (namespace_found(&wanted))
		return mafs_fault_set(fault, -ENODEV,
				      "%.100s: a namespace in %s mode; its "
				      "content is lost by \"ndctl "
				      "create-namespace -f -e %s -m devdax\"",
				      path, wanted.mode, wanted.name);
	return mafs_fault_set(fault, -ENODEV,
			      "%.100s: a block device; mafs maps device-DAX "
			      "(/dev/daxX.Y) and files",
			      path);
}

/* ---- device-DAX ---- */

static struct daxctl_dev *find_dev(struct daxctl_ctx *ctx, dev_t number)
{
	struct daxctl_region *region;
	struct daxctl_dev *dev;

	daxctl_region_foreach(ctx, region) daxctl_dev_foreach(
		region,
		dev) if (daxctl_dev_get_major(dev) == (int)major(number) &&
			 daxctl_dev_get_minor(dev) ==
				 (int)minor(number)) return dev;
	return NULL;
}

/* Name of the driver that a device is bound to; "" for none. */
static const char *driver_of(dev_t number, char link[256])
{
	const char *slash;
	char path[64];
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/sys/dev/char/%u:%u/driver",
		       major(number), minor(number));
	n = readlink(path, link, 255);
	link[n < 0 ? 0 : n] = '\0';
	slash = strrchr(link, '/');
	return slash ? slash + 1 : link;
}

/* Is it bound to the driver that lets programs map it? */
static int check_mode(const char *path, struct daxctl_dev *dev, dev_t number,
		      struct mafs_fault *fault)
{
	const char *name = daxctl_dev_get_devname(dev);
	char link[256];
	const char *driver = driver_of(number, link);

	if (!strcmp(driver, DRIVER_DEVDAX))
		return 0;
	if (!strcmp(driver, DRIVER_RAM))
		return mafs_fault_set(
			fault, -ENODEV,
			"%.100s: in system-ram mode; use \"daxctl "
			"reconfigure-device --force --mode=devdax "
			"%s\", or as it is --memory "
			"tmpfs:SIZE,mpol=bind:NODE",
			path, name);
	if (*driver)
		return mafs_fault_set(fault, -ENODEV,
				      "%.100s: another driver has it (%s); use "
				      "\"daxctl reconfigure-device "
				      "--mode=devdax %s\"",
				      path, driver, name);
	/* Kernels before 5.1 have no dax bus, hence no driver of its own. */
	if (daxctl_dev_is_enabled(dev))
		return 0;
	return mafs_fault_set(fault, -ENODEV,
			      "%.100s: not enabled; use \"daxctl "
			      "enable-device %s\"",
			      path, name);
}

static int check_size(const char *path, const struct mafs_daxdev *found,
		      int region, struct mafs_fault *fault)
{
	if (!found->size_bytes)
		return mafs_fault_set(fault, -ENODEV,
				      "%.100s: no memory is given to it; use "
				      "\"daxctl create-device -r %d\"",
				      path, region);
	if (!found->align_bytes ||
	    found->align_bytes & (found->align_bytes - 1))
		return mafs_fault_set(fault, -ENODEV,
				      "%.100s: its alignment of %llu bytes is "
				      "no power of two",
				      path,
				      (unsigned long long)found->align_bytes);
	return 0;
}

static int describe(const char *path, struct daxctl_dev *dev,
		    struct mafs_daxdev *ret, struct mafs_fault *fault)
{
	struct daxctl_region *region = daxctl_dev_get_region(dev);
	struct mafs_daxdev found = {
		.size_bytes = daxctl_dev_get_size(dev),
		.align_bytes = daxctl_dev_get_align(dev),
		.numa_node = daxctl_dev_get_target_node(dev),
	};
	int err;

	/* Before Linux 5.10 only the region says. */
	if (!found.align_bytes)
		found.align_bytes = daxctl_region_get_align(region);
	(void)snprintf(found.name, sizeof(found.name), "%s",
		       daxctl_dev_get_devname(dev));
	err = check_size(path, &found, daxctl_region_get_id(region), fault);
	if (err)
		return err;
	*ret = found;
	return 0;
}

int mafs_daxdev_find(const char *path, struct mafs_daxdev *ret,
		     struct mafs_fault *fault)
{
	_cleanup_(daxctl_freep) struct daxctl_ctx *ctx = NULL;
	struct daxctl_dev *dev;
	struct stat st;
	int err;

	if (stat(path, &st) < 0)
		return errno == ENOENT ?
			       refuse_missing(path, fault) :
			       mafs_fault_set(fault, -errno, "%.100s: %s", path,
					      strerror(errno));
	if (S_ISBLK(st.st_mode))
		return refuse_block_device(path, fault);
	err = daxctl_new(&ctx);
	if (err)
		return mafs_fault_set(fault, err, "libdaxctl: %s",
				      strerror(-err));
	dev = S_ISCHR(st.st_mode) ? find_dev(ctx, st.st_rdev) : NULL;
	if (!dev)
		return mafs_fault_set(fault, -ENODEV,
				      "%.100s: no device-DAX; \"daxctl list\" "
				      "shows what there is",
				      path);
	err = check_mode(path, dev, st.st_rdev, fault);
	return err ? err : describe(path, dev, ret, fault);
}
