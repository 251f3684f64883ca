#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A real tree on memory volumes: copied in, renamed, thinned out until what is
free lies in pieces, and the same as on a plain file system all along."""

import os
import random
import shutil
import stat
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../harness"))
from mafs import Volume
from memory import KINDS, MemoryVolume, in_memory
from runner import main, scale
from tree import assert_same, block, manifest
from work import run, wait_for

KIB, MIB = 1 << 10, 1 << 20
SOURCE = "/usr"
# Each is flushed to the disk before DIR is compared.
N_TIERED = scale(1000, 20000)
N_FILES = int(os.environ.get("MAFS_TEST_FILES", scale(2000, 20000)))


def some_names(top, n_files):
    """Of so many small files, and of all else that is met on the way; and how
    many these are."""
    names, n_found = [], 0
    for directory, below, files in os.walk(top):
        below.sort()
        names.append(os.path.relpath(directory, top))
        for name in sorted(files):
            path = os.path.join(directory, name)
            st = os.lstat(path)
            if stat.S_ISREG(st.st_mode):
                if st.st_size > 64 * KIB:
                    continue
                n_found += 1
            names.append(os.path.relpath(path, top))
            if n_found == n_files:
                return names, n_found
    return names, n_found


class Sides:
    """Two directories that get the same."""

    def __init__(self, *tops):
        self.tops = tops
        self.rng = random.Random(8)

    def copy_in(self, top, n_files, listing):
        """A tree with fewer files comes again and again."""
        k = 0
        while n_files > 0:
            names, n_found = some_names(top, n_files)
            with open(listing, "wb") as out:
                out.write(b"\0".join(map(os.fsencode, names)))
            for side in self.tops:
                copy = os.path.join(side, f"copy-{k}")
                os.mkdir(copy)
                run(["sh", "-c", 'tar -C "$1" --null --no-recursion -T "$2" '
                     '-c | tar -C "$3" -xp', "sh", top, listing, copy],
                    timeout=3600)
            n_files, k = n_files - n_found, k + 1

    def found(self, keep):
        """Names that keep(path) wants, those of the first side."""
        top = self.tops[0]
        return [os.path.relpath(os.path.join(directory, name), top)
                for directory, below, files in sorted(os.walk(top))
                for name in sorted(below + files)
                if keep(os.path.join(directory, name))]

    def rename_some(self):
        """Every eighth name; directories with all that they hold."""
        for name in self.found(os.path.lexists):
            if self.rng.random() < 1 / 8 and os.path.lexists(
                    os.path.join(self.tops[0], name)):
                for side in self.tops:
                    path = os.path.join(side, name)
                    os.rename(path, path + "~")

    def thin_out(self):
        """Every other file goes."""
        for name in self.found(os.path.isfile):
            if self.rng.random() < 1 / 2:
                for side in self.tops:
                    os.unlink(os.path.join(side, name))

    def write(self, name, at, content):
        for side in self.tops:
            fd = os.open(os.path.join(side, name), os.O_WRONLY | os.O_CREAT)
            assert os.pwrite(fd, content, at) == len(content)
            os.close(fd)

    def date(self):
        """What was changed on one side, then on the other, has one time."""
        for name in [*self.found(os.path.isdir), "large"]:
            for side in self.tops:
                os.utime(os.path.join(side, name), (1, 1),
                         follow_symlinks=False)

    def same(self, when):
        left, right = (manifest(side) for side in self.tops)
        # A directory's link count is its file system's own affair.
        assert_same(left, right, what=f"{when}: ")


def fill_the_gaps(sides, vol, name):
    """One file in what is free, but for a few MiB."""
    at = 0
    while vol.free_bytes() > 4 * MIB:
        for _ in range(8):
            sides.write(name, at, block(at, 256 * KIB))
            at += 256 * KIB
    os.sync()


def tree_on(work, kind):
    os.mkdir(work.join("plain"))
    # Units of memfd are of 64 KiB.
    size = scale("192M", "2G") if kind == "memfd" else scale("48M", "192M")
    vol = MemoryVolume(in_memory(work, "1G"), kind, size=size,
                       unit="4K").mount()
    free = vol.free_bytes()
    sides = Sides(work.join("plain"), vol.mnt)
    sides.copy_in(SOURCE, N_FILES, work.join("names"))
    sides.same("copied in")
    sides.rename_some()
    sides.thin_out()
    fill_the_gaps(sides, vol, "large")
    sides.date()
    n_extents = vol.n_extents(os.path.join(vol.mnt, "large"))
    sides.same("in pieces")
    if kind != "memfd":  # whose bytes are its daemon's alone
        vol.fsck()
        vol.umount()
        vol.fsck()
        vol.mount()
        sides.same("after another mount")
    for name in os.listdir(vol.mnt):
        run(["rm", "-rf", os.path.join(vol.mnt, name)])
    vol.wait_for_free(free)
    vol.umount()
    if kind != "memfd":
        vol.fsck()
    shutil.rmtree(work.join("plain"))
    print(f"tree: kind={kind} files={N_FILES} extents={n_extents}",
          flush=True)
    assert n_extents > scale(100, 1000), n_extents


def pieces_of(path):
    """Runs of bytes between holes."""
    with open(path, "rb") as source:
        fd, at, n = source.fileno(), 0, 0
        while True:
            try:
                at = os.lseek(fd, at, os.SEEK_DATA)
            except OSError:
                return n
            at = os.lseek(fd, at, os.SEEK_HOLE)
            n += 1


def is_empty(vol):
    """No file has bytes in memory, or waits to have them."""
    status = vol.status()
    return not any(status[what] for what in
                   ("n_dirty", "n_hot", "hot_bytes", "reserved_bytes"))


def test_a_tree_in_a_tiered_volume(work):
    """The same with memory over a directory; tmpfs has pages, not extents, so
    the large file is of many pieces."""
    os.mkdir(work.join("plain"))
    vol = Volume(work, memory=scale("tmpfs:128M", "tmpfs:1G")).mount()
    sides = Sides(work.join("plain"), vol.mnt)
    sides.copy_in(SOURCE, N_TIERED, work.join("names"))
    sides.same("copied in")
    sides.rename_some()
    sides.thin_out()
    for i in range(1200):
        sides.write("large", i * 16384, block(i, 5000))
    sides.date()
    sides.same("in pieces")
    n_pieces = pieces_of(os.path.join(vol.mnt, "large"))
    assert n_pieces > 1000, n_pieces
    vol.umount()
    run(["mafs", "fsck", vol.dir])
    assert_same(manifest(sides.tops[0]), manifest(vol.dir), what="in DIR: ")
    vol.mount()
    sides.same("after another mount")
    for name in os.listdir(vol.mnt):
        run(["rm", "-rf", os.path.join(vol.mnt, name)])
    wait_for(lambda: is_empty(vol), 30, "the memory to be free")
    vol.umount()
    assert os.listdir(vol.dir) == [".mafs"]
    run(["mafs", "fsck", vol.dir])
    shutil.rmtree(work.join("plain"))
    print(f"tree: kind=tmpfs files={N_TIERED} pieces={n_pieces}", flush=True)


def test_a_tree_is_whole_until_it_is_gone(work):
    for kind in KINDS:
        tree_on(work.sub(kind), kind)


if __name__ == "__main__":
    main()
