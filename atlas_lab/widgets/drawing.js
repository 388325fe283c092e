// Draw and correct: a brush and an eraser on the slice, undo, and the result as a mask of its own. The target and the
// predictions stay as they are: what is drawn on is a copy.

class Drawing {
  constructor(viewer) { Object.assign(this, { viewer, isOn: false, mask: null, radius: 2, erases: false, strokes: [] }); }

  // Begin a mask: empty, or a copy of the target ("target") or of the prediction of that number.
  start(from) {
    const { viewer } = this, { shape } = viewer;
    this.mask = new Uint8Array(shape[0] * shape[1] * shape[2]);
    this.strokes = [];
    const level = from === "target" || from === "" ? 0 : viewer.level(+from);
    const source = from === "" ? null : from === "target" ? viewer.target : viewer.predictions[+from];
    if (source) for (let at = 0; at < source.length; at++) if (source[at] > level) this.mask[at] = 255;
    this.isOn = true;
    viewer.addPrediction(this.name, this.mask);
  }

  get name() { return "drawing"; }

  begin(pane, voxel) {
    this.plane = pane.plane;
    this.stroke = new Map();
    this.last = voxel;
    this.dab(voxel);
  }

  // A line of dabs, so that a fast hand leaves no gaps.
  move(voxel) {
    const steps = Math.max(1, ...voxel.map((value, k) => Math.abs(value - this.last[k])));
    for (let s = 1; s <= steps; s++) this.dab(voxel.map((value, k) => Math.round(this.last[k] + ((value - this.last[k]) * s) / steps)));
    this.last = voxel;
  }

  // A disc, round in mm, on the slice.
  dab(voxel) {
    const { viewer, mask } = this, { shape, spacing } = viewer, { across, down } = PLANES[this.plane], strides = stridesOf(shape);
    const finest = Math.min(...spacing), reach = (this.radius - 0.5) * finest, value = this.erases ? 0 : 255;
    const [ri, rj] = [across, down].map((k) => Math.floor(reach / spacing[k]));
    for (let j = -rj; j <= rj; j++) {
      for (let i = -ri; i <= ri; i++) {
        if (Math.hypot(i * spacing[across], j * spacing[down]) > reach) continue;
        const at = [...voxel];
        at[across] += i; at[down] += j;
        if (at.some((place, k) => place < 0 || place >= shape[k])) continue;
        const offset = at.reduce((sum, place, k) => sum + place * strides[k], 0);
        if (mask[offset] === value) continue;
        this.stroke.set(offset, mask[offset]);
        mask[offset] = value;
      }
    }
    viewer.changed();
  }

  end() {
    if (!this.stroke) return;
    if (this.stroke.size) this.strokes.push(this.stroke);
    this.stroke = null;
    this.viewer.recount(this.mask);
  }

  undo() {
    const stroke = this.strokes.pop();
    if (!stroke) return;
    for (const [at, value] of stroke) this.mask[at] = value;
    this.viewer.recount(this.mask);
  }

  // Keep the mask under a name; Python gets it too.
  async keep() {
    const { viewer, mask } = this;
    const kept = viewer.model.get("drawings"), name = `drawing ${kept.length + 1}`;
    this.isOn = false;
    viewer.renamePrediction(mask, name);
    const packed = await compressed(mask, "deflate");
    viewer.model.set("drawings", [...kept, { name, data: packed }]);
    viewer.save();
    return name;
  }
}

async function compressed(bytes, format) {
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream(format));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// A mask (x fastest, axes turned to RAS) as the bytes of a NIfTI-1 file on the scan's own grid: `grid` says its shape,
// affine, and for each of its axes which RAS axis it is and whether it runs the other way.
function niftiBytes(mask, shape, grid) {
  const bytes = new Uint8Array(352 + mask.length), view = new DataView(bytes.buffer), { affine } = grid;
  view.setInt32(0, 348, true);
  [3, ...grid.shape, 1, 1, 1, 1].forEach((size, k) => view.setInt16(40 + 2 * k, size, true));
  view.setInt16(70, 2, true); // uint8
  view.setInt16(72, 8, true);
  [1, ...spacingOf(affine), 0, 0, 0, 0].forEach((size, k) => view.setFloat32(76 + 4 * k, size, true));
  view.setFloat32(108, 352, true); // where the voxels begin
  view.setFloat32(112, 1, true); // slope
  bytes[123] = 2; // mm
  view.setInt16(254, 2, true); // sform: aligned to another file, the scan
  affine.slice(0, 12).forEach((value, k) => view.setFloat32(280 + 4 * k, value, true));
  bytes.set([110, 43, 49, 0], 344); // "n+1"
  const strides = stridesOf(shape), steps = grid.axes.map((axis, k) => (grid.flips[k] ? -1 : 1) * strides[axis]);
  let origin = 0, at = 352;
  grid.axes.forEach((axis, k) => { if (grid.flips[k]) origin += (shape[axis] - 1) * strides[axis]; });
  for (let k = 0; k < grid.shape[2]; k++) {
    for (let j = 0; j < grid.shape[1]; j++) {
      for (let i = 0, from = origin + j * steps[1] + k * steps[2]; i < grid.shape[0]; i++, from += steps[0]) bytes[at++] = mask[from] ? 1 : 0;
    }
  }
  return bytes;
}

function download(blob, name) {
  const link = document.createElement("a"), address = URL.createObjectURL(blob);
  Object.assign(link, { href: address, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
