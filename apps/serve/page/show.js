// Values as text for people: numbers, paths, values of any length, counts.

const LONGEST = 160;
const INTEGER = new Intl.NumberFormat("en-US");
const PLAIN_KEY = /^[^\s.[\]"]+$/u;

/** Return a count as 2,184. */
export const count = (n) => INTEGER.format(n);

/** Return a number in few digits: 0.954, 12.3, 1,234, 1.2e+9. */
export function number(x) {
  if (typeof x !== "number") return String(x);
  if (Number.isInteger(x) && Math.abs(x) < 1e15) return Math.abs(x) < 10_000 ? String(x) : INTEGER.format(x); // 2024 is a year
  const size = Math.abs(x);
  if (size >= 1e6 || (size < 1e-3 && size > 0)) return x.toExponential(2);
  return String(Number(x.toPrecision(4)));
}

const MOMENTS = /(time|date|stamp|created|updated|_at|At)$/;

/** Return a number of a histogram as text: dates as such, and numbers that count milliseconds, where a field is called so. */
export function quantity(x, { kind, edges }, path) {
  const isMoment = kind === "number" && edges[0] > 1e11 && edges.at(-1) < 1e13 && MOMENTS.test(path);
  if (x === null || (kind !== "date" && !isMoment)) return x === null ? "–" : number(x);
  const moment = new Date(isMoment ? x : 1000 * x);
  return Number.isNaN(moment.valueOf()) ? number(x) : moment.toISOString().slice(0, 10);
}

/** Return a share as 49 %, small ones as 0.4 %. */
export function percent(share) {
  const value = 100 * share;
  return `${Math.abs(value) < 1 && value !== 0 ? value.toFixed(1) : Math.round(value)} %`;
}

/** Return how many of something: plural(1, "field") is "1 field". */
export const plural = (n, noun) => `${count(n)} ${noun}${n === 1 ? "" : "s"}`;

/** Return a value as JSON, cut in the middle of nothing: an ellipsis stands for what is left out. */
export function value(given, longest = LONGEST) {
  if (typeof given === "string") return `"${clip(given, longest)}"`;
  return clip(JSON.stringify(given) ?? "", longest);
}

/** Return a text of at most so many characters, never cut inside an emoji or a letter with its marks. */
export function clip(text, longest = LONGEST) {
  if (text.length <= longest) return text;
  let end = longest;
  for (const { index } of new Intl.Segmenter().segment(text.slice(0, longest + 32))) {
    if (index > longest) break;
    end = index;
  }
  return `${text.slice(0, end)}…`;
}

/** Return steps of a path (a key, a position, or null for any item) as the server writes them: input[].name. */
export function path(steps) {
  let text = "";
  for (const step of steps) {
    if (step === null) text += "[]";
    else if (typeof step === "number") text += `[${step}]`;
    else if (PLAIN_KEY.test(step) && !(text === "" && step === "$")) text += text === "" ? step : `.${step}`;
    else text += `[${quoted(step)}]`;
  }
  return text || "$";
}

function quoted(key) {
  const escaped = key.replace(/[\\']/g, "\\$&").replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, escape);
  return `'${escaped}'`;
}

function escape(character) {
  const short = { "\n": "\\n", "\r": "\\r", "\t": "\\t" }[character];
  return short ?? `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
