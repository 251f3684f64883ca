#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Two daemons on one memory device: what the master says the client shows,
and never a byte of another file."""

import errno
import os
import random
import stat
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../harness"))
from memory import MemoryVolume, in_memory
from runner import main, needs, scale
from tree import read_file, write_file
from work import Child, fails, run, wait_for

BLOCK = 4096


def pair(work, **options):
    """A master and a client of it."""
    master = MemoryVolume(work, **options).mount()
    return master, master.client(work.join("client")).mount()


def tagged(owner, version, n_blocks):
    """Bytes that say in each block whose they are."""
    return b"".join(struct.pack("<QQQ", owner, version, i).ljust(BLOCK, b"+")
                    for i in range(n_blocks))


def check_tags(content, owner):
    """All blocks are of this owner, in their places, or zeros behind a
    truncate that was not seen yet."""
    for i in range(0, len(content) - BLOCK + 1, BLOCK):
        block = content[i:i + BLOCK]
        if not block.strip(b"\0"):
            continue
        found, _, index = struct.unpack_from("<QQQ", block)
        assert (found, index) == (owner, i // BLOCK), (
            f"file {owner} block {i // BLOCK}: of file {found}, "
            f"block {index}")


def change_one(top, rand, n_files, version):
    """One of so many files goes, is replaced, or is written anew."""
    owner = rand.randrange(n_files)
    path = f"{top}/{owner}"
    how = rand.randrange(3)
    if how == 0:
        if os.path.exists(path):
            os.unlink(path)
        return
    content = tagged(owner, version, rand.randrange(1, 400))
    if how == 1:
        write_file(f"{top}/new", content)
        os.rename(f"{top}/new", path)
    else:
        write_file(path, content)


def read_one(top, owner):
    """Was it there, with its own bytes?"""
    try:
        check_tags(read_file(f"{top}/{owner}"), owner)
        return True
    except FileNotFoundError:
        return False
    except OSError as error:  # replaced while it was read
        assert error.errno in (errno.ESTALE,), error
        return False


def tree_of(top):
    """None: it changed meanwhile."""
    try:
        return whole_tree_of(top)
    except OSError as error:
        assert error.errno in (errno.ENOENT, errno.ESTALE), error
        return None


def whole_tree_of(top):
    found = {}
    for path, dirs, files in os.walk(top):
        for name in dirs + files:
            full = os.path.join(path, name)
            st = os.lstat(full)
            content = read_file(full) if stat.S_ISREG(st.st_mode) else None
            found[os.path.relpath(full, top)] = (
                st.st_mode, st.st_size if content is not None else 0,
                st.st_nlink, content)
    return found


@needs("mafs")
def test_client_shows_what_the_master_made(work):
    master, client = pair(work)
    os.makedirs(f"{master.mnt}/a/b")
    write_file(f"{master.mnt}/a/b/f", b"one" * 5000)
    os.symlink("a/b/f", f"{master.mnt}/l")
    os.link(f"{master.mnt}/a/b/f", f"{master.mnt}/h")
    os.setxattr(f"{master.mnt}/h", "user.k", b"v")
    wait_for(lambda: tree_of(client.mnt) == tree_of(master.mnt), 2,
             "the client's view")
    wait_for(lambda: os.listxattr(f"{client.mnt}/h") == ["user.k"], 2)
    assert os.getxattr(f"{client.mnt}/h", "user.k") == b"v"
    assert os.readlink(f"{client.mnt}/l") == "a/b/f"
    for change in (lambda: write_file(f"{client.mnt}/x", b""),
                   lambda: os.unlink(f"{client.mnt}/h"),
                   lambda: os.mkdir(f"{client.mnt}/d"),
                   lambda: open(f"{client.mnt}/h", "r+b"),
                   lambda: os.chmod(f"{client.mnt}/h", 0o600)):
        with fails(errno.EROFS):
            change()
    client.umount()
    master.umount()


@needs("mafs")
def test_client_follows_within_a_second(work):
    """Rename, delete, rewrite: after each round both show the same."""
    master, client = pair(work, mkfs=("--checkpoint-after", "64K"))
    rand = random.Random(7)
    names = [f"f{i}" for i in range(12)]
    longest, n_rounds = 0, scale(40, 1000)
    for version in range(n_rounds):
        for _ in range(6):
            path = f"{master.mnt}/{rand.choice(names)}"
            what = rand.randrange(4)
            if what == 0 and os.path.exists(path):
                os.unlink(path)
            elif what == 1 and os.path.exists(path):
                os.rename(path, f"{master.mnt}/{rand.choice(names)}")
            else:
                with open(path, "wb") as out:
                    out.write(tagged(1, version, rand.randrange(1, 40)))
                    os.fsync(out.fileno())
        begin = time.monotonic()
        wanted = tree_of(master.mnt)
        wait_for(lambda: tree_of(client.mnt) == wanted, 1.5,
                 f"round {version}")
        longest = max(longest, time.monotonic() - begin)
    print(f"client: rounds={n_rounds} longest={longest * 1000:.0f}ms",
          flush=True)
    client.umount()
    master.umount()


def n_flips(device):
    """How often the superblock was stored; twice a checkpoint."""
    with open(device, "rb") as source:
        copies = [os.pread(source.fileno(), 512, at) for at in (0, 4096)]
    return max(struct.unpack_from("<Q", copy, 16)[0] for copy in copies)


def write_on(top, device, n_files, n_checkpoints):
    """Files come, go and are written anew, among so much else that the log is
    checkpointed all the time."""
    rand = random.Random(3)
    end = n_flips(device) + 2 * n_checkpoints
    version = 0
    write_file(f"{top}/touched", b"")
    while n_flips(device) < end:
        version += 1
        change_one(top, rand, n_files, version)
        for i in range(rand.randrange(80)):
            os.utime(f"{top}/touched", (i, i))


def read_on(top, n_files, seed, writer):
    """How often a file was there."""
    rand, n_read = random.Random(seed), 0
    while writer.ended() is None:
        n_read += read_one(top, rand.randrange(n_files))
    return n_read


@needs("mafs")
def test_reader_never_sees_another_files_bytes(work):
    """A small device, so that extents are used again and again, and a log that
    is checkpointed away under the client."""
    n_files, n_checkpoints = 8, scale(60, 1000)
    place = in_memory(work, "40M")
    master, client = pair(place, size="32M", unit="4K", devices=1,
                          mkfs=("--checkpoint-after", "64K"))
    device = place.join("device-0")
    before = n_flips(device)
    writer = Child(lambda: write_on(master.mnt, device, n_files,
                                    n_checkpoints))
    n_read = read_on(client.mnt, n_files, 5, writer)
    writer.wait()
    print(f"client: checkpoints={(n_flips(device) - before) // 2} "
          f"files_read={n_read}", flush=True)
    assert n_read > 20, n_read
    wanted = whole_tree_of(master.mnt)
    wait_for(lambda: tree_of(client.mnt) == wanted, 3, "the client's view")
    client.umount()
    master.umount()
    master.fsck()


@needs("mafs")
def test_device_that_is_added_meanwhile(work):
    """The client has it when the log says so, by an entry or a checkpoint."""
    master, client = pair(work, size="16M", devices=1)
    write_file(f"{master.mnt}/before", b"before")
    for i in (1, 2):
        master.umount()
        run(["mafs", "device", "add", master.spec,
             f"file:{work.join(f'device-{i}')},16M"])
        master.mount()
        write_file(f"{master.mnt}/{i}", tagged(i, i, 3000))
        wait_for(lambda: os.path.exists(f"{client.mnt}/{i}"), 2, "the name")
        check_tags(read_file(f"{client.mnt}/{i}"), i)
    wanted = tree_of(master.mnt)
    wait_for(lambda: tree_of(client.mnt) == wanted, 2, "the client's view")
    assert len(client.status()["devices"]) == 3, client.status()
    client.umount()
    master.umount()


@needs("mafs")
def test_mapped_file_of_a_client_follows(work):
    import mmap
    master, client = pair(work)
    write_file(f"{master.mnt}/f", b"a" * BLOCK)
    wait_for(lambda: os.path.exists(f"{client.mnt}/f"), 2)
    with open(f"{client.mnt}/f", "rb") as f:
        mapped = mmap.mmap(f.fileno(), BLOCK, prot=mmap.PROT_READ)
        assert mapped[0:1] == b"a"
        with open(f"{master.mnt}/f", "r+b") as out:
            out.write(b"b" * BLOCK)
        wait_for(lambda: mapped[0:1] == b"b", 2, "the new bytes")
        mapped.close()
    client.umount()
    master.umount()


@needs("mafs")
def test_second_master_is_refused_and_a_woken_one_stops(work):
    import signal
    from work import freeze, process_gone
    master = MemoryVolume(work, devices=1).mount()
    write_file(f"{master.mnt}/kept", b"kept")
    second = master.client(work.join("second"), role="master")
    done = run(second.command(), check=False)
    assert done.returncode != 0 and "unmount" in done.stderr, done.stderr
    taker = master.client(work.join("taker"), role="master")
    done = run(taker.command("takeover"), check=False)
    assert done.returncode != 0 and "heartbeat" in done.stderr, done.stderr
    freeze(master.pid)
    taker.mount("takeover")
    assert read_file(f"{taker.mnt}/kept") == b"kept"
    write_file(f"{taker.mnt}/new", b"new")
    os.kill(master.pid, signal.SIGCONT)
    wait_for(lambda: process_gone(master.pid), 10, "the old master's end")
    assert read_file(f"{taker.mnt}/new") == b"new"
    taker.umount()
    master.discard()
    master.mount()
    assert sorted(os.listdir(master.mnt)) == ["kept", "new"]
    master.umount()


@needs("mafs")
def test_file_that_gets_its_first_name_late(work):
    """O_TMPFILE: the client has heard of the file long before its name."""
    master, client = pair(work)
    fd = os.open(master.mnt, os.O_TMPFILE | os.O_RDWR, 0o600)
    os.write(fd, b"late" * BLOCK)
    write_file(f"{master.mnt}/after", b"")
    wait_for(lambda: os.path.exists(f"{client.mnt}/after"), 2)
    time.sleep(0.5)
    subprocess.run(["ln", "-L", f"/proc/self/fd/{fd}", f"{master.mnt}/f"],
                   check=True, pass_fds=(fd,))
    os.close(fd)
    wait_for(lambda: os.path.exists(f"{client.mnt}/f"), 2, "the name")
    assert read_file(f"{client.mnt}/f") == b"late" * BLOCK
    client.umount()
    master.umount()


if __name__ == "__main__":
    main()
