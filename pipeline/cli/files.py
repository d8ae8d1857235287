"""Files alone, with no monitor and no database: compared, or replayed."""

from __future__ import annotations

import argparse

from pipeline.cli import say, words
from pipeline.cli.command import Command


def check(options: argparse.Namespace) -> None:
    """Compare files with a reference file."""
    from pipeline.check import check as compare
    from pipeline.check import report_json

    settings = None
    if options.set:
        from storage.settings import Settings, changed

        settings = changed(Settings(), words.pairs(options.set))
    for name, report in compare(options.reference, options.batches, target=options.target, settings=settings):
        if options.json:
            say.line(report_json(name, report))
        else:
            print(f"{name}: {report.verdict.replace('_', ' ')}, score {report.score:.2f}. {report.explanation}")
            for feature in report.features:
                mark = "drift " if feature.drift else "      "
                print(f"  {mark}{feature.name:<28} {feature.score:6.2f}  {feature.explanation}")


def _check(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--reference", required=True, metavar="FILE")
    add("batches", nargs="+", metavar="BATCH")
    add("--target", metavar="COL", help="left out of the comparison")
    add("--set", action="append", default=[], metavar="key=value", help="a setting, e.g. features.bmi.rule=ks")


def backtest(options: argparse.Namespace) -> None:
    """Replay a recorded table under a policy."""
    from pipeline.backtest import backtest_file

    lines = backtest_file(
        options.file,
        target=options.target,
        time_column=options.time,
        train=options.train,
        batch=options.batch,
        policies=options.policy or ["auto"],
        estimator=options.estimator,
        settings=words.pairs(options.set),
    )
    for line in lines:
        if options.json:
            say.line(line)
        elif "summary" in line:
            print("  ".join(f"{key} {say.short(value)}" for key, value in line["summary"].items()))
        else:
            told = ("batch", "rows", "value", "score", "decision", "version")
            print("  ".join(f"{key} {say.short(line[key])}" for key in told))


def _backtest(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("file", metavar="FILE")
    add("--target", required=True, metavar="COL")
    add("--time", metavar="COL", help="rows are taken in this order; default: file order")
    add("--train", type=int, metavar="N", help="rows of the first training set")
    add("--batch", type=int, metavar="N", help="rows of a batch")
    policies = "auto, never, always, window, every:K, usual or adwin; may be repeated"
    add("--policy", action="append", metavar="POLICY", help=policies)
    add("--estimator", metavar="dotted.path")
    add("--set", action="append", default=[], metavar="key=value")


CHECK = Command(check, _check, monitor=False)
BACKTEST = Command(backtest, _backtest, monitor=False)
