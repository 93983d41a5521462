"""A long answer: where it is cut, and what its file has."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bots.answer_file import file_answer, find_beginning

PROSE = "\n\n".join(f"Paragraph {number}. " + "word " * 20 for number in range(40))
CODE = "\n".join(f"print({number})" for number in range(300))


def test_answer_that_is_short_enough_stays_as_it_is() -> None:
    assert find_beginning("short", 100) == "short"
    assert file_answer("short", 100) is None


def test_answer_that_leaves_a_small_rest_is_shown_whole() -> None:
    assert file_answer(PROSE[:1200], 1000) is None


def test_zero_means_never() -> None:
    assert find_beginning(PROSE, 0) == PROSE
    assert file_answer(PROSE, 0) is None


def test_prose_is_cut_between_paragraphs_and_is_whole_in_the_file() -> None:
    filed = file_answer(PROSE, 1000)
    assert filed is not None
    beginning, pointer = filed.shown.rsplit("\n\n", 1)
    assert PROSE.startswith(beginning)
    assert beginning.endswith("word")
    assert "`answer.md`" in pointer
    assert (filed.file.name, filed.file.text) == ("answer.md", PROSE)
    assert PROSE.removeprefix(beginning).strip("\n") == filed.rest


def test_code_comes_as_a_file_of_its_language_and_what_follows_is_shown() -> None:
    filed = file_answer(f"Here it is:\n\n```python\n{CODE}\n```\n\nRun it.", 1000)
    assert filed is not None
    assert (filed.file.name, filed.file.text) == ("main.py", f"{CODE}\n")
    assert filed.shown.startswith("Here it is:\n\n```python\nprint(0)\n")
    assert "\n```\n\n_(The code goes on in the file `main.py`" in filed.shown
    assert filed.shown.endswith("\n\nRun it.")


def test_code_whose_fence_never_closes_is_a_file_all_the_same() -> None:
    filed = file_answer(f"```\n{CODE}", 1000)
    assert filed is not None
    assert (filed.file.name, filed.file.text) == ("main.txt", f"{CODE}\n")


def test_code_that_is_a_small_part_of_the_answer_is_no_file_of_its_own() -> None:
    filed = file_answer(f"{PROSE[:900]}\n\n```sql\n{CODE[:400]}\n```\n\n{PROSE}", 1000)
    assert filed is not None
    assert filed.file.name == "answer.md"
    assert filed.shown.count("```") % 2 == 0


@given(st.text(st.sampled_from("ab `\n~"), max_size=400), st.integers(1, 120), st.integers(0, 400))
def test_what_is_shown_of_a_growing_answer_only_grows(text: str, longest: int, place: int) -> None:
    earlier, later = find_beginning(text[:place], longest), find_beginning(text, longest)
    if place > longest:
        assert earlier == later
    filed = file_answer(text, longest)
    if filed is not None:
        assert filed.shown.startswith(later.rstrip())
        assert len(later) <= longest
