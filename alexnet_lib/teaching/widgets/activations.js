// ReLU, tanh and sigmoid, their derivatives, and what a gradient keeps on its way through depth.
// `FUNCTIONS` and `gradientThroughDepth` follow activations.py, and the tests compare the two.
import {
  chart,
  clamp,
  count,
  html,
  lineKeys,
  mount,
  normals,
  onDrag,
  onKeys,
  remembering,
  significant,
  svg,
  through,
} from "./explorer.js";

export const FUNCTIONS = {
  relu: { text: "ReLU", f: (x) => Math.max(x, 0), slope: (x) => (x > 0 ? 1 : 0) },
  tanh: { text: "tanh", f: Math.tanh, slope: (x) => 1 - Math.tanh(x) ** 2 },
  sigmoid: {
    text: "sigmoid",
    f: (x) => 1 / (1 + Math.exp(-x)),
    slope: (x) => (1 / (1 + Math.exp(-x))) * (1 - 1 / (1 + Math.exp(-x))),
  },
};

/** What the functions and their derivatives are at each of `xs`. */
export function values(name, xs) {
  const { f, slope } = FUNCTIONS[name];
  return { f: xs.map(f), slope: xs.map(slope) };
}

const WIDTH = 48;
const EXAMPLES = 8;
const DEEPEST = 30;
const drawn = new Map(); // seed → the numbers of its network

function network(seed) {
  if (!drawn.has(seed)) {
    drawn.clear();
    drawn.set(seed, normals(seed, DEEPEST * WIDTH ** 2 + 2 * WIDTH * EXAMPLES));
  }
  return drawn.get(seed);
}

/** weights (WIDTH × WIDTH), or their transpose, times a matrix of EXAMPLES columns. */
function times(weights, from, scale, matrix, transposed) {
  const product = new Float64Array(WIDTH * EXAMPLES);
  for (let i = 0; i < WIDTH; i += 1) {
    for (let j = 0; j < WIDTH; j += 1) {
      const weight = weights[from + (transposed ? j * WIDTH + i : i * WIDTH + j)] * scale;
      for (let e = 0; e < EXAMPLES; e += 1) {
        product[i * EXAMPLES + e] += weight * matrix[j * EXAMPLES + e];
      }
    }
  }
  return product;
}

const rootMeanSquare = (numbers) =>
  Math.sqrt(numbers.reduce((sum, number) => sum + number ** 2, 0) / numbers.length);

/** The size of a gradient before each layer of a random network and behind the last, which is 1. */
export function gradientThroughDepth(name, depth, gain, seed) {
  const { f, slope } = FUNCTIONS[name];
  const numbers = network(seed);
  const scale = gain / Math.sqrt(WIDTH);
  const ends = DEEPEST * WIDTH ** 2;
  let activities = numbers.subarray(ends, ends + WIDTH * EXAMPLES);
  const slopes = [];
  for (let layer = 0; layer < depth; layer += 1) {
    const sums = times(numbers, layer * WIDTH ** 2, scale, activities, false);
    slopes.push(sums.map(slope));
    activities = sums.map(f);
  }
  let gradient = numbers.subarray(ends + WIDTH * EXAMPLES);
  const sizes = [rootMeanSquare(gradient)];
  for (let layer = depth - 1; layer >= 0; layer -= 1) {
    const passed = slopes[layer].map((s, index) => s * gradient[index]);
    gradient = times(numbers, layer * WIDTH ** 2, scale, passed, true);
    sizes.unshift(rootMeanSquare(gradient));
  }
  const last = sizes.at(-1);
  return sizes.map((size) => size / last);
}

const NAMES = Object.keys(FUNCTIONS);
const EDGE = 6;
const XS = Array.from({ length: 241 }, (_, index) => -EDGE + index / 20);

