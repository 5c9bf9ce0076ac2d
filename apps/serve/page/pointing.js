// What hands do on a map: drag to move, wheel or two fingers to zoom, hover, click, draw around points; and the same by
// keyboard. It says what is meant by `on`: {hover(point), pick(point), region(polygon), moved()}.

const CLICK = 5; // pixels that a click may move
const STEP = 60; // pixels that an arrow key moves
const LEAST_STEP = 4; // pixels between two corners of a line that is drawn
const MOST_CORNERS = 200;

/** Follow pointers and keys on a canvas over the points; return {drawing(on), end()}. */
export function follow(canvas, scatter, on) {
  const down = new Map();
  let line = null, lasso = false, moved = 0, apart = 0;

  const here = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };

  const listeners = {
    pointerdown(event) {
      if (event.button > 0) return;
      canvas.setPointerCapture(event.pointerId);
      down.set(event.pointerId, here(event));
      moved = 0;
      if (down.size === 2) {
        line = null;
        apart = distance(...down.values());
      } else if (lasso || event.shiftKey) {
        line = [here(event)];
      }
      on.hover(-1);
    },

    pointermove(event) {
      const [x, y] = here(event);
      const before = down.get(event.pointerId);
      if (!before) {
        if (event.pointerType !== "touch") on.hover(scatter.nearest(x, y));
        return;
      }
      moved += Math.hypot(x - before[0], y - before[1]);
      down.set(event.pointerId, [x, y]);
      if (down.size === 2) {
        const [a, b] = [...down.values()];
        const now = distance(a, b);
        scatter.look(shifted(scatter, (x - before[0]) / 2, (y - before[1]) / 2));
        scatter.zoomAt((a[0] + b[0]) / 2, (a[1] + b[1]) / 2, now / (apart || now || 1));
        apart = now;
        on.moved();
      } else if (line) {
        const last = line.at(-1);
        if (Math.hypot(x - last[0], y - last[1]) >= LEAST_STEP) line.push([x, y]);
        on.line(line);
      } else if (moved > CLICK) {
        scatter.look(shifted(scatter, x - before[0], y - before[1]));
        on.moved();
      }
    },

    pointerup(event) {
      if (!down.delete(event.pointerId)) return;
      const drawn = line;
      line = null;
      if (drawn) {
        on.line(null);
        if (drawn.length > 2 && moved > 4 * CLICK) on.region(fewer(drawn).map(([x, y]) => scatter.toPoint(x, y)));
      } else if (moved <= CLICK && down.size === 0) {
        on.pick(scatter.nearest(...here(event), event.pointerType === "touch" ? 24 : 14));
      }
    },

    pointercancel(event) {
      down.delete(event.pointerId);
      line = null;
      on.line(null);
    },

    pointerleave() {
      on.hover(-1);
    },

    wheel(event) {
      event.preventDefault();
      const lines = event.deltaMode === 1 ? 16 : 1;
      scatter.zoomAt(...here(event), Math.exp(-event.deltaY * lines * (event.ctrlKey ? 0.01 : 0.0018)));
      on.moved();
    },

    dblclick(event) {
      scatter.zoomAt(...here(event), 2);
      on.moved();
    },

    keydown(event) {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const middle = [canvas.clientWidth / 2, canvas.clientHeight / 2];
      const keys = {
        ArrowLeft: () => scatter.look(shifted(scatter, STEP, 0)),
        ArrowRight: () => scatter.look(shifted(scatter, -STEP, 0)),
        ArrowUp: () => scatter.look(shifted(scatter, 0, STEP)),
        ArrowDown: () => scatter.look(shifted(scatter, 0, -STEP)),
        "+": () => scatter.zoomAt(...middle, 1.4),
        "=": () => scatter.zoomAt(...middle, 1.4),
        "-": () => scatter.zoomAt(...middle, 1 / 1.4),
        0: () => scatter.fit(),
        Enter: () => on.pick(scatter.nearest(...middle, Infinity)),
        v: () => on.region(seen(scatter, canvas)),
        Escape: () => on.clear(),
      };
      if (!keys[event.key]) return;
      event.preventDefault();
      event.stopPropagation();
      keys[event.key]();
      on.moved();
    },
  };
  for (const [name, listener] of Object.entries(listeners)) canvas.addEventListener(name, listener, { passive: false });
  return {
    drawing(wanted) {
      lasso = wanted;
    },
    end() {
      for (const [name, listener] of Object.entries(listeners)) canvas.removeEventListener(name, listener);
    },
  };
}

/** Return the corners of what is seen, as points. */
export function seen(scatter, canvas) {
  const { clientWidth: width, clientHeight: height } = canvas;
  return [[0, 0], [width, 0], [width, height], [0, height]].map(([x, y]) => scatter.toPoint(x, y));
}

function shifted(scatter, x, y) {
  return [scatter.center[0] - x / scatter.scale, scatter.center[1] + y / scatter.scale];
}

function distance([x0, y0], [x1, y1]) {
  return Math.hypot(x1 - x0, y1 - y0);
}

/** Return at most so many corners of a line, evenly spaced. */
function fewer(line) {
  if (line.length <= MOST_CORNERS) return line;
  return Array.from({ length: MOST_CORNERS }, (_, i) => line[Math.floor((i * line.length) / MOST_CORNERS)]);
}
