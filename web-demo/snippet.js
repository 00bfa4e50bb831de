// The source panel: a whole page in a dozen lines, with this server's addresses filled in, and the copy buttons.

export function sourceOf({ hub, script, topic, token }) {
  const options = token ? `, { accessTokenFactory: () => ${JSON.stringify(token)} }` : "";
  return `<script src="${script}"></script>
<script>
const hub = new signalR.HubConnectionBuilder()
  .withUrl("${hub}"${options}).build();
hub.on("PackageReceived", ({ streamId, value }) =>
  console.log(streamId, JSON.parse(value)[0].Value));
hub.start().then(async () => {
  await hub.invoke("SubscribeToPackages", "${topic}");
  onmousemove = ({ clientX: x, clientY: y }) =>
    hub.invoke("SendEventData", "${topic}", "mouse-pos", [{
      timestamp: Date.now(), id: "mouse position", tags: {},
      value: JSON.stringify({ x, y }) }]);
});
</script>`;
}

export function copyOnClick(button, source) {
  button.addEventListener("click", async () => {
    const label = button.textContent;
    button.textContent = (await copy(source)) ? "Copied" : "Press Ctrl+C";
    button.disabled = true;
    setTimeout(() => Object.assign(button, { textContent: label, disabled: false }), 1500);
  });
}

// The clipboard's own interface is missing on plain-http pages of other machines; the old way works there.
async function copy(source) {
  try {
    await navigator.clipboard.writeText(source.textContent);
    return true;
  } catch {
    getSelection().selectAllChildren(source);
    return document.execCommand("copy");
  }
}
