// Points on a canvas, under a view; what points mean, and who points at them, is known elsewhere (map.js, pointing.js).
// Painters draw: webgl.js where a graphics card does it, raster.js where none does. Each frame draws as many points as a
// frame has time for, in random order. While the view moves, that is a fair sample; once it rests, frames add the others.
import { Grid, boundsOf } from "./grid.js";
import { Raster } from "./raster.js";
import { WebGL, hasCard } from "./webgl.js";

/** What a point is: as it is, faded, lit up, or not there. */
export const PLAIN = 0, FADED = 1, LIT = 2, HIDDEN = 3;

const LEAST_ZOOM = 0.2, MOST_ZOOM = 4000;
const FIRST = 20_000, LEAST = 5000, MOST = 1 << 21;

export class Scatter {
  /** Draw on a canvas, with or without WebGL; left out, with it where a graphics card does it. */
  constructor(canvas, webgl = hasCard()) {
    this.canvas = canvas;
    this.count = 0;
    this.done = 0; // points that are drawn
    this.budget = FIRST; // points that the next frame may draw
    this.last = 0; // points that the last frame drew
    this.center = [0, 0];
    this.zoom = 1;
    this.unit = 1; // pixels per number of the points where zoom is 1
    this.home = [0, 0];
    this.lit = [];
    this.colors = new Uint8Array(2 * 256 * 4);
    this.changed = () => {}; // called after each frame
    this.frames = { drawn: 0, milliseconds: 0 };
    this.painter = new (webgl ? WebGL : Raster)(canvas, () => this.send());
    this.resize();
  }

  /** Take points, 2n numbers, and show all of them. */
  setPoints(places) {
    this.places = places;
    this.count = places.length / 2;
    this.shades = new Uint8Array(this.count);
    this.states = new Uint8Array(this.count);
    this.lit = [];
    this.order = shuffled(this.count);
    this.ordered = new Float32Array(2 * this.count);
    this.order.forEach((point, at) => this.ordered.set(places.subarray(2 * point, 2 * point + 2), 2 * at));
    this.bounds = boundsOf(places);
    this.grid = new Grid(places, this.bounds);
    this.fit();
    this.send();
  }

  /** Take a byte per point, and what color each byte has: (byte, faded) -> [r, g, b, a], 0 … 255. */
  setShades(shades, colorOf) {
    if (shades) this.shades = shades;
    for (let faded = 0; faded < 2; faded++) {
      for (let byte = 0; byte < 256; byte++) this.colors.set(colorOf(byte, faded === 1), 4 * (256 * faded + byte));
    }
    this.send();
  }

  /** Take what each point is: PLAIN, FADED, LIT or HIDDEN. */
  setStates(states) {
    this.states = states;
    this.lit = [];
    for (let i = 0; i < states.length; i++) if (states[i] === LIT) this.lit.push(i);
    this.send();
  }

  /** Give the painter points and their kinds, in the order they are drawn in: a row and a column of the colors, or 512. */
  send() {
    if (!this.places) return;
    const kindOf = (point) => [this.shades[point], this.shades[point] + 256, this.shades[point], 512][this.states[point]];
    this.painter.load(this.ordered, Uint16Array.from(this.order, kindOf), this.colors);
    this.anew();
  }

  // ---------------------------------------------------------------- view

  resize() {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    this.ratio = Math.min(window.devicePixelRatio || 1, 2);
    this.canvas.width = Math.max(1, Math.round(width * this.ratio));
    this.canvas.height = Math.max(1, Math.round(height * this.ratio));
    this.measure();
    this.anew();
  }

  measure() {
    if (!this.bounds) return;
    const [left, bottom, right, top] = this.bounds;
    const { clientWidth: width, clientHeight: height } = this.canvas;
    this.home = [(left + right) / 2, (bottom + top) / 2];
    this.unit = 0.92 * Math.min(width / (right - left || 1), height / (top - bottom || 1)) || 1;
  }

