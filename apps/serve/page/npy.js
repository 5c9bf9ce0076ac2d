// Rows of NumPy's .npy files, read in the browser: the header first, then only the row that is asked for.

const MAGIC = "\x93NUMPY";
const MOST_HEADER = 1 << 16;
const MOST_COLUMNS = 1 << 16;

const SIZES = { f2: 2, f4: 4, f8: 8, i1: 1, u1: 1, u8: 8, b1: 1 };

/** Return what an .npy file says of itself: {file, type, little, rows, columns, start}; raise Error if it is none. */
export async function openNpy(file) {
  const bytes = new Uint8Array(await file.slice(0, MOST_HEADER).arrayBuffer());
  const letters = String.fromCharCode(...bytes.subarray(0, 6));
  if (letters !== MAGIC) throw new Error("This is no .npy file: write one with numpy.save.");
  const view = new DataView(bytes.buffer);
  const long = bytes[6] >= 2;
  const length = long ? view.getUint32(8, true) : view.getUint16(8, true), start = (long ? 12 : 10) + length;
  if (start > bytes.length) throw new Error("The header of this .npy file is too long.");
  const header = new TextDecoder("latin1").decode(bytes.subarray(long ? 12 : 10, start));
  const descr = /'descr':\s*'([<>|=])(\w\d+)'/.exec(header), shape = /'shape':\s*\(([\d,\s]*)\)/.exec(header);
  if (!descr || !shape || !(descr[2] in SIZES)) throw new Error(`Arrays of ${/'descr':\s*([^,]+)/.exec(header)?.[1] ?? "this kind"} are not taken: save floats, or packed bits as uint8.`);
  if (/'fortran_order':\s*True/.test(header)) throw new Error("This array is in Fortran order: save numpy.ascontiguousarray of it.");
  const sizes = shape[1].split(",").map((part) => part.trim()).filter(Boolean).map(Number);
  if (sizes.length < 1 || sizes.length > 2) throw new Error(`This array has ${sizes.length} axes: save one vector, or a row per vector.`);
  const [rows, columns] = sizes.length === 1 ? [1, sizes[0]] : sizes;
  if (columns > MOST_COLUMNS) throw new Error(`Rows of ${columns} numbers are too long here.`);
  if (file.size < start + rows * columns * SIZES[descr[2]]) throw new Error("This .npy file is cut short.");
  return { file, type: descr[2], little: descr[1] !== ">", rows, columns, start };
}

/** Return a row as floats. */
export async function floatsOf(npy, row) {
  const bytes = await rowBytes(npy, row), view = new DataView(bytes.buffer), size = SIZES[npy.type];
  const read = {
    f2: (at) => half(view.getUint16(at, npy.little)), f4: (at) => view.getFloat32(at, npy.little),
    f8: (at) => view.getFloat64(at, npy.little), i1: (at) => view.getInt8(at), u1: (at) => view.getUint8(at),
    u8: (at) => Number(view.getBigUint64(at, npy.little)), b1: (at) => view.getUint8(at),
  }[npy.type];
  return Float32Array.from({ length: npy.columns }, (_, i) => read(i * size));
}

/** Return the bytes of a row. */
export async function rowBytes(npy, row) {
  const size = npy.columns * SIZES[npy.type], start = npy.start + row * size;
  return new Uint8Array(await npy.file.slice(start, start + size).arrayBuffer());
}

/** Return bytes as base64. */
export function base64(bytes) {
  let text = "";
  for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return btoa(text);
}

function half(bits) {
  const sign = bits & 0x8000 ? -1 : 1, exponent = (bits >> 10) & 31, rest = bits & 1023;
  if (exponent === 31) return rest ? NaN : sign * Infinity;
  return sign * (exponent ? 2 ** (exponent - 15) * (1 + rest / 1024) : 2 ** -14 * (rest / 1024));
}
