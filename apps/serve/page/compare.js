// Compare: two documents side by side, field by field, and between them what each field adds to their cosine.
import { at, call } from "./api.js";
import { titleOf } from "./card.js";
import { useAnswer, useFields } from "./data.js";
import { Combo } from "./combo.js";
import { html, useEffect, useMemo, useState } from "./html.js";
import { Marked, wordsOf } from "./marks.js";
import { Empty, Failure, Loading } from "./parts.js";
import { clip, percent, plural } from "./show.js";
import { curl } from "./share.js";
import { guessedTitles } from "./titles.js";

const SMALL = 0.005; // of a share that is noise of the vectors

export default {
  View: Compare,
  commands: ({ index, params }) =>
    bothOf(params)
      ? {
          curl: curl(at(index.name, "compare"), bothOf(params)),
          python: `from hdc.apps.json import JSONIndex\n\nindex = JSONIndex.open(${JSON.stringify(index.name)})  # the folder of the index\n(hit,) = index.like(${bothOf(params).a}, 1, among=[${bothOf(params).b}])\nprint(hit.score)\nfor reason in index.explain(index.document(${bothOf(params).a}), hit):\n    print(reason)`,
        }
      : {},
};

function bothOf({ a, b }) {
  return /^\d+$/.test(a ?? "") && /^\d+$/.test(b ?? "") ? { a: Number(a), b: Number(b) } : null;
}

function Compare({ index, params, go, announce }) {
  const both = bothOf(params);
  const fields = useFields(index);
  const titles = useMemo(
    () => params.title ?? (fields ? guessedTitles(fields.fields, fields.documents) : []),
    [params.title, fields],
  );
  const { answer, error, again } = useAnswer(
    (signal) => (both ? call(at(index.name, "compare"), { body: both, signal }) : Promise.resolve(null)),
    JSON.stringify([index.name, index.generation, both]),
  );
  useEffect(() => {
    if (answer) announce(`Cosine ${answer.cosine.toFixed(2)}`);
  }, [answer]);
  const current = answer && both && answer.a.id === both.a && answer.b.id === both.b ? answer : null;
  const side = (name, label) =>
    html`<${Side} ...${{ index, name, label, titles, go }} id=${params[name]} document=${current?.[name].document} />`;
  return html`<div class="page">
    <h1 class="unseen">Compare two documents</h1>
    <div class="sides">
      ${side("a", "First document")}
      <div class="middle">
        ${current ? html`<span class="cosine">${current.cosine.toFixed(2)}</span><span class="faint" title="The shares of all fields sum to it">cosine</span>` : ""}
        ${both && html`<button type="button" class="quiet" title="Swap" aria-label="Swap the documents" onClick=${() => go({ a: params.b, b: params.a })}>⇄</button>`}
      </div>
      ${side("b", "Second document")}
    </div>
    ${
      error
        ? html`<${Failure} error=${error} retry=${again} />`
        : !both
          ? html`<${Empty} title="Choose two documents">
        <p>Find them above, or press ⇄ on two results of a search.</p></${Empty}>`
          : current
            ? html`<${Aligned} fields=${current.fields} />`
            : html`<${Loading} />`
    }
  </div>`;
}

/** One of the two: what it is, and how to choose another. */
function Side({ index, name, label, id, document, titles, go }) {
  const [text, setText] = useState("");
  const suggest = async (words) => {
    if (words.trim().length < 2) return [];
    const { hits } = await call(at(index.name, "search"), { body: { query: { "*": words }, k: 8 } });
    return hits.map((hit) => ({ text: titleOf(hit.document, titles), note: hit.key ?? `#${hit.id}`, id: hit.id }));
  };
  const pick = (option) => {
    setText("");
    go({ [name]: String(option.id) });
  };
  return html`<div class="side">
    ${document !== undefined && html`<h2><bdi>${titleOf(document, titles)}</bdi> <span class="faint">#${id}</span></h2>`}
    <${Combo} text=${text} label=${label}
      placeholder=${document === undefined ? "find a document" : "another document"} class="find"
      data-search=${name === "a" ? "" : undefined} suggest=${suggest} onText=${setText} pick=${pick}
      onEnter=${() => /^#?\d+$/.test(text.trim()) && pick({ id: text.trim().replace("#", "") })}
    />
  </div>`;
}

function Aligned({ fields }) {
  const [differing, setDiffering] = useState(false);
  const kinds = fields.map((field) => ({ field, kind: relationOf(field) }));
  const equal = kinds.filter(({ kind }) => kind === "equal").length;
  const shown = differing ? kinds.filter(({ kind }) => kind !== "equal") : kinds;
  const most = Math.max(...fields.map((field) => field.share), 1e-9);
  return html` <div class="row bar-row">
      <span class="faint">${equal} of ${plural(fields.length, "field")} equal</span><span class="grow"></span>
      <label
        ><input type="checkbox" checked=${differing} onChange=${() => setDiffering(!differing)} /> only what
        differs</label
      >
    </div>
    <table class="compare">
      <colgroup>
        <col class="paths" />
        <col />
        <col class="shares" />
        <col />
      </colgroup>
      <thead class="unseen">
        <tr>
          <th scope="col">Field</th>
          <th scope="col">First</th>
          <th scope="col">Share of the cosine</th>
          <th scope="col">Second</th>
        </tr>
      </thead>
      <tbody>
        ${shown.map(
          ({ field, kind }, place) =>
            html`<tr class=${kind}>
              <th scope="row">
                ${place === 0 || shown[place - 1].field.path !== field.path ? html`<bdi>${clip(field.path, 80)}</bdi>` : html`<span class="unseen">${field.path}</span>`}
              </th>
              <td><${Value} field=${field} own="a" other="b" kind=${kind} /></td>
              <td class="share">
                <span class="both" aria-hidden="true"
                  ><i class=${kind} style=${{ width: `${(100 * Math.max(0, field.share)) / most}%` }}></i
                ></span>
                <span class=${field.share < SMALL ? "faint" : ""}
                  >${field.share < SMALL ? (kind === "equal" || kind === "similar" ? "0 %" : "") : percent(field.share)}</span
                >
              </td>
              <td><${Value} field=${field} own="b" other="a" kind=${kind} /></td>
            </tr>`,
        )}
      </tbody>
    </table>`;
}

function relationOf(field) {
  if (!("a" in field) || !("b" in field)) return "only";
  if (JSON.stringify(field.a) === JSON.stringify(field.b)) return "equal";
  return field.share >= SMALL ? "similar" : "other";
}

function Value({ field, own, other, kind }) {
  if (!(own in field)) return html`<span class="faint">–</span>`;
  const words = kind === "similar" && typeof field[other] === "string" ? wordsOf(field[other]) : null;
  return html`<${Marked} value=${field[own]} words=${words} />`;
}