  fit() {
    this.measure();
    this.center = [...this.home];
    this.zoom = 1;
    this.anew();
  }

  /** Look at a place, at a zoom. */
  look(center, zoom = this.zoom) {
    const [left, bottom, right, top] = this.bounds ?? [0, 0, 1, 1];
    this.center = [Math.min(Math.max(center[0], left), right), Math.min(Math.max(center[1], bottom), top)];
    this.zoom = Math.min(Math.max(zoom, LEAST_ZOOM), MOST_ZOOM);
    this.anew();
  }

  /** Zoom by a factor around a place in pixels. */
  zoomAt(x, y, factor) {
    const zoom = Math.min(Math.max(this.zoom * factor, LEAST_ZOOM), MOST_ZOOM);
    const [px, py] = this.toPoint(x, y);
    const keep = this.zoom / zoom;
    this.look([px + (this.center[0] - px) * keep, py + (this.center[1] - py) * keep], zoom);
  }

  get scale() {
    return this.unit * this.zoom;
  }

  /** Return the numbers of a place in pixels, and the reverse. */
  toPoint(x, y) {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    return [this.center[0] + (x - width / 2) / this.scale, this.center[1] - (y - height / 2) / this.scale];
  }

  toPixel(x, y) {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    return [width / 2 + (x - this.center[0]) * this.scale, height / 2 - (y - this.center[1]) * this.scale];
  }

  placeOf(point) {
    return this.toPixel(this.places[2 * point], this.places[2 * point + 1]);
  }

  /** Return the point nearest to a place in pixels, or -1 if none is as near as `radius` pixels. */
  nearest(x, y, radius = 14) {
    if (!this.count) return -1;
    const [px, py] = this.toPoint(x, y);
    return this.grid.nearest(px, py, radius / this.scale, (point) => this.states[point] !== HIDDEN);
  }

  get size() {
    const room = Math.sqrt((this.canvas.clientWidth * this.canvas.clientHeight) / Math.max(this.count, 1));
    return Math.min(Math.max(room * 0.3, 2.6), 7) * Math.min(Math.max(this.zoom ** 0.25, 0.8), 2.4);
  }

  // ---------------------------------------------------------------- frames

  /** Draw soon, once. */
  ask() {
    this.waiting ??= requestAnimationFrame(() => {
      this.waiting = undefined;
      this.draw();
    });
  }

  /** Draw all points again, soon: where they are or what they look like has changed. */
  anew() {
    this.stale = true;
    this.ask();
  }

  /** Draw as many points as a frame has time for; those that are left wait for the next frame. */
  draw() {
    const began = performance.now();
    if (2 * this.last > this.budget) this.budget = Math.min(Math.max(Math.round(this.budget * this.painter.pace()), LEAST), MOST);
    const from = this.stale ? 0 : this.done;
    this.done = Math.min(this.count, from + this.budget);
    this.last = this.done - from;
    if (this.stale || this.last) this.painter.paint(this, from, this.done);
    this.stale = false;
    this.frames.drawn += 1;
    this.frames.milliseconds += performance.now() - began;
    this.changed();
    if (this.done < this.count) this.ask();
  }

  /** Draw the points that are lit, over the others. */
  light(pen) {
    for (const point of this.lit) {
      const [r, g, b] = this.colors.subarray(4 * this.shades[point]);
      pen.fillStyle = `rgb(${r},${g},${b})`;
      pen.beginPath();
      pen.arc(...this.placeOf(point), this.size * 0.75 + 0.6, 0, 2 * Math.PI);
      pen.fill();
    }
  }

  end() {
    if (this.waiting !== undefined) cancelAnimationFrame(this.waiting);
    this.painter.end();
  }
}

/** Return 0 … count - 1 in random order, the same each time. */
function shuffled(count) {
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1, state = 1; i > 0; i--) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const other = Math.floor((state / 2 ** 32) * (i + 1)), kept = order[i];
    order[i] = order[other];
    order[other] = kept;
  }
  return order;
}
