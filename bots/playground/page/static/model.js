// What the page knows of one platform: the last snapshot, kept current by the feed. No DOM in here.

const DISCORD_EPOCH = 1420070400000;

/** Order ids by age: both kinds grow, in digits or in length. */
export function compareIds(a, b) {
  return a.length - b.length || (a < b ? -1 : Number(a > b));
}

/** Read the time out of a message's id; null where it has none. */
export function timeOf(platform, id) {
  if (platform === "slack") return /^\d+\.\d+$/.test(id) ? new Date(Number(id) * 1000) : null;
  return /^\d+$/.test(id) ? new Date(Number(BigInt(id) >> 22n) + DISCORD_EPOCH) : null;
}

export const samePlace = (a, b) => Boolean(a && b) && a.channel === b.channel && a.thread === b.thread;
export const placeKey = (place) => `${place.channel}/${place.thread}`;

/** Give a command's name without the slash that Slack has in it. */
const unsigned = (command) => ({ ...command, name: command.name.replace(/^\//, "") });

export class Platform {
  constructor(snapshot) {
    this.unread = new Map();
    this.take(snapshot);
  }

  /** Take over a snapshot; what was unread stays so. */
  take(snapshot) {
    this.name = snapshot.platform;
    this.title = snapshot.platform === "slack" ? "Slack" : "Discord";
    this.workspace = snapshot.workspace;
    this.workspaceName = snapshot.workspace_name;
    this.bot = snapshot.bot;
    this.people = snapshot.people;
    this.commands = snapshot.commands.map(unsigned);
    this.isConnected = snapshot.is_connected;
    this.channels = new Map(snapshot.channels.map((channel) => [channel.id, channel]));
    this.messages = new Map(snapshot.messages.map((message) => [message.id, message]));
    this.statuses = new Map();
  }

  /** Take over one event of the feed. */
  apply(event) {
    switch (event.type) {
      case "message":
        this.messages.set(event.message.id, event.message);
        if (event.message.author === this.bot.id) this.statuses.delete(placeKey(this.placeOf(event.message)));
        break;
      case "deleted":
        this.messages.delete(event.id);
        break;
      case "channel":
        this.channels.set(event.channel.id, event.channel);
        break;
      case "commands":
        this.commands = event.commands.map(unsigned);
        break;
      case "connection":
        this.isConnected = event.is_connected;
        break;
      case "status":
        if (event.text) this.statuses.set(placeKey(event), event.text);
        else this.statuses.delete(placeKey(event));
        break;
    }
  }

  /** Name the place where a message stands: the channel, or the Slack thread that it answers in. */
  placeOf(message) {
    const isRoot = !message.thread || message.thread === message.id;
    return { channel: message.channel, thread: isRoot ? "" : message.thread };
  }

  /** List the messages of a place that a person can see, oldest first; a thread begins with its root. */
  messagesOf(place, person) {
    const seen = [...this.messages.values()].filter(
      (message) =>
        (samePlace(this.placeOf(message), place) || (place.thread && message.id === place.thread)) &&
        message.channel === place.channel &&
        (!message.visible_to || message.visible_to === person),
    );
    return seen.sort((a, b) => compareIds(a.id, b.id));
  }

  /** List the replies in the Slack thread of a message. */
  repliesTo(id) {
    return [...this.messages.values()]
      .filter((message) => message.thread === id && message.id !== id && !message.visible_to)
      .sort((a, b) => compareIds(a.id, b.id));
  }

  get mention() {
    return `@${this.bot.name.toLowerCase()}`;
  }

  nameOf(id) {
    return [this.bot, ...this.people].find((person) => person.id === id)?.name ?? id;
  }

  /** Give a text as somebody would type it, with names for mentions. */
  typed(text) {
    return text
      .replace(/<@[!&]?([A-Z0-9]+)(?:\|[^>]*)?>/g, (_, id) => `@${this.nameOf(id)}`)
      .replaceAll("&lt;", "<")
      .replaceAll("&gt;", ">")
      .replaceAll("&amp;", "&");
  }

  /** Give a text in one line. */
  plain(text) {
    return this.typed(text).replace(/\s+/g, " ").trim();
  }

  /** Find the person who alone can talk in a place: the one of a DM. */
  ownerOf(place) {
    const person = this.channels.get(place.channel)?.person;
    return this.people.find((each) => each.id === person || each.name === person)?.id ?? "";
  }

  labelOf(channel) {
    if (channel.kind === "dm") return this.nameOf(this.ownerOf({ channel: channel.id })) || channel.name;
    return channel.name;
  }

  /** Word a place for a heading or a list. */
  titleOf(place) {
    const channel = this.channels.get(place.channel);
    if (!channel) return place.channel;
    if (place.thread)
      return `Thread in ${channel.kind === "dm" ? this.labelOf(channel) : `#${channel.name}`}`;
    if (channel.kind === "dm") return `${this.labelOf(channel)} and ${this.bot.name}`;
    return channel.kind === "thread" ? channel.name : `#${channel.name}`;
  }

  /** List the places as a sidebar has them: channels with their threads, then DMs. */
  channelsOfKind(kind, parent) {
    return [...this.channels.values()].filter(
      (channel) => channel.kind === kind && (parent === undefined || channel.parent === parent),
    );
  }

  firstPlace() {
    const channel = this.channelsOfKind("channel")[0] ?? [...this.channels.values()][0];
    return { channel: channel?.id ?? "", thread: "" };
  }

  markUnread(message) {
    const key = placeKey(this.placeOf(message));
    const entry = this.unread.get(key) ?? { first: message.id, ids: new Set() };
    entry.ids.add(message.id);
    this.unread.set(key, entry);
  }

  /** Count what is unread in a channel, with its Slack threads. */
  unreadIn(channel) {
    let count = 0;
    for (const [key, entry] of this.unread) {
      if (key.startsWith(`${channel}/`)) count += entry.ids.size;
    }
    return count;
  }
}
