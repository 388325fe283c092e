// Pixels of a slice, one for each voxel: a class for each (which masks hold it), and a colour for each class and grey.

const SHOWS = { masks: "target and prediction", errors: "errors", differences: "A against B", heat: "heat map", labels: "labels" };

// Round as numpy's rint does: a half goes to the even neighbour.
function rint(value) {
  const rounded = Math.round(value);
  return value % 1 === 0.5 && rounded % 2 ? rounded - 1 : rounded;
}

const opaque = (r, g, b) => (0xff000000 | (b << 16) | (g << 8) | r) >>> 0;

// The grey that each stored level is shown as, when `low` is to be black and `high` white (both as levels).
function greys(low, high) {
  return Uint8Array.from({ length: 256 }, (_, level) =>
    rint(Math.min(Math.max((level - low) / Math.max(high - low, 1e-6), 0), 1) * 255));
}

// Colours by class * 256 + level. Class 0 is bare grey; class c is filled with fills[c], null for none.
function colourTable(grey, fills, opacity) {
  const table = new Uint32Array(fills.length * 256);
  fills.forEach((fill, c) => {
    const alpha = fill && fill.length > 3 ? opacity * fill[3] : opacity;
    for (let level = 0; level < 256; level++) {
      const g = grey[level];
      table[c * 256 + level] = fill
        ? opaque(...[0, 1, 2].map((channel) => rint(g + alpha * (fill[channel] - g)))) : opaque(g, g, g);
    }
  });
  return table;
}

// A ramp from dark blue over purple and orange to yellow that grows steadily lighter (the stops are inferno's), with
// alpha growing over the lowest tenth so that zero stays bare.
const RAMP = [[20, 11, 52], [87, 16, 110], [159, 42, 99], [212, 72, 66], [245, 125, 21], [250, 193, 39], [252, 255, 164]];
function heatColours() {
  return Array.from({ length: 256 }, (_, value) => {
    if (!value) return null;
    const at = (value / 255) * (RAMP.length - 1), i = Math.min(Math.floor(at), RAMP.length - 2);
    const colour = [0, 1, 2].map((c) => Math.round(RAMP[i][c] + (at - i) * (RAMP[i + 1][c] - RAMP[i][c])));
    return [...colour, Math.min(1, value / 26)];
  });
}

// Classes of a slice's voxels, Uint8. Of two masks: 1 the first alone, 2 the second alone, 3 both.
function classes(view, one, oneLevel, other, otherLevel) {
  const found = new Uint8Array(view.width * view.height);
  let k = 0;
  for (let j = 0; j < view.height; j++) {
    for (let i = 0, at = view.start + j * view.below; i < view.width; i++, at += view.right, k++) {
      if (one && one[at] > oneLevel) found[k] = 1;
      if (other && other[at] > otherLevel) found[k] += 2;
    }
  }
  return found;
}

// The values themselves as classes: labels, and probabilities for the heat map.
function values(view, volume) {
  const found = new Uint8Array(view.width * view.height);
  let k = 0;
  for (let j = 0; j < view.height; j++) {
    for (let i = 0, at = view.start + j * view.below; i < view.width; i++, at += view.right, k++) found[k] = volume[at];
  }
  return found;
}

// Fill `pixels` (Uint32, width x height of the slice).
function paint(pixels, view, image, found, table) {
  let k = 0;
  for (let j = 0; j < view.height; j++) {
    for (let i = 0, at = view.start + j * view.below; i < view.width; i++, at += view.right, k++) {
      pixels[k] = table[(found[k] << 8) | image[at]];
    }
  }
}

// Edges of the voxels whose class is among `members`, as runs between voxels: {across: [[y, from, to], ...],
// down: [[x, from, to], ...]}. Only the box that holds them is looked at.
function edges(found, members, width, height) {
  const isIn = new Uint8Array(256);
  for (const member of members) isIn[member] = 1;
  let left = width, right = -1, top = height, bottom = -1;
  for (let j = 0, k = 0; j < height; j++) {
    for (let i = 0; i < width; i++, k++) {
      if (!isIn[found[k]]) continue;
      if (i < left) left = i;
      if (i > right) right = i;
      if (j < top) top = j;
      bottom = j;
    }
  }
  const across = [], down = [];
  if (right < 0) return { across, down };
  const inside = (i, j) => i >= left && j >= top && i <= right && j <= bottom && isIn[found[j * width + i]] === 1;
  collectRuns(across, [top, bottom], [left, right], (j, i) => inside(i, j) !== inside(i, j - 1));
  collectRuns(down, [left, right], [top, bottom], (i, j) => inside(i, j) !== inside(i - 1, j));
  return { across, down };
}

// Along each line between rows (or columns), the stretches where `differs`.
function collectRuns(runs, [firstLine, lastLine], [first, last], differs) {
  for (let line = firstLine; line <= lastLine + 1; line++) {
    let from = -1;
    for (let at = first; at <= last + 1; at++) {
      const here = at <= last && differs(line, at);
      if (here && from < 0) from = at;
      if (!here && from >= 0) { runs.push([line, from, at]); from = -1; }
    }
  }
}

// Draw edges as lines of whole screen pixels: first a black halo, a pixel wider on each side, then the colour. On dark
// greys the colour stands out from the picture, on bright ones the halo does, and it from the halo on all.
function strokeEdges(context, runs, toX, toY, width, colour, halo) {
  const pass = (size, style) => {
    context.fillStyle = style;
    const half = size / 2;
    for (const [y, from, to] of runs.across) {
      const left = Math.round(toX(from) - half), right = Math.round(toX(to) + half);
      context.fillRect(left, Math.round(toY(y) - half), right - left, size);
    }
    for (const [x, from, to] of runs.down) {
      const top = Math.round(toY(from) - half), bottom = Math.round(toY(to) + half);
      context.fillRect(Math.round(toX(x) - half), top, size, bottom - top);
    }
  };
  pass(width + 2 * halo, "rgb(0,0,0)");
  pass(width, `rgb(${colour.slice(0, 3)})`);
}
