// What is beside a map: what its colors mean, what is selected, and the point that was picked.
import { html } from "./html.js";
import { OTHER, MISSING, categoryColor, gradient, numberColor } from "./palette.js";
import { count, number, percent, plural, value } from "./show.js";

const searchView = (index) => (index.kind === "json" ? "search" : "neighbors");

/** What colors mean; a category that is clicked is shown alone. */
export function Legend({ fields, field, colors, alone, theme, index, params, go }) {
  const known = fields?.some((one) => one.path === field) ?? true;
  const choose = (event) => go({ color: event.target.value, only: undefined });
  return html`<section aria-labelledby="map-colors">
    <label class="row"><h2 id="map-colors">Color</h2>
      <select class="grow" value=${field ?? "-"} onChange=${choose}>
        <option value="-">none</option>
        ${!known && field && html`<option value=${field}>${field}</option>`}
        ${fields?.map((one) => html`<option value=${one.path}>${one.path}</option>`)}
      </select></label>
    ${colors?.kind === "categories" && html`<${Categories} ...${{ colors, alone, theme, index, params, go }} />`}
    ${colors?.kind === "numbers" && html`<${Scale} colors=${colors} theme=${theme} />`}
  </section>`;
}

function Categories({ colors, alone, theme, index, params, go }) {
  const entries = colors.labels.map((entry, byte) => ({ ...entry, byte }));
  if (colors.others) entries.push({ label: "other", count: colors.others, byte: OTHER });
  if (colors.missing) entries.push({ label: "no value", count: colors.missing, byte: MISSING });
  const toggle = (byte) => {
    const next = new Set(alone);
    if (!next.delete(byte)) next.add(byte);
    go({ only: [...next].join(",") || undefined }, { replace: true });
  };
  const filter = (entry) => {
    const condition = `${colors.field} = ${JSON.stringify(entry.value)}`;
    go({ where: [...(params.where ?? []).filter((one) => one !== condition), condition] }, { view: "search" });
  };
  const most = Math.max(...entries.map((entry) => entry.count));
  return html`<ul class="legend">${entries.map((entry) => html`
    <li><button type="button" class="quiet" aria-pressed=${alone.has(entry.byte)} onClick=${() => toggle(entry.byte)}
        title=${`Show only ${entry.label}`}>
        <i class="swatch" style=${{ background: categoryColor(entry.byte, theme) }}></i>
        <span class="name" dir="auto">${entry.label}</span>
        <span class="share" aria-hidden="true"><i style=${{ width: `${(100 * entry.count) / most}%` }}></i></span>
        <span class="num faint">${count(entry.count)}</span></button>
      ${index.kind === "json" && entry.byte < OTHER && html`<button type="button" class="quiet icon" onClick=${() => filter(entry)}
        aria-label=${`Search where ${colors.field} is ${entry.label}`} title=${`Search where ${colors.field} = ${entry.label}`}>→</button>`}
      ${index.kind === "json" && entry.byte >= OTHER && html`<span class="gap"></span>`}
    </li>`)}</ul>
  ${alone.size > 0 && html`<p><button type="button" class="link" onClick=${() => go({ only: undefined }, { replace: true })}>Show all</button></p>`}`;
}

function Scale({ colors, theme }) {
  return html`<div class="scale" style=${{ background: gradient(theme) }} role="img"
      aria-label=${`From ${number(colors.low)} to ${number(colors.high)}`}></div>
    <div class="row between faint"><span>≤ ${number(colors.low)}</span>${colors.logarithmic && html`<span>logarithmic</span>`}<span>≥ ${number(colors.high)}</span></div>
    ${colors.missing > 0 && html`<p class="faint"><i class="swatch" style=${{ background: numberColor(MISSING, theme) }}></i> ${plural(colors.missing, "row")} without a number</p>`}`;
}

/** The rows in a region: how many, what they have in common, and what to do with them. */
export function Selected({ region, index, go }) {
  const among = () => go({ among: region.ids.join(",") }, { view: searchView(index) });
  return html`<section aria-labelledby="map-selected">
    <div class="row between"><h2 id="map-selected">${count(region.count)} selected</h2>
      <button type="button" class="link" onClick=${() => go({ region: undefined })}>Clear</button></div>
    ${region.count > 0 && html`<p><button type="button" class="main" onClick=${among}>Search in these</button></p>`}
    ${region.common.length > 0 && html`<p class="faint">More frequent in here than outside</p>
      <ul class="common">${region.common.map((one) => html`<li>
        <span class="what"><span class="faint">${one.path}</span> <bdi>${value(one.value, 40)}</bdi></span>
        <span class="num">${percent(one.inside)}</span>
        <span class="versus" role="img" aria-label=${`${percent(one.inside)} inside, ${percent(one.outside)} outside`}>
          <i style=${{ width: `${100 * one.inside}%` }}></i><b style=${{ left: `${100 * one.outside}%` }}></b></span>
      </li>`)}</ul>`}
  </section>`;
}

/** The point that was picked: its row, and its neighbors. */
export function Picked({ picked, index, go }) {
  const { card, neighbors } = picked;
  return html`<section aria-labelledby="map-picked">
    <div class="row between"><h2 id="map-picked" dir="auto">${nameOf(card)}</h2>
      <button type="button" class="link" onClick=${() => go({ pick: undefined })}>Close</button></div>
    <dl class="lines">${card.lines.map(([path, text]) => html`<dt>${path}</dt><dd dir="auto">${typeof text === "string" ? text : value(text)}</dd>`)}</dl>
    ${card.more > 0 && html`<p class="faint">${plural(card.more, "value")} more</p>`}
    <p><button type="button" onClick=${() => go({ like: String(card.id), q: undefined, query: undefined }, { view: searchView(index) })}>More like this</button></p>
    ${neighbors.length > 0 && html`<h3>Nearest</h3><ol class="near">${neighbors.map((hit) => html`<li>
      <button type="button" class="link" onClick=${() => go({ pick: String(hit.id) })} dir="auto">${titleOf(hit)}</button>
      <span class="num faint">${hit.score === undefined ? "" : hit.score.toFixed(2)}</span></li>`)}</ol>`}
  </section>`;
}

/** Return what a row is called: its key, or the first texts that it has. */
export function nameOf(card) {
  const texts = card.lines.filter(([, text]) => typeof text === "string" && text.length > 0 && text.length < 80).map(([, text]) => text);
  return card.key ?? (texts.slice(0, 2).join(" · ") || `Row ${count(card.id)}`);
}

/** Return what a hit is called: its key, or the first texts of its document. */
function titleOf(hit) {
  if (hit.key !== undefined && hit.key !== null) return hit.key;
  const texts = Object.values(hit.document ?? {}).filter((one) => typeof one === "string" && one.length > 0 && one.length < 80);
  return texts.slice(0, 2).join(" · ") || `Row ${count(hit.id)}`;
}
