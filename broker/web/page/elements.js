// Making and changing elements. Text goes in as text, never as markup.

const $ = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";

/** An element of a class with children, which are elements or text. */
function make(tag, name, ...children) {
  const element = document.createElement(tag);
  if (name) element.className = name;
  element.append(...children);
  return element;
}

/** Change the text only where it is another one: most seconds change little. */
function tell(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** The shape of a status: it says without colour what the colour says. */
function shape(status) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "shape");
  svg.setAttribute("aria-hidden", "true");
  svg.append(document.createElementNS(SVG, "use"));
  reshape(svg, status);
  return svg;
}

function reshape(svg, status) {
  svg.firstElementChild.setAttribute("href", `#s-${status}`);
  svg.dataset.status = status;
}

/** The time as the page counts it: stands still while the page is paused or has lost the broker. */
const time = {
  stopped: null,
  now() {
    return this.stopped ?? performance.now() / 1000;
  },
  stop() {
    this.stopped ??= performance.now() / 1000;
  },
  go() {
    this.stopped = null;
  },
};

/** An instant from whole seconds; the last one stands while only the rounding differs. */
function settle(last, instant) {
  return last !== null && Math.abs(last - instant) < 1.5 ? last : instant;
}

/** The bar of a token's remaining life. */
class Life {
  constructor(label, owner) {
    this.number = make("span", "num");
    this.meter = make("div", "meter", make("div", "fill"));
    this.meter.setAttribute("role", "meter");
    this.meter.setAttribute("aria-label", `${label} token of ${owner}: life left`);
    this.meter.setAttribute("aria-valuemin", "0");
    this.element = make("div", "life", make("span", "label", label), this.number, this.meter);
  }

  /** Draw `left` of `lifetime` seconds; from `margin` on a new token is due. */
  show(left, lifetime, margin) {
    const known = left !== null && lifetime !== null;
    const share = known ? Math.min(1, Math.max(0, left / lifetime)) : 0;
    const text = left === null ? "none" : left <= 0 ? "expired" : span(left);
    if (this.number.textContent === text) return;
    this.number.textContent = text;
    this.meter.style.setProperty("--left", share.toFixed(4));
    this.mark(known && margin ? Math.min(1, margin / lifetime) : null);
    this.meter.setAttribute("aria-valuemax", String(Math.round(lifetime ?? 1)));
    this.meter.setAttribute("aria-valuenow", String(known ? Math.max(0, Math.floor(left)) : 0));
    const due = known && margin ? `; a new one is due at ${spoken(margin)}` : "";
    this.meter.setAttribute("aria-valuetext", (left > 0 ? `${spoken(left)} left` : text) + due);
  }

  mark(share) {
    this.meter.classList.toggle("marked", share !== null);
    if (share !== null) this.meter.style.setProperty("--margin", share.toFixed(4));
  }
}
