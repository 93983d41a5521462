"""`skein usage`: what the operator sees."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from argparse import ArgumentTypeError
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from blockbuster import BlockBuster

from bots.__main__ import main
from bots.cli.usage import parse_day
from bots.cli.usage_report import Report, render_csv, render_json, render_table
from core.conversation import Usage
from core.store.base import Grouping, Totals, UsageLine, add_totals
from tests.core.store.values import ask, open_url, start

SINCE, UNTIL = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)
KNOWN = Totals(
    questions=2, input_tokens=1200, output_tokens=30, cost_nanos=1_500_000_000, known_costs=2,
    first_text_ms=500, first_timed=2, answer_ms=4000, timed=2,
)  # fmt: skip
UNKNOWN = Totals(questions=1, unknown_costs=1)
MIXED = Totals(questions=3, estimated=1, cost_nanos=1_500_000_000, known_costs=2, unknown_costs=1)


def report(totals: Totals, by: Grouping = Grouping.USER, **named: Any) -> Report:
    line = UsageLine(**named, totals=totals)
    return Report(by, SINCE, UNTIL, [line], totals)


@pytest.fixture
def used_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    url = f"sqlite:///{tmp_path}/skein.db"

    async def fill() -> None:
        async with open_url(url) as store:
            turn = await start(store, ask(1))
            await store.save_reply(turn, "answer", "openai/x", Usage(10, 5, cost=Decimal("0.02")))
            await store.finish(turn)

    asyncio.run(fill())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", url)
    return url


class TestTable:
    def test_people_are_named(self) -> None:
        table = render_table(report(KNOWN, platform="slack", user_id="U1", user_name="Ada"))
        assert "Ada (slack:U1)" in table
        assert "$1.50" in table
        assert "0.2 s" in table or "0.3 s" in table
        assert "1,200" in table

    def test_unknown_cost_is_unknown_and_not_nothing(self) -> None:
        table = render_table(report(UNKNOWN, Grouping.MODEL, model="openai/x"))
        assert "unknown" in table
        assert "$0.00" not in table

    def test_sum_says_what_it_lacks(self) -> None:
        table = render_table(report(MIXED, Grouping.MODEL, model="openai/x"))
        assert "$1.50 + unknown" in table
        assert "1 request costs an unknown amount" in table
        assert "~ holds tokens of 1 request that are estimated" in table

    def test_what_is_paid_for_beside_answers_has_lines_of_its_own_in_the_sum(self) -> None:
        answers = UsageLine(model="openai/x", totals=KNOWN)
        summaries = UsageLine("summary", model="openai/x", totals=replace(KNOWN, questions=0))
        total = add_totals(answers.totals, summaries.totals)
        table = render_table(Report(Grouping.MODEL, SINCE, UNTIL, [answers, summaries], total))
        [line] = [line for line in table.splitlines() if "(summaries)" in line]
        assert line.split()[:5] == ["openai/x", "(summaries)", "-", "-", "-"]
        assert "$3.00" in table.splitlines()[-1]

    def test_lines_are_as_wide_as_their_head(self) -> None:
        lines = render_table(report(KNOWN, Grouping.DAY, day="2026-01-02")).splitlines()[2:]
        assert len({len(line) for line in lines}) == 1

    def test_name_that_people_chose_cannot_steer_the_terminal(self) -> None:
        named: dict[str, Any] = {"platform": "slack", "user_id": "U1", "user_name": "\x1b[2JAda"}
        assert "\x1b" not in render_table(report(KNOWN, **named))

    def test_nothing_is_said_in_words(self) -> None:
        assert "Nothing was asked" in render_table(Report(Grouping.DAY, SINCE, UNTIL, [], Totals()))


class TestForPrograms:
    def test_json_has_exact_money_as_text_and_null_for_unknown(self) -> None:
        told = json.loads(render_json(report(KNOWN, Grouping.MODEL, model="openai/x")))
        assert told["lines"][0]["cost_usd"] == "1.500000000"
        assert told["total"]["questions"] == 2
        told = json.loads(render_json(report(UNKNOWN, Grouping.MODEL, model="openai/x")))
        assert told["lines"][0]["cost_usd"] is None
        assert told["lines"][0]["unknown_costs"] == 1

    def test_csv_is_read_by_others(self) -> None:
        text = render_csv(report(UNKNOWN, platform="slack", user_id="U1", user_name='A, "B"'))
        [row] = csv.DictReader(io.StringIO(text))
        assert (row["user_name"], row["cost_usd"], row["questions"]) == ('A, "B"', "", "1")

    @pytest.mark.parametrize(
        "name", ["=1+1", "+1", "-1", "@SUM(A1)", " =1+1", "\t1", "\n1", "\uff1d1"]
    )
    def test_name_is_no_formula_in_a_spreadsheet(self, name: str) -> None:
        text = render_csv(report(KNOWN, platform="slack", user_id="U1", user_name=name))
        [row] = csv.DictReader(io.StringIO(text))
        assert row["user_name"] == f"'{name}"

    def test_kind_of_a_line_is_told(self) -> None:
        line = UsageLine("summary", model="m", totals=KNOWN)
        told = Report(Grouping.MODEL, SINCE, UNTIL, [line], KNOWN)
        [row] = csv.DictReader(io.StringIO(render_csv(told)))
        assert row["kind"] == json.loads(render_json(told))["lines"][0]["kind"] == "summary"


@pytest.mark.parametrize("by", list(Grouping))
@pytest.mark.parametrize("kind", ["table", "csv", "json"])
def test_every_report_of_a_real_database_is_laid_out(
    by: Grouping,
    kind: str,
    used_database: str,
    capsys: pytest.CaptureFixture[str],
    no_blocking_calls: BlockBuster,
) -> None:
    no_blocking_calls.deactivate()  # the settings are read before anything else runs
    assert main(["usage", "--by", by, "--format", kind, "--since", "1d"]) == 0
    told = capsys.readouterr().out
    assert "0.02" in told


def test_day_is_a_date_or_so_many_days_ago() -> None:
    assert str(parse_day("2026-01-31")) == "2026-01-31"
    assert parse_day("7d") == 7
    for beyond in ("0001-01-01", "9999-12-31"):
        with pytest.raises(ArgumentTypeError, match="is no day"):
            parse_day(beyond)


@pytest.mark.parametrize(
    "days", [("2030-01-01", "2026-01-01"), ("2999-01-01",), ("2026-02-01", "2026-01-31")]
)
def test_time_that_ends_before_it_begins_is_refused(
    days: tuple[str, ...],
    used_database: str,
    capsys: pytest.CaptureFixture[str],
    no_blocking_calls: BlockBuster,
) -> None:
    no_blocking_calls.deactivate()
    options = [part for pair in zip(("--since", "--until"), days, strict=False) for part in pair]
    assert main(["usage", *options]) == 2
    assert "is not before" in capsys.readouterr().err


def test_wrong_day_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["usage", "--since", "yesterday"])
    assert "write 2026-01-31, or 7d" in capsys.readouterr().err
