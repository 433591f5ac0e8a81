/** The seam between the player and what feeds the media element. */
import type { Marked } from "../store/markers";

export interface Level {
  height: number;
  width: number;
  bitrate: number;
  frameRate: number;
  /** The group of audio that goes with it; one picture may be listed once for each group. */
  audio: string;
}

export interface Track {
  label: string;
  language: string;
}

/** What an engine knows at one moment. `level` −1 is automatic; `shown` is the rung whose picture is on screen. */
export interface EngineState {
  levels: readonly Level[];
  level: number;
  shown: number;
  bandwidth: number;
  audioTracks: readonly Track[];
  audioTrack: number;
  textTracks: readonly Track[];
  textTrack: number;
  /** What is asked for is still being made. */
  preparing: boolean;
}

/** How close to the broadcast a live stream is watched. */
export type Tier = "normal" | "low" | "push";

/** Where a live stream stands, in seconds of the media element. */
export interface LiveWindow {
  /** The oldest that can be shown, and where playing at the live edge means to be. */
  start: number;
  target: number;
  /** What the server's clock showed at second 0, in milliseconds since the epoch; NaN where that is not known. */
  epoch: number;
}

export interface Trouble {
  kind: "network" | "media" | "unsupported" | "refused";
  message: string;
  detail: string;
}

/** Returns under which address media is asked for now: one that a playlist gave may have a token that has ended. */
export type Address = (given: string) => string;

export interface Listener {
  changed(state: Partial<EngineState>): void;
  failed(trouble: Trouble): void;
  /** This tier cannot go on, and why, as the end of "Low delay, since …". */
  fell(reason: string): void;
  /** The broadcast is over, and what was pushed of it too. */
  over(): void;
  /** The playlist tells of markers. */
  marked(markers: readonly Marked[]): void;
}

export interface Engine {
  readonly name: string;
  /** How a live stream can be watched with it; none where it decides by itself. */
  readonly tiers: readonly Tier[];
  /**
   * `bandwidth` is the line as it was last time, bits a second, 0 where that is not known. With `start` 0 a live
   * stream begins at its edge.
   */
  load(source: string, start: number, bandwidth: number): void;
  setLevel(index: number): void;
  setAudio(index: number): void;
  /** −1 turns captions off. */
  setText(index: number): void;
  /** Take the other of its tiers without a break. */
  setTier(tier: Tier): void;
  /** Return where a live stream stands now, null where what plays is not live. */
  live(): LiveWindow | null;
  /** Return at which second what the playlists give this date is shown, NaN where that is not known or listed. */
  timeOf(date: number): number;
  destroy(): void;
}

export const nothing: EngineState = {
  levels: [],
  level: -1,
  shown: -1,
  bandwidth: 0,
  audioTracks: [],
  audioTrack: -1,
  textTracks: [],
  textTrack: -1,
  preparing: false,
};
