"""What would this policy have done? A recorded stream replayed in memory through the same decisions and contests.

``prequential`` goes through the batches, ``replay`` is one batch, ``rivals`` are the fixed rules beside it, ``score``
looks at the inputs; ``files`` reads a recorded file, ``stored`` a monitor's own history,
``job`` runs it as a job of the scheduler.
"""

from pipeline.backtest.files import backtest_file
from pipeline.backtest.job import ask, remove, work
from pipeline.backtest.prequential import backtest, replayed
from pipeline.backtest.rivals import POLICIES, RIVALS, check_policy
from pipeline.backtest.score import scorer
from pipeline.backtest.stored import compared, variants

__all__ = [
    "POLICIES",
    "RIVALS",
    "ask",
    "backtest",
    "backtest_file",
    "check_policy",
    "compared",
    "remove",
    "replayed",
    "scorer",
    "variants",
    "work",
]
