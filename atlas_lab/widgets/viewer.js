// Draws a volume slice by slice on a canvas. The volume and its masks come once, compressed; after that no message is
// needed to show another slice. What is drawn is what overlay.py gives: see tests/test_viewer_browser.py.

const PLANES = [
  { name: "axial", across: 0, down: 1, along: 2, letters: ["L", "R", "A", "P"] },
  { name: "coronal", across: 0, down: 2, along: 1, letters: ["L", "R", "S", "I"] },
  { name: "sagittal", across: 1, down: 2, along: 0, letters: ["P", "A", "S", "I"] },
];

async function inflate(data) {
  if (!data || !data.byteLength) return null;
  const stream = new Blob([data]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

function element(parent, tag, className, properties = {}) {
  const node = document.createElement(tag);
  node.className = className;
  Object.assign(node, properties);
  parent.append(node);
  return node;
}

// Voxel (i, j) of a slice, i across and j down from the top left, is at start + i * right + j * below.
function slicing(shape, plane, index) {
  const strides = [1, shape[0], shape[0] * shape[1]];
  const { across, down, along } = PLANES[plane];
  return {
    width: shape[across], height: shape[down], right: strides[across], below: -strides[down],
    start: index * strides[along] + (shape[down] - 1) * strides[down],
  };
}

// Round as numpy's rint does: a half goes to the even neighbour.
function rint(value) {
  const rounded = Math.round(value);
  return value % 1 === 0.5 && rounded % 2 ? rounded - 1 : rounded;
}

// The colour of each grey level under a translucent fill.
function blends(fill, opacity) {
  return Uint32Array.from({ length: 256 }, (_, grey) => {
    const [r, g, b] = fill.map((channel) => rint(grey + opacity * (channel - grey)));
    return 0xff000000 | (b << 16) | (g << 8) | r;
  });
}

// Fill `pixels` (Uint32, width x height of the slice times zoom) as overlay() does: grey, blue fill, orange outline.
function paint(pixels, view, volumes, settings) {
  const { width, height, right, below, start } = view;
  const { zoom, opacity, level, targetColour, predictionColour } = settings;
  const line = width * zoom;
  const filled = blends(predictionColour, opacity);
  for (let j = 0; j < height; j++) {
    for (let i = 0; i < width; i++) {
      const at = start + i * right + j * below;
      const grey = volumes.image[at];
      let colour = 0xff000000 | (grey << 16) | (grey << 8) | grey;
      if (volumes.prediction && volumes.prediction[at] > level) colour = filled[grey];
      const corner = j * zoom * line + i * zoom;
      for (let y = 0; y < zoom; y++) pixels.fill(colour, corner + y * line, corner + y * line + zoom);
    }
  }
  if (volumes.target) outline(pixels, view, volumes.target, zoom, targetColour);
}

// One pixel wide, on the inside of the mask's edge.
function outline(pixels, { width, height, right, below, start }, target, zoom, [r, g, b]) {
  const colour = (0xff000000 | (b << 16) | (g << 8) | r) >>> 0;
  const line = width * zoom;
  const outside = (i, j) => i < 0 || j < 0 || i >= width || j >= height || !target[start + i * right + j * below];
  for (let j = 0; j < height; j++) {
    for (let i = 0; i < width; i++) {
      if (outside(i, j)) continue;
      const corner = j * zoom * line + i * zoom;
      for (let k = 0; k < zoom; k++) {
        if (outside(i, j - 1)) pixels[corner + k] = colour;
        if (outside(i, j + 1)) pixels[corner + (zoom - 1) * line + k] = colour;
        if (outside(i - 1, j)) pixels[corner + k * line] = colour;
        if (outside(i + 1, j)) pixels[corner + k * line + zoom - 1] = colour;
      }
    }
  }
}

// How many voxels have each value, inside and outside of the target: all that a threshold's scores need.
function histograms(prediction, target) {
  const inside = new Float64Array(256), outside = new Float64Array(256);
  for (let at = 0; at < prediction.length; at++) (target && target[at] ? inside : outside)[prediction[at]]++;
  return { inside, outside };
}

function counts({ inside, outside }, level) {
  let tp = 0, fp = 0, fn = 0;
  for (let value = 0; value < 256; value++) {
    if (value > level) { tp += inside[value]; fp += outside[value]; } else fn += inside[value];
  }
  return { tp, fp, fn };
}

const dice = ({ tp, fp, fn }) => (2 * tp) / (2 * tp + fp + fn);
const text = (value) => (Number.isFinite(value) ? value.toFixed(2) : "undefined");

// Voxels of the slice in target, prediction and both.
function areas(view, volumes, level) {
  let tp = 0, fp = 0, fn = 0;
  for (let j = 0; j < view.height; j++) {
    for (let i = 0; i < view.width; i++) {
      const at = view.start + i * view.right + j * view.below;
      const p = volumes.prediction ? volumes.prediction[at] > level : false;
      const t = volumes.target ? volumes.target[at] > 0 : false;
      if (p && t) tp++; else if (p) fp++; else if (t) fn++;
    }
  }
  return { tp, fp, fn };
}

class Viewer {
  constructor(model, root) {
    this.model = model;
    this.root = root;
    this.shape = model.get("shape");
    this.plane = model.get("plane");
    this.index = [0, 1, 2].map((plane) => Math.floor(this.shape[PLANES[plane].along] / 2));
    this.index[this.plane] = model.get("index");
    this.zoom = model.get("zoom");
    this.opacity = model.get("opacity");
    this.threshold = model.get("threshold");
    this.chosen = 0;
    this.names = model.get("names");
    this.build();
  }

  async load() {
    const [image, target, ...predictions] = await Promise.all(
      [this.model.get("image"), this.model.get("target"), ...this.model.get("predictions")].map(inflate));
    Object.assign(this, { image, target, predictions });
    this.histogram = predictions.map((prediction) => histograms(prediction, target));
    this.changed();
  }

  get volumes() { return { image: this.image, target: this.target, prediction: this.predictions[this.chosen] }; }
  get level() { return this.threshold * 255; }
  get view() { return slicing(this.shape, this.plane, this.index[this.plane]); }
  get length() { return this.shape[PLANES[this.plane].along]; }

  build() {
    const root = this.root;
    root.classList.add("atlas-viewer");
    root.tabIndex = 0;
    root.dataset.lmSuppressShortcuts = "true"; // or Jupyter takes the keys: ArrowDown goes to the next cell
    const bar = element(root, "div", "bar");
    this.planeBox = element(bar, "select", "plane", { title: "plane" });
    PLANES.forEach(({ name }, i) => this.planeBox.add(new Option(name, i, false, i === this.plane)));
    this.planeBox.onchange = () => { this.plane = +this.planeBox.value; this.changed(); };
    this.button(bar, "play", "▶", "play or stop (space)", () => this.play());
    this.button(bar, "largest", "largest lesion", "to the slice with most lesion", () => this.to(this.extreme("area")));
    this.button(bar, "previous", "‹ lesion", "to the previous slice with lesion", () => this.next(-1));
    this.button(bar, "following", "lesion ›", "to the next slice with lesion", () => this.next(1));
    if (this.names.length) {
      this.button(bar, "worst", "worst", "to the lesion slice with the lowest Dice", () => this.to(this.extreme("worst")));
      this.button(bar, "best", "best", "to the lesion slice with the highest Dice", () => this.to(this.extreme("best")));
    }
    this.button(bar, "smaller", "−", "smaller", () => this.enlarge(-1));
    this.button(bar, "larger", "+", "larger", () => this.enlarge(1));

    this.slider = element(root, "input", "slice", { type: "range", min: 0, step: 1, title: "slice" });
    this.slider.oninput = () => this.to(+this.slider.value);
    this.strip = element(root, "canvas", "strip");
    this.strip.height = 18;
    const frame = element(root, "div", "frame");
    this.canvas = element(frame, "canvas", "slice-canvas");
    this.canvas.onclick = (event) => this.read(event);
    this.letters = ["left", "right", "top", "bottom"].map((side) => element(frame, "span", `letter ${side}`));
    if (this.names.length) this.buildPrediction(element(root, "div", "bar"));
    this.line = element(root, "div", "line");
    this.scores = element(root, "div", "line scores");
    this.point = element(root, "div", "line point");
    root.onkeydown = (event) => this.key(event);
  }

  buildPrediction(bar) {
    if (this.names.length > 1) {
      this.chooser = element(bar, "select", "prediction", { title: "prediction" });
      this.names.forEach((name, i) => this.chooser.add(new Option(name, i)));
      this.chooser.onchange = () => { this.chosen = +this.chooser.value; this.changed(); };
      this.button(bar, "blink", "blink", "show the predictions in turn", () => this.blink());
    }
    this.range(bar, "opacity", "opacity", this.opacity, (value) => { this.opacity = value; });
    if (this.model.get("is_probability")) {
      this.range(bar, "threshold", "threshold", this.threshold, (value) => { this.threshold = value; });
    }
  }

  button(parent, className, label, title, action) {
    element(parent, "button", className, { textContent: label, title, type: "button", onclick: action });
  }

  range(parent, className, label, value, set) {
    const box = element(parent, "label", "setting", { textContent: label });
    const input = element(box, "input", className, { type: "range", min: 0, max: 1, step: 0.01, value });
    const shown = element(box, "span", "value", { textContent: value.toFixed(2) });
    input.oninput = () => { set(+input.value); shown.textContent = (+input.value).toFixed(2); this.changed(); };
  }

  // The first change is drawn at once; of those that come before the browser shows it, only the last.
  changed() {
    if (!this.image) return;
    if (this.waiting) { this.behind = true; return; }
    this.draw();
    this.waiting = requestAnimationFrame(() => {
      this.waiting = 0;
      if (this.behind) { this.behind = false; this.changed(); }
    });
  }

  draw() {
    this.drawn = (this.drawn || 0) + 1;
    const view = this.view, zoom = this.zoom;
    const width = view.width * zoom, height = view.height * zoom;
    if (this.canvas.width !== width || this.canvas.height !== height || !this.data) {
      Object.assign(this.canvas, { width, height });
      this.data = this.canvas.getContext("2d").createImageData(width, height);
      this.pixels = new Uint32Array(this.data.data.buffer);
    }
    paint(this.pixels, view, this.volumes, {
      zoom, opacity: this.opacity, level: this.level,
      targetColour: this.model.get("target_colour"), predictionColour: this.model.get("prediction_colour"),
    });
    this.canvas.getContext("2d").putImageData(this.data, 0, 0);
    this.slider.max = this.length - 1;
    this.slider.value = this.index[this.plane];
    PLANES[this.plane].letters.forEach((letter, i) => { this.letters[i].textContent = letter; });
    this.describe(view);
    this.drawStrip(width);
    this.tell();
  }

  describe(view) {
    const index = this.index[this.plane], along = PLANES[this.plane].along;
    const parts = [`${PLANES[this.plane].name} ${index + 1} of ${this.length}`];
    const affine = this.model.get("affine");
    if (affine.length) parts.push(`${"xyz"[along]} = ${(affine[5 * along] * index + affine[4 * along + 3]).toFixed(0)} mm`);
    const slice = areas(view, this.volumes, this.level);
    if (this.target) parts.push(`target ${slice.tp + slice.fn} voxels`);
    if (this.names.length) parts.push(`prediction ${slice.tp + slice.fp} voxels`);
    if (this.target && this.names.length) parts.push(`Dice ${text(dice(slice))}${slice.tp + slice.fp + slice.fn ? "" : " (both empty)"}`);
    this.line.textContent = parts.join(" · ");
    if (!this.names.length) return;
    const all = counts(this.histogram[this.chosen], this.level), ml = this.model.get("voxel_ml");
    const scores = [`${this.names[this.chosen]}, whole volume: ${((all.tp + all.fp) * ml).toFixed(1)} ml`];
    if (this.target) {
      scores.push(`target ${((all.tp + all.fn) * ml).toFixed(1)} ml`, `Dice ${text(dice(all))}`,
        `precision ${text(all.tp / (all.tp + all.fp))}`, `recall ${text(all.tp / (all.tp + all.fn))}`);
    }
    this.scores.textContent = scores.join(" · ");
  }

  // Where along the axis target (above) and prediction (below) lie, and where we are. Kept until something but the slice changes.
  drawStrip(width) {
    const key = [this.plane, this.chosen, this.names.length ? this.threshold : 0, width].join();
    if (this.stripKey !== key) {
      this.stripKey = key;
      this.profile = Array.from({ length: this.length }, (_, i) => areas(slicing(this.shape, this.plane, i), this.volumes, this.level));
    }
    const strip = this.strip, context = strip.getContext("2d"), step = width / this.length;
    strip.width = width;
    const rows = [["tp", "fn", this.model.get("target_colour"), 0], ["tp", "fp", this.model.get("prediction_colour"), 9]];
    for (const [one, other, colour, top] of rows) {
      const most = Math.max(1, ...this.profile.map((slice) => slice[one] + slice[other]));
      context.fillStyle = `rgb(${colour})`;
      this.profile.forEach((slice, i) => {
        const size = slice[one] + slice[other];
        if (size) context.fillRect(i * step, top + 8 - Math.max(1.5, (8 * size) / most), Math.max(1, step), Math.max(1.5, (8 * size) / most));
      });
    }
    context.fillStyle = "rgb(128,128,128)";
    context.fillRect((this.index[this.plane] + 0.5) * step - 1, 0, 2, 18);
  }

  to(index) {
    if (index == null) return;
    this.index[this.plane] = Math.min(Math.max(index, 0), this.length - 1);
    this.changed();
  }

  next(direction) {
    for (let i = this.index[this.plane] + direction; i >= 0 && i < this.length; i += direction) {
      const { tp, fp, fn } = this.profile[i];
      if (this.target ? tp + fn : tp + fp) return this.to(i);
    }
  }

  extreme(kind) {
    const sizes = this.profile.map(({ tp, fp, fn }) => (this.target ? tp + fn : tp + fp));
    const value = (i) => (kind === "area" ? sizes[i] : (kind === "best" ? 1 : -1) * dice(this.profile[i]));
    const candidates = [...sizes.keys()].filter((i) => sizes[i]);
    return candidates.length ? candidates.reduce((a, b) => (value(b) > value(a) ? b : a)) : null;
  }

  enlarge(by) { this.zoom = Math.min(Math.max(this.zoom + by, 1), 5); this.changed(); }

  play() {
    if (this.playing) { clearInterval(this.playing); this.playing = 0; return; }
    this.playing = setInterval(() => {
      if (!this.root.isConnected) return this.play();
      this.to((this.index[this.plane] + 1) % this.length);
    }, 80);
  }

  blink() {
    if (this.blinking) { clearInterval(this.blinking); this.blinking = 0; return; }
    this.blinking = setInterval(() => {
      if (!this.root.isConnected) return this.blink();
      this.chosen = (this.chosen + 1) % this.names.length;
      this.chooser.value = this.chosen;
      this.changed();
    }, 600);
  }

  key(event) {
    if (event.target.tagName === "SELECT") return;
    const here = this.index[this.plane];
    const target = { ArrowRight: here + 1, ArrowUp: here + 1, ArrowLeft: here - 1, ArrowDown: here - 1, Home: 0, End: this.length - 1 }[event.key];
    if (event.target.type === "range" && event.target !== this.slider) return;
    if (target !== undefined) this.to(target);
    else if (event.key === " " && event.target.tagName !== "BUTTON") this.play();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  read(event) {
    const box = this.canvas.getBoundingClientRect(), view = this.view;
    const i = Math.floor(((event.clientX - box.left) / box.width) * view.width);
    const j = Math.floor(((event.clientY - box.top) / box.height) * view.height);
    const { across, down, along } = PLANES[this.plane];
    const voxel = [0, 0, 0];
    voxel[across] = i; voxel[down] = view.height - 1 - j; voxel[along] = this.index[this.plane];
    const at = view.start + i * view.right + j * view.below, affine = this.model.get("affine");
    const parts = [`voxel ${voxel.join(", ")}`];
    if (affine.length) {
      const mm = [0, 1, 2].map((row) => [0, 1, 2].reduce((sum, k) => sum + affine[4 * row + k] * voxel[k], affine[4 * row + 3]));
      parts.push(`x, y, z = ${mm.map((value) => value.toFixed(0)).join(", ")} mm`);
    }
    const [black, white] = [this.model.get("black"), this.model.get("white")];
    parts.push(`intensity ${(black + (this.image[at] / 255) * (white - black)).toPrecision(3)}`);
    if (this.target) parts.push(this.target[at] ? "lesion" : "no lesion");
    if (this.names.length) parts.push(`${this.names[this.chosen]} ${(this.predictions[this.chosen][at] / 255).toFixed(2)}`);
    this.point.textContent = parts.join(" · ");
  }

  // Python learns where we are, at most five times a second.
  tell() {
    if (this.telling) return;
    this.telling = setTimeout(() => {
      this.telling = 0;
      this.model.set("plane", this.plane);
      this.model.set("index", this.index[this.plane]);
      this.model.set("threshold", this.threshold);
      this.model.save_changes();
    }, 200);
  }
}

function render({ model, el }) {
  const root = element(el, "div", "");
  const viewer = new Viewer(model, root);
  root.viewer = viewer;
  viewer.load().catch((error) => { root.textContent = `The volume could not be shown: ${error.message}`; });
  model.on("change:index", () => {
    const index = model.get("index");
    if (model.get("plane") === viewer.plane && !viewer.telling) viewer.to(index);
  });
}

export default { render };
