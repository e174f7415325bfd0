// The network in the browser. Nothing about it is written here: the layers come from the
// description that Python exported (live_page.py), the weights from a safetensors file
// of 8 bits (alexnet_lib/compact.py), the arithmetic from TensorFlow.js. All of this runs in a worker,
// or on the page itself where a browser gives it none: only the page knows `document`.
self.alexnetLive = (() => {
  const ARRAYS = { I8: Int8Array, F32: Float32Array };

  /** Reads a safetensors file that arrives in parts, which need not end where a tensor ends. */
  class SafetensorsReader {
    constructor() {
      this.bytes = new Uint8Array(0);
      this.received = 0;
      this.waiting = null; // what the header announces, in the order of the file
      this.tensors = {};
    }

    damaged(what) {
      return new Error(`The file of weights is damaged: ${what}.`);
    }

    /** Takes the next part. What is complete by now stands in `tensors`: name → `{ shape, values }`. */
    add(part) {
      const length = this.received + part.byteLength;
      if (length > this.bytes.byteLength) {
        const longer = new Uint8Array(length);
        longer.set(this.bytes.subarray(0, this.received));
        this.bytes = longer;
      }
      this.bytes.set(part, this.received);
      this.received = length;
      if (!this.waiting && !this.readHeader()) return;
      while (this.waiting.length && this.waiting[0].to <= this.received) {
        const { name, shape, kind, from, to } = this.waiting.shift();
        // A copy, because a view of floats may begin at multiples of four bytes only.
        this.tensors[name] = { shape, values: new kind(this.bytes.slice(from, to).buffer) };
      }
    }

    readHeader() {
      if (this.received < 8) return false;
      const start = 8 + Number(new DataView(this.bytes.buffer).getBigUint64(0, true));
      if (start > this.received) return false;
      const text = new TextDecoder().decode(this.bytes.subarray(8, start));
      const { __metadata__, ...header } = JSON.parse(text);
      this.waiting = Object.entries(header).map(([name, { dtype, shape, data_offsets: offsets }]) => {
        const [from, to] = offsets.map((offset) => start + offset);
        const kind = ARRAYS[dtype];
        if (!kind) throw this.damaged(`${name} is of the type ${dtype}`);
        const count = shape.reduce((product, side) => product * side, 1);
        if (to - from !== count * kind.BYTES_PER_ELEMENT) throw this.damaged(`${name} is cut off`);
        return { name, shape, kind, from, to };
      });
      this.waiting.sort((one, other) => one.from - other.from);
      const whole = new Uint8Array(this.waiting.reduce((most, { to }) => Math.max(most, to), start));
      whole.set(this.bytes.subarray(0, Math.min(this.received, whole.byteLength)));
      this.bytes = whole;
      return true;
    }

    /** Says what is missing once all parts have been added. */
    end() {
      if (this.received < 8) throw this.damaged("it has no header");
      if (!this.waiting) throw this.damaged("its header is cut off");
      if (this.waiting.length) throw this.damaged(`${this.waiting[0].name} is cut off`);
      return this.tensors;
    }
  }

  /** The tensors of a whole safetensors file: name → `{ shape, values }`. */
  function readSafetensors(bytes) {
    const reader = new SafetensorsReader();
    reader.add(bytes);
    return reader.end();
  }

  /** A kernel in float32: 8 bits times the scale of its output channel, the last axis. */
  function dequantize(kernel, scale) {
    const channels = scale.length;
    const values = new Float32Array(kernel.length);
    for (let start = 0; start < values.length; start += channels) {
      for (let channel = 0; channel < channels; channel += 1) {
        values[start + channel] = kernel[start + channel] * scale[channel];
      }
    }
    return values;
  }

  /** Which filters of a layer are silent: those named, and the half that is one tower. */
  function silent(layer, { silenced, tower }) {
    const filters = new Set(silenced[layer.name] ?? []);
    if (tower !== null && layer.kind === "convolution") {
      const half = layer.filters / 2;
      for (let filter = tower * half; filter < (tower + 1) * half; filter += 1) filters.add(filter);
    }
    return filters;
  }

  /** Each group of channels by itself, side by side again. */
  const inGroups = (tf, x, groups, apply) =>
    groups === 1 ? apply(x, 0) : tf.concat(tf.split(x, groups, 3).map(apply), 3);

  /** What each kind of layer does to a tensor `(1, rows, columns, channels)` or `(1, units)`. */
  const LAYERS = {
    convolution(tf, x, layer, weights) {
      // What hangs over the far edge comes on top of the padding.
      const [rows, columns] = layer.overhang.map((far) => [layer.padding, layer.padding + far]);
      return inGroups(tf, x, layer.groups, (part, group) =>
        tf.fused.conv2d({
          x: part,
          filter: weights.kernels[group],
          bias: weights.biases[group],
          strides: layer.stride,
          pad: [[0, 0], rows, columns, [0, 0]],
          activation: layer.activation ?? "linear",
        }),
      );
    },
    normalization(tf, x, layer, weights, edits) {
      if (!edits.lrn) return x.clone();
      const radius = Math.floor(layer.n / 2);
      return inGroups(tf, x, layer.groups, (part) =>
        tf.localResponseNormalization(part, radius, layer.k, layer.alpha, layer.beta),
      );
    },
    "map normalization"(tf, x, layer, weights, edits) {
      if (!edits.lrn) return x.clone();
      const edge = [(layer.size - 1) / 2, (layer.size - 1) / 2];
      const squares = tf.pad(tf.square(x), [[0, 0], edge, edge, [0, 0]]);
      const sums = tf.mul(tf.avgPool(squares, layer.size, 1, "valid"), layer.size ** 2);
      return tf.mul(x, tf.pow(tf.add(tf.mul(sums, layer.alpha), layer.k), -layer.beta));
    },
    pooling(tf, x, layer) {
      // A window may hang over the far edge, by one: then "same" adds it there and nowhere else.
      const hangs = layer.overhang.some((overhang) => overhang > 0);
      return tf.maxPool(x, layer.kernel, layer.stride, hangs ? "same" : "valid");
    },
    activation: (tf, x, layer) => tf[layer.function](x),
    flatten: (tf, x) => tf.reshape(x, [1, -1]),
    dropout: (tf, x) => x.clone(), // only training silences at random
    dense(tf, x, layer, weights) {
      const linear = layer.activation !== "relu";
      const y = tf.fused.matMul({
        a: x,
        b: weights.kernels[0],
        bias: weights.biases[0],
        activation: linear ? "linear" : "relu",
      });
      return layer.activation === "softmax" ? tf.softmax(y) : y;
    },
  };

  const whereActive = async (pass, { name }, gradient) => {
    const output = await pass.read(name);
    return gradient.map((value, index) => (output[index] > 0 ? value : 0));
  };

  /** The gradient that a layer behind the convolutions hands back, from the one that it is handed. */
  const BACKWARDS = {
    async dense(network, pass, layer, gradient) {
      const { tf } = network;
      const linear = layer.activation === "relu" ? await whereActive(pass, layer, gradient) : gradient;
      const product = tf.tidy(() =>
        tf.matMul(tf.tensor2d(linear, [1, linear.length]), network.weights[layer.name].kernels[0], false, true),
      );
      const values = await product.data();
      product.dispose();
      return values;
    },
    dropout: async (network, pass, layer, gradient) => gradient,
    flatten: async (network, pass, layer, gradient) => gradient,
    activation: (network, pass, layer, gradient) => whereActive(pass, layer, gradient),
    /** All that comes to a window goes to its largest value. */
    async pooling(network, pass, layer, gradient, before) {
      const values = await pass.read(before.name);
      const [rows, columns, channels] = layer.input_shape;
      const [, across] = layer.output_shape;
      const back = new Float32Array(values.length);
      gradient.forEach((value, index) => {
        const channel = index % channels;
        const [top, left] = [Math.floor(index / channels / across), Math.floor(index / channels) % across].map(
          (place) => place * layer.stride,
        );
        let best = -1;
        for (let row = top; row < Math.min(top + layer.kernel, rows); row += 1) {
          for (let column = left; column < Math.min(left + layer.kernel, columns); column += 1) {
            const place = (row * columns + column) * channels + channel;
            if (best < 0 || values[place] > values[best]) best = place;
          }
        }
        back[best] += value;
      });
      return back;
    },
  };

  // A message to oneself: other events are handled before it, and no browser delays it.
  const { port1: sender, port2: receiver } = new MessageChannel();
  const waiting = [];
  receiver.onmessage = () => waiting.shift()();
  const pause = () =>
    new Promise((resolve) => {
      waiting.push(resolve);
      sender.postMessage(null);
    });

  const NO_EDITS = { lrn: true, tower: null, silenced: {} };

  /** What left each layer for one picture. `dispose` gives the memory back. */
  class Pass {
    constructor(outputs) {
      this.outputs = outputs;
    }

    /** Float32Array of a layer's output: rows, then columns, then channels; null if it has none yet. */
    async read(name) {
      return (await this.outputs.get(name)?.data()) ?? null;
    }

    dispose() {
      for (const tensor of this.outputs.values()) tensor.dispose();
      this.outputs.clear();
    }
  }

  class Network {
    /**
     * `description` is `{ layers, input_shape, mean }`, `tensors` what `readSafetensors` gave. While
     * the file is still arriving, it is not `whole`, and the rest follows by `add`.
     */
    constructor(tf, description, tensors, whole = true) {
      this.tf = tf;
      this.description = description;
      this.backend = tf.getBackend();
      this.weights = {};
      this.waiting = {};
      this.add(tensors, whole);
    }

    /** Takes tensors; a layer that has all of its own by now can compute. */
    add(arrived, whole) {
      const tensors = Object.assign(this.waiting, arrived);
      for (const layer of this.description.layers) {
        const { name } = layer;
        if (!["convolution", "dense"].includes(layer.kind) || this.weights[name]) continue;
        const missing = ["kernel", "scale", "bias"].find((what) => !tensors[`${name}/${what}`]);
        if (!missing) {
          this.weights[name] = this.weightsOf(layer, tensors);
          for (const what of ["kernel", "scale", "bias"]) delete tensors[`${name}/${what}`];
        } else if (whole) throw new Error(`The file of weights has no ${missing} for ${name}.`);
      }
    }

    weightsOf(layer, tensors) {
      const { tf } = this;
      const [kernel, scale, bias] = ["kernel", "scale", "bias"].map((what) => tensors[`${layer.name}/${what}`]);
      const groups = layer.groups ?? 1;
      const filters = layer.output_shape.at(-1);
      const expected =
        layer.kind === "dense"
          ? [layer.input_shape[0], filters]
          : [layer.kernel, layer.kernel, layer.input_shape[2] / groups, filters];
      if (String(kernel.shape) !== String(expected)) {
        throw new Error(
          `The kernel of ${layer.name} is ${kernel.shape.join("×")}; ` +
            `the description asks for ${expected.join("×")}.`,
        );
      }
      const whole = tf.tensor(dequantize(kernel.values, scale.values), kernel.shape);
      const kernels = groups === 1 ? [whole] : tf.split(whole, groups, 3);
      if (groups > 1) whole.dispose();
      const all = tf.tensor1d(bias.values);
      const biases = groups === 1 ? [all] : tf.split(all, groups);
      if (groups > 1) all.dispose();
      return { kernels, biases };
    }

    /** One layer. Filters that are silent give zeros, whatever they would have said. */
    apply(layer, x, edits) {
      const { tf } = this;
      const y = LAYERS[layer.kind](tf, x, layer, this.weights[layer.name], edits);
      const filters = silent(layer, edits);
      if (filters.size === 0) return y;
      const channels = layer.output_shape.at(-1);
      return tf.mul(y, Array.from({ length: channels }, (_, index) => Number(!filters.has(index))));
    }

    /**
     * Sends one picture through. `pixels` are its colours, 0..255: rows, columns, R, G, B. Between
     * two layers the page may do something else, so that it stays alive on a slow machine. The pass
     * ends before the first layer whose weights have not arrived.
     */
    async forward(pixels, edits = NO_EDITS) {
      const { tf, description } = this;
      await tf.setBackend(this.backend); // another network may have used another one
      const outputs = new Map();
      const pass = new Pass(outputs);
      try {
        let x = tf.tidy(() => tf.sub(tf.tensor(pixels, [1, ...description.input_shape]), description.mean));
        outputs.set("image", x);
        for (const layer of description.layers) {
          if (["convolution", "dense"].includes(layer.kind) && !this.weights[layer.name]) break;
          x = tf.tidy(() => this.apply(layer, x, edits));
          outputs.set(layer.name, x);
          await pause();
        }
      } catch (error) {
        pass.dispose();
        throw error;
      }
      return pass;
    }

    /**
     * Grad-CAM at the last convolution (Selvaraju et al. 2017), as `inspection.grad_cam` computes it:
     * how much each place of its maps speaks for a class, 0 or more; rows, then columns.
     */
    async gradCam(pass, target) {
      await this.tf.setBackend(this.backend);
      const { layers } = this.description;
      const at = layers.findLastIndex(({ kind }) => kind === "convolution");
      // Of the score before the softmax: behind it, the gradient vanishes where the network is sure.
      let gradient = Float32Array.from({ length: layers.at(-1).output_shape[0] }, (_, unit) => Number(unit === target));
      for (let place = layers.length - 1; place > at; place -= 1) {
        gradient = await BACKWARDS[layers[place].kind](this, pass, layers[place], gradient, layers[place - 1]);
      }
      const [rows, columns, channels] = layers[at].output_shape;
      const maps = await pass.read(layers[at].name);
      const weights = new Float64Array(channels);
      gradient.forEach((value, index) => (weights[index % channels] += value / (rows * columns)));
      const heat = new Float32Array(rows * columns);
      maps.forEach((value, index) => (heat[Math.floor(index / channels)] += value * weights[index % channels]));
      return heat.map((value) => Math.max(value, 0));
    }

    dispose() {
      for (const { kernels, biases } of Object.values(this.weights)) {
        this.tf.dispose([kernels, biases]);
      }
    }
  }

  // ---- Backends -------------------------------------------------------------------------------

  // A function of one instruction that only processors with SIMD know (i8x16.popcnt of a splat).
  const SIMD = [
    ...[0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0],
    ...[65, 0, 253, 15, 253, 98, 11],
  ];
  const hasWasm = () =>
    typeof WebAssembly === "object" && WebAssembly.validate(new Uint8Array(SIMD));

  /** A WebGL 2 context, or null. `fast` refuses one that the processor only imitates. */
  function webgl(fast) {
    const options = { failIfMajorPerformanceCaveat: fast };
    return document.createElement("canvas").getContext("webgl2", options);
  }

  /** Whether a graphics processor is there that is one. */
  function hasGraphics() {
    const gl = webgl(true);
    if (!gl) return false;
    const named = gl.getExtension("WEBGL_debug_renderer_info");
    const renderer = String(gl.getParameter(named ? named.UNMASKED_RENDERER_WEBGL : gl.RENDERER));
    gl.getExtension("WEBGL_lose_context")?.loseContext();
    return !/swiftshader|llvmpipe|softpipe|software|basic render/i.test(renderer);
  }

  /** TensorFlow.js asks for its WebAssembly by address; the page has it already, as bytes. */
  async function startWasm(tf, bytes) {
    const platform = tf.env().platform;
    const fetch = platform.fetch;
    tf.env().set("WASM_HAS_SIMD_SUPPORT", true);
    tf.env().set("WASM_HAS_MULTITHREAD_SUPPORT", false); // needs headers that few servers send
    tf.wasm.setWasmPaths("./", true); // "true": by the platform, as follows
    platform.fetch = async () => new Response(bytes);
    try {
      if (!(await tf.setBackend("wasm"))) throw new Error("WebAssembly did not start.");
    } finally {
      platform.fetch = fetch;
    }
  }

  /** On some telephones WebGL computes in 16 bits, in which the squares of LRN overflow. */
  async function startWebgl(tf) {
    if (!(await tf.setBackend("webgl"))) throw new Error("WebGL did not start.");
    if (!tf.env().getBool("WEBGL_RENDER_FLOAT32_ENABLED")) {
      throw new Error("WebGL computes in half precision only.");
    }
  }

  // ---- Computers ------------------------------------------------------------------------------

  /** The network on a backend. What left the layers for the last picture is kept. */
  class Computer {
    static async start(backend, description, wasm) {
      const { tf } = self;
      await (backend === "wasm" ? startWasm(tf, wasm) : startWebgl(tf));
      return new Computer(new Network(tf, description, {}, false));
    }

    constructor(network) {
      this.network = network;
      this.backend = network.backend;
      this.last = network.description.layers.at(-1).name;
      this.pass = null;
    }

    /** Takes weights that have arrived; `whole` says that they are all. */
    add(tensors, whole) {
      this.network.add(tensors, whole);
    }

    /** Sends a picture through and returns what the last layer says, or null without its weights. */
    async look(pixels, edits) {
      const next = await this.network.forward(pixels, edits);
      this.pass?.dispose();
      this.pass = next;
      return next.read(this.last);
    }

    /** What the last layer says of the picture as it is; what is kept stays. */
    async answers(pixels) {
      const pass = await this.network.forward(pixels);
      const values = await pass.read(this.last);
      pass.dispose();
      return values;
    }

    /** Which places of the picture that was looked at speak for a class. */
    gradCam(target) {
      return this.network.gradCam(this.pass, target);
    }

    /** What left a layer for the picture that was looked at. */
    read(layer) {
      return this.pass.read(layer);
    }

    dispose() {
      this.pass?.dispose();
      this.network.dispose();
    }
  }

  /** In a worker: does what messages ask of a computer, and answers each by its own port. */
  function serve() {
    let computer = null;
    self.onmessage = async ({ data: { method, values }, ports: [port] }) => {
      try {
        if (method === "start") {
          computer = await Computer.start(...values);
          port.postMessage({});
        } else port.postMessage({ result: await computer[method](...values) });
      } catch (error) {
        port.postMessage({ error: error.message });
      }
    };
  }

  /**
   * A computer in a worker: the page stays free, and each method is a message there and one back.
   * `scripts` are functions whose text the worker runs. It comes as a blob, since a page that was
   * opened as a file cannot start a worker from another file, and since such a worker has the rules
   * of its page: it, too, can connect to nothing.
   */
  async function startInWorker(scripts, backend, ...rest) {
    const text = [...scripts.map((script) => `(${script})();`), "alexnetLive.serve();"].join("\n");
    const address = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
    const worker = new Worker(address);
    const broken = new Promise((_, reject) => {
      worker.onerror = (event) => {
        event.preventDefault();
        reject(new Error(event.message || "The worker did not start."));
      };
    });
    const ask = (method, ...values) =>
      new Promise((resolve, reject) => {
        const { port1: ours, port2: theirs } = new MessageChannel();
        ours.onmessage = ({ data: { result, error } }) => {
          ours.close();
          if (error === undefined) resolve(result);
          else reject(new Error(error));
        };
        worker.postMessage({ method, values }, [theirs]);
      });
    try {
      await Promise.race([ask("start", backend, ...rest), broken]);
    } catch (error) {
      worker.terminate();
      throw error;
    } finally {
      URL.revokeObjectURL(address);
    }
    return {
      backend,
      add: (tensors, whole) => ask("add", tensors, whole),
      look: (pixels, edits) => ask("look", pixels, edits),
      answers: (pixels) => ask("answers", pixels),
      gradCam: (target) => ask("gradCam", target),
      read: (layer) => ask("read", layer),
      dispose: () => worker.terminate(),
    };
  }

  /** Whether two computers give the same answers, to a thousandth. */
  async function agree(one, other, pixels) {
    const [ours, theirs] = [await one.answers(pixels), await other.answers(pixels)];
    return ours.every((answer, index) => Math.abs(answer - theirs[index]) < 1e-3);
  }

  /** Milliseconds until a picture is answered, the best of three after one that compiles. */
  async function milliseconds(computer, pixels) {
    const taken = [];
    for (let attempt = 0; attempt < 4; attempt += 1) {
      const start = performance.now();
      await computer.answers(pixels);
      taken.push(performance.now() - start);
    }
    return Math.min(...taken.slice(1));
  }

  return {
    ...{ Computer, Network, NO_EDITS, SafetensorsReader, readSafetensors, serve, silent, startInWorker },
    ...{ agree, hasGraphics, hasWasm, milliseconds, startWasm, startWebgl, webgl },
  };
})();
