// The four charts over time. Columns come from the server; failures are marks in all of them.
"use strict";

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

const LINES = ["--accent", "--second", "--third", "--fourth"];

class Chart {
  constructor(element, legend, lines, options) {
    Object.assign(this, { element, lines, options });
    legend.replaceChildren(...lines.filter((line) => line.label).map((line, place) => {
      const item = document.createElement("li");
      const key = document.createElement("i");
      key.className = line.class || `s${place + 1}`;
      item.append(key, line.label);
      return item;
    }));
    this.marks = [];
    this.data = [[], ...lines.map(() => [])];
    this.build();
    new ResizeObserver(() => this.resize()).observe(element);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.build());
  }

  resize() {
    const { clientWidth: width, clientHeight: height } = this.element;
    if (width > 0 && height > 0) this.plot.setSize({ width, height });
  }

  build() {
    if (this.plot) this.plot.destroy();
    const axis = { stroke: colour("--soft"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false }, font: "11px system-ui, DejaVu Sans, sans-serif" };
    this.plot = new uPlot({
      width: Math.max(200, this.element.clientWidth),
      height: Math.max(120, this.element.clientHeight),
      legend: { show: false },
      padding: [16, 10, 0, 0],
      cursor: { y: false, points: { size: 6 }, drag: { setScale: false } },
      scales: { x: { time: false }, y: { range: this.options.range } },
      axes: [
        { ...axis, size: 26, gap: 6, values: (_plot, ticks) => ticks.map(moment), space: 70 },
        { ...axis, size: 46, values: (_plot, ticks) => ticks.map(this.options.tick) },
      ],
      series: [{}, ...this.lines.map((line, place) => ({
        stroke: line.hidden ? "transparent" : colour(line.colour || LINES[place]),
        width: line.width || 1.8, dash: line.dash, spanGaps: true, points: { show: false }, label: line.column,
      }))],
      bands: this.options.band ? [{ series: this.options.band, fill: colour("--band") }] : [],
      hooks: { draw: [(plot) => this.drawMarks(plot)] },
    }, this.data, this.element);
  }

  show(table, marks) {
    this.marks = marks;
    this.data = [table.seconds, ...this.lines.map((line) => table[line.column])];
    this.plot.setData(this.data);
  }

  drawMarks(plot) {
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.lineWidth = devicePixelRatio;
    ctx.font = `${10 * devicePixelRatio}px system-ui, DejaVu Sans, sans-serif`;
    const near = 96 * devicePixelRatio, groups = [];
    for (const mark of this.marks) {
      if (mark.seconds < plot.scales.x.min || mark.seconds > plot.scales.x.max) continue;
      const x = Math.round(plot.valToPos(mark.seconds, "x", true));
      const last = groups[groups.length - 1];
      if (last && x - last.x < near) last.marks.push(mark);
      else groups.push({ x, marks: [mark] });
      ctx.strokeStyle = colour(mends(mark.what) ? "--alive" : "--failed");
      ctx.setLineDash([4 * devicePixelRatio, 3 * devicePixelRatio]);
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
    }
    for (const { x, marks } of groups) {
      const [first] = marks, isOne = marks.length === 1;
      const text = isOne ? `${first.what} ${first.node}` : `${marks.length} marks`;
      const width = ctx.measureText(text).width;
      ctx.fillStyle = isOne ? colour(mends(first.what) ? "--alive" : "--failed") : colour("--soft");
      ctx.fillText(text, Math.max(bbox.left, Math.min(x - width / 2, bbox.left + bbox.width - width)), bbox.top - 5 * devicePixelRatio);
    }
    ctx.restore();
  }
}

function mends(what) {
  return what === "recover" || what === "restarted" || what.endsWith(" ends");
}

function moment(seconds) {
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.round(seconds / 6) / 10} min`;
  return `${Math.round(seconds / 360) / 10} h`;
}

function share(_plot, low, high) {
  return [low === null ? 0 : Math.max(0, Math.min(low, high - 0.1) - 0.02), 1.005];
}

function makeCharts(facts) {
  const byId = (id) => document.getElementById(id);
  const made = (name, lines, options) => {
    byId(`c-${name}`).replaceChildren();
    return new Chart(byId(`c-${name}`), byId(`l-${name}`), lines, options);
  };
  const exits = Object.keys(facts.exits);
  const part = (ticks) => (ticks === null ? "" : `${Math.round(100 * ticks)} %`);
  const from0 = (_plot, _low, high) => [0, (high || 1) * 1.12];
  return [
    made("accuracy", [
      { column: "accuracy", label: "right, last 200 samples", class: "s1" },
      { column: "expected", label: "expected by the failure study", class: "s2", dash: [5, 4], width: 1.5 },
      { column: "high", hidden: true }, { column: "low", hidden: true },
    ], { range: share, tick: part, band: [3, 4] }),
    made("latency", [
      { column: "p50_ms", label: "p50" }, { column: "p99_ms", label: "p99" },
    ], { range: from0, tick: short }),
    made("share", exits.map((name) => ({ column: `share_${name}`, label: name })).concat([
      { column: "degraded", label: "degraded", class: "bad", colour: "--failed", dash: [3, 3], width: 1.3 },
    ]), { range: () => [0, 1.005], tick: part }),
    made("bytes", [{ column: "device_bytes", label: `payload (raw view ${facts.raw_bytes} B)` }],
      { range: from0, tick: short }),
  ];
}
