"""Reads event streams: bytes in, the data of whole events out. Pure.

Source: WHATWG HTML, section 9.2.6. Names, ids and comments are left out: no provider needs them.
"""

from __future__ import annotations

MAX_EVENT_BYTES = 4 * 1024 * 1024
_BOM = b"\xef\xbb\xbf"


class EventTooLongError(ValueError):
    """An event does not end within the bound."""


class EventDecoder:
    """Cuts a stream into events, however its bytes were split on the way."""

    def __init__(self, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._max_event_bytes = max_event_bytes
        self._rest = bytearray()
        self._data: list[bytes] = []
        self._data_bytes = 0
        self._is_first = True

    def feed(self, received: bytes) -> list[bytes]:
        """Take what was received and give the data of every event that is now whole.

        Raises EventTooLongError.
        """
        end = _end_of_lines(received)
        if not end:
            self._keep(received)
            return []
        lines = bytes(self._rest) + received[:end] if self._rest else received[:end]
        self._rest.clear()
        self._keep(received[end:])
        return self._read(lines)

    def finish(self) -> list[bytes]:
        """Give what a stream holds that ended without the empty line after its last event."""
        lines = bytes(self._rest) + b"\n\n"
        self._rest.clear()
        return self._read(lines)

    def _keep(self, rest: bytes) -> None:
        self._rest += rest
        if len(self._rest) + self._data_bytes > self._max_event_bytes:
            raise EventTooLongError(f"an event of more than {self._max_event_bytes} bytes")

    def _read(self, lines: bytes) -> list[bytes]:
        if self._is_first:
            self._is_first = False
            lines = lines.removeprefix(_BOM)
        events: list[bytes] = []
        for line in lines.splitlines():
            if line.startswith(b"data:"):
                self._data.append(line[6:] if line[5:6] == b" " else line[5:])
                self._data_bytes += len(line)
            elif not line and self._data:
                events.append(self._data[0] if len(self._data) == 1 else b"\n".join(self._data))
                self._data.clear()
                self._data_bytes = 0
        return events


def _end_of_lines(received: bytes) -> int:
    """Find where the last whole line ends. A final CR may be the first half of a CRLF."""
    return max(received.rfind(b"\n"), received.rfind(b"\r", 0, -1)) + 1
