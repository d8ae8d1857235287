"""How the features of a reference hang together: a score for every level, and which features' links are worth counting.

Pure: no I/O, no clock, no randomness.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.profile import joint
from pipeline.profile.blas import one_thread
from pipeline.profile.columns import coded, numbers
from pipeline.profile.grid import FeatureGrid

Floats = NDArray[np.float64]
Row = tuple[float, ...]
Tied = tuple[tuple[FeatureGrid, ...], tuple[str, ...], Row, Row, Row, tuple[tuple[float, float], ...]]
MOST_LINKED = 64  # features whose pairs are counted: 2,016 pairs
_ROWS = 20_000  # looked at
_MARKED = 8  # most frequent levels of other columns that a column is set beside
_COMMON = 0.01  # share of a level that is scored by what hangs on it
_LEAST = 5  # rows of a level that gets a score
_CLEAR = 2.0  # times what chance alone shows: below, a column's levels are not scored by their links


def tie(table: pa.Table, grids: Sequence[FeatureGrid]) -> Tied:
    """Give levels their scores, choose the linked features and say how much the link of each pair of them varies.

    Parameters
    ----------
    table : Table
        The reference.
    grids : sequence of FeatureGrid

    Returns
    -------
    tuple of FeatureGrid
        The same grids, categorical ones with the scores of their levels.
    tuple of str
        The features whose links are counted: at most 64, those most strongly linked.
    three tuples of float, and one of pairs of float
        See ``Grid.peaks``, ``Grid.bonds``, ``Grid.knots`` and ``Grid.rests``.

    Notes
    -----
    The scores of a column's levels are the first axis of a correspondence analysis of that column against all others:
    the left singular vector of the levels' mean scores, so that the link to the rest is as strong as one score can
    show it.
    """
    with one_thread(), np.errstate(over="ignore"):  # the widest floats overflow scores, which are clipped
        return _tied(table.slice(0, _ROWS), grids)


def _tied(table: pa.Table, grids: Sequence[FeatureGrid]) -> Tied:
    """The same for a table that is short enough."""
    scored = {g.name: _of_numbers(table, g) for g in grids if g.kind == "numeric" and g.name in table.column_names}
    codes = {g.name: _of_levels(table, g) for g in grids if g.kind == "categorical" and g.name in table.column_names}
    beside = _columns(scored, codes)
    made = []
    for grid in grids:
        if grid.name in codes:
            grid = replace(grid, scores=_axis(codes[grid.name], grid, beside))
            scored[grid.name] = np.append(np.array(grid.scores), 0.0)[codes[grid.name]]
        made.append(grid)
    linked = _strongest(scored)
    by_name = {grid.name: grid for grid in made}
    columns = {name: codes[name] if name in codes else numbers(table.column(name)) for name in linked}
    scores = joint.scored(columns, table.num_rows, [by_name[name] for name in linked]).astype(np.float64)
    return tuple(made), linked, peaks(scores), *bonds(scores), rests(scores)


def peaks(scores: Floats) -> tuple[float, ...]:
    """Kurtosis of each score; (features, rows). 1 where nothing varies."""
    if not scores.shape[1]:
        return (1.0,) * len(scores)
    away = scores - scores.mean(axis=1, keepdims=True)
    variance = (away**2).mean(axis=1)
    fourth = (away**4).mean(axis=1)
    found = np.divide(fourth, variance**2, out=np.ones(len(scores)), where=variance > 1e-9)
    return tuple(np.round(found, 3).tolist())


def rests(scores: Floats) -> tuple[tuple[float, float], ...]:
    """Skewness and kurtosis of what the others leave unexplained of each score (features, rows); normal: (0, 3)."""
    if scores.shape[1] < 2:
        return ((0.0, 3.0),) * len(scores)
    away = scores - scores.mean(axis=1, keepdims=True)
    left = joint.inverse(joint.correlations(away @ away.T / away.shape[1])) @ _unit(away)
    left -= left.mean(axis=1, keepdims=True)
    sd = left.std(axis=1)
    third, fourth = (left**3).mean(axis=1), (left**4).mean(axis=1)
    skew = np.divide(third, sd**3, out=np.zeros_like(sd), where=sd > 1e-6)
    peak = np.divide(fourth, sd**4, out=np.full_like(sd, 3.0), where=sd > 1e-6)
    return tuple(zip(np.round(skew, 3).tolist(), np.round(peak, 3).tolist(), strict=True))


def _unit(away: Floats) -> Floats:
    """Centred scores with standard deviation 1; 0 where nothing varies."""
    sd = away.std(axis=1, keepdims=True)
    return np.divide(away, sd, out=np.zeros_like(away), where=sd > 1e-9)


def bonds(scores: Floats) -> tuple[Row, Row]:
    """How much each pair's Fisher z varies, and how much of that a few rows make.

    Parameters
    ----------
    scores : ndarray of shape (features, rows)

    Returns
    -------
    tuple of float, tuple of float
        Upper triangle by rows. The mean square of the influence function ``a b - r (a^2 + b^2) / 2`` of a correlation
        over ``(1 - r^2)^2``: 1 for normal data, never below. And the influence's excess kurtosis, 6 to 12 for normal
        data.

    Notes
    -----
    Powers of the influence are polynomials in the two scores, and their means come from products of powers of all
    scores at once.
    """
    pairs = np.triu_indices(len(scores), 1)
    if scores.shape[1] < 2:
        return (1.0,) * len(pairs[0]), (0.0,) * len(pairs[0])
    z = _unit(scores - scores.mean(axis=1, keepdims=True))
    powers = [z**power for power in range(9)]
    r = (z @ z.T / z.shape[1])[pairs]
    influence = np.stack((-r / 2, np.ones_like(r), -r / 2), axis=1)  # coefficients of a^2, a b, b^2
    squared = _product(influence, influence)
    second, fourth = (_mean(one, powers, pairs) for one in (squared, _product(squared, squared)))
    peak = np.divide(fourth, second**2, out=np.full_like(second, 3.0), where=second > 1e-9) - 3
    variance = np.maximum(second / np.maximum(1 - r * r, 0.05) ** 2, 1.0)
    return tuple(np.round(variance, 3).tolist()), tuple(np.round(np.maximum(peak, 0.0), 2).tolist())


def _product(p: Floats, q: Floats) -> Floats:
    """Products of polynomials, coefficients in rows; (pairs, terms)."""
    made = np.zeros((len(p), p.shape[1] + q.shape[1] - 1))
    for at in range(p.shape[1]):
        made[:, at : at + q.shape[1]] += p[:, at : at + 1] * q
    return made


def _mean(terms: Floats, powers: list[Floats], pairs: tuple[NDArray[np.intp], NDArray[np.intp]]) -> Floats:
    """Mean over rows of a polynomial in two scores; its terms are those of one degree, the first's power falling."""
    degree, rows = terms.shape[1] - 1, powers[0].shape[1]
    return sum(terms[:, at] * (powers[degree - at] @ powers[at].T)[pairs] / rows for at in range(degree + 1))


