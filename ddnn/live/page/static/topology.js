// Draws nodes and links once, where the server says, and then only changes how they look: nothing
// moves when a node dies. Wide pages have the tiers from left to right, narrow ones from top down.
"use strict";

const SVG = "http://www.w3.org/2000/svg";
const NARROW = 700;

function make(name, attributes, ...children) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

function words(x, y, text, attributes) {
  const element = make("text", { x, y, ...attributes });
  element.textContent = text;
  return element;
}

class TopologyView {
  constructor(svg, onChoose) {
    this.svg = svg;
    this.onChoose = onChoose;
    this.nodes = new Map();
    this.links = new Map();
    this.chosen = null;
    new ResizeObserver(() => this.layOut()).observe(svg.parentElement);
  }

  begin(facts) {
    this.facts = facts;
    this.isNarrow = null;
    this.layOut();
  }

  layOut() {
    if (!this.facts) return;
    const isNarrow = this.svg.parentElement.clientWidth < NARROW;
    if (isNarrow === this.isNarrow) return;
    this.isNarrow = isNarrow;
    this.draw();
    if (this.state) this.show(this.state);
  }

  // In a narrow page one unit along the tier is a node's width, between tiers a node's height.
  at(name) {
    const [rank, x, y] = this.facts.places[name];
    return this.isNarrow
      ? { x: (y + 0.5) * this.unit.x, y: 22 + x * this.unit.y + this.box.height / 2 }
      : { x: x * this.unit.x + this.box.width / 2 + 2, y: 26 + y * this.unit.y + this.box.height / 2 };
  }

  width(name) {
    if (!this.isNarrow) return this.box.width;
    const beside = this.facts.ranks.find((rank) => rank.names.includes(name)).names.length;
    return Math.min(104, this.wide / Math.min(beside, 8) - 6);
  }

  measure() {
    const spots = Object.values(this.facts.places);
    const across = Math.max(...spots.map((p) => p[2])) + 1;
    const along = Math.max(...spots.map((p) => p[1]));
    if (this.isNarrow) {
      const wide = Math.max(360, across * 58);
      this.wide = wide;
      this.box = { width: wide / across - 6, height: 46 };
      this.unit = { x: wide / across, y: 112 };
      return { width: wide, height: 26 + along * 112 + 50 };
    }
    const wide = 960;
    this.box = { width: 128, height: 44 };
    const tall = across > 4 ? 72 : 92;
    this.unit = { x: Math.max(170, (wide - 132) / Math.max(1, along)), y: tall };
    return { width: along * this.unit.x + 132, height: 30 + across * tall };
  }

  draw() {
    const size = this.measure();
    this.svg.replaceChildren();
    this.nodes.clear();
    this.links.clear();
    this.svg.setAttribute("viewBox", `0 0 ${size.width} ${size.height}`);
    for (const rank of this.isNarrow ? [] : this.facts.ranks) {
      const left = Math.min(...rank.names.map((name) => this.at(name).x)) - this.box.width / 2;
      if (rank.names.length) this.svg.append(words(left + 1, 13, rank.title, { class: "rank" }));
    }
    for (const link of this.facts.links) this.drawLink(link);
    for (const name of Object.keys(this.facts.places)) this.drawNode(name);
    for (const { label } of this.links.values()) this.svg.append(label);
  }

  // Scores leave a node above its middle, features below, where they do not hide each other.
  path(link) {
    const a = { ...this.at(link.from) }, b = { ...this.at(link.to) };
    const { width, height } = this.box;
    const side = link.carries.includes("scores") ? -1 : link.carries.includes("features") ? 1 : 0;
    a[this.isNarrow ? "x" : "y"] += side * (this.isNarrow ? 6 : 9);
    if (this.isNarrow) {
      const y0 = a.y + height / 2, y1 = b.y - height / 2, bend = (y1 - y0) * 0.45;
      return `M${a.x} ${y0}C${a.x} ${y0 + bend} ${b.x} ${y1 - bend} ${b.x} ${y1}`;
    }
    const x0 = a.x + width / 2, x1 = b.x - width / 2;
    if (x1 <= x0) { // of one column: around
      return `M${a.x + width / 2} ${a.y}C${a.x + width} ${a.y} ${b.x + width} ${b.y} ${b.x + width / 2} ${b.y}`;
    }
    const bend = (x1 - x0) * 0.42;
    return `M${x0} ${a.y}C${x0 + bend} ${a.y} ${x1 - bend} ${b.y} ${x1} ${b.y}`;
  }

  drawLink(link) {
    const d = this.path(link);
    const line = make("path", { d, class: "line", "stroke-width": 1.5 });
    const label = this.labelOf(link, line);
    const group = make("g", { class: "link idle " + link.carries.join(" "), tabindex: 0, role: "button",
      "aria-label": `link ${link.from} to ${link.to}` }, make("path", { d, class: "hit" }), line,
      make("path", { d, class: "flow" }));
    this.listen(group, { link: link.name });
    this.svg.append(group);
    this.links.set(link.name, { group, line, label, link });
  }

