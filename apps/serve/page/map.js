// The map: every row of an index as a point, rows with alike vectors near each other. Colors by a field, hits of the query
// lit up, a region drawn around points that becomes a filter, a point's neighbors.
import { address, at, call } from "./api.js";
import { html, useEffect, useMemo, useRef, useState } from "./html.js";
import { useLatest, useMap } from "./map_data.js";
import { Legend, Picked, Selected, nameOf } from "./map_parts.js";
import { colorsOf } from "./palette.js";
import { Empty, Failure, Loading } from "./parts.js";
import { follow } from "./pointing.js";
import { FADED, LIT, PLAIN, Scatter } from "./scatter.js";
import { addSheet } from "./sheet.js";
import { count, percent } from "./show.js";
import { color as token } from "./theme.js";

await addSheet("views.css");

const LIT_HITS = 200;
const NEIGHBORS = 8;
const HOVER_DELAY = 60;
const METHODS = { pca: "PCA", umap: "UMAP" };
const ABOUT = {
  pca: "Principal axes: far apart on the map is far apart",
  umap: "UMAP: neighbors stay together; distances between groups mean little",
};

function View({ index, params, go, announce, theme }) {
  const method = params.map === "umap" ? "umap" : "pca";
  const { status, points, failure, start, cancel, retry } = useMap(index, method);
  if (failure?.type === "UnsupportedError") return html`<${Empty} title="No map here"><p>${failure.message}</p></${Empty}>`;
  if (failure) return html`<${Failure} error=${failure} retry=${retry} />`;
  if (!status) return html`<${Loading} />`;
  if (status.rows === 0) return html`<${Empty} title="Nothing to map"><p>This index is empty. Add rows, and the map appears.</p></${Empty}>`;
  const tools = html`<${Methods} status=${status} method=${method} go=${go} />`;
  if (!points) return html`<${Making} status=${status} method=${method} start=${start} cancel=${cancel} tools=${tools} />`;
  return html`<${Shown} ...${{ index, params, go, announce, theme, method, status, points, start, tools }} />`;
}

function Methods({ status, method, go }) {
  return html`<div class="switch" role="group" aria-label="Kind of map">
    ${Object.keys(METHODS).map((name) => html`<button type="button" aria-pressed=${name === method} title=${ABOUT[name]}
      disabled=${!status.methods.includes(name)} onClick=${() => go({ map: name === "pca" ? undefined : name, region: undefined, look: undefined })}>
      ${METHODS[name]}</button>`)}
  </div>`;
}

/** What is shown until there is a map: an offer, or how far it is. */
function Making({ status, method, start, cancel, tools }) {
  const work = status.working;
  if (!work) {
    return html`<div class="state"><h2>No ${METHODS[method]} map yet</h2>
      <p>${ABOUT[method]}. The server makes the map of ${count(status.rows)} rows once, and keeps it.</p>
      ${status.error && html`<p role="alert" class="warn">${status.error}</p>`}
      <p class="row center"><button type="button" class="main" onClick=${start}>Make the map</button></p><p class="row center">${tools}</p></div>`;
  }
  const part = work.part === null ? undefined : Math.round(100 * work.part);
  return html`<div class="state"><h2>Making the map</h2><p role="status">${work.stage}${part === undefined ? "…" : ` · ${part} %`}</p>
    <p><progress max="100" value=${part} aria-label="Progress"></progress></p>
    <p class="row center"><button type="button" onClick=${cancel}>Cancel</button>${tools}</p></div>`;
}

