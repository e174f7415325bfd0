// Max pooling, 3/2 beside 2/2, of a small grey picture that the reader shifts.
// `maxPool` follows pooling.py, and the tests compare the two.
import {
  chart,
  clamp,
  html,
  label,
  mount,
  onDrag,
  onKeys,
  rect,
  remembering,
  significant,
  svg,
  through,
} from "./explorer.js";

/** The maxima of all windows that fit on rows of numbers. */
export function maxPool(picture, kernel, stride) {
  const places = (size) => Math.max(Math.floor((size - kernel) / stride) + 1, 0);
  const columns = picture.length ? places(picture[0].length) : 0;
  return Array.from({ length: places(picture.length) }, (_, row) =>
    Array.from({ length: columns }, (_, column) => {
      const [y, x] = brightest(picture, row, column, kernel, stride);
      return picture[y][x];
    }),
  );
}

/** Where in one window the maximum stands: `[row, column]` of the picture. */
function brightest(picture, row, column, kernel, stride) {
  let best = [row * stride, column * stride];
  for (let y = row * stride; y < row * stride + kernel; y += 1) {
    for (let x = column * stride; x < column * stride + kernel; x += 1) {
      if (picture[y][x] > picture[best[0]][best[1]]) best = [y, x];
    }
  }
  return best;
}

/**
 * The mean absolute difference of two maps of one size, and the share of values that differ; of
 * what overlaps if the first is moved `right` and `down`.
 */
export function difference(a, b, right = 0, down = 0) {
  let [sum, changed, count] = [0, 0, 0];
  for (let row = Math.max(down, 0); row < b.length + Math.min(down, 0); row += 1) {
    for (let column = Math.max(right, 0); column < b[row].length + Math.min(right, 0); column += 1) {
      const apart = Math.abs(b[row][column] - a[row - down][column - right]);
      sum += apart;
      changed += apart > 0;
      count += 1;
    }
  }
  return { mean: sum / count, changed: changed / count };
}

/**
 * By how many places `[right, down]`, at most two to each side, a map has to be moved to be most
 * like another, and the mean difference that is left where the two then overlap.
 */
export function bestMove(from, to) {
  let best = { right: 0, down: 0, ...difference(from, to) };
  for (let down = -2; down <= 2; down += 1) {
    for (let right = -2; right <= 2; right += 1) {
      const found = difference(from, to, right, down);
      if (found.mean < best.mean) best = { right, down, ...found };
    }
  }
  return best;
}

/** "1 right and 2 down"; nothing where nothing moves. */
function moves(right, down) {
  const both = [
    [right, "right", "left"],
    [down, "down", "up"],
  ];
  return both
    .flatMap(([by, forth, back]) => (by ? [`${Math.abs(by)} ${by > 0 ? forth : back}`] : []))
    .join(" and ");
}

/** The pixels that are pooled when the picture is shifted: content comes in, no zeros. */
export function view(picture, right, down, reach) {
  const size = picture.length - 2 * reach;
  return picture
    .slice(reach - down, reach - down + size)
    .map((line) => line.slice(reach - right, reach - right + size));
}

/** What has become of a pooled map, of which `changed` values differ: least where it moved `by`. */
export function comparison(changed, by, mean) {
  if (changed === 0) return "as it was.";
  if (!by) return "closest to the first map where it was.";
  if (mean === 0) return `the first map, moved ${by}.`;
  return `closest to the first map moved ${by}, ${significant(mean)} apart on average.`;
}

const CELL = 40; // units of the drawing that a pixel is wide
const LETTERS = 12.5; // screen pixels
const NARROWEST = 26; // screen pixels of a cell that three digits fit in
const DARK = 118; // above it, black on a grey is easier to read than white
const LABELS = { overlapping: "overlapping", plain: "side by side" };

