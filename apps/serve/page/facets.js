// The panel of facets: what the documents that pass have, counted; a click filters.
import { at, call } from "./api.js";
import { useAnswer } from "./data.js";
import { html, useEffect, useRef, useState } from "./html.js";
import { visible } from "./marks.js";
import { condition } from "./query.js";
import { clip, count, quantity, value as shownValue } from "./show.js";
import { guessedFacets } from "./titles.js";

const OPEN = 6;
const VALUES = 6;
const MORE = 30;
const NONE = "-";
const ASKED = 50; // paths of one request

/** fields: the answer of /fields; set(changes): changes the URL's params;
 * counted(n): is told how many documents pass. */
export function Facets({ index, params, fields, set, counted: onCounted }) {
  const [hidden, setHidden] = useState(true); // on a phone
  const guessed = guessedFacets(fields.fields, fields.documents);
  const open = params.facet ?? guessed.slice(0, OPEN);
  const where = params.where ?? [];
  const among = params.among?.split(",").map(Number);
  const bodies = questions(open.slice(0, ASKED), where).map((one) => ({ ...one, among, most: MORE }));
  const ask = async (signal) => {
    const answers = await Promise.all(bodies.map((body) => call(at(index.name, "facets"), { body, signal })));
    return { documents: answers[0].documents, facets: answers.flatMap((found) => found.facets) };
  };
  const { answer, error } = useAnswer(ask, JSON.stringify([index.name, index.generation, bodies]));
  useEffect(() => {
    if (answer) onCounted(answer.documents);
  }, [answer]);
  const counted = new Map(answer?.facets.map((facet) => [facet.path, facet]));
  const toggle = (path) =>
    set(
      { facet: open.includes(path) ? orNone(open.filter((one) => one !== path)) : [...open, path] },
      { replace: true },
    );
  const paths = [...guessed, ...fields.fields.map((field) => field.path).filter((path) => !guessed.includes(path))];
  return html`<aside class="facets" aria-label="Filters">
    <div class="row">
      <h2>Filters</h2>
      <span class="grow"></span>
      ${where.length > 0 && html`<button type="button" class="quiet" onClick=${() => set({ where: undefined })}>reset</button>`}
      <button type="button" class="quiet narrow" aria-expanded=${!hidden} onClick=${() => setHidden(!hidden)}>
        ${hidden ? "show" : "hide"}
      </button>
    </div>
    <div class=${hidden ? "list folded" : "list"}>
      ${error && html`<p class="warn">${error.message}</p>`}
      ${paths.map(
        (path) =>
          html`<${Facet} key=${path} path=${path} open=${open.includes(path)} toggle=${() => toggle(path)}
            facet=${counted.get(path)} where=${where} set=${set}
          />`,
      )}
    </div>
  </aside>`;
}

/** Return what is asked for: a path that is filtered by is counted without its own conditions, to choose another value. */
function questions(paths, where) {
  const own = (path) => where.filter((one) => one.startsWith(`${path} = `) || isBound(one, path));
  const free = paths.filter((path) => path !== NONE && own(path).length === 0);
  const bound = paths.filter((path) => path !== NONE && own(path).length > 0);
  return [
    { paths: free, where },
    ...bound.map((path) => ({ paths: [path], where: where.filter((one) => !own(path).includes(one)) })),
  ];
}

/** "-" means none, as a URL has no empty lists. */
const orNone = (list) => (list.length ? list : [NONE]);

function Facet({ path, open, toggle, facet, where, set }) {
  return html`<section class="facet">
    <h3>
      <button type="button" class="quiet" aria-expanded=${open} onClick=${toggle}>
        <span class="arrow" aria-hidden="true">▸</span><bdi>${clip(path, 60)}</bdi>
      </button>
    </h3>
    ${
      open &&
      facet &&
      (facet.histogram && !isChoice(facet)
        ? html`<${Range} path=${path} histogram=${facet.histogram} where=${where} set=${set} />`
        : html`<${Values} facet=${facet} where=${where} set=${set} />`)
    }
  </section>`;
}

/** Say whether numbers are few, so that each is worth a line. */
const isChoice = (facet) => facet.distinct <= VALUES && facet.histogram.kind === "number";

