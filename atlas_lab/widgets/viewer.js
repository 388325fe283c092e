// The viewer: its state, which Python and other views of the same widget share, and what moves it. Volumes come once,
// compressed; after that no message is needed to show another slice.

const SHARED = ["plane", "index", "position", "pane_layout", "show", "chosen", "threshold", "thresholds", "opacity", "zoom",
  "window", "convention", "fill", "show_target", "crosshair", "line_width"];
const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

class Viewer {
  constructor(model, root, ownsPage) {
    Object.assign(this, { model, root, ownsPage, shape: model.get("shape"), affine: model.get("affine") });
    this.names = [...model.get("names")];
    this.isProbability = [...model.get("probabilities")];
    this.hasTarget = model.get("has_target");
    this.labelNames = model.get("label_names");
    this.labels = this.labelNames.length > 0;
    this.grid = model.get("own_grid").shape ? model.get("own_grid") : null;
    this.spacing = spacingOf(this.affine);
    this.state = Object.fromEntries(SHARED.map((name) => [name, model.get(name)]));
    this.centre = this.shape.map((size) => (size - 1) / 2);
    this.colours = model.get("colours");
    this.kept = 0;
    this.drawing = new Drawing(this);
    this.tables = {};
    this.build();
  }

  async load() {
    const { model } = this;
    const [steps, target, labels, ...predictions] = await Promise.all(
      [model.get("image"), model.get("target"), model.get("labels"), ...model.get("predictions")].map(inflate));
    if (this.closed) return;
    const image = addSlices(steps, this.shape);
    Object.assign(this, { image, target, labels, predictions });
    this.counts = this.countable.map((prediction) => countLevels(this.shape, prediction, target));
    this.greyCounts = greyHistogram(image);
    this.layOut();
    await this.loadDrawings();
  }

  // What scores are kept of: the predictions, or the target alone, as a prediction of nothing.
  get countable() { return this.predictions.length ? this.predictions : [this.target || new Uint8Array(this.image.length)]; }
  get magnification() { return Math.max(1, this.state.zoom / this.model.get("frame_zoom")); }
  get length() { return this.shape[PLANES[this.state.plane].along]; }
  get show() { return this.canShow(this.state.show) ? this.state.show : "masks"; }
  level(i) { return (this.state.thresholds[i] ?? 0.5) * 255; }

  canShow(key) {
    const n = this.names.length;
    return {
      masks: true, errors: n > 0 && this.hasTarget, differences: n > 1, heat: this.isProbability.some(Boolean),
      labels: Boolean(this.labels),
    }[key];
  }

  build() {
    const { root } = this;
    root.classList.add("atlas-viewer");
    root.tabIndex = 0;
    root.setAttribute("role", "group");
    root.setAttribute("aria-label", "Slice viewer; arrow keys move through the slices");
    // Or Jupyter takes the keys: ArrowDown goes to the next cell. It looks at the element that has the focus alone.
    root.dataset.lmSuppressShortcuts = "true";
    this.controls = new Controls(this);
    root.onkeydown = (event) => pressKey(this, event);
  }

  // ------------------------------------------------------------------------------------------------ state

  set(name, value) {
    this.take(name, value);
    this.model.set(name, value);
    this.save();
  }

  // Take a value into the state, from here or from elsewhere, and show it.
  take(name, value) {
    if (value === undefined || !this.assign(name, value)) return;
    if (name === "zoom" && !this.isZooming) this.centre = [...this.state.position];
    if (["plane", "pane_layout", "chosen"].includes(name) && this.image) this.layOut();
    else this.changed();
  }

  // Change a part of the state and what goes with it; false if it was so already.
  assign(name, given) {
    const { state } = this, { along } = PLANES[state.plane];
    const kept = { chosen: () => Math.max(0, Math.min(given, this.names.length - 1)), position: () => viewerClamp(given, this.shape),
      index: () => Math.max(0, Math.min(given, this.length - 1)) };
    const value = kept[name] ? kept[name]() : given;
    if (same(state[name], value)) return false;
    state[name] = value;
    if (name === "index") state.position = state.position.map((old, k) => (k === along ? value : old));
    if (name === "position" || name === "plane") state.index = state.position[PLANES[state.plane].along];
    if (name === "threshold") state.thresholds = state.thresholds.map((old, i) => (i === state.chosen ? value : old));
    if (name === "chosen" || name === "thresholds") state.threshold = state.thresholds[state.chosen] ?? 0.5;
    return true;
  }

