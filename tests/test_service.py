"""Every verb of the service, on a small monitor: what goes in, what is remembered, what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline import sources
from pipeline.service import Service
from storage import history
from storage.errors import Blocked, Conflict, Missing, Refused, Unhealthy
from storage.upkeep import doctor
from tests.tables import labels_csv, rows_csv
from tests.versions import another_version

SETTINGS = {"retrain.min_labelled": 50, "retrain.cooldown": 0, "retrain.tenure": 0}


@pytest.fixture(scope="module")
def seed(tmp_path_factory) -> Path:
    """A data folder with one fresh monitor, to be copied."""
    folder = tmp_path_factory.mktemp("seed") / "data"
    service = Service(folder)
    service.init("shop", "reference.csv", rows_csv(0, 800, labelled=True), "bought", id_column="id", estimator="linear",
                 settings=SETTINGS)  # fmt: skip
    service.close()
    return folder


@pytest.fixture
def service(seed, tmp_path):
    import shutil

    folder = tmp_path / "data"
    shutil.copytree(seed, folder)
    service = Service(folder)
    yield service
    service.close()
    assert [finding.text for finding in doctor(folder) if not finding.ok] == []


def test_founding(service):
    monitor = service.the_monitor(None)
    assert {f.name: f.kind for f in monitor.schema.watched} == {
        "age": "numeric",
        "income": "numeric",
        "city": "categorical",
    }
    assert (monitor.schema.task, monitor.schema.classes) == ("classification", ("no", "yes"))
    (version,) = history.versions(service.db, monitor.id)
    assert version.metrics["accuracy"].value > 0.75
    assert set(version.importance) == {"age", "income", "city"}
    assert max(version.importance, key=version.importance.get) == "income"
    with pytest.raises(Conflict, match="already there"):
        service.init("shop", "reference.csv", rows_csv(0, 80, labelled=True), "bought")
    with pytest.raises(Refused, match="no column 'sold'"):
        service.init("other", "reference.csv", rows_csv(0, 80, labelled=True), "sold")


def test_a_quiet_and_a_drifting_batch(service):
    quiet = service.ingest("shop", "quiet.csv", rows_csv(1, 200, labelled=True)).batch
    moved = service.ingest("shop", "moved.csv", rows_csv(2, 200, shift=1.5)).batch
    assert (quiet.state, moved.state) == ("done", "done")
    assert not history.report(service.db, quiet.id).drift
    report = history.report(service.db, moved.id)
    assert report.drifted == ("income",)
    assert report.features[0].name == "income"
    assert "income" in report.explanation
    monitor = service.the_monitor("shop")
    assert monitor.health == "unreliable"
    (episode,) = history.episodes(service.db, monitor.id)
    assert (episode.kind, episode.found_batch, episode.features) == ("drift", moved.id, ("income",))
    measured = {p.basis: p for p in history.performance_of(service.db, quiet.id)}
    assert set(measured) == {"measured", "estimated"}
    truth = [row["label"] == row["prediction"] for row in history.rows_of(service.db, quiet.id)]
    assert measured["measured"].metrics["accuracy"].value == pytest.approx(sum(truth) / len(truth))


def test_the_same_bytes_by_every_way_are_one_batch(service):
    data = rows_csv(3, 100)
    first = service.ingest("shop", "a.csv", data)
    again = service.receive("shop", "b.csv", data, "upload")
    (service.inbox / "shop" / "c.csv").write_bytes(data)
    service.look_into_inbox()
    assert service.look_into_inbox() == 1, "taken at the second look, when it has stopped growing"
    assert not (service.inbox / "shop" / "c.csv").exists()
    assert (first.duplicate, again.duplicate, again.batch.id) == (False, True, first.batch.id)
    monitor = service.the_monitor("shop")
    assert len(history.batches(service.db, monitor.id)) == 1
    assert len(history.events(service.db, kinds=("duplicate",))) == 2


def test_a_growing_file_is_left_alone(service):
    path = service.inbox / "shop" / "d.csv"
    data = rows_csv(4, 100)
    path.write_bytes(data[:1000])
    assert service.look_into_inbox() == 0
    path.write_bytes(data)
    assert service.look_into_inbox() == 0
    assert service.look_into_inbox() == 1
    service.work("shop")
    assert history.batches(service.db, 1)[0].rows == 100


def test_labels_that_come_later_revise_the_accuracy(service):
    batch = service.ingest("shop", "rows.csv", rows_csv(5, 200)).batch
    assert {p.basis for p in history.performance_of(service.db, batch.id)} == {"estimated"}
    half = b"\n".join(labels_csv(5, 200).splitlines()[:101])
    service.ingest("shop", "labels-1.csv", half)
    service.ingest("shop", "labels-2.csv", labels_csv(5, 200))
    said = [p for p in history.performance_of(service.db, batch.id) if p.basis == "measured"]
    assert [p.labelled for p in said] == [100, 200], "both are kept: the accuracy was revised"
    assert history.performance(service.db, 1)[-1].labelled == 200


def test_bad_input_is_kept_with_its_reason_and_can_be_retried(service):
    bad = service.ingest("shop", "bad.csv", b"id,age,city\n1,30,Oslo\n").batch
    after = service.ingest("shop", "good.csv", rows_csv(6, 100)).batch
    assert (bad.state, after.state) == ("quarantined", "done")
    assert "income" in bad.reason
    assert service.desk.vault.get("spool", bad.sha256).startswith(b"id,age")
    (need,) = service.needs_person()
    assert (need["kind"], need["batch_id"], need["acceptable"]) == ("quarantined", bad.id, False)
    with pytest.raises(Conflict, match="could not be read"):
        service.accept(bad.id)
    service.retry(bad.id)
    service.work("shop")
    assert history.batch(service.db, bad.id).state == "quarantined"
    service.discard(bad.id)
    assert service.needs_person() == []
    with pytest.raises(Conflict, match="not quarantined"):
        service.retry(after.id)


def test_broken_data_is_set_aside_and_a_person_may_accept_it(service):
    lines = rows_csv(7, 300, labelled=True).decode().splitlines()
    cells = [line.split(",") for line in lines]
    for at in range(1, 100):
        cells[at][2] = ""
    data = "\n".join(",".join(row) for row in cells).encode()
    batch = service.ingest("shop", "nulls.csv", data).batch
    assert (batch.state, batch.learnable) == ("quarantined", False)
    assert "income" in batch.reason
    assert history.report(service.db, batch.id).faults[0].kind == "nulls"
    assert history.rows_of(service.db, batch.id)[0]["prediction"] in ("yes", "no"), "predictions are there all the same"
    assert history.learnable_rows(service.db, 1) == 800
    service.ingest("shop", "late.csv", labels_csv(7, 300))
    assert service.the_monitor("shop").health == "unreliable", "labels do not mend the newest batch"
    service.accept(batch.id)
    service.work("shop")
    assert history.batch(service.db, batch.id).state == "done"
    assert history.learnable_rows(service.db, 1) == 1100


def test_a_changed_world_is_learned_and_can_be_rolled_back(service):
    monitor = service.the_monitor("shop")
    for seed in range(10, 18):
        flipped = rows_csv(seed, 200, labelled=True).replace(b",yes\n", b",?\n").replace(b",no\n", b",yes\n")
        service.ingest("shop", f"{seed}.csv", flipped.replace(b",?\n", b",no\n"))
    needs = service.needs_person()
    actions = [d.action for d in history.decisions(service.db, monitor.id)]
    assert "train" in actions
    assert "promote" not in actions[:-1], "labels that are turned round are never learned without a person"
    assert needs
    assert service.the_monitor("shop").health == "needs_you"


def test_promote_roll_back_and_predict(service):
    for seed in range(20, 23):
        service.ingest("shop", f"{seed}.csv", rows_csv(seed, 200, labelled=True))
    service.retrain("shop", note="curious")
    service.work("shop")
    monitor = service.the_monitor("shop")
    versions = history.versions(service.db, monitor.id)
    decision = history.decisions(service.db, monitor.id, last=1)[0]
    assert decision.trigger == "person"
    assert decision.action in ("promote", "reject")
    assert decision.details["candidates"]
    assert sum(version.state == "champion" for version in versions) == 1
    if decision.action == "promote":
        assert service.rollback("shop") == 1
    else:
        with pytest.raises(Conflict, match="no earlier champion"):
            service.rollback("shop")
    said = service.predict("shop", "x.csv", rows_csv(30, 10))
    assert [row["id"] for row in said] == [f"30-{at}" for at in range(10)]
    assert all(row["p_no"] + row["p_yes"] == pytest.approx(1, abs=1e-5) for row in said)
    with pytest.raises(Missing, match="v9"):
        service.promote("shop", 9)


@pytest.fixture
def two_versions(tmp_path):
    """A monitor whose first version learned from labels of which many were overwritten, and a second that did not.

    The clock is a list with the present moment, in microseconds.
    """
    clock = [1_000_000_000_000_000]
    service = Service(tmp_path / "two", clock=lambda: clock[0])
    rows = rows_csv(0, 800, labelled=True).decode().splitlines()
    spoilt = [row.replace(",no", ",yes") if at % 5 < 3 else row for at, row in enumerate(rows)]
    service.init("shop", "reference.csv", "\n".join(spoilt).encode(), "bought", id_column="id", estimator="linear",
                 settings={**SETTINGS, "retrain.auto": False})  # fmt: skip
    for seed in range(20, 24):
        clock[0] += 1_000_000
        service.ingest("shop", f"{seed}.csv", rows_csv(seed, 400, labelled=True))
    service.retrain("shop")
    clock[0] += 1_000_000
    service.work("shop")
    assert [version.state for version in history.versions(service.db, 1)] == ["champion", "held"]
    service.promote("shop", 2)
    yield service, clock
    service.close()
    assert [finding.text for finding in doctor(tmp_path / "two") if not finding.ok] == []


def test_what_was_live_at_a_moment_and_why(two_versions):
    service, clock = two_versions
    promoted = clock[0]
    clock[0] += 5_000_000
    service.rollback("shop", note="lunch")
    back = clock[0]
    live = [[line["version"] for line in service.live("shop", at, at + 1) if "since" in line]
            for at in (promoted - 1, promoted, back - 1, back, back + 10**9)]  # fmt: skip
    assert live == [[1], [2], [2], [1], [1]]
    assert service.live("shop", 0, 10) == []
    first, second, third = service.live("shop", 0, back + 1)[:3]
    assert (first["since"], first["until"], first["trigger"]) == (1_000_000_000_000_000, promoted, "init")
    assert second["reason"] == "A person made v2 the champion."
    assert second["ended_by"] == third["reason"] == "A person rolled back to v1. lunch"
    assert third["until"] is None
    batches = service.live("shop", 0, back + 1)[3:]
    assert [(line["name"], line["version"]) for line in batches] == [(f"{seed}.csv", 1) for seed in range(20, 24)]


def test_a_version_made_again_from_its_lineage_is_the_same(two_versions):
    service, _ = two_versions
    lineage = history.version_numbered(service.db, 1, 2)
    assert lineage.parent_id == history.version_numbered(service.db, 1, 1).id
    assert {"scikit-learn", "numpy", "python", "code"} <= set(lineage.environment)
    turned = labels_csv(20, 400).replace(b",yes", b",?").replace(b",no", b",yes").replace(b",?", b",no")
    before = service.db.conn.execute("SELECT label FROM rows WHERE batch_id = 2 ORDER BY position").fetchall()
    service.ingest("shop", "corrected.csv", turned)
    after = service.db.conn.execute("SELECT label FROM rows WHERE batch_id = 2 ORDER BY position").fetchall()
    assert before != after
    kept = history.row_texts(service.db, 2, labelled=True, until=0).labels
    assert list(kept) == [label for (label,) in before], "the labels of then are still known"
    for number in (1, 2):
        found = service.reproduce("shop", number)
        assert found["same"], found["text"]
        assert (found["difference"], found["environment"]) == (0.0, {})
    service.forget("shop", None, ["20-0"])
    with pytest.raises(Missing, match="1 are gone"):
        service.reproduce("shop", 2)


def test_preview_stores_nothing(service):
    before = history.change_number(service.db)
    seen = service.preview("shop", "x.csv", rows_csv(2, 200, shift=1.5))
    assert (seen.kind, seen.rows, seen.duplicate_of) == ("rows", 200, None)
    assert seen.report.drifted == ("income",)
    assert seen.reason
    assert len(seen.predictions) == 20
    assert service.preview("shop", "l.csv", labels_csv(2, 50)).kind == "labels"
    with pytest.raises(Refused, match="empty"):
        service.preview("shop", "x.csv", b"")
    assert history.change_number(service.db) == before


def test_thresholds_changed_afterwards_rescore_the_history(service):
    batch = service.ingest("shop", "moved.csv", rows_csv(2, 200, shift=1.5)).batch
    assert history.report(service.db, batch.id).drift
    effect = service.settings_effect("shop", {"features.income.watch": False})
    assert effect == {"alarms_before": 1, "alarms_after": 0, "batches": 1, "line": [(batch.id, True, False)]}
    service.change_settings("shop", {"features.income.watch": False}, note="known and harmless")
    assert not history.report(service.db, batch.id).drift
    assert history.settings_history(service.db, 1)[0].note == "known and harmless"
    with pytest.raises(Refused, match="no feature 'wage'"):
        service.change_settings("shop", {"features.wage.watch": False})


def test_distributions_and_quantiles_come_from_profiles(service):
    batch = service.ingest("shop", "moved.csv", rows_csv(2, 200, shift=1.5)).batch
    drawn = service.distribution("shop", "income", batch.id)
    assert sum(drawn.batch) + drawn.batch_null == pytest.approx(1)
    assert sum(drawn.reference) + drawn.reference_null == pytest.approx(1)
    assert (drawn.reference_rows, drawn.batch_rows) == (800, 200)
    assert drawn.batch_stats["mean"] - drawn.reference_stats["mean"] == pytest.approx(15, abs=2)
    line, nothing = service.quantiles("shop", "income", [[batch.id], [999]])
    assert nothing is None
    assert line["q50"] == pytest.approx(65, abs=3)
    (shares,) = service.quantiles("shop", "city", [[batch.id]])
    assert sum(shares["shares"].values()) == pytest.approx(1)
    low, high = service.band("shop", 200)
    assert 0 <= low < high <= 1.5


def test_a_job_that_fails_is_recorded_shown_and_retried(service, monkeypatch):
    def broken() -> None:
        raise Unhealthy("the disk is full")

    for _ in range(2):
        with service.recorded_job("inbox", 5):
            broken()
    (job,) = [job for job in history.jobs(service.db) if job.name == "inbox"]
    assert (job.failures, job.error) == (2, "the disk is full")
    assert len(history.events(service.db, kinds=("job_failed",))) == 1, "told once, not at every turn"
    assert service.needs_person()[0]["kind"] == "failed_job"
    with service.recorded_job("inbox", 5):
        pass
    assert history.jobs(service.db)[0].failures == 0


def test_a_full_disk_holds_a_batch_up_and_loses_nothing(service):
    """SQLite itself says that it is full; the batch waits through more turns than it has attempts, and goes on."""
    database = service.store._db.conn
    batch = service.receive("shop", "rows.csv", rows_csv(50, 400)).batch
    pages = database.execute("PRAGMA page_count").fetchone()[0]
    database.execute(f"PRAGMA max_page_count={pages}").fetchall()
    for _ in range(5):
        with pytest.raises(Blocked, match="full"):
            service.work("shop")
    assert history.batch(service.db, batch.id).state == "received"
    database.execute("PRAGMA max_page_count=1000000").fetchall()
    service.work("shop")
    assert history.batch(service.db, batch.id).state == "done"
    assert history.batch(service.db, batch.id).rows == 400


def test_an_unknown_inbox_folder_is_told_once(service):
    stray = service.inbox / "nobody"
    stray.mkdir()
    (stray / "x.csv").write_bytes(b"a,b\n1,2\n")
    for _ in range(4):
        service.look_into_inbox()
    assert len(history.events(service.db, kinds=("inbox",))) == 1
    assert (stray / "x.csv").exists(), "what cannot be taken stays where it is"
    assert sources.SOURCES


def test_forgetting_a_person(service):
    batch = service.ingest("shop", "rows.csv", rows_csv(40, 50)).batch
    message = service.forget("shop", None, ["40-7"])
    assert "1 rows" in message
    assert not service.desk.vault.has("spool", batch.sha256)
    assert "40-7" not in [row["key"] for row in history.rows_of(service.db, batch.id)]
    with pytest.raises(Refused, match="what to forget"):
        service.forget("shop", None, [])


def test_policies_are_replayed_over_the_stored_history(service):
    for day in range(4):
        service.ingest("shop", f"{day}.csv", rows_csv(20 + day, 100, labelled=True))
    runs = [{"policy": "never"}, {"policy": "window"}, {"policy": "auto", "settings": {"retrain.budget": 5}}]
    asked = service.backtest("shop", runs)
    assert history.backtest(service.db, asked).state == "queued"
    assert service.work_backtests() == 1
    done = history.backtest(service.db, asked)
    assert (done.state, done.error) == ("done", "")
    names = [batch["name"] for batch in done.result["batches"]]
    assert names == ["0.csv", "1.csv", "2.csv", "3.csv"]
    assert [run["summary"]["retrains"] for run in done.result["runs"]][:2] == [0, 4]
    measured = [
        next(p for p in history.performance_of(service.db, batch["id"]) if p.basis == "measured")
        for batch in done.result["batches"]
    ]
    assert done.result["runs"][0]["values"] == pytest.approx([p.metrics["accuracy"].value for p in measured])
    assert done.result["best"] == 2
    assert [set(run) for run in done.result["runs"]] == [set(done.result["runs"][0])] * 3
    service.remove_backtest(asked)
    assert history.backtests(service.db) == []


def test_a_backtest_over_a_file_and_one_that_cannot_be_done(service):
    file = {"name": "old.csv", "target": "bought", "train": 200, "batch": 100}
    asked = service.backtest(None, [{"policy": "never"}], file=file, data=rows_csv(30, 500, labelled=True))
    broken = service.backtest(None, [{"policy": "never"}], file={**file, "target": "sold"}, data=b"a,b\n1,2\n")
    assert service.work_backtests() == 2
    assert history.backtest(service.db, asked).result["runs"][0]["summary"]["batches"] == 3
    failed = history.backtest(service.db, broken)
    assert (failed.state, "sold" in failed.error) == ("failed", True)
    empty = service.backtest("shop")
    service.work_backtests()
    assert "batches with labels" in history.backtest(service.db, empty).error
    with pytest.raises(Refused, match="no policy"):
        service.backtest("shop", [{"policy": "sometimes"}])
    with pytest.raises(Refused, match=r"retrain\.budget"):
        service.backtest("shop", [{"policy": "auto", "settings": {"retrain.budget": 0}}])
    service.remove_backtest(asked)


def test_versions_are_compared_on_rows_that_came_after_both_had_learned(service):
    """Rows from before the change that made v2 would speak for v1."""
    service.change_settings("shop", {"retrain.auto": False})
    ids = [service.ingest("shop", f"{day}.csv", rows_csv(day, 60, labelled=True)).batch.id for day in range(1, 5)]
    another_version(service, "shop", trained_on=(ids[2],))
    (found,) = service.compare("shop", 1, 2)
    assert found.batches == (ids[3],)
    assert not found.seen_by
    another_version(service, "shop", trained_on=(ids[1], ids[3]))
    (found,) = service.compare("shop", 1, 3)  # nothing is younger: what none has seen
    assert found.batches == (ids[0], ids[2])
