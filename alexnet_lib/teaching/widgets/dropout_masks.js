// Dropout: a layer whose units are silenced by coins, and the one unit that they feed.
// `masks` and `sums` follow dropout_masks.py, and the tests compare the two.
import {
  chart,
  clamp,
  commas,
  html,
  lineKeys,
  mount,
  onDrag,
  onKeys,
  rect,
  remembering,
  significant,
  svg,
  uniforms,
} from "./explorer.js";

/** Which units stay, for one draw after the other: a unit stays if its coin of [0, 1) is ≥ rate. */
export function masks(rate, seed, draws, units) {
  return Array.from(uniforms(seed, draws * units), (coin) => coin >= rate);
}

/** What reaches the next unit, for each draw; divided by 1 − rate if `inverted`. */
export function sums(activities, weights, rate, seed, draws, inverted) {
  const products = activities.map((a, i) => a * weights[i]);
  const kept = masks(rate, seed, draws, activities.length);
  const scale = inverted ? 1 / (1 - rate) : 1;
  return Array.from({ length: draws }, (_, draw) =>
    products.reduce((sum, p, i) => sum + (kept[draw * products.length + i] ? p : 0), 0) * scale,
  );
}

const mean = (numbers) => numbers.reduce((sum, n) => sum + n, 0) / numbers.length;
/** Mean and standard deviation. Numbers that are all the same have exactly none. */
export function meanAndSpread(numbers) {
  const [first] = numbers;
  const apart = numbers.map((n) => n - first); // sums of these are not rounded where they are 0
  const middle = mean(apart);
  return [first + middle, Math.sqrt(mean(apart.map((n) => (n - middle) ** 2)))];
}

/** How many of the numbers fall into each of `bins` equal parts from `low` to `high`. */
export function histogram(numbers, low, high, bins) {
  const counts = new Array(bins).fill(0);
  for (const n of numbers) {
    counts[clamp(Math.floor(((n - low) / (high - low)) * bins), 0, bins - 1)] += 1;
  }
  return counts;
}

const BINS = 24;

