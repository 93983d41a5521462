"""The page's own files, read once from the package."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable

# Named here since the machine's own table may call a script text/plain, which browsers then refuse.
_TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """One file of the page."""

    body: bytes
    content_type: str


def load_assets() -> dict[str, Asset]:
    """Read all files of the page, by their path below `static`. Blocks on the disk."""
    return dict(_walk(files("bots.playground.page") / "static", ""))


def _walk(folder: Traversable, prefix: str) -> list[tuple[str, Asset]]:
    found: list[tuple[str, Asset]] = []
    for entry in folder.iterdir():
        name = f"{prefix}{entry.name}"
        if entry.is_dir():
            found += _walk(entry, f"{name}/")
            continue
        content_type = _TYPES.get("." + entry.name.rpartition(".")[2])
        if content_type:
            found.append((name, Asset(entry.read_bytes(), content_type)))
    return found
