// SPDX-License-Identifier: Apache-2.0
/*
 * The two superblock copies. Invariant: at every moment one of them is valid
 * and the newest; a flip stores into the other one only. Called by the reader,
 * the writer, mkfs and the owner of the session.
 */
#include "superblock_codec.h"

#include <errno.h>
#include <string.h>

/* A reader that finds both copies bad may have met two flips in a row. */
#define READ_ATTEMPTS 3

struct copies {
	struct mafs_omf_superblock omf[MAFS_OMF_N_SB];
	int err[MAFS_OMF_N_SB]; /* 0: bytes are right */
	int newest; /* -1: none */
};

static uint64_t copy_offset(int copy)
{
	return (uint64_t)copy * MAFS_OMF_SB_SIZE;
}

/* Where a copy is missing it counts as zeros. */
static int read_copies(struct mafs_media *media, struct copies *ret)
{
	*ret = (struct copies){ .newest = -1 };
	for (int i = 0; i < (int)MAFS_OMF_N_SB; i++) {
		ssize_t n = media->ops->read(media, MAFS_REGION_SUPERBLOCK,
					     copy_offset(i), &ret->omf[i],
					     sizeof(ret->omf[i]));

		if (n < 0)
			return (int)n;
		ret->err[i] = mafs_superblock_check_bytes(&ret->omf[i],
							  copy_offset(i), NULL);
		if (ret->err[i])
			continue;
		if (ret->newest < 0 ||
		    mafs_superblock_generation(&ret->omf[i]) >
			    mafs_superblock_generation(&ret->omf[ret->newest]))
			ret->newest = i;
	}
	return 0;
}

int mafs_superblock_media_generation(struct mafs_media *media,
				     uint64_t *ret_generation)
{
	struct copies copies;
	int err;

	err = read_copies(media, &copies);
	if (err)
		return err;
	*ret_generation =
		copies.newest < 0 ?
			0 :
			mafs_superblock_generation(&copies.omf[copies.newest]);
	return 0;
}

/* No copy is valid: the copy that tells most about why. */
static int no_valid_copy(const struct copies *copies, struct mafs_fault *fault)
{
	int worst = 0;

	for (int i = 1; i < (int)MAFS_OMF_N_SB; i++)
		if (copies->err[worst] == -ENODATA ||
		    (copies->err[i] == -EBADMSG &&
		     copies->err[worst] != -EBADMSG))
			worst = i;
	return mafs_superblock_check_bytes(&copies->omf[worst],
					   copy_offset(worst), fault);
}

int mafs_superblock_read(struct mafs_media *media, struct mafs_superblock *ret,
			 int *ret_copy, struct mafs_fault *fault)
{
	struct copies copies;
	int err;

	for (int attempt = 1;; attempt++) {
		err = read_copies(media, &copies);
		if (err)
			return mafs_fault_set(fault, err,
					      "superblock: cannot be read");
		if (copies.newest >= 0)
			break;
		err = no_valid_copy(&copies, fault);
		if (err == -ENODATA || attempt == READ_ATTEMPTS)
			return err;
	}
	err = mafs_superblock_decode(&copies.omf[copies.newest],
				     copy_offset(copies.newest), ret, fault);
	if (err)
		return err;
	if (ret_copy)
		*ret_copy = copies.newest;
	return 0;
}

int mafs_superblock_flip(struct mafs_media *media, struct mafs_superblock *sb,
			 struct mafs_fault *fault)
{
	struct mafs_superblock next = *sb;
	uint8_t block[MAFS_OMF_SB_SIZE] = {};
	struct mafs_omf_superblock omf;
	struct copies copies;
	uint64_t offset;
	int err;

	err = read_copies(media, &copies);
	if (err)
		return mafs_fault_set(fault, err, "superblock: cannot be read");
	if (copies.newest >= 0 &&
	    mafs_superblock_generation(&copies.omf[copies.newest]) >
		    sb->generation)
		return mafs_fault_at(fault, -EPROTO, copy_offset(copies.newest),
				     "superblock: somebody else has written a "
				     "newer one");
	next.generation++;
	mafs_superblock_encode(&next, &omf);
	memcpy(block, &omf, sizeof(omf));
	offset = copy_offset(copies.newest == 0 ? 1 : 0);
	err = media->ops->write(media, MAFS_REGION_SUPERBLOCK, offset, block,
				sizeof(block));
	if (!err)
		err = media->ops->flush(media, MAFS_REGION_SUPERBLOCK, offset,
					sizeof(block));
	if (err)
		return mafs_fault_at(fault, err, offset,
				     "superblock: cannot be written");
	sb->generation = next.generation;
	return 0;
}