function Shown({ index, params, go, announce, theme, method, status, points, start, tools }) {
  const canvas = useRef(null), over = useRef(null), scatter = useRef(null), hand = useRef(null);
  const [hover, setHover] = useState(null);
  const [drawing, setDrawing] = useState(false);
  const [fields, setFields] = useState(null);
  const [colors, setColors] = useState(null);
  const [region, setRegion] = useState(null);
  const [hits, setHits] = useState(null);
  const [picked, setPicked] = useState(null);
  const [trouble, setTrouble] = useState("");
  const latest = useLatest({ params, go, points, picked, theme });
  const field = params.color === "-" ? null : params.color ?? fields?.[0]?.path ?? null;
  const alone = useMemo(() => new Set((params.only ?? "").split(",").filter(Boolean).map(Number)), [params.only]);
  const pick = params.pick === undefined ? null : Number(params.pick);
  const base = at(index.name, "map");
  const troubled = (error) => error.name !== "AbortError" && setTrouble(error.message);

  // ---- what the server says of these points
  useEffect(() => {
    call(`${base}/fields`).then(setFields, troubled);
  }, [index.name]);
  useEffect(() => ask(field && `${base}/colors?method=${method}&field=${encodeURIComponent(field)}`, undefined, setColors, troubled), [field, points]);
  const corners = useMemo(() => readCorners(params.region), [params.region]);
  useEffect(() => ask(corners && `${base}/region`, { method, polygon: corners }, (found) => {
    setRegion(found);
    announce(found ? `${count(found.count)} rows selected` : "");
  }, troubled), [corners, points]);
  useEffect(() => {
    let request = null;
    try {
      request = queryOf(index, params);
    } catch {
      setTrouble("The query is not JSON yet.");
    }
    return ask(request && at(index.name, request.route), request?.body, setHits, troubled);
  }, [params.q, params.query, params.like, String(params.where), points]);
  useEffect(() => {
    if (pick === null) return void setPicked(null);
    const like = index.kind === "json" || index.kind === "embeddings" || index.kind === "codes";
    const near = like ? call(at(index.name, "like"), { body: { id: pick, k: NEIGHBORS } }).then((found) => found.hits, () => []) : [];
    const answer = Promise.all([call(`${base}/card?id=${pick}`), near]);
    let wanted = true;
    answer.then(([card, neighbors]) => wanted && setPicked({ card, neighbors }), (error) => wanted && troubled(error));
    return () => {
      wanted = false;
    };
  }, [pick, points]);

  // ---- the canvas
  useEffect(() => {
    const drawn = new Scatter(canvas.current, params.webgl && params.webgl !== "0");
    scatter.current = drawn;
    window.hdcMap = drawn; // for measurements by hand: hdcMap.frames
    drawn.changed = () => overlay(over.current, drawn, latest.current);
    drawn.setPoints(points.places);
    const look = (params.look ?? "").split(",").map(Number);
    if (look.length === 3 && look.every(Number.isFinite)) drawn.look(look.slice(0, 2), look[2]);
    const size = new ResizeObserver(() => drawn.resize());
    size.observe(canvas.current);
    let timer;
    hand.current = follow(canvas.current, drawn, {
      hover: (point) => {
        latest.current.hovered = point;
        drawn.ask();
        setHover(point < 0 ? null : point);
      },
      pick: (point) => latest.current.go({ pick: point < 0 ? undefined : String(points.ids[point]) }),
      region: (polygon) => {
        setDrawing(false);
        latest.current.go({ region: polygon.map((corner) => corner.map((x) => Number(x.toPrecision(5))).join(" ")).join(",") });
      },
      line: (line) => {
        latest.current.line = line;
        drawn.ask();
      },
      moved: () => {
        clearTimeout(timer);
        timer = setTimeout(() => {
          const whole = drawn.zoom === 1 && drawn.center.every((x, i) => x === drawn.home[i]);
          latest.current.go({ look: whole ? undefined : [...drawn.center, drawn.zoom].map((x) => Number(x.toPrecision(5))).join(",") }, { replace: true });
        }, 250);
      },
      clear: () => latest.current.go({ region: undefined, pick: undefined, only: undefined }),
    });
    return () => {
      clearTimeout(timer);
      size.disconnect();
      hand.current.end();
      drawn.end();
    };
  }, [points]);
  useEffect(() => hand.current?.drawing(drawing), [drawing, points]);
  useEffect(() => {
    scatter.current.setShades(colors?.bytes ?? new Uint8Array(points.ids.length), colorsOf(colors?.kind, theme, points.ids.length, hexOf(token("--accent"))));
  }, [colors, theme, points]);
  useEffect(() => {
    scatter.current.setStates(statesOf({ points, colors, alone, region, hits, picked, pick }));
  }, [colors, params.only, region, hits, picked, pick, points]);

  const found = (hits?.hits ?? hits?.rows ?? []).length;
  const stage = html`<div class="stage">
    <canvas ref=${canvas} tabindex="0" role="application" class=${drawing ? "drawing" : ""}
      aria-label=${`Map of ${count(points.ids.length)} rows. Arrow keys move, plus and minus zoom, 0 shows all, Enter takes the row in the middle, v selects what is seen, Escape clears.`}></canvas>
    <canvas ref=${over} class="over" aria-hidden="true"></canvas>
    ${hover !== null && html`<${Card} base=${base} scatter=${scatter.current} point=${hover} id=${points.ids[hover]} />`}
    <div class="float top-left">${tools}
      ${found > 0 && html`<span class="pill"><i class="dot"></i>${count(hits.total ?? found)} ${hits.rows ? `rows pass the filter${hits.total > found ? `, ${count(found)} lit` : ""}` : "hits of the query"}</span>`}</div>
    <div class="float bottom-left" role="group" aria-label="View">
      <button type="button" class="icon" aria-label="Zoom in" title="Zoom in (+)" onClick=${() => zoom(1.6)}>+</button>
      <button type="button" class="icon" aria-label="Zoom out" title="Zoom out (−)" onClick=${() => zoom(1 / 1.6)}>−</button>
      <button type="button" class="icon" aria-label="Show all" title="Show all (0)" onClick=${whole}>⤢</button>
      <button type="button" aria-pressed=${drawing} title="Draw around points, or hold Shift and drag" onClick=${() => setDrawing(!drawing)}>Select</button>
    </div>
    <p class="float bottom-right faint">${trouble && html`<span class="warn" role="alert">${trouble} </span>`}
      ${count(points.ids.length)} ${points.ids.length < status.rows ? `of ${count(status.rows)} ` : ""}points · ${shown(method, status)}
      ${status.generation !== points.generation && html` · <button type="button" class="link" onClick=${start}>make anew</button>`}</p>
  </div>`;
  function zoom(factor) {
    scatter.current.zoomAt(canvas.current.clientWidth / 2, canvas.current.clientHeight / 2, factor);
  }
  function whole() {
    scatter.current.fit();
    go({ look: undefined }, { replace: true });
  }
  return html`<div class="map">${stage}
    <aside aria-label="What the map shows">
      <${Legend} ...${{ fields, field, colors, alone, theme, index, params, go }} />
      ${region && html`<${Selected} ...${{ region, index, go, announce }} />`}
      ${picked && html`<${Picked} ...${{ picked, index, go }} />`}
      ${!region && !picked && html`<p class="faint hint">Drag to move, scroll to zoom, click a point to see its neighbors. Hold Shift and drag around points to select them.</p>`}
    </aside>
  </div>`;
}

