// What holds for the pod as a whole: the word, what is wrong, and the parts around the tokens.

const WORDS = { pass: "Pass", warn: "Warn", fail: "Fail", none: "No answer", paused: "Paused" };
const COLOURS = { pass: "#178a58", warn: "#c07a00", fail: "#cf3a30", none: "#75808f" };
const SENTENCES = 6;
const NAMES = 3;

const said = (check) => [check.output ?? ""].flat().join(" ");

/** Give title, icon and headline the overall status. */
function showOverall(status, gist) {
  const word = WORDS[status];
  const look = status === "paused" ? "none" : status;
  document.body.dataset.status = look;
  $("overall-shape").setAttribute("href", `#s-${look}`);
  tell($("word"), word);
  tell($("gist"), gist);
  document.title = `${word} · Canvas token broker`;
  const forms = { warn: "M10 1 20 19H0z", fail: "M6 1h8l5 5v8l-5 5H6l-5-5V6z" };
  const form = forms[look] ?? "M10 1a9 9 0 1 0 .01 0z";
  const svg = `<svg xmlns="${SVG}" viewBox="0 0 20 20"><path fill="${COLOURS[look]}" d="${form}"/></svg>`;
  $("icon").href = `data:image/svg+xml,${encodeURIComponent(svg)}`;
}

function gistOf({ checks, organizations }) {
  const bad = organizations.status.warn + organizations.status.fail;
  const parts = partsOf(checks).filter((part) => part.status !== "pass");
  if (bad) return `${bad} of ${plural(organizations.total, "organization")} ${bad === 1 ? "needs" : "need"} a look`;
  if (parts.length) return `look at: ${parts.map((part) => part.name).join(", ")}`;
  return "all is well";
}

/** Redis, Canvas, workers and files, each with its status and its sentences. */
function partsOf(checks) {
  const part = (name, title, more = () => "") =>
    (checks[name] ?? []).map((check) => ({ name: title, status: check.status, output: said(check), more: more(check) }));
  const since = (word, seconds) => (seconds == null ? "" : `${word} ${about(seconds)} ago`);
  return [
    ...part("redis:connection", "Redis"),
    ...part("upstream:connection", "Canvas", (check) => since("last success", check.last_success_seconds_ago)),
    ...together("Workers", checks.workers, (all) => `up ${about(Math.min(...all.map((check) => check.uptime ?? 0)))} or longer`),
    ...together("Files", checks.files, (all) => since("read", Math.min(...all.map((check) => check.last_reload_seconds_ago ?? Infinity)))),
  ];
}

/** One part out of several checks: the worst status, and the sentences of those that are bad. */
function together(name, checks = [], more) {
  if (!checks.length) return [];
  const bad = [...checks].sort(worstFirst).filter((check) => check.status !== "pass");
  const label = (check) => [name === "Workers" ? `worker ${check.componentId}` : check.componentId, said(check)];
  const output = bad.map((check) => label(check).filter(Boolean).join(": ")).join(" ");
  const good = name === "Workers" ? `${plural(checks.length, "worker")}, all answer.` : "In force as they lie there.";
  return [{ name, status: bad[0]?.status ?? "pass", output: output || good, more: more(checks).replace(/.*(Infinity|NaN).*/, "") }];
}

function showParts(checks) {
  const parts = partsOf(checks);
  const key = JSON.stringify(parts.map((part) => [part.name, part.status, part.output]));
  if ($("parts").dataset.key !== key) $("parts").replaceChildren(...parts.map(partCard));
  $("parts").dataset.key = key;
  parts.forEach((part, index) => tell($("parts").children[index].lastChild, part.more));
}

function partCard({ name, status, output }) {
  const word = make("span", "unseen", `${WORDS[status]}.`);
  const head = make("div", "who", shape(status), make("h3", "", name), word);
  const card = make("li", "part", head, make("p", "", output), make("p", "num soft"));
  card.dataset.status = status;
  return card;
}

/** A part's sentence, which need not name it. */
const named = ({ name, output }) => (output.startsWith(name) ? output : `${name}: ${output}`);

/** The sentences on top: one for each thing that is wrong, with whom it is wrong for. */
function showTrouble(checks) {
  const found = new Map();
  const note = (status, output, name) => {
    const entry = found.get(status + output) ?? { status, output, names: [] };
    found.set(status + output, entry);
    if (name !== null) entry.names.push(name);
  };
  for (const part of partsOf(checks)) if (part.status !== "pass") note(part.status, named(part), null);
  for (const check of [...(checks["organization:token"] ?? [])].sort(inOrder)) {
    if (check.status !== "pass") note(check.status, said(check), check.componentId);
  }
  const all = [...found.values()].sort(worstFirst);
  const key = JSON.stringify(all);
  $("trouble").hidden = !all.length;
  if ($("sentences").dataset.key === key) return;
  $("sentences").dataset.key = key;
  const rows = all.slice(0, SENTENCES).map(sentence);
  if (all.length > SENTENCES) rows.push(make("li", "soft", `and ${all.length - SENTENCES} more, below`));
  $("sentences").replaceChildren(...rows);
}

function sentence({ status, output, names }) {
  const row = make("li", "", shape(status), make("span", "unseen", `${WORDS[status]}: `));
  const text = make("span");
  names.slice(0, NAMES).forEach((name, index) => {
    const link = make("button", "link", name);
    link.type = "button";
    link.addEventListener("click", () => goTo(name));
    text.append(index ? ", " : "", link);
  });
  if (names.length > NAMES) text.append(` and ${names.length - NAMES} more`);
  text.append(names.length ? ": " : "", output);
  row.append(text);
  return row;
}