  // Python, and other views, learn of changes at most ten times a second.
  save() {
    for (const name of ["index", "position", "threshold", "thresholds"]) this.model.set(name, this.state[name]);
    if (this.saving) return;
    this.saving = setTimeout(() => { this.saving = 0; this.model.save_changes(); }, 100);
  }

  flip(name) { this.set(name, !this.state[name]); }
  flipSides() { this.set("convention", this.state.convention === "radiological" ? "neurological" : "radiological"); }
  setThreshold(i, value) { this.set("thresholds", this.state.thresholds.map((old, k) => (k === i ? value : old))); }

  choosePlane(plane, fixed = null) {
    if (this.state.plane !== plane) this.set("plane", plane);
    if (fixed !== null && this.state.chosen !== fixed) this.set("chosen", fixed);
  }

  // `centres`: the crosshair comes to the middle of the picture; else the caller says what does.
  setZoom(value, centres = true) {
    const least = this.model.get("frame_zoom");
    this.isZooming = !centres;
    this.set("zoom", Math.min(Math.max(value, least), 40 * least));
    this.isZooming = false;
  }

  // Keep the middle of the picture where no side of the volume leaves a gap.
  clampCentre() {
    this.centre = this.centre.map((value, k) => {
      const half = this.shape[k] / 2 / this.magnification;
      return Math.min(Math.max(value, half - 0.5), this.shape[k] - half - 0.5);
    });
  }

  // ------------------------------------------------------------------------------------------------ moving

  moveTo(voxel) { this.set("position", viewerClamp(voxel, this.shape)); }

  to(index) {
    if (index == null) return;
    this.moveTo(this.state.position.map((old, k) => (k === PLANES[this.state.plane].along ? index : old)));
  }

  step(plane, steps) {
    this.moveTo(this.state.position.map((old, k) => (k === PLANES[plane].along ? old + steps : old)));
  }

  goTo(words) {
    const mm = words.split(/[\s,;]+/).filter(Boolean).map(Number);
    if (mm.length !== 3 || !mm.every(Number.isFinite)) { this.controls.point.textContent = "give three numbers: x, y, z in mm"; return; }
    const voxel = toVoxel(this.affine, mm), inside = viewerClamp(voxel, this.shape);
    this.notice = same(voxel, inside) ? null
      : { at: inside, text: `${mmText(mm)} mm lies outside of the volume; the nearest voxel is ${inside.join(", ")}` };
    this.centre = [...inside];
    this.moveTo(inside);
    this.changed();
  }

  // Slices with lesion: of the target, or where there is none of the prediction.
  next(direction) {
    const { profile, state } = this;
    for (let i = state.index + direction; i >= 0 && i < this.length; i += direction) if (this.lesionSize(profile[i])) return this.to(i);
  }

  lesionSize({ tp, fp, fn }) { return this.hasTarget ? tp + fn : tp + fp; }

  extreme(kind) {
    const sizes = this.profile.map((slice) => this.lesionSize(slice));
    const value = (i) => (kind === "area" ? sizes[i] : (kind === "best" ? 1 : -1) * dice(this.profile[i]));
    const candidates = [...sizes.keys()].filter((i) => sizes[i]);
    return candidates.length ? candidates.reduce((a, b) => (value(b) > value(a) ? b : a)) : null;
  }

  play() { this.repeat("playing", 80, () => this.to((this.state.index + 1) % this.length)); }

  blink() {
    if (this.state.pane_layout === "side") this.set("pane_layout", "one");
    this.repeat("blinking", 600, () => this.set("chosen", (this.state.chosen + 1) % this.names.length));
  }

  repeat(name, milliseconds, action) {
    if (this[name]) { clearInterval(this[name]); this[name] = 0; return this.changed(); }
    this[name] = setInterval(() => (this.root.isConnected ? action() : this.repeat(name)), milliseconds);
    this.changed();
  }

