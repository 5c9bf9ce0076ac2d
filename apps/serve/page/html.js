// Preact and htm as one import: markup in tagged templates, no build step. Strings become text nodes, never markup.
import { h, render } from "./vendor/preact.js";
import htm from "./vendor/htm.js";

export { render };
export { useEffect, useErrorBoundary, useId, useMemo, useRef, useState } from "./vendor/hooks.js";
export const html = htm.bind(h);
