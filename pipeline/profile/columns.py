"""Columns of any Arrow type as plain numbers, codes of levels, or times. Pure: no I/O, no clock, no randomness."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Source = pa.Table | pa.RecordBatch | Iterable[pa.Table | pa.RecordBatch]
Column = pa.Array | pa.ChunkedArray
_CODES = {8: np.int8, 16: np.int16, 32: np.int32, 64: np.int64}


def _scalar(value: float, kind: pa.DataType, plain: type) -> pa.Scalar:
    """A scalar made of bytes: to convert a Python number, PyArrow imports pandas, which takes longer than a check."""
    return pa.Array.from_buffers(kind, 1, [None, pa.py_buffer(np.full(1, value, plain))])[0]


def _plain(array: pa.Array, plain: type) -> NDArray[Any]:
    """An array without nulls as it lies in memory; ``to_numpy`` would import pandas as well."""
    data = array.buffers()[1]
    if data is None or not len(array):
        return np.zeros(0, plain)
    return np.frombuffer(data, plain, len(array), array.offset * np.dtype(plain).itemsize)


_FLOAT = pa.float64()
_MINUS = {width: _scalar(-1, pa.type_for_alias(f"int{width}"), plain) for width, plain in _CODES.items()}


def pieces(source: Source) -> Iterator[pa.Table | pa.RecordBatch]:
    """The tables or record batches of a source, one after the other."""
    if isinstance(source, pa.Table | pa.RecordBatch):
        yield source
    else:
        yield from source


def is_number(kind: pa.DataType) -> bool:
    """Whether a type holds numbers that can be ordered and averaged."""
    return pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)


def is_date(kind: pa.DataType) -> bool:
    """Whether a type holds days or moments."""
    return pa.types.is_timestamp(kind) or pa.types.is_date(kind)


def one_array(column: Column) -> pa.Array:
    """A column in one piece; dictionaries stay dictionaries."""
    if not isinstance(column, pa.ChunkedArray):
        return column
    if column.num_chunks == 1:
        return column.chunk(0)
    if pa.types.is_dictionary(column.type):
        column = column.unify_dictionaries()
    return column.combine_chunks() if column.num_chunks else pa.array([], column.type)


def numbers(column: Column) -> NDArray[np.float64]:
    """Values of a numeric or date column in row order; missing, NaN and infinite ones are NaN.

    Dates become microseconds since 1970, UTC. What cannot be read as a number is missing.
    """
    values = loose_numbers([column])[0]
    finite = np.isfinite(values)
    return values if finite.all() else np.where(finite, values, np.nan)


def loose_numbers(columns: Sequence[Column]) -> NDArray[np.float64]:
    """Several columns at once, a line each, but infinite values stay: whoever sorts sees them at the ends."""
    arrays = [one_array(column) for column in columns]
    arrays = [array if array.type == _FLOAT else _floats(array) for array in arrays]
    batch = pa.RecordBatch.from_arrays(arrays, names=[""] * len(arrays))
    return batch.to_tensor(null_to_nan=True, row_major=False).to_numpy().T


def _floats(array: pa.Array) -> pa.Array:
    """An array of any type as floats; null where it holds no number."""
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if is_date(array.type):
        array = array.cast(pa.timestamp("us"), safe=False).cast(pa.int64())
    if pa.types.is_boolean(array.type):
        array = array.cast(pa.int8())
    if pa.types.is_string(array.type) or pa.types.is_large_string(array.type):
        return _from_text(array)
    if not is_number(array.type):
        return pa.nulls(len(array), _FLOAT)
    return array.cast(_FLOAT, safe=False)


def _from_text(array: pa.Array) -> pa.Array:
    """Numbers written as text; null where there is none."""
    values: list[float | None] = []
    for text in array.to_pylist():
        try:
            values.append(float(text))
        except (TypeError, ValueError):
            values.append(None)
    return pa.array(values, _FLOAT)


def coded(column: Column) -> tuple[NDArray[np.integer], list[str]]:
    """A column as (code of every row, -1 for missing; names of the codes). Anything becomes text."""
    array = one_array(column)
    if not pa.types.is_dictionary(array.type):
        array = array.dictionary_encode() if not _unhashable(array.type) else texts(array).dictionary_encode()
    if isinstance(array, pa.ChunkedArray):
        array = one_array(array)
    indices = array.indices
    if not pa.types.is_signed_integer(indices.type):
        indices = indices.cast(pa.int64())
    codes = pc.fill_null(indices, _MINUS[indices.type.bit_width]) if indices.null_count else indices
    codes = _plain(codes, _CODES[indices.type.bit_width])
    names = texts(array.dictionary).to_pylist()
    if None not in names:
        return codes, names
    missing = [at for at, name in enumerate(names) if name is None]
    return np.where(np.isin(codes, missing), -1, codes), [name or "" for name in names]


def texts(array: pa.Array) -> pa.Array:
    """Any array as text: 3.0 and 3 are both "3", true is "true", NaN is missing."""
    if pa.types.is_string(array.type):
        return array
    if pa.types.is_floating(array.type):
        array = pc.if_else(pc.is_finite(array), array, pa.scalar(None, array.type))
        whole = [None if value is None else f"{value:.17g}" for value in array.to_pylist()]
        return pa.array([None if t is None else repr(float(t)).removesuffix(".0") for t in whole], pa.string())
    try:
        return array.cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return pa.array([None if value is None else str(value) for value in array.to_pylist()], pa.string())


def _unhashable(kind: pa.DataType) -> bool:
    return pa.types.is_nested(kind)
