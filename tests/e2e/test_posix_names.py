#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Names: rename, link, symlink, mknod, unlink, directories, long and deep."""

import errno
import os
import socket
import stat
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../harness"))
from mafs import Volume
from runner import main, needs, scale
from syscalls import (RENAME_EXCHANGE, RENAME_NOREPLACE, RENAME_WHITEOUT,
                      Directory, renameat2)
from tree import read_file, write_file
from work import PLAIN, fails


def test_rename_moves_a_file(d):
    os.mkdir(f"{d}/dir")
    write_file(f"{d}/a", b"moved")
    os.rename(f"{d}/a", f"{d}/dir/b")
    assert os.listdir(d) == ["dir"] and read_file(f"{d}/dir/b") == b"moved"


def test_rename_replaces(d):
    write_file(f"{d}/a", b"new")
    write_file(f"{d}/b", b"old")
    inode = os.stat(f"{d}/a").st_ino
    os.rename(f"{d}/a", f"{d}/b")
    assert read_file(f"{d}/b") == b"new"
    assert os.stat(f"{d}/b").st_ino == inode
    assert os.listdir(d) == ["b"]


def test_replaced_file_lives_while_open(d):
    write_file(f"{d}/a", b"new")
    write_file(f"{d}/b", b"old")
    with open(f"{d}/b", "rb") as old:
        os.rename(f"{d}/a", f"{d}/b")
        assert old.read() == b"old"
        assert os.fstat(old.fileno()).st_nlink == 0


def test_rename_of_directories(d):
    os.makedirs(f"{d}/a/below")
    write_file(f"{d}/a/below/f", b"deep")
    os.mkdir(f"{d}/empty")
    os.rename(f"{d}/a", f"{d}/empty")
    assert read_file(f"{d}/empty/below/f") == b"deep"
    os.mkdir(f"{d}/other")
    with fails(errno.ENOTEMPTY, errno.EEXIST):
        os.rename(f"{d}/other", f"{d}/empty")
    with fails(errno.EINVAL):
        os.rename(f"{d}/empty", f"{d}/empty/below/inside")
    write_file(f"{d}/file", b"")
    with fails(errno.ENOTDIR):
        os.rename(f"{d}/other", f"{d}/file")
    with fails(errno.EISDIR):
        os.rename(f"{d}/file", f"{d}/other")


def test_rename_of_moved_directory_keeps_parents(d):
    os.makedirs(f"{d}/from/dir")
    os.mkdir(f"{d}/to")
    links = os.stat(f"{d}/to").st_nlink
    os.rename(f"{d}/from/dir", f"{d}/to/dir")
    assert os.stat(f"{d}/to").st_nlink == links + 1
    assert os.stat(f"{d}/to/dir/..").st_ino == os.stat(f"{d}/to").st_ino


def test_noreplace_refuses_what_exists(d):
    write_file(f"{d}/a", b"a")
    write_file(f"{d}/b", b"b")
    with fails(errno.EEXIST):
        renameat2(f"{d}/a", f"{d}/b", RENAME_NOREPLACE)
    renameat2(f"{d}/a", f"{d}/c", RENAME_NOREPLACE)
    assert (read_file(f"{d}/b"), read_file(f"{d}/c")) == (b"b", b"a")


def test_exchange_swaps_any_two(d):
    write_file(f"{d}/a", b"a", 0o600)
    write_file(f"{d}/b", b"bb", 0o644)
    renameat2(f"{d}/a", f"{d}/b", RENAME_EXCHANGE)
    assert (read_file(f"{d}/a"), read_file(f"{d}/b")) == (b"bb", b"a")
    assert stat.S_IMODE(os.stat(f"{d}/b").st_mode) == 0o600
    os.mkdir(f"{d}/dir")
    write_file(f"{d}/dir/f", b"f")
    renameat2(f"{d}/dir", f"{d}/a", RENAME_EXCHANGE)
    assert read_file(f"{d}/a/f") == b"f" and read_file(f"{d}/dir") == b"bb"
    with fails(errno.ENOENT):
        renameat2(f"{d}/a", f"{d}/none", RENAME_EXCHANGE)


def test_rename_flags_as_on_disk(d, oracle):
    codes = []
    for top in (d, oracle):
        write_file(f"{top}/a", b"")
        try:
            renameat2(f"{top}/a", f"{top}/b", RENAME_WHITEOUT)
            codes.append(0)
        except OSError as error:
            codes.append(error.errno)
    # Whiteouts are for overlayfs's own use; refusing them is allowed.
    assert codes[0] in (codes[1], errno.EINVAL), codes


def test_hard_links_share_everything(d):
    write_file(f"{d}/a", b"one")
    os.link(f"{d}/a", f"{d}/b")
    with open(f"{d}/b", "ab") as out:
        out.write(b" two")
    assert read_file(f"{d}/a") == b"one two"
    a, b = os.stat(f"{d}/a"), os.stat(f"{d}/b")
    assert (a.st_ino, a.st_nlink) == (b.st_ino, 2)
    os.unlink(f"{d}/a")
    assert os.stat(f"{d}/b").st_nlink == 1
    assert read_file(f"{d}/b") == b"one two"


