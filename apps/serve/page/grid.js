// Which point is near a place: points by the square they are in.

/** Points by the square they are in. */
export class Grid {
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

/** Return left, bottom, right and top of points. */
export function boundsOf(places) {
  let [left, bottom, right, top] = [Infinity, Infinity, -Infinity, -Infinity];
  for (let at = 0; at < places.length; at += 2) {
    left = Math.min(left, places[at]);
    right = Math.max(right, places[at]);
    bottom = Math.min(bottom, places[at + 1]);
    top = Math.max(top, places[at + 1]);
  }
  return places.length ? [left, bottom, right, top] : [0, 0, 1, 1];
}
