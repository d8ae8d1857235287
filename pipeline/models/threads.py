"""How many threads a table is worth: they wait by spinning, so that many threads on few rows cost more than one."""

from __future__ import annotations

import functools
import os
from contextlib import AbstractContextManager
from typing import Any

ROWS_A_THREAD = 50_000


def worth(rows: int) -> AbstractContextManager[Any]:
    """Limit OpenMP and matrix products, within this context, to the threads that so many rows are worth.

    On a busy machine with two cores, a logistic regression of 750 rows and 10 features took 228 ms with two threads for
    its products and 10 ms with one.
    """
    return _controller().limit(limits=max(1, min(os.cpu_count() or 1, rows // ROWS_A_THREAD)))


@functools.cache
def _controller() -> Any:
    """Found once: looking for the loaded libraries takes milliseconds."""
    import sklearn.ensemble  # noqa: F401  (loads the OpenMP runtime that is to be limited)
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
