// Occlusion: a grey square is dragged over a picture, and the answers change.
// Python has asked the network for every place of the square (occlusion.py).
import {
  answerBars,
  clamp,
  drawMaps,
  html,
  largestOf,
  layered,
  mount,
  onDrag,
  onKeys,
  percent,
  photograph,
  rect,
  svg,
  unpacked,
} from "./explorer.js";

const GUESSES = 5;
const LEVELS = 10000;
const LEAST_RANGE = 0.25; // from black to white: less would make noise of a per cent look like a pattern

/** What is black and what is white in a map of probabilities from `low` to `high`. */
export function greyRange(low, high) {
  if (high - low >= LEAST_RANGE) return [low, high];
  const black = clamp((low + high - LEAST_RANGE) / 2, 0, 1 - LEAST_RANGE);
  return [black, black + LEAST_RANGE];
}

/** Probabilities `(rows, columns, classes)` as Float32Array, from what `packed` of Python packed. */
export async function unpackedAnswers(text) {
  const levels = new Uint16Array(await unpacked(text));
  return Float32Array.from(levels, (level) => level / LEVELS);
}

function build(tools) {
  const { id, read, change, data, say, select, reset } = tools;
  const photographs = data("photographs");
  const answers = data("answers");
  const names = data("class_names");
  const [side] = data("input_shape");
  const [size, stride] = data("square");
  const [rows, columns] = data("places");

  const toPlace = (row, column) =>
    change({ row: clamp(Math.round(row), 0, rows - 1), column: clamp(Math.round(column), 0, columns - 1) });

  // ---- The picture and its square -------------------------------------------------------------

  const words = html("p", { id: `${id}-where`, class: "ex-note" });
  const photo = svg("image", { width: side, height: side });
  const square = rect(0, 0, size, size, { class: "ex-cover ex-grip", fill: data("grey")[0] });
  const picture = photograph(
    side,
    {
      "aria-roledescription": "picture",
      "aria-label": "The picture. Arrow keys move the grey square.",
      "aria-describedby": words.id,
    },
    photo,
    square,
  );
  onDrag(
    picture,
    (x, y) => {
      // Grabbed by the square, it keeps its place under the pointer; elsewhere it comes centred.
      const { row, column } = read();
      const [right, down] = [x, y].map((at) => (at / picture.clientWidth) * side);
      const offset = [down - row * stride, right - column * stride];
      return offset.every((at) => at >= 0 && at <= size) ? offset : [size / 2, size / 2];
    },
    (x, y, [down, right]) => {
      const [column, row] = [x, y].map((at) => (at / picture.clientWidth) * side);
      toPlace((row - down) / stride, (column - right) / stride);
    },
  );
  const keys = () => {
    const { row, column } = read();
    return {
      ArrowLeft: () => toPlace(row, column - 1),
      ArrowRight: () => toPlace(row, column + 1),
      ArrowUp: () => toPlace(row - 1, column),
      ArrowDown: () => toPlace(row + 1, column),
      Home: () => toPlace(row, 0),
      End: () => toPlace(row, columns - 1),
      PageUp: () => toPlace(0, column),
      PageDown: () => toPlace(rows - 1, column),
    };
  };
  onKeys(picture, keys);

  // ---- The map of one class -------------------------------------------------------------------

  const ground = html("canvas", { "aria-hidden": "true" });
  const here = svg("path", { class: "ex-chosen" });
  const map = svg(
    "svg",
    {
      viewBox: `0 0 ${columns} ${rows}`,
      tabindex: 0,
      role: "application",
      "aria-roledescription": "map",
      "aria-label": "The answer for each place of the square. Arrow keys move the square.",
      "aria-describedby": words.id,
    },
    here,
  );
  onKeys(map, keys);
  onDrag(
    map,
    () => null,
    (x, y) =>
      toPlace(
        Math.floor((y / map.clientHeight) * rows),
        Math.floor((x / map.clientWidth) * columns),
      ),
    true,
  );
  const caption = html("p", { class: "ex-note" });

  // ---- Answers --------------------------------------------------------------------------------

  const bars = answerBars(names, GUESSES);
  const ready = new Map();
  function covered(name) {
    if (!ready.has(name)) {
      ready.set(name, null);
      unpackedAnswers(answers[name].covered).then((values) => {
        ready.set(name, values);
        draw(read());
      });
    }
    return ready.get(name);
  }

  let mapped = "";
  function draw(state) {
    const { picture: name, row, column, watched } = state;
    photo.setAttribute("href", photographs[name]);
    square.setAttribute("x", column * stride);
    square.setAttribute("y", row * stride);
    here.setAttribute("d", `M${column} ${row}h1v1h-1z`);
    const values = covered(name);
    if (!values) return;
    const start = (row * columns + column) * names.length;
    const now = [...values.subarray(start, start + names.length)];
    const { plain } = answers[name];
    const [first] = bars.draw(now, plain);
    const index = names.indexOf(watched);
    if (mapped !== `${name} ${watched}`) {
      mapped = `${name} ${watched}`;
      const one = values.filter((_, at) => at % names.length === index);
      const [low, high] = [Math.min(...one), Math.max(...one)];
      const [black, white] = greyRange(low, high);
      const above = one.map((value) => value - black);
      drawMaps(ground, above, [rows, columns, 1], 1, white - black, (share) => share);
      caption.textContent =
        `${watched}, for each place of the square: from ${percent(low)} to ${percent(high)}; ` +
        `${percent(plain[index])} without the square. Black is ${percent(black)}, white ${percent(white)}.`;
    }
    const [top, left] = [row * stride, column * stride];
    const best = largestOf(plain);
    words.textContent =
      `Rows ${top} to ${top + size - 1} and columns ${left} to ${left + size - 1} are covered. ` +
      `The network predicts ${names[first]}, ${percent(now[first])}; without the square ${names[best]}, ${percent(plain[best])}.`;
    say(words.textContent);
  }

  // Another picture comes with the map of its own answer: that of the last one says little of it.
  const show = (name) => change({ picture: name, watched: names[largestOf(answers[name].plain)] });
  const named = (list) => list.map((name) => [name, name]);
  const parts = [
    html(
      "div",
      { class: "ex-bar ex-tight" },
      html("div", { class: "ex-bar" }, ...select("picture", "Picture", named(Object.keys(photographs)), show)),
      html("div", { class: "ex-bar" }, ...select("watched", "Map of", named(names))),
      reset(),
    ),
    html(
      "div",
      { class: "ex-pair" },
      picture,
      html("div", {}, layered(ground, map, { class: "ex-one" }), caption),
    ),
    bars.list,
    html("p", { class: "ex-note" }, "The marks show where each bar stands without the square."),
    words,
  ];
  return { parts, draw };
}

function render(context) {
  const { model } = context;
  const photographs = model.get("photographs");
  const names = model.get("class_names");
  const [rows, columns] = model.get("places");
  return mount(context, {
    name: "occlusion",
    title: "Occlusion",
    settings: ["picture", "row", "column", "watched"],
    settle(state) {
      if (!Object.hasOwn(photographs, state.picture)) [state.picture] = Object.keys(photographs);
      if (!names.includes(state.watched)) [state.watched] = names;
      const whole = (value) => Math.round(Number(value)) || 0;
      state.row = clamp(whole(state.row), 0, rows - 1);
      state.column = clamp(whole(state.column), 0, columns - 1);
      return state;
    },
    build,
  });
}

export default { render };
