#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What people want of files and directories: user.mafs.policy."""

import errno
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../harness"))
from mafs import MIB, prepared
from runner import main, needs
from tree import block, read_file
from work import as_user, run, wait_for

POLICY = "user.mafs.policy"


def policy(path):
    return os.getxattr(path, POLICY).decode()


def tier(vol, name):
    return vol.file(f"{vol.mnt}/{name}")["tier"]


def wait_hot(vol, name):
    wait_for(lambda: tier(vol, name) == "memory", 30, f"{name} in memory")


def refused(call, *args):
    try:
        call(*args)
    except OSError as error:
        return error.errno
    raise AssertionError("it was allowed")


@needs("mafs")
def test_policy_is_inherited_and_kept(work):
    vol = prepared(work, {"a/b/f": b"1", "g": b"2"})
    before = os.stat(f"{vol.mnt}/a").st_mtime_ns
    os.setxattr(f"{vol.mnt}/a", POLICY, b"hot")
    assert os.stat(f"{vol.mnt}/a").st_mtime_ns == before
    for name in ("a", "a/b", "a/b/f"):
        assert policy(f"{vol.mnt}/{name}") == "hot"
        assert not os.listxattr(f"{vol.mnt}/{name}")
    assert policy(f"{vol.mnt}/g") == policy(vol.mnt) == "tiered"
    assert os.getxattr(f"{vol.dir}/a", "trusted.mafs.policy") == b"hot"
    vol.umount()
    vol.mount()
    assert policy(f"{vol.mnt}/a/b/f") == "hot"
    os.rename(f"{vol.mnt}/a/b", f"{vol.mnt}/b")
    assert policy(f"{vol.mnt}/b/f") == "tiered"
    # It is no attribute that a copy takes along.
    os.setxattr(f"{vol.mnt}/g", POLICY, b"cold")
    run(["cp", "-a", f"{vol.mnt}/g", f"{vol.mnt}/copy"])
    assert policy(f"{vol.mnt}/copy") == "tiered"
    os.removexattr(f"{vol.mnt}/g", POLICY)
    assert policy(f"{vol.mnt}/g") == "tiered"
    assert refused(os.removexattr, f"{vol.mnt}/g", POLICY) == errno.ENODATA
    vol.umount()


@needs("mafs")
def test_only_owner_and_known_values(work):
    vol = prepared(work, {"f": b"1"}, options="allow_other")
    path = f"{vol.mnt}/f"
    os.chown(path, 1000, 1000)
    os.chmod(path, 0o666)
    os.chmod(work.path, 0o755)

    def by(uid, value):
        return as_user(lambda: refused(os.setxattr, path, POLICY, value),
                       uid=uid, gid=uid)

    for value in (b"", b"warm", b"hot ", b"inherit", b"x" * 60000):
        assert refused(os.setxattr, path, POLICY, value) == errno.EINVAL
        assert by(1000, value) == errno.EINVAL
    assert by(1001, b"hot") == errno.EPERM
    assert policy(path) == "tiered"
    as_user(lambda: os.setxattr(path, POLICY, b"hot"))
    assert policy(path) == "hot"
    assert as_user(lambda: refused(os.removexattr, path, POLICY), uid=1001,
                   gid=1001) == errno.EPERM
    vol.umount()


@needs("mafs")
def test_pinned_files_stay_under_pressure(work):
    files = {f"pin/{i}": block(i, MIB) for i in range(16)}
    files |= {f"scan/{i:03}": block(100 + i, MIB) for i in range(128)}
    vol = prepared(work, files, memory="tmpfs:64M", options="policy=lru")
    os.setxattr(f"{vol.mnt}/pin", POLICY, b"pinned")
    for i in range(16):
        wait_hot(vol, f"pin/{i}")
    assert refused(os.setxattr, f"{vol.mnt}/scan", POLICY,
                   b"pinned") == errno.ENOSPC
    assert policy(f"{vol.mnt}/scan") == "tiered"
    vol.pull(f"{vol.mnt}/scan")
    for i in range(3):  # new files beside, too
        with open(f"{vol.mnt}/new{i}", "wb") as out:
            out.write(block(i, 30 * MIB))
    vol.sync()
    assert vol.status()["n_evicted"] > 100
    assert all(tier(vol, f"pin/{i}") == "memory" for i in range(16))
    for name, content in files.items():
        assert read_file(f"{vol.mnt}/{name}") == content, name
    os.removexattr(f"{vol.mnt}/pin", POLICY)
    vol.pull(f"{vol.mnt}/scan")
    assert not all(tier(vol, f"pin/{i}") == "memory" for i in range(16))
    vol.umount()


@needs("mafs")
def test_cold_directory_takes_no_memory(work):
    vol = prepared(work, {"cold/f": block(1, MIB)}, promote="3600")
    vol.pull(f"{vol.mnt}/cold")
    assert tier(vol, "cold/f") == "memory"
    os.setxattr(f"{vol.mnt}/cold", POLICY, b"cold")
    wait_for(lambda: tier(vol, "cold/f") == "disk", 30, "it to go down")
    for _ in range(3):
        assert read_file(f"{vol.mnt}/cold/f") == block(1, MIB)
    for name in ("cold/new", "cold/f"):
        with open(f"{vol.mnt}/{name}", "wb") as out:
            out.write(block(2, MIB))
        assert read_file(f"{vol.dir}/{name}") == block(2, MIB)
        assert tier(vol, name) == "disk"
    assert vol.status()["n_hot"] == 0
    vol.umount()


@needs("mafs")
def test_hot_file_comes_up_at_once(work):
    vol = prepared(work, {"hot/f": block(1, MIB), "g": b"1"}, promote="3600")
    os.setxattr(f"{vol.mnt}/hot", POLICY, b"hot")
    for name in ("hot/f", "g"):
        read_file(f"{vol.mnt}/{name}")
    wait_hot(vol, "hot/f")
    assert tier(vol, "g") == "disk"
    assert read_file(f"{vol.mnt}/hot/f") == block(1, MIB)
    vol.umount()


if __name__ == "__main__":
    main()
