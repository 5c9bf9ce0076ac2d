// Capacity: how many dimensions a task needs, by theorem and by experiment. All numbers come from the server.
import { address, call } from "./api.js";
import { html, useEffect, useState } from "./html.js";
import { Experiment } from "./experiment.js";
import { Failure, Loading } from "./parts.js";
import { Plot } from "./plot.js";
import { count, number } from "./show.js";

const KINDS = {
  rigorous: { title: "rigorous", about: "enough for certain" },
  gaussian: { title: "Gaussian", about: "the sharp size, by the central limit theorem" },
  paper: { title: "published", about: "the constant of the paper" },
};
const TASKS = {
  membership: "Is a symbol in the set?", intersection: "How large is the intersection of two sets?",
  "key-value": "Which value does a key have?", bindings: "Is a product of symbols in the bundle?",
  sequence: "Which symbol is at a position?", nested: "Is a symbol in a set of sets?",
};
const SLIDERS = {
  items: { title: "Items", whole: true }, universe: { title: "Universe", whole: true }, error: { title: "Error", whole: false },
};
const OPTIONS = {
  tolerance: "Tolerance", other: "Items of the other set", overlap: "Items in both", ones: "Ones of a sparse atom",
  factors: "Factors of a binding", repeats: "Most repeats of a symbol", depth: "Levels", shape: "Shape", own: "Keys of their own",
};
const START = { task: "membership", model: "MAP-B", items: "200", universe: "1000000", error: "0.001", axis: "items" };
const DELAY = 60;

