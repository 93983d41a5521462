"""Lays out what was used: as a table, CSV or JSON. Pure."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from core.limits.quota_words import render_dollars
from core.limits.quotas import from_nanos
from core.store.base import Grouping, Totals, UsageLine

_NAMES: Mapping[Grouping, tuple[str, ...]] = {
    Grouping.DAY: ("day",),
    Grouping.MODEL: ("model",),
    Grouping.USER: ("platform", "user_name", "user_id"),
    Grouping.CHANNEL: ("platform", "workspace", "channel"),
    Grouping.PLATFORM: ("platform",),
}
_NUMBERS = (
    "questions",
    "refused",
    "failed",
    "input_tokens",
    "cached_tokens",
    "output_tokens",
    "estimated",
    "cost_usd",
    "unknown_costs",
    "first_text_seconds",
    "answer_seconds",
)
_FORMULAS = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What makes a cell a formula, in full width, too."""
_NO_MODEL = "(none)"
_KINDS = {"answer": "", "summary": " (summaries)", "attempt": " (other attempts)"}


@dataclass(frozen=True, slots=True)
class Report:
    """What was used from a time until another one, in lines of a grouping."""

    by: Grouping
    since: datetime
    until: datetime
    lines: Sequence[UsageLine]
    total: Totals


def render_json(report: Report) -> str:
    """Give an object with `lines` and `total`. What is unknown is null; money is text, and exact."""
    names = _find_names(report)
    told = {
        "by": report.by.value,
        "since": report.since.isoformat(),
        "until": report.until.isoformat(),
        "lines": [_name(line, names) | _measure(line.totals) for line in report.lines],
        "total": _measure(report.total),
    }
    return json.dumps(told, indent=2, ensure_ascii=False)


def render_csv(report: Report) -> str:
    """Give a line for each line, without the total. What is unknown is empty."""
    names = _find_names(report)
    out = io.StringIO()
    writer = csv.DictWriter(out, (*names, *_NUMBERS), lineterminator="\n")
    writer.writeheader()
    for line in report.lines:
        named = {name: _defuse(text) for name, text in _name(line, names).items()}
        writer.writerow(named | _measure(line.totals))
    return out.getvalue().rstrip("\n")


def _defuse(text: str) -> str:
    """Keep a name that people chose from being a formula in a spreadsheet."""
    is_formula = text.lstrip().startswith(_FORMULAS) or text.startswith(("\t", "\r", "\n"))
    return f"'{text}" if is_formula else text


def render_table(report: Report) -> str:
    """Give a table for people, with the total below."""
    period = (
        f"{report.since:%Y-%m-%d %H:%M} to {report.until:%Y-%m-%d %H:%M} {report.until.tzname()}"
    )
    if not report.lines:
        return f"Nothing was asked from {period}."
    head = [
        report.by.value, "questions", "refused", "failed", "input", "cached", "output", "cost",
        "first text", "answer",
    ]  # fmt: skip
    rows = [[_label(line), *_line_cells(line)] for line in report.lines]
    total = ["total", *_cells(report.total)]
    widths = [max(map(len, column)) for column in zip(head, *rows, total, strict=True)]
    rule = "─" * (sum(widths) + 2 * (len(widths) - 1))
    table = [_lay(head, widths), rule, *(_lay(row, widths) for row in rows), rule]
    return "\n".join(
        (f"Used from {period}", "", *table, _lay(total, widths), *_remarks(report.total))
    )


def _lay(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = zip(cells, widths, strict=True)
    return "  ".join(
        (first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others))
    ).rstrip()


def _line_cells(line: UsageLine) -> list[str]:
    cells = _cells(line.totals)
    return cells if line.kind == "answer" else ["-", "-", "-", *cells[3:]]


def _cells(totals: Totals) -> list[str]:
    counts = (totals.questions, totals.rejected, totals.failed)
    sign = "~" if totals.estimated else ""
    tokens = (totals.input_tokens, totals.cached_tokens, totals.output_tokens)
    return [
        *(f"{count:,}" for count in counts),
        *(f"{sign}{count:,}" for count in tokens),
        _render_cost(totals),
        _render_mean(totals.first_text_ms, totals.first_timed),
        _render_mean(totals.answer_ms, totals.timed),
    ]


def _render_cost(totals: Totals) -> str:
    if not totals.unknown_costs:
        return render_dollars(totals.cost_nanos)
    if not totals.known_costs:
        return "unknown"
    return f"{render_dollars(totals.cost_nanos)} + unknown"


def _render_mean(total_ms: int, count: int) -> str:
    return f"{total_ms / count / 1000:.1f} s" if count else "-"


def _remarks(total: Totals) -> list[str]:
    remarks: list[str] = []
    if count := total.unknown_costs:
        told = "1 request costs" if count == 1 else f"{count:,} requests cost"
        remarks.append(
            f"{told} an unknown amount, which is not in the sums: docs/usage.md says why."
        )
    if count := total.estimated:
        told = "1 request" if count == 1 else f"{count:,} requests"
        remarks.append(
            f"~ holds tokens of {told} that are estimated, since the provider told none."
        )
    return ["", *remarks] if remarks else []


def _label(line: UsageLine) -> str:
    text = line.day or line.model
    if line.user_id:
        text = f"{line.user_name or '?'} ({line.platform}:{line.user_id})"
    elif line.channel:
        text = f"{line.platform}:{line.workspace}/{line.channel}"
    elif line.platform:
        text = line.platform
    shown = "".join(char if char.isprintable() else "?" for char in text) or _NO_MODEL
    return shown + _KINDS[line.kind]


def _find_names(report: Report) -> tuple[str, ...]:
    return (*_NAMES[report.by], "kind")


def _name(line: UsageLine, names: Sequence[str]) -> dict[str, str]:
    return {name: getattr(line, name) for name in names}


def _measure(totals: Totals) -> dict[str, int | float | str | None]:
    is_known = totals.known_costs or not totals.unknown_costs
    return {
        "questions": totals.questions,
        "refused": totals.rejected,
        "failed": totals.failed,
        "input_tokens": totals.input_tokens,
        "cached_tokens": totals.cached_tokens,
        "output_tokens": totals.output_tokens,
        "estimated": totals.estimated,
        "cost_usd": f"{from_nanos(totals.cost_nanos):f}" if is_known else None,
        "unknown_costs": totals.unknown_costs,
        "first_text_seconds": _mean(totals.first_text_ms, totals.first_timed),
        "answer_seconds": _mean(totals.answer_ms, totals.timed),
    }


def _mean(total_ms: int, count: int) -> float | None:
    return round(total_ms / count / 1000, 3) if count else None