def test_link_errors(d):
    os.mkdir(f"{d}/dir")
    write_file(f"{d}/f", b"")
    with fails(errno.EPERM):
        os.link(f"{d}/dir", f"{d}/x")
    with fails(errno.EEXIST):
        os.link(f"{d}/f", f"{d}/dir")
    with fails(errno.ENOENT):
        os.link(f"{d}/none", f"{d}/x")


def test_rename_onto_own_link_does_nothing(d):
    write_file(f"{d}/a", b"x")
    os.link(f"{d}/a", f"{d}/b")
    os.rename(f"{d}/a", f"{d}/b")
    assert sorted(os.listdir(d)) == ["a", "b"]


def test_symlinks(d):
    write_file(f"{d}/f", b"target")
    os.symlink("f", f"{d}/good")
    os.symlink("/nowhere/" + "x" * 200, f"{d}/dangling")
    os.symlink("t" * 4095, f"{d}/longest")
    assert os.readlink(f"{d}/good") == "f" and read_file(f"{d}/good") == \
        b"target"
    assert os.readlink(f"{d}/dangling") == "/nowhere/" + "x" * 200
    assert os.lstat(f"{d}/longest").st_size == 4095
    with fails(errno.ENOENT):
        os.stat(f"{d}/dangling")
    with fails(errno.EINVAL):
        os.readlink(f"{d}/f")
    os.rename(f"{d}/good", f"{d}/renamed")
    assert os.readlink(f"{d}/renamed") == "f"


def test_symlink_with_another_owner(d):
    os.symlink("x", f"{d}/l")
    os.lchown(f"{d}/l", 1000, 1000)
    os.utime(f"{d}/l", ns=(1, 2), follow_symlinks=False)
    st = os.lstat(f"{d}/l")
    assert (st.st_uid, st.st_mtime_ns) == (1000, 2)


def test_fifo_passes_bytes(d):
    os.mkfifo(f"{d}/fifo", 0o640)
    assert stat.S_ISFIFO(os.stat(f"{d}/fifo").st_mode)
    reader = os.open(f"{d}/fifo", os.O_RDONLY | os.O_NONBLOCK)
    writer = os.open(f"{d}/fifo", os.O_WRONLY)
    os.write(writer, b"through")
    assert os.read(reader, 100) == b"through"
    os.close(reader)
    os.close(writer)


def test_socket_can_be_bound(d):
    os.chdir(d)
    with socket.socket(socket.AF_UNIX) as server, \
            socket.socket(socket.AF_UNIX) as client:
        server.bind("s")
        server.listen()
        client.connect("s")
        assert stat.S_ISSOCK(os.stat("s").st_mode)
    os.chdir("/")


def test_mknod_makes_all_kinds(d, n):
    os.mknod(f"{d}/f", stat.S_IFREG | 0o600)
    os.mknod(f"{d}/s", stat.S_IFSOCK | 0o600)
    try:
        os.mknod(f"{d}/c", stat.S_IFCHR | 0o666, os.makedev(1, 3))
        os.mknod(f"{d}/b", stat.S_IFBLK | 0o660, os.makedev(7, 200))
    except PermissionError:
        pass  # not in a container without CAP_MKNOD
    for name in os.listdir(d):
        a, b = os.stat(f"{d}/{name}"), os.stat(f"{n}/{name}")
        assert (a.st_mode, a.st_rdev) == (b.st_mode, b.st_rdev)


def test_unlink_and_rmdir_errors(d):
    os.makedirs(f"{d}/full/sub")
    write_file(f"{d}/f", b"")
    with fails(errno.ENOTEMPTY):
        os.rmdir(f"{d}/full")
    with fails(errno.EISDIR):
        os.unlink(f"{d}/full")
    with fails(errno.ENOTDIR):
        os.rmdir(f"{d}/f")
    with fails(errno.ENOENT):
        os.unlink(f"{d}/none")
    with fails(errno.EINVAL):
        os.rmdir(f"{d}/full/sub/.")
    with fails(errno.EEXIST):
        os.mkdir(f"{d}/full")


def test_removed_directory_in_use(d):
    os.mkdir(f"{d}/gone")
    os.chdir(f"{d}/gone")
    os.rmdir(f"{d}/gone")
    with fails(errno.ENOENT):
        os.open("new", os.O_CREAT | os.O_WRONLY)
    assert os.listdir(".") == []
    os.chdir("/")