function View({ params, go, announce }) {
  const [choices, setChoices] = useState(null);
  const [answer, setAnswer] = useState(null);
  const [failure, setFailure] = useState(null);
  const [problem, setProblem] = useState("");
  const setting = settingOf(params, choices);
  const query = new URLSearchParams(setting).toString();
  useEffect(() => {
    call("capacity").then(setChoices, setFailure);
  }, []);
  useEffect(() => {
    if (!choices) return undefined;
    const stop = new AbortController();
    const timer = setTimeout(() => call(`capacity/bounds?${query}`, { signal: stop.signal }).then((found) => {
      setAnswer(found);
      setProblem("");
      const best = found.answers.find((one) => one.dimension !== null);
      announce(best ? `${count(best.dimension)} dimensions` : "no bound is known");
    }, (error) => {
      if (error.name === "AbortError") return;
      if (error.gone || error.status >= 500) setFailure(error);
      else setProblem(error.message);
    }), DELAY);
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [query, choices]);
  if (failure) return html`<${Failure} error=${failure} retry=${() => { setFailure(null); call("capacity").then(setChoices, setFailure); }} />`;
  if (!choices || !answer) return html`<${Loading} />`;
  const change = (changes) => go(changes, { replace: true });
  return html`<div class="capacity">
    <aside aria-label="Question"><${Controls} ...${{ choices, setting, change }} />
      ${problem && html`<p class="warn" role="alert">${problem}</p>`}</aside>
    <div class="answers" aria-busy=${problem !== ""}>
      <${Answers} answers=${answer.answers} setting=${answer.setting} />
      <${Curves} ...${{ answer, setting, change }} />
      <${Experiment} ...${{ answer, query, change, announce }} />
      <${Storage} rows=${answer.storage} model=${setting.model} change=${change} />
    </div>
  </div>`;
}

/** Return what is asked, as texts: what the URL says, of the options only those that the task has. */
function settingOf(params, choices) {
  const asked = Object.fromEntries(Object.entries(START).map(([name, value]) => [name, params[name] ?? value]));
  for (const name of choices?.tasks[asked.task] ?? []) if (params[name] !== undefined) asked[name] = params[name];
  return asked;
}

function Controls({ choices, setting, change }) {
  const options = choices.tasks[setting.task] ?? [];
  return html`
    <label class="field">Task
      <select value=${setting.task} onChange=${(event) => change({ task: event.target.value })}>
        ${Object.keys(choices.tasks).map((task) => html`<option value=${task}>${task}</option>`)}</select>
      <span class="faint">${TASKS[setting.task]}</span></label>
    <label class="field">Model
      <select value=${setting.model} onChange=${(event) => change({ model: event.target.value })}>
        ${choices.models.map((model) => html`<option value=${model}>${model}${choices.known[setting.task]?.[model] ? "" : " (no bound)"}</option>`)}</select></label>
    ${Object.keys(SLIDERS).filter((name) => name !== "universe" || setting.task !== "intersection").map((name) => html`
      <${Slider} key=${name} name=${name} range=${choices.ranges[name]} value=${setting[name]} change=${change} setting=${setting} />`)}
    ${options.length > 0 && html`<details open=${options.some((name) => setting[name] !== undefined)}><summary>More of this task</summary>
      ${options.map((name) => html`<${Option} key=${name} name=${name} value=${setting[name] ?? ""} normal=${choices.defaults[name]} change=${change} />`)}
    </details>`}`;
}

/** A slider on a logarithmic scale, and the number itself. */
function Slider({ name, range: [low, high], value, change, setting }) {
  const { title, whole } = SLIDERS[name];
  const place = (1000 * Math.log(value / low)) / Math.log(high / low);
  const moved = (event) => {
    const raw = low * (high / low) ** (event.target.value / 1000);
    set(String(whole ? Math.max(low, Math.round(Number(raw.toPrecision(2)))) : Number(raw.toPrecision(1))));
  };
  const set = (text) => {
    const changes = { [name]: text };
    if (name === "items" && Number(text) > Number(setting.universe)) changes.universe = text;
    if (name === "universe" && Number(text) < Number(setting.items)) changes.items = text;
    change(changes);
  };
  const id = `capacity-${name}`;
  return html`<div class="field"><div class="row between"><label for=${id}>${title}</label>
      <input type="text" inputmode="decimal" aria-label=${`${title}, as a number`} value=${shownAs(value, whole)} size="11"
        onChange=${(event) => Number(readAs(event.target.value)) > 0 && set(readAs(event.target.value))} /></div>
    <input id=${id} type="range" min="0" max="1000" step="1" value=${Math.min(Math.max(place, 0), 1000)} onInput=${moved}
      aria-valuetext=${shownAs(value, whole)} /></div>`;
}

const shownAs = (text, whole) => (whole ? count(Number(text)) : String(Number(text)));
const readAs = (text) => String(Number(text.replace(/[,\s]/g, "")));

function Option({ name, value, normal, change }) {
  const set = (event) => change({ [name]: event.target.value || undefined });
  if (name === "shape" || name === "own") {
    const values = name === "shape" ? ["tree", "chain"] : ["false", "true"];
    return html`<label class="field">${OPTIONS[name]}<select value=${value || values[0]} onChange=${set}>
      ${values.map((one) => html`<option value=${one}>${one}</option>`)}</select></label>`;
  }
  return html`<label class="field">${OPTIONS[name]}<input type="number" min="0" step="any" value=${value} placeholder=${normal ?? "as it is best"} onChange=${set} /></label>`;
}

/** The dimensions, and the theorem behind each. */
function Answers({ answers, setting }) {
  return html`<section aria-label="Dimensions">
    <div class="figures">${answers.map((one) => html`<div class=${one.dimension === null ? "figure none" : "figure"}>
      <b data-kind=${one.kind}>${one.dimension === null ? "–" : count(one.dimension)}</b>
      <span><${Key} kind=${one.kind} /> ${KINDS[one.kind].title}</span>
      <span class="faint">${one.dimension === null ? "no such bound is known" : KINDS[one.kind].about}</span></div>`)}
    </div>
    ${answers.filter((one) => one.dimension !== null).map((one, place) => html`<details class="theorem" open=${place === 0}>
      <summary><${Key} kind=${one.kind} /> ${KINDS[one.kind].title}</summary>
      <p><${Formula} text=${one.statement} /></p>
      <p class="faint">Source: <${Formula} text=${one.source} /> Standing: <${Formula} text=${one.standing} /></p></details>`)}
    ${answers.every((one) => one.dimension === null) && html`<p>${answers[0].reason}</p>`}
  </section>`;
}

/** A text whose formulas stand between double backticks. */
function Formula({ text }) {
  return text.split("``").map((part, place) => (place % 2 ? html`<code>${part}</code>` : part));
}

export function Key({ kind }) {
  return html`<svg class="key" viewBox="0 0 22 8" aria-hidden="true"><line x1="0" y1="4" x2="22" y2="4" class=${kind} /></svg>`;
}

function Curves({ answer, setting, change }) {
  const { axis, x, series } = answer.curves;
  const lines = series.map(({ kind, y }) => ({ kind, ...drop(x, y) }));
  const first = answer.answers.find((one) => one.dimension !== null);
  if (!first) return null;
  return html`<section aria-labelledby="capacity-curves">
    <div class="row between"><h2 id="capacity-curves">Dimension needed</h2>
      <div class="switch" role="group" aria-label="Over">${Object.entries(SLIDERS).filter(([name]) => name !== "universe" || setting.task !== "intersection").map(([name, { title }]) => html`
        <button type="button" aria-pressed=${axis === name} onClick=${() => change({ axis: name })}>${title}</button>`)}</div></div>
    <${Plot} series=${lines} mark=${{ x: Number(answer.setting[axis]), y: first.dimension }}
      xLabel=${axis} yLabel="dimension" xShow=${tick} yShow=${tick}
      label=${`Dimension over ${axis}: ${answer.answers.filter((one) => one.dimension !== null).map((one) => `${one.kind} ${count(one.dimension)}`).join(", ")} at ${number(answer.setting[axis])}`}
      onX=${(place) => change({ [axis]: SLIDERS[axis].whole ? String(Math.round(Number(place.toPrecision(2)))) : String(Number(place.toPrecision(1))) })} />
  </section>`;
}

function drop(x, y) {
  const there = x.map((_, place) => place).filter((place) => y[place] !== null);
  return { x: there.map((place) => x[place]), y: there.map((place) => y[place]) };
}

/** Return a number on an axis: 100, 20k, 3M, 1e-6. */
export function tick(value) {
  if (value >= 1e9) return `${value / 1e9}G`;
  if (value >= 1e6) return `${value / 1e6}M`;
  if (value >= 1e3) return `${value / 1e3}k`;
  return value >= 0.001 ? String(Number(value.toPrecision(3))) : value.toExponential(0).replace("+", "");
}

function Storage({ rows, model, change }) {
  const most = Math.log(Math.max(...rows.map((row) => row.bits))), least = Math.log(Math.min(...rows.map((row) => row.bits)));
  return html`<section aria-labelledby="capacity-storage"><h2 id="capacity-storage">Storage of all models</h2>
    <table class="storage"><thead><tr><th>Model</th><th class="num">Dimension</th><th class="num">Bits</th><th><span class="unseen">Bits, logarithmic</span></th><th>Standing</th></tr></thead>
    <tbody>${rows.map((row) => html`<tr class=${row.model === model ? "own" : ""}>
      <th scope="row"><button type="button" class="link" onClick=${() => change({ model: row.model })}>${row.model}</button></th>
      <td class="num">${count(row.dimension)}</td><td class="num">${count(row.bits)}</td>
      <td class="wide"><span class="share"><i style=${{ width: `${8 + (92 * (Math.log(row.bits) - least)) / (most - least || 1)}%` }}></i></span></td>
      <td class="faint">${row.kind === "rigorous" ? row.standing : `${row.standing}, Gaussian`}</td></tr>`)}</tbody></table>
    <p class="faint">Components are as wide as their values need. The bars are logarithmic.</p></section>`;
}

function commands({ params }) {
  const asked = { ...START, ...Object.fromEntries(Object.entries(params).filter(([name]) => name in START || name in OPTIONS)) };
  const { axis, ...setting } = asked;
  const { task, model, items, universe, error, ...others } = setting;
  const number = (text) => (Number.isFinite(Number(text)) && text !== "" ? String(Number(text)) : JSON.stringify(text));
  const more = Object.entries(others).map(([name, text]) => `, ${name}=${text === "true" ? "True" : text === "false" ? "False" : number(text)}`).join("");
  const all = task === "intersection" ? "" : `, universe=${number(universe)}`;
  const flags = Object.entries(others).map(([name, text]) => ` --${name} ${text}`).join("");
  return {
    curl: `curl '${address(`capacity/bounds?${new URLSearchParams(asked)}`)}'`,
    python: `from hdc import bounds\nbounds.dimension("${task}", "${model}", items=${number(items)}${all}, error=${number(error)}${more})`,
    cli: `hdc capacity dimension --task ${task} --model ${model} --items ${items}${task === "intersection" ? "" : ` --universe ${universe}`} --error ${error}${flags}`,
  };
}

export default { View, commands };
