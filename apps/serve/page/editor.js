// The query, written in words, in fields, or as JSON: three forms of one value, which is switched without being changed.
import { at, call } from "./api.js";
import { Combo } from "./combo.js";
import { html, useEffect, useRef, useState } from "./html.js";
import { Menu } from "./parts.js";
import {
  ANY,
  condition,
  fieldsOf,
  pathOf,
  readQuery,
  shownCondition,
  stepsOf,
  typed,
  untyped,
  valueOf,
  whole,
  writeQuery,
} from "./query.js";
import { clip, count, plural } from "./show.js";

const FORMS = { words: "Words", fields: "Fields", json: "JSON" };
const SUGGESTED = 8;

/** set(changes): changes the URL's params; typing replaces the entry of the history, all else makes one. */
export function Editor({ index, params, fields, set, liked }) {
  const query = readQuery(params);
  const form = Object.hasOwn(FORMS, params.form ?? "") ? params.form : "words";
  const parts = { words: Words, fields: Fields, json: Json };
  return html`<section class="editor" aria-label="Query">
    <div class="forms" role="group" aria-label="Form of the query">
      ${Object.entries(FORMS).map(
        ([name, title]) =>
          html` <button type="button" class="quiet" aria-pressed=${name === form}
            onClick=${() => set({ form: name === "words" ? undefined : name })}
          >
            ${title}
          </button>`,
      )}
    </div>
    <${parts[form]} index=${index} params=${params} query=${query} fields=${fields} set=${set} />
    <${Chips} index=${index} params=${params} query=${query} form=${form} fields=${fields} set=${set} liked=${liked} />
  </section>`;
}

// ------------------------------------------------------------------ words

function Words({ index, params, query, set }) {
  const suggest = async (text) => {
    const word = text.trim();
    if (word.length < 2) return [];
    const { values } = await call(`${at(index.name, "values")}?prefix=${encodeURIComponent(word)}&most=${SUGGESTED}`);
    return values.map(({ path, value, documents }) => ({
      text: `${path} = ${clip(value, 60)}`,
      note: count(documents),
      path,
      value,
    }));
  };
  const pick = ({ path, value }) => {
    const rest = [
      ...fieldsOf(query.rest).filter(({ steps }) => pathOf(steps) !== path),
      { steps: stepsOf(path), value },
    ];
    set({ q: undefined, query: JSON.stringify(valueOf(rest)), like: undefined });
  };
  return html`<${Combo} text=${params.q ?? ""} label="Search in words"
    placeholder=${`Search ${plural(index.rows, index.row ?? "document")}`}
    data-search=""
    type="search"
    class="words"
    suggest=${suggest}
    pick=${pick}
    onText=${(text) => set({ q: text || undefined, like: undefined }, { replace: true })}
    onEnter=${() => focusCard()}
  />`;
}

function focusCard() {
  document.querySelector("[data-card]")?.focus();
}

// ------------------------------------------------------------------ fields

function Fields({ index, query, params, fields, set }) {
  const given = fieldsOf(whole(query));
  const [fresh, setFresh] = useState(given.length === 0 ? [{ path: "", text: "" }] : []);
  const rows = given.map(({ steps, value }) => ({ path: pathOf(steps), text: untyped(value), steps }));
  const write = (next, options) => set({ ...writeQuery(valueOf(next)), like: undefined }, options);
  const change = (at, path, text, options) => {
    const next = given.map((field, place) =>
      place === at
        ? { steps: path === rows[at].path ? field.steps : (stepsOf(path) ?? field.steps), value: typed(text) }
        : field,
    );
    write(next, options);
  };
  const add = (place, { path, text }) => {
    const steps = stepsOf(path);
    if (!steps || path.trim() === "" || text === "") {
      setFresh(fresh.map((row, own) => (own === place ? { path, text } : row)));
      return;
    }
    setFresh(fresh.filter((_, own) => own !== place));
    write([...given, { steps, value: typed(text) }]);
  };
  const shared = { index, fields, params, set };
  return html`<div class="fields">
    ${rows.map((row, place) => html`<${Row} key=${`g${place}`} ...${shared} row=${row}
      change=${(next) => change(place, next.path, next.text, { replace: next.path === row.path })}
      remove=${() => write(given.filter((_, own) => own !== place))} />`)}
    ${fresh.map((row, place) => html`<${Row} key=${`f${place}`} ...${shared} row=${row} isNew
      change=${(next) => add(place, next)}
      remove=${() => setFresh(fresh.filter((_, own) => own !== place))} />`)}
    <button type="button" class="quiet" onClick=${() => setFresh([...fresh, { path: "", text: "" }])}>+ field</button>
  </div>`;
}

