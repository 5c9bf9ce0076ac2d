// Search: the query in three forms, results while it is typed, why each was found, and facets to filter by.
import { at, call } from "./api.js";
import { Card, titleOf } from "./card.js";
import { useAnswer, useFields } from "./data.js";
import { Editor } from "./editor.js";
import { Facets } from "./facets.js";
import { html, useEffect, useMemo, useRef, useState } from "./html.js";
import { Empty, Failure, Loading, Menu, save } from "./parts.js";
import { count, number, plural } from "./show.js";
import { asCsv, asLines, commands, request } from "./share.js";
import { guessedTitles } from "./titles.js";

const WAIT = 120; // milliseconds of silence while a query is typed
const STEP = 10;

export default { View: Search, commands };

function Search({ index, params, go, announce }) {
  const fields = useFields(index);
  const [open, setOpen] = useState(new Set());
  const [passing, setPassing] = useState(null);
  const list = useRef(null);
  const { path, body } = request(index, params);
  const most = body.k ?? body.limit;
  const key = JSON.stringify([index.name, index.generation, path, body]);
  const { answer, error, stale, again } = useAnswer(
    (signal) => call(path, { body, signal }).then((found) => ({ ...found, hits: hitsOf(found) })),
    key,
    WAIT,
  );
  const titles = useMemo(
    () => params.title ?? (fields ? guessedTitles(fields.fields, fields.documents) : []),
    [params.title, fields],
  );
  const set = (changes, options) =>
    go({ ...changes, ...("k" in changes || "facet" in changes ? {} : { k: undefined }) }, options);
  const liked = useLiked(index, params.like, titles);
  useEffect(() => {
    if (answer && !stale) announce(answer.hits.length ? `${plural(answer.hits.length, "result")}` : "Nothing found");
  }, [answer]);

  const hold = (id) => {
    if (params.a === undefined || params.a === String(id))
      go({ a: params.a === undefined ? String(id) : undefined }, { replace: true });
    else go({ b: String(id) }, { view: "compare" });
  };
  const toggle = (id) =>
    setOpen((before) => {
      const next = new Set(before);
      if (!next.delete(id)) next.add(id);
      return next;
    });
  const like = (id) => {
    go({ like: String(id), q: undefined, query: undefined, k: undefined });
    scrollTo(0, 0);
  };
  const press = (event) => keys(event, list.current, answer?.hits ?? [], { toggle, like, hold });

  return html`<div class="search" onKeyDown=${press}>
    ${fields ? html`<${Facets} index=${index} params=${params} fields=${fields} set=${set} counted=${setPassing} />` : html`<aside class="facets"></aside>`}
    <div class="column">
      <h1 class="unseen">Search ${index.name}</h1>
      <${Editor} index=${index} params=${params} fields=${fields?.fields} set=${set} liked=${liked} />
      ${
        error && !stale
          ? html`<${Problem} error=${error} again=${again} />`
          : !answer
            ? html`<${Loading} />`
            : html` <${Summary} index=${index} params=${params} answer=${answer} stale=${stale} fields=${fields}
                  titles=${titles} set=${set} passing=${passing}
                />
                ${answer.notes?.map((note) => html`<p class="note">${note}</p>`)}
                ${
                  answer.hits.length === 0
                    ? html`<${Nothing} params=${params} set=${set} />`
                    : html` <div ref=${list} class=${`cards ${stale ? "stale" : ""}`} aria-busy=${stale}>
                          ${answer.hits.map(
                            (hit, place) =>
                              html`<${Card} key=${hit.id} hit=${hit} titles=${titles} place=${place}
                                open=${open.has(hit.id)} toggle=${() => toggle(hit.id)} like=${() => like(hit.id)}
                                hold=${() => hold(hit.id)} held=${params.a === String(hit.id)}
                              />`,
                          )}
                        </div>
                        ${
                          answer.hits.length >= most &&
                          html`<p class="more">
                            <button type="button"
                              onClick=${() => go({ k: String(most + (most < 50 ? STEP : 50)) }, { replace: true })}
                            >
                              More
                            </button>
                          </p>`
                        }`
                }`
      }
    </div>
    ${params.a !== undefined && html`<${Held} params=${params} go=${go} answer=${answer} titles=${titles} index=${index} />`}
  </div>`;
}

/** Return the hits of an answer; documents that only pass a filter are hits without a score. */
function hitsOf(found) {
  if (found.hits) return found.hits;
  return found.rows;
}

