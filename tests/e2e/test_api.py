#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The control API: answers are as docs/openapi.yaml says, and nobody gets by
it at what the mount would refuse."""

import http.client
import json
import os
import socket
import sys
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../harness"))
from mafs import MIB, Volume, prepared, slow_to_pull
from memory import MemoryVolume
from openapi import Api
from runner import main, needs
from tree import block, write_file
from work import USER, Child, as_user, run, wait_for

GROUP = 4711


class Connection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("mafs")
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


def call(vol, method, url, body=None, **query):
    """(code, answer); a value of query that is None is left out."""
    given = {k: v for k, v in query.items() if v is not None}
    if given:
        url += "?" + urllib.parse.urlencode(given)
    connection = Connection(getattr(vol, "socket", None) or
                            f"{vol.run_dir}/control.sock")
    connection.request(method, url, body=json.dumps(body) if body else None)
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


# Answers.


def sample(work, **options):
    return prepared(work, {"d/cold": block(1, 5000), "d/o\udcff": b"x",
                           "clean": block(2, MIB)}, **options)


@needs("mafs")
def test_every_answer_is_as_described(work):
    api = Api()
    vol = sample(work)
    vol.pull(f"{vol.mnt}/clean")
    write_file(f"{vol.mnt}/dirty", block(3, 5000))
    os.symlink("clean", f"{vol.mnt}/link")
    paths = {"GET": ("", "clean", "dirty", "link", "d", "d/o%FF"),
             "POST": ("clean", "d", "")}
    seen = set()

    def ask(method, url, path, **more):
        in_url = "{path}" in url
        code, answer = call(
            vol, method, url.replace("{path}", path) if in_url else url,
            path=None if in_url else path, **more)
        api.check(answer, api.schema(method, url, code), f"{method} {url}")
        if code == 200:
            seen.add((method, url))
        return code

    for method, url in api.calls():
        if url == "/v1/admin/set":
            assert ask(method, url, None, name="promote", value="9s") == 200
            assert ask(method, url, "d", name="policy", value="hot") == 200
            assert ask(method, url, "d", name="policy", value="x") == 400
            continue
        if url == "/v1/admin/stop":
            continue
        for path in paths[method]:
            ask(method, url, path)
    want = set(api.calls()) - {("GET", "/v1/files/{path}"),
                               ("POST", "/v1/admin/stop")}
    assert seen == want, want - seen
    for method, url in (("GET", "/v1/none"), ("PUT", "/v1/status"),
                        ("POST", "/v1/admin/push"), ("GET", "/v1/meta/none")):
        code, answer = call(vol, method, url)
        assert code >= 400, (method, url, code)
        api.check(answer, {"$ref": "#/components/schemas/Error"}, url)
    vol.umount()


@needs("mafs")
def test_move_is_seen_while_it_runs(work):
    vol = prepared(work, {"big": b""}, memory="tmpfs:512M")
    with open(f"{vol.dir}/big", "wb") as big:
        for i in range(48):
            big.write(block(i, 4 * MIB))

    def pull():
        assert call(vol, "POST", "/v1/admin/pull", path="big",
                    job="me")[0] == 200

    def jobs():
        return call(vol, "GET", "/v1/admin/jobs")[1]["jobs"]

    child, seen = Child(pull), []
    while child.ended() is None:
        seen += jobs()
    child.wait()
    assert any(0 < job["bytes_moved"] < job["bytes_total"] == 192 * MIB
               and job["job"] == "me" and job["n_total"] == 1
               for job in seen), seen
    assert jobs() == []
    vol.umount()


@needs("mafs")
def test_memory_volume_answers_what_it_has(work):
    api = Api()
    vol = MemoryVolume(work, kind="memfd", size="64M").mount()
    try:
        status = json.loads(run(["mafs", "status", "--json",
                                 vol.mnt]).stdout)
        vol.socket = f"/run/mafs/{status['uuid']}/control.sock"
        os.mkdir(f"{vol.mnt}/x")
        write_file(f"{vol.mnt}/x/f", b"f")
        for method, url in api.calls():
            code, answer = call(vol, method, url.replace("{path}", "x"))
            has = url in ("/v1/status", "/v1/meta/{path}", "/v1/ls/{path}",
                          "/v1/admin/flush")
            assert code == (200 if has else 501), (url, code, answer)
            api.check(answer, api.schema(method, url, code), url)
        refused = run(["mafs", "top", "--once", vol.mnt], check=False)
        assert refused.returncode == 1, refused
        assert "memory volume" in refused.stderr, refused.stderr
    finally:
        vol.umount()


@needs("mafs")
def test_move_is_stopped_and_says_what_it_did(work):
    api = Api()
    vol = prepared(work, {f"d/{i}": b"x" for i in range(200)})

    def pull():
        with slow_to_pull(f"{vol.dir}/d"):
            _, answer = call(vol, "POST", "/v1/admin/pull", path="", job="me")
        assert answer["stopped"] and answer["n_kept"] < 200, answer

    def stop():
        code, answer = call(vol, "POST", "/v1/admin/stop", job="me")
        api.check(answer, api.schema("POST", "/v1/admin/stop", code))
        return code == 200

    child = Child(pull)
    wait_for(stop, 20, "the job")
    child.wait()
    vol.umount()


# Other users.


def opened(vol):
    """The owner lets others to the socket."""
    own, vol.socket = f"{vol.run_dir}/control.sock", vol.work.join("socket")
    write_file(vol.socket, b"")
    run(["mount", "--bind", own, vol.socket])
    os.chmod(own, 0o666)
    return vol


def trees(work):
    """What a user may do in the mount: "shared" all, "readable" look, "group"
    with a group, "private" and "hidden" nothing."""
    vol = sample(work)
    for name, mode, owner, group, dir_mode in (
            ("shared", 0o666, 0, 0, 0o755), ("readable", 0o644, 0, 0, 0o755),
            ("group", 0o660, 0, GROUP, 0o755), ("private", 0o600, 0, 0, 0o755),
            ("hidden", 0o666, 0, 0, 0o700), ("own", 0o600, USER, USER, 0o755)):
        os.mkdir(f"{vol.mnt}/{name}", 0o755)
        write_file(f"{vol.mnt}/{name}/f", block(1, 5000))
        os.chmod(f"{vol.mnt}/{name}/f", mode)
        os.chown(f"{vol.mnt}/{name}/f", owner, group)
        os.chmod(f"{vol.mnt}/{name}", dir_mode)
    vol.sync()
    return opened(vol)


def states(vol):
    return {name: (vol.file(f"{vol.mnt}/{name}/f")["state"],
                   vol.file(f"{vol.mnt}/{name}/f")["policy"])
            for name in ("shared", "readable", "group", "private", "hidden",
                         "own")}


@needs("mafs")
def test_other_user_may_do_what_the_mount_lets_him(work):
    vol = trees(work)

    def codes():
        return {name: (call(vol, "GET", f"/v1/meta/{name}/f")[0],
                       call(vol, "POST", "/v1/admin/evict",
                            path=f"{name}/f")[0],
                       call(vol, "POST", "/v1/admin/pull",
                            path=f"{name}/f")[0],
                       call(vol, "POST", "/v1/admin/pin",
                            path=f"{name}/f")[0])
                for name in ("shared", "readable", "group", "private",
                             "hidden", "own")}

    wanted = {"shared": (200, 200, 200, 403), "readable": (200, 403, 200, 403),
              "group": (403, 403, 403, 403), "private": (403, 403, 403, 403),
              "hidden": (403, 403, 403, 403), "own": (200, 200, 200, 200)}
    assert as_user(codes) == wanted, as_user(codes)
    wanted["group"] = (200, 200, 200, 403)
    got = as_user(codes, groups=(12, GROUP))
    assert got == wanted, got
    vol.umount()


@needs("mafs")
def test_other_user_is_refused_and_nothing_changes(work):
    vol = trees(work)
    before = states(vol), vol.status()["memory"], call(
        vol, "GET", "/v1/admin/settings")

    def refused():
        said = []
        for method, url, more in (
                ("GET", "/v1/status", {}), ("GET", "/v1/admin/dirty", {}),
                ("GET", "/v1/admin/settings", {}),
                ("POST", "/v1/admin/flush", {}),
                ("POST", "/v1/admin/set", {"name": "promote", "value": "1s"}),
                ("POST", "/v1/admin/set", {"name": "policy", "value": "cold",
                                           "path": "shared"}),
                ("POST", "/v1/admin/evict", {"path": "private/f"}),
                ("POST", "/v1/admin/push", {"path": "hidden/f"}),
                ("POST", "/v1/admin/push", {"path": "hidden"}),
                ("POST", "/v1/admin/push", {"path": "hidden/none"}),
                ("POST", "/v1/admin/pin", {"path": "readable/f"}),
                ("POST", "/v1/admin/unpin", {"path": ""}),
                ("GET", "/v1/ls/hidden", {}), ("GET", "/v1/meta/hidden/f", {}),
                ("GET", "/v1/ls/.mafs", {}),
                ("GET", "/v1/meta/d/../hidden/f", {})):
            code, answer = call(vol, method, url, **more)
            said.append((method, url, more, code, answer))
        return said

    for one in as_user(refused):
        code, answer = one[3:]
        assert 400 <= code < 500, one
        assert answer["code"] in ("EACCES", "EPERM", "EINVAL", "EXDEV",
                                  "ENOENT"), one
        assert " " in answer["error"], one
    assert before == (states(vol), vol.status()["memory"], call(
        vol, "GET", "/v1/admin/settings"))
    vol.umount()


@needs("mafs")
def test_other_users_tree_moves_what_is_his_to_move(work):
    vol = trees(work)

    def evict_all():
        return call(vol, "POST", "/v1/admin/evict", path="")

    code, answer = as_user(evict_all)
    assert code == 200 and answer["n_moved"] == 2, answer
    assert answer["n_kept"] >= 4 and "denied" in answer["kept_why"], answer
    after = {name: state for name, (state, _) in states(vol).items()}
    assert after == {"shared": "cold", "own": "cold", "readable": "clean",
                     "group": "clean", "private": "clean",
                     "hidden": "clean"}, after
    vol.umount()


@needs("mafs")
def test_other_user_cannot_pass_a_closed_directory_above_the_mount(work):
    closed = work.join("closed")
    os.makedirs(f"{closed}/mnt")
    os.chmod(closed, 0o700)
    vol = Volume(work, mnt=f"{closed}/mnt")
    os.makedirs(vol.dir, exist_ok=True)
    write_file(f"{vol.dir}/f", b"x")
    os.chmod(f"{vol.dir}/f", 0o666)
    opened(vol.mount())
    assert as_user(lambda: call(vol, "GET", "/v1/meta/f")[0]) == 403
    assert call(vol, "GET", "/v1/meta/f")[0] == 200
    vol.umount()


@needs("mafs")
def test_other_user_is_told_whose_the_socket_is(work):
    vol = sample(work)

    def ask():
        return run(["mafs", "which", f"{vol.mnt}/clean"], check=False)

    done = as_user(ask)
    assert done.returncode == 1 and done.stdout == "", done
    assert "root" in done.stderr and done.stderr.count("\n") == 1, done.stderr
    vol.umount()


if __name__ == "__main__":
    main()
