"""Charts are pure: the numbers drawn are the numbers given, nothing is invented, and a refresh keeps a zoom."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import plotly.graph_objects as go
import pytest

from dashboard import charts, say
from dashboard.charts import frame, timeline
from dashboard.theme import DARK, GRAPH_CONFIG, LIGHT, STILL_CONFIG, pairs
from storage.records import Distribution

DAY = 86_400_000_000
FEATURES = ("bmi", "kcal", "sex")


def view(batches: int = 12, gap: int = 0) -> charts.DriftView:
    rng = np.random.default_rng(7)
    at = np.arange(batches, dtype=np.int64) * DAY
    at[batches // 2 :] += gap * DAY
    heat = rng.uniform(0, 2, (len(FEATURES), batches))
    heat[1, 3] = np.nan
    few = np.zeros(heat.shape, bool)
    few[0, 0] = True
    return charts.DriftView(
        place=charts.axis(at),
        keys=tuple(str(number) for number in range(101, 101 + batches)),
        rows=np.full(batches, 200),
        score=np.nanmax(heat, axis=0),
        verdict=tuple(["drift", "stable", "too_few_rows"][at % 3] for at in range(batches)),
        names=tuple(f"day <{number}> $x$.csv" for number in range(batches)),
        features=FEATURES,
        heat=heat,
        few=few,
        band=np.array([[0.2] * batches, [0.8] * batches]),
        spans=(charts.Span(2, 5, "kcal drifts", "drift"),),
        truths=(charts.Span(3, 6, "more kcal", "truth"),),
        marks=(
            charts.Mark(4, "promote", "v2 is better"),
            charts.Mark(4, "promote", "again"),
            charts.Mark(5, "train", "why"),
        ),
    )


def heatmap_of(figure: go.Figure) -> go.Heatmap:
    return next(trace for trace in figure.data if trace.type == "heatmap")


def test_the_heatmap_shows_the_scores_it_was_given() -> None:
    given = view()
    drawn = heatmap_of(charts.drift_timeline(given, LIGHT))
    np.testing.assert_allclose(drawn.z, given.heat, atol=1e-6)
    assert np.isnan(drawn.z[1][3])
    assert drawn.meta["features"] == list(FEATURES)
    assert drawn.meta["batches"] == list(given.keys)


def test_a_gap_in_time_is_an_empty_column_not_a_stretched_cell() -> None:
    drawn = heatmap_of(charts.drift_timeline(view(gap=20), LIGHT))
    assert np.isnan(np.asarray(drawn.z)).all(axis=0).sum() == 2
    assert drawn.meta["batches"].count("") == 2


def test_the_colour_steps_at_the_alarm_line() -> None:
    stops = timeline.scale(LIGHT)
    below = [colour for at, colour in stops if at < 1 / timeline.TOP]
    above = [colour for at, colour in stops if at >= 1 / timeline.TOP]
    assert below == [LIGHT.heat_zero, LIGHT.heat_low]
    assert above == [LIGHT.heat_alarm, LIGHT.heat_high]


def test_every_verdict_has_its_own_sign() -> None:
    drawn = charts.drift_timeline(view(), LIGHT)
    signs = {trace.meta["verdict"]: trace.marker.symbol for trace in drawn.data if "verdict" in (trace.meta or {})}
    assert signs == {"drift": "diamond", "stable": "circle", "too_few_rows": "circle-open"}


def test_the_points_drawn_are_the_batches() -> None:
    drawn = charts.drift_timeline(view(), LIGHT)
    points = [cell[0] for trace in drawn.data if "verdict" in (trace.meta or {}) for cell in trace.customdata]
    assert sorted(points) == [str(number) for number in range(101, 113)]


def test_marks_of_a_kind_at_one_batch_are_told_together() -> None:
    traces = frame.mark_traces(view().marks, view().place, LIGHT)
    promoted = next(trace for trace in traces if trace.name == "promoted")
    assert len(promoted.x) == 1
    assert promoted.text[0] == "v2 is better<br>again"


def test_names_from_files_are_shown_not_obeyed() -> None:
    drawn = charts.drift_timeline(view(), LIGHT).to_json()
    assert "<0>" not in drawn
    assert "$x$" not in drawn


@pytest.mark.parametrize("batches", [0, 1, 2, 300])
def test_any_number_of_batches_can_be_drawn(batches: int) -> None:
    given = view(max(batches, 8))
    cut = dataclasses.replace(
        given,
        place=charts.axis(np.arange(batches, dtype=np.int64) * DAY),
        keys=given.keys[:batches],
        rows=given.rows[:batches],
        score=given.score[:batches],
        verdict=given.verdict[:batches],
        names=given.names[:batches],
        heat=given.heat[:, :batches],
        few=given.few[:, :batches],
        band=given.band[:, :batches],
        spans=(),
        truths=(),
        marks=(),
    )
    assert charts.drift_timeline(cut, DARK).to_json()


def test_a_refresh_never_touches_the_range_of_an_axis() -> None:
    patch = charts.refreshed(charts.drift_timeline(view(), LIGHT)).to_plotly_json()
    touched = {tuple(step["location"]) for step in patch["operations"]}
    assert ("data",) in touched
    assert not [place for place in touched if place[-1] in ("range", "autorange") or place == ("layout",)]


def test_time_is_the_axis_only_where_its_steps_are_even_enough() -> None:
    assert charts.axis(np.array([0, 1, 2, 3]) * DAY).timed
    assert not charts.axis(np.array([0, 1, 2, 900]) * DAY).timed
    assert not charts.axis(np.array([5, 5, 5])).timed
    assert charts.axis(np.array([0, 1, 2, 900]) * DAY, mode="time").timed
    counted = charts.axis(np.array([0, 1, 2]) * DAY, first=41, mode="count")
    assert counted.values.tolist() == [41, 42, 43]


def test_rows_are_ordered_by_drift_times_importance() -> None:
    heat = np.array([[0.9, 0.9, 0.9], [0.1, 1.2, 1.1], [0.2, 0.2, 0.2], [0.0, 1.3, 0.0]])
    names = ("heavy", "light", "still", "once")
    importance = {"heavy": 0.4, "light": 0.1, "still": 0.1, "once": 0.12}

    def order(by: str) -> list[str]:
        return [names[at] for at in charts.ordered(names, heat, heat.mean(axis=1), importance, by)]

    assert order("matters") == ["light", "once", "heavy", "still"], "what alarmed first, the more lasting above"
    assert order("worst") == ["once", "light", "heavy", "still"]
    assert order("name") == ["heavy", "light", "once", "still"]
    assert charts.ordered((), np.empty((0, 0)), np.empty(0), {}, "matters") == []


def test_the_band_follows_the_size_of_batches() -> None:
    given = view()
    band = given.band.copy()
    band[:, 6:] = [[0.3], [0.7]]
    drawn = charts.drift_timeline(dataclasses.replace(given, band=band), LIGHT)
    low, high = (np.asarray(trace.y) for trace in drawn.data[:2])
    assert (low.tolist(), high.tolist()) == ([0.2, 0.2, 0.3, 0.3], [0.8, 0.8, 0.7, 0.7])


def numeric(**changes: object) -> Distribution:
    base = Distribution(
        feature="kcal",
        kind="numeric",
        labels=("a", "b", "c"),
        edges=(0.0, 10.0, 20.0, 40.0),
        reference=(0.25, 0.5, 0.25),
        batch=(0.1, 0.4, 0.4),
        new=(False, False, False),
        reference_null=0.0,
        batch_null=0.1,
        reference_rows=1000,
        batch_rows=100,
        reference_stats={"min": 0.0, "max": 40.0},
        batch_stats={"min": 0.0, "max": 40.0},
    )
    return dataclasses.replace(base, **changes)


def bars_of(figure: go.Figure) -> dict[str, list[tuple[str, float]]]:
    return {
        trace.name: list(zip(trace.text, np.asarray(trace.y).tolist(), strict=True))
        for trace in figure.data
        if trace.type == "bar"
    }


def test_tails_and_missing_values_are_bars_of_their_own() -> None:
    drawn = charts.distribution(numeric(), LIGHT)
    assert bars_of(drawn) == {
        "reference": [("a", 0.25), ("c", 0.25), ("missing", 0.0)],
        "batch": [("a", 0.1), ("c", 0.4), ("missing", 0.1)],
    }
    assert {"below", "above", "missing"} < set(drawn.layout.xaxis.ticktext)
    bare = charts.distribution(numeric(batch_null=0.0, reference=(0.0, 1.0, 0.0), batch=(0.0, 1.0, 0.0)), LIGHT)
    assert bars_of(bare) == {}


def test_every_row_is_drawn_once() -> None:
    edges = tuple(np.r_[-5.0, np.linspace(0, 8, 9), 20.0].tolist())
    shares = np.random.default_rng(3).dirichlet(np.ones(10)) * 0.9
    labels = tuple(f"bin {at}" for at in range(10))
    shown = numeric(edges=edges, labels=labels, reference=tuple(shares), batch=tuple(shares[::-1]), reference_null=0.1)
    drawn = charts.distribution(shown, LIGHT)
    for name in ("reference", "batch"):
        (line,) = [trace for trace in drawn.data if trace.name == name and trace.type == "scatter"]
        inside = np.asarray(line.y, dtype=float)[:-1].sum()  # the last point only ends the last step
        assert inside + sum(share for _, share in bars_of(drawn)[name]) == pytest.approx(1.0)


def test_infinite_tails_do_not_stretch_the_axis() -> None:
    shown = numeric(edges=(-np.inf, 10.0, 20.0, np.inf), reference_stats={}, batch_stats={})
    drawn = charts.distribution(shown, LIGHT)
    assert np.isfinite(np.concatenate([np.asarray(trace.x, dtype=float) for trace in drawn.data])).all()


def test_new_levels_are_named_and_the_rest_is_pooled() -> None:
    levels = tuple(f"level {number}" for number in range(30))
    shown = numeric(
        kind="categorical", labels=levels, edges=(), reference=tuple([1 / 30] * 29 + [0.0]), batch=tuple([1 / 30] * 30),
        new=tuple([False] * 29 + [True]), batch_null=0.0,
    )  # fmt: skip
    drawn = charts.distribution(shown, LIGHT)
    words = drawn.layout.yaxis.ticktext
    assert "level 29 (new)" in words
    assert words[-1] == "16 other levels"
    assert sum(drawn.data[1].x) == pytest.approx(1)


def test_confusion_shares_are_of_the_truths_row() -> None:
    drawn = charts.confusion([[90, 10], [30, 70]], ["no", "yes"], LIGHT)
    np.testing.assert_allclose(drawn.data[0].z, [[0.9, 0.1], [0.3, 0.7]])
    assert drawn.data[0].text[0][1] == "10<br>10%"
    change = charts.confusion([[5, -5], [0, 0]], ["no", "yes"], LIGHT, difference=True)
    assert list(change.data[0].text[0]) == ["+5", "−5"]
    np.testing.assert_allclose(change.data[0].z, [[-1, -1], [0, 0]])  # both are better


def test_no_chart_is_offered_to_a_cloud() -> None:
    assert GRAPH_CONFIG["showSendToCloud"] is False
    assert STILL_CONFIG["showSendToCloud"] is False


def test_light_and_dark_colours_pair_up_one_to_one() -> None:
    assert len(pairs()) == len(set(pairs().values())) == len(dataclasses.fields(LIGHT))


@pytest.mark.parametrize("colours", [LIGHT, DARK])
def test_words_and_signs_are_legible_on_their_surface(colours: object) -> None:
    for name in ("ink", "muted", "stable", "warning", "drift", "quarantine", "second"):
        assert contrast(getattr(colours, name), colours.surface) >= 4.5, name


def contrast(one: str, other: str) -> float:
    """WCAG 2 contrast ratio."""

    def light(colour: str) -> float:
        parts = [int(part, 16) / 255 for part in re.findall("..", colour[1:])]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((light(one), light(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (None, "–"), (float("nan"), "–"), (0.12345, "0.123"), (12.345, "12.3"), (860.0, "860"),
     (1234567, "1,234,567"), (2436.4, "2,436"), (-0.5, "−0.500"), (0.00001234, "1.2e−05"), (999.7, "999.7")],
)  # fmt: skip
def test_numbers_are_written_with_sensible_precision(value: float | None, text: str) -> None:
    assert say.number(value) == text


def test_changes_carry_their_sign_and_unit() -> None:
    assert say.metric_change("accuracy", 0.0214) == "+2.1 points"
    assert say.metric_change("accuracy", -0.0004) == "±0.0 points"
    assert say.metric_change("rmse", -0.25) == "−0.250"


def test_time_is_told_in_one_zone() -> None:
    assert say.clock(1_772_546_700_000_000) == "3 Mar 2026, 14:05 UTC"
    assert say.ago(0, 12 * say.SECOND) == "12 s ago"
    assert say.ago(None, 5) == "never"


def test_changes_of_any_size_have_a_sign():
    texts = [say.signed(value) for value in (3.4e-5, -3.4e-5, 0.0, 1234.5, -2.0)]
    assert texts == ["+3.4e−05", "−3.4e−05", "±0", "+1,234", "−2"]


def test_a_gap_stays_a_gap_in_the_band_of_quantiles():
    low, high = np.arange(8.0), np.arange(8.0) + 2
    low[3:5] = np.nan
    band = charts.features.shade(np.arange(8), low, high, LIGHT.band)
    first, second = (list(part) for part in _outlines(band.x, band.y))
    assert first == [(0, 0), (1, 1), (2, 2), (2, 4), (1, 3), (0, 2)]
    assert second == [(5, 5), (6, 6), (7, 7), (7, 9), (6, 8), (5, 7)]
    assert not charts.features.shade(np.arange(2), np.full(2, np.nan), np.ones(2), LIGHT.band).x


def _outlines(x, y):
    """Corners of each outline."""
    part = []
    for corner in zip(x, y, strict=True):
        if corner[0] is None:
            yield part
            part = []
        else:
            part.append(corner)


def test_lanes_stand_beneath_each_other_over_one_axis():
    def line():
        return go.Scatter(x=[1, 2], y=[1, 2])

    drawn = frame.laned([(30, [line()], {}), (50, [line(), line()], {"visible": False})], 20, {"showgrid": False})
    assert [trace.yaxis for trace in drawn.data] == ["y", "y2", "y2"]
    assert drawn.layout.yaxis.domain == pytest.approx((0.7, 1.0))
    assert drawn.layout.yaxis2.domain == pytest.approx((0.0, 0.5))
    assert drawn.layout.xaxis.anchor == "y2"
    assert drawn.layout.yaxis2.visible is False
