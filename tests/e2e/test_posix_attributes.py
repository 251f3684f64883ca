#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Modes, owners, times, extended attributes, ACLs."""

import errno
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../harness"))
from mafs import prepared
from runner import main, needs
from syscalls import birth_time_ns
from tree import read_file, write_file
from work import USER, as_user, fails, run


def mode(path):
    return os.lstat(path).st_mode & 0o7777


def test_chmod_sets_all_twelve_bits(d, n):
    write_file(f"{d}/f", b"")
    for bits in (0o000, 0o7777, 0o4755, 0o640):
        os.chmod(f"{d}/f", bits)
        assert mode(f"{d}/f") == mode(f"{n}/f") == bits


def test_new_files_obey_the_umask(d):
    def create():
        os.close(os.open(f"{d}/f", os.O_CREAT | os.O_WRONLY, 0o777))
        os.mkdir(f"{d}/dir", 0o777)
        os.mkfifo(f"{d}/fifo", 0o666)

    os.chmod(d, 0o777)
    as_user(create, umask=0o027)
    assert (mode(f"{d}/f"), mode(f"{d}/dir"), mode(f"{d}/fifo")) == \
        (0o750, 0o750, 0o640)


def test_what_a_user_creates_is_his(d, n):
    def create():
        write_file(f"{d}/f", b"mine")
        os.mkdir(f"{d}/dir")
        os.symlink("x", f"{d}/l")
        os.mkfifo(f"{d}/fifo")
        os.link(f"{d}/f", f"{d}/hard")
        os.close(os.open(d, os.O_TMPFILE | os.O_RDWR))

    os.chmod(d, 0o777)
    as_user(create, uid=USER, gid=2000)
    for name in ("f", "dir", "l", "fifo", "hard"):
        for top in (d, n):
            st = os.lstat(f"{top}/{name}")
            assert (st.st_uid, st.st_gid) == (USER, 2000), name


def test_setgid_directory_gives_its_group(d):
    os.chown(d, 0, 3000)
    os.chmod(d, 0o2777)

    def create():
        write_file(f"{d}/f", b"")
        os.mkdir(f"{d}/dir")

    as_user(create)
    assert os.stat(f"{d}/f").st_gid == 3000
    assert os.stat(f"{d}/dir").st_gid == 3000
    assert mode(f"{d}/dir") & 0o2000


def test_setgid_bit_is_not_for_strangers_of_the_group(d):
    os.chown(d, 0, 3000)
    os.chmod(d, 0o2777)

    def create():
        os.close(os.open(f"{d}/f", os.O_CREAT | os.O_WRONLY, 0o2775))

    as_user(create, umask=0)
    assert not mode(f"{d}/f") & 0o2000
    write_file(f"{d}/g", b"")
    os.chown(f"{d}/g", USER, 3000)
    as_user(lambda: os.chmod(f"{d}/g", 0o2755))
    assert not mode(f"{d}/g") & 0o2000


def test_chown(d, n):
    write_file(f"{d}/f", b"")
    os.chown(f"{d}/f", 1234, 5678)
    os.chown(f"{d}/f", -1, 99)
    for top in (d, n):
        st = os.stat(f"{top}/f")
        assert (st.st_uid, st.st_gid) == (1234, 99)


def test_times_are_set_to_the_nanosecond(d):
    write_file(f"{d}/f", b"")
    for atime, mtime in ((1, 2), (10**18 + 7, 10**18 + 123456789),
                         (-(10**9) * 86400 * 365 + 5, 0)):
        os.utime(f"{d}/f", ns=(atime, mtime))
        st = os.stat(f"{d}/f")
        assert (st.st_atime_ns, st.st_mtime_ns) == (atime, mtime)


def test_times_follow_what_happens(d):
    write_file(f"{d}/f", b"1")
    os.utime(f"{d}/f", ns=(0, 0))
    before = os.stat(f"{d}/f")
    time.sleep(0.02)
    with open(f"{d}/f", "ab") as out:
        out.write(b"2")
    wrote = os.stat(f"{d}/f")
    assert wrote.st_mtime_ns > before.st_mtime_ns
    assert wrote.st_ctime_ns > before.st_ctime_ns
    assert abs(wrote.st_mtime - time.time()) < 10
    time.sleep(0.02)
    os.chmod(f"{d}/f", 0o600)
    changed = os.stat(f"{d}/f")
    assert changed.st_mtime_ns == wrote.st_mtime_ns
    assert changed.st_ctime_ns > wrote.st_ctime_ns


def test_times_of_directories_follow_their_names(d):
    os.utime(d, ns=(0, 0))
    write_file(f"{d}/f", b"")
    one = os.stat(d).st_mtime_ns
    assert one > 0
    time.sleep(0.02)
    os.rename(f"{d}/f", f"{d}/g")
    two = os.stat(d).st_mtime_ns
    time.sleep(0.02)
    os.unlink(f"{d}/g")
    assert one < two < os.stat(d).st_mtime_ns


