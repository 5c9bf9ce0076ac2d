// Requests to the server: JSON in and out, errors with their kind, the token, and whether the server answers at all.

const BASE = new URL("api/", document.baseURI);
const TOKEN = "hdc-token";
const listeners = new Set();
let reachable = true;
let asking = null; // the one question for a token that may be open

/** What went wrong: `status` is 0 where the server did not answer. */
export class ApiError extends Error {
  constructor(status, type, message) {
    super(message);
    this.status = status;
    this.type = type;
  }

  get gone() {
    return this.status === 0;
  }
}

/** Call `listener({gone} | {ask: resolve})` when the server goes or comes back, or a token is needed. */
export function listen(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Return the JSON that the server answers; raise ApiError.
 *
 * path: below `api/`, parts already escaped (see `at`). body: sent as JSON by POST, or by `method`.
 * raw: return the Response itself, for binary answers.
 */
export async function call(path, { body, method, signal, raw = false } = {}) {
  const response = await answered(path, { body, method, signal });
  if (response.status === 401) {
    await newToken(response);
    return call(path, { body, method, signal, raw });
  }
  if (!response.ok) throw await errorOf(response);
  return raw ? response : response.json();
}

/** Return the path of something of an index: `at("my index", "search")`. */
export function at(index, ...parts) {
  return [index, ...parts].map(encodeURIComponent).join("/");
}

/** Return the absolute address of a path below `api/`. */
export function address(path) {
  return new URL(path, BASE).href;
}

/** Say whether requests carry a token, so that commands to copy name it. */
export function hasToken() {
  return stored() !== null;
}

async function answered(path, { body, method, signal }) {
  const headers = {};
  const token = stored();
  if (token !== null) headers.Authorization = `Bearer ${token}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  try {
    const response = await fetch(new URL(path, BASE), {
      method: method ?? (body === undefined ? "GET" : "POST"),
      body: body === undefined ? undefined : JSON.stringify(body),
      headers,
      signal,
      cache: "no-store",
    });
    notice(true);
    return response;
  } catch (error) {
    if (error.name === "AbortError") throw error;
    notice(false);
    throw new ApiError(0, "Gone", "The server does not answer.");
  }
}

async function errorOf(response) {
  try {
    const { error } = await response.json();
    return new ApiError(response.status, error.type, error.message);
  } catch {
    return new ApiError(response.status, "Error", `The server answered ${response.status} ${response.statusText}.`);
  }
}

function notice(now) {
  if (now === reachable) return;
  reachable = now;
  for (const listener of listeners) listener({ gone: !now });
}

async function newToken(response) {
  if (listeners.size === 0) throw await errorOf(response);
  asking ??= new Promise((resolve) => {
    for (const listener of listeners) listener({ ask: resolve });
  }).finally(() => {
    asking = null;
  });
  const token = await asking;
  if (token === null) throw await errorOf(response);
  store(token);
}

function stored() {
  try {
    return sessionStorage.getItem(TOKEN);
  } catch {
    return null;
  }
}

function store(token) {
  try {
    sessionStorage.setItem(TOKEN, token);
  } catch {
    // storage is switched off: the token is asked for again
  }
}
