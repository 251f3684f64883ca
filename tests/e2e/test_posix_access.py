#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Who may do what: checked as an unprivileged user, against plain ext4."""

import errno
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../harness"))
from runner import main
from tree import read_file, write_file
from work import USER, as_user, fails

STRANGER = USER + 1


def test_mode_bits_of_files_decide(d):
    for bits, reads, writes in ((0o604, True, False), (0o602, False, True),
                                (0o600, False, False), (0o606, True, True)):
        path = f"{d}/{bits:o}"
        write_file(path, b"x", bits)
        for allowed, use in ((reads, lambda: read_file(path)),
                             (writes, lambda: open(path, "ab").close())):
            if allowed:
                as_user(use)
            else:
                with fails(errno.EACCES):
                    as_user(use)


def test_owner_bits_come_first(d):
    write_file(f"{d}/f", b"x")
    os.chown(f"{d}/f", USER, USER)
    os.chmod(f"{d}/f", 0o077)
    with fails(errno.EACCES):
        as_user(lambda: read_file(f"{d}/f"))
    assert as_user(lambda: read_file(f"{d}/f"), uid=STRANGER) == b"x"


def test_supplementary_groups_count(d):
    write_file(f"{d}/f", b"group", 0o640)
    os.chown(f"{d}/f", 0, 4321)
    with fails(errno.EACCES):
        as_user(lambda: read_file(f"{d}/f"), groups=[1, 2, 3])
    assert as_user(lambda: read_file(f"{d}/f"), groups=[1, 4321]) == b"group"


def test_creating_by_a_supplementary_group(d):
    os.chown(d, 0, 4321)
    os.chmod(d, 0o770)
    with fails(errno.EACCES):
        as_user(lambda: os.mkdir(f"{d}/no"))

    def create():
        os.mkdir(f"{d}/dir")
        write_file(f"{d}/f", b"")
        os.symlink("f", f"{d}/l")
        os.rename(f"{d}/f", f"{d}/g")
        os.unlink(f"{d}/l")

    as_user(create, groups=[4321])
    assert sorted(os.listdir(d)) == ["dir", "g"]
    assert os.stat(f"{d}/g").st_gid == USER


def test_search_permission_of_directories(d):
    os.mkdir(f"{d}/shut", 0o700)
    write_file(f"{d}/shut/f", b"x", 0o666)
    os.mkdir(f"{d}/blind", 0o711)
    write_file(f"{d}/blind/f", b"x", 0o666)
    with fails(errno.EACCES):
        as_user(lambda: read_file(f"{d}/shut/f"))
    assert as_user(lambda: read_file(f"{d}/blind/f")) == b"x"
    with fails(errno.EACCES):
        as_user(lambda: os.listdir(f"{d}/blind"))


def test_names_need_a_writable_directory(d):
    os.mkdir(f"{d}/dir", 0o755)
    write_file(f"{d}/dir/f", b"x", 0o666)
    for change in (lambda: os.mkdir(f"{d}/dir/sub"),
                   lambda: write_file(f"{d}/dir/g", b""),
                   lambda: os.unlink(f"{d}/dir/f"),
                   lambda: os.rename(f"{d}/dir/f", f"{d}/dir/g"),
                   lambda: os.symlink("x", f"{d}/dir/l"),
                   lambda: os.link(f"{d}/dir/f", f"{d}/dir/h"),
                   lambda: os.mkfifo(f"{d}/dir/p")):
        with fails(errno.EACCES, errno.EPERM):
            as_user(change)
    assert os.listdir(f"{d}/dir") == ["f"]


def test_sticky_directory_protects_others_names(d):
    os.chmod(d, 0o1777)
    as_user(lambda: write_file(f"{d}/mine", b""))
    for change in (lambda: os.unlink(f"{d}/mine"),
                   lambda: os.rename(f"{d}/mine", f"{d}/yours")):
        with fails(errno.EPERM, errno.EACCES):
            as_user(change, uid=STRANGER)
    as_user(lambda: os.rename(f"{d}/mine", f"{d}/still"))
    as_user(lambda: os.unlink(f"{d}/still"))


def test_only_the_owner_changes_attributes(d):
    write_file(f"{d}/f", b"", 0o666)
    for change in (lambda: os.chmod(f"{d}/f", 0o777),
                   lambda: os.chown(f"{d}/f", USER, -1),
                   lambda: os.utime(f"{d}/f", ns=(1, 1))):
        with fails(errno.EPERM):
            as_user(change)
    as_user(lambda: os.utime(f"{d}/f"))  # to now: who may write may do it
    os.chown(f"{d}/f", USER, USER)
    as_user(lambda: os.chmod(f"{d}/f", 0o600))
    with fails(errno.EPERM):
        as_user(lambda: os.chown(f"{d}/f", STRANGER, -1))
    with fails(errno.EPERM):
        as_user(lambda: os.chown(f"{d}/f", -1, 4321))
    as_user(lambda: os.chown(f"{d}/f", -1, 4321), groups=[4321])
    assert os.stat(f"{d}/f").st_gid == 4321


def test_access_answers_for_the_real_user(d):
    write_file(f"{d}/f", b"", 0o640)
    assert os.access(f"{d}/f", os.R_OK | os.W_OK)
    assert not as_user(lambda: os.access(f"{d}/f", os.R_OK))
    assert not os.access(f"{d}/f", os.X_OK)


def test_open_file_outlives_a_chmod(d):
    os.chmod(d, 0o777)

    def go():
        with open(f"{d}/f", "wb", buffering=0) as out:
            os.fchmod(out.fileno(), 0o000)
            out.write(b"still")
        with fails(errno.EACCES):
            open(f"{d}/f", "rb")

    as_user(go)
    assert read_file(f"{d}/f") == b"still"


def test_read_only_file_can_be_created_and_written(d):
    os.chmod(d, 0o777)

    def go():
        fd = os.open(f"{d}/f", os.O_CREAT | os.O_WRONLY, 0o444)
        os.write(fd, b"as git does")
        os.close(fd)
        with fails(errno.EACCES):
            os.open(f"{d}/f", os.O_WRONLY)

    as_user(go)
    assert read_file(f"{d}/f") == b"as git does"


def test_program_needs_execute_permission(d):
    os.chmod(d, 0o755)
    write_file(f"{d}/script", b"#!/bin/sh\nexit 0\n", 0o644)
    with fails(errno.EACCES):
        as_user(lambda: subprocess.run([f"{d}/script"], check=True))
    os.chmod(f"{d}/script", 0o755)
    as_user(lambda: subprocess.run([f"{d}/script"], check=True) and None)


def test_same_matrix_as_on_disk(d, oracle):
    """Each mode, each kind of user, each access: the same answers."""
    answers = {}
    for top in (d, oracle):
        os.chmod(top, 0o755)
        for bits in (0o000, 0o400, 0o040, 0o004, 0o222, 0o751, 0o664):
            path = f"{top}/{bits:o}"
            write_file(path, b"")
            os.chown(path, USER, 4321)
            os.chmod(path, bits)
        for who in ((USER, []), (STRANGER, [4321]), (STRANGER, [])):
            answers[top, str(who)] = as_user(
                lambda top=top: {(name, way): os.access(f"{top}/{name}", way)
                                 for name in os.listdir(top)
                                 for way in (os.R_OK, os.W_OK, os.X_OK)},
                uid=who[0], groups=who[1])
            assert answers[d, str(who)] == answers[top, str(who)], who


if __name__ == "__main__":
    main()
