"""Four writers at once and backups under load: nothing lost, nothing twice, every copy whole."""

from __future__ import annotations

import base64
import json
import os
import threading
import time
from pathlib import Path

import pytest

from pipeline.chores import doctor
from storage import history, upkeep
from tests.benchmarks.load import Client, Session
from tests.tables import rows_csv
from tests.test_cli import lines, run
from tests.test_server import serving

BATCHES = int(os.environ.get("DRIFT_WRITER_BATCHES", "24"))  # `make soak` takes 500
SHARED = max(4, BATCHES // 10)  # sent by all four
BACKUPS = max(2, BATCHES // 10)

pytestmark = pytest.mark.faults


def file(number: int) -> tuple[str, bytes]:
    return f"{number}.csv", rows_csv(number + 1, 40)


def numbers(way: int) -> list[int]:
    """What one of the four ways sends: the shared ones, and a quarter of the rest."""
    return [*range(SHARED), *range(SHARED + way, BATCHES, 4)]


def by_http(port: int, folder: Path, errors: list[str]) -> None:
    client = Client(port)
    for number in numbers(0):
        name, data = file(number)
        status, body = client.ask("POST", f"/api/m/shop/batches?name={name}", data, "text/csv")
        if status not in (200, 202):
            errors.append(f"http {status}: {body!r}")


def by_browser(port: int, folder: Path, errors: list[str]) -> None:
    callbacks = json.loads(Client(port).ask("GET", "/_dash-dependencies")[1])
    session = Session(port, 0, callbacks)
    ask = next(one for one in callbacks if [item["id"] for item in one["inputs"]] == ["upload-ingest"])
    for number in numbers(1):
        name, data = file(number)
        held = {"name": name, "data": base64.b64encode(data).decode()}
        given = {("upload-ingest", "n_clicks"): 1, ("upload-file", "data"): held,
                 ("upload-asked", "data"): {"monitor": "shop"}}  # fmt: skip
        try:
            session.post(ask, given, "upload-ingest.n_clicks")
        except RuntimeError as error:
            errors.append(f"browser: {error}")


def by_folder(port: int, folder: Path, errors: list[str]) -> None:
    for number in numbers(2):
        name, data = file(number)
        (folder / "inbox" / "shop" / f"folder-{name}").write_bytes(data)


def by_command(port: int, folder: Path, errors: list[str]) -> None:
    place = folder.parent / "command"
    place.mkdir()
    paths = []
    for number in numbers(3):
        name, data = file(number)
        (place / name).write_bytes(data)
        paths.append(place / name)
    for at in range(0, len(paths), 20):
        done = run("ingest", *paths[at : at + 20], "--json", folder=folder)
        states = {line["state"] for line in lines(done)}
        if done.returncode or not states <= {"accepted", "duplicate"}:
            errors.append(f"command {done.returncode} {states}: {done.stderr}")


def wait_until_done(folder: Path) -> None:
    """Until every file has left the inbox and every batch has come to its end."""
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        db = history.connect(folder / "drift.db")
        if not list((folder / "inbox" / "shop").glob("folder-*")) and not history.unfinished(db):
            return
        db.close()
        time.sleep(0.2)
    raise AssertionError("batches still wait")


def test_four_writers_at_once(tmp_path):
    folder = tmp_path / "data"
    (tmp_path / "reference.csv").write_bytes(rows_csv(0, 600, labelled=True))
    made = run("init", "shop", "--reference", tmp_path / "reference.csv", "--target", "bought", "--id", "id",
               "--estimator", "linear", folder=folder)  # fmt: skip
    assert made.returncode == 0, made.stderr
    errors: list[str] = []
    backups: list[tuple[int, Path]] = []

    def back_up() -> None:
        for _ in range(BACKUPS):
            db = history.connect(folder / "drift.db")
            before = len(history.batches(db, 1))
            db.close()
            backups.append((before, upkeep.backup(folder)))

    with serving(folder) as (url, _):
        port = int(url.rsplit(":", 1)[1])
        ways = [threading.Thread(target=way, args=(port, folder, errors))
                for way in (by_http, by_browser, by_folder, by_command)]  # fmt: skip
        ways.append(threading.Thread(target=back_up))
        for way in ways:
            way.start()
        for way in ways:
            way.join()
        wait_until_done(folder)
    assert errors == []
    db = history.connect(folder / "drift.db")
    batches = history.batches(db, 1)
    assert len(batches) == BATCHES
    assert {batch.state for batch in batches} == {"done"}
    told = history.events(db, kinds=("duplicate",), last=10_000)
    assert len(told) == 3 * SHARED
    assert all("same bytes as batch #" in event.message for event in told)
    assert [finding.text for finding in doctor(folder) if not finding.ok] == []
    assert len(backups) == BACKUPS
    for number, (before, file) in enumerate(backups):
        back = upkeep.restore(file, tmp_path / f"restored-{number}")
        assert [finding.text for finding in doctor(back) if not finding.ok] == []
        assert len(history.batches(history.connect(back / "drift.db"), 1)) >= before
    print({"batches": BATCHES, "sent_by_all": SHARED, "duplicates_told": len(told), "backups_restored": len(backups)})
