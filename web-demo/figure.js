// The small figure that draws while nobody else does: a curve that turns as it goes, about 60 points a second.

import { HEIGHT, WIDTH } from "./ink.js";

const POINT_EVERY_MS = 15;
const RETURNS_AFTER_MS = 5000;

// `draw(x, y)` is called while the page is visible, `ready()` holds and no rest was asked for.
export function startFigure(draw, { ready }) {
  let resumeAt = 0;
  let last = 0;
  let angle = Math.random() * 100;
  const figure = {
    paused: false,
    onReturn: () => {},
    rest: () => (resumeAt = performance.now() + RETURNS_AFTER_MS),
  };

  function step(now) {
    requestAnimationFrame(step);
    if (now - last < POINT_EVERY_MS) return;
    last = now;
    if (now < resumeAt || !ready()) return;
    if (resumeAt > 0) {
      resumeAt = 0;
      figure.onReturn();
    }
    if (figure.paused) return;
    angle += 0.045;
    draw(...pointAt(angle));
  }
  requestAnimationFrame(step);
  return figure;
}

// A Lissajous curve, 3 to 2, whose phase drifts: it never quite repeats.
function pointAt(angle) {
  const x = WIDTH / 2 + 0.41 * WIDTH * Math.sin(2 * angle + angle / 23);
  const y = HEIGHT / 2 + 0.39 * HEIGHT * Math.sin(3 * angle);
  return [x, y];
}
