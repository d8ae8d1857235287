"""What to do about a model: keep, train, hold, quarantine or roll back, and on what grounds.

Pure: no I/O, no clock, no randomness. A ``Situation`` is filled with plain values by whoever knows them (the database,
or a backtest's memory); the same situation always gives the same choice. ``rule`` decides, by what ``level`` reads off
the measured batches; ``triggers`` and ``growth`` are the reasons to train, ``waits`` is what stands against one,
``normal`` a lower level that has to be lived with, ``words`` what is said and shown.
"""

from pipeline.decide.growth import DECAY
from pipeline.decide.level import loss_since
from pipeline.decide.normal import VAIN
from pipeline.decide.rule import decide
from pipeline.decide.situation import Choice, Normal, Point, Situation, normal_of
from pipeline.decide.waits import HEAVY, LONGEST_WAIT

__all__ = [
    "DECAY",
    "HEAVY",
    "LONGEST_WAIT",
    "VAIN",
    "Choice",
    "Normal",
    "Point",
    "Situation",
    "decide",
    "loss_since",
    "normal_of",
]