function build({ id, read, change, data, refusal, say, number, radios, button, reset }) {
  const activities = data("activities");
  const weights = data("weights");
  const units = activities.length;

  const bars = svg("svg", {
    class: "ex-units",
    tabindex: 0,
    role: "slider",
    "aria-label": "Unit",
    "aria-valuemin": 0,
    "aria-valuemax": units - 1,
  });
  let axes = null;
  const toUnit = (unit) => change({ unit: clamp(unit, 0, units - 1) });
  onDrag(
    bars,
    () => null,
    (x) => toUnit(Math.floor(((x - axes.left) / axes.wide) * units)),
    true,
  );
  onKeys(bars, () => lineKeys(read().unit, 0, units - 1, 1, 5, toUnit));

  function drawUnits({ kept, unit }, width) {
    const y = { from: Math.min(...activities, 0), to: Math.max(...activities, 0) * 1.05 || 1, name: "activation" };
    const x = { from: -0.5, to: units - 0.5, name: "unit of the layer" };
    axes = chart(bars, { width, height: 190, x, y, left: 40 });
    const step = axes.wide / units;
    axes.plot.append(
      rect(axes.x(unit - 0.5), 0, step, axes.tall, { class: "ex-band" }),
      ...activities.map((a, i) => {
        const [top, bottom] = [axes.y(Math.max(a, 0)), axes.y(Math.min(a, 0))];
        const name = kept[i] ? "ex-kept" : "ex-dropped";
        return rect(axes.x(i) - step * 0.4, top, step * 0.8, Math.max(bottom - top, 0), { class: name });
      }),
      ...activities.map((_, i) =>
        kept[i]
          ? ""
          : svg("path", {
              class: "ex-out",
              d: `M${axes.x(i) - 4} ${axes.y(0) - 9}l8 8m0 -8l-8 8`,
            }),
      ),
    );
  }

  const histogramChart = svg("svg", { class: "ex-histogram", role: "img" });
  function drawHistogram({ found, test, average }, width) {
    const all = [...found, test];
    const middle = (Math.max(...all) + Math.min(...all)) / 2;
    // Where all draws are alike, the axis still shows numbers that can be told apart.
    const half = Math.max((Math.max(...all) - Math.min(...all)) / 2, Math.abs(middle) / 10, 1e-6) * 1.1;
    const [low, high] = [middle - half, middle + half];
    const counts = histogram(found, low, high, BINS);
    const x = { from: low, to: high, name: "what the next unit receives", write: (v) => significant(v) };
    const y = { from: 0, to: Math.max(...counts) * 1.05, name: "draws" };
    const plane = chart(histogramChart, { width, height: 190, x, y, left: 40 });
    const wide = plane.wide / BINS;
    plane.plot.append(
      ...counts.map((n, bin) =>
        rect(bin * wide + 0.5, plane.y(n), Math.max(wide - 1, 1), plane.tall - plane.y(n), { class: "ex-count" }),
      ),
      svg("path", { class: "ex-average", d: `M${plane.x(average)} 0V${plane.tall}` }),
      svg("path", { class: "ex-test", d: `M${plane.x(test)} 0V${plane.tall}` }),
    );
  }

  const outcome = html("p", { class: "ex-result" });
  const about = html("p", { id: `${id}-about`, class: "ex-note" });
  const key = html(
    "ul",
    { class: "ex-key" },
    ...[
      ["ex-average", "mean of the draws"],
      ["ex-test", "what the test computes"],
    ].map(([name, text]) =>
      html("li", {}, svg("svg", { width: 10, height: 18, "aria-hidden": "true" }, svg("path", { class: name, d: "M5 0V18" })), text),
    ),
  );

  function write(state) {
    const { found, test, average, spread, kept, share, unit, rate, draws, scaling } = state;
    const stay = kept.filter(Boolean).length;
    const first = significant(found[0]);
    outcome.textContent =
      `This draw: ${stay} of ${units} units stay, the next unit receives ${first}. ` +
      `${commas(draws)} ${draws === 1 ? "draw" : "draws"}: mean ${significant(average)}, spread ${significant(spread)}. ` +
      `The test computes ${significant(test)}.`;
    const [a, w] = [significant(activities[unit]), significant(weights[unit])];
    const factor = scaling === "training" ? "as it is" : `times ${significant(1 - rate)}`;
    const networks = rate > 0 ? `2 to the power ${units} = ${commas(2 ** units)} networks share these weights. ` : "";
    about.textContent =
      `Unit ${unit}: activation ${a}, weight ${w}, stays in ${Math.round(100 * share)} % of the draws. ` +
      `${networks}At test time every unit stays, and the sum is taken ${factor}.`;
    bars.setAttribute("aria-valuenow", unit);
    bars.setAttribute("aria-valuetext", `${unit}: activation ${a}, weight ${w}, ${kept[unit] ? "stays" : "is dropped"}`);
    histogramChart.setAttribute("aria-label", `What the next unit receives. ${outcome.textContent}`);
    say(`${outcome.textContent} ${about.textContent}`);
  }

  const again = () => change({ seed: (read().seed + 1) % 10000 });
  const scaling = radios("scaling", "Scaled", [
    ["test", "in the test (the paper)"],
    ["training", "in training (Keras)"],
  ]);
  const parts = [
    html("div", { class: "ex-bar ex-row" }, button("Draw again", again), reset()),
    html("div", { class: "ex-frame" }, bars),
    html("div", { class: "ex-numbers" }, number("rate", "Rate"), number("draws", "Draws", { log: true }), scaling),
    refusal,
    outcome,
    html("div", { class: "ex-frame" }, histogramChart),
    key,
    about,
  ];
  function draw(state, width) {
    drawUnits(state, width);
    drawHistogram(state, width);
    write(state);
  }
  return { parts, draw };
}

function settle(activities, weights, drawn, state) {
  const units = activities.length;
  state.scaling = state.scaling === "training" ? "training" : "test";
  state.unit = clamp(Math.round(Number(state.unit)) || 0, 0, units - 1);
  const { rate, seed, draws, unit } = state;
  const inverted = state.scaling === "training";
  const [found, all] = drawn(rate, seed, draws, inverted);
  const share = mean(Array.from({ length: draws }, (_, draw) => Number(all[draw * units + unit])));
  const whole = activities.reduce((sum, a, i) => sum + a * weights[i], 0);
  const test = inverted ? whole : whole * (1 - rate);
  const [average, spread] = meanAndSpread(found);
  return { ...state, found, share, test, average, spread, kept: all.slice(0, units) };
}

function render({ model, el }) {
  const [activities, weights] = ["activities", "weights"].map((key) => model.get(key));
  const drawn = remembering((rate, seed, draws, inverted) => [
    sums(activities, weights, rate, seed, draws, inverted),
    masks(rate, seed, draws, activities.length),
  ]);
  return mount(
    { model, el },
    {
      name: "dropout-masks",
      title: "Dropout",
      settings: ["rate", "draws", "seed", "scaling", "unit"],
      settle: (state) => settle(activities, weights, drawn, state),
      build,
    },
  );
}

export default { render };
