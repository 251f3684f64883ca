#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Opening, reading, writing, appending, truncating: as on any file system."""

import errno
import mmap
import os
import resource
import shutil
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../harness"))
from mafs import prepared
from runner import main
from syscalls import link_fd
from tree import block, read_file, write_file
from work import Child, as_user, fails


def test_created_file_is_empty(d, n):
    os.close(os.open(f"{d}/f", os.O_CREAT | os.O_WRONLY, 0o640))
    st = os.stat(f"{d}/f")
    assert (st.st_size, st.st_nlink, st.st_mode & 0o777) == (0, 1, 0o640)
    assert os.path.exists(f"{n}/f")


def test_written_bytes_read_back(d):
    content = block(1, 3 * 1024 * 1024 + 17)
    write_file(f"{d}/f", content)
    assert read_file(f"{d}/f") == content
    assert os.stat(f"{d}/f").st_size == len(content)


def test_bytes_are_seen_through_another_open_file(d):
    with open(f"{d}/f", "wb", buffering=0) as out, \
            open(f"{d}/f", "rb", buffering=0) as source:
        for i in range(50):
            out.write(b"line %d\n" % i)
            assert source.read() == b"line %d\n" % i


def test_read_ends_at_the_end(d):
    write_file(f"{d}/f", b"12345")
    fd = os.open(f"{d}/f", os.O_RDONLY)
    assert os.pread(fd, 100, 3) == b"45"
    assert os.pread(fd, 100, 5) == b""
    assert os.pread(fd, 100, 1 << 40) == b""
    os.close(fd)


def test_overwrite_in_the_middle(d):
    content = bytearray(block(2, 300000))
    write_file(f"{d}/f", content)
    fd = os.open(f"{d}/f", os.O_RDWR)
    for offset, length in ((0, 1), (4095, 2), (100001, 70000), (299999, 1)):
        new = block(offset, length)
        assert os.pwrite(fd, new, offset) == length
        content[offset:offset + length] = new
    assert os.pread(fd, 400000, 0) == content
    os.close(fd)


def test_write_past_the_end_leaves_zeros(d):
    fd = os.open(f"{d}/f", os.O_CREAT | os.O_RDWR)
    os.pwrite(fd, b"a", 0)
    os.pwrite(fd, b"z", 100000)
    assert os.pread(fd, 200000, 0) == b"a" + bytes(99999) + b"z"
    os.close(fd)


def test_append_goes_to_the_end(d):
    write_file(f"{d}/f", b"begin")
    one = os.open(f"{d}/f", os.O_WRONLY | os.O_APPEND)
    two = os.open(f"{d}/f", os.O_WRONLY | os.O_APPEND)
    os.write(one, b"1")
    os.write(two, b"22")
    os.lseek(one, 0, os.SEEK_SET)
    os.write(one, b"333")
    os.close(one)
    os.close(two)
    assert read_file(f"{d}/f") == b"begin122333"


