"use strict";

// Sorting keeps models, baselines and published figures in that order: only models are ranked.
const KINDS = ["model", "baseline", "published"];

function kindOf(row) {
  return KINDS.findIndex((kind) => row.classList.contains(kind));
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

function sortBy(button) {
  const header = button.closest("th");
  const table = header.closest("table");
  const column = Number(button.dataset.column);
  const ascending = header.getAttribute("aria-sort") === "descending";
  for (const other of table.querySelectorAll("thead th")) other.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", ascending ? "ascending" : "descending");
  const body = table.tBodies[0];
  const rows = [...body.rows].sort((a, b) =>
    kindOf(a) - kindOf(b) || compareKeys(keyOf(a, column), keyOf(b, column), ascending ? 1 : -1));
  body.append(...rows);
}

function filterBy(text) {
  const wanted = text.trim().toLowerCase();
  for (const row of document.querySelectorAll(".board tbody tr")) {
    row.hidden = !row.children[0].textContent.toLowerCase().includes(wanted);
  }
}

for (const button of document.querySelectorAll(".board thead button")) {
  button.addEventListener("click", () => sortBy(button));
}
document.getElementById("filter").addEventListener("input", (event) => filterBy(event.target.value));
