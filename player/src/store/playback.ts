/** The player's state, and what each request does to the media element and the engine. */
import { openEngine } from "../engine/choose";
import { type Engine, type EngineState, nothing, type Trouble } from "../engine/engine";
import type { Presence } from "../engine/presence";
import { Cues } from "./cues";
import type { Memory } from "./memory";
import { ahead, clamp, type Span, spansOf } from "./spans";
import { type Effects, Store } from "./store";

export interface PlaybackState extends EngineState {
  source: string;
  engine: string;
  started: boolean;
  paused: boolean;
  ended: boolean;
  waiting: boolean;
  seeking: boolean;
  time: number;
  duration: number;
  /** Seconds up to which one can seek: the end, or as far as the upload has come. */
  edge: number;
  buffered: readonly Span[];
  ahead: number;
  volume: number;
  muted: boolean;
  /** Muted only because the browser lets nothing else begin by itself. */
  hushed: boolean;
  rate: number;
  cues: readonly string[];
  pictureInPicture: boolean;
  fullscreen: boolean;
  trouble: Trouble | null;
  frames: number;
  dropped: number;
}

export type PlaybackRequest =
  | { type: "load"; source: string; start: number; autoplay: boolean }
  | { type: "retry" }
  | { type: "renew" }
  | { type: "toggle" }
  | { type: "play" }
  | { type: "pause" }
  | { type: "seek"; to: number }
  | { type: "edge"; to: number }
  | { type: "nudge"; by: number }
  | { type: "share"; part: number }
  | { type: "frame"; by: number }
  | { type: "volume"; to: number }
  | { type: "louder"; by: number }
  | { type: "mute" }
  | { type: "rate"; to: number }
  | { type: "faster"; by: number }
  | { type: "level"; index: number }
  | { type: "audio"; index: number }
  | { type: "text"; index: number }
  | { type: "captions" }
  | { type: "pip" }
  | { type: "fullscreen" };

export const RATES = [0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75, 2] as const;

/** Pauses before a stream is loaded anew that the server says is alive. */
const AGAIN_MS = [500, 1000, 2000, 4000, 8000] as const;
/** Nothing can be shown at the very edge of what is there. */
const EDGE_S = 0.5;

const initial: PlaybackState = {
  ...nothing,
  source: "",
  engine: "",
  started: false,
  paused: true,
  ended: false,
  waiting: false,
  seeking: false,
  time: 0,
  duration: Number.NaN,
  edge: Number.POSITIVE_INFINITY,
  buffered: [],
  ahead: 0,
  volume: 1,
  muted: false,
  hushed: false,
  rate: 1,
  cues: [],
  pictureInPicture: false,
  fullscreen: false,
  trouble: null,
  frames: 0,
  dropped: 0,
};

/** Hold one media element and its engine; requests act on it and its events become state. */
export class Playback {
  readonly store: Store<PlaybackState, PlaybackRequest>;
  private engine: Engine | undefined;
  private generation = 0;
  private readonly cues: Cues;
  private lastText = 0;
  private failures = 0;
  private again: ReturnType<typeof setTimeout> | undefined;
  private readonly stop = new AbortController();

  constructor(
    private readonly video: HTMLVideoElement,
    private readonly stage: HTMLElement,
    private readonly memory: Memory,
    private readonly presence: Presence,
  ) {
    const { volume, muted } = memory.sound();
    video.volume = volume;
    video.muted = muted;
    this.store = new Store<PlaybackState, PlaybackRequest>({ ...initial, volume, muted }, this.effects());
    this.cues = new Cues(video, (cues) => this.store.set({ cues }));
    this.listen();
  }

  destroy(): void {
    this.stop.abort();
    this.cues.destroy();
    this.generation += 1;
    clearTimeout(this.again);
    this.engine?.destroy();
  }

  private effects(): Effects<PlaybackState, PlaybackRequest> {
    const { video } = this;
    const end = (): number => {
      const { edge } = this.store.getState();
      const reach = edge - EDGE_S;
      return Math.min(Number.isFinite(video.duration) ? video.duration : Number.MAX_SAFE_INTEGER, reach);
    };
    const seek = (to: number): void => void (video.currentTime = clamp(to, 0, end()));
    const play = (): Promise<void> => this.play();
    return {
      load: ({ source, start, autoplay }) => this.load(source, start, autoplay),
      retry: () => this.load(this.store.getState().source, video.currentTime, true),
      // What is held now is of a generation that nobody makes any more; what is buffered can be shown all the same.
      renew: () => {
        const { preparing, source } = this.store.getState();
        if (preparing && source) return this.load(source, video.currentTime, !video.paused);
      },
      toggle: () => (video.paused ? play() : video.pause()),
      play,
      pause: () => video.pause(),
      seek: ({ to }) => seek(to),
      edge: ({ to }, { set }) => set({ edge: to }),
      nudge: ({ by }) => seek(video.currentTime + by),
      share: ({ part }) => seek(part * (Number.isFinite(video.duration) ? video.duration : 0)),
      frame: ({ by }) => {
        const { levels, shown } = this.store.getState();
        video.pause();
        seek(video.currentTime + by / (levels[shown]?.frameRate || 25));
      },
      volume: ({ to }) => {
        video.volume = clamp(to, 0, 1);
        video.muted = to <= 0;
      },
      louder: ({ by }) => {
        video.volume = clamp(Math.round((video.volume + by) * 100) / 100, 0, 1);
        if (by > 0) video.muted = false;
      },
      mute: () => void (video.muted = !video.muted),
      rate: ({ to }) => void (video.playbackRate = to),
      faster: ({ by }) => {
        const at = RATES.findIndex((rate) => rate >= video.playbackRate);
        video.playbackRate = RATES[clamp(at + by, 0, RATES.length - 1)] ?? 1;
      },
      level: ({ index }) => this.engine?.setLevel(index),
      audio: ({ index }) => this.engine?.setAudio(index),
      text: ({ index }) => this.setText(index),
      captions: () => this.setText(this.store.getState().textTrack >= 0 ? -1 : this.lastText),
      pip: async () => {
        if (document.pictureInPictureElement) await document.exitPictureInPicture();
        else await video.requestPictureInPicture();
      },
      fullscreen: async () => {
        if (document.fullscreenElement) await document.exitFullscreen();
        else await this.stage.requestFullscreen();
      },
    };
  }

