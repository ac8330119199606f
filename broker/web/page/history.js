// The last events of one organization: marks over the last hour, and the same as a list.

const HOUR = 3600;
const SHOWN = 5;

class Events {
  constructor() {
    this.marks = make("div", "marks");
    this.list = make("ol", "events");
    this.older = make("ol", "events");
    this.rest = make("details", "", make("summary"), this.older);
    const axis = make("div", "axis", ...["1 h ago", "45 min", "30 min", "15 min", "now"].map((t) => make("span", "", t)));
    this.strip = make("div", "strip", this.marks, axis);
    this.strip.setAttribute("aria-hidden", "true");
    this.none = make("p", "soft", "Nothing has happened since this pod started.");
    this.element = make("div", "", this.strip, this.list, this.rest, this.none);
    this.shown = [];
    this.key = null;
  }

  update(recent, at) {
    const key = JSON.stringify(recent.map((event) => [event.kind, event.outcome, event.error, event.seconds]));
    const first = recent.length ? at - recent[0].seconds_ago : null;
    if (key === this.key && settle(this.first, first) === this.first) return;
    [this.key, this.first] = [key, first];
    this.shown = recent.map((event) => this.entry(event, at - event.seconds_ago));
    this.marks.replaceChildren(...this.shown.map(({ mark }) => mark).reverse());
    this.list.replaceChildren(...this.shown.slice(0, SHOWN).map(({ row }) => row));
    this.older.replaceChildren(...this.shown.slice(SHOWN).map(({ row }) => row));
    this.rest.firstElementChild.textContent = `${this.shown.length - SHOWN} before these`;
    this.rest.hidden = this.shown.length <= SHOWN;
    this.strip.hidden = !this.shown.length;
    this.none.hidden = this.shown.length > 0;
    this.tick();
  }

  entry(event, at) {
    const bad = event.outcome !== "success";
    const mark = make("i", `mark ${bad ? "bad" : event.kind}`);
    const ago = make("span", "num soft ago");
    const when = clock(new Date(1000 * Math.round(Date.now() / 1000 - performance.now() / 1000 + at)));
    const result = make("span", bad ? "chip bad" : "chip good", event.outcome);
    const row = make("li", "", make("i", `mark ${bad ? "bad" : event.kind}`));
    row.append(make("time", "num", when), " ", ago, " ", make("span", "", event.kind), " ");
    row.append(make("span", "num took", event.seconds === null ? "" : took(event.seconds)), " ", result, " ");
    if (bad) row.append(make("span", "why", `${meaning(event.error)} (${event.error}): ${CLASSES[event.outcome]}`));
    row.firstElementChild.setAttribute("aria-hidden", "true");
    return { mark, ago, row, at };
  }

  tick() {
    const now = time.now();
    for (const { mark, ago, at } of this.shown) {
      const past = Math.max(0, now - at);
      tell(ago, `${about(past)} ago`);
      mark.hidden = past > HOUR;
      mark.style.setProperty("--at", (1 - past / HOUR).toFixed(4));
    }
  }
}
