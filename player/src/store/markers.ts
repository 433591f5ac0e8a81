/** Markers: each is told once, when the playhead gets to its moment, whichever way it came first. */

/** A marker as the API and the control channel tell it. Without a date it is gone. */
export interface Marked {
  id: string;
  kind?: string;
  /** Its moment, by the dates of the playlists. */
  date?: string;
  /** Seconds. */
  duration?: number | null;
  data?: Readonly<Record<string, unknown>> | null | undefined;
}

export interface Marker {
  id: string;
  kind: string;
  /** Milliseconds since the epoch. */
  date: number;
  duration: number;
  data: Readonly<Record<string, unknown>>;
}

/** One that comes so late is told all the same. */
const LATE_S = 1;
/** Dates have milliseconds: a frame is not missed for what they leave out. */
const ROUNDED_S = 0.002;

export class Markers {
  private readonly known = new Map<string, Marker>();
  private readonly gone = new Set<string>();
  private readonly told = new Set<string>();
  private fresh = new Set<string>();
  private last = Number.NaN;

  /** `timeOf` returns at which second of the media element a date is shown, NaN where it is not. */
  constructor(
    private readonly timeOf: (date: number) => number,
    private readonly tell: (marker: Marker) => void,
  ) {}

  /** Take markers, known ones among them; return whether any is new or gone. */
  take(marked: readonly Marked[]): boolean {
    let changed = false;
    for (const { id, kind = "", date = "", duration, data } of marked) {
      const moment = Date.parse(date);
      if (Number.isNaN(moment)) {
        this.gone.add(id);
        changed = this.known.delete(id) || changed;
      } else if (!this.known.has(id) && !this.gone.has(id)) {
        this.known.set(id, { id, kind, date: moment, duration: duration ?? 0, data: data ?? {} });
        this.fresh.add(id);
        changed = true;
      }
    }
    return changed;
  }

  /** Take it that the picture of this second is on the screen. */
  look(time: number): void {
    for (const marker of this.known.values()) {
      const { id, date, duration } = marker;
      const at = this.timeOf(date) - ROUNDED_S;
      if (this.told.has(id) || !(at <= time)) continue;
      const passed = at > this.last;
      const late = this.fresh.has(id) && time - at < LATE_S;
      if (!passed && !late && !(time < at + duration)) continue;
      this.told.add(id);
      this.tell(marker);
    }
    this.fresh.clear();
    this.last = time;
  }

  /** The viewer has gone to a second: what lies behind it is told again. */
  rewind(time: number): void {
    this.last = time;
    for (const { id, date } of this.known.values()) if (this.timeOf(date) > time) this.told.delete(id);
  }

  /** What plays from now on is something else: all is told again. */
  again(): void {
    this.last = Number.NaN;
    this.told.clear();
  }

  /** Return the second of each marker that can be shown, with what it is. */
  places(): (readonly [second: number, marker: Marker])[] {
    const found = [...this.known.values()].map((marker) => [this.timeOf(marker.date), marker] as const);
    return found.filter(([second]) => !Number.isNaN(second));
  }
}
