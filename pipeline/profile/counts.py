"""Counting a table over a grid, and how counts of parts become counts of the whole.

Pure: no I/O, no clock, no randomness.
"""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from itertools import chain, islice, repeat

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.profile import joint
from pipeline.profile.blas import one_thread
from pipeline.profile.columns import Source, coded, loose_numbers, pieces
from pipeline.profile.counted import COARSE, FINE, SHARDS, FeatureProfile, Profile
from pipeline.profile.grid import CELLS, FeatureGrid, Grid

MOST_NEW = 200  # new levels kept by name
CHUNK = 32_768  # rows counted at a time: fits the caches
_WORKERS = 2  # sorting and counting let go of Python's lock
_MIX = np.uint64(0x9E3779B97F4A7C15)
_TOP = np.uint64(61)
_FAR = 512.0  # spreads: values further out count as this far in the moments
_TOGETHER = 65_536  # numbers sorted side by side
_SLOTS = CELLS * SHARDS
_OF_CELL = np.arange(CELLS + 1, dtype=np.intp) * SHARDS  # the last for what is missing


# --- counting -------------------------------------------------------------------------------------------------------


def profile(source: Source, grid: Grid) -> Profile:
    """Count a table over a grid, in one pass.

    Parameters
    ----------
    source : Table or iterable of Table or RecordBatch
        Rows; a column that is missing counts as all null.
    grid : Grid
        Cells of each feature.

    Returns
    -------
    Profile
        The order of rows and the way they are cut into pieces have no effect.
    """
    chunks = (piece.slice(at, CHUNK) for piece in pieces(source) for at in range(0, piece.num_rows, CHUNK))
    waiting = list(islice(chunks, 2))
    with one_thread():
        if len(waiting) < 2:
            return _count(waiting[0], grid) if waiting else empty(grid)
        total = empty(grid)
        with ThreadPoolExecutor(_WORKERS) as pool:
            for counted in _in_turn(pool, chain(waiting, chunks), grid):
                total = merge([total, counted])
    return total


def _in_turn(pool: ThreadPoolExecutor, chunks: Iterable[pa.Table | pa.RecordBatch], grid: Grid) -> Iterator[Profile]:
    """Counted pieces, while the next ones are read and counted: at most three wait."""
    running: deque[Future[Profile]] = deque()
    for chunk in chunks:
        running.append(pool.submit(_count, chunk, grid))
        if len(running) > _WORKERS:
            yield running.popleft().result()
    while running:
        yield running.popleft().result()


def empty(grid: Grid) -> Profile:
    """The profile of no rows."""
    return Profile(grid, 0, {one.name: _nothing(one) for one in grid.features}, joint.nothing(grid))


def _nothing(grid: FeatureGrid) -> FeatureProfile:
    if grid.kind == "categorical":
        return FeatureProfile(np.zeros(grid.size, np.int64), new={})
    hours = np.zeros(168, np.int64) if grid.kind == "date" else None
    lag = _nothing(grid.lag) if grid.lag is not None else None
    return FeatureProfile(np.zeros((CELLS, SHARDS), np.int64), hours=hours, lag=lag)


def _missing(grid: FeatureGrid, rows: int) -> FeatureProfile:
    """The profile of a column that a table lacks."""
    lag = _missing(grid.lag, rows) if grid.lag is not None else None
    return replace(_nothing(grid), nulls=rows, lag=lag)


