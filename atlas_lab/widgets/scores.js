// Counts and scores. One pass over a prediction counts its values in each slice of each plane, inside and outside of the
// target; after that, a threshold's scores of a slice or of the volume are two look-ups.

// counts[plane] has, for each slice and each level, how many voxels lie above the level: inside, outside.
function countLevels(shape, prediction, target) {
  const counts = PLANES.map(({ along }) => ({
    inside: new Uint32Array(shape[along] * 257), outside: new Uint32Array(shape[along] * 257) }));
  const [axial, coronal, sagittal] = counts;
  let at = 0;
  for (let z = 0; z < shape[2]; z++) {
    for (let y = 0; y < shape[1]; y++) {
      for (let x = 0; x < shape[0]; x++, at++) {
        const value = prediction[at], isTarget = target && target[at];
        if (!value && !isTarget) continue;
        const side = isTarget ? "inside" : "outside";
        axial[side][z * 257 + value]++;
        coronal[side][y * 257 + value]++;
        sagittal[side][x * 257 + value]++;
      }
    }
  }
  for (const { inside, outside } of counts) {
    for (const array of [inside, outside]) accumulate(array);
  }
  return counts;
}

// From counts of each value to counts of values at or above it; the entry 256 stays 0.
function accumulate(array) {
  for (let slice = 0; slice < array.length; slice += 257) {
    for (let value = 254; value >= 0; value--) array[slice + value] += array[slice + value + 1];
  }
}

// tp, fp, fn of one slice at a level: a voxel is called lesion if its value is above the level.
function sliceCounts(counts, plane, index, level) {
  const { inside, outside } = counts[plane], from = index * 257, above = Math.floor(level) + 1;
  const tp = inside[from + above];
  return { tp, fp: outside[from + above], fn: inside[from] - tp };
}

function volumeCounts(counts, shape, level) {
  const sum = { tp: 0, fp: 0, fn: 0 };
  for (let z = 0; z < shape[2]; z++) {
    const slice = sliceCounts(counts, 0, z, level);
    for (const key in sum) sum[key] += slice[key];
  }
  return sum;
}

const dice = ({ tp, fp, fn }) => (2 * tp) / (2 * tp + fp + fn);
const fixed = (value) => (Number.isFinite(value) ? value.toFixed(2) : "undefined");

// How many voxels have each grey level, of those that aren't black: what windows are chosen by.
function greyHistogram(image) {
  const counts = new Uint32Array(256);
  for (let at = 0; at < image.length; at++) counts[image[at]]++;
  counts[0] = 0;
  return counts;
}

// The level below which a share of the counts lies.
function percentile(counts, share) {
  const total = counts.reduce((sum, count) => sum + count, 0);
  let sum = 0;
  for (let level = 0; level < 256; level++) {
    sum += counts[level];
    if (sum >= share * total) return level;
  }
  return 255;
}
