// What views ask of the server again and again: the fields of an index, kept until the index changes.
import { at, call, listen } from "./api.js";
import { useEffect, useRef, useState } from "./html.js";

const RETRY = 3000; // milliseconds after which fields are asked for again, where the server was too busy
const kept = new Map();

/** Return the answer of /fields of an index, null until it is there; asked once per generation. */
export function useFields(index) {
  const name = `${index.name} ${index.generation}`;
  const [fields, setFields] = useState(kept.get(name)?.done ?? null);
  useEffect(() => {
    let timer = null;
    let here = true;
    const ask = () =>
      fieldsOf(index).then(
        (found) => here && setFields(found),
        () => {
          if (here) timer = setTimeout(ask, RETRY);
        },
      );
    ask();
    return () => {
      here = false;
      clearTimeout(timer);
    };
  }, [name]);
  return fields;
}

/** Return a promise of the answer of /fields. */
export function fieldsOf(index) {
  const name = `${index.name} ${index.generation}`;
  if (!kept.has(name)) {
    const entry = { done: null };
    entry.promise = call(`${at(index.name, "fields")}?most=20`).then(
      (found) => (entry.done = found),
      (error) => {
        kept.delete(name);
        throw error;
      },
    );
    kept.set(name, entry);
  }
  return kept.get(name).promise;
}

/** Ask something whenever `key` changes, after `wait` ms of silence, and when the server is back; the last answer stays
 * until the next is there.
 *
 * ask(signal) returns a promise, or null to ask nothing. Returns {answer, error, stale, again}.
 */
export function useAnswer(ask, key, wait = 0) {
  const [state, setState] = useState({ answer: null, error: null, of: null });
  const [round, setRound] = useState(0);
  const first = useRef(true);
  useEffect(() => listen(({ gone }) => gone === false && setRound((before) => before + 1)), []);
  useEffect(() => {
    const stop = new AbortController();
    const run = async () => {
      try {
        const answer = await ask(stop.signal);
        setState({ answer, error: null, of: key });
      } catch (error) {
        if (error.name !== "AbortError") setState((before) => ({ ...before, error, of: key }));
      }
    };
    const timer = setTimeout(run, first.current ? 0 : wait);
    first.current = false;
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [key, round]);
  return { ...state, stale: state.of !== key, again: () => setRound(round + 1) };
}