function build({ id, read, change, refusal, say, number, button, reset }) {
  const above = svg("svg", {
    class: "ex-functions",
    tabindex: 0,
    role: "slider",
    "aria-label": "x, on the curves",
    "aria-valuemin": -EDGE,
    "aria-valuemax": EDGE,
  });
  const slopes = svg("svg", { class: "ex-slopes", role: "img" });
  const depths = svg("svg", { class: "ex-depths", role: "img" });
  const axes = {};
  const toX = (x) => change({ x: clamp(Number(x.toFixed(1)), -EDGE, EDGE) });
  for (const element of [above, slopes]) {
    onDrag(
      element,
      () => null,
      (x) => toX(((x - axes.left) / axes.wide) * 2 * EDGE - EDGE),
      true,
    );
  }
  onKeys(above, () => lineKeys(read().x, -EDGE, EDGE, 0.1, 1, toX));

  function drawCurves(element, width, key, y, at) {
    const x = { from: -EDGE, to: EDGE };
    const plane = chart(element, { width, height: 190, x, y, left: 36 });
    Object.assign(axes, { left: plane.left, wide: plane.wide });
    plane.plot.append(
      svg("path", { class: "ex-here", d: `M${plane.x(at)} 0V${plane.tall}` }),
      ...NAMES.map((one) =>
        svg("path", {
          class: `ex-curve ex-${one}`,
          d: through(XS.map((value) => [plane.x(value), plane.y(FUNCTIONS[one][key](value))])),
        }),
      ),
      ...NAMES.map((one) =>
        svg("circle", {
          class: `ex-point ex-${one}`,
          cx: plane.x(at),
          cy: plane.y(FUNCTIONS[one][key](at)),
          r: 4.5,
        }),
      ),
    );
  }

  function drawDepth({ sizes, depth }, width) {
    const logs = NAMES.map((name) => sizes[name].map((size) => Math.max(Math.log10(size), -25)));
    const finite = logs.flat().filter(Number.isFinite);
    const y = {
      from: Math.floor(Math.min(...finite, -1)),
      to: Math.ceil(Math.max(...finite, 1)),
      name: "gradient, compared with the one at the output",
      write: (power) => (power === 0 ? "1" : significant(10 ** power)),
    };
    const span = y.to - y.from;
    const step = Math.ceil(span / 6);
    y.ticks = Array.from({ length: Math.floor(span / step) + 1 }, (_, index) => y.to - index * step);
    const x = { from: 0, to: depth, name: "layers passed, from the input" };
    const marks = depth <= 10 ? 1 : 5;
    x.ticks = Array.from({ length: Math.floor(depth / marks) + 1 }, (_, index) => index * marks);
    const plane = chart(depths, { width, height: 230, x, y, left: 52 });
    plane.plot.append(
      svg("path", { class: "ex-here", d: `M0 ${plane.y(0)}H${plane.wide}` }),
      ...NAMES.map((name, index) =>
        svg("path", {
          class: `ex-curve ex-${name}`,
          d: through(logs[index].map((log, layer) => [plane.x(layer), plane.y(log)])),
        }),
      ),
    );
  }

  // ---- Words and numbers ----------------------------------------------------------------------

  const body = html("tbody");
  const head = html("tr");
  const table = html("table", { class: "ex-table" }, html("thead", {}, head), body);
  const outcome = html("p", { id: `${id}-outcome`, class: "ex-note" });
  const swatch = (name) =>
    svg(
      "svg",
      { width: 26, height: 8, "aria-hidden": "true" },
      svg("path", { class: `ex-curve ex-${name}`, d: "M0 4H26" }),
    );

  function writeTable({ x, sizes, depth }) {
    const columns = [`at x = ${significant(x)}`, "slope there", `gradient at layer 1 of ${depth}`];
    head.replaceChildren(
      html("td"),
      ...columns.map((text) => html("th", { scope: "col" }, text)),
    );
    body.replaceChildren(
      ...NAMES.map((name) => {
        const { text, f, slope } = FUNCTIONS[name];
        const cells = [f(x), slope(x), sizes[name][0]].map((value) => significant(value));
        const row = html("th", { scope: "row" }, html("span", { class: "ex-named" }, swatch(name), text));
        return html("tr", {}, row, ...cells.map((cell) => html("td", {}, cell)));
      }),
    );
  }

  function writeOutcome({ sizes, depth, gain }) {
    const each = (name) => `${significant(sizes[name][0], 2)} with ${FUNCTIONS[name].text}`;
    const text =
      `Weights from N(0, σ²) with σ = ${significant(gain)} / √inputs. Of a gradient of 1 at the ` +
      `output, ${count(depth, "layer")} ${depth === 1 ? "leaves" : "leave"} ${each("relu")}, ${each("tanh")}, ${each("sigmoid")}.`;
    outcome.textContent = text;
    depths.setAttribute("aria-label", `The gradient through depth. ${text}`);
    say(text);
  }

  const rows = [number("x", "x"), number("depth", "Layers"), number("gain", "Gain")];
  const again = () => change({ seed: (read().seed + 1) % 10000 });
  const parts = [
    html("div", { class: "ex-pair" }, html("div", { class: "ex-frame" }, above), html("div", { class: "ex-frame" }, slopes)),
    html("div", { class: "ex-numbers" }, ...rows),
    refusal,
    html("div", { class: "ex-scroll" }, table),
    html("div", { class: "ex-frame" }, depths),
    outcome,
    html("div", { class: "ex-bar" }, button("Draw other weights", again), reset()),
  ];

  function draw(state, width) {
    const { x } = state;
    const frame = above.parentElement.clientWidth;
    const y = { name: "activation", from: -1.5, to: 3, ticks: [-1, 0, 1, 2, 3] };
    drawCurves(above, frame, "f", y, x);
    const steepness = { name: "its derivative", from: -0.1, to: 1.2, ticks: [0, 0.25, 0.5, 0.75, 1] };
    drawCurves(slopes, frame, "slope", steepness, x);
    const at = NAMES.map((name) => `${FUNCTIONS[name].text} ${significant(FUNCTIONS[name].f(x))}`);
    const slope = NAMES.map((name) => `${FUNCTIONS[name].text} ${significant(FUNCTIONS[name].slope(x))}`);
    above.setAttribute("aria-valuenow", x);
    above.setAttribute("aria-valuetext", `${significant(x)}: ${at.join(", ")}`);
    slopes.setAttribute("aria-label", `The derivatives at x = ${significant(x)}: ${slope.join(", ")}`);
    drawDepth(state, width);
    writeTable(state);
    writeOutcome(state);
  }
  return { parts, draw };
}

function render({ model, el }) {
  const allSizes = remembering((...network) =>
    Object.fromEntries(NAMES.map((name) => [name, gradientThroughDepth(name, ...network)])),
  );
  const settle = (state) => ({ ...state, sizes: allSizes(state.depth, state.gain, state.seed) });
  const settings = ["x", "depth", "gain", "seed"];
  return mount({ model, el }, { name: "activations", title: "Activations", settings, settle, build });
}

export default { render };
