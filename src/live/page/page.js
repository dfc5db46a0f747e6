"use strict";

const SVG = "http://www.w3.org/2000/svg";
const COLORS = 8, HEIGHT = 280, EVERY = 1000;
const data = {version: -1, state: "training", note: "", iterations: [], validations: [], samples: []};
let about = null, stopping = false, failures = 0;

const element = id => document.getElementById(id);

function make(parent, tag, attributes = {}, text = "") {
  const made = parent.namespaceURI === SVG || tag === "svg"
    ? document.createElementNS(SVG, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text) made.textContent = text;
  return parent.appendChild(made);
}

// ---- Numbers as texts

function duration(seconds) {
  if (!Number.isFinite(seconds)) return "?";
  const whole = Math.round(seconds), two = n => String(n).padStart(2, "0");
  return whole < 3600 ? `${Math.floor(whole / 60)}:${two(whole % 60)}`
    : `${Math.floor(whole / 3600)}:${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`;
}

const short = value => value === null || value === undefined ? "-" : String(Number(value.toPrecision(4)));

// ---- Axes: marks 1, 2 or 5 times a power of ten apart

function marks(low, high, count) {
  if (low === high) { const by = Math.abs(low) / 10 || 1; low -= by; high += by; }
  const raw = (high - low) / count, power = 10 ** Math.floor(Math.log10(raw));
  const step = power * [1, 2, 5, 10].find(factor => factor * power >= raw * .9999);
  const first = Math.floor(low / step + 1e-9), last = Math.ceil(high / step - 1e-9);
  const values = [];
  for (let i = first; i <= last; ++i) values.push(i * step);
  return {low: first * step, high: last * step, values, text: value => String(Number(value.toPrecision(6)))};
}

function powers(low, high) {
  const first = Math.floor(Math.log10(low)), last = Math.max(first + 1, Math.ceil(Math.log10(high)));
  const values = [], step = Math.ceil((last - first) / 6);
  for (let i = first; i <= last; i += step) values.push(10 ** i);
  return {low: 10 ** first, high: 10 ** last, values, text: value => value >= 1e-3 && value < 1e5 ? String(Number(value.toPrecision(3))) : value.toExponential(0)};
}

// ---- Curves. points: [x, y]; of a band [x, low, high]

// In each column of the picture the first, lowest, highest and last point.
function thinned(points) {
  const kept = [];
  for (let begin = 0; begin < points.length;) {
    let end = begin, low = begin, high = begin;
    const column = Math.floor(points[begin][0]);
    for (; end < points.length && Math.floor(points[end][0]) === column; ++end) {
      if (points[end][1] < points[low][1]) low = end;
      if (points[end][1] > points[high][1]) high = end;
    }
    for (const i of [...new Set([begin, low, high, end - 1])].sort((a, b) => a - b)) kept.push(points[i]);
    begin = end;
  }
  return kept;
}

