// Curves by uPlot: axes with even or logarithmic scales in the page's colors, lines, and points with intervals.
import { html, useEffect, useRef } from "./html.js";
import { color } from "./theme.js";
import uPlot from "./vendor/uplot.js";

const FONT = "12px system-ui, sans-serif";
const FEW_DECADES = 2.2;

const sheet = document.createElement("link");
sheet.rel = "stylesheet";
sheet.href = new URL("vendor/uplot.css", import.meta.url).href;
document.head.append(sheet);

/** Curves over each other.
 *
 * series: [{label, x, y, color (a token), dash, width}], each with its own x, ascending.
 * points: [{x, y, low, high}], drawn with their intervals. mark: {x, y} is ringed. xLabel, yLabel: texts of the axes.
 * xLog, yLog: logarithmic scales. show: (value) -> text, of x and y. onX: called with x where somebody clicks.
 */
export function Plot({ series, points = [], mark, xLabel, yLabel, xLog = true, yLog = true, xShow, yShow, yRange, height = 260, theme, label, onX }) {
  const box = useRef(null);
  useEffect(() => {
    const x = [...new Set([...series.flatMap((one) => one.x), ...points.map((one) => one.x)])].sort((a, b) => a - b);
    const data = [x, ...series.map((one) => along(x, one)), x.map((place) => points.find((one) => one.x === place)?.y ?? null)];
    const ink = color("--faint"), line = color("--line"), accent = color("--accent");
    const axis = (text, show, log) => {
      const few = log ? { filter: (_, splits) => round(splits) } : {};
      return {
        label: text, labelFont: FONT, font: FONT, stroke: ink, labelSize: 18, labelGap: 0, ...few,
        grid: { stroke: line, width: 1, ...few }, ticks: { stroke: line, width: 1, ...few },
        values: (_, splits) => splits.map((value) => (value === null ? "" : show(value))),
      };
    };
    const options = {
      width: box.current.clientWidth, height,
      legend: { show: false },
      cursor: { points: { show: false }, drag: { x: false, y: false } },
      scales: {
        x: { time: false, distr: xLog ? 3 : 1 },
        y: { distr: yLog ? 3 : 1, range: yRange ? () => yRange : undefined },
      },
      axes: [axis(xLabel, xShow, xLog), { ...axis(yLabel, yShow, yLog), size: 62 }],
      series: [
        {},
        ...series.map((one) => ({
          label: one.label, stroke: color(one.color), width: one.width ?? 2, dash: one.dash, spanGaps: true, points: { show: false },
        })),
        { label: "measured", stroke: "transparent", points: { show: false } },
      ],
      hooks: {
        draw: [(plot) => {
          drawPoints(plot, points, accent, color("--surface"));
          if (mark) drawMark(plot, mark, color("--text"));
        }],
      },
    };
    box.current.textContent = "";
    const plot = new uPlot(options, data, box.current);
    const size = new ResizeObserver(() => plot.setSize({ width: box.current.clientWidth, height }));
    size.observe(box.current);
    const click = () => plot.cursor.left >= 0 && onX?.(plot.posToVal(plot.cursor.left, "x"));
    plot.over.addEventListener("click", click);
    return () => {
      size.disconnect();
      plot.destroy();
    };
  }, [series, points, mark?.x, mark?.y, theme, xLabel, yLabel]);
  return html`<div class="plot" style=${{ minHeight: `${height}px` }} ref=${box} role="img" aria-label=${label}></div>`;
}

/** Return places on a logarithmic axis without those that are not round: powers of ten, where these are few also 2 and 5. */
function round(splits) {
  const digits = Math.log10(splits.at(-1) / splits[0]) < FEW_DECADES ? ["1", "2", "5"] : ["1"];
  return splits.map((value) => (digits.includes(value.toExponential(6).replace(/\.?0*e.*/, "")) ? value : null));
}

/** Return a curve's heights at common places: null where it has none, so that its line spans the gap. */
function along(x, one) {
  const at = new Map(one.x.map((place, i) => [place, one.y[i]]));
  return x.map((place) => at.get(place) ?? null);
}

function drawPoints(plot, points, accent, ground) {
  const pen = plot.ctx, ratio = devicePixelRatio || 1;
  const low = plot.scales.y.min, high = plot.scales.y.max;
  const inside = (y) => Math.min(Math.max(y, low), high);
  pen.save();
  pen.beginPath();
  pen.rect(plot.bbox.left - 6 * ratio, plot.bbox.top - 6 * ratio, plot.bbox.width + 12 * ratio, plot.bbox.height + 12 * ratio);
  pen.clip();
  for (const { x, y, low: from, high: to } of points) {
    const px = plot.valToPos(x, "x", true), py = plot.valToPos(inside(y), "y", true);
    pen.strokeStyle = accent;
    pen.lineWidth = 1.5 * ratio;
    pen.beginPath();
    pen.moveTo(px, plot.valToPos(inside(from), "y", true));
    pen.lineTo(px, plot.valToPos(inside(to), "y", true));
    pen.stroke();
    pen.beginPath();
    pen.arc(px, py, 4 * ratio, 0, 2 * Math.PI);
    pen.fillStyle = y < low ? ground : accent; // hollow where nothing failed: the interval says how little it may be
    pen.fill();
    pen.stroke();
  }
  pen.restore();
}

function drawMark(plot, { x, y }, ink) {
  const pen = plot.ctx, ratio = devicePixelRatio || 1;
  pen.strokeStyle = ink;
  pen.lineWidth = 1.5 * ratio;
  pen.beginPath();
  pen.arc(plot.valToPos(x, "x", true), plot.valToPos(y, "y", true), 5 * ratio, 0, 2 * Math.PI);
  pen.stroke();
}
