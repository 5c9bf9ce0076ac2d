// Points on a canvas: WebGL2 for 10^5 of them and more, a 2-D canvas where there is none. It knows points, colors and a
// view; what points mean, and who points at them, is known elsewhere (map.js, pointing.js).

const VERTEX = `#version 300 es
layout(location = 0) in vec2 place;
layout(location = 1) in float shade;
layout(location = 2) in float state;
uniform vec4 view; // scale and shift, from the points' numbers to the clip space
uniform float size;
uniform sampler2D palette;
out vec4 tint;
void main() {
  bool hidden = state > 2.5;
  gl_Position = hidden ? vec4(2.0, 2.0, 0.0, 1.0) : vec4(place * view.xy + view.zw, 0.0, 1.0);
  bool lit = state > 1.5;
  gl_PointSize = lit ? size * 1.5 + 2.0 : size;
  tint = texelFetch(palette, ivec2(int(shade), state > 0.5 && !lit ? 1 : 0), 0);
  if (lit) tint.a = 1.0;
}`;

const FRAGMENT = `#version 300 es
precision mediump float;
in vec4 tint;
out vec4 color;
void main() {
  float far = length(gl_PointCoord - 0.5) * 2.0;
  float alpha = tint.a * (1.0 - smoothstep(0.75, 1.0, far));
  color = vec4(tint.rgb * alpha, alpha);
}`;

/** What a point is: as it is, faded, lit up, or not there. */
export const PLAIN = 0, FADED = 1, LIT = 2, HIDDEN = 3;

const LEAST_ZOOM = 0.2, MOST_ZOOM = 4000;

export class Scatter {
  /** Draw on a canvas; `webgl: false` draws without WebGL. */
  constructor(canvas, { webgl = true } = {}) {
    this.canvas = canvas;
    this.gl = webgl ? canvas.getContext("webgl2", { antialias: false, premultipliedAlpha: true }) : null;
    this.flat = this.gl ? null : canvas.getContext("2d");
    this.count = 0;
    this.center = [0, 0];
    this.zoom = 1;
    this.unit = 1; // pixels per number of the points where zoom is 1
    this.home = [0, 0];
    this.lit = new Uint32Array(0);
    this.colors = new Uint8Array(2 * 256 * 4);
    this.changed = () => {}; // called after each frame
    this.frames = { drawn: 0, milliseconds: 0 };
    if (this.gl) this.begin();
    canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
    canvas.addEventListener("webglcontextrestored", () => {
      this.begin();
      this.send();
    });
    this.resize();
  }