function Row({ index, fields, row, change, remove, params, set, isNew = false }) {
  const [path, setPath] = useState(row.path);
  const [text, setText] = useState(row.text);
  const value = useRef(null);
  const sent = useRef(false); // a new field leaves the page, and with it the focus, once it was sent
  const send = (next) => {
    sent.current = isNew && next.text !== "" && next.path.trim() !== "" && stepsOf(next.path) !== null;
    change(next);
  };
  useEffect(() => {
    setPath(row.path);
    setText(row.text);
  }, [row.path, row.text]);
  const paths = (typedText) => {
    const wanted = typedText.toLowerCase();
    const all = [{ path: ANY, documents: index.rows }, ...(fields ?? [])].filter((field) =>
      field.path.toLowerCase().includes(wanted),
    );
    return all
      .slice(0, 50)
      .map((field) => ({
        text: field.path === ANY ? "* any field" : field.path,
        path: field.path,
        note: count(field.documents),
      }));
  };
  const values = async (typedText) => {
    if (path === "" || path === ANY) return [];
    const { values: found } = await call(
      `${at(index.name, "values")}?path=${encodeURIComponent(withoutPositions(path))}&prefix=${encodeURIComponent(typedText)}`,
    );
    return found.map(({ value: one, documents }) => ({ text: untyped(one), note: count(documents) }));
  };
  const known = fields?.find((field) => field.path === withoutPositions(path));
  const bad = path !== "" && stepsOf(path) === null;
  return html`<div class="field">
    <${Combo} text=${path} label="Field" placeholder="field" class="path" suggest=${paths} source=${fields}
      aria-invalid=${bad} data-search=${isNew ? "" : undefined} onText=${setPath}
      pick=${(option) => {
        setPath(option.path);
        if (text !== "") send({ path: option.path, text });
        setTimeout(() => value.current?.querySelector(".value input")?.focus()); // once the path is in its field
      }}
      onEnter=${() => send({ path, text })}
      onFocusOut=${() => !sent.current && path !== row.path && change({ path, text })}
    />
    <span ref=${value} class="row">
      <${Combo} text=${text}
        label=${`Value of ${path || "the field"}`}
        placeholder="value"
        class="value"
        suggest=${values}
        onText=${(next) => {
          setText(next);
          if (!isNew && next !== "") change({ path, text: next });
        }}
        pick=${(option) => {
          setText(option.text);
          send({ path, text: option.text });
        }}
        onEnter=${() => send({ path, text })}
        onFocusOut=${() => isNew && !sent.current && text !== "" && send({ path, text })}
      />
      ${known?.histogram && typeof typed(text) === "number" && html`<${Width} path=${known.path} center=${typed(text)} params=${params} set=${set} />`}
    </span>
    <button type="button" class="quiet icon" aria-label=${`Remove ${path || "the field"}`} onClick=${remove}>✕</button>
  </div>`;
}

/** How far from a number others may be: a range among the filters. */
function Width({ path, center, params, set }) {
  const others = (params.where ?? []).filter((one) => !one.startsWith(`${path} >= `) && !one.startsWith(`${path} <= `));
  const own = (params.where ?? []).find((one) => one.startsWith(`${path} >= `));
  const width = own ? center - Number(own.slice(path.length + 4)) : "";
  const change = (event) => {
    const by = event.currentTarget.valueAsNumber;
    const range = by >= 0 ? [condition(path, ">=", center - by), condition(path, "<=", center + by)] : [];
    set({ where: [...others, ...range] }, { replace: true });
  };
  return html`<label class="width"
    >±
    <input type="number" min="0" step="any" value=${width} onInput=${change}
      aria-label=${`Width of ${path}`}
      placeholder="any"
  /></label>`;
}

