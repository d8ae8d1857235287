"""What a person may do: each act asks once, says what will happen, is done by the service, and answers in a sentence.

A new act is a row in ``VERBS``; any page shows its button with ``parts.action``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dash import ALL, ClientsideFunction, Dash, Input, Output, State, ctx, html, no_update, set_props

from dashboard import actor, forms, parts, say, service
from dashboard.panels import replays
from storage import history
from storage.errors import Missing, ProductError

if TYPE_CHECKING:
    from pipeline.service import Service
    from storage.settings import AlertSettings


@dataclass(frozen=True)
class Verb:
    """One act: the question, the word on its button, and how it is done.

    ``text`` and ``do`` take (service, monitor, argument) and ``do`` a note besides; ``do`` returns what to say after.
    """

    title: Callable[[str], str]
    confirm: str
    text: Callable[[Service, str, str], str]
    do: Callable[[Service, str, str, str], str]


def _champion(serving: Service, monitor: str) -> str:
    owner = history.monitor(serving.db, monitor)
    return f"v{history.version(serving.db, owner.champion).number}" if owner.champion else "no version"


def _promote(serving: Service, monitor: str, number: str, note: str) -> str:
    serving.promote(monitor, int(number), note, actor().name)
    return f"v{number} is the champion now. The next batch is predicted by it."


def _refuse(serving: Service, monitor: str, number: str, note: str) -> str:
    serving.refuse(monitor, int(number), note, actor().name)
    return f"v{number} was refused; {_champion(serving, monitor)} stays."


def _rollback(serving: Service, monitor: str, _: str, note: str) -> str:
    return f"Rolled back: v{serving.rollback(monitor, note, actor().name)} is the champion again."


def _retrain(serving: Service, monitor: str, _: str, note: str) -> str:
    serving.retrain(monitor, note, actor().name)
    return "The training is queued. Its progress is shown on the summary and the models page."


def _pin(serving: Service, monitor: str, argument: str, note: str) -> str:
    number, wanted = argument.split(":")
    serving.pin(monitor, int(number), wanted == "on", note, actor().name)
    return f"v{number} is {'kept for good' if wanted == 'on' else 'no longer pinned'}."


def _retry(serving: Service, monitor: str, batch: str, note: str) -> str:
    serving.retry(int(batch), note, actor().name)
    return f"Batch #{batch} is on its way again."


def _accept(serving: Service, monitor: str, batch: str, note: str) -> str:
    serving.accept(int(batch), note, actor().name)
    return f"Batch #{batch} was accepted as it is."


def _discard(serving: Service, monitor: str, batches: str, note: str) -> str:
    """One batch, or several with commas between them."""
    for batch in batches.split(","):
        serving.discard(int(batch), note, actor().name)
    return f"{_named(batches)} stay{'' if ',' in batches else 's'} in quarantine for good."


def _use_settings(serving: Service, monitor: str, argument: str, note: str) -> str:
    chosen = _of_run(serving, argument)
    text = f"From backtest #{argument.partition(':')[0]}. {note}".strip()
    serving.change_settings(monitor, chosen, text, actor().name)
    return f"Saved: {replays.words(chosen)}."


def _of_run(serving: Service, argument: str) -> dict[str, Any]:
    """The settings of one run of a backtest."""
    run, number = argument.split(":")
    return replays.assignments(history.backtest(serving.db, int(run)), int(number))


def _restore_settings(serving: Service, monitor: str, row: str, note: str) -> str:
    owner = history.monitor(serving.db, monitor)
    held = next((item for item in history.settings_history(serving.db, owner.id) if item.id == int(row)), None)
    if held is None:
        raise Missing(f"There are no settings #{row} of {monitor}.")
    text = f"Back to the settings of {say.clock(held.created_at)}. {note}".strip()
    serving.change_settings(monitor, forms.back_to(held.data), text, actor().name)
    return f"The settings of {say.clock(held.created_at)} are in force again."


def _alert_of(serving: Service, monitor: str, at: str) -> AlertSettings:
    held = history.settings_in_force(serving.db, history.monitor(serving.db, monitor).id).alerts
    if int(at) >= len(held):
        raise Missing("This alert channel is not there any more.")
    return held[int(at)]


def _test_alert(serving: Service, monitor: str, at: str, note: str) -> str:
    item = _alert_of(serving, monitor, at)
    serving.test_alert(monitor, item.channel, item.options, actor().name)
    return f"A test was sent by {item.channel}."


def _remove_alert(serving: Service, monitor: str, at: str, note: str) -> str:
    item = _alert_of(serving, monitor, at)
    held = history.settings_in_force(serving.db, history.monitor(serving.db, monitor).id).alerts
    rest = [other.model_dump(mode="json") for number, other in enumerate(held) if number != int(at)]
    serving.change_settings(
        monitor, {"alerts": rest}, f"Alerts by {item.channel} removed. {note}".strip(), actor().name
    )
    return f"No more alerts by {item.channel}."


def _remove_backtest(serving: Service, monitor: str, run: str, note: str) -> str:
    serving.remove_backtest(int(run), actor().name)
    return f"Backtest #{run} is removed."


def _named(batches: str) -> str:
    return f"{batches.count(',') + 1} batches" if "," in batches else f"Batch #{batches}"


VERBS: dict[str, Verb] = {
    "promote": Verb(
        lambda number: f"Make v{number} the champion?",
        "Promote",
        lambda serving, monitor, number: (
            f"From the next batch on v{number} predicts in place of "
            f"{_champion(serving, monitor)}, and batches are compared with v{number}'s training data. "
            "Its file is checked against its hash first. You can roll back at any time."
        ),
        _promote,
    ),
    "refuse": Verb(
        lambda number: f"Refuse v{number}?",
        "Refuse",
        lambda serving, monitor, number: f"v{number} is marked as rejected and {_champion(serving, monitor)} goes on.",
        _refuse,
    ),
    "rollback": Verb(
        lambda _: "Go back to the previous champion?",
        "Roll back",
        lambda serving, monitor, _: (
            f"{_champion(serving, monitor)} leaves at once and the champion before it predicts from the next batch on."
        ),
        _rollback,
    ),
    "retrain": Verb(
        lambda _: "Train now?",
        "Train",
        lambda serving, monitor, _: (
            "Candidates are fitted on several training sets in a process of their own and "
            f"judged on the newest labelled rows. One replaces {_champion(serving, monitor)} only if it is better by "
            "more than noise."
        ),
        _retrain,
    ),
    "pin": Verb(
        lambda argument: f"{'Keep' if argument.endswith(':on') else 'No longer keep'} v{argument.split(':')[0]}?",
        "Pin",
        lambda serving, monitor, argument: (
            "A pinned version is never removed by retention."
            if argument.endswith(":on")
            else "Retention may remove this version when it is old."
        ),
        _pin,
    ),
    "use_settings": Verb(
        lambda argument: f"Use these settings of backtest #{argument.partition(':')[0]}?",
        "Use them",
        lambda serving, monitor, argument: (
            f"{replays.words(_of_run(serving, argument))}: in force from the next batch on. "
            "The change is a line of the settings' history and can be undone there."
        ),
        _use_settings,
    ),
    "restore_settings": Verb(
        lambda _: "Go back to these settings?",
        "Go back",
        lambda serving, monitor, row: (
            "They come into force as a new change; nothing of the history of settings is lost. If a threshold differs, "
            "the stored batches are scored again."
        ),
        _restore_settings,
    ),
    "test_alert": Verb(
        lambda _: "Send a test?",
        "Send",
        lambda serving, monitor, at: (
            f"A message marked as a test goes out by {_alert_of(serving, monitor, at).channel} now."
        ),
        _test_alert,
    ),
    "remove_alert": Verb(
        lambda _: "Remove this alert channel?",
        "Remove",
        lambda serving, monitor, at: f"Nothing is sent by {_alert_of(serving, monitor, at).channel} from here on.",
        _remove_alert,
    ),
    "remove_backtest": Verb(
        lambda run: f"Remove backtest #{run}?",
        "Remove",
        lambda serving, monitor, run: "Its result is forgotten, and if it still runs, it ends unheard.",
        _remove_backtest,
    ),
    "retry": Verb(
        lambda batch: f"Try batch #{batch} again?",
        "Try again",
        lambda serving, monitor, batch: (
            "The stored bytes are read once more from the beginning, with the settings in force now."
        ),
        _retry,
    ),
    "accept": Verb(
        lambda batch: f"Accept batch #{batch}?",
        "Accept",
        lambda serving, monitor, batch: (
            "You say that these data are right although they look broken: the batch counts, "
            "and models may learn from it."
        ),
        _accept,
    ),
    "discard": Verb(
        lambda batches: f"{_named(batches)}: leave for good?",
        "Leave it",
        lambda serving, monitor, batch: (
            "The batch stays in quarantine, its bytes are kept, and it asks for nobody any more."
        ),
        _discard,
    ),
}


def tell(text: str, tone: str = "ok") -> None:
    """Show a message in the corner of the page."""
    set_props("toasts", {"children": parts.toast(text, tone)})


def register(app: Dash) -> None:
    """Let an application ask and answer. (Not by decorators: two applications may live in one process.)"""
    buttons = {"type": "verb", "verb": ALL, "monitor": ALL, "argument": ALL}
    app.clientside_callback(
        ClientsideFunction("drift", "verb"),
        Output("pressed-verb", "data"),
        Input(buttons, "n_clicks"),
        prevent_initial_call=True,
    )
    app.callback(
        Output("verb-dialog", "is_open"),
        Output("asked-verb", "data"),
        Output("verb-title", "children"),
        Output("verb-text", "children"),
        Output("verb-confirm", "children"),
        Output("verb-note", "value"),
        Output("verb-error", "children"),
        Input("pressed-verb", "data"),
        prevent_initial_call=True,
    )(ask)
    app.callback(
        Output("verb-dialog", "is_open", allow_duplicate=True),
        Output("verb-error", "children", allow_duplicate=True),
        Input("verb-confirm", "n_clicks"),
        Input("verb-cancel", "n_clicks"),
        State("asked-verb", "data"),
        State("verb-note", "value"),
        prevent_initial_call=True,
    )(answer)


def ask(asked: dict[str, Any] | None) -> Any:
    """Open the dialog for the button that was pressed."""
    if not asked:
        return (no_update,) * 7
    verb = VERBS[asked["verb"]]
    text = verb.text(service(), asked["monitor"], asked["argument"])
    return True, asked, verb.title(asked["argument"]), html.P(text), verb.confirm, "", ""


def answer(confirmed: int, cancelled: int, asked: dict[str, str] | None, note: str | None) -> Any:
    """Do what was asked, or not."""
    if ctx.triggered_id == "verb-cancel" or not asked:
        return False, ""
    try:
        said = VERBS[asked["verb"]].do(service(), asked["monitor"], asked["argument"], (note or "").strip())
    except ProductError as error:
        return no_update, str(error)
    tell(said)
    return False, ""
