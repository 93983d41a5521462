"""A text that takes no more than so many characters."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Text:
    """A text that grows up to a limit."""

    max_characters: int
    parts: list[str] = field(default_factory=list[str])
    length: int = 0
    is_cut: bool = False

    def add(self, part: str) -> bool:
        """Add a piece. False once nothing more fits."""
        room = self.max_characters - self.length
        self.is_cut |= len(part) > room
        if room > 0:
            self.parts.append(part[:room])
            self.length += min(len(part), room)
        return not self.is_cut

    def __str__(self) -> str:
        """Give the text, the halves of characters joined or replaced: no store takes them."""
        text = "".join(self.parts).strip()
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
