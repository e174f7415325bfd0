// The shape calculator: a window slides over a map, and what does not fit is shown.
// `slide` follows alexnet_lib/architecture.py, and the tests compare the two.
import {
  clamp,
  commas,
  count,
  decimal,
  html,
  math,
  minus,
  mount,
  onDrag,
  onKeys,
  rect,
  svg,
} from "./explorer.js";

/**
 * Slides a window along one side of a map. Where it fits nowhere, there are no positions.
 * `starts` are the first pixels of the windows, `runs` the stretches `[from, to)` that none sees.
 */
export function slide(size, kernel, stride, padding, rounding) {
  const span = size + 2 * padding - kernel;
  if (span < 0) {
    return { positions: 0, unseen: size, overhang: 0, starts: [], runs: [[0, size]] };
  }
  let steps = Math.floor(span / stride);
  const remainder = span % stride;
  let overhang = 0;
  if (remainder > 0 && rounding === "ceil" && stride - remainder < kernel) {
    steps += 1;
    overhang = stride - remainder;
  }
  const starts = Array.from({ length: steps + 1 }, (_, step) => step * stride - padding);
  const runs = [];
  let seenUpTo = 0;
  for (const start of [...starts, size]) {
    if (Math.min(start, size) > seenUpTo) runs.push([seenUpTo, Math.min(start, size)]);
    seenUpTo = Math.max(seenUpTo, start + kernel);
  }
  const unseen = runs.reduce((sum, [from, to]) => sum + to - from, 0);
  return { positions: steps + 1, unseen, overhang, starts, runs };
}

/** What the division gives before it is rounded: 54.25 places from 224 pixels. */
export function quotient(size, kernel, stride, padding) {
  return (size + 2 * padding - kernel) / stride + 1;
}

/**
 * The sizes of all maps of a network in which one layer has other settings, as records
 * `{ name, size, published, channels }`. The layers before it are as published; where a window
 * fits nowhere, the size is 0 from there on.
 */
export function sizes(network, changed, settings) {
  let size = network.input_size;
  let published = size;
  return network.layers.map((layer) => {
    const is = layer.name === changed ? settings : { ...layer, input_size: size };
    published = slide(published, layer.kernel, layer.stride, layer.padding, layer.rounding).positions;
    size = is.input_size
      ? slide(is.input_size, is.kernel, is.stride, is.padding, is.rounding).positions
      : 0;
    return { name: layer.name, size, published, channels: layer.channels };
  });
}

const NUMBERS = {
  input_size: "Input size",
  kernel: "Kernel",
  stride: "Stride",
  padding: "Padding",
};
const STATE = ["variant", "layer", ...Object.keys(NUMBERS), "rounding", "row", "column"];
const MILLISECONDS_A_STEP = 160;
const LANES = 4; // of windows over the side view

/** What the front end needs beyond the settings: the steps of the window, and its last place. */
function settle(networks, state) {
  if (state.rounding !== "ceil") state.rounding = "floor";
  if (!Object.hasOwn(networks, state.variant)) state.variant = Object.keys(networks)[0];
  const layers = networks[state.variant].layers;
  if (!layers.some((layer) => layer.name === state.layer)) state.layer = layers[0].name;
  const { input_size, kernel, stride, padding, rounding } = state;
  const steps = slide(input_size, kernel, stride, padding, rounding);
  const last = Math.max(steps.positions - 1, 0);
  for (const name of ["row", "column"]) {
    state[name] = clamp(Math.round(Number(state[name])) || 0, 0, last);
  }
  return { ...state, steps, last };
}

