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
  /** Playing, seeking, rebuffering, paused, ended, given up. */
  sta: "p" | "k" | "r" | "a" | "e" | "f";
  /** Milliseconds in the buffer. */
  bl: number;
  /** Kilobits a second, of what is shown and of the line. */
  br?: number;
  mtp?: number;
  /** Milliseconds from the encoder to the screen. */
  ltc?: number;
  /** The buffer has run empty since the last time, and for how many milliseconds. */
  bs?: true;
  bsd?: number;
  /** Milliseconds from the wish to watch to the first picture; told once. */
  msd?: number;
  pr: number;
}

export class Beacons {
  private readonly session = crypto.getRandomValues(new Uint32Array(4)).join("-");
  private readonly stalls = new Stalls();
  private failed = false;
  private turn = 0;
  private forget: (() => void) | undefined;

  /** `watched` is the asset's id, "" while there is none; `startup` how long the first picture took, in ms. */
  constructor(
    private readonly tell: (message: object) => void,
    private readonly watched: () => string,
    private readonly state: () => Readonly<PlaybackState> | undefined,
    private startup: number,
    private readonly timer: Timer = wallTimer,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** Take note that the player's state has changed. That it plays, or has given up, is told at once. */
  changed(): void {
    const state = this.state();
    if (!state) return;
    this.stalls.note(state, this.now());
    const failed = state.trouble !== null;
    if (failed && !this.failed) this.report(state);
    this.failed = failed;
    if (!this.forget && playing(state)) this.beat();
  }

  private beat(): void {
    const state = this.state();
    const id = this.watched();
    this.forget = undefined;
    if (!state || !id || !playing(state)) return;
    this.forget = this.timer.after(EVERY_MS, () => this.beat());
    this.tell({ type: "presence", channel: `asset:${id}` });
    this.turn += 1;
    if (this.turn % 2 === 0) this.report(state); // at the first there is nothing to tell yet
  }

  private report(state: Readonly<PlaybackState>): void {
    const id = this.watched();
    const msd = this.startup ? { msd: Math.round(this.startup) } : {};
    const told: Cmcd = { ...cmcd(state, this.session, id), ...this.stalls.take(this.now()), ...msd };
    this.startup = 0;
    this.tell({ type: "beacon", channel: `asset:${id}`, cmcd: told });
  }
}

/** How often and for how long the buffer has been empty, though nobody had gone elsewhere. */
class Stalls {
  private since: number | undefined;
  private starved = false;
  private total = 0;

  note({ started, waiting, seeking, paused }: Readonly<PlaybackState>, now: number): void {
    const stalled = started && waiting && !seeking && !paused;
    if (stalled === (this.since !== undefined)) return;
    if (this.since !== undefined) this.total += now - this.since;
    else this.starved = true;
    this.since = stalled ? now : undefined;
  }

  /** Return what there is to tell, and begin anew. */
  take(now: number): Pick<Cmcd, "bs" | "bsd"> {
    const lasting = this.since === undefined ? 0 : now - this.since;
    const told = { bs: this.starved, bsd: Math.round(this.total + lasting) };
    this.starved = false;
    this.total = -lasting; // is counted again when it ends
    return { ...(told.bs ? { bs: true } : {}), ...(told.bsd ? { bsd: told.bsd } : {}) };
  }
}

function playing({ started, paused, ended }: Readonly<PlaybackState>): boolean {
  return started && !paused && !ended;
}

function cmcd(now: Readonly<PlaybackState>, sid: string, cid: string): Cmcd {
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
  };
}

function standing({ ended, paused, seeking, trouble, waiting }: Readonly<PlaybackState>): Cmcd["sta"] {
  if (trouble) return "f";
  if (ended) return "e";
  if (seeking) return "k";
  if (paused) return "a";
  return waiting ? "r" : "p";
}

function stepped(seconds: number): number {
  return Math.round((Math.max(0, seconds) * 1000) / STEP_MS) * STEP_MS;
}
