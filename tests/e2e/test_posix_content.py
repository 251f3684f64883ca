#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holes, preallocation, server-side copy, mappings, locks, statfs."""

import errno
import fcntl
import mmap
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../harness"))
from mafs import prepared
from runner import main
from syscalls import (FALLOC_COLLAPSE_RANGE, FALLOC_KEEP_SIZE,
                      FALLOC_PUNCH_HOLE, FALLOC_ZERO_RANGE, fallocate,
                      flock_probe)
from tree import block, read_file, write_file
from work import as_user, fails

PAGE = 4096


def opened(path, flags=os.O_RDWR | os.O_CREAT):
    return os.open(path, flags, 0o644)


def test_fallocate_grows_with_zeros(d):
    fd = opened(f"{d}/f")
    os.write(fd, b"begin")
    fallocate(fd, 0, 0, 100000)
    assert os.fstat(fd).st_size == 100000
    assert os.fstat(fd).st_blocks * 512 >= 100000
    assert os.pread(fd, 200000, 0) == b"begin" + bytes(99995)
    os.close(fd)


def test_fallocate_keeps_the_size(d):
    fd = opened(f"{d}/f")
    os.write(fd, b"begin")
    fallocate(fd, FALLOC_KEEP_SIZE, 0, 1 << 20)
    assert os.fstat(fd).st_size == 5
    os.close(fd)
    assert read_file(f"{d}/f") == b"begin"


def test_punched_hole_reads_zeros(d):
    content = bytearray(block(1, 20 * PAGE))
    write_file(f"{d}/f", content)
    fd = opened(f"{d}/f")
    fallocate(fd, FALLOC_PUNCH_HOLE | FALLOC_KEEP_SIZE, 1000, 5 * PAGE)
    content[1000:1000 + 5 * PAGE] = bytes(5 * PAGE)
    assert os.pread(fd, 30 * PAGE, 0) == content
    assert os.fstat(fd).st_size == 20 * PAGE
    os.close(fd)


def test_zeroed_range_reads_zeros(d, oracle):
    outcomes = []
    for top in (d, oracle):
        write_file(f"{top}/f", block(1, 8 * PAGE))
        fd = opened(f"{top}/f")
        try:
            fallocate(fd, FALLOC_ZERO_RANGE, 100, 3 * PAGE)
            outcomes.append(0)
        except OSError as error:
            outcomes.append(error.errno)
        os.close(fd)
    assert outcomes[0] in (outcomes[1], errno.EOPNOTSUPP), outcomes
    if outcomes[0] == 0:
        assert read_file(f"{d}/f") == read_file(f"{oracle}/f")


def test_collapsing_works_or_says_no(d):
    write_file(f"{d}/f", block(1, 8 * PAGE))
    fd = opened(f"{d}/f")
    try:
        fallocate(fd, FALLOC_COLLAPSE_RANGE, 0, PAGE)
    except OSError as error:
        assert error.errno in (errno.EOPNOTSUPP, errno.EINVAL)
    else:
        assert os.pread(fd, 9 * PAGE, 0) == block(1, 8 * PAGE)[PAGE:]
    os.close(fd)


def holes(fd):
    """[(start, end)] of the data, as SEEK_DATA and SEEK_HOLE say."""
    found, position, size = [], 0, os.fstat(fd).st_size
    while position < size:
        try:
            begin = os.lseek(fd, position, os.SEEK_DATA)
        except OSError as error:
            assert error.errno == errno.ENXIO
            break
        position = os.lseek(fd, begin, os.SEEK_HOLE)
        found.append((begin, position))
    return found


def test_seek_finds_data_and_holes(d):
    fd = opened(f"{d}/f")
    os.ftruncate(fd, 1 << 20)
    os.pwrite(fd, b"data" * PAGE, 256 << 10)
    found = holes(fd)
    assert found, "no data found"
    assert found[0][0] <= 256 << 10
    assert found[-1][1] >= (256 << 10) + 4 * PAGE
    assert sum(end - begin for begin, end in found) < 512 << 10
    assert os.lseek(fd, 0, os.SEEK_HOLE) == 0
    with fails(errno.ENXIO):
        os.lseek(fd, 2 << 20, os.SEEK_DATA)
    os.close(fd)


def test_sparse_file_stays_sparse_on_disk(vol):
    fd = opened(f"{vol.mnt}/f")
    os.pwrite(fd, b"a", 0)
    os.pwrite(fd, b"z", 32 << 20)
    os.close(fd)
    vol.umount()
    st = os.stat(f"{vol.dir}/f")
    assert st.st_size == (32 << 20) + 1
    assert st.st_blocks * 512 < 1 << 20
    assert read_file(f"{vol.dir}/f")[-2:] == b"\0z"


def test_copy_file_range(d):
    content = block(5, 300000)
    write_file(f"{d}/a", content)
    a, b = opened(f"{d}/a"), opened(f"{d}/b")
    copied = 0
    while copied < 250000:
        step = os.copy_file_range(a, b, 250000 - copied, 50000 + copied,
                                  100 + copied)
        assert step > 0
        copied += step
    assert os.copy_file_range(a, b, 100, 1 << 30, 0) == 0
    os.close(a)
    os.close(b)
    assert read_file(f"{d}/b") == bytes(100) + content[50000:]


