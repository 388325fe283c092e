// One canvas with one plane: where a voxel lies on the screen, how it is drawn, and what the mouse and fingers do on it.

class Pane {
  // `fixed` is the prediction that this pane shows always, or null for the chosen one.
  constructor(viewer, parent, plane, fixed = null) {
    Object.assign(this, { viewer, plane, fixed, pointers: new Map() });
    this.frame = element(parent, "div", "frame");
    this.canvas = element(this.frame, "canvas", "slice-canvas");
    this.canvas.setAttribute("role", "img");
    this.context = this.canvas.getContext("2d");
    this.slice = document.createElement("canvas"); // a pixel for each voxel
    this.letters = ["left", "right", "top", "bottom"].map((side) => element(this.frame, "span", `letter ${side}`));
    this.title = element(this.frame, "span", "pane-title");
    listen(this);
  }

  get prediction() { return this.fixed ?? this.viewer.state.chosen; }
  get axes() { return PLANES[this.plane]; }
  get index() { return this.viewer.state.position[this.axes.along]; }

  // CSS pixels of the frame: the whole slice in its true shape.
  resize(scale) {
    const { shape, spacing } = this.viewer, { across, down } = this.axes;
    const ratio = Math.min(window.devicePixelRatio || 1, 2);
    const width = Math.max(8, Math.round(shape[across] * spacing[across] * scale));
    const height = Math.max(8, Math.round(shape[down] * spacing[down] * scale));
    Object.assign(this.canvas.style, { width: `${width}px`, height: `${height}px` });
    Object.assign(this.canvas, { width: Math.round(width * ratio), height: Math.round(height * ratio) });
    Object.assign(this.slice, { width: shape[across], height: shape[down] });
    this.data = this.slice.getContext("2d").createImageData(shape[across], shape[down]);
    this.pixels = new Uint32Array(this.data.data.buffer);
    this.ratio = ratio;
    this.title.hidden = width < 150; // no room
  }

  // Canvas pixels per voxel across and down, and where the slice's top left corner lies; the picture never leaves a gap.
  place() {
    const { viewer, canvas } = this, { across, down } = this.axes, { shape, magnification } = viewer;
    const stepX = (canvas.width / shape[across]) * magnification, stepY = (canvas.height / shape[down]) * magnification;
    const turned = this.view.turned, centre = viewer.centre;
    const u = turned ? shape[across] - 0.5 - centre[across] : centre[across] + 0.5, v = shape[down] - 0.5 - centre[down];
    const clamp = (left, size, length) => Math.min(0, Math.max(size - length, left));
    const left = clamp(canvas.width / 2 - u * stepX, canvas.width, shape[across] * stepX);
    const top = clamp(canvas.height / 2 - v * stepY, canvas.height, shape[down] * stepY);
    this.toX = (i) => left + i * stepX;
    this.toY = (j) => top + j * stepY;
    Object.assign(this, { left, top, stepX, stepY });
  }

  draw() {
    const { viewer, context, canvas } = this, { shape, state } = viewer;
    this.view = slicing(shape, this.plane, this.index, state.convention === "radiological");
    this.place();
    const { found, table, lines } = viewer.look(this.view, this.prediction);
    paint(this.pixels, this.view, viewer.image, found, table);
    this.slice.getContext("2d").putImageData(this.data, 0, 0);
    context.imageSmoothingEnabled = false;
    context.drawImage(this.slice, this.left, this.top, shape[this.axes.across] * this.stepX, shape[this.axes.down] * this.stepY);
    const width = Math.max(1, Math.round(state.line_width * this.ratio));
    for (const { classes: shown, members, colour, thinner } of lines) {
      const runs = edges(shown, members, this.view.width, this.view.height);
      strokeEdges(context, runs, this.toX, this.toY, thinner ? Math.max(1, Math.round(width / 2)) : width, colour, Math.round(this.ratio));
    }
    if (state.crosshair) this.drawCrosshair();
    this.label();
    return canvas;
  }

  drawCrosshair() {
    const { context, canvas } = this, [i, j] = this.screenVoxel(this.viewer.state.position);
    const x = Math.round(this.toX(i + 0.5)), y = Math.round(this.toY(j + 0.5)), gap = 6 * this.ratio;
    const bars = [[0, y, x - gap, 1], [x + gap, y, canvas.width - x - gap, 1], [x, 0, 1, y - gap], [x, y + gap, 1, canvas.height - y - gap]];
    for (const [grow, style] of [[1, "rgb(0,0,0)"], [0, "rgb(255,255,255)"]]) {
      context.fillStyle = style;
      for (const [left, top, width, height] of bars) {
        const wide = height > 1 ? grow : 0, tall = width > 1 ? grow : 0; // the halo lies along the bar, not at its ends
        if (width > 0 && height > 0) context.fillRect(left - wide, top - tall, width + 2 * wide, height + 2 * tall);
      }
    }
  }

  label() {
    const { viewer } = this, { across, down, along, name } = this.axes, hasPlace = viewer.affine.length > 0;
    const sides = [...LETTERS[across], ...[...LETTERS[down]].reverse()];
    if (this.view.turned) sides.splice(0, 2, sides[1], sides[0]);
    this.letters.forEach((letter, k) => { letter.textContent = hasPlace ? sides[k] : ""; });
    const who = this.fixed === null ? "" : `${viewer.names[this.fixed]} · `;
    const side = across === 0 && hasPlace ? ` · ${viewer.state.convention}` : "";
    this.title.textContent = `${who}${name} ${AXES[along]} = ${this.index}${side}`;
    this.canvas.setAttribute("aria-label", `${who}${name} slice, ${AXES[along]} = ${this.index}${side}`);
  }

