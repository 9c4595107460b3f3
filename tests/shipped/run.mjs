// Runs the golden run's wasm module: `node run.mjs RIGHT.wasm WRONG.wasm`.
//
// Both are the same program; the second was built to expect a wrong hash. Neither may import anything, the
// first must return 0, the second must not.
import { readFileSync } from "node:fs";

const [right, wrong] = process.argv.slice(2);

function run(file) {
  const module = new WebAssembly.Module(readFileSync(file));
  const imports = WebAssembly.Module.imports(module);
  if (imports.length > 0) {
    throw new Error(`${file} is not pure, it imports ${JSON.stringify(imports)}`);
  }
  // A panic is a trap, which throws.
  return new WebAssembly.Instance(module, {}).exports.main(0, 0);
}

const code = run(right);
if (code !== 0) {
  throw new Error(`${right} returned ${code}: not the hash of the native build`);
}
if (run(wrong) === 0) {
  throw new Error(`${wrong} returned 0: the comparison cannot fail`);
}
console.log("same golden hash on wasm32, no imports; a wrong hash is noticed");
