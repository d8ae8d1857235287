"""A monitor: made, looked at, its settings, all that is known of it."""

from __future__ import annotations

import argparse

from pipeline.cli import say, words
from pipeline.cli.command import Command
from pipeline.cli.session import order, session


def init(options: argparse.Namespace) -> None:
    """Make a monitor from a table."""
    settings = words.pairs(options.set)
    kinds = words.pairs(options.kind)
    with session(options.data_dir) as call:
        done = call(
            "init",
            name=options.name,
            file=options.reference,
            target=options.target,
            id_column=options.id,
            time_column=options.time,
            features=options.features.split(",") if options.features else None,
            estimator=options.estimator,
            task=options.task,
            kinds=kinds,
            settings=settings,
        )
    if options.json:
        return say.line(done)
    print(f"Monitor {done['monitor']!r}: {done['task']} of {done['target']!r} from {done['rows']:,} rows.")
    for feature in done["features"]:
        print(f"  {feature['name']:<28} {feature['kind']:<12} {feature['note']}".rstrip())
    print(f"Version v1 ({done['estimator']}): {done['metrics']}")
    print("Change a kind with --kind COLUMN=numeric|categorical|date|ignored.")
    return None


def _init(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("name", metavar="NAME")
    add("--reference", required=True, metavar="FILE", help="the data the model is to be trained on")
    add("--target", required=True, metavar="COL")
    add("--id", metavar="COL", help="names a row, so that labels may come later")
    add("--time", metavar="COL", help="when a row happened; put aside for ordering, never learned from")
    add("--features", metavar="A,B,..", help="default: every other column")
    add("--kind", action="append", default=[], metavar="COL=KIND", help="numeric, categorical, date or ignored")
    add("--task", choices=["classification", "regression"], help="default: from the target")
    add("--estimator", metavar="dotted.path", help="any scikit-learn estimator; default: histogram gradient boosting")
    add("--set", action="append", default=[], metavar="key=value", help="a setting, e.g. drift.budget=0.02")


def status(options: argparse.Namespace) -> None:
    """Every monitor in a line."""
    from pipeline.views import reading

    with reading(options.data_dir) as service:
        for line in service.status(options.monitor):
            if options.json:
                say.line(line)
            else:
                print(f"{line['monitor']}: {line['health'].replace('_', ' ')}. {line['reason']}")
                print(
                    f"  champion v{line['version']}, {line['batches']} batches, last {line['last_batch'] or 'none yet'}"
                )


def settings(options: argparse.Namespace) -> None:
    """Show the settings, or change some."""
    if options.set:
        return order(options, "settings", assignments=words.pairs(options.set), note=options.note)
    from pipeline.views import reading

    with reading(options.data_dir) as service:
        say.line(service.settings(service.the_monitor(options.monitor).id).model_dump(mode="json"))
    return None


def _settings(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--set", action="append", default=[], metavar="key=value")


def export(options: argparse.Namespace) -> None:
    """Everything known of a monitor as JSON lines."""
    from pipeline.views import reading

    with reading(options.data_dir) as service:
        for line in service.export(service.the_monitor(options.monitor).name):
            say.line(line)


INIT = Command(init, _init, monitor=False)
STATUS = Command(status)
SETTINGS = Command(settings, _settings, note=True)
EXPORT = Command(export)