  labelOf(link, line) {
    const isUpward = link.carries.includes("features"), isLeft = isUpward || link.carries.includes("scores");
    const spot = isLeft ? { x: this.at(link.from).x + this.box.width / 2 + 8, y: this.at(link.from).y + (isUpward ? 23 : -15) }
      : line.getPointAtLength(line.getTotalLength() * 0.5);
    const label = words(spot.x, isLeft ? spot.y : spot.y - 7, "", { class: "label", "text-anchor": isLeft ? "start" : "middle" });
    if (this.isNarrow || this.facts.links.length > 24) label.setAttribute("visibility", "hidden");
    return label;
  }

  drawNode(name) {
    const { x, y } = this.at(name), width = this.width(name), { height } = this.box;
    const left = x - width / 2, top = y - height / 2, pad = this.isNarrow && width < 60 ? 8 : 14;
    const box = make("rect", { x: left, y: top, width, height, rx: 8, class: "box" });
    const side = make("rect", { x: left + 4, y: top + 8, width: 4, height: height - 16, rx: 2, class: "side" });
    const title = words(left + pad + 3, top + 18, name, { class: "name" });
    const sub = words(left + pad + 3, top + 34, "", { class: "sub" });
    const group = make("g", { class: "node starting", tabindex: 0, role: "button", "data-node": name,
      "aria-label": `node ${name}` }, box, side, title, sub);
    if (name !== "collector") this.listen(group, { node: name });
    this.fit(title, width - pad - 6);
    this.svg.append(group);
    this.nodes.set(name, { group, sub });
  }

  fit(text, width) {
    const letters = text.textContent;
    const room = Math.floor(width / 7.4);
    if (letters.length > room) text.textContent = letters.slice(0, room - 1) + "…";
  }

  listen(group, what) {
    const choose = () => this.onChoose(what);
    group.addEventListener("click", choose);
    group.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") { event.preventDefault(); choose(); }
    });
  }

  choose(what) {
    this.chosen = what;
    for (const [name, { group }] of this.nodes) group.classList.toggle("chosen", what !== null && what.node === name);
    for (const [name, { group }] of this.links) group.classList.toggle("chosen", what !== null && what.link === name);
  }

  show(state) {
    this.state = state;
    for (const [name, { group, sub }] of this.nodes) {
      const node = state.nodes[name];
      if (!node) { // the collector
        group.setAttribute("class", "node alive");
        sub.textContent = state.samples_per_s === null ? "" : `${short(state.samples_per_s)}/s`;
        continue;
      }
      const isHurt = node.state === "alive" && node.faults.length > 0;
      group.classList.remove("alive", "silent", "failed", "restarting", "starting");
      group.classList.add(node.state);
      group.classList.toggle("hurt", isHurt);
      group.dataset.state = node.state;
      sub.textContent = this.subtitle(name, node, isHurt);
      group.setAttribute("aria-label", `node ${name}: ${node.state}`);
    }
    for (const [name, { group, line, label, link }] of this.links) this.showLink(state, name, group, line, label, link);
    this.choose(this.chosen);
  }

  subtitle(name, node, isHurt) {
    if (isHurt) return node.faults.map((text) => text.split(" ")[0]).join(", ");
    if (node.state !== "alive") return node.state;
    const here = Object.entries(this.facts.exits).find(([, exit]) => exit.at === name);
    if (here) {
      const exit = this.state.exits[here[0]];
      return exit.share === null ? `${here[0]} exit` : this.isNarrow ? `${percent(exit.share)}` : `${here[0]} exit ${percent(exit.share)}`;
    }
    return this.facts.roles[name] && !this.isNarrow ? this.facts.roles[name] : "alive";
  }

  showLink(state, name, group, line, label, link) {
    const counted = state.links[name];
    const ends = [link.from, link.to].map((end) => state.nodes[end]);
    const isDead = ends.some((node) => node && node.state !== "alive");
    const bytes = counted.payload_per_sample;
    group.classList.toggle("hurt", counted.faults.length > 0);
    group.classList.toggle("dead", isDead);
    group.classList.toggle("idle", !counted.messages_per_s || state.over !== null);
    line.setAttribute("stroke-width", 1.3 + Math.min(4, Math.log2(1 + (bytes || 0)) * 0.55));
    const parts = [];
    if (bytes) parts.push(`${short(bytes)} B`);
    if (counted.messages_per_s) parts.push(`${short(counted.messages_per_s)}/s`);
    label.textContent = isDead ? "" : parts.join(" · ");
  }
}

function short(value) {
  if (value === null || value === undefined) return "–";
  if (value >= 1000) return Math.round(value).toLocaleString("en");
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(value >= 1 || value === 0 ? 1 : 2);
}

function percent(value) {
  return value === null || value === undefined ? "–" : `${(100 * value).toFixed(1)} %`;
}
