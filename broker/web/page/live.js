// Asking for the health again and again, and saying so when nobody answers.

const EVERY = 5000;
const PATIENCE = 4000;
let last = null; // the last answer: its body, its instants
let lost = false;
let paused = false;
let request = null;
let timer = null;

async function poll() {
  hush();
  const began = performance.now();
  const mine = (request = new AbortController());
  const late = setTimeout(() => mine.abort(), PATIENCE);
  let body = null;
  try {
    const answer = await fetch(question(), { cache: "no-store", signal: mine.signal });
    body = await answer.json();
  } catch {
    body = null;
  }
  clearTimeout(late);
  if (mine !== request) return;
  timer = setTimeout(poll, Math.max(0, EVERY - (performance.now() - began)));
  if (body?.checks && body.status in GRAVITY) found(body);
  else lose();
}

/** Stop asking; an answer that is under way is not waited for. */
function hush() {
  clearTimeout(timer);
  const old = request;
  request = null;
  old?.abort();
}

function found(body) {
  const before = last?.body ?? null;
  const news = [lost ? "The broker answers again." : "", ...changes(before, body)];
  time.go();
  lost = false;
  last = { body, at: time.now(), wall: new Date() };
  document.body.classList.remove("frozen");
  $("lost").hidden = true;
  showOverall(body.status, gistOf(body));
  tell($("version"), `version ${body.version}`);
  showTrouble(body.checks);
  showParts(body.checks);
  showOrganizations(body.checks["organization:token"] ?? [], body.organizations, last.at);
  announce(news);
  tick();
}

function lose() {
  time.stop();
  lost = true;
  document.body.classList.add("frozen");
  const since = last && `Connection lost since ${clock(last.wall)} — last known state below.`;
  tell($("lost"), since ?? "The broker does not answer.");
  $("lost").hidden = false;
  showOverall("none", last ? `from the broker; it said ${last.body.status}` : "from the broker yet");
  tick();
}

/** What a listener should hear: changes of a status or state, not the seconds. */
function changes(before, body) {
  const { status, checks } = body;
  if (before === null) return [`${WORDS[status]}: ${gistOf(body)}.`];
  const known = new Map((before.checks["organization:token"] ?? []).map((check) => [check.componentId, check]));
  const moved = (checks["organization:token"] ?? []).filter((check) => {
    const old = known.get(check.componentId);
    return old && (old.status !== check.status || old.state !== check.state);
  });
  const lines = moved.map((check) => `${check.componentId} is ${check.state}, ${check.status}.`);
  const told = lines.length > 3 ? [`${lines.length} organizations have changed.`] : lines;
  return before.status === status ? told : [`Now ${WORDS[status]}: ${gistOf(body)}.`, ...told];
}

function announce(news) {
  const text = news.filter(Boolean).join(" ");
  if (text) $("news").textContent = text;
}

/** Count down what is counted down. */
function tick() {
  if (!last) return;
  const age = performance.now() / 1000 - last.at;
  const stopped = lost || paused;
  tell($("asked"), stopped ? `as of ${clock(last.wall)}` : `updated ${Math.round(age)} s ago`);
  if (!stopped) for (const one of known.values()) if (!one.element.hidden) one.tick();
}

/** Ask while the page is looked at and not paused. */
function attend() {
  hush();
  $("pause").textContent = paused ? "Resume" : "Pause";
  if (!paused && !document.hidden) return void poll();
  if (paused) time.stop();
  document.body.classList.toggle("frozen", paused || lost);
  showOverall("paused", last ? `the state of ${clock(last.wall)} is shown` : "nothing was asked yet");
  tick();
}

$("pause").addEventListener("click", () => {
  paused = !paused;
  attend();
});
document.addEventListener("visibilitychange", attend);
setInterval(() => document.hidden || tick(), 1000);
attend();
