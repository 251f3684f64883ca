#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What docs/security.md says, tried by those who must not succeed."""

import ctypes
import errno
import glob
import os
import re
import socket
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../harness"))
from mafs import prepared
from runner import main, needs, scale
from syscalls import RENAME_EXCHANGE, renameat2
from tree import assert_same, manifest, read_file, write_file
from work import USER, Child, as_user, fails, run

# linux/capability.h
KEPT = {"chown": 0, "dac_override": 1, "dac_read_search": 2, "fowner": 3,
        "fsetid": 4, "setgid": 6, "setuid": 7, "sys_admin": 21, "mknod": 27,
        "lease": 28, "setfcap": 31}

_libc = ctypes.CDLL(None, use_errno=True)


def capabilities(status):
    with open(status) as lines:
        return {name: int(value, 16) for name, value in
                re.findall(r"^(Cap\w+):\s*(\w+)$", lines.read(), re.M)}


@needs("mafs")
def test_daemon_keeps_only_the_capabilities_it_needs(vol):
    kept = sum(1 << number for number in KEPT.values())
    write_file(f"{vol.mnt}/f", b"x")  # all threads have started
    vol.sync()
    for status in glob.glob(f"/proc/{vol.pid}/task/*/status"):
        sets = capabilities(status)
        for name in ("CapPrm", "CapEff", "CapBnd"):
            more = sets[name] & ~kept
            assert not more, f"{name} also holds {more:x}"
        assert sets["CapInh"] == sets["CapAmb"] == 0


@needs("mafs")
def test_other_user_reaches_neither_memory_nor_control_socket(vol):
    write_file(f"{vol.mnt}/f", b"secret")
    run_dir, proc = vol.run_dir, f"/proc/{vol.pid}"
    for path in (run_dir, f"{run_dir}/memory"):
        st = os.stat(path)
        assert (st.st_uid, st.st_mode & 0o777) == (0, 0o700), path
    assert os.stat(f"{run_dir}/control.sock").st_mode & 0o777 == 0o600

    def call():
        client = socket.socket(socket.AF_UNIX)
        client.connect(f"{run_dir}/control.sock")

    for attempt in (call,
                    lambda: os.listdir(run_dir),
                    lambda: os.listdir(f"{run_dir}/memory"),
                    lambda: os.stat(f"{run_dir}/memory/superblock"),
                    lambda: os.listdir(f"{proc}/fd"),
                    lambda: os.readlink(f"{proc}/root"),
                    lambda: os.listdir(f"{vol.dir}/.mafs"),
                    lambda: open(f"{proc}/mem", "rb")):
        with fails(errno.EACCES, errno.EPERM):
            as_user(attempt)


@needs("mafs")
def test_mode_forbids_a_file_wherever_its_bytes_are(work):
    vol = prepared(work, {"cold": b"secret", "hot": b"secret"})
    vol.make_hot(f"{vol.mnt}/hot")
    write_file(f"{vol.mnt}/dirty", b"secret")
    os.mkdir(f"{vol.mnt}/shut", 0o700)
    write_file(f"{vol.mnt}/shut/open", b"secret", 0o666)
    names = ("cold", "hot", "dirty", "shut/open")
    for name in names[:3]:
        os.chmod(f"{vol.mnt}/{name}", 0o600)
    for name in names:
        path = f"{vol.mnt}/{name}"
        for attempt in (lambda: read_file(path),
                        lambda: open(path, "ab"),
                        lambda: os.truncate(path, 0)):
            with fails(errno.EACCES):
                as_user(attempt)
    for name in names:
        assert read_file(f"{vol.mnt}/{name}") == b"secret"
    vol.umount()


@needs("mafs")
def test_chmod_shuts_out_at_once(vol):
    """What was just let in is not served from a path chosen before."""
    path = f"{vol.mnt}/f"
    write_file(path, b"for all", 0o644)
    for prepare in (lambda: None, lambda: vol.push(path),
                    lambda: vol.make_hot(path)):
        os.chmod(path, 0o644)
        prepare()
        assert as_user(lambda: read_file(path)) == b"for all"
        os.chmod(path, 0o600)
        with fails(errno.EACCES):
            as_user(lambda: read_file(path))


@needs("mafs")
def test_what_a_user_makes_is_the_users_on_n(vol):
    os.chmod(vol.mnt, 0o1777)

    def make():
        write_file(f"{vol.mnt}/f", b"mine")
        os.mkdir(f"{vol.mnt}/d")
        os.symlink("f", f"{vol.mnt}/l")
        os.mkfifo(f"{vol.mnt}/p")

    as_user(make)
    vol.sync()
    for name in "fdlp":
        st = os.lstat(f"{vol.dir}/{name}")
        assert (st.st_uid, st.st_gid) == (USER, USER), name


