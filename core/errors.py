"""Every error that Skein raises on purpose, and the one place that words them for people.

    SkeinError
    ├── SettingsError(variable, problem, mend)      a setting is wrong or missing; exit status 2
    ├── StoreError
    │   ├── NewerDatabaseError(path, needs)         written by a newer program
    │   ├── StoreBusyError(path)                    another runner holds the file
    │   ├── LeaseLostError(what)                    another process took over what this one held
    │   └── LeaseDoubtfulError(what)                another process may have taken it over
    ├── ProviderError(model)
    │   ├── AuthError                               the key is refused
    │   ├── RateLimitedError(retry_after)           asked too often
    │   ├── OverloadedError(retry_after)            5xx, 529: worth another try
    │   ├── UnreachableError                        no connection, or it broke
    │   ├── TimeoutError                            no answer in the time allowed
    │   ├── BadRequestError                         refused for what it says
    │   ├── ContextTooLongError(tokens, limit)      the conversation does not fit
    │   └── EmptyAnswerError                        an answer without a word
    ├── UnknownModelError(name, closest)
    ├── SummaryBusyError                            a conversation is just being summarized
    ├── FileError(reason)                           a person's file cannot be fetched or read
    │   └── ExpiredFileError                        its address is good no more
    ├── TokenRefusedError(platform, reason)         a chat platform refuses the bot's token; exit status 2
    └── DeliveryError(reason)                       the platform did not take the reply

Errors carry data. Foreign errors are translated where they arise, with `raise ... from error`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta


class SkeinError(Exception):
    """The root of everything that Skein raises on purpose."""


class SettingsError(SkeinError):
    """A setting is wrong or missing. Its text is one line: the variable, the problem, the mend."""

    def __init__(self, variable: str, problem: str, mend: str) -> None:
        super().__init__(f"{variable}: {problem}. {mend}")
        self.variable = variable
        self.problem = problem
        self.mend = mend


class StoreError(SkeinError):
    """The store cannot do what was asked."""


class NewerDatabaseError(StoreError):
    """The database was migrated by a program newer than this one."""

    def __init__(self, database: str, needs: str) -> None:
        super().__init__(
            f"{database} needs Skein {needs} or newer. Install that version, or point DATABASE_URL "
            "at another database."
        )
        self.database = database
        self.needs = needs


class StoreBusyError(StoreError):
    """Another process runs on the same database file."""

    def __init__(self, database: str) -> None:
        super().__init__(
            f"another `skein run` or `skein copy` already uses {database}. Stop it first, or point "
            "DATABASE_URL at another database."
        )
        self.database = database


class LeaseLostError(StoreError):
    """Another process took over what this one held, or must be let: it writes of it no more."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} is not held any more")
        self.what = what


class LeaseDoubtfulError(StoreError):
    """Another process may have taken over what this one held: it must not speak of it until that is known."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} may be held by another process by now")
        self.what = what


class ProviderError(SkeinError):
    """A model could not answer. `retryable` says whether asking again can help."""

    retryable = False
    retry_after: timedelta | None = None
    """The provider's own word on when to ask again, where it gave one."""

    def __init__(self, model: str, detail: str) -> None:
        super().__init__(f"{model}: {detail}")
        self.model = model
        self.detail = detail


class AuthError(ProviderError):
    """The provider refuses the key (401, 403)."""


class RateLimitedError(ProviderError):
    """The provider asks to slow down (429)."""

    retryable = True

    def __init__(self, model: str, detail: str, retry_after: timedelta | None = None) -> None:
        super().__init__(model, detail)
        self.retry_after = retry_after


class OverloadedError(ProviderError):
    """The provider is overloaded or broken on its side (5xx, 529)."""

    retryable = True

    def __init__(self, model: str, detail: str, retry_after: timedelta | None = None) -> None:
        super().__init__(model, detail)
        self.retry_after = retry_after


class UnreachableError(ProviderError):
    """No connection to the provider, or it broke before the answer was whole."""

    retryable = True


class TimeoutError(ProviderError):
    """The provider did not answer in the time allowed."""

    retryable = True


