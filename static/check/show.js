// How does a worker see what his browser has checked?  On the page of the check step by step; on his home quietly.
//
// All words come from the page, in his language. Without this script both pages say what can be done instead.

import { check, fetchData, forget, recall, remember } from "./steps.js";

const place = document.getElementById("check");
const words = JSON.parse(place.dataset.settings);
const isQuiet = place.hasAttribute("data-quiet");
const SEEN = "pbx-checked";

// --- writing -------------------------------------------------------------------------------------

function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

const filled = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
const grouped = (number) => String(number).replace(/\B(?=(\d{3})+$)/g, ",");

/** Cents or minutes as the rest of the site writes them. */
function amount(number, unit) {
  if (unit === "USD") return `$${grouped(number / 100n)}.${String(number % 100n).padStart(2, "0")}`;
  const [hours, rest] = [number / 60n, number % 60n];
  if (!hours) return `${rest} min`;
  return rest ? `${grouped(hours)} h ${rest} min` : `${grouped(hours)} h`;
}

/** A template of the page: what is said about a state, with icon and word. */
const copyOf = (name) => document.getElementById(`check-${name}`).content.cloneNode(true);

function shown(text) {
  const value = String(text);
  if (!/^[0-9a-f]{64}$/.test(value)) return value;
  return element("code", { title: value, class: "wk-hash" }, `${value.slice(0, 16)}…`);
}

function labelOf(of) {
  if (of.word) return words.labels[of.word];
  if (of.text) return of.text;
  const { names, labels } = words;
  return `${names[of.component] ?? of.component} (${labels[of.unit]}), ${names[of.provider] ?? of.provider}`;
}

function outcome(row) {
  const cell = element("span", { class: "wk-outcome" }, copyOf(`row-${{ true: "ok", false: "failed", null: "open" }[row.ok]}`));
  if (row.why) cell.append(" ", words.why[row.why] ?? words.why.odd);
  return cell;
}

function table(caption, columns, rows) {
  const { labels } = words;
  const head = element("tr", {}, ...columns.map((name) => element("th", { scope: "col" }, labels[name])));
  const body = rows.map((cells) =>
    element("tr", {}, ...cells.map((content, at) =>
      at
        ? element("td", { "data-label": labels[columns[at]] }, content)
        : element("th", { scope: "row", "data-label": labels[columns[at]] }, content))));
  return element("div", { class: "pbx-scroll pbx-scroll--stacked", role: "region", "aria-label": caption, tabindex: "0" },
    element("table", { class: "usa-table usa-table--borderless pbx-table pbx-table--stacked wk-figures" },
      element("caption", { class: "usa-sr-only" }, caption),
      element("thead", {}, head),
      element("tbody", {}, ...body)));
}

// --- a step --------------------------------------------------------------------------------------

function compared(row) {
  const { labels } = words;
  if (row.journal) {
    const { position, size } = row.journal;
    const line = filled(labels.line_of, { position: grouped(position), size: grouped(size) });
    return [shown(row.computed), element("span", {}, shown(row.compared), element("br", {}), line)];
  }
  if (row.total) {
    const total = { sum: amount(row.total.sum, row.total.unit), count: grouped(row.total.count) };
    return [shown(row.computed), element("span", {}, shown(row.compared), element("br", {}), filled(labels.total, total))];
  }
  return [shown(row.computed ?? ""), shown(row.compared ?? "")];
}

function figures(row) {
  const { of, figures: found, computed = "–" } = row;
  const money = (number) => (typeof number === "bigint" ? amount(number, of.unit) : String(number));
  // A balance that does not agree carries its two figures; the rest is not known for sure.
  if (!found) return [money(computed), "–", "–", row.compared === undefined ? "–" : money(row.compared)];
  return [found.stated === undefined ? "–" : money(found.stated), money(found.came), money(found.went), money(found.now)];
}

function tablesOf(name, rows) {
  const lined = (some, cells) => some.map((row) => [labelOf(row.of), ...cells(row), outcome(row)]);
  const usual = (title, some) => table(title, ["what", "computed", "compared", "result"], lined(some, compared));
  if (name !== "balance") return [usual(words.steps[name], rows)];
  const balances = rows.filter((row) => row.of.component);
  const columns = ["benefit", "stated", "came", "went", "now", "result"];
  return [
    table(words.steps[name], columns, lined(balances, figures)),
    usual(words.labels.age, rows.filter((row) => row.of.word === "age")),
  ];
}

function showStep(name, step) {
  const box = document.getElementById(`step-${name}`);
  box.dataset.status = step.status;
  box.querySelector("[data-status-of]").replaceChildren(copyOf(`step-${step.status}`));
  if (!step.rows.length) return;
  const summary = element("summary", {}, filled(words.labels.rows, { count: step.rows.length }));
  const details = element("details", {}, summary, ...tablesOf(name, step.rows));
  // What is fine can be folded away; the amounts are what one has come for.
  details.open = step.status !== "ok" || name === "balance";
  box.querySelector("[data-rows-of]").replaceChildren(details);
}

// --- all of it -----------------------------------------------------------------------------------

/** {status, steps}: "ok", "failed", "not_checked", or "none" while there is no statement. */
async function run(tell) {
  if (!globalThis.crypto?.subtle) return { status: "not_checked", steps: {} };
  const data = await fetchData(words.address);
  if (data.round === null) return { status: "none", steps: {} };
  const memory = await recall(words.number).catch(() => null);
  const result = await check(data, { memory, tell });
  // A browser that may keep nothing checks anew each time, as if it were the first.
  if (result.remember) await remember(words.number, result.remember).catch(() => {});
  return result;
}

/** Say how it went, with the steps that failed or were not checked by their names. */
function conclude({ status, steps }) {
  const said = copyOf(`all-${status}`);
  for (const list of said.querySelectorAll("[data-steps-that]")) {
    const names = Object.keys(steps).filter((name) => steps[name].status === list.dataset.stepsThat);
    list.replaceChildren(...names.map((name) => element("li", {}, words.steps[name])));
  }
  const target = isQuiet && status === "failed" ? document.getElementById("check-alarm") : place;
  target.replaceChildren(said);
  place.dataset.status = status;
}

async function begin() {
  if (isQuiet && sessionStorage.getItem(SEEN) === words.visit) return conclude({ status: "ok", steps: {} });
  if (!isQuiet) place.replaceChildren(copyOf("all-running"));
  let result;
  try {
    result = await run(isQuiet ? undefined : showStep);
  } catch {
    result = { status: "not_checked", steps: {} };
  }
  conclude(result);
  if (isQuiet && result.status === "ok") sessionStorage.setItem(SEEN, words.visit);
}

document.getElementById("check-forget")?.addEventListener("click", async () => {
  await forget(words.number);
  await begin();
});
await begin();
