// What a written page computes, without the page: `node check.js FOLDER NETWORK PICTURES` prints the
// probabilities for pictures (float32, one after the other) as JSON. FOLDER holds the page's scripts.
const { readFileSync, readdirSync } = require("node:fs");
const { inflateSync } = require("node:zlib");

const { stdout, stderr } = process;
const [folder, described, pictures] = process.argv.slice(2);
const exit = process.exit.bind(process);

// To TensorFlow.js this is a browser's worker: what it does in Node.js itself is another program.
Object.assign(globalThis, { self: globalThis, window: globalThis, location: { href: "" } });
Object.assign(globalThis, { process: undefined, WorkerGlobalScope: class {}, importScripts() {} });

const load = (name) => (0, eval)(readFileSync(`${folder}/${name}.js`, "utf8"));
const bytesOf = (name) => Buffer.from(globalThis.alexnetFiles[name], "base64");

async function main() {
  for (const name of ["tf-core", "tf-wasm", "network"]) {
    load(name);
    globalThis.alexnetFiles[name].call(globalThis);
  }
  const { Computer, SafetensorsReader } = globalThis.alexnetLive;
  const network = JSON.parse(readFileSync(described, "utf8"));
  load("wasm");
  const computer = await Computer.start("wasm", network, new Uint8Array(bytesOf("wasm")));
  const reader = new SafetensorsReader();
  const parts = readdirSync(folder).filter((file) => file.startsWith("weights-"));
  for (const part of parts.map((file) => file.replace(".js", "")).sort()) {
    load(part);
    reader.add(new Uint8Array(inflateSync(bytesOf(part))));
    delete globalThis.alexnetFiles[part];
  }
  computer.add(reader.end(), true);
  const whole = new Uint8Array(readFileSync(pictures)).buffer;
  const size = network.input_shape.reduce((product, side) => product * side, 1);
  const answers = [];
  for (let start = 0; start < whole.byteLength; start += 4 * size) {
    answers.push([...(await computer.answers(new Float32Array(whole, start, size)))]);
  }
  return JSON.stringify(answers);
}

// The page's messages to itself would keep this alive.
main().then(
  (answers) => stdout.write(answers, () => exit(0)),
  (error) => stderr.write(error.message, () => exit(1)),
);
