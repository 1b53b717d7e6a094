// The page's own behaviour: evidence that answers a click, previews, copies, downloads, keys.
(() => {
  "use strict";
  const KEY = "askpapers-conversation";
  const OLDER = "askpapers-older"; // conversations of this browser that have an answer, last first
  const MOST = 21;
  let bridge = null;
  let origin = null; // the chip that was followed, to return to

  const $ = (id) => document.getElementById(id);
  const find = (anchor) =>
    document.getElementById(anchor) || document.querySelector(`mark[data-of~="${CSS.escape(anchor)}"]`);
  const calm = () => window.matchMedia("(prefers-reduced-motion: reduce)").matches;

  window.askpapers = {
    connect(element, trigger, server) {
      bridge = { trigger, server };
    },
    token: () => sessionStorage.getItem(KEY) || "",
    keep(token) {
      if (token) sessionStorage.setItem(KEY, token);
    },
    older: () => readOlder().filter((token) => token !== window.askpapers.token()),
    focusQuestion() {
      const box = document.querySelector("#ap-question textarea");
      if (box) box.focus();
    },
    focusPaper() {
      // Wait for the region to be drawn, or for the other tab to come up.
      setTimeout(() => {
        const asked = document.querySelector("#ap-question textarea");
        const target = asked && asked.offsetParent ? asked : $("ap-opened");
        target?.focus();
        target?.scrollIntoView({ block: "center" });
      }, 150);
    },
    save(file) {
      if (!file || !file.name) return;
      const url = URL.createObjectURL(new Blob([file.text], { type: file.type }));
      const link = Object.assign(document.createElement("a"), { href: url, download: file.name });
      document.body.append(link);
      link.click();
      link.remove();
      setTimeout(() => URL.revokeObjectURL(url), 10000);
    },
  };

  function readOlder() {
    try {
      const found = JSON.parse(localStorage.getItem(OLDER) || "[]");
      return Array.isArray(found) ? found.filter((one) => typeof one === "string") : [];
    } catch {
      return [];
    }
  }

  function remember(token) {
    const found = readOlder();
    if (!token || found[0] === token) return;
    localStorage.setItem(OLDER, JSON.stringify([token, ...found.filter((one) => one !== token)].slice(0, MOST)));
  }

  function showTurn(turn) {
    document.querySelectorAll(".ap-proof").forEach((section) => {
      section.hidden = section.dataset.turn !== String(turn);
    });
  }

  // Only the evidence moves where it has a column of its own: the answer stays under the eye.
  function reveal(target) {
    const column = $("ap-proof-column");
    const behavior = calm() ? "auto" : "smooth";
    if (getComputedStyle(column).overflowY !== "auto") return target.scrollIntoView({ block: "center", behavior });
    const whole = column.getBoundingClientRect();
    const at = target.getBoundingClientRect();
    const middle = (Math.max(whole.top, 0) + Math.min(whole.bottom, window.innerHeight)) / 2;
    column.scrollBy({ top: (at.top + at.bottom) / 2 - middle, behavior });
    return undefined;
  }

  function goTo(anchor, turn, from) {
    showTurn(turn);
    const target = find(anchor);
    if (!target) return;
    document.querySelectorAll("mark.ap-hit").forEach((mark) => mark.classList.remove("ap-hit"));
    const card = target.closest("details.ap-card");
    if (card) card.open = true;
    const pieces = document.querySelectorAll(`mark[data-of~="${CSS.escape(anchor)}"]`);
    pieces.forEach((mark) => mark.classList.add("ap-hit"));
    reveal(target);
    const focusable = target.matches("details") ? target.querySelector("summary") : target;
    focusable.focus({ preventScroll: true });
    origin = from;
    offerReturn();
  }

  // A region that was drawn again has another element for the same chip.
  const chipOf = (one) =>
    one.isConnected ? one : document.querySelector(`[data-goto="${CSS.escape(one.dataset.goto)}"]`);

  // The way back is offered while the chip that was followed is out of sight.
  function offerReturn() {
    const at = origin && chipOf(origin)?.getBoundingClientRect();
    const isAway = at && at.height > 0 && (at.bottom < 0 || at.top > window.innerHeight);
    $("ap-back")?.toggleAttribute("hidden", !isAway);
  }

  function goBack() {
    const chip = origin && chipOf(origin);
    origin = null;
    offerReturn();
    hidePreview();
    if (!chip) return;
    chip.focus({ preventScroll: true });
    chip.scrollIntoView({ block: "center", behavior: calm() ? "auto" : "smooth" });
    hidePreview();
  }

  function preview(chip) {
    let box = $("ap-preview");
    if (!box) {
      box = Object.assign(document.createElement("div"), { id: "ap-preview" });
      box.setAttribute("role", "tooltip");
      document.body.append(box);
    }
    box.textContent = chip.dataset.quote || chip.getAttribute("aria-label");
    box.hidden = false;
    const at = chip.getBoundingClientRect();
    const width = Math.min(420, window.innerWidth - 24);
    box.style.width = `${width}px`;
    box.style.left = `${Math.max(12, Math.min(at.left, window.innerWidth - width - 12))}px`;
    const below = at.bottom + 8;
    const fits = below + box.offsetHeight < window.innerHeight;
    box.style.top = `${fits ? below : Math.max(8, at.top - box.offsetHeight - 8)}px`;
  }

  function hidePreview() {
    const box = $("ap-preview");
    if (box) box.hidden = true;
  }

  async function copy(button) {
    const text = button.dataset.copy;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const area = Object.assign(document.createElement("textarea"), { value: text });
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    const label = button.textContent;
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = label), 1500);
  }

  // The map is one stop of the Tab key; arrows move from paper to paper, Enter asks about one.
  function pressOnMap(dot, key) {
    if (key === "Enter" || key === " ") {
      send(dot.dataset.action, { ...dot.dataset });
      return true;
    }
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[key];
    if (!way) return false;
    const at = (one) => [one.cx.baseVal.value, one.cy.baseVal.value];
    const [left, top] = at(dot);
    let next = null;
    let least = Infinity;
    for (const one of dot.ownerSVGElement.querySelectorAll(".ap-dot")) {
      const [x, y] = at(one);
      const ahead = (x - left) * way[0] + (y - top) * way[1];
      const aside = Math.abs((x - left) * way[1]) + Math.abs((y - top) * way[0]);
      const cost = ahead + 2 * aside;
      if (one !== dot && ahead > 0 && cost < least) [next, least] = [one, cost];
    }
    if (next) {
      dot.setAttribute("tabindex", "-1");
      next.setAttribute("tabindex", "0");
      next.focus();
    }
    return true;
  }

  // Gradio must see two actions as two events, whatever was sent before.
  const send = (action, data) => bridge && bridge.trigger(data.event || "submit", { ...data, action });

  document.addEventListener("click", (event) => {
    const followed = event.target.closest("[data-goto]");
    if (followed) return goTo(followed.dataset.goto, followed.dataset.turn, followed);
    if (event.target.closest("#ap-back")) return goBack();
    const copied = event.target.closest("[data-copy]");
    if (copied) return void copy(copied);
    const button = event.target.closest("button[data-action], circle[data-action]");
    if (button) send(button.dataset.action, { ...button.dataset });
    return undefined;
  });

  document.addEventListener("submit", async (event) => {
    const form = event.target.closest("form[data-action]");
    if (!form) return;
    event.preventDefault();
    const data = Object.fromEntries(new FormData(form, event.submitter));
    if (form.dataset.action !== "rate") return void send(form.dataset.action, data);
    const kept = form.querySelector(".ap-kept");
    const rating = { ...data, turn: form.dataset.turn, token: window.askpapers.token() };
    kept.textContent = (await bridge.server.rate(rating)) || "";
  });

  document.addEventListener("click", async (event) => {
    const stop = event.target.closest("#ap-stop");
    if (stop && bridge) await bridge.server.stop({ token: window.askpapers.token() });
  });

  document.addEventListener("keydown", (event) => {
    const dot = event.target.closest?.(".ap-dot");
    if (dot && pressOnMap(dot, event.key)) return event.preventDefault();
    if (event.key !== "Escape") return;
    const box = $("ap-preview");
    if (box && !box.hidden) hidePreview();
    if (origin && document.activeElement?.closest(".ap-proof")) goBack();
  });

  for (const kind of ["mouseover", "focusin"]) {
    document.addEventListener(kind, (event) => {
      const chip = event.target.closest?.(".ap-chip, .ap-dot");
      if (chip) preview(chip);
      else hidePreview();
    });
  }
  const onScroll = () => {
    hidePreview();
    offerReturn();
  };
  window.addEventListener("scroll", onScroll, { capture: true, passive: true });

  // A region that is drawn again takes the focus with it: give it back to the same chip.
  let focused = null;
  document.addEventListener("focusin", (event) => {
    focused = event.target.dataset?.goto ? event.target.dataset.goto : null;
  });
  // The turn being answered is kept in view until the reader scrolls; then the reader leads.
  let answering = false;
  let leads = false;
  for (const kind of ["wheel", "touchmove", "pointerdown"]) {
    document.addEventListener(kind, () => (leads = true), { passive: true });
  }
  function follow() {
    const live = document.querySelector(".ap-live[aria-busy=true]");
    if (live && !answering) {
      leads = false;
      origin = null;
      offerReturn();
    }
    const turns = document.querySelectorAll("#ap-talk .ap-turn");
    const shown = live || (answering && turns[turns.length - 1]);
    if (shown && !leads && shown.offsetHeight < window.innerHeight - 200) shown.scrollIntoView({ block: "nearest" });
    answering = Boolean(live);
  }
  new MutationObserver(() => {
    follow();
    if ($("turn-1")) remember(window.askpapers.token());
    // Gradio names its drop zone otherwise than it reads: what is read is the better name.
    document.querySelector("#ap-upload button.upload-container[aria-label]")?.removeAttribute("aria-label");
    if (!focused || document.activeElement !== document.body) return;
    const chip = document.querySelector(`[data-goto="${CSS.escape(focused)}"]`);
    if (chip) chip.focus({ preventScroll: true });
  }).observe(document.documentElement, { childList: true, subtree: true });
})();
