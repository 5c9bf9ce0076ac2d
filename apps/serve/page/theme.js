// Light and dark: the system's choice until a person makes one, which is kept. Colors are the tokens of style.css.

const NAME = "hdc-theme";
const system = matchMedia("(prefers-color-scheme: dark)");
const listeners = new Set();

apply(remembered());
system.addEventListener("change", tell);

/** Return "light" or "dark", whichever is shown. */
export function theme() {
  return document.documentElement.dataset.theme ?? (system.matches ? "dark" : "light");
}

/** Show the other one, and keep it. */
export function toggle() {
  const next = theme() === "dark" ? "light" : "dark";
  apply(next);
  try {
    localStorage.setItem(NAME, next);
  } catch {
    // storage is switched off: the choice holds until the page is closed
  }
  tell();
}

/** Return a color token as a canvas takes it: `color("--accent")` is "rgb(…)". */
export function color(token) {
  const probe = document.createElement("i");
  probe.style.color = `var(${token})`;
  document.body.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}

/** Call a function whenever the theme changes; return what stops that. */
export function onTheme(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function tell() {
  for (const listener of listeners) listener(theme());
}

function apply(choice) {
  if (choice === "light" || choice === "dark") document.documentElement.dataset.theme = choice;
}

function remembered() {
  try {
    return localStorage.getItem(NAME);
  } catch {
    return null;
  }
}
