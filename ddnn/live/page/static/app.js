// Keeps what the server sends, and shows it. All names go in as text, never as markup.
"use strict";

const byId = (id) => document.getElementById(id);
const KINDS = {
  node: [["kill", {}], ["hang", {}], ["slow", { factor: 20 }], ["delay", { delay_ms: 300 }], ["drop", { share: 0.5 }], ["corrupt", { share: 0.5 }], ["partition", {}]],
  link: [["delay", { delay_ms: 300 }], ["drop", { share: 0.5 }], ["corrupt", { share: 0.5 }], ["partition", {}]],
};
const HINTS = { kill: "end its process at once", hang: "stop its process", slow: "its section takes 20 times as long", delay: "messages come 300 ms later", drop: "lose half of the messages", corrupt: "damage half of the messages", partition: "nothing gets through", recover: "take back whatever was done here" };

let facts = null, state = null, points = [], charts = [], chosen = null, isDrawing = false;
const view = new TopologyView(byId("topology"), choose), views = new Views(byId("p-views"), byId("views"));

function say(text, kind) {
  byId("status").textContent = text;
  byId("status").className = `status ${kind}`;
}

function connect() {
  const source = new EventSource("/events");
  const on = (name, take) => source.addEventListener(name, (event) => take(JSON.parse(event.data)));
  on("facts", (found) => {
    const isNew = !facts || facts.run !== found.run;
    facts = found;
    if (isNew) begin();
  });
  on("history", (found) => { points = found.points; });
  on("points", (found) => { points.length = found.from; points.push(...found.points); });
  on("views", (found) => { for (const seen of found) views.take(seen); });
  on("state", (found) => { state = found; draw(); });
  source.onerror = () => {
    say(state && state.over !== null ? "the run is over" : "no connection, trying again", state && state.over !== null ? "over" : "gone");
    if (source.readyState === EventSource.CLOSED) setTimeout(connect, 2000);
  };
}

function begin() {
  points = [];
  document.title = `${facts.topology} · ddnn`;
  byId("title").textContent = facts.topology;
  view.begin(facts);
  charts = makeCharts(facts);
  views.begin(facts);
  fillTable("links", facts.links.map((link) => [link.name, [link.from, link.to, link.carries.join(", "), "", "", "", ""]]), [3, 4, 5]);
  fillTable("nodes", Object.keys(facts.roles).map((name) => [name, [name, "", "", "", "", "", ""]]), [2, 3, 4, 5]);
  choose(null);
}

// Once a frame at most: a page in the background draws nothing.
function draw() {
  if (isDrawing) return;
  isDrawing = true;
  requestAnimationFrame(() => {
    isDrawing = false;
    if (!facts || !state || state.run !== facts.run) return;
    drawStatus();
    drawFigures();
    view.show(state);
    views.show(state);
    drawTicker();
    drawMarks();
    drawTables();
    drawDrift();
    drawCharts();
    drawDetail();
  });
}

function drawStatus() {
  if (state.over !== null) say(state.over ? `ended: ${state.over}` : "the run is over", "over");
  else if (!state.command) say("starting", "");
  else say(`live · ${moment(Math.round(state.seconds))}`, "live");
  const parts = [];
  if (state.lost) parts.push(`${state.lost} events were lost on their way to this page.`);
  if (state.unanswered_by_exits) parts.push(`${state.unanswered_by_exits} samples were answered by no exit: the commonest class.`);
  parts.push(facts.may_fail ? "Choose a node or a link to make it fail." : "Choose a node or a link for its figures. Started with --allow-faults, this page can also make them fail.");
  byId("foot").textContent = parts.join(" ");
}

function figure(name, value, unit, note) {
  const place = byId(`f-${name}`);
  place.textContent = value;
  if (unit) {
    const small = document.createElement("small");
    small.textContent = ` ${unit}`;
    place.append(small);
  }
  byId(`n-${name}`).textContent = note;
}

function between(part) {
  return part.interval ? `${(100 * part.interval[0]).toFixed(1)} – ${(100 * part.interval[1]).toFixed(1)} %` : "";
}

