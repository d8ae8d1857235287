"""Performance: measured when labels are there, estimated before, compared in pairs and over time.

Pure: no I/O, no clock, no unseeded randomness.
"""

from pipeline.performance.estimate import LEAST_ROWS, calibrate, chances, estimate, expected_area, misses
from pipeline.performance.metrics import (
    METRICS,
    Measure,
    Said,
    area,
    confusion,
    mean_area,
    measure,
    primary,
    said,
    wilson,
    with_interval,
)
from pipeline.performance.paired import Paired, Shift, change_point, compare, mid_p, upper_tail

__all__ = [
    "LEAST_ROWS",
    "METRICS",
    "Measure",
    "Paired",
    "Said",
    "Shift",
    "area",
    "calibrate",
    "chances",
    "change_point",
    "compare",
    "confusion",
    "estimate",
    "expected_area",
    "mean_area",
    "measure",
    "mid_p",
    "misses",
    "primary",
    "said",
    "upper_tail",
    "wilson",
    "with_interval",
]
