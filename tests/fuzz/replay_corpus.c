// SPDX-License-Identifier: Apache-2.0
/*
 * main() of a fuzz target where there is no libFuzzer: gives it the empty
 * input and then each file of the directories and files named, so that every
 * input that once crashed is tried with every compiler.
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes);

static size_t n_inputs;

static int run_file(const char *path, size_t len_bytes)
{
	uint8_t *bytes = malloc(len_bytes ? len_bytes : 1);
	FILE *file = fopen(path, "rb");
	int r = 0;

	if (!bytes || !file || fread(bytes, 1, len_bytes, file) != len_bytes) {
		fprintf(stderr, "%s: cannot be read\n", path);
		r = 1;
	} else {
		fprintf(stderr, "%s\n", path);
		LLVMFuzzerTestOneInput(bytes, len_bytes);
		n_inputs++;
	}
	if (file)
		fclose(file);
	free(bytes);
	return r;
}

static int run(const char *path)
{
	struct dirent **entries;
	struct stat st;
	int n, r = 0;

	if (stat(path, &st) < 0) {
		if (errno == ENOENT)
			return 0;
		perror(path);
		return 1;
	}
	if (!S_ISDIR(st.st_mode))
		return run_file(path, (size_t)st.st_size);

	n = scandir(path, &entries, NULL, alphasort);
	if (n < 0) {
		perror(path);
		return 1;
	}
	for (int i = 0; i < n; i++) {
		char *child;

		if (entries[i]->d_name[0] != '.' &&
		    asprintf(&child, "%s/%s", path, entries[i]->d_name) >= 0) {
			r |= run(child);
			free(child);
		}
		free(entries[i]);
	}
	free(entries);
	return r;
}

int main(int argc, char **argv)
{
	int r = 0;

	LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
	n_inputs++;
	for (int i = 1; i < argc; i++)
		r |= run(argv[i]);
	fprintf(stderr, "%zu inputs\n", n_inputs);
	return r;
}
