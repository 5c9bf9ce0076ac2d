// A field with suggestions, as ARIA's combobox pattern has it: arrows choose, Enter takes, Esc closes.
import { html, useEffect, useId, useRef, useState } from "./html.js";

const WAIT = 80; // milliseconds of silence after which suggestions are asked for

/** text: what is in the field; suggest(text): returns or promises [{text, note, …}], asked again when `source` changes;
 * pick(option): one was taken. onEnter: Enter without a choice. Other properties go to the input. */
export function Combo({ text, label, suggest, source, onText, pick, onEnter, class: name = "", ...rest }) {
  const [options, setOptions] = useState([]);
  const [open, setOpen] = useState(false);
  const [at, setAt] = useState(-1);
  const id = useId();
  const asked = useRef(0);
  const list = useRef(null);

  useEffect(() => {
    if (!open) return undefined;
    const number = ++asked.current;
    const timer = setTimeout(async () => {
      const found = await Promise.resolve(suggest(text)).catch(() => []);
      if (number !== asked.current) return;
      setOptions(found);
      setAt(-1);
    }, WAIT);
    return () => clearTimeout(timer);
  }, [open, text, source]);
  useEffect(() => list.current?.children[at]?.scrollIntoView({ block: "nearest" }), [at]);

  const close = () => {
    asked.current += 1;
    setOpen(false);
    setOptions([]);
    setAt(-1);
  };
  const take = (option) => {
    close();
    pick(option);
  };
  const press = (event) => {
    const shown = open && options.length > 0;
    if (event.key === "ArrowDown" && shown) setAt(Math.min(at + 1, options.length - 1));
    else if (event.key === "ArrowUp" && shown && at >= 0) setAt(at - 1);
    else if (event.key === "Enter" && shown && at >= 0) take(options[at]);
    else if (event.key === "Enter" && onEnter) {
      close();
      onEnter();
    } else if (event.key === "Escape" && shown) {
      event.stopPropagation();
      close();
    } else return;
    event.preventDefault();
  };
  const shown = open && options.length > 0;
  return html`<span class=${`combo ${name}`}>
    <input
      ...${rest}
      value=${text}
      aria-label=${label}
      role="combobox"
      aria-autocomplete="list"
      aria-expanded=${shown}
      aria-controls=${id}
      aria-activedescendant=${at >= 0 ? `${id}-${at}` : undefined}
      autocomplete="off"
      spellcheck=${false}
      dir="auto"
      onFocus=${() => setOpen(true)}
      onBlur=${close}
      onKeyDown=${press}
      onInput=${(event) => {
        setOpen(true);
        onText(event.currentTarget.value);
      }}
    />
    <ul id=${id} ref=${list} role="listbox" aria-label=${`${label}: suggestions`} hidden=${!shown}>
      ${options.map(
        (option, place) =>
          html` <li
            id=${`${id}-${place}`}
            role="option"
            aria-selected=${place === at}
            onPointerDown=${(event) => event.preventDefault()}
            onClick=${() => take(option)}
          >
            <bdi>${option.text}</bdi><span class="faint">${option.note}</span>
          </li>`,
      )}
    </ul>
  </span>`;
}
