"""What goes to the model fits, keeps the question, and alternates in role."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from core.context import estimate_tokens, fit_answer, fit_messages, limit_characters, name_speakers
from core.conversation import Author, Message

ADA, GRACE = Author("U1", "Ada"), Author("U2", "Grace")
TEXT = st.text(min_size=1, max_size=400)
TALK = st.lists(st.tuples(st.booleans(), TEXT), max_size=40)


@given(TALK, TEXT, st.integers(min_value=50, max_value=3000))
def test_the_newest_fit_and_the_question_is_among_them(
    talk: list[tuple[bool, str]], question: str, window: int
):
    messages = [Message.user(text) if is_user else Message.ai(text) for is_user, text in talk]
    messages.append(Message.user(question))
    answer = fit_answer(1000, window)
    fitted = fit_messages(messages, "Be kind.", window, answer)
    assert fitted[-1].text.endswith(question)
    assert fitted[0].role == "user"
    assert all(a.role != b.role for a, b in pairwise(fitted))
    if len(fitted) > 1:
        total = sum(estimate_tokens(message.text) for message in fitted)
        assert total + estimate_tokens("Be kind.") + answer <= window


@given(TALK, TEXT, st.integers(min_value=50, max_value=3000))
def test_what_is_beyond_the_limit_of_characters_changes_nothing(
    talk: list[tuple[bool, str]], question: str, window: int
):
    messages = [Message.user(text) if is_user else Message.ai(text) for is_user, text in talk]
    messages.append(Message.user(question))
    read: list[Message] = []
    for message in reversed(messages):
        if sum(len(each.text) for each in read) >= limit_characters(window):
            break
        read.insert(0, message)
    answer = fit_answer(1000, window)
    whole = fit_messages(messages, "Be kind.", window, answer)
    assert fit_messages(read, "Be kind.", window, answer) == whole


def test_a_short_conversation_goes_whole():
    messages = [Message.user("a"), Message.ai("b"), Message.user("c")]
    assert list(fit_messages(messages, None, 8000, 1000)) == messages


def test_the_oldest_are_left_out_first():
    messages = [
        message
        for number in range(50)
        for message in (Message.user(f"q{number} " + "x" * 350), Message.ai("y" * 350))
    ]
    messages.append(Message.user("last"))
    fitted = fit_messages(messages, None, 2000, 500)
    assert fitted[-1].text == "last"
    assert fitted[0].text.startswith("q4")
    assert len(fitted) < 15


def test_one_speaker_is_not_named():
    messages = [Message.user("hi", ADA), Message.ai("hello"), Message.user("again", ADA)]
    assert name_speakers(messages) == messages


def test_several_speakers_are_named():
    messages = [Message.user("hi", ADA), Message.ai("hello"), Message.user("me too", GRACE)]
    assert [message.text for message in name_speakers(messages)] == [
        "Ada: hi",
        "hello",
        "Grace: me too",
    ]


def test_an_answer_takes_half_of_a_small_window_at_the_most():
    assert fit_answer(4096, 2048) == 1024
    assert fit_answer(4096, 128_000) == 4096
