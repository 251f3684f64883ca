#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The daemon's descriptors and memory stay bounded, however large the tree."""

import os
import resource
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../harness"))
from mafs import Volume
from runner import main, scale
from tree import read_file, write_file
from work import PLAIN, run

N_FILES = scale(2000, 200000)
N_OPEN = scale(300, 2000)
LIMIT = scale(256, 1024)


def n_descriptors(vol):
    return len(os.listdir(f"/proc/{vol.pid}/fd")) if vol.pid else 0


def make_files(top, count):
    for i in range(count):
        directory = f"{top}/{i // 1000}/{i // 50 % 20}"
        if i % 50 == 0:
            os.makedirs(directory, exist_ok=True)
        with open(f"{directory}/file-{i}", "wb") as out:
            out.write(b"%d\n" % i)


def test_whole_tree_walked_under_a_small_descriptor_limit(work):
    vol = Volume(work, n_files=LIMIT)
    make_files(vol.dir, N_FILES)
    vol.mount()
    before = 0 if PLAIN else vol.rss_bytes()
    for command in (["find", ".", "-ls"], ["du", "-s", "."],
                    ["sh", "-c", "find . -type f -print0 | xargs -0 md5sum"]):
        outputs = []
        for top in (vol.mnt, vol.dir):
            done = run(command, cwd=top, timeout=3600)
            assert not done.stderr, done.stderr[:300]
            lines = [line for line in done.stdout.splitlines()
                     if ".mafs" not in line]
            outputs.append(len(lines) if command[0] != "sh"
                           else sorted(lines))
        assert outputs[0] == outputs[1], command
    assert n_descriptors(vol) <= LIMIT
    if not PLAIN:
        after = vol.rss_bytes()
        print(f"     resident memory after a walk of {N_FILES} files: "
              f"{after >> 10} KiB, {(after - before) / N_FILES:.0f} bytes "
              "more for each file")
    vol.umount()


def test_new_tree_under_a_small_descriptor_limit(work):
    vol = Volume(work, n_files=LIMIT).mount()
    count = N_FILES // 10
    make_files(vol.mnt, count)
    for i in range(0, count, 7):
        path = f"{i // 1000}/{i // 50 % 20}/file-{i}"
        assert read_file(f"{vol.mnt}/{path}") == b"%d\n" % i
    assert n_descriptors(vol) <= LIMIT
    vol.umount()
    for i in range(0, count, 7):
        path = f"{i // 1000}/{i // 50 % 20}/file-{i}"
        assert read_file(f"{vol.dir}/{path}") == b"%d\n" % i


def more_descriptors():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = N_OPEN * 2 + 100
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, max(hard, wanted)))


def unlinked_while_open(vol, fds):
    for i, fd in enumerate(fds):
        os.pwrite(fd, b"after the unlink %d" % i, 100)
    for i, fd in enumerate(fds):
        content = os.pread(fd, 1000, 0)
        assert content.startswith(b"before %d" % i), i
        assert content[100:] == b"after the unlink %d" % i, i
        assert os.fstat(fd).st_nlink == 0
        os.fchmod(fd, 0o600)
    assert n_descriptors(vol) <= LIMIT
    for fd in fds:
        os.close(fd)
    assert os.listdir(vol.mnt) == []
    vol.umount()
    assert os.listdir(vol.dir) in ([], [".mafs"])
    left = [name for _, _, names in os.walk(f"{vol.dir}/.mafs/unlinked")
            for name in names]
    assert left == []


def test_unlinked_open_2000_nofile_1024(work):
    more_descriptors()
    vol = Volume(work, n_files=LIMIT).mount()
    fds = []
    for i in range(N_OPEN):
        fd = os.open(f"{vol.mnt}/{i}", os.O_CREAT | os.O_RDWR)
        os.write(fd, b"before %d" % i)
        os.unlink(f"{vol.mnt}/{i}")
        fds.append(fd)
    unlinked_while_open(vol, fds)


def test_existing_files_unlinked_while_open_and_written_on(work):
    more_descriptors()
    vol = Volume(work, n_files=LIMIT)
    for i in range(N_OPEN):
        write_file(f"{vol.dir}/{i}", b"before %d" % i)
    vol.mount()
    fds = [os.open(f"{vol.mnt}/{i}", os.O_RDWR) for i in range(N_OPEN)]
    for i in range(N_OPEN):
        os.unlink(f"{vol.mnt}/{i}")
    unlinked_while_open(vol, fds)


def test_many_files_open_at_once(work):
    more_descriptors()
    vol = Volume(work, n_files=LIMIT).mount()
    fds = [os.open(f"{vol.mnt}/{i}", os.O_CREAT | os.O_RDWR)
           for i in range(N_OPEN)]
    for i, fd in enumerate(fds):
        os.write(fd, b"%d" % i)
    vol.sync()
    for i, fd in enumerate(fds):
        assert os.pread(fd, 10, 0) == b"%d" % i
        os.close(fd)
    assert n_descriptors(vol) <= LIMIT
    vol.umount()


def test_forgotten_files_are_forgotten(work):
    """What the kernel drops does not stay in the daemon's memory."""
    vol = Volume(work, n_files=LIMIT)
    make_files(vol.dir, N_FILES // 2)
    vol.mount()
    subprocess.run(["find", vol.mnt, "-ls"], check=True,
                   stdout=subprocess.DEVNULL)
    if not PLAIN:
        known = vol.status().get("n_inodes")
        with open("/proc/sys/vm/drop_caches", "w") as drop:
            drop.write("2")
        vol.status()
        now = vol.status().get("n_inodes")
        assert known is None or now < max(known // 2, 200), (known, now)
    vol.umount()


if __name__ == "__main__":
    main()
