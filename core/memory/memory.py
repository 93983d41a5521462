"""Prepares what a question sends: reads what fits, and no more, and has the rest summarized."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from core.conversation import Author, Conversation, ThreadKey, Usage
from core.errors import ContextTooLongError, SummaryBusyError
from core.memory.context import (
    Fitted,
    Material,
    fit,
    fit_answer,
    fit_summary,
    group_turns,
    plan_summary,
    render_memory,
)
from core.memory.enclose import Enclosed, enclose
from core.memory.gauge import Gauge
from core.memory.prompts import NO_PROMPTS, Layer, Prompts, render_prompt, stack_layers
from core.memory.summaries import Job, Summaries
from core.providers.base import ModelRef, Models, Request
from core.store.base import Memory as Remembered
from core.store.base import Store
from core.tokens import estimate_tokens, limit_characters

CUT_NOTE = "_(Your message was too long for my model: I read its beginning and its end.)_"
_LEAST_ROOM_TOKENS = 100


@dataclass(frozen=True, slots=True)
class AnswerOptions:
    """What an installation sets for all answers."""

    system_prompt: str
    max_new_tokens: int = 4096
    temperature: float | None = None
    max_context_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Room:
    """How many tokens there are, as the model counts them, for what is sent and for the answer."""

    talk_tokens: int
    answer_tokens: int
    ratio: float = 1.0
    """The model's tokens for each estimated one."""

    @property
    def estimated(self) -> int:
        """The room for what is sent, in estimated tokens."""
        return max(_LEAST_ROOM_TOKENS, int(self.talk_tokens / self.ratio))


@dataclass(frozen=True, slots=True)
class Loaded:
    """A conversation as far as it may fit a model."""

    key: ThreadKey
    ref: ModelRef
    room: Room
    remembered: Remembered
    conversation: Conversation

    @property
    def has_question(self) -> bool:
        """Whether its newest message is a person's."""
        messages = self.conversation.messages
        return bool(messages) and messages[-1].role == "user"

    @property
    def has_wanted_files(self) -> bool:
        """Whether there are files that nobody has read yet."""
        return any(
            each.is_wanted for said in self.conversation.messages for each in said.attachments
        )


@dataclass(frozen=True, slots=True)
class Prepared:
    """A question as it goes to its model, and the summary that is due after it."""

    ref: ModelRef
    room: Room
    request: Request
    fitted: Fitted
    enclosed: Enclosed
    due: Job | None = None

    def annotate(self, answer: str) -> str:
        """Put below an answer what was not read of the question."""
        answer = self.enclosed.annotate(answer)
        return f"{answer}\n\n{CUT_NOTE}" if self.fitted.is_cut else answer


