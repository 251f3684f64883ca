/* SPDX-License-Identifier: Apache-2.0 */
/* mafs top: what is asked, and what is made of it. */
#pragma once

#include "client.h"

#include <stdbool.h>
#include <stddef.h>

/**
 * struct mafs_top_sample - what the daemon says at one moment
 * @status, @hottest, @dirty: its answers; owned, NULL: none was had
 */
struct mafs_top_sample {
	int64_t at_ms;
	json_t *status, *hottest, *dirty;
};

/* Asks. Return: 0 or -errno, the fault says it, and @ret is empty. */
int mafs_top_ask(const char *control_path, struct mafs_top_sample *ret,
		 struct mafs_fault *fault);
void mafs_top_sample_done(struct mafs_top_sample *sample);

/* How much a counter has grown in a second; @keys: of the status, the last one
 * NULL: {"paths", "C", "read_bytes", NULL}. */
double mafs_top_rate(const struct mafs_top_sample *before,
		     const struct mafs_top_sample *now,
		     const char *const *keys);

/* The rates and shares of the text, as JSON. */
json_t *mafs_top_to_json(const struct mafs_top_sample *before,
			 const struct mafs_top_sample *now);

struct mafs_top_line {
	char *text; /* owned */
	bool is_title;
};

/**
 * struct mafs_top_text - lines for a screen
 * @columns: none is wider
 * @n_max: there are at most so many; 0: as many as there is to say
 */
struct mafs_top_text {
	size_t columns, n_max;
	struct mafs_top_line *lines; /* owned */
	size_t n, capacity;
};

void mafs_top_write(struct mafs_top_text *text, const char *title,
		    const struct mafs_top_sample *before,
		    const struct mafs_top_sample *now);
void mafs_top_text_done(struct mafs_top_text *text);
