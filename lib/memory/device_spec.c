// SPDX-License-Identifier: Apache-2.0
/*
 * Reads what a person wrote for a memory device:
 *
 *	file:PATH[,SIZE]	memfd:SIZE	dax:/dev/daxX.Y		PATH
 *
 * A path may hold commas: behind the last one is a size if it begins with a
 * digit.
 */
#include <mafs/device.h>

#include <ctype.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <mafs/cleanup.h>
#include <mafs/omf.h>
#include <mafs/platform.h>
#include <mafs/size.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define KINDS "file:PATH[,SIZE], memfd:SIZE or dax:/dev/daxX.Y"

static const enum mafs_device_kind kinds[] = {
	MAFS_DEVICE_FILE,
	MAFS_DEVICE_MEMFD,
	MAFS_DEVICE_DAX,
};

/* What follows "KIND:"; NULL: the text does not begin so. */
static const char *behind_kind(const char *text, enum mafs_device_kind *ret)
{
	for (size_t i = 0; i < MAFS_ARRAY_SIZE(kinds); i++) {
		const char *name = mafs_device_kind_to_text(kinds[i]);
		size_t len = strlen(name);

		if (!strncmp(text, name, len) && text[len] == ':') {
			*ret = kinds[i];
			return text + len + 1;
		}
	}
	return NULL;
}

static int parse_size(const char *text, uint64_t *ret, struct mafs_fault *fault)
{
	struct mafs_bounds bounds;
	uint64_t size;
	int r;

	r = mafs_bounds_read(&bounds);
	if (r < 0)
		return mafs_fault_set(fault, r, "cannot read the size of RAM");
	r = mafs_size_parse(text, bounds.ram_bytes, &size);
	if (r < 0 || !size || size > INT64_MAX)
		return mafs_fault_set(fault, r < 0 ? r : -ERANGE,
				      "device size \"%.40s\": write 512M, 8G "
				      "or 50%%",
				      text);
	*ret = size;
	return 0;
}

/* Cuts ",SIZE" off @path. */
static int cut_size(char *path, uint64_t *ret, struct mafs_fault *fault)
{
	char *comma = strrchr(path, ',');

	if (!comma || !isdigit((unsigned char)comma[1]))
		return 0;
	*comma = '\0';
	return parse_size(comma + 1, ret, fault);
}

/* A path without a kind: the file says what it is. A block device is none, but
 * may be one that could become a device-DAX: opening it says so. */
static int kind_of_path(const char *path, enum mafs_device_kind *ret)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return -errno;
	if (S_ISREG(st.st_mode))
		*ret = MAFS_DEVICE_FILE;
	else if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode))
		*ret = MAFS_DEVICE_DAX;
	else
		return -EINVAL;
	return 0;
}

static int parse_path(const char *text, struct mafs_device_spec *spec,
		      struct mafs_fault *fault)
{
	int err = kind_of_path(text, &spec->kind);

	if (err == -EINVAL)
		return mafs_fault_set(fault, err,
				      "%.300s: no memory device, write %s",
				      text, KINDS);
	if (err)
		return mafs_fault_set(fault, err,
				      "%.200s: %s; write %s to make one", text,
				      strerror(-err), KINDS);
	return 0;
}

static int parse(const char *text, struct mafs_device_spec *spec,
		 struct mafs_fault *fault)
{
	const char *rest = behind_kind(text, &spec->kind);
	int err = 0;

	if (!rest) {
		err = parse_path(text, spec, fault);
		if (err)
			return err;
		rest = text;
	} else if (!*rest) {
		return mafs_fault_set(fault, -EINVAL,
				      "device \"%.40s\": write %s", text,
				      KINDS);
	} else if (spec->kind == MAFS_DEVICE_MEMFD) {
		return parse_size(rest, &spec->size_bytes, fault);
	}
	spec->path = strdup(rest);
	if (!spec->path)
		return -ENOMEM;
	if (rest != text && spec->kind == MAFS_DEVICE_FILE)
		err = cut_size(spec->path, &spec->size_bytes, fault);
	if (!err && !*spec->path)
		err = mafs_fault_set(fault, -EINVAL,
				     "device \"%.40s\": the path is missing",
				     text);
	return err;
}

int mafs_device_spec_parse(const char *text, struct mafs_device_spec *ret,
			   struct mafs_fault *fault)
{
	struct mafs_device_spec spec = {};
	int err = parse(text, &spec, fault);

	if (err) {
		mafs_device_spec_done(&spec);
		return err;
	}
	*ret = spec;
	return 0;
}

int mafs_device_spec_absolute(const char *text, char **ret,
			      struct mafs_fault *fault)
{
	_cleanup_(mafs_device_spec_done) struct mafs_device_spec spec = { 0 };
	_cleanup_free_ char *path = NULL;
	int err = mafs_device_spec_parse(text, &spec, fault);

	if (err)
		return err;
	if (spec.kind == MAFS_DEVICE_MEMFD) {
		*ret = strdup(text);
		return *ret ? 0 : -ENOMEM;
	}
	path = realpath(spec.path, NULL);
	if (!path)
		return mafs_fault_set(
			fault, -errno, "%.300s: %s%s", spec.path,
			strerror(errno),
			errno == ENOENT ? "; mafs mkfs makes one" : "");
	if (asprintf(ret, "%s:%s", mafs_device_kind_to_text(spec.kind), path) <
	    0)
		return -ENOMEM;
	return 0;
}

void mafs_device_spec_done(struct mafs_device_spec *spec)
{
	if (!spec)
		return;
	free(spec->path);
	*spec = (struct mafs_device_spec){};
}

/* Does one of the superblock copies look like one? */
static bool is_formatted(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	uint64_t magic;

	for (off_t i = 0; fd >= 0 && i < MAFS_OMF_N_SB; i++)
		if (pread(fd, &magic, sizeof(magic), i * MAFS_OMF_SB_SIZE) ==
			    sizeof(magic) &&
		    le64toh(magic) == MAFS_OMF_SB_MAGIC)
			return true;
	return false;
}

bool mafs_device_spec_is(const char *text)
{
	enum mafs_device_kind kind;

	if (behind_kind(text, &kind))
		return true;
	return !kind_of_path(text, &kind) &&
	       (kind == MAFS_DEVICE_DAX || is_formatted(text));
}
