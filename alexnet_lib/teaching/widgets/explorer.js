// What all explorers share: elements, settings and their controls, dragging, axes, redrawing.
// In a notebook it stands before the module of each explorer; a page of the book loads it once.

const SVG = "http://www.w3.org/2000/svg";
const MATHML = "http://www.w3.org/1998/Math/MathML";

/** Makes an element. Attributes that start with "on" are listeners; null and false are left out. */
function make(namespace, tag, attributes = {}, ...children) {
  const element = namespace
    ? document.createElementNS(namespace, tag)
    : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== false) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}
export const html = (...rest) => make(null, ...rest);
export const svg = (...rest) => make(SVG, ...rest);
export const math = (...rest) => make(MATHML, ...rest);
export const rect = (x, y, width, height, attributes) =>
  svg("rect", { x, y, width, height, ...attributes });
export const label = (x, y, text, attributes) => svg("text", { x, y, ...attributes }, String(text));

/** A white line with a dark edge, to be seen on any photograph: its element, and what draws it. */
export function outline(name = "ex-field") {
  const lines = [`${name} ex-edging`, name].map((both) => svg("path", { class: both }));
  return [svg("g", {}, ...lines), (d) => lines.forEach((line) => line.setAttribute("d", d))];
}

/** A photograph of `side` by `side` that pointer and arrow keys steer; `attributes` say what for. */
export const photograph = (side, attributes, ...children) =>
  svg(
    "svg",
    { class: "ex-photo", viewBox: `0 0 ${side} ${side}`, tabindex: 0, role: "application", ...attributes },
    ...children,
  );

export const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
export const commas = (number) => number.toLocaleString("en");
export const count = (number, one) => `${commas(number)} ${one}${number === 1 ? "" : "s"}`;
export const minus = (number) => String(number).replace("-", "−");

/** A decimal as a reader would write it, cut where it goes on: 54.25, 13.333…. */
export function decimal(number) {
  const cut = Math.trunc(number * 1000) / 1000;
  return minus(cut) + (Math.abs(number - cut) > 1e-9 ? "…" : "");
}

const SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹";
const raised = (power) =>
  (power < 0 ? "⁻" : "") + [...String(Math.abs(power))].map((d) => SUPERSCRIPTS[d]).join("");

/** A number in at most `digits` significant digits, whole ones in full: 0.0123, 4.5, 1,234, 10⁻⁷. */
export function significant(number, digits = 3) {
  if (!Number.isFinite(number)) return Number.isNaN(number) ? "–" : number > 0 ? "∞" : "−∞";
  const size = Math.abs(number);
  if (size !== 0 && (size < 1e-4 || size >= 1e7)) {
    const [mantissa, power] = number.toExponential(digits - 1).split("e").map(Number);
    return (mantissa === 1 ? "10" : `${minus(mantissa)}·10`) + raised(power);
  }
  const whole = size === 0 ? 1 : Math.floor(Math.log10(size)) + 1;
  const decimals = Math.max(digits - whole, 0);
  return minus(number.toLocaleString("en", { maximumFractionDigits: decimals }));
}

/** `f` with a memory of its last answer: a drag asks for much that stays the same. */
export function remembering(f) {
  let asked = null;
  let answer = null;
  return (...what) => {
    const now = JSON.stringify(what);
    if (now !== asked) [asked, answer] = [now, f(...what)];
    return answer;
  };
}

/** Random numbers of [0, 1) that are the same everywhere: mulberry32, from a whole-number seed. */
export function uniforms(seed, length) {
  const numbers = new Float64Array(length);
  let state = seed | 0;
  for (let index = 0; index < length; index += 1) {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    numbers[index] = ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }
  return numbers;
}

/** Numbers from N(0, 1), two from each two uniform ones (Box and Muller); `length` is even. */
export function normals(seed, length) {
  const numbers = uniforms(seed, length);
  for (let index = 0; index < length; index += 2) {
    const radius = Math.sqrt(-2 * Math.log(1 - numbers[index]));
    const angle = 2 * Math.PI * numbers[index + 1];
    numbers[index] = radius * Math.cos(angle);
    numbers[index + 1] = radius * Math.sin(angle);
  }
  return numbers;
}

