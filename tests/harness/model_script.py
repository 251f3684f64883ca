# SPDX-License-Identifier: Apache-2.0
"""Scripts of file operations: what model.py performs, one operation a line.

    open 2 p/a rdwr,creat,trunc 640      descriptor 2
    write 2 4096 100 7                   descriptor, offset, length, bytes' seed
    map 0 2 rw                           mapping 0 of descriptor 2

A line that names a descriptor or mapping that is not open does nothing, so any
part of a script is a script.
"""

DIRECTORIES = ("p", "q", "p/r", "q/r")
N_DESCRIPTORS, N_MAPPINGS = 5, 2
EDGES = (0, 1, 511, 4095, 4096, 4097, 65536, 131071, 131072)
LARGEST = 300000
LENGTHS = (1, 7, 100, 4095, 4096, 4097, 8192, 30000)
MODES = ("rdonly", "wronly", "rdwr", "rdwr")
XATTRS = ("user.a", "trusted.t", "security.s")


class Generator:
    """Operations from a random.Random; the same for the same seed."""

    def __init__(self, rng):
        self.rng = rng
        self.lines = {name[3:]: getattr(self, name) for name in dir(self)
                      if name.startswith("do_")}

    def script(self, n_operations, volume_every, kill_every):
        """volume_every: how often, on average, the daemon is told to move
        bytes; kill_every: how often it is killed. 0: never."""
        names = list(self.lines)
        often = {"open": 12, "write": 8, "read": 5, "append": 2, "close": 2,
                 "map": 5, "store": 5, "load": 3, "truncate_fd": 2,
                 "fallocate": 2, "copy": 2, "rename": 3}
        if self.rng.randrange(2):  # then all times are compared
            names.remove("map")
        weights = [often.get(name, 1) for name in names]
        yield from (f"mkdir {name} 755" for name in DIRECTORIES)
        for _ in range(n_operations):
            if kill_every and self.rng.randrange(kill_every) == 0:
                yield "kill"
            if volume_every and self.rng.randrange(volume_every) == 0:
                yield self.move()
            yield self.lines[self.rng.choices(names, weights)[0]]()

    def move(self):
        kind = self.rng.choice(("sync", "push", "push", "pull", "pull"))
        if kind == "sync":
            return kind
        return f"{kind} {self.rng.choice((self.name(), self.folder(), '.'))}"

    # what operations are about

    def folder(self):
        return self.rng.choice(DIRECTORIES)

    def name(self):
        if self.rng.randrange(12) == 0:
            return self.folder()
        return self.rng.choice(("", "", "p/", "p/r/", "q/")) + \
            self.rng.choice("abc")

    def fd(self):
        return self.rng.randrange(N_DESCRIPTORS)

    def mapping(self):
        return self.rng.randrange(N_MAPPINGS)

    def offset(self):
        if self.rng.randrange(3):
            return self.rng.choice(EDGES)
        return self.rng.randrange(LARGEST)

    def length(self):
        if self.rng.randrange(12) == 0:
            return self.rng.randrange(1, LARGEST)
        return self.rng.choice(LENGTHS)

    def seed(self):
        return self.rng.randrange(1000)

    def bits(self):
        return f"{self.rng.choice((0o644, 0o600, 0o755, 0o4755, 0o2711, 0)):o}"

    # of names

    def do_mkdir(self):
        name = self.rng.choice((self.folder(), self.name()))
        return f"mkdir {name} {self.rng.choice(('755', '2770'))}"

    def do_rmdir(self):
        return f"rmdir {self.rng.choice((self.folder(), self.name()))}"

    def do_unlink(self):
        return f"unlink {self.name()}"

    def do_rename(self):
        flags = self.rng.choice(("0", "0", "noreplace", "exchange"))
        return f"rename {self.name()} {self.name()} {flags}"

    def do_link(self):
        return f"link {self.name()} {self.name()}"

    def do_symlink(self):
        return f"symlink {self.name()} {self.name()}"

    def do_mknod(self):
        return f"mknod {self.name()} {self.rng.choice(('fifo', 'file'))}"

    def do_list(self):
        return f"list {self.folder()}"

    def do_stat(self):
        return f"stat {self.name()}"

    def do_readlink(self):
        return f"readlink {self.name()}"

    def do_chmod(self):
        return f"chmod {self.name()} {self.bits()}"

    def do_chown(self):
        # Never -1 twice: the kernel does not tell the daemon that from a
        # write of root's, which takes no setuid.
        return f"chown {self.name()} {self.rng.choice((0, 1000))} " \
               f"{self.rng.choice((-1, 0, 1000))}"

    def do_utime(self):
        return f"utime {self.name()} {self.rng.randrange(10**18)}"

    def do_truncate(self):
        return f"truncate {self.name()} {self.offset()}"

    def do_setxattr(self):
        return f"setxattr {self.name()} {self.rng.choice(XATTRS)} " \
               f"{self.seed()} {self.rng.choice(('0', 'create', 'replace'))}"

    def do_removexattr(self):
        return f"removexattr {self.name()} {self.rng.choice(XATTRS)}"

    def do_xattrs(self):
        return f"xattrs {self.name()}"

    # of descriptors

    def do_open(self):
        flags = [self.rng.choice(MODES)]
        if self.rng.randrange(4):
            flags.append("creat")
        for flag, one_in in (("trunc", 5), ("append", 6), ("excl", 12),
                             ("sync", 12), ("dsync", 12), ("nofollow", 12),
                             ("directory", 30)):
            if self.rng.randrange(one_in) == 0:
                flags.append(flag)
        return f"open {self.fd()} {self.name()} {','.join(flags)} " \
               f"{self.bits()}"

    def do_tmpfile(self):
        mode = self.rng.choice(("wronly", "rdwr", "rdwr,excl"))
        return f"tmpfile {self.fd()} {self.folder()} {mode}"

    def do_link_fd(self):
        return f"link_fd {self.fd()} {self.name()}"

    def do_close(self):
        return f"close {self.fd()}"

    def do_write(self):
        return f"write {self.fd()} {self.offset()} {self.length()} " \
               f"{self.seed()}"

    def do_append(self):
        return f"append {self.fd()} {self.length()} {self.seed()}"

    def do_read(self):
        return f"read {self.fd()} {self.offset()} {self.length()}"

    def do_read_on(self):
        return f"read_on {self.fd()} {self.length()}"

    def do_truncate_fd(self):
        return f"truncate_fd {self.fd()} {self.offset()}"

    def do_fallocate(self):
        mode = self.rng.choice(("0", "keep", "punch", "punch", "zero",
                                "zero,keep"))
        return f"fallocate {self.fd()} {mode} {self.offset()} {self.length()}"

    def do_copy(self):
        return f"copy {self.fd()} {self.offset()} {self.fd()} " \
               f"{self.offset()} {self.length()}"

    def do_seek(self):
        return f"seek {self.fd()}"

    def do_fsync(self):
        return f"{self.rng.choice(('fsync', 'fdatasync'))} {self.fd()}"

    def do_fstat(self):
        return f"fstat {self.fd()}"

    def do_chmod_fd(self):
        return f"chmod_fd {self.fd()} {self.bits()}"

    def do_utime_fd(self):
        return f"utime_fd {self.fd()} {self.rng.randrange(10**18)}"

    # of mappings

    def do_map(self):
        return f"map {self.mapping()} {self.fd()} " \
               f"{self.rng.choice(('r', 'rw', 'rw', 'private'))}"

    def do_store(self):
        return f"store {self.mapping()} {self.offset()} {self.length()} " \
               f"{self.seed()}"

    def do_load(self):
        return f"load {self.mapping()} {self.offset()} {self.length()}"

    def do_msync(self):
        return f"msync {self.mapping()}"

    def do_unmap(self):
        return f"unmap {self.mapping()}"