def test_appenders_in_parallel_lose_nothing(d):
    def append(who):
        fd = os.open(f"{d}/log", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        for i in range(200):
            os.write(fd, b"%d %06d\n" % (who, i))

    for child in [Child(lambda who=who: append(who)) for who in range(4)]:
        child.wait()
    lines = read_file(f"{d}/log").splitlines()
    assert sorted(lines) == sorted(b"%d %06d" % (who, i) for who in range(4)
                                   for i in range(200))


def test_truncate_cuts_and_grows(d):
    write_file(f"{d}/f", b"x" * 10000)
    os.truncate(f"{d}/f", 5)
    assert read_file(f"{d}/f") == b"xxxxx"
    os.truncate(f"{d}/f", 8)
    assert read_file(f"{d}/f") == b"xxxxx\0\0\0"
    fd = os.open(f"{d}/f", os.O_RDWR)
    os.ftruncate(fd, 0)
    assert os.fstat(fd).st_size == 0
    os.close(fd)


def test_truncate_then_grow_shows_no_old_bytes(d):
    write_file(f"{d}/f", b"secret" * 2000)
    os.truncate(f"{d}/f", 100)
    os.truncate(f"{d}/f", 12000)
    assert read_file(f"{d}/f")[100:] == bytes(11900)


def test_truncated_at_open(d):
    write_file(f"{d}/f", b"old" * 1000)
    with open(f"{d}/f", "wb", buffering=0) as out:
        assert os.stat(f"{d}/f").st_size == 0
        out.write(b"new")
    assert read_file(f"{d}/f") == b"new"


def test_truncate_of_what_is_no_file_fails(d):
    os.mkdir(f"{d}/dir")
    with fails(errno.EISDIR):
        os.truncate(f"{d}/dir", 0)
    with fails(errno.ENOENT):
        os.truncate(f"{d}/none", 0)
    write_file(f"{d}/f", b"")
    with fails(errno.EINVAL):
        os.truncate(f"{d}/f", -1)


def test_exclusive_create_fails_on_what_exists(d):
    write_file(f"{d}/f", b"kept")
    os.symlink("nowhere", f"{d}/dangling")
    for name in ("f", "dangling"):
        with fails(errno.EEXIST):
            os.open(f"{d}/{name}", os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    assert read_file(f"{d}/f") == b"kept"


def test_open_errors(d):
    os.mkdir(f"{d}/dir")
    write_file(f"{d}/f", b"")
    os.symlink("loop", f"{d}/loop")
    for path, flags, number in (
            ("none", os.O_RDONLY, errno.ENOENT),
            ("dir", os.O_WRONLY, errno.EISDIR),
            ("f/below", os.O_RDONLY, errno.ENOTDIR),
            ("f", os.O_RDONLY | os.O_DIRECTORY, errno.ENOTDIR),
            ("loop", os.O_RDONLY, errno.ELOOP),
            ("x" * 256, os.O_RDONLY, errno.ENAMETOOLONG)):
        with fails(number):
            os.open(f"{d}/{path}", flags)


def test_wrong_way_of_access_fails(d):
    write_file(f"{d}/f", b"x")
    reader = os.open(f"{d}/f", os.O_RDONLY)
    writer = os.open(f"{d}/f", os.O_WRONLY)
    with fails(errno.EBADF):
        os.write(reader, b"y")
    with fails(errno.EBADF):
        os.read(writer, 1)
    os.close(reader)
    os.close(writer)


def test_unlinked_file_lives_until_closed(d, n):
    fd = os.open(f"{d}/f", os.O_CREAT | os.O_RDWR)
    os.write(fd, b"before")
    os.unlink(f"{d}/f")
    os.pwrite(fd, b"after", 6)
    assert os.pread(fd, 100, 0) == b"beforeafter"
    st = os.fstat(fd)
    assert (st.st_nlink, st.st_size) == (0, 11)
    os.fchmod(fd, 0o600)
    os.ftruncate(fd, 3)
    assert os.pread(fd, 100, 0) == b"bef"
    os.close(fd)
    assert os.listdir(d) == [] and os.listdir(n) == []


def test_unlinked_existing_file_lives_until_closed(work):
    vol = prepared(work, {"f": b"on the disk"})
    fd = os.open(f"{vol.mnt}/f", os.O_RDWR)
    os.unlink(f"{vol.mnt}/f")
    os.pwrite(fd, b"ON", 0)
    assert os.pread(fd, 100, 0) == b"ON the disk"
    assert os.fstat(fd).st_nlink == 0
    os.close(fd)
    vol.umount()


def test_tmpfile_has_no_name_until_linked(d):
    fd = os.open(d, os.O_TMPFILE | os.O_RDWR, 0o600)
    os.write(fd, b"nameless")
    assert os.listdir(d) == [] and os.fstat(fd).st_nlink == 0
    link_fd(fd, f"{d}/named")
    os.write(fd, b" no more")
    os.close(fd)
    assert read_file(f"{d}/named") == b"nameless no more"
    assert os.stat(f"{d}/named").st_nlink == 1


def test_tmpfile_never_linked_leaves_nothing(d, n):
    fd = os.open(d, os.O_TMPFILE | os.O_RDWR, 0o600)
    os.write(fd, b"x" * 100000)
    assert os.pread(fd, 5, 99998) == b"xx"
    os.close(fd)
    assert os.listdir(n) == []


def test_direct_io_reads_and_writes(d):
    page = mmap.mmap(-1, 8192)
    page.write(block(3, 8192))
    fd = os.open(f"{d}/f", os.O_CREAT | os.O_RDWR | os.O_DIRECT)
    assert os.pwritev(fd, [page], 0) == 8192
    back = mmap.mmap(-1, 8192)
    assert os.preadv(fd, [back], 0) == 8192
    assert back[:] == page[:]
    os.close(fd)
    assert read_file(f"{d}/f") == page[:]
    fd = os.open(f"{d}/f", os.O_RDONLY | os.O_DIRECT)
    assert os.preadv(fd, [back], 4096) == 4096
    assert back[:4096] == page[4096:]
    os.close(fd)


def test_vectors_and_sendfile(d):
    fd = os.open(f"{d}/f", os.O_CREAT | os.O_RDWR)
    assert os.writev(fd, [b"one", b"two", b"three" * 1000]) == 5006
    to = os.open(f"{d}/g", os.O_CREAT | os.O_WRONLY)
    sent = 0
    while sent < 5006:
        sent += os.sendfile(to, fd, sent, 5006 - sent)
    os.close(to)
    os.close(fd)
    assert read_file(f"{d}/g") == b"onetwo" + b"three" * 1000


def test_deep_offsets(d):
    fd = os.open(f"{d}/f", os.O_CREAT | os.O_RDWR)
    os.pwrite(fd, b"far", 5 << 30)
    assert os.fstat(fd).st_size == (5 << 30) + 3
    assert os.pread(fd, 10, 5 << 30) == b"far"
    assert os.pread(fd, 10, 4 << 30) == bytes(10)
    assert os.fstat(fd).st_blocks * 512 < 16 << 20
    os.close(fd)
    os.unlink(f"{d}/f")


def test_write_past_the_size_limit_fails(d):
    def limited():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (10000, 10000))
        fd = os.open(f"{d}/f", os.O_CREAT | os.O_WRONLY)
        assert os.write(fd, bytes(20000)) == 10000
        with fails(errno.EFBIG):
            os.write(fd, b"x")

    as_user(limited, uid=0, gid=0)
    assert os.stat(f"{d}/f").st_size == 10000


def test_program_runs_from_the_mount(d):
    shutil.copy("/bin/true", f"{d}/program")
    for _ in range(2):
        subprocess.run([f"{d}/program"], check=True)
    write_file(f"{d}/script", b"#!/bin/sh\necho said\n", 0o755)
    assert subprocess.check_output([f"{d}/script"]) == b"said\n"


def test_open_descriptor_survives_rename(d):
    with open(f"{d}/a", "wb", buffering=0) as out:
        out.write(b"1")
        os.rename(f"{d}/a", f"{d}/b")
        out.write(b"2")
    assert read_file(f"{d}/b") == b"12"


def test_dev_fd_reopens_the_file(d):
    write_file(f"{d}/f", b"again")
    fd = os.open(f"{d}/f", os.O_RDONLY)
    os.rename(f"{d}/f", f"{d}/g")
    assert read_file(f"/proc/self/fd/{fd}") == b"again"
    os.close(fd)


if __name__ == "__main__":
    main()
