"""An answer that is too long to read in a chat: its beginning, and a file with all of it. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from core.fences import close_fence, closes_fence, find_open_fence, match_fence

_TOLERANCE = 1.25  # what would leave a small rest is shown whole
_CODE_SHARE = 0.6
_EXTENSIONS = {
    "bash": "sh",
    "c": "c",
    "c++": "cpp",
    "cpp": "cpp",
    "csharp": "cs",
    "cs": "cs",
    "css": "css",
    "csv": "csv",
    "diff": "diff",
    "go": "go",
    "html": "html",
    "java": "java",
    "javascript": "js",
    "js": "js",
    "json": "json",
    "jsx": "jsx",
    "kotlin": "kt",
    "lua": "lua",
    "markdown": "md",
    "md": "md",
    "php": "php",
    "python": "py",
    "py": "py",
    "ruby": "rb",
    "rust": "rs",
    "scala": "scala",
    "sh": "sh",
    "shell": "sh",
    "sql": "sql",
    "swift": "swift",
    "toml": "toml",
    "ts": "ts",
    "tsx": "tsx",
    "typescript": "ts",
    "xml": "xml",
    "yaml": "yaml",
    "yml": "yml",
}


@dataclass(frozen=True, slots=True)
class AnswerFile:
    """A file that the bot sends."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class FiledAnswer:
    """What is shown of a long answer, and the file with what is not. `rest` is shown where no file can be."""

    shown: str
    file: AnswerFile
    rest: str


def find_beginning(text: str, max_characters: int) -> str:
    """Give what is shown of an answer that may yet grow: once it is cut, it is always cut there."""
    if not max_characters or len(text) <= max_characters:
        return text
    head = text[:max_characters]
    for mark in ("\n\n", "\n", " "):
        place = head.rfind(mark)
        if place > max_characters // 2:
            return head[:place].rstrip()
    return head.rstrip()


def file_answer(text: str, max_characters: int) -> FiledAnswer | None:
    """Divide an answer that is too long; None for one that is not."""
    if not max_characters or len(text) <= max_characters * _TOLERANCE:
        return None
    beginning = find_beginning(text, max_characters)
    fence = find_open_fence(beginning)
    rest = text[len(beginning) :].strip("\n")
    file, after = AnswerFile("answer.md", text), ""
    if fence:
        code, after_code = _cut_code(text, len(beginning), fence)
        rest = f"{fence}\n{rest}"
        if len(code) > len(text) * _CODE_SHARE:
            file, after = AnswerFile(f"main.{_find_extension(fence)}", code), after_code
    what = "answer" if file.name == "answer.md" else "code"
    pointer = f"_(The {what} goes on in the file `{file.name}`, which has all of it.)_"
    parts = (close_fence(beginning), pointer, after.strip("\n"))
    return FiledAnswer("\n\n".join(filter(None, parts)), file, rest)


def _cut_code(text: str, place: int, fence: str) -> tuple[str, str]:
    """Give the code of the block that is open at a place, and what stands behind the block."""
    before = text[:place].split("\n")
    first = max(number for number, line in enumerate(before) if _opens(line, fence))
    lines = text.split("\n")
    for number in range(first + 1, len(lines)):
        if closes_fence(lines[number], fence):
            return "\n".join(lines[first + 1 : number]) + "\n", "\n".join(lines[number + 1 :])
    return "\n".join(lines[first + 1 :]) + "\n", ""


def _opens(line: str, fence: str) -> bool:
    match = match_fence(line)
    return match is not None and fence.startswith(match["marker"])


def _find_extension(fence: str) -> str:
    return _EXTENSIONS.get(fence.strip("`~").lower(), "txt")
