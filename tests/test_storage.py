"""The store's transactions, the vault, the codec and the lock."""

from __future__ import annotations

import dataclasses
import sqlite3
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage import codec, history, records, schema
from storage.errors import Conflict, Missing, Refused, Unhealthy
from storage.records import Batch, Decision, DriftReport, Event, Feature, FeatureDrift, Metric, Monitor, Schema, Version
from storage.settings import Settings, changed
from storage.store import DATABASE, Judged, Store
from storage.tables import to_table, to_texts
from storage.vault import Vault

EVENT = Event(0, None, None, "info", "test", "said", {}, "test", 1)
SHA = "0" * 64


def a_batch(**more: object) -> Batch:
    plain = Batch(
        id=0, monitor_id=1, kind="rows", name="a.csv", sha256=SHA, size=1, source="test", state="received", attempts=0,
        reason="", warnings=(), rows=2, labelled=0, starts_at=None, ends_at=None, version_id=None, learnable=True,
        received_at=1, done_at=None,
    )  # fmt: skip
    return dataclasses.replace(plain, **more)


def a_version(**more: object) -> Version:
    plain = Version(
        id=0, monitor_id=1, number=1, parent_id=None, state="candidate", recipe="all history", trained_on=(1,), rows=2,
        estimator="x.Y", settings_id=1, seed=0, sha256=SHA, size=1, metrics={"accuracy": Metric(0.5, 0.4, 0.6, 10)},
        judged_on=(), importance={"x": 1.0}, candidates=(), environment={}, details={}, reason="first",
        train_seconds=0.1, pinned=False, created_at=1,
    )  # fmt: skip
    return dataclasses.replace(plain, **more)


@pytest.fixture
def store(tmp_path: Path):
    store = Store(tmp_path / "data")
    yield store
    store.close()


@pytest.fixture
def monitor(store: Store) -> Monitor:
    features = (Feature("x", "numeric"),)
    monitor = Monitor(0, "m", Schema(features, "y", "classification", ("0", "1")), "x.Y", "{}", None, "no_data", "", 1,
                      False, 1)  # fmt: skip
    settings = records.SettingsRow(0, 1, Settings().model_dump(mode="json"), "test", "", 1)
    rows = [{"key": "a", "data": '{"x": 1.0}', "label": "0"}, {"key": "b", "data": '{"x": 2.0}', "label": "1"}]
    reference = a_batch(kind="reference", state="done", labelled=2)
    return store.add_monitor(monitor, settings, reference, rows, {"x": b"p"}, a_version(), EVENT)


@pytest.fixture
def db(store: Store, monitor: Monitor):
    connection = history.connect(store.folder / DATABASE)
    yield connection
    connection.close()


def test_a_new_monitor_is_whole(db, monitor):
    (stored,) = history.monitors(db)
    assert stored == monitor
    (version,) = history.versions(db, monitor.id)
    assert (version.id, version.state) == (monitor.champion, "champion")
    assert history.reference_parts(db, version.id) == (2, {"x": b"p"})
    assert [decision.action for decision in history.reigns(db, monitor.id)] == ["promote"]
    assert history.settings_in_force(db, monitor.id) == Settings()


def test_the_same_bytes_twice_are_one_batch(store, db, monitor):
    first, again = a_batch(sha256="1" * 64), a_batch(sha256="1" * 64, name="b.csv")
    number, duplicate = store.receive(first, EVENT)
    assert not duplicate
    assert store.receive(again, EVENT) == (number, True)
    assert len(history.batches(db, monitor.id)) == 1
    assert "same bytes as batch" in history.events(db, kinds=("duplicate",))[0].message


def test_a_transaction_bears_the_name_of_its_method():
    """Faults are asked for by that name; the store takes it from the function behind the method."""
    made = {name: method for name, method in vars(Store).items() if hasattr(method, "__wrapped__")}
    behind = {name: method.__wrapped__.__name__ for name, method in made.items()}
    assert "receive" in behind
    assert behind == {name: name for name in behind}


def test_a_failing_transaction_leaves_nothing(store, db, monitor):
    number, _ = store.receive(a_batch(sha256="1" * 64), EVENT)
    batch = history.batch(db, number)

    def rows():
        yield {"key": "a", "data": "{}", "label": None}
        raise RuntimeError("the disk went away")

    before = history.change_number(db)
    with pytest.raises(RuntimeError, match="went away"):
        store.validated(batch, rows())
    assert history.rows_of(db, number) == []
    assert history.batch(db, number).state == "received"
    assert history.change_number(db) == before


