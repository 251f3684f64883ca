#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""mafs mount and umount: options, and bad input, which gives one clear line,
an exit code that is not 0, and leaves nothing behind."""

import errno
import os
import re
import stat
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../harness"))
from mafs import Volume
from runner import main, needs
from tree import read_file, write_file
from work import (Skip, USER, as_user, fails, mounts, private_mounts,
                  process_gone, run, wait_for)


def state():
    """What a refused mount must not change."""
    daemons = subprocess.run(["pgrep", "-c", "mafs-fused"],
                             capture_output=True, text=True,
                             check=False).stdout.strip()
    run_dirs = os.listdir("/run/mafs") if os.path.isdir("/run/mafs") else []
    return sorted(point for point, _, _ in mounts()), run_dirs, daemons


def refused(*args, says=None, **more):
    """mafs with these arguments says why not, in one line."""
    before = state()
    done = run(["mafs", *args], check=False, timeout=60, **more)
    said = done.stderr.strip()
    assert done.returncode != 0, f"mafs {' '.join(args)} succeeded"
    assert len(said.splitlines()) == 1, f"not one line: {said!r}"
    assert "Sanitizer" not in said and len(said) < 500, said
    if says:
        assert re.search(says, said, re.I), f"{says!r} not in {said!r}"
    assert state() == before, f"left behind: {state()} after {before}"
    return said


def places(work):
    for name in ("dir", "mnt"):
        os.mkdir(work.join(name))
    return work.join("dir"), work.join("mnt")


@needs("mafs")
def test_missing_directory(work):
    _, mnt = places(work)
    refused("mount", work.join("none"), mnt, says="none")


@needs("mafs")
def test_directory_that_is_a_file(work):
    _, mnt = places(work)
    write_file(work.join("file"), b"")
    refused("mount", work.join("file"), mnt, says="director")


@needs("mafs")
def test_missing_mount_point(work):
    source, _ = places(work)
    refused("mount", source, work.join("none"), says="none")


@needs("mafs")
def test_mount_point_that_is_not_empty(work):
    source, mnt = places(work)
    write_file(f"{mnt}/precious", b"")
    refused("mount", source, mnt, says="empty")
    assert os.listdir(source) in ([], [".mafs"])


@needs("mafs")
def test_mount_point_that_is_mounted_already(work):
    source, mnt = places(work)
    run(["mount", "-t", "tmpfs", "other", mnt])
    refused("mount", source, mnt, says="mount")


@needs("mafs")
def test_mount_point_below_the_directory(work):
    source, _ = places(work)
    os.mkdir(f"{source}/below")
    refused("mount", source, f"{source}/below", says="below|inside|within|in ")


@needs("mafs")
def test_mount_point_below_the_directory_by_a_symlink(work):
    source, _ = places(work)
    os.mkdir(f"{source}/below")
    os.symlink(f"{source}/below", work.join("link"))
    refused("mount", source, work.join("link"))


@needs("mafs")
def test_volume_that_is_mounted_elsewhere(vol):
    other = vol.work.join("other")
    os.mkdir(other)
    said = refused("mount", vol.dir, other)
    assert str(vol.pid) in said or vol.mnt in said, said
    refused("mount", vol.dir, vol.mnt)
    write_file(f"{vol.mnt}/f", b"still works")
    vol.umount()


@needs("mafs")
def test_size_beyond_the_memory(work):
    source, mnt = places(work)
    refused("mount", "--memory", "tmpfs:900000G", source, mnt)


@needs("mafs")
def test_bad_memory(work):
    source, mnt = places(work)
    for memory in ("tmpfs:lots", "tmpfs:0", "tmpfs:-1G", "tmpfs:101%",
                   "cheese:1G", "", "tmpfs:1G,nonsense=1",
                   "tmpfs:99999999999999999999G"):
        refused("mount", "--memory", memory, source, mnt)


@needs("mafs")
def test_unknown_options(work):
    source, mnt = places(work)
    refused("mount", "--nonsense", source, mnt, says="nonsense")
    refused("mount", "-o", "nonsense", source, mnt, says="nonsense")
    refused("mount", "-o", "writeback_after=soon", source, mnt)
    refused("nonsense", says="nonsense")


@needs("mafs")
def test_too_few_and_too_many_arguments(work):
    source, mnt = places(work)
    refused("mount")
    refused("mount", source, mnt, mnt)
    refused("umount")


@needs("mafs")
def test_no_device(work):
    source, mnt = places(work)

    def go():
        run(["mount", "-t", "tmpfs", "none", "/dev"])
        os.mknod("/dev/null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
        os.chmod("/dev/null", 0o666)
        refused("mount", source, mnt, says="/dev/fuse")

    as_user(go, uid=0, gid=0, before=private_mounts)


@needs("mafs")
def test_user_without_permission(work):
    if os.stat("/dev/fuse").st_mode & 0o002:
        raise Skip("here users may use /dev/fuse")
    source, mnt = places(work)
    for path in (source, mnt):
        os.chown(path, USER, USER)
    os.mkdir(work.join("run"))
    os.chown(work.join("run"), USER, USER)
    environment = dict(os.environ, XDG_RUNTIME_DIR=work.join("run"))
    refused("mount", source, mnt, user=USER, group=USER, extra_groups=[],
            env=environment)


@needs("mafs")
def test_unreadable_directory(work):
    source, mnt = places(work)
    os.chmod(source, 0o700)
    os.chown(mnt, USER, USER)
    os.mkdir(work.join("run"))
    os.chown(work.join("run"), USER, USER)
    environment = dict(os.environ, XDG_RUNTIME_DIR=work.join("run"))
    refused("mount", source, mnt, user=USER, group=USER, extra_groups=[],
            env=environment)


@needs("mafs")
def test_size_beyond_the_cgroup(work):
    source, mnt = places(work)
    for top, name in (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
                      ("/sys/fs/cgroup", "memory.max")):
        group = f"{top}/mafs-test-{os.getpid()}"
        try:
            os.mkdir(group)
        except OSError:
            continue
        try:
            try:
                with open(f"{group}/{name}", "w") as limit:
                    limit.write(str(300 << 20))
            except OSError:
                continue

            def go():
                with open(f"{group}/cgroup.procs", "w") as procs:
                    procs.write(str(os.getpid()))
                refused("mount", "--memory", "tmpfs:1G", source, mnt)

            as_user(go, uid=0, gid=0)
            return
        finally:
            wait_for(lambda: not read_file(f"{group}/cgroup.procs"), 5)
            os.rmdir(group)
    raise Skip("needs a cgroup with a memory limit")


@needs("mafs")
def test_umount_of_what_is_not_mounted(work):
    _, mnt = places(work)
    refused("umount", mnt)
    refused("status", mnt)
    refused("sync", work.join("none"))


@needs("mafs")
def test_umount_while_in_use_says_so(vol):
    write_file(f"{vol.mnt}/f", b"bytes")
    with open(f"{vol.mnt}/f", "rb") as held:
        done = run(["mafs", "umount", vol.mnt], check=False)
        assert done.returncode != 0 and done.stderr.strip()
        assert vol.alive() and held.read() == b"bytes"
    vol.umount()


@needs("mafs")
def test_options_show_in_the_mount_table(work):
    vol = Volume(work).mount()
    with open("/proc/self/mountinfo") as table:
        line = next(x for x in table if f" {vol.mnt} " in x)
    options = line.split()[5].split(",")
    assert "nosuid" in options and "nodev" in options, line
    assert " fuse.mafs " in line, line
    vol.umount()


@needs("mafs")
def test_suid_and_dev_when_asked_for(work):
    vol = Volume(work, options="suid,dev,noatime").mount()
    with open("/proc/self/mountinfo") as table:
        line = next(x for x in table if f" {vol.mnt} " in x)
    options = line.split()[5].split(",")
    assert "nosuid" not in options and "nodev" not in options, line
    assert "noatime" in options, line
    vol.umount()


@needs("mafs")
def test_read_only(work):
    vol = Volume(work, options="ro")
    write_file(f"{vol.dir}/f", b"content")
    vol.mount()
    assert read_file(f"{vol.mnt}/f") == b"content"
    for change in (lambda: write_file(f"{vol.mnt}/g", b""),
                   lambda: os.unlink(f"{vol.mnt}/f"),
                   lambda: os.open(f"{vol.mnt}/f", os.O_WRONLY),
                   lambda: os.chmod(f"{vol.mnt}/f", 0o600)):
        with fails(errno.EROFS):
            change()
    vol.umount()


@needs("mafs")
def test_other_users_may_use_a_mount_of_root(vol):
    write_file(f"{vol.mnt}/f", b"open", 0o644)
    os.chmod(vol.mnt, 0o755)
    assert as_user(lambda: read_file(f"{vol.mnt}/f")) == b"open"
    vol.umount()


@needs("mafs")
def test_mounts_below_the_directory_show_empty(work):
    vol = Volume(work)
    os.mkdir(f"{vol.dir}/other")
    run(["mount", "-t", "tmpfs", "other", f"{vol.dir}/other"])
    write_file(f"{vol.dir}/other/f", b"of another file system")
    vol.mount()
    assert os.listdir(f"{vol.mnt}/other") == []
    vol.umount()
    run(["umount", f"{vol.dir}/other"])


@needs("mafs")
def test_mounted_and_unmounted_again_and_again(work):
    vol = Volume(work)
    for i in range(8):
        vol.mount()
        write_file(f"{vol.mnt}/{i}", b"%d" % i)
        vol.umount()
    assert all(read_file(f"{vol.dir}/{i}") == b"%d" % i for i in range(8))


@needs("mafs")
def test_umount_all(work):
    """In a private place, so that nobody else's mounts go away."""
    def go():
        os.makedirs("/run/mafs", exist_ok=True)
        run(["mount", "-t", "tmpfs", "none", "/run/mafs"])
        vols = [Volume(work.sub(str(i))).mount() for i in range(3)]
        for vol in vols:
            write_file(f"{vol.mnt}/f", b"in memory")
        run(["mafs", "umount", "--all"])
        for vol in vols:
            assert not vol.is_mounted()
            assert read_file(f"{vol.dir}/f") == b"in memory"
        run(["mafs", "umount", "--all"])

    as_user(go, uid=0, gid=0, before=private_mounts)


@needs("mafs")
def test_plain_umount_brings_everything_down(vol):
    write_file(f"{vol.mnt}/f", b"x" * 100000)
    run(["umount", vol.mnt])
    wait_for(lambda: os.path.getsize(f"{vol.dir}/f") == 100000, 30)
    wait_for(lambda: process_gone(vol.pid), 30, "the daemon's end")
    assert read_file(f"{vol.dir}/f") == b"x" * 100000


@needs("mafs")
def test_every_command_explains_itself():
    said = run(["mafs", "--help"]).stdout
    for command in ("mount", "umount", "logplay", "fsck", "log", "stat",
                    "status", "sync", "push", "pull"):
        assert command in said, command
        text = run(["mafs", command, "--help"]).stdout
        assert "usage" in text.lower() and len(text.splitlines()) > 3, command


if __name__ == "__main__":
    main()
