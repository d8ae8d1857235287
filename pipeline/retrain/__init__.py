"""Which rows to learn, candidates, the contest, the gates; fits in a child process."""

from pipeline.retrain.child import call, prepare, run
from pipeline.retrain.contest import contest
from pipeline.retrain.field import trust
from pipeline.retrain.first import train_first
from pipeline.retrain.order import Order, Outcome, Rival

__all__ = ["Order", "Outcome", "Rival", "call", "contest", "prepare", "run", "train_first", "trust"]
