// The shell: which index and view are shown, what they have in common, and the state of it all in the URL.
//
// A view is a module of its own, imported when it is first shown. It exports by default
//
//   {
//     View,                 a Preact component, see below
//     commands(props),      optional: {curl, python, cli}, the same as what is shown, each a text to copy
//   }
//
// and is listed in VIEWS with its id (the second part of the URL), title, key, and the kinds of index it is for (none:
// it needs no index). A View gets these properties and keeps no state that the URL should have:
//
//   index      entry of GET /api/indexes: {name, kind, rows, dim, generation, writable, …}; null where kinds is none
//   params     what the URL says: {name: text}, and arrays of texts for "where", "facet" and "title"
//   go(changes, {view, index, replace})
//              change params (undefined removes one), and the view where it is given; `replace` makes no entry in
//              the history. Params outlive a change of view, so all views see the same query: `q` (words) or `query`
//              (JSON), `where` (conditions), `like` (an id), `among` (ids joined by commas), `a` and `b` (ids to compare)
//   announce   says a text to screen readers
//   theme      "light" or "dark"; a canvas asks color("--accent") of theme.js again when it changes
//
// Requests go through call() of api.js, values become text by show.js, small parts are in parts.js. Keys typed outside
// of a field reach the shell: `/` focuses what has data-search, a view's key shows it.
import { call, listen } from "./api.js";
import { html, render, useEffect, useErrorBoundary, useRef, useState } from "./html.js";
import { Failure, Loading, Menu, copy } from "./parts.js";
import { count } from "./show.js";
import { onTheme, theme, toggle } from "./theme.js";
import { readRoute, writeRoute } from "./url.js";

const VIEWS = [
  { id: "search", title: "Search", key: "s", kinds: ["json"], load: () => import("./search.js") },
  { id: "neighbors", title: "Search", key: "s", kinds: ["embeddings", "codes"], load: () => import("./embeddings.js") },
  { id: "map", title: "Map", key: "m", kinds: ["json", "embeddings", "codes"], load: () => import("./map.js") },
  { id: "fields", title: "Fields", key: "f", kinds: ["json"], load: () => import("./fields.js") },
  { id: "compare", title: "Compare", key: "c", kinds: ["json"], load: () => import("./compare.js") },
  { id: "capacity", title: "Capacity", key: "p", kinds: null, load: () => import("./capacity.js") },
];

const SHORTCUTS = [
  ["/", "type a query"],
  ["↓ ↑", "next, previous result"],
  ["Enter", "open a result"],
  ["l", "more like the result"],
  ["x", "hold the result for comparison"],
  ["Esc", "leave a field, close what is open"],
  ["m f c p s", "show a view"],
  ["d", "light or dark"],
  ["?", "this list"],
];

const fits = (view, index) => view.kinds === null || (index !== null && view.kinds.includes(index.kind));