def test_time_set_while_writing_is_kept_at_close(d):
    with open(f"{d}/f", "wb", buffering=0) as out:
        out.write(b"bytes")
        os.utime(out.fileno(), ns=(5, 7))
    assert os.stat(f"{d}/f").st_mtime_ns == 7


def test_rewritten_file_after_utimes_has_a_new_time(d):
    write_file(f"{d}/f", b"x")
    os.utime(f"{d}/f", ns=(1, 1))
    write_file(f"{d}/f", b"y")
    assert os.stat(f"{d}/f").st_mtime > 10**9


def test_birth_time_is_that_of_dir(d, n):
    write_file(f"{d}/f", b"")
    up, down = birth_time_ns(f"{d}/f"), birth_time_ns(f"{n}/f")
    assert up is None or up == down


def test_nothing_changes_the_times_later(vol):
    path = f"{vol.mnt}/f"
    write_file(path, b"x" * 100000)
    os.utime(path, ns=(10**18, 10**18 + 1))
    before = os.stat(path)
    vol.sync()
    after = os.stat(path)
    assert (before.st_mtime_ns, before.st_ctime_ns, before.st_size) == \
        (after.st_mtime_ns, after.st_ctime_ns, after.st_size)
    vol.umount()
    assert os.stat(f"{vol.dir}/f").st_mtime_ns == 10**18 + 1


def test_xattrs_are_set_listed_removed(d, n):
    write_file(f"{d}/f", b"")
    os.symlink("f", f"{d}/l")
    os.setxattr(f"{d}/f", "user.one", b"1")
    os.setxattr(f"{d}/f", "user.two", b"x" * 2000)
    os.setxattr(f"{d}/f", "user.none", b"")
    os.setxattr(f"{d}/f", "trusted.three", b"\0\1\2")
    os.setxattr(f"{d}/l", "trusted.link", b"l", follow_symlinks=False)
    for top in (d, n):
        assert os.getxattr(f"{top}/f", "user.two") == b"x" * 2000
        assert os.getxattr(f"{top}/f", "user.none") == b""
        assert os.getxattr(f"{top}/f", "trusted.three") == b"\0\1\2"
        assert os.getxattr(f"{top}/l", "trusted.link",
                           follow_symlinks=False) == b"l"
    wanted = {"user.one", "user.two", "user.none", "trusted.three"}
    assert set(os.listxattr(f"{d}/f")) == wanted
    os.removexattr(f"{d}/f", "user.one")
    assert set(os.listxattr(f"{d}/f")) == wanted - {"user.one"}


def test_xattr_errors(d, oracle):
    for top in (d, oracle):
        write_file(f"{top}/f", b"")
        with fails(errno.ENODATA):
            os.getxattr(f"{top}/f", "user.none")
        with fails(errno.ENODATA):
            os.removexattr(f"{top}/f", "user.none")
        with fails(errno.ENODATA):
            os.setxattr(f"{top}/f", "user.none", b"", os.XATTR_REPLACE)
        os.setxattr(f"{top}/f", "user.a", b"a")
        with fails(errno.EEXIST):
            os.setxattr(f"{top}/f", "user.a", b"b", os.XATTR_CREATE)
        with fails(errno.EOPNOTSUPP):
            os.setxattr(f"{top}/f", "nonsense.a", b"a")
        with fails(errno.EPERM):
            os.symlink("f", f"{top}/l")
            os.setxattr(f"{top}/l", "user.a", b"a", follow_symlinks=False)


def test_trusted_xattrs_are_hidden_from_users(d):
    os.chmod(d, 0o777)
    write_file(f"{d}/f", b"", 0o666)
    os.setxattr(f"{d}/f", "trusted.secret", b"s")
    os.setxattr(f"{d}/f", "user.open", b"o")
    assert as_user(lambda: os.listxattr(f"{d}/f")) == ["user.open"]


@needs("mafs")
def test_own_xattrs_are_readable_but_not_listed(work):
    vol = prepared(work, {"cold": b"on disk"})
    write_file(f"{vol.mnt}/new", b"in memory")
    assert os.getxattr(f"{vol.mnt}/cold", "user.mafs.tier") == b"disk"
    assert os.getxattr(f"{vol.mnt}/new", "user.mafs.tier") == b"memory"
    assert os.getxattr(f"{vol.mnt}/new", "user.mafs.state") == b"dirty"
    assert os.getxattr(f"{vol.mnt}/new", "user.mafs.extents")
    for name in ("cold", "new"):
        assert os.listxattr(f"{vol.mnt}/{name}") == [], name
    with fails(errno.EPERM, errno.EACCES, errno.EOPNOTSUPP, errno.EINVAL):
        os.setxattr(f"{vol.mnt}/new", "user.mafs.tier", b"disk")
    vol.umount()
    assert os.listxattr(f"{vol.dir}/new") == []


