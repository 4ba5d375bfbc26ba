"use strict";
// The page around the verifier. A bundle's texts are untrusted: they become text, never markup.
(() => {
  const at = (id) => document.getElementById(id);
  const pageOf = 200; // commits that are shown at once
  let bytes = null;

  // show makes characters visible that could make a text look like another one.
  const show = (text) => text.replace(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g,
    (c) => "\\u" + c.charCodeAt(0).toString(16).padStart(4, "0"));
  const element = (name, text, className) => {
    const e = document.createElement(name);
    if (text !== undefined) e.textContent = show(text);
    if (className) e.className = className;
    return e;
  };

  const verdict = (kind, title, lines, faults) => {
    const box = at("verdict");
    box.className = kind;
    box.replaceChildren(element("strong", title), ...lines.map((l) => element("p", l)));
    if (faults.length > 0) {
      const list = element("ul");
      for (const f of faults) {
        const where = (f.seq === null ? "Bundle" : "Sequence " + f.seq) + (f.index === null ? "" : ", event " + f.index);
        list.append(element("li", where + ": " + f.code + ": " + f.message));
      }
      box.append(list);
    }
  };

  const claims = (r) => {
    const list = at("claims"), m = r.bundle.manifest;
    list.replaceChildren();
    const claim = (name, text) => list.append(element("dt", name), element("dd", text));
    claim("Profile", m.profile + (m.erased ? " (erased: its values were destroyed)" : ""));
    claim("Log", r.tree.origin + ", " + r.tree.size + " entries at the checkpoint");
    claim("Key used", r.bundle.key);
    claim("Commits", m.commits + " with " + m.events + " events, of which " + m.values + " show their values");
    claim("Begins", /^0+$/.test(m.first.prev) ? "with the profile's first commit, sequence " + m.first.seq : "at sequence " + m.first.seq + ", after the commit with the hash " + m.first.prev);
    claim("Ends", r.head.seq === m.last.seq ? "with the profile's last commit at the checkpoint, sequence " + m.last.seq + ", by the signed word of the operator"
      : "at sequence " + m.last.seq + "; the profile has later commits, the last at sequence " + r.head.seq);
  };

  const article = (r, i) => {
    const c = r.commits[i], entry = r.bundle.commits[i], faults = r.faults.filter((f) => f.seq === entry.seq);
    const box = element("article", undefined, faults.length > 0 ? "bad" : "");
    box.append(element("h2", "Sequence " + entry.seq));
    for (const f of faults) box.append(element("p", (f.index === null ? "" : "Event " + f.index + ": ") + f.code + ": " + f.message));
    if (c === null) {
      box.append(element("p", "These bytes are not a commit.", "meta"));
      return box;
    }
    box.append(element("p", c.time + " by " + c.actor + " via " + c.via + (c.request === undefined ? "" : ", request " + c.request), "meta"));
    box.append(element("p", "commit " + c.id + ", SHA-256 " + vitaeEvidence.hexOf(vitaeEvidence.sha256(entry.bytes)), "meta"));
    const table = element("table"), head = element("tr");
    for (const name of ["Event", "View", "Field", "Item", "Did", "Value"]) head.append(element("th", name));
    table.append(head);
    c.events.forEach((e, k) => {
      const row = element("tr");
      for (const text of [String(k), e.view, e.field || "", e.item || "", e.op]) row.append(element("td", text));
      if (e.disclosed !== undefined) {
        const typed = e.disclosed.typed === undefined ? "" : "\n(typed: " + e.disclosed.typed + ")";
        row.append(element("td", e.disclosed.value + typed, "value"));
      } else if (e.order !== undefined) {
        row.append(element("td", JSON.stringify(e.order), "value"));
      } else {
        row.append(element("td", e.commitment === undefined ? "" : "not disclosed", "none"));
      }
      table.append(row);
    });
    box.append(table);
    return box;
  };

  const commits = (r) => {
    const list = at("commits");
    list.replaceChildren();
    let shown = 0;
    const more = element("button", "Show more");
    more.type = "button";
    const next = () => {
      more.remove();
      for (const to = Math.min(shown + pageOf, r.commits.length); shown < to; shown++) list.append(article(r, shown));
      if (shown < r.commits.length) list.append(more);
    };
    more.addEventListener("click", next);
    next();
  };

  const check = () => {
    at("claims").replaceChildren();
    at("commits").replaceChildren();
    if (bytes === null) {
      verdict("", "Open a bundle to check it.", [], []);
      return;
    }
    const given = at("key").value.trim(), began = performance.now();
    // Without a key from elsewhere the bundle's own shows at least whether it is whole.
    let own = "";
    if (given === "") {
      try {
        own = JSON.parse(new TextDecoder().decode(bytes)).key;
      } catch (e) {
        own = ""; // the verifier says what is wrong with it
      }
    }
    const r = vitaeEvidence.verify(bytes, given === "" ? own : given);
    const took = "Checked in " + Math.round(performance.now() - began) + " ms.";
    if (r.faults.length > 0) {
      const n = r.faults.length;
      verdict("bad", "Not good: " + n + (n === 1 ? " fault" : " faults"), [took], r.faults);
    } else if (given === "") {
      verdict("open", "Whole, but nobody has said by which key",
        ["Everything in the bundle fits the key that came with it. That does not say whose log it is: paste the key that you have from the operator above.", took], []);
    } else {
      verdict("good", "Good, for the key that you gave", ["The log with this key has every commit that is shown, and every value is the one that was committed to.", took], []);
    }
    if (r.head !== null) claims(r);
    if (r.commits.length > 0) commits(r);
  };

  at("key").addEventListener("input", check);
  at("file").addEventListener("change", async () => {
    const file = at("file").files[0];
    if (file === undefined) return;
    bytes = new Uint8Array(await file.arrayBuffer());
    check();
  });
  const carried = at("bundle").textContent;
  if (carried !== "") bytes = vitaeEvidence.base64(carried, true);
  check();
})();
