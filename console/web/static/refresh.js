// Keeps the upper part of the page fresh. Without script the page works all the same: reload it.
"use strict";

const SECONDS = 15;
const SECONDS_WHILE_WAITING = 3;

again();

function again() {
  const seconds = waiting(document.getElementById("live")) ? SECONDS_WHILE_WAITING : SECONDS;
  setTimeout(async () => (await refresh()) !== "signed out" && again(), seconds * 1000);
}

async function refresh() {
  const live = document.getElementById("live");
  if (document.hidden || reading(live)) return;
  let answer;
  try {
    answer = await fetch(live.dataset.source, { redirect: "error", cache: "no-store" });
  } catch {
    return; // Rollcall is away for a moment
  }
  if (answer.status === 401 || answer.status === 403) return "signed out";
  if (!answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("live");
  if (!fresh || reading(live)) return;
  const nobody = !document.querySelector("table.list");
  if (nobody && waiting(live) && !waiting(fresh)) location.reload(); // now there are people to list
  else put(fresh, live);
}

/** Whether there is nothing to show yet: trouble, or the first steps. */
function waiting(part) {
  return part.querySelector("#trouble, #next") !== null;
}

/** Whether somebody has marked text there, or is in a part that scrolls: then it must not change under them. */
function reading(live) {
  const marked = document.getSelection();
  const focused = document.activeElement;
  return (
    (!marked.isCollapsed && live.contains(marked.anchorNode)) || (live.contains(focused) && focused.matches(".scroll, .copy"))
  );
}

/** Replace the content, and leave open what was open and the focus where it was. */
function put(fresh, live) {
  const open = [...live.querySelectorAll("details[open]")].map((one) => one.id);
  const focused = live.contains(document.activeElement) ? document.activeElement.id : "";
  live.replaceChildren(...fresh.childNodes);
  for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
}
