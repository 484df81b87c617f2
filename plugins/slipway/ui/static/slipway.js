// Sends a person's word as JSON, follows what happens elsewhere, and leads out of Airflow's frame.
"use strict";
document.addEventListener("DOMContentLoaded", () => {
  // The frame may not navigate its parent, but a link of the parent's own document may.
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-top]");
    if (!link || window.parent === window) return;
    event.preventDefault();
    const doc = window.parent.document;
    const outer = doc.createElement("a");
    outer.href = link.href;
    doc.body.append(outer);
    outer.click();
    outer.remove();
  });

  async function send(form, body) {
    const told = form.querySelector("[role=status]");
    const buttons = form.querySelectorAll("button");
    buttons.forEach((button) => { button.disabled = true; });
    told.className = "told";
    told.textContent = "Sending …";
    try {
      const answer = await fetch(form.dataset.action, {
        method: "POST",
        headers: {"Content-Type": "application/json"},
        body: JSON.stringify(body),
      });
      if (answer.ok) {
        location.reload();
        return;
      }
      const found = await answer.json().catch(() => ({}));
      told.textContent = typeof found.detail === "string" ? found.detail : `Refused (${answer.status})`;
    } catch (error) {
      told.textContent = `Not sent: ${error.message}. Nothing was recorded, try again.`;
    }
    told.className = "told bad";
    buttons.forEach((button) => { button.disabled = false; });
  }

  for (const form of document.querySelectorAll("form[data-sign]")) {
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const decision = event.submitter.value;
      const comment = form.elements.comment.value;
      if (decision === "reject" && !comment.trim()) {
        form.elements.comment.setCustomValidity("Say what has to change");
        form.elements.comment.reportValidity();
        return;
      }
      send(form, {role: form.dataset.role, decision, evidence: form.dataset.evidence, comment});
    });
    form.elements.comment.addEventListener("input", () => form.elements.comment.setCustomValidity(""));
  }
  for (const form of document.querySelectorAll("form[data-resume]")) {
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      send(form, {reason: form.elements.reason.value});
    });
  }

  // Somebody else may sign while this page is open. A half-written comment is never thrown away.
  const page = document.querySelector("main[data-mark]");
  if (page) {
    setInterval(async () => {
      const writing = [...document.querySelectorAll("textarea")].some((area) => area.value.trim());
      if (document.hidden || writing) return;
      try {
        const answer = await fetch(page.dataset.poll);
        if (answer.ok && (await answer.json()).mark !== page.dataset.mark) location.reload();
      } catch {
        // Airflow restarts: the next look finds it again.
      }
    }, 5000);
  }
});
