#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""mafs mkfs and mafs device: what is made, and what is never destroyed."""

import json
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../harness"))
from memory import MemoryVolume
from runner import main, needs
from tree import block, read_file, write_file
from work import run

MIB = 1 << 20


def mkfs(*args, code=0, program="mkfs"):
    command = ["mafs", "mkfs"] if program == "mkfs" else [program]
    done = run([*command, *args], check=False)
    assert done.returncode == code, (args, done.stdout, done.stderr)
    return done


def made(*args):
    return json.loads(mkfs("--json", *args).stdout)


def devices(spec, *args, code=0):
    done = run(["mafs", "device", "list", "--json", *args, spec], check=False)
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)["devices"], done.stderr


@needs("mafs")
def test_a_file_is_made_as_large_as_it_says(work):
    path = work.join("a")
    told = made("--alloc-unit", "4K", "--log-size", "128K",
                "--checkpoint-after", "64K", f"file:{path},16M")
    assert told["size"] == 16 * MIB == os.stat(path).st_size
    assert os.stat(path).st_blocks * 512 >= 16 * MIB, "not allocated whole"
    assert told["alloc_unit"] == 4096
    assert told["log_size"] == 256 << 10
    assert told["checkpoint_after"] == 64 << 10
    assert told["spec"] == f"file:{os.path.realpath(path)}"
    assert 0 < told["free"] < 16 * MIB
    text = mkfs("--force", path).stdout
    assert told["uuid"] not in text, "the same volume again"
    assert path in text and "units of 64K" in text


@needs("mafs")
def test_a_volume_is_refused_and_left_as_it_was(work):
    path = work.join("a")
    uuid = made(f"file:{path},16M")["uuid"]
    before = read_file(path)
    for spec in (path, f"file:{path}", f"file:{path},8M", f"file:{path},32M"):
        said = mkfs(spec, code=1).stderr
        assert uuid in said and "--force" in said, said
        assert read_file(path) == before
    other = made("--force", f"file:{path},32M")
    assert other["size"] == 32 * MIB and other["uuid"] != uuid


@needs("mafs")
def test_anything_else_is_refused_and_left_as_it_was(work):
    for size in (100, 4 * MIB):
        path = work.join(f"other-{size}")
        write_file(path, block(1, size))
        for spec in (path, f"file:{path},8M"):
            said = mkfs(spec, code=1).stderr
            assert "--force" in said, said
            assert read_file(path) == block(1, size)
        mkfs("--force", f"file:{path},8M")


@needs("mafs")
def test_a_damaged_volume_is_refused(work):
    path = work.join("a")
    mkfs(f"file:{path},16M")
    with open(path, "r+b") as image:
        for offset in (100, 4096 + 100):
            image.seek(offset)
            image.write(b"x")
    assert "--force" in mkfs(path, code=1).stderr
    os.truncate(path, 8 * MIB)
    assert "--force" in mkfs(path, code=1).stderr


@needs("mafs")
def test_what_cannot_be_made_leaves_nothing(work):
    for args, word in ((["--alloc-unit", "3K"], "power of two"),
                       (["--log-size", "4G"], "do not fit"),
                       (["--log-size", "4K"], "64K")):
        path = work.join("a")
        said = mkfs(*args, f"file:{path},16M", code=1).stderr
        assert word in said, said
        assert not os.path.exists(path), args
    assert "lives with its daemon" in mkfs("memfd:8M", code=1).stderr
    assert "mkfs --help" in mkfs("--alloc-unit", "x", "a", code=2).stderr
    assert "how large" in mkfs(f"file:{work.join('b')}", code=1).stderr
    mkfs(code=2)


@needs("mafs")
def test_mkfs_mafs_is_mafs_mkfs(work):
    program = work.join("mkfs.mafs")
    os.symlink(shutil.which("mafs"), program)
    mkfs(f"file:{work.join('a')},8M", program=program)
    mkfs(f"file:{work.join('a')},8M", program=program, code=1)
    mkfs("-f", f"file:{work.join('a')},8M", program=program)
    assert "mafs mkfs" in mkfs("--help", program=program).stdout


@needs("mafs")
def test_devices_are_added_and_listed(work):
    first, second = work.join("a"), work.join("b")
    mkfs(f"file:{first},16M")
    run(["mafs", "device", "add", first, f"file:{second},8M"])
    listed, _ = devices(first)
    assert [d["primary"] for d in listed] == [True, False]
    assert [d["size"] for d in listed] == [16 * MIB, 8 * MIB]
    assert listed[1]["spec"] == f"file:{os.path.realpath(second)}"
    # Neither once more, nor into another volume.
    done = run(["mafs", "device", "add", first, second], check=False)
    assert done.returncode == 1, done.stdout
    mkfs(f"file:{work.join('c')},8M")
    for other in (second, first):
        done = run(["mafs", "device", "add", work.join("c"), other],
                   check=False)
        assert done.returncode == 1 and "--force" in done.stderr, done.stderr
    assert devices(first)[0] == listed


@needs("mafs")
def test_a_missing_device_is_named(work):
    first, second = work.join("a"), work.join("b")
    mkfs(f"file:{first},16M")
    run(["mafs", "device", "add", first, f"file:{second},8M"])
    uuid = devices(first)[0][1]["uuid"]
    os.rename(second, work.join("moved"))
    listed, said = devices(first, code=1)
    assert listed[1]["missing"] and uuid in said, said
    listed, _ = devices(first, "--device", work.join("moved"))
    assert not listed[1]["missing"]
    # What has nothing to do with it is no replacement.
    mkfs(f"file:{work.join('c')},8M")
    done = run(["mafs", "device", "list", "--device", work.join("c"), first],
               check=False)
    assert done.returncode == 1 and "another volume" in done.stderr


@needs("mafs", "root")
def test_a_mounted_volume_is_not_formatted(work):
    vol = MemoryVolume(work, "file", devices=2, size="32M").mount()
    try:
        write_file(vol.mnt + "/kept", block(3, 100000))
        for spec in (vol.spec, *vol.others):
            said = mkfs("--force", spec, code=1).stderr
            assert "another mafs on this host" in said, said
        done = run(["mafs", "device", "add", vol.spec,
                    f"file:{work.join('c')},8M"], check=False)
        assert done.returncode == 1 and "unmount it" in done.stderr
        assert not os.path.exists(work.join("c"))
        vol.umount()
        vol.mount()
        assert read_file(vol.mnt + "/kept") == block(3, 100000)
        vol.umount()
    finally:
        vol.discard()


if __name__ == "__main__":
    main()
