"""The program under load: ``python -m tests.benchmarks.load [SECONDS] [SESSIONS] [--train]`` prints one JSON line.

A server of its own on a folder of its own takes one batch of 1,000 rows x 20 features a second by HTTP, labelled, while
sessions look at its pages as browsers do: each asks for the change number, and for what its page draws anew, every five
seconds, and turns to another page now and then. What a page asks is read from the application's own list of callbacks.
"""

from __future__ import annotations

import argparse
import http.client
import json
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parent.parent.parent
ROWS, FEATURES = 1000, 20
REFRESH = 5.0  # seconds between two refreshes of a session
PAGES = ("", "/m/load", "/m/load/drift", "/m/load/performance", "/m/load/features/x3", "/m/load/models",
         "/m/load/events", "/health")  # fmt: skip
_ONES = ("change.data", "pulse.n_intervals")


def table(seed: int, rows: int, labelled: bool = True) -> bytes:
    """Rows of 20 numbers and a target that follows from them, as CSV with ids of their own."""
    rng = np.random.default_rng(seed)
    cells = rng.normal(50, 10, (rows, FEATURES)).round(3)
    target = (cells[:, 0] + cells[:, 1] + rng.normal(0, 5, rows) > 100).astype(int)
    head = ["id", *(f"x{at}" for at in range(FEATURES)), *(["y"] if labelled else [])]
    lines = [",".join(head)]
    for at in range(rows):
        cell = [f"{seed}-{at}", *map(str, cells[at]), *([str(target[at])] if labelled else [])]
        lines.append(",".join(cell))
    return "\n".join(lines).encode()


