"""Products of small matrices on one thread: a second one spends more on waiting than it saves."""

from __future__ import annotations

import functools
from contextlib import AbstractContextManager
from typing import Any


def one_thread() -> AbstractContextManager[Any]:
    """A context in which NumPy's matrix products use one thread.

    On a busy machine with two cores, the product of 80 x 65,536 with its transpose took 61 ms on two threads and 8 ms
    on one.
    """
    return _libraries().limit(limits=1, user_api="blas")


@functools.cache
def _libraries() -> Any:
    from threadpoolctl import ThreadpoolController  # 10 ms, once, where products are made

    return ThreadpoolController()
