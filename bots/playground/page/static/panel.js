// One platform: its places beside what is said there, and what the person at the page does.
import { post } from "./api.js";
import { announce, fill, h, memory, toast } from "./dom.js";
import { readFiles } from "./files.js";
import { placeKey, samePlace } from "./model.js";
import { makeSidebar } from "./sidebar.js";
import { View } from "./view.js";

const TYPING_MILLISECONDS = 10_000;

export class Panel {
  /** `onFocus(panel)` is told when the person turns to this panel or to another place in it. */
  constructor(platform, onFocus) {
    this.platform = platform;
    this.onFocus = onFocus;
    this.person = memory.get(`${platform.name}.person`, "");
    this.notes = new Map();
    this.mine = new Set();
    this.sidebar = makeSidebar(platform, (place) => this.open(place, true));
    this.main = new View(this, false);
    this.thread = new View(this, true);
    this.connection = h("span", { class: "connection", role: "status" });
    this.element = h(
      "section",
      { class: `panel ${platform.name}`, id: `panel-${platform.name}`, "aria-label": platform.title },
      h(
        "header",
        { class: "panel-top" },
        h("span", { class: "glyph", "aria-hidden": "true" }, platform.title[0]),
        h("h1", {}, platform.title),
        h("span", { class: "muted" }, `${platform.workspaceName} · simulated`),
        this.connection,
      ),
      h("div", { class: "panel-body" }, this.sidebar.element, this.main.element, this.thread.element),
    );
    this.element.addEventListener("focusin", () => onFocus(this));
    this.element.addEventListener("pointerdown", () => onFocus(this));
    this.element.addEventListener("keydown", (event) => this.onKey(event));
    this.restorePlace();
  }

  /** The place that the person looks at: the thread, where one is open. */
  get place() {
    return this.thread.place ?? this.main.place;
  }

  restorePlace() {
    const kept = memory.get(`${this.platform.name}.place`, null);
    const isKnown = kept && this.platform.channels.has(kept.channel);
    if (!this.platform.people.some((person) => person.id === this.person))
      this.person = this.platform.people[0]?.id ?? "";
    this.open(isKnown ? { channel: kept.channel, thread: "" } : this.platform.firstPlace());
    if (isKnown && kept.thread && this.platform.messages.has(kept.thread)) this.openThread(kept);
  }

  /** Draw all anew, after a snapshot. */
  render() {
    if (!this.platform.channels.has(this.main.place?.channel)) this.restorePlace();
    this.renderPlaces();
    this.renderConnection();
    this.main.render();
    this.thread.render();
  }

  renderPlaces() {
    this.sidebar.render(this.main.place);
  }

  renderConnection() {
    const { isConnected, bot } = this.platform;
    this.connection.classList.toggle("is-on", isConnected);
    fill(
      this.connection,
      h("i", { "aria-hidden": "true" }),
      isConnected ? `${bot.name} is connected` : `${bot.name} is not connected`,
    );
  }

  open(place, takesFocus = false) {
    if (place.thread) return (this.open({ ...place, thread: "" }), this.openThread(place, takesFocus));
    this.closeThread(false);
    this.main.show(place);
    this.afterMove(takesFocus && this.main);
  }

  openThread(place, takesFocus = true) {
    if (this.main.place?.channel !== place.channel) this.main.show({ channel: place.channel, thread: "" });
    this.element.classList.add("has-thread");
    this.thread.show(place);
    this.afterMove(takesFocus && this.thread);
  }

  closeThread(takesFocus = true) {
    if (!this.thread.place) return;
    this.element.classList.remove("has-thread");
    this.thread.show(null);
    this.main.render();
    this.afterMove(takesFocus && this.main);
  }

  afterMove(view) {
    if (view) view.composer.textarea.focus();
    memory.set(`${this.platform.name}.place`, this.place);
    this.renderPlaces();
    this.onFocus(this);
  }

  onKey(event) {
    if (event.key !== "Escape") return;
    const parent = this.platform.channels.get(this.main.place.channel)?.parent;
    if (this.thread.place) this.closeThread();
    else if (parent) this.open({ channel: parent, thread: "" }, true);
    else return;
    event.stopPropagation();
  }

  /** The person who writes in a place: the one chosen, or the one whose DM it is. */
  personIn(place) {
    return this.platform.ownerOf(place) || this.person;
  }

  choose(person) {
    this.person = person;
    memory.set(`${this.platform.name}.person`, person);
    const hadFocus = document.activeElement?.closest(".people");
    this.main.render();
    this.thread.render();
    hadFocus?.querySelector("[aria-checked=true]")?.focus();
  }

  notesIn(place) {
    return [...(this.notes.get(placeKey(place)) ?? [])];
  }

  /** Show what the platform itself answers, to this person alone. */
  note(place, text) {
    const shown = this.platform.messagesOf(place, this.personIn(place));
    const notes = this.notesIn(place).slice(-9);
    this.notes.set(placeKey(place), [...notes, { text, after: shown.at(-1)?.id ?? "" }]);
    for (const view of [this.main, this.thread]) if (samePlace(view.place, place)) view.renderMessages();
    announce(text);
  }

  /** Take up a message, to be sent on from whatever place the person goes to. */
  forward(message) {
    for (const view of [this.main, this.thread]) view.composer.take("forward", message);
    (this.thread.place ? this.thread : this.main).composer.textarea.focus();
  }

