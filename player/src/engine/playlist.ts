/** The little that the push engine reads of playlists: which renditions there are, and when they began. */
import type { Level } from "./engine";

export interface Variant extends Level {
  /** Name of the rendition, and the CODECS of its picture alone. */
  name: string;
  codecs: string;
}

export interface Offer {
  /** By rising bit rate. */
  variants: readonly Variant[];
  sound: { name: string; codecs: string } | null;
}

const SOUND = /^(mp4a|opus|fLaC|ac-3|ec-3)/i;
const SEGMENT = /(\d+)\.m4s(?:\?.*)?$/;

function attributes(line: string): Record<string, string> {
  const found = line.matchAll(/([A-Z0-9-]+)=("[^"]*"|[^,]*)/g);
  return Object.fromEntries([...found].map(([, name = "", value = ""]) => [name, value.replaceAll('"', "")]));
}

const nameOf = (address: string): string => /([^/]+)\.m3u8/.exec(address)?.[1] ?? "";

/** Read a multivariant playlist. */
export function offered(playlist: string): Offer {
  const lines = playlist.split(/\r?\n/);
  const variants = new Map<string, Variant>();
  let sound: Offer["sound"] = null;
  lines.forEach((line, at) => {
    const told = attributes(line.slice(line.indexOf(":") + 1));
    if (line.startsWith("#EXT-X-MEDIA:") && told.TYPE === "AUDIO" && told.URI) {
      sound ??= { name: nameOf(told.URI), codecs: "" };
    }
    if (!line.startsWith("#EXT-X-STREAM-INF:")) return;
    const [width = 0, height = 0] = (told.RESOLUTION ?? "").split("x").map(Number);
    const codecs = (told.CODECS ?? "").split(",").map((each) => each.trim());
    const heard = codecs.find((each) => SOUND.test(each));
    if (sound && heard) sound.codecs = heard;
    const name = nameOf(lines[at + 1] ?? "");
    variants.set(name, {
      name,
      codecs: codecs.filter((each) => !SOUND.test(each)).join(","),
      width,
      height,
      bitrate: Number(told.BANDWIDTH ?? 0),
      frameRate: Number(told["FRAME-RATE"] ?? 0),
      audio: told.AUDIO ?? "",
    });
  });
  return { variants: [...variants.values()].sort((a, b) => a.bitrate - b.bitrate), sound };
}

/**
 * Return what the clock showed when the present life of the stream began, in milliseconds, which is second 0 of what
 * is pushed; NaN where the playlist does not tell. All segments of a life but the last are equally long.
 */
export function beginning(playlist: string): number {
  let dated = Number.NaN;
  let length = 0;
  let found = Number.NaN;
  for (const line of playlist.split(/\r?\n/)) {
    if (line === "#EXT-X-DISCONTINUITY") found = Number.NaN;
    if (line.startsWith("#EXT-X-PROGRAM-DATE-TIME:")) dated = Date.parse(line.slice(line.indexOf(":") + 1));
    if (line.startsWith("#EXTINF:")) length = Number.parseFloat(line.slice(line.indexOf(":") + 1));
    const number = SEGMENT.exec(line)?.[1];
    if (number !== undefined && !line.startsWith("#")) found = dated - Number(number) * length * 1000;
  }
  return Number.isNaN(found) ? dated : found; // before there is a whole one, the first one grows
}

/** Say whether the playlist is that of a broadcast that is over. */
export function closed(playlist: string): boolean {
  return playlist.includes("#EXT-X-ENDLIST");
}
