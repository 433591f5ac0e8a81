/** The rungs as people choose them. */
import type { Level } from "../engine/engine";

export interface Picture {
  picture: Level;
  index: number;
}

/** Name a rung by its short side, as people know it. */
export function rungName({ width, height }: { width: number; height: number }): string {
  const side = Math.min(width || height, height || width);
  return side ? `${side}p` : "Audio";
}

/**
 * List each picture once, the largest first. Where a picture is listed for several groups of audio, take the one
 * that goes with what is heard now.
 */
export function pictures(levels: readonly Level[], shown: number): Picture[] {
  const heard = levels[shown]?.audio;
  const found = new Map<string, Picture>();
  levels.forEach((picture, index) => {
    const name = `${picture.width}x${picture.height}@${picture.frameRate}`;
    const known = found.get(name);
    if (!known || (picture.audio === heard && known.picture.audio !== heard)) found.set(name, { picture, index });
  });
  return [...found.values()].sort((a, b) => b.picture.height - a.picture.height || b.picture.bitrate - a.picture.bitrate);
}
