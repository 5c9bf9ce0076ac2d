// A whole document as indented JSON, the matched parts marked. Long texts and long arrays are cut until they are asked for.
import { html, useMemo, useState } from "./html.js";
import { Marked, wordsOf } from "./marks.js";
import { copy, save } from "./parts.js";
import { count, value as shownValue } from "./show.js";
import { stepsOf } from "./query.js";

const LONGEST = 500;
const ITEMS = 50;
const DEEPEST = 100;

/** document: any JSON; reasons: what matched of it. */
export function Tree({ document, reasons = [] }) {
  const marks = useMemo(() => marksOf(reasons), [reasons]);
  const text = () => JSON.stringify(document, null, 2);
  return html`<div class="tree">
    <div class="row end">
      <button type="button" class="quiet" onClick=${(event) => copy(text(), event.currentTarget)}>Copy JSON</button>
      <button type="button" class="quiet" onClick=${() => save(text(), "document.json", "application/json")}>
        Save
      </button>
    </div>
    <pre
      tabindex="0"
      role="region"
      aria-label="Document"
    ><${Node} value=${document} path="" marks=${marks} depth=${0} /></pre>
  </div>`;
}

/** Return, for each path without positions, what matched there: texts of values, and the words that were asked for. */
function marksOf(reasons) {
  const marks = new Map();
  for (const reason of reasons) {
    if (!("match" in reason) || reason.share <= 0) continue;
    const path = plain(stepsOf(reason.path) ?? []);
    const known = marks.get(path) ?? { values: new Set(), words: new Set() };
    known.values.add(JSON.stringify(reason.match));
    for (const word of wordsOf(reason.query)) known.words.add(word);
    marks.set(path, known);
  }
  return marks;
}

const plain = (steps) => JSON.stringify(steps.map((step) => (typeof step === "number" ? null : step)));

function Node({ value, steps = [], marks, depth }) {
  const [most, setMost] = useState(ITEMS);
  const indent = "  ".repeat(depth + 1);
  const isArray = Array.isArray(value);
  if (typeof value !== "object" || value === null || Object.keys(value).length === 0) {
    return html`<${Leaf} value=${value} mark=${marks.get(plain(steps))} />`;
  }
  if (depth >= DEEPEST) return html`<span>${shownValue(value, LONGEST)}</span>`;
  const keys = isArray ? value.keys() : Object.keys(value);
  const entries = [...keys];
  const shown = entries.slice(0, most);
  const left = entries.length - shown.length;
  return html`${isArray ? "[" : "{"}${"\n"}${shown.map(
    (key, place) =>
      html`${indent}${isArray ? "" : html`<span class="key">${JSON.stringify(key)}</span>: `}<${Node}
          value=${value[key]}
          steps=${[...steps, key]}
          marks=${marks}
          depth=${depth + 1}
        />${place < entries.length - 1 ? "," : ""}${"\n"}`,
  )}${left > 0 && html`${indent}<button type="button" class="quiet cut" onClick=${() => setMost(most * 10)}>… ${count(left)} more</button>${"\n"}`}${"  ".repeat(depth)}${isArray ? "]" : "}"}`;
}

function Leaf({ value, mark }) {
  const [whole, setWhole] = useState(false);
  const matched = mark?.values.has(JSON.stringify(value));
  const kind = typeof value === "string" ? "text" : "plain";
  if (typeof value !== "string") {
    return html`<span class=${kind}
      >${matched ? html`<mark>${JSON.stringify(value)}</mark>` : JSON.stringify(value)}</span
    >`;
  }
  const words = matched ? mark.words : null;
  const partly = matched && [...wordsOf(value)].some((word) => words.has(word));
  const shown = html`<${Marked} value=${value} words=${partly ? words : null} longest=${whole ? Infinity : LONGEST} />`;
  return html`<span class=${kind}
    >${matched && !partly ? html`<mark>${shown}</mark>` : shown}${
      !whole &&
      value.length > LONGEST &&
      html` <button type="button" class="quiet cut" onClick=${() => setWhole(true)}>
        all ${count(value.length)} characters
      </button>`
    }</span
  >`;
}
