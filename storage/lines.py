"""The scores of one batch as one blob, so that ten thousand batches of many features are read at once; pure.

A line is 4 bytes a score (float32) and then 1 byte a verdict, features by name.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from storage.records import FeatureDrift

VERDICTS = ("stable", "drift", "too_few_rows", "")  # a verdict's code is its place; the last: not scored
_CODES = {word: code for code, word in enumerate(VERDICTS)}
NOT_SCORED = _CODES[""]


def pack(features: Iterable[FeatureDrift]) -> tuple[list[str], bytes]:
    """Names in order, and the line of their scores."""
    ordered = sorted(features, key=lambda one: one.name)
    scores = np.array([one.score for one in ordered], "<f4")
    codes = np.array([_CODES["drift" if one.drift else one.verdict] for one in ordered], np.uint8)
    return [one.name for one in ordered], scores.tobytes() + codes.tobytes()


def unpack(blobs: Sequence[bytes], size: int) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Scores and verdict codes of lines over the same ``size`` features; (lines, features) each."""
    cells = np.frombuffer(b"".join(blobs), np.uint8).reshape(len(blobs), 5 * size)
    return np.ascontiguousarray(cells[:, : 4 * size]).view("<f4"), cells[:, 4 * size :]