  // ------------------------------------------------------------------------------------------------ window and level

  levelOf(intensity) {
    const [black, white] = [this.model.get("black"), this.model.get("white")];
    return ((intensity - black) / (white - black)) * 255;
  }

  intensityOf(level) {
    const [black, white] = [this.model.get("black"), this.model.get("white")];
    return black + (level / 255) * (white - black);
  }

  shiftWindow(dx, dy) {
    const [low, high] = this.state.window.map((value) => this.levelOf(value));
    const width = Math.max(2, (high - low) * Math.exp(dx / 200)), middle = (low + high) / 2 + dy / 2;
    this.set("window", [middle - width / 2, middle + width / 2].map((level) => this.intensityOf(level)));
  }

  presetWindow(name) {
    const share = (value) => percentile(this.greyCounts, value);
    const levels = { all: [0, 255], brain: [share(0.02), share(0.98)], dark: [0, share(0.4)] }[name];
    this.set("window", levels.map((level) => this.intensityOf(level)));
  }

  // ------------------------------------------------------------------------------------------------ predictions that come

  addPrediction(name, mask) {
    if (!this.predictions.length) this.counts = [];
    this.predictions.push(mask);
    this.names.push(name);
    this.isProbability.push(false);
    this.counts.push(countLevels(this.shape, mask, this.target));
    this.state.thresholds = this.names.map((_, i) => this.state.thresholds[i] ?? 0.5);
    this.controls.update();
    this.set("chosen", this.names.length - 1);
  }

  renamePrediction(mask, name) {
    this.names[this.predictions.indexOf(mask)] = name;
    this.kept += 1;
    this.controls.update();
    this.layOut();
  }

  recount(mask) {
    this.counts[this.predictions.indexOf(mask)] = countLevels(this.shape, mask, this.target);
    this.profileKey = null;
    this.changed();
    if (this.isListing) this.list(true);
  }

  // Drawings that another view kept, or that the widget had already.
  async loadDrawings() {
    for (const { name, data } of this.model.get("drawings").slice(this.kept)) {
      this.kept += 1;
      this.addPrediction(name, await inflate(data));
    }
  }

  draw_() {
    if (this.drawing.isOn) return this.keepDrawing();
    const options = [["", "nothing"], ...(this.hasTarget ? [["target", "the target"]] : []), ...this.names.map((name, i) => [i, name])];
    this.controls.source.replaceChildren(...options.map(([value, text]) => new Option(`from ${text}`, value)));
    this.startDrawing(this.names.length ? String(this.state.chosen) : "");
  }

  startDrawing(from) {
    if (this.drawing.isOn) this.dropDrawing();
    this.drawing.start(from);
    this.controls.source.value = from;
    if (this.show === "errors" || this.show === "heat") this.set("show", "masks");
    this.changed();
  }

  dropDrawing() {
    const i = this.predictions.indexOf(this.drawing.mask);
    for (const list of [this.predictions, this.names, this.isProbability, this.counts]) list.splice(i, 1);
    if (!this.predictions.length) this.counts = this.countable.map((mask) => countLevels(this.shape, mask, this.target));
    this.profileKey = null;
    this.state.chosen = Math.max(0, Math.min(this.state.chosen, this.names.length - 1));
    this.controls.update();
  }

  keepDrawing() { return this.drawing.keep().then(() => this.changed()); }

  async saveNifti() {
    const packed = await compressed(niftiBytes(this.drawing.mask, this.shape, this.grid), "gzip");
    download(new Blob([packed], { type: "application/gzip" }), "drawing.nii.gz");
  }

  // ------------------------------------------------------------------------------------------------ lesion table

  list(again = false) {
    this.isListing = again || !this.isListing;
    this.rows = this.isListing ? this.findLesions() : null;
    this.current = -1;
    this.controls.showTable(this.rows, this.current);
    this.changed();
  }

  findLesions() {
    const { chosen } = this.state;
    this.rowsKey = [chosen, this.level(chosen)].join();
    return lesionTable(this.shape, this.target, this.predictions[chosen], this.level(chosen));
  }