function App() {
  const [indexes, setIndexes] = useState(null);
  const [failure, setFailure] = useState(null);
  const [route, go] = useRoute();
  const [gone, ask, answer] = useConnection();
  const [shade, setShade] = useState(theme());
  const [help, setHelp] = useState(false);
  const [said, announce] = useState("");
  const load = () => {
    setFailure(null);
    call("indexes").then(setIndexes, setFailure);
  };
  useEffect(load, []);
  useEffect(() => onTheme(setShade), []);
  useEffect(() => {
    if (!gone) return undefined;
    const timer = setInterval(() => call("indexes").then(setIndexes, () => {}), 2000);
    return () => clearInterval(timer);
  }, [gone]);

  const index = indexes?.find((one) => one.name === route.index) ?? (route.index ? null : (indexes?.[0] ?? null));
  const views = VIEWS.filter((view) => fits(view, index));
  const view = views.find((one) => one.id === route.view) ?? (route.view ? null : (views[0] ?? null));
  useKeys(views, go, setHelp);
  useEffect(() => {
    document.title = index ? `${index.name} · ${view?.title ?? "hdc"}` : "hdc explorer";
  }, [index, view]);

  if (failure && indexes === null) {
    return html`<main><${Failure} error=${failure} retry=${load} /></main>
      ${ask && html`<${TokenDialog} answer=${answer} />`}`;
  }
  const props = { index, params: route.params, go, announce, theme: shade };
  return html` <a class="skip" href="#main" onClick=${skip}>Skip to content</a>
    <header class="top">
      <a class="brand" href="#/" title="hdc explorer">hdc</a>
      <${IndexMenu} indexes=${indexes ?? []} index=${index} go=${go} />
      <nav aria-label="Views">
        ${views.map(
          (one) =>
            html` <a
              href=${writeRoute({ index: index?.name ?? "", view: one.id, params: route.params })}
              aria-current=${one === view ? "page" : undefined}
              title=${`${one.title} (${one.key})`}
              >${one.title}</a
            >`,
        )}
      </nav>
      <div class="tools">
        ${view && html`<${Commands} view=${view} props=${props} />`}
        <button type="button" class="quiet icon" onClick=${toggle} aria-label="Light or dark" title="Light or dark (d)">
          ${shade === "dark" ? "☀" : "☾"}
        </button>
        <button type="button" class="quiet icon" onClick=${() => setHelp(true)} aria-label="Keyboard"
          title="Keyboard (?)"
        >
          ?
        </button>
      </div>
    </header>
    ${gone && html`<p class="banner" role="alert">The server does not answer. What you see may be old; trying again…</p>`}
    <main id="main" tabindex="-1">
      ${indexes === null ? html`<${Loading} />` : html`<${Shown} key=${`${index?.name}/${view?.id}`} view=${view} route=${route} props=${props} />`}
    </main>
    <div class="unseen" role="status" aria-live="polite">${said}</div>
    ${help && html`<${Help} close=${() => setHelp(false)} />`} ${ask && html`<${TokenDialog} answer=${answer} />`}`;
}

/** The view of the URL, once its module is there. */
function Shown({ view, route, props }) {
  const [module, setModule] = useState(view?.loaded ?? null);
  const [failure, setFailure] = useState(null);
  const [broken, retry] = useErrorBoundary((error) => console.error(error));
  const load = () => {
    setFailure(null);
    loaded(view).then(setModule, setFailure);
  };
  useEffect(() => {
    if (view && !module) load();
  }, []);
  if (view === null) {
    const what =
      props.index === null
        ? `There is no index ${route.index}.`
        : `There is no view ${route.view} of ${props.index.name}.`;
    return html`<div class="state">
      <h1>Not here</h1>
      <p>${what}</p>
      <p><a href="#/">Start over</a></p>
    </div>`;
  }
  if (broken) return html`<${Failure} error=${broken} retry=${retry} />`;
  if (failure) return html`<${Failure} error=${failure} retry=${load} />`;
  return module ? html`<${module.View} ...${props} />` : html`<${Loading} />`;
}

/** Return the module of a view, imported once. */
async function loaded(view) {
  view.loaded ??= (await view.load()).default;
  return view.loaded;
}

function IndexMenu({ indexes, index, go }) {
  const name = index ? html`<bdi>${index.name}</bdi> <span class="faint">${count(index.rows)}</span>` : "no index";
  if (indexes.length < 2) return html`<span class="index">${name}</span>`;
  return html`<${Menu} label=${html`${name} ▾`} title="Index" class="index">
    ${indexes.map(
      (one) =>
        html` <button type="button" class="item" aria-current=${one === index ? "true" : undefined}
          onClick=${() => go({}, { index: one.name, view: "", clear: true })}
        >
          <bdi>${one.name}</bdi> <span class="faint">${count(one.rows)} · ${one.kind}</span>
        </button>`,
    )}
  </${Menu}>`;
}

/** "as curl / Python / CLI": what is shown, as something to run. */
function Commands({ view, props }) {
  const [texts, setTexts] = useState(null);
  const made = async () => setTexts((await loaded(view)).commands?.(props) ?? {});
  const names = { curl: "curl", python: "Python", cli: "Command line" };
  return html`<${Menu} label="as curl ▾" title="The same as a command" opened=${made} wide>
    ${texts && Object.keys(texts).length === 0 && html`<p class="faint">This view has no command.</p>`}
    ${
      texts &&
      Object.entries(names)
        .filter(([name]) => texts[name])
        .map(
          ([name, title]) =>
            html` <div class="command">
              <div class="row">
                <strong>${title}</strong>
                <button type="button" class="quiet" onClick=${(event) => copy(texts[name], event.currentTarget)}>
                  Copy
                </button>
              </div>
              <pre tabindex="0" aria-label=${title}>${texts[name]}</pre>
            </div>`,
        )
    }
  </${Menu}>`;
}