class Memory:
    """What the turns send, and what becomes of the rest. `aclose` ends the summaries under way."""

    def __init__(
        self,
        store: Store,
        models: Models,
        options: AnswerOptions,
        *,
        prompts: Prompts = NO_PROMPTS,
        summaries: Summaries | None = None,
        gauge: Gauge | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        admins: frozenset[str] = frozenset(),
    ) -> None:
        self.options = options
        self.admins = admins
        """Who may set the prompts of places, as platform:id."""
        self.summaries = summaries or Summaries(store, models)
        self._store = store
        self._models = models
        self._prompts = prompts
        self._gauge = gauge or Gauge()
        self._now = now

    async def aclose(self) -> None:
        """Make no further summaries."""
        await self.summaries.aclose()

    async def load(self, key: ThreadKey) -> Loaded:
        """Read as much of a conversation as its model may have room for.

        Raises UnknownModelError, StoreError, and KeyError where there is no conversation.
        """
        remembered = await self._store.load_memory(key)
        ref = self._models.get_model(remembered.model)
        room = self._find_room(ref)
        conversation = await self._store.load(
            key, limit_characters(room.estimated), remembered.summarized_until
        )
        return Loaded(key, ref, room, remembered, conversation)

    async def prepare(
        self, loaded: Loaded, author: Author | None, room: Room | None = None
    ) -> Prepared:
        """Choose what is sent of a conversation that ends with a question."""
        room = room or loaded.room
        ref, remembered = loaded.ref, loaded.remembered
        messages = loaded.conversation.messages
        enclosed = await enclose(messages, ref, room.estimated, self._store.find_file)
        material = Material(
            enclosed.messages,
            await self.render_system(loaded.key, remembered, author),
            remembered.summary.text if remembered.summary else "",
            remembered.pins,
        )
        fitted = fit(material, room.estimated)
        request = Request(
            model=ref.model,
            messages=fitted.messages,
            system=fitted.system or None,
            max_new_tokens=room.answer_tokens,
            temperature=self.options.temperature,
        )
        due = self._plan(loaded, enclosed, fitted, room)
        return Prepared(ref, room, request, fitted, enclosed, due)

    async def shrink(
        self,
        loaded: Loaded,
        prepared: Prepared,
        author: Author | None,
        error: ContextTooLongError,
    ) -> Prepared:
        """Choose less, after a provider found it too long, and learn of that one's model why."""
        room = prepared.room
        allowed = self._gauge.note_refusal(error, prepared.fitted.tokens, room.answer_tokens)
        total = max(2 * _LEAST_ROOM_TOKENS, allowed)
        answer = fit_answer(self._find_longest(prepared.ref), total)
        less = Room(total - answer, answer, room.ratio)
        return await self.prepare(loaded, author, less)

    def learn(self, prepared: Prepared, usage: Usage) -> None:
        """Learn from what a request took in truth."""
        self._gauge.note_usage(str(prepared.ref), prepared.fitted.tokens, usage.input_tokens)

    def follow_up(self, prepared: Prepared) -> None:
        """Have summarized what falls out. Returns at once and never raises."""
        if prepared.due is not None:
            self.summaries.start(prepared.due)

    async def summarize(self, job: Job) -> None:
        """Summarize now. Raises ProviderError, StoreError, and SummaryBusyError."""
        if not await self.summaries.make(job):
            raise SummaryBusyError

    async def stack(self, key: ThreadKey, conversation_prompt: str | None) -> tuple[Layer, ...]:
        """Give the layers of a conversation's system prompt: what is configured stands before what is set."""
        places = (self._prompts.find_prompts(key), await self._store.load_place_prompts(key))
        return stack_layers(self.options.system_prompt, places, conversation_prompt)

    async def render_system(
        self, key: ThreadKey, remembered: Remembered, author: Author | None
    ) -> str:
        """Word a conversation's whole system prompt."""
        layers = await self.stack(key, remembered.system_prompt)
        return render_prompt(layers, key, author, self._now())

    def plan_compaction(self, loaded: Loaded) -> Job | None:
        """Say what to summarize at once: all but the newest turn. None where that is nothing."""
        turns = group_turns(loaded.conversation.messages)
        if turns and turns[-1][-1].role == "user":  # just being answered
            turns.pop()
        until = turns[-1][0].position - 1 if turns else 0
        if until <= loaded.remembered.summarized_until:
            return None
        return Job(loaded.key, until, fit_summary(loaded.room.estimated))

    def _plan(self, loaded: Loaded, enclosed: Enclosed, fitted: Fitted, room: Room) -> Job | None:
        memory = render_memory(fitted.summary, fitted.pins)
        taken = estimate_tokens(fitted.system) + (estimate_tokens(memory) if memory else 0)
        until = plan_summary(
            enclosed.messages,
            room.estimated - taken,
            is_cut_short=loaded.conversation.left_out is not None,
        )
        if until is None or until <= loaded.remembered.summarized_until:
            return None
        return Job(loaded.key, until, fit_summary(room.estimated))

    def _find_longest(self, ref: ModelRef) -> int:
        return ref.max_new_tokens or self.options.max_new_tokens

    def _find_room(self, ref: ModelRef) -> Room:
        limits = (
            ref.window_tokens,
            self.options.max_context_tokens or ref.window_tokens,
            self._gauge.find_limit(str(ref)) or ref.window_tokens,
        )
        window = min(limits)
        answer = fit_answer(self._find_longest(ref), window)
        return Room(window - answer, answer, self._gauge.get_ratio(str(ref)))
