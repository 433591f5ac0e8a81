/** What this browser remembers: sound, how fast its line was, how close it watches, and where each video was left. */
import type { Tier } from "../engine/engine";

export interface Sound {
  volume: number;
  muted: boolean;
}

export type Shelf = Pick<Storage, "getItem" | "setItem" | "removeItem">;

const SOUND = "streamer.sound";
const PLACES = "streamer.places";
const LINE = "streamer.line";
const TIER = "streamer.tier";
const TIERS: readonly Tier[] = ["normal", "low", "push"];
const KEPT = 200;
/** People move from one line to another; what was measured longer ago is worth nothing. */
const LINE_MS = 3_600_000;
/** Nobody resumes within the first seconds or the last. */
const EDGE_S = 10;

type Places = Record<string, [seconds: number, kept: number]>;

export class Memory {
  constructor(
    private readonly shelf: Shelf,
    private readonly now: () => number = Date.now,
  ) {}

  sound(): Sound {
    const { volume = 1, muted = false } = this.read<Partial<Sound>>(SOUND) ?? {};
    return { volume: Number.isFinite(volume) ? Math.min(1, Math.max(0, volume)) : 1, muted };
  }

  keepSound(sound: Sound): void {
    this.write(SOUND, sound);
  }

  /** Return how many bits a second the line carried lately, 0 where that is not known. */
  line(): number {
    const [bits, kept] = this.read<[number, number]>(LINE) ?? [0, 0];
    return Number.isFinite(bits) && this.now() - kept < LINE_MS ? bits : 0;
  }

  keepLine(bits: number): void {
    this.write(LINE, [Math.round(bits), this.now()]);
  }

  /** Return how close to the broadcast live streams are watched, undefined where the viewer has not chosen. */
  tier(): Tier | undefined {
    return TIERS.find((tier) => tier === this.read<string>(TIER));
  }

  keepTier(tier: Tier): void {
    this.write(TIER, tier);
  }

  /** Return the seconds at which the video was left, 0 for the start. */
  place(id: string): number {
    return this.read<Places>(PLACES)?.[id]?.[0] ?? 0;
  }

  keepPlace(id: string, seconds: number, duration: number): void {
    const places = this.read<Places>(PLACES) ?? {};
    if (seconds < EDGE_S || seconds > duration - EDGE_S) delete places[id];
    else places[id] = [Math.floor(seconds), this.now()];
    const newest = Object.entries(places).sort((a, b) => b[1][1] - a[1][1]);
    this.write(PLACES, Object.fromEntries(newest.slice(0, KEPT)));
  }

  private read<T>(key: string): T | undefined {
    try {
      return (JSON.parse(this.shelf.getItem(key) ?? "null") as T | null) ?? undefined;
    } catch {
      return undefined;
    }
  }

  private write(key: string, value: unknown): void {
    try {
      this.shelf.setItem(key, JSON.stringify(value));
    } catch {
      // A full or forbidden storage only forgets.
    }
  }
}
