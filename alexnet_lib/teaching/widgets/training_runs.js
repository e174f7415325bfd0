// Training runs side by side: curves, values at an epoch, and who reaches a target first.
// `firstReaching` and `sharedTarget` follow training_runs.py; the tests compare the two.
import { chart, clamp, html, lineKeys, mount, onDrag, onKeys, significant, svg, through } from "./explorer.js";

/** The first place at which a curve is as good as the target, or null. */
export function firstReaching(values, target, up) {
  const place = values.findIndex((v) => v !== null && (up ? v >= target : v <= target));
  return place < 0 ? null : place;
}

/**
 * The best value that half of the curves reach, and two at least: what the worst one reaches may be
 * where all of them started.
 */
export function sharedTarget(curves, up) {
  const known = curves.map((values) => values.filter((v) => v !== null)).filter((v) => v.length);
  const best = known.map((values) => (up ? Math.max(...values) : Math.min(...values)));
  best.sort((a, b) => (up ? b - a : a - b));
  const reaching = Math.min(Math.max(Math.ceil(best.length / 2), 2), best.length);
  return best[reaching - 1] ?? 0;
}

const column = (run, name) => run.columns[name] ?? [];

/** Seconds from the start at the end of each epoch. */
function elapsed(run) {
  let sum = 0;
  return column(run, "seconds").map((seconds) => (sum += seconds));
}

const indices = (text) => new Set(text.split(",").filter(Boolean).map(Number));

