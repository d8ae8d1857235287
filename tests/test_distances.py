"""Distances against SciPy and published values, and properties held over the whole table."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial import distance as scipy_distance

from pipeline.distances import DISTANCES, FLOOR, Distance, earth_moved

RNG = np.random.default_rng(7)
P, Q = RNG.dirichlet(np.ones(12)), RNG.dirichlet(np.ones(12))
AT = np.sort(RNG.normal(size=12))
rows = list(DISTANCES.values())
each = pytest.mark.parametrize("row", rows, ids=[row.name for row in rows])


@st.composite
def shares(draw) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two share vectors over the same bins, cells of nothing among them, and the places of the bins."""
    bins = draw(st.integers(2, 40))
    counts = st.lists(st.integers(0, 1_000), min_size=bins, max_size=bins).filter(any)
    p, q = np.array(draw(counts), float), np.array(draw(counts), float)
    steps = draw(st.lists(st.floats(0, 1e6), min_size=bins, max_size=bins))
    return p / p.sum(), q / q.sum(), np.cumsum(steps)


@pytest.fixture(autouse=True)
def _no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def value(name: str, p=P, q=Q, at=AT) -> float:
    return float(DISTANCES[name].measure(p, q, at))


# --- truths ---------------------------------------------------------------------------------------------------------


def test_ks_is_that_of_scipy_on_values_that_lie_in_bins():
    a, b = RNG.integers(0, 12, 500), RNG.integers(2, 14, 300)
    p, q = np.bincount(a, minlength=14) / 500, np.bincount(b, minlength=14) / 300
    assert value("ks", p, q) == pytest.approx(stats.ks_2samp(a, b).statistic)


def test_wasserstein_is_that_of_scipy():
    expected = stats.wasserstein_distance(AT, AT, P, Q)
    assert earth_moved(P, Q, AT) == pytest.approx(expected)
    mean = P @ AT
    assert value("wasserstein") == pytest.approx(expected / np.sqrt(P @ (AT - mean) ** 2))


def test_jensen_shannon_is_that_of_scipy():
    assert value("js") == pytest.approx(scipy_distance.jensenshannon(P, Q, base=2))


def test_psi_is_the_symmetric_relative_entropy():
    assert value("psi") == pytest.approx(stats.entropy(P, Q) + stats.entropy(Q, P))


def test_psi_of_an_empty_bin_is_large_but_not_absurd():
    p, q = np.array([0.5, 0.5, 0.0]), np.array([0.4, 0.4, 0.2])
    assert value("psi", p, q) == pytest.approx(2 * -0.1 * np.log(0.8) + (0.2 - FLOOR) * np.log(0.2 / FLOOR))
    assert value("psi", p, q) < 2


def test_psi_of_healthy_batches_has_the_mean_of_its_known_law():
    """Yurdakul (2018): about (1/n + 1/m) times chi-square with B - 1 degrees of freedom."""
    p, n, m = np.full(10, 0.1), 2_000, 5_000
    a, b = RNG.multinomial(m, p, 3_000) / m, RNG.multinomial(n, p, 3_000) / n
    assert DISTANCES["psi"].measure(a, b, np.zeros_like(a)).mean() == pytest.approx(9 * (1 / n + 1 / m), rel=0.05)


def test_hellinger_by_hand():
    """Between (1/2, 1/2) and (1, 0): 1 - BC = 1 - sqrt(1/2)."""
    found = value("hellinger", np.array([0.5, 0.5]), np.array([1.0, 0.0]))
    assert found == pytest.approx(np.sqrt(1 - np.sqrt(0.5)))


def test_total_variation_by_hand():
    assert value("tv", np.array([0.2, 0.3, 0.5]), np.array([0.5, 0.3, 0.2])) == pytest.approx(0.3)


def test_chi_square_and_cramers_v_are_those_of_scipy_when_both_sides_are_as_large():
    a, b = RNG.integers(1, 80, 6).astype(float), RNG.integers(1, 80, 6).astype(float)
    b[0] += a.sum() - b.sum() + 200
    a[0] += 200
    table = np.array([a, b])
    found = stats.chi2_contingency(table, correction=False)
    p, q, n = a / a.sum(), b / b.sum(), a.sum()
    assert value("chi2", p, q) * 2 * n == pytest.approx(found.statistic)
    assert value("cramers_v", p, q) == pytest.approx(stats.contingency.association(table.astype(int), method="cramer"))


# --- properties, of every row ---------------------------------------------------------------------------------------


@each
@settings(max_examples=60)
@given(shares())
def test_nothing_between_equal_shares_and_finite_always(row: Distance, sides):
    p, q, at = sides
    assert row.measure(p, p, at) == pytest.approx(0.0, abs=1e-7)
    found = row.measure(p, q, at)
    assert np.isfinite(found)
    assert found >= 0
    if row.bounded:
        assert found <= 1 + 1e-9
    if row.symmetric:
        assert row.measure(q, p, at) == pytest.approx(float(found), abs=1e-9)


@each
def test_many_pairs_at_once_are_a_loop(row: Distance):
    p, q = RNG.dirichlet(np.ones(9), (4, 3)), RNG.dirichlet(np.ones(9), (4, 3))
    at = np.broadcast_to(np.linspace(0, 1, 9), p.shape)
    together = row.measure(p, q, at)
    assert together.shape == (4, 3)
    for i, j in np.ndindex(4, 3):
        assert together[i, j] == pytest.approx(float(row.measure(p[i, j], q[i, j], at[i, j])))


@each
def test_it_does_not_fall_when_a_shift_grows(row: Distance):
    at = np.arange(200.0)
    base = stats.norm.pdf(at, 60, 10)
    found = [row.measure(base / base.sum(), stats.norm.pdf(at, 60 + by, 10), at) for by in range(0, 80, 4)]
    assert (np.diff(found) >= -1e-9).all()
    assert found[3] > 0


@each
def test_the_order_of_levels_has_no_effect(row: Distance):
    if "categorical" not in row.kinds:
        pytest.skip("only for numbers")
    order = RNG.permutation(12)
    zeros = np.zeros(12)
    assert row.measure(P[order], Q[order], zeros) == pytest.approx(float(row.measure(P, Q, zeros)))


@each
def test_sides_are_not_changed(row: Distance):
    p, q, at = P.copy(), Q.copy(), AT.copy()
    row.measure(p, q, at)
    assert np.array_equal(p, P)
    assert np.array_equal(q, Q)
    assert np.array_equal(at, AT)


@each
def test_every_row_says_what_it_is(row: Distance):
    assert DISTANCES[row.name] is row
    assert row.label
    assert row.description.endswith(".")
    assert row.usual_threshold > 0
    assert row.bins in ("fine", "coarse")
    assert set(row.kinds) <= {"numeric", "categorical", "date"}


def test_no_rows_on_a_side_is_no_crash():
    empty = np.zeros(12)
    for row in rows:
        assert np.isfinite(row.measure(P, empty, AT))
        assert np.isfinite(row.measure(empty, P, AT))
