// Points drawn by the processor: discs are mixed into the pixels of a picture, which a 2-D canvas shows. Without a graphics
// card, that takes a fraction of the time that WebGL in software or the canvas's own discs take.

const HIDDEN = 512; // the kind of a point that is not there
const STEPS = 4; // places of a disc within a pixel, across and down
const MILLISECONDS = 8; // of a frame, for points
const MARGIN = 40; // pixels around what is seen, for discs that are cut by its edge
const OPAQUE = 0xff000000;

export class Raster {
  constructor(canvas) {
    this.canvas = canvas;
    this.pen = canvas.getContext("2d");
    this.took = 0;
  }

  /** Take points, what kind each is of, and the kinds' colors. */
  load(places, kinds, colors) {
    Object.assign(this, { places, kinds, colors });
    const [r, g, b] = getComputedStyle(document.documentElement).backgroundColor.match(/\d+/g).map(Number);
    this.ground = (OPAQUE | (b << 16) | (g << 8) | r) >>> 0; // bytes of an image, on a processor with the low byte first
  }

  /** Return how many times as many points the next frame may have. */
  pace() {
    return this.took ? Math.min(Math.max(MILLISECONDS / this.took, 0.7), 1.4) : 1;
  }

  /** Draw the points from one to another, over those that are there; the first over nothing. */
  paint(scatter, from, until) {
    const began = performance.now(), width = this.canvas.width + 2 * MARGIN, height = this.canvas.height + 2 * MARGIN;
    if (from === 0) {
      if (this.image?.width !== width || this.image.height !== height) {
        this.image = this.pen.createImageData(width, height);
        this.pixels = new Uint32Array(this.image.data.buffer);
      }
      this.pixels.fill(this.ground);
    }
    if (until > from) this.mix(scatter, from, until);
    this.pen.putImageData(this.image, -MARGIN, -MARGIN);
    this.took = performance.now() - began;
  }

  mix({ scale, center, size, ratio }, from, until) {
    const { places, kinds, colors, pixels, image: { width, height } } = this;
    const { side, discs } = discsOf(size * ratio, width);
    const zoom = scale * ratio, left = (width - side) / 2 - center[0] * zoom, top = (height - side) / 2 + center[1] * zoom;
    for (let point = from; point < until; point++) {
      const kind = kinds[point];
      const x = places[2 * point] * zoom + left, y = top - places[2 * point + 1] * zoom;
      if (!(x >= 0 && y >= 0 && x + side <= width && y + side <= height) || kind === HIDDEN) continue;
      const column = x | 0, row = y | 0, corner = row * width + column;
      const { offsets, parts } = discs[((y - row) * STEPS | 0) * STEPS + ((x - column) * STEPS | 0)];
      const color = 4 * kind, purple = colors[color] | (colors[color + 2] << 16), green = colors[color + 1];
      const opacity = colors[color + 3] + (colors[color + 3] >> 7); // 0 … 256
      for (let i = 0; i < offsets.length; i++) {
        const place = corner + offsets[i], old = pixels[place];
        const part = (parts[i] * opacity) >> 8, rest = 256 - part;
        pixels[place] = OPAQUE | (((Math.imul(old & 0xff00ff, rest) + Math.imul(purple, part)) >>> 8) & 0xff00ff)
          | ((Math.imul((old >>> 8) & 0xff, rest) + Math.imul(green, part)) & 0xff00);
      }
    }
  }

  end() {}
}

/** Return discs of a size at each place within a pixel: offsets of the pixels they cover, and how much of each, 0 … 256. */
function discsOf(size, width) {
  const side = Math.ceil(size) + 1, discs = [];
  for (let place = 0; place < STEPS * STEPS; place++) {
    const offsets = [], parts = [];
    const x = side / 2 + (place % STEPS + 0.5) / STEPS, y = side / 2 + (Math.floor(place / STEPS) + 0.5) / STEPS;
    for (let pixel = 0; pixel < side * side; pixel++) {
      const far = Math.hypot((pixel % side) + 0.5 - x, Math.floor(pixel / side) + 0.5 - y) / (size / 2);
      const inside = Math.min(Math.max((1 - far) / 0.25, 0), 1);
      const part = Math.round(256 * inside * inside * (3 - 2 * inside));
      if (part < 8) continue;
      offsets.push(Math.floor(pixel / side) * width + (pixel % side));
      parts.push(part);
    }
    discs.push({ offsets: Int32Array.from(offsets), parts: Uint16Array.from(parts) });
  }
  return { side, discs };
}
