// What of a text was meant: the words that the query and the match have in common, marked.
import { html } from "./html.js";
import { clip, value as shownValue } from "./show.js";

const WORD = /\p{Lu}?[\p{Ll}\p{Lo}\p{M}]+|\p{Lu}+(?!\p{Ll})|\p{Lu}|\p{N}+/gu;
const LONGEST = 300;

/** Return the words of a text, small; `deleteMessage` has two. */
export function wordsOf(text) {
  return new Set(Array.from(String(text).slice(0, 2000).matchAll(WORD), ([word]) => word.toLowerCase()));
}

/** A value with the words marked that are among some: a text in quotes, or JSON. */
export function Marked({ value, words, longest = LONGEST }) {
  if (typeof value !== "string") return html`<bdi>${shownValue(value, longest)}</bdi>`;
  const text = visible(clip(value, longest));
  if (!words || words.size === 0) return html`<bdi>"${text}"</bdi>`;
  const parts = [];
  let done = 0;
  for (const [start, stop] of spans(text, words)) {
    parts.push(text.slice(done, start), html`<mark>${text.slice(start, stop)}</mark>`);
    done = stop;
  }
  parts.push(text.slice(done));
  return html`<bdi>"${parts}"</bdi>`;
}

/** Return where words are in a text: [start, stop], those that touch as one. */
function spans(text, words) {
  const found = [];
  for (const { 0: word, index } of text.matchAll(WORD)) {
    if (!words.has(word.toLowerCase())) continue;
    if (found.at(-1)?.[1] === index) found.at(-1)[1] = index + word.length;
    else found.push([index, index + word.length]);
  }
  return found;
}

/** Return a text whose control characters, also those that turn the direction of what follows, can be seen. */
export function visible(text) {
  return text.replace(
    /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g,
    (character) => {
      const code = character.charCodeAt(0);
      return code < 32 ? String.fromCharCode(0x2400 + code) : "�";
    },
  );
}