def test_a_step_may_run_twice(store, db, monitor):
    number, _ = store.receive(a_batch(sha256="1" * 64), EVENT)
    batch = history.batch(db, number)
    row = {"key": "a", "data": '{"x": 5.0}', "label": None}
    for _ in range(2):
        store.validated(batch, [row])
    report = DriftReport(1, "stable", 0.1, 0.9, (a_feature("x"),))
    for _ in range(2):
        store.scored(history.batch(db, number), {"x": b"q"}, report, [("1", "[0.1,0.9]")], monitor.champion, 1, 5)
    assert [line["data"] for line in history.rows_of(db, number)] == [{"x": 5.0}]
    assert history.report(db, number) == report
    heat = history.heatmap(db, [number, 999])
    assert heat.features == ("x",)
    np.testing.assert_allclose(heat.score, [[0.1, np.nan]], rtol=1e-6)
    assert not heat.drift.any()
    assert history.row_texts(db, number).predictions == ("1",)


def test_older_scores_get_their_lines(tmp_path):
    """A file made before there were lines of scores opens with them."""
    from sqlite_utils import Database, Migrations

    old = Database(memory=True)
    first = Migrations("drift")
    first()(schema.first)
    first.apply(old)
    row = codec.to_row(a_feature("x"))
    old.execute("PRAGMA foreign_keys=OFF")
    old.table("scores").insert({"batch_id": 7, **row, "score": 2.5, "drift": 1, "verdict": "drift"})
    report = codec.to_row(DriftReport(1, "drift", 2.5, 0.0, ()))
    report.pop("features")
    old.table("reports").insert({"batch_id": 7, **report, "reference_id": 1, "settings_id": 1, "created_at": 1})
    schema.migrations.apply(old)
    heat = history.heatmap(old, [7])
    assert (heat.features, heat.score.tolist(), heat.drift.tolist()) == (("x",), [[2.5]], [[True]])


def a_feature(name: str) -> FeatureDrift:
    return FeatureDrift(name, "numeric", 0.1, 0.9, False, "stable", 0.0, {"ks": 0.01}, 0.0, 0.0, (), "shape", "same")


def test_labels_late_early_and_corrected(store, db, monitor):
    rows, _ = store.receive(a_batch(sha256="1" * 64), EVENT)
    store.validated(history.batch(db, rows), [{"key": key, "data": "{}", "label": None} for key in "cd"])
    early, _ = store.receive(a_batch(sha256="2" * 64), EVENT)
    delivery = dataclasses.replace(history.batch(db, early), kind="labels", rows=3)
    store.validated(delivery, [{"key": key, "value": "1"} for key in "cde"])
    assert store.labels_applied(history.batch(db, early)) == [rows]
    later, _ = store.receive(a_batch(sha256="3" * 64), EVENT)
    store.validated(history.batch(db, later), [{"key": "e", "data": "{}", "label": None}])
    assert history.row_texts(db, later).labels == ("1",), "a label that came before its row is adopted"
    again, _ = store.receive(a_batch(sha256="4" * 64), EVENT)
    correction = dataclasses.replace(history.batch(db, again), kind="labels", rows=1)
    store.validated(correction, [{"key": "c", "value": "0"}])
    store.labels_applied(history.batch(db, again))
    assert history.row_texts(db, rows).labels == ("0", "1"), "the latest label wins"
    assert history.batch(db, rows).labelled == 2


def test_there_is_always_exactly_one_champion(store, db, monitor):
    training = records.Training(0, 1, None, "queued", "person", "", 0, {}, 1, None, None)
    decision = Decision(0, 1, None, "promote", "person", "better", {}, monitor.champion, None, 1, "test", 2)
    number = store.add_training(training, decision, EVENT, ("learning", ""))
    training = dataclasses.replace(training, id=number)
    result = Judged("promote", a_version(sha256="5" * 64), (2, {"x": b"r"}))
    second = store.judged(training, decision, ("healthy", ""), [], result)
    assert [version.state for version in history.versions(db, 1)] == ["retired", "champion"]
    back = dataclasses.replace(decision, action="rollback", challenger_id=monitor.champion)
    store.crowned(monitor.champion, back, ("healthy", ""), EVENT)
    assert [version.state for version in history.versions(db, 1)] == ["champion", "rolled_back"]
    assert history.version(db, second).number == 2
    with pytest.raises(Missing):
        store.crowned(99, back, ("healthy", ""), EVENT)
    assert history.monitor(db, "m").champion == monitor.champion


