// The whole state of the page is its URL: `#/INDEX/VIEW?name=value&…`. It is behind `#`, so that queries, which may
// be long and private, are neither limited by nor logged by servers and proxies.

// Names of which a URL may have several values; all others have one.
const LISTS = new Set(["where", "facet", "title"]);

/** Return {index, view, params} of a location's hash; params maps names to strings, those of LISTS to arrays. */
export function readRoute(hash) {
  const [path, search = ""] = split(hash.replace(/^#\/?/, ""), "?");
  const [index = "", view = ""] = path.split("/").map(decode);
  const params = {};
  for (const [name, value] of new URLSearchParams(search)) {
    if (LISTS.has(name)) (params[name] ??= []).push(value);
    else params[name] = value;
  }
  return { index, view, params };
}

/** Return the hash of a route; what is undefined, null, "" or empty is left out. */
export function writeRoute({ index, view, params }) {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== undefined && one !== null && one !== "") search.append(name, one);
    }
  }
  const text = search.toString().replaceAll("%2C", ",").replaceAll("%3A", ":").replaceAll("%5B%5D", "[]");
  return `#/${encodeURIComponent(index)}/${encodeURIComponent(view)}${text ? `?${text}` : ""}`;
}

function split(text, at) {
  const place = text.indexOf(at);
  return place < 0 ? [text] : [text.slice(0, place), text.slice(place + 1)];
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