  private async load(source: string, start: number, autoplay: boolean): Promise<void> {
    this.generation += 1;
    const generation = this.generation;
    clearTimeout(this.again);
    this.engine?.destroy();
    this.engine = undefined;
    this.store.set({ ...nothing, source, trouble: null, waiting: true, ended: false });
    const listener = {
      changed: (state: Partial<EngineState>) => void (generation === this.generation && this.store.set(state)),
      failed: (trouble: Trouble) => void (generation === this.generation && this.failed(trouble)),
    };
    const engine = await openEngine(this.video, listener, this.presence);
    if (generation !== this.generation) {
      engine.destroy();
      return;
    }
    this.engine = engine;
    this.store.set({ engine: engine.name });
    engine.load(source, start, this.memory.line());
    if (autoplay) await this.begin();
    else this.store.set({ waiting: false });
  }

  /** Go on waiting where the server still makes the stream; tell of the trouble where it does not. */
  private failed(trouble: Trouble): void {
    if (trouble.kind !== "network" || !this.presence.alive) {
      this.store.set({ trouble, waiting: false });
      return;
    }
    const pause = AGAIN_MS[Math.min(this.failures, AGAIN_MS.length - 1)];
    this.failures += 1;
    this.store.set({ waiting: true, preparing: true });
    const { source, time, paused } = this.store.getState();
    this.again = setTimeout(() => void this.load(source, time, !paused), pause);
  }

  /** Play without having been asked: where the browser refuses that with sound, without it. */
  private async begin(): Promise<void> {
    try {
      await this.video.play();
    } catch (error) {
      if (!(error instanceof DOMException)) throw error;
      if (error.name !== "NotAllowedError" || this.video.muted) {
        this.store.set({ waiting: false });
        return;
      }
      this.store.set({ hushed: true });
      this.video.muted = true;
      await this.play();
    }
  }

  private async play(): Promise<void> {
    try {
      await this.video.play();
    } catch (error) {
      // Some browsers refuse even silence before a gesture, and a new load interrupts a promised start.
      if (!(error instanceof DOMException)) throw error;
      this.store.set({ waiting: false });
    }
  }

  private setText(index: number): void {
    if (index >= 0) this.lastText = index;
    this.engine?.setText(index);
    this.cues.follow();
  }

  private listen(): void {
    const { video, store } = this;
    const signal = this.stop.signal;
    const on = (names: string, read: () => Partial<PlaybackState>): void => {
      for (const name of names.split(" ")) video.addEventListener(name, () => store.set(read()), { signal });
    };
    on("play pause ended playing", () => ({ paused: video.paused, ended: video.ended }));
    on("playing", () => {
      this.failures = 0;
      return {};
    });
    on("playing canplay", () => ({ waiting: false, started: store.getState().started || !video.paused }));
    on("waiting", () => ({ waiting: !video.paused || store.getState().seeking }));
    on("seeking", () => ({ seeking: true, time: video.currentTime, ended: false }));
    on("seeked", () => ({ seeking: false, time: video.currentTime }));
    on("durationchange loadedmetadata", () => ({ duration: video.duration }));
    on("ratechange", () => ({ rate: video.playbackRate }));
    on("timeupdate progress seeked", () => this.readProgress());
    on("enterpictureinpicture leavepictureinpicture", () => {
      queueMicrotask(() => this.cues.follow());
      return { pictureInPicture: document.pictureInPictureElement === video };
    });
    on("volumechange", () => {
      const hushed = store.getState().hushed && video.muted;
      if (!hushed) this.memory.keepSound({ volume: video.volume, muted: video.muted });
      return { volume: video.volume, muted: video.muted, hushed };
    });
    for (const name of ["change", "addtrack", "removetrack"]) {
      video.textTracks.addEventListener(name, () => this.cues.follow(), { signal });
    }
    const full = (): void => store.set({ fullscreen: document.fullscreenElement !== null });
    document.addEventListener("fullscreenchange", full, { signal });
  }

  private readProgress(): Partial<PlaybackState> {
    const buffered = spansOf(this.video.buffered);
    const quality = this.video.getVideoPlaybackQuality();
    const time = this.video.currentTime;
    return {
      time,
      buffered,
      ahead: ahead(buffered, time),
      frames: quality.totalVideoFrames,
      dropped: quality.droppedVideoFrames,
    };
  }
}