def _of_numbers(table: pa.Table, grid: FeatureGrid) -> Floats:
    """Normal scores of a column; 0 where missing."""
    values = numbers(table.column(grid.name))
    cell = np.searchsorted(grid.bounds, values, side="right")
    score = np.array(grid.scores)[np.minimum(cell, grid.size - 1)]
    return np.where(np.isnan(values), 0.0, score)


def _of_levels(table: pa.Table, grid: FeatureGrid) -> NDArray[np.intp]:
    """Cell of each row of a categorical column; -1 where missing."""
    codes, names = coded(table.column(grid.name))
    cells = np.array([grid.places.get(name, -1) for name in names] + [-1], np.intp)
    return cells[codes]


def _columns(scored: Mapping[str, Floats], codes: Mapping[str, NDArray[np.intp]]) -> tuple[list[str], Floats]:
    """All columns standardised, numbers by their scores, levels by marks: whose each is, and (rows, columns)."""
    owners, lines = [], []
    for name, line in scored.items():
        owners.append(name)
        lines.append(line)
    for name, cells in codes.items():
        for level in range(min(int(cells.max(initial=-1)) + 1, _MARKED)):
            owners.append(name)
            lines.append((cells == level).astype(np.float64))
    if not lines:
        return [], np.zeros((0, 0))
    wide = np.stack(lines, axis=1)
    wide -= wide.mean(axis=0) if len(wide) else 0.0
    sd = wide.std(axis=0) if len(wide) else np.ones(len(owners))
    return owners, np.divide(wide, sd, out=np.zeros_like(wide), where=sd > 1e-9)


