// What the viewer shows: the panes and their looks, the lines of text below them, the strip, what is spoken.

Object.assign(Viewer.prototype, {
  // Panes for the layout: one plane, three planes, or one pane for each prediction.
  layOut() {
    const { state, controls } = this, count = this.names.length;
    const wanted = state.pane_layout === "side" && count > 1
      ? this.names.map((_, i) => [state.plane, i])
      : (state.pane_layout === "three" ? [0, 1, 2] : [state.plane]).map((plane) => [plane, null]);
    if (!this.panes || !same(this.panes.map((pane) => [pane.plane, pane.fixed]), wanted)) {
      controls.panes.replaceChildren();
      this.panes = wanted.map(([plane, fixed]) => new Pane(this, controls.panes, plane, fixed));
    }
    this.fit();
    this.changed();
  },

  // The largest scale at which the panes fit beside one another, or each by itself on a narrow screen.
  fit() {
    const { panes, spacing, shape } = this, gap = 6;
    const room = Math.max(160, (this.root.parentElement?.clientWidth || 900) - 12);
    const full = this.model.get("frame_zoom") / Math.min(...spacing);
    const widths = panes.map(({ axes }) => shape[axes.across] * spacing[axes.across]);
    const beside = (room - gap * panes.length) / widths.reduce((a, b) => a + b, 0);
    const alone = room / Math.max(...widths);
    const scale = beside >= 0.55 * full ? Math.min(full, beside) : Math.min(full, alone);
    if (scale !== this.scale || panes.some((pane) => !pane.data)) panes.forEach((pane) => pane.resize(scale));
    this.scale = scale;
    this.width = Math.min(room, widths.reduce((a, b) => a + b * scale + gap, -gap));
    for (const { style } of [this.controls.strip, this.controls.slider]) style.width = `${this.width}px`;
  },

  // Classes, colours and lines of one slice.
  look(view, i) {
    const { state, show } = this, [low, high] = state.window.map((value) => this.levelOf(value));
    const fills = this.fills(show), key = [low, high, state.opacity, state.fill].join();
    if (this.tables[show]?.key !== key) {
      const chosen = show === "masks" && !state.fill ? fills.map(() => null) : fills;
      this.tables[show] = { key, table: colourTable(greys(low, high), chosen, state.opacity) };
    }
    const found = this.classesOf(show, view, i);
    return { found, table: this.tables[show].table, lines: this.lines(show, view, found, i, fills) };
  },

  // The outlines of a slice: what is drawn, around which classes, in which colour.
  lines(show, view, found, i, fills) {
    const { state, colours, target } = this, white = [255, 255, 255];
    if (show === "errors") return [1, 2, 3].map((c) => ({ classes: found, members: [c], colour: fills[c], thinner: true }));
    const lines = [];
    if (show === "masks" && this.predictions[i]) lines.push({ classes: found, members: [1, 3], colour: colours.prediction, thinner: true });
    if (show === "differences") for (const c of [1, 2, 3]) lines.push({ classes: found, members: [c], colour: fills[c], thinner: true });
    if (!target || !state.show_target) return lines;
    if (show === "masks") return [...lines, { classes: found, members: [2, 3], colour: colours.target }];
    return [...lines, { classes: classes(view, target, 0, null, 0), members: [1], colour: white }];
  },

  // What each voxel of a slice belongs to, by number; in all looks but labels and heat: 1, 2, or 3 for both.
  classesOf(show, view, i) {
    const { predictions, target } = this, [a, b] = this.pair();
    if (show === "labels") return values(view, this.labels);
    if (show === "heat") return values(view, predictions[i]);
    if (show === "differences") return classes(view, predictions[a], this.level(a), predictions[b], this.level(b));
    return classes(view, predictions[i], this.level(i), target, 0);
  },

  fills(show) {
    const { colours } = this;
    if (show === "labels") return [null, ...Array.from({ length: 255 }, (_, k) => colours.labels[k] ?? null)];
    if (show === "heat") return heatColours();
    if (show === "masks") return [null, colours.prediction, null, colours.prediction];
    return [null, colours.fp, colours.fn, colours.tp];
  },

  // The two predictions that are set against one another: the first and the chosen one, or the first two.
  pair() { return [0, this.state.chosen || 1]; },

  keyEntries() {
    const { colours, show, names, state } = this, [a, b] = this.pair();
    const target = this.hasTarget && state.show_target
      ? [["target", show === "masks" ? colours.target : [255, 255, 255], true]] : [];
    if (show === "labels") return [...target, ...this.labelNames.map((name, k) => [name, colours.labels[k]]).filter(([name]) => name)];
    if (show === "errors") return [["found (TP)", colours.tp], ["false alarm (FP)", colours.fp], ["missed (FN)", colours.fn]];
    if (show === "differences") return [...target, ["both", colours.tp], [`only ${names[a]}`, colours.fp], [`only ${names[b]}`, colours.fn]];
    if (show === "heat") return [...target, ...[0.1, 0.5, 1].map((p) => [`${p}`, heatColours()[Math.round(p * 255)]])];
    return [...target, ...(names.length ? [[names[state.chosen], colours.prediction]] : [])];
  },

  // The first change is drawn at once; of those that come before the browser shows it, only the last.
  changed() {
    if (!this.image || !this.panes) return;
    if (this.waiting) { this.behind = true; return; }
    this.draw();
    this.waiting = requestAnimationFrame(() => {
      this.waiting = 0;
      if (this.behind) { this.behind = false; this.changed(); }
    });
  },

  draw() {
    this.drawn = (this.drawn || 0) + 1;
    for (const pane of this.panes) pane.draw();
    this.controls.refresh();
    this.drawStrip();
    this.describe();
    this.relistLater();
    this.speak();
  },

  relistLater() {
    const { chosen } = this.state;
    if (!this.isListing || this.rowsKey === [chosen, this.level(chosen)].join()) return;
    clearTimeout(this.listingLater);
    this.listingLater = setTimeout(() => this.isListing && this.list(true), 250);
  },

  describe() {
    const { state, controls, names, hasTarget } = this, { name, along } = PLANES[state.plane];
    const slice = this.profile[state.index], mm = this.affine.length ? toMm(this.affine, state.position) : null;
    const parts = [`${name} ${AXES[along]} = ${state.index} of 0 to ${this.length - 1}`];
    if (mm) parts.push(`${AXES[along]} = ${mmText([mm[along]])} mm`);
    if (hasTarget) parts.push(`target ${slice.tp + slice.fn} voxels`);
    if (names.length) parts.push(`${names[state.chosen]} ${slice.tp + slice.fp} voxels`);
    if (hasTarget && names.length) parts.push(`Dice ${fixed(dice(slice))}${slice.tp + slice.fp + slice.fn ? "" : " (both empty)"}`);
    controls.line.textContent = parts.join(" · ");
    const shown = state.pane_layout === "side" || this.show === "differences" ? names.map((_, i) => i) : names.length ? [state.chosen] : [];
    controls.scores.textContent = shown.map((i) => this.scoresText(i)).join("\n") || this.targetText();
    controls.point.textContent = this.notice && same(this.notice.at, state.position) ? this.notice.text : this.pointText();
  },

  targetText() {
    if (!this.hasTarget) return "";
    const { tp, fn } = volumeCounts(this.counts[0], this.shape, 0);
    return `target, whole volume: ${this.mlText(tp + fn)}`;
  },

  scoresText(i) {
    const all = volumeCounts(this.counts[i], this.shape, this.level(i));
    const parts = [`${this.names[i]}, whole volume: ${this.mlText(all.tp + all.fp)}`];
    if (this.hasTarget) {
      parts.push(`target ${this.mlText(all.tp + all.fn)}`, `Dice ${fixed(dice(all))}`,
        `precision ${fixed(all.tp / (all.tp + all.fp))}`, `recall ${fixed(all.tp / (all.tp + all.fn))}`);
    }
    return parts.join(" · ");
  },

  pointText() {
    const { state, shape } = this, voxel = state.position, at = voxel.reduce((sum, value, k) => sum + value * stridesOf(shape)[k], 0);
    const parts = [`voxel ${voxel.join(", ")}`];
    if (this.affine.length) parts.push(`${mmText(toMm(this.affine, voxel))} mm`);
    parts.push(`intensity ${this.intensityOf(this.image[at]).toPrecision(3)}`);
    if (this.hasTarget) parts.push(this.target[at] ? "lesion" : "no lesion");
    if (this.names.length) parts.push(`${this.names[state.chosen]} ${(this.predictions[state.chosen][at] / 255).toFixed(2)}`);
    if (this.labels?.length && this.labels[at]) parts.push(this.labelNames[this.labels[at] - 1] || `label ${this.labels[at]}`);
    return parts.join(" · ");
  },

  // Where along the axis target (above) and prediction (below) lie, and where we are.
  drawStrip() {
    const { state, shape, colours, controls: { strip } } = this, chosen = Math.min(state.chosen, this.counts.length - 1);
    const key = [state.plane, chosen, this.level(chosen), this.counts.length].join();
    if (this.profileKey !== key) {
      this.profileKey = key;
      this.profile = Array.from({ length: this.length }, (_, i) => {
        const slice = sliceCounts(this.counts[chosen], state.plane, i, this.level(chosen));
        return this.names.length ? slice : { tp: 0, fp: 0, fn: slice.tp + slice.fn };
      });
    }
    const ratio = Math.min(window.devicePixelRatio || 1, 2), width = Math.round(this.width * ratio), height = 18 * ratio;
    if (strip.width !== width || strip.height !== height) Object.assign(strip, { width, height });
    const context = strip.getContext("2d"), step = width / this.length;
    context.clearRect(0, 0, width, height);
    for (const [one, other, colour, top] of [["tp", "fn", colours.target, 0], ["tp", "fp", colours.prediction, 9 * ratio]]) {
      const most = Math.max(1, ...this.profile.map((slice) => slice[one] + slice[other]));
      context.fillStyle = `rgb(${colour})`;
      this.profile.forEach((slice, i) => {
        const tall = slice[one] + slice[other] && Math.max(1.5, (8 * (slice[one] + slice[other])) / most) * ratio;
        if (tall) context.fillRect(i * step, top + 8 * ratio - tall, Math.max(1, step), tall);
      });
    }
    context.fillStyle = "rgb(128,128,128)";
    context.fillRect((state.index + 0.5) * step - ratio, 0, 2 * ratio, height);
    const lesions = this.profile.filter((slice) => this.lesionSize(slice)).length;
    strip.setAttribute("aria-label", `lesion in ${lesions} of ${this.length} ${PLANES[state.plane].name} slices; slices ${shape.join(" by ")}`);
  },

  // Screen readers hear where we are once the hand rests.
  speak() {
    clearTimeout(this.speaking);
    this.speaking = setTimeout(() => {
      this.controls.spoken.textContent = `${this.controls.line.textContent} · ${this.controls.point.textContent}`;
    }, 500);
  },

  // A dab of the brush at the crosshair, by key.
  dab() {
    const pane = this.panes.find(({ plane }) => plane === this.state.plane);
    this.drawing.begin(pane, this.state.position);
    this.drawing.end();
  },

  // The panes in a row, with their letters, as they are on the screen.
  async picture() {
    const { panes } = this, height = Math.max(...panes.map(({ canvas }) => canvas.height));
    const sheet = Object.assign(document.createElement("canvas"), { width: panes.reduce((sum, { canvas }) => sum + canvas.width, 0), height });
    const context = sheet.getContext("2d");
    context.fillRect(0, 0, sheet.width, height);
    let left = 0;
    for (const { canvas, letters, title, ratio } of panes) {
      context.drawImage(canvas, left, 0);
      Object.assign(context, { font: `${12 * ratio}px sans-serif`, textBaseline: "middle", lineWidth: 3 * ratio, lineJoin: "round" });
      const write = (text, x, y) => { // with a dark rim, for white scalp
        Object.assign(context, { strokeStyle: "black", fillStyle: "white" });
        context.strokeText(text, x, y);
        context.fillText(text, x, y);
      };
      const middle = [left + canvas.width / 2, canvas.height / 2], edge = 10 * ratio;
      const places = [[left + edge, middle[1]], [left + canvas.width - edge, middle[1]], [middle[0], edge], [middle[0], canvas.height - edge]];
      context.textAlign = "center";
      letters.forEach((letter, k) => write(letter.textContent, ...places[k]));
      context.textAlign = "left";
      write(title.textContent, left + 4 * ratio, canvas.height - 10 * ratio);
      left += canvas.width;
    }
    return new Promise((done) => sheet.toBlob(done, "image/png"));
  },

  async savePicture() { download(await this.picture(), "slices.png"); },
});

// Show a model in an element; returns what ends it and frees its volumes.
function render({ model, el, ownsPage = false }) {
  const root = element(el, "div", "");
  const viewer = new Viewer(model, root, ownsPage);
  root.viewer = viewer;
  const heard = SHARED.map((name) => [`change:${name}`, () => viewer.take(name, model.get(name))]);
  heard.push(["change:drawings", () => viewer.image && viewer.loadDrawings()]);
  for (const [event, action] of heard) model.on(event, action);
  viewer.observer = new ResizeObserver(() => { if (viewer.image) { viewer.fit(); viewer.changed(); } });
  viewer.observer.observe(el);
  viewer.load().catch((error) => { root.textContent = `The volume could not be shown: ${error.message}`; });
  return () => {
    for (const [event, action] of heard) model.off(event, action);
    viewer.close();
    root.remove();
  };
}

// JupyterLab keeps closed models, and so their views' elements, until the kernel ends; what fills them needn't stay.
function initialize({ model }) {
  return () => { for (const [name, none] of [["image", null], ["target", null], ["labels", null], ["predictions", []]]) model.set(name, none); };
}
