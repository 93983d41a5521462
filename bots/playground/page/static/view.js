// One place of a platform, as people see it: heading, messages, status, composer.
import { makeComposer } from "./composer.js";
import { fill, h, rove } from "./dom.js";
import { continues, messageElement, updateMessage, updateThreadLink } from "./message.js";
import { placeKey, samePlace } from "./model.js";

const NEAR_THE_END = 48;
const SHOWN = 200;

export class View {
  /** `panel` owns the view; `isThread` makes it the pane of a Slack thread. */
  constructor(panel, isThread) {
    this.panel = panel;
    this.platform = panel.platform;
    this.isThread = isThread;
    this.place = null;
    this.sticks = true;
    this.top = 0;
    this.newFrom = "";
    this.elements = new Map();
    this.heading = h("header", { class: "heading" });
    this.list = h("div", { class: "messages", role: "group", "aria-label": "Messages" });
    this.latest = h(
      "button",
      { type: "button", class: "latest", hidden: true, onclick: () => this.toEnd() },
      "New messages ↓",
    );
    this.status = h("p", { class: "status", role: "status" });
    this.composer = makeComposer({
      panel,
      place: () => this.place,
      send: (text, task, files) => panel.send(this.place, text, task, files),
      choices: (name, text) => panel.choices(this.place, name, text),
    });
    this.element = h(
      "section",
      { class: `view${isThread ? " thread-view" : ""}`, hidden: isThread },
      this.heading,
      h("div", { class: "scroll" }, this.list, this.latest),
      this.status,
      this.composer.element,
    );
    rove(this.list, ".message");
    this.list.addEventListener("scroll", () => this.onScroll(), { passive: true });
    new ResizeObserver(() => this.sticks && this.toEnd()).observe(this.list);
  }

  /** Show a place, from its end. */
  show(place) {
    if (!samePlace(this.place, place)) {
      this.elements.clear();
      fill(this.list);
      if (this.composer.task?.kind !== "forward") this.composer.drop();
    }
    this.place = place;
    this.element.hidden = !place;
    if (!place) return;
    this.element.setAttribute("aria-label", `${this.platform.title}: ${this.platform.titleOf(place)}`);
    this.newFrom = this.platform.unread.get(placeKey(place))?.first ?? "";
    this.platform.unread.delete(placeKey(place));
    this.sticks = true;
    this.render();
  }

  /** Draw everything that is missing or different. */
  render() {
    if (!this.place) return;
    fill(this.heading, this.headingContent());
    this.composer.render();
    this.renderMessages();
    this.renderStatus();
  }

  renderStatus() {
    const text = this.place ? this.platform.statuses.get(placeKey(this.place)) : "";
    fill(
      this.status,
      text
        ? [
            h("span", { class: "dots", "aria-hidden": "true" }, h("i"), h("i"), h("i")),
            words(this.platform, text),
          ]
        : null,
    );
  }

  /** Bring one message up to date; the others stay as they are. */
  update(message) {
    const element = this.elements.get(message.id);
    if (!element) return this.renderMessages();
    updateMessage(element, this.platform, message, this.actions());
    this.settle();
  }

  renderMessages() {
    const { platform } = this;
    const messages = platform.messagesOf(this.place, this.panel.personIn(this.place)).slice(-SHOWN);
    const notes = this.panel.notesIn(this.place);
    const wanted = [];
    const takeNotes = (until) => {
      while (notes.length && (until === null || notes[0].after < until))
        wanted.push(this.noteElement(notes.shift()));
    };
    let before = null;
    for (const message of messages) {
      takeNotes(message.id);
      if (message.id === this.newFrom) wanted.push(h("div", { class: "divider" }, "New"));
      wanted.push(this.elementOf(message, before));
      if (this.isThread && message.id === this.place.thread)
        wanted.push(this.repliesDivider(messages.length - 1));
      before = message;
    }
    takeNotes(null);
    const ids = new Set(messages.map((message) => message.id));
    for (const id of this.elements.keys()) if (!ids.has(id)) this.elements.delete(id);
    this.arrange(wanted.length ? wanted : [this.emptyElement()]);
    this.settle();
  }

  /** Put elements in order, moving only those that are elsewhere: focus and selections stay. */
  arrange(wanted) {
    const keep = new Set(wanted);
    for (const child of [...this.list.children]) if (!keep.has(child)) child.remove();
    wanted.forEach((element, index) => {
      if (this.list.children[index] !== element)
        this.list.insertBefore(element, this.list.children[index] ?? null);
    });
    const items = [...this.list.querySelectorAll(".message")];
    if (!items.some((item) => item.tabIndex === 0) && items.length) items.at(-1).tabIndex = 0;
  }

