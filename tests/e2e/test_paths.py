#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Which way the bytes go (M, D, C, X: see docs/architecture.md), and that each
way gives the right ones."""

import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../harness"))
from mafs import MIB, Volume, prepared
from runner import main, needs, scale
from tree import block, read_file, write_file
from work import PLAIN, Child, process_gone, wait_for

CONTENT = block(1, 3 * MIB + 5)


def path_in_use(vol, path):
    return vol.file(path).get("path_in_use")


def assert_after_umount(vol, name, content):
    vol.umount()
    assert read_file(f"{vol.dir}/{name}") == content, "DIR after the umount"


# Reading

def test_hot_file_is_read_without_upcalls(work):
    vol = prepared(work, {"f": CONTENT})
    vol.need_passthrough()
    vol.make_hot(f"{vol.mnt}/f")
    before = vol.upcalls("read")
    with open(f"{vol.mnt}/f", "rb", buffering=0) as source:
        assert path_in_use(vol, f"{vol.mnt}/f") == "M"
        assert source.read() == CONTENT
        assert os.pread(source.fileno(), 10, MIB) == CONTENT[MIB:MIB + 10]
    assert vol.upcalls("read") == before
    vol.umount()


def test_cold_file_is_read_without_upcalls(work):
    vol = prepared(work, {"f": CONTENT})
    vol.need_passthrough()
    before = vol.upcalls("read")
    with open(f"{vol.mnt}/f", "rb", buffering=0) as source:
        assert path_in_use(vol, f"{vol.mnt}/f") == "D"
        assert source.read() == CONTENT
    assert vol.upcalls("read") == before
    vol.umount()


def test_pulled_file_is_the_same(work):
    sizes = (0, 1, 4095, 4096, 4097, MIB, 5 * MIB + 1)
    vol = prepared(work, {str(s): block(s, s) for s in sizes})
    vol.pull(vol.mnt)
    for size in sizes:
        path = f"{vol.mnt}/{size}"
        if size and not PLAIN:
            assert vol.file(path)["tier"] == "memory", size
        assert read_file(path) == block(size, size), size
    vol.umount()


# Writing new files

def test_new_file_is_in_memory_until_written_back(vol):
    write_file(f"{vol.mnt}/f", CONTENT)
    if not PLAIN:
        said = vol.file(f"{vol.mnt}/f")
        assert (said["tier"], said["state"]) == ("memory", "dirty"), said
        assert vol.status()["dirty_bytes"] >= len(CONTENT)
    vol.sync()
    assert read_file(f"{vol.dir}/f") == CONTENT
    assert vol.status()["n_dirty"] == 0
    assert_after_umount(vol, "f", CONTENT)


@needs("mafs")
def test_written_back_by_age(work):
    vol = Volume(work, options="writeback_after=1").mount()
    write_file(f"{vol.mnt}/f", CONTENT)
    vol.wait_clean(10)
    assert read_file(f"{vol.dir}/f") == CONTENT
    assert os.stat(f"{vol.dir}/f").st_mtime_ns == \
        os.stat(f"{vol.mnt}/f").st_mtime_ns
    assert_after_umount(vol, "f", CONTENT)


@needs("mafs")
def test_sigterm_writes_back(vol):
    write_file(f"{vol.mnt}/f", CONTENT)
    os.kill(vol.pid, signal.SIGTERM)
    wait_for(lambda: process_gone(vol.pid), 30, "the daemon's end")
    assert read_file(f"{vol.dir}/f") == CONTENT


def test_fsync_brings_the_bytes_down(vol):
    with open(f"{vol.mnt}/f", "wb", buffering=0) as out:
        out.write(CONTENT)
        os.fsync(out.fileno())
        assert read_file(f"{vol.dir}/f") == CONTENT
        out.write(b"more")
        os.fdatasync(out.fileno())
        assert read_file(f"{vol.dir}/f") == CONTENT + b"more"
        os.ftruncate(out.fileno(), 1000)
        os.fsync(out.fileno())
        assert read_file(f"{vol.dir}/f") == CONTENT[:1000]
    assert_after_umount(vol, "f", CONTENT[:1000])


def test_synchronous_writes_are_down_before_the_reply(vol):
    for name, flag in (("sync", os.O_SYNC), ("dsync", os.O_DSYNC)):
        fd = os.open(f"{vol.mnt}/{name}", os.O_CREAT | os.O_WRONLY | flag)
        for i in range(5):
            os.write(fd, block(i, 5000))
            assert read_file(f"{vol.dir}/{name}") == \
                b"".join(block(k, 5000) for k in range(i + 1)), name
        os.close(fd)
    fd = os.open(f"{vol.mnt}/each", os.O_CREAT | os.O_WRONLY)
    os.pwritev(fd, [b"this write only"], 0, os.RWF_DSYNC)
    assert read_file(f"{vol.dir}/each") == b"this write only"
    os.close(fd)
    vol.umount()


def test_synchronous_writes_to_existing_files(work):
    for hot in (False, True):
        vol = prepared(work.sub(str(hot)), {"f": CONTENT})
        if hot:
            vol.make_hot(f"{vol.mnt}/f")
        fd = os.open(f"{vol.mnt}/f", os.O_WRONLY | os.O_DSYNC)
        os.pwrite(fd, b"down at once", 5000)
        assert read_file(f"{vol.dir}/f")[5000:5012] == b"down at once"
        os.close(fd)
        vol.umount()


# Writing existing files

def edited(content=CONTENT):
    return content[:100000] + b"EDIT" + content[100004:]


def edit(path, flags=os.O_RDWR):
    fd = os.open(path, flags)
    os.pwrite(fd, b"EDIT", 100000)
    os.close(fd)


def test_write_to_a_cold_file(work):
    vol = prepared(work, {"f": CONTENT})
    edit(f"{vol.mnt}/f")
    assert read_file(f"{vol.mnt}/f") == edited()
    assert_after_umount(vol, "f", edited())


def test_write_to_a_hot_file(work):
    vol = prepared(work, {"f": CONTENT})
    vol.make_hot(f"{vol.mnt}/f")
    edit(f"{vol.mnt}/f")
    assert read_file(f"{vol.mnt}/f") == edited()
    assert_after_umount(vol, "f", edited())


def test_write_to_a_dirty_file(vol):
    write_file(f"{vol.mnt}/f", CONTENT)
    edit(f"{vol.mnt}/f")
    assert read_file(f"{vol.mnt}/f") == edited()
    assert_after_umount(vol, "f", edited())


def test_hot_copy_is_not_used_after_a_write_below(work):
    """Written as D, the memory copy is stale; the next reader must not get
    it."""
    vol = prepared(work, {"f": CONTENT})
    vol.make_hot(f"{vol.mnt}/f")
    for i in range(3):
        fd = os.open(f"{vol.mnt}/f", os.O_RDWR)
        os.pwrite(fd, b"%d" % i, 0)
        os.close(fd)
        time.sleep(0.05)
        for _ in range(3):
            assert read_file(f"{vol.mnt}/f")[:1] == b"%d" % i
    vol.umount()


def test_open_for_writing_without_writes_changes_nothing(work):
    vol = prepared(work, {"f": CONTENT})
    os.utime(f"{vol.dir}/f", ns=(5, 5))
    vol.make_hot(f"{vol.mnt}/f")
    os.close(os.open(f"{vol.mnt}/f", os.O_RDWR))
    assert os.stat(f"{vol.mnt}/f").st_mtime_ns == 5
    assert read_file(f"{vol.mnt}/f") == CONTENT
    vol.umount()
    assert os.stat(f"{vol.dir}/f").st_mtime_ns == 5


def test_truncating_rewrite_of_each_size(work):
    sizes = (0, 10, 5000, 2 * MIB)
    for hot in (False, True):
        vol = prepared(work.sub(f"hot-{hot}"),
                       {f"{a}-{b}": block(a, a) for a in sizes for b in sizes})
        if hot:
            vol.pull(vol.mnt)
        for a in sizes:
            for b in sizes:
                write_file(f"{vol.mnt}/{a}-{b}", block(b + 1, b))
                assert read_file(f"{vol.mnt}/{a}-{b}") == block(b + 1, b)
        vol.umount()
        for a in sizes:
            for b in sizes:
                assert read_file(f"{vol.dir}/{a}-{b}") == block(b + 1, b), \
                    f"{a} bytes rewritten with {b}"


def test_file_emptied_and_closed_is_empty_on_disk(work):
    vol = prepared(work, {"f": CONTENT})
    os.close(os.open(f"{vol.mnt}/f", os.O_WRONLY | os.O_TRUNC))
    wait_for(lambda: os.stat(f"{vol.dir}/f").st_size == 0, 3,
             "the truncation of DIR's file")
    vol.umount()


def test_truncated_rewrite_with_a_hole_shows_no_old_bytes(work):
    vol = prepared(work, {"f": CONTENT})
    with open(f"{vol.mnt}/f", "wb", buffering=0) as out:
        os.pwrite(out.fileno(), b"new", 2 * MIB)
    wanted = bytes(2 * MIB) + b"new"
    assert read_file(f"{vol.mnt}/f") == wanted
    vol.sync()
    assert read_file(f"{vol.dir}/f") == wanted
    assert_after_umount(vol, "f", wanted)


# Several at once

def test_writer_joins_a_reader_of_a_hot_file(work):
    vol = prepared(work, {"f": CONTENT})
    vol.make_hot(f"{vol.mnt}/f")
    with open(f"{vol.mnt}/f", "rb", buffering=0) as reader:
        assert reader.read(10) == CONTENT[:10]
        writer = os.open(f"{vol.mnt}/f", os.O_RDWR | os.O_APPEND)
        os.write(writer, b"appended")
        fd = os.open(f"{vol.mnt}/f", os.O_RDWR)
        os.pwrite(fd, b"EDIT", 100000)
        assert os.pread(reader.fileno(), 4, 100000) == b"EDIT"
        assert os.pread(reader.fileno(), 100, len(CONTENT)) == b"appended"
        assert os.fstat(reader.fileno()).st_size == len(CONTENT) + 8
        os.close(fd)
        os.fsync(writer)
        assert read_file(f"{vol.dir}/f") == edited() + b"appended"
        os.close(writer)
    assert_after_umount(vol, "f", edited() + b"appended")


def test_writer_joins_a_reader_of_a_cold_file(work):
    vol = prepared(work, {"f": CONTENT})
    with open(f"{vol.mnt}/f", "rb", buffering=0) as reader:
        edit(f"{vol.mnt}/f")
        assert os.pread(reader.fileno(), 4, 100000) == b"EDIT"
    assert_after_umount(vol, "f", edited())


def test_rewrite_while_a_reader_holds_the_file(work):
    """O_TRUNC under a reader, as on any file system: it sees the new bytes."""
    for way in ("cold", "hot", "dirty"):
        vol = prepared(work.sub(way), {"f": CONTENT})
        if way == "hot":
            vol.make_hot(f"{vol.mnt}/f")
        elif way == "dirty":
            write_file(f"{vol.mnt}/f", CONTENT)
        with open(f"{vol.mnt}/f", "rb", buffering=0) as reader:
            assert reader.read(5) == CONTENT[:5]
            write_file(f"{vol.mnt}/f", b"rewritten")
            assert os.pread(reader.fileno(), 100, 0) == b"rewritten", way
            assert os.fstat(reader.fileno()).st_size == 9, way
        assert_after_umount(vol, "f", b"rewritten")


def test_tailed_log_grows(work):
    """tail -f on a log that its writer opens and closes for each line."""
    vol = prepared(work, {"log": b"first\n"})
    vol.make_hot(f"{vol.mnt}/log")
    lines = [b"line %d %s\n" % (i, b"x" * 200) for i in range(scale(200, 5000))]
    with open(f"{vol.mnt}/log", "rb", buffering=0) as tail:
        seen = tail.read()
        for line in lines:
            fd = os.open(f"{vol.mnt}/log", os.O_WRONLY | os.O_APPEND)
            os.write(fd, line)
            os.close(fd)
            seen += tail.read()
    wanted = b"first\n" + b"".join(lines)
    assert seen == wanted
    assert_after_umount(vol, "log", wanted)


@needs("mafs")
def test_writing_goes_on_during_write_back(work):
    vol = Volume(work, options="writeback_after=1").mount()
    size, rounds = 4 * MIB, scale(300, 5000)
    content = bytearray(size)
    fd = os.open(f"{vol.mnt}/f", os.O_CREAT | os.O_RDWR)
    os.pwrite(fd, content, 0)

    def syncs():
        while True:
            vol.sync()

    syncer = Child(syncs)
    for i in range(rounds):
        offset = (i * 7919 * 4096 + i) % (size - 5000)
        piece = block(i, 5000)
        os.pwrite(fd, piece, offset)
        content[offset:offset + 5000] = piece
    syncer.kill()
    os.close(fd)
    assert read_file(f"{vol.mnt}/f") == content
    assert_after_umount(vol, "f", content)


@needs("mafs")
def test_readers_go_on_during_push_and_pull(work):
    vol = prepared(work, {"f": CONTENT})

    def reads():
        end = time.monotonic() + scale(3, 60)
        while time.monotonic() < end:
            assert read_file(f"{vol.mnt}/f") == CONTENT

    readers = [Child(reads) for _ in range(2)]
    while any(r.ended() is None for r in readers):
        for command in ("push", "pull"):  # kept when a reader has it open
            subprocess.run(["mafs", command, f"{vol.mnt}/f"], check=False,
                           stderr=subprocess.DEVNULL,
                           stdout=subprocess.DEVNULL)
    for reader in readers:
        reader.wait()
    vol.umount()


@needs("mafs")
def test_pushed_file_is_cold_and_whole(vol):
    write_file(f"{vol.mnt}/f", CONTENT)
    used = vol.status()["memory"]["used_bytes"]
    vol.push(f"{vol.mnt}/f")
    assert vol.file(f"{vol.mnt}/f")["tier"] == "disk"
    assert read_file(f"{vol.dir}/f") == CONTENT
    assert vol.status()["memory"]["used_bytes"] < used
    assert read_file(f"{vol.mnt}/f") == CONTENT
    vol.umount()


def test_replaced_by_rename_is_whole(vol):
    """The way of editors: write beside, fsync or not, rename over."""
    write_file(f"{vol.mnt}/f", CONTENT)
    vol.sync()
    for i in range(5):
        write_file(f"{vol.mnt}/f.new", block(i, MIB))
        os.rename(f"{vol.mnt}/f.new", f"{vol.mnt}/f")
        assert read_file(f"{vol.mnt}/f") == block(i, MIB)
        if i % 2:
            vol.sync()
            assert read_file(f"{vol.dir}/f") == block(i, MIB)
    vol.umount()
    assert read_file(f"{vol.dir}/f") == block(4, MIB)
    kept = [name for top, _, names in os.walk(f"{vol.dir}/.mafs/replaced")
            for name in names]
    assert kept == [], "links left in .mafs/replaced"


if __name__ == "__main__":
    main()
