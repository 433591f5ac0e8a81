// Read the number that is drawn in a picture.
// The grid of tests/media/drawing.py: 6 by 3 cells over the upper three quarters, the middle pixel of each.
export function readNumber(video, context) {
  const { canvas } = context;
  context.drawImage(video, 0, 0, canvas.width, canvas.height);
  const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
  const levels = [];
  for (let place = 0; place < 18; place += 1) {
    const x = Math.floor(((place % 6) + 0.5) * (canvas.width / 6));
    const y = Math.floor((Math.floor(place / 6) + 0.5) * ((canvas.height * 3) / 4 / 3));
    levels.push(data[4 * (y * canvas.width + x) + 1]);
  }
  const [white, black] = [levels[0], levels[17]];
  if (white - black < 60) return null;
  let number = 0;
  for (const level of levels.slice(1, 17)) {
    const share = (level - black) / (white - black);
    if (share > 0.3 && share < 0.7) return null;
    number = number * 2 + (share >= 0.7 ? 1 : 0);
  }
  return number;
}
