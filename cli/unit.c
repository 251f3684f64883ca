// SPDX-License-Identifier: Apache-2.0
/*
 * What a mount was asked for goes into drop-ins below /run, so that it lasts
 * for restarts of the daemon and no longer than the machine runs:
 *
 *	mafs@DIR.service.d/mount.conf		mount point, memory, options
 *	mafs-recover.service.d/DIR.conf		the disk below DIR stays mounted
 *						until what is left went down
 */
#include "unit.h"

#include "spawn.h"
#include "unit_name.h"
#include "where.h"

#include <errno.h>
#include <limits.h>
#include <mafs/cleanup.h>
#include <mafs/descriptor.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define SYSTEMD_RUNS "/run/systemd/system"
#define RECOVER_DIR SYSTEMD_RUNS "/mafs-recover.service.d"
#define NAME_LEN 256
#define QUOTED_LEN (2 * PATH_MAX)

/* ---- may it be used ---- */

static bool is_installed(void)
{
	char path[PATH_MAX + 64];
	ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - 1);
	char *slash;

	if (n <= 0)
		return false;
	path[n] = '\0';
	slash = strrchr(path, '/');
	strcpy(slash, "/../lib/systemd/system/mafs@.service");
	return access(path, R_OK) == 0;
}

/* systemd mounts where it is itself. */
static bool sees_our_mounts(void)
{
	struct stat ours, its;

	return stat("/proc/self/ns/mnt", &ours) == 0 &&
	       stat("/proc/1/ns/mnt", &its) == 0 && ours.st_ino == its.st_ino;
}

bool mafs_unit_usable(const struct mafs_mount_request *request)
{
	char name[NAME_LEN];

	return geteuid() == 0 && access(SYSTEMD_RUNS, F_OK) == 0 &&
	       is_installed() && sees_our_mounts() &&
	       mafs_name_is_printable(request->source) &&
	       mafs_name_is_printable(request->mountpoint) &&
	       mafs_unit_name("mafs@", request->source, ".service", name,
			      sizeof(name)) == 0;
}

/* ---- drop-ins ---- */

static int write_drop_in(const char *dir, const char *name, const char *text,
			 struct mafs_fault *fault)
{
	_cleanup_fclose_ FILE *file = NULL;
	char path[PATH_MAX];

	if (mkdir(dir, 0755) < 0 && errno != EEXIST)
		return mafs_fault_set(fault, -errno, "cannot make %s: %s", dir,
				      strerror(errno));
	if (snprintf(path, sizeof(path), "%s/%s", dir, name) >=
	    (int)sizeof(path))
		return -ENAMETOOLONG;
	file = fopen(path, "we");
	if (!file || fputs(text, file) == EOF || fflush(file) == EOF)
		return mafs_fault_set(fault, -errno, "cannot write %s: %s",
				      path, strerror(errno));
	return 0;
}

/* "name=value" in quotes, one line of the drop-in. */
static int add_variable(char **text, const char *name, const char *value)
{
	_cleanup_free_ char *both = NULL, *before = *text;
	char quoted[QUOTED_LEN];
	int r;

	*text = NULL;
	if (asprintf(&both, "%s=%s", name, value) < 0) {
		both = NULL;
		return -ENOMEM;
	}
	r = mafs_unit_quote(both, quoted, sizeof(quoted));
	if (r < 0)
		return r;
	if (asprintf(text, "%sEnvironment=%s\n", before, quoted) < 0) {
		*text = NULL;
		return -ENOMEM;
	}
	return 0;
}

static int write_mount(const struct mafs_mount_request *request,
		       const char *unit, struct mafs_fault *fault)
{
	_cleanup_free_ char *text = strdup("[Service]\n");
	char dir[NAME_LEN + 64];
	int r;

	if (!text)
		return -ENOMEM;
	r = add_variable(&text, "MAFS_MNT", request->mountpoint);
	if (r == 0)
		r = add_variable(&text, "MAFS_MEMORY",
				 request->memory ? request->memory : "tmpfs");
	if (r == 0)
		r = add_variable(&text, "MAFS_OPTIONS",
				 request->options ? request->options :
						    "defaults");
	if (r < 0)
		return r;
	(void)snprintf(dir, sizeof(dir), SYSTEMD_RUNS "/%s.d", unit);
	return write_drop_in(dir, "mount.conf", text, fault);
}

static int write_recover(const struct mafs_mount_request *request,
			 struct mafs_fault *fault)
{
	char disk[NAME_LEN], name[NAME_LEN], text[NAME_LEN + 64];
	struct mafs_mounts mounts = { 0 };
	const struct mafs_mount *mount;
	int r;

	r = mafs_mounts_read(NULL, &mounts);
	if (r < 0)
		return r;
	mount = mafs_where_mount(&mounts, request->source);
	r = mount ? mafs_unit_name("", mount->path, ".mount", disk,
				   sizeof(disk)) :
		    -ENOENT;
	mafs_mounts_done(&mounts);
	if (r == 0)
		r = mafs_unit_name("", request->source, ".conf", name,
				   sizeof(name));
	/* A disk whose unit cannot be named is unmounted when it likes. */
	if (r < 0)
		return 0;
	(void)snprintf(text, sizeof(text), "[Unit]\nAfter=%s\n", disk);
	return write_drop_in(RECOVER_DIR, name, text, fault);
}

/* ---- start and stop ---- */

static int systemctl(const char *verb, const char *option, const char *unit)
{
	const char *argv[] = { "systemctl", verb, option, unit, NULL };
	char said[256];

	return mafs_spawn(argv, said, sizeof(said));
}

static int fault_of_unit(const char *unit, struct mafs_fault *fault)
{
	const char *argv[] = { "systemctl", "show",
			       "--value",   "--property=StatusText",
			       unit,        NULL };
	char said[256];

	if (mafs_spawn_output(argv, said, sizeof(said)) == 0 && *said)
		return mafs_fault_set(fault, -EIO, "%s", said);
	return mafs_fault_set(fault, -EIO,
			      "%s did not start; systemctl status %s says why, "
			      "and mount --no-systemd goes without it",
			      unit, unit);
}

int mafs_unit_start(const struct mafs_mount_request *request,
		    struct mafs_fault *fault)
{
	char unit[NAME_LEN];
	int r;

	r = mafs_unit_name("mafs@", request->source, ".service", unit,
			   sizeof(unit));
	if (r == 0)
		r = write_mount(request, unit, fault);
	if (r == 0)
		r = write_recover(request, fault);
	if (r < 0)
		return r;
	r = systemctl("daemon-reload", "--quiet", NULL);
	if (r == 0) {
		/* Of one that was restarted too often. */
		(void)systemctl("reset-failed", "--quiet", unit);
		r = systemctl("start", "--quiet", unit);
	}
	return r == 0 ? 0 : fault_of_unit(unit, fault);
}

/* The last part of "0::/system.slice/.../mafs@srv-data.service". */
static bool unit_of(pid_t pid, char ret[static NAME_LEN])
{
	_cleanup_fclose_ FILE *file = NULL;
	char path[64], line[PATH_MAX];
	char *slash;

	(void)snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)pid);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		slash = strrchr(line, '/');
		if (slash && !strncmp(slash, "/mafs@", 6) &&
		    strlen(slash) <= NAME_LEN) {
			strcpy(ret, slash + 1);
			return true;
		}
	}
	return false;
}

void mafs_unit_stop(pid_t pid)
{
	char unit[NAME_LEN];

	if (unit_of(pid, unit))
		(void)systemctl("stop", "--no-block", unit);
}
