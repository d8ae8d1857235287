"""Tables to profiles: one pass, mergeable, exact. Everything asked later is computed from profiles.

Pure: no I/O, no clock, no randomness.
"""

from __future__ import annotations

from pipeline.profile.charts import distribution, summary
from pipeline.profile.counted import FeatureProfile, Profile
from pipeline.profile.counts import merge, profile
from pipeline.profile.fit import fit_grid
from pipeline.profile.grid import FeatureGrid, Grid
from pipeline.profile.joint import association
from pipeline.profile.kinds import infer

__all__ = [
    "FeatureGrid",
    "FeatureProfile",
    "Grid",
    "Profile",
    "association",
    "distribution",
    "fit_grid",
    "infer",
    "merge",
    "profile",
    "summary",
]
