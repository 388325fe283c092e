// Geometry: how a slice lies in a volume whose x runs fastest, and where a voxel lies in millimetres.
// The files of this folder are joined in the order that script.py gives; no file imports another.

const PLANES = [
  { name: "axial", across: 0, down: 1, along: 2 },
  { name: "coronal", across: 0, down: 2, along: 1 },
  { name: "sagittal", across: 1, down: 2, along: 0 },
];
const AXES = "xyz";
const LETTERS = [["L", "R"], ["P", "A"], ["I", "S"]]; // towards voxel 0 of each axis, and away from it

async function inflate(data) {
  if (!data || !data.byteLength) return null;
  const stream = new Blob([data]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// Grey levels come as differences, modulo 256, from the slice below along z: this adds them up, in place.
function addSlices(steps, shape) {
  const slice = shape[0] * shape[1];
  for (let k = slice; k < steps.length; k += 1) steps[k] += steps[k - slice];
  return steps;
}

function stridesOf(shape) { return [1, shape[0], shape[0] * shape[1]]; }

// Voxel (i, j) of a slice, i across and j down from the top left, is at start + i * right + j * below. A mirrored slice
// has the patient's right on the left.
function slicing(shape, plane, index, mirrored = false) {
  const strides = stridesOf(shape);
  const { across, down, along } = PLANES[plane];
  const turned = mirrored && across === 0;
  return {
    width: shape[across], height: shape[down], below: -strides[down], turned,
    right: turned ? -strides[across] : strides[across],
    start: index * strides[along] + (shape[down] - 1) * strides[down] + (turned ? (shape[across] - 1) * strides[across] : 0),
  };
}

// Lengths of a voxel's sides in mm; 1 where no affine is known.
function spacingOf(affine) {
  return [0, 1, 2].map((k) => (affine.length ? Math.hypot(affine[k], affine[4 + k], affine[8 + k]) : 1));
}

function toMm(affine, voxel) {
  return [0, 1, 2].map((row) => [0, 1, 2].reduce((sum, k) => sum + affine[4 * row + k] * voxel[k], affine[4 * row + 3]));
}

// The voxel that a place in mm lies in, by Cramer's rule.
function toVoxel(affine, mm) {
  const column = (k) => [affine[k], affine[4 + k], affine[8 + k]];
  const determinant = ([a, b, c]) =>
    a[0] * (b[1] * c[2] - c[1] * b[2]) - b[0] * (a[1] * c[2] - c[1] * a[2]) + c[0] * (a[1] * b[2] - b[1] * a[2]);
  const columns = [column(0), column(1), column(2)];
  const right = mm.map((value, row) => value - affine[4 * row + 3]);
  return [0, 1, 2].map((k) => Math.round(
    determinant(columns.map((c, i) => (i === k ? right : c))) / determinant(columns)));
}

// A place in mm as text, with one decimal where voxels are finer than a millimetre or lie between whole ones.
function mmText(mm) {
  const digits = mm.every((value) => Math.abs(value - Math.round(value)) < 0.005) ? 0 : 1;
  return mm.map((value) => (value + 0).toFixed(digits).replace(/^-0(\.0)?$/, "0$1")).join(", ");
}
