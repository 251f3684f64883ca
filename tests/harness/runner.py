# SPDX-License-Identifier: Apache-2.0
"""Runs the test functions of one file, in their order.

A test file imports what it needs, defines test_*() functions and ends with
main(). What a function's parameters are called says what it gets:

  work     an empty work directory of its own; nothing is mounted
  vol      a fresh volume, mounted
  d        an empty directory in a mount that the tests of the file share
  n        the same directory in DIR, past the mount
  oracle   an empty directory on the plain file system that DIR lies on

Exit code: 0 passed, 1 failed, 77 all skipped. MAFS_TEST_PLAIN=1 makes every
"mount" a bind mount, which validates the tests themselves.
MAFS_TEST_MEMORY=KIND makes the shared mount a memory volume's; tests that want
DIR, or a volume of their own, are skipped then.
"""

import argparse
import contextlib
import gc
import inspect
import os
import re
import shutil
import signal
import sys
import time
import traceback

from work import PLAIN, Child, Skip, Work
from mafs import Volume, programs
from memory import MemoryVolume

MEMORY = os.environ.get("MAFS_TEST_MEMORY")
LONG = os.environ.get("MAFS_TEST_LONG") == "1"


def scale(check, long):
    """What check.sh runs, or what check.sh --long runs."""
    return long if LONG else check


def needs(*what):
    """Skip a test unless all of `what` is there: "mafs" (not in plain mode),
    "root", or a program's name."""
    def mark(function):
        function.needs = what
        return function
    return mark


def _missing(function):
    for what in getattr(function, "needs", ()):
        if what == "mafs":
            if PLAIN:
                return "only means something on mafs"
        elif what == "root":
            if os.geteuid() != 0:
                return "needs root"
        elif not shutil.which(what):
            return f"needs the program {what}"
    return None


class _Shared:
    """The mount that tests with `d` share; replaced when a test broke it."""

    def __init__(self, work, options):
        self.work, self.options = work, options
        self.vol, self.count = None, 0

    def directory(self, name):
        if self.vol and not self.vol.alive():
            self.vol.discard()
            self.vol = None
        if not self.vol:
            self.count += 1
            work = self.work.sub(f"shared-{self.count}")
            self.vol = MemoryVolume(work, MEMORY) if MEMORY else \
                Volume(work, **self.options)
            self.vol.mount()
        oracle = self.work.sub("oracle").path
        for top in (self.vol.mnt, oracle):
            os.mkdir(os.path.join(top, name))
        return tuple(os.path.join(top, name)
                     for top in (self.vol.mnt,
                                 "" if MEMORY else self.vol.dir, oracle))

    def done(self):
        if self.vol and self.vol.alive():
            self.vol.umount()


def _arguments(function, work, shared, own):
    names = list(inspect.signature(function).parameters)
    given = {}
    if MEMORY and {"n", "vol", "work"} & set(names):
        raise Skip("wants a DIR")
    if {"d", "n", "oracle"} & set(names):
        given["d"], given["n"], given["oracle"] = \
            shared.directory(function.__name__)
    if "work" in names or "vol" in names:
        given["work"] = work.sub(function.__name__)
    if "vol" in names:
        own.append(Volume(given["work"]))
        own[0].mount()
        given["vol"] = own[0]
    return {name: given[name] for name in names}


class _Late(BaseException):
    pass


def _alarm(*_):
    raise _Late()


def _reason(error):
    """One line, and where in the test it happened."""
    text = str(error) or type(error).__name__
    if isinstance(error, _Late):
        text = "took too long"
    elif not isinstance(error, AssertionError):
        text = f"{type(error).__name__}: {text}"
    where = ""
    for frame in traceback.extract_tb(error.__traceback__):
        if frame.name.startswith("test_"):
            where = f"line {frame.lineno}: "
            if isinstance(error, AssertionError) and not str(error):
                text = frame.line
    return where + text


def _descriptors():
    return {int(fd) for fd in os.listdir("/proc/self/fd")}


def _close_others(kept):
    """A failed test leaves files open, which would keep mounts busy."""
    gc.collect()
    for fd in _descriptors() - kept:
        with contextlib.suppress(OSError):
            os.close(fd)


def _run(function, work, shared, limit_s):
    own = []
    kept = _descriptors()
    signal.signal(signal.SIGALRM, _alarm)
    signal.alarm(limit_s)
    try:
        function(**_arguments(function, work, shared, own))
        for vol in own:
            if vol.alive():
                vol.umount()
        return None
    finally:
        signal.alarm(0)
        Child.kill_all()
        _close_others(kept)
        os.chdir("/")
        for vol in own:
            vol.discard()
        work.sub(function.__name__).clean()


def _options(limit_s):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="only tests whose name "
                        "contains one of these")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--limit", type=int, default=limit_s,
                        help="seconds for one test")
    parser.add_argument("--trace", action="store_true",
                        help="print whole tracebacks")
    return parser.parse_args()


def main(limit_s=scale(120, 3600), **volume_options):
    """limit_s: for one test; volume_options: of the shared Volume."""
    options = _options(limit_s)
    tests = [(name, function) for name, function
             in vars(sys.modules["__main__"]).items()
             if name.startswith("test_") and callable(function)]
    if options.names:
        tests = [t for t in tests if any(n in t[0] for n in options.names)]
    if options.list:
        print(*(name for name, _ in tests), sep="\n")
        sys.exit(0)
    reason = programs()
    if reason:
        print(f"skip: {reason}")
        sys.exit(1 if os.environ.get("MAFS_BUILD_DIR")
                 and "no program" in reason else 77)

    n_failed = n_passed = 0
    work = Work()
    shared = _Shared(work, volume_options)
    try:
        for name, function in tests:
            begin = time.monotonic()
            try:
                missing = _missing(function)
                if missing:
                    raise Skip(missing)
                _run(function, work, shared, options.limit)
                reports = work.sanitizer_reports()
                assert not reports, reports
                print(f"ok   {name} {time.monotonic() - begin:.2f}s",
                      flush=True)
                n_passed += 1
            except Skip as skip:
                print(f"skip {name}: {skip}", flush=True)
            except (Exception, _Late) as error:
                n_failed += 1
                print(f"FAIL {name}: {_reason(error)}", flush=True)
                if options.trace:
                    traceback.print_exc()
                reports = work.sanitizer_reports()
                if reports:
                    print(re.sub("^", "     ", reports, flags=re.M))
                if isinstance(error, _Late) and shared.vol:
                    shared.vol.discard()
                    shared.vol = None
        try:
            shared.done()
        except Exception as error:
            n_failed += 1
            print(f"FAIL unmount of the shared mount: {error}")
        reports = work.sanitizer_reports()
        if reports:
            n_failed += 1
            print(reports)
        if n_failed:
            print(work.messages_tail())
    finally:
        work.clean()
    if Volume.n_killed:
        print(f"kill: killed={Volume.n_killed}")
    print(f"{n_passed} passed, {n_failed} failed", flush=True)
    sys.exit(1 if n_failed else 0 if n_passed else 77)
