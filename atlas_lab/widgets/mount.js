// Puts a widget in the place of its picture. What a notebook keeps of a cell is the picture alone, so that it shows
// wherever it is opened again; while a kernel runs, this finds the picture on the page, by the end of its data, and lays
// the widget over it.

function initialize({ model }) {
  const manager = model.widget_manager, mark = model.get("mark"), shown = new Map();
  let waiting = 0;

  // ipywidgets' views lie in Lumino widgets, which want to know where they are.
  function tell(view, type) { (view.luminoWidget || view.pWidget)?.processMessage({ type, isConflatable: false }); }

  async function enliven(image) {
    const place = document.createElement("div");
    shown.set(image, { place });
    const view = await manager.create_view(await manager.get_model(model.get("widget")));
    if (!shown.has(image)) return view.remove();
    shown.get(image).view = view;
    image.before(place);
    image.style.display = "none";
    place.append(view.el);
    view.trigger("displayed");
    tell(view, "after-attach");
  }

  function still(image) {
    const { place, view } = shown.get(image);
    shown.delete(image);
    image.style.display = "";
    place.remove();
    if (!view) return;
    tell(view, "after-detach"); // else its removal looks for it on the page, and fails half-way
    view.remove();
  }

  // Pictures come when a cell is run or scrolled into sight, and go when it is run again. What has gone is let go of at
  // once: the kernel may close its widget next, and a view that is no longer on the page can't be removed from it.
  function leave() { for (const image of [...shown.keys()]) if (!image.isConnected) still(image); }

  function look() {
    waiting = 0;
    for (const image of document.images) if (!shown.has(image) && image.src.endsWith(mark)) enliven(image);
  }

  const observer = new MutationObserver((changes) => {
    leave();
    if (!waiting && changes.some(({ addedNodes }) => addedNodes.length)) waiting = setTimeout(look, 50);
  });
  observer.observe(document.body, { childList: true, subtree: true });
  look();
  return () => { observer.disconnect(); clearTimeout(waiting); [...shown.keys()].forEach(still); };
}

export default { initialize };
