// The board's page: live updates, decisions, dropping images, and keys. Without it the pages still show everything.

const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];

/** Parse HTML that the server has rendered and escaped. */
function parsed(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content;
}

/** Say a short message, also to screen readers. */
function say(text, isError = false) {
  const status = $("#status");
  status.textContent = text;
  status.classList.toggle("error", isError);
  status.classList.add("shown");
  clearTimeout(say.timer);
  say.timer = setTimeout(() => status.classList.remove("shown"), 8000);
}

/** Send JSON, and return the answer's JSON. Throws an Error with the server's reason. */
async function send(method, path, body) {
  let answer;
  try {
    answer = await fetch(path, { method, headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
  } catch {
    throw new Error("The board does not answer. Is `dropreel board` still running?");
  }
  const text = await answer.text();
  let found = {};
  try { found = JSON.parse(text); } catch { found = { error: text.trim() }; }
  if (!answer.ok) throw new Error(found.error || `The board answered ${answer.status}.`);
  return found;
}

// --- live updates ----------------------------------------------------------------------------------------------------

const RETRY_REFUSED = 5000; // milliseconds after which a stream that was refused is asked for again
const OFFLINE = "not connected: is `dropreel board` running?";

/** Replace the parts of a card that have changed. A video that plays, and what has the focus, stay. */
function mergeCard(old, fresh) {
  for (const part of $$(":scope > [data-part]", fresh)) {
    const before = $(`:scope > [data-part="${part.dataset.part}"]`, old);
    if (!before || before.dataset.hash === part.dataset.hash) continue;
    const focused = before.contains(document.activeElement) ? document.activeElement : null;
    keepOpen(before, part);
    before.replaceWith(part);
    if (focused) ($(focusSelector(focused), part) ?? old).focus();
  }
  old.className = fresh.className;
  old.setAttribute("aria-label", fresh.getAttribute("aria-label"));
}

function focusSelector(element) {
  if (element.dataset.action) return `[data-action="${element.dataset.action}"]`;
  if (element.getAttribute("href")) return `[href="${CSS.escape(element.getAttribute("href"))}"]`;
  return element.tagName.toLowerCase();
}

/** What was opened stays open in the part that replaces it. */
function keepOpen(before, after) {
  const fresh = $$("details", after);
  $$("details", before).forEach((details, index) => { if (fresh[index] && details.open) fresh[index].open = true; });
}

function takeCard(html) {
  const fresh = parsed(html).firstElementChild;
  const old = document.getElementById(fresh.id);
  if (old) return mergeCard(old, fresh);
  const list = $("#cards");
  if (list?.dataset.first !== "1") return undefined;
  $("#hint")?.remove();
  return list.prepend(fresh);
}

function replaceHtml(element, html) {
  const focused = element.contains(document.activeElement) ? document.activeElement : null;
  const selector = focused && (focused.getAttribute("href") ? `[href="${CSS.escape(focused.getAttribute("href"))}"]` : focused.tagName);
  element.replaceChildren(parsed(html));
  if (selector) $(selector, element)?.focus();
}

/** Follow the stack while the page is seen. A browser opens six connections to one host: hidden tabs leave theirs to others. */
function followWhileSeen() {
  let source = null;
  let timer = 0;
  const close = () => {
    clearTimeout(timer);
    source?.close();
    source = null;
  };
  const open = () => {
    close();
    source = follow();
    source.addEventListener("error", refused);
  };
  // A browser connects again, but not after an answer other than 200: that of another session, or of too many pages.
  const refused = async (event) => {
    if (event.target !== source || source.readyState !== EventSource.CLOSED) return;
    clearTimeout(timer);
    timer = setTimeout(open, RETRY_REFUSED);
    const answer = await fetch("/static/board.js", { method: "HEAD" }).catch(() => null);
    if (answer?.status === 403) document.body.dataset.offline = "The board was started again: open the address that it printed.";
  };
  const update = () => {
    if (document.hidden === (source === null)) return;
    if (document.hidden) close(); else open();
  };
  document.addEventListener("visibilitychange", update);
  addEventListener("pagehide", close);
  addEventListener("pageshow", update);
  update();
}

/** The page is of a board that has ended: what it shows may be old. Reload it, unless something is open or plays. */
function onRestart() {
  document.body.dataset.offline = "The board was started again: reload this page.";
  document.body.classList.add("offline");
  if (!$("dialog[open]") && $$("video").every((video) => video.paused)) location.reload();
}

function follow() {
  const query = new URLSearchParams(document.body.dataset.query);
  query.set("version", document.body.dataset.version);
  query.set("board", document.body.dataset.board);
  const source = new EventSource(`/updates?${query}`);
  source.addEventListener("update", (event) => {
    const news = JSON.parse(event.data);
    document.body.dataset.version = event.lastEventId;
    for (const name of ["head", "notices", "counts", "total"]) {
      if (news[name] !== undefined && $(`#${name}`)) replaceHtml($(`#${name}`), news[name]);
    }
    for (const card of news.cards) takeCard(card.html);
    document.dispatchEvent(new CustomEvent("board:update", { detail: news }));
  });
  source.addEventListener("open", () => document.body.classList.remove("offline"));
  source.addEventListener("error", () => {
    document.body.dataset.offline = OFFLINE;
    document.body.classList.add("offline");
  });
  source.addEventListener("restarted", () => {
    source.close();
    onRestart();
  });
  return source;
}

function secondsText(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  if (whole < 86400) return `${Math.floor(whole / 3600)} h ${Math.floor(whole / 60) % 60} min`;
  return `${Math.floor(whole / 86400)} d ${Math.floor(whole / 3600) % 24} h`;
}

function tick() {
  for (const element of $$("[data-since]")) {
    element.textContent = secondsText((Date.now() - Date.parse(element.dataset.since)) / 1000);
  }
}

// --- decisions -------------------------------------------------------------------------------------------------------

async function ask(path) {
  const dialog = $("#action-dialog");
  let answer;
  try {
    answer = await fetch(path);
  } catch {
    return say("The board does not answer. Is `dropreel board` still running?", true);
  }
  const content = parsed(await answer.text());
  if (!answer.ok) return say($("main p", content)?.textContent ?? "This is no longer possible.", true);
  dialog.replaceChildren(content);
  dialog.showModal();
  return undefined;
}

async function decide(form) {
  const error = $(".error", form);
  const buttons = $$("button", form);
  const { attempt, cents, confirmed } = form.dataset; // what was shown
  const answers = { ...Object.fromEntries(new FormData(form)), attempt, cents, confirmed };
  buttons.forEach((button) => { button.disabled = true; });
  try {
    const done = await send("POST", form.dataset.path, answers);
    $("#action-dialog").close();
    say(done.message);
    document.getElementById(`job-${form.dataset.job}`)?.focus();
  } catch (fault) {
    error.textContent = fault.message;
    error.hidden = false;
  } finally {
    buttons.forEach((button) => { button.disabled = false; });
  }
}

async function switchSubmissions(button) {
  const hadFocus = document.activeElement === button;
  button.disabled = true;
  say("Asking Lambda; this takes seconds.");
  try {
    say((await send("POST", `/submissions/${button.dataset.switch}`, {})).message);
  } catch (fault) {
    say(fault.message, true);
  } finally {
    button.disabled = false;
    // A disabled button loses the focus, and the stream may have replaced it in the meantime.
    if (hadFocus && document.activeElement === document.body) $("#head [data-switch]")?.focus();
  }
}

// --- keys ------------------------------------------------------------------------------------------------------------

/** The card that is next in a direction, by where the cards are on the screen. */
function nextCard(card, key) {
  const cards = $$(".card");
  const at = cards.indexOf(card);
  const perRow = cards.filter((each) => Math.abs(each.offsetTop - cards[0].offsetTop) < 8).length;
  const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -perRow, ArrowDown: perRow };
  return cards[Math.min(cards.length - 1, Math.max(0, at + steps[key]))];
}

function onKey(event) {
  const card = event.target.closest?.(".card");
  if (!card || event.target !== card || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key.startsWith("Arrow")) {
    event.preventDefault();
    const next = nextCard(card, event.key);
    next.focus();
    next.scrollIntoView({ block: "nearest" });
  } else if (event.key === "Enter") {
    $("h2 a", card).click();
  } else if (event.key === " ") {
    const video = $("video", card);
    if (!video) return;
    event.preventDefault();
    if (video.paused) video.play().catch(() => {}); else video.pause();
  }
}

// --- videos ----------------------------------------------------------------------------------------------------------

/** An address of S3 lives for minutes: get a new one where a video that was loaded stops for that. */
function onVideoError(event) {
  const video = event.target;
  if (video.tagName !== "VIDEO" || Date.now() - Number(video.dataset.retried ?? 0) < 60_000) return;
  const { currentTime, paused } = video;
  if (!currentTime) return;
  video.dataset.retried = Date.now();
  video.load();
  video.currentTime = currentTime;
  if (!paused) video.play().catch(() => {});
}

// --- one job, charges ------------------------------------------------------------------------------------------------

/** Read what is shown on demand, once. */
async function load(details) {
  const place = $("[data-loaded]", details);
  if (!details.open || !place || place.textContent) return;
  place.textContent = "reading …";
  try {
    const answer = await fetch(details.dataset.load);
    const content = parsed(await answer.text());
    if (answer.ok) place.replaceChildren(content);
    else place.textContent = $("main p", content)?.textContent ?? `The board answered ${answer.status}.`;
  } catch {
    place.textContent = "";
    say("The board does not answer. Is `dropreel board` still running?", true);
  }
}

async function copy(button) {
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    say("Copied.");
  } catch {
    getSelection().selectAllChildren(button.previousElementSibling);
    say("It is selected: copy it with the keyboard.");
  }
}

