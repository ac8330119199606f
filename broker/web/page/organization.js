// One organization: a row that can be opened.

let numbers = 0;

class Organization {
  constructor(name) {
    this.name = name;
    this.opened = null;
    this.expires = this.refreshExpires = this.next = null;
    this.shape = shape("none");
    this.button = make("button", "name", name);
    this.button.type = "button";
    this.button.addEventListener("click", () => this.open(!this.details));
    this.state = make("span", "chip");
    this.access = new Life("Access", name);
    this.refresh = new Life("Refresh", name);
    this.plan = make("p", "plan");
    this.output = make("p", "output");
    const title = make("h3", "", this.button);
    this.row = make("div", "row", make("div", "who", this.shape, title, this.state));
    this.row.append(this.access.element, this.refresh.element, this.plan);
    this.element = make("li", "organization", this.row, this.output);
    this.element.id = `organization-${numbers++}`;
    this.details = null;
    this.open(false);
  }

  update(check, at) {
    const same = this.check?.generation === check.generation;
    const instant = (last, seconds) => (seconds === null ? null : settle(last, at + seconds + 0.5));
    this.expires = instant(same ? this.expires : null, check.expires_in);
    this.refreshExpires = instant(same ? this.refreshExpires : null, check.refresh_expires_in);
    this.next = instant(this.next, check.next_attempt_in);
    this.check = check;
    this.at = at;
    this.element.dataset.status = check.status;
    this.element.dataset.state = check.state;
    reshape(this.shape, check.status);
    tell(this.state, check.state);
    this.state.title = `The token is ${check.state}: ${STATES[check.state]}.`;
    tell(this.output, check.output);
    this.output.hidden = check.status === "pass";
    this.details?.update(check, at);
    this.tick();
  }

  tick() {
    const { check } = this;
    const left = (instant) => (instant === null ? null : instant - time.now());
    this.access.show(left(this.expires), check.lifetime ?? null, check.margin ?? null);
    this.refresh.show(left(this.refreshExpires), check.refresh_lifetime ?? null, null);
    tell(this.plan, this.nextAttempt(left(this.expires), left(this.next)));
    this.details?.tick();
  }

  /** When Canvas will be asked next, in words. */
  nextAttempt(left, pause) {
    const { check } = this;
    if (check.latched) return pause > 0 ? `Keys refused. Next try in ${about(pause)}, or when their files are written anew` : "Keys refused. Trying once now";
    if (pause > 0) return `Next attempt in ${about(pause)}`;
    if (check.failures) return "Next attempt now";
    if (check.in_use === false) return "Next refresh when asked for";
    const due = left === null ? 0 : left - (check.margin ?? 0);
    if (due > 0) return `Next refresh in ${about(due)}`;
    if (check.refusing) return "Requests are refused until there is a token";
    return check.status === "pass" ? "Next refresh is due" : "Next attempt once this is mended";
  }

  open(wish) {
    this.button.setAttribute("aria-expanded", String(wish));
    if (wish && !this.details) {
      this.details = new Details(this.element.id);
      this.element.append(this.details.element);
      this.details.update(this.check, this.at);
    } else if (!wish && this.details) {
      this.details.element.remove();
      this.details = null;
    }
  }
}

/** What an opened row shows beyond the closed one. */
class Details {
  constructor(id) {
    this.events = new Events();
    this.cells = new Map();
    this.facts = make("dl", "facts");
    const [history, facts] = [make("h4", "", "Last refreshes"), make("h4", "", "Facts")];
    const left = make("div", "", history, this.events.element);
    this.element = make("div", "details", left, make("div", "", facts, this.facts));
    this.element.id = `${id}-details`;
  }

  update(check, at) {
    const minted = check.last_refresh_seconds_ago;
    this.minted = minted === null ? null : settle(this.minted ?? null, at - minted - 0.5);
    this.fact("State", `${check.state}: ${STATES[check.state]}`);
    this.fact("Got from Canvas", "");
    this.fact("Failed in a row", String(check.failures));
    this.fact("Last failure", check.last_error ? `${meaning(check.last_error)} (${check.last_error})` : "none");
    this.fact("Clock skew", check.clock_skew === null ? "not known" : `${check.clock_skew} s`);
    this.fact("Credentials", this.credentials(check));
    this.fact("Generation", check.generation === null ? "none" : String(check.generation));
    this.events.update(check.recent ?? [], at);
    this.tick();
  }

  /** Add or change a fact; what has not changed stays selected. */
  fact(name, value) {
    if (!this.cells.has(name)) {
      this.cells.set(name, make("dd", "num"));
      this.facts.append(make("dt", "", name), this.cells.get(name));
    }
    if (value) tell(this.cells.get(name), value);
  }

  credentials({ credential_version: current, token_of_credential_version: used }) {
    return used && used !== current ? `${current}; the token is still of ${used}` : current;
  }

  tick() {
    this.fact("Got from Canvas", this.minted === null ? "never" : `${about(time.now() - this.minted)} ago`);
    this.events.tick();
  }
}