  begin() {
    const gl = this.gl;
    const program = gl.createProgram();
    for (const [kind, text] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, text);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS) && !gl.isContextLost()) throw new Error(gl.getProgramInfoLog(program));
    gl.useProgram(program);
    this.at = { view: gl.getUniformLocation(program, "view"), size: gl.getUniformLocation(program, "size") };
    this.buffers = [[2, gl.FLOAT], [1, gl.UNSIGNED_BYTE], [1, gl.UNSIGNED_BYTE]].map(([width, type], place) => {
      const buffer = gl.createBuffer();
      gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
      gl.enableVertexAttribArray(place);
      gl.vertexAttribPointer(place, width, type, false, 0, 0);
      return buffer;
    });
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, gl.createBuffer());
    gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
  }

  /** Take points, 2n numbers, and show all of them. */
  setPoints(places) {
    this.places = places;
    this.count = places.length / 2;
    this.shades = new Uint8Array(this.count);
    this.states = new Uint8Array(this.count);
    this.lit = new Uint32Array(0);
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
    let many = 0;
    for (let i = 0; i < states.length; i++) many += states[i] === LIT;
    this.lit = new Uint32Array(many);
    for (let i = 0, place = 0; i < states.length; i++) if (states[i] === LIT) this.lit[place++] = i;
    this.send();
  }

  send() {
    const gl = this.gl;
    if (gl && this.places && !gl.isContextLost()) {
      [this.places, this.shades, this.states].forEach((values, place) => {
        gl.bindBuffer(gl.ARRAY_BUFFER, this.buffers[place]);
        gl.bufferData(gl.ARRAY_BUFFER, values, gl.STATIC_DRAW);
      });
      gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, this.lit, gl.STATIC_DRAW);
      gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, 256, 2, 0, gl.RGBA, gl.UNSIGNED_BYTE, this.colors);
    }
    this.ask();
  }

  // ---------------------------------------------------------------- view

  resize() {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    this.ratio = Math.min(window.devicePixelRatio || 1, 2);
    this.canvas.width = Math.max(1, Math.round(width * this.ratio));
    this.canvas.height = Math.max(1, Math.round(height * this.ratio));
    const before = this.unit;
    this.measure();
    if (before !== this.unit && this.count) this.ask();
    this.ask();
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
    this.ask();
  }

  /** Look at a place, at a zoom. */
  look(center, zoom = this.zoom) {
    const [left, bottom, right, top] = this.bounds ?? [0, 0, 1, 1];
    this.center = [Math.min(Math.max(center[0], left), right), Math.min(Math.max(center[1], bottom), top)];
    this.zoom = Math.min(Math.max(zoom, LEAST_ZOOM), MOST_ZOOM);
    this.ask();
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

  draw() {
    const began = performance.now();
    if (this.gl) this.drawFast();
    else this.drawFlat();
    this.frames.drawn += 1;
    this.frames.milliseconds += performance.now() - began;
    this.changed();
  }

  drawFast() {
    const gl = this.gl;
    gl.viewport(0, 0, this.canvas.width, this.canvas.height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
    if (!this.count) return;
    const { clientWidth: width, clientHeight: height } = this.canvas;
    const sx = (2 * this.scale) / width, sy = (2 * this.scale) / height;
    gl.uniform4f(this.at.view, sx, sy, -this.center[0] * sx, -this.center[1] * sy);
    gl.uniform1f(this.at.size, this.size * this.ratio);
    gl.drawArrays(gl.POINTS, 0, this.count);
    if (this.lit.length) gl.drawElements(gl.POINTS, this.lit.length, gl.UNSIGNED_INT, 0);
  }

  drawFlat() {
    const pen = this.flat;
    pen.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    pen.clearRect(0, 0, this.canvas.clientWidth, this.canvas.clientHeight);
    const groups = new Map();
    for (let point = 0; point < this.count; point++) {
      if (this.states[point] === HIDDEN) continue;
      const key = this.states[point] * 256 + this.shades[point];
      if (!groups.has(key)) groups.set(key, []);
      groups.get(key).push(point);
    }
    for (const [key, points] of [...groups].sort(([a], [b]) => Math.floor(a / 256) - Math.floor(b / 256))) {
      const lit = key >= 512, faded = key >= 256 && !lit, at = 4 * ((faded ? 256 : 0) + (key % 256));
      const [r, g, b, a] = this.colors.subarray(at, at + 4);
      const size = lit ? this.size * 1.5 + 2 : this.size;
      pen.fillStyle = `rgba(${r},${g},${b},${lit ? 1 : a / 255})`;
      for (const point of points) {
        const [x, y] = this.placeOf(point);
        pen.fillRect(x - size / 2, y - size / 2, size, size);
      }
    }
  }

  end() {
    if (this.waiting !== undefined) cancelAnimationFrame(this.waiting);
    this.gl?.getExtension("WEBGL_lose_context")?.loseContext();
  }
}

/** Points by the square they are in. */
class Grid {
  constructor(places, [left, bottom, right, top]) {
    const count = places.length / 2;
    this.places = places;
    this.side = Math.max(1, Math.ceil(Math.sqrt(count / 3)));
    this.left = left;
    this.bottom = bottom;
    this.width = (right - left) / this.side || 1;
    this.height = (top - bottom) / this.side || 1;
    this.starts = new Uint32Array(this.side ** 2 + 1);
    for (let point = 0; point < count; point++) this.starts[this.squareOf(point) + 1]++;
    for (let square = 0; square < this.side ** 2; square++) this.starts[square + 1] += this.starts[square];
    const next = this.starts.slice();
    this.points = new Uint32Array(count);
    for (let point = 0; point < count; point++) this.points[next[this.squareOf(point)]++] = point;
  }

  column(x) {
    return Math.min(Math.max(Math.floor((x - this.left) / this.width), 0), this.side - 1);
  }

  row(y) {
    return Math.min(Math.max(Math.floor((y - this.bottom) / this.height), 0), this.side - 1);
  }

  squareOf(point) {
    return this.row(this.places[2 * point + 1]) * this.side + this.column(this.places[2 * point]);
  }

  /** Return the point nearest to a place within a radius that passes, or -1. */
  nearest(x, y, radius, passes) {
    let best = -1, least = radius * radius;
    for (let row = this.row(y - radius); row <= this.row(y + radius); row++) {
      for (let column = this.column(x - radius); column <= this.column(x + radius); column++) {
        const square = row * this.side + column;
        for (let at = this.starts[square]; at < this.starts[square + 1]; at++) {
          const point = this.points[at];
          const far = (this.places[2 * point] - x) ** 2 + (this.places[2 * point + 1] - y) ** 2;
          if (far <= least && passes(point)) {
            best = point;
            least = far;
          }
        }
      }
    }
    return best;
  }
}

function boundsOf(places) {
  let [left, bottom, right, top] = [Infinity, Infinity, -Infinity, -Infinity];
  for (let at = 0; at < places.length; at += 2) {
    left = Math.min(left, places[at]);
    right = Math.max(right, places[at]);
    bottom = Math.min(bottom, places[at + 1]);
    top = Math.max(top, places[at + 1]);
  }
  return places.length ? [left, bottom, right, top] : [0, 0, 1, 1];
}
