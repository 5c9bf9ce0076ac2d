// The same search elsewhere: as a command to copy, and hits as a file.
import { address, at, hasToken } from "./api.js";
import { readQuery, whole } from "./query.js";

/** Return what is asked of the server: {path, body}. */
export function request(index, params) {
  const query = whole(readQuery(params));
  const where = params.where?.length ? params.where : undefined;
  const among = params.among ? params.among.split(",").map(Number) : undefined;
  const k = Number(params.k) || 10;
  if (params.like !== undefined)
    return { path: at(index.name, "like"), body: { id: Number(params.like), k, where, among, explain: true } };
  if (query === undefined) return { path: at(index.name, "filter"), body: { where: where ?? [], limit: k } };
  return { path: at(index.name, "search"), body: { query, k, where, among, explain: true } };
}

/** Return a search as curl, Python and command line. */
export function commands({ index, params }) {
  const { path, body } = request(index, params);
  return { curl: curl(path, body), python: python(index, params, body), cli: cli(index, params, body) };
}

/** Return a request as curl; without a body it is a GET. */
export function curl(path, body) {
  const data =
    body === undefined ? "" : ` \\\n  -H 'Content-Type: application/json' \\\n  -d ${quoted(JSON.stringify(body))}`;
  const token = hasToken() ? ` \\\n  -H "Authorization: Bearer $HDC_TOKEN"` : "";
  return `curl ${quoted(address(path))}${token}${data}`;
}

function python(index, params, { query, k, where }) {
  const lines = [
    "from hdc.apps.json import JSONIndex",
    "",
    `index = JSONIndex.open(${literal(index.name)})  # the folder of the index`,
  ];
  const options = `k=${k}${where ? `, where=${literal(where)}` : ""}`;
  if (params.like !== undefined) {
    lines.push(
      `query = index.document(${Number(params.like)})`,
      `hits = index.like(${Number(params.like)}, ${options})`,
    );
  } else if (query === undefined) {
    lines.push(
      `for document in index.documents(index.filter(${literal(where ?? [])})[:${Number(params.k) || 10}]):`,
      "    print(document)",
    );
    return lines.join("\n");
  } else {
    lines.push(`query = ${literal(query)}`, `hits = index.search(query, ${options})`);
  }
  lines.push(
    "for hit in hits:",
    "    print(hit.score, hit.document)",
    "    for reason in index.explain(query, hit):",
    "        print(reason)",
  );
  return lines.join("\n");
}

function cli(index, params, { query, k, where }) {
  const filters = (where ?? []).map((one) => ` \\\n  --where ${quoted(one)}`).join("");
  const asked =
    params.like !== undefined
      ? `--like ${Number(params.like)}`
      : query === undefined
        ? null
        : quoted(JSON.stringify(query));
  return asked === null ? "" : `hdc json search ${quoted(index.name)} ${asked} \\\n  -k ${k} --explain${filters}`;
}

/** Return a text as one word of a shell. */
export const quoted = (text) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'"'"'`)}'`);

/** Return a JSON value as Python writes it. */
export function literal(value) {
  if (value === null) return "None";
  if (value === true) return "True";
  if (value === false) return "False";
  if (Array.isArray(value)) return `[${value.map(literal).join(", ")}]`;
  if (typeof value === "object")
    return `{${Object.entries(value)
      .map(([key, item]) => `${JSON.stringify(key)}: ${literal(item)}`)
      .join(", ")}}`;
  return JSON.stringify(value);
}

/** Return hits as JSON Lines. */
export const asLines = (hits) => hits.map((hit) => `${JSON.stringify(hit)}\n`).join("");

/** Return hits as CSV: score, id, key, and a column for each path of a leaf. Cells that a sheet would compute are text. */
export function asCsv(hits) {
  const rows = hits.map(({ score, id, key, document }) => ({
    score: score ?? "",
    id,
    key: key ?? "",
    ...flat(document),
  }));
  return asCsvTable(rows);
}

/** Return objects as CSV, with a column for each of their keys. */
export function asCsvTable(rows) {
  const columns = [...new Set(rows.flatMap(Object.keys))];
  return [columns, ...rows.map((row) => columns.map((name) => row[name] ?? ""))]
    .map((cells) => cells.map(cell).join(","))
    .join("\r\n");
}

function flat(value, path = "") {
  if (typeof value !== "object" || value === null) return { [`document.${path}`]: value };
  if (Array.isArray(value))
    return {
      [`document.${path}`]: value.every((item) => typeof item !== "object") ? value.join("; ") : JSON.stringify(value),
    };
  return Object.assign({}, ...Object.entries(value).map(([key, item]) => flat(item, path ? `${path}.${key}` : key)));
}

function cell(value) {
  const text = typeof value === "string" && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
