// Small parts that all views use: menus, bars, and the states in which there is nothing to show.
import { html, useEffect, useId, useRef, useState } from "./html.js";

/** What is shown until the first answer is there: nothing for a moment, so that fast answers do not flicker. */
export function Loading({ text = "Loading…" }) {
  return html`<p class="state loading" role="status">${text}</p>`;
}

/** What went wrong, and a way on. */
export function Failure({ error, retry }) {
  const title = error.gone
    ? "The server does not answer"
    : error.status
      ? `${error.type}`
      : "Something broke on this page";
  return html`<div class="state" role="alert">
    <h2>${title}</h2>
    <p>${error.gone ? "Is hdc serve still running?" : error.message}</p>
    ${retry && html`<p><button type="button" onClick=${() => retry()}>Try again</button></p>`}
  </div>`;
}

/** Nothing to show, and why. */
export function Empty({ title, children }) {
  return html`<div class="state">
    <h2>${title}</h2>
    ${children}
  </div>`;
}

/** A bar of a share of its line, 0 … 1; `kind` is "equal", "similar" or "other". */
export function Bar({ share, kind = "equal" }) {
  return html`<span class="bar" aria-hidden="true"
    ><i class=${kind} style=${{ width: `${100 * Math.max(0, Math.min(1, share))}%` }}></i
  ></span>`;
}

/** A button that opens a list of things under it; Esc and a click elsewhere close it, arrows walk through it. */
export function Menu({ label, title, opened, wide = false, class: name = "", children }) {
  const [open, setOpen] = useState(false);
  const box = useRef(null);
  const id = useId();
  useEffect(() => {
    if (!open) return undefined;
    const outside = (event) => box.current.contains(event.target) || setOpen(false);
    addEventListener("pointerdown", outside);
    return () => removeEventListener("pointerdown", outside);
  }, [open]);
  const toggle = () => {
    if (!open) opened?.();
    setOpen(!open);
  };
  const press = (event) => {
    if (event.key === "Escape" && open) {
      event.stopPropagation();
      setOpen(false);
      box.current.querySelector("button").focus();
    } else if (open && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
      event.preventDefault();
      const buttons = [...box.current.querySelectorAll("button")];
      const at = buttons.indexOf(document.activeElement) + (event.key === "ArrowDown" ? 1 : -1);
      buttons[(at + buttons.length) % buttons.length].focus();
    }
  };
  const picked = (event) => event.target.closest(".item") && setOpen(false);
  return html`<div class=${`menu ${name}`} ref=${box} onKeyDown=${press}>
    <button type="button" class="quiet" title=${title} aria-expanded=${open} aria-controls=${id} onClick=${toggle}>
      ${label}
    </button>
    <div id=${id} class=${`sheet ${wide ? "wide" : ""}`} hidden=${!open} onClick=${picked}>${open && children}</div>
  </div>`;
}

/** Copy a text, and say so on the button. */
export async function copy(text, button) {
  const before = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Not allowed; select it";
  }
  setTimeout(() => {
    button.textContent = before;
  }, 1500);
}

/** Offer a text as a file to save. */
export function save(text, name, type) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
