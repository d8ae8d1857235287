"""What would this policy have done? A recorded stream replayed in memory through the same decisions and contests.

``prequential`` goes through the batches and ``replay`` is one of them, in the ``state`` they move on; ``score`` looks
at its inputs. ``automatic`` decides by the ``situation`` as live, with a ``person`` assumed; ``fixed`` does what one of
the ``rivals`` asks for. ``files`` reads a recorded file, ``stored`` a monitor's own history, ``job`` runs it as a job
of the scheduler.
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
