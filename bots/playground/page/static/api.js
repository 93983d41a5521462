// The page's two ways to its server: posts, and the stream of everything that happens.

async function answered(response) {
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(body.error || `the playground answered ${response.status}`);
  return body;
}

async function reach(path, options) {
  try {
    return await fetch(path, options);
  } catch {
    throw new Error("the playground does not answer");
  }
}

/** Do something on a platform. Throws an Error whose message can be shown. */
export async function post(platform, action, fields) {
  const headers = { "Content-Type": "application/json" };
  return answered(
    await reach(`/api/${platform}/${action}`, { method: "POST", headers, body: JSON.stringify(fields) }),
  );
}

/** Read the stored conversation of a place; null where there is none to tell of. */
export async function loadConversation(place) {
  return (await answered(await reach(`/api/conversation?${new URLSearchParams(place)}`))).conversation;
}

/**
 * Listen to the server, for ever. `onState` gets everything anew at each connection, so that a restart of the
 * server needs no more than this; `onLost` tells that there is none.
 */
export function listen({ onState, onEvent, onLost }) {
  const source = new EventSource("/api/events");
  source.addEventListener("state", (event) => onState(JSON.parse(event.data)));
  source.addEventListener("feed", (event) => onEvent(JSON.parse(event.data)));
  source.addEventListener("error", () => {
    onLost();
    // The browser tries again by itself, except after an answer that is no stream.
    if (source.readyState === EventSource.CLOSED) {
      setTimeout(() => listen({ onState, onEvent, onLost }), 1500);
    }
  });
}
