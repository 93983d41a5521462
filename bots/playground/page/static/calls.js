// The list of what goes between bot and platform: events delivered, API calls made.
import { fill, h } from "./dom.js";

const KEPT = 500;
const TIME = new Intl.DateTimeFormat(undefined, {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hour12: false,
});
const FILTERS = { all: "All", call: "Calls", delivery: "Events", problem: "Problems" };

export class CallList {
  constructor() {
    this.problems = 0;
    this.filter = "all";
    this.rows = h("ol", { class: "calls", tabindex: 0, "aria-label": "API calls and events" });
    this.filters = h("div", { class: "filters", role: "group", "aria-label": "Show" });
    this.empty = h(
      "p",
      { class: "muted hint" },
      "Every event that a platform sends the bot, and every call that the bot makes, shows up here as it happens.",
    );
    this.element = h(
      "section",
      { class: "tabpanel", role: "tabpanel", id: "tabpanel-calls", "aria-labelledby": "tab-calls" },
      this.filters,
      h("p", { class: "muted legend" }, "→ the bot calls · ← the platform tells it"),
      this.empty,
      this.rows,
    );
    this.sticks = true;
    this.rows.addEventListener(
      "scroll",
      () => {
        this.sticks = this.rows.scrollHeight - this.rows.scrollTop - this.rows.clientHeight < 30;
      },
      { passive: true },
    );
    this.choose("all");
  }

  choose(filter) {
    this.filter = filter;
    this.rows.dataset.filter = filter;
    fill(
      this.filters,
      Object.entries(FILTERS).map(([id, name]) =>
        h(
          "button",
          { type: "button", "aria-pressed": String(id === filter), onclick: () => this.choose(id) },
          name,
        ),
      ),
    );
    this.sticks = true;
    this.toEnd();
  }

  clear() {
    this.problems = 0;
    fill(this.rows);
    this.empty.hidden = false;
  }

  add(event) {
    const row = event.type === "call" ? callRow(event) : deliveryRow(event);
    if (row.classList.contains("problem")) this.problems += 1;
    this.empty.hidden = true;
    this.rows.append(row);
    while (this.rows.childElementCount > KEPT) this.rows.firstElementChild.remove();
    if (this.sticks) this.toEnd();
  }

  toEnd() {
    this.rows.scrollTop = this.rows.scrollHeight;
  }
}

const clock = (at) => TIME.format(new Date((at ?? Date.now() / 1000) * 1000));

/** Leave of long ids what tells them apart. */
const shortened = (method) => method.replace(/\d{13,}(?=\d{4})/g, "…");

function callRow({ platform, call }) {
  const isProblem = call.status >= 400 || call.status === 0 || Boolean(call.error);
  const status = call.status ? String(call.status) : "cut";
  const kind = isProblem ? (call.status === 429 ? "problem slow-down" : "problem") : "";
  return h(
    "li",
    { class: `row call ${platform} ${kind}` },
    h("time", {}, clock(call.at)),
    h("span", { class: "arrow", title: "the bot calls" }, "→"),
    h("b", { class: "method", title: call.method }, shortened(call.method)),
    h("span", { class: "code" }, status),
    call.error || call.detail
      ? h(
          "span",
          { class: "detail", title: call.detail },
          call.error ? h("em", {}, call.error) : null,
          call.error && call.detail ? " · " : "",
          call.detail,
        )
      : h("span", { class: "detail" }),
    h("span", { class: "took" }, `${Math.round(call.milliseconds)} ms`),
  );
}

function deliveryRow({ platform, name, detail, attempt, at }) {
  return h(
    "li",
    { class: `row delivery ${platform} ${attempt > 1 ? "again" : ""}` },
    h("time", {}, clock(at)),
    h("span", { class: "arrow", title: "the platform delivers" }, "←"),
    h("b", { class: "method" }, name),
    attempt > 1 ? h("span", { class: "code" }, `attempt ${attempt}`) : null,
    detail ? h("span", { class: "detail" }, detail) : null,
  );
}
