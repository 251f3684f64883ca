#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""mafs logplay, fsck and log on a live and on a dead volume's memory."""

import glob
import json
import os
import re
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../harness"))
from mafs import prepared
from media import flip, live_log
from runner import main, needs
from tree import block, read_file, write_file
from work import run, wait_for

EXIT_CORRUPT = 4  # of fsck(8): errors left uncorrected


def descriptors(shadow):
    """{path in the volume: the YAML file's text}"""
    found = {}
    for top, _, names in os.walk(shadow):
        for name in names:
            path = os.path.join(top, name)
            with open(path, errors="replace") as source:
                text = source.read()
            if text.startswith("file:") or "\nfile:" in text:
                found["/" + os.path.relpath(path, shadow)] = text
    return found


def field(text, name):
    found = re.search(rf"^\s*(?:- )?{name}:\s*(.*?)\s*$", text, re.M)
    assert found, f"no {name} in: {text}"
    return found.group(1).strip("'\"")


def logplay(vol, shadow):
    run(["mafs", "logplay", "--shadow", shadow, vol.dir])
    return descriptors(shadow)


def memory_file(vol, device_uuid):
    """The file in memory that an extent names."""
    found = [path for path in glob.glob(f"{vol.run_dir}/memory/data/**",
                                        recursive=True)
             if device_uuid.replace("-", "") in path.replace("-", "")
             and os.path.isfile(path)]
    assert len(found) == 1, f"{device_uuid}: {found}"
    return found[0]


@needs("mafs")
def test_one_descriptor_for_each_hot_file(vol):
    os.makedirs(f"{vol.mnt}/dir/sub")
    wanted = {"/a": 0o644, "/dir/b": 0o600, "/dir/sub/c": 0o755}
    for i, (name, mode) in enumerate(wanted.items()):
        write_file(vol.mnt + name, block(i, 10000 + i), mode)
        os.chown(vol.mnt + name, 1000 + i, 2000)
    shadow = vol.work.join("shadow")
    found = logplay(vol, shadow)
    assert found.keys() == wanted.keys(), list(found)
    for i, (name, mode) in enumerate(wanted.items()):
        text = found[name]
        assert field(text, "path") == name
        assert field(text, "size") == str(10000 + i)
        assert field(text, "owner") == str(1000 + i)
        assert field(text, "group") == "2000"
        assert field(text, "permissions") == f"{mode:04o}"
        assert field(text, "state") == "dirty"
    vol.umount()


@needs("mafs")
def test_extents_are_true(vol):
    for i in range(5):
        write_file(f"{vol.mnt}/{i}", block(i, 100000 * i + 1))
    for name, text in logplay(vol, vol.work.join("shadow")).items():
        i = int(name[1:])
        assert field(text, "offset") == "0"
        assert int(field(text, "length")) >= 100000 * i + 1
        content = read_file(memory_file(vol, field(text, "device_uuid")))
        assert content[:100000 * i + 1] == block(i, 100000 * i + 1), name
    vol.umount()


@needs("mafs")
def test_paths_are_true_after_directory_renames(vol):
    os.makedirs(f"{vol.mnt}/one/deep")
    write_file(f"{vol.mnt}/one/deep/f", b"x")
    shadow = vol.work.join("shadow")
    assert list(logplay(vol, shadow)) == ["/one/deep/f"]
    os.rename(f"{vol.mnt}/one", f"{vol.mnt}/two")
    os.rename(f"{vol.mnt}/two/deep/f", f"{vol.mnt}/two/deep/g")
    found = logplay(vol, shadow)
    assert list(found) == ["/two/deep/g"]
    assert field(found["/two/deep/g"], "path") == "/two/deep/g"
    vol.umount()


@needs("mafs")
def test_shadow_follows_clean_and_gone(vol):
    write_file(f"{vol.mnt}/f", b"x" * 5000)
    shadow = vol.work.join("shadow")
    assert field(logplay(vol, shadow)["/f"], "state") == "dirty"
    vol.sync()
    if vol.file(f"{vol.mnt}/f")["tier"] == "memory":
        assert field(logplay(vol, shadow)["/f"], "state") == "clean"
    vol.push(f"{vol.mnt}/f")
    assert logplay(vol, shadow) == {}
    vol.umount()


@needs("mafs")
def test_follow_keeps_the_shadow_up_to_date(vol):
    shadow = vol.work.join("shadow")
    follower = subprocess.Popen(["mafs", "logplay", "--shadow", shadow,
                                 "--follow", vol.dir],
                                stdout=subprocess.DEVNULL)
    try:
        write_file(f"{vol.mnt}/f", b"x")
        wait_for(lambda: "/f" in descriptors(shadow), 10, "/f in the shadow")
        os.unlink(f"{vol.mnt}/f")
        write_file(f"{vol.mnt}/g", b"x")
        wait_for(lambda: list(descriptors(shadow)) == ["/g"], 10,
                 "/g alone in the shadow")
    finally:
        follower.terminate()
        follower.wait(10)
    vol.umount()


@needs("mafs")
def test_strange_directory_is_refused_as_shadow(vol):
    write_file(f"{vol.mnt}/f", b"x")
    shadow = vol.work.join("shadow")
    os.mkdir(shadow)
    write_file(f"{shadow}/precious", b"mine")
    done = run(["mafs", "logplay", "--shadow", shadow, vol.dir], check=False)
    assert done.returncode != 0 and done.stderr
    assert os.listdir(shadow) == ["precious"]
    vol.umount()


