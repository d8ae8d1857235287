"""The command line: the table of commands, and the two that need the dashboard; the others lie in ``pipeline/cli``.

Heavy modules are imported by the command that needs them, so that ``--help`` answers at once.
"""

from __future__ import annotations

import argparse
import io
import os
import signal
import sys
from pathlib import Path

from pipeline.cli import accounts, deliveries, files, folder, monitors, say, versions
from pipeline.cli.command import Command
from pipeline.cli.parser import parsed
from storage.errors import ProductError


def serve(options: argparse.Namespace) -> int:
    """Bring up the dashboard and the jobs."""
    from dashboard.server import Reached
    from dashboard.server import serve as serve_forever

    signal.signal(signal.SIGTERM, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    reached = Reached(options.host, options.port, tuple(options.allow_host), options.behind_proxy)
    return serve_forever(options.data_dir, reached, options.interval, not options.no_demo, options.backup_hours)


def _serve(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--host", default="127.0.0.1")
    add("--port", type=int, default=8050)
    add("--allow-host", action="append", default=[], metavar="NAME", help="a name that browsers call it by; repeatable")
    add("--behind-proxy", action="store_true", help="a proxy on this machine speaks TLS: Secure cookies, its addresses")
    add("--interval", type=float, default=5.0, metavar="SECONDS", help="between two looks (and two days of the demo)")
    add("--backup-hours", type=float, default=24.0, metavar="HOURS", help="between two backups; 0 makes none")
    add("--no-demo", action="store_true", help="without the worked example")


def report(options: argparse.Namespace) -> None:
    """A report of a monitor for a range, as one HTML file."""
    from dashboard.panels import report as made
    from pipeline.views import reading

    with reading(options.data_dir) as service:
        name = service.the_monitor(options.monitor).name
        page = made.html(service, name, last=options.last, start=options.start, stop=options.stop)
    out = options.out or Path(f"{name}-report.html")
    out.write_text(page, encoding="utf-8")
    say.line({"report": str(out)}) if options.json else print(f"Report: {out}")


def _report(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--last", type=int, metavar="N", help="newest scored batches; default: 120")
    add("--from", dest="start", default="", metavar="DATE", help="first day, of the data's own time")
    add("--to", dest="stop", default="", metavar="DATE", help="last day")
    add("--out", type=Path, metavar="FILE", help="default: NAME-report.html here")


COMMANDS: dict[str, Command] = {
    "serve": Command(serve, _serve, monitor=False, json=False),
    "init": monitors.INIT,
    "ingest": deliveries.INGEST,
    "labels": deliveries.LABELS,
    "predict": deliveries.PREDICT,
    "check": files.CHECK,
    "backtest": files.BACKTEST,
    "status": monitors.STATUS,
    "versions": versions.VERSIONS,
    "reproduce": versions.REPRODUCE,
    "promote": versions.PROMOTE,
    "rollback": versions.ROLLBACK,
    "retrain": versions.RETRAIN,
    "retry": deliveries.RETRY,
    "accept": deliveries.ACCEPT,
    "settings": monitors.SETTINGS,
    "export": monitors.EXPORT,
    "report": Command(report, _report),
    "doctor": folder.DOCTOR,
    "backup": folder.BACKUP,
    "restore": folder.RESTORE,
    "forget": folder.FORGET,
    "users": accounts.USERS,
    "tokens": accounts.TOKENS,
    "support": folder.SUPPORT,
}


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit status: 0 done, 1 failed, 2 wrong usage."""
    for stream in (sys.stdout, sys.stderr):  # a name may hold what the terminal's encoding does not
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    options = parsed(COMMANDS, sys.argv[1:] if arguments is None else arguments)
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


if __name__ == "__main__":
    sys.exit(main())
