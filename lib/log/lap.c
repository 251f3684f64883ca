// SPDX-License-Identifier: Apache-2.0
/*
 * The grammar of a lap, kept by the reader:
 *
 *	checkpoint-begin { live } checkpoint-end { entry } [ switch ]
 *
 * Up to checkpoint-end each record carries the sequence that the checkpoint
 * stands for; then each carries its predecessor's plus one. `switch` repeats
 * its predecessor's: it ends a lap and is no entry of the log's history.
 */
#include "lap.h"

#include <errno.h>

static int out_of_place(const struct mafs_entry *entry,
			struct mafs_fault *fault)
{
	return mafs_fault_set(fault, -EUCLEAN, "%s may not stand here",
			      mafs_entry_type_to_text(entry->type));
}

static int check_seq(uint64_t seq, uint64_t expected, struct mafs_fault *fault)
{
	if (seq == expected)
		return 0;
	return mafs_fault_set(fault, seq < expected ? -EPROTO : -EUCLEAN,
			      "sequence %llu where %llu was expected",
			      (unsigned long long)seq,
			      (unsigned long long)expected);
}

bool mafs_lap_is_live(enum mafs_omf_type type)
{
	switch (type) {
	case MAFS_OMF_DEVICE_ADD:
	case MAFS_OMF_MAP:
	case MAFS_OMF_NODE:
	case MAFS_OMF_NAME:
	case MAFS_OMF_XATTR:
	case MAFS_OMF_EXTENTS:
		return true;
	default:
		return false;
	}
}

bool mafs_lap_is_file(enum mafs_omf_type type)
{
	return type == MAFS_OMF_MAP || type == MAFS_OMF_NODE;
}

static int accept_begin(struct mafs_lap *lap, const struct mafs_entry *entry,
			struct mafs_fault *fault)
{
	int err;

	if (entry->type != MAFS_OMF_CHECKPOINT_BEGIN)
		return out_of_place(entry, fault);
	err = check_seq(entry->seq, lap->seq, fault);
	if (!err)
		err = check_seq(entry->checkpoint.seq, lap->seq, fault);
	if (err)
		return err;
	lap->n_live = entry->checkpoint.n_live;
	lap->phase = LAP_CHECKPOINT;
	return 0;
}

static int accept_live(struct mafs_lap *lap, const struct mafs_entry *entry,
		       struct mafs_fault *fault)
{
	int err = check_seq(entry->seq, lap->seq, fault);

	if (err)
		return err;
	if (mafs_lap_is_live(entry->type)) {
		lap->n_files += mafs_lap_is_file(entry->type);
		return 0;
	}
	if (entry->type != MAFS_OMF_CHECKPOINT_END)
		return out_of_place(entry, fault);
	if (entry->checkpoint.n_live != lap->n_live ||
	    lap->n_files != lap->n_live)
		return mafs_fault_set(
			fault, -EUCLEAN, "checkpoint of %llu files holds %llu",
			(unsigned long long)entry->checkpoint.n_live,
			(unsigned long long)lap->n_files);
	err = check_seq(entry->checkpoint.seq, lap->seq, fault);
	if (err)
		return err;
	lap->phase = LAP_TAIL;
	return 0;
}

static int accept_appended(struct mafs_lap *lap, const struct mafs_entry *entry,
			   struct mafs_fault *fault)
{
	int err;

	switch (entry->type) {
	case MAFS_OMF_CHECKPOINT_BEGIN:
	case MAFS_OMF_CHECKPOINT_END:
		return out_of_place(entry, fault);
	case MAFS_OMF_SWITCH:
		err = check_seq(entry->seq, lap->seq, fault);
		if (err)
			return err;
		lap->phase = LAP_SWITCHED;
		return 0;
	default:
		break;
	}
	if (lap->seq == UINT64_MAX)
		return mafs_fault_set(fault, -EPROTO, "sequence wraps around");
	err = check_seq(entry->seq, lap->seq + 1, fault);
	if (err)
		return err;
	lap->seq = entry->seq;
	return 0;
}

int mafs_lap_accept(struct mafs_lap *lap, const struct mafs_entry *entry,
		    struct mafs_fault *fault)
{
	switch (lap->phase) {
	case LAP_BEGIN:
		return accept_begin(lap, entry, fault);
	case LAP_CHECKPOINT:
		return accept_live(lap, entry, fault);
	case LAP_TAIL:
		return accept_appended(lap, entry, fault);
	case LAP_SWITCHED:
		break;
	}
	return out_of_place(entry, fault);
}