/** Replace the parts of a page that is no list of jobs, again and again while it is looked at. */
function followPage(page) {
  const again = async () => {
    try {
      if (!document.hidden) {
        const answer = await fetch(page.dataset.follow);
        const fresh = answer.ok && parsed(await answer.text()).firstElementChild;
        if (fresh) {
          mergeCard(page, fresh);
          page.dataset.seconds = fresh.dataset.seconds;
        }
      }
    } catch { /* the stream shows that the board is gone */ }
    setTimeout(again, Number(page.dataset.seconds) * 1000);
  };
  setTimeout(again, Number(page.dataset.seconds) * 1000);
}

addEventListener("toggle", (event) => { if (event.target.dataset?.load) load(event.target); }, true);
$$("[data-follow]").forEach(followPage);

addEventListener("error", onVideoError, true);
addEventListener("keydown", onKey);
addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button?.dataset.action) ask(`/jobs/${button.dataset.job}/actions/${button.dataset.action}`);
  if (button?.dataset.ask) ask(button.dataset.ask);
  if (button?.dataset.switch) switchSubmissions(button);
  if (button?.dataset.copy) copy(button);
});
addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.dataset.path || event.submitter?.value !== "do") return;
  event.preventDefault();
  decide(form);
});
setInterval(tick, 1000);
followWhileSeen();

