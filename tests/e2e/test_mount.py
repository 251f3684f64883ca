#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a mount is to those who use it: its options, its borders, its end."""

import errno
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../harness"))
from mafs import Volume
from runner import main, needs
from tree import read_file, write_file
from work import as_user, fails, process_gone, run, wait_for


@needs("mafs")
def test_mount_point_below_the_directory_by_a_symlink(work):
    os.makedirs(work.join("dir/below"))
    os.symlink(work.join("dir/below"), work.join("link"))
    done = run(["mafs", "mount", work.join("dir"), work.join("link")],
               check=False)
    assert done.returncode != 0 and len(done.stderr.splitlines()) == 1
    assert not list(work.processes()) and not work.mounted()


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
def test_plain_umount_brings_everything_down(vol):
    write_file(f"{vol.mnt}/f", b"x" * 100000)
    run(["umount", vol.mnt])
    wait_for(lambda: os.path.getsize(f"{vol.dir}/f") == 100000, 30)
    wait_for(lambda: process_gone(vol.pid), 30, "the daemon's end")
    assert read_file(f"{vol.dir}/f") == b"x" * 100000


if __name__ == "__main__":
    main()
