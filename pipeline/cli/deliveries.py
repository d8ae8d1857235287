"""Batches and labels: taken, predicted, taken again."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from pipeline.cli import say, words
from pipeline.cli.command import Command
from pipeline.cli.session import order, session
from storage.errors import ProductError


def ingest(options: argparse.Namespace) -> int:
    """Take batches (or labels) from files."""
    return _deliver(options, options.files, "ingest")


def labels(options: argparse.Namespace) -> int:
    """Take labels that arrive after their rows."""
    return _deliver(options, [options.file], "labels")


def _deliver(options: argparse.Namespace, files: list[str], verb: str) -> int:
    failed = False
    with session(options.data_dir) as call:
        for name in say.progress(files, "ingesting", options.json):
            try:
                line = call(verb, monitor=options.monitor, file=name)
            except ProductError as error:
                print(f"run.py {verb}: {error}", file=sys.stderr)
                failed = True
                continue
            refused = line["state"] == "quarantined" and line["decision"] != "quarantine"
            failed |= refused
            if options.json:
                say.line(line)
            if refused or not options.json:
                print(_sentence(line), file=sys.stderr if refused else sys.stdout, flush=True)
    return int(failed)


def _sentence(line: dict[str, Any]) -> str:
    if line["state"] == "quarantined":
        return f"{line['file']}: quarantined. {line['reason']}"
    if line["state"] == "duplicate":
        return f"{line['file']}: the same bytes as batch #{line['batch']}; nothing was added."
    score = (
        "" if line["score"] is None else f", drift score {line['score']:.2f} ({'drift' if line['drift'] else 'stable'})"
    )
    text = f"{line['file']}: batch #{line['batch']}, {line['rows']:,} rows{score}; {line['decision']}. {line['reason']}"
    return "\n  warning: ".join([text.rstrip(), *line["warnings"]])


def predict(options: argparse.Namespace) -> None:
    """Predictions of the champion for a file; adds no batch."""
    from pipeline.views import reading

    with reading(options.data_dir) as service:
        data = words.contents(options.file)
        monitor = service.the_monitor(options.monitor).name
        if options.json:
            for row in service.predict(monitor, Path(options.file).name, data):
                say.line(row)
            return
        table = service.predict_csv(monitor, Path(options.file).name, data)
    if options.out:
        Path(options.out).write_bytes(table)
        print(f"Wrote {options.out}.", file=sys.stderr)
    else:
        sys.stdout.write(table.decode())


def retry(options: argparse.Namespace) -> None:
    """Send a quarantined batch on its way again."""
    order(options, "retry", batch_id=options.batch)


def accept(options: argparse.Namespace) -> None:
    """Say that a batch quarantined for a fault is right."""
    order(options, "accept", batch_id=options.batch)


def _ingest(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", metavar="FILE")


def _labels(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="id column and target")


def _predict(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE")
    parser.add_argument("--out", metavar="FILE", help="write CSV here instead of to stdout")


def _batch(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("batch", type=int, metavar="BATCH")


INGEST = Command(ingest, _ingest)
LABELS = Command(labels, _labels)
PREDICT = Command(predict, _predict)
RETRY = Command(retry, _batch)
ACCEPT = Command(accept, _batch)