function build({ id, read, change, data, refusal, say, number, reset }) {
  const picture = data("picture");
  const windows = Object.entries(data("windows"));
  const [, reach] = data("limits").right;
  const size = picture.length - 2 * reach;
  const at = (right, down) => view(picture, right, down, reach);
  const first = at(0, 0);
  const firstPooled = windows.map(([, [kernel, stride]]) => maxPool(first, kernel, stride));

  /**
   * A map of grey cells, made once, of which `side` by `side` are in view, with their values if it is
   * `numbered`. `fill` shows other numbers in it, `move` other cells of it: to move them all is one
   * change of the page, where to draw them anew would keep a slow machine from answering in time.
   */
  function cells(values, side, attributes, numbered = false) {
    const squares = [];
    const texts = [];
    const inside = { "text-anchor": "middle", "dominant-baseline": "central" };
    values.forEach((line, row) =>
      line.forEach((_, column) => {
        const [x, y] = [column * CELL, row * CELL];
        squares.push(rect(x, y, CELL, CELL, {}));
        if (numbered) texts.push(label(x + CELL / 2, y + CELL / 2, "", inside));
      }),
    );
    // For the eye alone: read aloud, these would be hundreds of numbers without an order.
    const numbers = svg("g", { "aria-hidden": "true" }, ...texts);
    const all = svg("g", {}, ...squares, numbers);
    const marks = svg("g");
    const width = side * CELL;
    const clipped = svg("svg", { class: "ex-plot", width, height: width }, all);
    const viewBox = `0 0 ${width} ${width}`;
    const element = svg("svg", { class: "ex-cells", viewBox, ...attributes }, clipped, marks);
    let shown = [];
    function fill(others) {
      const flat = others.flat();
      flat.forEach((value, index) => {
        if (value === shown[index]) return;
        squares[index].setAttribute("fill", `rgb(${value},${value},${value})`);
        if (!numbered) return;
        texts[index].setAttribute("class", value < DARK ? "ex-on-dark" : "ex-on-light");
        texts[index].firstChild.data = value;
      });
      shown = flat;
    }
    fill(values);
    /** Letters are as large on every screen; where they would not fit, there are none. */
    function fitLetters() {
      const scale = element.getBoundingClientRect().width / width;
      numbers.style.display = CELL * scale < NARROWEST ? "none" : "";
      numbers.style.fontSize = `${LETTERS / scale}px`;
    }
    const move = (right, down) => all.setAttribute("transform", `translate(${right * CELL} ${down * CELL})`);
    /** Frames `[column, row, side, class]`, over the cells. */
    const mark = (...frames) =>
      marks.replaceChildren(
        ...frames.map(([x, y, wide, name]) =>
          rect(x * CELL, y * CELL, wide * CELL, wide * CELL, { class: `ex-frame-${name}` }),
        ),
      );
    return { element, fill, move, mark, fitLetters };
  }

  const input = cells(picture, size, {
    id: `${id}-pixels`,
    tabindex: 0,
    role: "application",
    "aria-roledescription": "picture that shifts",
    "aria-label": "The picture. Arrow keys shift it.",
    "aria-describedby": `${id}-outcome`,
  });
  const toShift = (right, down) =>
    change({ right: clamp(right, -reach, reach), down: clamp(down, -reach, reach) });
  onDrag(
    input.element,
    (x, y) => ({ ...read(), x, y }),
    (x, y, grab) => {
      const pixel = input.element.getBoundingClientRect().width / size;
      toShift(grab.right + Math.round((x - grab.x) / pixel), grab.down + Math.round((y - grab.y) / pixel));
    },
  );
  // The picture moves up and down as well, so a finger holds all of it; beside it, the page scrolls.
  input.element.append(rect(0, 0, size * CELL, size * CELL, { class: "ex-grip", fill: "transparent" }));
  onKeys(input.element, () => {
    const { right, down } = read();
    return {
      ArrowLeft: () => toShift(right - 1, down),
      ArrowRight: () => toShift(right + 1, down),
      ArrowUp: () => toShift(right, down - 1),
      ArrowDown: () => toShift(right, down + 1),
      Home: () => toShift(0, 0),
    };
  });

  const pooled = windows.map(([name, [kernel, stride]], index) => {
    const count = firstPooled[index].length;
    const map = cells(
      firstPooled[index],
      count,
      {
        tabindex: 0,
        role: "application",
        "aria-roledescription": "pooled map",
        "aria-label": `Pooled ${kernel}/${stride}, ${LABELS[name]}. Arrow keys choose a value.`,
      },
      true,
    );
    const nothing = Array.from({ length: kernel }, () => Array(kernel).fill(0));
    const lens = cells(nothing, kernel, { role: "img", style: `width: ${kernel * 2.25}rem` }, true);
    const most = html("strong");
    const seen = html("div", { class: "ex-window" }, lens.element, html("span", {}, `${kernel}/${stride}: `, most));
    const toUnit = (row, column) =>
      change({ row: clamp(row, 0, count - 1), column: clamp(column, 0, count - 1) });
    onDrag(
      map.element,
      () => null,
      (x, y) => {
        const cell = map.element.getBoundingClientRect().width / count;
        toUnit(Math.floor(y / cell), Math.floor(x / cell));
      },
      true,
    );
    onKeys(map.element, () => {
      const { row, column } = read();
      return {
        ArrowLeft: () => toUnit(row, column - 1),
        ArrowRight: () => toUnit(row, column + 1),
        ArrowUp: () => toUnit(row - 1, column),
        ArrowDown: () => toUnit(row + 1, column),
      };
    });
    const caption = html("p", { class: "ex-note" });
    const fate = html("p", { class: "ex-note ex-fate" });
    const title = html("p", {}, html("strong", {}, `${kernel}/${stride}`), ` ${LABELS[name]}`);
    return { kernel, stride, name, map, caption, fate, lens, most, seen, figure: html("div", {}, title, map.element, caption) };
  });

  // How much changes, for every shift along the row that is now chosen.
  const curve = svg("svg", { class: "ex-change", role: "img" });
  const NAMES = ["ex-first", "ex-second", "ex-third-curve"];
  const shifts = Array.from({ length: 2 * reach + 1 }, (_, index) => index - reach);

  const changes = remembering((down) => {
    const maps = shifts.map((shift) => at(shift, down));
    return [
      ...windows.map(([, [kernel, stride]], index) =>
        maps.map((map) => difference(firstPooled[index], maxPool(map, kernel, stride)).mean),
      ),
      maps.map((map) => difference(first, map).mean),
    ];
  });

  function drawCurve({ right, down }, width) {
    const lines = changes(down);
    const y = { from: 0, to: Math.max(...lines.flat(), 1) * 1.05, name: "mean change of a value" };
    const x = { from: -reach, to: reach, ticks: shifts, name: "pixels to the right" };
    const plane = chart(curve, { width, height: 190, x, y, left: 36 });
    plane.plot.append(
      svg("path", { class: "ex-here", d: `M${plane.x(right)} 0V${plane.tall}` }),
      ...lines.map((line, index) =>
        svg("path", {
          class: `ex-curve ${NAMES[index]}`,
          d: through(line.map((value, k) => [plane.x(shifts[k]), plane.y(value)])),
        }),
      ),
    );
    const now = lines.map((line) => significant(line[right + reach]));
    const heads = [...windows.map(([, [kernel, stride]]) => `${kernel}/${stride}`), "the pixels"];
    const says = heads.map((head, index) => `${head} ${now[index]}`).join(", ");
    curve.setAttribute("aria-label", `Mean change from where the picture stood first: ${says}.`);
  }

  const key = html(
    "ul",
    { class: "ex-key" },
    ...[...windows.map(([name, [kernel, stride]]) => `${kernel}/${stride} ${LABELS[name]}`), "the pixels"].map(
      (text, index) =>
        html(
          "li",
          {},
          svg("svg", { width: 26, height: 8, "aria-hidden": "true" }, svg("path", { class: `ex-curve ${NAMES[index]}`, d: "M0 4H26" })),
          text,
        ),
    ),
  );
  const outcome = html("p", { id: `${id}-outcome`, class: "ex-result" });
  const chosen = html("p", { class: "ex-note" });

  let fitted = 0;
  function draw({ right, down, row, column }, width) {
    if (fitted !== width) {
      fitted = width;
      for (const { map, lens } of pooled) [map, lens].forEach((cells) => cells.fitLetters());
    }
    const now = at(right, down);
    input.move(right - reach, down - reach);
    input.mark(
      ...pooled.flatMap(({ kernel, stride, name }) => {
        const [y, x] = brightest(now, row, column, kernel, stride);
        return [
          [column * stride, row * stride, kernel, name],
          [x, y, 1, `${name}-most`],
        ];
      }),
    );
    const maps = pooled.map(({ kernel, stride }) => maxPool(now, kernel, stride));
    const means = pooled.map(({ kernel, stride, name, map, caption, fate, lens, most }, index) => {
      const values = maps[index];
      map.fill(values);
      map.mark([column, row, 1, name]);
      const [top, left] = [row * stride, column * stride];
      lens.fill(now.slice(top, top + kernel).map((line) => line.slice(left, left + kernel)));
      const [y, x] = brightest(now, row, column, kernel, stride);
      lens.mark([x - left, y - top, 1, `${name}-most`]);
      most.textContent = values[row][column];
      const says = `The values in the chosen ${kernel}/${stride} window; the largest is ${values[row][column]}`;
      lens.element.setAttribute("aria-label", says);
      const { mean, changed } = difference(firstPooled[index], values);
      const all = values.flat().length;
      const best = bestMove(firstPooled[index], values);
      const by = moves(best.right, best.down);
      caption.textContent = `${Math.round(changed * all)} of ${all} values changed`;
      fate.textContent = `${kernel}/${stride}: ${comparison(changed, by, best.mean)}`;
      return `${kernel}/${stride} by ${significant(mean)}`;
    });
    const where = moves(right, down) ? `Shifted ${moves(right, down)}` : "Not shifted";
    const pixels = significant(difference(first, now).mean);
    outcome.textContent = `${where}: the pixels change by ${pixels} on average, the values pooled ${means.join(", ")}.`;
    const [a, b] = maps.map((values) => values[row][column]);
    const names = pooled.map(({ kernel, stride }) => `${kernel}/${stride}`);
    chosen.textContent = `Row ${row}, column ${column} of the pooled maps: ${a} with ${names[0]}, ${b} with ${names[1]}.`;
    drawCurve({ right, down }, width);
    say(`${outcome.textContent} ${chosen.textContent}`);
  }

  const parts = [
    html(
      "div",
      { class: "ex-pools" },
      html("div", {}, html("p", {}, `the picture, ${size} × ${size}`), input.element),
      ...pooled.map(({ figure }) => figure),
    ),
    html("div", { class: "ex-numbers" }, number("right", "Right"), number("down", "Down")),
    refusal,
    outcome,
    html("div", {}, ...pooled.map(({ fate }) => fate)),
    html("div", { class: "ex-windows" }, ...pooled.map(({ seen }) => seen), chosen),
    html("div", { class: "ex-frame" }, curve),
    html("div", { class: "ex-bar" }, key, reset()),
  ];
  return { parts, draw };
}

function render({ model, el }) {
  const settings = ["right", "down", "row", "column"];
  return mount({ model, el }, { name: "pooling", title: "Pooling", settings, build });
}

export default { render };
