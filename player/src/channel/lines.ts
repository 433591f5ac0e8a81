/** A stream of server-sent events, read as its bytes come (HTML standard, section 9.2.6). */

export class Lines {
  private rest = "";
  private data: string[] = [];
  private begun = false;

  /** Take what has come; return the data of the events that are complete by it. */
  push(text: string): string[] {
    if (!text) return [];
    this.rest += this.begun ? text : text.replace(/^\uFEFF/, "");
    this.begun = true;
    const events: string[] = [];
    // A carriage return at the very end may be half of a line's end.
    for (let end; (end = /\r\n|\n|\r(?!$)/.exec(this.rest)); ) {
      this.line(this.rest.slice(0, end.index), events);
      this.rest = this.rest.slice(end.index + end[0].length);
    }
    return events;
  }

  private line(line: string, events: string[]): void {
    if (line.startsWith("data:")) this.data.push(line.slice(line[5] === " " ? 6 : 5));
    else if (line === "" && this.data.length) {
      events.push(this.data.join("\n"));
      this.data = [];
    }
  }
}
