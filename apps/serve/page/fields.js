// Fields: what an unknown collection has. One line for each path, and behind it the values, to search and filter by.
import { at, call } from "./api.js";
import { useAnswer } from "./data.js";
import { html, useEffect, useState } from "./html.js";
import { visible } from "./marks.js";
import { Bar, Empty, Failure, Loading, save } from "./parts.js";
import { condition, stepsOf, valueOf } from "./query.js";
import { clip, count, number, percent, plural, quantity, value as shownValue } from "./show.js";
import { asCsvTable, curl } from "./share.js";

const MOST = 12;
const ORDERS = {
  document: "as in documents",
  documents: "most documents first",
  weight: "rarest first",
  decoded: "hardest to decode first",
};
const POLL = 1000; // milliseconds until a prediction is asked for again

export default {
  View: Fields,
  commands: ({ index }) => ({
    curl: curl(`${at(index.name, "fields")}?most=${MOST}`),
    python: `from hdc.apps.json import JSONIndex\n\nindex = JSONIndex.open(${JSON.stringify(index.name)})  # the folder of the index\nfor facet in index.facets(index.paths()):\n    print(facet.path, facet.documents, facet.values[:3])\nprint(index.capacity())`,
  }),
};

function Fields({ index, params, go, announce }) {
  const key = JSON.stringify([index.name, index.generation]);
  const { answer, error, again } = useAnswer(
    (signal) => call(`${at(index.name, "fields")}?most=${MOST}`, { signal }),
    key,
  );
  const decoded = useDecodable(index);
  useEffect(() => {
    if (answer) announce(plural(answer.fields.length, "field"));
  }, [answer]);
  if (error) return html`<${Failure} error=${error} retry=${again} />`;
  if (!answer) return html`<${Loading} />`;
  if (answer.fields.length === 0)
    return html`<${Empty} title="No fields"><p>The index has no documents yet.</p></${Empty}>`;
  const wanted = (params.field ?? "").toLowerCase();
  const order = Object.hasOwn(ORDERS, params.order ?? "") ? params.order : "document";
  const shown = sorted(
    answer.fields.filter((field) => field.path.toLowerCase().includes(wanted)),
    order,
    decoded,
  );
  const heaviest = Math.max(...answer.fields.map((field) => field.weight ?? 0), 1);
  const table = () =>
    asCsvTable(
      answer.fields.map((field) => ({
        path: field.path,
        documents: field.documents,
        kinds: Object.keys(field.kinds).join(" "),
        distinct: field.distinct,
        weight: field.weight ?? "",
        decoded: decoded?.paths[field.path]?.accuracy ?? "",
      })),
    );
  return html`<div class="page">
    <div class="row bar-row">
      <h1>${plural(answer.fields.length, "field")} of ${plural(answer.documents, index.row ?? "document")}</h1>
      <span class="grow"></span>
      <input type="search" data-search="" aria-label="Find a field" placeholder="find a field"
        value=${params.field ?? ""} spellcheck=${false}
        onInput=${(event) => go({ field: event.currentTarget.value || undefined }, { replace: true })}
      />
      <select aria-label="Order" value=${order}
        onChange=${(event) => go({ order: event.currentTarget.value === "document" ? undefined : event.currentTarget.value })}
      >
        ${Object.entries(ORDERS).map(([name, title]) => html`<option value=${name}>${title}</option>`)}
      </select>
      <button type="button" class="quiet" onClick=${() => save(table(), `${index.name}-fields.csv`, "text/csv")}>
        CSV
      </button>
    </div>
    <div class="scroll" tabindex="0" role="region" aria-label="Fields">
      <table class="table">
        <thead>
          <tr>
            <th scope="col">Field</th>
            <th scope="col" class="num">Documents</th>
            <th scope="col">Values</th>
            <th scope="col" class="num" title="Different values">Distinct</th>
            <th scope="col" title="What a typical value weighs in a search: rare ones weigh more">Weight</th>
            <th scope="col"
              title=${`Values that are read back rightly out of vectors of ${index.dim} numbers, as predicted`}
            >
              Decoded
            </th>
          </tr>
        </thead>
        <tbody>
          ${shown.map(
            (field) =>
              html`<${Line} key=${field.path} field=${field} all=${answer.documents} heaviest=${heaviest}
                decoded=${decoded} open=${params.open === field.path} go=${go} params=${params}
              />`,
          )}
        </tbody>
      </table>
    </div>
    ${shown.length === 0 && html`<p class="note">No field is called so.</p>`}
    ${answer.paths > answer.fields.length && html`<p class="note">The first ${count(answer.fields.length)} of ${count(answer.paths)} fields.</p>`}
    <p class="faint foot">
      ${
        decoded === null
          ? "Predicting what can be decoded…"
          : decoded.accuracy === undefined
            ? "What can be decoded is predicted for encoders that were fitted."
            : `At ${count(decoded.dim)} dimensions ${percent(decoded.accuracy)} of all values are predicted to be decoded rightly.`
      }
    </p>
  </div>`;
}

function sorted(fields, order, decoded) {
  const by = {
    documents: (field) => -field.documents,
    weight: (field) => -(field.weight ?? 0),
    decoded: (field) => accuracyOf(decoded, field.path)?.accuracy ?? 2,
  }[order];
  return by ? [...fields].sort((a, b) => by(a) - by(b)) : fields;
}

/** Return what was predicted for a path; positions of an array share one prediction. */
const accuracyOf = (decoded, path) => decoded?.paths[path] ?? decoded?.paths[path.replace(/\[\d+\]/g, "[]")];

