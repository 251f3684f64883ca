#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Files that programs write past the daemon: policy hot, and
writes=passthrough. What changed is found, and only that goes down."""

import mmap
import os
import random
import shutil
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../harness"))
from compile import compile_and_delete
from mafs import MIB, Volume, prepared
from runner import main, needs, scale
from syscalls import capability_xattr
from tree import (assert_same, block, make_tree, manifest, read_file,
                  write_file)
from usage import calm
from work import Child, as_user, run, wait_for

POLICY = "user.mafs.policy"
CHUNK = 4096
SIZE = scale(64, 1024) * MIB
CONTENT = block(1, 16 * MIB) * (SIZE // (16 * MIB))


def hot_volume(work, files, **options):
    vol = prepared(work, files, **options)
    vol.need_passthrough()
    os.setxattr(vol.mnt, POLICY, b"hot")
    return vol


def went_down(vol, action):
    before = vol.status()["written_back_bytes"]
    action()
    return vol.status()["written_back_bytes"] - before


def random_chunks(n):
    return random.Random(7).sample(range(SIZE // CHUNK), n)


def overwrite(path, chunks):
    fd = os.open(path, os.O_RDWR)
    for chunk in chunks:
        os.pwrite(fd, chunk.to_bytes(8, "big") * (CHUNK // 8), chunk * CHUNK)
    os.close(fd)


def overwritten(content, chunks):
    content = bytearray(content)
    for chunk in chunks:
        content[chunk * CHUNK:(chunk + 1) * CHUNK] = \
            chunk.to_bytes(8, "big") * (CHUNK // 8)
    return bytes(content)


@needs("mafs")
def test_only_changed_chunks_go_down(work):
    vol = hot_volume(work, {"f": CONTENT}, memory="tmpfs:50%",
                     options=f"writeback_after=1h,{calm(work)}")
    chunks = random_chunks(500)
    writes, opens = vol.upcalls("write", "open")
    overwrite(f"{vol.mnt}/f", chunks)
    assert vol.upcalls("write") == writes
    assert vol.file(f"{vol.mnt}/f")["state"] == "dirty"
    n = went_down(vol, vol.sync)
    print(f"{len(chunks) * CHUNK} bytes changed, {n} went down")
    assert n == len(chunks) * CHUNK
    assert read_file(f"{vol.dir}/f") == overwritten(CONTENT, chunks)
    assert went_down(vol, vol.sync) == 0
    vol.umount()
    assert read_file(f"{vol.dir}/f") == overwritten(CONTENT, chunks)


@needs("mafs")
def test_stores_through_a_mapping_go_down(work):
    vol = hot_volume(work, {"f": CONTENT}, memory="tmpfs:50%",
                     options=f"writeback_after=1h,{calm(work)}")
    chunks = random_chunks(100)
    fd = os.open(f"{vol.mnt}/f", os.O_RDWR)
    memory = mmap.mmap(fd, SIZE)
    os.close(fd)
    for chunk in chunks[:50]:
        memory[chunk * CHUNK:(chunk + 1) * CHUNK] = \
            chunk.to_bytes(8, "big") * (CHUNK // 8)
    assert went_down(vol, vol.sync) == 50 * CHUNK
    for chunk in chunks[50:]:
        memory[chunk * CHUNK:(chunk + 1) * CHUNK] = \
            chunk.to_bytes(8, "big") * (CHUNK // 8)
    memory.close()
    assert went_down(vol, vol.sync) == 50 * CHUNK

    def is_clean():  # the kernel may be late to let go of the mapping
        vol.sync()
        return vol.status()["n_dirty"] == 0

    wait_for(is_clean, 30, "the end of the mapping")
    vol.umount()
    assert read_file(f"{vol.dir}/f") == overwritten(CONTENT, chunks)


@needs("mafs")
def test_killed_daemon_loses_nothing(work):
    content = block(1, 8 * MIB)
    vol = hot_volume(work, {"f": content},
                     options=f"writeback_after=1h,{calm(work)}")
    fd = os.open(f"{vol.mnt}/f", os.O_RDWR)
    os.pwrite(fd, b"before", 100)
    write_file(f"{vol.mnt}/new", content)
    vol.kill()
    os.pwrite(fd, b"after the kill", 5 * MIB)  # goes on
    vol.mount()
    assert vol.file(f"{vol.mnt}/f")["state"] == "dirty"
    os.pwrite(fd, b"and on", 7 * MIB)
    os.close(fd)
    wanted = bytearray(content)
    for at, text in ((100, b"before"), (5 * MIB, b"after the kill"),
                     (7 * MIB, b"and on")):
        wanted[at:at + len(text)] = text
    assert read_file(f"{vol.mnt}/f") == wanted
    vol.umount()
    assert read_file(f"{vol.dir}/f") == wanted
    assert read_file(f"{vol.dir}/new") == content


@needs("mafs")
def test_others_see_size_and_times_at_once(work):
    vol = hot_volume(work, {"f": b"1"})
    with open(f"{vol.mnt}/f", "ab", buffering=0) as file:
        before = os.stat(f"{vol.mnt}/f").st_mtime_ns
        for i in range(1, 5):
            time.sleep(0.02)
            file.write(b"x" * 1000)
            st = os.stat(f"{vol.mnt}/f")
            assert st.st_size == 1 + 1000 * i
            assert before < st.st_mtime_ns <= st.st_ctime_ns
            before = st.st_mtime_ns
            assert run(["stat", "-c", "%s", f"{vol.mnt}/f"]).stdout.strip() \
                == str(st.st_size)
    times = os.stat(f"{vol.mnt}/f")
    vol.sync()
    after = os.stat(f"{vol.mnt}/f")
    assert (times.st_mtime_ns, times.st_ctime_ns) == \
        (after.st_mtime_ns, after.st_ctime_ns)
    vol.umount()
    assert os.stat(f"{vol.dir}/f").st_mtime_ns == before


@needs("mafs")
def test_synchronous_writes_are_on_the_disk(work):
    vol = hot_volume(work, {"f": block(1, MIB)},
                     options=f"writeback_after=1h,{calm(work)}")
    for flags in (os.O_SYNC, os.O_DSYNC):
        fd = os.open(f"{vol.mnt}/f", os.O_RDWR)  # goes past the daemon
        sync = os.open(f"{vol.mnt}/f", os.O_WRONLY | flags)
        os.pwrite(fd, b"past", 10)
        os.pwrite(sync, b"sync", 5000)
        content = read_file(f"{vol.dir}/f")
        assert content[5000:5004] == b"sync" and content[10:14] == b"past"
        os.pwrite(fd, b"more", 10)
        os.fsync(fd)
        assert read_file(f"{vol.dir}/f")[10:14] == b"more"
        os.close(sync)
        os.close(fd)
    vol.umount()


@needs("mafs")
def test_stranger_strips_setuid(work):
    vol = hot_volume(work, {"f": block(1, MIB)}, options="allow_other")
    os.chmod(work.path, 0o755)
    path = f"{vol.mnt}/f"

    def privileged():
        os.chmod(path, 0o6777)
        os.setxattr(path, "security.capability", capability_xattr())

    def write():
        fd = os.open(path, os.O_RDWR)
        os.pwrite(fd, b"changed", 0)
        os.close(fd)

    privileged()
    as_user(write)
    for file in (path, f"{vol.dir}/f"):
        assert os.stat(file).st_mode & 0o7777 == 0o777
        assert "security.capability" not in os.listxattr(file)
    keeper = os.open(path, os.O_RDWR)
    privileged()
    as_user(write)
    assert os.stat(path).st_mode & 0o7777 == 0o777
    os.close(keeper)
    vol.umount()


@needs("mafs")
def test_tree_and_build(work):
    """Small files, renames, links: what every file system must do."""
    vol = Volume(work, options="writes=passthrough").mount()
    vol.need_passthrough()
    os.mkdir(f"{vol.mnt}/tree")
    make_tree(f"{vol.mnt}/tree", 150)
    before = manifest(f"{vol.mnt}/tree")
    run(["cp", "-a", f"{vol.mnt}/tree", f"{vol.mnt}/copy"])
    assert_same(manifest(f"{vol.mnt}/copy"), before, ignore=("nlink",))
    if shutil.which("gcc") and shutil.which("make"):
        compile_and_delete(f"{vol.mnt}/build", 5)
    vol.umount()
    assert_same(manifest(f"{vol.dir}/tree"), before)
    assert_same(manifest(f"{vol.dir}/copy"), before, ignore=("nlink",))


@needs("mafs")
def test_full_memory_is_the_one_error(work):
    """What is open stays in memory; what is new begins on the disk."""
    vol = hot_volume(work, {}, memory="tmpfs:32M")
    fd = os.open(f"{vol.mnt}/f", os.O_CREAT | os.O_RDWR)
    n = 0
    try:
        for _ in range(64):
            n += os.write(fd, block(1, MIB))
        raise AssertionError("64 MiB in 32")
    except OSError as error:
        assert error.errno == 28, error
    assert n > 24 * MIB, n
    write_file(f"{vol.mnt}/g", block(2, 4 * MIB))
    assert read_file(f"{vol.mnt}/g") == block(2, 4 * MIB)
    os.close(fd)
    wait_for(lambda: vol.status()["n_dirty"] == 0, 60, "write-back")
    write_file(f"{vol.mnt}/h", block(3, 4 * MIB))
    vol.umount()
    assert os.path.getsize(f"{vol.dir}/f") >= n
    assert read_file(f"{vol.dir}/h") == block(3, 4 * MIB)


def _keep_reading(path, content, seconds):
    with open(path, "rb") as file:
        memory = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
    end = time.time() + seconds
    while time.time() < end:
        for at in range(0, len(content), 64 * 1024):
            assert memory[at:at + 512] == content[at:at + 512], at


def _keep_writing(path, seconds, told):
    fd = os.open(path, os.O_RDWR)
    memory = mmap.mmap(fd, 0)
    os.close(fd)
    end = time.time() + seconds
    i = 0
    while time.time() < end:
        at = i * 8 % (len(memory) - 8)
        memory[at:at + 8] = i.to_bytes(8, "big")
        assert memory[at:at + 8] == i.to_bytes(8, "big")
        i += 1
    write_file(told, bytes(memory))


@needs("mafs")
def test_mapped_and_evicted(work):
    """One maps a hot file and goes on reading, another writing, both with
    their descriptors closed, while everything that can be evicted is."""
    seconds = scale(4, 60)
    content = block(1, 8 * MIB)
    files = {"read": content, "write": block(2, 4 * MIB)}
    files |= {f"scan/{i}": block(10 + i, 4 * MIB) for i in range(16)}
    vol = hot_volume(work, files, memory="tmpfs:48M",
                     options="writeback_after=0,writeback_most=0")
    for name in ("read", "write"):
        vol.make_hot(f"{vol.mnt}/{name}")
    reader = Child(lambda: _keep_reading(f"{vol.mnt}/read", content, seconds))
    writer = Child(lambda: _keep_writing(f"{vol.mnt}/write", seconds,
                                         work.join("told")))
    end = time.time() + seconds - 1
    while time.time() < end:
        vol.pull(f"{vol.mnt}/scan")
        run(["mafs", "push", f"{vol.mnt}/read"], check=False)
        run(["mafs", "push", f"{vol.mnt}/write"], check=False)
        run(["mafs", "push", f"{vol.mnt}/scan"], check=False)
    reader.wait()
    writer.wait()
    written = read_file(work.join("told"))
    assert vol.status()["n_evicted"] > 16
    assert read_file(f"{vol.mnt}/write") == written
    vol.umount()
    assert read_file(f"{vol.dir}/write") == written
    assert read_file(f"{vol.dir}/read") == content


if __name__ == "__main__":
    main()