def test_forgetting_rows(store, db, monitor):
    done = store.forget(monitor.id, None, ["a"], EVENT)
    assert done.rows == 1
    assert done.files == (SHA,)
    assert "v1" in done.message
    assert history.row_texts(db, 1).keys == ("b",)


def test_readers_cannot_write(db, monitor):
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        db.execute("DELETE FROM rows")


def test_a_second_writer_is_told_who_holds_the_folder(store):
    store.hold.note(url="http://localhost:1")
    with pytest.raises(Conflict, match=r"held by process \d+ at http://localhost:1"):
        Store(store.folder)


def test_a_damaged_database_is_named_and_left_alone(tmp_path):
    (tmp_path / DATABASE).write_bytes(b"this is not a database, whatever its name says" * 100)
    before = (tmp_path / DATABASE).read_bytes()
    with pytest.raises(Unhealthy, match="damaged"):
        Store(tmp_path)
    assert (tmp_path / DATABASE).read_bytes() == before
    Store(tmp_path / "other").close()


TABLES = {
    records.Monitor: "monitors",
    records.SettingsRow: "settings",
    records.Batch: "batches",
    records.Episode: "episodes",
    records.Performance: "performance",
    records.Version: "versions",
    records.Decision: "decisions",
    records.Training: "trainings",
    records.Event: "events",
    records.Job: "jobs",
    records.Backtest: "backtests",
    records.Truth: "truths",
    records.Period: "periods",
    records.User: "users",
    records.Token: "tokens",
    records.Session: "sessions",
}


@pytest.mark.parametrize(("record", "table"), TABLES.items(), ids=TABLES.values())
def test_fields_are_columns(store, record, table):
    from sqlite_utils import Database

    memory = Database(memory=True)
    schema.migrations.apply(memory)
    assert [field.name for field in dataclasses.fields(record)] == [column.name for column in memory[table].columns]


def test_numpy_numbers_become_numbers():
    metric = Metric(np.float64(0.5), np.float32(0.25), 1, np.int64(7))
    row = codec.to_row(a_version(rows=np.int64(3), pinned=np.bool_(True), metrics={"a": metric}))
    assert type(row["rows"]) is int
    assert row["pinned"] == 1
    assert codec.from_row(Version, row).metrics["a"] == Metric(0.5, 0.25, 1.0, 7)


def test_vault_keeps_bytes_and_notices_damage(tmp_path):
    vault = Vault(tmp_path)
    name = vault.put("models", b"abc")
    assert vault.put("models", b"abc") == name
    assert vault.get("models", name) == b"abc"
    vault.path("models", name).write_bytes(b"abd")
    with pytest.raises(Unhealthy, match="damaged"):
        vault.get("models", name)
    vault.remove("models", name)
    with pytest.raises(Missing):
        vault.get("models", name)
    with pytest.raises(Missing):
        vault.path("models", "../../etc/passwd")


@given(
    st.lists(
        st.tuples(st.none() | st.floats(allow_nan=False, allow_infinity=False), st.none() | st.text()), max_size=30
    )
)
def test_rows_survive_as_text(rows):
    import pyarrow as pa

    table = pa.table({"a b": pa.array([row[0] for row in rows], pa.float64()),
                      "é'\"": pa.array([_clean(row[1]) for row in rows], pa.string())})  # fmt: skip
    features = [Feature("a b", "numeric"), Feature("é'\"", "categorical")]
    assert to_table(list(to_texts(table)), features).equals(table)


def _clean(text: str | None) -> str | None:
    return None if text is None else text.encode("utf-8", "ignore").decode()


def test_settings_say_what_is_wrong():
    assert changed(Settings(), {"drift.budget": "0.02"}).drift.budget == 0.02
    assert changed(Settings(), {"features.a.b.rule": "psi"}).of("a.b").rule == "psi"
    with pytest.raises(Refused, match=r"drift\.budget.*less than 1.*Got 7"):
        changed(Settings(), {"drift.budget": "7"})
    with pytest.raises(Refused, match="budgett"):
        changed(Settings(), {"drift.budgett": 1})
    with pytest.raises(Refused, match="does not exist"):
        changed(Settings(), {"drift.budget.x": 1})