# Names and handles.

@needs("mafs")
def test_state_directory_is_reached_by_no_name(vol):
    top = vol.mnt
    os.mkdir(f"{top}/dir")
    write_file(f"{top}/f", b"x")
    os.symlink(".mafs/volume.yaml", f"{top}/l")
    os.symlink("../.mafs", f"{top}/dir/l")
    before = manifest(f"{vol.dir}/.mafs")
    for name in (".mafs", ".mafs/volume.yaml", "dir/../.mafs",
                 "./.mafs/lock", "dir/../dir/../.mafs/session", "l",
                 "dir/l/lock"):
        for attempt in (lambda p: os.open(p, os.O_PATH), os.stat,
                        read_file, os.listxattr, os.listdir):
            with fails(errno.ENOENT, errno.EPERM):
                attempt(f"{top}/{name}")
    for attempt in (lambda p: os.rename(f"{top}/f", p), os.unlink, os.rmdir,
                    lambda p: os.rename(f"{top}/dir", p),
                    lambda p: renameat2(f"{top}/dir", p, RENAME_EXCHANGE),
                    lambda p: renameat2(p, f"{top}/dir", RENAME_EXCHANGE),
                    lambda p: os.rename(p, f"{top}/taken"),
                    lambda p: os.link(f"{top}/f", p),
                    lambda p: os.link(p, f"{top}/taken"),
                    lambda p: os.symlink("f", p),
                    os.mkdir, os.mkfifo,
                    lambda p: write_file(p, b"")):
        for name in (".mafs", "dir/../.mafs"):
            with fails(errno.ENOENT, errno.EPERM, errno.EEXIST):
                attempt(f"{top}/{name}")
        with fails(errno.ENOENT, errno.EPERM):
            attempt(f"{top}/.mafs/new")
    assert_same(manifest(f"{vol.dir}/.mafs"), before)


def handle_of(path):
    buffer = ctypes.create_string_buffer(struct.pack("Ii", 128, 0), 136)
    mount_id = ctypes.c_int()
    if _libc.name_to_handle_at(-100, os.fsencode(path), buffer,
                               ctypes.byref(mount_id), 0):
        raise OSError(ctypes.get_errno(), "name_to_handle_at")
    length, kind = struct.unpack_from("Ii", buffer)
    return kind, buffer.raw[8:8 + length]


def open_handle(mount_fd, kind, content):
    handle = struct.pack("Ii", len(content), kind) + content
    fd = _libc.open_by_handle_at(mount_fd, handle, os.O_RDONLY)
    if fd < 0:
        raise OSError(ctypes.get_errno(), "open_by_handle_at")
    return fd


@needs("mafs")
def test_no_handle_opens_anything_through_the_mount(vol):
    write_file(f"{vol.mnt}/f", b"x")
    mount_fd = os.open(vol.mnt, os.O_RDONLY)
    kind, content = handle_of(f"{vol.dir}/.mafs/volume.yaml")
    # N's own handles, then FUSE's: node id and generation.
    handles = [(kind, content), handle_of(f"{vol.dir}/f")]
    handles += [(0x81, struct.pack("III", node >> 32, node & 0xffffffff, g))
                for node in [*range(64), *(n << 32 | n for n in range(64))]
                for g in range(3)]
    for kind, content in handles:
        with fails(errno.ESTALE, errno.EOPNOTSUPP, errno.EINVAL):
            open_handle(mount_fd, kind, content)
    os.close(mount_fd)


# Links that lead out.

class Swapper(Child):
    """Exchanges, on N and past the mount, two names as fast as it can."""

    def __init__(self, a, b):
        super().__init__(lambda: self.swap(a, b))

    @staticmethod
    def swap(a, b):
        while True:
            renameat2(a, b, RENAME_EXCHANGE)


def outside(work):
    """A directory with the names that are used within N."""
    top = work.join("outside")
    os.makedirs(f"{top}/sub")
    for i in range(4):
        write_file(f"{top}/{i}", b"outside %d" % i, 0o640)
        write_file(f"{top}/sub/{i}", b"outside %d" % i, 0o640)
    return top