@needs("mafs")
def test_fsck_of_a_live_volume_prints_extents(work):
    vol = prepared(work, {"cold": b"cold"})
    write_file(f"{vol.mnt}/hot", b"x" * 5000)
    done = run(["mafs", "fsck", vol.dir, "--extents"])
    text = logplay(vol, work.join("shadow"))["/hot"]
    assert field(text, "device_uuid") in done.stdout, done.stdout
    report = json.loads(run(["mafs", "fsck", vol.dir, "--extents",
                             "--json"]).stdout)
    assert field(text, "device_uuid") in json.dumps(report)
    vol.umount()


@needs("mafs")
def test_log_is_printed(vol):
    write_file(f"{vol.mnt}/f", b"x")
    text = run(["mafs", "log", vol.dir]).stdout
    assert "map" in text
    said = run(["mafs", "log", vol.dir, "--json"]).stdout
    try:
        entries = json.loads(said)
    except ValueError:
        entries = [json.loads(line) for line in said.splitlines()]
    assert "map" in json.dumps(entries)
    vol.umount()


def dead(vol, n_files=8):
    """A killed daemon's memory, with a log of several batches."""
    for i in range(n_files):
        write_file(f"{vol.mnt}/{i}", block(i, 3000))
    vol.kill()
    path, batches = live_log(f"{vol.run_dir}/memory")
    assert len(batches) >= 3, f"only {len(batches)} batches in {path}"
    return path, batches


def fsck(vol):
    return run(["mafs", "fsck", vol.dir, "--extents"], check=False)


@needs("mafs")
def test_fsck_after_a_kill_is_clean_and_changes_nothing(vol):
    path, _ = dead(vol)
    before = read_file(path)
    done = fsck(vol)
    assert done.returncode == 0, (done.returncode, done.stderr)
    assert read_file(path) == before
    vol.mount()
    vol.umount()


def named_offsets(text):
    return [int(number, 0) for number in
            re.findall(r"0x[0-9a-f]+|\b\d+\b", text.lower())
            if not (len(number) > 1 and number.isdigit()
                    and number.startswith("0"))]


@needs("mafs")
def test_byte_flipped_in_the_middle_is_corruption_and_named(vol):
    path, batches = dead(vol)
    data = sorted(glob.glob(f"{vol.run_dir}/memory/data/**", recursive=True))
    for begin, end in (batches[0], batches[len(batches) // 2], batches[-2]):
        for at in (begin + 20, begin + 32, end - 1):
            flip(path, at)
            done = fsck(vol)
            said = done.stdout + done.stderr
            assert done.returncode == EXIT_CORRUPT, \
                f"byte {at}: exit {done.returncode}: {said[:300]}"
            assert any(begin <= number < end
                       for number in named_offsets(said)), \
                f"batch at {begin}, byte {at} flipped, not named: {said[:300]}"
            flip(path, at)
    flip(path, batches[1][0] + 40)
    done = run(["mafs", "mount", vol.dir, vol.mnt], check=False)
    if done.returncode == 0:  # then it must be read-only
        try:
            write_file(f"{vol.mnt}/new", b"")
        except OSError:
            pass
        else:
            raise AssertionError("a volume with a corrupt log takes writes")
        vol.pid = vol.status()["pid"]
        vol.kill()
    assert sorted(glob.glob(f"{vol.run_dir}/memory/data/**",
                            recursive=True)) == data, \
        "memory files went away though the log is corrupt"
    flip(path, batches[1][0] + 40)
    vol.mount()
    for i in range(8):
        assert read_file(f"{vol.mnt}/{i}") == block(i, 3000)
    vol.umount()


@needs("mafs")
def test_byte_flipped_in_the_last_batch_is_a_torn_tail(vol):
    path, batches = dead(vol)
    begin, end = batches[-1]
    for at in (begin, begin + 20, end - 1):
        flip(path, at)
        done = fsck(vol)
        assert done.returncode == 0, (at, done.returncode, done.stderr)
        assert "torn" in (done.stdout + done.stderr).lower()
        flip(path, at)
    flip(path, end - 1)
    vol.mount()
    for i in range(6):  # the last one or two may be what the tail was about
        assert read_file(f"{vol.mnt}/{i}") == block(i, 3000)
    vol.umount()


@needs("mafs")
def test_truncated_log_is_a_torn_tail(vol):
    path, batches = dead(vol)
    begin, end = batches[-1]
    os.truncate(path, (begin + end) // 2)
    done = fsck(vol)
    assert done.returncode == 0, done.stderr
    vol.mount()
    time.sleep(0.1)
    vol.umount()


@needs("mafs")
def test_one_bad_superblock_copy_is_survived_two_are_not(vol):
    dead(vol)
    superblock = f"{vol.run_dir}/memory/superblock"
    flip(superblock, 64)
    assert fsck(vol).returncode in (0, EXIT_CORRUPT)
    flip(superblock, 4096 + 64)
    done = fsck(vol)
    assert done.returncode != 0 and done.stderr.strip()
    flip(superblock, 64)
    flip(superblock, 4096 + 64)
    vol.mount()
    vol.umount()


if __name__ == "__main__":
    main()
