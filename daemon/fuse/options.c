// SPDX-License-Identifier: Apache-2.0
/*
 * Reads the command line: `mafs mount` writes it, seldom a person. Words of -o
 * that mean nothing to a FUSE mount (the times of access are N's business) are
 * taken silently, unknown ones are refused.
 */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <mafs/cleanup.h>
#include <mafs/device.h>
#include <stdlib.h>
#include <string.h>

const char mafsd_command_line_help[] =
	"Usage: mafs-fused [OPTION]... SOURCE MNT\n"
	"       mafs-fused [OPTION]... --shadow DIR MNT\n"
	"       mafs-fused --offline DIR\n"
	"\n"
	"The daemon behind a mafs mount; `mafs mount` starts it. SOURCE is a\n"
	"directory, or the memory device of a memory volume: file:PATH,\n"
	"memfd:SIZE, dax:/dev/daxX.Y.\n"
	"\n"
	"  --foreground     stay in the foreground, messages on standard error\n"
	"  --ready-fd N     write \"ready\" to this descriptor when the mount\n"
	"                   answers, or else what is wrong\n"
	"  --memory SPEC    tmpfs[:SIZE][,mpol=POLICY][,huge=WHEN]\n"
	"  -o WORDS         mount options, separated by commas: ro, nodev, dev,\n"
	"                   nosuid, suid, noexec, exec, noatime, allow_other,\n"
	"                   allow_root, io_uring, no_io_uring,\n"
	"                   device=SPEC (another device of a memory volume),\n"
	"                   role=auto|master|client,\n"
	"                   takeover (be its master instead of another),\n"
	"                   shared (the same as shared_dir=on),\n"
	"                   pressure=FILE, and for this mount settings of the\n"
	"                   volume:\n" MAFS_SETTINGS_HELP
	"  --shadow DIR     serve, for reading, the files that the descriptors in\n"
	"                   DIR tell of: mafs logplay --shadow DIR SPEC writes them\n"
	"  --offline        mount nothing: write back what a killed daemon left\n"
	"                   in memory, and exit\n"
	"  --help, --version\n"
	"\n"
	"Example:\n"
	"  mafs-fused --foreground --memory tmpfs:8G /data /mnt/fast\n";

/* Handed on to libfuse as they are. */
static const char *const handed_on[] = {
	"dev",    "nodev", "suid",    "nosuid",     "exec",
	"noexec", "async", "noatime", "nodiratime",
};

static const char *const silent[] = {
	"defaults",
	"rw",
	"atime",
	"diratime",
	"relatime",
	"norelatime",
	"strictatime",
	"nostrictatime",
	"lazytime",
	"nolazytime",
	"default_permissions",
};

static bool is_one_of(const char *word, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(word, list[i]))
			return true;
	return false;
}

static int append_word(struct mafsd_command_line *line, const char *word)
{
	char *longer;

	if (asprintf(&longer, "%s%s%s", line->words ? line->words : "",
		     line->words ? "," : "", word) < 0)
		return -ENOMEM;
	free(line->words);
	line->words = longer;
	return 0;
}

static int take_pressure(struct mafsd_command_line *line, const char *path)
{
	free(line->pressure_path);
	line->pressure_path = strdup(path);
	return line->pressure_path ? 0 : -ENOMEM;
}

/* Words that are a switch of ours. */
static bool take_switch(struct mafsd_command_line *line, const char *word)
{
	if (!strcmp(word, "ro"))
		line->read_only = true;
	else if (!strcmp(word, "allow_other"))
		line->allow_other = true;
	else if (!strcmp(word, "allow_root"))
		line->allow_root = true;
	else if (!strcmp(word, "takeover"))
		line->takeover = true;
	else if (!strcmp(word, "io_uring"))
		line->io_uring = MAFSD_WISH_YES;
	else if (!strcmp(word, "no_io_uring"))
		line->io_uring = MAFSD_WISH_NO;
	else
		return false;
	return true;
}

static int take_device(struct mafsd_command_line *line, const char *spec)
{
	char **devices = reallocarray(line->devices, line->n_devices + 1,
				      sizeof(*devices));

	if (!devices)
		return -ENOMEM;
	line->devices = devices;
	devices[line->n_devices] = strdup(spec);
	return devices[line->n_devices++] ? 0 : -ENOMEM;
}

static int take_role(struct mafsd_command_line *line, const char *role,
		     struct mafs_fault *fault)
{
	if (!strcmp(role, "client"))
		line->role = MAFS_ROLE_CLIENT;
	else if (!strcmp(role, "master"))
		line->role = MAFS_ROLE_MASTER;
	else if (!strcmp(role, "auto"))
		line->role = MAFS_ROLE_AUTO;
	else
		return mafs_fault_set(fault, -EINVAL,
				      "role=%s: write master, client or auto",
				      role);
	return 0;
}

static int take_word(struct mafsd_command_line *line, const char *word,
		     struct mafs_fault *fault)
{
	static const char pressure[] = "pressure=", device[] = "device=";
	int r;

	if (!*word || is_one_of(word, silent, MAFS_ARRAY_SIZE(silent)) ||
	    take_switch(line, word))
		return 0;
	if (is_one_of(word, handed_on, MAFS_ARRAY_SIZE(handed_on)))
		return append_word(line, word);
	if (!strncmp(word, pressure, sizeof(pressure) - 1))
		return take_pressure(line, word + sizeof(pressure) - 1);
	if (!strncmp(word, "role=", 5))
		return take_role(line, word + 5, fault);
	if (!strncmp(word, device, sizeof(device) - 1))
		return take_device(line, word + sizeof(device) - 1);
	if (!strcmp(word, "shared"))
		word = "shared_dir=on";
	r = mafs_settings_take(&line->settings, word, fault);
	if (r != 0)
		return r < 0 ? r : 0;
	return mafs_fault_set(fault, -EINVAL,
			      "unknown mount option %s; see mafs-fused --help",
			      word);
}

