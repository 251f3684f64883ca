#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Memory full: nobody notices. Disk full: said at write, nothing is lost."""

import errno
import mmap
import os
import random
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../harness"))
from mafs import MIB, Volume
from runner import main, needs, scale
from tree import block, read_file, sha256, write_file
from work import PLAIN, USER, Child, as_user

MEMORY = scale("tmpfs:32M", "tmpfs:256M")
LARGE = scale(96, 1024) * MIB
CHUNK = block(1, MIB)


def chunk(i):
    return i.to_bytes(8, "little") + CHUNK[8:]


def write_large(path, size=LARGE):
    with open(path, "wb", buffering=0) as out:
        for i in range(size // MIB):
            assert out.write(chunk(i)) == MIB


def assert_large(path, size=LARGE):
    assert os.stat(path).st_size == size
    with open(path, "rb", buffering=0) as source:
        for i in range(size // MIB):
            assert source.read(MIB) == chunk(i), f"{path}: MiB {i} is wrong"


def test_file_larger_than_memory(work):
    vol = Volume(work, memory=MEMORY).mount()
    write_large(f"{vol.mnt}/f")
    assert_large(f"{vol.mnt}/f")
    vol.umount()
    assert_large(f"{vol.dir}/f")


def test_memory_stays_within_its_size(work):
    if PLAIN:
        return
    vol = Volume(work, memory=MEMORY).mount()
    with open(f"{vol.mnt}/f", "wb", buffering=0) as out:
        for i in range(LARGE // MIB):
            out.write(chunk(i))
            if i % 16 == 0:
                memory = vol.status()["memory"]
                assert memory["used_bytes"] <= memory["size_bytes"], memory
    vol.umount()


def test_files_that_together_are_larger_than_memory(work):
    vol = Volume(work, memory=MEMORY).mount()
    count = LARGE // (4 * MIB)
    for i in range(count):
        write_large(f"{vol.mnt}/{i}", 4 * MIB)
    for i in range(count):
        assert_large(f"{vol.mnt}/{i}", 4 * MIB)
    vol.umount()
    for i in range(count):
        assert_large(f"{vol.dir}/{i}", 4 * MIB)


def test_spill_with_several_writers_and_a_reader(work):
    vol = Volume(work, memory=MEMORY).mount()
    n, size = 4, LARGE // 3
    files = [open(f"{vol.mnt}/{k}", "w+b", buffering=0) for k in range(n)]
    for i in range(size // MIB):
        for out in files:
            out.write(chunk(i))
        k, j = i % n, random.randrange(i + 1)
        assert os.pread(files[k].fileno(), MIB, j * MIB) == chunk(j)
    for out in files:
        out.close()
    for k in range(n):
        assert_large(f"{vol.mnt}/{k}", size // MIB * MIB)
    vol.umount()
    for k in range(n):
        assert_large(f"{vol.dir}/{k}", size // MIB * MIB)


def test_sparse_writes_that_fill_memory(work):
    """Backwards, with holes: what was spilled is found in the right place."""
    vol = Volume(work, memory=MEMORY).mount()
    count = LARGE // MIB
    with open(f"{vol.mnt}/f", "wb", buffering=0) as out:
        for i in reversed(range(0, count)):
            os.pwrite(out.fileno(), chunk(i), 2 * i * MIB)
    vol.umount()
    with open(f"{vol.dir}/f", "rb", buffering=0) as source:
        for i in range(count):
            assert os.pread(source.fileno(), MIB, 2 * i * MIB) == chunk(i), i
            hole = os.pread(source.fileno(), MIB, (2 * i + 1) * MIB)
            assert not any(hole), f"MiB {2 * i + 1} is no hole"
    assert os.stat(f"{vol.dir}/f").st_blocks * 512 < LARGE + 16 * MIB


def test_stores_to_a_file_larger_than_memory(work):
    vol = Volume(work, memory=MEMORY).mount()
    fd = os.open(f"{vol.mnt}/f", os.O_CREAT | os.O_RDWR)
    os.ftruncate(fd, LARGE)
    memory = mmap.mmap(fd, LARGE)
    for i in range(LARGE // MIB):
        memory[i * MIB:(i + 1) * MIB] = chunk(i)
    memory.close()
    os.close(fd)
    assert_large(f"{vol.mnt}/f")
    vol.umount()
    assert_large(f"{vol.dir}/f")


def test_pulling_more_than_fits(work):
    vol = Volume(work, memory=MEMORY)
    count = LARGE // (4 * MIB)
    for i in range(count):
        write_large(f"{vol.dir}/{i}", 4 * MIB)
    vol.mount()
    for i in range(count):
        vol.pull(f"{vol.mnt}/{i}")
        assert_large(f"{vol.mnt}/{i}", 4 * MIB)
    vol.umount()


@needs("mafs")
def test_killed_while_spilling(work):
    for i in range(scale(3, 20)):
        vol = Volume(work.sub(str(i)), memory=MEMORY).mount()
        counter = mmap.mmap(-1, 8)

        def writes():
            with open(f"{vol.mnt}/f", "wb", buffering=0) as out:
                for k in range(LARGE // MIB):
                    if out.write(chunk(k)) == MIB:
                        counter[:] = (k + 1).to_bytes(8, "little")

        child = Child(writes)
        time.sleep(random.uniform(0.02, 0.5))
        vol.kill()
        time.sleep(0.02)
        child.kill()
        vol.mount()
        acknowledged = int.from_bytes(counter[:], "little")
        vol.umount()
        with open(f"{vol.dir}/f", "rb", buffering=0) as source:
            for k in range(acknowledged):
                assert source.read(MIB) == chunk(k), \
                    f"MiB {k} of {acknowledged} that were acknowledged"


# The disk

def small_disk(work, kind="ext4", size="64M", memory="tmpfs:128M"):
    """A volume on a small disk whose root is the user's."""
    disk = work.disk(kind=kind, size=size)
    top = os.path.join(disk, "dir")
    os.mkdir(top)
    os.chown(top, USER, USER)
    return disk, Volume(work, source=top, memory=memory).mount()


def fill(path, start=0):
    """Append until an error; (MiB that were acknowledged whole, errno)."""
    fd = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    i = start
    try:
        while True:
            if os.write(fd, chunk(i)) != MIB:
                os.ftruncate(fd, (i - start) * MIB)
                return i - start, errno.ENOSPC
            i += 1
            if i > 1000:
                return i - start, 0
    except OSError as error:
        return i - start, error.errno
    finally:
        os.close(fd)


def reserve(disk):
    st = os.statvfs(disk)
    return (st.f_bfree - st.f_bavail) * st.f_frsize


def test_disk_full_is_said_at_write_and_nothing_is_lost(work):
    for kind in scale(("ext4",), ("ext4", "btrfs")):
        there = work.sub(kind)
        disk, vol = small_disk(there, kind,
                               {"ext4": "64M", "btrfs": "256M"}[kind],
                               "tmpfs:512M")
        reserved = reserve(disk)
        count, code = as_user(lambda vol=vol: fill(f"{vol.mnt}/f"))
        assert code == errno.ENOSPC, f"errno {code} after {count} MiB"
        assert count > 20, f"full after {count} MiB"
        vol.sync()
        st = os.statvfs(disk)
        assert st.f_bfree * st.f_frsize >= reserved - 128 * 1024, \
            "root's reserve was used"
        with open(f"{vol.mnt}/f", "rb", buffering=0) as source:
            for i in range(count):
                assert source.read(MIB) == chunk(i), f"MiB {i}"
        vol.umount()
        assert os.stat(f"{vol.dir}/f").st_size >= count * MIB
        with open(f"{vol.dir}/f", "rb", buffering=0) as source:
            for i in range(count):
                assert source.read(MIB) == chunk(i), f"MiB {i} in DIR"


def test_work_goes_on_after_room_was_made(work):
    _, vol = small_disk(work)
    as_user(lambda: write_large(f"{vol.mnt}/old", 16 * MIB))
    count, code = as_user(lambda: fill(f"{vol.mnt}/f"))
    assert code == errno.ENOSPC
    os.unlink(f"{vol.mnt}/old")
    vol.sync()
    more, code = as_user(lambda: fill(f"{vol.mnt}/f2"))
    assert more >= 12 and code == errno.ENOSPC, f"only {more} MiB more"
    vol.umount()
    with open(f"{vol.dir}/f2", "rb", buffering=0) as source:
        for i in range(more):
            assert source.read(MIB) == chunk(i)


def test_many_small_files_until_the_disk_is_full(work):
    _, vol = small_disk(work, size="24M")

    def create():
        for i in range(100000):
            try:
                write_file(f"{vol.mnt}/{i}", block(i, 6000))
            except OSError as error:
                assert error.errno == errno.ENOSPC
                try:
                    os.unlink(f"{vol.mnt}/{i}")
                except FileNotFoundError:
                    pass
                return i
        return None

    count = as_user(create)
    assert count and count > 500, count
    vol.umount()
    for i in range(count):
        assert read_file(f"{vol.dir}/{i}") == block(i, 6000), i


def test_rewriting_in_place_needs_no_room(work):
    """What is allocated on the disk already can be written when it is full."""
    _, vol = small_disk(work)
    as_user(lambda: write_large(f"{vol.mnt}/old", 8 * MIB))
    vol.sync()
    as_user(lambda: fill(f"{vol.mnt}/f"))

    def rewrite():
        fd = os.open(f"{vol.mnt}/old", os.O_WRONLY)
        for i in range(8):
            assert os.pwrite(fd, chunk(7 - i), i * MIB) == MIB
        os.fsync(fd)
        os.close(fd)

    as_user(rewrite)
    vol.umount()
    content = read_file(f"{vol.dir}/old")
    assert content == b"".join(chunk(7 - i) for i in range(8))


def test_statfs_counts_what_is_not_down_yet(work):
    disk, vol = small_disk(work)
    before = os.statvfs(vol.mnt)
    as_user(lambda: write_large(f"{vol.mnt}/f", 20 * MIB))
    after = os.statvfs(vol.mnt)
    used = (before.f_bavail - after.f_bavail) * after.f_frsize
    assert 18 * MIB <= used <= 24 * MIB, f"{used} bytes less are free"
    vol.sync()
    synced = os.statvfs(vol.mnt)
    used = (before.f_bavail - synced.f_bavail) * synced.f_frsize
    assert 18 * MIB <= used <= 24 * MIB, f"{used} bytes less after the sync"
    assert abs(synced.f_bavail - os.statvfs(disk).f_bavail) \
        * synced.f_frsize < 2 * MIB
    vol.umount()


def test_sparse_file_does_not_fill_the_disk(work):
    _, vol = small_disk(work)

    def sparse():
        fd = os.open(f"{vol.mnt}/f", os.O_CREAT | os.O_WRONLY)
        for i in range(10):
            os.pwrite(fd, chunk(i), i * 100 * MIB)
        os.close(fd)

    as_user(sparse)
    digest = sha256(f"{vol.mnt}/f")
    vol.umount()
    assert sha256(f"{vol.dir}/f") == digest
    assert os.stat(f"{vol.dir}/f").st_blocks * 512 < 12 * MIB


if __name__ == "__main__":
    main()