/**
 * Calls `go(x, y, grab)` while a pointer is down; `grab` is what `start(x, y)` returned. A finger
 * has to leave the page scrollable: it drags by an element of the class "ex-grip" and points
 * elsewhere, or, with `sideways`, drags everywhere as long as it moves across.
 */
export function onDrag(element, start, go, sideways = false) {
  if (sideways) element.style.touchAction = "pan-y";
  const point = (at) => {
    const box = element.getBoundingClientRect();
    return [at.clientX - box.left, at.clientY - box.top];
  };
  // "touch-action" would say the same, but browsers do not heed it on a part of a drawing.
  const keepStill = (event) => {
    const held = event.target.classList.contains("ex-grip");
    if (held && event.touches.length === 1 && event.cancelable) event.preventDefault();
  };
  element.addEventListener("touchstart", keepStill, { passive: false });
  element.addEventListener("click", (event) => {
    if (event.pointerType === "touch") go(...point(event), start(...point(event)));
  });
  element.addEventListener("pointerdown", (event) => {
    const finger = event.pointerType === "touch";
    const held = sideways || event.target.classList.contains("ex-grip");
    if (event.button !== 0 || (finger && !held)) return;
    const grab = start(...point(event));
    let across = !finger || !sideways; // a finger may be about to scroll
    const follow = (at) => {
      across ||= Math.abs(at.clientX - event.clientX) > Math.abs(at.clientY - event.clientY);
      if (across) go(...point(at), grab);
    };
    const release = () => {
      element.removeEventListener("pointermove", follow);
      element.removeEventListener("pointerup", release);
      element.removeEventListener("pointercancel", release);
    };
    element.setPointerCapture(event.pointerId);
    element.addEventListener("pointermove", follow);
    element.addEventListener("pointerup", release);
    element.addEventListener("pointercancel", release);
    follow(event);
  });
}

/** On a key that `moves()` names, does what stands there. */
export function onKeys(element, moves) {
  element.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const move = moves()[event.key];
    if (!move) return;
    event.preventDefault();
    move();
  });
}

/** The keys that move something along one line from `low` to `high`; `big` is a larger step. */
export function lineKeys(value, low, high, step, big, go) {
  const to = (wanted) => () => go(clamp(wanted, low, high));
  return {
    ...{ ArrowLeft: to(value - step), ArrowDown: to(value - step) },
    ...{ ArrowRight: to(value + step), ArrowUp: to(value + step) },
    ...{ PageDown: to(value - big), PageUp: to(value + big) },
    ...{ Home: to(low), End: to(high) },
  };
}

/** Round numbers from `low` to `high`, about `wanted` of them. */
export function ticks(low, high, wanted = 5) {
  const rough = (high - low) / wanted;
  if (!(rough > 0) || !Number.isFinite(rough)) return [low];
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((times) => times * power).find((size) => size >= rough * 0.999);
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, index) =>
    Number(((first + index) * step).toPrecision(12)),
  );
}

/** The `d` of a path through points `[x, y]`; where a number is not finite, the line is broken. */
export function through(points) {
  let pen = "M";
  let path = "";
  for (const [x, y] of points) {
    if (Number.isFinite(x) && Number.isFinite(y)) {
      path += `${pen}${x.toFixed(2)} ${y.toFixed(2)}`;
      pen = "L";
    } else pen = "M";
  }
  return path;
}

/**
 * Draws axes into an `<svg>` of `width` × `height` and returns `{ x, y, plot, left, wide, tall }`:
 * the two scales, and the plotting area, an `<svg>` that cuts off what lies outside.
 * `x` and `y` are `{ from, to, ticks, name, write }`; `write` turns a tick into its label.
 */
