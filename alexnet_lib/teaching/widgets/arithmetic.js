// How one number of a network comes about: the pass that Python recorded (recordings.py), computed
// again from its parts, and the view that takes a number to pieces. Shared by the explorers that
// open numbers; what they draw besides stands in their own modules.
import {
  clamp,
  commas,
  count,
  decoded,
  html,
  label,
  largestOf,
  layered,
  math,
  minus,
  onDrag,
  onKeys,
  percent,
  rect,
  significant,
  svg,
} from "./explorer.js";

// ---- The pass ----------------------------------------------------------------------------------

async function inflated(text) {
  const stream = new Blob([decoded(text)]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** The picture's colours, 0..255, plane after plane: red, green, blue (`packed_picture`). */
function foretoldPicture(bytes, rows, columns, step) {
  const size = rows * columns;
  const levels = Array.from({ length: 3 }, () => new Int16Array(size));
  levels.forEach((plane, index) => {
    for (let row = 0; row < rows; row += 1) {
      for (let column = 0; column < columns; column += 1) {
        const at = row * columns + column;
        const left = column ? plane[at - 1] : 0;
        const above = row ? plane[at - columns] : 0;
        const between = row && column ? plane[at - columns - 1] : 0;
        const [low, high] = left < above ? [left, above] : [above, left];
        const foretold = between >= high ? low : between <= low ? high : left + above - between;
        const sum = (foretold + bytes[index * size + at]) & 255;
        plane[at] = index && sum > 127 ? sum - 256 : sum; // differences of colours have a sign
      }
    }
  });
  const [green, red, blue] = levels;
  const colours = new Uint8ClampedArray(3 * size);
  for (let at = 0; at < size; at += 1) {
    colours[at] = step * (red[at] + green[at]);
    colours[size + at] = step * green[at];
    colours[2 * size + at] = step * (blue[at] + green[at]);
  }
  return colours;
}

const PASSES_ON = ["flatten", "dropout"];

const ACTIVATIONS = {
  linear: (x) => x,
  relu: (x) => Math.max(x, 0),
  tanh: Math.tanh,
  sigmoid: (x) => 1 / (1 + Math.exp(-x)),
};

/** One picture on its way through a network. `shown` are the channels of each layer that can be opened, null for all. Layers are those that change a number, in order. */
export class Pass {
  static async unpack(network, recording, name) {
    const pass = new Pass(network, recording.shown);
    const picture = recording.pictures[name];
    const [rows, columns] = network.input_shape;
    const stores = [...Object.values(picture.maps).flatMap(({ parts }) => parts), ...Object.values(recording.weights)];
    const texts = [picture.pixels, ...stores.map(({ values }) => values)];
    const unpacked = await Promise.all(texts.map(inflated));
    const bytesOf = new Map(texts.map((text, index) => [text, unpacked[index]]));
    pass.colours = foretoldPicture(bytesOf.get(picture.pixels), rows, columns, network.colour_step);
    pass.scores = picture.scores ?? null;
    const { black, white } = network;
    pass.pixels = new Float32Array(pass.colours.length);
    black.forEach((dark, plane) => {
      const contrast = (white[plane] - dark) / 255;
      const end = (plane + 1) * rows * columns;
      for (let at = plane * rows * columns; at < end; at += 1) pass.pixels[at] = dark + pass.colours[at] * contrast;
    });
    for (const layer of pass.layers) {
      const units = layer.rows * layer.columns;
      const stored = picture.maps[layer.name];
      // What is written down without the numbers of its channels is all the others.
      const named = new Set(stored?.parts.flatMap((part) => part.channels ?? []));
      const everything = Array.from({ length: layer.channels }, (_, index) => index);
      const others = everything.filter((channel) => !named.has(channel));
      const parts = (stored?.parts ?? [{ channels: everything }]).map((part) => part.channels ?? others);
      const channels = parts.flat();
      layer.slot = new Int32Array(layer.channels).fill(-1);
      channels.forEach((channel, slot) => (layer.slot[channel] = slot));
      layer.values = new Float32Array(channels.length * units).fill(NaN);
      let start = 0;
      for (const { values, levels } of stored?.parts ?? []) {
        const bytes = bytesOf.get(values);
        const size = bytes.length / 2;
        for (let at = 0; at < size; at += 1) {
          layer.values[start + at] = stored.largest * ((bytes[at] + 256 * bytes[size + at]) / levels) ** 2;
        }
        start += size;
      }
      const weights = recording.weights[layer.name];
      if (weights) {
        const bytes = bytesOf.get(weights.values);
        const values = weights.bits === 8 ? new Int8Array(bytes.buffer) : new Int16Array(bytes.buffer);
        layer.filters = new Map(
          weights.filters.map((filter, index) => {
            const size = values.length / weights.filters.length;
            const own = new Float32Array(size);
            for (let at = 0; at < size; at += 1) own[at] = values[index * size + at] * weights.scale[index];
            return [filter, { weights: own, bias: weights.bias[index] }];
          }),
        );
      }
    }
    return pass;
  }

  constructor(network, shown) {
    this.network = network;
    this.layers = network.layers
      .filter(({ kind }) => !PASSES_ON.includes(kind))
      .map((layer) => {
        const [rows, columns, channels] = layer.shape.length === 3 ? layer.shape : [1, 1, ...layer.shape];
        return { ...layer, rows, columns, channels };
      });
    const numbered = ({ name, channels }) => [name, Array.from({ length: channels }, (_, index) => index)];
    this.shown = shown ?? Object.fromEntries(this.layers.map(numbered));
    const [rows, columns, channels] = network.input_shape;
    this.input = { name: "the picture", rows, columns, channels };
  }

  place(name) {
    return this.layers.findIndex((layer) => layer.name === name);
  }

  /** A unit that is there, the nearest to the one that a state names, and the `steps` of its number. */
  settled(state) {
    const place = this.place(state.layer);
    const { rows, columns } = this.layers[place];
    const channel = Number(state.channel) || 0;
    const near = (one) => Math.abs(one - channel);
    state.channel = this.shown[state.layer].reduce((best, one) => (near(one) < near(best) ? one : best));
    state.row = clamp(state.row, 0, rows - 1);
    state.column = clamp(state.column, 0, columns - 1);
    state.steps = stepsOf(this, place, state.channel, state.row, state.column);
    state.step = clamp(state.step, 0, state.steps);
    return state;
  }

  /** What a layer takes in: the layer before, or the picture. */
  before(place) {
    return place ? this.layers[place - 1] : this.input;
  }

  /** One unit's number; place -1 is the picture, as the network takes it. */
  value(place, channel, row, column) {
    if (place < 0) return this.pixels[(channel * this.input.rows + row) * this.input.columns + column];
    const layer = this.layers[place];
    const at = (layer.slot[channel] * layer.rows + row) * layer.columns + column;
    const known = layer.values[at];
    if (known === known) return known;
    const made =
      layer.kind === "convolution"
        ? convolved(this, place, channel, row, column)
        : this.parts(place, channel, row, column).after;
    return (layer.values[at] = made);
  }

  /** Where a map of the layer before stands: in which numbers, from which on. */
  source(place, channel) {
    if (!place) return [this.pixels, channel * this.input.rows * this.input.columns];
    const { values, slot, rows, columns } = this.layers[place - 1];
    return [values, slot[channel] * rows * columns];
  }

  /** The numbers of one map, row after row. */
  map(place, channel) {
    const { rows, columns, slot, values } = this.layers[place];
    for (let row = 0; row < rows; row += 1) {
      for (let column = 0; column < columns; column += 1) this.value(place, channel, row, column);
    }
    const start = slot[channel] * rows * columns;
    return values.subarray(start, start + rows * columns);
  }

  composed(place, channel, row, column) {
    return PARTS[this.layers[place].kind](this, place, channel, row, column);
  }

  /** What a unit is made of; `after` is its number. */
  parts(place, channel, row, column) {
    const layer = this.layers[place];
    const parts = this.composed(place, channel, row, column);
    // What was written down was rounded; from now on every view shows the same digits.
    layer.values[(layer.slot[channel] * layer.rows + row) * layer.columns + column] = parts.after;
    return parts;
  }

  /** The unit of the layer before that stands at one place of the vector that it becomes. */
  unflattened(place, index) {
    const { rows, columns, channels } = this.before(place);
    const unit = Math.floor(index / channels);
    if (rows * columns === 1) return { channel: index, row: 0, column: 0 };
    return { channel: index % channels, row: Math.floor(unit / columns), column: unit % columns };
  }
}

/** Rows `[top, bottom)` and columns `[left, right)` of its input that a window covers, cut at the edges. */
function windowOf(layer, before, row, column) {
  const [top, left] = [row, column].map((at) => at * layer.stride - layer.padding);
  return {
    ...{ top, left, size: layer.kernel },
    ...{ firstRow: Math.max(top, 0), lastRow: Math.min(top + layer.kernel, before.rows) },
    ...{ firstColumn: Math.max(left, 0), lastColumn: Math.min(left + layer.kernel, before.columns) },
  };
}

/** Which channels of its input a filter takes in. */
function taken(layer, before, filter) {
  const depth = before.channels / layer.groups;
  return [Math.floor(filter / (layer.channels / layer.groups)) * depth, depth];
}

/** What a convolution's unit says, and nothing about how: for the thousands that one number needs. */
function convolved(pass, place, filter, row, column) {
  const layer = pass.layers[place];
  const before = pass.before(place);
  const [first, depth] = taken(layer, before, filter);
  const { firstRow, lastRow, firstColumn, lastColumn, top, left } = windowOf(layer, before, row, column);
  const { weights, bias } = layer.filters.get(filter);
  let total = 0;
  for (let index = 0; index < depth; index += 1) {
    const [numbers, start] = pass.source(place, first + index);
    for (let y = firstRow; y < lastRow; y += 1) {
      let tap = (index * layer.kernel + y - top) * layer.kernel + firstColumn - left;
      let at = start + y * before.columns + firstColumn;
      for (let x = firstColumn; x < lastColumn; x += 1, tap += 1, at += 1) {
        const number = numbers[at];
        total += weights[tap] * (number === number ? number : pass.value(place - 1, first + index, y, x));
      }
    }
  }
  return (ACTIVATIONS[layer.activation] ?? ((x) => x))(total + bias);
}

/** The first and the last channel whose squares a normalization adds up. */
function neighbours({ n, groups, channels }, channel) {
  const width = channels / groups;
  const first = Math.floor(channel / width) * width;
  const reach = Math.floor(n / 2);
  return [Math.max(channel - reach, first), Math.min(channel + reach, first + width - 1)];
}

const PARTS = {
  convolution(pass, place, filter, row, column) {
    const layer = pass.layers[place];
    const before = pass.before(place);
    const [first, depth] = taken(layer, before, filter);
    const window = windowOf(layer, before, row, column);
    const taps = layer.kernel ** 2;
    const { weights, bias } = layer.filters.get(filter);
    const inputs = new Float32Array(depth * taps); // what hangs over the edge reads zeros
    const sums = new Float64Array(depth);
    let total = 0;
    for (let index = 0; index < depth; index += 1) {
      for (let y = window.firstRow; y < window.lastRow; y += 1) {
        let at = index * taps + (y - window.top) * layer.kernel + window.firstColumn - window.left;
        for (let x = window.firstColumn; x < window.lastColumn; x += 1, at += 1) {
          inputs[at] = pass.value(place - 1, first + index, y, x);
          sums[index] += inputs[at] * weights[at];
        }
      }
      total += sums[index];
    }
    const score = total + bias;
    const after = (ACTIVATIONS[layer.activation] ?? ((x) => x))(score);
    return { first, depth, inputs, weights, sums, total, bias, score, after, window };
  },
  normalization(pass, place, channel, row, column) {
    const { k, alpha, beta } = pass.layers[place];
    const [from, to] = neighbours(pass.layers[place], channel);
    const members = [];
    let sum = 0;
    for (let other = from; other <= to; other += 1) {
      const value = pass.value(place - 1, other, row, column);
      members.push({ channel: other, value, square: value ** 2 });
      sum += value ** 2;
    }
    const own = pass.value(place - 1, channel, row, column);
    const inner = k + alpha * sum;
    const divisor = inner ** beta;
    return { members, sum, inner, divisor, own, after: own / divisor };
  },
  "map normalization"(pass, place, channel, row, column) {
    const { k, alpha, beta, size, rows, columns } = pass.layers[place];
    const reach = (size - 1) / 2;
    let sum = 0;
    for (let y = Math.max(row - reach, 0); y <= Math.min(row + reach, rows - 1); y += 1) {
      for (let x = Math.max(column - reach, 0); x <= Math.min(column + reach, columns - 1); x += 1) {
        sum += pass.value(place - 1, channel, y, x) ** 2;
      }
    }
    const own = pass.value(place - 1, channel, row, column);
    const inner = k + alpha * sum;
    const divisor = inner ** beta;
    return { members: [], sum, inner, divisor, own, after: own / divisor };
  },
  pooling(pass, place, channel, row, column) {
    const window = windowOf(pass.layers[place], pass.before(place), row, column);
    const cells = [];
    for (let y = window.firstRow; y < window.lastRow; y += 1) {
      for (let x = window.firstColumn; x < window.lastColumn; x += 1) {
        cells.push({ row: y, column: x, value: pass.value(place - 1, channel, y, x) });
      }
    }
    const winner = largestOf(cells.map(({ value }) => value));
    return { cells, winner, window, after: cells[winner].value };
  },
  activation(pass, place, channel, row, column) {
    const own = pass.value(place - 1, channel, row, column);
    return { own, after: ACTIVATIONS[pass.layers[place].function](own) };
  },
  dense(pass, place, unit) {
    const layer = pass.layers[place];
    const { weights, bias } = layer.filters.get(unit);
    const products = new Float64Array(weights.length);
    const inputs = new Float32Array(weights.length);
    let total = 0;
    for (let index = 0; index < weights.length; index += 1) {
      const { channel, row, column } = pass.unflattened(place, index);
      inputs[index] = pass.value(place - 1, channel, row, column);
      products[index] = inputs[index] * weights[index];
      total += products[index];
    }
    const score = total + bias;
    let after = (ACTIVATIONS[layer.activation] ?? ((x) => x))(score);
    let all = null;
    if (layer.activation === "softmax") {
      const exponentials = pass.scores.map((other, index) => Math.exp(index === unit ? score : other));
      all = exponentials.reduce((sum, one) => sum + one, 0);
      after = exponentials[unit] / all;
    }
    return { inputs, weights, products, total, bias, score, all, after };
  },
};

/** A pass of numbers as wide as they come, whatever the picture: for the room that a unit may need. */
class Widest extends Pass {
  constructor(network) {
    super(network, null);
    this.layers.forEach((layer, place) => {
      const { rows, columns, channels } = this.before(place);
      const dense = layer.kind === "dense";
      const depth = dense ? rows * columns * channels : channels / layer.groups;
      const taps = dense ? 1 : layer.kernel ** 2;
      // Small sums are written with the most digits. In a table of a dense layer, numbers stay in line.
      const weight = dense ? -0.0012345 : -0.05 / (depth * taps * this.value());
      const filter = { weights: new Float32Array(depth * taps).fill(weight), bias: dense ? -12.345 : -0.012345 };
      // The channel with the longest name adds the most, so that it is the one that is shown.
      const named = place ? depth - 1 : COLOUR_NAMES.indexOf("green");
      filter.weights.fill(2 * weight, named * taps, (named + 1) * taps);
      layer.filters = { get: () => filter };
    });
    this.scores = new Array(this.layers.at(-1).channels).fill(-12.345);
  }

  /** The unit of a layer with the longest numbers whose window and neighbours are all there. */
  unit(place) {
    const { rows, columns, channels } = this.layers[place];
    return { channel: Math.max(channels - 4, 0), row: Math.max(rows - 2, 0), column: Math.max(columns - 2, 0) };
  }

  /** One layer of each look, the one with the longest numbers. */
  places() {
    const looks = new Map();
    this.layers.forEach((layer, place) => {
      // The three grids of a convolution are as large for every kernel.
      const look = [layer.kind, layer.activation, layer.function, place === 0].join();
      const best = this.layers[looks.get(look)];
      if (!best || layer.channels > best.channels) looks.set(look, place);
    });
    return [...looks.values()];
  }

  value() {
    return 123.45;
  }

  parts(place, ...unit) {
    // Of each layer one unit is asked for, by the title and by its view.
    if (!this.made?.has(place)) this.made = new Map([[place, this.composed(place, ...unit)]]);
    return this.made.get(place);
  }
}

/** The pass of a picture, unpacked when it is first asked for: null until then, and `arrived` says when. */
export function passesOf(network, recording, arrived, failed) {
  const passes = new Map();
  return (picture) => {
    if (!passes.has(picture)) {
      passes.set(picture, null);
      Pass.unpack(network, recording, picture).then((pass) => {
        passes.set(picture, pass);
        arrived();
      }, failed);
    }
    return passes.get(picture);
  };
}

/** Which rows, columns and channels of each earlier layer a unit depends on, the picture last. */
export function dependences(pass, place, channel, row, column) {
  let region = { rows: [row, row], columns: [column, column], channels: [channel, channel] };
  const found = [];
  for (let at = place; at >= 0; at -= 1) {
    found.push({ place: at, ...region });
    const layer = pass.layers[at];
    const before = pass.before(at);
    const within = (first, last, size) => [clamp(first, 0, size - 1), clamp(last, 0, size - 1)];
    const width = layer.channels / layer.groups;
    const own = region.channels.map((c) => Math.floor(c / width));
    const depth = before.channels / layer.groups;
    if (layer.kind === "dense") {
      region = {
        rows: [0, before.rows - 1],
        columns: [0, before.columns - 1],
        channels: [0, before.channels - 1],
      };
      continue;
    }
    const next = { ...region };
    if (layer.stride) {
      const back = ([first, last], size) =>
        within(first * layer.stride - layer.padding, last * layer.stride - layer.padding + layer.kernel - 1, size);
      next.rows = back(region.rows, before.rows);
      next.columns = back(region.columns, before.columns);
    } else if (layer.kind === "map normalization") {
      const reach = (layer.size - 1) / 2;
      next.rows = within(region.rows[0] - reach, region.rows[1] + reach, before.rows);
      next.columns = within(region.columns[0] - reach, region.columns[1] + reach, before.columns);
    }
    if (layer.kind === "convolution") next.channels = [own[0] * depth, (own[1] + 1) * depth - 1];
    else if (layer.kind === "normalization") {
      const reach = Math.floor(layer.n / 2);
      next.channels = [
        Math.max(region.channels[0] - reach, own[0] * depth),
        Math.min(region.channels[1] + reach, (own[1] + 1) * depth - 1),
      ];
    }
    region = next;
  }
  found.push({ place: -1, ...region });
  return found;
}

// ---- Colours of numbers ------------------------------------------------------------------------

/** Black, the colour of a tower, white: how strong a unit answers. `share` is from 0 to 1. */
export const TOWER_COLOURS = [
  [
    [11, 21, 33],
    [38, 128, 194],
    [236, 246, 255],
  ],
  [
    [33, 20, 9],
    [226, 118, 27],
    [255, 245, 230],
  ],
];

/** 256 steps from the first of three colours by the second to the third, as opaque pixels. */
function ramp(colours) {
  return Uint32Array.from({ length: 256 }, (_, step) => {
    const along = (step / 255) * (colours.length - 1);
    const at = Math.min(Math.floor(along), colours.length - 2);
    const part = (index) => Math.round(colours[at][index] + (along - at) * (colours[at + 1][index] - colours[at][index]));
    return 0xff000000 | (part(2) << 16) | (part(1) << 8) | part(0);
  });
}
const RAMPS = TOWER_COLOURS.map(ramp);

/** A map as a canvas of one pixel a unit. Weak answers are seen, too: by the square root. */
export function mapCanvas(values, rows, columns, tower) {
  let largest = 0;
  for (const value of values) largest = Math.max(largest, value);
  const canvas = html("canvas", { width: columns, height: rows });
  const image = new ImageData(columns, rows);
  const pixels = new Uint32Array(image.data.buffer);
  for (let at = 0; at < values.length; at += 1) {
    pixels[at] = RAMPS[tower][largest > 0 ? Math.round(255 * Math.sqrt(Math.max(values[at], 0) / largest)) : 0];
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}

/** The picture as a canvas. */
export function pictureCanvas({ colours, input: { rows, columns } }) {
  const canvas = html("canvas", { width: columns, height: rows });
  const image = new ImageData(columns, rows);
  const pixels = new Uint32Array(image.data.buffer);
  const size = rows * columns;
  for (let at = 0; at < size; at += 1) {
    pixels[at] = 0xff000000 | (colours[2 * size + at] << 16) | (colours[size + at] << 8) | colours[at];
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}

// ---- One number --------------------------------------------------------------------------------

/** Digits after the point with which numbers up to `largest` are written: five that count. */
const digitsFor = (largest) =>
  clamp(4 - Math.floor(Math.log10(Math.max(largest, 1e-9))), 0, 7);
const written = (number, digits) =>
  minus((Number(number.toFixed(digits)) + 0).toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits }));
/** The summand that makes a written sum right: the others and the sum are rounded as they are. */
const remainder = (sum, others, digits) =>
  others.reduce((left, one) => left - Number(one.toFixed(digits)), Number(sum.toFixed(digits)));
const COLOUR_NAMES = ["red", "green", "blue"];
const LARGEST_TERMS = 10;
const SILENT = "silenced"; // the name of what a unit says that the reader has silenced

/** What a channel of a layer's input is called. */
const channelName = (pass, place, channel) =>
  place === 0 ? COLOUR_NAMES[channel] : `map ${channel} of ${pass.before(place).name}`;

const says = { linear: "passed on as it is", relu: "ReLU", tanh: "tanh", sigmoid: "sigmoid" };

/** How many steps a number takes until it is there. */
export function stepsOf(pass, place, channel, row, column) {
  const layer = pass.layers[place];
  const before = pass.before(place);
  if (layer.kind === "convolution") return before.channels / layer.groups + 2;
  if (layer.kind === "dense") return LARGEST_TERMS + 3;
  if (layer.kind === "normalization") {
    const [from, to] = neighbours(layer, channel);
    return to - from + 2;
  }
  if (layer.kind !== "pooling") return 1;
  const { firstRow, lastRow, firstColumn, lastColumn } = windowOf(layer, before, row, column);
  return (lastRow - firstRow) * (lastColumn - firstColumn) + 1;
}

/**
 * The view of one number. The state has `step`, how much of the number has been put together, and
 * what `stepsOf` says of it as `steps`. `draw(pass, state, width)` shows the unit that the state names.
 */
export function numberView({ id, read, change, say, button }) {
  const title = html("p", { class: "ex-number-title" });
  const stage = html("div", { class: "ex-number-stage" });
  const sentence = html("p", { class: "ex-number-sum", id: `${id}-sum` });

  // ---- Steps ------------------------------------------------------------------------------------

  let timer = 0;
  const to = (step) => change({ step: clamp(step, 0, read().steps) });
  function stop() {
    clearInterval(timer);
    timer = 0;
    play.textContent = "Play";
  }
  function start() {
    const { step, steps } = read();
    if (step >= steps) to(0);
    play.textContent = "Pause";
    // However many channels there are, a number is there after some seconds.
    const every = clamp(6000 / steps, 40, 600);
    timer = setInterval(() => {
      const now = read();
      if (now.step >= now.steps || !play.isConnected) stop();
      else to(now.step + 1);
    }, every);
  }
  const play = button("Play", () => (timer ? stop() : start()), { class: "ex-play" });
  const stepwise = (text, go) =>
    button(text, () => {
      stop();
      go();
    });
  const track = html("input", {
    type: "range",
    min: 0,
    step: 1,
    "aria-label": "Step of the sum",
    "aria-describedby": sentence.id,
    oninput() {
      stop();
      to(Number(track.value));
    },
  });
  const steps = html(
    "div",
    { class: "ex-number-steps" },
    play,
    stepwise("Step back", () => to(read().step - 1)),
    stepwise("Step", () => to(read().step + 1)),
    stepwise("All", () => to(Infinity)),
    track,
  );

  // ---- The grids of a convolution ---------------------------------------------------------------

  const chosen = { cell: null };

  /**
   * Squares of numbers, `size` × `size` of them: coloured by sign and size, written where there is
   * room. `show(values, name)` fills them in, which a drag asks for at every step; `mark` frames one.
   */
  function grid(size, side) {
    const unit = side / size;
    const spots = Array.from({ length: size * size }, (_, at) => [(at % size) * unit, Math.floor(at / size) * unit]);
    const colours = html("canvas", { width: size, height: size, "aria-hidden": "true" });
    const roomy = unit >= 38;
    const texts = roomy ? spots.map(([x, y]) => label(x + unit / 2, y + unit / 2 + 4, "", { "text-anchor": "middle" })) : [];
    const lines = Array.from({ length: size - 1 }, (_, at) => (at + 1) * unit);
    const rules = svg("path", { class: "ex-cell-rules", d: lines.map((at) => `M${at} 0V${side}M0 ${at}H${side}`).join("") });
    const frame = rect(0, 0, unit, unit, { class: "ex-cell-mark" });
    const over = svg("svg", { viewBox: `0 0 ${side} ${side}`, role: "img" }, rules, ...texts, frame);
    over.addEventListener("pointermove", ({ offsetX, offsetY }) => {
      const [column, row] = [offsetX, offsetY].map((at) => clamp(Math.floor(at / unit), 0, size - 1));
      chosen.cell = row * size + column;
      showCell();
    });
    const note = html("p", { class: "ex-note" });
    const box = layered(colours, over, { style: `width: ${side}px; height: ${side}px` });
    function show(values, name) {
      const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      const style = getComputedStyle(box);
      const [above, below] = ["--ex-accent", "--ex-warn"].map((colour) => style.getPropertyValue(colour));
      const context = colours.getContext("2d");
      context.clearRect(0, 0, size, size);
      values.forEach((value, at) => {
        const share = largest > 0 ? Math.abs(value) / largest : 0;
        context.fillStyle = value < 0 ? below : above;
        context.globalAlpha = 0.85 * Math.sqrt(share);
        context.fillRect(at % size, Math.floor(at / size), 1, 1);
        if (!roomy) return;
        const narrow = unit < 60 && Math.abs(value) < 0.1;
        texts[at].textContent = significant(value + 0, Math.abs(value) >= 100 ? 3 : narrow ? 1 : 2); // no −0
        texts[at].setAttribute("class", `ex-cell-text${share > 0.45 ? " ex-strong" : ""}`);
      });
      over.setAttribute("aria-label", name);
      note.textContent = name;
    }
    function mark(cell) {
      frame.setAttribute("x", spots[cell][0]);
      frame.setAttribute("y", spots[cell][1]);
    }
    return { element: html("div", { class: "ex-grid", style: `width: ${side}px` }, box, note), show, mark };
  }
  let board = { made: "" };
  /** The three grids of a convolution, of `size` × `size` numbers. */
  function boardOf(size, side) {
    const made = `${size} ${side}`;
    if (board.made !== made) {
      const all = [grid(size, side), grid(size, side), grid(size, side)];
      board = { made, all };
      const sign = (text) => html("span", { class: "ex-sign", "aria-hidden": "true" }, text);
      grids.replaceChildren(all[0].element, sign("×"), all[1].element, sign("="), all[2].element);
    }
    return board.all;
  }

  const cellWords = html("p", { class: "ex-note ex-cell-words" });
  const grids = html("div", {
    class: "ex-grids",
    tabindex: 0,
    role: "application",
    "aria-roledescription": "patch and filter",
    "aria-label": "Patch, filter and their products. Arrow keys choose a weight.",
  });
  let showCell = () => {};
  let cells = 0;
  onKeys(grids, () => {
    const side = Math.sqrt(cells);
    const by = (delta) => () => {
      chosen.cell = clamp((chosen.cell ?? 0) + delta, 0, cells - 1);
      showCell();
    };
    return { ArrowLeft: by(-1), ArrowRight: by(1), ArrowUp: by(-side), ArrowDown: by(side) };
  });

  // ---- The bars of its channels -----------------------------------------------------------------

  const bars = svg("svg", { class: "ex-sums", height: 140, "aria-hidden": "true" });
  let barCount = 1;
  onDrag(
    bars,
    () => stop(),
    (x) => to(1 + clamp(Math.floor((x / bars.clientWidth) * barCount), 0, barCount - 1)),
    true,
  );

  /** Above, what each channel adds; below, on a scale of its own, what they come to. */
  function drawBars(sums, step, index, width) {
    barCount = sums.length;
    const unit = width / sums.length;
    const running = [0];
    for (const sum of sums) running.push(running.at(-1) + sum);
    const scale = (numbers, top, tall) => {
      const [high, low] = [Math.max(...numbers, 0), Math.min(...numbers, 0)];
      return (value) => top + ((high - value) / (high - low || 1)) * tall;
    };
    const y = scale(sums, 18, 52);
    const total = scale(running, 92, 44);
    bars.setAttribute("width", width);
    bars.setAttribute("viewBox", `0 0 ${width} 140`);
    const parts = [
      label(0, 11, "what each channel adds"),
      label(0, 86, "what they come to"),
      svg("path", { class: "ex-rule", d: `M0 ${y(0)}H${width}M0 ${total(0)}H${width}` }),
    ];
    [...sums].forEach((sum, at) => {
      const sign = sum < 0 ? "ex-negative" : "ex-positive";
      const state = at === index ? " ex-now" : at < step ? "" : " ex-later";
      const [top, bottom] = [y(Math.max(sum, 0)), y(Math.min(sum, 0))];
      parts.push(
        rect(at * unit + unit * 0.1, top, Math.max(unit * 0.8, 0.5), Math.max(bottom - top, 0.5), {
          class: `ex-sum ${sign}${state}`,
        }),
      );
    });
    const reached = running.slice(0, Math.min(step, sums.length) + 1);
    const path = reached.map((value, at) => `${at ? "L" : "M"}${(at * unit).toFixed(1)} ${total(value).toFixed(1)}`);
    parts.push(svg("path", { class: "ex-running", d: path.join("") }));
    bars.replaceChildren(...parts);
  }

  const barWords = html("p", { class: "ex-note" });
  const equation = html("p", { class: "ex-equation" });
  /** The last line: numbers with their names below them, signs between. */
  function writeEquation(terms) {
    equation.replaceChildren(
      ...terms.map((term) =>
        typeof term === "string"
          ? html("span", { class: "ex-sign" }, term)
          : html(
              "span",
              { class: `ex-term${term.later ? " ex-later" : ""}${term.result ? " ex-outcome" : ""}` },
              html("strong", {}, term.later ? "…" : term.value),
              html("span", {}, term.name),
            ),
      ),
    );
  }

  const VIEWS = {
    convolution(pass, place, state, width) {
      const layer = pass.layers[place];
      const parts = pass.parts(place, state.channel, state.row, state.column);
      const { depth, inputs, weights, sums, bias, score, after, first } = parts;
      const taps = layer.kernel ** 2;
      // Once all are added up, the one that mattered most.
      const index = state.step > depth ? largestOf([...sums].map(Math.abs)) : clamp(state.step - 1, 0, depth - 1);
      const name = channelName(pass, place, first + index);
      const patch = inputs.subarray(index * taps, (index + 1) * taps);
      const filter = weights.subarray(index * taps, (index + 1) * taps);
      const products = patch.map((input, at) => input * filter[at]);
      // Three grids side by side, as large as they go.
      const side = Math.floor(Math.min((width - 64) / 3, 232));
      cells = taps;
      const strongest = largestOf([...products].map(Math.abs));
      const drawn = boardOf(layer.kernel, side);
      drawn[0].show(patch, `the patch: ${name}`);
      drawn[1].show(filter, "the filter's weights for it");
      drawn[2].show(products, "their products");
      showCell = () => {
        const cell = clamp(chosen.cell ?? strongest, 0, taps - 1);
        drawn.forEach(({ mark }) => mark(cell));
        const [y, x] = [Math.floor(cell / layer.kernel), cell % layer.kernel];
        const [row, column] = [parts.window.top + y, parts.window.left + x];
        const before = pass.before(place);
        const outside = row < 0 || column < 0 || row >= before.rows || column >= before.columns;
        cellWords.textContent =
          `${outside ? "Beyond the edge, where zeros are read" : `Row ${row}, column ${column} of ${place ? name : `the picture, ${name} less its mean`}`}: ` +
          `${significant(patch[cell], 4)} × ${significant(filter[cell], 4)} = ${significant(products[cell], 4)}.`;
      };
      showCell();
      drawBars(sums, state.step, state.step ? index : -1, width);
      const counted = Math.min(state.step, depth);
      const digits = digitsFor(Math.max(Math.abs(parts.total), Math.abs(bias), Math.abs(score)));
      const partial =
        counted === depth ? remainder(score, [bias], digits) : sums.subarray(0, counted).reduce((sum, one) => sum + one, 0);
      barWords.textContent = counted
        ? `${place ? `Map ${first + index}` : COLOUR_NAMES[index]}: its ${taps} products add up to ${written(sums[index], digits)}. ` +
          `${counted} of ${depth} channels together: ${written(partial, digits)}.`
        : `${count(depth, "channel")} with ${taps} products each, ${commas(depth * taps)} in all.`;
      const rectified = parts.silent ? SILENT : says[layer.activation];
      writeEquation([
        { value: written(partial, digits), name: `${commas(counted * taps)} products`, later: !counted },
        "+",
        { value: written(bias, digits), name: "bias", later: state.step <= depth },
        "=",
        { value: written(score, digits), name: "sum", later: state.step <= depth },
        ...(rectified
          ? ["→", { value: written(after, digits), name: rectified, later: state.step <= depth + 1, result: true }]
          : []),
      ]);
      sentence.textContent = `${barWords.textContent} Sum ${written(remainder(score, [bias], digits), digits)}, bias ${written(bias, digits)}: ${written(score, digits)}; after ${rectified ?? "nothing else"} ${written(after, digits)}.`;
      return [grids, cellWords, bars, barWords, equation];
    },

    normalization(pass, place, state, width) {
      const layer = pass.layers[place];
      const { members, sum, inner, divisor, own, after } = pass.parts(place, state.channel, state.row, state.column);
      const counted = members.length ? Math.min(state.step, members.length) : 0;
      const most = Math.max(...members.map(({ value }) => Math.abs(value)), Math.abs(own), 1e-9);
      const before = pass.before(place).name;
      const digits = digitsFor(Math.max(sum, 1));
      const rows = members.map(({ channel, value, square }, at) =>
        html(
          "tr",
          { class: `${channel === state.channel ? "ex-own" : ""}${at >= counted ? " ex-later" : ""}` },
          html("th", { scope: "row" }, `map ${channel}`),
          html("td", {}, significant(value, 5)),
          html(
            "td",
            { class: "ex-wide" },
            svg("svg", { width: 120, height: 14, "aria-hidden": "true" }, rect(0, 2, (118 * Math.abs(value)) / most, 10, { class: `ex-sum ex-positive${channel === state.channel ? " ex-now" : ""}` })),
          ),
          html("td", {}, at < counted ? written(square, digits) : "…"),
        ),
      );
      const partial = members.slice(0, counted).reduce((total, { square }) => total + square, 0);
      const table = html(
        "table",
        { class: "ex-table" },
        html("caption", {}, `The same place in ${count(members.length, "neighbouring map")} of ${before}`),
        html("thead", {}, html("tr", {}, ...["", "activity", "", "its square"].map((head) => html("th", { scope: "col" }, head)))),
        html("tbody", {}, ...rows),
      );
      const done = state.step > members.length;
      const total = members.length ? partial : sum;
      writeEquation([
        { value: significant(layer.k, 4), name: "k" },
        "+",
        { value: significant(layer.alpha, 4), name: "α" },
        "×",
        { value: written(total, digits), name: "sum of squares", later: members.length > 0 && !counted },
        "=",
        { value: significant(inner, 6), name: "inside", later: !done },
        `to the power of ${layer.beta}:`,
        { value: significant(divisor, 6), name: "divisor", later: !done },
      ]);
      const last = html("p", { class: "ex-equation" });
      const term = (value, name, outcome) =>
        html("span", { class: `ex-term${outcome ? " ex-outcome" : ""}` }, html("strong", {}, value), html("span", {}, name));
      last.append(
        term(significant(own, 6), `${before}, map ${state.channel}`),
        html("span", { class: "ex-sign" }, "÷"),
        term(done ? significant(divisor, 6) : "…", "divisor"),
        html("span", { class: "ex-sign" }, "="),
        term(done ? significant(after, 6) : "…", layer.name, true),
      );
      sentence.textContent = `The squares add up to ${written(sum, digits)}; ${layer.k} plus ${layer.alpha} times that, to the power of ${layer.beta}, is ${significant(divisor, 5)}. ${significant(own, 5)} divided by it is ${significant(after, 5)}.`;
      return [...(members.length ? [table] : []), equation, last];
    },

    pooling(pass, place, state, width) {
      const layer = pass.layers[place];
      const { cells: inside, winner, window, after } = pass.parts(place, state.channel, state.row, state.column);
      const counted = Math.min(state.step, inside.length);
      const side = Math.min(300, width);
      const unit = side / layer.kernel;
      const most = Math.max(...inside.map(({ value }) => value), 1e-9);
      const best = counted ? largestOf(inside.slice(0, counted).map(({ value }) => value)) : -1;
      const parts = inside.flatMap(({ row, column, value }, at) => {
        const [x, y] = [(column - window.left) * unit, (row - window.top) * unit];
        const share = Math.max(value, 0) / most;
        return [
          rect(x, y, unit, unit, { class: `ex-cell ex-positive${at < counted ? "" : " ex-later"}`, "fill-opacity": (0.85 * Math.sqrt(share)).toFixed(3) }),
          label(x + unit / 2, y + unit / 2 + 5, significant(value, 4), { class: `ex-cell-text ex-large${share > 0.2 ? " ex-strong" : ""}`, "text-anchor": "middle" }),
        ];
      });
      if (best >= 0) {
        const { row, column } = inside[best];
        parts.push(rect((column - window.left) * unit, (row - window.top) * unit, unit, unit, { class: "ex-cell-mark ex-winner" }));
      }
      const before = pass.before(place).name;
      const picture = svg(
        "svg",
        { width: side, height: side, viewBox: `0 0 ${side} ${side}`, role: "img", "aria-label": `${inside.length} numbers of map ${state.channel} of ${before}: ${inside.map(({ value }) => significant(value, 4)).join(", ")}` },
        ...parts,
      );
      const { row, column } = inside[winner];
      const done = state.step > inside.length;
      writeEquation([
        `the largest of ${inside.length}:`,
        { value: done ? significant(after, 6) : best >= 0 ? significant(inside[best].value, 6) : "…", name: done ? `row ${row}, column ${column} of ${before}` : "the largest so far", result: done },
      ]);
      sentence.textContent = `The largest of ${inside.length} numbers is ${significant(after, 5)}, in row ${row}, column ${column} of map ${state.channel} of ${before}.`;
      return [picture, equation];
    },

    activation(pass, place, state) {
      const { own, after } = pass.parts(place, state.channel, state.row, state.column);
      writeEquation([
        { value: significant(own, 6), name: pass.before(place).name },
        "→",
        { value: state.step ? significant(after, 6) : "…", name: says[pass.layers[place].function], result: true },
      ]);
      sentence.textContent = `${significant(own, 5)} becomes ${significant(after, 5)}.`;
      return [equation];
    },

    dense(pass, place, state, width) {
      const layer = pass.layers[place];
      const { inputs, weights, products, total, bias, score, all, after, silent } = pass.parts(place, state.channel, 0, 0);
      const order = [...products.keys()]
        .sort((a, b) => Math.abs(products[b]) - Math.abs(products[a]))
        .slice(0, LARGEST_TERMS);
      const most = Math.max(Math.abs(products[order[0]]), 1e-12);
      const digits = digitsFor(Math.max(Math.abs(total), Math.abs(score), most));
      const sum = remainder(score, [bias], digits);
      const rest = remainder(sum, order.map((index) => products[index]), digits);
      const before = pass.before(place);
      const roomy = width > 420; // for bars; on a telephone the numbers come first
      const half = Math.min(width * 0.2, 110);
      const bar = (value, later) => {
        const long = (Math.min(Math.abs(value) / most, 1) * half).toFixed(1);
        return svg(
          "svg",
          { width: 2 * half, height: 14, "aria-hidden": "true" },
          rect(value < 0 ? half - long : half, 2, long, 10, { class: `ex-sum ${value < 0 ? "ex-negative" : "ex-positive"}${later ? " ex-later" : ""}` }),
          svg("path", { class: "ex-rule", d: `M${half} 0V14` }),
        );
      };
      const rows = order.map((index, at) => {
        const { channel, row, column } = pass.unflattened(place, index);
        const spot = roomy ? `, row ${row}, column ${column}` : ` at ${row}, ${column}`;
        const where = before.rows * before.columns > 1 ? `map ${channel}${spot}` : `unit ${channel}`;
        const later = at >= state.step;
        return html(
          "tr",
          { class: later ? "ex-later" : "" },
          html("th", { scope: "row" }, where),
          html("td", { class: "ex-tied" }, `${significant(inputs[index], 4)} × ${significant(weights[index], 3)}`),
          roomy ? html("td", { class: "ex-wide" }, bar(products[index], later)) : null,
          html("td", {}, later ? "…" : written(products[index], digits)),
        );
      });
      const withRest = state.step > order.length;
      rows.push(
        html(
          "tr",
          { class: withRest ? "" : "ex-later" },
          html("th", { scope: "row" }, `the other ${commas(products.length - order.length)}`),
          html("td", {}, ""),
          roomy ? html("td", {}, "") : null, // a bar would be longer by far than all the others
          html("td", {}, withRest ? written(rest, digits) : "…"),
        ),
      );
      const table = html(
        "table",
        { class: "ex-table" },
        html("caption", {}, `The ${order.length} largest of ${commas(products.length)} products, of activities of ${before.name} and weights`),
        html("tbody", {}, ...rows),
      );
      const withBias = state.step > order.length + 1;
      const done = state.step > order.length + 2;
      writeEquation([
        { value: written(sum, digits), name: `${commas(products.length)} products`, later: !withRest },
        "+",
        { value: written(bias, digits), name: "bias", later: !withBias },
        "=",
        { value: written(score, digits), name: layer.activation === "softmax" ? "score" : "sum", later: !withBias },
        ...(all === null
          ? ["→", { value: written(after, digits), name: silent ? SILENT : says[layer.activation] ?? layer.name, later: !done, result: true }]
          : [
              "→",
              { value: significant(Math.exp(score), 5), name: "e to the score", later: !done },
              "÷",
              { value: significant(all, 5), name: `the same of all ${commas(layer.channels)} classes`, later: !done },
              "=",
              { value: percent(after), name: "probability", later: !done, result: true },
            ]),
      ]);
      sentence.textContent = `The products add up to ${written(sum, digits)}, with the bias to ${written(score, digits)}.`;
      return [html("div", { class: "ex-scroll" }, table), equation];
    },
  };
  VIEWS["map normalization"] = VIEWS.normalization;

  let roomFor = "";
  /** Makes room for the tallest unit of any layer, so that nothing moves where another is chosen. */
  function makeRoom({ network, layers }, width) {
    const now = `${width} ${layers.map(({ name, kind }) => `${name} ${kind}`)}`;
    if (roomFor === now) return;
    roomFor = now;
    const widest = new Widest(network);
    const reserved = [title, cellWords, barWords, equation, stage];
    for (const element of reserved) element.style.minHeight = "";
    // Copies, out of sight: so that all are laid out at once, and not one after the other.
    const copies = html("div", {
      ...{ class: "ex-number-rooms", "aria-hidden": "true" },
      style: `width: ${stage.clientWidth}px`,
    });
    stage.before(copies);
    const rooms = widest.places().map((place) => {
      const unit = widest.settled({ layer: widest.layers[place].name, ...widest.unit(place), step: Infinity });
      show(widest, place, { ...unit, step: unit.steps, className: "" }, width);
      title.lastChild.textContent = significant(1.2345e-5, 4);
      const there = reserved.filter((element) => element === title || element === stage || element.parentNode === stage);
      const parts = there.map((part) => [part, part.cloneNode(true)]);
      copies.append(...parts.map(([, copy]) => copy));
      return parts;
    });
    const tall = (element) => element.getBoundingClientRect().height;
    const heights = new Map(reserved.map((element) => [element, 0]));
    const higher = (element, height) => heights.set(element, Math.max(heights.get(element), height));
    for (const [part, copy] of rooms.flat()) if (part !== stage) higher(part, tall(copy));
    // A part may be at its longest where another is not: the stage has room for both.
    for (const room of rooms) {
      const [, whole] = room.find(([part]) => part === stage);
      const spare = room.map(([part, copy]) => ([title, stage].includes(part) ? 0 : heights.get(part) - tall(copy)));
      higher(stage, tall(whole) + spare.reduce((sum, more) => sum + more, 0));
    }
    copies.remove();
    for (const [element, height] of heights) element.style.minHeight = `${height}px`;
  }

  function show(pass, place, state, width) {
    const { rows, columns, kind, activation } = pass.layers[place];
    const { after: value } = pass.parts(place, state.channel, state.row, state.column);
    const unit =
      rows * columns > 1
        ? `, map ${state.channel}, row ${state.row}, column ${state.column}`
        : `, unit ${state.channel}${state.className ? `: ${state.className}` : ""}`;
    title.replaceChildren(
      html("span", {}, html("strong", {}, state.layer), unit),
      html("span", { class: "ex-number-value" }, activation === "softmax" ? percent(value) : significant(value, 4)),
    );
    const parts = VIEWS[kind](pass, place, state, width);
    if (parts.some((part, at) => stage.childNodes[at] !== part) || stage.childNodes.length !== parts.length) {
      stage.replaceChildren(...parts);
    }
  }

  let last = "";
  let again = () => {};
  // The colours of the grids are painted, and have to be painted again for another theme.
  const themes = new MutationObserver(() => again());
  themes.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme", "theme"] });
  function draw(pass, state, width) {
    again = () => draw(pass, state, width);
    const place = pass.place(state.layer);
    const key = `${state.layer} ${state.channel} ${state.row} ${state.column}`;
    if (key !== last) {
      last = key;
      chosen.cell = null;
    }
    makeRoom(pass, width);
    show(pass, place, state, width);
    track.max = state.steps;
    track.value = state.step;
    say(sentence.textContent);
  }

  sentence.classList.add("ex-unheard");
  const close = () => {
    stop();
    themes.disconnect();
  };
  return { parts: [title, steps, stage, sentence], draw, close };
}

/**
 * A number that a reader opens and closes: the state has `opened`, too. `draw(pass, state, width)` is
 * that of `numberView`; without a pass, the box opens and waits.
 */
export function openableNumber(tools) {
  const { id, read, change, button } = tools;
  const view = numberView(tools);
  const box = html("div", { class: "ex-number-box", id: `${id}-number` }, ...view.parts);
  const closed = "Take this number to pieces";
  const opener = button(closed, () => change({ opened: !read().opened }), { class: "ex-open", "aria-controls": box.id });
  function draw(pass, state, width) {
    opener.setAttribute("aria-expanded", String(state.opened));
    opener.textContent = state.opened ? "Close the number" : closed;
    box.hidden = !state.opened;
    if (!state.opened) return;
    box.setAttribute("aria-busy", String(!pass));
    if (!pass) return;
    const { paddingLeft, paddingRight } = getComputedStyle(box);
    view.draw(pass, state, (box.clientWidth || width) - parseFloat(paddingLeft) - parseFloat(paddingRight));
  }
  return { opener, box, draw, close: view.close };
}

// ---- What a layer is ---------------------------------------------------------------------------

const mi = (text) => math("mi", {}, text);
const mo = (text) => math("mo", {}, text);
const mn = (text) => math("mn", {}, String(text));
const row = (...parts) => math("mrow", {}, ...parts);
const sub = (base, index) => math("msub", {}, base, index);
const sup = (base, power) => math("msup", {}, base, power);

/** The formula of a layer, as MathML. */
export function formula(layer) {
  const activated = (name, inner) => [math("mi", {}, says[name] ?? name), mo("("), ...inner, mo(")")];
  const linear = [mi("b"), mo("+"), math("munder", {}, mo("∑"), mi("c, u, v")), sub(mi("w"), mi("c,u,v")), sub(mi("x"), mi("c,u,v"))];
  const dense = [mi("b"), mo("+"), math("munder", {}, mo("∑"), mi("i")), sub(mi("w"), mi("i")), sub(mi("x"), mi("i"))];
  const normalized = (letter, members, size) => [
    mi("y"),
    mo("="),
    math(
      "mfrac",
      {},
      sub(mi("x"), mi(letter)),
      sup(
        row(mo("("), mn(layer.k), mo("+"), mn(layer.alpha), math("munder", {}, mo("∑"), row(mi(members))), sup(mi("x"), mn(2)), mo(")")),
        mn(layer.beta),
      ),
    ),
  ];
  const sides = {
    convolution: () => [mi("y"), mo("="), ...(layer.activation ? activated(layer.activation, linear) : linear)],
    normalization: () => normalized("c", `${layer.n} maps`),
    "map normalization": () => normalized("", `${layer.size} × ${layer.size}`),
    pooling: () => [mi("y"), mo("="), mi("max"), mo("("), mi("x"), mo(")"), math("mtext", {}, ` of ${layer.kernel} × ${layer.kernel}`)],
    activation: () => [mi("y"), mo("="), ...activated(layer.function, [mi("x")])],
    dense: () => [mi("y"), mo("="), ...(layer.activation ? activated(layer.activation, dense) : dense)],
  };
  return math("math", {}, row(...sides[layer.kind]()));
}
