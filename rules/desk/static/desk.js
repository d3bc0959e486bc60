// Small comforts. Every page works without them.
"use strict";

for (const button of document.querySelectorAll(".with-script")) button.hidden = false;

// What went wrong is what a reader wants first, and a screen reader starts where the focus is.
document.querySelector(".summary")?.focus();

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-print], button[data-copy]");
  if (!button) return;
  if (button.hasAttribute("data-print")) {
    window.print();
    return;
  }
  const source = document.getElementById(button.dataset.copy);
  const told = document.getElementById("copied");
  try {
    await navigator.clipboard.writeText(source.innerText);
    told.textContent = "Copied.";
  } catch {
    // Without leave to write to the clipboard: mark the text, so that one key copies it.
    window.getSelection().selectAllChildren(source);
    told.textContent = "The text is marked: press Ctrl+C.";
  }
});

// The head of the list is made anew when it is sorted: the focus goes back to where it was.
let focused = "";
document.addEventListener("htmx:beforeSwap", () => {
  const cell = document.activeElement?.closest("#results th");
  focused = cell ? `#results th:nth-child(${cell.cellIndex + 1}) a` : "";
});
document.addEventListener("htmx:afterSettle", () => {
  if (focused) document.querySelector(focused)?.focus();
});