export function chart(element, { width, height, x, y, left = 44 }) {
  const [top, bottom] = [y.name ? 22 : 8, x.name ? 38 : 22];
  const wide = Math.max(width - left - 10, 10);
  const tall = height - top - bottom;
  const toX = (value) => ((value - x.from) / (x.to - x.from)) * wide;
  const toY = (value) => tall - ((value - y.from) / (y.to - y.from)) * tall;
  element.setAttribute("width", width);
  element.setAttribute("height", height);
  const plot = svg("svg", { class: "ex-plot", x: left, y: top, width: wide, height: tall });
  const grid = svg("path", { class: "ex-rule" });
  const parts = [grid, plot];
  let lines = "";
  for (const value of y.ticks ?? ticks(y.from, y.to)) {
    const at = top + toY(value);
    lines += `M${left} ${at}h${wide}`;
    const text = (y.write ?? minus)(value);
    parts.push(label(left - 6, at + 4, text, { "text-anchor": "end" }));
  }
  for (const value of x.ticks ?? ticks(x.from, x.to)) {
    const at = left + toX(value);
    lines += `M${at} ${top + tall}v4`;
    const text = (x.write ?? minus)(value);
    parts.push(label(at, top + tall + 17, text, { "text-anchor": "middle" }));
  }
  grid.setAttribute("d", `${lines}M${left} ${top + tall}h${wide}`);
  if (y.name) parts.push(label(0, 12, y.name));
  if (x.name) parts.push(label(left + wide, height - 4, x.name, { "text-anchor": "end" }));
  element.replaceChildren(...parts);
  return { x: toX, y: toY, plot, left, wide, tall };
}

let instances = 0;

/**
 * Sets an explorer up in `el` and keeps it in step with the model; returns what undoes that.
 *
 * `settings` are the names of what the reader can change: numbers, strings, booleans, which an
 * address can carry. `settle(state)` puts them in order, for an address or a notebook may hold
 * anything, and adds what follows from them. Numbers with limits have been put within these.
 * `build(tools)` makes the controls and returns `{ parts, draw(state, width), close() }`.
 */
