// Pictures to click: the tiles of `browse` as buttons, and a picture whose middle can be dragged, for the playground.

function url(data) { return URL.createObjectURL(new Blob([data], { type: "image/png" })); }

function renderTiles({ model, el }) {
  el.classList.add("atlas-tiles");
  const addresses = [];
  const draw = () => {
    addresses.splice(0).forEach((address) => URL.revokeObjectURL(address));
    el.replaceChildren(...model.get("pictures").map((data, k) => {
      const button = document.createElement("button"), image = document.createElement("img"), text = document.createElement("span");
      addresses.push(url(data));
      button.type = "button";
      button.dataset.lmSuppressShortcuts = "true";
      image.src = addresses.at(-1);
      image.alt = "";
      text.textContent = model.get("captions")[k];
      button.append(image, text);
      button.onclick = () => model.send({ opened: k });
      return button;
    }));
  };
  draw();
  model.on("change:captions", draw);
  return () => { model.off("change:captions", draw); addresses.forEach((address) => URL.revokeObjectURL(address)); };
}

function renderDragged({ model, el }) {
  const image = document.createElement("img");
  el.append(image);
  image.style.touchAction = "none";
  image.style.cursor = "move";
  image.draggable = false;
  const draw = () => {
    URL.revokeObjectURL(image.src);
    image.src = url(model.get("value"));
    image.alt = model.get("caption");
  };
  const move = (event) => {
    if (!(event.buttons & 1)) return;
    const box = image.getBoundingClientRect();
    const place = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
    model.set("point", place.map((part) => Math.min(Math.max(part, 0), 1)));
    model.save_changes();
  };
  image.addEventListener("pointerdown", (event) => { image.setPointerCapture(event.pointerId); move(event); });
  image.addEventListener("pointermove", move);
  draw();
  model.on("change:value", draw);
  return () => { model.off("change:value", draw); URL.revokeObjectURL(image.src); };
}

export default { render(context) { return context.model.get("captions") ? renderTiles(context) : renderDragged(context); } };
