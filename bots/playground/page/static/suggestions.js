// What to try, for somebody who sees this for the first time. It depends on the place.

const WORDS = ["long 300", "code", "table", "slow", "fail"];

/** List suggestions for a place: what is written, and whether it is sent at once. */
export function suggestionsFor(platform, place) {
  const channel = platform.channels.get(place.channel);
  const isTalk = Boolean(place.thread) || channel?.kind !== "channel";
  const at = isTalk ? "" : `${platform.mention} `;
  const remembers = isTalk || platform.name === "discord";
  return [
    isTalk
      ? null
      : { label: "Say hello", text: `${at}hello! I am planning a sailing trip.`, isSent: true },
    remembers
      ? { label: "What did I say first?", text: `${at}what did I say first?`, isSent: true }
      : null,
    ...WORDS.map((word) => ({ label: word, text: at + word, isSent: true })),
    commands(place),
  ].filter(Boolean);
}

/** The sign of commands opens a menu of them all; Slack takes no slash commands in threads. */
function commands(place) {
  const sign = place.thread ? "!" : "/";
  return { label: `${sign} commands`, text: sign, isSent: false };
}
