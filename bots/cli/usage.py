"""`skein usage`: what was asked, and what it took. Works beside a running `skein run`."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from contextlib import suppress
from datetime import MAXYEAR, UTC, date, datetime, timedelta, tzinfo
from functools import reduce
from typing import Any

from bots.cli.usage_report import Report, render_csv, render_json, render_table
from core.app import find_backend
from core.errors import SettingsError
from core.limits.quotas import Period, find_begin, find_end
from core.settings import load_settings
from core.store.base import Grouping, Store, Totals, add_totals

_FORMATS: dict[str, Callable[[Report], str]] = {
    "table": render_table,
    "csv": render_csv,
    "json": render_json,
}
_DAYS = re.compile(r"(\d{1,4})d")
_FIRST_YEAR = 1970


def add_parser(commands: argparse._SubParsersAction[Any]) -> None:  # pyright: ignore[reportPrivateUsage]
    """Add `skein usage`."""
    parser = commands.add_parser("usage", help="say what was asked, and what it took and cost")
    parser.add_argument(
        "--by",
        choices=[str(each) for each in Grouping],
        default=str(Grouping.DAY),
        metavar="WHAT",
        help=f"sum up by {', '.join(Grouping)}; day by default",
    )
    parser.add_argument(
        "--since",
        type=parse_day,
        metavar="DATE",
        help="from the beginning of a day: 2026-01-31, or 7d for the last 7 days; else of this month",
    )
    parser.add_argument(
        "--until", type=parse_day, metavar="DATE", help="to the end of a day; else to now"
    )
    parser.add_argument(
        "--format", choices=list(_FORMATS), default="table", help="how to lay it out"
    )
    parser.set_defaults(run=run)


def parse_day(text: str) -> date | int:
    """Read a date, or how many days ago it was. Raises ArgumentTypeError."""
    if days := _DAYS.fullmatch(text):
        return int(days[1])
    with suppress(ValueError):
        day = date.fromisoformat(text)
        if _FIRST_YEAR <= day.year < MAXYEAR:  # so that the day before and after is one, too
            return day
    raise argparse.ArgumentTypeError(f"{text!r} is no day: write 2026-01-31, or 7d for 7 days ago")


async def run(options: argparse.Namespace) -> int:
    """Print the report."""
    settings = load_settings()
    zone = settings.zone
    now = datetime.now(UTC)
    since = find_begin(Period.MONTH, now, zone)
    until = now
    if options.since is not None:
        since = find_begin(Period.DAY, _find_noon(options.since, now, zone), zone)
    if options.until is not None:
        until = find_end(Period.DAY, _find_noon(options.until, now, zone), zone)
    if since >= until:
        mend = "Begin in the past, and on the last day at the latest."
        raise SettingsError("--since", f"{since:%Y-%m-%d} is not before {until:%Y-%m-%d}", mend)
    url = settings.database_url
    async with find_backend(url).open_store(url) as store:
        report = await load_report(store, Grouping(options.by), since, until, zone)
    print(_FORMATS[options.format](report))
    return 0


def _find_noon(day: date | int, now: datetime, zone: tzinfo) -> datetime:
    """Give a moment that is surely within a day, wherever clocks are changed."""
    if isinstance(day, int):
        day = now.astimezone(zone).date() - timedelta(days=day)
    return datetime(day.year, day.month, day.day, 12, tzinfo=zone)


async def load_report(
    store: Store, by: Grouping, since: datetime, until: datetime, zone: tzinfo
) -> Report:
    """Read what was used. The dearest comes first, but for days."""
    lines = await store.load_usage(by, since, until, zone)
    if by is not Grouping.DAY:
        lines = sorted(lines, key=lambda line: _weigh(line.totals), reverse=True)
    total = reduce(add_totals, (line.totals for line in lines), Totals())
    return Report(by, since.astimezone(zone), until.astimezone(zone), lines, total)


def _weigh(totals: Totals) -> tuple[int, int, int]:
    return totals.cost_nanos, totals.input_tokens + totals.output_tokens, totals.questions
