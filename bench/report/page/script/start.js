// Everything connected, once.

function start() {
  startTheme();
  if (!records.length) return;
  startRecords();
  const sections = [...document.querySelectorAll("[data-chart]")].map((box) => box.dataset.chart);
  listeners.push(
    choosePanel,
    chooseSparsities,
    drawLegend,
    ...sections.map((section) => () => show(section)),
  );
  for (const name of PANEL) document.getElementById(name).addEventListener("change", changed);
  for (const section of sections) {
    const choices = `[name=${section}-kind], #${section}-sparsity`;
    for (const input of document.querySelectorAll(choices)) {
      input.addEventListener("change", () => show(section));
    }
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
