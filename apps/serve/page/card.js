// One result: what it is, how well it matches, why, and the whole document behind it.
import { Tree } from "./document.js";
import { html, useState } from "./html.js";
import { Marked, visible, wordsOf } from "./marks.js";
import { Bar } from "./parts.js";
import { clip, number, percent, plural, value as shownValue } from "./show.js";
import { stepsOf } from "./query.js";
import { valuesAt } from "./titles.js";

const SHOWN = 4;
const PREVIEWED = 6;
const LEAST = 0.0005; // of a share that is worth a line

/** Return the text of a document's title. */
export function titleOf(document, paths) {
  const parts = paths.length
    ? paths.flatMap((path) => valuesAt(document, stepsOf(path) ?? []).slice(0, 1))
    : firstTexts(document);
  const texts = parts
    .map((part) => (typeof part === "string" ? part : shownValue(part, 60)))
    .filter((text) => text !== "");
  return visible(clip(texts.join(" · ") || shownValue(document, 90), 140));
}

/** Return the first short texts of a document, where nothing is known of its fields. */
function firstTexts(document) {
  const values = typeof document === "object" && document !== null ? Object.values(document) : [document];
  return values.filter((value) => typeof value === "string" && value.length < 80).slice(0, 2);
}

/** Return the first fields of a document beside its title: [path, text]. */
function previewOf(document, titles) {
  const found = [];
  const walk = (value, path) => {
    if (found.length >= PREVIEWED || titles.includes(path)) return;
    if (typeof value !== "object" || value === null)
      found.push([path, typeof value === "string" ? visible(clip(value, 90)) : String(value)]);
    else if (Array.isArray(value)) value.slice(0, 2).forEach((item) => walk(item, `${path}[]`));
    else
      Object.entries(value)
        .slice(0, PREVIEWED)
        .forEach(([key, item]) => walk(item, path ? `${path}.${key}` : key));
  };
  walk(document, "");
  return found.filter(([, text]) => text !== "");
}

/** Say how a field of the query and what it met compare: "equal", "similar", "other", or "absent". */
export function relation(reason) {
  if (!("match" in reason)) return "absent";
  if (JSON.stringify(reason.query) === JSON.stringify(reason.match)) return "equal";
  return reason.share > LEAST ? "similar" : "other";
}

const SIGNS = { equal: "=", similar: "~", other: "≠", absent: "∅" };
const SPOKEN = { equal: "equals", similar: "is similar to", other: "differs from", absent: "is missing" };

/** A bar of the whole score, of as many pieces as there are reasons. */
export function Stack({ reasons, score }) {
  const parts = reasons.filter((reason) => reason.share > LEAST);
  const label = `Score ${number(score)}: ${parts
    .slice(0, 6)
    .map((reason) => `${reason.path} ${percent(reason.share)}`)
    .join(", ")}`;
  return html`<div class="stack" role="img" aria-label=${label}>
    ${parts.map((reason) => html`<i class=${relation(reason)} style=${{ width: `${100 * reason.share}%` }} title=${`${clip(reason.path, 80)} ${percent(reason.share)}`}></i>`)}
  </div>`;
}

/** Why: one line for each field of the query. */
export function Reasons({ reasons, all = false }) {
  const [open, setOpen] = useState(all);
  const worth = reasons.filter((reason) => reason.share > LEAST);
  const shown = open ? reasons : worth.length ? worth.slice(0, SHOWN) : reasons.slice(0, SHOWN);
  const rest = reasons.length - shown.length;
  return html` <ul class="reasons">
      ${shown.map((reason) => html`<${Reason} reason=${reason} />`)}
    </ul>
    ${
      (rest > 0 || (open && reasons.length > SHOWN)) &&
      html`<button type="button" class="quiet more" aria-expanded=${open} onClick=${() => setOpen(!open)}>
        ${open ? "fewer" : `${plural(rest, "field")} more`}
      </button>`
    }`;
}

function Reason({ reason }) {
  const kind = relation(reason);
  const common = kind === "similar" && typeof reason.query === "string" ? wordsOf(reason.query) : null;
  return html`<li class=${kind}>
    <${Bar} share=${reason.share} kind=${kind} />
    <span class="share">${percent(Math.max(0, reason.share))}</span>
    <span class="path"><bdi>${clip(reason.path, 80)}</bdi></span>
    <span class="values"
      ><${Marked} value=${reason.query} longest=${120} /> ${" "}<b class="sign" title=${SPOKEN[kind]}
        aria-label=${SPOKEN[kind]}
        >${SIGNS[kind]}</b
      >${" "}
      ${kind === "absent" ? html`<span class="faint">not there</span>` : html`<${Marked} value=${reason.match} words=${common} longest=${160} />`}</span
    >
  </li>`;
}

/** hit: as the server has it, without score where nothing was asked. held: whether it is held for comparison. */
export function Card({ hit, titles, place, open, toggle, like, hold, held }) {
  const reasons = hit.reasons ?? [];
  const title = titleOf(hit.document, titles);
  const name = visible(clip(hit.key ?? `#${hit.id}`, 40));
  return html`<article class="card" tabindex="0" data-card=${place}
    aria-label=${`${title}${hit.score === undefined ? "" : `, score ${number(hit.score)}`}`}
  >
    <header>
      ${hit.score !== undefined && html`<span class="score">${hit.score.toFixed(2)}</span>`}
      <h3>
        <button type="button" class="title" aria-expanded=${open} onClick=${toggle}><bdi>${title}</bdi></button>
      </h3>
      <span class="faint name" title=${hit.source} hidden=${title.includes(name)}><bdi>${name}</bdi></span>
      <span class="acts">
        <button type="button" class="quiet" onClick=${like} title="More like this (l)"
          aria-label=${`More like ${title}`}
        >
          like
        </button>
        <button type="button" class="quiet" onClick=${hold} aria-pressed=${held} title="Hold for comparison (x)"
          aria-label=${`Compare ${title}`}
        >
          ⇄
        </button>
      </span>
    </header>
    ${hit.score !== undefined && html`<${Stack} reasons=${reasons} score=${hit.score} />`}
    ${reasons.length > 0 && html`<${Reasons} reasons=${reasons} />`}
    ${hit.score === undefined && !open && html`<p class="preview">${previewOf(hit.document, titles).map(([path, text], at) => html`${at > 0 && " · "}<bdi>${clip(path, 40)}</bdi> <bdi>${text}</bdi>`)}</p>`}
    ${open && html`<${Tree} document=${hit.document} reasons=${reasons} />`}
  </article>`;
}
