// Texts with a contrast below 4.5:1, by https://www.w3.org/TR/WCAG21/#dfn-contrast-ratio.
const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });

// Blends the colours on a canvas.
function blended(colours) {
  canvas.globalCompositeOperation = "source-over";
  for (const colour of ["Canvas", ...colours]) {
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
  }
  return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
}

function luminance(rgb) {
  const [r, g, b] = rgb
    .map((part) => part / 255)
    .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(element) {
  const backgrounds = [];
  for (let it = element; it; it = it.parentElement) {
    backgrounds.unshift(getComputedStyle(it).backgroundColor);
  }
  const [text, background] = [[...backgrounds, getComputedStyle(element).color], backgrounds]
    .map(blended)
    .map(luminance);
  return (Math.max(text, background) + 0.05) / (Math.min(text, background) + 0.05);
}

const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
const lowContrast = [];
while (texts.nextNode()) {
  const text = texts.currentNode.textContent.trim();
  const element = texts.currentNode.parentElement;
  if (text && element.checkVisibility() && contrast(element) < 4.5) {
    lowContrast.push(`${text}: ${contrast(element).toFixed(2)}`);
  }
}
return lowContrast;