def test_readdir_of_many_entries(d):
    count = scale(5000, 50000)
    os.mkdir(f"{d}/many")
    for i in range(count):
        os.mknod(f"{d}/many/entry-{i:05}-{'x' * (i % 90)}", 0o600)
    listing = Directory(f"{d}/many")
    seen, positions = [], []
    while entry := listing.read():
        seen.append(entry)
        positions.append(listing.tell())
    names = [name for name, _, _ in seen]
    assert len(names) == count + 2 and len(set(names)) == count + 2
    for i in (0, 1, count // 3, count // 2, count - 1):
        listing.seek(positions[i])
        assert listing.read() == seen[i + 1], f"seekdir to entry {i}"
    listing.close()
    with os.scandir(f"{d}/many") as entries:
        for e in list(entries)[:50]:
            assert e.inode() == e.stat().st_ino and e.is_file()


def test_removing_while_reading_a_directory(d):
    os.mkdir(f"{d}/many")
    for i in range(2000):
        os.mknod(f"{d}/many/{i}", 0o600)
    listing = Directory(f"{d}/many")
    while entry := listing.read():
        if entry[0] not in (".", ".."):
            os.unlink(f"{d}/many/{entry[0]}")
    listing.close()
    os.rmdir(f"{d}/many")


def test_new_entries_show_after_rewind(d):
    listing = Directory(d)
    while listing.read():
        pass
    write_file(f"{d}/late", b"")
    listing.seek(0)
    names = set()
    while entry := listing.read():
        names.add(entry[0])
    listing.close()
    assert "late" in names
    assert os.listdir(d) == ["late"]


def test_names_of_255_bytes(d):
    for name in ("n" * 255, "ü" * 127 + "x"):
        write_file(f"{d}/{name}", name.encode())
        assert read_file(f"{d}/{name}") == name.encode()
        assert name in os.listdir(d)
    with fails(errno.ENAMETOOLONG):
        write_file(f"{d}/{'n' * 256}", b"")
    with fails(errno.ENAMETOOLONG):
        os.mkdir(f"{d}/{'ü' * 128}")


def test_names_of_any_bytes(d):
    names = [bytes([c]) * 3 for c in range(1, 256) if c != ord("/")]
    top = os.fsencode(d) + b"/"
    for name in names:
        write_file(top + name, name)
    assert sorted(os.listdir(top)) == sorted(names)
    assert all(read_file(top + name) == name for name in names)


def test_paths_longer_than_path_max(d):
    os.chdir(d)
    depth, name = 30, "p" * 200
    for _ in range(depth):
        os.mkdir(name)
        os.chdir(name)
    write_file("bottom", b"deep down")
    assert read_file("bottom") == b"deep down"
    os.rename("bottom", "renamed")
    assert os.listdir(".") == ["renamed"]
    os.unlink("renamed")
    for _ in range(depth):
        os.chdir("..")
        os.rmdir(name)
    assert os.stat(".").st_ino == os.stat(d).st_ino
    os.chdir("/")


def test_inode_numbers_and_link_counts_are_those_of_dir(d, n):
    os.makedirs(f"{d}/a/b/c")
    write_file(f"{d}/a/f", b"x")
    os.link(f"{d}/a/f", f"{d}/a/b/g")
    os.symlink("f", f"{d}/a/l")
    for name in (".", "a", "a/b", "a/b/c", "a/f", "a/b/g", "a/l"):
        up, down = os.lstat(f"{d}/{name}"), os.lstat(f"{n}/{name}")
        assert (up.st_ino, up.st_nlink) == (down.st_ino, down.st_nlink), name


@needs("mafs")
def test_state_directory_is_hidden(vol):
    assert os.path.isdir(f"{vol.dir}/.mafs")
    assert ".mafs" not in os.listdir(vol.mnt)
    for what in (".mafs", ".mafs/volume.yaml", ".mafs/session"):
        with fails(errno.ENOENT):
            os.stat(f"{vol.mnt}/{what}")
    with fails(errno.EPERM, errno.EACCES, errno.EEXIST, errno.ENOENT,
               errno.EINVAL):
        os.mkdir(f"{vol.mnt}/.mafs")
    write_file(f"{vol.mnt}/f", b"x")
    with fails(errno.EPERM, errno.EACCES, errno.ENOENT, errno.EEXIST,
               errno.EINVAL):
        os.rename(f"{vol.mnt}/f", f"{vol.mnt}/.mafs")
    with fails(errno.ENOENT, errno.EPERM, errno.EACCES):
        os.rmdir(f"{vol.mnt}/.mafs")
    os.mkdir(f"{vol.mnt}/dir")
    os.mkdir(f"{vol.mnt}/dir/.mafs")  # only at the root is it ours
    assert os.stat(f"{vol.mnt}/f").st_ino == os.stat(f"{vol.dir}/f").st_ino


def test_mount_over_the_directory_itself(work):
    if PLAIN:
        return
    os.makedirs(work.join("dir"))
    write_file(work.join("dir", "f"), b"covered")
    vol = Volume(work, mnt="").mount()
    assert read_file(f"{vol.dir}/f") == b"covered"
    write_file(f"{vol.dir}/g", b"new")
    assert ".mafs" not in os.listdir(vol.dir)
    vol.umount()
    assert read_file(f"{vol.dir}/g") == b"new"


if __name__ == "__main__":
    main()