class Client:
    """One kept connection, as a browser has."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def ask(self, method: str, path: str, body: bytes = b"", kind: str = "application/json") -> tuple[int, bytes]:
        """Status and body of an answer."""
        headers = {"Content-Type": kind, "Host": "localhost"}
        self._connection.request(method, path, body or None, headers)
        answer = self._connection.getresponse()
        return answer.status, answer.read()


def _found(node: Any, values: dict[tuple[str, str], Any]) -> None:
    """Every (id, property) of a layout with its value."""
    if isinstance(node, dict):
        props = node.get("props")
        if isinstance(props, dict) and "id" in props:
            name = props["id"] if isinstance(props["id"], str) else json.dumps(props["id"], sort_keys=True)
            values.update({(name, key): value for key, value in props.items()})
            values[name, ""] = True
        for value in node.values():
            _found(value, values)
    elif isinstance(node, list):
        for value in node:
            _found(value, values)


def _id(text: str) -> Any:
    return json.loads(text) if text.startswith("{") else text


def _outputs(text: str) -> list[dict[str, Any]]:
    parts = text[2:-2].split("...") if text.startswith("..") else [text]
    return [{"id": _id(name), "property": prop} for name, prop in (part.rsplit(".", 1) for part in parts)]


class Session:
    """One browser at one page."""

    def __init__(self, port: int, seed: int, callbacks: list[dict[str, Any]]) -> None:
        self._client = Client(port)
        self._rng = random.Random(seed)
        self._callbacks = [one for one in callbacks if not one.get("clientside_function")]
        self._shell: dict[tuple[str, str], Any] = {}
        self._values: dict[tuple[str, str], Any] = {}
        self._change = 0

    def turn(self, path: str) -> None:
        """Go to a page."""
        router = next(one for one in self._callbacks if one["output"].startswith(".._pages_content.children"))
        given = {("_pages_location", "pathname"): path or "/", ("_pages_location", "search"): ""}
        answer = self.post(router, given, "_pages_location.pathname")
        self._values = {}
        _found(answer, self._values)

    def refresh(self) -> None:
        """What a page asks when something has changed."""
        status, body = self._client.ask("GET", "/api/changes")
        assert status == 200, body[:200]
        self._change = json.loads(body)["number"]
        for one in self._callbacks:
            asked = [f"{item['id']}.{item['property']}" for item in one["inputs"]]
            if not set(asked) & set(_ONES) or not all(self._is_here(item) for item in _outputs(one["output"])):
                continue
            given = {**self._values, ("change", "data"): self._change, ("pulse", "n_intervals"): 1,
                     ("url", "pathname"): "/m/load"}  # fmt: skip
            self.post(one, given, next(name for name in asked if name in _ONES))

    def _is_here(self, item: dict[str, Any]) -> bool:
        name = item["id"] if isinstance(item["id"], str) else json.dumps(item["id"], sort_keys=True)
        return (name, "") in self._values

    def post(self, one: dict[str, Any], given: dict[tuple[str, str], Any], why: str) -> Any:
        """Call one callback with these values, because of one of them; its answer."""
        outputs = _outputs(one["output"])
        body = {
            "output": one["output"],
            "outputs": outputs if one["output"].startswith("..") else outputs[0],
            "inputs": [self._filled(item, given) for item in one["inputs"]],
            "state": [self._filled(item, given) for item in one["state"]],
            "changedPropIds": [why],
        }
        status, answer = self._client.ask("POST", "/_dash-update-component", json.dumps(body).encode())
        if status not in (200, 204):
            raise RuntimeError(f"{status} for {one['output'][:60]}: {answer[:200]!r}")
        return json.loads(answer) if answer else None

    def _filled(self, item: dict[str, Any], given: dict[tuple[str, str], Any]) -> Any:
        if "ALL" in item["id"]:
            return []
        return {"id": _id(item["id"]), "property": item["property"], "value": given.get((item["id"], item["property"]))}

    def live(self, end: float, times: list[tuple[float, float]], errors: Counter[str]) -> None:
        """Refresh every five seconds until the end, turning pages; every answer's time is kept."""
        self._client_timed(times)
        next_turn = 0
        while time.monotonic() < end:
            began = time.monotonic()
            try:
                if next_turn <= 0:
                    self.turn(self._rng.choice(PAGES))
                    next_turn = 6
                else:
                    self.refresh()
            except (OSError, http.client.HTTPException, RuntimeError, AssertionError) as error:
                errors[str(error)[:160]] += 1
            next_turn -= 1
            time.sleep(max(0.0, REFRESH - (time.monotonic() - began)))

    def _client_timed(self, times: list[tuple[float, float]]) -> None:
        plain = self._client.ask

        def timed(*arguments: Any) -> tuple[int, bytes]:
            began = time.perf_counter()
            answer = plain(*arguments)
            if arguments[0] == "POST":
                times.append((time.monotonic(), time.perf_counter() - began))
            return answer

        self._client.ask = timed  # type: ignore[method-assign]


def deliver(port: int, end: float, sent: list[float], errors: Counter[str]) -> None:
    """A batch a second."""
    client = Client(port)
    for number in range(1, 100_000):
        due = time.monotonic() + 1.0
        if due > end:
            return
        data = table(number, ROWS)
        began = time.perf_counter()
        try:
            status, body = client.ask("POST", f"/api/m/load/batches?name={number}.csv", data, "text/csv")
            if status != 202:
                errors[f"delivery {status}: {body[:100]!r}"] += 1
        except (OSError, http.client.HTTPException) as error:
            errors[f"delivery: {error}"] += 1
            client = Client(port)
        sent.append(time.perf_counter() - began)
        time.sleep(max(0.0, due - time.monotonic()))


