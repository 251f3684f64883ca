#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What people do to a volume that they trust: copy it, fill its disk, tail a
log on it, back it up while it writes."""

import errno
import mmap
import os
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../harness"))
from mafs import MIB, Volume
from runner import main, needs, scale
from tree import block, read_file, write_file
from work import PLAIN, as_user, run


# ---- identity ----

def test_ident_cp_a_inside_N(work):
    """cp -a in DIR carries xattrs along: two files must not become one."""
    if PLAIN:
        return
    vol = Volume(work).mount()
    write_file(f"{vol.mnt}/a", b"in memory")
    run(["cp", "-a", f"{vol.dir}/a", f"{vol.dir}/copy"])
    vol.kill()
    write_file(f"{vol.dir}/b", b"besides")
    run(["cp", "-a", f"{vol.dir}/a", f"{vol.dir}/another"])
    vol.mount()
    assert read_file(f"{vol.mnt}/a") == b"in memory"
    assert read_file(f"{vol.mnt}/copy") == b""
    assert read_file(f"{vol.mnt}/another") == b""
    write_file(f"{vol.mnt}/another", b"its own")
    vol.umount()
    assert read_file(f"{vol.dir}/a") == b"in memory"
    assert read_file(f"{vol.dir}/copy") == b""
    assert read_file(f"{vol.dir}/another") == b"its own"
    assert sorted(n for n in os.listdir(vol.dir) if n != ".mafs") == \
        ["a", "another", "b", "copy"]


# ---- the disk's room ----

def write_until_full(path):
    """Return: bytes written before ENOSPC."""
    chunk, done = block(3, MIB), 0
    with open(path, "wb", buffering=0) as out:
        while True:
            try:
                done += out.write(chunk)
            except OSError as error:
                assert error.errno == errno.ENOSPC, error
                return done


@needs("mkfs.ext4")
def test_root_reserve_kept(work):
    """What a user may not take of the disk, write-back does not take for him."""
    disk = work.disk(size="128M", mkfs=("-m", "20"))
    vol = Volume(work, source=f"{disk}/dir", memory="tmpfs:512M")
    os.chmod(vol.dir, 0o777)
    vol.mount()
    done = as_user(lambda: write_until_full(f"{vol.mnt}/f"))
    vol.umount()
    free = os.statvfs(disk)
    reserve = (free.f_bfree - free.f_bavail) * free.f_frsize
    assert reserve >= 20 * MIB, reserve
    assert os.stat(f"{vol.dir}/f").st_size == done
    chunk = block(3, MIB)
    with open(f"{vol.dir}/f", "rb") as source:
        assert all(source.read(MIB) == chunk for _ in range(done // MIB))


# ---- memory that a reader holds ----

def test_tailed_log_outgrows_memory(work):
    """A log that is tailed while it is written is larger than memory in the
    end: its writer never hears of it."""
    memory = scale(16, 64)
    vol = Volume(work, memory=f"tmpfs:{memory}M").mount()
    line = block(7, 64 << 10)
    count = 3 * memory * MIB // len(line)
    write_file(f"{vol.mnt}/log", line)
    seen = 0
    with open(f"{vol.mnt}/log", "rb", buffering=0) as tail:
        for _ in range(count):
            with open(f"{vol.mnt}/log", "ab", buffering=0) as log:
                assert log.write(line) == len(line)
            while True:
                read = tail.read(len(line))
                assert line.startswith(read)
                seen += len(read)
                if len(read) < len(line):
                    break
    assert seen == (count + 1) * len(line)
    vol.umount()
    assert os.stat(f"{vol.dir}/log").st_size == seen


# ---- opens and evictions ----

def test_open_during_evict_10k(work):
    """Files are opened and read while they are evicted, again and again."""
    n_files, n_opens = 64, scale(2_000, 10_000)
    vol = Volume(work).mount()
    for i in range(n_files):
        write_file(f"{vol.mnt}/{i}", block(i, 32 << 10))
    vol.sync()
    stop, wrong = threading.Event(), []

    def evict():
        while not stop.is_set():
            if not PLAIN:
                run(["mafs", "push", vol.mnt], check=False)
                run(["mafs", "pull", vol.mnt], check=False)

    def read(seed):
        for k in range(n_opens // 2):
            i = (k * 7 + seed) % n_files
            if read_file(f"{vol.mnt}/{i}") != block(i, 32 << 10):
                wrong.append(i)

    evictor = threading.Thread(target=evict)
    readers = [threading.Thread(target=read, args=(s,)) for s in range(2)]
    for thread in [evictor, *readers]:
        thread.start()
    for thread in readers:
        thread.join()
    stop.set()
    evictor.join()
    assert not wrong, wrong
    vol.umount()


# ---- times that tools go by ----

MAKEFILE = b"out: in\n\tcp in out\n"


@needs("make")
def test_make_after_mmap_write(work):
    """make sees that an input was changed, also through a mapping."""
    vol = Volume(work).mount()
    write_file(f"{vol.mnt}/Makefile", MAKEFILE)
    write_file(f"{vol.mnt}/in", b"a" * 8192)
    run(["make", "-C", vol.mnt])
    for hot in (False, True):
        if hot:
            vol.make_hot(f"{vol.mnt}/in")
        assert "up to date" in run(["make", "-C", vol.mnt]).stdout
        time.sleep(0.05)
        with open(f"{vol.mnt}/in", "r+b") as file:
            with mmap.mmap(file.fileno(), 0) as mapped:
                mapped[0:1] = b"c" if hot else b"b"
        assert "cp in out" in run(["make", "-C", vol.mnt]).stdout
        assert read_file(f"{vol.mnt}/out") == read_file(f"{vol.mnt}/in")
        vol.sync()
    vol.umount()


@needs("tar")
def test_tar_during_writeback(work):
    """A backup through the mount sees no file change while it goes down."""
    vol = Volume(work, options="writeback_after=0").mount()
    os.mkdir(f"{vol.mnt}/d")
    archive = work.join("d.tar")
    for turn in range(scale(3, 20)):
        for i in range(200):
            write_file(f"{vol.mnt}/d/{i}", block(i + turn, 16 << 10))
        result = subprocess.run(["tar", "-C", vol.mnt, "-cf", archive, "d"],
                                capture_output=True, text=True)
        assert result.returncode == 0 and not result.stderr, result
        vol.wait_clean()
        result = subprocess.run(["tar", "-C", vol.mnt, "-df", archive],
                                capture_output=True, text=True)
        assert result.returncode == 0 and not result.stdout, result
    vol.umount()


if __name__ == "__main__":
    main()