def test_copy_between_cold_and_new_files(work):
    content = block(6, 200000)
    vol = prepared(work, {"cold": content})
    a, b = opened(f"{vol.mnt}/cold", os.O_RDONLY), opened(f"{vol.mnt}/new")
    while os.copy_file_range(a, b, 1 << 20) > 0:
        pass
    os.close(a)
    os.close(b)
    assert read_file(f"{vol.mnt}/new") == content
    vol.umount()
    assert read_file(f"{vol.dir}/new") == content


def test_shared_mapping_shows_and_stores(d):
    write_file(f"{d}/f", bytes(4 * PAGE))
    fd = opened(f"{d}/f")
    with mmap.mmap(fd, 4 * PAGE) as memory:
        memory[10:15] = b"store"
        assert os.pread(fd, 5, 10) == b"store"
        os.pwrite(fd, b"write", 2 * PAGE)
        assert memory[2 * PAGE:2 * PAGE + 5] == b"write"
        memory.flush()
        memory[3 * PAGE] = 7
    os.close(fd)
    assert read_file(f"{d}/f")[3 * PAGE] == 7
    assert read_file(f"{d}/f")[10:15] == b"store"


def test_two_mappings_see_each_other(d):
    write_file(f"{d}/f", bytes(PAGE))
    one, two = opened(f"{d}/f"), opened(f"{d}/f")
    with mmap.mmap(one, PAGE) as a, mmap.mmap(two, PAGE) as b:
        a[0:3] = b"one"
        assert b[0:3] == b"one"
        b[0:3] = b"two"
        assert a[0:3] == b"two"
    os.close(one)
    os.close(two)


def test_private_mapping_keeps_its_stores(d):
    write_file(f"{d}/f", b"original" * 1024)
    fd = opened(f"{d}/f", os.O_RDONLY)
    with mmap.mmap(fd, 8192, mmap.MAP_PRIVATE,
                   mmap.PROT_READ | mmap.PROT_WRITE) as memory:
        memory[:8] = b"my own b"
        assert memory[:16] == b"my own boriginal"
    os.close(fd)
    assert read_file(f"{d}/f")[:8] == b"original"


def test_mapping_needs_a_matching_open(d):
    write_file(f"{d}/f", bytes(PAGE))
    fd = opened(f"{d}/f", os.O_RDONLY)
    with fails(errno.EACCES):
        mmap.mmap(fd, PAGE, mmap.MAP_SHARED, mmap.PROT_WRITE)
    os.close(fd)


def test_mapping_stays_after_close_and_unlink(d):
    write_file(f"{d}/f", b"mapped" + bytes(PAGE))
    fd = opened(f"{d}/f")
    memory = mmap.mmap(fd, PAGE)
    os.close(fd)
    os.unlink(f"{d}/f")
    assert memory[:6] == b"mapped"
    memory[:6] = b"MAPPED"
    memory.flush()
    assert memory[:6] == b"MAPPED"
    memory.close()


def child_takes(lock):
    """Whether another process gets this lock: lock() raises if not."""
    try:
        as_user(lock, uid=0, gid=0)
        return True
    except OSError as error:
        assert error.errno in (errno.EAGAIN, errno.EACCES)
        return False


def test_flock_keeps_others_out(d):
    write_file(f"{d}/f", b"")

    def take(kind):
        fd = opened(f"{d}/f")
        fcntl.flock(fd, kind | fcntl.LOCK_NB)

    with open(f"{d}/f") as held:
        fcntl.flock(held, fcntl.LOCK_SH)
        assert child_takes(lambda: take(fcntl.LOCK_SH))
        assert not child_takes(lambda: take(fcntl.LOCK_EX))
        fcntl.flock(held, fcntl.LOCK_UN)
        assert child_takes(lambda: take(fcntl.LOCK_EX))


def test_record_locks_cover_their_ranges(d):
    write_file(f"{d}/f", bytes(100))

    def take(start, length):
        fcntl.lockf(opened(f"{d}/f"), fcntl.LOCK_EX | fcntl.LOCK_NB, length,
                    start)

    fd = opened(f"{d}/f")
    fcntl.lockf(fd, fcntl.LOCK_EX, 10, 20)
    assert child_takes(lambda: take(0, 20))
    assert child_takes(lambda: take(30, 10))
    assert not child_takes(lambda: take(29, 1))
    assert as_user(lambda: flock_probe(opened(f"{d}/f"), fcntl.F_WRLCK),
                   uid=0, gid=0) == fcntl.F_WRLCK
    other = opened(f"{d}/f")
    os.close(other)  # POSIX: closing any descriptor drops the locks
    assert child_takes(lambda: take(29, 1))
    os.close(fd)


def test_statfs_tells_of_the_disk(vol):
    up, down = os.statvfs(vol.mnt), os.statvfs(vol.dir)
    assert up.f_frsize * up.f_blocks == down.f_frsize * down.f_blocks
    assert up.f_namemax == down.f_namemax
    assert abs(up.f_frsize * up.f_bavail - down.f_frsize * down.f_bavail) \
        < 64 << 20
    assert up.f_files == down.f_files
    subprocess.run(["df", vol.mnt], check=True, stdout=subprocess.DEVNULL)


def test_fsync_and_friends_succeed(d):
    fd = opened(f"{d}/f")
    os.write(fd, b"x" * 10000)
    os.fdatasync(fd)
    os.fsync(fd)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    assert os.pread(fd, 2, 9999) == b"x"
    os.close(fd)
    directory = os.open(d, os.O_RDONLY)
    os.fsync(directory)
    os.close(directory)
    os.sync()


if __name__ == "__main__":
    main()
