// node run.mjs results PROGRAM FILE... prints the results of the program for the models; with `time` instead of `results`
// also, on the error stream, how long predictions take.
import { readFileSync } from "node:fs";
import { basename } from "node:path";

const [what, program, ...files] = process.argv.slice(2);
const { instance } = await WebAssembly.instantiate(readFileSync(program), {});
const { start_model, push_name, push_byte, results, result_byte, instruction_sets, time } = instance.exports;
for (const file of files) {
  start_model();
  for (const letter of basename(file, ".safetensors")) push_name(letter.codePointAt(0));
  for (const byte of readFileSync(file)) push_byte(byte);
}
const text = new Uint8Array(results());
for (let at = 0; at < text.length; at++) text[at] = result_byte(at);
process.stdout.write(text);

for (let isa = 0; what === "time" && isa < instruction_sets(); isa++) {
  for (const [rows, calls] of [[1, 400], [64, 20]]) {
    // The first round compiles; the best of the others is the one that was disturbed least.
    let best = Infinity;
    for (let round = 0; round < 6; round++) {
      const start = performance.now();
      time(isa, rows, calls);
      if (round > 0) best = Math.min(best, (performance.now() - start) / calls);
    }
    console.error(`instruction set ${isa}, ${rows} rows: ${(best * 1000).toFixed(1)} us`);
  }
}
