// AlexNet live: a picture of the reader's goes through the network, here, in the browser.
// What computes is network.js; what is drawn with is teaching/widgets/explorer.js, and what takes a
// number to pieces is arithmetic.js there.
import {
  answerBars,
  clamp,
  commas,
  decoded,
  html,
  largestOf,
  layered,
  mapBrowser,
  mount,
  onDrag,
  onKeys,
  percent,
  placeOn,
  rect,
  remembering,
  seen,
  svg,
  unitAlike,
  unitAt,
  unpacked,
} from "./explorer.js";
import { Pass, openableNumber, stepsOf } from "./arithmetic.js";

const FOLDER = new URL("../live/", document.currentScript.src);
const GUESSES = 5;
const TOO_MANY_PIXELS = 100e6;
const DARKEST = 200; // of 255, where a picture says nothing for an answer

/** A sentence for the reader; what is no such sentence is a mistake of ours. */
class Refusal extends Error {}

const loaded = new Map();
/** Loads a script of the folder `live` once; it then stands in `alexnetFiles` under its name. */
function script(name) {
  if (!loaded.has(name)) {
    const element = html("script", { src: new URL(`${name}.js`, FOLDER).href });
    loaded.set(
      name,
      new Promise((resolve, reject) => {
        element.onload = resolve;
        element.onerror = () => {
          loaded.delete(name);
          element.remove();
          const why = name.startsWith("weights") ? "" : " Was the book built without TensorFlow.js?";
          reject(new Refusal(`The file ${name}.js cannot be loaded, so the network cannot run.${why}`));
        };
      }),
    );
    document.head.append(element);
  }
  return loaded.get(name);
}

const ran = new Set();
/** Runs on this page, once, what a script brought as a function. */
function runHere(name) {
  if (!ran.has(name)) window.alexnetFiles[name].call(window);
  ran.add(name);
}

// ---- Pictures --------------------------------------------------------------------------------------

/** The central square of whatever a canvas can draw, `side` × `side`, as RGBA, on white. */
export function centralSquare(source, width, height, side) {
  let size = Math.min(width, height);
  let [left, top] = [(width - size) / 2, (height - size) / 2];
  let smaller = source;
  // By halves, because browsers that shrink in one step leave pixels out.
  for (;;) {
    const next = size >= 2 * side ? Math.floor(size / 2) : side;
    const canvas = html("canvas", { width: next, height: next });
    const context = canvas.getContext("2d", { willReadFrequently: next === side });
    context.fillStyle = "white";
    context.fillRect(0, 0, next, next);
    context.imageSmoothingQuality = "high";
    context.drawImage(smaller, left, top, size, size, 0, 0, next, next);
    if (next === side) return context.getImageData(0, 0, side, side).data;
    [smaller, size, left, top] = [canvas, next, 0, 0];
  }
}

/** Which of `from` pixels a pixel of `to` is made of, and their weights: means, or between two. */
function resampling(from, to) {
  return Array.from({ length: to }, (_, at) => {
    if (to > from) {
      const place = clamp(((at + 0.5) * from) / to - 0.5, 0, from - 1);
      const before = Math.min(Math.floor(place), from - 2);
      return [[before, before + 1 - place], [before + 1, place - before]];
    }
    const [start, end] = [(at * from) / to, ((at + 1) * from) / to];
    const first = Math.floor(start);
    return Array.from({ length: Math.ceil(end) - first }, (_, more) => {
      const pixel = first + more;
      return [pixel, (Math.min(end, pixel + 1) - Math.max(start, pixel)) / (end - start)];
    });
  });
}

/** A picture of rows of RGB with another number of rows, its rows and columns exchanged. */
function resizedAcross(pixels, rows, wanted) {
  const columns = pixels.length / rows / 3;
  const found = new Float32Array(wanted * columns * 3);
  resampling(rows, wanted).forEach((parts, row) => {
    for (const [from, weight] of parts) {
      for (let column = 0; column < columns; column += 1) {
        for (let colour = 0; colour < 3; colour += 1) {
          found[(column * wanted + row) * 3 + colour] += weight * pixels[(from * columns + column) * 3 + colour];
        }
      }
    }
  });
  return found;
}

/** What is left of a square picture, RGB, on `detail` × `detail` pixels, enlarged again. */
function reduced(pixels, side, detail) {
  if (detail >= side) return pixels;
  const small = resizedAcross(resizedAcross(pixels, side, detail), side, detail);
  return resizedAcross(resizedAcross(small, detail, side), detail, side);
}

/** RGB as a canvas takes it. */
function asImage(pixels, side) {
  const image = new ImageData(side, side);
  for (let at = 0; at < side * side; at += 1) {
    for (let colour = 0; colour < 3; colour += 1) image.data[at * 4 + colour] = pixels[at * 3 + colour];
    image.data[at * 4 + 3] = 255;
  }
  return image;
}

/** A file of the reader's as an image that is ready to be drawn. */
async function decodedFile(file) {
  const image = new Image();
  const address = URL.createObjectURL(file);
  image.src = address;
  const name = file.name || "What you gave";
  const broken = `${name} is no picture that this browser can read. JPEG, PNG and WebP work everywhere.`;
  try {
    await new Promise((resolve, reject) => {
      image.onload = resolve;
      image.onerror = () => reject(new Refusal(broken));
    });
    const pixels = image.naturalWidth * image.naturalHeight;
    if (!pixels) throw new Refusal(broken);
    if (pixels > TOO_MANY_PIXELS) {
      throw new Refusal(
        `${name} has ${commas(Math.round(pixels / 1e6))} million pixels; this page takes up to ${TOO_MANY_PIXELS / 1e6}. Make it smaller first.`,
      );
    }
    await image.decode().catch(() => {
      throw new Refusal(broken);
    });
  } finally {
    URL.revokeObjectURL(address);
  }
  return image;
}

