// The viewer's bars, sliders, key of colours, table and help: plain elements, named for screen readers, each of which
// calls one method of the viewer.

function element(parent, tag, className, properties = {}) {
  const node = document.createElement(tag);
  node.className = className;
  Object.assign(node, properties);
  if (["input", "select", "button", "summary"].includes(tag)) node.dataset.lmSuppressShortcuts = "true"; // see Viewer.build
  parent.append(node);
  return node;
}

const HELP = [
  ["click or drag", "move the crosshair, in all planes"], ["wheel; arrow keys, Home, End", "slices"],
  ["ctrl + wheel, two fingers; + and −; 0", "zoom at the pointer; in and out; whole picture"],
  ["alt + drag", "move the picture"], ["shift + drag, right button", "brightness and contrast"],
  ["shift + arrow keys", "move the crosshair within the plane"], ["[ and ]", "threshold"], [", and .", "opacity"],
  ["p", "next plane"], ["l", "one plane, three planes, or predictions side by side"], ["e", "next kind of colouring"],
  ["c", "next prediction"], ["b", "blink predictions"], ["f, t, x", "fill, target, crosshair on or off"],
  ["r", "neurological or radiological"], ["n, N", "next lesion of the table, the one before"], ["space", "play; while drawing, a dab"],
  ["d, u", "draw, undo"], ["g", "go to a place in mm"],
];
const LAYOUTS = { one: "one plane", three: "three planes", side: "side by side" };

class Controls {
  constructor(viewer) {
    this.viewer = viewer;
    const { root } = viewer, bar = element(root, "div", "bar");
    this.plane = this.choice(bar, "plane", "plane", PLANES.map(({ name }, i) => [i, name]), (value) => viewer.choosePlane(+value));
    const layouts = Object.entries(LAYOUTS).filter(([key]) => key !== "side" || viewer.names.length > 1);
    this.layout = this.choice(bar, "layout", "layout", layouts, (value) => viewer.set("pane_layout", value));
    this.buildMoves(bar);
    this.strip = element(root, "canvas", "strip");
    this.slider = element(root, "input", "slice", { type: "range", min: 0, step: 1 });
    this.slider.setAttribute("aria-label", "slice");
    this.slider.oninput = () => viewer.to(+this.slider.value);
    this.strip.setAttribute("role", "img");
    this.strip.onclick = (event) => viewer.to(Math.floor((event.offsetX / this.strip.clientWidth) * viewer.length));
    this.panes = element(root, "div", "panes");
    this.key = element(root, "div", "key");
    this.masks = element(root, "div", "bar masks");
    this.buildMasks();
    this.line = element(root, "div", "line");
    this.scores = element(root, "div", "line scores");
    this.point = element(root, "div", "line point");
    this.buildMore();
    this.table = element(root, "div", "lesions");
    this.help = this.buildHelp();
    this.spoken = element(root, "div", "spoken");
    this.spoken.setAttribute("aria-live", "polite");
  }

  buildMoves(bar) {
    const { viewer } = this;
    this.play = this.button(bar, "play", "▶", "play", () => viewer.play());
    this.button(bar, "largest", "largest lesion", "to the slice with most lesion", () => viewer.to(viewer.extreme("area")));
    this.button(bar, "previous", "‹ lesion", "to the previous slice with lesion", () => viewer.next(-1));
    this.button(bar, "following", "lesion ›", "to the next slice with lesion", () => viewer.next(1));
    if (viewer.names.length && viewer.hasTarget) {
      this.button(bar, "worst", "worst", "to the lesion slice with the lowest Dice", () => viewer.to(viewer.extreme("worst")));
      this.button(bar, "best", "best", "to the lesion slice with the highest Dice", () => viewer.to(viewer.extreme("best")));
    }
    this.button(bar, "smaller", "−", "zoom out", () => viewer.setZoom(viewer.state.zoom / 1.5));
    this.button(bar, "larger", "+", "zoom in", () => viewer.setZoom(viewer.state.zoom * 1.5));
  }