const withoutPositions = (path) => path.replace(/\[\d+\]/g, "[]");

// ------------------------------------------------------------------ JSON

function Json({ query, params, set }) {
  const now = whole(query);
  const [text, setText] = useState(() => (query.error ? params.query : format(now)));
  const [error, setError] = useState(query.error);
  const box = useRef(null);
  useEffect(() => {
    if (document.activeElement === box.current) return;
    setText(query.error ? params.query : format(now));
    setError(query.error);
  }, [params.q, params.query]);
  const change = (event) => {
    const next = event.currentTarget.value;
    setText(next);
    try {
      set({ ...writeQuery(next.trim() === "" ? undefined : JSON.parse(next)), like: undefined }, { replace: true });
      setError(null);
    } catch (failure) {
      setError(failure.message);
    }
  };
  return html`<div class="json">
    <textarea ref=${box} class="mono" data-search="" aria-label="Query as JSON" aria-invalid=${error !== null}
      spellcheck=${false} dir="ltr" rows=${Math.min(16, Math.max(3, text.split("\n").length))} value=${text}
      onInput=${change}
      placeholder='{"name": "Ada"}'
    ></textarea>
    ${error && html`<p class="warn" role="status">${error}</p>`}
  </div>`;
}

const format = (value) => (value === undefined ? "" : JSON.stringify(value, null, 2));

// ------------------------------------------------------------------ chips

/** What else is asked: fields beside the words, the document that results are to be like, filters, a selection. */
function Chips({ index, params, query, form, fields, set, liked }) {
  const rest = form === "words" ? fieldsOf(query.rest) : [];
  const where = params.where ?? [];
  const without = (place) => ({ ...writeQuery(valueOf(rest.filter((_, own) => own !== place))), q: params.q });
  const selected = params.among ? params.among.split(",").length : 0;
  return html`<div class="chips">
    ${params.like !== undefined && html`<${Chip} kind="like" remove=${() => set({ like: undefined })}>like <bdi>${liked ?? `#${params.like}`}</bdi></${Chip}>`}
    ${rest.map(
      ({ steps, value }, place) => html`<${Chip} kind="field" remove=${() => set(without(place))}>
      <bdi>${clip(pathOf(steps), 60)}</bdi> ≈ <bdi>${clip(untyped(value), 60)}</bdi></${Chip}>`,
    )}
    ${where.map((one) => html`<${Chip} kind="filter" remove=${() => set({ where: where.filter((other) => other !== one) })}><bdi>${shownCondition(one)}</bdi></${Chip}>`)}
    ${selected > 0 && html`<${Chip} kind="filter" remove=${() => set({ among: undefined })}>${plural(selected, index.row ?? "document")} selected</${Chip}>`}
    <${Adding} fields=${fields} add=${(text) => set({ where: [...new Set([...where, text])] })} />
  </div>`;
}

function Chip({ kind, remove, children }) {
  return html`<span class=${`chip ${kind}`}
    >${children}<button type="button" onClick=${remove} aria-label="Remove">✕</button></span
  >`;
}

/** A filter written by hand. */
function Adding({ add }) {
  const [text, setText] = useState("");
  const send = (event) => {
    event.preventDefault();
    if (text.trim() !== "") add(text.trim());
    setText("");
  };
  return html`<${Menu} label="+ filter" title="Only documents that pass">
    <form class="adding" onSubmit=${send}>
      <label>Only documents with<input class="mono" value=${text} onInput=${(event) => setText(event.currentTarget.value)} placeholder="age >= 30" spellcheck=${false} dir="ltr" /></label>
      <p class="faint">age >= 30 · tags[] = red · name ~ ^A · note missing</p>
    </form>
  </${Menu}>`;
}