// --- dropping images -------------------------------------------------------------------------------------------------

const AT_ONCE = 4; // files that are sent at the same time
const PLAN_DELAY = 400; // milliseconds after the last change of an option

/** The drop that is open: its draft on the board, what was sent of how much, and the request for its plan. */
const drop = { draft: null, opening: null, limits: {}, sentBytes: 0, totalBytes: 0, sent: 0, total: 0, turn: 0, timer: 0, again: null, same: null, uploading: false };
const dropDialog = $("#drop-dialog");

/** Read all files of dropped folders, as [path, file]. Names are kept as they are. */
async function walk(entry, path = "") {
  if (entry.isFile) {
    try {
      return [[path + entry.name, await new Promise((found, failed) => { entry.file(found, failed); })]];
    } catch (fault) {
      refuse(path + entry.name, `It cannot be read: ${fault.message}`);
      return [];
    }
  }
  const reader = entry.createReader();
  const entries = [];
  try {
    for (;;) {
      const some = await new Promise((found, failed) => { reader.readEntries(found, failed); });
      if (!some.length) break;
      entries.push(...some);
    }
  } catch (fault) {
    refuse(path + entry.name, `It cannot be read: ${fault.message}`);
  }
  const files = [];
  for (const each of entries) files.push(...await walk(each, `${path}${entry.name}/`));
  return files;
}

function refuse(path, why) {
  const line = document.createElement("li");
  line.textContent = `${path}: ${why}`;
  $("#drop-refused").append(line);
  $("#drop-refused").hidden = false;
}

function dropError(text) {
  $("#drop-error").textContent = text;
  $("#drop-error").hidden = !text;
}

function clearPlan() {
  drop.turn += 1;
  $("#drop-plan").replaceChildren();
  $("#drop-close-row").hidden = false;
}

function showDrop() {
  if (!dropDialog.open) {
    dropDialog.showModal();
    $("#drop-title").focus();
  }
}