static int take_words(struct mafsd_command_line *line, const char *text,
		      struct mafs_fault *fault)
{
	_cleanup_free_ char *copy = strdup(text);
	char *rest = copy, *word;
	int r = 0;

	if (!copy)
		return -ENOMEM;
	while (r == 0 && (word = strsep(&rest, ",")))
		r = take_word(line, word, fault);
	return r;
}

static int take_ready_fd(struct mafsd_command_line *line, const char *text,
			 struct mafs_fault *fault)
{
	char *end;
	long number = strtol(text, &end, 10);

	if (end == text || *end || number < 0 || number > INT_MAX)
		return mafs_fault_set(fault, -EINVAL,
				      "--ready-fd %s: not a descriptor", text);
	line->ready_fd = (int)number;
	return 0;
}

/* A missing directory is told by mafsd_start() or the mount in its own words,
 * but the path must not depend on where we are. */
static int take_path(const char *path, char **ret, struct mafs_fault *fault)
{
	*ret = realpath(path, NULL);
	if (!*ret)
		return mafs_fault_set(fault, -errno, "%s: %s", path,
				      strerror(errno));
	return 0;
}

/* A directory, or the spec of a memory device. */
static int take_source(const char *source, struct mafsd_command_line *line,
		       struct mafs_fault *fault)
{
	line->is_memory_volume = mafs_device_spec_is(source);
	if (!line->is_memory_volume)
		return take_path(source, &line->source, fault);
	return mafs_device_spec_absolute(source, &line->source, fault);
}

/* Its devices are those that the descriptors name. */
static int take_shadow(struct mafsd_command_line *line, int n, char **paths,
		       struct mafs_fault *fault)
{
	char *dir = NULL;
	int r;

	if (n != 1)
		return mafs_fault_set(fault, -EINVAL,
				      "--shadow DIR wants where to mount it");
	r = take_path(line->shadow, &dir, fault);
	if (r < 0)
		return r;
	free(line->shadow);
	line->shadow = dir;
	line->is_memory_volume = true;
	line->source = strdup(dir);
	return line->source ? take_path(paths[0], &line->mountpoint, fault) :
			      -ENOMEM;
}

static int take_paths(struct mafsd_command_line *line, int n, char **paths,
		      struct mafs_fault *fault)
{
	int r;

	if (line->help || line->version)
		return 0;
	if (line->shadow)
		return take_shadow(line, n, paths, fault);
	if (n != (line->offline ? 1 : 2))
		return mafs_fault_set(fault, -EINVAL,
				      line->offline ?
					      "--offline wants one directory" :
					      "name the directory to serve and "
					      "where to mount it");
	r = take_source(paths[0], line, fault);
	if (r < 0)
		return r;
	if (!line->offline)
		return take_path(paths[1], &line->mountpoint, fault);
	line->mountpoint = strdup("");
	return line->mountpoint ? 0 : -ENOMEM;
}

static int take_option(struct mafsd_command_line *line, int c, char **argv,
		       struct mafs_fault *fault)
{
	switch (c) {
	case 'f':
		line->foreground = true;
		return 0;
	case 'r':
		return take_ready_fd(line, optarg, fault);
	case 'm':
		return mafs_memory_spec_parse(optarg, &line->memory, fault);
	case 'o':
		return take_words(line, optarg, fault);
	case 's':
		free(line->shadow);
		line->shadow = strdup(optarg);
		return line->shadow ? 0 : -ENOMEM;
	case 'O':
		line->offline = true;
		return 0;
	case 'h':
		line->help = true;
		return 0;
	case 'V':
		line->version = true;
		return 0;
	case ':':
		return mafs_fault_set(fault, -EINVAL, "%s wants a value",
				      argv[optind - 1]);
	default:
		return mafs_fault_set(fault, -EINVAL, "unknown option %s",
				      argv[optind - 1]);
	}
}

int mafsd_command_line_read(int argc, char **argv,
			    struct mafsd_command_line *ret,
			    struct mafs_fault *fault)
{
	static const struct option options[] = {
		{ "foreground", no_argument, NULL, 'f' },
		{ "ready-fd", required_argument, NULL, 'r' },
		{ "memory", required_argument, NULL, 'm' },
		{ "shadow", required_argument, NULL, 's' },
		{ "offline", no_argument, NULL, 'O' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ 0 },
	};
	int c, r;

	*ret = (struct mafsd_command_line){ .ready_fd = -1 };
	r = mafs_memory_spec_parse("tmpfs", &ret->memory, fault);
	while (r == 0 &&
	       (c = getopt_long(argc, argv, ":o:hV", options, NULL)) != -1)
		r = take_option(ret, c, argv, fault);
	if (r == 0)
		r = take_paths(ret, argc - optind, argv + optind, fault);
	return r;
}

void mafsd_command_line_done(struct mafsd_command_line *line)
{
	free(line->source);
	free(line->mountpoint);
	free(line->pressure_path);
	free(line->words);
	free(line->shadow);
	for (size_t i = 0; i < line->n_devices; i++)
		free(line->devices[i]);
	free(line->devices);
}