  buildMasks() {
    const { viewer, masks } = this;
    this.prediction = this.choice(masks, "prediction", "prediction", [], (value) => viewer.set("chosen", +value));
    this.blink = this.button(masks, "blink", "blink", "blink: show the predictions in turn", () => viewer.blink());
    this.show = this.choice(masks, "show", "colours", [], (value) => viewer.set("show", value));
    this.opacity = this.range(masks, "opacity", "opacity", 0, 1, 0.01, (value) => viewer.set("opacity", value));
    this.thresholds = element(masks, "div", "thresholds");
    this.fill = this.toggle(masks, "fill", "fill", "fill of the prediction", () => viewer.flip("fill"));
    this.targetShown = this.toggle(masks, "target-shown", "target", "outline of the target", () => viewer.flip("show_target"));
    this.width = this.range(masks, "line-width", "line", 1, 5, 1, (value) => viewer.set("line_width", value), 0);
    this.update();
  }

  // After predictions have come or gone.
  update() {
    const { viewer } = this, { names } = viewer;
    this.prediction.replaceChildren(...names.map((name, i) => new Option(name, i)));
    const possible = Object.entries(SHOWS).filter(([key]) => viewer.canShow(key));
    this.show.replaceChildren(...possible.map(([key, text]) => new Option(text, key)));
    this.thresholds.replaceChildren();
    this.thresholdRanges = names.map((name, i) => {
      const label = names.length > 1 ? `threshold, ${name}` : "threshold";
      return this.range(this.thresholds, "threshold", label, 0, 1, 0.01, (value) => viewer.setThreshold(i, value));
    });
  }

  buildMore() {
    const { viewer, viewer: { root } } = this;
    const bar = element(root, "div", "bar more");
    const presets = [["", "window"], ["all", "all intensities"], ["brain", "brain"], ["dark", "dark tissue"]];
    this.window = this.choice(bar, "window", "window", presets, (value) => { if (value) viewer.presetWindow(value); this.window.value = ""; });
    if (viewer.affine.length) {
      this.convention = this.toggle(bar, "convention", "radiological", "radiological: the patient's right on the left", () => viewer.flipSides());
      this.place = element(bar, "input", "place", { placeholder: "go to x, y, z mm", size: 14 });
      this.place.setAttribute("aria-label", "go to x, y, z in mm");
      this.place.onkeydown = (event) => { if (event.key === "Enter") viewer.goTo(this.place.value); };
    }
    this.crosshair = this.toggle(bar, "crosshair", "crosshair", "crosshair", () => viewer.flip("crosshair"));
    this.button(bar, "png", "PNG", "save the picture as PNG", () => viewer.savePicture());
    this.listing = this.toggle(bar, "listing", "lesion table", "lesion table", () => viewer.list());
    this.draw = this.toggle(bar, "draw", "draw", "draw and correct a mask", () => viewer.draw_());
    this.drawBar = element(root, "div", "bar drawing", { hidden: true });
    this.buildDrawing();
  }

  buildDrawing() {
    const { viewer, drawBar } = this, { drawing } = viewer;
    const flip = () => { drawing.erases = !drawing.erases; this.refresh(); };
    this.brush = this.toggle(drawBar, "eraser", "eraser", "eraser in place of the brush", flip);
    this.radius = this.range(drawBar, "radius", "brush, voxels", 1, 15, 1, (value) => { drawing.radius = value; this.refresh(); }, 0);
    this.button(drawBar, "undo", "undo", "undo the last stroke", () => drawing.undo());
    this.button(drawBar, "keep", "keep", "keep as a new mask", () => viewer.keepDrawing());
    if (viewer.grid) this.button(drawBar, "nifti", "NIfTI", "save the drawing as NIfTI on the scan's own grid", () => viewer.saveNifti());
    this.source = this.choice(drawBar, "source", "start from", [], (value) => viewer.startDrawing(value));
  }

  buildHelp() {
    const help = element(this.viewer.root, "details", "help");
    element(help, "summary", "", { textContent: "keys and mouse" });
    const list = element(help, "dl", "");
    for (const [keys, what] of HELP) {
      element(list, "dt", "", { textContent: keys });
      element(list, "dd", "", { textContent: what });
    }
    return help;
  }

  button(parent, className, label, title, action) {
    const node = element(parent, "button", className, { textContent: label, title, type: "button", onclick: action });
    node.setAttribute("aria-label", title);
    return node;
  }

  toggle(parent, className, label, title, action) {
    const node = this.button(parent, className, label, title, action);
    node.setAttribute("aria-pressed", "false");
    return node;
  }

