// One message as an element. Its parts are renewed apart, so that a streaming text moves nothing else.
import { fill, h } from "./dom.js";
import { filesElement } from "./files.js";
import { markdown } from "./format/markdown.js";
import { mrkdwn } from "./format/mrkdwn.js";
import { timeOf } from "./model.js";

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "numeric", minute: "2-digit" });
const FULL = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const GROUPED_MILLISECONDS = 5 * 60 * 1000;

/** Draw a person's picture: a coloured letter, or the mark for the bot. */
export function avatar(platform, id, size = "") {
  const person = [platform.bot, ...platform.people].find((each) => each.id === id);
  if (person?.is_bot) {
    return h("img", { class: `avatar ${size}`, src: "/static/mark.svg", alt: "" });
  }
  const name = person?.name ?? "?";
  const hue = [...name].reduce((sum, letter) => sum + letter.charCodeAt(0), 0) % 6;
  return h("span", { class: `avatar tone-${hue} ${size}`, "aria-hidden": "true" }, name[0]);
}

/** Make the element of a message; `actions` has what people can do with it. */
export function messageElement(platform, message, actions) {
  const element = h("article", { class: "message", tabindex: -1, "data-id": message.id });
  element.parts = {
    reference: h("div", { class: "reference" }),
    head: h("header", {}),
    body: h("div", { class: "body" }),
    files: h("div", { class: "files" }),
    reactions: h("div", { class: "reactions" }),
    offers: h("div", { class: "offers" }),
    thread: h("div", { class: "thread-link" }),
    tools: h("div", { class: "tools" }),
  };
  const { reference, head, body, files, reactions, offers, thread, tools } = element.parts;
  element.append(
    avatar(platform, message.author),
    h("div", { class: "content" }, reference, head, body, files, reactions, offers, thread),
    tools,
  );
  updateMessage(element, platform, message, actions);
  return element;
}

/** Bring a message's element up to date. */
export function updateMessage(element, platform, message, actions) {
  const before = element.message;
  element.message = message;
  element.classList.toggle("is-streaming", message.is_streaming);
  element.classList.toggle("is-private", Boolean(message.visible_to));
  element.classList.toggle("is-bot", message.author === platform.bot.id);
  const { parts } = element;
  if (before?.is_edited !== message.is_edited || before?.visible_to !== message.visible_to) {
    fill(parts.head, head(platform, message));
  }
  if (before?.text !== message.text || before?.is_streaming !== message.is_streaming) {
    fill(parts.body, body(platform, message));
  }
  if (JSON.stringify(before?.files) !== JSON.stringify(message.files)) {
    fill(parts.files, filesElement(platform, message));
  }
  if (JSON.stringify(before?.reactions) !== JSON.stringify(message.reactions)) {
    fill(
      parts.reactions,
      (message.reactions ?? []).map((emoji) => h("span", { class: "reaction" }, emoji)),
    );
  }
  if (JSON.stringify(before?.actions) !== JSON.stringify(message.actions)) {
    fill(
      parts.offers,
      message.actions.map((offer) => offerElement(offer, message, actions)),
    );
  }
  if (!before) {
    fill(parts.tools, actions.tools(message));
    fill(parts.reference, referenceElement(platform, message, actions));
  }
}

/** Show how many replies a Slack message has; the thread opens from there. */
export function updateThreadLink(element, platform, replies, open) {
  if (!replies.length) return fill(element.parts.thread);
  const authors = [...new Set(replies.map((reply) => reply.author))].slice(0, 4);
  const isStreaming = replies.some((reply) => reply.is_streaming);
  const count = `${replies.length} ${replies.length === 1 ? "reply" : "replies"}`;
  fill(
    element.parts.thread,
    h(
      "button",
      { type: "button", class: "replies", onclick: open },
      authors.map((author) => avatar(platform, author, "small")),
      h("b", {}, count),
      h("span", { class: "muted" }, isStreaming ? "answering…" : "View thread"),
    ),
  );
}

/** Tell whether a message goes on where the one before ended: same person, shortly after. */
export function continues(platform, before, message) {
  if (!before || before.author !== message.author || before.visible_to || message.visible_to) return false;
  if (message.reply_to || message.author === platform.bot.id) return false;
  const gap = timeOf(platform.name, message.id) - timeOf(platform.name, before.id);
  return gap >= 0 && gap < GROUPED_MILLISECONDS;
}

function head(platform, message) {
  const time = timeOf(platform.name, message.id);
  return [
    h("b", { class: "author" }, platform.nameOf(message.author)),
    message.author === platform.bot.id ? h("span", { class: "tag" }, "App") : null,
    time ? h("time", { datetime: time.toISOString(), title: FULL.format(time) }, CLOCK.format(time)) : null,
    message.is_edited ? h("span", { class: "muted" }, "edited") : null,
    message.visible_to ? h("span", { class: "private" }, "Only visible to you") : null,
  ];
}

function body(platform, message) {
  const context = {
    nameOf: (id) => platform.nameOf(id),
    channelOf: (id) => platform.channels.get(id)?.name ?? id,
    isDiscord: platform.name === "discord",
  };
  if (!message.text && message.is_streaming) return h("p", { class: "muted" }, "…");
  return message.format === "mrkdwn" ? mrkdwn(message.text, context) : markdown(message.text, context);
}

function offerElement(offer, message, actions) {
  if (!offer.options.length) {
    return h(
      "button",
      { type: "button", class: "offer", onclick: () => actions.act(message, offer, "") },
      offer.label,
    );
  }
  return h(
    "select",
    {
      class: "offer",
      "aria-label": offer.label,
      onchange: (event) => actions.act(message, offer, event.target.value),
    },
    h("option", { value: "", selected: true, disabled: true }, offer.label || "Choose…"),
    offer.options.map((option) => h("option", { value: option }, option)),
  );
}

function referenceElement(platform, message, actions) {
  if (!message.reply_to) return null;
  const target = platform.messages.get(message.reply_to);
  const excerpt = target ? platform.plain(target.text).slice(0, 90) : "a message that is gone";
  return h(
    "button",
    { type: "button", onclick: () => actions.reveal(message.reply_to) },
    target ? h("b", {}, platform.nameOf(target.author)) : null,
    " ",
    excerpt,
  );
}
