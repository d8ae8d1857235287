"""The command line: parses, calls, prints; never computes.

Heavy modules are imported by the command that needs them, so that ``--help`` answers at once.
"""

from __future__ import annotations

import argparse
import io
import os
import signal
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from storage.errors import ProductError

EXAMPLES = """\
examples:
  run.py                                                       the dashboard, with the worked example in it
  run.py init churn --reference train.csv --target left        watch a model of your own
  run.py ingest monday.csv tuesday.csv --monitor churn         score batches (files)
  run.py status --monitor churn                                can the model be trusted today?
  run.py check --reference train.csv monday.csv                compare files; nothing is stored
"""


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit status: 0 done, 1 failed, 2 wrong usage."""
    for stream in (sys.stdout, sys.stderr):  # a name may hold what the terminal's encoding does not
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    parser = _parser()
    options = parser.parse_args(_with_default(sys.argv[1:] if arguments is None else arguments))
    if options.command in ("users", "tokens") and bool(options.name) == (options.action == "list"):
        parser.error(f"{options.command} {options.action} takes {'no' if options.name else 'a'} name")
    try:
        return options.run(options) or 0
    except ProductError as error:
        print(f"run.py {options.command}: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # the reader of our output went away, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130


def _with_default(arguments: list[str]) -> list[str]:
    """``serve`` is the command when none is named."""
    for word in arguments:
        if word in COMMANDS or word in ("-h", "--help"):
            return arguments
    return ["serve", *arguments]


# --- the commands -----------------------------------------------------------------------------------------------------


def serve(options: argparse.Namespace) -> int:
    """Bring up the dashboard and the jobs."""
    from dashboard.server import Reached
    from dashboard.server import serve as serve_forever

    signal.signal(signal.SIGTERM, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    reached = Reached(options.host, options.port, tuple(options.allow_host), options.behind_proxy)
    return serve_forever(options.data_dir, reached, options.interval, not options.no_demo, options.backup_hours)


def init(options: argparse.Namespace) -> None:
    """Make a monitor from a table."""
    settings = dict(_pair(text) for text in options.set)
    kinds = dict(_pair(text) for text in options.kind)
    with _session(options) as session:
        done = session(
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
        return _print(done)
    print(f"Monitor {done['monitor']!r}: {done['task']} of {done['target']!r} from {done['rows']:,} rows.")
    for feature in done["features"]:
        print(f"  {feature['name']:<28} {feature['kind']:<12} {feature['note']}".rstrip())
    print(f"Version v1 ({done['estimator']}): {done['metrics']}")
    print("Change a kind with --kind COLUMN=numeric|categorical|date|ignored.")
    return None


def ingest(options: argparse.Namespace) -> int:
    """Take batches (or labels) from files."""
    return _deliver(options, options.files, "ingest")


def labels(options: argparse.Namespace) -> int:
    """Take labels that arrive after their rows."""
    return _deliver(options, [options.file], "labels")


def _deliver(options: argparse.Namespace, files: list[str], verb: str) -> int:
    failed = False
    with _session(options) as session:
        for name in _progress(files, "ingesting", options.json):
            try:
                line = session(verb, monitor=options.monitor, file=name)
            except ProductError as error:
                print(f"run.py {verb}: {error}", file=sys.stderr)
                failed = True
                continue
            refused = line["state"] == "quarantined" and line["decision"] != "quarantine"
            failed |= refused
            if options.json:
                _print(line)
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
        data = _bytes(options.file)
        monitor = service.the_monitor(options.monitor).name
        if options.json:
            for row in service.predict(monitor, Path(options.file).name, data):
                _print(row)
            return
        table = service.predict_csv(monitor, Path(options.file).name, data)
    if options.out:
        Path(options.out).write_bytes(table)
        print(f"Wrote {options.out}.", file=sys.stderr)
    else:
        sys.stdout.write(table.decode())


def check(options: argparse.Namespace) -> None:
    """Compare files with a reference file."""
    from pipeline.check import check as compare
    from pipeline.check import report_json

    settings = None
    if options.set:
        from storage.settings import Settings, changed

        settings = changed(Settings(), dict(_pair(text) for text in options.set))
    for name, report in compare(options.reference, options.batches, target=options.target, settings=settings):
        if options.json:
            _print(report_json(name, report))
        else:
            print(f"{name}: {report.verdict.replace('_', ' ')}, score {report.score:.2f}. {report.explanation}")
            for feature in report.features:
                mark = "drift " if feature.drift else "      "
                print(f"  {mark}{feature.name:<28} {feature.score:6.2f}  {feature.explanation}")


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
        settings=dict(_pair(text) for text in options.set),
    )
    for line in lines:
        if options.json:
            _print(line)
        elif "summary" in line:
            print("  ".join(f"{key} {_short(value)}" for key, value in line["summary"].items()))
        else:
            print(
                "  ".join(
                    f"{key} {_short(line[key])}" for key in ("batch", "rows", "value", "score", "decision", "version")
                )
            )


def status(options: argparse.Namespace) -> None:
    """Every monitor in a line."""
    from pipeline.views import reading

    with reading(options.data_dir) as service:
        for line in service.status(options.monitor):
            if options.json:
                _print(line)
            else:
                print(f"{line['monitor']}: {line['health'].replace('_', ' ')}. {line['reason']}")
                print(
                    f"  champion v{line['version']}, {line['batches']} batches, last {line['last_batch'] or 'none yet'}"
                )


def versions(options: argparse.Namespace) -> None:
    """The versions of a model, or what was live on a date and why."""
    from pipeline.views import reading

    with reading(options.data_dir) as service:
        name = service.the_monitor(options.monitor).name
        if options.at:
            return _live(service.live(name, *_day(options.at)), options)
        for line in service.version_lines(name):
            if options.json:
                _print(line)
            else:
                value = "" if line["value"] is None else f"{line['metric']} {line['value']:.3f}"
                print(f"v{line['version']:<4} {line['state']:<12} {line['recipe']:<24} {value:<16} {line['reason']}")
    return None


def _live(lines: list[dict[str, Any]], options: argparse.Namespace) -> None:
    for line in lines:
        if options.json:
            _print(line)
        elif "since" in line:
            until = f"until {_date(line['until'])}" if line["until"] else "and still is"
            print(f"v{line['version']} was live from {_date(line['since'])} {until}. {line['reason']}")
        else:
            print(
                f"Batch #{line['batch']} ({line['name']}, {line['rows']:,} rows) was predicted by v{line['version']}."
            )
    if not lines:
        print(f"Nothing was live on {options.at}.", file=sys.stderr)


def reproduce(options: argparse.Namespace) -> int:
    """Train a version again from its lineage; status 1 if it answers otherwise."""
    from pipeline.views import reading

    with reading(options.data_dir) as service:
        found = service.reproduce(service.the_monitor(options.monitor).name, options.number)
    _print(found) if options.json else print(found["text"])
    return 0 if found["same"] else 1


def promote(options: argparse.Namespace) -> None:
    """Make a version the champion."""
    _order(options, "promote", number=options.number, note=options.note)


def rollback(options: argparse.Namespace) -> None:
    """Bring back the champion before this one."""
    _order(options, "rollback", note=options.note)


def retrain(options: argparse.Namespace) -> None:
    """Ask for a contest now."""
    _order(options, "retrain", note=options.note)


def retry(options: argparse.Namespace) -> None:
    """Send a quarantined batch on its way again."""
    _order(options, "retry", batch_id=options.batch)


def accept(options: argparse.Namespace) -> None:
    """Say that a batch quarantined for a fault is right."""
    _order(options, "accept", batch_id=options.batch)


def settings(options: argparse.Namespace) -> None:
    """Show the settings, or change some."""
    if options.set:
        return _order(options, "settings", assignments=dict(_pair(text) for text in options.set), note=options.note)
    from pipeline.views import reading

    with reading(options.data_dir) as service:
        _print(service.settings(service.the_monitor(options.monitor).id).model_dump(mode="json"))
    return None


def _order(options: argparse.Namespace, verb: str, **arguments: Any) -> None:
    if "monitor" in options:
        arguments["monitor"] = options.monitor
    with _session(options) as session:
        done = session(verb, **arguments)
    _print(done) if options.json else print(done["message"])


def export(options: argparse.Namespace) -> None:
    """Everything known of a monitor as JSON lines."""
    from pipeline.views import reading

    with reading(options.data_dir) as service:
        for line in service.export(service.the_monitor(options.monitor).name):
            _print(line)


def report(options: argparse.Namespace) -> None:
    """A report of a monitor for a range, as one HTML file."""
    from dashboard.panels import report as made
    from pipeline.views import reading

    with reading(options.data_dir) as service:
        name = service.the_monitor(options.monitor).name
        page = made.html(service, name, last=options.last, start=options.start, stop=options.stop)
    out = options.out or Path(f"{name}-report.html")
    out.write_text(page, encoding="utf-8")
    _print({"report": str(out)}) if options.json else print(f"Report: {out}")


def doctor(options: argparse.Namespace) -> int:
    """Check every promise; status 1 if one is broken."""
    from pipeline.chores import doctor as examine

    findings = list(examine(options.data_dir))
    for finding in findings:
        if options.json:
            _print({"check": finding.check, "ok": finding.ok, "text": finding.text})
        else:
            print(f"{'ok  ' if finding.ok else 'BAD '} {finding.text}")
    return 0 if all(finding.ok for finding in findings) else 1


def backup(options: argparse.Namespace) -> None:
    """A whole, checked copy, while the program runs."""
    from storage.upkeep import backup as copy

    made = copy(options.data_dir, options.out)
    _print({"backup": str(made)}) if options.json else print(f"Backup: {made}")


def restore(options: argparse.Namespace) -> None:
    """Bring a backup back into a new folder."""
    from storage.upkeep import restore as bring_back

    made = bring_back(options.backup, options.data_dir)
    _print({"data_dir": str(made)}) if options.json else print(f"Restored into {made}")


def support(options: argparse.Namespace) -> None:
    """A bundle for who helps: versions, settings, counts, last errors; nothing of the data."""
    from pipeline.support import bundle
    from storage.errors import Refused

    out = options.out or Path("drift-support.zip")
    try:
        out.write_bytes(bundle(options.data_dir))
    except OSError as error:
        raise Refused(f"{out} cannot be written: {error.strerror}.") from error
    _print({"support": str(out)}) if options.json else print(f"Support bundle: {out}")


def forget(options: argparse.Namespace) -> None:
    """Remove rows by id, or a whole batch, from the data folder."""
    _order(options, "forget", batch_id=options.batch, keys=options.id or [])


def users(options: argparse.Namespace) -> None:
    """Who may sign in: add (asks for the password), remove, list."""
    if options.action != "add":
        return _accounts(options, "users")
    from pipeline.accounts import hashed

    password = hashed(_secret(f"Password for {options.name}: "))
    return _order(options, "add_user", name=options.name, role=options.role, password=password)


def tokens(options: argparse.Namespace) -> None:
    """Tokens for machines: add (shows it once), remove, list."""
    if options.action != "add":
        return _accounts(options, "tokens")
    from pipeline.accounts import digest, new_token

    token = new_token()
    with _session(options) as session:
        session("add_token", name=options.name, role=options.role, sha256=digest(token))
    if options.json:
        return _print({"name": options.name, "role": options.role, "token": token})
    print("Shown this once; send it as 'Authorization: Bearer ...'.", file=sys.stderr)
    print(token)
    return None


def _accounts(options: argparse.Namespace, table: str) -> None:
    if options.action == "remove":
        return _order(options, "remove_account", table=table, name=options.name)
    with _session(options) as session:
        for line in session("accounts", table=table)["accounts"]:
            _print(line) if options.json else print(f"{line['name']:<32} {line['role']}")
    return None


def _secret(prompt: str) -> str:
    """A password typed twice without being shown, or the first line of standard input; never an argument."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    import getpass

    typed = getpass.getpass(prompt)
    if getpass.getpass("Once more: ") != typed:
        from storage.errors import Refused

        raise Refused("The two passwords differ; nothing was changed.")
    return typed


