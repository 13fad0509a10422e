"""till session: what the office's drawer sessions are, and what people decide about them. What is
expected in a drawer is not shown here: a count stays blind.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.app import CONFIG, ConfigOption, DateOption, JsonOption, known_window, session_app
from gateway.cli.shared import opened, tell
from gateway.clock import clock_from_env
from gateway.errors import UsageError
from gateway.office.decided import DECLARABLE
from gateway.terminal import printable

if TYPE_CHECKING:
    from gateway.config import Site
    from gateway.store.ledger import Ledger

REASON_CHARS_MAX = 200
Window = Annotated[str, typer.Argument(help="Which window, such as w1.")]
Amount = Annotated[str, typer.Argument(help="What was counted or is on the slip, such as 249.00.")]
By = Annotated[str, typer.Option("--by", help="Who decides: a person of till.toml.")]
Reason = Annotated[str, typer.Option("--reason", help="Why, in a few words; no customer's data.")]
WhyNot = Annotated[str, typer.Option("--reason", help="Why, if there is something to say.")]
Number = Annotated[
    int, typer.Option("--session", min=0, help="Which session of the day; 0: the last one.")
]


@session_app.command("list")
def list_(
    config: ConfigOption = CONFIG, date: DateOption = None, as_json: JsonOption = False
) -> None:
    """The drawer sessions of a day, with their states."""
    from gateway.business_day import local_time
    from gateway.day.prove import prove_window
    from gateway.reports.session_record import session_summary

    site, found = _site(config), []
    with opened(site) as ledger:
        business_date = _date(site, ledger, date)
        for window in site.config.windows:
            proofs = prove_window(ledger, site.config, window, business_date)
            found += [session_summary(each.reconciliation.session) for each in proofs]
    lines = [
        f"{each['window']} session {each['session']},"
        f" {_cashier(each['cashier'])}: {each['state'].replace('_', ' ')}, since"
        f" {local_time(each['started_ms'], site.zone)}, {each['counts']} counts,"
        f" {each['decisions']} decisions"
        for each in found
    ]
    text = "\n".join(lines or [f"no session on {business_date}"])
    tell(as_json, {"business_date": business_date, "sessions": found}, text)


@session_app.command()
def show(
    window: Window,
    number: Number = 0,
    config: ConfigOption = CONFIG,
    date: DateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Every count, declaration and decision of one session, with its time and its source."""
    from gateway.day.decide import session_of
    from gateway.reports.session_record import record_lines, session_record, session_summary

    site = _site(config)
    known_window(site, window)
    with opened(site) as ledger:
        session = session_of(ledger, site, window, _date(site, ledger, date), number).session
    result = {**session_summary(session), **session_record(session)}
    if as_json:
        print(json.dumps(result, indent=2))
        return
    state = session.state.replace("_", " ")
    print(f"{window} session {session.number}, {_cashier(session.cashier)}: {state}")
    for line in record_lines(result, site.zone):
        print(printable(f"  {line}"))


def _plain(kind: str, text: str) -> None:
    """A command that says nothing but what happens to the session."""

    def command(
        window: Window,
        by: By,
        reason: WhyNot = "",
        number: Number = 0,
        config: ConfigOption = CONFIG,
        date: DateOption = None,
        as_json: JsonOption = False,
    ) -> None:
        _decide(kind, window, by, reason, number, config, date, as_json)

    session_app.command(kind, help=text)(command)


_plain("suspend", "From now on nothing is expected to happen at the drawer: lunch, it is closed.")
_plain("resume", "The end of a suspension.")
_plain("end", "No payment is taken any more in this session; the closing count follows.")


@session_app.command()
def surprise(
    window: Window,
    by: By,
    amount: Annotated[
        str, typer.Argument(help="Counted by hand; left out: the machines count now.")
    ] = "",
    reason: WhyNot = "",
    number: Number = 0,
    config: ConfigOption = CONFIG,
    date: DateOption = None,
    as_json: JsonOption = False,
) -> None:
    """An unannounced count of the whole drawer by somebody else than its cashier."""
    content = {"cents": _cents(amount)} if amount else {}
    _decide("surprise", window, by, reason, number, config, date, as_json, content)


