// Contrast as https://www.w3.org/TR/WCAG21/#dfn-contrast-ratio has it.
const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });

// Paints the colours over each other and reads what is there.
function painted(colours) {
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
  const grounds = [];
  for (let it = element; it; it = it.parentElement) {
    grounds.unshift(getComputedStyle(it).backgroundColor);
  }
  const [text, ground] = [[...grounds, getComputedStyle(element).color], grounds]
    .map(painted)
    .map(luminance);
  return (Math.max(text, ground) + 0.05) / (Math.min(text, ground) + 0.05);
}

const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
const faint = [];
while (texts.nextNode()) {
  const text = texts.currentNode.textContent.trim();
  const element = texts.currentNode.parentElement;
  if (text && element.checkVisibility() && contrast(element) < 4.5) {
    faint.push(`${text}: ${contrast(element).toFixed(2)}`);
  }
}
return faint;