  // Column and row on the screen, in voxels, of a voxel of the volume.
  screenVoxel(voxel) {
    const { across, down } = this.axes, { shape } = this.viewer;
    return [this.view.turned ? shape[across] - 1 - voxel[across] : voxel[across], shape[down] - 1 - voxel[down]];
  }

  // The voxel under a mouse event, kept inside of the volume.
  voxelAt(event) {
    const box = this.canvas.getBoundingClientRect(), { across, down } = this.axes, { shape, state } = this.viewer;
    const i = Math.floor((((event.clientX - box.left) * this.canvas.width) / box.width - this.left) / this.stepX);
    const j = Math.floor((((event.clientY - box.top) * this.canvas.height) / box.height - this.top) / this.stepY);
    const voxel = [...state.position];
    voxel[across] = this.view.turned ? shape[across] - 1 - i : i;
    voxel[down] = shape[down] - 1 - j;
    return viewerClamp(voxel, shape);
  }

  // Move the picture by screen pixels.
  pan(dx, dy) {
    const { viewer } = this, { across, down } = this.axes, scale = this.canvas.width / this.canvas.getBoundingClientRect().width;
    viewer.clampCentre();
    viewer.centre[across] -= ((this.view.turned ? -1 : 1) * dx * scale) / this.stepX;
    viewer.centre[down] += (dy * scale) / this.stepY;
    viewer.changed();
  }

  // Magnify, with the voxel under the pointer staying where it is.
  zoomAt(event, factor) {
    const { viewer } = this, { across, down } = this.axes, before = this.voxelAt(event), old = viewer.magnification;
    viewer.clampCentre();
    viewer.setZoom(viewer.state.zoom * factor, false);
    const kept = old / viewer.magnification;
    for (const k of [across, down]) viewer.centre[k] = before[k] + (viewer.centre[k] - before[k]) * kept;
    viewer.clampCentre();
    viewer.changed();
  }
}

function viewerClamp(voxel, shape) { return voxel.map((value, k) => Math.min(Math.max(value, 0), shape[k] - 1)); }

// Left button: crosshair or brush. Right button, or shift: brightness and contrast. Middle button, or alt: pan. Wheel:
// slices; with ctrl, or two fingers: zoom.
function listen(pane) {
  const { canvas, viewer, pointers } = pane;
  const kindOf = (event) => {
    if (event.button === 1 || event.altKey) return "pan";
    if (event.button === 2 || event.shiftKey) return "window";
    return viewer.drawing.isOn ? "brush" : "cross";
  };
  canvas.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    viewer.root.focus({ preventScroll: true });
    try { canvas.setPointerCapture(event.pointerId); } catch { /* a pointer that is gone already */ }
    pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    pane.kind = pointers.size > 1 ? "pinch" : kindOf(event);
    viewer.choosePlane(pane.plane, pane.fixed);
    if (pane.kind === "cross") viewer.moveTo(pane.voxelAt(event));
    if (pane.kind === "brush") viewer.drawing.begin(pane, pane.voxelAt(event));
  });
  canvas.addEventListener("pointermove", (event) => {
    const last = pointers.get(event.pointerId);
    if (!last) return;
    const dx = event.clientX - last.x, dy = event.clientY - last.y;
    if (pane.kind === "pinch") pinch(pane, event);
    pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    if (pane.kind === "cross") viewer.moveTo(pane.voxelAt(event));
    if (pane.kind === "brush") viewer.drawing.move(pane.voxelAt(event));
    if (pane.kind === "pan") pane.pan(dx, dy);
    if (pane.kind === "window") viewer.shiftWindow(dx, dy);
  });
  for (const name of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(name, (event) => {
      pointers.delete(event.pointerId);
      if (pane.kind === "brush") viewer.drawing.end();
      pane.kind = null;
    });
  }
  canvas.addEventListener("contextmenu", (event) => event.preventDefault());
  canvas.addEventListener("wheel", (event) => wheel(pane, event), { passive: false });
}

function wheel(pane, event) {
  const { viewer } = pane;
  // In a notebook the wheel goes on scrolling the page until the viewer has been clicked.
  if (!event.ctrlKey && !viewer.root.contains(document.activeElement) && !viewer.ownsPage) return;
  event.preventDefault();
  if (event.ctrlKey || event.metaKey) return pane.zoomAt(event, Math.exp(-event.deltaY / 200));
  pane.turned = (pane.turned || 0) - event.deltaY;
  const steps = Math.abs(event.deltaY) >= 50 ? -Math.sign(event.deltaY) : Math.trunc(pane.turned / 25);
  if (!steps) return;
  pane.turned = 0;
  viewer.choosePlane(pane.plane, pane.fixed);
  viewer.step(pane.plane, steps);
}

function pinch(pane, event) {
  const before = [...pane.pointers.values()];
  const after = [...pane.pointers].map(([id, place]) => (id === event.pointerId ? { x: event.clientX, y: event.clientY } : place));
  const apart = ([a, b]) => Math.hypot(a.x - b.x, a.y - b.y), middle = ([a, b]) => ({ clientX: (a.x + b.x) / 2, clientY: (a.y + b.y) / 2 });
  const from = middle(before), to = middle(after);
  pane.zoomAt(to, apart(after) / Math.max(apart(before), 1));
  pane.pan(to.clientX - from.clientX, to.clientY - from.clientY);
}