  choice(parent, className, label, options, action) {
    const node = element(parent, "select", className, { title: label });
    node.setAttribute("aria-label", label);
    options.forEach(([value, text]) => node.add(new Option(text, value)));
    node.onchange = () => action(node.value);
    return node;
  }

  range(parent, className, label, min, max, step, set, digits = 2) {
    const box = element(parent, "label", "setting", { textContent: label });
    const input = element(box, "input", className, { type: "range", min, max, step });
    const shown = element(box, "span", "value");
    input.oninput = () => set(+input.value);
    return { box, set: (value) => { if (+input.value !== value) input.value = value; shown.textContent = value.toFixed(digits); } };
  }

  // Every control shows the state.
  refresh() {
    const { viewer } = this, { state, drawing, names } = viewer;
    const press = (node, isOn) => node?.setAttribute("aria-pressed", String(Boolean(isOn)));
    this.plane.value = state.plane;
    this.layout.value = state.pane_layout;
    Object.assign(this.slider, { max: viewer.length - 1, value: state.index });
    this.slider.setAttribute("aria-valuetext", `${PLANES[state.plane].name} slice ${state.index}`);
    this.masks.hidden = !names.length && !viewer.hasTarget && !viewer.labels;
    this.prediction.hidden = this.blink.hidden = names.length < 2;
    this.prediction.value = state.chosen;
    this.show.hidden = this.show.options.length < 2;
    this.show.value = viewer.show;
    this.opacity.box.hidden = !names.length && !viewer.labels;
    this.opacity.set(state.opacity);
    this.width.set(state.line_width);
    this.fill.hidden = !names.length;
    this.targetShown.hidden = !viewer.hasTarget;
    this.thresholdRanges.forEach((range, i) => {
      range.box.hidden = !viewer.isProbability[i] || !(state.pane_layout === "side" || viewer.show === "differences" || i === state.chosen);
      range.set(state.thresholds[i] ?? 0.5);
    });
    press(this.fill, state.fill); press(this.targetShown, state.show_target); press(this.crosshair, state.crosshair);
    press(this.convention, state.convention === "radiological"); press(this.blink, viewer.blinking); press(this.play, viewer.playing);
    press(this.draw, drawing.isOn); press(this.brush, drawing.erases); press(this.listing, viewer.isListing);
    this.drawBar.hidden = !drawing.isOn;
    this.radius.set(drawing.radius);
    this.showKey();
  }

  // The key of colours, as they are drawn now.
  showKey() {
    const entries = this.viewer.keyEntries(), text = JSON.stringify(entries);
    if (this.keyText === text) return;
    this.keyText = text;
    this.key.replaceChildren();
    for (const [name, colour, isLine] of entries) {
      const entry = element(this.key, "span", "entry");
      const swatch = element(entry, "span", isLine ? "swatch lined" : "swatch");
      swatch.style.setProperty("--colour", `rgb(${colour.slice(0, 3)})`);
      entry.append(name);
    }
  }

  // The lesion table; a row is a button that leads there.
  showTable(rows, current) {
    this.table.replaceChildren();
    if (!rows) return;
    if (!rows.length) { this.table.textContent = "There is no lesion."; return; }
    const { viewer } = this, table = element(this.table, "table", "");
    const head = element(element(table, "thead", ""), "tr", ""), body = element(table, "tbody", "");
    element(table, "caption", "", { textContent: "Components whose voxels share faces, lowest Dice first" });
    const place = viewer.affine.length ? "place, mm" : "voxel";
    for (const text of ["lesion of", "ml", place, "", "Dice"]) element(head, "th", "", { textContent: text, scope: "col" });
    rows.slice(0, 200).forEach((row, k) => {
      const line = element(body, "tr", k === current ? "current" : "");
      const cell = (text) => element(line, "td", "", { textContent: text });
      const title = [`go to the ${row.kind} of ${viewer.mlText(row.voxels)}`, row.status].filter(Boolean).join(", ");
      this.button(cell(""), "jump", row.kind, title, () => viewer.jump(k));
      for (const text of [viewer.mlText(row.voxels).replace(" ml", ""), viewer.placeText(row.place), row.status, fixed(row.dice)]) cell(text);
    });
    if (rows.length > 200) element(this.table, "div", "line", { textContent: `and ${rows.length - 200} more` });
  }
}