@session_app.command()
def declare(
    window: Window,
    tender: Annotated[str, typer.Argument(help=f"{', '.join(DECLARABLE)}.")],
    amount: Amount,
    by: By,
    reason: Reason,
    number: Number = 0,
    config: ConfigOption = CONFIG,
    date: DateOption = None,
    as_json: JsonOption = False,
) -> None:
    """The total of a tender by hand, in place of what was keyed or run on the tape."""
    if tender not in DECLARABLE:
        more = "; cash is counted: till session recount" if tender == "cash" else ""
        raise UsageError(f"declare: {tender!r} is not one of {', '.join(DECLARABLE)}{more}")
    content = {"tender": tender, "cents": _cents(amount), "source": "by hand"}
    _decide("declare", window, by, _why(reason), number, config, date, as_json, content)


@session_app.command()
def recount(
    window: Window,
    amount: Amount,
    by: By,
    reason: Reason,
    number: Number = 0,
    config: ConfigOption = CONFIG,
    date: DateOption = None,
    as_json: JsonOption = False,
) -> None:
    """The whole drawer counted by hand, in place of its last count, which stays listed. (A recount
    by machine is marked on the pad.)
    """
    content = {"cents": _cents(amount), "source": "by hand"}
    _decide("recount", window, by, _why(reason), number, config, date, as_json, content)


@session_app.command()
def stands(
    window: Window,
    closing: Annotated[int, typer.Argument(min=1, help="Which closing count, from 1.")],
    by: By,
    reason: Reason,
    number: Number = 0,
    config: ConfigOption = CONFIG,
    date: DateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Which closing count stands of a drawer that was closed twice; a supervisor says so."""
    _decide(
        "stands", window, by, _why(reason), number, config, date, as_json, closing=closing
    )  # fmt: skip


@session_app.command()
def reopen(
    window: Window,
    by: By,
    second: Annotated[str, typer.Option("--second", help="The second person.")],
    reason: Reason,
    number: Number = 0,
    config: ConfigOption = CONFIG,
    date: DateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Open a closed session again: two supervisors, neither of them a cashier of it. What was found
    before stays on the report.
    """
    _decide(
        "reopen", window, by, _why(reason), number, config, date, as_json, second=second
    )  # fmt: skip


def _decide(
    kind: str,
    window: str,
    by: str,
    reason: str,
    number: int,
    config: Path,
    date: str | None,
    as_json: bool,
    content: dict[str, Any] | None = None,
    **more: Any,
) -> None:
    from gateway.day.decide import Wanted, decide

    site = _site(config)
    known_window(site, window)
    _check_words(by, more.get("second", by), reason)
    with opened(site) as ledger:
        wanted = Wanted(
            kind, window, _date(site, ledger, date), by, number, reason=reason,
            content=content or {}, **more,
        )  # fmt: skip
        done = decide(ledger, site, wanted, clock_from_env().utc_ms())
    if done.refused is not None:
        raise done.refused
    result = {
        "decision": done.decision.id, "kind": kind, "window": window, "session": done.number,
        "business_date": wanted.business_date, "state": done.state,
    }  # fmt: skip
    state = done.state.replace("_", " ")
    text = f"{window} session {done.number} of {wanted.business_date}: {kind}, now {state}"
    tell(as_json, result, f"{text} (decision {done.decision.id})")


def _check_words(by: str, second: str, reason: str) -> None:
    from gateway.config import LOGIN
    from gateway.incoming.posted_text import holds_card_number

    for name in (by, second):
        if not LOGIN.fullmatch(name):
            raise UsageError(f"{name!r}: not a login name such as kim; --by names one of [people]")
    if len(reason) > REASON_CHARS_MAX or not reason.isprintable():
        raise UsageError(f"--reason: one line of at most {REASON_CHARS_MAX} characters")
    if holds_card_number(reason):
        raise UsageError("--reason: looks like a card number; say why without it")


def _why(reason: str) -> str:
    if not reason.strip():
        raise UsageError("--reason: empty; say why in a few words")
    return reason.strip()


def _cents(amount: str) -> int:
    from gateway.money import MoneyError, cents_from_text

    try:
        cents = cents_from_text(amount)
    except MoneyError as error:
        raise UsageError(f"amount: {error}") from error
    if cents < 0:
        raise UsageError(f"amount: {amount} is less than nothing")
    return cents


def _site(config: Path) -> Site:
    from gateway import config as configuration

    return configuration.load(config)


def _date(site: Site, ledger: Ledger, date: str | None) -> str:
    from gateway.business_day import day_bounds
    from gateway.day.prove import default_business_date

    if date is None:
        return default_business_date(ledger, site.zone, clock_from_env().utc_ms())
    day_bounds(date, site.zone)
    return date


def _cashier(number: int | None) -> str:
    return "nobody signed on" if number is None else f"cashier {number}"
