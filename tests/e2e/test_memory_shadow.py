#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""mafs logplay --shadow, then mafs-fused --shadow: the two steps by hand."""

import errno
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../harness"))
from memory import MemoryVolume
from runner import main, needs
from test_memory_client import tree_of
from tree import read_file, write_file
from work import fails, mounts, run, wait_for


class Shown:
    """A mount of a shadow, served in the foreground."""

    def __init__(self, work, shadow, devices=()):
        self.mnt = work.join("shown")
        os.makedirs(self.mnt, exist_ok=True)
        words = [w for d in devices for w in ("-o", f"device={d}")]
        with open(work.top.log, "a") as log:
            self.daemon = subprocess.Popen(
                ["mafs-fused", "--foreground", *words, "--shadow", shadow,
                 self.mnt], stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def __enter__(self):
        wait_for(lambda: self.daemon.poll() is not None or
                 any(p == self.mnt for p, _, _ in mounts()), 20, "the mount")
        assert self.daemon.poll() is None, self.daemon.returncode
        return self.mnt

    def __exit__(self, *_):
        run(["umount", self.mnt], check=False)
        try:
            self.daemon.wait(20)
        finally:
            self.daemon.kill()


def filled(work, **options):
    """A volume with some of everything, not mounted any more."""
    vol = MemoryVolume(work, **options).mount()
    os.makedirs(f"{vol.mnt}/a/b")
    os.chmod(f"{vol.mnt}/a", 0o750)
    write_file(f"{vol.mnt}/a/b/f", bytes(range(256)) * 3000)
    write_file(f"{vol.mnt}/empty", b"")
    os.symlink("a/b/f", f"{vol.mnt}/l")
    os.link(f"{vol.mnt}/a/b/f", f"{vol.mnt}/h")
    os.mkfifo(f"{vol.mnt}/p")
    os.setxattr(f"{vol.mnt}/h", "user.k", b"v")
    os.chown(f"{vol.mnt}/h", 1000, 1001)
    with open(f"{vol.mnt}/sparse", "wb") as out:
        out.seek(1 << 20)
        out.write(b"end")
    os.utime(f"{vol.mnt}/h", ns=(5 * 10**9, 7 * 10**9 + 3))
    wanted = tree_of(vol.mnt)
    vol.umount()
    return vol, wanted


@needs("mafs")
def test_shadow_serves_the_same_files(work):
    vol, wanted = filled(work)
    shadow = work.join("shadow")
    run(["mafs", "logplay", "--shadow", shadow, vol.spec])
    with Shown(work, shadow, vol.others) as mnt:
        assert tree_of(mnt) == wanted
        st = os.stat(f"{mnt}/h")
        assert (st.st_uid, st.st_gid, st.st_mtime_ns) == \
            (1000, 1001, 7 * 10**9 + 3)
        assert os.getxattr(f"{mnt}/h", "user.k") == b"v"
        assert os.readlink(f"{mnt}/l") == "a/b/f"
        with fails(errno.EROFS):
            write_file(f"{mnt}/new", b"")


@needs("mafs")
def test_shadow_is_what_counts(work):
    """Names from the shadow: one that is moved there is moved in the mount."""
    vol, _ = filled(work)
    shadow = work.join("shadow")
    run(["mafs", "logplay", "--shadow", shadow, vol.spec])
    os.unlink(f"{shadow}/empty")
    with Shown(work, shadow, vol.others) as mnt:
        assert "empty" not in os.listdir(mnt)
        assert read_file(f"{mnt}/a/b/f") == bytes(range(256)) * 3000


@needs("mafs")
def test_famfs_descriptors(work):
    """Simple and striped extents, found in the devices in their order."""
    vol = MemoryVolume(work, devices=1)
    shadow = work.join("famfs")
    os.makedirs(f"{shadow}/dir")
    chunk, at = 0x10000, 0x4000000
    with open(vol.spec.split(":")[1], "r+b") as device:
        for i in range(4):
            # Strips of two chunks each: 0 and 2, 1 and 3.
            device.seek(at + (i % 2) * 2 * chunk + (i // 2) * chunk)
            device.write(bytes([65 + i]) * chunk)
    write_file(f"{shadow}/dir/simple", f"""---
file:
  path: dir/simple
  size: {chunk + 100}
  flags: 2
  mode: 0640
  uid: 5
  gid: 6
  nextents: 1
  simple_ext_list:
  - devindex: 0
    offset: {hex(at)}
    length: {hex(2 * chunk)}
...
""".encode())
    write_file(f"{shadow}/striped", f"""---
file:
  path: striped
  size: {4 * chunk}
  flags: 2
  mode: 0644
  uid: 0
  gid: 0
  nextents: 1
  striped_ext_list:
  - nstrips: 2
    chunk_size: {hex(chunk)}
    simple_ext_list:
    - devindex: 0
      offset: {hex(at)}
      length: {hex(2 * chunk)}
    - devindex: 0
      offset: {hex(at + 2 * chunk)}
      length: {hex(2 * chunk)}
...
""".encode())
    with Shown(work, shadow, [vol.spec]) as mnt:
        assert read_file(f"{mnt}/dir/simple") == b"A" * chunk + b"C" * 100
        st = os.stat(f"{mnt}/dir/simple")
        assert (st.st_mode & 0o777, st.st_uid, st.st_gid) == (0o640, 5, 6)
        assert read_file(f"{mnt}/striped") == b"".join(
            bytes([65 + i]) * chunk for i in range(4))


@needs("mafs")
def test_what_is_no_descriptor_is_named(work):
    vol, _ = filled(work, devices=1)
    shadow = work.join("shadow")
    run(["mafs", "logplay", "--shadow", shadow, vol.spec])
    text = read_file(f"{shadow}/a/b/f")
    assert b"\n  size: " in text, text
    write_file(f"{shadow}/a/b/f",
               text.replace(b"\n  size: ", b"\n  surprise: 1\n  size: "))
    done = run(["mafs-fused", "--foreground", "--shadow", shadow,
                work.join("mnt")], check=False)
    assert done.returncode == 1
    for word in ("a/b/f", "surprise", "line"):
        assert word in done.stderr, done.stderr


if __name__ == "__main__":
    main()
