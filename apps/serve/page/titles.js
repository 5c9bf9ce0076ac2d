// What a card is called: the fields that tell documents apart best, guessed from what the fields have.

const NAMES = /(^|[.\]])(name|title|label|headline|subject|operation|place|id|key)$/i;
const SHORT = 60;

/** Return up to two paths of titles: one that names, and before or behind it one that groups. */
export function guessedTitles(fields, documents) {
  const texts = fields.filter((field) => (field.kinds.text ?? 0) >= 0.8 * documents && !field.path.includes("[]"));
  const naming = best(texts, (field) => {
    const apart = Math.min(1, field.distinct / Math.min(documents, 1000));
    return (
      (0.2 + apart) *
      (NAMES.test(field.path) ? 1.5 : 1) *
      brevity(field) *
      (/(^|[.\]])(id|key)$/i.test(field.path) ? 0.6 : 1)
    );
  });
  const grouping = best(
    texts.filter((field) => field !== naming && field.distinct >= 3 && field.distinct <= Math.max(8, documents / 10)),
    (field) =>
      ((NAMES.test(field.path) ? 1.5 : 1) * brevity(field) * variety(field, documents)) / field.path.split(".").length,
  );
  const chosen = [naming, grouping].filter(Boolean);
  return fields.filter((field) => chosen.includes(field)).map((field) => field.path);
}

/** Return the paths that are worth a facet: few different texts, or numbers that spread. */
export function guessedFacets(fields, documents) {
  const useful = (field) => {
    if (field.documents < 0.05 * documents) return false;
    if (field.histogram) return field.values.length > 1;
    return (
      field.distinct >= 2 && field.values[0].documents > 1 && field.distinct <= documents / 2 && brevity(field) > 0.5
    );
  };
  const dominated = (field) => field.values[0].documents > 0.8 * field.documents && field.distinct > 10;
  const found = fields.filter(useful);
  return [...found.filter((field) => !dominated(field)), ...found.filter(dominated)].map((field) => field.path);
}

/** Return the bits that the most frequent values tell of a document: 0 where nearly all have one value. */
function variety(field, documents) {
  return field.values.reduce(
    (sum, { documents: n }) => sum - (n / documents) * Math.log2(Math.min(1, n / documents)),
    0,
  );
}

function brevity(field) {
  const texts = field.values.map(({ value }) => String(value).length);
  const mean = texts.reduce((sum, length) => sum + length, 0) / Math.max(1, texts.length);
  return mean <= SHORT ? 1 : 0.3;
}

function best(fields, score) {
  let found = null;
  let most = 0;
  for (const field of fields) {
    const own = score(field);
    if (own > most) [found, most] = [field, own];
  }
  return found;
}

/** Return the values of a document at a path as the server shows paths: `input[].name`. */
export function valuesAt(document, steps) {
  let found = [document];
  for (const step of steps) {
    found = found.flatMap((value) => {
      if (typeof value !== "object" || value === null) return [];
      if (step === 0 && Array.isArray(value)) return value;
      return Object.hasOwn(value, step) ? [value[step]] : [];
    });
  }
  return found;
}
