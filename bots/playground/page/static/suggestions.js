// What to try, for somebody who sees this for the first time. It depends on the place.

/** List suggestions for a place: what is written, and whether it is sent at once. */
export function suggestionsFor(platform, place) {
  const channel = platform.channels.get(place.channel);
  const at = platform.mention;
  const isTalk = place.thread || channel?.kind !== "channel";
  if (!isTalk) {
    return [
      { label: "Say hello", text: `${at} hello! I am planning a sailing trip.`, isSent: true },
      { label: "long 300", text: `${at} long 300`, isSent: true },
      { label: "code", text: `${at} code`, isSent: true },
      { label: "table", text: `${at} table`, isSent: true },
      ...(platform.name === "discord"
        ? [{ label: "What did I say first?", text: `${at} what did I say first?`, isSent: true }]
        : []),
      { label: "/model", text: "/model ", isSent: false },
      { label: "/clear", text: "/clear", isSent: false },
    ];
  }
  const isSlackThread = Boolean(place.thread);
  const clear = isSlackThread
    ? { label: "!clear", text: "!clear", isSent: true }
    : { label: "/clear", text: "/clear", isSent: false };
  return [
    { label: "What did I say first?", text: "what did I say first?", isSent: true },
    { label: "long 300", text: "long 300", isSent: true },
    { label: "code", text: "code", isSent: true },
    { label: "table", text: "table", isSent: true },
    ...(isSlackThread ? [] : [{ label: "/model", text: "/model ", isSent: false }]),
    clear,
  ];
}
