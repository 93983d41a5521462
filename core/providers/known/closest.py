"""Which of many names come closest to one that nobody knows. Pure, and quick whatever was asked for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher
from heapq import nlargest

MAX_CLOSEST = 5
_MAX_UNLIKE = 3
_LEAST_ALIKE = 0.6
_LEAST_AT_ALL = 0.5
_MAX_COMPARED = 30
"""So many are compared letter by letter: of a thousand names that would take a second."""


def pick_closest(name: str, names: Iterable[str], prefix: str = "") -> tuple[str, ...]:
    """Pick what comes closest: names that contain what was asked for, and else those written alike."""
    wanted = name.strip().lower()
    known = {each.lower(): f"{prefix}{each}" for each in names}
    within = [found for each, found in known.items() if wanted.strip("/") and wanted in each]
    if len(within) >= MAX_CLOSEST:
        return tuple(within[:MAX_CLOSEST])
    if "/" not in wanted:  # then what stands before a model's own name makes no difference
        known = {each.rpartition("/")[2]: known[each] for each in reversed(known)}
    alike = (known[each] for each in _find_alike(wanted, known))
    return tuple(dict.fromkeys((*within, *alike)))[:MAX_CLOSEST]


def _find_alike(wanted: str, names: Iterable[str]) -> Sequence[str]:
    """Give the names written alike, the closest first; where none is, few that are so a little."""
    matcher = SequenceMatcher(b=wanted)
    rough: list[tuple[float, str]] = []
    for each in names:
        matcher.set_seq1(each)
        if matcher.real_quick_ratio() < _LEAST_AT_ALL:
            continue
        if (likeness := matcher.quick_ratio()) >= _LEAST_AT_ALL:
            rough.append((likeness, each))
    exact: list[tuple[float, str]] = []
    for _, each in nlargest(_MAX_COMPARED, rough):
        matcher.set_seq1(each)
        exact.append((matcher.ratio(), each))
    alike = nlargest(MAX_CLOSEST, (each for each in exact if each[0] >= _LEAST_ALIKE))
    alike = alike or nlargest(_MAX_UNLIKE, (each for each in exact if each[0] >= _LEAST_AT_ALL))
    return [each for _, each in alike]
