// Draws each chart from the table behind it, so that no figure stands twice. A picture may round; the table is exact.
"use strict";

const dark = matchMedia("(prefers-color-scheme: dark)");
const MOST_ROWS = 12;

function read(figure) {
  const heads = [...figure.querySelectorAll("thead th")];
  const columns = heads.map((head, at) => ({ name: head.textContent.trim(), at })).slice(1)
    .filter(({ at }) => !heads[at].classList.contains("sum"));
  const rows = [...figure.querySelectorAll("tbody tr")].map((row) => ({
    place: row.cells[0].textContent.trim(),
    values: columns.map(({ at }) => Number(row.cells[at].querySelector("data")?.value ?? 0)),
  }));
  return { columns: columns.map((column) => column.name), rows };
}

// Plotly takes some markup in labels: names are shown as they are.
const plain = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
const short = (text) => (text.length > 26 ? `${text.slice(0, 25)}…` : text);

function upright({ columns, rows }, colours) {
  const places = rows.map((row) => row.place);
  return columns.map((name, at) => ({
    type: "bar", name: plain(short(name)), x: places, y: rows.map((row) => row.values[at]),
    marker: { color: colours[at % colours.length] }, hovertemplate: "%{y:,.2f}",
  }));
}

function lying({ columns, rows }, colours, isChange) {
  const shown = rows.slice(0, MOST_ROWS).reverse();
  const places = shown.map((row) => plain(short(row.place)));
  return columns.map((name, at) => ({
    type: "bar", orientation: "h", name: plain(name), y: shown.map((_, place) => place), x: shown.map((row) => row.values[at]),
    customdata: places, hovertemplate: isChange ? "%{customdata}<br>%{x:+,.2f}<extra></extra>" : "%{customdata}<br>%{x:,.2f}",
    marker: { color: isChange ? shown.map((row) => (row.values[at] < 0 ? colours.down : colours.up)) : (at ? colours[0] : colours.before) },
    meta: places,
  }));
}

function draw(figure) {
  const style = getComputedStyle(document.documentElement);
  const value = (name) => style.getPropertyValue(name).trim();
  const colours = [1, 2, 3, 4, 5, 6, 7].map((n) => value(`--c${n}`));
  Object.assign(colours, { up: value("--less"), down: value("--c3"), before: value("--c7") });
  const kind = figure.dataset.chart, table = read(figure), isFlat = kind === "changes" || kind === "compare";
  if (!table.rows.length || !table.columns.length) return;
  const traces = isFlat ? lying(table, colours, kind === "changes") : upright(table, colours);
  const plot = figure.querySelector(".plot"), isNarrow = plot.clientWidth < 560;
  const axis = { gridcolor: value("--faint"), zerolinecolor: value("--faint"), linecolor: value("--faint"), automargin: true, fixedrange: true };
  const labels = isFlat
    ? { tickmode: "array", tickvals: traces[0].y, ticktext: traces[0].meta }
    : { type: "category", nticks: isNarrow ? 6 : 16, tickangle: 0 };
  const tickformat = amounts(table.rows);
  const days = !isFlat && table.rows.length > 12;
  if (days) Object.assign(labels, { tickmode: "array", ...everyFew(table.rows, isNarrow ? 7 : 3) });
  figure.classList.add("drawn");
  if (isFlat) plot.style.height = `${Math.min(table.rows.length, MOST_ROWS) * (traces.length > 1 ? 34 : 26) + 90}px`;
  Plotly.react(plot, traces, {
    barmode: isFlat ? "group" : "stack", bargap: days || isFlat ? 0.25 : table.rows.length < 5 ? 0.62 : 0.4,
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: value("--grey") },
    margin: { l: 8, r: 12, t: 8, b: 8 }, showlegend: traces.length > 1,
    legend: { orientation: "h", y: isFlat ? 1.02 : -0.14, yanchor: isFlat ? "bottom" : "top", x: 0, traceorder: "normal" },
    hovermode: isFlat ? "closest" : "x unified",
    hoverlabel: { bgcolor: value("--card"), bordercolor: value("--faint"), font: { color: value("--ink") } },
    xaxis: isFlat ? { ...axis, tickformat } : { ...axis, ...labels },
    yaxis: isFlat ? { ...axis, ...labels, gridcolor: "rgba(0,0,0,0)" } : { ...axis, tickformat, rangemode: "tozero" },
  }, { displayModeBar: false, responsive: true });
}

// Thousands and millions are written short; less than that is written out, for nobody reads 0.6 from "600m".
function amounts(rows) {
  const largest = Math.max(...rows.map((row) => row.values.reduce((sum, one) => sum + Math.abs(one), 0)));
  return largest >= 10000 ? ",.3~s" : largest >= 0.001 ? ",.6~f" : ",.2~g";
}

function everyFew(rows, step) {
  const some = rows.filter((_, at) => at % step === 0).map((row) => row.place);
  return { tickvals: some, ticktext: some.map((day) => (/^\d{4}-\d\d-\d\d$/.test(day) ? String(Number(day.slice(8))) : day)) };
}

const all = () => document.querySelectorAll(".chart").forEach(draw);
all();
dark.addEventListener("change", all);
matchMedia("print").addEventListener("change", all);
