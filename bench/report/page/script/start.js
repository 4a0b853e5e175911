// Everything connected, once.

function start() {
  startTheme();
  if (!records.length) return;
  startRecords();
  listeners.push(
    choosePanel,
    chooseSparsities,
    drawLegend,
    () => draw("curves", curves),
    () => draw("tradeoff", tradeoff),
    () => draw("phases", phases),
    () => draw("layers", layers),
  );
  for (const name of PANEL) document.getElementById(name).addEventListener("change", changed);
  const redraw = { axis: "curves", cost: "tradeoff", length: "phases" };
  for (const input of document.querySelectorAll("input[type=radio]")) {
    const name = redraw[input.name];
    input.addEventListener("change", () => draw(name, charts[name].make));
  }
  for (const name of ["tradeoff", "phases", "layers"]) {
    const select = document.getElementById(`${name}-sparsity`);
    select?.addEventListener("change", () => draw(name, charts[name].make));
  }
  for (const button of document.querySelectorAll("[data-save]")) {
    const { save: name, format } = button.dataset;
    button.addEventListener("click", () => save(name, format));
  }
  let width = innerWidth;
  addEventListener("resize", () => {
    if (innerWidth === width) return;
    width = innerWidth;
    clearTimeout(start.waiting);
    start.waiting = setTimeout(changed, 150);
  });
  if (isWatched) {
    choosePanel();
    chooseSparsities();
    comeBack();
    addEventListener("pagehide", keep);
  }
  changed();
}

start();
