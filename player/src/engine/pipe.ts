/** What is pushed of one rendition poured into one SourceBuffer, which is kept short. */
import { pushed } from "./pushed";

/** Seconds behind the playhead that stay, so that one can go back a little. */
const KEPT_S = 30;
const TRIM_EVERY_S = 5;

export class Pipe {
  private readonly stop = new AbortController();
  private trimmed = 0;

  constructor(
    private readonly video: HTMLVideoElement,
    private readonly buffer: SourceBuffer,
    private readonly poured: () => void,
  ) {}

  /**
   * Pour until the server ends it. Nothing is read while the buffer is busy, so that what cannot be taken waits in
   * the network, where the server notices. Throws Refused, and whatever else goes wrong.
   */
  async pour(address: string): Promise<void> {
    for await (const piece of pushed(address, this.stop.signal)) {
      await this.done(() => this.buffer.appendBuffer(piece));
      this.poured();
      await this.trim();
    }
  }

  /** End at once; `pour` then throws an AbortError. */
  close(): void {
    this.stop.abort();
  }

  private async trim(): Promise<void> {
    const until = this.video.currentTime - KEPT_S;
    if (until < this.trimmed + TRIM_EVERY_S) return;
    this.trimmed = until;
    await this.done(() => this.buffer.remove(0, until));
  }

  /** Start an operation of the buffer and wait for its end. */
  private done(start: () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      const { signal } = this.stop;
      signal.throwIfAborted();
      const heard = new AbortController();
      const settle = (call: () => void) => (): void => {
        heard.abort();
        call();
      };
      const on = (target: EventTarget, name: string, call: () => void): void =>
        target.addEventListener(name, settle(call), { signal: heard.signal });
      on(this.buffer, "updateend", resolve);
      on(this.buffer, "error", () => reject(new Error("The buffer refuses what comes.")));
      on(signal, "abort", () => reject(signal.reason as Error));
      start();
    });
  }
}
