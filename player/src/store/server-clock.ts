/** The server's clock, by which the delay of what is shown is measured. */

export class ServerClock {
  private offset = Number.NaN;
  private asked: Promise<void> | undefined;

  constructor(
    private readonly ask: () => Promise<string> = told,
    private readonly now: () => number = () => performance.timeOrigin + performance.now(),
  ) {}

  /** Ask the server once. The answer is taken to have been made halfway between question and arrival. */
  measure(): Promise<void> {
    this.asked ??= this.compare();
    return this.asked;
  }

  /** Return what the server's clock shows, in milliseconds since the epoch; NaN before it was asked. */
  read(): number {
    return this.now() + this.offset;
  }

  private async compare(): Promise<void> {
    try {
      const before = this.now();
      const shown = Date.parse(await this.ask());
      this.offset = shown - (before + this.now()) / 2;
    } catch {
      // Without its clock the delay is not known; all else goes on.
    }
  }
}

async function told(): Promise<string> {
  const response = await fetch("/time", { cache: "no-store" });
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  return response.text();
}
