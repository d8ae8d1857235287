"""The log and the support bundle: a line is a line whatever a name holds; private, rotated, no secret and no data."""

from __future__ import annotations

import http.server
import io
import json
import logging
import socket
import stat
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline import accounts, alerts
from pipeline.service import Service
from pipeline.support import PARTS, bundle
from storage import history, logs
from storage.errors import ProductError, Refused
from tests.tables import people, rows_csv, to_csv
from tests.test_access import content

FORGED = 'a.csv\n2026-01-01 ERROR drift: the database was deleted\r\n\x1b[2J{"level": "error"}\u2028x'
WEBHOOK = "https://user:pa55@chat.example/hook/T0/s3cr3t-part?key=abc"


@pytest.fixture
def kept(tmp_path) -> Iterator[Path]:
    """A folder with the log of this process, until the end of the test."""
    before, level = logging.getLogger().handlers[:], logging.getLogger().level
    logs.keep(tmp_path)
    yield tmp_path
    for handler in logging.getLogger().handlers[:]:
        if handler not in before:
            logging.getLogger().removeHandler(handler)
            handler.close()
    logging.getLogger().setLevel(level)


def test_a_line_is_a_line_whatever_a_name_holds(kept):
    terminal = io.StringIO()
    for handler in logging.getLogger().handlers:
        if isinstance(handler.formatter, logs._Terminal):
            handler.setStream(terminal)
    log = logging.getLogger("drift.test")
    log.warning("read %s", FORGED)
    try:
        raise ValueError(FORGED)
    except ValueError:
        log.exception("failed %s", FORGED)
    text = (kept / logs.FOLDER / logs.NAME).read_text()
    first, second = (json.loads(line) for line in text.split("\n")[:-1])
    assert (first["level"], first["where"], first["text"]) == ("warning", "drift.test", f"read {FORGED}")
    assert second["error"]["kind"] == "ValueError"
    assert second["error"]["trace"][0].startswith("test_logs.py:")
    shown = terminal.getvalue()
    assert len(shown.splitlines()) == 2
    assert "Traceback" not in shown
    assert "\x1b" not in shown
    assert [line["text"] for line in logs.lines(kept, 10)] == [first["text"], second["text"]]


def test_the_log_is_rotated_and_private(kept, monkeypatch):
    (handler,) = [one for one in logging.getLogger().handlers if hasattr(one, "maxBytes")]
    handler.maxBytes = 2000
    for number in range(200):
        logging.getLogger("drift.test").warning("line %d of many", number)
    files = sorted((kept / logs.FOLDER).iterdir())
    assert len(files) == handler.backupCount + 1
    assert all(path.stat().st_size <= 2000 for path in files)
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


def test_a_disk_that_refuses_stops_nothing(tmp_path, capsys):
    (tmp_path / logs.FOLDER).write_text("a file stands where the folder should be")
    before = logging.getLogger().handlers[:]
    logs.keep(tmp_path)
    for handler in set(logging.getLogger().handlers) - set(before):
        logging.getLogger().removeHandler(handler)
    assert "no log can be kept" in capsys.readouterr().err


@pytest.fixture(scope="module")
def telling(tmp_path_factory) -> Iterator[Service]:
    """A service whose data and settings hold what must not get out."""
    folder = tmp_path_factory.mktemp("telling") / "data"
    service = Service(folder)
    table, bought = people(0, 150)
    rows = [{**row, "id": f"Winnetou-{at}", "city": "Timbuktu" if at % 2 else "Lhasa", "bought": answer}
            for at, (row, answer) in enumerate(zip(table, bought, strict=True))]  # fmt: skip
    service.init("Llanfair", "Rumpelstilz.csv", to_csv(rows), "bought", id_column="id", estimator="linear")
    service.ingest("Llanfair", "Schneewittchen.csv", b"id,age\nRapunzel,30\n")
    service.ingest("Llanfair", "calm.csv", rows_csv(1, 60))
    alert = {"channel": "webhook", "on": ["drift"], "options": {"url": WEBHOOK, "token": "t0ken-x"}}
    service.change_settings("Llanfair", {"alerts": [alert], "features.income.min_effect": 0.3}, "Aschenputtel")
    accounts.add_user(service.desk, "Froschkoenig", "viewer", accounts.hashed("a long password"), "command")
    logs.keep(folder)
    logging.getLogger("drift.test").error("could not read Rapunzel")
    yield service
    service.close()


