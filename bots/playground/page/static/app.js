// The page: two platforms side by side, and what happens behind the scenes.
import { listen } from "./api.js";
import { Behind } from "./behind.js";
import { announce, fill, h, memory } from "./dom.js";
import { makeJump } from "./jump.js";
import { Platform } from "./model.js";
import { Panel } from "./panel.js";

const NARROW = matchMedia("(max-width: 860px)");
const ROOMY = matchMedia("(min-width: 1280px)");
const byId = (id) => document.getElementById(id);

const panels = new Map();
let focused = null;
let focusedPlace = "";
let behind = null;
let waiting = []; // events of this animation frame

function setFocus(panel) {
  const before = focusedPlace;
  focusedPlace = `${panel.platform.name} ${JSON.stringify(panel.place)}`;
  focused = panel;
  for (const each of panels.values()) each.element.classList.toggle("is-focused", each === panel);
  if (before !== focusedPlace) behind?.conversation.follow();
}

function showBehind(isShown) {
  memory.set("behind", isShown);
  document.body.classList.toggle("has-behind", isShown);
  byId("behind-button").setAttribute("aria-pressed", String(isShown));
  if (NARROW.matches) showTab(isShown ? "behind" : focused.platform.name);
  else if (isShown) behind.show(behind.tab);
}

function showTab(name) {
  document.body.dataset.tab = name;
  for (const button of byId("tabs").children)
    button.setAttribute("aria-pressed", String(button.dataset.tab === name));
  if (panels.has(name)) {
    setFocus(panels.get(name));
    for (const view of [panels.get(name).main, panels.get(name).thread]) view.settle();
  } else behind?.show(behind.tab);
}

function onState(state) {
  byId("offline").hidden = true;
  document.body.classList.remove("is-offline");
  byId("notice").hidden = !state.notice && !state.model;
  fill(byId("notice"), state.notice || `Answers come from ${state.model}`);
  byId("notice").title = byId("notice").textContent;
  waiting = [];
  for (const snapshot of state.platforms) {
    const panel = panels.get(snapshot.platform);
    if (panel) {
      panel.platform.take(snapshot);
      panel.render();
    } else addPanel(snapshot);
  }
  if (!behind) start();
  behind.take(state.recent);
}

function addPanel(snapshot) {
  const panel = new Panel(new Platform(snapshot), setFocus);
  panels.set(snapshot.platform, panel);
  byId("deck").append(panel.element);
  panel.render();
}

/** Finish the page once the first state is here. */
function start() {
  behind = new Behind(
    () => focused,
    () => showBehind(false),
  );
  byId("deck").append(behind.element);
  const names = [
    ...[...panels.values()].map(({ platform }) => [platform.name, platform.title]),
    ["behind", "Behind"],
  ];
  fill(
    byId("tabs"),
    names.map(([name, title]) =>
      h("button", { type: "button", "data-tab": name, onclick: () => showTab(name) }, title),
    ),
  );
  const first = panels.values().next().value;
  setFocus(first);
  showTab(first.platform.name);
  const isWanted = memory.get("behind", null) ?? ROOMY.matches;
  if (!NARROW.matches) showBehind(isWanted && (ROOMY.matches || memory.get("behind", false)));
  // On a phone the keyboard would come up and cover half of the page.
  if (first.place && !NARROW.matches) first.main.composer.textarea.focus();
}

function onEvent(event) {
  waiting.push(event);
  // A hidden page draws no frames, but has to keep up all the same.
  if (waiting.length === 1)
    document.hidden ? setTimeout(takeWaiting, 50) : requestAnimationFrame(takeWaiting);
}

function takeWaiting() {
  const events = waiting;
  waiting = [];
  events.forEach((event, index) => {
    // Of a streaming text only the newest state is drawn.
    const isOutdated =
      event.type === "message" &&
      events.slice(index + 1).some((later) => later.message?.id === event.message.id);
    takeEvent(event, isOutdated);
  });
}

function takeEvent(event, isOutdated) {
  const panel = panels.get(event.platform);
  if (!panel) return;
  const { platform } = panel;
  const known = event.type === "message" ? platform.messages.get(event.message.id) : null;
  platform.apply(event);
  if (!isOutdated || !known) panel.onEvent(event, event.type === "message" && !known);
  if (event.type === "message") tell(platform, known, event.message);
  behind.onEvent(event);
}

/** Read the bot's finished answers out to people who cannot see them stream. */
function tell(platform, before, message) {
  const isWhole = !message.is_streaming && (!before || before.is_streaming);
  if (isWhole && message.author === platform.bot.id)
    announce(`${platform.bot.name} on ${platform.title}: ${message.text}`);
}

const jump = makeJump(
  byId("jump"),
  () => [...panels.values()],
  (panel, place) => {
    if (NARROW.matches) showTab(panel.platform.name);
    panel.open(place, true);
  },
);
byId("jump-button").addEventListener("click", jump);
byId("jump-key").textContent = /Mac|iP/.test(navigator.platform) ? "⌘ K" : "Ctrl K";
byId("behind-button").addEventListener("click", () =>
  showBehind(!document.body.classList.contains("has-behind")),
);
document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
    event.preventDefault();
    jump();
  }
});
NARROW.addEventListener("change", () => showTab(focused?.platform.name ?? ""));

listen({
  onState,
  onEvent,
  onLost() {
    byId("offline").hidden = false;
    document.body.classList.add("is-offline");
  },
});