def _memory(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


def watch(pid: int, port: int, folder: Path, end: float, seen: list[dict[str, float]]) -> None:
    """Memory, write-ahead log, and whether a training runs, once a second."""
    client = Client(port)
    while time.monotonic() < end:
        log = folder / "drift.db-wal"
        state = json.loads(client.ask("GET", "/api/m/load")[1])
        seen.append(
            {
                "at": time.monotonic(),
                "memory": _memory(pid),
                "log": log.stat().st_size if log.exists() else 0,
                "training": state.get("health") == "learning",
            }
        )
        time.sleep(1.0)


def served(folder: Path, options: list[str]) -> Iterator[tuple[int, int, Path]]:
    """A server: its port, process and what it says."""
    command = [sys.executable, str(ROOT / "run.py")]
    reference = folder.parent / "reference.csv"
    reference.write_bytes(table(0, 5000))
    subprocess.run([*command, "init", "load", "--reference", str(reference), "--target", "y", "--id", "id",
                    "--data-dir", str(folder), *options], check=True, capture_output=True)  # fmt: skip
    said = folder.parent / "server.log"
    with said.open("w") as sink:
        server = subprocess.Popen(
            [*command, "serve", "--no-demo", "--port", "0", "--data-dir", str(folder)], stderr=sink
        )
    while not (address := re.search(r"http://localhost:(\d+)", said.read_text())):
        assert server.poll() is None, said.read_text()
        time.sleep(0.2)
    try:
        yield int(address[1]), server.pid, said
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(60)


def _share(values: list[float], part: float) -> float:
    return round(float(np.quantile(values, part)), 3) if values else 0.0


def run(seconds: float, sessions: int, train: bool) -> dict[str, Any]:
    """Run the load and say what came of it."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "data"
        options = ["--set", "retrain.every_batches=40"] if train else []
        for port, pid, said in served(folder, options):
            callbacks = json.loads(Client(port).ask("GET", "/_dash-dependencies")[1])
            end = time.monotonic() + seconds
            times: list[tuple[float, float]] = []
            sent: list[float] = []
            errors: Counter[str] = Counter()
            seen: list[dict[str, float]] = []
            workers = [threading.Thread(target=deliver, args=(port, end, sent, errors)),
                       threading.Thread(target=watch, args=(pid, port, folder, end, seen))]  # fmt: skip
            for number in range(sessions):
                session = Session(port, number, callbacks)
                workers.append(threading.Thread(target=session.live, args=(end, times, errors)))
            for number, worker in enumerate(workers):
                worker.start()
                time.sleep(REFRESH / len(workers) * (number > 1))
            for worker in workers:
                worker.join()
            batches = json.loads(Client(port).ask("GET", "/api/m/load/batches")[1])
            waiting = [batch for batch in batches if batch["state"] not in ("done", "quarantined")]
            now = time.time() * 1e6
            words = said.read_text()
            if "Traceback" in words:
                print(words[-3000:], file=sys.stderr)
        from pipeline.chores import doctor

        broken = [finding.text for finding in doctor(folder) if not finding.ok]
    training = [moment["at"] for moment in seen if moment["training"]]
    during = [took for at, took in times if any(abs(at - moment) < 1 for moment in training)]
    calm = [took for at, took in times if not any(abs(at - moment) < 1 for moment in training)]
    warm = [moment["memory"] for moment in seen][len(seen) // 5 :]
    return {
        "seconds": seconds, "sessions": sessions, "callbacks": len(times), "errors": dict(errors),
        "locked": words.count("locked"), "tracebacks": words.count("Traceback"),
        "p50": _share(calm, 0.5), "p95": _share(calm, 0.95), "p99": _share(calm, 0.99),
        "training_seconds": len(training), "p95_training": _share(during, 0.95),
        "deliveries": len(sent), "delivery_p95": _share(sent, 0.95), "waiting": len(waiting),
        "lag_seconds": round(max(((now - batch["received_at"]) / 1e6 for batch in waiting), default=0.0), 1),
        "memory_mb": warm[-1] // 1024, "memory_growth_mb": (max(warm) - warm[0]) // 1024,
        "log_mb": round(max(moment["log"] for moment in seen) / 2**20, 1), "doctor": broken,
    }  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    """Run and print one object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("seconds", type=float, nargs="?", default=600)
    parser.add_argument("sessions", type=int, nargs="?", default=25)
    parser.add_argument("--train", action="store_true", help="with a contest every 40 batches")
    given = parser.parse_args(arguments)
    print(json.dumps(run(given.seconds, given.sessions, given.train)), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
