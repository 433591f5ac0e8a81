/** The playback token of what is shown: it goes into the addresses of media, and another one is got before it ends. */
import { type Timer, wallTimer } from "../channel/timer";

/** Brings the next token, "" where there is none. */
export type Provider = () => Promise<string>;

/** So long before its end a token is renewed; one that holds for less than twice that, at half its time. */
const AHEAD_MS = 60_000;
/** With less than that left nobody is asked again. */
const LEAST_MS = 1000;
const LONGEST_MS = 2 ** 31 - 1;
const ADDRESS = /^((?:https?:\/\/[^/]+)?)\/(?:v|p\/[^/]+)\/([a-z0-9]+)\//;

export class Pass {
  private current = "";
  private asking: Promise<boolean> | undefined;
  private forget: (() => void) | undefined;

  /** `renewed` is called when another token has taken the place of one. */
  constructor(
    private readonly provider: Provider,
    private readonly renewed: () => void = () => undefined,
    private readonly timer: Timer = wallTimer,
    private readonly now: () => number = () => Date.now(),
  ) {}

  /** Use a token from now on, "" for none. */
  take(token: string): void {
    this.current = token;
    this.plan();
  }

  /** Ask for another one in time: again and again while none comes, as whoever brings it may be late. */
  private plan(): void {
    this.forget?.();
    const left = endOf(this.current) - this.now();
    if (!(left > LEAST_MS)) return;
    const pause = left > 2 * AHEAD_MS ? left - AHEAD_MS : left / 2;
    this.forget = this.timer.after(Math.min(pause, LONGEST_MS), () => void this.renew());
  }

  /** Return where media of an address is to be had now. */
  readonly address = (of: string): string =>
    this.current ? of.replace(ADDRESS, (_, host: string, id: string) => `${host}/p/${this.current}/${id}/`) : of;

  /** Get another token; false where there is none. */
  renew(): Promise<boolean> {
    this.asking ??= this.ask().finally(() => (this.asking = undefined));
    return this.asking;
  }

  end(): void {
    this.forget?.();
  }

  private async ask(): Promise<boolean> {
    const next = await this.provider().catch(() => "");
    if (!next || next === this.current) {
      this.plan();
      return false;
    }
    this.take(next);
    this.renewed();
    return true;
  }
}

/** Return when a token ends by its own words, in milliseconds since 1970; NaN where it does not tell. */
function endOf(token: string): number {
  try {
    const claims = (token.split(".")[1] ?? "").replace(/-/g, "+").replace(/_/g, "/");
    return Number((JSON.parse(atob(claims)) as { exp?: number }).exp) * 1000;
  } catch {
    return Number.NaN;
  }
}
