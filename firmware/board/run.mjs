// Loads the module, gives it `put`, and runs it.
import { readFileSync } from 'node:fs';
let memory;
const put = (text, len) => process.stdout.write(Buffer.from(memory.buffer, text, len));
const bytes = readFileSync(process.argv[2]);
const { instance } = await WebAssembly.instantiate(bytes, { board: { put } });
memory = instance.exports.memory;
instance.exports.run();
