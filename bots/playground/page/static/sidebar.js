// A platform's places: channels with their threads, and direct messages.
import { fill, h, rove } from "./dom.js";
import { avatar } from "./message.js";

/** Make the sidebar of a platform. `open(place)` goes there. */
export function makeSidebar(platform, open) {
  const list = h("div", { class: "places" });
  rove(list, ".place");
  const element = h("nav", { class: "sidebar", "aria-label": `${platform.title} places` }, list);
  return {
    element,
    render(current) {
      const focused = document.activeElement?.closest?.(".place")?.dataset.channel;
      const hadFocus = list.contains(document.activeElement);
      fill(list, sections(platform, current, open));
      const tabbable = list.querySelector("[aria-current]") ?? list.querySelector(".place");
      if (tabbable) tabbable.tabIndex = 0;
      if (hadFocus) list.querySelector(`[data-channel="${focused}"]`)?.focus();
    },
  };
}

function sections(platform, current, open) {
  const channels = platform
    .channelsOfKind("channel")
    .flatMap((channel) => [
      placeElement(platform, channel, current, open),
      ...platform
        .channelsOfKind("thread", channel.id)
        .map((thread) => placeElement(platform, thread, current, open)),
    ]);
  const people = platform
    .channelsOfKind("dm")
    .map((channel) => placeElement(platform, channel, current, open));
  return [h("h3", {}, "Channels"), channels, people.length ? [h("h3", {}, "Direct messages"), people] : null];
}

function placeElement(platform, channel, current, open) {
  const unread = platform.unreadIn(channel.id);
  const isCurrent = current.channel === channel.id;
  const signs = { channel: "#", thread: "↳" };
  const label = platform.labelOf(channel);
  return h(
    "button",
    {
      type: "button",
      class: `place ${channel.kind}${unread ? " is-unread" : ""}`,
      tabindex: -1,
      "data-channel": channel.id,
      "aria-current": isCurrent ? "page" : null,
      "aria-label": `${label}${channel.kind === "dm" ? `, direct message with ${platform.bot.name}` : ""}${unread ? `, ${unread} unread` : ""}`,
      title: channel.topic || label,
      onclick: () => open({ channel: channel.id, thread: "" }),
    },
    channel.kind === "dm"
      ? avatar(platform, platform.ownerOf({ channel: channel.id }), "small")
      : h("span", { class: "sign", "aria-hidden": "true" }, signs[channel.kind]),
    h("span", { class: "label" }, label),
    unread
      ? h("span", { class: "badge", "aria-hidden": "true" }, unread > 99 ? "99+" : String(unread))
      : null,
  );
}
