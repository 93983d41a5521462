from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.providers.wire.sse import EventDecoder, EventTooLongError


def decode(*received: bytes) -> list[bytes]:
    decoder = EventDecoder()
    events = [event for part in received for event in decoder.feed(part)]
    return events + decoder.finish()


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"data: one\n\ndata: two\n\n", [b"one", b"two"]),
        (b"data: one\r\n\r\ndata: two\r\n\r\n", [b"one", b"two"]),
        (b"data: one\r\rdata: two\r\r", [b"one", b"two"]),
        (b"data:one\n\n", [b"one"]),
        (b"data:  one\n\n", [b" one"]),
        (b"data: one\ndata: more\n\n", [b"one\nmore"]),
        (b": still here\n\n: and here\n\ndata: one\n\n", [b"one"]),
        (b"event: ping\nid: 7\nretry: 10\ndata: one\n\n", [b"one"]),
        (b"\xef\xbb\xbfdata: one\n\n", [b"one"]),
        (b"data: one\n\ndata: no empty line after it", [b"one", b"no empty line after it"]),
        (b"\n\n\n", []),
        (b"", []),
    ],
)
def test_a_stream_is_cut_into_the_data_of_its_events(stream: bytes, events: list[bytes]) -> None:
    assert decode(stream) == events


@settings(deadline=None)
@given(
    st.lists(
        st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), min_size=1)
    ),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.data(),
)
def test_however_the_bytes_are_split_the_events_are_the_same(
    texts: list[str], end: str, data: st.DataObject
) -> None:
    events = [text.encode() for text in texts]
    stream = b"".join(b"data: " + event + 2 * end.encode() for event in events)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    parts = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert decode(*parts) == events


def test_an_event_is_given_as_soon_as_it_is_whole() -> None:
    decoder = EventDecoder()
    assert decoder.feed(b"data: one\n") == []
    assert decoder.feed(b"\nda") == [b"one"]
    assert decoder.feed(b"ta: two\n\n") == [b"two"]


def test_an_endless_line_is_refused() -> None:
    decoder = EventDecoder(max_event_bytes=100)
    decoder.feed(b"data: " + b"x" * 90)
    with pytest.raises(EventTooLongError):
        decoder.feed(b"x" * 10)


def test_an_endless_event_of_short_lines_is_refused() -> None:
    decoder = EventDecoder(max_event_bytes=100)

    def feed_on() -> None:
        for _ in range(100):
            decoder.feed(b"data: xxxxxxxxxx\n")

    with pytest.raises(EventTooLongError):
        feed_on()
