// Files: chosen or dropped before a message is sent, and shown below one.
import { fill, h, toast } from "./dom.js";

const MAX_FILES = 10;
const MAX_BYTES = 20_000_000;
const PICTURE = /^image\/(png|jpeg|gif|webp)$/;

/** Word a size. */
export function sizeOf(bytes) {
  return bytes < 1_000_000 ? `${Math.max(1, Math.round(bytes / 1000))} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

/** Show the files of a message. */
export function filesElement(platform, message) {
  return (message.files ?? []).map((file) => {
    const address = `/api/${platform.name}/files/${encodeURIComponent(file.id)}`;
    const caption = [h("b", {}, file.name), h("span", { class: "muted" }, sizeOf(file.size_bytes))];
    if (!PICTURE.test(file.media_type))
      return h("a", { class: "file", href: address, download: file.name }, caption);
    return h(
      "a",
      { class: "file picture", href: address, target: "_blank", rel: "noopener", title: file.name },
      h("img", { src: address, alt: file.name, loading: "lazy" }),
    );
  });
}

/** Make the shelf on which chosen files wait. `target` takes those that are dropped or pasted. */
export function makeShelf(target) {
  const element = h("div", { class: "shelf", hidden: true, role: "group", "aria-label": "Files to send" });
  const input = h("input", { type: "file", multiple: true, hidden: true, tabindex: -1 });
  const button = h(
    "button",
    {
      type: "button",
      class: "clip",
      "aria-label": "Attach files",
      title: "Attach files, or drop them here",
      onclick: () => input.click(),
    },
    paperClip(),
  );
  const shelf = { element, input, button, files: [] };

  shelf.put = (files) => {
    const all = [...shelf.files, ...files];
    const tooMany = all.length > MAX_FILES || all.reduce((sum, file) => sum + file.size, 0) > MAX_BYTES;
    if (tooMany) return toast(`A message takes ${MAX_FILES} files and ${MAX_BYTES / 1e6} MB.`, "error");
    shelf.files = all;
    render();
  };
  /** Take all files down, to be sent. */
  shelf.take = () => {
    const { files } = shelf;
    shelf.files = [];
    render();
    return files;
  };
  const render = () => {
    element.hidden = !shelf.files.length;
    fill(
      element,
      shelf.files.map((file) =>
        h(
          "span",
          { class: "file" },
          h("b", {}, file.name),
          h("span", { class: "muted" }, sizeOf(file.size)),
          h(
            "button",
            {
              type: "button",
              "aria-label": `Do not send ${file.name}`,
              onclick: () => {
                shelf.files = shelf.files.filter((each) => each !== file);
                render();
              },
            },
            "×",
          ),
        ),
      ),
    );
  };
  input.addEventListener("change", () => {
    shelf.put(input.files);
    input.value = "";
  });
  takeDrops(target, shelf);
  return shelf;
}

function takeDrops(target, shelf) {
  const hasFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
  target.addEventListener("dragover", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    target.classList.add("is-over");
  });
  for (const end of ["dragleave", "drop"])
    target.addEventListener(end, () => target.classList.remove("is-over"));
  target.addEventListener("drop", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    shelf.put(event.dataTransfer.files);
  });
  target.addEventListener("paste", (event) => {
    if (!event.clipboardData?.files.length) return;
    event.preventDefault();
    shelf.put(event.clipboardData.files);
  });
}

/** Read files into what the server takes. */
export async function readFiles(files) {
  return Promise.all(
    files.map(async (file) => ({ name: file.name, type: file.type, content: await readBase64(file) })),
  );
}

function readBase64(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(",") + 1));
    reader.onerror = () => reject(new Error(`${file.name} cannot be read`));
    reader.readAsDataURL(file);
  });
}

function paperClip() {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  const path = document.createElementNS(space, "path");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  path.setAttribute("d", "M20 11.5 11.8 19.7a5 5 0 0 1-7.1-7.1l8.5-8.4a3.4 3.4 0 0 1 4.8 4.8l-8.5 8.4a1.7 1.7 0 0 1-2.4-2.4l7.8-7.7");
  svg.append(path);
  return svg;
}
