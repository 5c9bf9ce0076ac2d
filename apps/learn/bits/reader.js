// Classify rows of numbers by a model file of hdc.apps.learn.bits, whose file.py describes it. Node and browsers.
//   predict(buffer, [5.1, 3.5]) returns the class as a text; read(buffer) a function of rows, for many of them.
//   node reader.js model.bits < rows.csv prints the class of each line; NaN and other words are missing values.
"use strict";
function read(buffer) {
  const view = new DataView(buffer), bytes = new Uint8Array(buffer), size = buffer.byteLength;
  const u32 = (at) => view.getUint32(at, true);
  const magic = [72, 68, 67, 66, 73, 84, 83, 10];
  if (size < 76 || magic.some((byte, i) => bytes[i] !== byte) || u32(8) !== 1) throw new Error("this is no model file of version 1");
  let crc = -1;
  for (let i = 0; i < size - 4; i++) { crc ^= bytes[i]; for (let k = 0; k < 8; k++) crc = (crc >>> 1) ^ (0xedb88320 & -(crc & 1)); }
  const [kind, F, D, P, B, C, most, phase, width, textSize] = [16, 20, 24, 28, 32, 36, 40, 44, 48, 56].map(u32), W = Math.ceil(D / 64);
  const low = 72, scale = low + 8 * F, table = scale + 8 * F, behind = table + Math.ceil(D / 2) * 8, tie = behind + 8 * W;
  const planes = kind === 0 ? 72 : kind === 1 ? tie + 8 * W + 8 * W * F : behind + Math.ceil((D * F * width) / 8) * 8, ends = planes + 8 * P * B * W;
  if (u32(12) !== size || (~crc >>> 0) !== u32(size - 4) || ends + 16 * P + Math.ceil(textSize / 8) * 8 + 4 !== size) throw new Error("the model file is damaged");
  const whole = { 1: (at) => view.getInt8(at), 2: (at) => view.getInt16(at, true), 4: (at) => view.getInt32(at, true) }[width];
  const set = (at, j) => (bytes[at + (j >> 3)] >> (j & 7)) & 1;
  const ones = (x) => { x -= (x >>> 1) & 0x55555555; x = (x & 0x33333333) + ((x >>> 2) & 0x33333333); return Math.imul((x + (x >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24; };
  const q = new Int32Array(F), sum = new Int32Array(D), row = new Uint32Array(2 * W), place = new Uint32Array(D); // place: the component of a threshold
  for (let j = 0; j < D && kind === 1; j++) place[u32(table + 4 * j)] = j;
  const text = new TextDecoder().decode(bytes.subarray(ends + 16 * P, ends + 16 * P + textSize));
  const names = text.split("\0").slice(0, C);
  return (x) => {
    if (x.length !== F) throw new Error(`a row has ${x.length} features, and the model takes ${F}`);
    for (let i = 0; i < F && kind; i++) {
      const half = Math.ceil((x[i] - view.getFloat64(low + 8 * i, true)) * view.getFloat64(scale + 8 * i, true));
      q[i] = Math.min(2 * most, Math.max(kind === 1 ? 0 : -2 * most, half)) >> 1; // NaN becomes 0
    }
    for (let j = 0; j < D && kind; j++) {
      const t = u32(table + 4 * j);
      let s = kind === 2 ? t : 0;
      for (let i = 0; i < F; i++)
        if (kind === 2) s = (s + Math.imul(whole(behind + (j * F + i) * width), q[i])) | 0;
        else if (!Number.isNaN(x[i])) s += set(tie + 8 * W + 8 * W * i, j) ^ (t >= q[i] && set(behind, j)) ? 1 : -1;
      sum[j] = s;
    }
    row.fill(0);
    for (let j = 0; j < D; j++) {
      const bit = kind === 0 ? x[j] < 0 : kind === 2 ? (sum[j] >>> phase) & 1 : sum[j] ? sum[j] > 0 : set(tie, j) ^ ((sum[place[(u32(table + 4 * j) + D - 1) % D]] / 2) & 1);
      if (bit) row[j >> 5] |= 1 << (j & 31);
    }
    let best = 0, top = -Infinity;
    for (let p = 0; p < P; p++) {
      let apart = 0;
      for (let b = 0; b < B; b++) { apart *= 2; for (let w = 0; w < 2 * W; w++) apart += ones(row[w] ^ u32(planes + 8 * (p * B + b) * W + 4 * w)); }
      const at = ends + 16 * p, bias = view.getInt32(at + 4, true) * 4294967296 + u32(at);
      const score = bias + u32(at + 8) * (D * ((1 << B) - 1) - 2 * apart); // below 2^53: exact
      if (score > top) { best = p; top = score; }
    }
    return names[u32(ends + 16 * best + 12)];
  };
}
const hdcBits = { read, predict: (buffer, row) => read(buffer)(row) };
if (typeof module !== "undefined") module.exports = hdcBits;
if (typeof require !== "undefined" && require.main === module) {
  const fs = require("fs"), file = fs.readFileSync(process.argv[2]), classify = read(file.buffer.slice(file.byteOffset, file.byteOffset + file.length));
  const number = (word) => (/^[+-]?inf(inity)?$/i.test(word) ? (word[0] === "-" ? -Infinity : Infinity) : Number(word));
  const rows = fs.readFileSync(0, "utf8").split("\n").map((line) => line.split(/[,;\s]+/).filter(Boolean)).filter((row) => row.length);
  for (const row of rows) console.log(classify(row.map(number)));
}
