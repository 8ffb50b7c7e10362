
const SVG = "http://www.w3.org/2000/svg";

function shape(name, attributes, parent, text) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  parent.append(element);
  return element;
}

/** The tracks of a Chrome trace: names, bars and how long the token takes. */
function tracks(trace) {
  const named = new Map();
  for (const event of trace.traceEvents) {
    if (event.ph === "M" && event.name === "thread_name" && event.tid > 0) {
      named.set(event.tid, { name: event.args.name, bars: [] });
    }
  }
  for (const event of trace.traceEvents) {
    if (event.ph === "X" && event.tid > 0) named.get(event.tid)?.bars.push(event);
  }
  return [...named.values()];
}

/** Draws one token's cycles over `room` pixels: a rail for each slice, a bar from an instruction's first issue to its last. */
function drawSchedule(figure, trace, room) {
  const { cycles, position } = trace.metadata;
  const rows = tracks(trace);
  // One unit is one pixel, so that letters keep their size in narrow panes.
  const [left, width, rowHeight, top] = [96, Math.max(120, room - 144), 22, 4];
  const height = top + rows.length * rowHeight + 20;
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", `0 0 ${left + width + 48} ${height}`);
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", `Cycles of the token at position ${position} over the slices`);
  const x = (cycle) => left + (cycle / cycles) * width;
  rows.forEach((row, index) => {
    const y = top + index * rowHeight;
    const busy = row.bars.reduce((sum, bar) => sum + bar.args.issues, 0);
    shape("text", { x: left - 8, y: y + 14, "text-anchor": "end" }, svg, row.name.replace(/ \(.*/, ""));
    shape("rect", { class: "rail", x: left, y: y + 2, width, height: rowHeight - 6, rx: 3 }, svg);
    const group = shape("g", { fill: `var(--slice-${index % 6})` }, svg);
    for (const bar of row.bars) {
      const density = Math.max(0.25, Math.min(1, bar.args.issues / bar.dur));
      shape("rect", {
        x: x(bar.ts).toFixed(2), y: y + 2, width: Math.max(0.6, (bar.dur / cycles) * width).toFixed(2),
        height: rowHeight - 6, opacity: density.toFixed(2),
      }, group);
    }
    const share = `${((100 * busy) / cycles).toFixed(0)} %`;
    shape("text", { class: "value", x: left + width + 8, y: y + 14 }, svg, share);
  });
  const parts = width > 320 ? 4 : 2;
  for (let part = 0; part <= parts; part += 1) {
    const cycle = Math.round((cycles * part) / parts);
    const anchor = part === 0 ? "start" : part === parts ? "end" : "middle";
    shape("text", { class: "value", x: x(cycle), y: height - 4, "text-anchor": anchor }, svg, cycle.toLocaleString("en"));
  }
  figure.querySelector("figcaption").textContent =
    `Cycles of the token at position ${position}: each slice from 0 to ${cycles.toLocaleString("en")}, and the share in which it has an issue`;
  figure.querySelector(".plot").replaceChildren(svg);
}
