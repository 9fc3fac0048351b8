// Runs a model in onnxruntime-web, in Node or in a page, for the process that serves `base`.
//
// A message is a JSON text with its length before it (4 bytes, little-endian), then raw arrays.
// Requests: {run: {profile, inputs: [{name, dtype, dims, bytes}]}} and {stop: true}.

const inPage = typeof window !== "undefined";
const base = inPage ? location.origin : process.argv[2];
const lines = [];
const keep = (...words) => lines.push(words.map(String).join(" "));

const ARRAYS = {
  float32: Float32Array, float64: Float64Array, int8: Int8Array, uint8: Uint8Array, int16: Int16Array, uint16: Uint16Array,
  int32: Int32Array, uint32: Uint32Array, int64: BigInt64Array, uint64: BigUint64Array, bool: Uint8Array,
};

function packed(header, arrays) {
  const text = new TextEncoder().encode(JSON.stringify(header));
  const body = new Uint8Array(4 + text.length + arrays.reduce((sum, array) => sum + array.byteLength, 0));
  new DataView(body.buffer).setUint32(0, text.length, true);
  body.set(text, 4);
  let place = 4 + text.length;
  for (const array of arrays) {
    body.set(new Uint8Array(array.buffer, array.byteOffset, array.byteLength), place);
    place += array.byteLength;
  }
  return body;
}

function unpacked(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  return [JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length))), 4 + length];
}

const answer = (header, arrays = []) => fetch(`${base}/answer`, { method: "POST", body: packed(header, arrays) });

// What the runtime prints, its profile among it, is kept in `lines`. In Node it writes to the files 1 and 2.
async function listen() {
  console.log = console.error = keep;
  if (inPage) return;
  const files = (await import("node:fs")).default;
  const write = files.writeSync;
  files.writeSync = (file, text, ...rest) => (file === 1 || file === 2 ? keep(text) : write(file, text, ...rest));
}

async function main() {
  const places = await (await fetch(`${base}/places`)).json();
  const from = (name) => (inPage ? `${base}/package/${name}` : `${places.package}/${name}`);
  const ort = await import(from(inPage ? "ort.wasm.min.mjs" : "ort.node.min.mjs"));
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmPaths = { mjs: inPage ? `${base}/glue.mjs` : places.glue, wasm: from("ort-wasm-simd-threaded.wasm") };
  await listen();
  const model = new Uint8Array(await (await fetch(`${base}/model`)).arrayBuffer());
  const options = { executionProviders: ["wasm"], graphOptimizationLevel: "all", enableProfiling: true };
  const session = await ort.InferenceSession.create(model, options);
  await answer({ opened: true });
  for (;;) {
    const buffer = await (await fetch(`${base}/request`)).arrayBuffer();
    const [request, start] = unpacked(buffer);
    if (request.stop) return;
    await run(ort, session, request.run, buffer, start);
  }
}

async function run(ort, session, task, buffer, start) {
  const feeds = {};
  let place = start;
  for (const one of task.inputs) {
    const data = new ARRAYS[one.dtype](buffer.slice(place, place + one.bytes));
    feeds[one.name] = new ort.Tensor(one.dtype, data, one.dims);
    place += one.bytes;
  }
  const begin = performance.now();
  const found = await session.run(feeds);
  const ms = performance.now() - begin;
  lines.length = 0;
  if (task.profile) session.endProfiling();
  const outputs = session.outputNames.map((name) => found[name]);
  const told = outputs.map((one) => ({ dtype: one.type, dims: one.dims, bytes: one.data.byteLength }));
  await answer({ ms, outputs: told, profile: lines }, outputs.map((one) => one.data));
}

main().catch((error) => answer({ failed: String((error && error.message) || error) })).finally(() => inPage || process.exit(0));