const CAMERA = {
  NotAllowedError: "The camera was refused. Allow it for this page in the browser's settings, or open a picture instead.",
  NotFoundError: "No camera was found. Open a picture instead.",
  NotReadableError: "Another program is using the camera. Close it, or open a picture instead.",
};

// ---- How far an answer can be trusted ----------------------------------------------------------

/** How often the network is right when it is so sure, as Python's `Calibration.right_at` has it. */
function rightAt(curve, probability) {
  const after = curve.findIndex(([mean]) => mean >= probability);
  if (after <= 0) return curve.at(after)[1]; // before the first of them, or beyond the last
  const [[low, below], [high, above]] = curve.slice(after - 1, after + 1);
  return below + ((above - below) * (probability - low)) / (high - low);
}

/** How sure an answer is, as results/unsure.py counts it: below `threshold`, it is unsure. */
export function sureness(probabilities, { coefficients, least }) {
  const sure = Array.from(probabilities, (share) => clamp(share, least, 1));
  const [likeliest, second] = [...sure].sort((a, b) => b - a).map(Math.log);
  const entropy = -sure.reduce((sum, share) => sum + share * Math.log(share), 0);
  return coefficients.likeliest * likeliest + coefficients.second * second + coefficients.entropy * entropy;
}

// ---- One number ------------------------------------------------------------------------------------

/** The network as `arithmetic.js` knows one. A normalization that is switched off passes numbers on. */
function planned(network, normalize) {
  const passing = { kind: "activation", function: "linear" };
  const layers = network.layers.map((layer) => ({
    ...layer,
    shape: layer.output_shape,
    ...(layer.kind.includes("normalization") && !normalize ? passing : {}),
  }));
  return new Pass({ ...network, layers }, null);
}

/** One layer of the pass that the computer keeps: what went in, what came out, and the layer's weights. */
class OpenedLayer extends Pass {
  /** `inputs` and `outputs` are rows, then columns, then channels; `tensors` those of the file of weights. */
  constructor({ network }, place, inputs, outputs, tensors, silenced) {
    super(network, null);
    Object.assign(this, { at: place, inputs, outputs, silenced });
    const [kernel, scale, bias] = ["kernel", "scale", "bias"].map((what) => tensors[`${this.layers[place].name}/${what}`]);
    Object.assign(this, { kernel, scale: scale?.values, bias: bias?.values });
    this.layers[place].filters = { get: remembering((filter) => this.filterOf(filter)) };
  }

  /** The weights of a filter, channel after channel; the file has them tap after tap. */
  filterOf(filter) {
    const { shape, values } = this.kernel;
    const filters = shape.at(-1);
    const depth = shape.length === 4 ? shape[2] : 1;
    const taps = values.length / filters / depth;
    const weights = new Float32Array(taps * depth);
    for (let tap = 0; tap < taps; tap += 1) {
      for (let channel = 0; channel < depth; channel += 1) {
        weights[channel * taps + tap] = values[(tap * depth + channel) * filters + filter] * this.scale[filter];
      }
    }
    return { weights, bias: this.bias[filter] };
  }

  /** What every unit of a fully connected layer says before the softmax. */
  get scores() {
    if (!this.found) {
      const { inputs, kernel, scale, bias } = this;
      this.found = new Float64Array(bias.length);
      inputs.forEach((input, at) => {
        for (let unit = 0; unit < bias.length; unit += 1) {
          this.found[unit] += input * kernel.values[at * bias.length + unit];
        }
      });
      this.found = this.found.map((sum, unit) => sum * scale[unit] + bias[unit]);
    }
    return this.found;
  }

  value(place, channel, row, column) {
    const [{ columns, channels }, values] =
      place === this.at ? [this.layers[place], this.outputs] : [this.before(this.at), this.inputs];
    return values[(row * columns + column) * channels + channel];
  }

  parts(place, channel, ...unit) {
    const parts = this.composed(place, channel, ...unit);
    return this.silenced.has(channel) ? { ...parts, after: 0, silent: true } : parts;
  }
}

// ---- What the reader changes -----------------------------------------------------------------------

/** `"conv1.5 conv2.17"` as `{ conv1: [5], conv2: [17] }`; what the network does not have is left out. */
export function silencedFilters(text, shapes) {
  const silenced = {};
  for (const word of text.split(" ")) {
    const [, layer, filter] = word.match(/^(\w+)\.(\d+)$/) ?? [];
    if (!Object.hasOwn(shapes, layer ?? "") || Number(filter) >= shapes[layer].at(-1)) continue;
    if (!silenced[layer]?.includes(Number(filter))) (silenced[layer] ??= []).push(Number(filter));
  }
  return silenced;
}

const asText = (silenced) =>
  Object.entries(silenced)
    .flatMap(([layer, filters]) => filters.map((filter) => `${layer}.${filter}`))
    .join(" ");

const TOWERS = { both: null, first: 0, second: 1 };
const SETTINGS = [
  ...["picture", "layer", "channel", "row", "column", "normalize", "tower", "silenced"],
  ...["detail", "cover", "top", "left", "size", "heat", "opened", "step", "backend"],
];

