// Feature maps: every map of some layers, for some pictures, each beside its filter.
// Python computed the maps (feature_maps.py); `unpackedMaps` undoes its rounding. Where a pass is
// recorded, too (recordings.py), the first layer's maps are computed here, and numbers can be opened.
import {
  clamp,
  html,
  largestOf,
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
import { Pass, openableNumber, passesOf, stepsOf } from "./arithmetic.js";

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

/** All maps of a layer that a pass computes, as `unpackedMaps` gives them; other work goes on meanwhile. */
export async function computedMaps(pass, place) {
  const { rows, columns, channels } = pass.layers[place];
  const maps = new Float32Array(rows * columns * channels);
  for (let channel = 0; channel < channels; channel += 1) {
    if (channel % 8 === 0) await new Promise((resolve) => setTimeout(resolve));
    pass.map(place, channel).forEach((value, unit) => (maps[unit * channels + channel] = value));
  }
  return maps;
}

const SETTINGS = ["picture", "layer", "channel", "row", "column"];
const SETTINGS_OF_NUMBERS = ["step", "opened"];

function build(tools, { onPage, plan }) {
  const { id, read, change, data, number, select, reset } = tools;
  const shapes = data("shapes");
  const fields = data("fields");
  const towers = data("groups");
  const photographs = data("photographs");
  const [levels, weightLevels] = data("levels");
  const [input] = data("input_shape");

  const canOpen = ({ layer, channel: map }) => plan !== null && plan.shown[layer].includes(map);
  const open = () => {
    if (canOpen(read())) change({ opened: true, step: data("limits").step[1] });
  };
  const browser = mapBrowser(tools, shapes, {}, plan && open);
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

  const link = html("a", { class: "ex-open-there" });
  function drawLink({ picture: name, layer, channel: map, row, column }) {
    const unit = new URLSearchParams({ picture: name, layer, channel: map, row, column, opened: true });
    link.setAttribute("href", `live.html#live?${unit}`);
    link.textContent = plan ? "The same unit on the page AlexNet live" : "Take this number to pieces on the page AlexNet live";
  }
  const taken = plan && openableNumber(tools);
  const others = html("p", { class: "ex-note" });
  function drawNumber(state, pass, width) {
    if (!taken) return;
    const { layer } = state;
    const here = canOpen(state);
    taken.opener.disabled = !here;
    const openable = plan.shown[layer];
    others.textContent =
      openable.length === shapes[layer][2]
        ? "Every number of this layer can be taken to pieces here."
        : `Of ${layer}, the numbers of the maps ${openable.join(", ")} can be taken to pieces here.`;
    taken.draw(here ? pass : null, { ...state, opened: state.opened && here }, width);
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
  const passOf = plan
    ? passesOf(data("network"), data("recording"), () => draw(read(), width), (error) => {
        trouble.textContent = `The numbers cannot be unpacked: ${error.message}`;
      })
    : () => null;
  const mapsOf = ({ picture: name, layer }) => {
    const packedMaps = data("maps")[name][layer];
    const pass = passOf(name);
    if (!packedMaps && !pass) return null;
    return unpack(`${name} ${layer}`, async () => {
      if (!packedMaps) {
        const values = await computedMaps(pass, plan.place(layer));
        return { largest: values[largestOf(values)], values };
      }
      return { largest: packedMaps.largest, values: await unpackedMaps(packedMaps, shapes[layer], levels) };
    });
  };
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
    const pass = passOf(state.picture);
    drawNumber(state, pass, width);
    if (!maps) return;
    if (pass && canOpen(state)) {
      // The exact number, not the rounded one of the maps: the same digits as in its pieces.
      const place = plan.place(layer);
      maps.values[(row * shapes[layer][1] + column) * count + state.channel] = pass.value(place, state.channel, row, column);
    }
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
    ...(taken ? [html("div", { class: "ex-bar" }, taken.opener), others, taken.box] : []),
    // A notebook has no such page beside it.
    ...(data("live") && onPage ? [html("p", {}, link)] : []),
    browser.sheet,
  ];
  return { parts, draw, close: taken?.close };
}

function render(context) {
  const { model, el } = context;
  const shapes = model.get("shapes");
  const photographs = model.get("photographs");
  const { shown } = model.get("recording");
  const plan = shown ? new Pass(model.get("network"), shown) : null;
  return mount(context, {
    name: "feature-maps",
    title: "Feature maps",
    settings: plan ? [...SETTINGS, ...SETTINGS_OF_NUMBERS] : SETTINGS,
    settle(state) {
      if (!Object.hasOwn(shapes, state.layer)) [state.layer] = Object.keys(shapes);
      if (!Object.hasOwn(photographs, state.picture)) [state.picture] = Object.keys(photographs);
      const [rows, columns, channels] = shapes[state.layer];
      state.channel = clamp(state.channel, 0, channels - 1);
      state.row = placeOn(state.row, rows);
      state.column = placeOn(state.column, columns);
      if (!plan) return state;
      state.opened = state.opened === true;
      state.steps = stepsOf(plan, plan.place(state.layer), state.channel, state.row, state.column);
      state.step = clamp(state.step, 0, state.steps);
      return state;
    },
    build: (tools) => build(tools, { onPage: el.closest("[data-explorer]") !== null, plan }),
  });
}

export default { render };
