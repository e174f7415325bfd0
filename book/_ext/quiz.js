// Makes the questions of a page answer. Everything that can be said stands in the page already,
// folded away (book/_ext/quiz.py); this finds what was chosen and says what is said to it.
(() => {
  const THOUSANDS = /^[-−]?\d{1,3}(,\d{3})+(\.\d+)?$/;

  /** The number that a reader means by "9,216", "9 216", "0,25", "25 %" or "1.2e-3"; else NaN. */
  function meant(text) {
    let plain = text.replace(/[\s_\u00a0\u2009\u202f]/g, "");
    const percent = plain.endsWith("%");
    if (percent) plain = plain.slice(0, -1);
    plain = THOUSANDS.test(plain) ? plain.replaceAll(",", "") : plain.replace(",", ".");
    plain = plain.replace("−", "-").replace(/[·×*]10\^?/, "e");
    return plain === "" ? NaN : Number(plain) / (percent ? 100 : 1);
  }

  function covers(answer, number) {
    if (answer.dataset.value === undefined) return true; // anything else
    const value = Number(answer.dataset.value);
    const rounding = 1e-9 * Math.abs(value);
    return Math.abs(number - value) <= Number(answer.dataset.tolerance) + rounding;
  }

  const right = (answer) => answer.dataset.right === "true";

  /** What is said to an answer, to be shown a second time; with its option where several are. */
  function said(answer, input) {
    const copy = answer.querySelector(".quiz-said").cloneNode(true);
    if (input) {
      const option = document.createElement("strong");
      option.append(...input.nextElementSibling.cloneNode(true).childNodes);
      copy.firstElementChild.prepend(input.checked ? "Chosen: " : "Not chosen: ", option, " ");
    }
    for (const named of copy.querySelectorAll("[id]")) named.removeAttribute("id");
    return copy;
  }

  function words(text) {
    const paragraph = document.createElement("p");
    paragraph.append(text);
    return paragraph;
  }

  /** Whether the answer is right (null: there is none yet), and what to say. */
  function judge(form, inputs, answers) {
    if (form.dataset.kind === "number") {
      const [{ value }] = inputs;
      if (!value.trim()) return [null, [words("Write a number first.")]];
      const number = meant(value);
      if (Number.isNaN(number)) {
        return [null, [words(`“${value}” is not a number. Write it in figures, such as 1,234.5.`)]];
      }
      const answer = answers.find((one) => covers(one, number));
      return [right(answer), [said(answer)]];
    }
    const chosen = inputs.findIndex((input) => input.checked);
    if (chosen < 0) return [null, [words("Choose an answer first.")]];
    if (form.dataset.kind === "one") return [right(answers[chosen]), [said(answers[chosen])]];

    const wrongly = answers.filter((answer, i) => right(answer) !== inputs[i].checked);
    const shown = wrongly.length ? wrongly : answers.filter(right);
    const summary = wrongly.length
      ? `Not yet. Decided wrongly: ${wrongly.length} of ${answers.length}.`
      : `Right, all ${answers.length} of them.`;
    const messages = shown.map((answer) => said(answer, inputs[answers.indexOf(answer)]));
    return [!wrongly.length, [words(summary), ...messages]];
  }

  // What was answered stays in this browser, under the address of the page. A question is known by
  // its words and those of its options, so that an answer is never given to another question.
  const PLACE = `quiz:${location.pathname}`;

  /** Question → what was chosen, and whether it was checked. Nothing where a browser keeps nothing. */
  function kept() {
    try {
      return JSON.parse(localStorage.getItem(PLACE)) ?? {};
    } catch {
      return {};
    }
  }

  function keep(name, answer) {
    const all = kept();
    if (answer) all[name] = answer;
    else delete all[name];
    try {
      if (Object.keys(all).length) localStorage.setItem(PLACE, JSON.stringify(all));
      else localStorage.removeItem(PLACE);
    } catch {
      // Storage is switched off or full: the quiz works all the same, until the page is left.
    }
  }

  const choosable = (input) => input.type !== "text";

  function enliven(form) {
    const inputs = [...form.querySelectorAll("input")];
    const answers = [...form.querySelectorAll(".quiz-answers li[data-right]")];
    const verdict = form.querySelector(".quiz-verdict");
    const [button, again] = form.querySelectorAll("button");
    const question = form.querySelector("fieldset").textContent.replace(/\s+/g, " ").trim();
    button.hidden = button.disabled = again.disabled = false;
    for (const input of inputs) input.setAttribute("aria-describedby", verdict.id);

    const given = () => inputs.map((input) => (choosable(input) ? input.checked : input.value.trim()));

    function check() {
      const [isRight, messages] = judge(form, inputs, answers);
      form.dataset.verdict = isRight === null ? "none" : isRight ? "right" : "wrong";
      verdict.replaceChildren(...messages);
    }

    function note(checked) {
      const values = given();
      const some = values.some(Boolean);
      again.hidden = !some;
      keep(question, some ? { values, checked } : null);
    }

    form.addEventListener("submit", (event) => {
      event.preventDefault();
      check();
      note(true);
    });
    form.addEventListener("input", () => {
      // What was said belongs to another answer.
      delete form.dataset.verdict;
      verdict.replaceChildren();
      note(false);
    });
    again.addEventListener("click", () => {
      form.reset();
      form.dispatchEvent(new Event("input"));
      inputs[0].focus();
    });

    const { values, checked } = kept()[question] ?? {};
    if (values?.length !== inputs.length) return;
    inputs.forEach((input, i) => {
      if (choosable(input)) input.checked = values[i] === true;
      else input.value = String(values[i]);
    });
    again.hidden = !given().some(Boolean);
    if (checked) check();
  }

  document.querySelectorAll("form.quiz-question").forEach(enliven);

  // What is folded would be missing on paper.
  const unfolded = [];
  addEventListener("beforeprint", () => {
    for (const details of document.querySelectorAll("details.quiz-answers:not([open])")) {
      details.open = true;
      unfolded.push(details);
    }
  });
  addEventListener("afterprint", () => {
    for (const details of unfolded.splice(0)) details.open = false;
  });
})();
