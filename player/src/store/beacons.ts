/** What the player tells the server while somebody watches: that they do, and how it goes (CMCD, CTA-5004-B). */
import { type Timer, wallTimer } from "../channel/timer";
import type { PlaybackState } from "./playback";

/** So often the server hears that somebody watches, and every second time how it goes. */
const EVERY_MS = 15_000;
/** Lengths and delays are told in steps of 100 ms, as CMCD has them. */
const STEP_MS = 100;

/** Keys of CMCD, version 2. What is not known is left out. */
export interface Cmcd {
  v: 2;
  /** This visit, and what is watched. */
  sid: string;
  cid: string;
  /** Streaming format: HLS, or another, as pushed frames are. */
  sf: "h" | "o";
  /** Video on demand, live, or live with low latency. */
  st: "v" | "l" | "ll";
  /** Playing, seeking, rebuffering, paused, ended. */
  sta: "p" | "k" | "r" | "a" | "e";
  /** Milliseconds in the buffer. */
  bl: number;
  /** Kilobits a second, of what is shown and of the line. */
  br?: number;
  mtp?: number;
  /** Milliseconds from the encoder to the screen. */
  ltc?: number;
  /** The buffer has run empty since the last time. */
  bs?: true;
  pr: number;
}

export class Beacons {
  private readonly session = crypto.getRandomValues(new Uint32Array(4)).join("-");
  private starved = false;
  private waited = false;
  private turn = 0;
  private forget: (() => void) | undefined;

  /** `watched` is the asset's id, "" while there is none. */
  constructor(
    private readonly tell: (message: object) => void,
    private readonly watched: () => string,
    private readonly state: () => Readonly<PlaybackState> | undefined,
    private readonly timer: Timer = wallTimer,
  ) {}

  /** Take note that the player's state has changed. The first time that it plays is told at once. */
  changed(): void {
    const now = this.state();
    if (!now) return;
    const waits = now.started && now.waiting && !now.seeking && !now.paused;
    if (waits && !this.waited) this.starved = true;
    this.waited = waits;
    if (!this.forget && playing(now)) this.beat();
  }

  private beat(): void {
    const now = this.state();
    const id = this.watched();
    this.forget = undefined;
    if (!now || !id || !playing(now)) return;
    this.forget = this.timer.after(EVERY_MS, () => this.beat());
    const channel = `asset:${id}`;
    this.tell({ type: "presence", channel });
    this.turn += 1;
    if (this.turn % 2 === 1) return; // at the first there is nothing to tell yet
    this.tell({ type: "beacon", channel, cmcd: cmcd(now, this.session, id, this.starved) });
    this.starved = false;
  }
}

function playing({ started, paused, ended }: Readonly<PlaybackState>): boolean {
  return started && !paused && !ended;
}

function cmcd(now: Readonly<PlaybackState>, sid: string, cid: string, starved: boolean): Cmcd {
  const bitrate = now.levels[now.shown]?.bitrate;
  return {
    v: 2,
    sid,
    cid,
    sf: now.tier === "push" && now.live ? "o" : "h",
    st: now.live ? (now.tier === "normal" ? "l" : "ll") : "v",
    sta: standing(now),
    bl: stepped(now.ahead),
    pr: now.rate,
    ...(bitrate ? { br: Math.round(bitrate / 1000) } : {}),
    ...(now.bandwidth ? { mtp: Math.round(now.bandwidth / 1e5) * 100 } : {}),
    ...(now.live && !Number.isNaN(now.delay) ? { ltc: stepped(now.delay) } : {}),
    ...(starved ? { bs: true } : {}),
  };
}

function standing({ ended, paused, seeking, waiting }: Readonly<PlaybackState>): Cmcd["sta"] {
  if (ended) return "e";
  if (seeking) return "k";
  if (paused) return "a";
  return waiting ? "r" : "p";
}

function stepped(seconds: number): number {
  return Math.round((Math.max(0, seconds) * 1000) / STEP_MS) * STEP_MS;
}
