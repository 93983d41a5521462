// Inline Markdown to DOM nodes: code, bold, italic, strike, links, mentions. Pure but for making nodes.
import { h } from "../dom.js";

const SAFE_URL = /^(https?:\/\/|mailto:)/i;

// Tried in this order at each place; what none of them takes is text.
const RULES = [
  [/^\\([\\`*_{}[\]()#+\-.!|~>])/, (m) => m[1]],
  [/^(`+)([\s\S]*?[^`])\1(?!`)/, (m) => h("code", {}, m[2].trim() || m[2])],
  [/^<((?:https?:\/\/|mailto:)[^\s>]+)>/i, (m) => link(m[1], m[1])],
  [/^<(@[!&]?|#)([A-Z0-9]+)(?:\|[^>]*)?>/, (m, context) => mention(m[1], m[2], context)],
  [
    /^!?\[((?:[^[\]]|\[[^\]]*\])*)\]\(\s*<?([^\s()<>]*(?:\([^\s()]*\)[^\s()<>]*)*)>?(?:\s+"[^"]*")?\s*\)/,
    (m, context) => link(m[2], inline(m[1], context)),
  ],
  [/^\*\*\*(?=\S)([\s\S]*?\S)\*\*\*/, (m, context) => h("strong", {}, h("em", {}, inline(m[1], context)))],
  [/^\*\*(?=\S)([\s\S]*?\S\**)\*\*(?!\*)/, (m, context) => h("strong", {}, inline(m[1], context))],
  [
    /^__(?=\S)([\s\S]*?\S)__(?!\w)/,
    (m, context) => h(context.isDiscord ? "u" : "strong", {}, inline(m[1], context)),
  ],
  [/^~~(?=\S)([\s\S]*?\S)~~/, (m, context) => h("s", {}, inline(m[1], context))],
  [
    /^\*(?=[^\s*])((?:[^*]|\*\*[^*]+\*\*)*?[^\s*])\*(?!\*)/,
    (m, context) => h("em", {}, inline(m[1], context)),
  ],
  [/^_(?=[^\s_])([^_]*[^\s_])_(?!\w)/, (m, context) => h("em", {}, inline(m[1], context))],
  [/^https?:\/\/[^\s<>]*[^\s<>.,:;!?'")\]*_~]/i, (m) => link(m[0], m[0])],
];
const STARTS = /[\\`<![*_~h]/g;

/** Turn one paragraph's text into nodes. `context` has `nameOf(id)`, `channelOf(id)` and `isDiscord`. */
export function inline(text, context) {
  const nodes = [];
  let plain = "";
  let at = 0;
  const flush = () => {
    if (plain) nodes.push(...withBreaks(plain));
    plain = "";
  };
  while (at < text.length) {
    STARTS.lastIndex = at;
    const next = STARTS.exec(text)?.index ?? text.length;
    plain += text.slice(at, next);
    at = next;
    if (at >= text.length) break;
    const found = match(text, at);
    if (!found) {
      plain += text[at++];
      continue;
    }
    flush();
    const node = found.make(found.groups, context);
    nodes.push(...(Array.isArray(node) ? node : [node]));
    at += found.groups[0].length;
  }
  flush();
  return nodes;
}

function match(text, at) {
  const rest = text.slice(at);
  const isInWord = at > 0 && /\w/.test(text[at - 1]);
  for (const [pattern, make] of RULES) {
    // snake_case is no emphasis, and a scheme inside a word begins no link.
    if (isInWord && /[_h]/.test(rest[0])) continue;
    const groups = pattern.exec(rest);
    if (groups) return { groups, make };
  }
  return null;
}

/** Split at line breaks: chats show each of them. */
export function withBreaks(text) {
  return text.split("\n").flatMap((line, index) => (index ? [h("br"), line] : [line]));
}

/** Make a link, or plain text where its address is none that a chat would open. */
export function link(url, content) {
  if (!SAFE_URL.test(url)) return h("span", {}, content);
  return h("a", { href: url, target: "_blank", rel: "noopener noreferrer" }, content);
}

/** Show a mention of a person or a channel by its name. */
export function mention(kind, id, context) {
  const name = kind.startsWith("@") ? context.nameOf(id) : context.channelOf(id);
  return h("span", { class: "mention" }, `${kind[0]}${name}`);
}
