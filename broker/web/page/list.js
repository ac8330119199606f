// The organizations, worst first; those not in use are folded away.

const known = new Map();
const FEW = 2;

/** Worst first, then by name: an order that stays put while tokens grow old and are renewed. */
function inOrder(a, b) {
  return worstFirst(a, b) || Number(!!b.latched) - Number(!!a.latched) || (a.componentId < b.componentId ? -1 : 1);
}

const isIdle = (check) => check.in_use === false && check.status === "pass";

function showOrganizations(checks, at) {
  const first = !known.size;
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
  const all = known.size;
  tell($("count"), shown + idle === all ? String(all) : `${shown + idle} of ${all}`);
  tell($("idle-title"), `${idle} not in use`);
  $("idle").hidden = !idle;
  $("nothing").hidden = shown + idle > 0;
}

/** Open an organization and go there. */
function goTo(name) {
  const one = known.get(name);
  if (one.element.hidden) {
    $("filter").value = "";
    $("only").checked = false;
    sift();
  }
  one.open(true);
  one.button.focus({ preventScroll: true });
  one.element.scrollIntoView({ block: "start" });
}

$("filter").addEventListener("input", sift);
$("only").addEventListener("change", sift);
