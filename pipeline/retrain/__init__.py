"""Which rows to learn, candidates, the contest, the gates."""

from pipeline.retrain.again import rows_again
from pipeline.retrain.contest import contest
from pipeline.retrain.entries import joined
from pipeline.retrain.field import trust
from pipeline.retrain.first import train_first
from pipeline.retrain.labels import look_at, strange
from pipeline.retrain.order import Order, Outcome, Rival

__all__ = [
    "Order",
    "Outcome",
    "Rival",
    "contest",
    "joined",
    "look_at",
    "rows_again",
    "strange",
    "train_first",
    "trust",
]
