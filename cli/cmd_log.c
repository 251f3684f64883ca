// SPDX-License-Identifier: Apache-2.0
/*
 * mafs log: the log entry by entry, as it is on the memory device. The printer
 * is one more sink of replay.
 */
#include "attached.h"
#include "cli.h"
#include "log_print.h"
#include "source.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <mafs/cleanup.h>
#include <mafs/device.h>
#include <mafs/diag.h>
#include <mafs/replay.h>
#include <stdio.h>
#include <string.h>

/* A log that is checkpointed away faster than it can be printed. */
#define N_ATTEMPTS 8

/**
 * struct printer - the sink
 * @seq: of the last entry printed
 * @again: what was printed before the log was checkpointed away is skipped
 */
struct printer {
	bool as_json;
	bool again;
	uint64_t seq;
	uint64_t n_entries;
};

static int print_entry(void *sink, const struct mafs_entry *entry,
		       const struct mafs_log_position *position)
{
	struct printer *printer = sink;

	if (printer->again && entry->seq <= printer->seq)
		return 0;
	printer->again = false;
	if (entry->seq > printer->seq)
		printer->seq = entry->seq;
	printer->n_entries++;
	if (printer->as_json) {
		json_t *object = mafs_log_entry_to_json(entry, position);

		if (!object)
			return -ENOMEM;
		json_dumpf(object, stdout, JSON_COMPACT);
		json_decref(object);
		putchar('\n');
	} else {
		mafs_log_print_text(entry, position);
	}
	return ferror(stdout) ? -EPIPE : 0;
}

static int print_end(void *sink, enum mafs_log_tail tail,
		     const struct mafs_log_position *end)
{
	const char *slot = end->region == MAFS_REGION_LOG_B ? "B" : "A";
	bool torn = tail == MAFS_LOG_TAIL_TORN;
	struct printer *printer = sink;

	if (printer->as_json)
		printf("{\"slot\":\"%s\",\"offset\":%" PRIu64
		       ",\"type\":\"end\",\"tail\":\"%s\",\"n_entries\":%" PRIu64
		       "}\n",
		       slot, end->batch_offset, torn ? "torn" : "clean",
		       printer->n_entries);
	else
		printf("%s:%-8" PRIu64 " end of the log after %" PRIu64
		       " entries%s\n",
		       slot, end->batch_offset, printer->n_entries,
		       torn ? "; a torn tail follows, which never counted" :
			      "");
	return 0;
}

static const struct mafs_replay_ops printer_ops = {
	.entry = print_entry,
	.end = print_end,
};

static int print_log(struct mafs_media *media, struct printer *printer,
		     struct mafs_fault *fault)
{
	int r = -ESTALE;

	for (int i = 0; i < N_ATTEMPTS && r == -ESTALE; i++) {
		r = mafs_replay(media, &printer_ops, printer, NULL, NULL,
				fault);
		printer->again = printer->n_entries > 0;
	}
	return r;
}

static void tell_fault(int err, const struct mafs_fault *fault)
{
	const char *what = fault->what[0] ? fault->what : strerror(-err);

	if (fault->media_offset == MAFS_FAULT_NO_OFFSET)
		mafs_error("log: %s", what);
	else
		mafs_error("log: %s (offset %" PRIu64 "); see mafs fsck", what,
			   fault->media_offset);
}

static int print_memory(const char *text, struct printer *printer,
			struct mafs_fault *fault)
{
	_cleanup_(mafs_device_spec_done) struct mafs_device_spec spec = {};
	struct mafs_device *device = NULL;
	int r;

	r = mafs_device_spec_parse(text, &spec, fault);
	if (r == 0)
		r = mafs_device_open(&spec, false, true, false, &device, fault);
	if (r == 0)
		r = print_log(&device->media, printer, fault);
	mafs_device_close(device);
	return r;
}

static int print_source(const char *source, struct printer *printer,
			struct mafs_fault *fault)
{
	_cleanup_(mafs_attached_done) struct mafs_attached attached = {
		.volume = { .n_fd = -1 }
	};
	_cleanup_free_ char *spec = NULL;
	int r = mafs_source_memory(source, &spec, fault);

	if (r > 0)
		return print_memory(spec, printer, fault);
	if (r == 0)
		r = mafs_attached_open(source, &attached, fault);
	return r < 0 ? r : print_log(&attached.memory->media, printer, fault);
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ 0 },
	};
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct printer printer = { 0 };
	int c, r;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c != 'j')
			return mafs_command_usage(&mafs_command_log,
						  "unknown option %s",
						  argv[optind - 1]);
		printer.as_json = true;
	}
	if (argc - optind != 1)
		return mafs_command_usage(&mafs_command_log, "name one SOURCE");

	r = print_source(argv[optind], &printer, &fault);
	if (r == -ENODATA && fault.what[0]) {
		mafs_notice("log: %s", fault.what);
		return MAFS_EXIT_OK;
	}
	/* Nobody reads on: no fault of ours. */
	if (r == -EPIPE)
		return MAFS_EXIT_FAILURE;
	if (r < 0) {
		tell_fault(r, &fault);
		return MAFS_EXIT_FAILURE;
	}
	return MAFS_EXIT_OK;
}

const struct mafs_command mafs_command_log = {
	.name = "log",
	.summary = "print the log, entry by entry",
	.help = "usage: mafs log [--json] SOURCE\n"
		"\n"
		"Prints a line for each entry of the log on the volume's memory "
		"device: slot and\n"
		"offset, batch, sequence, time, type, and what it says; at last "
		"how the log ends.\n"
		"SOURCE is the directory or the memory device, the mount point "
		"or the volume's\n"
		"UUID.\n"
		"\n"
		"  --json  one object a line\n"
		"\n"
		"Example:\n"
		"  mafs log /data\n",
	.run = run,
};
