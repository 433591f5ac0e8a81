/** A live stream in the player: where its edge is, whether the viewer follows it, and how close. */
import type { Engine, LiveWindow, Tier } from "../engine/engine";
import { Chase, MANNERS } from "./chase";
import type { Memory } from "./memory";
import type { ServerClock } from "./server-clock";
import { clamp } from "./spans";

export interface AiringState {
  /** Null where what plays is not live. Its target is this viewer's own: stalls have moved it back. */
  live: LiveWindow | null;
  /** Seconds from the encoder to the screen, NaN where that is not known. */
  delay: number;
  /** The viewer means to be at the edge, and not somewhere in what has been. */
  follows: boolean;
  tier: Tier;
  /** Why it is not the tier that was asked for, "" where it is. */
  fallen: string;
}

export const grounded: AiringState = { live: null, delay: Number.NaN, follows: true, tier: "low", fallen: "" };

/** What the media element tells and takes. */
export type Screen = Pick<
  HTMLVideoElement,
  "buffered" | "currentTime" | "ended" | "paused" | "playbackRate" | "readyState" | "seeking"
>;

/** The part of the player's state that is written here. */
export interface Board {
  getState(): Readonly<AiringState>;
  set(patch: Partial<AiringState>): void;
}

/** What is done by whoever holds the engine. */
export interface Helm {
  /** Load the source again by another tier. */
  reload(tier: Tier): void;
}

/** Closer to the target than this the viewer is at the edge. */
const NEAR_S = 0.5;
/** Behind the oldest that is listed, since that goes next. */
const MARGIN_S = 1;
/** So soon after the first picture nobody minds a small jump, and being late by so much would take long to make up for. */
const SETTLE_MS = 5000;
const SETTLE_S = 0.3;
/** Pushed frames that stay away for so long are asked for otherwise. */
const STUCK_MS = 3000;
/** Below this delay pushed frames are nearest, below the other one parts. */
const PUSHED_S = 0.7;
const PARTS_S = 3.5;
const HAVE_CURRENT_DATA = 2;
const HAVE_FUTURE_DATA = 3;

export class Airing {
  /** What plays was live since it was loaded. */
  was = false;
  private engine: Engine | undefined;
  private chase = new Chase(MANNERS.low);
  private wanted: Tier = "low";
  private chosen: boolean;
  /** Where to go on after a change of engines, by the server's clock; NaN for the edge. */
  private resume = Number.NaN;
  private movedAt = 0;
  /** When the picture first moved, NaN before that. */
  private begunAt = Number.NaN;
  private steering = false;

  constructor(
    private readonly video: Screen,
    private readonly board: Board,
    private readonly helm: Helm,
    private readonly memory: Pick<Memory, "tier" | "keepTier">,
    private readonly clock: Pick<ServerClock, "measure" | "read">,
    private readonly now: () => number = () => performance.now(),
  ) {
    const kept = memory.tier();
    this.chosen = !!kept;
    this.wanted = kept ?? "low";
  }

  /** The speed at which the viewer wants to watch, whatever is done to stay at the edge. */
  get rate(): number {
    return this.steering ? 1 : this.video.playbackRate;
  }

  /** Return the tier to load with: only what is known to be live can be pushed. */
  get entry(): Tier {
    return this.wanted === "push" ? "low" : this.wanted;
  }

  /** Take the engine that plays from now on. */
  begin(engine: Engine, tier: Tier): void {
    this.engine = engine;
    this.was = false;
    this.begunAt = Number.NaN;
    this.chase = new Chase(MANNERS[tier]);
    this.movedAt = this.now();
    this.board.set({ live: null, delay: Number.NaN, tier });
  }

  rest(): void {
    this.engine = undefined;
  }

  /** Look where the edge is, and stay there. To be called some times a second. */
  tick(): void {
    const { board, engine, video } = this;
    const known = engine?.live() ?? null;
    if (!known) {
      if (board.getState().live) this.landed();
      return;
    }
    if (!this.was) this.begun();
    if (engine !== this.engine) return;
    const live = { ...known, target: known.target - this.chase.back };
    if (!Number.isNaN(this.resume)) this.goOn(live);
    // A publisher that sends in advance is shown before its time; there is no delay then.
    const delay = Math.max(0, (this.clock.read() - live.epoch) / 1000 - video.currentTime);
    if (!video.paused && !video.seeking && live.target - video.currentTime < NEAR_S) this.follow(true);
    board.set({ live, delay });
    if (board.getState().follows && engine?.tiers.length) this.steer(live);
  }

  /** Jump to the live edge and stay there. */
  toEdge(): void {
    const { live } = this.board.getState();
    if (!live) return;
    this.video.currentTime = live.target;
    this.follow(true);
  }

