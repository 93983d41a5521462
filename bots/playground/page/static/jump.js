// The dialog that goes to any place by a few letters of its name.
import { fill, h } from "./dom.js";

/** Make the dialog usable; `panels()` gives all panels, `go(panel, place)` goes there. */
export function makeJump(dialog, panels, go) {
  const input = h("input", {
    type: "text",
    placeholder: "Jump to a channel, thread or person…",
    "aria-label": "Jump to",
    autocomplete: "off",
    spellcheck: "false",
    role: "combobox",
    "aria-expanded": "true",
    "aria-controls": "jump-list",
  });
  const list = h("ul", { role: "listbox", id: "jump-list", "aria-label": "Places" });
  fill(dialog, input, list);
  let found = [];
  let at = 0;

  const draw = () => {
    const wanted = input.value.trim().toLowerCase();
    found = panels()
      .flatMap(placesOf)
      .filter(
        (each) => each.label.toLowerCase().includes(wanted) || each.panel.platform.name.includes(wanted),
      )
      .slice(0, 40);
    at = 0;
    fill(
      list,
      found.map((each, index) =>
        h(
          "li",
          {
            role: "option",
            id: `jump-${index}`,
            class: each.panel.platform.name,
            onclick: () => take(index),
          },
          h("span", { class: "glyph", "aria-hidden": "true" }, each.panel.platform.title[0]),
          h("b", {}, each.label),
          h("span", { class: "muted" }, each.panel.platform.title),
        ),
      ),
    );
    if (!found.length) fill(list, h("li", { class: "muted" }, "No such place"));
    mark();
  };
  const mark = () => {
    [...list.children].forEach((item, index) => item.setAttribute("aria-selected", String(index === at)));
    list.children[at]?.scrollIntoView({ block: "nearest" });
    input.setAttribute("aria-activedescendant", found.length ? `jump-${at}` : "");
  };
  const take = (index) => {
    dialog.close();
    if (found[index]) go(found[index].panel, found[index].place);
  };
  input.addEventListener("input", draw);
  input.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      const step = event.key === "ArrowDown" ? 1 : found.length - 1;
      at = found.length ? (at + step) % found.length : 0;
      mark();
    } else if (event.key === "Enter") {
      event.preventDefault();
      take(at);
    }
  });
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  return () => {
    if (dialog.open) return dialog.close();
    input.value = "";
    draw();
    dialog.showModal();
    return input.focus();
  };
}

function placesOf(panel) {
  const { platform } = panel;
  const places = [...platform.channels.values()].map((channel) => ({ channel: channel.id, thread: "" }));
  const threads = new Set(
    [...platform.messages.values()]
      .filter((each) => each.thread && platform.messages.has(each.thread))
      .map((each) => each.thread),
  );
  for (const thread of [...threads].slice(-20))
    places.push({ channel: platform.messages.get(thread).channel, thread });
  return places.map((place) => ({ panel, place, label: labelOf(platform, place) }));
}

function labelOf(platform, place) {
  if (!place.thread) return platform.titleOf(place);
  return `${platform.titleOf(place)}: ${platform.plain(platform.messages.get(place.thread).text).slice(0, 40)}`;
}
