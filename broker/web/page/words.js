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

const FAILURES = {
  dns: "the host name could not be resolved",
  connect: "no connection to Canvas",
  connect_timeout: "connecting to Canvas took too long",
  tls: "the TLS handshake failed, or the certificate did not verify",
  proxy: "the proxy could not be used",
  no_thread: "this host would not start another thread",
  lease_too_short: "this process was too slow to send anything",
  throttled: "Canvas asked for a pause",
  keys_rejected: "Canvas refused the keys",
  refresh_token_unknown: "Canvas does not know the refresh token any more",
  timeout: "no whole answer in time",
  reset: "the connection broke",
  closed: "the connection was closed without an answer",
  truncated: "the answer ended too early",
  oversize: "the answer was too long",
  encoding: "the answer was encoded in an unknown way",
  protocol: "the answer was not HTTP",
  unreadable: "the answer was not JSON",
  bad_answer: "the answer held no usable token",
  no_clock: "the answer did not tell how long its tokens live",
  status_404: "Canvas answered 404 to an authenticate",
  bad_access_token: "the access token was malformed",
  expired_on_arrival: "the access token was dead when it came",
  repeated_token: "a cache gave an old answer",
  short_life: "the token came with too little life",
  superseded: "the record changed meanwhile",
  held_back: "the broker holds its own calls back",
  crashed: "a defect that the broker survived",
  unknown: "another process left a word in Redis that is not known here",
};

/** The plain meaning of a failure's kind. */
function meaning(kind) {
  const status = /^status_(.+)$/.exec(kind)?.[1];
  return FAILURES[kind] ?? (status ? `Canvas answered ${status}` : kind);
}

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