/** Arrows walk through the cards; Enter, l and x do what their buttons do. */
function keys(event, list, hits, { toggle, like, hold }) {
  if (!list || event.ctrlKey || event.metaKey || event.altKey) return;
  const cards = [...list.querySelectorAll("[data-card]")];
  const own = event.target.closest("[data-card]");
  const fromWords =
    event.target.matches("input[type=search]") && event.target.getAttribute("aria-expanded") === "false";
  if (!own && !fromWords) return;
  const place = own ? cards.indexOf(own) : -1;
  if (event.key === "ArrowDown" && place + 1 < cards.length) cards[place + 1].focus();
  else if (event.key === "ArrowUp" && place > 0) cards[place - 1].focus();
  else if (event.key === "ArrowUp" && place === 0) document.querySelector("[data-search]")?.focus();
  else if (event.target === own && event.key === "Enter") toggle(hits[place].id);
  else if (event.target === own && event.key === "l") like(hits[place].id);
  else if (event.target === own && event.key === "x") hold(hits[place].id);
  else return;
  event.preventDefault();
  event.stopPropagation();
}

function Summary({ index, params, answer, stale, fields, titles, set, passing }) {
  const asked = answer.hits[0]?.score !== undefined;
  const total = answer.total ?? (params.where || params.among ? passing : null);
  const facts = [
    total !== null
      ? `${count(Math.min(answer.hits.length, total))} of ${count(total)}${answer.total === undefined ? " that pass" : ""}`
      : plural(answer.hits.length, "hit"),
    answer.took_ms !== undefined && `${number(answer.took_ms)} ms`,
    answer.exact !== undefined && (answer.exact ? "exact" : "approximate"),
    !asked && "not ranked",
  ].filter(Boolean);
  const name = (ending) => `${index.name}-hits.${ending}`;
  return html`<div class="summary">
    <span class=${stale ? "faint stale" : "faint"}>${facts.join(" · ")}</span><span class="grow"></span>
    ${fields && html`<${Titles} fields=${fields.fields} titles=${titles} set=${set} chosen=${params.title} />`}
    <${Menu} label="Export" title="These hits as a file" class="right">
      <button type="button" class="item" onClick=${() => save(asLines(answer.hits), name("jsonl"), "application/jsonl")}>JSON Lines</button>
      <button type="button" class="item" onClick=${() => save(asCsv(answer.hits), name("csv"), "text/csv")}>CSV</button>
    </${Menu}>
  </div>`;
}

/** Which fields a card is called by. */
function Titles({ fields, titles, set, chosen }) {
  const toggle = (path) => {
    const next = titles.includes(path) ? titles.filter((one) => one !== path) : [...titles, path];
    set({ title: next.length ? next : undefined }, { replace: true });
  };
  return html`<${Menu} label="Titles" title="Fields that results are called by" class="right">
    <fieldset class="titles"><legend class="unseen">Fields that results are called by</legend>
      ${fields
        .filter((field) => !field.path.includes("[]") || titles.includes(field.path))
        .slice(0, 60)
        .map(
          ({ path }) =>
            html` <label
              ><input type="checkbox" checked=${titles.includes(path)} onChange=${() => toggle(path)} />
              <bdi>${path}</bdi></label
            >`,
        )}
    </fieldset>
    ${chosen && html`<button type="button" class="quiet" onClick=${() => set({ title: undefined }, { replace: true })}>guess again</button>`}
  </${Menu}>`;
}

function Problem({ error, again }) {
  if (error.status === 400 || error.status === 422) return html`<p class="note warn" role="alert">${error.message}</p>`;
  return html`<${Failure} error=${error} retry=${again} />`;
}

function Nothing({ params, set }) {
  return html`<${Empty} title="Nothing found">
    <p>No document has any of what is asked${params.where?.length ? " and passes the filters" : ""}.</p>
    ${params.where?.length > 0 && html`<p><button type="button" onClick=${() => set({ where: undefined })}>Remove the filters</button></p>`}
  </${Empty}>`;
}

/** The document that is held for comparison, until another is chosen. */
function Held({ params, go, answer, titles, index }) {
  const there = answer?.hits.find((hit) => String(hit.id) === params.a);
  const title =
    useLiked(index, there ? undefined : params.a, titles) ?? (there ? titleOf(there.document, titles) : `#${params.a}`);
  return html`<div class="held" role="status">
    <span
      >Comparing <strong><bdi>${title}</bdi></strong
      >: press ⇄ on another one.</span
    >
    <button type="button" class="quiet" onClick=${() => go({ a: undefined, b: undefined }, { replace: true })}>
      Cancel
    </button>
  </div>`;
}

/** Return the title of a document by its id. */
function useLiked(index, id, titles) {
  const [document, setDocument] = useState(null);
  useEffect(() => {
    setDocument(null);
    if (id === undefined) return;
    call(`${at(index.name, "documents")}/${encodeURIComponent(id)}?by=id`).then(
      (found) => setDocument(found.document),
      () => {},
    );
  }, [index.name, id]);
  return document === null ? undefined : titleOf(document, titles);
}
