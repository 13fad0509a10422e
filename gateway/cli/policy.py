"""till policy: the rules of the office that are in force, and whether a file of them is good."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.cli.app import CONFIG, ConfigOption, JsonOption, app
from gateway.clock import clock_from_env
from gateway.errors import ConfigError
from gateway.policy_file import OF_THE_SITE
from gateway.terminal import printable


@app.command()
def policy(
    config: ConfigOption = CONFIG,
    check: Annotated[
        Path | None,
        typer.Option(readable=False, help="Try a policy.toml and say what it changes; no site."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show the rules of the office that are in force, or try a file of them."""
    if check is not None:
        _tell_differences(check, as_json)
        return
    from gateway import config as configuration
    from gateway.business_day import local_date
    from gateway.reports.policy_words import policy_report

    site = configuration.load(config)
    today = datetime.date.fromisoformat(local_date(clock_from_env().utc_ms(), site.zone))
    report = policy_report(site, today)
    if as_json:
        print(json.dumps(report, indent=2, ensure_ascii=False))
    else:
        _show(site, report)


def _tell_differences(path: Path, as_json: bool) -> None:
    from gateway.policy_file import read_policy
    from gateway.reports.policy_words import differences

    if not path.exists():
        raise ConfigError(f"{path}: no such file; name the policy.toml to try")
    found = differences(read_policy(path))
    if as_json:
        print(json.dumps({"file": str(path), "differs": found}, indent=2, ensure_ascii=False))
        return
    told = _differences(found)
    for line in told:
        print(printable(f"  {line}"))
    count = f"{len(told)} values differ" if len(told) != 1 else "1 value differs"
    print(printable(f"✓ {path}: good; {count} from what ships"))


def _differences(found: list[dict[str, Any]]) -> list[str]:
    """Each in a line; that the site is its source goes without saying."""
    return [
        f"{each['key']}: {_told(each['shipped'])} -> {_told(each['here'])}"
        for each in found
        if each["here"] != OF_THE_SITE
    ]


def _told(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return "none" if value is None or value == "" else str(value)


def _show(site: Any, report: dict[str, Any]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from gateway.reports.policy_words import deadline_words, figures_of
    from gateway.reports.whole_table import print_whole

    rules = site.config.policy
    table = Table(title="Rules of the office", box=box.SIMPLE_HEAD)
    table.add_column("rule", no_wrap=True)
    table.add_column("what it wants")
    table.add_column("severity", no_wrap=True)
    table.add_column("figures")
    table.add_column("on the report")
    table.add_column("source")
    for each in report["rules"]:
        looked_at = "no: it is off" if each["severity"] == "off" else each["looked_at"]
        cells = (
            each["title"], each["severity"], figures_of(rules, each["rule"]), looked_at,
            each["source"],
        )  # fmt: skip
        table.add_row(each["rule"], *(Text(printable(cell)) for cell in cells))
    print_whole(table, Console())
    rounding = rules.rounding
    nickel = f"to a nickel, account {rounding.account}" if rounding.cash == "nickel" else "none"
    closed = ", ".join(f"{each['date']} ({each['why']})" for each in report["next_closed"])
    lines = [
        f"deposit   {rules.R17.profile}: {deadline_words(rules.deposit_deadline)}",
        f"cut-off   {report['cut_off']} {report['zone']}",
        f"closed    {', '.join(rules.calendar.weekend) or 'no weekday'}; next {closed or 'none'}",
        f"rounding  {nickel}",
        f"file      {report['file'] or 'none: what ships is in force'}",
        f"differs   {'; '.join(_differences(report['differs'])) or 'in nothing'}",
        f"sha256    {report['sha256']}",
    ]
    print(printable("\n".join(lines), keep="\n"))
