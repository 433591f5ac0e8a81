/** What a connection without a socket follows, and how far it has come: what each of its requests has to say. */
import { channelOf, type FromServer, isEvent, type Subscribe, type Subscribed } from "./messages";

interface Place {
  epoch: string;
  offset: number;
}

export class Places {
  private readonly channels = new Map<string, Place | undefined>();

  get size(): number {
    return this.channels.size;
  }

  ask({ channel, epoch, offset }: Subscribe): void {
    this.channels.set(channel, epoch === undefined || offset === undefined ? undefined : { epoch, offset });
  }

  drop(channel: string): void {
    this.channels.delete(channel);
  }

  /** Move with what the server has said. */
  note(message: FromServer): void {
    const channel = channelOf(message);
    if (channel === undefined || !this.channels.has(channel)) return;
    if (message.type === "refused") this.channels.delete(channel);
    else if (isEvent(message)) {
      if (message.offset !== undefined) this.channels.set(channel, { epoch: message.epoch, offset: message.offset });
    } else if (message.type === "subscribed" && !message.recovered) {
      this.channels.set(channel, { epoch: message.epoch, offset: message.offset });
    }
  }

  /** Return what goes without saying in an answer that just goes on: each of the other channels is subscribed to. */
  continued(answer: readonly FromServer[]): Subscribed[] {
    const said = new Set(answer.filter((each) => !isEvent(each)).map(channelOf));
    return [...this.channels].flatMap(([channel, place]) =>
      place && !said.has(channel) ? [{ type: "subscribed", channel, ...place, recovered: true }] : [],
    );
  }

  /** Return the query of a request: every channel, and a cursor for those that are to go on. */
  query(): URLSearchParams {
    const query = new URLSearchParams();
    const cursor: string[] = [];
    for (const [channel, place] of this.channels) {
      query.append("channel", channel);
      if (place) cursor.push(`${channel}~${place.epoch}~${place.offset}`);
    }
    if (cursor.length) query.set("cursor", cursor.join(","));
    return query;
  }
}