class ModelNotFoundError(ProviderError):
    """The provider has no model of that name, or nothing at that address (404)."""


class BadRequestError(ProviderError):
    """The provider refuses the request for what it says (400, 422)."""


class ContextTooLongError(ProviderError):
    """The conversation is longer than the model's window. Tokens and limit are None where untold."""

    def __init__(
        self, model: str, detail: str, tokens: int | None = None, limit: int | None = None
    ) -> None:
        super().__init__(model, detail)
        self.tokens = tokens
        self.limit = limit


class EmptyAnswerError(ProviderError):
    """The model answered without a word. `was_cut_off` says that thinking used up all its room."""

    def __init__(self, model: str, detail: str, *, was_cut_off: bool = False) -> None:
        super().__init__(model, detail)
        self.was_cut_off = was_cut_off


class UnknownModelError(SkeinError):
    """No configured provider serves a model of that name."""

    def __init__(self, name: str, closest: Sequence[str] = (), reason: str = "") -> None:
        text = f"no model is called {name!r} here" if not reason else f"{name!r} {reason}"
        if closest:
            text += f"; the closest are {', '.join(closest)}"
        super().__init__(text)
        self.name = name
        self.closest = tuple(closest)
        self.reason = reason


class SummaryBusyError(SkeinError):
    """A conversation is being summarized already, or was cleared meanwhile."""

    def __init__(self) -> None:
        super().__init__("it is being summarized already, or was cleared meanwhile")


class FileError(SkeinError):
    """A file cannot be fetched or read. `reason` says why, for people."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ExpiredFileError(FileError):
    """A file's address is good no more, or not known: its platform has to be asked for another one."""


class TokenRefusedError(SkeinError):
    """A chat platform refuses the bot's token, or a right that the bot cannot do without."""

    def __init__(self, platform: str, variable: str, reason: str) -> None:
        super().__init__(f"{platform} refuses {variable}: {reason}")
        self.platform = platform
        self.variable = variable
        self.reason = reason


class DeliveryError(SkeinError):
    """The platform did not take the reply, and trying again will not help."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def render_for_people(error: BaseException, sign: str = "!") -> str:
    """Word an error for the person in the thread: friendly, no internals. `sign` begins a command."""
    match error:
        case AuthError():
            return "I can't reach my model: its key is refused. The person who runs me has to mend that."
        case ModelNotFoundError():
            return (
                f"My model is not there under its name any more. Choose another with `{sign}model`."
            )
        case RateLimitedError(retry_after=timedelta() as wait) if wait.total_seconds() >= 1:
            return f"My model is busy. Please ask again in {_words(wait)}."
        case RateLimitedError():
            return "My model is busy. Please ask again in a minute."
        case OverloadedError(retry_after=timedelta() as wait) if wait.total_seconds() >= 1:
            return f"My model is overloaded right now. Please ask again in {_words(wait)}."
        case OverloadedError():
            return "My model is overloaded right now. Please ask again in a minute."
        case UnreachableError():
            return "I can't reach my model right now. Please ask again in a minute."
        case TimeoutError():
            return "My model took too long to answer. Please ask again."
        case ContextTooLongError():
            return f"This conversation is too long for my model. Start afresh with `{sign}clear`."
        case BadRequestError():
            return (
                "My model refused this question. Try to put it in other words, or choose another model "
                f"with `{sign}model`."
            )
        case EmptyAnswerError(was_cut_off=True):
            return (
                "My model thought for so long that there was no room left for its answer. Please ask "
                "for less at a time."
            )
        case EmptyAnswerError():
            return "My model had no answer to this. Please ask again."
        case UnknownModelError():
            return f"I can't use that model: {error}."
        case SummaryBusyError():
            return "I am just summing up this conversation. Please try again in a minute."
        case StoreError():
            return "I can't reach my memory right now. Please try again in a minute."
        case _:
            return "Something went wrong on my side. Please ask again."


def _words(wait: timedelta) -> str:
    seconds = max(1, round(wait.total_seconds()))
    if seconds < 90:
        return f"{seconds} second{'s' if seconds != 1 else ''}"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} minutes"
    return f"{round(minutes / 60)} hours"
