// Where people write: who they are, what they answer to, the text, and what to try.
import { makeMenu } from "./completion.js";
import { fill, h, rove } from "./dom.js";
import { makeShelf } from "./files.js";
import { avatar } from "./message.js";
import { suggestionsFor } from "./suggestions.js";

let count = 0;

const TASKS = {
  reply: ["Replying to ", ""],
  edit: ["Changing a message of ", ""],
  forward: ["Forwarding a message of ", ": go where it is to land, and send"],
};

/**
 * Make a composer. `panel` has the platform, the person and `choose(person)`; `send(text, task, files)` sends and
 * resolves to whether it was taken; `choices(name, text)` asks for a command's values. A task is what is done with
 * another message: `kind` is one of `TASKS`.
 */
export function makeComposer({ panel, place, send, choices }) {
  const { platform } = panel;
  const textarea = h("textarea", { rows: 1, spellcheck: "false" });
  const menu = makeMenu(textarea, `completion-${++count}`, () => ({
    platform,
    place: place(),
    text: textarea.value,
    caret: textarea.selectionStart,
    choices,
  }));
  const tries = h("div", { class: "tries", role: "group", "aria-label": "Things to try" });
  const answering = h("div", { class: "answering", hidden: true });
  const people = h("div", { class: "people", role: "radiogroup", "aria-label": "Write as" });
  rove(people, "button");
  const button = h(
    "button",
    { type: "submit", class: "send", "aria-label": "Send", title: "Send (Enter)" },
    "↑",
  );
  const form = h("form", { class: "composer" });
  const shelf = makeShelf(form);
  form.append(
    menu.element,
    answering,
    shelf.element,
    textarea,
    h("div", { class: "bar" }, people, h("span", {}, shelf.button, button)),
    shelf.input,
  );
  const element = h("div", { class: "foot" }, tries, form);
  const composer = { element, textarea, task: null };

  composer.take = (kind, message) => {
    if (kind === "edit") textarea.value = platform.typed(message.text);
    else if (composer.task?.kind === "edit") textarea.value = "";
    composer.task = { kind, message };
    answering.hidden = false;
    fill(
      answering,
      h("span", {}, TASKS[kind][0], h("b", {}, platform.nameOf(message.author)), TASKS[kind][1]),
      h("button", { type: "button", "aria-label": "Stop that", onclick: () => panel.drop(composer) }, "×"),
    );
    textarea.focus();
  };
  composer.drop = () => {
    if (composer.task?.kind === "edit") textarea.value = "";
    composer.task = null;
    answering.hidden = true;
  };
  composer.render = () => {
    textarea.placeholder = placeholder(platform, place());
    textarea.setAttribute("aria-label", textarea.placeholder);
    fill(people, switcher(panel, place()));
    fill(
      tries,
      h("span", { class: "muted" }, "Try"),
      suggestionsFor(platform, place()).map((each) =>
        h(
          "button",
          { type: "button", class: "try", title: each.text, onclick: () => attempt(each) },
          each.label,
        ),
      ),
    );
  };
  const attempt = async (suggestion) => {
    if (composer.task && composer.task.kind !== "reply") panel.drop(composer);
    if (suggestion.isSent) return submit(suggestion.text);
    textarea.value = suggestion.text;
    textarea.focus();
    menu.refresh();
  };
  const submit = async (text, files = []) => {
    const { task } = composer;
    panel.drop(composer);
    menu.close();
    const isTaken = await send(text, task, files);
    if (!isTaken && task) composer.take(task.kind, task.message);
    return isTaken;
  };
  const submitDraft = async () => {
    const text = textarea.value;
    const isWork = composer.task && composer.task.kind !== "reply"; // which takes no files
    const files = isWork ? [] : shelf.take();
    if (!text.trim() && !files.length && composer.task?.kind !== "forward") return;
    textarea.value = "";
    if (await submit(text, files)) return;
    if (!textarea.value || composer.task?.kind === "edit") textarea.value = text; // nothing written is lost
    shelf.put(files);
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    submitDraft();
  });
  textarea.addEventListener("input", menu.refresh);
  textarea.addEventListener("keydown", (event) => {
    if (menu.onKey(event)) return;
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      submitDraft();
    } else if (event.key === "Escape" && composer.task) {
      event.stopPropagation();
      panel.drop(composer);
    }
  });
  return composer;
}

function placeholder(platform, place) {
  if (place.thread) return "Reply in the thread";
  const channel = platform.channels.get(place.channel);
  if (channel?.kind === "dm") return `Message ${platform.bot.name} directly`;
  return `Message ${platform.titleOf(place)}`;
}

function switcher(panel, place) {
  const { platform } = panel;
  const owner = platform.ownerOf(place);
  const people = owner ? platform.people.filter((person) => person.id === owner) : platform.people;
  const current = panel.personIn(place);
  return people.map((person) =>
    h(
      "button",
      {
        type: "button",
        role: "radio",
        "aria-checked": String(person.id === current),
        tabindex: person.id === current ? 0 : -1,
        title: `Write as ${person.name}`,
        onclick: () => panel.choose(person.id),
        onfocus: (event) =>
          event.target.matches(":focus-visible") && person.id !== current && panel.choose(person.id),
      },
      avatar(platform, person.id, "small"),
      h("span", {}, person.name),
    ),
  );
}