@needs("mafs")
def test_internal_xattrs_do_not_show(vol):
    write_file(f"{vol.mnt}/f", b"dirty")
    assert os.listxattr(f"{vol.mnt}/f") == []
    for name in ("trusted.mafs.pending", "trusted.mafs.replaced"):
        with fails(errno.ENODATA, errno.EOPNOTSUPP, errno.EPERM):
            os.getxattr(f"{vol.mnt}/f", name)


def test_cp_a_out_and_in(vol):
    source = f"{vol.work.path}/source"
    os.mkdir(source)
    write_file(f"{source}/f", b"content", 0o640)
    os.setxattr(f"{source}/f", "user.a", b"1")
    os.chown(f"{source}/f", 12, 34)
    os.utime(f"{source}/f", ns=(1, 10**18 + 1))
    run(["cp", "-a", source, f"{vol.mnt}/in"])
    run(["cp", "-a", f"{vol.mnt}/in", f"{vol.work.path}/out"])
    a, b = os.stat(f"{source}/f"), os.stat(f"{vol.work.path}/out/f")
    assert (a.st_mode, a.st_uid, a.st_gid, a.st_mtime_ns) == \
        (b.st_mode, b.st_uid, b.st_gid, b.st_mtime_ns)
    assert os.listxattr(f"{vol.work.path}/out/f") == ["user.a"]
    assert read_file(f"{vol.work.path}/out/f") == b"content"


def acl(path):
    return run(["getfacl", "-cpn", path]).stdout.split()


@needs("setfacl")
def test_acl_lets_one_user_in(d, n):
    write_file(f"{d}/f", b"for one", 0o600)
    with fails(errno.EACCES):
        as_user(lambda: read_file(f"{d}/f"))
    run(["setfacl", "-m", f"u:{USER}:r", f"{d}/f"])
    assert as_user(lambda: read_file(f"{d}/f")) == b"for one"
    with fails(errno.EACCES):
        as_user(lambda: read_file(f"{d}/f"), uid=USER + 1)
    assert acl(f"{d}/f") == acl(f"{n}/f")
    run(["setfacl", "-b", f"{d}/f"])
    with fails(errno.EACCES):
        as_user(lambda: read_file(f"{d}/f"))


@needs("setfacl")
def test_acl_mask_and_mode_move_together(d, oracle):
    for top in (d, oracle):
        write_file(f"{top}/f", b"", 0o640)
        run(["setfacl", "-m", "u:77:rwx,g:88:rw", f"{top}/f"])
        os.chmod(f"{top}/f", 0o750)
    assert acl(f"{d}/f") == acl(f"{oracle}/f")
    assert mode(f"{d}/f") == mode(f"{oracle}/f")


@needs("setfacl")
def test_default_acl_and_umask_as_on_disk(d, oracle):
    def create(top):
        write_file(f"{top}/dir/f", b"")
        os.mkdir(f"{top}/dir/sub")
        os.close(os.open(f"{top}/dir/x", os.O_CREAT | os.O_WRONLY, 0o751))
        os.mkfifo(f"{top}/dir/fifo", 0o666)
        os.mkdir(f"{top}/plain")
        os.mkdir(f"{top}/plain/sub")

    for top in (d, oracle):
        os.chmod(top, 0o777)
        os.mkdir(f"{top}/dir", 0o777)
        run(["setfacl", "-m", f"d:u:77:rwx,d:g::rwx,d:o::r,u:{USER}:rwx",
             f"{top}/dir"])
        as_user(lambda top=top: create(top), umask=0o077)
    for name in ("dir", "dir/f", "dir/sub", "dir/x", "dir/fifo", "plain/sub"):
        assert acl(f"{d}/{name}") == acl(f"{oracle}/{name}"), name
        assert mode(f"{d}/{name}") == mode(f"{oracle}/{name}"), name


@needs("setfacl")
def test_acl_by_a_stranger_of_the_group_drops_setgid(d, oracle):
    for top in (d, oracle):
        write_file(f"{top}/f", b"", 0o2755)
        os.chown(f"{top}/f", USER, 3000)
        os.chmod(f"{top}/f", 0o2755)
        run(["setfacl", "-m", "u:77:r", f"{top}/f"], user=USER, group=USER,
            extra_groups=[])
    assert mode(f"{d}/f") == mode(f"{oracle}/f")
    assert acl(f"{d}/f") == acl(f"{oracle}/f")


if __name__ == "__main__":
    main()
