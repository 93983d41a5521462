"""Keeps a model's thinking out of its answer, where the server sends both as one text. Pure.

A server with a parser for the model sends the two apart. One without (vLLM and SGLang unless told, LM
Studio, older Ollama) hands on what the model writes, and each family has marks of its own. Some templates
put the opening mark into the prompt, so that an answer begins in the midst of a thought and holds the
closing mark alone (DeepSeek R1 and its distillations, QwQ, Qwen3 Thinking, MiniMax M2): only of models
whose names say so, or that were caught at it, is a text held back until that mark or its end.
"""

from __future__ import annotations

import re

_END = "</think>"
_HARMONY_END = "<|channel|>final<|message|>"
_MARKS = (
    ("<think>", _END),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),  # Gemini's compatible endpoint
    ("<seed:think>", "</seed:think>"),
    ("[THINK]", "[/THINK]"),  # Magistral
    ("◁think▷", "◁/think▷"),  # Kimi
    ("<|START_THINKING|>", "<|END_THINKING|>"),  # Command A
    ("<|channel>thought", "<channel|>"),  # Gemma 4
    (_HARMONY_END, ""),  # gpt-oss, which had nothing to think over
    ("<|channel|>", _HARMONY_END),  # gpt-oss: what it says in other channels is not for people
    ("<|start|>assistant<|channel|>", _HARMONY_END),
)
_BARE_HARMONY = ("analysis", "assistantfinal")
"""The same where the server leaves out special tokens: letters that an answer, too, could begin with."""
_STOPS = ("<|return|>", "<|end|>")
_KEPT_CHARS = 4096
_MOST_UNSURE_CHARS = 200_000
"""What is longer and has no closing mark yet is a thought: no answer is so long."""
_LATE_END = re.compile(r"(?<!`)</think>\s*\n")
_BEGINS_IN_THOUGHT = re.compile(
    r"(?:^|[/._-])(?:r1|qwq|minimax-m2|thinking)(?:$|[:@._-])", re.IGNORECASE
)
_SPEAKS_HARMONY = re.compile(r"(?:^|/)gpt-oss", re.IGNORECASE)
_HAS_PARSER = re.compile(r"(?:^|/)(?:claude|gemini)-", re.IGNORECASE)


def begins_in_thought(model: str) -> bool:
    """Say whether a model is known to leave out the opening mark, as templates have it write."""
    return bool(_BEGINS_IN_THOUGHT.search(model)) and not _HAS_PARSER.search(model)


class ThoughtFilter:
    """Cuts a block of thought from an answer's beginning; such a mark further on is a word like any other."""

    def __init__(self, model: str = "", *, is_thought: bool = False) -> None:
        """Take the model's name, and whether its answers are likely to begin in the midst of a thought."""
        self.has_thought = False
        """Whether a thought was found."""
        self._marks = (*_MARKS, _BARE_HARMONY) if _SPEAKS_HARMONY.search(model) else _MARKS
        self._is_unsure = is_thought
        """Whether what is held back may be the answer after all, should no closing mark come."""
        self._held = ""
        self._end: str | None = None
        self._is_answer = False
        self._is_parsed = False
        self._is_fresh = False
        self._answer: list[str] = []
        self._stops: tuple[str, ...] = ()

    @property
    def has_late_end(self) -> bool:
        """Whether a closing mark stood in the answer, outside of code, so that it had begun in thought."""
        text = "".join(self._answer)
        found = None if self.has_thought or self._is_parsed else _LATE_END.search(text)
        before = text[: found.start()] if found else ""
        return bool(found) and "<think>" not in before and before.count("```") % 2 == 0

    def feed(self, text: str) -> str:
        """Take a piece of the text, and give what is the answer's."""
        if self._is_answer:
            return self._pass_on(text)
        self._held += text
        if self._end is None and not self._begin():
            return ""
        return self._let_go() if self._is_answer else self._find_end()

    def skip_thought(self) -> None:
        """Take it that the server sends thoughts apart, so that all the text is the answer's."""
        self.has_thought = self._is_parsed = True
        if self._is_unsure:
            self._is_unsure, self._end = False, None

    def finish(self, *, is_cut: bool = False) -> str:
        """Give what was held back and is no thought after all; `is_cut` says that the text was too long."""
        is_thought = self._end is not None and (not self._is_unsure or is_cut)
        if is_thought:
            self.has_thought = True
            return ""
        if self._held.startswith(self._stops):
            return ""
        self._stops = ()
        return self._let_go()

    def _begin(self) -> bool:
        """Say whether it is known by now how the text begins."""
        held = self._held.lstrip()
        if not held and len(self._held) > _KEPT_CHARS:
            self._held = (
                ""  # white space without an end would be kept, and read again with each piece
            )
        if any(len(held) < len(mark) and mark.startswith(held) for mark, _ in self._marks):
            return False
        for mark, end in self._marks:
            if held.startswith(mark):
                self._open(mark, end)
                return True
        self._end = _END if self._is_unsure else None
        self._is_answer = not self._is_unsure
        return True

    def _open(self, mark: str, end: str) -> None:
        """The text begins with an opening mark; a letter's worth of it is no proof."""
        self._is_unsure = (mark, end) == _BARE_HARMONY
        self._stops = _STOPS if end in ("", _HARMONY_END) else ()
        self._end, self._is_answer = end or None, not end
        if not self._is_unsure:
            self._held = self._held.lstrip()[len(mark) :]

    def _find_end(self) -> str:
        end = self._end or ""
        thought, found, answer = self._held.partition(end)
        if found:
            self.has_thought = self.has_thought or bool(thought.strip())
            self._end, self._held, self._is_parsed, self._is_fresh = None, answer, True, True
            return self._let_go()
        if len(self._held) > _MOST_UNSURE_CHARS:
            self._is_unsure = False
        if not self._is_unsure and len(self._held) > _KEPT_CHARS:
            self.has_thought, self._held = True, self._held[-len(end) :]
        return ""

    def _let_go(self) -> str:
        self._is_answer = True
        held, self._held = self._held, ""
        return self._pass_on(held)

    def _pass_on(self, text: str) -> str:
        if self._is_fresh:  # the white space between a thought and the answer is nobody's
            text = text.lstrip()
            self._is_fresh = not text
        if self._stops:
            return self._cut_at_stop(text)
        self._answer.append(text)
        return text

    def _cut_at_stop(self, text: str) -> str:
        """Give text up to the mark that ends it, and hold back what may be the beginning of one."""
        text, self._held = self._held + text, ""
        found = [at for stop in self._stops if (at := text.find(stop)) >= 0]
        at = min(found) if found else _find_start(text, self._stops)
        self._held = text[at:]
        return text[:at]


def _find_start(text: str, marks: tuple[str, ...]) -> int:
    """Say where a text ends in the beginning of a mark; its length where it does not."""
    longest = max(map(len, marks))
    places = range(max(0, len(text) - longest), len(text))
    return next(
        (at for at in places if any(mark.startswith(text[at:]) for mark in marks)), len(text)
    )
