// The query: one JSON value, written in three ways. Words are what it looks for in any field, {"*": "red shoes"}; the
// rest names fields. In the URL words are `q` and the rest is `query`, so that each form shows and edits the same.
import { path as shown, value as shownValue } from "./show.js";

export const ANY = "*";

/** Return {words, rest, error} of a URL's params: a text, a JSON value or undefined, and why `query` is no JSON. */
export function readQuery(params) {
  const words = params.q ?? "";
  if (params.query === undefined) return { words, rest: undefined, error: null };
  try {
    return { words, rest: JSON.parse(params.query), error: null };
  } catch (error) {
    return { words, rest: undefined, error: error.message };
  }
}

/** Return the JSON value that is searched for; undefined for nothing. */
export function whole({ words, rest }) {
  if (words.trim() === "") return rest;
  if (rest === undefined) return { [ANY]: words };
  return isObject(rest) ? { ...rest, [ANY]: words } : rest;
}

/** Return the params of a JSON value. */
export function writeQuery(value) {
  if (value === undefined) return { q: undefined, query: undefined };
  if (!isObject(value)) return { q: undefined, query: JSON.stringify(value) };
  const { [ANY]: any, ...rest } = value;
  if (typeof any !== "string")
    return { q: undefined, query: Object.keys(value).length ? JSON.stringify(value) : undefined };
  return { q: any, query: Object.keys(rest).length ? JSON.stringify(rest) : undefined };
}

/** Return the fields of a JSON value: [{steps, value}], steps being keys, or positions of items of arrays. */
export function fieldsOf(value, steps = []) {
  if (value === undefined) return [];
  const entries = Array.isArray(value) ? [...value.entries()] : isObject(value) ? Object.entries(value) : [];
  if (entries.length === 0) return [{ steps, value }];
  return entries.flatMap(([key, item]) => fieldsOf(item, [...steps, key]));
}

/** Return the JSON value of fields; undefined for none. Fields of the same item of an array come into one object. */
export function valueOf(fields) {
  const root = {};
  for (const { steps, value } of fields) {
    let at = root;
    let key = "$";
    for (const step of steps) {
      const child = own(at, key);
      const fits = typeof step === "number" ? Array.isArray(child) : isObject(child);
      if (!fits) put(at, key, typeof step === "number" ? [] : {});
      at = own(at, key);
      key = typeof step === "number" ? Math.min(step, at.length) : step;
    }
    put(at, key, value);
  }
  return own(root, "$");
}

/** Return the steps of a path as the server shows it, `input[].name`, each `[]` being the first item; null for no path. */
export function stepsOf(text) {
  const steps = [];
  let rest = text.trim().replace(/^\$(?=[.[]|$)/, "");
  if (rest !== "" && !/^[.[]/.test(rest)) rest = `.${rest}`;
  while (rest !== "") {
    const found = /^\.([^\s.[\]"]+)|^\[(\d{0,9})\]|^\[('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")\]/s.exec(rest);
    if (found === null) return null;
    const [all, key, position, quoted] = found;
    if (key !== undefined) steps.push(key);
    else if (position !== undefined) steps.push(Number(position));
    else steps.push(unquoted(quoted));
    rest = rest.slice(all.length);
  }
  return steps;
}

/** Return steps as the server shows a path, positions left out where only the first item is asked. */
export function pathOf(steps) {
  return steps.length === 1 && steps[0] === ANY ? ANY : shown(steps.map((step) => (step === 0 ? null : step)));
}

/** Return what a person typed as a JSON value: a number, true, false, null, or else a text; quotes make a text of all. */
export function typed(text) {
  const trimmed = text.trim();
  if (/^(-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?|true|false|null|".*"|\[\s*\]|\{\s*\})$/s.test(trimmed)) {
    try {
      return JSON.parse(trimmed);
    } catch {
      return text;
    }
  }
  return text;
}

/** Return a value as a person would type it. */
export function untyped(value) {
  if (typeof value !== "string") return JSON.stringify(value);
  return value === "" || typed(value) !== value ? JSON.stringify(value) : value;
}

/** Return a condition: `condition("age", ">=", 30)`. */
export const condition = (path, operator, value) => `${path} ${operator} ${JSON.stringify(value)}`;

/** Return a short text for a condition, its value cut where it is long. */
export function shownCondition(text) {
  const found = /^(.*?) (=|!=|<=|>=|<|>) (".*"|[^"]*)$/s.exec(text);
  if (found === null) return text;
  const [, path, operator, json] = found;
  const signs = { "=": "=", "!=": "≠", "<=": "≤", ">=": "≥", "<": "<", ">": ">" };
  try {
    const value = JSON.parse(json);
    return `${path} ${signs[operator]} ${typeof value === "string" ? value.slice(0, 60) || '""' : shownValue(value, 40)}`;
  } catch {
    return text;
  }
}

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
const own = (at, key) => (Object.hasOwn(at, key) ? at[key] : undefined);

/** Set a key as data, whatever it is called. */
function put(at, key, value) {
  Object.defineProperty(at, key, { value, writable: true, enumerable: true, configurable: true });
}

function unquoted(text) {
  const inner = text.slice(1, -1);
  return inner.replace(/\\(x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8}|.)/gs, (_, escape) => {
    const kind = escape[0];
    if ("xuU".includes(kind) && escape.length > 1) return String.fromCodePoint(parseInt(escape.slice(1), 16));
    return { n: "\n", r: "\r", t: "\t" }[escape] ?? escape;
  });
}
