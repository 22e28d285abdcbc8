"use strict";
const copy = document.getElementById("copy");
if (copy && navigator.clipboard) {
  copy.hidden = false;
  copy.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(document.getElementById("command").textContent);
      copy.textContent = "Copied";
    } catch {
      copy.textContent = "Select it by hand";
    }
  });
}
const key = (row, column) => {
  const cell = row.cells[column];
  const text = cell.dataset.sort ?? cell.textContent;
  return { text, number: text === "" ? NaN : Number(text) };
};
const compare = (a, b) =>
  a.text === "" || b.text === "" ? (a.text === "") - (b.text === "")
    : Number.isNaN(a.number) || Number.isNaN(b.number) ? a.text.localeCompare(b.text, "en", { numeric: true })
    : a.number - b.number;
for (const table of document.querySelectorAll("table.sortable")) {
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    button.title = "Sort by this column";
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const ascending = head.getAttribute("aria-sort") !== "ascending";
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", ascending ? "ascending" : "descending");
      const body = table.tBodies[0];
      const rows = [...body.rows].map((row) => ({ row, key: key(row, column) }));
      rows.sort((a, b) => (a.key.text === "" || b.key.text === "" ? 1 : ascending ? 1 : -1) * compare(a.key, b.key));
      body.append(...rows.map((entry) => entry.row));
    });
  });
}
