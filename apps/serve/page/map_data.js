// The points of a map, from the server: whether there is one, how far one in the making is, and the points themselves.
import { at, call } from "./api.js";
import { useEffect, useRef, useState } from "./html.js";

const PAUSE = 300; // milliseconds between two looks at the server's work
const AT_ONCE = 200_000; // up to so many rows a map is made without being asked for: it takes seconds

/** Return {status, points, failure, start, cancel, retry} of a kind of map of an index. */
export function useMap(index, method) {
  const [status, setStatus] = useState(null);
  const [points, setPoints] = useState(null);
  const [failure, setFailure] = useState(null);
  const [turn, setTurn] = useState(0);
  const route = at(index.name, "map"), asked = `${route}?method=${method}`;
  const wanted = useRef(0);

  const look = async (begin = false) => {
    const mine = ++wanted.current;
    try {
      let now = await call(asked);
      const alone = now.state === "none" && !now.working && !now.error && now.rows > 0;
      if (begin || (alone && method === "pca" && now.rows <= AT_ONCE)) now = await call(route, { body: { method } });
      while (mine === wanted.current) {
        setStatus(now);
        if (!now.working) break;
        await new Promise((done) => setTimeout(done, PAUSE));
        now = await call(asked);
      }
      if (mine === wanted.current && now.state === "ready") {
        const found = await pointsOf(`${route}/points?method=${method}`);
        if (mine === wanted.current) setPoints(found);
      }
    } catch (error) {
      if (mine === wanted.current) setFailure(error);
    }
  };
  useEffect(() => {
    setPoints(null);
    setStatus(null);
    setFailure(null);
    look();
    return () => {
      wanted.current += 1;
    };
  }, [index.name, method, index.generation, turn]);
  return {
    status,
    points,
    failure,
    start: () => {
      setPoints(null);
      look(true);
    },
    cancel: () => call(route, { method: "DELETE" }).catch(setFailure),
    retry: () => setTurn(turn + 1),
  };
}

/** Return {places, ids, at, generation}: 2n numbers, n ids, and which point an id is. */
async function pointsOf(route) {
  const response = await call(route, { raw: true });
  const body = await response.arrayBuffer();
  const n = body.byteLength / 16;
  const ids = new Float64Array(body, 8 * n, n);
  const at = new Map();
  ids.forEach((id, point) => at.set(id, point));
  return { places: new Float32Array(body, 0, 2 * n), ids, at, generation: Number(response.headers.get("x-generation")) };
}

/** Return a box that always has the newest of some values, and keeps what else is put into it. */
export function useLatest(values) {
  const box = useRef({});
  Object.assign(box.current, values);
  return box;
}
