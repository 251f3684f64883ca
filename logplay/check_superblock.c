// SPDX-License-Identifier: Apache-2.0
/*
 * Checks each superblock copy by itself: mafs_superblock_read() is given media
 * on which only that copy is there.
 */
#include "checker.h"

#include <mafs/cleanup.h>
#include <mafs/omf.h>
#include <string.h>

/* A copy that is bad may just be in the middle of a flip. */
#define N_ATTEMPTS 3

/**
 * struct one_copy - media that reads as zeros but for one superblock copy
 */
struct one_copy {
	struct mafs_media media;
	struct mafs_media *below;
	uint64_t start, end;
};

static ssize_t one_copy_read(struct mafs_media *media, enum mafs_region region,
			     uint64_t offset, void *bytes, size_t len)
{
	struct one_copy *one = mafs_container_of(media, struct one_copy, media);
	ssize_t n =
		one->below->ops->read(one->below, region, offset, bytes, len);

	for (ssize_t i = 0; i < n; i++)
		if (offset + (uint64_t)i < one->start ||
		    offset + (uint64_t)i >= one->end)
			((uint8_t *)bytes)[i] = 0;
	return n;
}

static int one_copy_length(struct mafs_media *media, enum mafs_region region,
			   uint64_t *ret_bytes)
{
	struct one_copy *one = mafs_container_of(media, struct one_copy, media);

	return one->below->ops->length(one->below, region, ret_bytes);
}

static int no_write(struct mafs_media *media, enum mafs_region region,
		    uint64_t offset, const void *bytes, size_t len)
{
	return -EROFS;
}

static int no_flush(struct mafs_media *media, enum mafs_region region,
		    uint64_t offset, size_t len)
{
	return -EROFS;
}

static int no_truncate(struct mafs_media *media, enum mafs_region region,
		       uint64_t length)
{
	return -EROFS;
}

static const struct mafs_media_ops one_copy_ops = {
	.read = one_copy_read,
	.write = no_write,
	.flush = no_flush,
	.length = one_copy_length,
	.truncate = no_truncate,
};

static int read_copy(struct mafs_media *media, unsigned int copy,
		     struct mafs_superblock *ret, struct mafs_fault *fault)
{
	struct one_copy one = {
		.media.ops = &one_copy_ops,
		.below = media,
		.start = (uint64_t)copy * MAFS_OMF_SB_SIZE,
		.end = (uint64_t)(copy + 1) * MAFS_OMF_SB_SIZE,
	};

	return mafs_superblock_read(&one.media, ret, NULL, fault);
}

/* Is it a fault of the copy, or of the media below? */
static bool is_fault_of_copy(int err)
{
	return err == -EUCLEAN || err == -EBADMSG || err == -EOPNOTSUPP;
}

static int check_copy(struct mafs_findings *findings, struct mafs_media *media,
		      unsigned int copy, struct checked_superblock *ret)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct mafs_superblock sb;
	int r = -EUCLEAN;

	for (int i = 0; i < N_ATTEMPTS && is_fault_of_copy(r); i++)
		r = read_copy(media, copy, &sb, &fault);
	ret->blank[copy] = r == -ENODATA;
	ret->bad[copy] = is_fault_of_copy(r);
	if (ret->blank[copy])
		return 0;
	if (ret->bad[copy]) {
		struct mafs_fault named = fault;

		snprintf(named.what, sizeof(named.what),
			 "copy %u of the %.350s", copy + 1, fault.what);
		return mafs_findings_add(findings, MAFS_FINDING_ERROR, &named);
	}
	if (r < 0)
		return r;
	if (!ret->have || sb.generation > ret->sb.generation) {
		ret->have = true;
		ret->sb = sb;
		ret->copy = (int)copy;
	}
	return 0;
}

int check_superblocks(struct mafs_findings *findings, struct mafs_media *media,
		      struct checked_superblock *ret)
{
	int r;

	*ret = (struct checked_superblock){ 0 };
	for (unsigned int copy = 0; copy < MAFS_OMF_N_SB; copy++) {
		r = check_copy(findings, media, copy, ret);
		if (r < 0)
			return r;
	}
	if (ret->blank[0] && ret->blank[1])
		return mafs_findings_say(findings, MAFS_FINDING_ERROR,
					 "superblock: both copies are missing");
	return 0;
}