function Values({ facet, where, set }) {
  const [all, setAll] = useState(false);
  const shown = all ? facet.values : facet.values.slice(0, VALUES);
  const most = facet.values[0]?.documents ?? 1;
  const chosen = where.filter((one) => one.startsWith(`${facet.path} = `));
  const others = facet.path.includes("[]") ? where : where.filter((one) => !chosen.includes(one)); // a field has one value, an array several
  const toggle = (text) =>
    set({ where: where.includes(text) ? where.filter((one) => one !== text) : [...others, text] });
  if (facet.values.length === 0) return html`<p class="faint none">none</p>`;
  return html`<ul class="values">
    ${shown.map(({ value, documents }) => {
      const isContainer = typeof value === "object" && value !== null;
      const text = isContainer ? null : condition(facet.path, "=", value);
      return html`<li>
        <button type="button" class="quiet" disabled=${isContainer} aria-pressed=${chosen.includes(text)}
          onClick=${() => toggle(text)}
        >
          <span class="fill" style=${{ width: `${100 * (documents / most)}%` }} aria-hidden="true"></span>
          <bdi class="what">${typeof value === "string" ? visible(clip(value, 60)) || '""' : shownValue(value)}</bdi
          ><span class="count">${count(documents)}</span>
        </button>
      </li>`;
    })}
    ${facet.values.length > VALUES && html`<li><button type="button" class="quiet more" onClick=${() => setAll(!all)}>${all ? "fewer" : "more"}</button></li>`}
  </ul>`;
}

/** Numbers: a histogram to drag over, and two fields that say the same. */
function Range({ path, histogram, where, set }) {
  const [drag, setDrag] = useState(null);
  const chart = useRef(null);
  const { edges, counts, kind } = histogram;
  const chosen = boundsOf(where, path);
  const change = (from, to, options) => {
    const own = [from !== null && condition(path, ">=", from), to !== null && condition(path, "<=", to)].filter(
      Boolean,
    );
    set({ where: [...where.filter((one) => !isBound(one, path)), ...own] }, options);
  };
  const written = (edge) => (kind === "date" ? new Date(1000 * edge).toISOString().slice(0, 10) : edge);
  const said = (edge) => quantity(edge, histogram, path);
  const bin = (event) => {
    const { left, width } = chart.current.getBoundingClientRect();
    return Math.max(0, Math.min(counts.length - 1, Math.floor((counts.length * (event.clientX - left)) / width)));
  };
  const begin = (event) => {
    chart.current.setPointerCapture(event.pointerId);
    setDrag([bin(event), bin(event)]);
  };
  const end = () => {
    if (!drag) return;
    const [low, high] = [Math.min(...drag), Math.max(...drag)];
    setDrag(null);
    if (kind !== "duration") change(written(edges[low]), written(edges[high + 1]));
  };
  const bound = (name, next) => html`<input type="number" step="any" value=${chosen[name] ?? ""} placeholder=${name}
    aria-label=${`${path} ${name}`} onChange=${(event) => change(...next(valueOf(event)), {})} />`;
  const inside = (place) => {
    if (drag) return place >= Math.min(...drag) && place <= Math.max(...drag);
    if (kind !== "number") return true;
    return edges[place + 1] > (chosen.from ?? -Infinity) && edges[place] < (chosen.to ?? Infinity);
  };
  const most = Math.max(1, ...counts);
  const label = `${path}: ${counts.length} bins from ${said(edges[0])} to ${said(edges.at(-1))}`;
  return html`<div class="range">
    <svg ref=${chart}
      viewBox=${`0 0 ${counts.length} 10`}
      preserveAspectRatio="none"
      role="img"
      aria-label=${label}
      onPointerDown=${begin}
      onPointerMove=${(event) => drag && setDrag([drag[0], bin(event)])}
      onPointerUp=${end}
      onPointerCancel=${() => setDrag(null)}
    >
      ${counts.map(
        (n, place) =>
          html`<rect x=${place + 0.06} width="0.88" y=${10 - tall(n, most)} height=${tall(n, most)}
            class=${inside(place) ? "in" : "out"}
          >
            <title>${`${said(edges[place])} – ${said(edges[place + 1])}: ${count(n)}`}</title></rect
          >`,
      )}
    </svg>
    <div class="ends"><span>${said(edges[0])}</span><span>${said(edges.at(-1))}</span></div>
    ${
      kind === "number" &&
      html`<div class="row from-to">
        ${bound("from", (value) => [value, chosen.to])}
        ${bound("to", (value) => [chosen.from, value])}
      </div>`
    }
  </div>`;
}

const tall = (n, most) => (n === 0 ? 0 : Math.max(0.4, (10 * n) / most));
const valueOf = (event) => (event.currentTarget.value === "" ? null : event.currentTarget.valueAsNumber);
const isBound = (text, path) => text.startsWith(`${path} >= `) || text.startsWith(`${path} <= `);

function boundsOf(where, path) {
  const found = (operator) => {
    const text = where.find((one) => one.startsWith(`${path} ${operator} `));
    return text === undefined ? null : Number(text.slice(path.length + operator.length + 2));
  };
  return { from: found(">="), to: found("<=") };
}