function TokenDialog({ answer }) {
  const field = useRef(null);
  const dialog = useDialog(() => answer(null));
  const send = (event) => {
    event.preventDefault();
    answer(field.current.value.trim() || null);
  };
  return html`<dialog ref=${dialog} aria-labelledby="token-title">
    <form onSubmit=${send}>
      <h2 id="token-title">This server asks for a token</h2>
      <p>It is the server’s HDC_TOKEN or HDC_READ_TOKEN. It is kept until you close this tab.</p>
      <label>Token <input ref=${field} type="password" autocomplete="off" spellcheck=${false} autofocus /></label>
      <p class="row end">
        <button type="button" class="quiet" onClick=${() => answer(null)}>Cancel</button
        ><button class="main">Continue</button>
      </p>
    </form>
  </dialog>`;
}

function Help({ close }) {
  return html`<dialog ref=${useDialog(close)} aria-labelledby="help-title">
    <h2 id="help-title">Keyboard</h2>
    <dl class="keys">
      ${SHORTCUTS.map(
        ([keys, what]) =>
          html`<dt>${keys.split(" ").map((key) => html`<kbd>${key}</kbd> `)}</dt>
            <dd>${what}</dd>`,
      )}
    </dl>
    <p class="row end"><button type="button" class="main" onClick=${close}>Close</button></p>
  </dialog>`;
}

/** A dialog over the page that closes on Esc. */
function useDialog(closed) {
  const dialog = useRef(null);
  useEffect(() => {
    dialog.current.showModal();
    dialog.current.addEventListener("close", closed);
  }, []);
  return dialog;
}

/** The route of the URL, and what changes it. */
function useRoute() {
  const [route, setRoute] = useState(() => readRoute(location.hash));
  useEffect(() => {
    const follow = () => setRoute(readRoute(location.hash));
    addEventListener("popstate", follow);
    addEventListener("hashchange", follow);
    return () => {
      removeEventListener("popstate", follow);
      removeEventListener("hashchange", follow);
    };
  }, []);
  const go = (changes, { view, index, replace = false, clear = false } = {}) => {
    const now = readRoute(location.hash);
    const params = clear ? { ...changes } : { ...now.params, ...changes };
    const next = writeRoute({ index: index ?? now.index, view: view ?? now.view, params });
    if (next === location.hash) return;
    history[replace ? "replaceState" : "pushState"](null, "", next);
    setRoute(readRoute(next));
  };
  return [route, go];
}

/** Whether the server has gone; whether it asks for a token, and what answers. */
function useConnection() {
  const [gone, setGone] = useState(false);
  const [ask, setAsk] = useState(null);
  useEffect(
    () =>
      listen((news) => {
        if ("gone" in news) setGone(news.gone);
        if (news.ask) setAsk(() => news.ask);
      }),
    [],
  );
  const answer = (token) => {
    ask(token);
    setAsk(null);
  };
  return [gone, ask, answer];
}

const typing = (target) => target.closest?.("input, textarea, select, dialog, [contenteditable]") !== null;

function useKeys(views, go, setHelp) {
  useEffect(() => {
    const press = (event) => {
      if (event.key === "Escape" && typing(event.target)) event.target.blur();
      if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
      const view = views.find((one) => one.key === event.key);
      if (event.key === "/") document.querySelector("[data-search]")?.focus();
      else if (event.key === "?") setHelp(true);
      else if (event.key === "d") toggle();
      else if (view) go({}, { view: view.id });
      else return;
      event.preventDefault();
    };
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  });
}

function skip(event) {
  event.preventDefault();
  document.getElementById("main").focus();
}

const root = document.getElementById("app");
root.textContent = "";
render(html`<${App} />`, root);
