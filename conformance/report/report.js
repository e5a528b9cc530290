"use strict";
// Comfort only: the page is complete without this. Nothing here writes HTML.
(function () {
  var form = document.querySelector(".filter");
  var rows = Array.prototype.slice.call(document.querySelectorAll(".statement"));
  var words = rows.map(function (row) { return row.textContent.toLowerCase(); });
  var shown = document.querySelector(".shown");
  var nothing = document.querySelector(".nothing");

  function filter() {
    var terms = form.elements.q.value.toLowerCase().split(/\s+/).filter(Boolean);
    var verdict = form.elements.verdict.value;
    var level = form.elements.level.value;
    var count = 0;
    rows.forEach(function (row, n) {
      var fits = (!verdict || row.dataset.verdict === verdict) && (!level || row.dataset.level === level) &&
        terms.every(function (term) { return words[n].indexOf(term) >= 0; });
      row.hidden = !fits;
      count += fits ? 1 : 0;
    });
    document.querySelectorAll(".chapter").forEach(function (chapter) {
      chapter.hidden = !chapter.querySelector(".statement:not([hidden])");
    });
    nothing.hidden = count > 0;
    shown.textContent = count === rows.length ? "" : count + " of " + rows.length + " statements";
  }

  form.hidden = false;
  form.addEventListener("input", filter);
  form.addEventListener("submit", function (event) { event.preventDefault(); });
  filter();

  function open() {
    var target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) { return; }
    if (target.hidden || target.closest("[hidden]")) { form.reset(); filter(); }
    for (var at = target; at; at = at.parentElement) {
      if (at.tagName === "DETAILS") { at.open = true; }
    }
    if (target.classList.contains("statement")) { target.querySelector("details").open = true; }
    target.scrollIntoView();
  }
  window.addEventListener("hashchange", open);
  open();

  function copied(button) {
    button.textContent = "Copied";
    setTimeout(function () { button.textContent = "Copy"; }, 1500);
  }
  function select(pre) {
    var range = document.createRange();
    range.selectNodeContents(pre);
    var selection = window.getSelection();
    selection.removeAllRanges();
    selection.addRange(range);
  }
  document.querySelectorAll(".copyable").forEach(function (pre) {
    var button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.textContent = "Copy";
    button.setAttribute("aria-description", pre.getAttribute("aria-label"));
    button.addEventListener("click", function () {
      function old() {
        select(pre);
        if (document.execCommand("copy")) { copied(button); }
      }
      if (navigator.clipboard && window.isSecureContext) {
        navigator.clipboard.writeText(pre.textContent).then(function () { copied(button); }, old);
      } else { old(); }
    });
    pre.parentNode.appendChild(button);
  });

  // On a narrow screen the tables are laid out as blocks, which makes some browsers forget that they are tables.
  var roles = { TABLE: "table", THEAD: "rowgroup", TBODY: "rowgroup", TR: "row", TD: "cell" };
  document.querySelectorAll("table, thead, tbody, tr, td, th").forEach(function (part) {
    var header = part.scope === "col" ? "columnheader" : "rowheader";
    part.setAttribute("role", roles[part.tagName] || header);
  });

  var closed = [];
  window.addEventListener("beforeprint", function () {
    closed = Array.prototype.slice.call(document.querySelectorAll("details:not([open])"));
    closed.forEach(function (details) { details.open = true; });
  });
  window.addEventListener("afterprint", function () {
    closed.forEach(function (details) { details.open = false; });
  });
})();
