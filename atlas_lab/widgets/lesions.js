// The lesion table: components of target and prediction (voxels that share a face), what each one meets, worst first.

// The box that holds all voxels for which `isInside(at)`: [[x0, y0, z0], [x1, y1, z1]] with the end left out, or null.
function boxOf(shape, isInside) {
  const low = [...shape], high = [0, 0, 0];
  let at = 0;
  for (let z = 0; z < shape[2]; z++) {
    for (let y = 0; y < shape[1]; y++) {
      for (let x = 0; x < shape[0]; x++, at++) {
        if (!isInside(at)) continue;
        if (x < low[0]) low[0] = x;
        if (y < low[1]) low[1] = y;
        if (z < low[2]) low[2] = z;
        if (x >= high[0]) high[0] = x + 1;
        if (y >= high[1]) high[1] = y + 1;
        if (z >= high[2]) high[2] = z + 1;
      }
    }
  }
  return high[0] ? [low, high] : null;
}

// Components within the box: labels (Int32 in the box, 0 outside of the mask) and, by label, their voxels in the box.
function components(shape, [low, high], isInside) {
  const size = high.map((end, k) => end - low[k]);
  const [, dy, dz] = stridesOf(size), [, fullY, fullZ] = stridesOf(shape);
  const labels = new Int32Array(size[0] * size[1] * size[2]), members = [null];
  const full = (at) => {
    const x = at % dy, y = Math.floor((at % dz) / dy), z = Math.floor(at / dz);
    return low[0] + x + (low[1] + y) * fullY + (low[2] + z) * fullZ;
  };
  for (let at = 0; at < labels.length; at++) if (isInside(full(at))) labels[at] = -1;
  for (let seed = 0; seed < labels.length; seed++) {
    if (labels[seed] !== -1) continue;
    const label = members.length, found = [seed];
    labels[seed] = label;
    for (let next = 0; next < found.length; next++) {
      const at = found[next], x = at % dy, y = Math.floor((at % dz) / dy);
      const near = [x ? at - 1 : -1, x < size[0] - 1 ? at + 1 : -1, y ? at - dy : -1, y < size[1] - 1 ? at + dy : -1,
        at - dz, at + dz];
      for (const other of near) {
        if (other >= 0 && other < labels.length && labels[other] === -1) { labels[other] = label; found.push(other); }
      }
    }
    members.push(found);
  }
  return { labels, members, full };
}

// The member that lies nearest to a component's middle, as a voxel of the volume.
function middleVoxel(found, full, shape) {
  const [, dy, dz] = stridesOf(shape);
  const voxels = found.map((at) => { const v = full(at); return [v % dy, Math.floor((v % dz) / dy), Math.floor(v / dz)]; });
  const mean = [0, 1, 2].map((k) => voxels.reduce((sum, v) => sum + v[k], 0) / voxels.length);
  const far = (v) => v.reduce((sum, value, k) => sum + (value - mean[k]) ** 2, 0);
  return voxels.reduce((best, v) => (far(v) < far(best) ? v : best));
}

// Rows {kind, status, voxels, place, dice}: Dice of a component is that with all components of the other mask that it
// touches; the lowest come first, of those the largest. `level` is the prediction's.
function lesionTable(shape, target, prediction, level) {
  const inTarget = (at) => Boolean(target && target[at]), inPrediction = (at) => Boolean(prediction && prediction[at] > level);
  const box = boxOf(shape, (at) => inTarget(at) || inPrediction(at));
  if (!box) return [];
  const sides = [components(shape, box, inTarget), components(shape, box, inPrediction)];
  const rows = [];
  sides.forEach(({ members, full }, side) => {
    const other = sides[1 - side];
    for (const found of members.slice(1)) {
      const met = new Set();
      let shared = 0;
      for (const at of found) if (other.labels[at]) { shared++; met.add(other.labels[at]); }
      const theirs = [...met].reduce((sum, label) => sum + other.members[label].length, 0);
      rows.push({
        kind: side ? "prediction" : "target", voxels: found.length, place: middleVoxel(found, full, shape),
        status: !target || !prediction ? "" : shared ? "hit" : side ? "false" : "missed",
        dice: target && prediction ? (2 * shared) / (found.length + theirs) : NaN,
      });
    }
  });
  const worse = (a, b) => (a.dice - b.dice || 0) || b.voxels - a.voxels;
  return rows.sort(worse);
}
