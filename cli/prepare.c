// SPDX-License-Identifier: Apache-2.0
/*
 * Formats what mafs mkfs and mafs device add are given. A file is first looked
 * at as it is: sizing it already destroys. One that was made for it goes again
 * when it cannot be formatted. Called by these two commands.
 */
#include "prepare.h"

#include <errno.h>
#include <fcntl.h>
#include <mafs/buffer.h>
#include <mafs/cleanup.h>
#include <mafs/omf.h>
#include <mafs/platform.h>
#include <string.h>
#include <sys/stat.h>

/* What mafs itself uses in front of the log. */
#define HEAD_BYTES MAFS_OMF_SEGMENTS_OFFSET

static bool is_blank(const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (bytes[i])
			return false;
	return true;
}

static int holds(const char *text, const char *what, struct mafs_fault *fault)
{
	return mafs_fault_set(fault, -EEXIST,
			      "%.200s holds %s; --force destroys that", text,
			      what);
}

/* A file that is too short for a device: any byte in it is somebody's. */
static int check_short_file(const char *text, const char *path,
			    struct mafs_fault *fault)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint8_t head[HEAD_BYTES];
	ssize_t n;

	if (fd < 0)
		return mafs_fault_set(fault, -errno, "%.300s: %s", path,
				      strerror(errno));
	n = mafs_pread_full(fd, head, sizeof(head), 0);
	if (n < 0)
		return mafs_fault_set(fault, (int)n, "%.300s: %s", path,
				      strerror((int)-n));
	return is_blank(head, (size_t)n) ?
		       0 :
		       holds(text, "something that is not mafs's", fault);
}

static int check_device(const char *text, struct mafs_device *device,
			const struct mafs_device_format *format,
			struct mafs_fault *fault)
{
	char uuid[MAFS_UUID_TEXT_LEN], what[80];
	uint8_t head[HEAD_BYTES];
	struct mafs_superblock sb;
	int err;

	err = mafs_guarded_copy(head, device->base, sizeof(head));
	if (err)
		return mafs_fault_set(fault, err, "%.300s: cannot be read",
				      text);
	if (is_blank(head, sizeof(head)) || mafs_device_is_wiped(device))
		return 0;
	if (mafs_superblock_read(&device->media, &sb, NULL, NULL))
		return holds(text, "something that is no whole mafs volume",
			     fault);
	if (format->secondary && sb.incompat & MAFS_OMF_INCOMPAT_SECONDARY &&
	    mafs_uuid_equal(&sb.fs_uuid, &format->fs_uuid))
		return 0;
	mafs_uuid_to_text(&sb.fs_uuid, uuid);
	(void)snprintf(
		what, sizeof(what), "%svolume %s",
		sb.incompat & MAFS_OMF_INCOMPAT_SECONDARY ? "a device of " : "",
		uuid);
	return holds(text, what, fault);
}

/* As it is, locked for this moment. */
static int look(const char *text, const struct mafs_device_spec *spec,
		const struct mafs_device_format *format,
		struct mafs_fault *fault)
{
	const struct mafs_device_spec as_is = { .kind = spec->kind,
						.path = spec->path };
	struct mafs_device *device;
	struct stat st;
	int err;

	if (stat(spec->path, &st) < 0)
		return mafs_fault_set(fault, -errno, "%.300s: %s", spec->path,
				      strerror(errno));
	if (S_ISREG(st.st_mode) && st.st_size < (off_t)MAFS_DEVICE_MIN_BYTES)
		return check_short_file(text, spec->path, fault);
	err = mafs_device_open(&as_is, false, false, true, &device, fault);
	/* Cut short under its superblock. */
	if (err == -EUCLEAN)
		return holds(text, "a damaged volume", fault);
	if (err)
		return err;
	err = check_device(text, device, format, fault);
	mafs_device_close(device);
	return err;
}

static int format_device(const char *text, const struct mafs_device_spec *spec,
			 const struct mafs_device_format *format,
			 struct mafs_device **ret, char **ret_spec,
			 struct mafs_fault *fault)
{
	struct mafs_device *device;
	char *absolute = NULL;
	int err;

	err = mafs_device_open(spec, true, false, true, &device, fault);
	if (err)
		return err;
	err = mafs_device_spec_absolute(text, &absolute, fault);
	if (!err)
		err = mafs_device_format(device, format, fault);
	if (err) {
		mafs_device_close(device);
		free(absolute);
		return err;
	}
	*ret = device;
	*ret_spec = absolute;
	return 0;
}

int mafs_prepare_device(const char *text,
			const struct mafs_device_format *format, bool force,
			struct mafs_device **ret, char **ret_spec,
			struct mafs_fault *fault)
{
	_cleanup_(mafs_device_spec_done) struct mafs_device_spec spec = {};
	bool made = false;
	int err;

	err = mafs_device_spec_parse(text, &spec, fault);
	if (err)
		return err;
	if (spec.kind == MAFS_DEVICE_MEMFD)
		return mafs_fault_set(fault, -EINVAL,
				      "%.60s lives with its daemon: mafs mount "
				      "formats it",
				      text);
	if (spec.kind == MAFS_DEVICE_FILE && access(spec.path, F_OK) < 0)
		made = errno == ENOENT;
	if (!made && !force)
		err = look(text, &spec, format, fault);
	if (!err)
		err = format_device(text, &spec, format, ret, ret_spec, fault);
	if (err && made)
		unlink(spec.path);
	return err;
}

int mafs_wipe_device(const char *text, struct mafs_fault *fault)
{
	_cleanup_(mafs_device_spec_done) struct mafs_device_spec spec = {};
	struct mafs_device *device;
	int err;

	err = mafs_device_spec_parse(text, &spec, fault);
	if (err)
		return err;
	if (spec.kind == MAFS_DEVICE_MEMFD || spec.size_bytes)
		return mafs_fault_set(fault, -EINVAL,
				      "%.60s: name a file or device that is "
				      "there, without a size",
				      text);
	err = mafs_device_open(&spec, false, false, true, &device, fault);
	if (err)
		return err;
	err = mafs_device_wipe(device);
	mafs_device_close(device);
	return err ? mafs_fault_set(fault, err, "%.300s: cannot be written",
				    text) :
		     0;
}