def work_in(directory, i):
    """One of everything, relative to a directory that is open: no path is
    resolved here, so whatever follows a link is the daemon."""
    name, content = str(i % 4), b"inside %d" % i
    fd = os.open(name, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o600,
                 dir_fd=directory)
    try:
        os.ftruncate(fd, 0)
        os.pwrite(fd, content, 0)
        os.fchmod(fd, 0o600 + i % 8)
        os.utime(fd, ns=(i, i))
        if i % 3 == 0:
            os.fsync(fd)
    finally:
        os.close(fd)
    step = i % 5
    if step == 0:
        os.unlink(name, dir_fd=directory)
    elif step == 1:
        os.rename(name, str((i + 1) % 4), src_dir_fd=directory,
                  dst_dir_fd=directory)
    elif step == 2:
        os.link(name, f"l{i}", src_dir_fd=directory, dst_dir_fd=directory)
        os.unlink(f"l{i}", dir_fd=directory)
    elif step == 3:
        os.mkdir(f"d{i}", dir_fd=directory)
        os.rmdir(f"d{i}", dir_fd=directory)
    else:
        os.chown(name, USER, USER, dir_fd=directory, follow_symlinks=False)


def move(vol):
    """What changes under it stays where it is, and is reported."""
    for command in ("sync", "push", "pull"):
        run(["mafs", command, vol.mnt], check=False)


def race(vol, lure, top):
    before = manifest(top)
    os.makedirs(f"{vol.dir}/a/sub")
    os.symlink(lure, f"{vol.dir}/b")
    n_done = 0
    swapper = Swapper(f"{vol.dir}/a", f"{vol.dir}/b")
    for i in range(scale(600, 20000)):
        if i % 50 == 49:
            move(vol)
        # Recovery meets it, too; and where the kernel has seen both names as
        # links and remembers that, it is to look again.
        if i == scale(300, 10000) or (i % 60 == 59 and n_done == 0):
            vol.kill()
            vol.mount()
        try:
            directory = os.open(f"{vol.mnt}/{'ab'[i % 2]}",
                                os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:
            continue  # the link, or gone in between
        try:
            work_in(directory, i)
            n_done += 1
        except OSError:
            pass
        finally:
            os.close(directory)
    assert swapper.ended() is None, "nobody swapped"
    swapper.kill()
    vol.umount()
    assert n_done > 0, "every operation failed"
    assert_same(manifest(top), before, what="outside N: ")


@needs("mafs")
def test_link_swapped_for_a_directory_leads_nowhere(work):
    top = outside(work)
    race(prepared(work, {}), top, top)


@needs("mafs")
def test_relative_link_swapped_for_a_directory_leads_nowhere(work):
    top = outside(work)
    race(prepared(work, {}), "../outside", top)


@needs("mafs")
def test_file_swapped_for_a_link_is_not_written_through(work):
    """Write-back, recovery and moves go by what the file is."""
    top = outside(work)
    before = manifest(top)
    vol = prepared(work, {"f": b"inside"})
    os.symlink(f"{top}/0", f"{vol.dir}/link")
    swapper = Swapper(f"{vol.dir}/f", f"{vol.dir}/link")
    for i in range(scale(200, 5000)):
        for attempt in (
                lambda: os.close(os.open(f"{vol.mnt}/f", os.O_RDONLY |
                                         os.O_NOFOLLOW)),
                lambda: write_nofollow(f"{vol.mnt}/f", i),
                lambda: write_nofollow(f"{vol.mnt}/link", i)):
            try:
                attempt()
            except OSError:
                pass
        if i % 20 == 0:
            move(vol)
        if i == scale(100, 2500):
            vol.kill()
            vol.mount()
    assert swapper.ended() is None, "nobody swapped"
    swapper.kill()
    vol.umount()
    assert_same(manifest(top), before, what="outside N: ")


def write_nofollow(path, i):
    fd = os.open(path, os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW)
    try:
        os.write(fd, b"inside %d" % i)
    finally:
        os.close(fd)


@needs("mafs")
def test_what_is_mounted_below_n_is_not_shown(work):
    vol = prepared(work, {"d/f": b"x"})
    vol.umount()
    os.mkdir(f"{vol.dir}/other")
    point = os.path.join(vol.dir, "other")
    assert _libc.mount(b"other", os.fsencode(point), b"tmpfs", 0, None) == 0
    try:
        write_file(f"{point}/secret", b"")
        vol.mount()
        assert os.listdir(f"{vol.mnt}/other") == []
        vol.umount()
    finally:
        assert _libc.umount2(os.fsencode(point), 2) == 0


@needs("mafs")
def test_mount_takes_no_setuid_and_no_devices_unasked(vol):
    with open("/proc/self/mountinfo") as table:
        line = next(l for l in table if l.split()[4] == vol.mnt)
    assert {"nosuid", "nodev"} <= set(line.split()[5].split(",")), line
    assert "default_permissions" in line


if __name__ == "__main__":
    main()
