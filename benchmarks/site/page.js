"use strict";

// Only whole models are ranked: sorting moves them, their ablations and the published figures
// within their groups, and leaves ceilings on top and floors below.
const GROUPS = [["ceiling"], ["model", "ablation"], ["control"], ["floor"], ["baseline"], ["published"]];

function groupOf(row) {
  return GROUPS.findIndex((kinds) => kinds.some((kind) => row.classList.contains(kind)));
}

function keyOf(row, column) {
  const cell = row.children[column];
  if (column === 0) return cell.textContent.trim().toLowerCase();
  return "value" in cell.dataset ? Number(cell.dataset.value) : null;
}

function compareKeys(a, b, sign) {
  if (a === null || b === null) return (a === null) - (b === null); // nothing to show goes last
  return sign * (a < b ? -1 : a > b ? 1 : 0);
}

// The first press puts the best on top, the second turns it round.
function sortBy(button) {
  const header = button.closest("th");
  const table = header.closest("table");
  const column = Number(button.dataset.column);
  const first = column === 0 || button.dataset.better === "↓" ? "ascending" : "descending";
  const other = first === "ascending" ? "descending" : "ascending";
  const order = header.getAttribute("aria-sort") === first ? other : first;
  for (const one of table.querySelectorAll("thead th")) one.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", order);
  const sign = order === "ascending" ? 1 : -1;
  const body = table.tBodies[0];
  const rows = [...body.rows].sort((a, b) =>
    groupOf(a) - groupOf(b) || compareKeys(keyOf(a, column), keyOf(b, column), sign));
  body.append(...rows);
  say(`sorted by ${button.firstChild.textContent.trim()}, ${order}`);
}

const filter = document.getElementById("filter");
const hidePublished = document.getElementById("hide-published");
const status = document.getElementById("status");

function say(text) {
  status.textContent = text;
}

function applyFilter() {
  const wanted = filter.value.trim().toLowerCase();
  const shows = (name) => name.toLowerCase().includes(wanted);
  const rows = [...document.querySelectorAll(".board tbody tr")];
  for (const row of rows) {
    row.hidden = !shows(row.children[0].textContent) ||
      (hidePublished.checked && row.classList.contains("published"));
  }
  for (const answer of document.querySelectorAll("[data-system]")) {
    answer.hidden = !shows(answer.dataset.system);
  }
  for (const details of document.querySelectorAll(".elsewhere")) {
    details.hidden = hidePublished.checked;
  }
  say(wanted ? `${rows.filter((row) => !row.hidden).length} of ${rows.length} lines` : "");
}

// One player at a time; with the button, all of a card after each other.
function playInTurn(card) {
  const players = [...card.querySelectorAll("figure:not([hidden]) :is(video, audio)")];
  const next = (place) => {
    if (place >= players.length) return;
    players[place].currentTime = 0;
    players[place].addEventListener("ended", () => next(place + 1), { once: true });
    players[place].play();
  };
  next(0);
}

document.addEventListener("play", (event) => {
  for (const other of document.querySelectorAll("video, audio")) {
    if (other !== event.target) other.pause();
  }
}, true);

// A deep link may point into what is folded up or filtered away.
function showTarget() {
  let id = location.hash.slice(1);
  try { id = decodeURIComponent(id); } catch { /* as it stands */ }
  const target = id && document.getElementById(id);
  if (!target) return;
  for (let place = target; place; place = place.parentElement) {
    place.hidden = false;
    if (place.tagName === "DETAILS") place.open = true;
  }
  target.scrollIntoView();
}

for (const button of document.querySelectorAll(".board thead button")) {
  button.addEventListener("click", () => sortBy(button));
}
for (const button of document.querySelectorAll("button.together")) {
  const card = button.closest(".clip");
  if (card.querySelectorAll("video, audio").length < 2) continue;
  button.hidden = false;
  button.addEventListener("click", () => playInTurn(card));
}
filter.addEventListener("input", applyFilter);
hidePublished.addEventListener("change", applyFilter);
filter.form.addEventListener("submit", (event) => event.preventDefault());
window.addEventListener("hashchange", showTarget);
showTarget();