function Line({ field, all, heaviest, decoded, open, go, params }) {
  const predicted = accuracyOf(decoded, field.path);
  const toggle = () => go({ open: open ? undefined : field.path }, { replace: true });
  const kinds = Object.entries(field.kinds).map(([kind, n]) =>
    n === field.documents ? kind : `${kind} ${percent(n / field.documents)}`,
  );
  return html` <tr class=${open ? "open" : ""}>
      <th scope="row">
        <button type="button" class="quiet" aria-expanded=${open} onClick=${toggle}>
          <span class="arrow" aria-hidden="true">▸</span><bdi>${clip(field.path, 120)}</bdi>
        </button>
        <span class="faint kinds">${kinds.join(", ")}</span>
      </th>
      <td class="num"><${Bar} share=${field.documents / all} /> <span class="n">${count(field.documents)}</span></td>
      <td class="sketch">
        ${field.histogram && field.kinds.text === undefined ? html`<${Histogram} histogram=${field.histogram} path=${field.path} />` : html`<${Sketch} field=${field} />`}
      </td>
      <td class="num">${field.distinct >= 2000 ? "2,000+" : count(field.distinct)}</td>
      <td>
        ${field.weight !== undefined && html`<${Bar} share=${field.weight / heaviest} kind="similar" /> ${field.weight.toFixed(1)}`}
      </td>
      <td>
        ${decoded === null ? html`<span class="faint">…</span>` : predicted && html`<${Bar} share=${predicted.accuracy} kind=${predicted.accuracy < 0.9 ? "other" : "equal"} /> <span title=${predicted.needed ? `99 % need ${count(predicted.needed)} dimensions` : "99 % need more than 2^20 dimensions"}>${percent(predicted.accuracy)}</span>`}
      </td>
    </tr>
    ${
      open &&
      html`<tr class="detail">
        <td colspan="6"><${Detail} field=${field} go=${go} params=${params} /></td>
      </tr>`
    }`;
}

/** The most frequent values in one line. */
function Sketch({ field }) {
  const most = field.values.slice(0, 3).filter(({ documents }) => documents > 1 || field.distinct <= 3);
  const texts = most.length ? most : field.values.slice(0, 1);
  return html`<span class="first"
    >${texts.map(
      ({ value, documents }, place) =>
        html`${place > 0 && " · "}<bdi>${shortly(value, 32)}</bdi>${
          documents > 1 && html` <span class="faint">${count(documents)}</span>`
        }`,
    )}${texts.length < field.distinct ? " …" : ""}</span
  >`;
}

const shortly = (value, longest) =>
  typeof value === "string"
    ? visible(clip(value, longest)) || '""'
    : typeof value === "number"
      ? number(value)
      : shownValue(value, longest);

function Histogram({ histogram, path, tall = 20 }) {
  const { counts, edges } = histogram;
  const most = Math.max(1, ...counts);
  const said = (value) => quantity(value, histogram, path);
  const edge = (place) => said(place === counts.length ? (histogram.greatest ?? edges[place]) : edges[place]);
  const label = `from ${edge(0)} to ${edge(counts.length)}, median ${said(histogram.median)}`;
  return html`<span class="histogram"
    ><svg viewBox=${`0 0 ${counts.length} 10`} height=${tall} preserveAspectRatio="none" role="img" aria-label=${label}>
      ${counts.map((n, place) => html`<rect x=${place + 0.06} width="0.88" y=${10 - (10 * n) / most} height=${(10 * n) / most}><title>${`${edge(place)} – ${edge(place + 1)}: ${count(n)}`}</title></rect>`)}</svg
    ><span class="faint">${edge(0)} – ${edge(counts.length)}</span></span
  >`;
}

function Detail({ field, go, params }) {
  const most = Math.max(1, ...field.values.map(({ documents }) => documents));
  const search = (value) => {
    const steps = stepsOf(field.path);
    go(
      { q: undefined, query: JSON.stringify(valueOf([{ steps, value }])), like: undefined, k: undefined },
      { view: "search" },
    );
  };
  const filter = (value) =>
    go({ where: [...new Set([...(params.where ?? []), condition(field.path, "=", value)])] }, { view: "search" });
  const usable = (value) => typeof value !== "object" || value === null;
  return html`<div class="columns">
    <ul class="values">
      ${field.values.map(
        ({ value, documents }) =>
          html`<li class="row">
            <span class="what"><bdi>${shortly(value, 80)}</bdi></span
            ><${Bar} share=${documents / most} /><span class="num">${count(documents)}</span>
            <span class="acts"
              >${
                usable(value) &&
                html`<button type="button" class="quiet" onClick=${() => search(value)}>search</button>
                  <button type="button" class="quiet" onClick=${() => filter(value)}>filter</button>`
              }</span
            >
          </li>`,
      )}
    </ul>
    ${
      field.histogram &&
      html`<div class="wide-histogram">
        <${Histogram} histogram=${field.histogram} path=${field.path} tall=${96} />
        <p class="faint">median ${quantity(field.histogram.median, field.histogram, field.path)}</p>
      </div>`
    }
  </div>`;
}

/** Return what is predicted to be decodable, null until that is known. */
function useDecodable(index) {
  const [decoded, setDecoded] = useState(null);
  useEffect(() => {
    let timer = null;
    const stop = new AbortController();
    const ask = () =>
      call(at(index.name, "decodable"), { signal: stop.signal }).then(
        (found) => {
          if (found.done) setDecoded(found);
          else timer = setTimeout(ask, POLL);
        },
        () => {},
      );
    ask();
    return () => {
      stop.abort();
      clearTimeout(timer);
    };
  }, [index.name, index.generation]);
  return decoded;
}