  elementOf(message, before) {
    const { platform } = this;
    let element = this.elements.get(message.id);
    if (element) updateMessage(element, platform, message, this.actions());
    else this.elements.set(message.id, (element = messageElement(platform, message, this.actions())));
    element.classList.toggle(
      "continues",
      continues(platform, before, message) && message.id !== this.newFrom,
    );
    if (!this.isThread && platform.name === "slack") {
      const place = { channel: message.channel, thread: message.id };
      updateThreadLink(element, platform, platform.repliesTo(message.id), () => this.panel.openThread(place));
      element.classList.toggle("has-unread", platform.unread.has(placeKey(place)));
    }
    return element;
  }

  actions() {
    const { panel, platform } = this;
    return {
      act: (message, offer, value) => panel.act(this.place, message, offer, value),
      reveal: (id) => this.reveal(id),
      tools: (message) => {
        if (message.visible_to) return null;
        const tool = (label, onclick, title = null) =>
          h("button", { type: "button", tabindex: -1, title, onclick }, label);
        const isOwn = message.author !== platform.bot.id;
        return [
          this.replyTool(message, tool),
          tool("Forward", () => panel.forward(message)),
          isOwn ? tool("Edit", () => this.composer.take("edit", platform.messages.get(message.id))) : null,
          isOwn ? tool("Delete", () => panel.remove(message)) : null,
        ];
      },
    };
  }

  replyTool(message, tool) {
    if (this.platform.name !== "slack") return tool("Reply", () => this.composer.take("reply", message));
    if (this.isThread) return null;
    const place = { channel: message.channel, thread: message.thread || message.id };
    return tool("Reply", () => this.panel.openThread(place), "Reply in thread");
  }

  headingContent() {
    const { platform, panel, place } = this;
    const channel = platform.channels.get(place.channel);
    const back = this.isThread
      ? () => panel.closeThread()
      : channel?.parent
        ? () => panel.open({ channel: channel.parent, thread: "" })
        : null;
    const topic = this.isThread
      ? ""
      : channel?.kind === "dm"
        ? "Direct message: no mention needed"
        : channel?.parent
          ? `in #${platform.channels.get(channel.parent)?.name}`
          : channel?.topic;
    return [
      back
        ? h(
            "button",
            {
              type: "button",
              class: "back",
              "aria-label": this.isThread ? "Close the thread" : "Back to the channel",
              title: "Back (Escape)",
              onclick: back,
            },
            "←",
          )
        : null,
      h("h2", {}, platform.titleOf(place)),
      topic ? h("span", { class: "muted topic", title: topic }, topic) : null,
    ];
  }

  emptyElement() {
    const { platform, place } = this;
    const isDirect = platform.channels.get(place.channel)?.kind === "dm";
    return h(
      "div",
      { class: "empty" },
      h("img", { src: "/static/mark.svg", alt: "", width: 44, height: 44 }),
      h("b", {}, isDirect ? "Just write: no mention needed." : `Mention ${platform.mention} to begin.`),
      h(
        "span",
        { class: "muted" },
        isDirect
          ? "A direct message is one long conversation."
          : platform.name === "slack"
            ? "It answers in a thread, and each thread is a conversation of its own."
            : "It answers right here, and remembers what was said to it in this channel.",
      ),
      h("span", { class: "muted" }, "Click something to try below, or write your own."),
    );
  }

  repliesDivider(count) {
    return h(
      "div",
      { class: "divider quiet-divider" },
      count ? `${count} ${count === 1 ? "reply" : "replies"}` : "No replies yet",
    );
  }

  noteElement(note) {
    return h(
      "article",
      { class: "message note is-private" },
      h("span", { class: "avatar platform" }, this.platform.title[0]),
      h(
        "div",
        { class: "content" },
        h(
          "header",
          {},
          h("b", { class: "author" }, this.platform.title),
          h("span", { class: "private" }, "Only visible to you"),
        ),
        h("div", { class: "body" }, h("p", {}, note.text)),
      ),
    );
  }

  reveal(id) {
    const element = this.elements.get(id);
    if (!element) return;
    element.scrollIntoView({ block: "center" });
    element.classList.add("is-found");
    setTimeout(() => element.classList.remove("is-found"), 1600);
  }

  onScroll() {
    const { scrollHeight, scrollTop, clientHeight } = this.list;
    const isNear = scrollHeight - scrollTop - clientHeight < NEAR_THE_END;
    // Only going up means to read there: a new layout can leave the end behind as well.
    if (isNear || scrollTop < this.top) this.sticks = isNear;
    this.top = scrollTop;
    if (this.sticks) {
      this.latest.hidden = true;
      if (this.place && this.platform.unread.delete(placeKey(this.place))) this.panel.renderPlaces();
    }
  }

  /** After a change: stay at the end, unless the reader went up. */
  settle() {
    if (this.sticks) this.toEnd();
  }

  toEnd() {
    this.list.scrollTop = this.list.scrollHeight;
    this.sticks = true;
    this.latest.hidden = true;
  }
}

function words(platform, text) {
  return /\w/.test(text) && !text.toLowerCase().includes(platform.bot.name.toLowerCase())
    ? `${platform.bot.name} ${text}`
    : text;
}
