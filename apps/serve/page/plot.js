// Curves as SVG: axes with even or logarithmic scales, lines, points with intervals. Colors are the page's, by style sheet.
import { html, useEffect, useRef, useState } from "./html.js";
import { addSheet } from "./sheet.js";

await addSheet("views.css");

const LEFT = 58, RIGHT = 12, TOP = 8, BOTTOM = 40;
const LEAST_WIDTH = 200;
const FEW_DECADES = 2.2; // up to so many, 2 and 5 are on a logarithmic axis, too
const APART = 44, NEAR = 26; // pixels between two numbers of an axis, to the right and upwards

/** Curves over each other.
 *
 * series: [{kind, x, y}], each with its own x, ascending; kind is its class. points: [{x, y, low, high}], drawn with
 * their intervals, hollow beneath the range. mark: {x, y} is ringed. xLog, yLog: logarithmic scales. xShow, yShow:
 * (value) -> text. onX: called with x where somebody clicks.
 */
export function Plot({ series, points = [], mark, xLabel, yLabel, xLog = true, yLog = true, xShow, yShow, yRange, height = 260, label, onX }) {
  const box = useRef(null);
  const [width, setWidth] = useState(0);
  useEffect(() => {
    const size = new ResizeObserver(() => box.current && setWidth(Math.max(LEAST_WIDTH, box.current.clientWidth)));
    size.observe(box.current);
    return () => size.disconnect();
  }, []);
  const across = scale([...series.flatMap((one) => one.x), ...points.map((one) => one.x)], xLog, LEFT, width - RIGHT);
  const up = scale(yRange ?? [...series.flatMap((one) => one.y), ...points.flatMap((one) => [one.low, one.high])], yLog, height - BOTTOM, TOP, !yRange);
  const click = (event) => onX?.(across.value(event.clientX - box.current.getBoundingClientRect().left));
  const line = ({ x, y }) => x.map((place, i) => `${i ? "L" : "M"}${across.at(place).toFixed(1)} ${up.at(y[i]).toFixed(1)}`).join("");
  const [bottom, top] = [up.at(up.low), up.at(up.high)];
  return html`<div class="plot" ref=${box} style=${{ minHeight: `${height}px` }}>${width > 0 && html`
    <svg width=${width} height=${height} role="img" aria-label=${label} onClick=${click} class=${onX ? "picks" : ""}>
      <clipPath id=${`clip-${xLabel}-${yLabel.replace(" ", "-")}`}><rect x=${LEFT - 6} y=${top - 6} width=${width - LEFT - RIGHT + 12} height=${bottom - top + 12} /></clipPath>
      <g class="axes">
        ${across.ticks(APART).map((value) => html`<line x1=${across.at(value)} x2=${across.at(value)} y1=${top} y2=${bottom} />
          <text x=${across.at(value)} y=${bottom + 16} text-anchor="middle">${xShow(value)}</text>`)}
        ${up.ticks(NEAR).map((value) => html`<line x1=${LEFT} x2=${width - RIGHT} y1=${up.at(value)} y2=${up.at(value)} />
          <text x=${LEFT - 8} y=${up.at(value) + 4} text-anchor="end">${yShow(value)}</text>`)}
        <text x=${(LEFT + width - RIGHT) / 2} y=${height - 6} text-anchor="middle">${xLabel}</text>
        <text transform=${`translate(12 ${(top + bottom) / 2}) rotate(-90)`} text-anchor="middle">${yLabel}</text>
      </g>
      <g clip-path=${`url(#clip-${xLabel}-${yLabel.replace(" ", "-")})`}>
        ${series.map((one) => html`<path d=${line(one)} class=${`curve ${one.kind}`} />`)}
        ${points.map((one) => html`<g class=${one.y < up.low ? "point none" : "point"}>
          <line x1=${across.at(one.x)} x2=${across.at(one.x)} y1=${up.at(one.low)} y2=${up.at(one.high)} />
          <circle cx=${across.at(one.x)} cy=${up.at(one.y)} r="4" /></g>`)}
        ${mark && html`<circle class="mark" cx=${across.at(mark.x)} cy=${up.at(mark.y)} r="5" />`}
      </g>
    </svg>`}</div>`;
}

/** Return a scale of values between two pixels: {low, high, at(value), value(pixel), ticks(apart)}. */
function scale(values, log, from, to, whole = false) {
  const finite = values.filter((value) => Number.isFinite(value) && (!log || value > 0));
  let [low, high] = finite.length ? [Math.min(...finite), Math.max(...finite)] : [1, 10];
  if (whole && log) [low, high] = [10 ** Math.floor(Math.log10(low)), 10 ** Math.ceil(Math.log10(high))];
  if (low === high) [low, high] = log ? [low / 2, high * 2] : [low - 1, high + 1];
  const into = log ? Math.log : (value) => value, back = log ? Math.exp : (value) => value;
  const step = (to - from) / (into(high) - into(low));
  const at = (value) => from + (into(Math.min(Math.max(value, low), high)) - into(low)) * step;
  return {
    low, high, at,
    value: (pixel) => back(Math.min(Math.max(into(low) + (pixel - from) / step, into(low)), into(high))),
    ticks: (apart) => (log ? decades : evenly)(low, high, Math.max(2, Math.abs(to - from) / apart)),
  };
}

/** Return round numbers on a logarithmic axis: powers of ten, every other one where they are many, with 2 and 5 where few. */
function decades(low, high, most) {
  const [first, last] = [Math.floor(Math.log10(low) - 1e-9), Math.ceil(Math.log10(high) + 1e-9)];
  const digits = last - first <= FEW_DECADES + 1 && 3 * (last - first) <= most ? [1, 2, 5] : [1];
  const by = Math.max(1, Math.ceil((last - first) / most));
  const found = [];
  for (let power = Math.ceil(first / by) * by; power <= last; power += by) for (const digit of digits) found.push(Number(`${digit}e${power}`));
  return found.filter((value) => value >= low * (1 - 1e-9) && value <= high * (1 + 1e-9));
}

function evenly(low, high, most) {
  const raw = (high - low) / Math.min(most, 5), size = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * size).find((one) => one >= raw);
  const found = [];
  for (let value = Math.ceil(low / step) * step; value <= high + step * 1e-9; value += step) found.push(Number(value.toPrecision(9)));
  return found;
}