function build(tools, planOf) {
  const { id, read, change, data, refusal, say, number, select, tick, button, reset } = tools;
  const network = data("network");
  const names = data("class_names");
  const pictures = data("pictures");
  const credits = data("credits");
  const fields = data("fields");
  const [side] = network.input_shape;
  const last = network.layers.at(-1).name;
  const layers = network.layers.filter(({ kind }) => !["flatten", "dropout"].includes(kind));
  const byName = Object.fromEntries(layers.map((layer) => [layer.name, layer]));
  const shapes = Object.fromEntries(layers.map((layer) => [layer.name, layer.output_shape]));

  // ---- The network, and one pass after the other ------------------------------------------------

  let engine = null; // a computer of live/network.js
  let reader = null; // of the file of weights, which arrives in parts
  let whole = false; // whether all of it has
  let arrivals = 0;
  let pixels = null; // of the picture, 0..255, R, G, B
  let version = 0; // of the picture
  let answers = null; // probabilities
  let answered = null; // what they answer: the pixels that went in, and the reader's settings
  let before = null; // those of the picture as it is, by the network as it is
  let values = null; // of the layer that is shown
  let most = 0; // the largest of them
  let took = 0;
  let heat = null; // which places speak for the first answer
  let opened = null; // the layer whose numbers can be taken to pieces
  let [passed, judged, shown, warmed, open] = ["", "", "", "", ""]; // what the last results were for
  let busy = false;

  const editsOf = ({ normalize, tower, silenced }) => ({
    lrn: normalize,
    tower: TOWERS[tower],
    silenced: silencedFilters(silenced, shapes),
  });
  const question = ({ normalize, tower, silenced, cover, top, left, size }) =>
    JSON.stringify([version, engine.backend, arrivals, normalize, tower, silenced, cover && [top, left, size]]);

  function covered({ cover, top, left, size }) {
    if (!cover) return pixels;
    const input = pixels.slice();
    for (let row = top; row < top + size; row += 1) {
      for (let at = (row * side + left) * 3; at < (row * side + left + size) * 3; at += 3) {
        input.set(network.mean, at);
      }
    }
    return input;
  }

  let turn = Promise.resolve();
  /** What computes takes its turn: two backends must not compute at the same time. */
  function alone(task) {
    const done = turn.then(task);
    turn = done.catch(() => {}); // the next one takes its turn all the same
    return done;
  }

  /** Answers the newest question, and the next one if another has come up in the meantime. */
  function work() {
    if (busy || !engine || !pixels) return;
    busy = true;
    void alone(answer);
  }

  async function answer() {
    try {
      while (engine) {
        const state = read();
        const asked = question(state);
        const picture = `${version} ${engine.backend}`;
        if (passed !== asked) {
          const started = performance.now();
          const input = covered(state);
          answers = await engine.look(input, editsOf(state));
          answered = { input, state };
          took = performance.now() - started;
          [passed, shown] = [asked, ""];
        }
        if (shown !== state.layer) {
          values = await engine.read(state.layer);
          most = values?.reduce((largest, value) => Math.max(largest, value), 0);
          shown = state.layer;
        } else if (state.opened && values && open !== `${state.layer} ${asked}`) {
          opened = await openLayer(state);
          open = `${state.layer} ${asked}`;
        } else if (state.heat && answers && warmed !== asked) {
          heat = await engine.gradCam(largestOf(answers));
          warmed = asked;
        } else if (answers && judged !== picture) {
          before = await engine.answers(pixels);
          judged = picture;
        } else break;
        show();
      }
    } catch (error) {
      engine.dispose();
      engine = null;
      refuse(error, "The network stopped");
    } finally {
      busy = false;
    }
  }

  /** What a number of the layer is made of: what the layer before it says, and its own weights. */
  async function openLayer(state) {
    const plan = planOf(state.normalize);
    const place = plan.place(state.layer);
    const inputs = await engine.read(place ? plan.before(place).name : "image");
    const silenced = window.alexnetLive.silent(byName[state.layer], editsOf(state));
    return new OpenedLayer(plan, place, inputs, values, reader.tensors, silenced);
  }

  function refuse(error, what) {
    comparison.replaceChildren(); // nothing is being loaded any more
    refusal.textContent = error instanceof Refusal ? error.message : `${what}: ${error.message}`;
    if (!(error instanceof Refusal)) reportError(error);
  }

  // ---- Backends -----------------------------------------------------------------------------------

  const runtimeOf = (backend) => ["tf-core", `tf-${backend}`, ...(backend === "wasm" ? ["wasm"] : [])];
  const partsOfWeights = () =>
    Object.keys(window.alexnetFiles.sizes).filter((name) => name.startsWith("weights-")).sort();

  const meter = html("progress", { "aria-label": "Loading the network" });
  const there = new Set(); // the names of the files that have been loaded
  async function load(name) {
    await script(name);
    there.add(name);
    showLoading();
  }

  /** How much of the network has been loaded, where the comparison stands later. */
  function showLoading() {
    if (whole || !reader) return;
    const { sizes } = window.alexnetFiles;
    const size = (names) => names.reduce((sum, name) => sum + (sizes[name] ?? 0), 0);
    const all = [...runtimeOf(firstBackend), ...partsOfWeights()];
    const megabytes = (bytes) => (bytes / 1e6).toFixed(1);
    meter.max = size(all);
    meter.value = size(all.filter((name) => there.has(name)));
    const says = `Loading the network: ${megabytes(meter.value)} of ${megabytes(meter.max)}\u00a0MB.`;
    comparison.replaceChildren(meter, " ", says);
  }

  let firstBackend = null;
  let loading = null;
  /** Loads the weights, part by part, after the programs that the first layers wait for. */
  async function loadWeights(programs) {
    const names = partsOfWeights();
    const { alexnetFiles: files, alexnetLive: live } = window;
    reader = new live.SafetensorsReader();
    showLoading();
    let next = load(names[0]);
    await programs.catch(() => {}); // it is told by the one who asked for them
    for (const [index, name] of names.entries()) {
      await next;
      if (index + 1 < names.length) next = load(names[index + 1]);
      next.catch(() => {}); // it is told when its turn comes
      reader.add(new Uint8Array(await unpacked(files[name])));
      delete files[name];
      if (index + 1 === names.length) {
        reader.end();
        whole = true;
        comparison.replaceChildren();
      }
      await alone(() => supply());
    }
  }

  const given = new WeakMap(); // computer → the names of the tensors that it has
  /** Gives a computer the weights that have arrived since it was last given some. */
  async function supply(computer = engine) {
    if (!computer || !reader) return;
    const has = given.get(computer) ?? new Set();
    const fresh = Object.entries(reader.tensors).filter(([name]) => !has.has(name));
    if (!fresh.length) return;
    await computer.add(Object.fromEntries(fresh), whole);
    given.set(computer, new Set(Object.keys(reader.tensors)));
    if (computer !== engine) return;
    arrivals += 1;
    drawFilter(read());
    work();
  }

  async function use(backend) {
    const { alexnetLive: live } = window;
    const programs = runtimeOf(backend);
    await Promise.all(programs.map(load));
    const { alexnetFiles: files } = window;
    const scripts = programs.filter((name) => typeof files[name] === "function");
    const needs = [backend, network, ...(files.wasm && backend === "wasm" ? [decoded(files.wasm)] : [])];
    let computer;
    try {
      computer = await live.startInWorker([...scripts, "network"].map((name) => files[name]), ...needs);
    } catch {
      // No worker in this browser, or none that can do this: then the page computes.
      scripts.forEach(runHere);
      computer = await live.Computer.start(...needs);
    }
    await supply(computer);
    return computer;
  }

  function replace(next) {
    engine?.dispose();
    engine = next;
    passed = judged = shown = warmed = open = "";
  }

  /** WebAssembly answers at once. A graphics processor takes over where it proves the faster one. */
  async function choose(wanted) {
    try {
      runHere("network");
      const { alexnetLive: live } = window;
      const first = live.hasWasm() ? "wasm" : "webgl";
      const backend = wanted === "automatic" ? first : wanted;
      if (backend === "wasm" ? first !== "wasm" : live.webgl(false) === null) {
        throw new Refusal(
          wanted === "automatic"
            ? "This browser has neither WebAssembly with SIMD nor WebGL 2, so the network cannot run in it. Current versions of Firefox, Chrome, Edge and Safari have both."
            : `This browser has no ${BACKENDS[wanted]} that the network could run on.`,
        );
      }
      firstBackend ??= backend;
      const starting = use(backend);
      loading ??= loadWeights(starting).catch((error) => refuse(error, "The weights cannot be used"));
      replace(await starting);
    } catch (error) {
      refuse(error, "The network cannot run here");
    }
    work();
    if (wanted === "automatic" && engine?.backend === "wasm" && window.alexnetLive.hasGraphics()) {
      void loading.then(() => whole && alone(tryGraphics));
    }
  }

  async function tryGraphics() {
    const { alexnetLive: live } = window;
    const calm = engine;
    if (!calm || !pixels) return;
    let swift = null;
    try {
      const slow = await live.milliseconds(calm, pixels);
      swift = await use("webgl");
      const agrees = await live.agree(calm, swift, pixels);
      if (agrees && (await live.milliseconds(swift, pixels)) < slow) {
        replace(swift);
        return work();
      }
    } catch {
      // A graphics processor that cannot do it leaves everything as it was.
    }
    swift?.dispose();
  }

  // ---- Where pictures come from ---------------------------------------------------------------------

  const status = html("p", { class: "ex-note", role: "status" });
  const ground = html("canvas", { width: side, height: side, "aria-hidden": "true" });

  let original = null; // the picture as it came, RGB
  let detail = side; // pixels a side, of what is left of it in `pixels`

  function take(rgba) {
    original = Float32Array.from({ length: side * side * 3 }, (_, at) => rgba[Math.floor(at / 3) * 4 + (at % 3)]);
    present();
  }

  function present() {
    ({ detail } = read());
    pixels = reduced(original, side, detail);
    ground.getContext("2d").putImageData(asImage(pixels, side), 0, 0);
    version += 1;
    work();
  }

  let asked = 0; // the newest picture wins, whichever is decoded first
  async function takeOurs(name) {
    stopCamera();
    const mine = (asked += 1);
    const image = new Image();
    image.src = pictures[name];
    await image.decode();
    if (mine !== asked) return;
    status.textContent = credits[name];
    take(centralSquare(image, image.naturalWidth, image.naturalHeight, side));
  }

  async function takeFile(file) {
    stopCamera();
    refusal.textContent = "";
    const mine = (asked += 1);
    try {
      const image = await decodedFile(file);
      if (mine !== asked) return;
      const { naturalWidth: width, naturalHeight: height } = image;
      const rgba = centralSquare(image, width, height, side);
      const millions = (width * height) / 1e6;
      const many = millions >= 1 ? ` (${millions.toFixed(1)} million)` : "";
      const square = width === height ? "It is" : "Its central square is";
      const fits = width === side && height === side;
      status.textContent =
        `${file.name || "Your picture"}: ${commas(width)} × ${commas(height)} pixels${many}.` +
        (fits ? "" : ` ${square} reduced to ${side} × ${side}, which is what the network receives.`);
      change({ picture: "yours" });
      take(rgba);
    } catch (error) {
      refuse(error, `${file.name || "The picture"} cannot be used`);
    }
  }

  const video = html("video", { playsinline: "", muted: "" });
  let stream = null;

  function stopCamera() {
    stream?.getTracks().forEach((track) => track.stop());
    stream = null;
    camera.textContent = "Camera";
    camera.setAttribute("aria-pressed", "false");
  }

  async function startCamera() {
    refusal.textContent = "";
    const mine = (asked += 1);
    try {
      if (!navigator.mediaDevices?.getUserMedia) {
        throw new Refusal("Browsers give a camera to pages from an https address only. Open a picture instead.");
      }
      const opened = await navigator.mediaDevices
        .getUserMedia({ video: { facingMode: "environment", width: { ideal: 640 } } })
        .catch((error) => {
          throw CAMERA[error.name] ? new Refusal(CAMERA[error.name]) : error;
        });
      stream = opened;
      if (mine !== asked) return stopCamera();
      video.srcObject = stream;
      await video.play();
    } catch (error) {
      stopCamera();
      return refuse(error, "The camera cannot be used");
    }
    camera.textContent = "Stop the camera";
    camera.setAttribute("aria-pressed", "true");
    status.textContent = "The camera: each picture is looked at and forgotten. Stop it to keep the last one.";
    change({ picture: "camera" });
    const next = () => {
      if (!stream) return;
      if (!busy && video.videoWidth) {
        take(centralSquare(video, video.videoWidth, video.videoHeight, side));
      }
      requestAnimationFrame(next);
    };
    next();
  }

  const camera = button("Camera", () => (stream ? stopCamera() : startCamera()), { "aria-pressed": "false" });
  const opener = html("input", {
    type: "file",
    accept: "image/*",
    hidden: "",
    onchange() {
      if (opener.files[0]) void takeFile(opener.files[0]);
      opener.value = ""; // so that the same file can be opened again
    },
  });
  const ours = Object.entries(pictures).map(([name, source]) =>
    html(
      "button",
      { type: "button", class: "ex-thumb", "aria-label": `Our picture: ${name}`, onclick: () => choosePicture(name) },
      html("img", { src: source, alt: "", width: 48, height: 48 }),
    ),
  );
  function choosePicture(name) {
    refusal.textContent = "";
    change({ picture: name });
  }

  // ---- The picture, the grey square, the patch ------------------------------------------------------

  const [red, green, blue] = network.mean.map(Math.round);
  const grey = rect(0, 0, 0, 0, { class: "ex-cover ex-grip", fill: `rgb(${red}, ${green}, ${blue})` });
  const patch = svg("path", { class: "ex-field" });
  const overlay = svg(
    "svg",
    {
      viewBox: `0 0 ${side} ${side}`,
      tabindex: 0,
      role: "application",
      "aria-roledescription": "picture",
      "aria-describedby": `${id}-unit`,
    },
    grey,
    patch,
  );
  // ---- The heat map ---------------------------------------------------------------------------------

  const deepest = layers.findLast(({ kind }) => kind === "convolution");
  const warm = html("canvas", { class: "ex-heat", role: "img", hidden: "" });
  {
    // Each unit of the last convolution over the middle of what it sees. One more at each end goes on
    // with what the outermost say, as far as the picture.
    const { start, size, jump } = fields[deepest.name];
    const percentOf = (pixels, whole) => `${(100 * pixels) / whole}%`;
    const [places] = deepest.output_shape;
    const extent = (places + 2) * jump;
    const corner = start + (size - jump) / 2 - jump;
    const beyond = [corner + extent - side, -corner].map((pixels) => percentOf(Math.max(pixels, 0), extent));
    Object.assign(warm.style, {
      ...{ top: percentOf(corner, side), left: percentOf(corner, side) },
      ...{ width: percentOf(extent, side), height: percentOf(extent, side) },
      clipPath: `inset(${beyond[1]} ${beyond[0]} ${beyond[0]} ${beyond[1]})`,
    });
  }

  function drawHeat(state) {
    warm.hidden = !state.heat || !heat || !answers;
    if (warm.hidden) return;
    const [places] = deepest.output_shape;
    const across = places + 2;
    const most = Math.max(...heat) || 1;
    const image = new ImageData(across, across);
    for (let at = 0; at < across ** 2; at += 1) {
      const [row, column] = [Math.floor(at / across), at % across].map((place) => clamp(place - 1, 0, places - 1));
      // Dark where nothing speaks for it: a colour would be lost on a picture of that colour.
      image.data[at * 4 + 3] = DARKEST * (1 - heat[row * places + column] / most);
    }
    [warm.width, warm.height] = [across, across];
    warm.getContext("2d").putImageData(image, 0, 0);
    const first = names[largestOf(answers)];
    warm.setAttribute("aria-label", `Evidence for ${first} in the picture: the heat map of ${deepest.name}`);
  }

  const toSquare = (top, left) => change({ top: Math.round(top), left: Math.round(left) });
  const pixel = (x, y) => [x, y].map((at) => (at / overlay.clientWidth) * side);
  onDrag(
    overlay,
    (x, y) => {
      const { top, left, size } = read();
      const [column, row] = pixel(x, y);
      const offset = [row - top, column - left];
      return offset.every((at) => at >= 0 && at <= size) ? offset : [size / 2, size / 2];
    },
    (x, y, [down, right]) => {
      const [column, row] = pixel(x, y);
      const { cover, layer } = read();
      if (cover) toSquare(row - down, column - right);
      else {
        const [rows, columns] = shapes[layer];
        browser.toUnit(unitAt(fields[layer], row, rows), unitAt(fields[layer], column, columns ?? 1));
      }
    },
  );
  onKeys(overlay, () => {
    const { cover, top, left, row, column } = read();
    const go = (down, right) => () =>
      cover ? toSquare(top + 8 * down, left + 8 * right) : browser.toUnit(row + down, column + right);
    return { ArrowLeft: go(0, -1), ArrowRight: go(0, 1), ArrowUp: go(-1, 0), ArrowDown: go(1, 0) };
  });

  // ---- Answers --------------------------------------------------------------------------------------

  const guesses = answerBars(names, GUESSES);
  const comparison = html("p", { class: "ex-note" });
  const curve = data("calibration");
  const record = html("p", { class: "ex-record", hidden: curve ? null : "" });

  /** How often the network was right when it was so sure. It says nothing of a changed network. */
  function writeRecord() {
    if (!curve) return;
    const { normalize, tower, silenced, cover } = answered.state;
    const changed = !normalize || tower !== "both" || cover || Object.keys(silencedFilters(silenced, shapes)).length;
    const surest = answers[largestOf(answers)];
    const times = Math.round(100 * rightAt(curve, surest));
    record.textContent = changed
      ? ""
      : `When it says ${Math.round(100 * surest)}\u00a0% of a picture of its classes, it is right ${times} times in 100.`;
  }

  const judge = data("judge");
  const verdict = html("p", { class: "ex-verdict", hidden: judge ? null : "" });

  /** Whether it may be none of its classes: what was measured of answers that are as sure or unsure. */
  function writeVerdict() {
    if (!judge) return;
    const share = (part) => `${Math.round(100 * part)}\u00a0%`;
    const { threshold, known, unknown } = judge;
    const unsure = sureness(answers, judge) < threshold;
    verdict.replaceChildren(
      html("strong", {}, unsure ? "Unsure: perhaps none of these." : "Sure."),
      unsure
        ? ` So are ${share(known.unsure)} of its answers to pictures of its classes, and ${share(unknown.unsure)} to pictures of anything else.`
        : ` So are ${share(1 - known.unsure)} of its answers to pictures of its classes, but also ${share(1 - unknown.unsure)} to pictures of anything else.`,
    );
  }
  const timing = html("p", { class: "ex-note" });

  function writeAnswers() {
    const edited = before?.some((answer, index) => Math.abs(answer - answers[index]) > 5e-4);
    const [first] = guesses.draw(answers, edited ? before : null);
    writeRecord();
    writeVerdict();
    const plain = before ? largestOf(before) : first;
    comparison.textContent = edited
      ? `Without your changes: ${names[plain]} ${percent(before[plain])}. The marks show where each bar stood.`
      : "";
    timing.textContent = `${Math.round(took)} ms a pass, by ${BACKENDS[engine.backend]}`;
    say(`${names[first]} ${percent(answers[first])}. ${record.textContent} ${verdict.textContent} ${comparison.textContent}`);
  }

  // ---- Two answers side by side ---------------------------------------------------------------------

  /** What a reader has set, in words. */
  function inWords({ picture, detail, cover, top, left, size, normalize, tower, silenced }) {
    const count = Object.values(silencedFilters(silenced, shapes)).flat().length;
    return [
      { yours: "Your picture", camera: "A picture of the camera" }[picture] ?? `The ${picture}`,
      detail < side ? `reduced to ${detail} × ${detail} pixels` : null,
      cover ? `rows ${top} to ${top + size - 1} and columns ${left} to ${left + size - 1} covered` : null,
      normalize ? null : "no local response normalization",
      tower === "both" ? null : `the ${tower} tower switched off`,
      count ? `${count} silent ${count === 1 ? "filter or unit" : "filters or units"}` : null,
    ]
      .filter((part) => part !== null)
      .join(", ");
  }

  /** A picture as the network was given it, with its answers: `draw(answered, answers)`. */
  function exhibit(title) {
    const canvas = html("canvas", { width: side, height: side, role: "img" });
    const words = html("p", { class: "ex-note" });
    const bars = answerBars(names, GUESSES);
    function draw({ input, state }, probabilities) {
      canvas.getContext("2d").putImageData(asImage(input, side), 0, 0);
      words.textContent = `${inWords(state)}.`;
      canvas.setAttribute("aria-label", `${title}: ${words.textContent}`);
      bars.draw(probabilities, null);
    }
    return { figure: html("figure", {}, html("p", {}, html("strong", {}, title)), canvas, words, bars.list), draw };
  }

  const pair = html("div", { class: "ex-pair", role: "group", "aria-label": "Two answers", hidden: "" });
  let now = null; // the exhibit of the newest answer, while another is kept
  function compare() {
    const kept = now === null && answers ? exhibit("Kept") : null;
    now = kept && exhibit("Now");
    kept?.draw(answered, answers);
    now?.draw(answered, answers);
    pair.replaceChildren(...(kept ? [kept.figure, now.figure] : []));
    pair.hidden = !kept;
    comparer.textContent = kept ? "Stop comparing" : KEEP;
  }
  const KEEP = "Keep this answer to compare";
  const comparer = button(KEEP, compare, { disabled: "" });

  // ---- Layers and maps ------------------------------------------------------------------------------

  const openNumber = () => change({ opened: true, step: data("limits").step[1] });
  const browser = mapBrowser({ ...tools, say: () => {} }, shapes, { [last]: names }, openNumber);
  let heard = "";
  const taken = openableNumber({
    ...tools,
    /** A number is heard when another is chosen, and not when a picture is: then the answer is. */
    say(text) {
      const { layer, channel, row, column, step } = read();
      const now = `${layer} ${channel} ${row} ${column} ${step}`;
      if (now !== heard) say(text);
      heard = now;
    },
  });

  function drawNumber(state) {
    const { name, kind } = opened?.layers[opened.at] ?? {};
    const there = name === state.layer && kind === planOf(state.normalize).layers[opened.at].kind;
    const className = state.layer === last ? names[state.channel] : "";
    taken.draw(there ? opened : null, { ...state, className }, width);
  }

  /** Goes to another layer, and there to the unit that looks at the same place of the picture. */
  function toLayer(layer) {
    const state = read();
    change({ layer, ...unitAlike(fields[state.layer], fields[layer], state, shapes[layer], side) });
  }
  const chain = layers.map(({ name, output_shape: shape }) => {
    const size = shape.length === 3 ? shape.join("×") : String(shape[0]);
    const label = html("span", { class: "ex-note" }, size);
    const one = html("button", { type: "button", "data-layer": name, onclick: () => toLayer(name) }, name, label);
    return { name, one };
  });
  const heading = html("p", {});
  const filter = html("canvas", { class: "ex-filter", width: 0, height: 0, role: "img" });
  const silence = html("input", { type: "checkbox", onchange: () => toggle(read().layer, read().channel) });
  const silenceLabel = html("label", { class: "ex-choice" }, silence, html("span"));
  const silencedList = html("ul", { class: "ex-bar ex-silenced", "aria-label": "Silent filters" });

  function toggle(layer, channel) {
    const silenced = silencedFilters(read().silenced, shapes);
    const filters = silenced[layer] ?? [];
    silenced[layer] = filters.includes(channel)
      ? filters.filter((other) => other !== channel)
      : [...filters, channel];
    change({ silenced: asText(silenced) });
  }

  /** Switches a filter on again. Its button goes, and the focus to the next one, or to the layer. */
  function release(layer, channel) {
    toggle(layer, channel);
    requestAnimationFrame(() => {
      const here = chain.find(({ name }) => name === read().layer).one;
      (silencedList.querySelector("button") ?? here).focus();
    });
  }

  /** The filter itself, where it looks at the three colours of the picture: grey is a weight of 0. */
  function drawFilter({ layer, channel }) {
    const { kind, kernel: size, input_shape: shape, groups } = byName[layer];
    const kernel = reader?.tensors[`${layer}/kernel`];
    filter.hidden = kind !== "convolution" || shape[2] / groups !== 3 || !kernel;
    if (filter.hidden) return;
    const filters = kernel.shape.at(-1);
    const image = new ImageData(size, size);
    for (let at = 0; at < size * size; at += 1) {
      for (let colour = 0; colour < 3; colour += 1) {
        image.data[at * 4 + colour] = 127.5 + kernel.values[(at * 3 + colour) * filters + channel];
      }
      image.data[at * 4 + 3] = 255;
    }
    [filter.width, filter.height] = [size, size];
    filter.getContext("2d").putImageData(image, 0, 0);
    filter.setAttribute("aria-label", `Filter ${channel} of ${layer}, ${size} × ${size} pixels`);
  }

  function writeLayer(state) {
    const { layer, channel, silenced } = state;
    const { kind, filters } = byName[layer];
    const towers = byName[layer].groups > 1 || network.layers.some(({ groups }) => groups > 1);
    const tower =
      towers && kind === "convolution" ? `, ${channel < filters / 2 ? "first" : "second"} tower` : "";
    const what = kind === "dense" ? "unit" : "map";
    for (const input of channelRow.querySelectorAll("input")) input.max = shapes[layer].at(-1) - 1;
    const name = layer === last ? `, ${names[channel]}` : "";
    heading.textContent = `${layer}: ${what} ${channel} of ${commas(shapes[layer].at(-1))}${tower}${name}`;
    const list = silencedFilters(silenced, shapes);
    silence.disabled = layer === last || !["convolution", "dense"].includes(kind);
    silence.checked = list[layer]?.includes(channel) ?? false;
    silenceLabel.lastChild.textContent = kind === "dense" ? "silence this unit" : "silence this filter";
    const buttons = Object.entries(list).flatMap(([name, channels]) =>
      channels.map((one) =>
        html(
          "li",
          {},
          button(`${name} ${one} ×`, () => release(name, one), { "aria-label": `${name} ${one} ×, switch it on again` }),
        ),
      ),
    );
    silencedList.replaceChildren(...buttons);
    silencedList.hidden = buttons.length === 0;
    chain.forEach(({ name, one }) => one.setAttribute("aria-pressed", String(name === layer)));
  }

  let width = 0;
  /** Everything that follows from a pass; settings alone are drawn by `draw`. */
  function show() {
    if (answers) writeAnswers();
    comparer.disabled = !answers;
    if (answers) now?.draw(answered, answers);
    drawHeat(read());
    drawMapsOf(read());
    drawNumber(read());
  }

  function drawMapsOf(state) {
    const { layer } = state;
    const awaited = shown === layer && values === null; // for weights that are still being loaded
    browser.sheet.classList.toggle("ex-awaited", awaited);
    browser.one.classList.toggle("ex-awaited", awaited);
    if (awaited) browser.words.textContent = `The weights of ${layer} are still being loaded.`;
    if (values?.length !== shapes[layer].reduce((product, size) => product * size)) return; // not yet
    browser.draw(state, values, most, width);
    const whole = { size: side, jump: 0, start: 0 };
    const box = seen(fields[layer]?.jump ? fields[layer] : whole, state.row, state.column, side);
    patch.setAttribute("d", `M${box.left} ${box.top}H${box.right}V${box.bottom}H${box.left}z`);
    browser.write(state, values, box);
  }

  // ---- All together ---------------------------------------------------------------------------------

  let ourPicture = null; // which of our pictures was asked for
  let chosenBackend = null;

  function draw(state, wide) {
    width = wide;
    if (ourPicture !== state.picture) {
      ourPicture = state.picture;
      if (Object.hasOwn(pictures, ourPicture)) void takeOurs(ourPicture);
      else if (!pixels) choosePicture(Object.keys(pictures)[0]); // an address brings no picture
    }
    if (original && detail !== state.detail) present();
    if (chosenBackend !== state.backend) {
      chosenBackend = state.backend;
      void alone(() => choose(state.backend));
    }
    ours.forEach((one, index) =>
      one.setAttribute("aria-pressed", String(Object.keys(pictures)[index] === state.picture)),
    );
    grey.style.display = state.cover ? "" : "none";
    for (const [name, value] of Object.entries({ x: state.left, y: state.top, width: state.size, height: state.size })) {
      grey.setAttribute(name, value);
    }
    for (const control of sizeRow.querySelectorAll("input")) control.disabled = !state.cover;
    overlay.setAttribute(
      "aria-label",
      state.cover
        ? "The picture. Arrow keys move the grey square."
        : "The picture. Arrow keys choose another unit of the layer.",
    );
    writeLayer(state);
    drawFilter(state);
    drawHeat(state);
    drawMapsOf(state);
    drawNumber(state);
    work();
  }

  const picture = layered(ground, overlay);
  overlay.before(warm);
  const sizeRow = number("size", "Its side");
  const channelRow = number("channel", "Map");
  const hasTowers = network.layers.some(({ groups }) => groups > 1);
  const hasNorms = network.layers.some(({ kind }) => kind.includes("normalization"));
  const panel = [
    html(
      "div",
      { class: "ex-bar" },
      html("div", { class: "ex-bar ex-thumbs", role: "group", "aria-label": "Our pictures" }, ...ours),
      button("Open a picture…", () => opener.click()),
      opener,
      camera,
      reset(() => {
        stopCamera();
        if (now) compare();
      }),
    ),
    refusal,
    html(
      "div",
      { class: "ex-stage" },
      html("div", { class: "ex-picture" }, picture, status),
      html(
        "div",
        { class: "ex-words" },
        guesses.list,
        comparison,
        record,
        verdict,
        comparer,
        html(
          "div",
          { class: "ex-words", role: "group", "aria-label": "What you can change" },
          tick("heat", "show the evidence for the answer"),
          number("detail", "Detail"),
          tick("cover", "cover a part of the picture"),
          sizeRow,
          hasNorms ? tick("normalize", "local response normalization") : null,
          hasTowers
            ? html(
                "div",
                { class: "ex-bar ex-row" },
                ...select("tower", "Towers", [
                  ["both", "both at work"],
                  ["first", "the first switched off"],
                  ["second", "the second switched off"],
                ]),
              )
            : null,
        ),
      ),
    ),
    pair,
    html("ol", { class: "ex-chain", "aria-label": "Layers" }, ...chain.map(({ one }) => html("li", {}, one))),
    browser.sheet,
    html(
      "div",
      { class: "ex-beside" },
      browser.one,
      html("div", { class: "ex-words" }, heading, channelRow, silenceLabel, silencedList, filter, browser.words, taken.opener),
    ),
    taken.box,
    html("div", { class: "ex-bar" }, ...select("backend", "Computed by", Object.entries(BACKENDS)), timing),
  ];

  // ---- Dropping and pasting -------------------------------------------------------------------------

  const offered = ({ files }) => [...files].find(({ type }) => type.startsWith("image/")) ?? files[0];
  function whenThere(element) {
    element.addEventListener("dragover", (event) => {
      event.preventDefault();
      element.classList.add("ex-dropping");
    });
    element.addEventListener("dragleave", () => element.classList.remove("ex-dropping"));
    element.addEventListener("drop", (event) => {
      event.preventDefault();
      element.classList.remove("ex-dropping");
      const file = offered(event.dataTransfer);
      if (file) void takeFile(file);
      else refusal.textContent = "That was no file. Save the picture first, then drop it here.";
    });
  }
  const paste = (event) => {
    const file = offered(event.clipboardData);
    if (file) void takeFile(file);
  };
  document.addEventListener("paste", paste);
  queueMicrotask(() => whenThere(status.closest(".explorer-panel")));

  // A browser opens a file that is dropped beside the frame in place of the page, and everything
  // done on it is lost. Whoever drops a picture here means the network.
  const holdFile = (event) => {
    if (event.dataTransfer?.types.includes("Files")) event.preventDefault();
  };
  const takeBeside = (event) => {
    if (event.defaultPrevented || !event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    const file = offered(event.dataTransfer);
    if (file) void takeFile(file);
  };
  document.addEventListener("dragover", holdFile);
  document.addEventListener("drop", takeBeside);

  return {
    parts: panel,
    draw,
    close() {
      stopCamera();
      taken.close();
      document.removeEventListener("paste", paste);
      document.removeEventListener("dragover", holdFile);
      document.removeEventListener("drop", takeBeside);
    },
  };
}

const BACKENDS = { automatic: "what is fastest here", wasm: "WebAssembly", webgl: "WebGL" };

function render(context) {
  const { model } = context;
  const network = model.get("network");
  const pictures = model.get("pictures");
  const plans = { true: planned(network, true), false: planned(network, false) };
  const planOf = (normalize) => plans[normalize];
  const known = new Map(plans.true.layers.map((layer) => [layer.name, layer.output_shape]));
  const [side] = network.input_shape;
  return mount(context, {
    name: "live",
    title: "AlexNet live",
    settings: SETTINGS,
    settle(state) {
      if (!known.has(state.layer)) state.layer = network.layers[0].name;
      const shape = known.get(state.layer);
      const [rows, columns] = shape.length === 3 ? shape : [1, 1];
      state.channel = clamp(state.channel, 0, shape.at(-1) - 1);
      state.row = placeOn(state.row, rows);
      state.column = placeOn(state.column, columns);
      const plan = planOf(state.normalize);
      state.steps = stepsOf(plan, plan.place(state.layer), state.channel, state.row, state.column);
      state.step = clamp(state.step, 0, state.steps);
      state.top = clamp(state.top, 0, side - state.size);
      state.left = clamp(state.left, 0, side - state.size);
      if (!Object.hasOwn(TOWERS, state.tower)) state.tower = "both";
      if (!Object.hasOwn(BACKENDS, state.backend)) state.backend = "automatic";
      // A picture of the reader's is in no address.
      const foreign = !Object.hasOwn(pictures, state.picture);
      if (foreign && !["yours", "camera"].includes(state.picture)) [state.picture] = Object.keys(pictures);
      return state;
    },
    build: (tools) => build(tools, planOf),
  });
}

export default { render };