/** Open a draft on the board, and show its options. */
async function openDraft() {
  if (drop.draft) return;
  const opened = await send("POST", "/drops", {});
  if (!dropDialog.open) {
    closeDraft(opened.id);
    throw new Error("It was closed.");
  }
  drop.draft = opened.id;
  drop.limits = opened;
  $("#drop-options").replaceChildren(parsed(opened.options));
}

/** Close a draft: its files are removed. What is being uploaded continues. */
function closeDraft(id) {
  fetch(`/drops/${id}`, { method: "DELETE", keepalive: true }).catch(() => {});
}

function resetDrop() {
  drop.again?.abort();
  if (drop.draft && !drop.uploading) closeDraft(drop.draft);
  clearTimeout(drop.timer);
  Object.assign(drop, { draft: null, sentBytes: 0, totalBytes: 0, sent: 0, total: 0, again: null, uploading: false });
  clearPlan();
  dropError("");
  $("#drop-options").replaceChildren();
  $("#drop-refused").replaceChildren();
  $("#drop-refused").hidden = true;
  $("#drop-receiving").hidden = true;
  $("#drop-choose").hidden = false;
  $("#drop-files").value = "";
  $("#drop-folder").value = "";
}

function sendFile(draft, path, file, onBytes) {
  return new Promise((done, failed) => {
    const request = new XMLHttpRequest();
    const withReason = (why) => failed(new Error(why));
    let before = 0;
    request.open("PUT", `/drops/${draft}/files?path=${encodeURIComponent(path)}`);
    request.upload.addEventListener("progress", (event) => { onBytes(event.loaded - before); before = event.loaded; });
    request.addEventListener("load", () => {
      if (request.status < 300) return done();
      let why = `The board answered ${request.status}.`;
      try { why = JSON.parse(request.responseText).error || why; } catch { /* not JSON */ }
      return withReason(why);
    });
    request.addEventListener("error", () => withReason("It could not be read or sent. Was it moved, or has `dropreel board` ended?"));
    request.addEventListener("abort", () => withReason("It was closed."));
    drop.again.signal.addEventListener("abort", () => request.abort());
    request.send(file);
  });
}

function showSent() {
  const number = (value) => value.toLocaleString("en");
  $("#drop-receiving").hidden = drop.sent >= drop.total;
  $("#drop-receiving-text").textContent = `Reading ${number(drop.total)} file${drop.total === 1 ? "" : "s"}: ${number(drop.sent)} done`;
  $("#drop-receiving-bar").max = Math.max(1, drop.totalBytes);
  $("#drop-receiving-bar").value = Math.min(drop.sentBytes, drop.totalBytes);
}

