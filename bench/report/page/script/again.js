// A page that loads itself anew, while its study runs, comes back as the reader left it.

const KEPT = "select[id], select[data-filter], input[type=search], input[type=radio]";
const SHELF = `report ${location.pathname}`;
const isWatched = document.querySelector("meta[http-equiv=refresh]") !== null;

const fields = () =>
  [...document.querySelectorAll(KEPT)].map((field) => [
    field.id || (field.dataset.filter ? `filter ${field.dataset.filter}` : `${field.name} ${field.value}`),
    field,
  ]);

function keep() {
  const values = fields().map(([name, field]) => [
    name,
    field.type === "radio" ? field.checked : field.value,
  ]);
  const left = {
    values: Object.fromEntries(values),
    hidden: [...state.hidden],
    theme: document.documentElement.dataset.theme ?? null,
    table: { sort: grid.sort, descending: grid.descending, page: grid.page },
    scroll: scrollY,
  };
  try {
    sessionStorage.setItem(SHELF, JSON.stringify(left));
  } catch {
    // A browser that stores nothing shows the page from its beginning.
  }
}

function lastLeft() {
  try {
    return JSON.parse(sessionStorage.getItem(SHELF));
  } catch {
    return null;
  }
}

function comeBack() {
  const left = lastLeft();
  if (!left) return;
  if (left.theme) document.documentElement.dataset.theme = left.theme;
  state.hidden = new Set(left.hidden);
  // A pair says which allocations there are, and an allocation which protocols.
  for (const _ of PANEL) {
    for (const [name, field] of fields()) put(field, left.values[name]);
    choosePanel();
    chooseSparsities();
  }
  for (const [name, field] of fields()) put(field, left.values[name]);
  showTheme();
  const { page, ...order } = left.table;
  Object.assign(grid, order);
  refresh(page);
  scrollTo({ top: left.scroll, behavior: "instant" });
}

function put(field, value) {
  if (value === undefined) return;
  if (field.type === "radio") field.checked = value;
  else if (field.type === "search" || [...field.options].some((option) => option.value === value)) {
    field.value = value;
  }
}