function drawFigures() {
  const all = state.accuracy, recent = state.recent;
  figure("accuracy", percent(all.accuracy), "", all.samples ? `${between(all)}, n = ${all.samples.toLocaleString("en")}` : "no truth known");
  figure("recent", percent(recent.accuracy), recent.samples ? `last ${recent.samples}` : "", state.expected === null ? between(recent) : `expected ${percent(state.expected)}`);
  const names = Object.keys(state.exits), first = state.exits[names[0]], last = state.exits[names[names.length - 1]];
  figure("early", names.length > 1 ? percent(first.share) : "–", "", names.map((n) => `${n} ${state.exits[n].samples.toLocaleString("en")}`).join(" · "));
  const bytes = state.bytes.payload;
  figure("bytes", short(bytes), "B", bytes ? `1/${Math.round(facts.raw_bytes / bytes)} of a raw view` : `a raw view: ${facts.raw_bytes} B`);
  figure("latency", short(first.p50_ms ?? last.p50_ms), "ms", names.map((n) => `${n} p99 ${short(state.exits[n].p99_ms)}`).join(" · "));
  figure("samples", state.answered.toLocaleString("en"), facts.total ? `of ${facts.total.toLocaleString("en")}` : "", `${short(state.samples_per_s)}/s · ${state.degraded} degraded`);
}

function cells(row, texts, numbers) {
  texts.forEach((text, place) => {
    const cell = document.createElement("td");
    if (numbers.includes(place)) cell.className = "num";
    cell.textContent = text;
    row.append(cell);
  });
  return row;
}

function fillTable(id, rows, numbers) {
  byId(id).replaceChildren(...rows.map(([name, texts]) => {
    const row = cells(document.createElement("tr"), texts, numbers);
    row.dataset.name = name;
    return row;
  }));
}

function drawTicker() {
  byId("ticker").replaceChildren(...state.ticker.slice().reverse().map((entry) => {
    const isWrong = entry.truth !== null && entry.truth !== entry.name;
    const row = cells(document.createElement("tr"), [entry.sample, isWrong ? `${entry.name} (${entry.truth})` : entry.name, (entry.exit ?? "none") + (entry.degraded ? ", degraded" : ""), entry.entropy.toFixed(2), entry.latency_ms.toFixed(1)], [3, 4]);
    if (isWrong) row.children[1].className = "wrong";
    row.children[0].className = "dim";
    if (entry.missing.length) row.title = `without ${entry.missing.join(", ")}`;
    return row;
  }));
}

function drawMarks() {
  byId("no-marks").hidden = state.marks.length > 0;
  byId("marks").replaceChildren(...state.marks.slice().reverse().map((mark) => {
    const row = cells(document.createElement("tr"), [`${mark.node}: ${mark.text}`, side(mark.before), side(mark.after)], [1, 2]);
    row.children[0].classList.add("wrap");
    row.title = mark.sample === null ? "" : `before sample ${mark.sample}`;
    row.dataset.node = mark.node;
    row.dataset.what = mark.what;
    return row;
  }));
}

function side(part) {
  return part.samples ? `${percent(part.accuracy)} (${part.samples})` : "–";
}

function drawTables() {
  for (const row of byId("links").children) {
    const link = state.links[row.dataset.name];
    [short(link.payload_per_sample), short(link.messages_per_s), short(link.bytes_per_s), link.faults.join(", ")].forEach((text, place) => { row.children[place + 3].textContent = text; });
  }
  for (const row of byId("nodes").children) {
    const node = state.nodes[row.dataset.name];
    const dot = document.createElement("i");
    dot.className = `dot ${node.state}`;
    row.children[1].replaceChildren(dot, node.state);
    const isDevice = facts.roles[row.dataset.name] === "device";
    const drift = state.drift && state.drift.devices[row.dataset.name];
    row.children[3].classList.toggle("wrong", Boolean(drift && drift.changed));
    [isDevice ? node.missing : "", drift && drift.drift !== null ? drift.drift.toFixed(1) : "", node.starts + 1, node.resident_mb === null ? "–" : Math.round(node.resident_mb), node.faults.join(", ")].forEach((text, place) => { row.children[place + 2].textContent = text; });
  }
}