def test_the_bundle_holds_nothing_of_the_data(telling):
    with zipfile.ZipFile(io.BytesIO(bundle(telling.desk.folder))) as archive:
        assert set(archive.namelist()) == {"README.txt", *(f"{name}.json" for name in PARTS)}
        text = "\n".join(archive.read(name).decode() for name in archive.namelist())
        parts = {name: json.loads(archive.read(f"{name}.json")) for name in PARTS}
    for secret in ("Winnetou", "Timbuktu", "Lhasa", "Llanfair", "Rumpelstilz", "Schneewittchen", "Rapunzel", "income",
                   "Aschenputtel", "Froschkoenig", "scrypt", "chat.example", "s3cr3t", "pa55", "t0ken",
                   str(telling.desk.folder)):  # fmt: skip
        assert secret not in text, secret
    assert parts["counts"][0]["batches"] == {"reference done": 1, "rows done": 1, "rows quarantined": 1}
    assert parts["settings"][0]["alerts"] == ["webhook"]
    assert parts["settings"][0]["features"]["min_effect"] == 1
    assert parts["promises"]["The database is sound"]
    assert parts["versions"]["packages"]["dash"]
    assert parts["errors"][-1]["level"] == "error"


def test_a_damaged_folder_still_gives_a_bundle(tmp_path):
    (tmp_path / "drift.db").write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)
    with zipfile.ZipFile(io.BytesIO(bundle(tmp_path))) as archive:
        assert "not_available" in json.loads(archive.read("counts.json"))
        assert json.loads(archive.read("versions.json"))["python"]


def test_secrets_of_alerts_are_shown_nowhere(telling):
    """Neither in the ledger, the export, the pages nor the log; the settings themselves keep them."""
    from dashboard.app import create_app

    assert telling.settings(1).alerts[0].options["url"] == WEBHOOK
    told = json.dumps(list(telling.export("Llanfair")), default=str)
    told += str(history.events(telling.db, last=-1))
    accounts.remove(telling.desk, "users", "Froschkoenig", "command")
    client = create_app(telling).server.test_client()
    for path in ("settings", "events", "models/compare", ""):
        told += content(client, f"/m/Llanfair/{path}".rstrip("/"))
    told += (telling.desk.folder / logs.FOLDER / logs.NAME).read_text()
    for secret in ("s3cr3t", "pa55", "t0ken"):
        assert secret not in told
    assert "chat.example/" in told


def test_backups_are_named_by_their_time_alone(telling):
    from storage.upkeep import backup

    assert backup(telling.desk.folder).stem.removeprefix("before-").translate(str.maketrans("", "", "TZ")).isdecimal()


@pytest.mark.parametrize(
    ("url", "more", "words"),
    [
        ("http://127.0.0.1:1/x", {}, "private"), ("http://localhost/x", {}, "private"),
        ("http://[::1]/x", {}, "private"),
        ("http://169.254.169.254/latest", {}, "private"), ("http://10.0.0.1/x", {}, "private"),
        ("http://[::ffff:127.0.0.1]/x", {}, "private"), ("http://0.0.0.0/x", {}, "private"),
        ("http://2130706433/x", {}, "private"), ("http://0x7f.1/x", {}, "private"), ("file:///etc/passwd", {}, "http"),
        ("ftp://127.0.0.1/x", {}, "http"), ("gopher://x", {}, "http"), ("", {}, "http"), ("http://", {}, "http"),
        ("http://127.0.0.1:1/s3cr3t", {"allow_private": True}, "did not take"),
    ],
)  # fmt: skip
def test_a_webhook_reaches_no_inside_address(url, more, words):
    with pytest.raises(ProductError, match=words) as refused:
        alerts.send(alerts.Message("m", "drift", "t"), "webhook", {"url": url, **more})
    assert "s3cr3t" not in str(refused.value)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_name_that_is_resolved_anew_to_an_inside_address_hears_nothing(monkeypatch, scheme):
    """DNS rebinding: the first answer is a public address, the second this machine."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        answers = iter(["93.184.216.34", "127.0.0.1"])

        def resolved(host, *more, **options):
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), port))]

        def listen() -> None:
            client, _ = server.accept()
            with client:
                heard.append(client.recv(1000))

        listener = threading.Thread(target=listen)
        listener.start()
        monkeypatch.setattr(socket, "getaddrinfo", resolved)
        with pytest.raises(Refused, match="has become a private address"):
            alerts.send(alerts.Message("m", "drift", "t"), "webhook", {"url": f"{scheme}://rebind.example:{port}/x"})
        listener.join(30)
    assert heard == [b""]


def test_a_webhook_takes_the_alert(monkeypatch):
    heard: list[bytes] = []

    class Take(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *words: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Take) as server:
        threading.Thread(target=server.handle_request).start()
        url = f"http://127.0.0.1:{server.server_port}/x"
        monkeypatch.setattr(alerts, "_public", lambda address: True)  # the way over the look at the address
        alerts.send(alerts.Message("m", "drift", "t"), "webhook", {"url": url})
    assert json.loads(heard[0]) == {"monitor": "m", "kind": "drift", "text": "t"}