  /** Let go of what a composer was to do; a forward is in both. */
  drop(composer) {
    const isForward = composer.task?.kind === "forward";
    for (const each of isForward ? [this.main.composer, this.thread.composer] : [composer]) each.drop();
  }

  async remove(message) {
    await post(this.platform.name, "deletions", { message: message.id }).catch((error) =>
      toast(`${this.platform.title}: ${error.message}`, "error"),
    );
  }

  /** Change or forward a message. Throws an Error whose message can be shown. */
  async work(place, text, { kind, message }) {
    if (kind === "edit")
      return post(this.platform.name, "edits", { message: message.id, text: text.trim() });
    const { channel, thread } = place;
    const fields = { person: this.personIn(place), message: message.id, text: text.trim(), channel, thread };
    return post(this.platform.name, "forwards", fields);
  }

  /** Post a message or use a command; resolves to whether the platform took it. */
  async send(place, text, task, files = []) {
    const person = this.personIn(place);
    const command = /^\/(\w+)\s*([\s\S]*)$/.exec(text.trim());
    const known = command && !files.length && this.platform.commands.some((each) => each.name === command[1]);
    try {
      if (task && task.kind !== "reply") {
        await this.work(place, text, task);
        return true;
      }
      if (known) {
        const fields = {
          person,
          channel: place.channel,
          name: command[1],
          text: command[2].trim(),
          thread: place.thread,
        };
        const { answer } = await post(this.platform.name, "commands", fields);
        if (answer) this.note(place, answer);
        return true;
      }
      const fields = {
        person,
        channel: place.channel,
        text: text.trim(),
        thread: place.thread,
        reply_to: task?.message.id ?? "",
        files: await readFiles(files),
      };
      const { id } = await post(this.platform.name, "messages", fields);
      this.mine.add(id);
      this.followMine(id);
      return true;
    } catch (error) {
      toast(`${this.platform.title}: ${error.message}`, "error");
      return false;
    }
  }

  async choices(place, name, text) {
    const fields = { person: this.personIn(place), channel: place.channel, name, text };
    return (await post(this.platform.name, "complete", fields)).choices;
  }

  async act(place, message, offer, value) {
    const fields = { person: this.personIn(place), message: message.id, action: offer.id, value };
    await post(this.platform.name, "actions", fields).catch((error) =>
      toast(`${this.platform.title}: ${error.message}`, "error"),
    );
  }

  /** Take an event of the feed that the platform has already taken over. */
  onEvent(event, isNew) {
    switch (event.type) {
      case "message":
        this.onMessage(event.message, isNew);
        break;
      case "deleted":
        this.main.renderMessages();
        if (this.thread.place) this.thread.renderMessages();
        break;
      case "status":
        this.onStatus(event);
        break;
      case "channel":
        this.renderPlaces();
        this.followMine(event.channel.id);
        break;
      case "connection":
        this.renderConnection();
        break;
      case "commands":
        this.main.composer.render();
        break;
    }
  }

  onStatus(event) {
    this.main.renderStatus();
    this.thread.renderStatus();
    if (this.platform.name !== "discord" || !event.text) return;
    // Discord never says that typing has ended: it is over when it is not renewed.
    clearTimeout(this.typing);
    this.typing = setTimeout(() => {
      this.platform.statuses.delete(placeKey(event));
      this.main.renderStatus();
    }, TYPING_MILLISECONDS);
  }

  onMessage(message, isNew) {
    const place = this.platform.placeOf(message);
    if (isNew && message.author === this.platform.bot.id) this.followMine(message.thread);
    for (const view of [this.main, this.thread]) {
      if (!view.place || view.place.channel !== message.channel) continue;
      view.renderStatus();
      if (view.isThread ? view.place.thread === (message.thread || message.id) : !place.thread)
        view.update(message);
      else if (!view.isThread && this.platform.messages.has(message.thread)) this.renderLink(message, isNew);
    }
    if (isNew && message.author !== this.personIn(place)) this.countUnread(message, place);
  }

  /** A reply changes what its first message says of the thread, when it comes and when it is whole. */
  renderLink(message, isNew) {
    if (isNew || !message.is_streaming) this.main.renderMessages();
  }

  countUnread(message, place) {
    if (message.visible_to && message.visible_to !== this.person) return;
    const view = [this.thread, this.main].find((each) => samePlace(each.place, place));
    const isSeen = view && view.sticks && !document.hidden && view.element.offsetParent;
    if (isSeen) return;
    this.platform.markUnread(message);
    if (view && !view.sticks) view.latest.hidden = false;
    this.renderPlaces();
    if (place.thread) this.main.renderMessages();
  }

  /** Go along into the thread that the bot opened below the person's own message. */
  followMine(id) {
    if (!this.mine.has(id)) return;
    const isWriting = this.main.composer.textarea.value.trim();
    const hasFocus = this.main.element.contains(document.activeElement);
    if (this.platform.channels.get(id)?.kind === "thread") {
      this.mine.delete(id);
      if (!isWriting) this.open({ channel: id, thread: "" }, hasFocus);
    } else if (this.platform.repliesTo(id).length) {
      this.mine.delete(id);
      const { channel } = this.platform.messages.get(id);
      if (!isWriting && this.main.place.channel === channel)
        this.openThread({ channel, thread: id }, hasFocus);
    }
  }
}
