"""How many threads a table is worth: OpenMP waits by spinning, so many threads on few rows cost more than one."""

from __future__ import annotations

import functools
import os
from contextlib import AbstractContextManager
from typing import Any

ROWS_A_THREAD = 50_000


def worth(rows: int) -> AbstractContextManager[Any]:
    """Limit OpenMP, within this context and thread, to the threads that so many rows are worth."""
    return _controller().limit(limits=max(1, min(os.cpu_count() or 1, rows // ROWS_A_THREAD)), user_api="openmp")


@functools.cache
def _controller() -> Any:
    """Found once: looking for the loaded libraries takes milliseconds."""
    import sklearn.ensemble  # noqa: F401  (loads the OpenMP runtime that is to be limited)
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
