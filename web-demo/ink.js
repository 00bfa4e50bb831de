// One canvas of fading ink: lines of several streams in the document's 500 × 300 coordinates, whatever its size on screen.

export const WIDTH = 500;
export const HEIGHT = 300;
const MAX_POINTS = 8000;
const LINE_WIDTH = 5;
const SHADES = 24; // lines are stroked in runs of one shade: joints of single segments would show
const JOIN_WITHIN_MS = 120; // a longer pause begins a new line

export class Ink {
  #canvas;
  #context;
  #colourOf;
  #lifetimeOf;
  #lines = new Map(); // stream → its points, in the order of time
  #count = 0;

  // Both are asked per stream; a lifetime is in ms.
  constructor(canvas, { colourOf, lifetimeOf }) {
    this.#canvas = canvas;
    this.#context = canvas.getContext("2d");
    this.#colourOf = colourOf;
    this.#lifetimeOf = lifetimeOf;
    requestAnimationFrame((now) => this.#draw(now));
  }

  add(stream, x, y) {
    const at = performance.now();
    const points = this.#lines.get(stream) ?? [];
    const joins = points.length > 0 && at - points.at(-1).at < JOIN_WITHIN_MS;
    points.push({ x, y, at, joins });
    this.#lines.set(stream, points);
    this.#count += 1;
    if (this.#count > MAX_POINTS) this.clear();
  }

  clear() {
    this.#lines.clear();
    this.#count = 0;
  }

  // Calls back with the coordinates of every mouse, pen or finger movement over the canvas.
  onPointer(callback) {
    this.#canvas.addEventListener("pointermove", (event) => {
      const box = this.#canvas.getBoundingClientRect();
      callback(((event.clientX - box.left) / box.width) * WIDTH, ((event.clientY - box.top) / box.height) * HEIGHT);
    });
  }

  #draw(now) {
    this.#fit();
    this.#context.clearRect(0, 0, WIDTH, HEIGHT);
    for (const [stream, points] of this.#lines) {
      const lifetime = this.#lifetimeOf(stream);
      const alive = points.findIndex(({ at }) => now - at < lifetime);
      this.#count -= points.splice(0, alive < 0 ? points.length : alive).length;
      if (points.length === 0) this.#lines.delete(stream);
      else this.#drawLine(points, this.#colourOf(stream), ({ at }) => 1 - ((now - at) / lifetime) ** 2);
    }
    requestAnimationFrame((later) => this.#draw(later));
  }

  #drawLine(points, colour, opacityOf) {
    const context = this.#context;
    const shadeOf = (point) => Math.min(SHADES, Math.ceil(opacityOf(point) * SHADES));
    context.strokeStyle = context.fillStyle = colour;
    let shade = null;
    points.forEach((point, index) => {
      if (shade !== shadeOf(point)) {
        if (shade !== null) context.stroke();
        shade = shadeOf(point);
        context.globalAlpha = shade / SHADES;
        context.beginPath();
        if (point.joins && index > 0) context.moveTo(points[index - 1].x, points[index - 1].y);
      }
      if (!point.joins) context.moveTo(point.x - LINE_WIDTH, point.y);
      context.lineTo(point.x, point.y);
    });
    context.stroke();

    // A dot where the stream is now.
    const { x, y } = points.at(-1);
    context.beginPath();
    context.arc(x, y, 6, 0, 2 * Math.PI);
    context.fill();
    context.globalAlpha = 1;
  }

  // As many device pixels as the screen shows, so that lines are sharp at every size and zoom.
  #fit() {
    const width = Math.round(this.#canvas.clientWidth * devicePixelRatio);
    if (this.#canvas.width !== width) {
      this.#canvas.width = width;
      this.#canvas.height = Math.round((width * HEIGHT) / WIDTH);
    }
    const context = this.#context;
    context.setTransform(this.#canvas.width / WIDTH, 0, 0, this.#canvas.height / HEIGHT, 0, 0);
    context.lineWidth = LINE_WIDTH;
    context.lineJoin = "round";
  }
}