/** The card of the point under the pointer. */
function Card({ base, scatter, point, id }) {
  const [card, setCard] = useState(null);
  useEffect(() => {
    setCard(null);
    const stop = new AbortController();
    const timer = setTimeout(() => call(`${base}/card?id=${id}`, { signal: stop.signal }).then(setCard, () => {}), HOVER_DELAY);
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [id]);
  const [x, y] = scatter.placeOf(point);
  const { clientWidth: width, clientHeight: height } = scatter.canvas;
  const place = {
    left: x < width / 2 ? `${x + 14}px` : "auto", right: x < width / 2 ? "auto" : `${width - x + 14}px`,
    top: y < height / 2 ? `${Math.max(8, y - 8)}px` : "auto", bottom: y < height / 2 ? "auto" : `${Math.max(8, height - y - 8)}px`,
  };
  if (!card) return null;
  return html`<div class="hover-card" style=${place} role="tooltip"><strong dir="auto">${nameOf(card)}</strong>
    <dl>${card.lines.slice(0, 6).map(([path, value]) => html`<dt>${path}</dt><dd dir="auto">${String(value)}</dd>`)}</dl></div>`;
}

/** Call a route where there is one to call, and drop the answer if another is wanted meanwhile. */
function ask(route, body, take, failed) {
  if (!route) return void take(null);
  const stop = new AbortController();
  call(route, { body, signal: stop.signal }).then((found) => {
    if (found.shades !== undefined) found.bytes = Uint8Array.from(atob(found.shades), (letter) => letter.charCodeAt(0));
    if (!stop.signal.aborted) take(found);
  }, failed);
  return () => stop.abort();
}

/** Return the route and body of the query that all views share; null where nothing is asked. */
function queryOf(index, params) {
  if (params.like !== undefined) return { route: "like", body: { id: Number(params.like), k: LIT_HITS } };
  if (index.kind !== "json") return null;
  const where = params.where?.length ? { where: params.where } : {};
  if (params.query) return { route: "search", body: { query: JSON.parse(params.query), k: LIT_HITS, ...where } };
  if (params.q) return { route: "search", body: { words: params.q, k: LIT_HITS, ...where } };
  return params.where?.length ? { route: "filter", body: { where: params.where, limit: LIT_HITS } } : null;
}

function readCorners(text) {
  const corners = (text ?? "").split(",").map((corner) => corner.split(" ").map(Number));
  return corners.length > 2 && corners.every((corner) => corner.length === 2 && corner.every(Number.isFinite)) ? corners : null;
}

/** Return what each point is: faded where something is looked for and it is not that, lit where it is. */
function statesOf({ points, colors, alone, region, hits, picked, pick }) {
  const states = new Uint8Array(points.ids.length);
  const lit = new Set([...(hits?.hits ?? []).map((hit) => hit.id), ...(hits?.rows ?? []).map((row) => row.id)]);
  const near = new Set(pick === null ? [] : [pick, ...(picked?.neighbors ?? []).map((hit) => hit.id)]);
  const inside = region ? new Set(region.ids) : null;
  for (let point = 0; point < states.length; point++) {
    const id = points.ids[point];
    if (alone.size && colors && !alone.has(colors.bytes[point])) states[point] = colors.kind === "categories" ? FADED : PLAIN;
    else if (inside && !inside.has(id)) states[point] = FADED;
    else if (lit.has(id) || near.has(id)) states[point] = LIT;
    else if (lit.size) states[point] = FADED;
  }
  return states;
}

/** Draw what lies over the points: those that are lit, the line of a selection, the selected region, the picked point and its neighbors. */
function overlay(canvas, scatter, { points, picked, params, line, hovered = -1 }) {
  if (!canvas) return;
  const pen = canvas.getContext("2d");
  if (canvas.width !== scatter.canvas.width || canvas.height !== scatter.canvas.height) {
    canvas.width = scatter.canvas.width;
    canvas.height = scatter.canvas.height;
  }
  pen.setTransform(scatter.ratio, 0, 0, scatter.ratio, 0, 0);
  pen.clearRect(0, 0, scatter.canvas.clientWidth, scatter.canvas.clientHeight);
  scatter.light(pen);
  const ink = token("--text"), accent = token("--accent");
  const corners = line ?? readCorners(params.region)?.map((corner) => scatter.toPixel(...corner));
  if (corners) {
    pen.beginPath();
    corners.forEach(([x, y]) => pen.lineTo(x, y));
    if (!line) pen.closePath();
    pen.strokeStyle = accent;
    pen.lineWidth = 1.5;
    pen.setLineDash(line ? [4, 4] : []);
    pen.stroke();
    pen.setLineDash([]);
    pen.globalAlpha = 0.06;
    pen.fillStyle = accent;
    pen.fill();
    pen.globalAlpha = 1;
  }
  const own = params.pick === undefined ? undefined : points.at.get(Number(params.pick));
  pen.strokeStyle = ink;
  if (own !== undefined) {
    const [x, y] = scatter.placeOf(own);
    pen.lineWidth = 1;
    pen.globalAlpha = 0.45;
    for (const { id } of picked?.neighbors ?? []) {
      if (!points.at.has(id)) continue;
      pen.beginPath();
      pen.moveTo(x, y);
      pen.lineTo(...scatter.placeOf(points.at.get(id)));
      pen.stroke();
    }
    pen.globalAlpha = 1;
    ring(pen, x, y, scatter.size + 3, 2);
  }
  if (hovered >= 0) ring(pen, ...scatter.placeOf(hovered), scatter.size / 2 + 3, 1.5);
}

function ring(pen, x, y, radius, width) {
  pen.lineWidth = width;
  pen.beginPath();
  pen.arc(x, y, radius, 0, 2 * Math.PI);
  pen.stroke();
}

function shown(method, status) {
  if (method === "umap") return `UMAP of ${status.source}`;
  return `two axes show ${percent(status.shares[0] + status.shares[1])} of the variance of ${status.source}`;
}

/** Return a color of the form rgb(…) as #rrggbb. */
function hexOf(color) {
  const parts = color.match(/[\d.]+/g).slice(0, 3).map(Number);
  return `#${parts.map((part) => Math.round(color.startsWith("rgb") ? part : 255 * part).toString(16).padStart(2, "0")).join("")}`;
}

function commands({ index, params }) {
  const method = params.map === "umap" ? "umap" : "pca";
  const points = address(`${at(index.name, "map", "points")}?method=${method}`);
  return {
    curl: `curl '${address(at(index.name, "map"))}' --json '{"method": "${method}"}'   # makes the map\ncurl '${points}' -o points`,
    python: `import numpy as np, urllib.request\nbody = urllib.request.urlopen("${points}").read()\nn = len(body) // 16\n` +
      `xy = np.frombuffer(body, "<f4", 2 * n).reshape(n, 2)\nids = np.frombuffer(body, "<f8", n, 8 * n).astype(int)`,
  };
}

export default { View, commands };
