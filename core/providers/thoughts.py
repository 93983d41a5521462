"""Keeps a model's thinking out of its answer, where the server sends both as one text. Pure."""

from __future__ import annotations

_MARKS = (("<think>", "</think>"), ("<thinking>", "</thinking>"))


class ThoughtFilter:
    """Cuts a block of thought from an answer's beginning; such a mark further on is a word like any other.

    Seen with DeepSeek R1, Qwen and others behind vLLM, LM Studio and Ollama without a reasoning parser.
    """

    def __init__(self) -> None:
        self._held = ""
        self._end: str | None = None
        self._is_answer = False

    def feed(self, text: str) -> str:
        """Take a piece of the text, and give what is the answer's."""
        if self._is_answer:
            return text
        self._held += text
        if self._end is None and not self._begin():
            return ""
        if self._is_answer:
            return self._let_go()
        return self._find_end()

    def finish(self) -> str:
        """Give what was held back and turned out to be no mark."""
        return "" if self._end else self._let_go()

    def _begin(self) -> bool:
        """Say whether it is known by now how the text begins."""
        held = self._held.lstrip()
        for mark, end in _MARKS:
            if held.startswith(mark):
                self._end = end
                return True
        self._is_answer = not any(mark.startswith(held) for mark, _ in _MARKS)
        return self._is_answer

    def _find_end(self) -> str:
        end = self._end or ""
        _, found, answer = self._held.partition(end)
        if not found:
            self._held = self._held[-len(end) :] if len(self._held) > 4096 else self._held
            return ""
        self._is_answer, self._end, self._held = True, None, answer.lstrip()
        return self._let_go()

    def _let_go(self) -> str:
        self._is_answer = True
        held, self._held = self._held, ""
        return held