export function mount({ model, el }, { name, title, settings, settle = (state) => state, build }) {
  const id = `${name}-${(instances += 1)}`;
  const limits = model.get("limits");
  const raw = () => Object.fromEntries(settings.map((key) => [key, model.get(key)]));
  const initial = raw();
  const updates = [];
  const refusal = html("p", { class: "ex-note ex-warn ex-refusal", role: "alert" });
  const news = html("p", { class: "ex-unheard", role: "status" });

  const isWhole = (step) => step >= 1 && Number.isInteger(step);

  function withinLimits(key, value) {
    const [low, high, step] = limits[key];
    const number = Number(value);
    if (!Number.isFinite(number)) return low;
    if (!isWhole(step)) return clamp(number, low, high);
    return clamp(low + Math.round((number - low) / step) * step, low, high);
  }

  function read() {
    const state = raw();
    for (const key of settings) {
      if (Object.hasOwn(limits, key)) state[key] = withinLimits(key, state[key]);
    }
    return settle(state);
  }

  function change(values) {
    if (Object.entries(values).every(([key, value]) => model.get(key) === value)) return;
    for (const [key, value] of Object.entries(values)) model.set(key, value);
    model.save_changes();
  }

  /** A number by slider and by field. `log` spaces the slider's steps evenly in powers of ten. */
  function number(key, text, { log = false } = {}) {
    const [min, max, step] = limits[key];
    const whole = isWhole(step);
    const on = log
      ? { min: Math.log10(min), max: Math.log10(max), step: 0.05 }
      : { min, max, step: step || "any" };
    const kind = { 0: "a number", 1: "a whole number" }[whole ? step : 0];
    const asked = kind ? `${kind} from ${min} to ${max}` : `one of ${min}, ${min + step} … ${max}`;
    const field = html("input", {
      id: `${id}-${key}`,
      type: "number",
      inputmode: whole ? "numeric" : "decimal",
      class: log ? "ex-long" : null,
      ...{ min, max, step: whole ? step : "any" },
      oninput() {
        const value = Number(field.value);
        const fits =
          field.value !== "" && value >= min && value <= max && (!whole || (value - min) % step === 0);
        field.setAttribute("aria-invalid", String(!fits));
        refusal.textContent = fits ? "" : `${text}: ${asked}, please.`;
        if (fits) change({ [key]: value });
      },
      onchange() {
        field.removeAttribute("aria-invalid");
        refusal.textContent = "";
        field.value = read()[key];
      },
    });
    const slider = html("input", {
      type: "range",
      "aria-label": `${text}, slider`,
      ...on,
      oninput() {
        const at = Number(slider.value);
        const wanted = log ? Number((10 ** at).toPrecision(2)) : at;
        change({ [key]: clamp(whole ? Math.round(wanted) : wanted, min, max) });
      },
    });
    updates.push((state) => {
      const value = state[key];
      slider.value = log ? Math.log10(value) : value;
      if (log) slider.setAttribute("aria-valuetext", significant(value));
      if (field !== document.activeElement || field.getAttribute("aria-invalid") !== "true") {
        if (Number(field.value) !== value || field.value === "") field.value = value;
      }
    });
    return html("div", { class: "ex-number" }, html("label", { for: field.id }, text), slider, field);
  }

  /** One of several values `[[value, text], …]`, as radio buttons in a row. `text` names them. */
  function radios(key, text, choices, go = (value) => change({ [key]: value })) {
    const inputs = choices.map(([value]) =>
      html("input", { type: "radio", name: `${id}-${key}`, value, onchange: () => go(value) }),
    );
    updates.push((state) =>
      inputs.forEach((input, index) => (input.checked = choices[index][0] === state[key])),
    );
    const labels = choices.map(([, says], index) =>
      html("label", { class: "ex-choice" }, inputs[index], says),
    );
    return html(
      "fieldset",
      { class: "ex-number" },
      html("legend", { class: "ex-unheard" }, text),
      html("span", { "aria-hidden": "true" }, text),
      html("div", { class: "ex-bar" }, ...labels),
    );
  }

  /** One of several values `[[value, text], …]`, as a list that opens; `[label, select]`. */
  function select(key, text, choices, go = (value) => change({ [key]: value })) {
    const list = html(
      "select",
      { id: `${id}-${key}`, onchange: () => go(list.value) },
      ...choices.map(([value, says]) => html("option", { value }, says)),
    );
    updates.push((state) => (list.value = state[key]));
    return [html("label", { for: list.id }, text), list];
  }

  /** Yes or no. */
  function tick(key, text) {
    const box = html("input", { type: "checkbox", onchange: () => change({ [key]: box.checked }) });
    updates.push((state) => (box.checked = state[key]));
    return html("label", { class: "ex-choice" }, box, text);
  }

  function button(text, onclick, attributes = {}) {
    return html("button", { type: "button", onclick, ...attributes }, text);
  }

  /** Takes everything back to how it was saved, after `first()`. */
  function reset(first = () => {}) {
    const back = () => {
      first();
      refusal.textContent = "";
      change(initial);
    };
    return button("Reset", back, { class: "ex-push" });
  }

  let newsTimer = 0;
  /** Has a screen reader say a sentence once things have come to rest, not at each step of a drag. */
  function say(text) {
    clearTimeout(newsTimer);
    newsTimer = setTimeout(() => {
      if (news.textContent !== text) news.textContent = text;
    }, 600);
  }

  const data = (key) => model.get(key);
  const controls = { number, radios, select, tick, button, reset };
  const built = build({ id, read, change, data, refusal, say, ...controls });
  const panel = html(
    "div",
    {
      ...{ class: `explorer-panel ex-${name}`, role: "group", "aria-label": title },
      onkeydown(event) {
        // On arrow keys the page turns its leaves and JupyterLab its cells, on letters it cuts them.
        if (!event.ctrlKey && !event.metaKey && !event.altKey) event.stopPropagation();
      },
    },
    ...built.parts,
    news,
  );

  function draw() {
    if (!panel.clientWidth) return; // not on the page yet, or folded away
    const state = read();
    updates.forEach((update) => update(state));
    const { paddingLeft, paddingRight } = getComputedStyle(panel);
    built.draw(state, panel.clientWidth - parseFloat(paddingLeft) - parseFloat(paddingRight));
  }
  let frame = 0;
  const drawSoon = () => {
    frame ||= requestAnimationFrame(() => {
      frame = 0;
      draw();
    });
  };

  const wrapper = el.closest(".explorer") ? null : html("div", { class: "explorer" });
  el.append(wrapper ?? panel);
  wrapper?.append(panel);
  const resizes = new ResizeObserver(drawSoon);
  resizes.observe(panel);
  settings.forEach((key) => model.on(`change:${key}`, drawSoon));
  draw();

  return () => {
    built.close?.();
    clearTimeout(newsTimer);
    cancelAnimationFrame(frame);
    resizes.disconnect();
    settings.forEach((key) => model.off(`change:${key}`, drawSoon));
  };
}

