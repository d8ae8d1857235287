"""Keeping a data folder whole: the promises checked one by one, backups that can be trusted, and what is let go."""

from storage.upkeep.backups import (
    backup,
    copy_before_upgrade,
    forget_in_backups,
    kept,
    made_at,
    prune,
    recover_part,
    restore,
    spare,
)
from storage.upkeep.doctor import CHECKS, Finding, doctor, named
from storage.upkeep.retention import old_rows, old_versions

__all__ = [
    "CHECKS",
    "Finding",
    "backup",
    "copy_before_upgrade",
    "doctor",
    "forget_in_backups",
    "kept",
    "made_at",
    "named",
    "old_rows",
    "old_versions",
    "prune",
    "recover_part",
    "restore",
    "spare",
]
