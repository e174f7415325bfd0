// The network in the browser. Nothing about it is written here: the layers come from the
// description that Python exported (book/_ext/alexnet_live.py), the weights from a safetensors file
// of 8 bits (alexnet_lib/compact.py), the arithmetic from TensorFlow.js. All of this runs in a worker,
// or on the page itself where a browser gives it none: only the page knows `document`.
self.alexnetLive = (() => {
  const ARRAYS = { I8: Int8Array, F32: Float32Array };

  /** The tensors of a safetensors file: name → `{ shape, values }`. */
  function readSafetensors(bytes) {
    const damaged = (what) => new Error(`The file of weights is damaged: ${what}.`);
    if (bytes.byteLength < 8) throw damaged("it has no header");
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    const start = 8 + Number(view.getBigUint64(0, true));
    if (start > bytes.byteLength) throw damaged("its header is cut off");
    const { __metadata__, ...header } = JSON.parse(
      new TextDecoder().decode(bytes.subarray(8, start)),
    );
    const tensors = {};
    for (const [name, { dtype, shape, data_offsets: offsets }] of Object.entries(header)) {
      const [from, to] = offsets.map((offset) => start + offset);
      const count = shape.reduce((product, side) => product * side, 1);
      const kind = ARRAYS[dtype];
      if (!kind) throw damaged(`${name} is of the type ${dtype}`);
      if (to > bytes.byteLength || to - from !== count * kind.BYTES_PER_ELEMENT) {
        throw damaged(`${name} is cut off`);
      }
      // A copy, because a view of floats may begin at multiples of four bytes only.
      tensors[name] = { shape, values: new kind(bytes.slice(from, to).buffer) };
    }
    return tensors;
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

    /** Float32Array of a layer's output: rows, then columns, then channels. */
    read(name) {
      return this.outputs.get(name).data();
    }

    dispose() {
      for (const tensor of this.outputs.values()) tensor.dispose();
      this.outputs.clear();
    }
  }

  class Network {
    /** `description` is `{ layers, input_shape, mean }`, `tensors` what `readSafetensors` gave. */
    constructor(tf, description, tensors) {
      this.tf = tf;
      this.description = description;
      this.backend = tf.getBackend();
      this.weights = {};
      for (const layer of description.layers) {
        if (!["convolution", "dense"].includes(layer.kind)) continue;
        const [kernel, scale, bias] = ["kernel", "scale", "bias"].map((what) => {
          const tensor = tensors[`${layer.name}/${what}`];
          if (!tensor) throw new Error(`The file of weights has no ${what} for ${layer.name}.`);
          return tensor;
        });
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
        this.weights[layer.name] = {
          kernels: groups === 1 ? [whole] : tf.split(whole, groups, 3),
          biases: groups === 1 ? [tf.tensor1d(bias.values)] : tf.split(tf.tensor1d(bias.values), groups),
        };
        if (groups > 1) whole.dispose();
      }
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
     * two layers the page may do something else, so that it stays alive on a slow machine.
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
    static async start(backend, description, tensors, wasm) {
      const { tf } = self;
      await (backend === "wasm" ? startWasm(tf, wasm) : startWebgl(tf));
      return new Computer(new Network(tf, description, tensors));
    }

    constructor(network) {
      this.network = network;
      this.backend = network.backend;
      this.last = network.description.layers.at(-1).name;
      this.pass = null;
    }

    /** Sends a picture through and returns what the last layer says. */
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
      look: (pixels, edits) => ask("look", pixels, edits),
      answers: (pixels) => ask("answers", pixels),
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
    ...{ Computer, Network, NO_EDITS, readSafetensors, serve, silent, startInWorker },
    ...{ agree, hasGraphics, hasWasm, milliseconds, startWasm, startWebgl, webgl },
  };
})();