  /** Go to a second within the window; return false where what plays is not live. */
  seek(to: number): boolean {
    const { live } = this.board.getState();
    if (!live) return false;
    this.video.currentTime = clamp(to, live.start, live.target);
    this.follow(to > live.target - NEAR_S);
    return true;
  }

  /** The viewer has paused, or chosen a speed: what follows is no longer the edge. */
  leave(): void {
    if (this.board.getState().live && !this.video.ended) this.follow(false);
  }

  /** The viewer plays on: what has left the window meanwhile cannot be shown any more. */
  return(): void {
    const { live } = this.board.getState();
    if (live && this.video.currentTime < live.start) this.video.currentTime = live.start + MARGIN_S;
  }

  /** The picture stands still for want of frames. */
  stalled(): void {
    const { live, follows, tier } = this.board.getState();
    if (!live || !follows || this.video.seeking || this.video.paused) return;
    if (Number.isNaN(this.begunAt)) return; // what has not begun has not stalled
    if (!this.chase.stalled(this.now()) && tier === "push") this.fall("the line is too uneven for less delay");
  }

  /** Take the tier that comes near to so many seconds behind the edge, unless the viewer has chosen one. */
  aim(seconds: number): void {
    const { fallen, follows } = this.board.getState();
    if (this.chosen || fallen) return;
    this.wanted = seconds < PUSHED_S ? "push" : seconds < PARTS_S ? "low" : "normal";
    if (follows) this.take(this.wanted); // nobody is pulled to the edge by it
  }

  /** Take the tier that the viewer asks for. */
  choose(tier: Tier): void {
    this.chosen = true;
    this.wanted = tier;
    this.memory.keepTier(tier);
    this.board.set({ fallen: "" });
    this.take(tier);
  }

  /** Take playlists instead of what is pushed. */
  fall(reason: string): void {
    this.board.set({ fallen: reason });
    this.take("low");
  }

  private take(tier: Tier): void {
    const { board, engine } = this;
    const { follows, live } = board.getState();
    if (!engine?.tiers.includes(tier) || tier === board.getState().tier) return;
    if (tier !== "push" && engine.name !== "push") {
      engine.setTier(tier);
      this.chase = new Chase(MANNERS[tier]);
      board.set({ tier });
      return;
    }
    // Who asks for less delay means the edge; all others go on where they are.
    const stays = live && !follows && tier !== "push";
    this.resume = stays ? live.epoch + this.video.currentTime * 1000 : Number.NaN;
    if (!stays) board.set({ follows: true });
    this.helm.reload(tier);
  }

  private begun(): void {
    this.was = true;
    void this.clock.measure();
    const { fallen, tier } = this.board.getState();
    if (!fallen && this.wanted === "push" && tier !== "push") this.take("push");
  }

  /** The broadcast is over: what plays is its recording now. */
  private landed(): void {
    if (this.steering) this.video.playbackRate = 1;
    this.steering = false;
    this.board.set({ live: null, delay: Number.NaN });
  }

  private goOn(live: LiveWindow): void {
    const to = (this.resume - live.epoch) / 1000;
    if (Number.isNaN(to) || this.video.readyState < HAVE_CURRENT_DATA) return;
    this.resume = Number.NaN;
    this.video.currentTime = clamp(to, live.start, live.target);
  }

  private follow(follows: boolean): void {
    if (!follows && this.steering) this.video.playbackRate = 1;
    if (!follows) this.steering = false;
    this.board.set({ follows });
  }

  private steer(live: LiveWindow): void {
    const { video } = this;
    const now = this.now();
    if (video.paused || video.readyState >= HAVE_FUTURE_DATA) this.movedAt = now;
    else if (this.board.getState().tier === "push" && now - this.movedAt > STUCK_MS) this.fall("nothing came any more");
    if (video.paused || video.seeking || video.readyState < HAVE_CURRENT_DATA) return;
    if (Number.isNaN(this.begunAt) && video.readyState >= HAVE_FUTURE_DATA) this.begunAt = now;
    if (this.rate !== 1) return;
    const behind = live.target - video.currentTime;
    if (now - this.begunAt < SETTLE_MS && behind > SETTLE_S && this.has(live.target + this.chase.manner.ease)) {
      video.currentTime = live.target;
      return;
    }
    const { rate, jump } = this.chase.step(behind, now);
    this.steering = rate !== 1;
    if (video.playbackRate !== rate) video.playbackRate = rate;
    if (jump) video.currentTime += jump;
  }

  private has(second: number): boolean {
    const { buffered } = this.video;
    const last = buffered.length - 1;
    return last >= 0 && buffered.start(last) <= second && second < buffered.end(last);
  }
}
