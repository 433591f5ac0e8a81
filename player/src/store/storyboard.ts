/** Read a WebVTT storyboard: which rectangle of which sprite shows a time. */

export interface Tile {
  start: number;
  end: number;
  url: string;
  x: number;
  y: number;
  width: number;
  height: number;
}

const TIMES = /^(?:(\d+):)?(\d{2}):(\d{2})[.,](\d{3})\s+-->\s+(?:(\d+):)?(\d{2}):(\d{2})[.,](\d{3})/;
const PLACE = /^(.+)#xywh=(?:pixel:)?(\d+),(\d+),(\d+),(\d+)$/;

function seconds(parts: (string | undefined)[]): number {
  const [hours = 0, minutes = 0, whole = 0, thousandths = 0] = parts.map((part) => Number(part ?? 0));
  return hours * 3600 + minutes * 60 + whole + thousandths / 1000;
}

/** Parse the text; addresses are resolved against `base`. Cues that place no picture are left out. */
export function parseStoryboard(text: string, base: string): Tile[] {
  const tiles: Tile[] = [];
  let times: RegExpExecArray | null = null;
  for (const line of text.split(/\r\n|\r|\n/)) {
    const found = TIMES.exec(line.trim());
    if (found) {
      times = found;
      continue;
    }
    const place = times && PLACE.exec(line.trim());
    if (!times || !place) continue;
    const [x = 0, y = 0, width = 0, height = 0] = place.slice(2).map(Number);
    tiles.push({
      start: seconds(times.slice(1, 5)),
      end: seconds(times.slice(5, 9)),
      url: new URL(place[1] ?? "", base).href,
      x,
      y,
      width,
      height,
    });
    times = null;
  }
  return tiles;
}

/** Find the tile that shows `time`: the last that starts at or before it. */
export function tileAt(tiles: readonly Tile[], time: number): Tile | undefined {
  let low = 0;
  let high = tiles.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((tiles[middle]?.start ?? 0) <= time) low = middle + 1;
    else high = middle;
  }
  return tiles[Math.max(0, low - 1)];
}
