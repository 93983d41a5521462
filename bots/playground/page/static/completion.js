// The menu above a composer: the bot's name after @, commands after / (and ! in Slack threads), their choices.
import { fill, h } from "./dom.js";

const CHOICE_DELAY = 120;

/** Say what could complete a text at the caret, as far as the page knows; null where the bot has to be asked. */
function knownCompletions({ platform, place, text, caret }) {
  const before = text.slice(0, caret);
  const name = platform.mention;
  const at = /(^|\s)(@\w*)$/.exec(before);
  if (at && name.startsWith(at[2].toLowerCase())) {
    return [{ label: name, detail: "mention the bot", insert: `${name} `, from: caret - at[2].length }];
  }
  const command = /^([/!])(\w*)$/.exec(before);
  if (command) return commandNames(platform, place, command[1], command[2]);
  return argumentAt(platform, before) ? null : [];
}

/** Ask the bot what could complete a command's argument. `choices(name, text)` gives its values. */
async function askedCompletions({ platform, text, caret, choices }) {
  const { command, typed } = argumentAt(platform, text.slice(0, caret));
  const values = await choices(command.name, typed);
  return values
    .filter((value) => value !== typed)
    .map((value) => ({ label: value, detail: command.argument, insert: value, from: caret - typed.length }));
}

function argumentAt(platform, before) {
  const found = /^\/(\w+)\s+(\S*)$/.exec(before);
  const command = found && platform.commands.find((each) => each.name === found[1] && each.argument);
  return command ? { command, typed: found[2] } : null;
}

function commandNames(platform, place, sign, typed) {
  // Slack keeps slash commands out of threads; there the bot listens to a word with an exclamation mark.
  if (sign === "!" && !place.thread) return [];
  return platform.commands
    .filter((command) => command.name.startsWith(typed.toLowerCase()))
    .map((command) => ({
      label: sign + command.name + (command.argument ? ` [${command.argument}]` : ""),
      detail: command.description,
      insert: `${sign}${command.name}${command.argument ? " " : ""}`,
      from: 0,
    }));
}

/** Attach a menu to a textarea; gives its element and what the composer needs of it. */
export function makeMenu(textarea, id, describe) {
  const element = h("ul", {
    class: "completion",
    role: "listbox",
    id,
    hidden: true,
    "aria-label": "Suggestions",
  });
  textarea.setAttribute("aria-controls", id);
  textarea.setAttribute("aria-autocomplete", "list");
  const menu = { element, items: [], at: 0, asked: 0, timer: 0, isStale: false };

  menu.close = () => {
    menu.asked += 1;
    clearTimeout(menu.timer);
    show(menu, textarea, []);
  };
  menu.refresh = () => {
    const asked = ++menu.asked;
    clearTimeout(menu.timer);
    // At once where it can be: a quick Enter must not choose from what the text was before.
    const known = knownCompletions(describe());
    if (known) return show(menu, textarea, known);
    menu.isStale = true;
    menu.timer = setTimeout(async () => {
      const found = await askedCompletions(describe()).catch(() => []);
      if (asked === menu.asked) show(menu, textarea, found);
    }, CHOICE_DELAY);
  };
  menu.choose = (index) => {
    const item = menu.items[index];
    textarea.setRangeText(item.insert, item.from, textarea.selectionStart, "end");
    textarea.focus();
    menu.refresh();
  };
  menu.onKey = (event) => onKey(menu, textarea, event);
  element.addEventListener("mousedown", (event) => {
    event.preventDefault(); // the textarea keeps the focus
    const option = event.target.closest("[role=option]");
    if (option) menu.choose([...element.children].indexOf(option));
  });
  textarea.addEventListener("blur", menu.close);
  return menu;
}

function show(menu, textarea, items) {
  menu.items = items;
  menu.isStale = false;
  menu.at = 0;
  fill(
    menu.element,
    items.map((item, index) =>
      h(
        "li",
        { role: "option", id: `${menu.element.id}-${index}` },
        h("b", {}, item.label),
        h("span", { class: "muted" }, item.detail),
      ),
    ),
  );
  menu.element.hidden = !items.length;
  mark(menu, textarea);
}

function mark(menu, textarea) {
  [...menu.element.children].forEach((option, index) =>
    option.setAttribute("aria-selected", index === menu.at),
  );
  const current = menu.element.children[menu.at];
  current?.scrollIntoView({ block: "nearest" });
  if (current) textarea.setAttribute("aria-activedescendant", current.id);
  else textarea.removeAttribute("aria-activedescendant");
}

/** Handle a key while the menu is open; true when it was the menu's. */
function onKey(menu, textarea, event) {
  if (!menu.items.length || menu.isStale || event.isComposing) return false;
  const count = menu.items.length;
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    menu.at = (menu.at + (event.key === "ArrowDown" ? 1 : count - 1)) % count;
    mark(menu, textarea);
  } else if (event.key === "Tab" || (event.key === "Enter" && !isWhole(menu, textarea))) {
    menu.choose(menu.at);
  } else if (event.key === "Escape") {
    menu.close();
  } else {
    return false;
  }
  event.preventDefault();
  event.stopPropagation();
  return true;
}

/** Whether Enter would add nothing but a space, and so should send. */
function isWhole(menu, textarea) {
  const item = menu.items[menu.at];
  return textarea.value.slice(item.from, textarea.selectionStart).trim() === item.insert.trim();
}