function drawDrift() {
  const drift = state.drift;
  byId("p-drift").hidden = drift === null;
  if (drift === null) return;
  const changed = Object.keys(drift.devices).filter((name) => drift.devices[name].changed);
  byId("drift-said").textContent = changed.length ? `${changed.join(", ")}: scores unlike those of validation; was the camera moved?` : `last ${drift.samples} samples; the drift of a device is about 1 where its scores look like those of validation, and red where chance alone gives so much once in a hundred times`;
  byId("drift-said").classList.toggle("wrong", changed.length > 0);
  const number = (value) => (value === null ? "–" : value.toFixed(2));
  byId("drift").replaceChildren(...[
    ["mean entropy", number(drift.entropy), number(drift.validation_entropy)],
    ...Object.entries(drift.exits).map(([name, part]) => [`answered at ${name}`, percent(part.now), percent(part.validation)]),
  ].map((texts) => cells(document.createElement("tr"), texts, [1, 2])));
}

function drawCharts() {
  const table = {};
  facts.columns.forEach((name, place) => { table[name] = points.map((point) => point[place]); });
  for (const chart of charts) chart.show(table, state.marks);
}

function choose(what) {
  chosen = what;
  view.choose(what);
  const detail = byId("detail");
  detail.hidden = what === null;
  detail.replaceChildren();
  if (what === null) return;
  const title = document.createElement("b");
  title.textContent = what.node ?? what.link.replace(":", " → ");
  const note = document.createElement("p");
  note.className = "note";
  note.id = "detail-note";
  detail.append(title, note);
  if (facts.may_fail) detail.append(buttons(what));
  const close = document.createElement("button");
  close.textContent = "✕";
  close.setAttribute("aria-label", "close");
  close.addEventListener("click", () => choose(null));
  detail.append(close);
  const said = document.createElement("p");
  said.className = "said";
  said.id = "said";
  detail.append(said);
  drawDetail();
}

function buttons(what) {
  const box = document.createElement("div");
  box.className = "buttons";
  const kinds = [...KINDS[what.node ? "node" : "link"].map(([kind, more]) => [kind, more, "harm"]), ["recover", {}, "mend"]];
  for (const [kind, more, look] of kinds) {
    const button = document.createElement("button");
    button.textContent = kind;
    button.className = look;
    button.title = HINTS[kind];
    button.addEventListener("click", () => fail(what, kind, more, box));
    box.append(button);
  }
  return box;
}

async function fail(what, kind, more, box) {
  const where = what.node ? { node: what.node } : { link: what.link.split(":") };
  for (const button of box.children) button.disabled = true;
  let text = "", isBad = true;
  try {
    const answer = await fetch("/faults", { method: "POST", headers: { "content-type": "application/json", "x-ddnn-token": facts.token }, body: JSON.stringify({ ...where, kind, ...more }) });
    const found = (answer.headers.get("content-type") || "").includes("json") ? await answer.json() : { error: await answer.text() };
    isBad = !answer.ok;
    text = answer.ok ? `${kind}: from sample ${found.sample ?? "?"} on` : found.error;
  } catch (error) {
    text = `not sent: ${error.message}`;
  }
  for (const button of box.children) button.disabled = false;
  const said = byId("said");
  if (said) { said.textContent = text; said.classList.toggle("bad", isBad); }
}

function drawDetail() {
  const note = byId("detail-note");
  if (!note || !state || chosen === null) return;
  if (chosen.node) {
    const node = state.nodes[chosen.node];
    note.textContent = [node.state, ...node.faults, node.resident_mb === null ? "" : `${Math.round(node.resident_mb)} MB`, node.missing ? `${node.missing} verdicts without it` : "", node.starts ? `started ${node.starts + 1} times` : ""].filter(Boolean).join(" · ");
  } else {
    const link = state.links[chosen.link];
    note.textContent = [`${short(link.payload_per_sample)} B payload a sample`, `${short(link.messages_per_s)} messages/s`, ...link.faults].join(" · ");
  }
}

connect();
