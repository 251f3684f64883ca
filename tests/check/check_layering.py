# SPDX-License-Identifier: Apache-2.0
"""A layer includes and calls only what stands below it.

A private header belongs to its folder. A header in include/mafs/ belongs to
the layer whose .c files define what it declares; one that declares only types
belongs to nobody, and what it includes counts as included by its includer.
"""

import os
import re

import sources

BASE = ["lib/base"]
PLATFORM = BASE + ["lib/platform"]
EXTENT = PLATFORM + ["lib/extent"]
LOG = EXTENT + ["lib/log"]
LOGPLAY = LOG + ["lib/names", "lib/shadow", "lib/memory", "lib/tier",
                 "lib/policy", "lib/settings", "lib/volume", "logplay"]
FS = PLATFORM + ["daemon/fs"]
CORE = LOGPLAY + ["daemon/fs", "daemon/core"]

# Layer: what it may include; of two layers, the lower stands first.
LAYERS = {
    "lib/base": BASE,
    "lib/platform": PLATFORM,
    "lib/extent": EXTENT,
    "lib/log": LOG,
    "lib/policy": BASE + ["lib/policy"],
    "lib/settings": BASE + ["lib/settings"],
    "lib/memory": LOG + ["lib/memory"],
    "lib/names": LOG + ["lib/names"],
    "lib/shadow": LOG + ["lib/shadow"],
    "lib/tier": LOG + ["lib/tier"],
    "lib/volume": LOG + ["lib/memory", "lib/volume"],
    "logplay": LOGPLAY,
    "daemon/fs": FS,
    "daemon/core": CORE,
    "daemon/memvol": LOGPLAY + ["daemon/fs", "daemon/memvol"],
    "daemon/control": CORE + ["daemon/memvol", "daemon/control"],
    "daemon/fuse": CORE + ["daemon/memvol", "daemon/control",
                           "daemon/fuse"],
    "cli": LOGPLAY + ["cli"],
}

# What a lower layer implements for a higher one to call: all may include it.
FOR_ALL = {"include/mafs/replay.h"}

# Headers of other libraries that only one layer may include.
OUTSIDE = [
    (r"(fuse3/|fuse[._]|cuse_|linux/fuse)", "daemon/fuse"),
    (r"cap-ng", "lib/platform"),
    (r"(daxctl|ndctl)/", "lib/platform"),
    (r"microhttpd", "daemon/control"),
    (r"curl/", "cli"),
    (r"(isa-l|crc\.h|xxhash)", "lib/base"),
    (r"uuid/", "lib/base"),
]

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.M)
PUBLIC = "include/mafs/"


def code(path):
    """The text without comments and the strings' content."""
    text = re.sub(r"/\*.*?\*/", lambda m: "\n" * m[0].count("\n"),
                  sources.read(path), flags=re.S)
    text = re.sub(r"//[^\n]*", "", text)
    return re.sub(r'(?m)^(?![ \t]*#)(.*)$',
                  lambda m: re.sub(r'"(\\.|[^"\\\n])*"', '""', m[0]), text)


def layer_of(path):
    return next((layer for layer in LAYERS if path.startswith(layer + "/")),
                None)


def defined(text):
    """Names of the functions and tables that this .c gives to others."""
    functions = re.findall(
        r"^(?!static\b|#)[A-Za-z_][\w \t*]*?\b(mafsd?_\w+)\s*"
        r"\([^;{}]*\)\s*\{", text, re.M)
    tables = re.findall(
        r"^(?!static\b|extern\b|#)[A-Za-z_][\w \t*]*?\b(mafsd?_\w+)"
        r"(?:\[\w*\])?\s*=", text, re.M)
    return functions + tables


def declared(text):
    functions = re.findall(r"\b(mafsd?_\w+)\s*\([^;{}]*\)[^;{}]*;", text)
    tables = re.findall(r"^extern\b[^;()]*?\b(mafsd?_\w+)(?:\[\w*\])?;", text,
                        re.M)
    return set(functions + tables)


files = [f for f in sources.tracked(".c", ".h")
         if not f.startswith(("tests/", "kmod-patches/"))]
texts = {f: code(f) for f in files}
owner_of_name = {}
for f in files:
    if f.endswith(".c") and layer_of(f):
        for name in defined(texts[f]):
            owner_of_name[name] = layer_of(f)


def owner(header):
    """The layer of a header, None for types only."""
    layers = {owner_of_name.get(name) for name in declared(texts[header])}
    return next((layer for layer in LAYERS if layer in layers), None)


owners = {f: layer_of(f) or owner(f) for f in files if f.endswith(".h")}


def resolve(path, quote, name):
    """The file of ours that an include names, or None."""
    tries = [os.path.join("include", name)]
    if quote == '"':
        tries.insert(0, os.path.join(os.path.dirname(path), name))
    if path.startswith("daemon/"):
        tries.append(os.path.join("daemon", name))
    return next((t for t in map(os.path.normpath, tries) if t in texts), None)


def reached(path, chain=()):
    """Each header of ours that a file includes, with the way to it."""
    for quote, name in INCLUDE.findall(texts[path]):
        header = resolve(path, quote, name)
        if header and header not in chain and header != path:
            yield header, chain + (header,)
            yield from reached(header, chain + (header,))


faults = [f"{f}: its folder is not among LAYERS" for f in files
          if not layer_of(f) and not f.startswith(PUBLIC)]
for path in files:
    layer = layer_of(path) or owners.get(path)
    for quote, name in INCLUDE.findall(texts[path]):
        if ".." in name.split("/"):
            faults.append(f"{path}: #include of {name} climbs out")
        if name.startswith(("tests/", "lib/", "logplay/", "cli/")):
            faults.append(f"{path}: #include of {name}, no public header")
        for pattern, only in OUTSIDE:
            if not resolve(path, quote, name) and re.match(pattern, name) \
                    and layer != only:
                faults.append(f"{path}: <{name}> belongs to {only}")
    if not layer:
        continue
    for header, chain in reached(path):
        if header not in FOR_ALL and owners[header] and \
                owners[header] not in LAYERS[layer]:
            faults.append(f"{path} ({layer}) may not include "
                          f"{' -> '.join(chain)} ({owners[header]})")
    if path.endswith(".c"):
        # A struct may be called like a function.
        for name in set(re.findall(r"(?<!\bstruct )\bmafsd?_\w+",
                                   texts[path])):
            if owner_of_name.get(name, layer) not in LAYERS[layer]:
                faults.append(f"{path} ({layer}) may not use {name} "
                              f"({owner_of_name[name]})")
sources.finish(sorted(set(faults)), len(files))