// ---- Pictures and maps -------------------------------------------------------------------------

/** The bytes of a base64 text. */
export function decoded(text) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text); // browsers since 2025
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let index = 0; index < bytes.length; index += 1) bytes[index] = binary.charCodeAt(index);
  return bytes;
}

/** The bytes of a base64 text that Python compressed (zlib). */
export async function unpacked(text) {
  const stream = new Blob([decoded(text)]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).arrayBuffer();
}

/** The rows `[top, bottom)` and columns `[left, right)` of a picture that a unit can see. */
export function seen({ size, jump, start }, row, column, side) {
  const [top, left] = [row, column].map((place) => start + place * jump);
  const within = (pixel) => clamp(pixel, 0, side);
  return {
    ...{ top: within(top), bottom: within(top + size) },
    ...{ left: within(left), right: within(left + size) },
  };
}

/** The unit whose patch has its middle closest to a pixel of the picture, along one side. */
export const unitAt = ({ size, jump, start }, pixel, units) =>
  jump ? clamp(Math.round((pixel - start - size / 2) / jump), 0, units - 1) : 0;

/** The unit of a layer that looks where a unit of another looks: `{ row, column }`. */
export function unitAlike(from, to, unit, [rows, columns = 1], side) {
  const middle = (at) => (from.jump ? from.start + at * from.jump + from.size / 2 : side / 2);
  return {
    row: unitAt(to, middle(unit.row), rows),
    column: unitAt(to, middle(unit.column), columns),
  };
}

/** A row or column of a map, counted from 0; the middle where the map has none of that number. */
export const placeOn = (value, size) =>
  Number.isInteger(Number(value)) && value >= 0 && value < size ? Number(value) : size >> 1;

/**
 * Draws maps side by side, `across` in a row: a unit is a pixel of the canvas, one more is between
 * two maps. `values` are rows, then columns, then channels; black is 0 or less, white `largest`. In
 * between, brightness is by default the square root of the value, so that weak answers are seen.
 */
