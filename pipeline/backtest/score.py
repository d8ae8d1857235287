"""Drift scores inside a replay: every batch is profiled once, and what the champion learned is added up."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa

from pipeline import drift
from pipeline.profile import Profile, fit_grid, merge, profile
from storage.records import DriftReport, Schema
from storage.settings import Settings

REFERENCE = 0  # batch id of the first training table
Score = Callable[[int, pa.Table, tuple[int, ...]], DriftReport]


def scorer(reference: pa.Table, schema: Schema, settings: Settings) -> Score:
    """How far batches are from what the champion was trained on.

    Parameters
    ----------
    reference : pyarrow.Table
        The first training rows; they fix the grid.
    schema : Schema
    settings : Settings

    Returns
    -------
    callable
        (batch id, its rows, batch ids of the champion) -> DriftReport. Every batch is profiled once.
    """
    grid = fit_grid(reference, schema.watched)
    seen: dict[int, Profile] = {REFERENCE: profile(reference, grid)}
    bases: dict[tuple[int, ...], Profile] = {}

    def score(at: int, rows: pa.Table, trained_on: tuple[int, ...]) -> DriftReport:
        if at not in seen:
            seen[at] = profile(rows, grid)
        known = tuple(i for i in trained_on if i in seen) or (REFERENCE,)
        if known not in bases:
            bases.clear()
            bases[known] = merge([seen[i] for i in known])
        return drift.score(bases[known], seen[at], settings)

    return score
