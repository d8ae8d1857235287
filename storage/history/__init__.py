"""Read-only questions for pages and decisions, one function each, a file per kind of question.

Every function takes a connection from ``connect`` (one a thread; it cannot write) and returns records or plain values.
"""

from storage.history.ask import change_number, connect
from storage.history.deliveries import (
    batch,
    batch_by_hash,
    batches,
    batches_of_delivery,
    count_batches,
    dated,
    doubtful,
    labelled_since,
    learnable_rows,
    quarantined,
    unfinished,
)
from storage.history.ledger import event_kinds, events, jobs
from storage.history.models import Reign, decisions, live, reigns, trainings, version, version_numbered, versions
from storage.history.profiles import profile_parts, profile_parts_of, reference_parts
from storage.history.quality import Standing, performance, performance_of, standings
from storage.history.rows import Rows, row_texts, rows_of
from storage.history.scores import (
    Heatmap,
    Timeline,
    episodes,
    feature_scores,
    heatmap,
    heatmap_of_periods,
    periods,
    reference_of,
    references_used,
    report,
    reports,
    timeline,
)
from storage.history.settings import (
    monitor,
    monitor_by_id,
    monitors,
    settings_history,
    settings_in_force,
    settings_row,
    truths,
)

__all__ = [
    "Heatmap",
    "Reign",
    "Rows",
    "Standing",
    "Timeline",
    "batch",
    "batch_by_hash",
    "batches",
    "batches_of_delivery",
    "change_number",
    "connect",
    "count_batches",
    "dated",
    "decisions",
    "doubtful",
    "episodes",
    "event_kinds",
    "events",
    "feature_scores",
    "heatmap",
    "heatmap_of_periods",
    "jobs",
    "labelled_since",
    "learnable_rows",
    "live",
    "monitor",
    "monitor_by_id",
    "monitors",
    "performance",
    "performance_of",
    "periods",
    "profile_parts",
    "profile_parts_of",
    "quarantined",
    "reference_of",
    "reference_parts",
    "references_used",
    "reigns",
    "report",
    "reports",
    "row_texts",
    "rows_of",
    "settings_history",
    "settings_in_force",
    "settings_row",
    "standings",
    "timeline",
    "trainings",
    "truths",
    "unfinished",
    "version",
    "version_numbered",
    "versions",
]
