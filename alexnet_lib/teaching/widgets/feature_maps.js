// Feature maps: every map of some layers, for some pictures, each beside its filter.
// Python computed the maps (feature_maps.py); `unpackedMaps` undoes its rounding.
import {
  clamp,
  html,
  mapBrowser,
  mount,
  onDrag,
  onKeys,
  outline,
  photograph,
  placeOn,
  seen,
  svg,
  unitAlike,
  unitAt,
  unpacked,
} from "./explorer.js";

/** Maps as Float32Array: rows, then columns, then channels. */
export async function unpackedMaps({ largest, values }, [rows, columns, channels], levels) {
  const steps = new Uint8Array(await unpacked(values));
  const units = rows * columns;
  const maps = new Float32Array(steps.length);
  for (let channel = 0; channel < channels; channel += 1) {
    for (let unit = 0; unit < units; unit += 1) {
      maps[unit * channels + channel] = largest * (steps[channel * units + unit] / levels) ** 2;
    }
  }
  return maps;
}

const SETTINGS = ["picture", "layer", "channel", "row", "column"];

function build(tools, { onPage }) {
  const { id, read, change, data, number, select, reset } = tools;
  const shapes = data("shapes");
  const fields = data("fields");
  const towers = data("groups");
  const photographs = data("photographs");
  const [levels, weightLevels] = data("levels");
  const [input] = data("input_shape");

  const browser = mapBrowser(tools, shapes);
  const channel = number("channel", "Map");
  const heading = html("p", {});
  const trouble = html("p", { class: "ex-note ex-warn", role: "alert" });

  // ---- The picture ----------------------------------------------------------------------------

  const photo = svg("image", { width: input, height: input });
  const [field, drawField] = outline();
  const picture = photograph(
    input,
    {
      "aria-roledescription": "picture",
      "aria-label": "The picture. Arrow keys choose another unit of the map.",
      "aria-describedby": `${id}-unit`,
    },
    photo,
    field,
  );
  onDrag(
    picture,
    () => null,
    (x, y) => {
      const { layer } = read();
      const [column, row] = [x, y].map((at) => (at / picture.clientWidth) * input);
      const [rows, columns] = shapes[layer];
      change({ row: unitAt(fields[layer], row, rows), column: unitAt(fields[layer], column, columns) });
    },
    true,
  );
  onKeys(picture, () => {
    const { row, column } = read();
    return {
      ArrowLeft: () => browser.toUnit(row, column - 1),
      ArrowRight: () => browser.toUnit(row, column + 1),
      ArrowUp: () => browser.toUnit(row - 1, column),
      ArrowDown: () => browser.toUnit(row + 1, column),
    };
  });

  // ---- The filter -----------------------------------------------------------------------------

  const caption = html("p", { class: "ex-note" });
  const tiles = html("div", { class: "ex-tiles" });
  const figure = html("div", {}, tiles, caption);

  /** Grey is a weight of 0, white the largest, black as far below. `slices` are `size`² weights. */
  function tile(slices, size, name) {
    const canvas = html("canvas", { width: size, height: size, role: "img", "aria-label": name });
    const image = new ImageData(size, size);
    for (let at = 0; at < size * size; at += 1) {
      for (let colour = 0; colour < 3; colour += 1) {
        const weight = (slices[colour] ?? slices[0])[at];
        image.data[at * 4 + colour] = 127.5 * (1 + weight / weightLevels);
      }
      image.data[at * 4 + 3] = 255;
    }
    canvas.getContext("2d").putImageData(image, 0, 0);
    return canvas;
  }

  let drawn = [];
  function drawFilter({ channel: filter }, packedFilters) {
    if (drawn[0] === packedFilters && drawn[1] === filter) return;
    drawn = [packedFilters, filter];
    figure.hidden = !packedFilters;
    if (!packedFilters) return;
    const { shape, channels, weights } = packedFilters;
    const [, slices, size] = shape;
    const slice = (index) => {
      const start = (filter * slices + index) * size * size;
      return weights.subarray(start, start + size * size);
    };
    const all = Array.from({ length: slices }, (_, index) => slice(index));
    if (slices === 3) {
      tiles.replaceChildren(tile(all, size, `Filter ${filter} in colour`));
      caption.textContent = `Its filter: ${size} × ${size} pixels, three colours.`;
      return;
    }
    const numbers = [...channels.subarray(filter * slices, (filter + 1) * slices)];
    tiles.replaceChildren(
      ...all.map((weightsOf, index) => tile([weightsOf], size, `Weights for channel ${numbers[index]}`)),
    );
    caption.textContent = `Its filter, ${size} × ${size}: the ${slices} channels of its input that it weighs most, ${numbers.join(", ")}.`;
  }

  // ---- Where its numbers can be opened --------------------------------------------------------

  const link = html("a", { class: "ex-open-there" }, "Take this number to pieces on the page AlexNet live");
  function drawLink({ picture: name, layer, channel: map, row, column }) {
    const unit = new URLSearchParams({ picture: name, layer, channel: map, row, column, opened: true });
    link.setAttribute("href", `live.html#live?${unit}`);
  }

  // ---- What is unpacked, once -----------------------------------------------------------------

  const ready = new Map();
  function unpack(key, promise) {
    if (ready.has(key)) return ready.get(key);
    ready.set(key, null);
    promise().then(
      (values) => {
        ready.set(key, values);
        draw(read(), width);
      },
      (error) => {
        trouble.textContent = `The maps cannot be unpacked: ${error.message}`;
      },
    );
    return null;
  }
  const mapsOf = ({ picture: name, layer }) =>
    unpack(`${name} ${layer}`, async () => {
      const packedMaps = data("maps")[name][layer];
      return { largest: packedMaps.largest, values: await unpackedMaps(packedMaps, shapes[layer], levels) };
    });
  const filtersOf = ({ layer }) =>
    data("filters")[layer] &&
    unpack(layer, async () => {
      const { shape, channels, weights } = data("filters")[layer];
      return {
        shape,
        channels: new Uint16Array(await unpacked(channels)),
        weights: new Int8Array(await unpacked(weights)),
      };
    });

  let width = 0;
  function draw(state, wide) {
    width = wide;
    const { layer, row, column } = state;
    const count = shapes[layer][2];
    for (const control of channel.querySelectorAll("input")) control.max = count - 1;
    const tower =
      towers[layer] === 2 ? `, ${state.channel < count / 2 ? "first" : "second"} tower` : "";
    heading.textContent = `${layer}: map ${state.channel} of ${count}${tower}`;
    photo.setAttribute("href", photographs[state.picture]);
    const box = seen(fields[layer], row, column, input);
    drawField(`M${box.left} ${box.top}H${box.right}V${box.bottom}H${box.left}z`);
    drawFilter(state, filtersOf(state));
    drawLink(state);
    const maps = mapsOf(state);
    if (!maps) return;
    browser.draw(state, maps.values, maps.largest, width);
    browser.write(state, maps.values, box);
  }

  /** Goes to another layer, and there to the unit that looks at the same place of the picture. */
  function toLayer(layer) {
    const state = read();
    change({ layer, ...unitAlike(fields[state.layer], fields[layer], state, shapes[layer], input) });
  }

  const named = (names) => names.map((name) => [name, name]);
  const parts = [
    html(
      "div",
      { class: "ex-bar ex-tight" },
      html("div", { class: "ex-bar" }, ...select("picture", "Picture", named(Object.keys(photographs)))),
      html("div", { class: "ex-bar" }, ...select("layer", "Layer", named(Object.keys(shapes)), toLayer)),
      reset(),
    ),
    trouble,
    channel,
    html("div", { class: "ex-trio" }, picture, browser.one, html("div", {}, heading, figure)),
    browser.words,
    // A notebook has no such page beside it.
    ...(data("live") && onPage ? [html("p", {}, link)] : []),
    browser.sheet,
  ];
  return { parts, draw };
}

function render(context) {
  const { model, el } = context;
  const shapes = model.get("shapes");
  const photographs = model.get("photographs");
  return mount(context, {
    name: "feature-maps",
    title: "Feature maps",
    settings: SETTINGS,
    settle(state) {
      if (!Object.hasOwn(shapes, state.layer)) [state.layer] = Object.keys(shapes);
      if (!Object.hasOwn(photographs, state.picture)) [state.picture] = Object.keys(photographs);
      const [rows, columns, channels] = shapes[state.layer];
      state.channel = clamp(state.channel, 0, channels - 1);
      state.row = placeOn(state.row, rows);
      state.column = placeOn(state.column, columns);
      return state;
    },
    build: (tools) => build(tools, { onPage: el.closest("[data-explorer]") !== null }),
  });
}

export default { render };
