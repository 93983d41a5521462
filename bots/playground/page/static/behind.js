// Behind the scenes: the stored conversation of the place in focus, and what goes between bot and platform.
import { CallList } from "./calls.js";
import { ConversationView } from "./conversation.js";
import { fill, h, memory, rove, toast } from "./dom.js";
import { post } from "./api.js";

const TROUBLE = [
  ["rate_limit", "429 for the next calls"],
  ["server_error", "500 for the next calls"],
  ["lost_answer", "Lose the next answer"],
  ["slow", "Slow answers"],
  ["disconnect", "Cut the connection"],
  ["redeliver", "Send the last event again"],
  ["calm", "Stop all trouble"],
];

export class Behind {
  /** `focus()` gives the panel in focus; `onClose` is called by Escape. */
  constructor(focus, onClose) {
    this.focus = focus;
    this.conversation = new ConversationView(focus);
    this.calls = new CallList();
    this.tab = memory.get("tab", "conversation");
    this.trouble = this.troubleMenu();
    this.tabs = h("div", { class: "behind-tabs", role: "tablist", "aria-label": "Behind the scenes" });
    rove(this.tabs, "[role=tab]");
    this.element = h(
      "aside",
      { class: "panel behind", id: "behind", "aria-label": "Behind the scenes" },
      h(
        "header",
        { class: "panel-top" },
        h("h1", {}, "Behind the scenes"),
        this.trouble,
        h(
          "button",
          {
            type: "button",
            class: "close",
            "aria-label": "Close",
            title: "Close (Escape)",
            onclick: onClose,
          },
          "×",
        ),
      ),
      this.tabs,
      this.conversation.element,
      this.calls.element,
    );
    this.element.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      if (this.trouble.open) this.trouble.open = false;
      else onClose();
    });
    this.show(this.tab);
  }

  show(tab) {
    this.tab = tab;
    memory.set("tab", tab);
    const names = { conversation: "Conversation", calls: "API calls" };
    fill(
      this.tabs,
      Object.entries(names).map(([id, name]) =>
        h(
          "button",
          {
            type: "button",
            role: "tab",
            id: `tab-${id}`,
            "aria-controls": `tabpanel-${id}`,
            "aria-selected": String(id === tab),
            tabindex: id === tab ? 0 : -1,
            onclick: () => {
              this.show(id);
              this.tabs.querySelector("[aria-selected=true]").focus();
            },
          },
          name,
          id === "calls" && this.calls.problems
            ? h("span", { class: "badge" }, String(this.calls.problems))
            : null,
        ),
      ),
    );
    this.conversation.element.hidden = tab !== "conversation";
    this.calls.element.hidden = tab !== "calls";
    if (tab === "calls") this.calls.toEnd();
    else this.conversation.reload();
  }

  /** Take all recent calls and deliveries, after a snapshot. */
  take(events) {
    this.calls.clear();
    for (const event of events) this.calls.add(event);
    this.show(this.tab);
  }

  onEvent(event) {
    if (event.type === "call" || event.type === "delivery") {
      const before = this.calls.problems;
      this.calls.add(event);
      if (this.calls.problems !== before) this.show(this.tab);
    }
    if (event.platform === this.focus().platform.name) this.conversation.reloadSoon();
  }

  troubleMenu() {
    const menu = h(
      "details",
      { class: "trouble" },
      h("summary", { title: "Let something go wrong" }, "Make it hard"),
    );
    const make = async (kind) => {
      menu.open = false;
      const { platform } = this.focus();
      try {
        const { answer } = await post(platform.name, "faults", { kind });
        toast(`${platform.title}: ${answer}`);
      } catch (error) {
        toast(`${platform.title}: ${error.message}`, "error");
      }
    };
    const target = h("p", { class: "muted" });
    menu.append(
      h(
        "div",
        { class: "trouble-list" },
        target,
        TROUBLE.map(([kind, label]) => h("button", { type: "button", onclick: () => make(kind) }, label)),
      ),
    );
    menu.addEventListener("toggle", () => fill(target, `On ${this.focus().platform.title}`));
    document.addEventListener("pointerdown", (event) => {
      if (!menu.contains(event.target)) menu.open = false;
    });
    return menu;
  }
}
