// What the words and numbers of /health mean to people.

const STATES = {
  fresh: "served as it is",
  stale: "still served; a new one is being fetched",
  critical: "about to expire; requests wait for a new one",
  empty: "there is none to serve",
};

const CLASSES = {
  definite: "nothing was done in Canvas",
  ambiguous: "Canvas may have done it",
  rejected: "the same call would be refused again",
};

// Filled in from the table of the kinds of failure.
const FAILURES = {failures};

/** The plain meaning of a failure's kind. */
const meaning = (kind) => FAILURES[kind] ?? kind;

const two = (number) => String(number).padStart(2, "0");

/** Seconds as m:ss, and from an hour on as h:mm; the unit keeps the two apart. */
function span(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 3600) return `${Math.floor(whole / 60)}:${two(whole % 60)} min`;
  return `${Math.floor(whole / 3600)}:${two(Math.floor((whole % 3600) / 60))} h`;
}

/** The same within a sentence, where nothing has to line up. */
const about = (seconds) => (seconds < 60 ? `${Math.max(0, Math.floor(seconds))} s` : span(seconds));

/** The same to be spoken, without the seconds where minutes tell enough. */
function spoken(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60)];
  if (hours) return `${hours} hours ${minutes} minutes`;
  return minutes ? `${minutes} minutes ${whole % 60} seconds` : `${whole} seconds`;
}

/** A call's duration, which is mostly below a second. */
const took = (seconds) => `${seconds.toFixed(seconds < 9.995 ? 2 : 0)} s`;

/** The clock's time of a Date. */
const clock = (date) => [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(":");

const plural = (number, word) => `${number} ${word}${number === 1 ? "" : "s"}`;

const GRAVITY = { fail: 0, warn: 1, pass: 2 };
const worstFirst = (a, b) => GRAVITY[a.status] - GRAVITY[b.status];
