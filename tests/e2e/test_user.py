#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Everything as an ordinary user: no privileges, fusermount3, no passthrough.

Each test runs in a private mount namespace; where /dev/fuse is root's alone,
a node that users may open lies over it there.
"""

import contextlib
import errno
import json
import mmap
import os
import pwd
import resource
import shutil
import stat
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../harness"))
from mafs import MIB, Volume
from runner import main, needs, scale
from tree import assert_same, block, make_tree, manifest, read_file, write_file
from work import (USER, Skip, as_user, fails, private_mounts, run,
                  wait_for)


def open_device(work):
    """/dev/fuse for everybody, in this mount namespace."""
    private_mounts()
    if os.stat("/dev/fuse").st_mode & 0o006 == 0o006:
        return
    node = work.join("fuse-device")
    try:
        os.mknod(node, stat.S_IFCHR | 0o666, os.stat("/dev/fuse").st_rdev)
        os.chmod(node, 0o666)
        run(["mount", "--bind", node, "/dev/fuse"])
        os.close(os.open("/dev/fuse", os.O_RDWR))
    except (OSError, AssertionError) as error:
        raise Skip(f"no /dev/fuse that users may open: {error}") from None


def user_exists():
    try:
        return bool(pwd.getpwuid(USER))
    except KeyError:
        return False


def provide_etc(work):
    """fusermount3 wants /etc/mtab and the user's name; a bare system has
    neither."""
    if os.path.lexists("/etc/mtab") and user_exists():
        return
    for name in ("etc", "etc.work"):
        os.mkdir(work.join(name), 0o755)
    try:
        run(["mount", "-t", "overlay", "-o", f"lowerdir=/etc,upperdir="
             f"{work.join('etc')},workdir={work.join('etc.work')}",
             "overlay", "/etc"])
    except AssertionError as error:
        raise Skip(f"needs /etc/mtab and a user {USER}: {error}") from None
    if not os.path.lexists("/etc/mtab"):
        os.symlink("../proc/self/mounts", "/etc/mtab")
    if not user_exists():
        with open("/etc/passwd", "a") as users:
            users.write(f"mafs-test:x:{USER}:{USER}::/:/bin/sh\n")


def prepare(work):
    open_device(work)
    provide_etc(work)


def with_volume(work, use, **options):
    """use(vol) as the user, in a volume of his own."""
    if not shutil.which("fusermount3"):
        raise Skip("needs fusermount3")
    home = work.join("home")
    os.makedirs(home, exist_ok=True)
    os.chown(home, USER, USER)
    shared = set(os.listdir("/dev/shm"))

    def go():
        os.makedirs(f"{home}/run", 0o700)
        os.environ.update(XDG_RUNTIME_DIR=f"{home}/run", HOME=home,
                          USER=str(USER))
        vol = Volume(work, source=f"{home}/dir", mnt=f"{home}/mnt",
                     memory="tmpfs:64M", **options).mount()
        use(vol)
        if vol.alive():
            vol.umount()

    try:
        as_user(go, before=lambda: prepare(work))
        left = [n for n in set(os.listdir("/dev/shm")) - shared
                if os.lstat(f"/dev/shm/{n}").st_uid == USER]
        assert left == [], f"left in /dev/shm: {left}"
    finally:
        for name in set(os.listdir("/dev/shm")) - shared:
            if os.lstat(f"/dev/shm/{name}").st_uid == USER:
                run(["rm", "-rf", f"/dev/shm/{name}"])


@needs("mafs")
def test_mount_write_read_umount(work):
    def use(vol):
        for size in (0, 1, 5000, 3 * MIB):
            write_file(f"{vol.mnt}/{size}", block(size, size))
        for size in (0, 1, 5000, 3 * MIB):
            assert read_file(f"{vol.mnt}/{size}") == block(size, size)
        vol.umount()
        for size in (0, 1, 5000, 3 * MIB):
            assert read_file(f"{vol.dir}/{size}") == block(size, size)

    with_volume(work, use)


@needs("mafs")
def test_tree_is_the_same_afterwards(work):
    def use(vol):
        make_tree(vol.mnt, 150, owners=False)
        shown = manifest(vol.mnt)
        vol.umount()
        assert_same(manifest(vol.dir), shown)

    with_volume(work, use)


@needs("mafs")
def test_existing_files_are_edited(work):
    def use(vol):
        write_file(f"{vol.mnt}/f", block(1, MIB))
        vol.push(f"{vol.mnt}/f")
        fd = os.open(f"{vol.mnt}/f", os.O_RDWR)
        os.pwrite(fd, b"EDIT", 1000)
        assert os.pread(fd, 4, 1000) == b"EDIT"
        os.close(fd)
        vol.pull(f"{vol.mnt}/f")
        assert read_file(f"{vol.mnt}/f")[1000:1004] == b"EDIT"
        write_file(f"{vol.mnt}/f", b"rewritten")
        assert read_file(f"{vol.mnt}/f") == b"rewritten"
        vol.umount()
        assert read_file(f"{vol.dir}/f") == b"rewritten"

    with_volume(work, use)


@needs("mafs")
def test_read_only_files_are_read_and_written_back(work):
    def use(vol):
        write_file(f"{vol.mnt}/f", block(1, MIB), 0o444)
        write_file(f"{vol.mnt}/s", block(2, MIB), 0o4511)
        vol.umount()
        assert read_file(f"{vol.dir}/f") == block(1, MIB)
        for name, mode in (("f", 0o444), ("s", 0o4511)):
            assert os.stat(f"{vol.dir}/{name}").st_mode & 0o7777 == mode
        before = os.stat(f"{vol.dir}/f").st_ctime_ns
        vol.mount()
        assert read_file(f"{vol.mnt}/f") == block(1, MIB)
        assert os.stat(f"{vol.dir}/f").st_ctime_ns == before
        vol.umount()

    with_volume(work, use)


@needs("mafs")
def test_killed_daemon_loses_nothing(work):
    def use(vol):
        for i in range(20):
            write_file(f"{vol.mnt}/{i}", block(i, 20000))
        os.rename(f"{vol.mnt}/0", f"{vol.mnt}/renamed")
        vol.kill()
        vol.mount()
        assert read_file(f"{vol.mnt}/renamed") == block(0, 20000)
        for i in range(1, 20):
            assert read_file(f"{vol.mnt}/{i}") == block(i, 20000)
        vol.umount()
        assert read_file(f"{vol.dir}/19") == block(19, 20000)

    with_volume(work, use)


@needs("mafs")
def test_more_than_memory_holds(work):
    def use(vol):
        with open(f"{vol.mnt}/f", "wb", buffering=0) as out:
            for i in range(100):
                assert out.write(block(i, MIB)) == MIB
        with open(f"{vol.mnt}/f", "rb", buffering=0) as source:
            for i in range(100):
                assert source.read(MIB) == block(i, MIB), i
        vol.umount()
        assert os.stat(f"{vol.dir}/f").st_size == 100 * MIB

    with_volume(work, use)


@needs("mafs")
def test_mapped_stores_are_kept(work):
    def use(vol):
        fd = os.open(f"{vol.mnt}/f", os.O_CREAT | os.O_RDWR)
        os.ftruncate(fd, MIB)
        with mmap.mmap(fd, MIB) as memory:
            memory[:] = block(1, MIB)
        os.close(fd)
        assert read_file(f"{vol.mnt}/f") == block(1, MIB)
        vol.umount()
        assert read_file(f"{vol.dir}/f") == block(1, MIB)

    with_volume(work, use)


def under_unlinked(vol):
    return os.listdir(f"{vol.dir}/.mafs/unlinked")


@needs("mafs")
def test_unlinked_while_open_beyond_the_descriptor_limit(work):
    limit, count = scale(256, 1024), scale(300, 2000)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, count + 200), hard))

    def use(vol):
        fds = []
        for i in range(count):
            path = f"{vol.mnt}/{i}"
            fds.append(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            os.write(fds[i], b"before %d" % i)
            if i % 2:
                os.unlink(path)
            else:
                write_file(f"{vol.mnt}/new", b"")
                os.rename(f"{vol.mnt}/new", path)
                os.unlink(path)
        assert under_unlinked(vol) != []
        for i, fd in enumerate(fds):
            os.pwrite(fd, b"after %d" % i, 100)
        vol.sync()
        for i, fd in enumerate(fds):
            content = os.pread(fd, 1000, 0)
            assert content.startswith(b"before %d" % i), i
            assert content[100:] == b"after %d" % i, i
            assert os.fstat(fd).st_nlink == 0
            os.fchmod(fd, 0o640)
        assert len(os.listdir(f"/proc/{vol.pid}/fd")) <= limit
        for fd in fds[1:]:
            os.close(fd)
        assert os.listdir(vol.mnt) == []
        wait_for(lambda: under_unlinked(vol) == [], 10, "the last closes")
        os.close(fds[0])
        vol.umount()

    with_volume(work, use, n_files=limit)


@needs("mafs")
def test_what_a_killed_daemon_kept_unlinked_goes(work):
    def use(vol):
        fds = []
        for i in range(100):
            fds.append(os.open(f"{vol.mnt}/{i}", os.O_CREAT | os.O_RDWR))
            os.write(fds[i], b"before")
            os.unlink(f"{vol.mnt}/{i}")
        assert under_unlinked(vol) != []
        vol.kill()
        for fd in fds:
            with contextlib.suppress(OSError):
                os.close(fd)
        vol.mount()
        assert under_unlinked(vol) == []
        vol.umount()
        assert os.listdir(vol.dir) == [".mafs"]

    with_volume(work, use, n_files=256)


@needs("mafs")
def test_commands_show_and_move_ones_own_files(work):
    def use(vol):
        for name in ("d/a", "d/b"):
            write_file(f"{vol.mnt}/{name}", block(1, 100_000))
        vol.sync()

        def said(*args):
            return json.loads(run(["mafs", args[0], "--json",
                                   *args[1:]]).stdout)

        assert said("evict", f"{vol.mnt}/d")["n_moved"] == 2
        assert said("which", f"{vol.mnt}/d/a")["tier"] == "disk"
        assert said("pin", f"{vol.mnt}/d")["n_moved"] == 2
        assert said("du", vol.mnt)["memory"]["bytes"] == 200_000
        names = [one["name"] for one in said("ls", f"{vol.mnt}/d")["entries"]]
        assert names == ["a", "b"], names
        assert said("unpin", vol.mnt)["n_unpinned"] == 1
        assert said("push", f"{vol.mnt}/d/a")["bytes_moved"] == 100_000
        run(["mafs", "set", vol.mnt, "writeback_after=1m"])
        top = said("top", "-d", "0.1", vol.mnt)
        assert top["status"]["pid"] == vol.pid

    os.makedirs(work.join("home/dir/d"))
    for path in ("home", "home/dir", "home/dir/d"):
        os.chown(work.join(path), USER, USER)
    with_volume(work, use)


@needs("mafs")
def test_foreign_files_stay_foreign(work):
    def use(vol):
        with fails(errno.EPERM):
            os.mknod(f"{vol.mnt}/c", stat.S_IFCHR | 0o600, os.makedev(1, 3))
        write_file(f"{vol.mnt}/f", b"")
        with fails(errno.EPERM):
            os.chown(f"{vol.mnt}/f", 0, 0)
        assert os.stat(f"{vol.mnt}/f").st_uid == USER

    with_volume(work, use)


if __name__ == "__main__":
    main()
