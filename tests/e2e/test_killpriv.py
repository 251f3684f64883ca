#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a stranger changes loses setuid, setgid and file capabilities, on each
way that the bytes can go."""

import mmap
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../harness"))
from mafs import prepared
from runner import main
from syscalls import capability_xattr
from tree import read_file, write_file
from work import PLAIN, USER, Child, as_user, run

CAPABILITY = "security.capability"


def mode(path):
    return os.stat(path).st_mode & 0o7777


def privileged(path, bits=0o6777):
    os.chown(path, 0, 0)
    os.chmod(path, bits)
    os.setxattr(path, CAPABILITY, capability_xattr())


def write(path, flags=os.O_WRONLY):
    fd = os.open(path, flags)
    os.write(fd, b"changed")
    os.close(fd)


def assert_stripped(*paths, bits=0o777):
    for path in paths:
        assert mode(path) == bits, f"{path} has mode {mode(path):o}"
        assert CAPABILITY not in os.listxattr(path), \
            f"{path} keeps its capabilities"


# C: a new file

def test_write_to_a_new_file(d, n):
    write_file(f"{d}/f", b"x" * 100)
    privileged(f"{d}/f")
    as_user(lambda: write(f"{d}/f"))
    assert_stripped(f"{d}/f", f"{n}/f")


def test_write_while_another_writer_has_it_open(d, n):
    with open(f"{d}/f", "wb", buffering=0) as out:
        out.write(b"x" * 100)
        privileged(f"{d}/f")
        as_user(lambda: write(f"{d}/f"))
        assert_stripped(f"{d}/f", f"{n}/f")


def test_write_through_an_early_descriptor(d, n):
    """Opened while the file was harmless, written after the chmod."""
    write_file(f"{d}/f", b"x" * 100)
    os.chmod(f"{d}/f", 0o777)
    ready, opened = os.pipe()
    go, going = os.pipe()

    def writer():
        fd = os.open(f"{d}/f", os.O_WRONLY)
        os.write(fd, b"1")
        os.write(opened, b"x")
        os.read(go, 1)
        os.write(fd, b"2")

    child = Child(writer, USER)
    os.read(ready, 1)
    privileged(f"{d}/f")
    os.write(going, b"x")
    child.wait()
    for fd in (ready, opened, go, going):
        os.close(fd)
    assert_stripped(f"{d}/f", f"{n}/f")


# D: an existing file

def cold(work):
    vol = prepared(work, {"f": b"x" * 10000})
    privileged(f"{vol.dir}/f")
    return vol, f"{vol.mnt}/f", f"{vol.dir}/f"


def test_write_to_a_cold_file(work):
    vol, up, down = cold(work)
    assert mode(up) == 0o6777
    as_user(lambda: write(up))
    assert_stripped(up, down)
    vol.umount()
    assert_stripped(down)


def test_store_to_a_cold_file_by_mapping(work):
    """A store needs a writing open; on disk it strips nothing by itself, so
    only writes before or after it do."""
    vol, up, down = cold(work)

    def store():
        fd = os.open(up, os.O_RDWR)
        with mmap.mmap(fd, 4096) as memory:
            memory[0] = 1
            os.pwrite(fd, b"2", 1)
        os.close(fd)

    as_user(store)
    assert_stripped(up, down)
    vol.umount()


# M and X: a hot file

def test_write_to_a_hot_file(work):
    vol, up, down = cold(work)
    vol.make_hot(up)
    as_user(lambda: write(up))
    assert_stripped(up, down)
    vol.umount()
    assert_stripped(down)


def test_write_to_a_hot_file_that_is_being_read(work):
    vol, up, down = cold(work)
    vol.make_hot(up)
    with open(up, "rb", buffering=0) as reader:
        assert reader.read(1) == b"x"
        as_user(lambda: write(up))
        assert_stripped(up, down)
        assert os.pread(reader.fileno(), 7, 0) == b"changed"
    vol.umount()
    assert_stripped(down)


# Whatever the path

def test_truncate_strips(work):
    for i, act in enumerate((
            lambda path: os.truncate(path, 5),
            lambda path: os.close(os.open(path, os.O_WRONLY | os.O_TRUNC)))):
        for hot in (False, True):
            vol, up, down = cold(work.sub(f"{i}{hot}"))
            if hot:
                vol.make_hot(up)
            as_user(lambda act=act, up=up: act(up))
            assert_stripped(up, down)
            vol.umount()


def test_chown_strips(d, oracle):
    """By the owner to another of his groups, and by root."""
    for top in (d, oracle):
        write_file(f"{top}/own", b"x")
        os.chown(f"{top}/own", USER, USER)
        os.chmod(f"{top}/own", 0o6755)
        as_user(lambda top=top: os.chown(f"{top}/own", -1, 4321),
                groups=[4321])
        write_file(f"{top}/root", b"x")
        privileged(f"{top}/root", 0o6755)
        os.chown(f"{top}/root", 5, 5)
        write_file(f"{top}/locking", b"x")
        os.chmod(f"{top}/locking", 0o2745)
        os.chown(f"{top}/locking", 5, 5)
    for name in ("own", "root", "locking"):
        assert mode(f"{d}/{name}") == mode(f"{oracle}/{name}"), name
    assert CAPABILITY not in os.listxattr(f"{d}/root")


def test_root_keeps_the_mode_bits(d, oracle):
    for top in (d, oracle):
        write_file(f"{top}/f", b"x" * 100)
        privileged(f"{top}/f")
        write(f"{top}/f")
    assert mode(f"{d}/f") == mode(f"{oracle}/f") == 0o6777


def test_chown_by_a_stranger_of_the_group_drops_setgid(d, oracle):
    for bits in (0o2644, 0o2755, 0o6644):
        for top in (d, oracle):
            path = f"{top}/{bits:o}"
            write_file(path, b"")
            os.chown(path, USER, 4321)
            os.chmod(path, bits)
            as_user(lambda path=path: os.chown(path, -1, USER))
        assert mode(f"{d}/{bits:o}") == mode(f"{oracle}/{bits:o}"), oct(bits)


def test_setgid_without_execute_means_locking_and_stays(d, oracle):
    for top in (d, oracle):
        write_file(f"{top}/f", b"x")
        os.chmod(f"{top}/f", 0o2767)
        os.chown(f"{top}/f", 0, USER)
        os.chmod(f"{top}/f", 0o2767)
        as_user(lambda top=top: write(f"{top}/f"))
    assert mode(f"{d}/f") == mode(f"{oracle}/f")


def test_write_back_strips_nothing_and_brings_nothing_back(vol):
    up, down = f"{vol.mnt}/f", f"{vol.dir}/f"
    write_file(up, b"x" * 100000)
    privileged(up, 0o6755)
    vol.sync()
    assert mode(up) == mode(down) == 0o6755
    assert os.getxattr(down, CAPABILITY) == capability_xattr()
    os.chmod(up, 0o6777)
    as_user(lambda: write(up))
    vol.umount()
    assert_stripped(down)


def test_fallocate_and_copy_by_a_stranger_strip(d, oracle):
    def go(path, way):
        fd = os.open(path, os.O_RDWR)
        if way == "fallocate":
            os.posix_fallocate(fd, 0, 5000)
        else:
            os.copy_file_range(fd, fd, 10, 0, 50)

    for way in ("fallocate", "copy"):
        for top in (d, oracle):
            write_file(f"{top}/{way}", b"x" * 100)
            privileged(f"{top}/{way}")
            as_user(lambda top=top, way=way: go(f"{top}/{way}", way))
        assert mode(f"{d}/{way}") == mode(f"{oracle}/{way}"), way


def test_running_a_stripped_program_gives_no_privilege(work):
    """The kernel must not go on with a mode that it remembers."""
    vol = prepared(work, {"id": read_file("/usr/bin/id")},
                   options="suid")
    up = f"{vol.mnt}/id"
    os.chmod(up, 0o4777)
    said = run([up, "-u"], user=USER, group=USER, extra_groups=[]).stdout
    if said.strip() != "0" and not PLAIN:
        raise AssertionError("with -o suid a setuid program runs as its owner")

    def append():
        fd = os.open(up, os.O_WRONLY | os.O_APPEND)
        os.write(fd, b"\0")
        os.close(fd)

    as_user(append)
    said = run([up, "-u"], user=USER, group=USER, extra_groups=[]).stdout
    assert said.strip() == str(USER), "runs as root after a stranger's write"
    vol.umount()


if __name__ == "__main__":
    main()
