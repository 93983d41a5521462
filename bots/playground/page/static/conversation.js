// The stored conversation: what the bot remembers of a place, and what the model is sent of it.
import { loadConversation } from "./api.js";
import { fill, h } from "./dom.js";

const SOON = 250;
const LONG = 420;
const FLAGS = {
  "not sent": "It failed or was cleared: the model does not see it any more",
  "in the summary": "The model gets the summary above in its place",
  "no room": "It does not fit the model's window, and no summary has it yet",
};

export class ConversationView {
  /** `focus()` gives the panel whose place is shown. */
  constructor(focus) {
    this.focus = focus;
    this.chosen = null;
    this.asked = 0;
    this.timer = 0;
    this.drawn = "";
    this.element = h("section", {
      class: "tabpanel conversation",
      role: "tabpanel",
      tabindex: 0,
      id: "tabpanel-conversation",
      "aria-labelledby": "tab-conversation",
    });
  }

  /** Show the place in focus again, rather than a conversation chosen from the list. */
  follow() {
    this.chosen = null;
    this.reload();
  }

  reloadSoon() {
    if (this.timer) return;
    this.timer = setTimeout(() => {
      this.timer = 0;
      this.reload();
    }, SOON);
  }

  async reload() {
    if (this.element.hidden || !this.element.isConnected) return;
    const asked = ++this.asked;
    const place = this.chosen ?? placeOf(this.focus());
    const conversation = await loadConversation(place).catch((error) => ({ error: error.message }));
    if (asked === this.asked) this.draw(conversation, place);
  }

  draw(conversation, place) {
    const now = JSON.stringify([conversation, place]);
    if (now === this.drawn) return;
    this.drawn = now;
    const left = this.element.scrollHeight - this.element.scrollTop - this.element.clientHeight;
    const isOther = this.shown !== JSON.stringify(place);
    this.shown = JSON.stringify(place);
    fill(this.element, this.content(conversation, place));
    if (isOther || left < 60) this.element.scrollTop = this.element.scrollHeight;
  }

  content(conversation, place) {
    if (conversation?.error) return h("p", { class: "hint problem" }, conversation.error);
    const others = conversation?.others ?? [];
    if (!conversation?.is_stored) {
      return [
        this.picker(others, conversation, place),
        h(
          "p",
          { class: "muted hint" },
          "Nothing is stored for this place yet. Mention the bot, or open one of its threads: what it keeps of it on disk, and sends to the model with the next question, stands here.",
        ),
      ];
    }
    return [
      this.picker(others, conversation, place),
      facts(conversation),
      extra("system", "System prompt", conversation.system_prompt),
      extra("summary", "Summary of older messages", conversation.summary, true),
      conversation.pins.length
        ? extra("pins", "Pinned: always sent", conversation.pins.map((pin) => `• ${pin}`).join("\n"), true)
        : null,
      h("ol", { class: "stored-list" }, conversation.messages.map(storedMessage)),
    ];
  }

  picker(others, conversation, place) {
    if (!others.length) return null;
    const key = (each) => [each.workspace, each.channel, each.thread].join(" ");
    const current = conversation ? key(conversation) : "";
    const choose = (event) => {
      const chosen = others.find((each) => key(each) === event.target.value);
      this.chosen = chosen
        ? {
            platform: place.platform,
            workspace: chosen.workspace,
            channel: chosen.channel,
            thread: chosen.thread,
            parent: "",
          }
        : null;
      this.reload();
    };
    return h(
      "select",
      { class: "picker", "aria-label": "Stored conversations", onchange: choose },
      h("option", { value: "", selected: !this.chosen }, "The place in focus"),
      others.map((each) =>
        h(
          "option",
          { value: key(each), selected: Boolean(this.chosen) && key(each) === current },
          `${each.title || "(empty)"} — ${each.message_count} messages`,
        ),
      ),
    );
  }
}

/** Say in a few lines what the next question sends, and what the answers took. */
function facts(conversation) {
  const { messages, sent_tokens: tokens, room_tokens: room, used } = conversation;
  const sent = messages.filter((message) => message.is_sent).length;
  const rows = [
    ["Model", h("code", {}, conversation.model)],
    ["On disk", `${messages.length} ${messages.length === 1 ? "message" : "messages"}`],
    ["Sent next", `${sent} of ${messages.length}${room ? `, about ${amount(tokens)} of ${amount(room)} tokens` : ""}`],
    ["Used here", used, "What all answers in this channel took so far"],
  ];
  return h(
    "dl",
    { class: "facts" },
    rows.map(([name, value, title]) => (value ? [h("dt", { title }, name), h("dd", { title }, value)] : null)),
  );
}

const amount = (number) => number.toLocaleString("en");

/** A part that is sent beside the messages, folded unless `isOpen`; nothing where there is none. */
function extra(kind, name, text, isOpen = false) {
  if (!text) return null;
  return h("details", { class: `stored ${kind}`, open: isOpen }, h("summary", {}, name), h("p", {}, text));
}

function storedMessage(message) {
  const who =
    message.role === "user"
      ? message.author || "user"
      : message.role === "assistant"
        ? message.model || "assistant"
        : "system";
  return h(
    "li",
    { class: `stored ${message.role}${message.is_sent ? "" : " unsent"}` },
    h(
      "header",
      {},
      h("span", { class: "role" }, message.role),
      h("span", { class: "who" }, who),
      message.is_sent
        ? null
        : h("span", { class: "flag", title: FLAGS[message.note] ?? "" }, message.note || "not sent"),
    ),
    h("p", {}, message.text),
    message.text.length > LONG ? moreButton() : null,
  );
}

function moreButton() {
  const show = (event) => event.target.closest(".stored").classList.add("is-whole");
  return h("button", { type: "button", class: "more", onclick: show }, "Show all");
}

/** Name the place that a panel shows, as the server wants it. */
function placeOf(panel) {
  const { platform, place } = panel;
  return {
    platform: platform.name,
    workspace: platform.workspace,
    channel: place.channel,
    parent: platform.channels.get(place.channel)?.parent ?? "",
    thread: place.thread,
  };
}