def _axis(cells: NDArray[np.intp], grid: FeatureGrid, beside: tuple[list[str], Floats]) -> tuple[float, ...]:
    """Scores of levels, mean 0 and standard deviation 1 over the rows of those that have one.

    Rare levels score 0, as new ones do: how many rows of the two there are differs from batch to batch.
    """
    owners, wide = beside
    size = grid.size
    others = [at for at, name in enumerate(owners) if name != grid.name]
    rows = np.bincount(cells[cells >= 0], minlength=size).astype(np.float64)
    scores = np.zeros(size)
    named = np.flatnonzero(rows[: len(grid.levels)] >= _LEAST)
    common = named[rows[named] >= _COMMON * rows.sum()]
    weights = rows / max(rows.sum(), 1.0)
    if len(common) >= 2 and others:
        means = _means(cells, common, wide[:, others])
        left, strength, _ = np.linalg.svd(means * np.sqrt(weights[common])[:, None], full_matrices=False)
        noise = (np.sqrt(len(common)) + np.sqrt(len(others))) / np.sqrt(len(cells))
        if strength[0] > _CLEAR * noise:
            return _standard(left[:, 0] / np.sqrt(weights[common]), common, weights)
    if len(named) < 2:
        return tuple(scores.tolist())
    # Nothing hangs on it: half of the levels against the other half, by their names. Halves that owed anything to the
    # reference's counts would be fuller in the reference than in any batch, by chance alone.
    signs = np.ones(len(named))
    signs[sorted(range(len(named)), key=lambda at: zlib.crc32(grid.levels[named[at]].encode()))[::2]] = -1.0
    return _standard(signs, named, weights)


def _standard(scores: Floats, levels: NDArray[np.intp], weights: Floats) -> tuple[float, ...]:
    """Scores of some levels, standardised over their rows; 0 for the others."""
    own = weights[levels] / weights[levels].sum()
    scores = scores - own @ scores
    made = np.zeros(len(weights))
    made[levels] = scores / (np.sqrt(own @ scores**2) or 1.0)
    return tuple(made.tolist())


def _means(cells: NDArray[np.intp], levels: NDArray[np.intp], wide: Floats) -> Floats:
    """Mean of each column in each of some levels; (levels, columns)."""
    marks = (cells[None] == levels[:, None]).astype(np.float64)
    return marks @ wide / marks.sum(axis=1, keepdims=True)


def _strongest(scored: Mapping[str, Floats]) -> tuple[str, ...]:
    """The features with the strongest link to any other, in the order of the table."""
    names = list(scored)
    if len(names) <= MOST_LINKED or not len(scored[names[0]]):
        return tuple(names[:MOST_LINKED])
    wide = np.stack(list(scored.values()), axis=1)
    wide -= wide.mean(axis=0)
    length = np.sqrt((wide**2).sum(axis=0))
    wide = np.divide(wide, length, out=np.zeros_like(wide), where=length > 0)
    strength = np.abs(wide.T @ wide)
    np.fill_diagonal(strength, 0.0)
    chosen = set(np.argsort(-strength.max(axis=0), kind="stable")[:MOST_LINKED].tolist())
    return tuple(name for at, name in enumerate(names) if at in chosen)
