// How far a search looks: a slider, with the recall and the time that the server has measured.
import { at, call } from "./api.js";
import { html, useEffect, useRef, useState } from "./html.js";
import { Plot } from "./plot.js";
import { count, number } from "./show.js";

const PAUSE = 250;
const MOST = 1024;
const NAMES = { probes: "Lists that are looked into", effort: "Candidates in hand", candidates: "Candidates compared again" };

export function Tradeoff({ index, option, current, choose }) {
  const [measured, setMeasured] = useState(null);
  const [problem, setProblem] = useState("");
  const turn = useRef(0);
  const route = at(index.name, "tradeoff");
  const watch = async (first) => {
    const mine = ++turn.current;
    let now = await first;
    while (mine === turn.current) {
      setMeasured(now);
      if (now?.state !== "working") return;
      await new Promise((done) => setTimeout(done, PAUSE));
      now = await call(route);
    }
  };
  const failed = (error) => setProblem(error.message);
  useEffect(() => {
    setProblem("");
    setMeasured(null);
    watch(call(route)).catch(failed);
    return () => {
      turn.current += 1;
    };
  }, [index.name, index.generation]);
  const points = measured?.points ?? [];
  const curve = [{ kind: "recall", x: points.map((one) => one.value), y: points.map((one) => one.recall) }];
  const near = points.length ? points.reduce((a, b) => (Math.abs(Math.log(b.value / (current || 1))) < Math.abs(Math.log(a.value / (current || 1))) ? b : a)) : null;
  const most = Math.max(points.at(-1)?.value ?? MOST, current, 2);
  return html`<section class="tradeoff" aria-labelledby="tradeoff-title">
    <h2 id="tradeoff-title">${NAMES[option]}: ${current ? count(current) : "as the index has it"}</h2>
    <input type="range" min="0" max="1000" aria-labelledby="tradeoff-title" value=${(1000 * Math.log(Math.max(current, 1))) / Math.log(most)}
      aria-valuetext=${String(current)} onInput=${(event) => choose(Math.max(1, Math.round(most ** (event.target.value / 1000))))} />
    ${near && html`<p>About <b>${number(near.recall)}</b> of the ${measured.k} nearest are found, in <b>${number(Number(near.ms.toPrecision(2)))} ms</b> per query, at ${count(near.value)} ${option}.</p>`}
    ${!measured && !problem && html`<p class="row"><button type="button" onClick=${() => watch(call(route, { method: "POST" })).catch(failed)}>Measure recall and time</button>
      <span class="faint">takes up to 20 seconds, once</span></p>`}
    ${measured?.state === "working" && html`<p><progress max="1" value=${measured.part} aria-label="Progress"></progress></p>`}
    ${(problem || measured?.error) && html`<p class="faint">${problem || measured.error}</p>`}
    ${points.length > 1 && html`
      <${Plot} series=${curve} mark=${near ? { x: near.value, y: near.recall } : undefined} xLabel=${option} yLabel="recall" yLog=${false} yRange=${[0, 1.02]}
        xShow=${count} yShow=${(value) => String(Number(value.toFixed(2)))} height=${220} onX=${(place) => choose(Math.max(1, Math.round(place)))}
        label=${`Recall: ${points.map((one) => `${number(one.recall)} at ${one.value}`).join(", ")}`} />
      <table class="storage"><thead><tr><th>${option}</th><th class="num">recall@${measured.k}</th><th class="num">ms per query</th><th></th></tr></thead>
      <tbody>${points.map((one) => html`<tr class=${one === near ? "own" : ""}>
        <th scope="row"><button type="button" class="link" onClick=${() => choose(one.value)}>${count(one.value)}</button></th>
        <td class="num">${one.recall.toFixed(3)}</td><td class="num">${number(Number(one.ms.toPrecision(3)))}</td>
        <td class="wide"><span class="share"><i style=${{ width: `${100 * one.recall}%` }}></i></span></td></tr>`)}</tbody></table>
      <p class="faint">${count(measured.queries)} rows of the index as queries, against ${measured.against}; one search at a time, the median.</p>`}
  </section>`;
}