def _count(table: pa.Table | pa.RecordBatch, grid: Grid) -> Profile:
    """The profile of one piece."""
    names = set(table.schema.names)
    there = [one for one in grid.features if one.name in names]
    features = {one.name: _missing(one, table.num_rows) for one in grid.features if one.name not in names}
    columns: dict[str, NDArray] = {}
    for one in there:
        if one.kind == "categorical":
            features[one.name], columns[one.name] = _count_levels(table.column(one.name), one)
    numeric = [one for one in there if one.kind != "categorical"]
    together = max(_TOGETHER // max(table.num_rows, 1), 1)
    for at in range(0, len(numeric), together):
        some = numeric[at : at + together]
        values = loose_numbers([table.column(one.name) for one in some])
        if np.isinf(values).any():
            values[np.isinf(values)] = np.nan
        columns |= zip((one.name for one in some), values, strict=True)
        features |= zip((one.name for one in some), count_numbers(values, some), strict=True)
    for one in there:
        if one.lag is not None:
            features[one.name] = replace(features[one.name], lag=_lag(columns, one, table.num_rows))
    in_order = {one.name: features[one.name] for one in grid.features}
    return Profile(grid, table.num_rows, in_order, joint.count(columns, table.num_rows, grid))


def _lag(columns: Mapping[str, NDArray], grid: FeatureGrid, rows: int) -> FeatureProfile:
    """The counts of the time between a date and the one that passes."""
    if grid.since not in columns:
        return _missing(grid.lag, rows)
    return count_numbers((columns[grid.name] - columns[grid.since])[None], [grid.lag])[0]


def count_numbers(values: NDArray[np.float64], grids: Sequence[FeatureGrid]) -> list[FeatureProfile]:
    """Count the numbers of some features, shape (features, rows <= 65,536), over their cells. NaN is missing."""
    rows = values.shape[1]
    ordered = np.sort(values, axis=1) + 0.0  # -0.0 becomes 0.0, so that both fall into one shard
    present = np.count_nonzero(ordered == ordered, axis=1).tolist()  # NaN sorts last
    spans = np.zeros((len(grids), CELLS + 1), np.intp)  # rows of each cell, and of none
    for line, span, one, there in zip(ordered, spans, grids, present, strict=True):
        ends = line[:there].searchsorted(one.bounds)
        span[: len(ends)] = ends
        span[len(ends) : CELLS] = there
    spans[:, CELLS] = rows
    spans[:, 1:] -= spans[:, :-1].copy()
    shard = ordered.view(np.uint64) * _MIX
    shard >>= _TOP
    shard = shard.view(np.int64).ravel()
    first = np.arange(len(grids))[:, None] * (_SLOTS + SHARDS) + _OF_CELL
    shard += np.repeat(first.ravel(), spans.ravel())
    counts = np.bincount(shard, minlength=first.size * SHARDS).reshape(len(grids), CELLS + 1, SHARDS)[:, :CELLS]
    sums = _sums(ordered, grids)
    return [
        FeatureProfile(
            counts[at], rows - there, sums[at], float(ordered[at, 0]) if there else None,
            float(ordered[at, there - 1]) if there else None, hours=_hours(ordered[at, :there], one),
        )
        for at, (one, there) in enumerate(zip(grids, present, strict=True))
    ]  # fmt: skip


def _sums(values: NDArray[np.float64], grids: Sequence[FeatureGrid]) -> list[tuple[int, int]]:
    """Sums of the steps away from the middle, and of their squares: whole numbers below 2**53, so exact in floats."""
    middle, spread = np.array([(one.middle, one.spread) for one in grids]).T
    with np.errstate(over="ignore"):  # the widest floats leave the range when scaled; they are clipped right after
        away = values - middle[:, None]
        away /= spread[:, None]
    np.fmax(away, -_FAR, out=away)
    np.minimum(away, _FAR, out=away)
    away[values != values] = 0.0
    away *= FINE
    np.rint(away, out=away)
    first = away.sum(axis=1)
    away *= COARSE / FINE
    np.rint(away, out=away)
    second = np.einsum("ij,ij->i", away, away)  # not a product of matrices: OpenBLAS would wake its threads
    return [(int(a), int(b)) for a, b in zip(first, second, strict=True)]


def _hours(moments: NDArray[np.float64], grid: FeatureGrid) -> NDArray[np.int64] | None:
    """Rows of a date in each hour of the week, from microseconds since Thursday 1970-01-01, UTC."""
    if grid.kind != "date":
        return None
    hour = np.floor(moments / 3_600_000_000).astype(np.int64)
    return np.bincount((hour + 72) % 168, minlength=168)  # + 3 days: Monday is the first day


def _count_levels(column: pa.ChunkedArray | pa.Array, grid: FeatureGrid) -> tuple[FeatureProfile, NDArray[np.int32]]:
    """The counts of a categorical feature, and the place of each row's level in the grid (-1: none)."""
    codes, names = coded(column)
    places = np.array([*map(grid.places.get, names, repeat(-1)), -1], np.int32)[codes]  # the last for code -1
    rows = np.bincount(places + 1, minlength=grid.size + 1)
    new: dict[str, int] = {}
    nulls = int(rows[0])
    if nulls:
        fresh = np.bincount(codes[(places < 0) & (codes >= 0)], minlength=len(names))
        for at in np.nonzero(fresh)[0].tolist():
            new[names[at]] = new.get(names[at], 0) + int(fresh[at])
    new_rows = sum(new.values())
    return FeatureProfile(rows[1:], nulls - new_rows, new=_kept(new), new_rows=new_rows), places


def _kept(new: Mapping[str, int]) -> dict[str, int]:
    """At most 200 new levels, those with the smallest hashes: any order of merging keeps the same ones."""
    if len(new) > MOST_NEW:
        names = sorted(new, key=lambda name: (zlib.crc32(name.encode()), name))[:MOST_NEW]
    else:
        names = list(new)
    return {name: new[name] for name in sorted(names)}


# --- merging --------------------------------------------------------------------------------------------------------


def merge(profiles: Sequence[Profile]) -> Profile:
    """The profile of all rows together.

    Parameters
    ----------
    profiles : sequence of Profile
        At least one, all over the same grid. Features are those that all of them have.

    Returns
    -------
    Profile
        Exactly the profile of the concatenated rows.
    """
    first = profiles[0]
    if len(profiles) == 1:
        return first
    names = [name for name in first.features if all(name in one.features for one in profiles)]
    features = {name: _add([one.features[name] for one in profiles]) for name in names}
    joints = [one.joint for one in profiles]
    together = joint.add(joints) if all(one is not None for one in joints) else None
    return Profile(first.grid, sum(one.rows for one in profiles), features, together)


def _add(parts: Sequence[FeatureProfile]) -> FeatureProfile:
    new: dict[str, int] | None = None
    if parts[0].new is not None:
        new = {}
        for part in parts:
            for name, count in (part.new or {}).items():
                new[name] = new.get(name, 0) + count
        new = _kept(new)
    lows = [part.low for part in parts if part.low is not None]
    highs = [part.high for part in parts if part.high is not None]
    return FeatureProfile(
        np.sum([part.counts for part in parts], axis=0),
        sum(part.nulls for part in parts),
        (sum(part.sums[0] for part in parts), sum(part.sums[1] for part in parts)),
        min(lows, default=None),
        max(highs, default=None),
        new,
        sum(part.new_rows for part in parts),
        np.sum([part.hours for part in parts], axis=0) if parts[0].hours is not None else None,
        _add([part.lag for part in parts]) if all(part.lag is not None for part in parts) else None,
    )