function build({ id, read, change, data, say, select, radios, reset }) {
  const runs = data("runs");
  const metrics = data("metrics");
  const timed = runs.every((run) => column(run, "seconds").length && !column(run, "seconds").includes(null));

  const takeMetric = (metric) => {
    const up = metrics.find(([name]) => name === metric)[2];
    change({ metric, target: sharedTarget(runs.map((run) => column(run, metric)), up) });
  };
  const measure = select("metric", "Measure", metrics.map(([name, text]) => [name, text]), takeMetric);
  const against = timed
    ? radios("against", "Against", [
        ["epoch", "epochs"],
        ["seconds", "seconds"],
      ])
    : null;

  // The target's range depends on the measure, so it has a control of its own.
  const toTarget = (text) => {
    const value = Number(text);
    if (text !== "" && Number.isFinite(value)) change({ target: value });
  };
  const field = html("input", {
    id: `${id}-target`,
    type: "number",
    step: "any",
    class: "ex-long",
    oninput: () => toTarget(field.value),
    onchange: () => (field.value = read().target),
  });
  const slider = html("input", {
    type: "range",
    step: "any",
    "aria-label": "Target, slider",
    oninput: () => toTarget(String(Number(Number(slider.value).toPrecision(4)))),
  });
  const target = html("div", { class: "ex-number" }, html("label", { for: field.id }, "Target"), slider, field);

  // ---- The curves -----------------------------------------------------------------------------

  const curves = svg("svg", {
    class: "ex-curves",
    tabindex: 0,
    role: "slider",
    "aria-label": "Epoch",
    "aria-valuemin": 1,
  });
  let plane = null;
  const toEpoch = (epoch) => change({ epoch: clamp(Math.round(epoch), 1, read().last) });
  onDrag(
    curves,
    () => null,
    (x) => {
      const { against: kind, times, last } = read();
      const at = ((x - plane.left) / plane.wide) * plane.end;
      if (kind === "epoch") toEpoch(at);
      else {
        const longest = times.find((t) => t.length === last);
        toEpoch(longest.filter((t) => t <= at).length);
      }
    },
    true,
  );
  onKeys(curves, () => lineKeys(read().epoch, 1, read().last, 1, 5, toEpoch));

  const style = (index) => `ex-curve ex-run-${index % 4} ${index >= 4 ? "ex-again" : ""}`;

  function drawCurves(state, width) {
    const { shown, target: wanted, metric, against: kind, times, epoch, last } = state;
    const values = shown.flatMap((index) => column(runs[index], metric)).filter((v) => v !== null);
    const [low, high] = [Math.min(...values, wanted), Math.max(...values, wanted)];
    const room = (high - low || 1) * 0.04;
    const text = metrics.find(([name]) => name === metric)[1];
    const y = { from: low - room, to: high + room, name: text, write: (v) => significant(v) };
    const places = (index) =>
      kind === "seconds" ? times[index] : column(runs[index], metric).map((_, k) => k + 1);
    const end = Math.max(...shown.flatMap(places), 1);
    const x = { from: 0, to: end, name: kind === "seconds" ? "seconds" : "epoch" };
    plane = { ...chart(curves, { width, height: 260, x, y, left: 52 }), end };
    const longest = times.find((t) => t.length === last);
    const here = kind === "seconds" ? longest[epoch - 1] : epoch;
    plane.plot.append(
      svg("path", { class: "ex-here", d: `M${plane.x(here)} 0V${plane.tall}` }),
      svg("path", { class: "ex-target", d: `M0 ${plane.y(wanted)}H${plane.wide}` }),
      ...shown.map((index) => {
        const at = places(index);
        const points = column(runs[index], metric).map((v, k) => [plane.x(at[k]), v === null ? NaN : plane.y(v)]);
        return svg("path", { class: style(index), d: through(points) });
      }),
      ...shown.flatMap((index) => {
        const value = column(runs[index], metric)[epoch - 1] ?? null;
        if (value === null) return [];
        const [cx, cy] = [plane.x(places(index)[epoch - 1]), plane.y(value)];
        return [svg("circle", { class: `ex-point ex-run-${index % 4}`, cx, cy, r: 4 })];
      }),
    );
    return { low, high };
  }

  // ---- The table ------------------------------------------------------------------------------

  const head = html("tr");
  const rows = runs.map((run, index) => {
    const box = html("input", {
      type: "checkbox",
      onchange() {
        const hidden = indices(read().hidden);
        if (box.checked) hidden.delete(index);
        else hidden.add(index);
        change({ hidden: [...hidden].sort().join(",") });
      },
    });
    const line = svg(
      "svg",
      { width: 26, height: 8, "aria-hidden": "true" },
      svg("path", { class: style(index), d: "M0 4H26" }),
    );
    const cells = Array.from({ length: 4 }, () => html("td"));
    const name = html("label", { class: "ex-choice" }, box, line, run.name);
    return { box, cells, row: html("tr", {}, html("th", { scope: "row" }, name), ...cells) };
  });
  const table = html(
    "table",
    { class: "ex-table" },
    html("thead", {}, head),
    html("tbody", {}, ...rows.map(({ row }) => row)),
  );

  function writeTable({ shown, metric, up, target: wanted, epoch, against: kind, times }) {
    const heads = [`epoch ${epoch}`, "best", `reaches ${significant(wanted)}`, "slower by"];
    head.replaceChildren(html("td"), ...heads.map((text) => html("th", { scope: "col" }, text)));
    const reached = runs.map((run) => firstReaching(column(run, metric), wanted, up));
    const cost = reached.map((place, index) =>
      place === null ? null : kind === "seconds" ? times[index][place] : place + 1,
    );
    const fastest = Math.min(...shown.map((index) => cost[index] ?? Infinity));
    const sentences = runs.map((run, index) => {
      const values = column(run, metric);
      const known = values.filter((v) => v !== null);
      const best = known.length ? (up ? Math.max(...known) : Math.min(...known)) : null;
      const show = (value) => (value === null || value === undefined ? "–" : significant(value, 4));
      const when = cost[index] === null ? "never" : kind === "seconds" ? `${show(cost[index])} s` : `epoch ${cost[index]}`;
      const factor = cost[index] === null ? "–" : `${significant(cost[index] / fastest, 3)} ×`;
      const at = best === null ? "" : ` (${values.indexOf(best) + 1})`;
      const visible = shown.includes(index);
      const texts = [show(values[epoch - 1]), show(best) + at, when, factor];
      rows[index].box.checked = visible;
      // Hidden, a run keeps its numbers, so that the columns stay as wide.
      rows[index].cells.forEach((cell, k) => {
        cell.textContent = texts[k];
        cell.style.visibility = visible ? "" : "hidden";
      });
      return visible ? `${run.name}: ${texts[0]} at epoch ${epoch}, reaches the target ${when}` : "";
    });
    say(sentences.filter(Boolean).join(". "));
    return sentences;
  }

  const parts = [
    html("div", { class: "ex-bar" }, ...measure, against, reset()),
    html("div", { class: "ex-frame" }, curves),
    target,
    html("div", { class: "ex-scroll" }, table),
    html("p", { class: "ex-note" }, "In brackets: the epoch of the best value. The target is the line across."),
  ];

  function draw(state, width) {
    const { low, high } = drawCurves(state, width);
    const sentences = writeTable(state);
    curves.setAttribute("aria-valuemax", state.last);
    curves.setAttribute("aria-valuenow", state.epoch);
    curves.setAttribute("aria-valuetext", `${state.epoch}. ${sentences.filter(Boolean).join(". ")}`);
    slider.min = low;
    slider.max = high;
    slider.value = state.target;
    slider.setAttribute("aria-valuetext", significant(state.target, 4));
    if (field !== document.activeElement || Number(field.value) !== state.target) field.value = state.target;
  }
  return { parts, draw };
}

function settle(runs, metrics, initial, state) {
  if (!metrics.some(([name]) => name === state.metric)) state.metric = initial;
  const [, , up] = metrics.find(([name]) => name === state.metric);
  const curves = runs.map((run) => column(run, state.metric));
  const times = runs.map(elapsed);
  const last = Math.max(...curves.map((values) => values.length), 1);
  const target = Number(state.target);
  const known = curves.flat().filter((v) => v !== null);
  const [low, high] = [Math.min(...known), Math.max(...known)];
  const hidden = indices(state.hidden);
  const shown = runs.map((_, index) => index).filter((index) => !hidden.has(index));
  const timed = times.every((t) => t.length);
  return {
    ...state,
    ...{ up, times, last, shown },
    against: state.against === "seconds" && timed ? "seconds" : "epoch",
    target: Number.isFinite(target) ? clamp(target, low - (high - low), high + (high - low)) : low,
    epoch: clamp(Math.round(Number(state.epoch)) || 1, 1, last),
  };
}

function render({ model, el }) {
  const runs = model.get("runs");
  const metrics = model.get("metrics");
  const initial = model.get("metric");
  return mount(
    { model, el },
    {
      name: "training-runs",
      title: "Training runs",
      settings: ["metric", "against", "target", "epoch", "hidden"],
      settle: (state) => settle(runs, metrics, initial, state),
      build,
    },
  );
}

export default { render };