  jump(k) {
    this.rows ||= this.findLesions();
    if (!this.rows.length) return;
    this.current = (k + this.rows.length) % this.rows.length;
    const { place } = this.rows[this.current];
    this.centre = [...place];
    this.moveTo(place);
    if (this.isListing) this.controls.showTable(this.rows, this.current);
    this.changed();
  }

  mlText(voxels) { const ml = voxels * this.model.get("voxel_ml"); return `${ml.toFixed(ml < 1 ? 2 : 1)} ml`; }
  placeText(voxel) { return this.affine.length ? mmText(toMm(this.affine, voxel)) : voxel.join(", "); }

  // ------------------------------------------------------------------------------------------------ closing

  close() {
    this.closed = true;
    for (const name of ["playing", "blinking"]) clearInterval(this[name]);
    for (const name of ["saving", "speaking", "listingLater"]) clearTimeout(this[name]);
    this.observer?.disconnect();
    Object.assign(this, { image: null, target: null, labels: null, predictions: [], counts: [], tables: {}, panes: [] });
    this.drawing.mask = null;
    this.root.replaceChildren();
    this.model = this.root.viewer = null; // what is left of the page may be kept by others; it holds no volume
  }
}

function pressKey(viewer, event) {
  const { tagName, type } = event.target;
  if (tagName === "SELECT" || (tagName === "INPUT" && (type !== "range" || event.target !== viewer.controls.slider))) return;
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const { state } = viewer, here = state.index, { across, down } = PLANES[state.plane];
  const shift = (axis, by) => viewer.moveTo(state.position.map((old, k) => (k === axis ? old + by : old)));
  const flipped = state.convention === "radiological" && across === 0 ? -1 : 1;
  const cycle = (name, values) => viewer.set(name, values[(values.indexOf(state[name]) + 1) % values.length]);
  const threshold = (by) => viewer.setThreshold(state.chosen, Math.min(1, Math.max(0, +(state.threshold + by).toFixed(2))));
  const within = { ArrowRight: [across, flipped], ArrowLeft: [across, -flipped], ArrowUp: [down, 1], ArrowDown: [down, -1] };
  const keys = {
    ArrowRight: () => viewer.to(here + 1), ArrowUp: () => viewer.to(here + 1), ArrowLeft: () => viewer.to(here - 1),
    ArrowDown: () => viewer.to(here - 1), PageUp: () => viewer.to(here + 10), PageDown: () => viewer.to(here - 10),
    Home: () => viewer.to(0), End: () => viewer.to(viewer.length - 1),
    "+": () => viewer.setZoom(state.zoom * 1.5), "-": () => viewer.setZoom(state.zoom / 1.5), 0: () => viewer.setZoom(0),
    "[": () => threshold(-0.01), "]": () => threshold(0.01),
    ",": () => viewer.set("opacity", Math.max(0, +(state.opacity - 0.05).toFixed(2))),
    ".": () => viewer.set("opacity", Math.min(1, +(state.opacity + 0.05).toFixed(2))),
    p: () => viewer.choosePlane((state.plane + 1) % 3),
    l: () => cycle("pane_layout", Object.keys(LAYOUTS).filter((key) => key !== "side" || viewer.names.length > 1)),
    e: () => cycle("show", Object.keys(SHOWS).filter((key) => viewer.canShow(key))),
    c: () => viewer.names.length && viewer.set("chosen", (state.chosen + 1) % viewer.names.length),
    b: () => viewer.names.length > 1 && viewer.blink(), f: () => viewer.flip("fill"), t: () => viewer.flip("show_target"),
    x: () => viewer.flip("crosshair"), r: () => viewer.affine.length && viewer.flipSides(),
    n: () => viewer.jump((viewer.current ?? -1) + 1), N: () => viewer.jump((viewer.current ?? 0) - 1),
    d: () => viewer.draw_(), u: () => viewer.drawing.isOn && viewer.drawing.undo(), g: () => viewer.controls.place?.focus(),
    " ": () => (viewer.drawing.isOn ? viewer.dab() : viewer.play()),
  };
  if (event.key === " " && tagName === "BUTTON") return;
  if (event.shiftKey && within[event.key]) shift(...within[event.key]);
  else if (keys[event.key]) keys[event.key]();
  else return;
  event.preventDefault();
  event.stopPropagation();
}
