"""What is counted of a table, as values and as bytes.

Pure: no I/O, no clock, no randomness.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import orjson
from numpy.typing import NDArray

from pipeline.profile import joint
from pipeline.profile.grid import CELLS, FeatureGrid, Grid
from pipeline.profile.joint import Joint
from storage.errors import Damaged

SHARDS = 8  # each cell is split by a hash of the value, so that one value that piles up stands out
FINE, COARSE = 2.0**16, 2.0**9  # steps of the exact sums a spread
_LENGTH = struct.Struct("<I")
_NUMBERS = {1: np.uint8, 2: np.uint16, 4: np.uint32, 8: np.int64}


@dataclass(frozen=True, eq=False)
class FeatureProfile:
    """What is counted of one feature.

    Attributes
    ----------
    counts : ndarray of int64
        Numeric and date: (128 cells, 8 shards). Categorical: (levels + 1,), the last for rare ones.
    nulls : int
        Rows without a value.
    sums : tuple of int
        Sum and sum of squares of the distance from the grid's middle, in steps of a spread: exact in any order.
    low, high : float or None
        Lowest and highest value.
    new : dict
        Levels unknown to the grid, with their rows; at most 200 names are kept.
    new_rows : int
        Rows of all such levels.
    hours : ndarray of int64, shape (168,)
        Dates: rows an hour of the week; None otherwise.
    lag : FeatureProfile or None
        Dates: the microseconds since the date that passes, over ``FeatureGrid.lag``.
    """

    counts: NDArray[np.int64]
    nulls: int = 0
    sums: tuple[int, int] = (0, 0)
    low: float | None = None
    high: float | None = None
    new: Mapping[str, int] | None = None
    new_rows: int = 0
    hours: NDArray[np.int64] | None = None
    lag: FeatureProfile | None = None

    @property
    def cells(self) -> NDArray[np.int64]:
        """Rows a cell or level."""
        return self.counts.sum(axis=1) if self.counts.ndim == 2 else self.counts

    @property
    def present(self) -> int:
        """Rows with a value."""
        return int(self.counts.sum()) + self.new_rows

    def moments(self, grid: FeatureGrid) -> tuple[float, float]:
        """Mean and standard deviation; (0, 0) without a value."""
        if not self.present:
            return 0.0, 0.0
        first = self.sums[0] / FINE / self.present
        second = self.sums[1] / COARSE**2 / self.present
        return grid.middle + grid.spread * first, grid.spread * max(second - first * first, 0.0) ** 0.5


@dataclass(frozen=True, eq=False)
class Profile:
    """A table reduced to counts over a grid."""

    grid: Grid
    rows: int
    features: Mapping[str, FeatureProfile]
    joint: Joint | None = None

    def only(self, names: Sequence[str]) -> Profile:
        """The same rows with some of the features, without their dependence."""
        return replace(self, features={name: self.features[name] for name in names}, joint=None)

    def parts(self) -> dict[str, bytes]:
        """One compact blob a feature, and one under ``""`` for the dependence between features."""
        blobs = {name: _pack(one) for name, one in self.features.items()}
        if self.joint is not None:
            blobs[""] = joint.pack(self.joint)
        return blobs

    @staticmethod
    def from_parts(grid: Grid, rows: int, parts: Mapping[str, bytes]) -> Profile:
        """A profile from blobs, all or some; parts of features the grid does not know are passed over."""
        try:
            features = {
                feature.name: _unpack(feature, parts[feature.name])
                for feature in grid.features
                if feature.name in parts
            }
            return Profile(grid, rows, features, joint.unpack(parts[""]) if "" in parts else None)
        except (zlib.error, struct.error, ValueError, LookupError, TypeError) as error:
            raise Damaged(f"A stored profile is damaged ({error}). Look with: run.py doctor.") from error

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Profile)
            and (self.rows, self.grid) == (other.rows, other.grid)
            and self.parts() == other.parts()
        )

    __hash__ = None  # type: ignore[assignment]


# --- packing --------------------------------------------------------------------------------------------------------


def _pack(one: FeatureProfile) -> bytes:
    """A head as JSON, the counts, and what a date has beside them; packed."""
    return zlib.compress(_bytes(one), 1)


def _bytes(one: FeatureProfile) -> bytes:
    head = {"n": one.nulls, "s": one.sums, "r": (one.low, one.high), "w": one.new, "m": one.new_rows}
    text = json.dumps(head, ensure_ascii=False).encode()  # whole numbers of any size
    body = pack_numbers(one.counts) + (pack_numbers(one.hours) if one.hours is not None else b"")
    return struct.pack("<I", len(text)) + text + body + (_bytes(one.lag) if one.lag is not None else b"")


def pack_numbers(values: NDArray[np.int64]) -> bytes:
    """Whole numbers in the fewest bytes that hold the largest, with one byte in front that says how many."""
    flat = values.ravel()
    largest = int(flat.max(initial=0))
    width = next(width for width in (1, 2, 4, 8) if largest < 256**width and (width == 8 or flat.min(initial=0) >= 0))
    return bytes([width]) + flat.astype(_NUMBERS[width]).tobytes()


def unpack_numbers(data: bytes, at: int, size: int) -> tuple[NDArray[np.int64], int]:
    """The numbers that begin at a place, and the place behind them."""
    width = data[at]
    values = np.frombuffer(data, _NUMBERS[width], size, at + 1).astype(np.int64)
    return values, at + 1 + size * width


def _unpack(grid: FeatureGrid, blob: bytes) -> FeatureProfile:
    return _read(grid, zlib.decompress(blob))


def _read(grid: FeatureGrid, data: bytes) -> FeatureProfile:
    (length,) = _LENGTH.unpack_from(data)
    head = orjson.loads(data[4 : 4 + length])
    size = grid.size if grid.kind == "categorical" else CELLS * SHARDS
    counts, at = unpack_numbers(data, 4 + length, size)
    hours = lag = None
    if grid.kind == "date":
        hours, at = unpack_numbers(data, at, 168)
        lag = _read(grid.lag, data[at:]) if grid.lag is not None and at < len(data) else None
    if grid.kind != "categorical":
        counts = counts.reshape(CELLS, SHARDS)
    low, high = head["r"]
    return FeatureProfile(counts, head["n"], tuple(head["s"]), low, high, head["w"], head["m"], hours, lag)
