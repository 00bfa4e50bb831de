// The page of samples: fills in the blanks of the programs that `streamgate sample` prints.

import { copyOnClick } from "./snippet.js";

const element = (id) => document.getElementById(id);
const [form, topic, lang, token, program] = ["choices", "topic", "lang", "token", "program"].map(element);

// The same as the server's own rules: a name of a topic, and what means itself between double quotes in each language.
const TOPIC = /^[A-Za-z0-9._-]{1,249}$/;
const PLAIN = /^[!-~]*$/;
const NOT_PLAIN = /["'\\`${}]/;

function trouble() {
  if (!TOPIC.test(topic.value)) return "A topic has 1 to 249 letters, digits, '.', '_' or '-'.";
  if (!PLAIN.test(token.value) || NOT_PLAIN.test(token.value)) return "The token has letters that no token has.";
  return "";
}

function show(samples) {
  const direction = new FormData(form).get("direction");
  const sample = samples.find((one) => one.lang === lang.value && one.direction === direction);
  const said = trouble();
  element("trouble").textContent = said;
  element("trouble").hidden = !said;
  element("copy").disabled = Boolean(said);
  element("file").textContent = sample.file;
  const blanks = { url: location.origin, topic: topic.value, token: token.value };
  program.textContent = said ? "" : sample.text.replace(/\{\{(url|topic|token)\}\}/g, (_, blank) => blanks[blank]);
}

const wished = new URLSearchParams(location.search);
if (wished.has("topic")) topic.value = wished.get("topic");
if ([...lang.options].some((option) => option.value === wished.get("lang"))) lang.value = wished.get("lang");
if (wished.get("direction") === "read") form.elements.direction.value = "read";

try {
  const samples = await (await fetch("/demo/samples.json")).json();
  form.addEventListener("input", () => show(samples));
  form.addEventListener("submit", (event) => event.preventDefault());
  copyOnClick(element("copy"), program);
  show(samples);
} catch (error) {
  element("trouble").textContent = `The server does not answer: ${error.message}. Load the page again.`;
  element("trouble").hidden = false;
}
