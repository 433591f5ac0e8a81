/** How fast an upload goes, over its last seconds. */

const WINDOW_MS = 5000;

export class Pace {
  private readonly marks: [at: number, sent: number][] = [];

  /** Note how many bytes were sent by `at` (milliseconds); return bytes a second. */
  mark(sent: number, at: number): number {
    this.marks.push([at, sent]);
    while (this.marks.length > 2 && at - (this.marks[0]?.[0] ?? at) > WINDOW_MS) this.marks.shift();
    const [first, from] = this.marks[0] ?? [at, sent];
    return at > first ? ((sent - from) / (at - first)) * 1000 : 0;
  }
}
