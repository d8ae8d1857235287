"""What would this policy have done? A recorded stream replayed in memory through the same decisions and contests.

``replay`` is the replay itself, ``score`` looks at its inputs, ``files`` reads a recorded file for it.
"""

from pipeline.backtest.files import backtest_file
from pipeline.backtest.replay import POLICIES, backtest
from pipeline.backtest.score import scorer

__all__ = ["POLICIES", "backtest", "backtest_file", "scorer"]
