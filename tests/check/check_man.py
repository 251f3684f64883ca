# SPDX-License-Identifier: Apache-2.0
"""Every command, every long option and every setting that --help prints stands
in the man page: mafs.1 for mafs and its commands, mafs-fused.8 for the
daemon."""

import os
import re
import subprocess
import sys

import sources

BIN = os.path.join(os.environ.get("MAFS_BUILD_DIR", ""), "bin")


def help_of(*command):
    done = subprocess.run([os.path.join(BIN, command[0]), *command[1:],
                           "--help"], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=60,
                          stdin=subprocess.DEVNULL, check=False)
    if done.returncode != 0:
        faults.append(f"{' '.join(command)} --help exits with "
                      f"{done.returncode}")
    return done.stdout


def commands(text):
    """The first words of the indented lines below "...commands...:"."""
    found, inside = [], False
    for line in text.splitlines():
        if re.search(r"commands?\b.*:\s*$", line, re.I):
            inside = True
        elif inside and re.match(r"\s+[a-z]", line):
            match = re.match(r"\s{1,8}([a-z][a-z0-9-]*)(?=\s|$)", line)
            if match:
                found.append(match[1])
        elif line and not line[0].isspace():
            inside = False
    return found


def options(text):
    return sorted(set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*", text)))


def settings(text):
    """Lines of the form "      name=VALUE"."""
    return re.findall(r"^ {6}([a-z_]+)=[A-Za-z0-9|]+$", text, re.M)


class Page:
    def __init__(self, name):
        self.name = f"docs/man/{name}"
        path = os.path.join(sources.TOP, self.name)
        self.source = sources.read(self.name) if os.path.isfile(path) else ""
        if not self.source:
            faults.append(f"{self.name} is missing")
        plain = re.sub(r"\\f(?:\[\w*\]|\(..|.)", "", self.source)
        self.plain = plain.replace(r"\-", "-")

    def wants_option(self, option, who):
        if not re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])",
                         self.plain):
            faults.append(f"{self.name}: {option} of {who} is not described")

    def wants_setting(self, setting, who):
        if not re.search(rf"(?<![\w-]){setting}=", self.plain):
            faults.append(f"{self.name}: setting {setting} of {who} is not "
                          "described")

    def wants_command(self, command):
        """A command is set in bold or in a macro's line, not just a word."""
        source = self.source.replace(r"\-", "-")
        word = rf"{re.escape(command)}(?![\w-])"
        if not re.search(rf"^\.\w+ (?:.*[^\w-])?{word}|"
                         rf"\\fB(?:[^\\\n]*[^\w-])?{word}", source, re.M):
            faults.append(f"{self.name}: command {command} is not described")


faults = []
n_programs = 0
if os.access(os.path.join(BIN, "mafs"), os.X_OK):
    n_programs += 1
    page = Page("mafs.1")
    text = help_of("mafs")
    names = commands(text)
    if not names:
        faults.append("mafs --help lists no commands")
    for option in options(text):
        page.wants_option(option, "mafs")
    found = settings(help_of("mafs", "mount"))
    if not found:
        faults.append("mafs mount --help lists no settings")
    for setting in found:
        page.wants_setting(setting, "mafs mount")
    for name in names:
        page.wants_command(name)
        if name != "help":
            for option in options(help_of("mafs", name)):
                page.wants_option(option, f"mafs {name}")
if os.access(os.path.join(BIN, "mafs-fused"), os.X_OK):
    n_programs += 1
    page = Page("mafs-fused.8")
    for option in options(help_of("mafs-fused")):
        page.wants_option(option, "mafs-fused")
    for setting in settings(help_of("mafs-fused")):
        page.wants_setting(setting, "mafs-fused")
if not n_programs:
    print("mafs and mafs-fused are not built")
    sys.exit(sources.SKIP)
sources.finish(faults, n_programs)
