// Search in an index of embeddings or codes: by one of its rows, by a vector of a file, by a text where the server has an
// encoder; and how far a search looks, with the recall and the time that it has then.
import { address, at, call } from "./api.js";
import { html, useEffect, useRef, useState } from "./html.js";
import { base64, floatsOf, openNpy, rowBytes } from "./npy.js";
import { Empty } from "./parts.js";
import { clip, count, number } from "./show.js";
import { Tradeoff } from "./tradeoff.js";

const DELAY = 120;
const HITS = [10, 20, 50, 100];
const OPTION = { ivf: "probes", hnsw: "effort", flat: "candidates" };

function View({ index, params, go, announce }) {
  const [answer, setAnswer] = useState(null);
  const [problem, setProblem] = useState("");
  const [busy, setBusy] = useState(false);
  const option = optionOf(index);
  const request = requestOf(index, params, option);
  const asked = JSON.stringify(request);
  useEffect(() => {
    setProblem("");
    if (!request) return void setAnswer(null);
    const stop = new AbortController();
    setBusy(true);
    const timer = setTimeout(() => call(at(index.name, request.route), { body: request.body, signal: stop.signal }).then((found) => {
      setAnswer({ ...found, asked: request });
      setBusy(false);
      announce(`${count(found.hits.length)} hits`);
    }, (error) => {
      if (error.name === "AbortError") return;
      setBusy(false);
      setAnswer(null);
      setProblem(error.message);
    }), DELAY);
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [asked, index.name, index.generation]);
  return html`<div class="neighbors">
    <aside aria-label="Query"><${Query} ...${{ index, params, go }} />
      <label class="field">Hits <select value=${params.k ?? "10"} onChange=${(event) => go({ k: event.target.value }, { replace: true })}>
        ${HITS.map((k) => html`<option value=${String(k)}>${k}</option>`)}</select></label>
      ${params.among && html`<p class="row between"><span>Among ${count(params.among.split(",").length)} rows</span>
        <button type="button" class="link" onClick=${() => go({ among: undefined })}>Search all</button></p>`}
    </aside>
    <div class="answers" aria-busy=${busy}>
      ${problem && html`<p class="warn" role="alert">${problem}</p>`}
      ${answer ? html`<${Results} ...${{ answer, go }} />`
      : !problem && html`<${Empty} title=${`${count(index.rows)} ${index.kind === "codes" ? "codes" : "vectors"} of ${count(index.dim)} ${index.kind === "codes" ? "bits" : "numbers"}`}>
          <p>Name a row, or choose a file with a vector, to find what is nearest.</p>
          <p><button type="button" onClick=${() => go({ like: "0" })}>Neighbors of row 0</button></p></${Empty}>`}
      ${option && html`<${Tradeoff} ...${{ index, option, current: Number(params[option] ?? answer?.options?.[option] ?? (option === "candidates" ? 10 * (params.k ?? 10) : 0)), choose: (value) => go({ [option]: String(value) }, { replace: true }) }} />`}
    </div>
  </div>`;
}

/** Return which option of a search can be turned; none where every row is compared by all that is kept of it. */
function optionOf(index) {
  if (index.search === "flat" && (index.kind === "codes" || !index.keeps)) return null;
  return OPTION[index.search];
}

/** Return the route and body of what is asked; null where nothing is. */
function requestOf(index, params, option) {
  const shared = { k: Number(params.k ?? 10) };
  if (option && params[option]) shared.options = { [option]: Number(params[option]) };
  if (params.among) shared.among = params.among.split(",").map(Number);
  if (params.like !== undefined) return { route: "like", body: { id: Number(params.like), ...shared } };
  if (params.text) return { route: "search", body: { text: params.text, ...shared } };
  if (params.vector) return { route: "search", body: { vector: params.vector, ...shared } };
  if (params.code) return { route: "search", body: { code: params.code, ...shared, ...(params.bitorder ? { bitorder: params.bitorder } : {}) } };
  return null;
}

const CLEAR = { like: undefined, text: undefined, vector: undefined, code: undefined, bitorder: undefined };

function Query({ index, params, go }) {
  const [said, setSaid] = useState("");
  const byRow = async (event) => {
    event.preventDefault();
    const name = new FormData(event.currentTarget).get("row").trim();
    if (!name) return;
    setSaid("");
    try {
      go({ ...CLEAR, like: String(await idOf(index, name)) });
    } catch (error) {
      setSaid(error.message);
    }
  };
  return html`
    <form onSubmit=${byRow} class="field"><label>Row, by id or key
      <input name="row" data-search key=${params.like} defaultValue=${params.like ?? ""} autocomplete="off" spellcheck=${false} dir="auto" /></label>
      ${said && html`<p class="warn" role="alert">${said}</p>`}</form>
    ${index.texts && html`<label class="field">Text
      <input value=${params.text ?? ""} dir="auto" onInput=${(event) => go({ ...CLEAR, text: event.target.value || undefined }, { replace: true })} /></label>`}
    <${File} ...${{ index, params, go }} />`;
}

/** Return the id of a row that is named by its key or its id. */
async function idOf(index, name) {
  try {
    return (await call(`${at(index.name, "documents", name)}?by=key`)).id;
  } catch (error) {
    if (error.status !== 404 || !/^\d+$/.test(name)) throw error;
  }
  return (await call(`${at(index.name, "documents", name)}?by=id`)).id;
}

/** A vector, or a code, of a file of the person's own. */
function File({ index, params, go }) {
  const [npy, setNpy] = useState(null);
  const [row, setRow] = useState(0);
  const [order, setOrder] = useState("big");
  const [said, setSaid] = useState("");
  const bytes = Math.ceil(index.dim / 8);
  const take = async (event) => {
    setNpy(null);
    setSaid("");
    try {
      const file = event.target.files[0];
      if (!file) return;
      const opened = await openNpy(file);
      const fits = index.kind === "embeddings" ? opened.columns === index.dim
        : (opened.type === "u1" && opened.columns === bytes) || (opened.type === "u8" && opened.columns === Math.ceil(index.dim / 64));
      if (!fits) throw new Error(index.kind === "embeddings" ? `Its rows have ${count(opened.columns)} numbers, and the index is of ${count(index.dim)}.`
        : `Its rows have ${count(opened.columns)} numbers of ${opened.type}; the index takes ${bytes} bytes (uint8) per code.`);
      setNpy(opened);
      await use(opened, 0, order);
    } catch (error) {
      setSaid(error.message);
    }
  };
  const use = async (opened, wanted, bits) => {
    const place = Math.min(Math.max(Math.floor(wanted) || 0, 0), opened.rows - 1);
    setRow(place);
    if (index.kind === "embeddings") {
      const floats = await floatsOf(opened, place);
      if (!floats.every(Number.isFinite)) return setSaid("This row has a NaN or an infinity.");
      return go({ ...CLEAR, vector: base64(new Uint8Array(floats.buffer)) });
    }
    const whole = opened.type === "u8" ? "little" : bits;
    go({ ...CLEAR, code: base64((await rowBytes(opened, place)).subarray(0, bytes)), bitorder: whole });
  };
  const query = params.vector ?? params.code;
  return html`<div class="field"><label>${index.kind === "codes" ? "Code" : "Vector"} of a file
      <input type="file" accept=".npy" onChange=${take} /></label>
    <span class="faint">numpy.save of one vector, or a row per vector; it stays on this machine, but for the row that is asked for.</span>
    ${npy && npy.rows > 1 && html`<label class="row">Row <input type="number" min="0" max=${npy.rows - 1} value=${row}
      onChange=${(event) => use(npy, Number(event.target.value), order)} /> of ${count(npy.rows)}</label>`}
    ${index.kind === "codes" && npy?.type === "u1" && html`<label class="row">First bit of a byte <select value=${order}
      onChange=${(event) => { setOrder(event.target.value); use(npy, row, event.target.value); }}>
      <option value="big">highest (numpy.packbits)</option><option value="little">lowest (FAISS)</option></select></label>`}
    ${said && html`<p class="warn" role="alert">${said}</p>`}
    ${query && !npy && html`<p class="faint mono">${clip(query, 40)}</p>`}</div>`;
}

function Results({ answer, go }) {
  const { hits } = answer;
  const values = hits.map((hit) => hit.score ?? hit.distance);
  const longest = Math.max(...values.map(Math.abs), 1e-9);
  const list = useRef(null);
  const press = (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    const rows = [...list.current.querySelectorAll("button.name")];
    const place = rows.indexOf(document.activeElement) + step;
    rows[(place + rows.length) % rows.length]?.focus();
    event.preventDefault();
  };
  const title = answer.asked.route === "search" ? "Nearest to the query" : `Nearest to row ${count(answer.asked.body.id)}`;
  return html`<section aria-labelledby="near-title">
    <div class="row between"><h2 id="near-title">${title}</h2>
      <span class="faint">${count(hits.length)} hits · ${number(answer.took_ms)} ms · ${answer.exact ? "all rows compared" : "approximate"}</span></div>
    <ol class="hits" ref=${list} onKeyDown=${press}>${hits.map((hit, place) => html`<li>
      <span class="num faint">${place + 1}</span>
      <button type="button" class="link name" dir="auto" onClick=${() => go({ ...CLEAR, like: String(hit.id) })}>${hit.key ?? `row ${count(hit.id)}`}</button>
      <span class="share" aria-hidden="true"><i style=${{ width: `${(100 * Math.abs(values[place])) / longest}%` }}></i></span>
      <span class="num">${number(values[place])} <span class="faint">${measureOf(hit)}</span></span>
      <button type="button" class="link" onClick=${() => go({ pick: String(hit.id) }, { view: "map" })} aria-label=${`Show ${hit.key ?? `row ${hit.id}`} on the map`}>map</button>
    </li>`)}</ol></section>`;
}

const measureOf = (hit) => ({ bits: "bits differ", cosine: "cosine", ip: "inner product", l2: "−distance²" })[hit.measure] ?? hit.measure;

function commands({ index, params }) {
  const request = requestOf(index, params, optionOf(index));
  if (!request) return {};
  const body = JSON.stringify(request.body);
  const more = Object.entries({ k: request.body.k, ...request.body.options }).map(([name, value]) => `, ${name}=${value}`).join("");
  const texts = { curl: `curl '${address(at(index.name, request.route))}' --json '${body.replaceAll("'", "'\\''")}'` };
  if (index.kind === "embeddings" && request.body.vector) {
    texts.python = `import base64, numpy as np\nfrom hdc.apps.retrieval import EmbeddingIndex\nindex = EmbeddingIndex.open(${JSON.stringify(index.name)})\n` +
      `query = np.frombuffer(base64.b64decode("${request.body.vector}"), "<f4")\nindex.search(query[None]${more})`;
  }
  return texts;
}

export default { View, commands };