export function drawMaps(canvas, values, shape, across, largest, brightness = Math.sqrt) {
  const [rows, columns, channels] = shape;
  canvas.width = across * (columns + 1) - 1;
  canvas.height = Math.ceil(channels / across) * (rows + 1) - 1;
  const image = new ImageData(canvas.width, canvas.height);
  const pixels = new Uint32Array(image.data.buffer); // opaque, and red, green and blue alike
  const scale = largest > 0 ? 1 / largest : 0;
  for (let channel = 0; channel < channels; channel += 1) {
    const top = Math.floor(channel / across) * (rows + 1);
    const left = (channel % across) * (columns + 1);
    for (let row = 0; row < rows; row += 1) {
      let from = row * columns * channels + channel;
      let to = (top + row) * canvas.width + left;
      for (let column = 0; column < columns; column += 1) {
        const share = Math.min(values[from] * scale, 1);
        const grey = share > 0 ? Math.round(255 * brightness(share)) : 0;
        pixels[to] = 0xff000000 | (grey * 0x010101);
        from += channels;
        to += 1;
      }
    }
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
}

/** A canvas under an `<svg>` with the same coordinates, for what is drawn over a picture. */
export const layered = (canvas, overlay, attributes = {}) =>
  html("div", { ...attributes, class: `ex-layered ${attributes.class ?? ""}` }, canvas, overlay);

const UNIT = [8, 8]; // rows and columns of the sheet that a unit of a dense layer takes
const NAMED_UNIT = [8, 32];
const NARROWEST_SIGN = 80; // screen pixels a unit needs for its name
const SIGN_SIZE = 13; // of its letters, in screen pixels
const STRONGEST_SIGNS = 5; // units that are named where there is no room for all names

/**
 * The sheet with all maps of a layer, and one of them enlarged, in which a unit is chosen.
 *
 * The state has `layer`, `channel`, `row` and `column`; `shapes` are the layers' output shapes by
 * name, `names` those of the units of layers that have some. `draw(state, values, width)` shows the
 * values of the layer, `words` says them. With `open`, a unit can be opened: by a click on it, or by
 * Enter; while the state has `opened`, a mouse that moves over the map leaves the choice as it is.
 */
export function mapBrowser({ id, read, change, say }, shapes, names = {}, open = null) {
  const sheetCanvas = html("canvas", { "aria-hidden": "true" });
  const oneCanvas = html("canvas", { "aria-hidden": "true" });
  const chosen = svg("path", { class: "ex-chosen" });
  const unit = svg("path", { class: "ex-chosen" });
  const signs = svg("g", { class: "ex-signs", "aria-hidden": "true" }); // `words` says the name
  const overlay = (label, describedBy, ...marks) =>
    svg(
      "svg",
      {
        tabindex: 0,
        role: "application",
        "aria-roledescription": "maps",
        "aria-label": label,
        "aria-describedby": describedBy,
        preserveAspectRatio: "none",
      },
      ...marks,
    );
  const words = html("p", { id: `${id}-unit`, class: "ex-note" });
  const enters = open ? " Enter takes its number to pieces." : "";
  const sheet = overlay(`All maps of the layer. Arrow keys choose one.${enters}`, words.id, signs, chosen);
  const one = overlay(`The chosen map. Arrow keys choose a unit.${enters}`, words.id, unit);
  const opens = open ? { Enter: open } : {};
  const shape = ({ layer }) => (shapes[layer].length === 3 ? shapes[layer] : [1, 1, ...shapes[layer]]);
  /** How large a map is on the sheet; what is a single number takes some room there, too. */
  function tile(state) {
    const [rows, columns] = shape(state);
    if (rows * columns > 1) return [rows, columns];
    return names[state.layer] ? NAMED_UNIT : UNIT;
  }
  let across = 1;

  const toChannel = (channel) => change({ channel: clamp(channel, 0, shape(read())[2] - 1) });
  function toUnit(row, column) {
    const [rows, columns] = shape(read());
    change({ row: clamp(row, 0, rows - 1), column: clamp(column, 0, columns - 1) });
  }
  const none = () => null;
  const share = (element, x, y) => [x / element.clientWidth, y / element.clientHeight];
  function channelAt(x, y) {
    const [rows, columns] = tile(read());
    const [right, down] = share(sheet, x, y);
    const column = Math.floor((right * (sheetCanvas.width + 1)) / (columns + 1));
    const row = Math.floor((down * (sheetCanvas.height + 1)) / (rows + 1));
    return row * across + clamp(column, 0, across - 1);
  }
  onDrag(sheet, none, (x, y) => toChannel(channelAt(x, y)), true);
  let hovered = -1;
  let redrawSigns = () => {};
  function hover(channel) {
    if (channel === hovered) return;
    hovered = channel;
    redrawSigns();
  }
  sheet.addEventListener("pointermove", ({ pointerType, clientX, clientY }) => {
    const box = sheet.getBoundingClientRect();
    if (pointerType === "mouse") hover(channelAt(clientX - box.left, clientY - box.top));
  });
  sheet.addEventListener("pointerleave", () => hover(-1));
  onKeys(sheet, () => {
    const { channel } = read();
    return {
      ArrowLeft: () => toChannel(channel - 1),
      ArrowRight: () => toChannel(channel + 1),
      ArrowUp: () => channel >= across && toChannel(channel - across),
      ArrowDown: () => channel + across < shape(read())[2] && toChannel(channel + across),
      Home: () => toChannel(0),
      End: () => toChannel(Infinity),
      ...opens,
    };
  });
  const point = (x, y) => {
    const [rows, columns] = shape(read());
    const [right, down] = share(one, x, y);
    toUnit(Math.floor(down * rows), Math.floor(right * columns));
  };
  onDrag(one, none, point, true);
  one.addEventListener("pointermove", (event) => {
    if (event.pointerType !== "mouse" || read().opened) return; // a mouse chooses by hovering, too
    const box = one.getBoundingClientRect();
    point(event.clientX - box.left, event.clientY - box.top);
  });
  onKeys(one, () => {
    const { row, column } = read();
    return {
      ArrowLeft: () => toUnit(row, column - 1),
      ArrowRight: () => toUnit(row, column + 1),
      ArrowUp: () => toUnit(row - 1, column),
      ArrowDown: () => toUnit(row + 1, column),
      ...opens,
    };
  });
  if (open) {
    let pressed = [0, 0];
    one.addEventListener("pointerdown", ({ clientX, clientY }) => (pressed = [clientX, clientY]));
    one.addEventListener("click", ({ clientX, clientY }) => {
      const dragged = Math.hypot(clientX - pressed[0], clientY - pressed[1]) > 4;
      if (!dragged) open();
    });
  }

  const oneBox = layered(oneCanvas, one, { class: "ex-one" });
  const corner = (channel, high, wide) => [
    (channel % across) * (wide + 1),
    Math.floor(channel / across) * (high + 1),
  ];
  let drawn = [];
  function draw(state, values, largest, width) {
    const [rows, columns, channels] = shape(state);
    const [high, wide] = tile(state);
    // Twice as wide as high where there is room, square on a small screen.
    const wanted = Math.sqrt((channels * (width > 500 ? 2 : 1) * (high + 1)) / (wide + 1));
    across = clamp(Math.round(wanted), 1, channels);
    if (drawn[0] !== values || drawn[1] !== across) {
      const one = (high * wide) / (rows * columns); // a single number fills its whole tile
      const spread = new Float32Array(values.length * one);
      for (let copy = 0; copy < one; copy += 1) spread.set(values, copy * values.length);
      drawMaps(sheetCanvas, spread, [high, wide, channels], across, largest);
      sheet.setAttribute("viewBox", `0 0 ${sheetCanvas.width} ${sheetCanvas.height}`);
      // Enlarged, units stay squares; reduced, they are averaged.
      sheetCanvas.style.imageRendering = sheetCanvas.width > width ? "auto" : "";
    }
    if (drawn[0] !== values || drawn[2] !== state.channel) {
      const map = Float32Array.from(
        { length: rows * columns },
        (_, place) => values[place * channels + state.channel],
      );
      drawMaps(oneCanvas, map, [rows, columns, 1], 1, largest);
      one.setAttribute("viewBox", `0 0 ${columns} ${rows}`);
    }
    drawn = [values, across, state.channel];
    drawSigns(state, values, largest, width);
    const [left, top] = corner(state.channel, high, wide);
    chosen.setAttribute("d", `M${left} ${top}h${wide}v${high}h${-wide}z`);
    unit.setAttribute("d", `M${state.column} ${state.row}h1v1h-1z`);
    oneBox.hidden = rows * columns === 1;
  }

  /** The names of single units, each on its own where there is room for letters, else of a few. */
  function drawSigns(state, values, largest, width) {
    redrawSigns = () => drawSigns(read(), values, largest, width);
    const named = names[state.layer] ?? [];
    const scale = width / sheetCanvas.width;
    signs.replaceChildren();
    if (tile(state)[1] * scale >= NARROWEST_SIGN) signsOnUnits(state, named, values, largest, scale);
    else if (named.length) signsBesideUnits(state, named, values, scale);
  }

  function signsOnUnits(state, named, values, largest, scale) {
    const [high, wide] = tile(state);
    signs.append(
      ...named.map((name, index) => {
        const [left, top] = corner(index, high, wide);
        const bright = Math.sqrt(Math.max(values[index], 0) / (largest || 1)) > 0.5;
        const look = { class: bright ? "ex-on-light" : "ex-on-dark", style: `font-size: ${SIGN_SIZE / scale}px` };
        const middle = { "text-anchor": "middle", "dominant-baseline": "central" };
        return label(left + wide / 2, top + high / 2, name, { ...look, ...middle });
      }),
    );
  }

  /** Names of the unit under the mouse, of the chosen one and of the strongest, on plates above or below. */
  function signsBesideUnits(state, named, values, scale) {
    const [high, wide] = tile(state);
    const byStrength = [...named.keys()].sort((one, other) => values[other] - values[one]);
    const asked = [hovered, state.channel].filter((index) => index in named);
    const units = [...new Set([...asked, ...byStrength.slice(0, STRONGEST_SIGNS)])];
    const taken = units.map((index) => {
      const [left, top] = corner(index, high, wide);
      return { left, top, right: left + wide, bottom: top + high };
    });
    const apart = (one, other) =>
      one.right <= other.left || other.right <= one.left || one.bottom <= other.top || other.bottom <= one.top;
    const plateHigh = (1.4 * SIGN_SIZE) / scale;
    units.forEach((index, at) => {
      const text = label(0, 0, named[index], {
        ...{ class: "ex-on-dark", "text-anchor": "middle", "dominant-baseline": "central" },
        style: `font-size: ${SIGN_SIZE / scale}px`,
      });
      signs.append(text);
      const plateWide = text.getComputedTextLength() + SIGN_SIZE / scale;
      const unit = taken[at];
      const left = clamp((unit.left + unit.right - plateWide) / 2, 0, Math.max(sheetCanvas.width - plateWide, 0));
      const plates = [unit.top - plateHigh, unit.bottom]
        .filter((top) => top >= 0 && top + plateHigh <= sheetCanvas.height)
        .map((top) => ({ left, top, right: left + plateWide, bottom: top + plateHigh }));
      // What was asked for is named in any case; others, where they cover no name and no unit of these.
      const plate = plates.find((one) => taken.every((other) => apart(one, other))) ?? (at < asked.length ? plates[0] : null);
      if (!plate) {
        text.remove();
        return;
      }
      taken.push(plate);
      text.setAttribute("x", left + plateWide / 2);
      text.setAttribute("y", plate.top + plateHigh / 2);
      const strength = index === state.channel ? "ex-plate ex-plate-chosen" : "ex-plate";
      text.before(
        rect(unit.left, unit.top, wide, high, { class: "ex-plate-unit" }),
        rect(left, plate.top, plateWide, plateHigh, { class: strength }),
      );
    });
  }

  /** What the chosen unit says, and which part of the picture it says it of. */
  function write(state, values, patch) {
    const [rows, columns, channels] = shape(state);
    const value = values[(state.row * columns + state.column) * channels + state.channel];
    const name = names[state.layer] ? `, ${names[state.layer][state.channel]}` : "";
    const who =
      rows * columns === 1
        ? `Unit ${state.channel} of ${state.layer}${name}`
        : `Row ${state.row}, column ${state.column} of map ${state.channel}`;
    const where = `rows ${patch.top} to ${patch.bottom - 1}, columns ${patch.left} to ${patch.right - 1}`;
    words.textContent = `${who}: ${significant(value)}. Its receptive field is ${where} of the picture. All are counted from 0.`;
    say(words.textContent);
  }

  return { sheet: layered(sheetCanvas, sheet), one: oneBox, words, draw, write, toUnit };
}

/** The `count` most probable classes as bars. Where an answer has changed, a mark says from where. */
export function answerBars(names, count) {
  const rows = Array.from({ length: Math.min(count, names.length) }, () => {
    const [name, share] = [html("span"), html("span", { class: "ex-percent" })];
    const bar = html("span", { class: "ex-share" });
    const mark = html("span", { class: "ex-was", hidden: "" });
    const track = html("span", { class: "ex-track", "aria-hidden": "true" }, bar, mark);
    return { name, share, bar, mark, row: html("li", {}, name, track, share) };
  });
  const attributes = { class: "ex-answers", "aria-label": "The network's answers" };
  const list = html("ol", attributes, ...rows.map(({ row }) => row));

  /** `before` are the probabilities without the reader's changes, or null. */
  function draw(probabilities, before) {
    const order = [...probabilities.keys()].sort((a, b) => probabilities[b] - probabilities[a]);
    rows.forEach(({ name, share, bar, mark }, place) => {
      const index = order[place];
      name.textContent = names[index];
      share.textContent = percent(probabilities[index]);
      bar.style.width = `${100 * probabilities[index]}%`;
      mark.hidden = before === null;
      if (before) mark.style.left = `${100 * before[index]}%`;
    });
    return order;
  }
  return { list, draw };
}

/** A share as a percentage with one digit after the point, which no line break takes apart. */
export const percent = (share) => `${(100 * share).toFixed(1)}\u00a0%`;

/** The place of the largest of some numbers. */
export const largestOf = (numbers) =>
  numbers.reduce((best, number, index) => (number > numbers[best] ? index : best), 0);
