#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Memory devices that somebody has changed, given to a mount: it says what is
wrong, or serves; the daemon never dies, nothing hangs, nothing outside is
touched.

MAFS_TEST_SEED gives the same images again.

ctest: timeout=600
"""

import contextlib
import os
import random
import shutil
import stat
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../harness"))
from memory import MemoryVolume, in_memory
from runner import main, needs, scale
from work import Child, process_gone, run, wait_for

N_IMAGES = scale(20, 300)
N_NAMES_MAX = 300
SEED = int(os.environ.get("MAFS_TEST_SEED", random.randrange(1 << 30)))
READ = 64 << 10


def make_images(top):
    program = os.path.join(os.environ["MAFS_BUILD_DIR"],
                           "tests/bin/unit.cli.hostile_media")
    subprocess.run([program], cwd=top, check=True,
                   env={**os.environ, "MAFS_TEST_IMAGES": str(N_IMAGES),
                        "MAFS_TEST_SEED": str(SEED)})


class Image(MemoryVolume):
    """A device as it is found."""

    def __init__(self, work, path, role):
        self.work, self.kind, self.others = work, "file", []
        self.mnt, self.pid = work.join("mnt"), None
        self.spec = f"file:{path}"
        self.options = f"role={role}"
        os.makedirs(self.mnt, exist_ok=True)

    def try_mount(self):
        """Exit code and what was said."""
        said = self.work.join("said")
        with open(said, "w+") as out:
            code = subprocess.run(self.command(), stdin=subprocess.DEVNULL,
                                  stdout=out, stderr=out,
                                  timeout=60).returncode
            out.seek(0)
            return code, out.read()


def names_below(top):
    """So many at most; a name that cannot be looked at is one, too."""
    found = [top]
    for directory in found:
        names = []
        with contextlib.suppress(OSError):
            names = os.listdir(directory)
        for name in names:
            assert "/" not in name and name not in ("", ".", ".."), name
            path = os.path.join(directory, name)
            found.append(path)
            if len(found) >= N_NAMES_MAX:
                return found
    return found


def look_at(path):
    st = os.lstat(path)
    os.listxattr(path, follow_symlinks=False)
    if stat.S_ISLNK(st.st_mode):
        os.readlink(path)
    if not stat.S_ISREG(st.st_mode):
        return
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        for at in (0, max(0, st.st_size - READ)):
            assert len(os.pread(fd, READ, at)) <= READ
        with contextlib.suppress(OSError):
            os.lseek(fd, 0, os.SEEK_DATA)
    finally:
        os.close(fd)


def change(path):
    """Whatever it is; the links lead where nothing may be touched."""
    st = os.lstat(path)
    os.utime(path, (1, 1), follow_symlinks=False)
    if stat.S_ISREG(st.st_mode):
        fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
        try:
            os.pwrite(fd, b"changed", 5000)
            os.ftruncate(fd, 100)
            os.fsync(fd)
        finally:
            os.close(fd)
    os.rename(path, path + "~")
    if stat.S_ISDIR(st.st_mode):
        os.rmdir(path + "~")
    else:
        os.unlink(path + "~")


def use(mnt):
    """What programs do; each error is one that the image deserves."""
    paths = names_below(mnt)
    for path in paths:
        with contextlib.suppress(OSError):
            look_at(path)
    for step in (lambda: os.mkdir(f"{mnt}/made"),
                 lambda: os.mknod(f"{mnt}/made/file"),
                 lambda: os.symlink("/etc", f"{mnt}/made/link")):
        with contextlib.suppress(OSError):
            step()
    for path in reversed(paths[1:]):
        with contextlib.suppress(OSError):
            change(path)
    os.statvfs(mnt)


def check_served(image):
    image.pid = image.status()["pid"]
    user = Child(lambda: use(image.mnt))
    user.wait(120)
    assert image.alive(), "the daemon is dead"
    # What was changed may not have come to the log: that is said, too.
    done = run(["mafs", "umount", image.mnt], check=False)
    assert not image.is_mounted(), done.stderr
    wait_for(lambda: process_gone(image.pid), 30, "the daemon's end")


def check_refused(image, code, said):
    lines = [line for line in said.splitlines() if line.startswith("mafs")]
    assert code > 0 and lines, (code, said)
    assert not image.is_mounted()


def check_not_broken(text):
    for word in ("Sanitizer", "runtime error", "Assertion", "core dumped"):
        assert word not in text, text[-3000:]


@needs("mafs", "root")
def test_mount_serves_or_says_what_is_wrong(work):
    place = in_memory(work, "1G")
    images = place.sub("images")
    make_images(images.path)
    with open(place.join("sentinel"), "w") as out:
        out.write("untouched")
    n_served = 0
    for i in range(N_IMAGES):
        name = f"image-{i}"
        here = place.sub("here")
        shutil.copy(images.join(name), here.join(name))
        image = Image(here, here.join(name), "client" if i % 4 == 3 else "master")
        print(f"image {i} of seed {SEED}", file=sys.stderr, flush=True)
        code, said = image.try_mount()
        check_not_broken(said)
        try:
            if code == 0:
                check_served(image)
                n_served += 1
            else:
                check_refused(image, code, said)
        finally:
            image.discard()
        with open(here.join("said")) as out:
            check_not_broken(out.read())
        assert sorted(os.listdir(here.path)) == [name, "mnt", "said"]
        assert os.listdir(here.join("mnt")) == []
        shutil.rmtree(here.path)
    assert sorted(os.listdir(place.path)) == ["images", "sentinel"]
    with open(place.join("sentinel")) as source:
        assert source.read() == "untouched"
    print(f"hostile: images={N_IMAGES} served={n_served} "
          f"refused={N_IMAGES - n_served} seed={SEED}", flush=True)
    # One of seven is served; of few it may be none.
    assert N_IMAGES // 40 <= n_served < N_IMAGES, n_served


if __name__ == "__main__":
    main()
