"""Two profiles to a drift report; reports to episodes. Pure: no I/O, no clock, no randomness."""

from __future__ import annotations

from pipeline.drift.band import healthy_band
from pipeline.drift.episodes import episodes
from pipeline.drift.score import score, scores

__all__ = ["episodes", "healthy_band", "score", "scores"]
