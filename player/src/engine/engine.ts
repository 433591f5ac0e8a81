/** The seam between the player and what feeds the media element. */

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

export interface Trouble {
  kind: "network" | "media" | "unsupported" | "refused";
  message: string;
  detail: string;
}

export interface Listener {
  changed(state: Partial<EngineState>): void;
  failed(trouble: Trouble): void;
}

export interface Engine {
  readonly name: string;
  /** `bandwidth` is the line as it was last time, bits a second, 0 where that is not known. */
  load(source: string, start: number, bandwidth: number): void;
  setLevel(index: number): void;
  setAudio(index: number): void;
  /** −1 turns captions off. */
  setText(index: number): void;
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
