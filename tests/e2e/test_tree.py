#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A tree of files unpacked, committed, built on, moved and deleted through the
mount: the same as on plain ext4, and the same in DIR afterwards."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../harness"))
from mafs import Volume
from runner import main, needs, scale
from tree import assert_same, differences, make_tree, manifest
from work import run
from workload import Workload, at_one_place


def pack(work, n_files):
    """An archive with one of everything."""
    source = work.join("source")
    os.mkdir(source)
    make_tree(source, n_files)
    archive = work.join("source.tar")
    run(["tar", "-C", source, "--format=posix", "--xattrs", "--acls",
         "--sort=name", "-cf", archive, "."])
    return archive


def steps(work, top, archive):
    with at_one_place(top, work.join("here")) as here:
        load = Workload(here, work.join("home"), archive)
        load.unpack("tree")
        load.git("tree")
        load.build_small("small")
        load.sqlite("db")
        load.move_and_delete("tree")


def compare(work, archive, steps, memory):
    """steps(work, top, archive) on a mount and on the plain file system."""
    vol = Volume(work, memory=memory, options="writeback_after=2").mount()
    steps(work, vol.mnt, archive)
    shown = manifest(vol.mnt)
    vol.umount()
    below = manifest(vol.dir)
    assert_same(shown, below, what="mount before, DIR after the umount: ")

    plain = work.join("plain")
    os.mkdir(plain)
    steps(work, plain, archive)
    wanted = manifest(plain)
    index = [path for path in wanted if path.endswith(".git/index")]
    for path in index:
        del wanted[path], below[path]
    assert_same(below, wanted, ignore=("mtime_ns",),
                what="on mafs, on plain ext4: ")
    unpacked = {path: said for path, said in wanted.items()
                if path.startswith("tree/") and "/.git" not in path
                and said["type"] != "dir" and path != "tree/a-new-file"}
    lines = differences({p: below[p] for p in unpacked}, unpacked)
    assert not lines, "what tar set: " + "; ".join(lines)


@needs("git", "gcc", "sqlite3")
def test_small_tree(work):
    compare(work, pack(work, scale(300, 3000)), steps, "tmpfs:128M")


@needs("git", "gcc", "sqlite3")
def test_small_tree_in_very_little_memory(work):
    compare(work, pack(work, 200), steps, "tmpfs:16M")


@needs("git", "gcc", "sqlite3")
def test_small_tree_on_other_file_systems(work):
    for kind in ("xfs", "btrfs"):
        there = work.sub(kind)
        disk = there.disk(kind=kind, size="400M")
        source = os.path.join(disk, "dir")
        os.mkdir(source)
        archive = pack(there, 120)
        vol = Volume(there, source=source).mount()
        steps(there, vol.mnt, archive)
        shown = manifest(vol.mnt)
        vol.umount()
        assert_same(shown, manifest(vol.dir), what=f"{kind}: ")


if __name__ == "__main__":
    main()
