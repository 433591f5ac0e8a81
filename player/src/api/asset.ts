/** What the server says of an asset. */
import { size as written } from "../store/words";

export type AssetState = "uploading" | "probing" | "playable" | "complete" | "failed";

export interface Rung {
  name: string;
  kind: string;
  width: number;
  height: number;
  segments: number;
  done: number;
  /** The source's own track, served as it is: nothing of it has to be made. */
  copied?: boolean;
}

export interface Caption {
  language: string;
  label: string;
  url: string;
}

export interface Failure {
  step: string;
  message: string;
  log: string[];
}

/** Where a live stream stands; on a `slate` its publisher sends nothing, while `reconnecting` it is away. */
export type StreamState = "idle" | "connecting" | "live" | "slate" | "reconnecting" | "ended";

/** What makes an asset a broadcast of a live stream. */
export interface Live {
  stream: string;
  state: StreamState;
}

export interface Asset {
  id: string;
  title: string;
  state: AssetState;
  created: string | number;
  duration: number | null;
  /** Seconds from the start that can be played now. */
  seekable?: number | null;
  size: number | null;
  received: number;
  /** Who may watch: everybody who knows the id, or who has a playback token. */
  policy?: "public" | "signed";
  playback: { hls: string; dash: string } | null;
  poster: string | null;
  storyboard: string | null;
  rungs: Rung[];
  captions: Caption[];
  warnings: string[];
  /** Why tracks of the source are encoded and not served as they are. */
  uncopied?: string[];
  failure: Failure | null;
  live?: Live | null;
}

/** Runs of stored segment numbers, both ends included, by rendition. */
export type Coverage = Record<string, [number, number][]>;

/** Say whether bytes of the file are still missing. */
export function arriving({ live, size, received, state }: Asset): boolean {
  return !live && state !== "complete" && state !== "failed" && (size === null || received < size);
}

/** Say whether this is a broadcast that has not ended. */
export function onAir({ live }: Asset): boolean {
  return !!live && live.state !== "ended" && live.state !== "idle";
}

const AIRED: Record<StreamState, string> = {
  idle: "Over",
  connecting: "About to begin",
  live: "Live",
  slate: "Live, back in a moment",
  reconnecting: "Live, reconnecting",
  ended: "Over",
};

/** Name what viewers of a broadcast see now. */
export function aired({ state }: Live): string {
  return AIRED[state];
}

/** Return the share 0…1 of the file that has come, 0 where its size is not known. */
export function uploaded({ size, received }: Asset): number {
  return size ? Math.min(1, received / size) : 0;
}

/** Count the stored segments of a rung: coverage follows every segment, the asset's own figures come now and then. */
export function stored(rung: Rung, coverage: Coverage): number {
  const covered = (coverage[rung.name] ?? []).reduce((sum, [first, last]) => sum + last - first + 1, 0);
  return Math.min(rung.segments, Math.max(rung.done, covered));
}

/** Return the share 0…1 of the asset's pictures (without pictures, of its sound) that is stored. */
export function encoded(asset: Asset, coverage: Coverage = {}): number {
  const pictures = asset.rungs.filter(({ kind }) => kind === "video");
  const rungs = pictures.length ? pictures : asset.rungs;
  const wanted = rungs.reduce((sum, rung) => sum + rung.segments, 0);
  const done = rungs.reduce((sum, rung) => sum + stored(rung, coverage), 0);
  return wanted ? done / wanted : 0;
}

/** Return the picture heights of the video rungs, the tallest first. */
export function heights(asset: Asset): number[] {
  return asset.rungs.filter((rung) => rung.kind === "video").map((rung) => rung.height).sort((a, b) => b - a);
}

const DOING: Record<string, string> = { live: "it was on air", encode: "encoding", probe: "looking inside the file", plan: "planning", upload: "uploading" };

/** Name what the server was doing when it failed. */
export function doing({ step }: Failure): string {
  return DOING[step] ?? step;
}

/** Write how large a file is, and how much of it has come. */
export function sizes(asset: Asset): string {
  const { size: all, received } = asset;
  if (!arriving(asset)) return written(all ?? received);
  return all === null ? `${written(received)} so far` : `${written(received)} of ${written(all)}`;
}
