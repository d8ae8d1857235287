"""The command line as people script against it: arguments in, JSON lines and exit status out."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tables import labels_csv, rows_csv

ROOT = Path(__file__).parent.parent


def run(*arguments: object, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    place = ["--data-dir", str(folder)] if folder else []
    words = [str(argument) for argument in arguments]
    command = [sys.executable, str(ROOT / "run.py"), *words, *place]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def lines(done: subprocess.CompletedProcess[str]) -> list[dict]:
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    (folder / "reference.csv").write_bytes(rows_csv(0, 800, labelled=True))
    (folder / "calm.csv").write_bytes(rows_csv(1, 200))
    (folder / "moved.csv").write_bytes(rows_csv(2, 200, shift=1.5))
    (folder / "labels.csv").write_bytes(labels_csv(1, 200))
    (folder / "short.csv").write_bytes(b"id,age,city\n1,30,Oslo\n")
    (folder / "empty.csv").write_bytes(b"")
    (folder / "picture.csv").write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(range(256)))
    return folder


@pytest.fixture(scope="module")
def data(files, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("cli") / "data"
    options = ["--target", "bought", "--id", "id", "--estimator", "linear", "--set", "retrain.min_labelled=50"]
    made = run("init", "shop", "--reference", files / "reference.csv", *options, "--json", folder=folder)
    assert made.returncode == 0, made.stderr
    (line,) = lines(made)
    assert {feature["name"]: feature["kind"] for feature in line["features"]} == {
        "age": "numeric", "income": "numeric", "city": "categorical",
    }  # fmt: skip
    return folder


def test_init_tells_a_person_what_it_found(files, tmp_path):
    options = ["--target", "bought", "--id", "id", "--estimator", "linear"]
    done = run("init", "shop", "--reference", files / "reference.csv", *options, folder=tmp_path / "data")
    assert done.returncode == 0, done.stderr
    assert "classification of 'bought' from 800 rows" in done.stdout
    assert "income" in done.stdout


def test_ingest_speaks_as_promised(data, files):
    done = run("ingest", files / "calm.csv", files / "moved.csv", files / "calm.csv", "--json", folder=data)
    assert done.returncode == 0, done.stderr
    calm, moved, again = lines(done)
    for line in (calm, moved, again):
        assert set(line) >= {
            "file",
            "state",
            "batch",
            "rows",
            "warnings",
            "reason",
            "drift",
            "score",
            "decision",
            "version",
        }
    assert (calm["state"], calm["drift"], calm["rows"], calm["version"]) == ("accepted", False, 200, 1)
    assert (moved["state"], moved["drift"]) == ("accepted", True)
    assert moved["score"] > 1 > calm["score"]
    assert (again["state"], again["batch"]) == ("duplicate", calm["batch"])
    late = run("labels", files / "labels.csv", "--json", folder=data)
    assert late.returncode == 0, late.stderr
    status = lines(run("status", "--json", folder=data))[0]
    assert (status["monitor"], status["batches"]) == ("shop", 2)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("short.csv", ["short.csv", "income"]),
        ("empty.csv", ["empty.csv", "empty"]),
        ("picture.csv", ["picture.csv"]),
    ],
)
def test_bad_input_is_one_clear_sentence(data, files, name, words):
    done = run("ingest", files / name, "--json", folder=data)
    assert done.returncode == 1
    (line,) = lines(done)
    assert line["state"] == "quarantined"
    assert all(word in line["reason"] for word in words), line["reason"]
    assert "Traceback" not in done.stderr
    assert line["reason"] in done.stderr


def test_predictions_versions_export(data, files, tmp_path):
    out = tmp_path / "said.csv"
    assert run("predict", files / "calm.csv", "--out", out, folder=data).returncode == 0
    header, first, *rest = out.read_text().splitlines()
    assert header.startswith("id,prediction,")
    assert first.startswith("1-0,")
    assert len(rest) == 199
    assert lines(run("versions", "--json", folder=data))[0]["state"] == "champion"
    assert lines(run("versions", "--at", "2001-01-01", "--json", folder=data)) == []
    (live, *_) = lines(run("versions", "--at", "9999-01-01T00:00", "--json", folder=data))
    assert (live["version"], live["until"], live["trigger"]) == (1, None, "init")
    assert run("versions", "--at", "yesterday", folder=data).returncode == 1
    kinds = {line["kind"] for line in lines(run("export", folder=data))}
    assert kinds >= {"monitor", "settings", "batch", "version", "decision", "event"}


def test_backup_comes_back(data, tmp_path):
    made = run("backup", "--out", tmp_path / "b.tar", folder=data)
    assert made.returncode == 0, made.stderr
    back = run("restore", tmp_path / "b.tar", folder=tmp_path / "new")
    assert back.returncode == 0, back.stderr
    well = run("doctor", "--json", folder=tmp_path / "new")
    assert well.returncode == 0, well.stdout
    assert all(line["ok"] for line in lines(well))
    assert lines(run("status", "--json", folder=tmp_path / "new")) == lines(run("status", "--json", folder=data))


def test_check_needs_no_monitor(files):
    done = run("check", "--reference", files / "reference.csv", files / "calm.csv", files / "moved.csv", "--target",
               "bought", "--json")  # fmt: skip
    assert done.returncode == 0, done.stderr
    calm, moved = lines(done)
    assert (calm["verdict"], moved["verdict"]) == ("stable", "drift")
    for line in (calm, moved):
        assert set(line) >= {"batch", "rows", "verdict", "drift", "score", "p_value", "features", "dependence"}
        assert set(line["dependence"]) >= {"score", "drift", "pairs"}
        for feature in line["features"]:
            assert set(feature) >= {
                "name",
                "kind",
                "score",
                "p_value",
                "drift",
                "distances",
                "effect",
                "null_rate",
                "new_levels",
            }
    assert next(f["name"] for f in moved["features"] if f["drift"]) == "income"


def test_backtest_speaks_as_promised(tmp_path):
    (tmp_path / "stream.csv").write_bytes(rows_csv(5, 1500, labelled=True))
    done = run("backtest", tmp_path / "stream.csv", "--target", "bought", "--train", 500, "--batch", 250, "--policy",
               "never", "--estimator", "linear", "--json")  # fmt: skip
    assert done.returncode == 0, done.stderr
    *batches, last = lines(done)
    assert len(batches) == 4
    for line in batches:
        assert set(line) >= {
            "batch",
            "rows",
            "metric",
            "value",
            "estimated",
            "drift",
            "score",
            "decision",
            "version",
            "trained_on",
        }
    assert set(last["summary"]) >= {
        "policy",
        "metric",
        "mean",
        "last_quarter",
        "batches",
        "retrains",
        "promotions",
        "train_seconds",
    }
    assert last["summary"]["retrains"] == 0


@pytest.mark.parametrize(
    ("arguments", "status", "word"),
    [
        (["ingest"], 2, "FILE"),
        (["nonsense"], 2, ""),
        (["promote", "x"], 2, "number"),
        (["promote", "99"], 1, "v99"),
        (["rollback"], 1, "no earlier champion"),
        (["ingest", "/nowhere/x.csv"], 1, "/nowhere/x.csv"),
        (["status", "--monitor", "nobody"], 1, "shop"),
    ],
)
def test_exit_status_and_one_sentence(data, arguments, status, word):
    done = run(*arguments, folder=data)
    assert done.returncode == status
    assert word in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_help_is_light():
    code = (
        "import sys, run\ntry: run.main(['--help'])\nexcept SystemExit: pass\nprint(sorted(set(sys.modules) & HEAVY))"
    )
    code = "HEAVY = {'numpy', 'pandas', 'scipy', 'sklearn', 'dash', 'plotly', 'pyarrow', 'pydantic'}\n" + code
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert "examples:" in done.stdout
