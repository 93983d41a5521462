// Slack's mrkdwn to DOM nodes: *bold*, _italic_, ~strike~, `code`, fences, > quotes and <links>.
import { h } from "../dom.js";
import { link, mention, withBreaks } from "./inline.js";
import { codeBlock } from "./markdown.js";

const WRAPPED = /(^|[^\w*_~])([*_~])(?=\S)([^\n]*?\S)\2(?![\w*_~])/;
const TAGS = { "*": "strong", _: "em", "~": "s" };

/** Turn mrkdwn into nodes. `context` has `nameOf(id)` and `channelOf(id)`. */
export function mrkdwn(text, context) {
  return text
    .split(/```/)
    .flatMap((part, index) =>
      index % 2 ? [codeBlock(decode(part.replace(/^\n|\n$/g, "")))] : paragraphs(part, context),
    );
}

function paragraphs(text, context) {
  const nodes = [];
  let lines = [];
  let isQuote = false;
  const flush = () => {
    const content = lines.join("\n").replace(/^\n+|\n+$/g, "");
    lines = [];
    if (!content) return;
    const parts = content.split(/\n{2,}/).map((part) => h("p", {}, spans(part, context)));
    nodes.push(...(isQuote ? [h("blockquote", {}, parts)] : parts));
  };
  for (const line of text.split("\n")) {
    const quoted = /^&gt;\s?|^>\s?/.exec(line);
    if (Boolean(quoted) !== isQuote) flush();
    isQuote = Boolean(quoted);
    lines.push(quoted ? line.slice(quoted[0].length) : line);
  }
  flush();
  return nodes;
}

// Code and references are put aside while emphasis is looked for, as characters of Unicode's private use.
const ASIDE = 0xe000;

function spans(text, context) {
  const aside = [];
  const rest = text.replace(/`[^`\n]+`|<[^<>\n]+>/g, (found) => {
    const inner = found.slice(1, -1);
    aside.push(found[0] === "`" ? h("code", {}, decode(inner)) : reference(inner, context));
    return String.fromCharCode(ASIDE + aside.length - 1);
  });
  return emphasis(rest, aside);
}

function emphasis(text, aside) {
  const nodes = [];
  let rest = text;
  for (let found = WRAPPED.exec(rest); found; found = WRAPPED.exec(rest)) {
    nodes.push(...leaf(rest.slice(0, found.index + found[1].length), aside));
    nodes.push(h(TAGS[found[2]], {}, emphasis(found[3], aside)));
    rest = rest.slice(found.index + found[0].length);
  }
  return [...nodes, ...leaf(rest, aside)];
}

function leaf(text, aside) {
  return text
    .split(/([\ue000-\uf8ff])/)
    .flatMap((part, index) => (index % 2 && aside[part.charCodeAt(0) - ASIDE]) || withBreaks(decode(part)));
}

function reference(inner, context) {
  const [target, label] = inner.split("|", 2);
  if (/^[@#]/.test(target)) return mention(target[0], target.slice(1), context);
  if (target.startsWith("!")) return h("span", { class: "mention" }, label ?? `@${target.slice(1)}`);
  return link(decode(target), decode(label ?? target.replace(/^mailto:/, "")));
}

/** Undo the three escapes of mrkdwn. */
function decode(text) {
  return text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");
}