# --- parsing and printing ---------------------------------------------------------------------------------------------


class _session:
    """Calls of verbs on the data folder: our own if it is free, else handed to the program that holds it."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.folder = options.data_dir

    def __enter__(self) -> Any:
        from pipeline.commands import open_session

        self._opened = open_session(self.folder)
        return self._opened.call

    def __exit__(self, *exception: object) -> None:
        self._opened.close()


def _print(line: Any) -> None:
    from storage.codec import to_json

    print(to_json(line), flush=True)


def _short(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _pair(text: str) -> tuple[str, Any]:
    key, sign, value = text.partition("=")
    if not sign or not key:
        from storage.errors import Refused

        raise Refused(f"{text!r} should read key=value.")
    return key, value


def _day(text: str) -> tuple[int, int]:
    """A date as the day it names, a moment as itself: first and last microsecond, UTC."""
    from storage.errors import Refused

    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise Refused(f"{text!r} is no date.", remedy="Write it as 2026-11-25 or 2026-11-25T18:30.") from error
    start = round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1e6)
    return start, start + (86_400_000_000 if len(text) <= len("2026-11-25") else 1)


def _date(moment: int) -> str:
    return datetime.fromtimestamp(moment / 1e6, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _number(text: str) -> int:
    return int(text.removeprefix("v"))


def _bytes(name: str) -> bytes:
    from storage.errors import Missing

    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise Missing(f"{name}: {error.strerror}.") from error


def _progress(items: list[str], what: str, quiet: bool) -> Iterable[str]:
    if quiet or len(items) < 2 or not sys.stderr.isatty():
        return items
    from tqdm import tqdm

    return tqdm(items, desc=what, unit="file", file=sys.stderr)


COMMANDS: dict[str, Any] = {
    function.__name__: function
    for function in (
        serve, init, ingest, labels, predict, check, backtest, status, versions, reproduce, promote, rollback, retrain,
        retry, accept, settings, export, report, doctor, backup, restore, forget, users, tokens, support,
    )
}  # fmt: skip


WITHOUT_MONITOR = (
    "serve", "init", "check", "backtest", "doctor", "backup", "restore", "users", "tokens", "support",
)  # fmt: skip


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="run.py",
        description="Watches live models: says when their data drifts, retrains when it pays, shows the evidence.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    made = {}
    for name, function in COMMANDS.items():
        made[name] = command = commands.add_parser(name, help=function.__doc__, description=function.__doc__)
        command.set_defaults(run=function)
        default = os.environ.get("DRIFT_DATA_DIR", "data")
        command.add_argument("--data-dir", type=Path, default=Path(default), metavar="DIR", help=f"default: {default}/")
        if name not in ("serve",):
            command.add_argument("--json", action="store_true", help="one JSON object a line on stdout")
        if name not in (
            "serve",
            "init",
            "check",
            "backtest",
            "doctor",
            "backup",
            "restore",
            "users",
            "tokens",
            "support",
        ):
            command.add_argument("--monitor", metavar="NAME", help="may be left out when there is one")
        if name in ("promote", "rollback", "retrain", "settings"):
            command.add_argument("--note", default="", help="why; kept with the decision")
    _own_options(made)
    return parser


def _own_options(made: dict[str, argparse.ArgumentParser]) -> None:
    """What only one command takes."""
    add = made["serve"].add_argument
    add("--host", default="127.0.0.1")
    add("--port", type=int, default=8050)
    add("--allow-host", action="append", default=[], metavar="NAME", help="a name that browsers call it by; repeatable")
    add("--behind-proxy", action="store_true", help="a proxy on this machine speaks TLS: Secure cookies, its addresses")
    add("--interval", type=float, default=5.0, metavar="SECONDS", help="between two looks (and two days of the demo)")
    add("--backup-hours", type=float, default=24.0, metavar="HOURS", help="between two backups; 0 makes none")
    add("--no-demo", action="store_true", help="without the worked example")
    add = made["init"].add_argument
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
    made["ingest"].add_argument("files", nargs="+", metavar="FILE")
    made["labels"].add_argument("file", metavar="FILE", help="id column and target")
    made["predict"].add_argument("file", metavar="FILE")
    made["predict"].add_argument("--out", metavar="FILE", help="write CSV here instead of to stdout")
    made["check"].add_argument("--reference", required=True, metavar="FILE")
    made["check"].add_argument("batches", nargs="+", metavar="BATCH")
    made["check"].add_argument("--target", metavar="COL", help="left out of the comparison")
    made["check"].add_argument(
        "--set", action="append", default=[], metavar="key=value", help="a setting, e.g. features.bmi.rule=ks"
    )
    add = made["backtest"].add_argument
    add("file", metavar="FILE")
    add("--target", required=True, metavar="COL")
    add("--time", metavar="COL", help="rows are taken in this order; default: file order")
    add("--train", type=int, metavar="N", help="rows of the first training set")
    add("--batch", type=int, metavar="N", help="rows of a batch")
    add(
        "--policy",
        action="append",
        metavar="POLICY",
        help="auto, never, always, window, every:K, usual or adwin; may be repeated",
    )
    add("--estimator", metavar="dotted.path")
    add("--set", action="append", default=[], metavar="key=value")
    made["promote"].add_argument("number", type=_number, metavar="N", help="version number")
    made["versions"].add_argument(
        "--at", metavar="DATE", help="what was live on this date (or at this moment), and why"
    )
    made["reproduce"].add_argument("number", type=_number, metavar="N", help="version number")
    made["retry"].add_argument("batch", type=int, metavar="BATCH")
    made["accept"].add_argument("batch", type=int, metavar="BATCH")
    made["settings"].add_argument("--set", action="append", default=[], metavar="key=value")
    add = made["report"].add_argument
    add("--last", type=int, metavar="N", help="newest scored batches; default: 120")
    add("--from", dest="start", default="", metavar="DATE", help="first day, of the data's own time")
    add("--to", dest="stop", default="", metavar="DATE", help="last day")
    add("--out", type=Path, metavar="FILE", help="default: NAME-report.html here")
    made["backup"].add_argument("--out", type=Path, metavar="FILE", help="default: backups/ in the data folder")
    made["support"].add_argument("--out", type=Path, metavar="FILE", help="default: drift-support.zip here")
    made["restore"].add_argument("backup", type=Path, metavar="BACKUP")
    made["forget"].add_argument("--batch", type=int, metavar="BATCH")
    for name in ("users", "tokens"):
        made[name].add_argument("action", choices=["add", "remove", "list"])
        made[name].add_argument("name", nargs="?", metavar="NAME")
        made[name].add_argument("--role", choices=["viewer", "operator"], default="viewer", help="default: viewer")
    made["forget"].add_argument("--id", action="append", metavar="ID", help="id of a row; may be repeated")


if __name__ == "__main__":
    sys.exit(main())
