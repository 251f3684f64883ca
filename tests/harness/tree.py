# SPDX-License-Identifier: Apache-2.0
"""What a directory tree holds, and how two of them differ."""

import hashlib
import os
import random
import stat

KINDS = {stat.S_IFREG: "file", stat.S_IFDIR: "dir", stat.S_IFLNK: "symlink",
         stat.S_IFIFO: "fifo", stat.S_IFSOCK: "socket", stat.S_IFCHR: "char",
         stat.S_IFBLK: "block"}


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb", buffering=0) as source:
        while chunk := source.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def entry(path, content=True):
    """All that a name stands for, but ctime and what differs by nature."""
    st = os.lstat(path)
    kind = KINDS[stat.S_IFMT(st.st_mode)]
    said = {"type": kind, "mode": oct(stat.S_IMODE(st.st_mode)),
            "uid": st.st_uid, "gid": st.st_gid, "nlink": st.st_nlink,
            "mtime_ns": st.st_mtime_ns,
            "xattrs": {name: os.getxattr(path, name, follow_symlinks=False)
                       for name in os.listxattr(path, follow_symlinks=False)}}
    if kind == "file":
        said["size"] = st.st_size
        if content:
            said["sha256"] = sha256(path)
    elif kind == "symlink":
        said["target"] = os.readlink(path)
    elif kind in ("char", "block"):
        said["rdev"] = st.st_rdev
    return said


def manifest(top, content=True, exclude=()):
    """{path: entry}; the root itself and its .mafs left out."""
    found = {}

    def walk(directory, prefix):
        for name in sorted(os.listdir(directory)):
            path, shown = os.path.join(directory, name), prefix + name
            if shown == ".mafs" or shown in exclude:
                continue
            found[shown] = entry(path, content)
            if found[shown]["type"] == "dir":
                walk(path, shown + "/")

    walk(top, "")
    return found


def differences(left, right, ignore=(), limit=8):
    """What two manifests do not have in common, as lines."""
    lines = []
    for path in sorted(left.keys() | right.keys()):
        if path not in left or path not in right:
            lines.append(f"{path}: only in the "
                         f"{'first' if path in left else 'second'}")
            continue
        for field in sorted(left[path].keys() | right[path].keys()):
            a, b = left[path].get(field), right[path].get(field)
            if a != b and field not in ignore:
                lines.append(f"{path}: {field} {a!r} != {b!r}")
    more = len(lines) - limit
    return lines[:limit] + ([f"and {more} more"] if more > 0 else [])


def assert_same(left, right, ignore=(), what=""):
    lines = differences(left, right, ignore)
    assert not lines, what + "; ".join(lines)


def block(seed, length):
    """Bytes that are different for each seed and never zero for long."""
    return random.Random(seed).randbytes(length)


def write_file(path, content, mode=None):
    with open(path, "wb") as out:
        out.write(content)
    if mode is not None:
        os.chmod(path, mode)


def read_file(path):
    with open(path, "rb") as source:
        return source.read()


def make_tree(top, n_files=200, seed=1, owners=True):
    """A small tree with one of everything: sizes around the borders of pages
    and of 1 MiB, holes, hard and symbolic links, special files, odd names,
    xattrs, owners, times before and after 1970."""
    rng = random.Random(seed)
    directories = [top]
    files = []
    sizes = [0, 1, 4095, 4096, 4097, 65536, 131073, 1 << 20, (1 << 20) + 1]
    for i in range(n_files):
        if i % 12 == 0:
            path = os.path.join(rng.choice(directories), f"dir {i}")
            os.mkdir(path, rng.choice([0o755, 0o700, 0o2775, 0o1777]))
            directories.append(path)
        name = rng.choice(["f{}.c", "ü {}", "new\nline{}", "-dash{}",
                           ".hid{}"])
        path = os.path.join(rng.choice(directories), name.format(i))
        size = sizes[i] if i < len(sizes) else int(rng.paretovariate(1) * 300)
        write_file(path, rng.randbytes(min(size, 3 << 20)),
                   rng.choice([0o644, 0o600, 0o755, 0o4755, 0o444]))
        files.append(path)
    for i in range(n_files // 20):
        where = rng.choice(directories)
        os.link(rng.choice(files), os.path.join(where, f"hard{i}"))
        os.symlink(f"../some/target{i}", os.path.join(where, f"soft{i}"))
        os.mkfifo(os.path.join(where, f"fifo{i}"))
        sparse = os.path.join(where, f"sparse{i}")
        with open(sparse, "wb") as out:
            out.truncate((i + 1) << 20)
            out.seek(i << 19)
            out.write(b"in the middle")
        path = rng.choice([f for f in files if os.access(f, os.W_OK)])
        os.setxattr(path, "user.colour", f"red{i}".encode())
        if owners:
            os.lchown(rng.choice(files), rng.randrange(1, 3000), 100 + i)
            path = rng.choice(files)
            os.lchown(path, 1000, 1000)
            os.chmod(path, 0o6711)
    for i, path in enumerate(files):
        ns = rng.randrange(-10**17, 2 * 10**18)
        os.utime(path, ns=(ns, ns))
    return files
