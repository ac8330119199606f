// The organizations of a page, worst first; those not in use are folded away.

const known = new Map();
const view = { page: 1, search: "" }; // what is asked for, where there is more than one page
let summary = { total: 0, found: 0, page: 1, pages: 1 };
const FEW = 2;

/** Worst first, then by name: an order that stays put while tokens grow old and are renewed. */
function inOrder(a, b) {
  return worstFirst(a, b) || Number(!!b.latched) - Number(!!a.latched) || (a.componentId < b.componentId ? -1 : 1);
}

const isIdle = (check) => check.in_use === false && check.status === "pass";

function showOrganizations(checks, counts, at) {
  const first = !known.size;
  summary = counts;
  const sorted = [...checks].sort(inOrder);
  const names = new Set(sorted.map((check) => check.componentId));
  for (const [name, one] of known) {
    if (!names.has(name)) one.element.remove(), known.delete(name);
  }
  const rows = sorted.map((check) => {
    if (!known.has(check.componentId)) known.set(check.componentId, new Organization(check.componentId));
    const one = known.get(check.componentId);
    one.update(check, at);
    return one;
  });
  place($("rows"), rows.filter((one) => !isIdle(one.check)));
  place($("idle-rows"), rows.filter((one) => isIdle(one.check)));
  if (first) openFirst(rows);
  sift();
}

/** Put the rows in order; a row that holds the focus keeps it. */
function place(list, rows) {
  const focused = document.activeElement;
  rows.forEach((one, index) => {
    if (list.children[index] !== one.element) list.insertBefore(one.element, list.children[index] ?? null);
  });
  if (focused !== document.activeElement && focused.isConnected) focused.focus({ preventScroll: true });
}

/** Open at the start what will be looked at first: failures, else one to show how it looks. */
function openFirst(rows) {
  const failing = rows.filter((one) => one.check.failures).slice(0, FEW);
  const some = rows.find((one) => one.check.recent?.length);
  for (const one of failing.length ? failing : [some].filter(Boolean)) one.open(true);
}

/** Show what passes the filter. */
function sift() {
  const [text, only] = [$("filter").value.trim().toLowerCase(), $("only").checked];
  let [shown, idle] = [0, 0];
  for (const { element, check, name } of known.values()) {
    const fits = name.toLowerCase().includes(text) && !(only && check.status === "pass");
    element.hidden = !fits;
    if (fits && isIdle(check)) idle += 1;
    else if (fits) shown += 1;
  }
  const all = summary.total;
  tell($("count"), shown + idle === all ? String(all) : `${shown + idle} of ${all}`);
  tell($("pages"), `page ${summary.page} of ${summary.pages}`);
  $("pager").hidden = summary.pages === 1 && summary.page === 1;
  $("before").disabled = summary.page <= 1;
  $("after").disabled = summary.page >= summary.pages;
  tell($("idle-title"), `${idle} not in use`);
  $("idle").hidden = !idle;
  $("nothing").hidden = shown + idle > 0;
}

/** Open an organization and go there. */
function goTo(name) {
  const one = known.get(name);
  if (!one) return;
  if (one.element.hidden) {
    $("filter").value = "";
    $("only").checked = false;
    sift();
  }
  one.open(true);
  one.button.focus({ preventScroll: true });
  one.element.scrollIntoView({ block: "start" });
}

/** Ask for another page, or for names, of more organizations than are on a page. */
function look(page) {
  const search = $("filter").value.trim().toLowerCase();
  if (page === view.page && search === view.search) return;
  const many = summary.pages > 1 || view.search;
  Object.assign(view, { page, search: many ? search : "" });
  if (many) attend();
}

/** What to ask for: all the rest is said by default. */
function question() {
  const chosen = new URLSearchParams();
  if (view.search) chosen.set("search", view.search);
  if (view.page > 1) chosen.set("page", view.page);
  return String(chosen) ? `health?${chosen}` : "health";
}

$("filter").addEventListener("input", () => {
  sift();
  look(1);
});
$("before").addEventListener("click", () => look(view.page - 1));
$("after").addEventListener("click", () => look(view.page + 1));
$("only").addEventListener("change", sift);
