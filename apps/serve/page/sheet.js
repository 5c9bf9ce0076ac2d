// Style sheets of single views: fetched with the view, and there before it is shown.

const added = new Map();

/** Add a style sheet of this server to the page, once; resolves when it applies. */
export function addSheet(path) {
  if (!added.has(path)) added.set(path, add(path));
  return added.get(path);
}

function add(path) {
  const sheet = document.createElement("link");
  sheet.rel = "stylesheet";
  sheet.href = new URL(path, import.meta.url).href;
  return new Promise((done) => {
    sheet.onload = sheet.onerror = done;
    document.head.append(sheet);
  });
}
