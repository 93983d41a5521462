// Markdown to DOM nodes, as far as the chat platforms show it. Text that is cut anywhere still renders: it streams.
import { h } from "../dom.js";
import { inline } from "./inline.js";

const FENCE = /^ {0,3}(```+|~~~+)\s*([^\s`]*)[^`]*$/;
const HEADING = /^ {0,3}(#{1,6})\s+(.*?)\s*#*$/;
const RULE = /^ {0,3}([-*_])(\s*\1){2,}\s*$/;
const ITEM = /^(\s*)([-*+•]|\d{1,9}[.)])\s+(.*)$/;
const QUOTE = /^ {0,3}>\s?(.*)$/;
const TABLE_LINE = /^\s*\|?(\s*:?-+:?\s*\|)+\s*:?-*:?\s*\|?\s*$/;

// A quote in a quote in a quote... ends somewhere: what is deeper is shown as it was written.
const DEEPEST = 12;
const deeper = (context) => ({ ...context, depth: context.depth + 1 });

/** Turn Markdown into nodes. `context.isDiscord` leaves tables and rules as the text that Discord shows. */
export function markdown(text, context) {
  return blocks(text.replaceAll("\r\n", "\n").split("\n"), { ...context, depth: 0 });
}

function blocks(lines, context) {
  const nodes = [];
  let paragraph = [];
  const flush = () => {
    if (paragraph.length) nodes.push(h("p", {}, inline(paragraph.join("\n"), context)));
    paragraph = [];
  };
  let at = 0;
  while (at < lines.length) {
    const taken = block(lines, at, context);
    if (taken) {
      flush();
      nodes.push(taken.node);
      at = taken.next;
      continue;
    }
    if (lines[at].trim()) paragraph.push(lines[at]);
    else flush();
    at += 1;
  }
  flush();
  return nodes;
}

function block(lines, at, context) {
  const line = lines[at];
  if (context.depth > DEEPEST) return null;
  if (FENCE.test(line)) return fence(lines, at);
  const heading = HEADING.exec(line);
  // The page has headings of its own: those of a message begin below them.
  if (heading)
    return {
      node: h(`h${Math.min(6, heading[1].length + 2)}`, {}, inline(heading[2], context)),
      next: at + 1,
    };
  if (!context.isDiscord && RULE.test(line)) return { node: h("hr"), next: at + 1 };
  if (QUOTE.test(line)) return quote(lines, at, context);
  if (ITEM.test(line)) return list(lines, at, context);
  if (!context.isDiscord && isTable(lines, at)) return table(lines, at, context);
  return null;
}

function fence(lines, at) {
  const [, marks, language] = FENCE.exec(lines[at]);
  const isEnd = (line) => line.trim().startsWith(marks) && !line.trim().replaceAll(marks[0], "");
  let end = at + 1;
  while (end < lines.length && !isEnd(lines[end])) end += 1;
  return { node: codeBlock(lines.slice(at + 1, end).join("\n"), language), next: end + 1 };
}

/** Make a block of code; long lines scroll inside it, by keyboard too. */
export function codeBlock(code, language = "") {
  return h("pre", { tabindex: 0, "data-language": language || null }, h("code", {}, code));
}

function quote(lines, at, context) {
  let end = at;
  const inner = [];
  while (end < lines.length && QUOTE.test(lines[end])) inner.push(QUOTE.exec(lines[end++])[1]);
  return { node: h("blockquote", {}, blocks(inner, deeper(context))), next: end };
}

function list(lines, at, context) {
  const [, indent, marker] = ITEM.exec(lines[at]);
  const isOrdered = /\d/.test(marker);
  const items = [];
  let end = at;
  while (end < lines.length) {
    const item = ITEM.exec(lines[end]);
    if (item && item[1].length <= indent.length + 1) {
      if (/\d/.test(item[2]) !== isOrdered) break;
      items.push([item[3]]);
    } else if (lines[end].trim() && (item || /^\s{2,}/.test(lines[end]))) {
      items.at(-1).push(lines[end].replace(/^\s{1,4}/, ""));
    } else if (lines[end].trim() || !ITEM.test(lines[end + 1] ?? "")) {
      break;
    }
    end += 1;
  }
  const children = items.map((item) => h("li", {}, tight(blocks(item, deeper(context)))));
  const start = isOrdered && parseInt(marker, 10) !== 1 ? parseInt(marker, 10) : null;
  return { node: h(isOrdered ? "ol" : "ul", { start }, children), next: end };
}

/** Drop the paragraph around an item's own line. */
function tight(nodes) {
  return nodes.flatMap((node) => (node.tagName === "P" ? [...node.childNodes] : [node]));
}

const isTable = (lines, at) => lines[at].includes("|") && TABLE_LINE.test(lines[at + 1] ?? "");

function cells(line) {
  const inner = line
    .trim()
    .replace(/^\|/, "")
    .replace(/(?<!\\)\|$/, "");
  return inner.split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll("\\|", "|"));
}

function table(lines, at, context) {
  const sides = cells(lines[at + 1]).map((cell) =>
    /^:-+:$/.test(cell) ? "center" : /-:$/.test(cell) ? "end" : "start",
  );
  const row = (tag, line) =>
    h(
      "tr",
      {},
      cells(line)
        .slice(0, sides.length)
        .map((cell, column) => h(tag, { class: sides[column] }, inline(cell, context))),
    );
  let end = at + 2;
  const rows = [];
  while (end < lines.length && lines[end].includes("|")) rows.push(row("td", lines[end++]));
  const node = h("table", {}, h("thead", {}, row("th", lines[at])), h("tbody", {}, rows));
  return { node: h("div", { class: "table", tabindex: 0 }, node), next: end };
}
