#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A directory whose memory is extents of a file or a memfd: a tree, a killed
daemon, a full memory, what the commands say, and what is refused."""

import json
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../harness"))
from mafs import MIB, Volume
from runner import main, needs
from tree import assert_same, block, make_tree, manifest, read_file, write_file
from work import run


def memory_of(work, kind, size="64M"):
    return f"memfd:{size}" if kind == "memfd" else \
        f"file:{work.join('memory')},{size}"


def both(test):
    def of_both(work):
        for kind in ("file", "memfd"):
            test(work.sub(kind), kind)
    of_both.__name__ = test.__name__
    of_both.needs = ("mafs",)
    return of_both


def refused(work, *words, code=1):
    for name in ("other", "mnt2"):
        os.makedirs(work.join(name), exist_ok=True)
    done = run(["mafs", "mount", *words, work.join("other"),
                work.join("mnt2")], check=False)
    assert done.returncode == code, (words, done.returncode, done.stderr)
    return done.stderr


@both
def test_tree_is_the_same_below(work, kind):
    vol = Volume(work, memory=memory_of(work, kind)).mount()
    assert vol.status()["memory"]["kind"] == kind
    os.mkdir(work.join("tree"))
    make_tree(work.join("tree"), n_files=100)
    run(["cp", "-a", work.join("tree"), vol.mnt])
    assert_same(manifest(f"{vol.mnt}/tree"), manifest(work.join("tree")))
    vol.umount()
    assert_same(manifest(f"{vol.dir}/tree"), manifest(work.join("tree")))
    vol.mount()
    assert vol.status()["memory"]["used_bytes"] == 0
    assert_same(manifest(f"{vol.mnt}/tree"), manifest(work.join("tree")))
    vol.umount()


@both
def test_killed_with_dirty_files_goes_on(work, kind):
    vol = Volume(work, memory=memory_of(work, kind),
                 options="writeback_after=60").mount()
    content = {f"f{i}": block(i, 1 + i * 3001) for i in range(60)}
    for name, said in content.items():
        write_file(f"{vol.mnt}/{name}", said)
    with open(f"{vol.mnt}/holes", "wb") as out:
        out.truncate(10 * MIB)
        out.seek(5 * MIB)
        out.write(b"middle")
    os.unlink(f"{vol.mnt}/f7")
    del content["f7"]
    blocks = os.stat(f"{vol.mnt}/holes").st_blocks
    vol.kill()
    found = run(["mafs", "fsck", vol.dir, "--json"])
    assert json.loads(found.stdout)["counts"]["errors"] == 0
    vol.mount()
    assert vol.status()["n_dirty"] == 60
    for name, said in content.items():
        assert read_file(f"{vol.mnt}/{name}") == said, name
    assert os.stat(f"{vol.mnt}/holes").st_blocks == blocks <= 16
    assert not os.path.exists(f"{vol.mnt}/f7")
    vol.umount()
    for name, said in content.items():
        assert read_file(f"{vol.dir}/{name}") == said, name
    assert os.listdir(f"{vol.dir}/.mafs/lost+found") == [] \
        if os.path.isdir(f"{vol.dir}/.mafs/lost+found") else True


@both
def test_full_memory_is_no_error(work, kind):
    vol = Volume(work, memory=memory_of(work, kind, "16M"),
                 options="writeback_after=60").mount()
    for i in range(8):
        write_file(f"{vol.mnt}/{i}", block(i, 6 * MIB))
    for i in range(300):
        write_file(f"{vol.mnt}/small{i}", b"x")
    for i in range(8):
        assert read_file(f"{vol.mnt}/{i}") == block(i, 6 * MIB)
    status = vol.status()
    assert status["memory"]["used_bytes"] <= 16 * MIB
    vol.umount()
    for i in range(8):
        assert read_file(f"{vol.dir}/{i}") == block(i, 6 * MIB)


@both
def test_hot_files_are_read_through_the_daemon_and_cold_ones_past_it(work,
                                                                     kind):
    vol = Volume(work, memory=memory_of(work, kind))
    write_file(f"{vol.dir}/hot", block(1, MIB))
    write_file(f"{vol.dir}/cold", block(2, MIB))
    vol.mount()
    vol.need_passthrough()
    vol.make_hot(f"{vol.mnt}/hot")
    for name, letter, seed in (("hot", "C", 1), ("cold", "D", 2)):
        with open(f"{vol.mnt}/{name}", "rb") as source:
            assert source.read() == block(seed, MIB)
            assert vol.file(f"{vol.mnt}/{name}")["path_in_use"] == letter
    with open(f"{vol.mnt}/hot", "r+b") as out:
        out.write(b"now")
    assert read_file(f"{vol.mnt}/hot")[:4] == b"now" + block(1, MIB)[3:4]
    run(["mafs", "evict", f"{vol.mnt}/hot"], check=False)
    vol.umount()
    assert read_file(f"{vol.dir}/hot")[:4] == b"now" + block(1, MIB)[3:4]


@both
def test_extents_lead_to_the_bytes(work, kind):
    vol = Volume(work, memory=memory_of(work, kind),
                 options="writeback_after=60").mount()
    write_file(f"{vol.mnt}/f", block(3, 3 * MIB + 5))
    device = f"{vol.run_dir}/memory/data/memory" if kind == "memfd" else \
        work.join("memory")
    shown = json.loads(run(["mafs", "fsck", vol.dir, "--extents",
                            "--json"]).stdout)
    of_fsck = shown["files"][0]["extents"]
    of_stat = vol.file(f"{vol.mnt}/f")["extents"]
    run(["mafs", "logplay", "--shadow", work.join("shadow"), vol.dir])
    yaml = read_file(work.join("shadow/f")).decode()
    of_shadow = [{"device_uuid": uuid, "offset": int(offset),
                  "length": int(length)} for uuid, offset, length in
                 re.findall(r"device_uuid: '(.*)'\n *offset: (\d+)\n"
                            r" *length: (\d+)", yaml)]
    assert of_fsck == of_shadow, (of_fsck, of_shadow)
    assert [{k: e[k] for k in ("device_uuid", "offset", "length")}
            for e in of_stat] == of_fsck
    with open(device, "rb") as source:
        found = b"".join(os.pread(source.fileno(), e["length"], e["offset"])
                         for e in of_fsck)
    assert found == block(3, 3 * MIB + 5)
    assert {e["device_uuid"] for e in of_fsck} == {shown["superblock"]["device_uuid"]}
    vol.umount()


@needs("mafs")
def test_one_file_serves_one_volume_at_a_time(work):
    vol = Volume(work, memory=memory_of(work, "file")).mount()
    memory = vol.memory.split(",")[0]
    assert "mafs on this host" in refused(work, "--memory", memory)
    vol.kill()
    assert "umount" in refused(work, "--memory", memory)
    vol.mount()
    vol.umount()
    # Free again, and the size is known.
    other = Volume(work.sub("b"), memory=memory).mount()
    assert other.status()["memory"]["device"] == work.join("memory")
    write_file(f"{other.mnt}/f", b"bytes")
    other.umount()


def slots_of(path):
    bytes_ = read_file(path)
    return [at for at in range(0, len(bytes_), 1024)
            if bytes_.startswith(b"AMFSFILE", at)]


@needs("mafs")
def test_damaged_memory_files_do_not_cost_the_others(work):
    vol = Volume(work, memory=memory_of(work, "file", "16M"),
                 options="writeback_after=60").mount()
    for i in range(8):
        write_file(f"{vol.mnt}/f{i}", block(i, 20000))
    vol.kill()
    found = slots_of(work.join("memory"))
    assert len(found) == 8, found
    with open(work.join("memory"), "r+b") as out:
        os.pwrite(out.fileno(), b"\xff" * 300, found[3] + 600)
        os.pwrite(out.fileno(), b"\xff" * 8, found[5] + 30)
    said = run(["mafs", "fsck", vol.dir], check=False)
    assert said.returncode == 4 and "damaged" in said.stderr, said
    said = run(["mafs", "umount", "--salvage", work.join("out"), vol.dir],
               check=False)
    assert said.returncode == 1 and "memory is kept" in said.stderr, said
    kept = sorted(os.listdir(work.join("out")))
    assert len(kept) == 6, kept
    for name in kept:
        assert read_file(work.join("out", name)) == block(int(name[1:]), 20000)
    run(["mafs", "umount", "--discard", vol.dir])


@needs("mafs")
def test_memory_cut_short_does_not_end_the_daemon(work):
    vol = Volume(work, memory=memory_of(work, "file", "16M"),
                 options="writeback_after=60").mount()
    write_file(f"{vol.mnt}/f", block(1, 300000))
    os.truncate(work.join("memory"), 0)
    said = run(["mafs", "umount", vol.mnt], check=False)
    assert said.returncode == 1 and "stays mounted" in said.stderr, said
    assert vol.status()["pid"] == vol.pid
    vol.kill()
    run(["mafs", "umount", "--discard", vol.dir])


@needs("mafs")
def test_what_is_somebodys_is_left_alone(work):
    image = work.join("image")
    with open(image, "wb") as out:
        out.truncate(64 * MIB)
        out.seek(40 * MIB)
        out.write(b"photos")
    before = read_file(image)
    assert "not mafs's" in refused(work, "--memory", f"file:{image}")
    assert "not mafs's" in refused(work, "--memory", f"file:{image},8M")
    assert read_file(image) == before
    run(["mafs", "mkfs", f"file:{work.join('volume')},64M"])
    before = read_file(work.join("volume"))
    said = refused(work, "--memory", f"file:{work.join('volume')}")
    assert "memory volume" in said and "--wipe" in said, said
    assert read_file(work.join("volume")) == before
    vol = Volume(work, memory=f"file:{work.join('volume')}")
    run(["mafs", "mkfs", "--wipe", work.join("volume")])
    vol.mount()
    done = run(["mafs", "mkfs", "--wipe", work.join("volume")], check=False)
    assert done.returncode == 1 and "on this host" in done.stderr, done.stderr
    write_file(f"{vol.mnt}/f", b"bytes")
    vol.umount()
    # And back.
    run(["mafs", "mkfs", work.join("volume")])
    done = run(["mafs", "mkfs", "--wipe", work.join("none")], check=False)
    assert done.returncode == 1, done.stderr


@needs("mafs")
def test_what_cannot_be_memory_is_refused(work):
    assert "too few" in refused(work, "--memory", f"file:{work.join('s')},64K")
    assert "how large" in refused(work, "--memory", f"file:{work.join('s2')}")
    assert not os.path.exists(work.join("s2"))
    for inside in ("other/in", "mnt2/in"):
        assert "elsewhere" in refused(work, "--memory",
                                      f"file:{work.join(inside)},16M")
        assert not os.path.exists(work.join(inside))
    refused(work, "--memory", "dax:/dev/null")
    refused(work, "--memory", "dax:/dev/dax77.0")
    refused(work, "--memory", "memfd:")


@needs("mafs")
def test_memory_that_was_moved_away_is_missed(work):
    vol = Volume(work, memory=memory_of(work, "file"),
                 options="writeback_after=60").mount()
    write_file(f"{vol.mnt}/f", b"bytes")
    vol.kill()
    os.rename(work.join("memory"), work.join("moved"))
    try:
        vol.mount()
        raise RuntimeError("mounted without its bytes")
    except AssertionError as refusal:
        assert "put it back" in str(refusal), refusal
    os.rename(work.join("moved"), work.join("memory"))
    vol.mount()
    assert read_file(f"{vol.mnt}/f") == b"bytes"
    vol.kill()
    os.unlink(work.join("memory"))
    run(["mafs", "umount", "--discard", vol.mnt])
    vol.mount()
    assert read_file(f"{vol.mnt}/f") == b""
    vol.umount()


@needs("mafs")
def test_relative_path_and_mount_option(work):
    vol = Volume(work, memory="tmpfs:1M")
    here = os.getcwd()
    os.chdir(work.path)
    try:
        run(["mafs", "mount", "-o", "memory=file:bytes,32M", vol.dir, vol.mnt])
        where = os.path.realpath("bytes")
    finally:
        os.chdir(here)
    vol._note()
    status = vol.status()
    vol.pid, vol.uuid = status["pid"], status["uuid"]
    assert status["memory"]["device"] == where
    assert "file:" in run(["mafs", "status", vol.mnt]).stdout
    vol.umount()


if __name__ == "__main__":
    main()