/** Give files to the draft, as [path, file]. After the last one the plan is shown. */
async function take(files) {
  showDrop();
  dropError("");
  if (!files.length) return dropError("There was no file in it.");
  clearPlan();
  drop.again ??= new AbortController();
  const { signal } = drop.again;
  try {
    drop.opening ??= openDraft();
    await drop.opening;
  } catch (fault) {
    return signal.aborted ? undefined : dropError(fault.message);
  } finally {
    drop.opening = null;
  }
  if (signal.aborted) return undefined;
  if ($("#drop-choose").contains(document.activeElement)) $("#drop-title").focus(); // what is hidden loses the focus
  $("#drop-choose").hidden = true;
  const { draft, limits } = drop;
  const waiting = [];
  for (const [path, file] of files) {
    if (drop.total >= limits.max_files) {
      refuse(path, `More than ${limits.max_files} files at once: drop fewer, or use the command dropreel drop.`);
      break;
    }
    if (file.size > limits.max_bytes) refuse(path, `It has ${(file.size / 1e6).toFixed(0)} MB; the stack takes at most ${limits.max_bytes / 1e6} MB.`);
    else if (!path.isWellFormed?.() && path.isWellFormed) refuse(path, "Its name is not valid Unicode; rename it.");
    else {
      waiting.push([path, file]);
      drop.total += 1;
      drop.totalBytes += file.size;
    }
  }
  showSent();
  async function work() {
    for (let next = waiting.shift(); next && !signal.aborted; next = waiting.shift()) {
      const [path, file] = next;
      try {
        await sendFile(draft, path, file, (bytes) => { drop.sentBytes += bytes; if (!signal.aborted) showSent(); });
      } catch (fault) {
        if (signal.aborted) return;
        refuse(path, fault.message);
      }
      drop.sent += 1;
      if (!signal.aborted) showSent();
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return signal.aborted || drop.sent < drop.total ? undefined : plan();
}

function pathsOf(input) {
  return [...input.files].map((file) => [file.webkitRelativePath || file.name, file]);
}

/** What the controls ask for: only the options that were changed. */
function asked() {
  const form = $("#drop-form");
  const options = {};
  for (const control of form.elements) {
    if (!control.name || control.name === "to" || control.name === "again") continue;
    if (control.type === "radio" && !control.checked) continue;
    if ("touchable" in control.dataset && !("touched" in control.dataset)) continue;
    const value = control.type === "checkbox" ? String(control.checked) : control.value.trim();
    if (value || "touched" in control.dataset) options[control.name] = value;
  }
  return { options, to: form.elements.to.value, again: form.elements.again.checked };
}

/** Ask for the plan, and show it. Only the answer to the last request counts. */
async function plan(body = null) {
  clearTimeout(drop.timer);
  if (!drop.draft || (!body && drop.sent < drop.total)) return;
  drop.turn += 1;
  const { turn, draft } = drop;
  const place = $("#drop-plan");
  place.setAttribute("aria-busy", "true");
  const button = $("#drop-do");
  if (button) {
    button.disabled = true;
    button.textContent = "Checking …";
  } else {
    place.textContent = "Checking the pictures …";
  }
  let answer;
  let text = "";
  try {
    answer = await fetch(`/drops/${draft}/plan`, {
      method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body ?? asked()), signal: drop.again?.signal,
    });
    text = await answer.text();
  } catch {
    answer = null;
  }
  if (turn !== drop.turn) return;
  place.removeAttribute("aria-busy");
  const found = answer?.ok ? {} : readJson(text, "The board does not answer. Is `dropreel board` still running?");
  for (const fault of $$("[data-fault]")) {
    fault.textContent = found.faults?.[fault.dataset.fault] ?? "";
    fault.hidden = !fault.textContent;
  }
  dropError(found.error ?? "");
  if (!answer?.ok) {
    clearPlan();
    if (found.faults && Object.keys(found.faults).some((name) => name !== "prompt")) $("#drop-more").open = true;
    return;
  }
  const scrolled = $(".planned", place)?.scrollTop ?? 0;
  const hadFocus = place.contains(document.activeElement);
  place.replaceChildren(parsed(text));
  $(".planned", place).scrollTop = scrolled;
  $("#drop-close-row").hidden = true;
  $("#drop-total").textContent = $(".sums", place).textContent;
  const prices = JSON.parse($("#drop-upload").dataset.prices); // they may have changed since the options were shown
  for (const shown of $$("[data-price]")) {
    const [option, value] = shown.dataset.price.split(" ");
    shown.textContent = prices[option][value];
  }
  if (hadFocus) $("#drop-do").focus();
}

function readJson(text, otherwise) {
  try { return JSON.parse(text); } catch { return { error: text.trim() || otherwise }; }
}

function planSoon() {
  clearTimeout(drop.timer);
  if (!drop.draft) return;
  drop.turn += 1; // the plan that is asked for is not the last one any more
  if ($("#drop-do")) $("#drop-do").disabled = true;
  drop.timer = setTimeout(plan, PLAN_DELAY);
}

function onOption(event) {
  const control = event.target;
  const form = control.closest?.("#drop-form");
  if (!form) return;
  if (control.tagName === "TEXTAREA") {
    if (/[\r\n]/.test(control.value)) control.value = control.value.replace(/[\r\n]+/g, " ");
    $(`#count-${control.name}`).textContent = control.value.length.toLocaleString("en");
  }
  if ("touchable" in control.dataset) {
    control.dataset.touched = "";
    $(`#value-${control.name}`).textContent = touchedText(control);
    $(`[data-reset="${control.name}"]`).hidden = false;
  }
  planSoon();
}

function touchedText(control) {
  if (control.tagName === "TEXTAREA") return control.value.trim() ? "set here" : "none";
  if (control.type === "checkbox") return control.checked ? "on" : "off";
  return control.value;
}

function resetOption(button) {
  const control = $("#drop-form").elements[button.dataset.reset];
  delete control.dataset.touched;
  control.value = control.defaultValue;
  if (control.type === "checkbox") control.checked = control.defaultChecked;
  $(`#value-${control.name}`).textContent = control.dataset.default;
  if (control.tagName === "TEXTAREA") $(`#count-${control.name}`).textContent = "0";
  button.hidden = true;
  control.focus();
  planSoon();
}

/** Begin the upload of what was seen. The page follows it; it does not depend on the page. */
async function upload(isConfirmed) {
  const form = $("#drop-upload");
  const confirm = $("#drop-confirm");
  if (confirm && !isConfirmed) return confirm.showModal();
  const cents = Number(form.dataset.cents);
  for (const button of $$("button.primary", $("#drop-plan"))) button.disabled = true;
  drop.uploading = true;
  try {
    await send("POST", `/drops/${form.dataset.draft}/upload`, { plan: form.dataset.plan, cents, confirmed: isConfirmed ? cents : undefined });
  } catch (fault) {
    drop.uploading = Boolean(drop.same);
    confirm?.close();
    await plan(drop.same);
    return dropError(fault.message);
  }
  confirm?.close();
  dropDialog.close();
  say("The upload has begun. You can close this page: it continues as long as the board runs.");
  followUploads();
  $("#uploads").focus();
  return undefined;
}

/** Show the uploads as they proceed, until the last one has ended. */
function followUploads() {
  if (followUploads.source) return;
  const source = new EventSource("/drops/events");
  followUploads.source = source;
  const end = () => { source.close(); followUploads.source = null; };
  source.addEventListener("uploads", (event) => replaceHtml($("#uploads"), JSON.parse(event.data)));
  source.addEventListener("end", () => {
    end();
    const ended = $("#uploads .upload strong");
    if (ended) say(ended.textContent, Boolean(ended.closest(".ended-early")));
  });
  addEventListener("pagehide", end);
}

/** Check the files of an upload that ended early again, with the options of the first try. */
function retry(section) {
  resetDrop();
  drop.draft = section.dataset.draft;
  drop.same = { same: true };
  drop.uploading = true; // closing the dialog keeps the files for another try
  drop.again = new AbortController();
  $("#drop-choose").hidden = true;
  showDrop();
  plan(drop.same);
}

async function dismiss(section) {
  await fetch(`/drops/${section.dataset.draft}`, { method: "DELETE" }).catch(() => {});
  section.remove();
  $("#main").focus();
}

function hasFiles(event) {
  return [...(event.dataTransfer?.types ?? [])].includes("Files");
}

addEventListener("dragover", (event) => {
  if (!hasFiles(event)) return;
  event.preventDefault();
  event.dataTransfer.dropEffect = "copy";
  document.body.classList.add("over-drop");
});
addEventListener("dragleave", (event) => { if (!event.relatedTarget) document.body.classList.remove("over-drop"); });
addEventListener("drop", async (event) => {
  document.body.classList.remove("over-drop");
  if (!hasFiles(event)) return;
  event.preventDefault();
  if (drop.same) return;
  const items = [...event.dataTransfer.items].filter((item) => item.kind === "file");
  const found = items.map((item) => item.webkitGetAsEntry?.() ?? item.getAsFile()); // only readable during the event
  showDrop();
  const files = [];
  for (const each of found) files.push(...(each instanceof File ? [[each.name, each]] : await walk(each)));
  take(files);
});
addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button?.id === "drop-button") showDrop();
  if (button?.dataset.reset) resetOption(button);
  const section = button?.closest(".upload");
  if (button?.dataset.drop === "close") dropDialog.close();
  if (button?.dataset.drop === "back") $("#drop-confirm").close();
  if (button?.dataset.drop === "confirm") upload(true);
  if (button?.dataset.drop === "retry") retry(section);
  if (button?.dataset.drop === "dismiss") dismiss(section);
});
addEventListener("input", onOption);
addEventListener("change", (event) => {
  if (event.target.id === "drop-files" || event.target.id === "drop-folder") take(pathsOf(event.target));
});
addEventListener("submit", (event) => {
  if (event.target.id === "drop-form") event.preventDefault();
  if (event.target.id !== "drop-upload") return;
  event.preventDefault();
  if (!$("#drop-do").disabled) upload(false);
});
addEventListener("pagehide", () => { if (drop.draft && !drop.uploading) closeDraft(drop.draft); });
dropDialog.addEventListener("close", () => { resetDrop(); drop.same = null; });
if ($("#uploads [data-running]")) followUploads();
