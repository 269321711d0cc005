// What devices see, where they were started to show it: bytes of pixels, drawn on a canvas each.
"use strict";

const SAID = { black: "black", frozen: "frozen", "no-view": "no view" };

class Views {
  constructor(panel, box) {
    this.panel = panel;
    this.box = box;
    this.places = new Map();
  }

  begin(facts) {
    this.places.clear();
    this.panel.hidden = facts.views === null;
    const names = facts.views ?? [];
    this.box.replaceChildren(...names.map((name) => this.make(name)));
  }

  make(name) {
    const place = document.createElement("figure"), frame = document.createElement("div");
    const canvas = document.createElement("canvas"), caption = document.createElement("figcaption");
    const title = document.createElement("b"), said = document.createElement("span");
    place.className = "seen";
    place.dataset.device = name;
    frame.className = "frame";
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `what ${name} sees`);
    canvas.hidden = true;
    title.textContent = name;
    said.textContent = "nothing yet";
    frame.append(canvas);
    caption.append(title, said);
    place.append(frame, caption);
    this.places.set(name, { place, canvas, said, seen: null });
    return place;
  }

  // A view that is not there leaves the one before in its place, faint.
  take(seen) {
    const found = this.places.get(seen.node);
    if (!found) return;
    found.seen = seen;
    if (seen.channels) this.paint(found.canvas, seen);
  }

  paint(canvas, { pixels, channels, height, width }) {
    const bytes = atob(pixels), plane = height * width, image = new ImageData(width, height);
    for (let at = 0; at < plane; at += 1) {
      for (let c = 0; c < 3; c += 1) image.data[4 * at + c] = bytes.charCodeAt(channels === 3 ? c * plane + at : at);
      image.data[4 * at + 3] = 255;
    }
    canvas.width = width;
    canvas.height = height;
    canvas.hidden = false;
    canvas.getContext("2d").putImageData(image, 0, 0);
  }

  show(state) {
    for (const [name, { place, said, seen }] of this.places) {
      const node = state.nodes[name].state, isGone = node !== "alive";
      const trouble = isGone ? node : seen && SAID[seen.state];
      const isOld = isGone || (seen && seen.state === "no-view");
      place.className = `seen${trouble ? " trouble" : ""}${isOld ? " old" : ""}${isGone ? ` ${node}` : ""}`;
      place.dataset.state = isGone ? node : seen ? seen.state : "";
      const picture = seen && !seen.channels && !trouble ? "no picture" : null;
      said.textContent = trouble || picture || (seen ? seen.sample.toLocaleString("en") : "nothing yet");
    }
  }
}