const path = points => points.map(([x, y], i) => `${i ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");

// Where a mean over the last ten or so lies; the first ones are not drawn towards zero.
function smoothed(points) {
  let sum = 0, weight = 0;
  return points.map(([x, y]) => {
    sum = .9 * sum + .1 * y;
    weight = .9 * weight + .1;
    return [x, sum / weight];
  });
}

class Plot {
  constructor(parent, title, options = {}) {
    this.box = make(parent, "div");
    this.title = title;
    this.options = options;
  }

  draw(curves) {
    const {log, epochs} = this.options;
    const fits = y => Number.isFinite(y) && (!log || y > 0);
    curves = curves.map(curve => ({...curve, points: curve.points.filter(([, ...ys]) => ys.every(fits))}))
      .filter(curve => curve.points.length);
    const width = Math.max(260, Math.floor(this.box.clientWidth));
    const svg = document.createElementNS(SVG, "svg");
    const size = {class: "normkit-plot", width, height: HEIGHT, viewBox: `0 0 ${width} ${HEIGHT}`, role: "img",
                  "aria-label": this.title};
    for (const [name, value] of Object.entries(size)) svg.setAttribute(name, value);
    make(svg, "text", {class: "title", x: 8, y: 20}, this.title);
    const top = this.legend(svg, curves, width) + 14;
    if (curves.length) this.picture(svg, curves, width, top, epochs);
    else make(svg, "text", {x: width / 2, y: HEIGHT / 2, "text-anchor": "middle"}, "nothing yet");
    this.box.replaceChildren(svg);
  }

  legend(svg, curves, width) {
    let x = 8, y = 38;
    for (const {name, style, color} of curves.filter(curve => curve.name)) {
      const wide = 26 + 6.6 * name.length + 14;
      if (x > 8 && x + wide > width) { x = 8; y += 17; }
      if (y > HEIGHT / 3) break;  // of a hundred layers the first ones
      make(svg, "line", {class: `curve s${color} ${style || ""}`, x1: x, x2: x + 18, y1: y - 4, y2: y - 4});
      make(svg, "text", {class: "key", x: x + 24, y}, name);
      x += wide;
    }
    return y;
  }

  picture(svg, curves, width, top, epochs) {
    const ys = curves.flatMap(curve => curve.points.flatMap(point => point.slice(1)));
    const extreme = (values, better) => values.reduce((a, b) => better(a, b));
    const low = extreme(ys, Math.min), high = extreme(ys, Math.max), bottom = HEIGHT - 24;
    const axis = this.options.log ? powers(low, high) : marks(low, high, Math.max(2, (bottom - top) / 40));
    const scale = this.options.log ? Math.log10 : value => value;
    const labels = axis.values.map(axis.text), left = 14 + 6.6 * Math.max(...labels.map(label => label.length));
    const right = width - 12, first = 0;
    const last = Math.max(2, ...curves.map(curve => curve.points.at(-1)[0]));
    const x = value => left + (value - first) / (last - first) * (right - left);
    const y = value => bottom - (scale(value) - scale(axis.low)) / (scale(axis.high) - scale(axis.low)) * (bottom - top);
    if (epochs) this.shade(svg, x, last, top, bottom, (right - left) / (last - first));
    axis.values.forEach((value, i) => {
      make(svg, "line", {class: "grid", x1: left, x2: right, y1: y(value), y2: y(value)});
      make(svg, "text", {x: left - 6, y: y(value) + 4, "text-anchor": "end"}, labels[i]);
    });
    const across = marks(first, last, Math.max(2, (right - left) / 90));
    for (const value of across.values.filter(value => value <= last))
      make(svg, "text", {x: x(value), y: bottom + 17, "text-anchor": value > .95 * last ? "end" : "middle"},
           across.text(value));
    make(svg, "line", {class: "axis", x1: left, x2: right, y1: bottom, y2: bottom});
    for (const curve of curves) this.curve(svg, curve, x, y);
  }

  // Every second epoch, or where they are narrow every second so many.
  shade(svg, x, last, top, bottom, pixels) {
    const each = about.per_epoch * Math.max(1, Math.ceil(8 / (about.per_epoch * pixels)));
    for (let begin = each; begin < last; begin += 2 * each)
      make(svg, "rect", {class: "epoch", x: x(begin), y: top, width: x(Math.min(begin + each, last)) - x(begin),
                         height: bottom - top});
  }

  curve(svg, {points, style, color, band}, x, y) {
    if (band) {
      const highs = thinned(points.map(([at, , high]) => [x(at), y(high)]));
      const lows = thinned(points.map(([at, low]) => [x(at), y(low)]));
      make(svg, "path", {class: `band d${color}`, d: `${path(highs)}${path(lows.reverse()).replace("M", "L")}Z`});
      return;
    }
    const at = thinned(points.map(([px, py]) => [x(px), y(py)]));
    make(svg, "path", {class: `curve s${color} ${style || ""}`, d: path(at)});
    if (style === "marked")
      for (const [cx, cy] of at) make(svg, "circle", {class: `d${color}`, cx: cx.toFixed(1), cy: cy.toFixed(1), r: 3});
    if (points.length === 1 && style !== "marked") make(svg, "circle", {class: `d${color}`, cx: at[0][0], cy: at[0][1], r: 2});
  }
}

// ---- What is shown

const plots = {};
const column = (rows, i) => rows.filter(row => row[i] !== null).map(row => [row[0], row[i]]);

function withValidation(i, j) {
  const raw = column(data.iterations, i);
  return [{points: raw, style: "raw", color: 0, name: "mini-batches"}, {points: smoothed(raw), color: 0, name: "smoothed"},
          {points: column(data.validations, j), style: "marked", color: 1, name: "validation"}];
}

// Columns of samples by their place, and the layers and plots there are.
function arrange() {
  let at = 1;
  for (const curve of about.curves) { curve.at = at; at += curve.band ? 3 : 1; }
  const norms = about.curves.filter(curve => curve.band);
  plots.measure = new Plot(element("progress"), about.measure === "accuracy" ? "Accuracy (percent)" : about.measure, {epochs: true});
  plots.loss = new Plot(element("progress"), "Loss", {epochs: true});
  plots.rate = new Plot(element("step"), "Learning rate", {epochs: true});
  for (const name of new Set(about.curves.map(curve => curve.plot))) {
    const own = about.curves.filter(curve => curve.plot === name);
    const parent = element(own[0].band ? "layers" : "step");
    plots[`curves ${name}`] = new Plot(parent, name, {log: own[0].log, epochs: !own[0].band});
  }
  element("norms").hidden = norms.length === 0;
  make(element("layer"), "option", {value: ""}, "all, the means over their channels");
  for (const layer of new Set(norms.map(curve => curve.layer))) make(element("layer"), "option", {value: layer}, layer);
  element("left-out").hidden = !about.left_out;
  element("left-out").textContent = about.left_out;
  element("layer").addEventListener("change", draw);
  for (const [name, value] of about.settings) {
    const row = make(element("settings"), "tr");
    make(row, "td", {}, name);
    make(row, "td", {}, value);
  }
}

function drawCurves(name, own) {
  const chosen = element("layer").value;
  const shown = own[0].band && chosen ? own.filter(curve => curve.layer === chosen) : own;
  const curves = [];
  for (const curve of shown) {
    const color = own.indexOf(curve) % COLORS, mean = curve.at + (curve.band ? 1 : 0);
    if (curve.band && chosen)
      curves.push({band: true, color, points: data.samples.map(row => [row[0], row[curve.at], row[curve.at + 2]])
        .filter(row => row[1] !== null)});
    curves.push({name: curve.layer, color, points: column(data.samples, mean), style: !curve.band && curve.layer !== "all" ? "raw" : ""});
  }
  plots[`curves ${name}`].draw(curves);
}

function timeLeft() {
  const rows = data.iterations, last = rows.at(-1), from = rows[Math.max(0, rows.length - 200)];
  if (data.state !== "training" || !last || last[0] === from[0]) return null;
  return (about.iterations - last[0]) * (last[1] - from[1]) / (last[0] - from[0]);
}

function figures() {
  const last = data.iterations.at(-1), validated = data.validations.at(-1), left = timeLeft();
  if (!last) return [];
  const unit = about.measure === "accuracy" ? " %" : "";
  const made = [["epoch", `${Math.min(Math.ceil(last[0] / about.per_epoch), about.iterations / about.per_epoch)} of ${about.iterations / about.per_epoch}`],
                ["iteration", `${Math.round(last[0])} of ${about.iterations}`],
                [`mini-batch ${about.measure}`, short(last[3]) + unit], ["mini-batch loss", short(last[2])]];
  if (validated) made.push([`validation ${about.measure}`, short(validated[2]) + unit], ["validation loss", short(validated[1])]);
  made.push(["learning rate", short(last[4])], ["time", duration(last[1])]);
  if (left !== null) made.push(["time left", duration(left)]);
  return made;
}

const STATES = {training: "Training.", finishing: "Trained; statistics and files are made.", done: "Done.",
                stopped: "Stopped.", failed: "Failed."};

function draw() {
  if (!about) return;
  plots.measure.draw(withValidation(3, 2));
  plots.loss.draw(withValidation(2, 1));
  plots.rate.draw([{points: column(data.iterations, 4), color: 2}]);
  for (const name of new Set(about.curves.map(curve => curve.plot)))
    drawCurves(name, about.curves.filter(curve => curve.plot === name));
  const list = element("figures");
  list.replaceChildren();
  for (const [label, value] of figures()) {
    const box = make(list, "div");
    make(box, "dt", {}, label);
    make(box, "dd", {}, value);
  }
  const last = data.iterations.at(-1), ended = !["training", "finishing"].includes(data.state);
  element("done").value = data.state === "done" ? 1 : (last ? last[0] : 0) / about.iterations;
  const lost = failures > 2 && !ended;
  element("state").className = lost || data.state === "failed" ? "lost" : "";
  element("state").textContent = lost ? "The program does not answer: it has ended, or waits." :
    stopping && data.state === "training" ? "Stops after this iteration." : STATES[data.state];
  element("note").hidden = !data.note;
  element("note").textContent = data.note;
  element("stop").querySelector("button").disabled = stopping || data.state !== "training";
}

// ---- What comes

async function get(address) {
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(`${address}: ${answer.status}`);
  return answer.json();
}

function take(answer) {
  for (const kind of ["iterations", "validations", "samples"])
    data[kind] = answer.begins ? answer[kind] : data[kind].concat(answer[kind]);
  for (const name of ["version", "state", "note"]) data[name] = answer[name];
}

async function ask() {
  let wait = EVERY;
  try {
    if (!about) { about = await get("about"); arrange(); }
    const had = ["iterations", "validations", "samples"].map(kind => `${kind}=${data[kind].length}`).join("&");
    const answer = await get(`data?version=${data.version}&${had}`);
    take(answer);
    failures = 0;
    if (answer.more) wait = 0;
  } catch (error) {
    ++failures;
  }
  if (wait) draw();
  if (["training", "finishing"].includes(data.state) && failures < 60) setTimeout(ask, wait);
}

element("stop").addEventListener("submit", async event => {
  event.preventDefault();
  stopping = true;
  draw();
  try {
    stopping = (await fetch("stop", {method: "POST", body: new URLSearchParams(new FormData(event.target))})).ok;
  } catch (error) {
    stopping = false;
  }
});
window.addEventListener("resize", draw);
ask();
