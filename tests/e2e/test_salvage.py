#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Bytes that cannot go where they belong are brought elsewhere, or given up
when somebody says so."""

import errno
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../harness"))
from mafs import MIB, Volume
from media import flip, live_log
from runner import main, needs
from tree import block, read_file, write_file
from work import PLAIN, run


def mafs(*words):
    return subprocess.run(["mafs", *words], capture_output=True, text=True)


def on_a_disk(work):
    """A volume with dirty files, on a disk that then takes nothing more."""
    disk = work.disk(size="64M")
    vol = Volume(work, source=f"{disk}/dir",
                 options="writeback_after=3600").mount()
    write_file(f"{vol.mnt}/clean", b"down already")
    write_file(f"{vol.mnt}/replaced", b"durable")
    vol.sync()
    os.mkdir(f"{vol.mnt}/d")
    write_file(f"{vol.mnt}/d/dirty", block(1, MIB), 0o640)
    os.chown(f"{vol.mnt}/d/dirty", 12, 34)
    os.utime(f"{vol.mnt}/d/dirty", ns=(1, 10**18 + 1))
    write_file(f"{vol.mnt}/new", block(2, MIB))
    os.rename(f"{vol.mnt}/new", f"{vol.mnt}/replaced")
    # As others fill a disk: not through the mount.
    with open(f"{disk}/filler", "wb", buffering=0) as filler:
        try:
            while True:
                filler.write(bytes(64 << 10))
        except OSError as error:
            assert error.errno == errno.ENOSPC, error
    return vol, disk


def assert_salvaged(out):
    st = os.stat(f"{out}/d/dirty")
    assert read_file(f"{out}/d/dirty") == block(1, MIB)
    assert (st.st_mode & 0o7777, st.st_uid, st.st_gid) == (0o640, 12, 34)
    assert st.st_mtime_ns == 10**18 + 1
    assert read_file(f"{out}/replaced") == block(2, MIB)
    assert sorted(os.listdir(out)) == ["d", "replaced"]


@needs("mkfs.ext4")
def test_umount_salvages_what_a_full_disk_refuses(work):
    if PLAIN:
        return
    vol, disk = on_a_disk(work)
    refused = mafs("umount", vol.mnt)
    assert refused.returncode == 1 and vol.is_mounted(), refused
    assert "dirty" in refused.stderr, refused.stderr
    out = work.join("out")
    done = mafs("umount", "--salvage", out, vol.mnt)
    assert done.returncode == 0, done.stderr
    assert not vol.is_mounted()
    assert_salvaged(out)
    assert not os.path.exists(f"{vol.run_dir}/memory/superblock")
    os.unlink(f"{disk}/filler")
    vol.mount()
    assert os.stat(f"{vol.mnt}/d/dirty").st_size in (0, MIB)
    vol.umount()


@needs("mkfs.ext4")
def test_umount_discards_when_told_to(work):
    if PLAIN:
        return
    vol, disk = on_a_disk(work)
    done = mafs("umount", "--discard", vol.mnt)
    assert done.returncode == 0, done.stderr
    os.unlink(f"{disk}/filler")
    vol.mount()
    assert read_file(f"{vol.mnt}/clean") == b"down already"
    # What was replaced by bytes that nobody has any more.
    assert read_file(f"{vol.mnt}/replaced") == b"durable"
    vol.umount()


def test_discard_writes_back_what_can_be(work):
    if PLAIN:
        return
    vol = Volume(work).mount()
    write_file(f"{vol.mnt}/f", b"left by a killed daemon")
    vol.kill()
    done = mafs("umount", "--discard", vol.dir)
    assert done.returncode == 0, done.stderr
    assert read_file(f"{vol.dir}/f") == b"left by a killed daemon"
    vol.mount()
    vol.umount()


def test_fsck_salvages_beside_a_dead_daemon(work):
    if PLAIN:
        return
    vol = Volume(work).mount()
    os.makedirs(f"{vol.mnt}/a/b")
    write_file(f"{vol.mnt}/a/b/f", b"in memory")
    write_file(f"{vol.mnt}/clean", b"down")
    vol.sync()
    write_file(f"{vol.mnt}/a/b/f", b"in memory, newer")
    vol.kill()
    out = work.join("out")
    done = mafs("fsck", "--salvage", out, vol.dir)
    assert done.returncode == 0, done.stderr
    assert read_file(f"{out}/a/b/f") == b"in memory, newer"
    assert sorted(os.listdir(out)) == ["a"]
    vol.mount()
    assert read_file(f"{vol.mnt}/a/b/f") == b"in memory, newer"
    vol.umount()


def test_fsck_salvages_without_a_log(work):
    """The log is corrupt: every memory file says itself what it is."""
    if PLAIN:
        return
    vol = Volume(work).mount()
    os.mkdir(f"{vol.mnt}/d")
    for i in range(20):
        write_file(f"{vol.mnt}/d/{i}", b"file %d" % i)
    vol.kill()
    path, batches = live_log(f"{vol.run_dir}/memory")
    flip(path, (batches[0][0] + batches[0][1]) // 2)
    out = work.join("out")
    mafs("fsck", "--salvage", out, vol.dir)
    for i in range(20):
        assert read_file(f"{out}/d/{i}") == b"file %d" % i
    refused = mafs("mount", vol.dir, vol.mnt)
    assert refused.returncode != 0
    done = mafs("umount", "--discard", vol.dir)
    assert done.returncode == 0, done.stderr


if __name__ == "__main__":
    main()
