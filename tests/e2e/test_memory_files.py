#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What files of a memory volume keep over a kill or another mount, and what a
stranger's write takes away; the rest is test_memory_posix.sh."""

import contextlib
import mmap
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../harness"))
from memory import MemoryVolume
from runner import main, needs
from syscalls import FALLOC_KEEP_SIZE, capability_xattr, fallocate
from tree import assert_same, block, manifest, read_file, write_file
from work import as_user, run

CAPABILITY = "security.capability"


def write(path, flags=os.O_WRONLY):
    fd = os.open(path, flags)
    os.write(fd, b"changed")
    os.close(fd)


def preallocate(path):
    fd = os.open(path, os.O_WRONLY)
    fallocate(fd, FALLOC_KEEP_SIZE, 0, 100000)
    os.close(fd)


def store(path):
    with open(path, "r+b") as out, mmap.mmap(out.fileno(), 0) as mapped:
        mapped[3:6] = b"new"


def test_a_strangers_change_takes_privileges(work):
    vol = MemoryVolume(work, "memfd").mount()
    changes = {
        "write": write,
        "append": lambda path: write(path, os.O_WRONLY | os.O_APPEND),
        "open": lambda path: write(path, os.O_WRONLY | os.O_TRUNC),
        "truncate": lambda path: os.truncate(path, 5),
        "allocate": preallocate,
    }
    for name, change in changes.items():
        path = os.path.join(vol.mnt, name)
        write_file(path, b"x" * 100)
        os.chmod(path, 0o6777)
        os.setxattr(path, CAPABILITY, capability_xattr())
        as_user(lambda change=change, path=path: change(path))
        assert os.stat(path).st_mode & 0o7777 == 0o777, \
            f"{name}: {os.stat(path).st_mode:o}"
        assert CAPABILITY not in os.listxattr(path), name
    vol.umount()


def test_stores_through_a_mapping_survive_a_kill(work):
    vol = MemoryVolume(work).mount()
    path = os.path.join(vol.mnt, "f")
    content = bytearray(block(1, 200000))
    write_file(path, content)
    fd = os.open(path, os.O_RDWR)
    mapped = mmap.mmap(fd, 0)
    for at in (0, 4095, 70000, 199990):
        mapped[at:at + 10] = content[at:at + 10] = block(at, 10)
    mapped.flush()
    vol.kill()
    with contextlib.suppress(OSError):
        os.close(fd)
    mapped.close()
    vol.mount()
    assert read_file(path) == content
    store(path)  # no msync: munmap and close
    content[3:6] = b"new"
    vol.umount()
    vol.mount()
    assert read_file(path) == content
    vol.umount()


@needs("cp")
def test_times_that_were_set_stay(work):
    vol = MemoryVolume(work).mount()
    source = work.join("source")
    for i, size in enumerate((0, 1, 4096, 300000)):
        os.makedirs(source, exist_ok=True)
        path = os.path.join(source, str(i))
        write_file(path, block(i, size))
        os.utime(path, ns=(10**18 + i, 10**18 + 10 * i))
    run(["cp", "-a", source, vol.mnt])
    wanted = manifest(source)
    path = os.path.join(vol.mnt, "written")
    with open(path, "wb", buffering=0) as out:
        out.write(block(1, 5000))
        out.seek(0)
        out.write(b"in place")
        os.utime(out.fileno(), ns=(123, 456))
    assert os.stat(path).st_mtime_ns == 456
    for end in (vol.kill, vol.umount):
        end()
        vol.mount()
        assert_same(manifest(os.path.join(vol.mnt, "source")), wanted)
        assert os.stat(path).st_mtime_ns == 456
    vol.umount()


@needs("setfacl", "getfacl")
def test_default_acls_are_inherited_as_on_disk(work):
    plain = work.join("plain")
    os.mkdir(plain)
    vol = MemoryVolume(work).mount()

    def acls(top):
        return run(["sh", "-euc", "cd \"$0\"; find . -print0 | sort -z | "
                    "xargs -0 getfacl -n -p", top]).stdout

    for top in (plain, vol.mnt):
        os.mkdir(f"{top}/d")
        os.chmod(f"{top}/d", 0o2775)
        os.chown(f"{top}/d", 0, 100)
        run(["setfacl", "-m", "d:u:1000:rwx,d:g:5:r-x,d:m:rwx,d:o:---,u:7:r",
             f"{top}/d"])
        for mask in (0o022, 0o077, 0):
            old = os.umask(mask)
            os.makedirs(f"{top}/d/{mask}/below")
            write_file(f"{top}/d/{mask}/f", b"x")
            os.mkfifo(f"{top}/d/{mask}/fifo")
            os.umask(old)
        os.chmod(f"{top}/d/18/f", 0o751)
        os.rename(f"{top}/d/63", f"{top}/moved")
    assert acls(f"{vol.mnt}/d") == acls(f"{plain}/d")
    vol.kill()
    vol.mount()
    assert acls(f"{vol.mnt}/d") == acls(f"{plain}/d")
    assert acls(f"{vol.mnt}/moved") == acls(f"{plain}/moved")
    vol.umount()


if __name__ == "__main__":
    main()
