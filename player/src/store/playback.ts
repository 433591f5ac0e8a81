/** The player's state, and what each request does to the media element and the engine. */
import { openEngine } from "../engine/choose";
import { type Engine, type EngineState, nothing, type Trouble } from "../engine/engine";
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
  buffered: readonly Span[];
  ahead: number;
  volume: number;
  muted: boolean;
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
  | { type: "toggle" }
  | { type: "play" }
  | { type: "pause" }
  | { type: "seek"; to: number }
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
  buffered: [],
  ahead: 0,
  volume: 1,
  muted: false,
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
  private caption: TextTrack | undefined;
  private lastText = 0;
  private readonly stop = new AbortController();

  constructor(
    private readonly video: HTMLVideoElement,
    private readonly stage: HTMLElement,
    private readonly memory: Memory,
  ) {
    const { volume, muted } = memory.sound();
    video.volume = volume;
    video.muted = muted;
    this.store = new Store<PlaybackState, PlaybackRequest>({ ...initial, volume, muted }, this.effects());
    this.listen();
  }

  destroy(): void {
    this.stop.abort();
    this.generation += 1;
    this.engine?.destroy();
  }

  private effects(): Effects<PlaybackState, PlaybackRequest> {
    const { video } = this;
    const end = (): number => (Number.isFinite(video.duration) ? video.duration : Number.MAX_SAFE_INTEGER);
    const seek = (to: number): void => void (video.currentTime = clamp(to, 0, end()));
    const play = (): Promise<void> => this.play();
    return {
      load: ({ source, start, autoplay }) => this.load(source, start, autoplay),
      retry: () => this.load(this.store.getState().source, video.currentTime, true),
      toggle: () => (video.paused ? play() : video.pause()),
      play,
      pause: () => video.pause(),
      seek: ({ to }) => seek(to),
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
    this.engine?.destroy();
    this.engine = undefined;
    this.store.set({ ...nothing, source, trouble: null, waiting: true, ended: false });
    const engine = await openEngine(this.video, {
      changed: (state) => generation === this.generation && this.store.set(state),
      failed: (trouble) => generation === this.generation && this.store.set({ trouble, waiting: false }),
    });
    if (generation !== this.generation) {
      engine.destroy();
      return;
    }
    this.engine = engine;
    this.store.set({ engine: engine.name });
    engine.load(source, start);
    if (autoplay) await this.play();
    else this.store.set({ waiting: false });
  }

  private async play(): Promise<void> {
    try {
      await this.video.play();
    } catch (error) {
      // Browsers refuse sound before a gesture, and a new load interrupts a promised start: the big button stays.
      if (!(error instanceof DOMException)) throw error;
      this.store.set({ waiting: false });
    }
  }

  private setText(index: number): void {
    if (index >= 0) this.lastText = index;
    this.engine?.setText(index);
    this.followCaptions();
  }

  /** Cues are drawn by us, above the controls; only picture-in-picture leaves them to the browser. */
  private followCaptions(): void {
    const tracks = Array.from(this.video.textTracks);
    const track = tracks.find(({ kind, mode }) => (kind === "subtitles" || kind === "captions") && mode !== "disabled");
    if (track) track.mode = document.pictureInPictureElement === this.video ? "showing" : "hidden";
    if (track !== this.caption) {
      this.caption = track;
      track?.addEventListener("cuechange", () => this.readCues(), { signal: this.stop.signal });
    }
    this.readCues();
  }

  private readCues(): void {
    const active = Array.from(this.caption?.mode === "hidden" ? (this.caption.activeCues ?? []) : []);
    const cues = active.map((cue) => plain(cue as VTTCue)).filter(Boolean);
    if (cues.join("\n") !== this.store.getState().cues.join("\n")) this.store.set({ cues });
  }

  private listen(): void {
    const { video, store } = this;
    const signal = this.stop.signal;
    const on = (names: string, read: () => Partial<PlaybackState>): void => {
      for (const name of names.split(" ")) video.addEventListener(name, () => store.set(read()), { signal });
    };
    on("play pause ended playing", () => ({ paused: video.paused, ended: video.ended }));
    on("playing canplay", () => ({ waiting: false, started: store.getState().started || !video.paused }));
    on("waiting", () => ({ waiting: !video.paused || store.getState().seeking }));
    on("seeking", () => ({ seeking: true, time: video.currentTime, ended: false }));
    on("seeked", () => ({ seeking: false, time: video.currentTime }));
    on("durationchange loadedmetadata", () => ({ duration: video.duration }));
    on("ratechange", () => ({ rate: video.playbackRate }));
    on("timeupdate progress seeked", () => this.readProgress());
    on("enterpictureinpicture leavepictureinpicture", () => {
      queueMicrotask(() => this.followCaptions());
      return { pictureInPicture: document.pictureInPictureElement === video };
    });
    on("volumechange", () => {
      this.memory.keepSound({ volume: video.volume, muted: video.muted });
      return { volume: video.volume, muted: video.muted };
    });
    for (const name of ["change", "addtrack", "removetrack"]) {
      video.textTracks.addEventListener(name, () => this.followCaptions(), { signal });
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

function plain(cue: VTTCue): string {
  const fragment = cue.getCueAsHTML();
  for (const line of fragment.querySelectorAll("br")) line.replaceWith("\n");
  return fragment.textContent?.trim() ?? "";
}