function build({ id, read, change, data, refusal, say, number, radios, select, button, reset }) {
  const networks = data("networks");
  const stillness = matchMedia("(prefers-reduced-motion: reduce)");

  function takeLayer(variant, name) {
    const layers = networks[variant].layers;
    const layer = layers.find((candidate) => candidate.name === name) ?? layers[0];
    const settings = Object.fromEntries(Object.keys(NUMBERS).map((key) => [key, layer[key]]));
    change({ variant, layer: layer.name, ...settings, rounding: layer.rounding, row: 0, column: 0 });
  }

  // ---- Controls -------------------------------------------------------------------------------

  const variants = Object.entries(networks).map(([key, network]) => [key, network.label]);
  const network = select("variant", "Network", variants, (variant) => takeLayer(variant, read().layer));
  const chain = html("ol", { class: "ex-chain", "aria-label": "Layers of the network" });

  const numbers = Object.entries(NUMBERS).map(([name, label]) => number(name, label));
  const rounding = radios("rounding", "Rounding", [
    ["floor", "down"],
    ["ceil", "up"],
  ]);

  // ---- Pictures -------------------------------------------------------------------------------

  const map = svg("svg", {
    class: "ex-input",
    tabindex: 0,
    role: "application",
    "aria-roledescription": "sliding window",
    "aria-label": "The map and its window. Arrow keys move the window, Home and End go along its row.",
    "aria-describedby": `${id}-where`,
  });
  onKeys(map, () => {
    const { row, column, last } = read();
    return {
      ArrowLeft: () => moveTo(row, column - 1),
      ArrowRight: () => moveTo(row, column + 1),
      ArrowUp: () => moveTo(row - 1, column),
      ArrowDown: () => moveTo(row + 1, column),
      Home: () => moveTo(row, 0),
      End: () => moveTo(row, last),
      PageUp: () => moveTo(0, column),
      PageDown: () => moveTo(last, column),
    };
  });
  const output = svg("svg", { class: "ex-output", role: "img" });
  const outputLabel = html("p", { class: "ex-note" });
  const lens = svg("svg", { class: "ex-lens", role: "img" });
  const lensNote = html("p", { class: "ex-note" });

  function moveTo(row, column) {
    const { last } = read();
    play(false);
    change({ row: clamp(row, 0, last), column: clamp(column, 0, last) });
  }

  const sliding = svg("g");
  let mapScale = 1; // screen pixels a pixel of the map
  onDrag(
    map,
    (x, y) => {
      // Grabbed by the window, it keeps its place under the pointer; elsewhere it comes centred.
      const { row, column, stride, kernel } = read();
      const offset = [x / mapScale - column * stride, y / mapScale - row * stride];
      return offset.every((o) => o >= 0 && o <= kernel) ? offset : [kernel / 2, kernel / 2];
    },
    (x, y, [dx, dy]) => {
      const { stride } = read();
      moveTo(Math.round((y / mapScale - dy) / stride), Math.round((x / mapScale - dx) / stride));
    },
  );
  let outputScale = 1;
  onDrag(
    output,
    () => null,
    (x, y) => moveTo(Math.floor(y / outputScale), Math.floor(x / outputScale)),
  );

  /** Hatching for what is not seen, a grid as wide as a pixel. Their names are this instance's. */
  function patterns(name, scale, originX, originY) {
    const hatch = svg(
      "pattern",
      {
        id: `${id}-${name}-hatch`,
        width: 5,
        height: 5,
        patternUnits: "userSpaceOnUse",
        patternTransform: "rotate(45)",
      },
      rect(0, 0, 5, 5, { class: "ex-unseen-ground" }),
      rect(0, 0, 2, 5, { class: "ex-unseen-line" }),
    );
    const grid = svg(
      "pattern",
      {
        id: `${id}-${name}-grid`,
        x: originX,
        y: originY,
        width: scale,
        height: scale,
        patternUnits: "userSpaceOnUse",
      },
      svg("path", { class: "ex-grid", d: `M${scale} 0H0V${scale}` }),
    );
    return svg("defs", {}, hatch, grid);
  }

  function drawMap(state) {
    const { input_size: size, kernel, stride, padding, steps } = state;
    const extent = Math.max(size + 2 * padding + steps.overhang, kernel);
    const scale = Math.min((map.parentElement.clientWidth - 4) / extent, 32);
    mapScale = scale;
    const side = extent * scale;
    const corner = padding * scale;
    const picture = size * scale;
    const padded = picture + 2 * corner;
    map.setAttribute("width", side);
    map.setAttribute("height", side);
    const mesh = scale >= 5 ? 1 : stride;
    const parts = [patterns("map", mesh * scale, 0, 0)];
    if (steps.overhang) parts.push(rect(0, 0, side, side, { class: "ex-overhang" }));
    if (padding) parts.push(rect(0, 0, padded, padded, { class: "ex-padding" }));
    parts.push(rect(corner, corner, picture, picture, { class: "ex-pixels" }));
    // The pixels where they can be told apart, else the steps.
    if (mesh * scale >= 5) parts.push(rect(0, 0, side, side, { fill: `url(#${id}-map-grid)` }));
    if (steps.positions) {
      // A stripe that would vanish is drawn at least four screen pixels wide.
      const hatched = { class: "ex-unseen", fill: `url(#${id}-map-hatch)` };
      for (const [from, to] of steps.runs) {
        const wide = Math.max((to - from) * scale, 4);
        const at = corner + to * scale - wide;
        parts.push(rect(at, corner, wide, picture, hatched));
        parts.push(rect(corner, at, picture, wide, hatched));
      }
    }
    parts.push(rect(corner, corner, picture, picture, { class: "ex-edge" }));
    const width = kernel * scale;
    const grip = Math.max(width, 44); // a finger needs more than a small window offers
    const beside = (width - grip) / 2;
    sliding.replaceChildren(
      rect(0, 0, width, width, { class: steps.positions ? "ex-window" : "ex-window ex-misfit" }),
      rect(beside, beside, grip, grip, { class: "ex-grip", fill: "transparent" }),
    );
    map.replaceChildren(...parts, sliding);
  }

  function placeWindow({ row, column, stride }) {
    const along = [column, row].map((place) => place * stride * mapScale);
    sliding.setAttribute("transform", `translate(${along})`);
  }

  const cross = svg("path", { class: "ex-cross" });
  const unit = svg("rect", { class: "ex-unit" });

  function drawOutput({ steps }) {
    const places = Math.max(steps.positions, 1);
    const scale = Math.min((output.parentElement.clientWidth - 4) / places, 130 / places, 32);
    const side = places * scale;
    outputScale = scale;
    output.setAttribute("width", side);
    output.setAttribute("height", side);
    output.setAttribute("aria-label", `The output: ${steps.positions} by ${steps.positions} positions`);
    const size = Math.max(scale, 5);
    unit.setAttribute("width", size);
    unit.setAttribute("height", size);
    output.replaceChildren(
      patterns("output", scale, 0, 0),
      rect(0, 0, side, side, { class: steps.positions ? "ex-pixels" : "ex-padding" }),
      ...(scale >= 5 ? [rect(0, 0, side, side, { fill: `url(#${id}-output-grid)` })] : []),
      rect(0, 0, side, side, { class: "ex-edge" }),
      ...(steps.positions ? [cross, unit] : []),
    );
    outputLabel.textContent = `output, ${steps.positions} × ${steps.positions}`;
  }

  function placeUnit({ row, column, steps }) {
    const side = steps.positions * outputScale;
    const [x, y] = [column, row].map((place) => (place + 0.5) * outputScale);
    const half = Math.max(outputScale, 5) / 2;
    cross.setAttribute("d", `M0 ${y}h${side}M${x} 0v${side}`);
    unit.setAttribute("x", x - half);
    unit.setAttribute("y", y - half);
  }

  /** One row of pixels, enlarged, with the windows above it: the side view of the same thing. */
  function drawLens(state) {
    const { input_size: size, kernel, stride, padding, column, steps } = state;
    const width = lens.parentElement.clientWidth - 4;
    const from = -padding;
    const to = Math.max(size + padding + steps.overhang, kernel - padding);
    const scale = clamp(width / (to - from), 11, 32);
    const visible = Math.min(Math.floor(width / scale), to - from);
    const here = from + column * stride;
    const first = clamp(Math.round(here + (kernel - visible) / 2), from, to - visible);
    const x = (pixel) => (pixel - first) * scale;
    const left = Math.max(from, first);
    const right = first + visible;

    const overlapping = Math.ceil(kernel / stride);
    const lanes = clamp(overlapping, 1, LANES);
    const lane = 20;
    const top = LANES * lane + 4; // always as high, so that nothing below moves
    const tall = 20;
    lens.setAttribute("width", visible * scale);
    lens.setAttribute("height", top + tall + 22);
    lens.setAttribute("viewBox", `0 0 ${visible * scale} ${top + tall + 22}`);

    const parts = [patterns("lens", scale, x(first), top)];
    const strip = (start, end, attributes) => {
      const [a, b] = [Math.max(start, left), Math.min(end, right)];
      if (b > a) parts.push(rect(x(a), top, (b - a) * scale, tall, attributes));
    };
    strip(from, to, { class: "ex-padding" });
    strip(size + padding, to, { class: "ex-overhang" });
    strip(0, size, { class: "ex-pixels" });
    strip(left, right, { fill: `url(#${id}-lens-grid)` });
    if (steps.positions) {
      for (const [a, b] of steps.runs) {
        strip(a, b, { class: "ex-unseen", fill: `url(#${id}-lens-hatch)` });
      }
      strip(here, here + kernel, { class: "ex-window" });
    }
    for (const edge of [0, size]) {
      if (edge >= left && edge <= right) {
        parts.push(svg("path", { class: "ex-border", d: `M${x(edge)} ${top - 3}v${tall + 6}` }));
      }
    }
    // Where more windows overlap than there are lanes, some are left out, so that none hides another:
    // the four around the chosen one stay, and the next four that begin where these have ended.
    const period = Math.ceil(overlapping / lanes) * lanes;
    const group = Math.floor(column / lanes) * lanes;
    const has = (place) => (((place - group) % period) + period) % period < lanes;
    steps.starts.forEach((start, place) => {
      if (!has(place) || start + kernel <= left || start >= right) return;
      const [a, b] = [Math.max(start, left), Math.min(start + kernel, right)];
      const y = (LANES - lanes + (place % lanes)) * lane;
      const current = place === column;
      const middle = x((a + b) / 2);
      parts.push(
        rect(x(a) + 1, y + 2, (b - a) * scale - 2, lane - 4, {
          rx: 3,
          class: current ? "ex-bar-now" : "ex-bar-other",
        }),
      );
      if ((b - a) * scale >= 22) {
        const label = { x: middle, y: y + 14, "text-anchor": "middle" };
        parts.push(svg("text", { ...label, class: current ? "ex-now" : null }, String(place)));
      }
    });
    const every = scale >= 20 ? 1 : 5;
    for (let pixel = left; pixel < right; pixel += 1) {
      const beside = Math.abs(pixel - (size - 1)) * scale < 24 && every > 1;
      if (pixel === size - 1 || (pixel % every === 0 && !beside)) {
        const label = { x: x(pixel + 0.5), y: top + tall + 16, "text-anchor": "middle" };
        parts.push(svg("text", label, minus(pixel)));
      }
    }
    lens.replaceChildren(...parts);
    lensNote.textContent =
      period > lanes
        ? `${overlapping} windows overlap; of each ${period}, ${lanes} are drawn.`
        : "";
    lens.setAttribute(
      "aria-label",
      `Side view: pixels ${minus(left)} to ${minus(right - 1)} with the windows above them. ` +
        "The text below says what they show.",
    );
  }

  // ---- Words ----------------------------------------------------------------------------------

  const result = html("div", { class: "ex-result" });
  const key = html("ul", { class: "ex-key" });
  const where = html("p", { id: `${id}-where`, class: "ex-note" });
  function writeResult(state) {
    const { input_size: size, kernel, stride, padding, steps } = state;
    const number = (value) => math("mn", {}, String(value));
    const sign = (text) => math("mo", {}, text);
    const exact = quotient(size, kernel, stride, padding);
    const top = [number(size), sign("+"), number(2), sign("·"), number(padding), sign("−"), number(kernel)];
    const formula = math(
      "math",
      {},
      math("mfrac", { displaystyle: "true" }, math("mrow", {}, ...top), number(stride)),
      ...[sign("+"), number(1), sign("="), math("mn", {}, decimal(exact))],
    );
    const places = html("strong", {}, `${steps.positions} × ${steps.positions}`);
    if (!steps.positions) {
      const room = size + 2 * padding;
      const says = `A window of ${kernel} does not fit on ${size} + 2·${padding} = ${count(room, "pixel")}.`;
      result.replaceChildren(formula, html("span", { class: "ex-warn" }, says));
    } else if (Number.isInteger(exact)) {
      result.replaceChildren(formula, html("span", {}, "it tiles: ", places));
    } else {
      const taken = steps.overhang > 0;
      const how = taken ? "rounded up: " : "rounded down: ";
      const wholly = state.rounding === "ceil" && !taken;
      result.replaceChildren(
        formula,
        html("span", {}, how, places),
        ...(wholly
          ? [html("span", { class: "ex-note" }, "One more window would stand wholly outside; it is not taken.")]
          : []),
      );
    }
  }

  function swatch(className, fill) {
    return svg(
      "svg",
      { width: 16, height: 16, "aria-hidden": "true" },
      rect(1, 1, 14, 14, { class: className, fill: fill ?? null }),
    );
  }

  /** What the colours mean, and how much of each there is; only what can be seen is explained. */
  function writeKey({ input_size: size, padding, steps }) {
    const lines = [];
    if (steps.positions) lines.push([swatch("ex-window"), "what the window covers"]);
    if (padding) lines.push([swatch("ex-padding"), `padding: ${count(padding, "zero")} at each end`]);
    if (steps.positions && steps.unseen) {
      const pixels = size ** 2 - (size - steps.unseen) ** 2;
      const text = `in no window: ${count(steps.unseen, "row")} and ${count(steps.unseen, "column")}, ${count(pixels, "pixel")}`;
      lines.push([swatch("ex-unseen", `url(#${id}-map-hatch)`), text]);
    }
    if (steps.overhang) {
      const text = `overhang: ${count(steps.overhang, "pixel")} past the edge, read as zeros`;
      lines.push([swatch("ex-overhang"), text]);
    }
    key.replaceChildren(...lines.map((line) => html("li", {}, ...line)));
  }

  function writeWhere(state) {
    const { row, column, stride, kernel, padding, steps } = state;
    const range = (place) => {
      const start = place * stride - padding;
      return kernel === 1 ? minus(start) : `${minus(start)} to ${minus(start + kernel - 1)}`;
    };
    where.textContent = steps.positions
      ? `Row ${row}, column ${column} of the output depends on rows ${range(row)} and columns ${range(column)} of the input. All are counted from 0.`
      : "The window does not fit.";
    say(`${result.querySelector("span").textContent}. ${where.textContent}`);
  }

  const ending = html("p", { class: "ex-note ex-ending" });

  function writeChain(state) {
    const { layers } = networks[state.variant];
    const records = sizes(networks[state.variant], state.layer, state);
    const at = layers.findIndex((layer) => layer.name === state.layer);
    const fed = at ? records[at - 1].size : networks[state.variant].input_size;
    const foreign = at > 0 && state.input_size !== fed;
    const buttons = new Map([...chain.querySelectorAll("button")].map((b) => [b.dataset.layer, b]));
    const items = records.map(({ name, size, published }, index) => {
      const differs = index >= at && size !== published;
      // Kept where it stands, so that the focus stays on it.
      const button =
        buttons.get(name) ??
        html("button", { type: "button", "data-layer": name, onclick: () => takeLayer(read().variant, name) });
      button.setAttribute("aria-pressed", String(index === at));
      button.classList.toggle("ex-detached", index < at && foreign);
      button.replaceChildren(
        html("span", { class: "ex-name" }, name),
        " ",
        html("span", { class: differs ? "ex-warn" : "" }, size ? String(size) : "none"),
        ...(differs
          ? [" ", html("span", { class: "ex-unheard" }, "instead of "), html("s", {}, String(published))]
          : []),
      );
      return button.parentElement ?? html("li", {}, button);
    });
    if (items.some((item, index) => item !== chain.children[index]) || chain.children.length !== items.length) {
      chain.replaceChildren(...items);
    }
    const { size, published, channels } = records.at(-1);
    const [numbersNow, numbersThen] = [size, published].map((side) => side * side * channels);
    const short = records.find((record) => record.size === 0);
    const same = numbersNow === numbersThen;
    ending.classList.toggle("ex-warn", !same);
    ending.textContent = short
      ? `${short.name} has no place for its window: with these settings the network ends there.`
      : `Into fc6 go ${size} · ${size} · ${channels} = ${commas(numbersNow)} numbers` +
        (same ? "." : ` instead of ${commas(numbersThen)}: another network.`);
  }

  // ---- Stepping -------------------------------------------------------------------------------

  let timer = 0;
  function step(by) {
    const { row, column, steps } = read();
    const all = steps.positions ** 2;
    const next = clamp(row * steps.positions + column + by, 0, Math.max(all - 1, 0));
    change({ row: Math.floor(next / steps.positions) || 0, column: next % steps.positions || 0 });
    return next < all - 1;
  }
  function play(on) {
    clearInterval(timer);
    timer = 0;
    if (on) {
      const { row, column, last } = read();
      if (row === last && column === last) change({ row: 0, column: 0 });
      timer = setInterval(() => step(1) || play(false), MILLISECONDS_A_STEP);
    }
    player.textContent = on ? "Pause" : "Play";
  }
  const arrow = (label, path, onclick) => {
    const one = button("", onclick, { "aria-label": label, title: label });
    one.append(svg("svg", { width: 16, height: 16, "aria-hidden": "true" }, svg("path", { d: path })));
    return one;
  };
  const stepBy = (by) => () => {
    play(false);
    step(by);
  };
  const player = button("Play", () => play(!timer), { class: "ex-play" });
  const back = [
    arrow("First place", "M2 2h2v12H2zM14 2v12L5 8z", stepBy(-Infinity)),
    arrow("Place before", "M12 2v12L3 8z", stepBy(-1)),
  ];
  const forth = [
    arrow("Next place", "M4 2v12l9-6z", stepBy(1)),
    arrow("Last place", "M12 2h2v12h-2zM2 2v12l9-6z", stepBy(Infinity)),
  ];
  const obeyStillness = () => {
    player.hidden = stillness.matches;
    if (stillness.matches) play(false);
  };

  // ---- All together ---------------------------------------------------------------------------

  const parts = [
    html("div", { class: "ex-bar ex-row" }, ...network, reset(() => play(false))),
    html("div", {}, chain, ending),
    html("div", { class: "ex-numbers" }, ...numbers, rounding),
    refusal,
    result,
    html(
      "div",
      { class: "ex-stage" },
      html("div", { class: "ex-frame" }, map),
      html(
        "div",
        { class: "ex-side" },
        html("div", { class: "ex-frame" }, output, outputLabel),
        html("div", { class: "ex-bar ex-steps", role: "group", "aria-label": "Step through the places" }, ...back, player, ...forth),
        where,
      ),
    ),
    html("div", { class: "ex-frame" }, lens, lensNote),
    key,
  ];

  let drawn = "";
  function draw(state, width) {
    const { row, column, ...settings } = state;
    const ground = JSON.stringify([settings, width]);
    if (ground !== drawn) {
      // A window that only moves leaves all this as it is.
      drawn = ground;
      [...back, ...forth, player].forEach((one) => (one.disabled = state.last === 0));
      writeChain(state);
      writeResult(state);
      writeKey(state);
      drawMap(state);
      drawOutput(state);
    }
    placeWindow(state);
    placeUnit(state);
    drawLens(state);
    writeWhere(state);
  }

  stillness.addEventListener("change", obeyStillness);
  obeyStillness();
  function close() {
    play(false);
    stillness.removeEventListener("change", obeyStillness);
  }
  return { parts, draw, close };
}

function render({ model, el }) {
  const networks = model.get("networks");
  return mount(
    { model, el },
    {
      name: "shape-calculator",
      title: "Shape calculator",
      settings: STATE,
      settle: (state) => settle(networks, state),
      build,
    },
  );
}

export default { render };
