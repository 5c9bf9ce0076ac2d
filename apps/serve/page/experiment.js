// "Run the experiment": failures of the task at several dimensions, measured by the server while one watches.
import { tick } from "./capacity.js";
import { call } from "./api.js";
import { html, useEffect, useRef, useState } from "./html.js";
import { Plot } from "./plot.js";
import { count, percent } from "./show.js";

const PAUSE = 250;
const TRIALS = [64, 256, 1024];
const FLOOR = 1e-3; // of the chart's failure rates
const SMALL = { items: "20", universe: "500" };
const OWN_UNIVERSE = ["intersection", "bindings"]; // tasks whose experiment does not draw from the universe of the question

export function Experiment({ answer, query, change, announce }) {
  const [run, setRun] = useState(null);
  const [trials, setTrials] = useState(256);
  const [problem, setProblem] = useState(null);
  const alive = useRef(true), turn = useRef(0);
  const watch = async () => {
    const mine = ++turn.current;
    for (;;) {
      const now = await call("capacity/experiment");
      if (!alive.current || mine !== turn.current) return;
      setRun(now);
      if (now?.state !== "working") return void (now && announce(now.state === "ready" ? "The experiment is done" : `The experiment was ${now.state}`));
      await new Promise((done) => setTimeout(done, PAUSE));
    }
  };
  const failed = (error) => alive.current && setProblem(error);
  useEffect(() => {
    watch().catch(failed);
    return () => {
      alive.current = false;
    };
  }, []);
  useEffect(() => setProblem(null), [query]);
  const begin = () => {
    setProblem(null);
    const { axis, ...setting } = Object.fromEntries(new URLSearchParams(query));
    call("capacity/experiment", { body: { setting, trials } }).then(watch).catch(failed);
  };
  const cancel = () => call("capacity/experiment", { method: "DELETE" }).then(watch).catch(failed);
  const fits = run && same(run.setting, answer.setting);
  const running = run?.state === "working";
  const measured = fits ? run.points.filter((point) => point.trials > 0) : [];
  const points = measured.map(({ dim, failure, low, high }) => ({ x: dim, y: failure, low, high }));
  const lines = (fits ? run.curves : answer.failures).map(({ kind, x, y }) => ({ kind, ...window_(x, y) }));
  if (!answer.failures.length) return null;
  return html`<section aria-labelledby="capacity-experiment">
    <div class="row between"><h2 id="capacity-experiment">Failures, promised and measured</h2>
      <div class="row">${running ? html`<progress max="1" value=${run.part} aria-label="Progress of the experiment"></progress>
          <button type="button" onClick=${cancel}>Cancel</button>`
      : html`<label>Trials <select value=${trials} onChange=${(event) => setTrials(Number(event.target.value))}>
          ${TRIALS.map((many) => html`<option value=${many}>${count(many)}</option>`)}</select></label>
          <button type="button" class="main" onClick=${begin}>Run the experiment</button>`}</div></div>
    ${problem && html`<p class="warn" role="alert">${problem.message} ${problem.status === 400 && html`<button type="button" class="link"
      onClick=${() => change(SMALL)}>Try ${SMALL.items} items of ${SMALL.universe}</button>`}</p>`}
    <${Plot} series=${lines} points=${points} xLabel="dimension" yLabel="failure rate" xShow=${tick} yShow=${tick} yRange=${[FLOOR, 1]}
      label=${points.length ? `Measured failures: ${points.map((point) => `${percent(point.y)} at ${count(point.x)}`).join(", ")}` : "Failure rate over the dimension"} />
    <p class="faint">${fits ? said(run) : "The experiment draws sets at random, asks every question, and counts the trials with a wrong answer."}
      ${run && !fits && !running ? " Points of the last run are of another setting and not shown." : ""}
      ${running && !fits ? " An experiment with another setting is running." : ""}</p>
  </section>`;
}

/** Return the part of a curve that the chart shows, and a little more. */
function window_(x, y) {
  const there = x.map((_, place) => place).filter((place) => y[place] >= FLOOR / 3);
  return { x: there.map((place) => x[place]), y: there.map((place) => y[place]) };
}

function same(tried, asked) {
  const universe = OWN_UNIVERSE.includes(asked.task) || tried.universe === asked.universe;
  const options = Object.entries(tried.options).every(([name, value]) => asked.options[name] === value);
  return tried.task === asked.task && tried.model === asked.model && tried.items === asked.items && universe && options;
}

function said(run) {
  const done = Math.min(...run.points.map((point) => point.trials));
  const end = { working: "so far", ready: run.late ? "when its time was over" : "", canceled: "when it was canceled" }[run.state];
  if (run.state === "failed") return `The experiment failed: ${run.error}`;
  return `${count(done)} trials per point ${end} in ${run.seconds.toFixed(1)} s; bars are 95 % Wilson intervals, hollow points had no failure.`;
}
