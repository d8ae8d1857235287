"""The running program: the command line hands over to it, a second one is told, it stops and starts without loss."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.tables import rows_csv
from tests.test_cli import ROOT, lines, run


@contextmanager
def serving(folder: Path, *more: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A server on a free port: its address, and the process."""
    command = [sys.executable, str(ROOT / "run.py"), "serve", "--no-demo", "--port", "0", "--interval", "0.2", *more]
    server = subprocess.Popen([*command, "--data-dir", str(folder)], stderr=subprocess.PIPE, text=True)
    try:
        told = ""
        while "The dashboard is at" not in told:
            told = server.stderr.readline()
            assert told, "the server ended before it began"
        yield re.search(r"http://\S+", told)[0], server
    finally:
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=60)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "reference.csv").write_bytes(rows_csv(0, 600, labelled=True))
    for seed in (1, 2):
        (tmp_path / f"{seed}.csv").write_bytes(rows_csv(seed, 150))
    return tmp_path


def get(url: str) -> dict:
    with urllib.request.urlopen(url, timeout=30) as answer:
        return json.load(answer)


def test_commands_work_while_the_program_runs(files):
    folder = files / "data"
    with serving(folder) as (url, server):
        assert get(f"{url}/healthz")["ok"]
        made = run("init", "shop", "--reference", files / "reference.csv", "--target", "bought", "--id", "id",
                   "--estimator", "linear", "--json", folder=folder)  # fmt: skip
        assert made.returncode == 0, made.stderr
        done = run("ingest", files / "1.csv", files / "1.csv", "--json", folder=folder)
        assert done.returncode == 0, done.stderr
        assert [line["state"] for line in lines(done)] == ["accepted", "duplicate"]
        refused = run("promote", "7", folder=folder)
        assert (refused.returncode, "v7" in refused.stderr) == (1, True)
        second = run("serve", "--port", "0", folder=folder)
        assert second.returncode == 1
        assert f"held by process {server.pid} at {url}" in second.stderr
        assert get(f"{url}/api/m/shop")["batches"] == 1
        for token in ("", "Bearer wrong"):
            request = urllib.request.Request(f"{url}/api/verbs/rollback", b"{}", {"Authorization": token})
            with pytest.raises(urllib.error.HTTPError) as refusal:
                urllib.request.urlopen(request, timeout=30)
            assert refusal.value.code == 401
    assert server.returncode == 0
    assert not (folder / "writer.json").exists()
    with serving(folder) as (url, _):
        assert get(f"{url}/api/m/shop")["batches"] == 1
        done = run("ingest", files / "2.csv", "--json", folder=folder)
        assert done.returncode == 0, done.stderr
        assert lines(done)[0]["batch"] == 3


@pytest.mark.parametrize("options", [["--host", "0.0.0.0"], ["--port", "70000"], ["--interval", "0"]])
def test_what_cannot_be_served_is_refused_in_a_sentence(tmp_path, options):
    done = run("serve", *options, folder=tmp_path / "data")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1, done.stderr


@pytest.mark.parametrize(
    "options", [["--host", "0.0.0.0"], ["--host", "::"], ["--allow-host", "drift.example"], ["--behind-proxy"]]
)
def test_beyond_this_machine_nobody_is_served_unnamed(tmp_path, options):
    done = run("serve", *options, "--no-demo", folder=tmp_path / "data")
    assert done.returncode == 1
    assert "run.py users add" in done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr


def ask(url: str, token: str = "", data: bytes | None = None, **headers: str) -> tuple[int, str]:
    bearer = {"Authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(url, data, {**bearer, **headers})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_with_accounts_others_are_served_and_the_slow_hold_up_nobody(files):
    """The whole way from the command line: a password by standard input, a token, another address, slow clients."""
    folder = files / "data"
    add = [sys.executable, str(ROOT / "run.py"), "users", "add", "ann", "--role", "operator", "--data-dir", str(folder)]
    added = subprocess.run(add, input="correct horse battery\n", capture_output=True, text=True, check=True, timeout=60)
    assert added.stdout == "User ann was added; role operator.\n"
    refused = subprocess.run(add, input="short\n", capture_output=True, text=True, check=False, timeout=60)
    assert (refused.returncode, refused.stdout) == (1, "")
    (token,) = (
        line["token"] for line in lines(run("tokens", "add", "ci", "--role", "operator", "--json", folder=folder))
    )
    with serving(folder, "--host", "127.0.0.2", "--allow-host", "drift.example") as (url, _):
        made = run("init", "shop", "--reference", files / "reference.csv", "--target", "bought", "--id", "id",
                   "--estimator", "linear", "--json", folder=folder)  # fmt: skip
        assert made.returncode == 0, made.stderr
        port = int(url.rsplit(":", 1)[1])
        base = f"http://127.0.0.2:{port}"
        slow = [socket.create_connection(("127.0.0.2", port), timeout=10) for _ in range(100)]
        for one in slow:
            one.sendall(
                b"POST /api/m/shop/batches?name=a.csv HTTP/1.1\r\nHost: 127.0.0.2\r\nContent-Length: 1000\r\n\r\nx"
            )
        assert ask(f"{base}/healthz") == (200, '{"ok":true}\n')
        assert ask(f"{base}/api/m/shop")[0] == 401
        assert ask(f"{base}/api/m/shop", Host="drift.example")[0] == 401
        assert ask(f"{base}/api/m/shop", Host="evil.example")[0] == 400
        assert ask(f"{base}/api/m/shop", token)[0] == 200
        assert ask(f"{base}/api/m/shop/batches?name=1.csv", token, (files / "1.csv").read_bytes())[0] == 202
        for one in slow:
            one.close()
        assert run("tokens", "remove", "ci", folder=folder).returncode == 0
        assert ask(f"{base}/api/m/shop", token)[0] == 401
        assert [line["name"] for line in lines(run("users", "list", "--json", folder=folder))] == ["ann"]
    kept = (folder / "logs" / "drift.jsonl").read_text()
    assert token not in kept
    assert "correct horse" not in kept
