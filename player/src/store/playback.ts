/** The player's state, and what each request does to the media element and the engine. */
import { openEngine } from "../engine/choose";
import { type Address, type Engine, type EngineState, nothing, type Tier, type Trouble } from "../engine/engine";
import type { Presence } from "../engine/presence";
import { Airing, type AiringState, grounded } from "./airing";
import { Cues } from "./cues";
import type { Marked } from "./markers";
import type { Memory } from "./memory";
import { ServerClock } from "./server-clock";
import { watch } from "./screen";
import { clamp, type Span } from "./spans";
import { Still } from "./still";
import { type Effects, Store } from "./store";

export interface PlaybackState extends EngineState, AiringState {
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
  | { type: "live" }
  | { type: "tier"; to: Tier }
  | { type: "aim"; to: number }
  | { type: "captions" }
  | { type: "pip" }
  | { type: "fullscreen" };

export const RATES = [0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75, 2] as const;

/** Pauses before a stream is loaded anew that the server says is alive, or that nobody has ended. */
const AGAIN_MS = [500, 1000, 2000, 4000, 8000] as const;
/** Nothing can be shown at the very edge of what is there. */
const EDGE_S = 0.5;
/** How often the live edge is looked at. */
const TICK_MS = 250;

const initial: PlaybackState = {
  ...nothing,
  ...grounded,
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
  private readonly airing: Airing;
  private readonly still: Still;
  private readonly ticker: ReturnType<typeof setInterval>;
  private lastText = 0;
  private failures = 0;
  private again: ReturnType<typeof setTimeout> | undefined;
  private readonly stop = new AbortController();

  constructor(
    private readonly video: HTMLVideoElement,
    private readonly stage: HTMLElement,
    private readonly memory: Memory,
    private readonly presence: Presence,
    private readonly marked: (markers: readonly Marked[]) => void,
    private readonly pass: { readonly address: Address; renew(): Promise<boolean> },
  ) {
    const { volume, muted } = memory.sound();
    video.volume = volume;
    video.muted = muted;
    this.store = new Store<PlaybackState, PlaybackRequest>({ ...initial, volume, muted }, this.effects());
    this.cues = new Cues(video, (cues) => this.store.set({ cues }));
    const reload = (tier: Tier): void => void this.load(this.store.getState().source, 0, !video.paused, tier);
    this.airing = new Airing(video, this.store, { reload }, memory, new ServerClock());
    this.still = new Still(video);
    this.ticker = setInterval(() => this.airing.tick(), TICK_MS);
    watch(video, { store: this.store, airing: this.airing, cues: this.cues, memory, signal: this.stop.signal });
    video.addEventListener("playing", () => (this.failures = 0), { signal: this.stop.signal });
    video.addEventListener("ended", () => this.airing.was && this.over(), { signal: this.stop.signal });
  }

  /** Return at which second a date is shown, NaN where that is not known. */
  timeOf(date: number): number {
    return this.engine?.timeOf(date) ?? Number.NaN;
  }

  destroy(): void {
    this.stop.abort();
    clearInterval(this.ticker);
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
    const seek = (to: number): void => {
      if (!this.airing.seek(to)) video.currentTime = clamp(to, 0, end());
    };
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
      share: ({ part }) => {
        const [start, length] = extent(this.store.getState());
        seek(start + part * length);
      },
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
      rate: ({ to }) => this.setRate(to),
      faster: ({ by }) => {
        const at = RATES.findIndex((rate) => rate >= this.airing.rate);
        this.setRate(RATES[clamp(at + by, 0, RATES.length - 1)] ?? 1);
      },
      live: () => {
        this.airing.toEdge();
        return play();
      },
      tier: ({ to }) => this.airing.choose(to),
      aim: ({ to }) => this.airing.aim(to),
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

  private async load(source: string, start: number, autoplay: boolean, tier = this.airing.entry): Promise<void> {
    this.generation += 1;
    const generation = this.generation;
    clearTimeout(this.again);
    this.still.hold();
    this.engine?.destroy();
    this.engine = undefined;
    this.airing.rest();
    const line = this.store.getState().bandwidth || this.memory.line();
    this.store.set({ ...nothing, source, trouble: null, waiting: true, ended: false });
    const listener = {
      changed: (state: Partial<EngineState>) => void (generation === this.generation && this.store.set(state)),
      failed: (trouble: Trouble) => void (generation === this.generation && this.failed(trouble)),
      fell: (reason: string) => void (generation === this.generation && this.airing.fall(reason)),
      marked: this.marked,
      over: () => void (generation === this.generation && this.over()),
    };
    const engine = await openEngine(this.video, listener, this.presence, tier, this.pass.address);
    if (generation !== this.generation) {
      engine.destroy();
      return;
    }
    this.engine = engine;
    this.airing.begin(engine, tier);
    this.store.set({ engine: engine.name });
    engine.load(source, start, line);
    if (autoplay) await this.begin();
    else this.store.set({ waiting: false });
  }

  /** Show the recording of the broadcast that was watched to its end. */
  private over(): void {
    this.store.set({ started: false });
    void this.load(this.store.getState().source, 0, false);
  }

  private setRate(to: number): void {
    if (to !== 1) this.airing.leave();
    this.video.playbackRate = to;
  }

  /** Go on where it was with another token, which is in addresses that are asked for by the browser itself. */
  renewed(): void {
    if (this.engine?.name !== "native") return;
    const { source, paused } = this.store.getState();
    void this.load(source, this.video.currentTime, !paused);
  }

  /** Go on with another token where there is one. */
  private async refused(trouble: Trouble): Promise<void> {
    const { generation } = this;
    this.store.set({ waiting: true });
    const renewed = await this.pass.renew();
    if (generation !== this.generation) return;
    const { source, time, paused } = this.store.getState();
    if (renewed) await this.load(source, this.airing.was ? 0 : time, !paused);
    else this.store.set({ trouble, waiting: false });
  }

  /** Go on waiting where the server still makes the stream; tell of the trouble where it does not. */
  private failed(trouble: Trouble): void {
    if (trouble.kind === "refused") {
      void this.refused(trouble);
      return;
    }
    if (trouble.kind !== "network" || !(this.presence.alive || this.presence.onAir)) {
      this.store.set({ trouble, waiting: false });
      return;
    }
    const pause = AGAIN_MS[Math.min(this.failures, AGAIN_MS.length - 1)];
    this.failures += 1;
    this.store.set({ waiting: true, preparing: true });
    const { source, time, paused } = this.store.getState();
    const start = this.airing.was ? 0 : time; // the seconds of a live stream are counted anew
    this.again = setTimeout(() => void this.load(source, start, !paused), pause);
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
    this.airing.return();
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
}

/** Return the second at which the timeline begins, and its length: of a live stream the window up to the edge. */
export function extent({ live, duration }: Readonly<PlaybackState>): readonly [start: number, length: number] {
  if (live) return [live.start, Math.max(0, live.target - live.start)];
  return [0, Number.isFinite(duration) && duration > 0 ? duration : 0];
}
