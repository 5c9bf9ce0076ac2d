// Colors of points: eight categories that people with any color vision tell apart (Okabe and Ito 2008, two of them
// changed to be seen on white and on black), and a scale whose lightness is even (viridis, without the end that the
// ground swallows).

const CATEGORIES = {
  light: ["#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#5b3e96", "#8a7a00"],
  dark: ["#4aa3df", "#e69f00", "#22b88c", "#f0783c", "#d992ba", "#8fd0f5", "#a58be0", "#e5da5a"],
};
const REST = { light: "#8d9190", dark: "#7a8083" };
const NONE = { light: "#c9ccca", dark: "#4a5053" };
const SCALE = ["#440154", "#482878", "#3e4989", "#31688e", "#26828e", "#1f9e89", "#35b779", "#6ece58", "#b5de2b", "#fde725"];
const ENDS = { light: [0, 0.9], dark: [0.22, 1] };

export const OTHER = 8, MISSING = 255, STEPS = 254;

const channels = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));

/** Return the color of a category, of the others, or of points without a value. */
export function categoryColor(byte, theme) {
  if (byte === MISSING) return NONE[theme];
  return CATEGORIES[theme][byte] ?? REST[theme];
}

/** Return the color of a number, 0 … STEPS. */
export function numberColor(byte, theme) {
  if (byte === MISSING) return NONE[theme];
  const [low, high] = ENDS[theme];
  const place = (low + ((high - low) * byte) / STEPS) * (SCALE.length - 1);
  const at = Math.min(Math.floor(place), SCALE.length - 2);
  const [from, to] = [channels(SCALE[at]), channels(SCALE[at + 1])];
  return `#${from.map((value, i) => Math.round(value + (to[i] - value) * (place - at)).toString(16).padStart(2, "0")).join("")}`;
}

/** Return a CSS gradient of the scale. */
export function gradient(theme) {
  return `linear-gradient(to right, ${Array.from({ length: 12 }, (_, i) => numberColor((i * STEPS) / 11, theme)).join(", ")})`;
}

/** Return what Scatter.setShades takes: colors of a kind ("categories", "numbers", or one color for all). */
export function colorsOf(kind, theme, count, single) {
  const alpha = count > 50_000 ? 150 : count > 10_000 ? 185 : 215;
  return (byte, faded) => {
    const color = kind === "numbers" ? numberColor(byte, theme) : kind === "categories" ? categoryColor(byte, theme) : single;
    return [...channels(color), faded ? (theme === "dark" ? 34 : 30) : byte === MISSING && kind ? alpha / 2 : alpha];
  };
}
